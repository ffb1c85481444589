"""Closing an organisation: what is still open, and the act from which there is no way back.

Everything that is done here is one transaction: nothing is issued any more, the last status
lists are signed, the statement is written, and its hash waits, signed by the recovery key, to
be carried to the chain. A crash leaves all of it or nothing. What follows on the chain is the
worker's; docs/spec/closing-archive.md has the order.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeAlias

from ledger.chain import accounts, acts
from ledger.chain.registry import IssuerState
from ledger.core.canonical import Json, encode, encode_time, parse
from ledger.core.closing import (
    ClosingStatement,
    Custodian,
    ListedAchievement,
    ListedStatus,
    check_custodians,
    read_custodians,
    statement_hash,
)
from ledger.core.issuer import IssuerReference, recovery_commitment
from ledger.core.keys import PublicKey, SigningKey
from ledger.errors import KeystoreError, MalformedError, NotFound, Refused
from ledger.keystore.backup import decode_backup
from ledger.keystore.custodian import check_recipient
from ledger.keystore.master import MasterKey
from ledger.services.addresses import Addresses
from ledger.services.chain_acts import enqueue
from ledger.services.identity import issuer_record, open_key, reference_of
from ledger.services.organisations import Caller
from ledger.services.registration import ACT_LIFETIME
from ledger.services.status_lists import sign_status_list
from ledger.store import (
    achievements,
    chain_txs,
    closings,
    credentials,
    issuers,
    organisations,
)
from ledger.store.database import Database, Transaction
from ledger.store.records import (
    ChainTx,
    ChainTxKind,
    ChainTxState,
    Closing,
    IssuerKeyRole,
    IssuerRecord,
    OpenWork,
)

#: What the registry says of an issuer id at the newest block; None: it knows no such issuer.
IssuerLookup: TypeAlias = Callable[[bytes], IssuerState | None]

_NOBODY = bytes(32)
_FAILED = (ChainTxState.REVERTED, ChainTxState.FATAL)


class Stage(StrEnum):
    """How far the closing of an organisation has come."""

    OPEN = "open"  #: not begun
    CLOSING = (
        "closing"  #: nothing is issued any more; the act is on its way to the chain
    )
    REFUSED = "refused"  #: the chain refused the act: it has to be signed once more
    CLOSED = (
        "closed"  #: final on the chain; the worker takes new evidence for every file
    )
    PROVED = "proved"  #: every file proves it: the closing archive can be written
    IMPORTED = "imported"  #: closed at another ledger


@dataclass(frozen=True, slots=True)
class OpenItem:
    """Something that is not finished; `blocks` tells whether closing waits for it."""

    code: str
    count: int
    what: str
    todo: str
    blocks: bool = True


@dataclass(frozen=True, slots=True)
class ClosingStatus:
    """Where an organisation stands: what closing it will do, what is open, what is done."""

    organisation: str
    issuer: IssuerReference
    stage: Stage
    open: tuple[OpenItem, ...]
    credentials: int
    earners: int
    successor: IssuerReference | None
    custodians: tuple[Custodian, ...]
    statement: bytes | None = field(repr=False)
    started_at: datetime | None
    closed_at: datetime | None
    archived_at: datetime | None

    @property
    def blocked(self) -> bool:
        """Whether something has to be finished before the next step."""
        return any(item.blocks for item in self.open)

    def check_ready(self) -> None:
        """Raise Refused, naming all that is still open, if something is in the way."""
        if self.blocked:
            items = "; ".join(
                f"{item.count} {item.what} ({item.todo})"
                for item in self.open
                if item.blocks
            )
            raise Refused(f"{self.organisation} cannot be closed yet: {items}")

    @property
    def steps(self) -> tuple[str, ...]:
        """What closing does, in its order."""
        heir = (
            self.successor.text if self.successor else "the successor, if one is named"
        )
        return (
            "nothing can be issued any more, and nothing withdrawn by the organisation",
            "its last status lists are signed, without an end date",
            "the closing statement is written, and its hash is signed by the recovery key",
            f"the worker closes {self.issuer.text} on the chain, for ever; afterwards nobody but"
            f" {heir} can withdraw",
            f"the worker takes new evidence, so that the files of {self.credentials} credentials"
            " prove by themselves that the issuer has closed",
            f"the closing archive is written: take-away archives of {self.earners} earners and"
            " all credentials, sealed for the custodians; everything public, readable",
        )

    def to_json(self) -> dict[str, Json]:
        """For programs: the same from the command and from the HTTP API."""
        return {
            "organisation": self.organisation,
            "issuer": self.issuer.text,
            "stage": self.stage.value,
            "blocked": self.blocked,
            "credentials": self.credentials,
            "earners": self.earners,
            "successor": None if self.successor is None else self.successor.text,
            "custodians": [each.to_json() for each in self.custodians],
            "statementHash": None
            if self.statement is None
            else f"0x{statement_hash(self.statement).hex()}",
            "startedAt": _moment(self.started_at),
            "closedAt": _moment(self.closed_at),
            "archivedAt": _moment(self.archived_at),
            "steps": list(self.steps),
            "open": [
                {
                    "code": item.code,
                    "count": item.count,
                    "what": item.what,
                    "todo": item.todo,
                    "blocks": item.blocks,
                }
                for item in self.open
            ],
        }

    def to_text(self) -> str:
        """For people."""
        lines = [f"{self.organisation}: {_STAGES[self.stage]}"]
        if self.stage is Stage.OPEN:
            lines += ["", "Closing is for ever. It does this:"]
            lines += (f"  {n}. {step}" for n, step in enumerate(self.steps, 1))
        if self.open:
            lines += ["", "Still open:"]
            lines += (
                f"  {item.count:6} {item.what}\n         {item.todo}"
                for item in self.open
            )
        elif self.stage is Stage.OPEN:
            lines += ["", "Nothing is open: it can be closed."]
        return "\n".join(lines)


_STAGES = {
    Stage.OPEN: "open.",
    Stage.CLOSING: "closing; the worker carries it to the chain.",
    Stage.REFUSED: "closing; the chain refused the act. Run it again with the backup.",
    Stage.CLOSED: "closed on the chain; the worker takes new evidence.",
    Stage.PROVED: "closed, and every file proves it.",
    Stage.IMPORTED: "closed at another ledger, and imported.",
}


def closing_status(tx: Transaction, caller: Caller) -> ClosingStatus:
    """The dry run, and where a closing that was begun stands. Raises Refused without a record."""
    record = issuer_record(tx, caller)
    work = closings.open_work(tx, record.organisation_id)
    try:
        closing = closings.of(tx, record.organisation_id)
    except NotFound:
        closing = None
    stage = _stage(tx, record, closing, work)
    successor = None if closing is None else closing.successor
    return ClosingStatus(
        organisation=caller.organisation.name,
        issuer=reference_of(record),
        stage=stage,
        open=tuple(_open_items(tx, record, work, stage)),
        credentials=credentials.count(tx, record.organisation_id),
        earners=credentials.count_earners(tx, record.organisation_id),
        successor=None
        if successor is None
        else IssuerReference(record.chain_id, record.registry, successor),
        custodians=()
        if closing is None
        else read_custodians(parse(closing.custodians)),
        statement=None if closing is None else closing.statement,
        started_at=None if closing is None else closing.started_at,
        closed_at=None
        if record.closed_at is None
        else datetime.fromtimestamp(record.closed_at, UTC),
        archived_at=None if closing is None else closing.archived_at,
    )


def _stage(
    tx: Transaction, record: IssuerRecord, closing: Closing | None, work: OpenWork
) -> Stage:
    if closing is not None and closing.imported_at is not None:
        return Stage.IMPORTED
    if record.closed_at is not None:
        return Stage.CLOSED if work.unproved else Stage.PROVED
    if closing is None:
        return Stage.OPEN
    newest = _acts(tx, record)[-1]
    return Stage.REFUSED if newest.state in _FAILED else Stage.CLOSING


def _acts(tx: Transaction, record: IssuerRecord) -> list[ChainTx]:
    """Every act of closing that was ever signed, the newest last."""
    about = chain_txs.about(tx, str(record.organisation_id))
    return [act for act in about if act.kind is ChainTxKind.CLOSE]


def _open_items(
    tx: Transaction, record: IssuerRecord, work: OpenWork, stage: Stage
) -> Iterator[OpenItem]:
    wait = "wait for the worker (perdure worker; perdure status shows how far it is)"
    if record.registered_at is None:
        yield OpenItem("not_registered", 1, "issuer record not on the chain yet", wait)
    for code, count, what in (
        ("waiting", work.waiting, "credentials that wait for a batch"),
        (
            "not_final",
            work.not_final,
            "credentials whose batch is not final on the chain",
        ),
        ("pending_acts", work.pending_acts, "other acts on their way to the chain"),
    ):
        if count:
            yield OpenItem(code, count, what, wait)
    if work.unrevoked:
        yield OpenItem(
            "unrevoked",
            work.unrevoked,
            "withdrawals that are not final on the chain",
            f"{wait}; those that the chain refused are signed anew by: perdure issuer renew",
        )
    if work.unproved:
        todo = (
            "wait for the worker; if it stays so, its node proves no state: use another"
        )
        what = (
            "credentials without evidence from after the closing"
            if stage is Stage.CLOSED
            else "credentials without evidence"
        )
        yield OpenItem("unproved", work.unproved, what, todo)
    if work.failed_acts:
        yield OpenItem(
            "failed_acts",
            work.failed_acts,
            "acts that the chain refused for good",
            "what is missing because of them is signed anew by: perdure issuer renew",
            blocks=False,
        )
    archived = stage is Stage.IMPORTED or (
        stage is Stage.PROVED
        and closings.of(tx, record.organisation_id).archived_at is not None
    )
    earners = credentials.count_earners(tx, record.organisation_id)
    if earners and not archived:
        yield OpenItem(
            "archives",
            earners,
            "earners without their archive",
            "the last step writes all of them",
            blocks=False,
        )


# ---------------------------------------------------------------- beginning


@dataclass(frozen=True, slots=True)
class ClosingWish:
    """How an organisation wishes to close. `text` is in its own words, for everybody to read."""

    custodians: tuple[Custodian, ...]
    successor: IssuerReference | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        check_custodians(self.custodians)
        for custodian in self.custodians:
            check_recipient(custodian.recipient)


@dataclass(frozen=True, slots=True)
class Authorised:
    """A wish, and the recovery key that may carry it out. It lives in memory alone."""

    wish: ClosingWish
    recovery: bytes = field(repr=False)


def authorise_closing(
    database: Database,
    caller: Caller,
    wish: ClosingWish,
    *,
    backup: bytes,
    passphrase: str,
    lookup: IssuerLookup,
) -> Authorised:
    """Check all that does not need a transaction: the chain's word, the successor, the backup.

    Raises Refused naming what is wrong (a wrong passphrase too), MalformedError for a file that is
    no backup, ChainUnavailable.
    """
    with database.read() as tx:
        record = issuer_record(tx, caller)
    _check_open(caller, record, lookup(record.issuer_id))
    if wish.successor is not None:
        _check_successor(record, wish.successor, lookup)
    recovery = _recovery_key(record, backup, passphrase)
    state = lookup(record.issuer_id)
    committed = recovery_commitment(accounts.address_of(recovery))
    if state is None or state.recovery != committed:
        raise Refused(
            "the recovery key in this backup is not the present one: it was changed on the chain"
        )
    return Authorised(wish, recovery)


def _check_open(
    caller: Caller, record: IssuerRecord, state: IssuerState | None
) -> None:
    name = caller.organisation.name
    if record.closed_at is not None:
        raise Refused(f"{name} is closed already")
    if state is None:
        raise Refused(f"{name} is not on the chain yet: wait for the worker")
    if state.closed_at is not None:
        moment = encode_time(datetime.fromtimestamp(state.closed_at, UTC))
        raise Refused(f"{name} is closed already: on the chain since {moment}")


def _check_successor(
    record: IssuerRecord, successor: IssuerReference, lookup: IssuerLookup
) -> None:
    if (successor.chain_id, successor.registry) != (record.chain_id, record.registry):
        raise Refused(
            f"a successor stands in the same register, eip155:{record.chain_id}:"
            f"{record.registry}; this one is {successor.text}"
        )
    if successor.issuer_id == record.issuer_id:
        raise Refused("an issuer is not its own successor")
    state = lookup(successor.issuer_id)
    if state is None:
        raise Refused(f"the register does not know the successor {successor.text}")
    if state.closed_at is not None:
        raise Refused(f"the successor {successor.text} is closed itself")


def _recovery_key(record: IssuerRecord, backup: bytes, passphrase: str) -> bytes:
    try:
        entries = decode_backup(backup, passphrase)
    except KeystoreError as error:
        raise Refused(str(error)) from error
    for entry in entries:
        if entry.issuer_id == record.issuer_id:
            break
    else:
        others = ", ".join(sorted(entry.organisation_code for entry in entries))
        raise Refused(
            f"this is the backup of another issuer ({others or 'of none'}); closing takes the"
            " file that registering this one wrote"
        )
    held = entry.secrets.get("recovery", ())
    if not held:
        raise Refused(
            "this backup has no recovery key: it stands only in the file that"
            " perdure issuer register wrote"
        )
    return held[0]


def begin_closing(
    tx: Transaction,
    caller: Caller,
    authorised: Authorised,
    *,
    master: MasterKey,
    addresses: Addresses,
    now: datetime,
) -> ClosingStatus:
    """Close, as far as this ledger can: all of it in this transaction. The worker does the rest.

    Once begun, only an act that the chain refused is signed again; anything else changes nothing.
    Raises Refused, naming it, if something is still open or another successor was named before.
    """
    # Nothing is issued between looking and closing.
    organisations.lock(tx, caller.organisation.id)
    status = closing_status(tx, caller)
    record, wish = issuer_record(tx, caller), authorised.wish
    if status.stage is Stage.OPEN:
        status.check_ready()
        statement = _close(
            tx, caller, record, wish, master=master, addresses=addresses, now=now
        )
    elif status.stage is Stage.REFUSED and status.statement is not None:
        if wish.successor != status.successor:
            raise Refused("the closing that was begun names another successor")
        statement = status.statement
    else:
        return status
    _enqueue(tx, record, authorised, statement, now=now)
    return closing_status(tx, caller)


def _close(  # noqa: PLR0913 - whose, why and the edges
    tx: Transaction,
    caller: Caller,
    record: IssuerRecord,
    wish: ClosingWish,
    *,
    master: MasterKey,
    addresses: Addresses,
    now: datetime,
) -> bytes:
    """Write down that it closes, its lists and its statement; answer the statement."""
    lists = _last_lists(tx, record, master=master, addresses=addresses, now=now)
    statement = ClosingStatement(
        issuer=reference_of(record),
        code=caller.organisation.code,
        name=caller.organisation.name,
        successor=wish.successor,
        prepared_at=now,
        credentials=credentials.count(tx, record.organisation_id),
        achievements=tuple(
            ListedAchievement(a.code, a.version, hashlib.sha256(a.source).digest())
            for a in achievements.all(tx, record.organisation_id)
        ),
        status_lists=tuple(
            ListedStatus(key, hashlib.sha256(data).digest())
            for key, data in lists.items()
        ),
        text=wish.text,
    ).encode()
    closings.begin(
        tx,
        Closing(
            organisation_id=record.organisation_id,
            started_at=now,
            successor=None if wish.successor is None else wish.successor.issuer_id,
            statement=statement,
            custodians=encode([each.to_json() for each in wish.custodians]),
        ),
        {key.key_id: data for key, data in lists.items()},
    )
    return statement


def _last_lists(
    tx: Transaction,
    record: IssuerRecord,
    *,
    master: MasterKey,
    addresses: Addresses,
    now: datetime,
) -> Mapping[PublicKey, bytes]:
    """One list for each signing key, since with did:key the list's issuer is the key."""
    indexes = credentials.withdrawn_indexes(tx, record.organisation_id)
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    lists = {}
    for key in issuers.keys(tx, record.organisation_id, IssuerKeyRole.SIGNING):
        signing = SigningKey.from_seed(open_key(key, master))
        lists[signing.public] = sign_status_list(
            record, signing, indexes, addresses=addresses, today=today, lasts=True
        )
    if not lists:
        raise KeystoreError("the organisation has no signing key; restore its backup")
    return lists


def _enqueue(
    tx: Transaction,
    record: IssuerRecord,
    authorised: Authorised,
    statement: bytes,
    *,
    now: datetime,
) -> None:
    successor = authorised.wish.successor
    act = acts.close(
        acts.Domain(record.chain_id, record.registry),
        record.issuer_id,
        _NOBODY if successor is None else successor.issuer_id,
        statement_hash(statement),
        acts.Authority(authorised.recovery, int((now + ACT_LIFETIME).timestamp())),
    )
    enqueue(tx, act, record, subject=str(record.organisation_id), name="", now=now)


def _moment(instant: datetime | None) -> str | None:
    return None if instant is None else encode_time(instant)


def read_successor(text: str | None) -> IssuerReference | None:
    """Read a successor as people write it. Raises MalformedError."""
    if text is None:
        return None
    try:
        return IssuerReference.from_text(text.strip().lower())
    except MalformedError as error:
        raise MalformedError(
            "successor: write the whole identifier of its issuer record,"
            " eip155:CHAIN:REGISTER:ID (perdure issuer show)"
        ) from error
