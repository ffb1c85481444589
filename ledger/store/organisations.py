"""Organisations: the tenants. These functions choose one; all others are given one."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import insert, select
from sqlmodel import col

from ledger.errors import NotFound
from ledger.store.database import Transaction
from ledger.store.records import Organisation
from ledger.store.tables import OrganisationRow


def add(
    tx: Transaction, *, id: UUID, code: str, name: str, now: datetime
) -> Organisation:
    """Add an organisation. Raises Conflict if the code is taken."""
    tx.change(
        insert(OrganisationRow).values(id=id, code=code, name=name, created_at=now)
    )
    return Organisation(id=id, code=code, name=name, created_at=now)


def by_id(tx: Transaction, id: UUID) -> Organisation:
    """The organisation with this id. Raises NotFound."""
    return _one(tx, id=id)


def by_code(tx: Transaction, code: str) -> Organisation:
    """The organisation with this code. Raises NotFound."""
    return _one(tx, code=code)


def all(tx: Transaction) -> Sequence[Organisation]:
    """Every organisation of this ledger, by code: for the operator alone."""
    rows = tx.rows(select(OrganisationRow).order_by(col(OrganisationRow.code)))
    return [Organisation(**row) for row in rows]


def lock(tx: Transaction, organisation_id: UUID) -> None:
    """Let one transaction at a time pass for an organisation. Raises NotFound.

    On SQLite there is one writer anyway.
    """
    query = (
        select(col(OrganisationRow.id))
        .where(col(OrganisationRow.id) == organisation_id)
        .with_for_update()
    )
    if tx.row(query) is None:
        raise NotFound("there is no such organisation")


def _one(tx: Transaction, **is_: object) -> Organisation:
    row = tx.row(select(OrganisationRow).filter_by(**is_))
    if row is None:
        raise NotFound("there is no such organisation")
    return Organisation(**row)
