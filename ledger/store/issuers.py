"""Issuer records and the keys of issuers, as they stand or will stand on chain."""

from collections.abc import Sequence
from dataclasses import asdict
from uuid import UUID

from sqlalchemy import RowMapping, insert, select, update
from sqlmodel import col

from ledger.errors import NotFound
from ledger.store import evidence
from ledger.store.database import Transaction
from ledger.store.records import IssuerKey, IssuerKeyRole, IssuerRecord
from ledger.store.tables import (
    IssuerKeyRow,
    IssuerRow,
)

_NO_ISSUER = "this organisation has no issuer record"


def add(tx: Transaction, record: IssuerRecord) -> None:
    """Add the issuer record of an organisation. Raises Conflict if it has one."""
    values = asdict(record)
    values["registry_address"] = values.pop("registry")
    tx.change(insert(IssuerRow).values(values))


def of(tx: Transaction, organisation_id: UUID) -> IssuerRecord:
    """The issuer record of an organisation. Raises NotFound."""
    row = tx.row(
        select(IssuerRow).where(col(IssuerRow.organisation_id) == organisation_id)
    )
    if row is None:
        raise NotFound(_NO_ISSUER)
    return _record(row)


def by_issuer_id(tx: Transaction, issuer_id: bytes) -> IssuerRecord:
    """The record with this id, which is public, whose ever it is. Raises NotFound."""
    row = tx.row(select(IssuerRow).where(col(IssuerRow.issuer_id) == issuer_id))
    if row is None:
        raise NotFound("this ledger keeps no such issuer record")
    return _record(row)


def on_chain(tx: Transaction, chain_id: int) -> Sequence[IssuerRecord]:
    """Every issuer record whose home is a chain, whose ever it is, oldest first."""
    rows = tx.rows(
        select(IssuerRow)
        .where(col(IssuerRow.chain_id) == chain_id)
        .order_by(col(IssuerRow.created_at), col(IssuerRow.organisation_id))
    )
    return [_record(row) for row in rows]


def mark_registered(tx: Transaction, organisation_id: UUID, at: int) -> None:
    """Note the block time at which the registry recorded it. Raises NotFound."""
    _mark(tx, organisation_id, registered_at=at)


def mark_closed(tx: Transaction, organisation_id: UUID, at: int, *, block: int) -> None:
    """Note the block time at which the issuer was closed, and a final block that says so.

    Evidence of an earlier block is taken once more. Raises NotFound.
    """
    _mark(tx, organisation_id, closed_at=at, closed_block=block)
    evidence.ask_again(tx, organisation_id, block)


def note_recovery_acts(
    tx: Transaction, chain_id: int, issuer_id: bytes, count: int
) -> None:
    """Note how often an issuer's recovery key has acted; of one that is not here, nothing."""
    tx.change(
        update(IssuerRow)
        .where(
            col(IssuerRow.chain_id) == chain_id, col(IssuerRow.issuer_id) == issuer_id
        )
        .values(recovery_acts=count)
    )


def add_key(tx: Transaction, key: IssuerKey) -> None:
    """Add a key. Raises Conflict if the organisation has it."""
    tx.change(insert(IssuerKeyRow).values(asdict(key)))


def keys(
    tx: Transaction, organisation_id: UUID, role: IssuerKeyRole | None = None
) -> Sequence[IssuerKey]:
    """The keys of an organisation, oldest first; of one role, if it is given."""
    query = select(IssuerKeyRow).where(
        col(IssuerKeyRow.organisation_id) == organisation_id
    )
    if role is not None:
        query = query.where(col(IssuerKeyRow.role) == role)
    rows = tx.rows(
        query.order_by(col(IssuerKeyRow.created_at), col(IssuerKeyRow.key_id))
    )
    return [IssuerKey(**{**row, "role": IssuerKeyRole(row["role"])}) for row in rows]


def unopened(tx: Transaction, organisation_id: UUID) -> Sequence[IssuerKey]:
    """The keys held here of which the registry is not known to have a record, oldest first."""
    return [
        key
        for key in keys(tx, organisation_id)
        if key.opened is None and key.sealed is not None
    ]


def some_sealed_key(tx: Transaction) -> IssuerKey | None:
    """The newest private key of any organisation, still sealed; None if there is none."""
    row = tx.row(
        select(IssuerKeyRow)
        .where(col(IssuerKeyRow.sealed).is_not(None))
        .order_by(col(IssuerKeyRow.created_at).desc(), col(IssuerKeyRow.key_id))
        .limit(1)
    )
    if row is None:
        return None
    return IssuerKey(**{**row, "role": IssuerKeyRole(row["role"])})


def mark_key_opened(
    tx: Transaction, organisation_id: UUID, key_id: bytes, at: int
) -> None:
    """Note the block time at which the registry recorded a key. Raises NotFound."""
    done = tx.change(
        update(IssuerKeyRow)
        .where(
            col(IssuerKeyRow.organisation_id) == organisation_id,
            col(IssuerKeyRow.key_id) == key_id,
        )
        .values(opened=at)
    )
    if done != 1:
        raise NotFound("this organisation has no such key")


def _mark(tx: Transaction, organisation_id: UUID, **values: int) -> None:
    done = tx.change(
        update(IssuerRow)
        .where(col(IssuerRow.organisation_id) == organisation_id)
        .values(**values)
    )
    if done != 1:
        raise NotFound(_NO_ISSUER)


def _record(row: RowMapping) -> IssuerRecord:
    values = dict(row)
    return IssuerRecord(registry=values.pop("registry_address"), **values)
