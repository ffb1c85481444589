"""Answers already given, by idempotency key: a repeated request meets its answer.

The answer is saved in the transaction that did the work, so both exist or neither. It is
kept for a day: long enough for every retry. What it holds of a person, or of an identity, does not
outlast that by more than a minute while a worker runs, or until the organisation's next answer.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlmodel import col

from ledger.store.database import Transaction
from ledger.store.records import StoredAnswer
from ledger.store.tables import StoredAnswerRow

#: How long an answer is given again.
LIFETIME: Final = timedelta(hours=24)


def find(
    tx: Transaction, organisation_id: UUID, key: str, route: str, *, now: datetime
) -> StoredAnswer | None:
    """The answer that an organisation was given under this key in the last day, or None."""
    row = tx.row(
        select(
            col(StoredAnswerRow.status),
            col(StoredAnswerRow.body),
            col(StoredAnswerRow.content_type),
            col(StoredAnswerRow.request_hash),
        ).where(
            col(StoredAnswerRow.organisation_id) == organisation_id,
            col(StoredAnswerRow.key) == key,
            col(StoredAnswerRow.route) == route,
            col(StoredAnswerRow.created_at) > now - LIFETIME,
        )
    )
    return None if row is None else StoredAnswer(**row)


def save(  # noqa: PLR0917 - what names an answer, and the answer
    tx: Transaction,
    organisation_id: UUID,
    key: str,
    route: str,
    answer: StoredAnswer,
    *,
    now: datetime,
) -> None:
    """Save an answer, and forget the organisation's that are older than a day.

    Raises Conflict if one was given under the key: then this work must not stand.
    """
    tx.change(
        delete(StoredAnswerRow).where(
            col(StoredAnswerRow.organisation_id) == organisation_id,
            col(StoredAnswerRow.created_at) <= now - LIFETIME,
        )
    )
    tx.change(
        insert(StoredAnswerRow).values(
            organisation_id=organisation_id,
            key=key,
            route=route,
            status=answer.status,
            body=answer.body,
            content_type=answer.content_type,
            request_hash=answer.request_hash,
            created_at=now,
        )
    )


def blank(tx: Transaction, organisation_id: UUID, route: str) -> None:
    """Empty an organisation's answers of one route, because they may quote somebody.

    Their keys stay taken, or a repetition would do the work anew, for the erased too.
    """
    tx.change(
        update(StoredAnswerRow)
        .where(
            col(StoredAnswerRow.organisation_id) == organisation_id,
            col(StoredAnswerRow.route) == route,
        )
        .values(body=b"")
    )


def forget(tx: Transaction, *, now: datetime) -> int:
    """Forget everybody's answers that are older than a day; answer how many they were."""
    return tx.change(
        delete(StoredAnswerRow).where(col(StoredAnswerRow.created_at) <= now - LIFETIME)
    )
