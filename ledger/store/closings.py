"""Closing an organisation: that it has begun, what is still open, and who may act afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, func, insert, select, update
from sqlmodel import col

from ledger.errors import NotFound
from ledger.store import credentials, organisations
from ledger.store.database import Transaction
from ledger.store.records import (
    ChainTxKind,
    ChainTxState,
    Closing,
    OpenWork,
)
from ledger.store.tables import (
    ChainTxRow,
    ClosingRow,
    CredentialRow,
    EvidenceDueRow,
    FinalStatusListRow,
    HeldCredentialRow,
    IssuerRow,
)

_AT_ONCE = 1_000
# What stands where a ciphertext stood.
_ERASED = b""
_PENDING = (
    ChainTxState.SEALED,
    ChainTxState.IN_PROGRESS,
    ChainTxState.SENT,
    ChainTxState.MINED,
)
_FAILED = (ChainTxState.REVERTED, ChainTxState.FATAL)


def begin(tx: Transaction, closing: Closing, lists: Mapping[bytes, bytes]) -> None:
    """Note that an organisation closes, with its last status list for each key id.

    Whoever issues holds the same lock, so nothing is issued behind this. Raises Conflict if
    closing has begun before, NotFound without an organisation.
    """
    organisations.lock(tx, closing.organisation_id)
    tx.change(insert(ClosingRow).values(asdict(closing)))
    for key_id, data in lists.items():
        tx.change(
            insert(FinalStatusListRow).values(
                organisation_id=closing.organisation_id, key_id=key_id, data=data
            )
        )


def of(tx: Transaction, organisation_id: UUID) -> Closing:
    """The closing of an organisation. Raises NotFound while it is open."""
    row = tx.row(
        select(ClosingRow).where(col(ClosingRow.organisation_id) == organisation_id)
    )
    if row is None:
        raise NotFound("this organisation does not close")
    return Closing(**row)


def has_begun(tx: Transaction, organisation_id: UUID) -> bool:
    """Whether an organisation closes, or has closed."""
    found = tx.scalar(
        select(func.count()).where(col(ClosingRow.organisation_id) == organisation_id)
    )
    return bool(found)


def final_lists(tx: Transaction, organisation_id: UUID) -> Mapping[bytes, bytes]:
    """The last status lists of an organisation, by the id of the key that signed."""
    rows = tx.rows(
        select(FinalStatusListRow)
        .where(col(FinalStatusListRow.organisation_id) == organisation_id)
        .order_by(col(FinalStatusListRow.key_id))
    )
    return {row["key_id"]: row["data"] for row in rows}


def keep_proof(tx: Transaction, organisation_id: UUID, proof: bytes) -> None:
    """Keep the proof of the issuer's record after closing. Raises NotFound."""
    _change(tx, organisation_id, proof=proof)


def mark_archived(tx: Transaction, organisation_id: UUID, at: datetime) -> None:
    """Note when the closing archive was written last. Raises NotFound."""
    _change(tx, organisation_id, archived_at=at)


def left_to(tx: Transaction, chain_id: int, issuer_id: bytes) -> Sequence[UUID]:
    """The organisations that have closed and named this issuer as their successor."""
    rows = tx.rows(
        select(col(ClosingRow.organisation_id))
        .join(
            IssuerRow, col(IssuerRow.organisation_id) == col(ClosingRow.organisation_id)
        )
        .where(
            col(ClosingRow.successor) == issuer_id,
            col(IssuerRow.chain_id) == chain_id,
            col(IssuerRow.closed_at).is_not(None),
        )
        .order_by(col(ClosingRow.organisation_id))
    )
    return [row["organisation_id"] for row in rows]


def hold(tx: Transaction, organisation_id: UUID, id: UUID, sealed: bytes) -> bool:
    """Hold an imported credential back, as ciphertext; answer whether it was new.

    One that is held, shown or erased already stays as it is. Raises NotFound for an organisation that
    does not close.
    """
    of(tx, organisation_id)
    shown = tx.scalar(
        select(func.count()).where(
            col(CredentialRow.organisation_id) == organisation_id,
            col(CredentialRow.id) == id,
        )
    )
    if shown:
        return False
    return tx.add_if_absent(
        HeldCredentialRow,
        {"organisation_id": organisation_id, "id": id, "sealed": sealed},
    )


def held(
    tx: Transaction, organisation_id: UUID, *, after: UUID | None, limit: int
) -> Sequence[tuple[UUID, bytes]]:
    """At most `limit` credentials that are held back, by id, from behind `after`."""
    query = select(col(HeldCredentialRow.id), col(HeldCredentialRow.sealed)).where(
        col(HeldCredentialRow.organisation_id) == organisation_id,
        col(HeldCredentialRow.sealed) != _ERASED,
    )
    if after is not None:
        query = query.where(col(HeldCredentialRow.id) > after)
    rows = tx.rows(query.order_by(col(HeldCredentialRow.id)).limit(limit))
    return [(row["id"], row["sealed"]) for row in rows]


def take_held(tx: Transaction, organisation_id: UUID, id: UUID) -> bytes:
    """Take a credential out of those that are held back, once. Raises NotFound."""
    mine = {"organisation_id": organisation_id, "id": id}
    sealed: bytes | None = tx.scalar(
        select(col(HeldCredentialRow.sealed)).filter_by(**mine)
    )
    if not sealed or tx.change(delete(HeldCredentialRow).filter_by(**mine)) != 1:
        raise NotFound("no such credential is held back here")
    return sealed


def erase_held(tx: Transaction, organisation_id: UUID, id: UUID) -> None:
    """Erase a credential that is held back, without showing it. Raises NotFound.

    Its id stays, so that the same archive does not bring it in again. Erasing again changes
    nothing.
    """
    done = tx.change(
        update(HeldCredentialRow)
        .filter_by(organisation_id=organisation_id, id=id)
        .values(sealed=_ERASED)
    )
    if done != 1:
        raise NotFound("no such credential is held back here")


def open_work(tx: Transaction, organisation_id: UUID) -> OpenWork:
    """Count what of an organisation's is not finished."""
    acts = {
        ChainTxState(row["state"]): int(row["n"])
        for row in tx.rows(
            select(col(ChainTxRow.state), func.count().label("n"))
            .where(
                col(ChainTxRow.subject) == str(organisation_id),
                col(ChainTxRow.kind) != ChainTxKind.CLOSE,
            )
            .group_by(col(ChainTxRow.state))
        )
    }
    home = _home(organisation_id)
    return OpenWork(
        waiting=_waiting(tx, organisation_id),
        not_final=_members(tx, organisation_id, credentials.unanchored(home)),
        unrevoked=_unrevoked(tx, organisation_id),
        pending_acts=sum(acts.get(state, 0) for state in _PENDING),
        failed_acts=sum(acts.get(state, 0) for state in _FAILED),
        unproved=_members(tx, organisation_id, _unproved(home)),
    )


def _home(organisation_id: UUID) -> ColumnElement[int]:
    return (
        select(col(IssuerRow.chain_id))
        .where(col(IssuerRow.organisation_id) == organisation_id)
        .scalar_subquery()
    )


def _waiting(tx: Transaction, organisation_id: UUID) -> int:
    # With the chain: in that index SQLite finds all that it needs.
    query = select(func.count()).where(
        col(CredentialRow.chain_id) == _home(organisation_id),
        col(CredentialRow.organisation_id) == organisation_id,
        col(CredentialRow.batch_id).is_(None),
    )
    return int(tx.scalar(query))


def _members(tx: Transaction, organisation_id: UUID, batches: Select[UUID]) -> int:
    """How many credentials of an organisation are in these batches, which are few of all."""
    few = batches.subquery()
    # Batch by batch: else SQLite goes through all that the organisation ever issued.
    theirs = (
        select(func.count())
        .select_from(CredentialRow)
        .where(
            col(CredentialRow.batch_id) == few.c.id,
            col(CredentialRow.organisation_id) == organisation_id,
        )
        .scalar_subquery()
    )
    return int(tx.scalar(select(func.coalesce(func.sum(theirs), 0)).select_from(few)))


def _unproved(chain_id: ColumnElement[int]) -> Select[UUID]:
    """Asks for the ids of batches whose root is final and has no evidence that counts."""
    return select(col(EvidenceDueRow.batch_id).label("id")).where(
        col(EvidenceDueRow.chain_id) == chain_id
    )


def _unrevoked(tx: Transaction, organisation_id: UUID) -> int:
    """Withdrawn credentials whose bit is not set for good on the chain."""
    rows = tx.rows(
        select(col(CredentialRow.id)).where(
            col(CredentialRow.organisation_id) == organisation_id,
            col(CredentialRow.withdrawn_at).is_not(None),
        )
    )
    subjects = [str(row["id"]) for row in rows]
    done = 0
    for start in range(0, len(subjects), _AT_ONCE):
        query = select(func.count(func.distinct(ChainTxRow.subject))).where(
            col(ChainTxRow.kind) == ChainTxKind.REVOKE,
            col(ChainTxRow.state) == ChainTxState.FINAL,
            col(ChainTxRow.subject).in_(subjects[start : start + _AT_ONCE]),
        )
        done += int(tx.scalar(query))
    return len(subjects) - done


def _change(tx: Transaction, organisation_id: UUID, **values: object) -> None:
    done = tx.change(
        update(ClosingRow)
        .where(col(ClosingRow.organisation_id) == organisation_id)
        .values(**values)
    )
    if done != 1:
        raise NotFound("this organisation does not close")
