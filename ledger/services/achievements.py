"""Achievements: what can be earned, in versions that never change once added."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self
from uuid import UUID

from ledger.core.canonical import Json, encode
from ledger.core.credential import Achievement
from ledger.errors import Conflict, MalformedError
from ledger.services.organisations import Caller
from ledger.store import achievements
from ledger.store.database import Transaction
from ledger.store.records import AchievementRecord

#: What one page of a list holds at most.
MAX_PAGE: Final = 1_000


def add_achievements(
    tx: Transaction, caller: Caller, document: Json, now: datetime
) -> Sequence[AchievementRecord]:
    """Add one achievement, or a list of them, in the shape of docs/spec/credential.md.

    Adding the same bytes again changes nothing. Raises MalformedError naming the entry,
    Conflict if a version exists with other content.
    """
    return keep_achievements(tx, caller, read_achievements(caller, document, now))


def read_achievements(
    caller: Caller, document: Json, now: datetime
) -> Sequence[AchievementRecord]:
    """Read what is to be added, in no transaction. Raises MalformedError naming the entry."""
    entries = document if isinstance(document, list) else [document]
    if not entries:
        raise MalformedError("achievements: the list is empty")
    return [
        _read(caller, entry, number=n, now=now) for n, entry in enumerate(entries, 1)
    ]


def keep_achievements(
    tx: Transaction, caller: Caller, records: Sequence[AchievementRecord]
) -> Sequence[AchievementRecord]:
    """Add what was read. Raises Conflict if a version exists with other content."""
    try:
        return achievements.add_all(tx, caller.organisation.id, records)
    except Conflict as error:
        raise Conflict(
            f"{error}; issued credentials carry it, so give the change a new version"
        ) from error


def _read(
    caller: Caller, entry: Json, *, number: int, now: datetime
) -> AchievementRecord:
    try:
        achievement = Achievement.from_json(entry)
    except MalformedError as error:
        raise MalformedError(f"achievement {number}: {error}") from error
    return AchievementRecord(
        organisation_id=caller.organisation.id,
        code=achievement.code,
        version=achievement.version,
        source=encode(entry),
        created_at=now,
    )


@dataclass(frozen=True, slots=True)
class AchievementPlace:
    """A version of an achievement as a place in a list, written CODE/VERSION."""

    code: str
    version: str

    @classmethod
    def of(cls, record: AchievementRecord) -> Self:
        """The place of a version."""
        return cls(record.code, record.version)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read a place. What names none is one at which nothing is."""
        code, _, version = text.partition("/")
        return cls(code, version)

    def __str__(self) -> str:
        return f"{self.code}/{self.version}"


@dataclass(frozen=True, slots=True)
class AchievementsPage:
    """Some versions of achievements, and where the next ones begin; None behind the last."""

    records: Sequence[AchievementRecord]
    next: AchievementPlace | None


def page_of(
    tx: Transaction,
    organisation_id: UUID,
    *,
    limit: int = MAX_PAGE,
    after: AchievementPlace | None = None,
) -> AchievementsPage:
    """At most `limit` versions by code, oldest version first, from behind `after`.

    Raises NotFound if `after` is not theirs.
    """
    records = achievements.page(
        tx,
        organisation_id,
        limit=limit,
        after=None if after is None else (after.code, after.version),
    )
    full = len(records) == limit
    return AchievementsPage(records, AchievementPlace.of(records[-1]) if full else None)


def list_achievements(tx: Transaction, caller: Caller) -> Sequence[AchievementRecord]:
    """All versions of all achievements of the caller's organisation."""
    return achievements.all(tx, caller.organisation.id)
