"""Answers already given, by idempotency key: a repeated request meets its answer.

The answer is saved in the transaction that did the work, so both exist or neither.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import insert, select
from sqlmodel import col

from ledger.store.database import Transaction
from ledger.store.records import StoredAnswer
from ledger.store.tables import StoredAnswerRow


def find(
    tx: Transaction, organisation_id: UUID, key: str, route: str
) -> StoredAnswer | None:
    """The answer that an organisation was given under this key, or None."""
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
    """Save an answer. Raises Conflict if one was given: then this work must not stand."""
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
