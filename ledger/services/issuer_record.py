"""The public record of an issuer: what its page shows, and the files that a closed one leaves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ledger.core.canonical import Json, encode_time, parse, parse_object
from ledger.core.closing import ClosingStatement
from ledger.core.closing_archive import HISTORY, PROOF, STATEMENT
from ledger.core.credential import Achievement
from ledger.core.issuer import IssuerProfile, IssuerReference
from ledger.core.issuer_proof import IssuerProof
from ledger.core.keys import PublicKey
from ledger.errors import NotFound
from ledger.services.achievements import MAX_PAGE, AchievementPlace, page_of
from ledger.services.addresses import Addresses
from ledger.services.closing_proof import public_record, questions_of
from ledger.services.identity import reference_of
from ledger.store import chains, closings, issuers
from ledger.store.database import Transaction
from ledger.store.records import Closing, IssuerKey, IssuerKeyRole, IssuerRecord


@dataclass(frozen=True, slots=True)
class OfferedAchievement:
    """A version of an achievement, and its address."""

    achievement: Achievement
    address: str


@dataclass(frozen=True, slots=True)
class PublicIssuer:
    """An issuer as anybody may see it. Names nobody but itself.

    `statement` and what goes with it are None while it is open; `files` are the names under which
    a closed one's papers can be fetched. `achievements` are a page of them, and `next` is where the
    following one begins.
    """

    name: str
    profile: IssuerProfile
    reference: IssuerReference
    registered_at: datetime | None
    closed_at: datetime | None
    imported: bool
    successor: IssuerReference | None
    statement: str | None
    keys: Sequence[IssuerKey]
    achievements: Sequence[OfferedAchievement]
    next: AchievementPlace | None
    status_lists: Sequence[str]
    files: Sequence[str]
    test: bool

    def to_json(self) -> dict[str, Json]:
        """For programs."""
        return {
            "name": self.name,
            "issuer": self.reference.text,
            "profile": self.profile.to_json(),
            "registeredAt": _text(self.registered_at),
            "closedAt": _text(self.closed_at),
            "imported": self.imported,
            "successor": None if self.successor is None else self.successor.text,
            "statement": self.statement,
            "keys": [{"role": k.role.value, "key": k.public} for k in self.keys],
            "achievements": [each.address for each in self.achievements],
            "next": None if self.next is None else str(self.next),
            "statusLists": list(self.status_lists),
            "files": list(self.files),
            "test": self.test,
        }


def public_issuer(
    tx: Transaction,
    issuer_id: bytes,
    *,
    addresses: Addresses,
    limit: int = MAX_PAGE,
    after: AchievementPlace | None = None,
) -> PublicIssuer:
    """The public record of an issuer that this ledger keeps, with one page of its achievements.

    Raises NotFound, also if `after` is none of them.
    """
    record = issuers.by_issuer_id(tx, issuer_id)
    profile = IssuerProfile.from_json(parse_object(record.profile))
    closing = _closed(tx, record)
    statement = (
        None if closing is None else ClosingStatement.from_bytes(closing.statement)
    )
    keys = [
        key
        for key in issuers.keys(tx, record.organisation_id)
        if key.role is not IssuerKeyRole.CONTROLLER and key.opened is not None
    ]
    offered = page_of(tx, record.organisation_id, limit=limit, after=after)
    return PublicIssuer(
        name=profile.name,
        profile=profile,
        reference=reference_of(record),
        registered_at=_moment(record.registered_at),
        closed_at=_moment(record.closed_at),
        imported=closing is not None and closing.imported_at is not None,
        successor=None if statement is None else statement.successor,
        statement=None if statement is None else statement.text,
        keys=keys,
        achievements=[
            OfferedAchievement(read, addresses.achievement(record, read))
            for read in (
                Achievement.from_json(parse(each.source)) for each in offered.records
            )
        ],
        next=offered.next,
        status_lists=[
            addresses.status_list(record, PublicKey.from_multibase(key.public))
            for key in keys
            if key.role is IssuerKeyRole.SIGNING
        ],
        files=[] if closing is None else _files_of(closing),
        test=chains.get(tx, record.chain_id).test,
    )


def issuer_file(tx: Transaction, issuer_id: bytes, name: str) -> bytes:
    """One of the papers of a closed issuer, as they stand in its closing archive. Raises NotFound."""
    record = issuers.by_issuer_id(tx, issuer_id)
    closing = _closed(tx, record)
    if closing is None or name not in _files_of(closing):
        raise NotFound("this issuer has left no such file")
    return _FILES[name](tx, record, closing)


def _closed(tx: Transaction, record: IssuerRecord) -> Closing | None:
    """The closing, once the chain has it: until then nothing of it is public.

    None too where only the chain tells of it, because the database that closed it is lost.
    """
    if record.closed_at is None or not closings.has_begun(tx, record.organisation_id):
        return None
    return closings.of(tx, record.organisation_id)


def _files_of(closing: Closing) -> list[str]:
    # The proof is taken when the closing archive is written.
    return [STATEMENT] if closing.proof is None else list(_FILES)


def _statement(_tx: Transaction, _record: IssuerRecord, closing: Closing) -> bytes:
    return closing.statement


def _proof(_tx: Transaction, _record: IssuerRecord, closing: Closing) -> bytes:
    return closing.proof or b""


def _history(tx: Transaction, record: IssuerRecord, closing: Closing) -> bytes:
    proof = IssuerProof.from_bytes(closing.proof or b"")
    facts = proof.prove(questions_of(tx, record))
    return public_record(tx, record, closing, facts).history.encode()


_FILES: Final[dict[str, Callable[[Transaction, IssuerRecord, Closing], bytes]]] = {
    STATEMENT: _statement,
    HISTORY: _history,
    PROOF: _proof,
}


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else encode_time(instant)
