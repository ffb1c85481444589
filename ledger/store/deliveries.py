"""How far events were delivered, what the receiver refused, and what still waits.

The place is moved after the receiver has said that it has the events, never before: after a
crash they are delivered again, under the same keys.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import aliased
from sqlmodel import col

from ledger.errors import Conflict, NotFound
from ledger.store import leases
from ledger.store.database import Transaction
from ledger.store.event_records import EventBacklog, EventCursor, ParkedEvent
from ledger.store.records import Lease
from ledger.store.tables import EventFeedRow, EventRow, ParkedEventRow

_FEED = col(EventFeedRow.id) == 1
_NO_EVENT = "no such event is parked"


def delivered(tx: Transaction) -> EventCursor:
    """Up to which place the events were delivered or parked."""
    row = tx.row(select(EventFeedRow).where(_FEED))
    if row is None:
        return EventCursor(0, 0)
    return EventCursor(row["sent_position"], row["sent_index"])


def advance(
    tx: Transaction, lease: Lease, old: EventCursor, new: EventCursor, *, now: datetime
) -> None:
    """Note that the events up to `new` were delivered or parked.

    Raises Conflict if the lease is lost or somebody else moved the place.
    """
    leases.hold(tx, lease, now=now)
    done = tx.change(
        update(EventFeedRow)
        .where(
            _FEED,
            col(EventFeedRow.sent_position) == old.position,
            col(EventFeedRow.sent_index) == old.index,
        )
        .values(sent_position=new.position, sent_index=new.index)
    )
    if done != 1:
        raise Conflict("events were delivered by somebody else meanwhile")


def park(tx: Transaction, lease: Lease, event: ParkedEvent, *, now: datetime) -> None:
    """Put an event aside. Raises Conflict if the lease is lost."""
    leases.hold(tx, lease, now=now)
    values = asdict(event)
    cursor = values.pop("cursor")
    tx.change(
        insert(ParkedEventRow).values(
            position=cursor["position"], place=cursor["index"], **values
        )
    )


def parked(tx: Transaction, limit: int) -> Sequence[ParkedEvent]:
    """At most `limit` parked events, in their order."""
    rows = tx.rows(
        select(ParkedEventRow)
        .order_by(col(ParkedEventRow.position), col(ParkedEventRow.place))
        .limit(limit)
    )
    return [_parked(row) for row in rows]


def parked_subjects(tx: Transaction) -> set[UUID]:
    """The credentials and batches whose events wait behind one that was refused."""
    rows = tx.rows(select(col(ParkedEventRow.subject)).distinct())
    return {row["subject"] for row in rows}


def count_parked(tx: Transaction) -> int:
    """How many events are parked."""
    return int(tx.scalar(select(func.count()).select_from(ParkedEventRow)))


def next_parked(tx: Transaction, now: datetime) -> ParkedEvent | None:
    """The first parked event of a credential or batch that is due to be tried again."""
    row = tx.row(
        select(ParkedEventRow)
        .where(col(ParkedEventRow.next_try) <= now, ~_has_earlier())
        .order_by(col(ParkedEventRow.position), col(ParkedEventRow.place))
        .limit(1)
    )
    return None if row is None else _parked(row)


def _has_earlier() -> ColumnElement[bool]:
    other = aliased(ParkedEventRow)
    return (
        select(other)
        .where(
            col(other.subject) == col(ParkedEventRow.subject),
            tuple_(col(other.position), col(other.place))
            < tuple_(col(ParkedEventRow.position), col(ParkedEventRow.place)),
        )
        .exists()
    )


def postpone(
    tx: Transaction,
    lease: Lease,
    key: UUID,
    *,
    status: int | None,
    next_try: datetime,
    now: datetime,
) -> None:
    """Note that a parked event was refused again. Raises Conflict if the lease is lost."""
    leases.hold(tx, lease, now=now)
    tx.change(
        update(ParkedEventRow)
        .where(col(ParkedEventRow.key) == key)
        .values(status=status, tries=col(ParkedEventRow.tries) + 1, next_try=next_try)
    )


def unpark(tx: Transaction, lease: Lease, key: UUID, *, now: datetime) -> None:
    """Note that a parked event was delivered. Raises Conflict if the lease is lost."""
    leases.hold(tx, lease, now=now)
    tx.change(delete(ParkedEventRow).where(col(ParkedEventRow.key) == key))


def discard(tx: Transaction, key: UUID) -> None:
    """Give a parked event up, for the operator. Raises NotFound."""
    if tx.change(delete(ParkedEventRow).where(col(ParkedEventRow.key) == key)) != 1:
        raise NotFound(_NO_EVENT)


def retry(tx: Transaction, now: datetime) -> int:
    """Make every parked event due now, for the operator; answer how many there are."""
    return tx.change(update(ParkedEventRow).values(next_try=now))


def backlog(tx: Transaction) -> EventBacklog:
    """What waits to be delivered, for whoever watches: parked ones counted apart."""
    sent = delivered(tx)
    position = col(EventRow.position)
    waiting = position.is_(None) | (position > sent.position)
    total, oldest = 0, None
    if row := tx.row(
        select(
            func.coalesce(func.sum(EventRow.size), 0).label("total"),
            func.min(EventRow.at).label("oldest"),
        ).where(waiting)
    ):
        total, oldest = int(row["total"]), row["oldest"]
    begun = tx.row(select(EventRow).where(position == sent.position))
    if begun is not None and sent.index != EventCursor.END:
        # Of a batch index 0 is told first.
        told = sent.index + (begun["batch_id"] is not None)
        total += begun["size"] - told
        oldest = begun["at"] if oldest is None else min(oldest, begun["at"])
    return EventBacklog(total, oldest, count_parked(tx))


def _parked(row: RowMapping) -> ParkedEvent:
    values = dict(row)
    cursor = EventCursor(values.pop("position"), values.pop("place"))
    return ParkedEvent(cursor=cursor, **values)
