"""Achievements: what can be earned, in versions that never change once added."""

from collections.abc import Sequence
from datetime import datetime

from ledger.core.canonical import Json, encode
from ledger.core.credential import Achievement
from ledger.errors import Conflict, MalformedError
from ledger.services.organisations import Caller
from ledger.store import achievements
from ledger.store.database import Transaction
from ledger.store.records import AchievementRecord


def add_achievements(
    tx: Transaction, caller: Caller, document: Json, now: datetime
) -> Sequence[AchievementRecord]:
    """Add one achievement, or a list of them, in the shape of docs/spec/credential.md.

    Adding the same bytes again changes nothing. Raises MalformedError naming the entry,
    Conflict if a version exists with other content.
    """
    entries = document if isinstance(document, list) else [document]
    if not entries:
        raise MalformedError("achievements: the list is empty")
    return [
        _add(tx, caller, entry, number=n, now=now) for n, entry in enumerate(entries, 1)
    ]


def _add(
    tx: Transaction, caller: Caller, entry: Json, *, number: int, now: datetime
) -> AchievementRecord:
    try:
        achievement = Achievement.from_json(entry)
    except MalformedError as error:
        raise MalformedError(f"achievement {number}: {error}") from error
    record = AchievementRecord(
        organisation_id=caller.organisation.id,
        code=achievement.code,
        version=achievement.version,
        source=encode(entry),
        created_at=now,
    )
    try:
        return achievements.add(tx, record)
    except Conflict as error:
        raise Conflict(
            f"achievement {achievement.code} version {achievement.version} exists with other"
            " content; issued credentials carry it, so give the change a new version"
        ) from error


def list_achievements(tx: Transaction, caller: Caller) -> Sequence[AchievementRecord]:
    """All versions of all achievements of the caller's organisation."""
    return achievements.all(tx, caller.organisation.id)
