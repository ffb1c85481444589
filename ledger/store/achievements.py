"""Achievements, one row a version; a version never changes once it is added."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, insert, select
from sqlmodel import col

from ledger.errors import Conflict, NotFound
from ledger.store import organisations
from ledger.store.database import Transaction
from ledger.store.records import AchievementRecord
from ledger.store.tables import AchievementRow

_COLUMNS = (
    col(AchievementRow.organisation_id),
    col(AchievementRow.code),
    col(AchievementRow.version),
    col(AchievementRow.source),
    col(AchievementRow.created_at),
)


def add(tx: Transaction, record: AchievementRecord) -> AchievementRecord:
    """Add a version and answer what is stored; the same bytes again change nothing.

    Raises Conflict if the version exists with other bytes, NotFound without organisation.
    """
    # One adder at a time: the next ordinal is read before it is written.
    organisations.lock(tx, record.organisation_id)
    try:
        present = get(tx, record.organisation_id, record.code, record.version)
    except NotFound:
        pass
    else:
        if present.source != record.source:
            raise Conflict("this version of the achievement exists with other content")
        return present
    newest = tx.scalar(
        select(func.max(AchievementRow.ordinal)).where(
            col(AchievementRow.organisation_id) == record.organisation_id,
            col(AchievementRow.code) == record.code,
        )
    )
    tx.change(
        insert(AchievementRow).values(
            organisation_id=record.organisation_id,
            code=record.code,
            version=record.version,
            ordinal=1 if newest is None else newest + 1,
            source=record.source,
            created_at=record.created_at,
        )
    )
    return record


def get(
    tx: Transaction, organisation_id: UUID, code: str, version: str | None = None
) -> AchievementRecord:
    """A version of an achievement, the newest if none is named. Raises NotFound."""
    query = _of(organisation_id).where(col(AchievementRow.code) == code)
    if version is not None:
        query = query.where(col(AchievementRow.version) == version)
    row = tx.row(query.order_by(col(AchievementRow.ordinal).desc()).limit(1))
    if row is None:
        raise NotFound("this organisation has no such achievement")
    return AchievementRecord(**row)


def all(tx: Transaction, organisation_id: UUID) -> Sequence[AchievementRecord]:
    """Every version of every achievement, by code, oldest version first."""
    rows = tx.rows(
        _of(organisation_id).order_by(
            col(AchievementRow.code), col(AchievementRow.ordinal)
        )
    )
    return [AchievementRecord(**row) for row in rows]


def _of(organisation_id: UUID) -> Select[*tuple[Any, ...]]:
    return select(*_COLUMNS).where(
        col(AchievementRow.organisation_id) == organisation_id
    )
