"""The log of events: one order for all that was committed, read from any place in it.

A row gets its position after its commit, from one transaction at a time: whoever has read up to
a position will never miss an event before it. A batch is told of its members one by one in the
order of its leaves, from what is stored anyway, so that no transaction of the worker writes a
row for each of them. `event_audience` says which organisations a batch concerns.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import (
    RowMapping,
    Select,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlmodel import col

from ledger.errors import Gone
from ledger.store.database import Transaction
from ledger.store.event_records import (
    Event,
    EventAudience,
    EventCursor,
    EventKind,
    EventPage,
)
from ledger.store.tables import (
    CredentialRow,
    EventAudienceRow,
    EventFeedRow,
    EventRow,
    OrganisationRow,
)

#: So many rows get their position in one transaction.
SEQUENCED_AT_ONCE = 1_000

_ROWS_AT_ONCE = 64
_END = EventCursor.END
_FEED = col(EventFeedRow.id) == 1


def has_new(tx: Transaction) -> bool:
    """Whether anything was written that has no position yet."""
    new = select(EventRow).where(col(EventRow.position).is_(None))
    return bool(tx.scalar(select(new.exists())))


def new_audiences(tx: Transaction) -> Mapping[UUID, Sequence[EventAudience]]:
    """Whom the batches concern that the next events tell of for the first time.

    Reads every member of such a batch, so it is not for a transaction that writes.
    """
    batches = {
        row["batch_id"]
        for row in _new_rows(tx)
        if row["batch_id"] is not None and not _has_audience(tx, row["batch_id"])
    }
    return {batch_id: _audience(tx, batch_id) for batch_id in batches}


def sequence(tx: Transaction, audiences: Mapping[UUID, Sequence[EventAudience]]) -> int:
    """Give committed rows their positions, in the order of their numbers; answer how many.

    It stops at a batch that was met for the first time since `new_audiences`.
    """
    tx.add_if_absent(EventFeedRow, dict.fromkeys(_FEED_COLUMNS, 0) | {"id": 1})
    # Holds the row until the commit: who comes next sees what this one did.
    last = tx.scalar(
        update(EventFeedRow)
        .where(_FEED)
        .values(last_position=col(EventFeedRow.last_position))
        .returning(col(EventFeedRow.last_position))
    )
    positions: list[dict[str, object]] = []
    for row in _new_rows(tx):
        batch_id = row["batch_id"]
        if batch_id is not None and not _has_audience(tx, batch_id):
            if batch_id not in audiences:
                break
            _add_audience(tx, batch_id, audiences[batch_id])
        positions.append({"row": row["number"], "place": last + len(positions) + 1})
    if positions:
        tx.change(
            update(EventRow)
            .where(col(EventRow.number) == bindparam("row"))
            .values(position=bindparam("place")),
            positions,
        )
        tx.change(
            update(EventFeedRow)
            .where(_FEED)
            .values(last_position=last + len(positions))
        )
    return len(positions)


def page(
    tx: Transaction, organisation_id: UUID, *, after: EventCursor | None, limit: int
) -> EventPage:
    """At most `limit` events of an organisation behind a place, or from the oldest kept.

    Its credentials alone, and the batches that they are in. `next` lies behind everything that
    was looked at, events of others included. Raises Gone if events behind `after` are kept no
    longer, or never were there.
    """
    head, pruned = _bounds(tx)
    if after is not None and after.position > head:
        raise Gone(
            "this ledger's events do not go that far: it was restored from a backup. Begin"
            " without a cursor; an event that you have seen has the id that it had"
        )
    if after is not None and pruned and after < EventCursor(pruned, _END):
        raise Gone(
            "the events behind this cursor are kept no longer: read the credentials"
            " themselves, and go on without a cursor"
        )
    start = after or EventCursor(pruned, _END)
    return _walk(tx, start, limit, head=head, organisation_id=organisation_id)


def outgoing(tx: Transaction, after: EventCursor, limit: int) -> EventPage:
    """At most `limit` events of everybody behind a place; what was pruned is passed over."""
    head, pruned = _bounds(tx)
    start = max(after, EventCursor(pruned, _END))
    return _walk(tx, start, limit, head=head, organisation_id=None)


def prune(tx: Transaction, before: datetime, *, undelivered: bool, limit: int) -> int:
    """Forget at most `limit` of the oldest rows, as far as they are older than `before`.

    With `undelivered` also those that were not delivered. Answers how many.
    """
    feed = tx.row(select(EventFeedRow).where(_FEED).with_for_update())
    if feed is None:
        return 0
    rows = tx.rows(
        select(col(EventRow.position), col(EventRow.at))
        .where(col(EventRow.position).is_not(None))
        .order_by(col(EventRow.position))
        .limit(limit)
    )
    sent = EventCursor(feed["sent_position"], feed["sent_index"])
    pruned = count = 0
    for row in rows:
        waits = not undelivered and sent < EventCursor(row["position"], _END)
        if row["at"] >= before or waits:
            break
        pruned, count = row["position"], count + 1
    if count:
        tx.change(delete(EventRow).where(col(EventRow.position) <= pruned))
        tx.change(update(EventFeedRow).where(_FEED).values(pruned_position=pruned))
    return count


_FEED_COLUMNS = ("last_position", "pruned_position", "sent_position", "sent_index")


def _bounds(tx: Transaction) -> tuple[int, int]:
    """The newest position given, and the newest pruned."""
    row = tx.row(select(EventFeedRow).where(_FEED))
    return (0, 0) if row is None else (row["last_position"], row["pruned_position"])


def _new_rows(tx: Transaction) -> Sequence[RowMapping]:
    return tx.rows(
        select(col(EventRow.number), col(EventRow.batch_id))
        .where(col(EventRow.position).is_(None))
        .order_by(col(EventRow.number))
        .limit(SEQUENCED_AT_ONCE)
    )


# ---------------------------------------------------------------- whom a batch concerns


def _has_audience(tx: Transaction, batch_id: UUID) -> bool:
    mine = select(EventAudienceRow).where(col(EventAudienceRow.batch_id) == batch_id)
    return bool(tx.scalar(select(mine.exists())))


def _audience(tx: Transaction, batch_id: UUID) -> Sequence[EventAudience]:
    leaf = col(CredentialRow.leaf_index)
    rows = tx.rows(
        select(
            col(CredentialRow.organisation_id),
            func.min(leaf).label("first_leaf"),
            func.max(leaf).label("last_leaf"),
        )
        .where(col(CredentialRow.batch_id) == batch_id)
        .group_by(col(CredentialRow.organisation_id))
    )
    return [EventAudience(**row) for row in rows]


def _add_audience(
    tx: Transaction, batch_id: UUID, audience: Iterable[EventAudience]
) -> None:
    tx.change(
        insert(EventAudienceRow),
        [
            {
                "batch_id": batch_id,
                "organisation_id": each.organisation_id,
                "first_leaf": each.first_leaf,
                "last_leaf": each.last_leaf,
            }
            for each in audience
        ],
    )


# ---------------------------------------------------------------- reading in order


def _walk(
    tx: Transaction,
    after: EventCursor,
    limit: int,
    *,
    head: int,
    organisation_id: UUID | None,
) -> EventPage:
    found: list[Event] = []
    place = after
    while len(found) < limit:
        rows = _rows_behind(tx, place, organisation_id)
        if not rows:
            return EventPage(found, max(place, EventCursor(head, _END)))
        for row in rows:
            told = place.index if row["position"] == place.position else -1
            room = limit - len(found)
            if row["batch_id"] is None:
                some, last = _of_list(tx, row, told, room)
            else:
                some, last = _of_batch(
                    tx, row, told, room, organisation_id=organisation_id
                )
            found += some
            place = EventCursor(row["position"], last)
            if last != _END or len(found) == limit:
                break
    return EventPage(found, place)


def _rows_behind(
    tx: Transaction, place: EventCursor, organisation_id: UUID | None
) -> Sequence[RowMapping]:
    position = col(EventRow.position)
    first = place.position if place.index != _END else place.position + 1
    query: Select[*tuple[Any, ...]] = (
        select(EventRow, col(OrganisationRow.code).label("organisation"))
        .outerjoin(
            OrganisationRow,
            col(OrganisationRow.id) == col(EventRow.organisation_id),
        )
        .where(position >= first)
        .order_by(position)
        .limit(_ROWS_AT_ONCE)
    )
    if organisation_id is None:
        return tx.rows(query)
    leaves = col(EventAudienceRow.first_leaf), col(EventAudienceRow.last_leaf)
    shared = (
        query.add_columns(*leaves)
        .join(
            EventAudienceRow,
            (col(EventAudienceRow.batch_id) == col(EventRow.batch_id))
            & (col(EventAudienceRow.organisation_id) == organisation_id),
        )
        .where(col(EventRow.organisation_id).is_(None))
    )
    own = query.where(col(EventRow.organisation_id) == organisation_id)
    # Two queries, each along the index: one with OR would read the events of everybody.
    both = sorted(
        [*tx.rows(own), *tx.rows(shared)], key=lambda row: int(row["position"])
    )
    return both[:_ROWS_AT_ONCE]


def _of_list(
    tx: Transaction, row: RowMapping, told: int, room: int
) -> tuple[list[Event], int]:
    """The events of a row that lists its credentials, and the index up to which they go."""
    packed, start = row["credentials"], max(told, 0)
    ids = [
        UUID(bytes=packed[at : at + 16])
        for at in range(16 * start, min(16 * (start + room), len(packed)), 16)
    ]
    known = {
        each["id"]: each
        for each in tx.rows(
            select(
                col(CredentialRow.id),
                col(CredentialRow.achievement_code),
                col(CredentialRow.achievement_version),
            ).where(
                col(CredentialRow.organisation_id) == row["organisation_id"],
                col(CredentialRow.id).in_(ids),
            )
        )
    }
    events = [
        _event(row, index, {**known[each], "organisation": row["organisation"]})
        for index, each in enumerate(ids, start=start + 1)
    ]
    last = start + len(ids)
    # Also for a cursor behind its end: one that was given before a restore, or made up.
    return events, _END if 16 * last >= len(packed) else last


def _of_batch(
    tx: Transaction,
    row: RowMapping,
    told: int,
    room: int,
    *,
    organisation_id: UUID | None,
) -> tuple[list[Event], int]:
    """The event of a batch itself, then those of its members in the order of its leaves."""
    events = [_event(row, 0, None)] if told < 0 else []
    if len(events) == room:
        return events, 0
    leaf = col(CredentialRow.leaf_index)
    query: Select[*tuple[Any, ...]] = (
        select(
            col(CredentialRow.id),
            col(CredentialRow.achievement_code),
            col(CredentialRow.achievement_version),
            leaf,
            col(OrganisationRow.code).label("organisation"),
        )
        .join(
            OrganisationRow,
            col(OrganisationRow.id) == col(CredentialRow.organisation_id),
        )
        .where(
            col(CredentialRow.batch_id) == row["batch_id"],
            leaf >= max(told, 0),
        )
        .order_by(leaf)
        .limit(room - len(events))
    )
    if organisation_id is not None:
        query = query.where(
            col(CredentialRow.organisation_id) == organisation_id,
            leaf >= row["first_leaf"],
            leaf <= row["last_leaf"],
        )
    members = tx.rows(query)
    whole = len(members) < room - len(events)
    events += [_event(row, each["leaf_index"] + 1, each) for each in members]
    return events, _END if whole else members[-1]["leaf_index"] + 1


def _event(
    row: RowMapping, index: int, credential: Mapping[str, object] | RowMapping | None
) -> Event:
    told: dict[str, Any] = dict(credential or {})
    credential_id = told.get("id")
    return Event(
        key=row["id"]
        if credential_id is None
        else uuid5(row["id"], str(credential_id)),
        cursor=EventCursor(row["position"], index),
        kind=EventKind(row["kind"]),
        at=row["at"],
        organisation=told.get("organisation"),
        credential_id=credential_id,
        achievement=told.get("achievement_code"),
        version=told.get("achievement_version"),
        batch_id=row["batch_id"],
        chain_id=row["chain_id"],
        block_number=row["block_number"],
        block_time=row["block_time"],
    )
