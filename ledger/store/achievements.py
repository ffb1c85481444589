"""Achievements, one row a version; a version never changes once it is added."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, insert, select, tuple_
from sqlmodel import col

from ledger.errors import Conflict, NotFound
from ledger.store import organisations
from ledger.store.database import Transaction
from ledger.store.records import AchievementRecord
from ledger.store.tables import AchievementRow

_AT_ONCE = 500
_NO_ACHIEVEMENT = "this organisation has no such achievement"

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
    (added,) = add_all(tx, record.organisation_id, [record])
    return added


def add_all(
    tx: Transaction, organisation_id: UUID, records: Sequence[AchievementRecord]
) -> Sequence[AchievementRecord]:
    """Add versions in their order, all or none, and answer what is stored for each, as `add` does.

    Raises Conflict naming the first version that exists with other bytes, NotFound without
    organisation.
    """
    # One adder at a time: the next ordinal is read before it is written.
    organisations.lock(tx, organisation_id)
    stored = {
        (each.code, each.version): each
        for each in of_versions(
            tx, organisation_id, [(each.code, each.version) for each in records]
        )
    }
    ordinals = _newest_ordinals(tx, organisation_id, {each.code for each in records})
    new: list[dict[str, object]] = []
    answers: list[AchievementRecord] = []
    for record in records:
        present = stored.get((record.code, record.version))
        if present is None:
            present = stored[record.code, record.version] = record
            ordinals[record.code] = ordinals.get(record.code, 0) + 1
            new.append({**asdict(record), "ordinal": ordinals[record.code]})
        elif present.source != record.source:
            raise Conflict(
                f"achievement {record.code} version {record.version} exists with other"
                " content"
            )
        answers.append(present)
    tx.change(insert(AchievementRow), new)
    return answers


def get(
    tx: Transaction, organisation_id: UUID, code: str, version: str | None = None
) -> AchievementRecord:
    """A version of an achievement, the newest if none is named. Raises NotFound."""
    query = _of(organisation_id).where(col(AchievementRow.code) == code)
    if version is not None:
        query = query.where(col(AchievementRow.version) == version)
    row = tx.row(query.order_by(col(AchievementRow.ordinal).desc()).limit(1))
    if row is None:
        raise NotFound(_NO_ACHIEVEMENT)
    return AchievementRecord(**row)


def all(tx: Transaction, organisation_id: UUID) -> Sequence[AchievementRecord]:
    """Every version of every achievement, by code, oldest version first."""
    rows = tx.rows(
        _of(organisation_id).order_by(
            col(AchievementRow.code), col(AchievementRow.ordinal)
        )
    )
    return [AchievementRecord(**row) for row in rows]


def page(
    tx: Transaction,
    organisation_id: UUID,
    *,
    limit: int,
    after: tuple[str, str] | None = None,
) -> Sequence[AchievementRecord]:
    """At most `limit` versions, by code, oldest version first, from behind a code and version.

    Raises NotFound if `after` is not theirs.
    """
    place = (col(AchievementRow.code), col(AchievementRow.ordinal))
    query = _of(organisation_id)
    if after is not None:
        code, version = after
        ordinal = tx.scalar(
            select(col(AchievementRow.ordinal)).where(
                col(AchievementRow.organisation_id) == organisation_id,
                col(AchievementRow.code) == code,
                col(AchievementRow.version) == version,
            )
        )
        if ordinal is None:
            raise NotFound(_NO_ACHIEVEMENT)
        query = query.where(tuple_(*place) > tuple_(code, ordinal))
    rows = tx.rows(query.order_by(*place).limit(limit))
    return [AchievementRecord(**row) for row in rows]


def of_versions(
    tx: Transaction, organisation_id: UUID, versions: Sequence[tuple[str, str]]
) -> Sequence[AchievementRecord]:
    """These versions, by code and version; those that are not there are left out."""
    key = tuple_(col(AchievementRow.code), col(AchievementRow.version))
    return [
        AchievementRecord(**row)
        for start in range(0, len(versions), _AT_ONCE)
        for row in tx.rows(
            _of(organisation_id).where(key.in_(versions[start : start + _AT_ONCE]))
        )
    ]


def newest(
    tx: Transaction, organisation_id: UUID, codes: Iterable[str] | None = None
) -> Mapping[str, str]:
    """The newest version of each achievement, or of those of `codes` that are there."""
    query = (
        select(col(AchievementRow.code), col(AchievementRow.version))
        .where(col(AchievementRow.organisation_id) == organisation_id)
        .order_by(col(AchievementRow.code), col(AchievementRow.ordinal))
    )
    if codes is None:
        return {row["code"]: row["version"] for row in tx.rows(query)}
    wanted = sorted(set(codes))
    return {
        row["code"]: row["version"]
        for start in range(0, len(wanted), _AT_ONCE)
        for row in tx.rows(
            query.where(col(AchievementRow.code).in_(wanted[start : start + _AT_ONCE]))
        )
    }


def _newest_ordinals(
    tx: Transaction, organisation_id: UUID, codes: Iterable[str]
) -> dict[str, int]:
    wanted = sorted(codes)
    return {
        row["code"]: int(row["newest"])
        for start in range(0, len(wanted), _AT_ONCE)
        for row in tx.rows(
            select(
                col(AchievementRow.code),
                func.max(AchievementRow.ordinal).label("newest"),
            )
            .where(
                col(AchievementRow.organisation_id) == organisation_id,
                col(AchievementRow.code).in_(wanted[start : start + _AT_ONCE]),
            )
            .group_by(col(AchievementRow.code))
        )
    }


def _of(organisation_id: UUID) -> Select[*tuple[Any, ...]]:
    return select(*_COLUMNS).where(
        col(AchievementRow.organisation_id) == organisation_id
    )
