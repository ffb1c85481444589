"""
What happened, as CloudEvents 1.0: for an organisation's feed, and for the one receiver.

No event holds anything about a person: ids, codes, blocks and times. One event is the same bytes
whenever it is told.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from ledger.core.canonical import Json, encode
from ledger.errors import MalformedError
from ledger.services.organisations import Caller
from ledger.store import deliveries, feed
from ledger.store.database import Transaction
from ledger.store.event_records import Event, EventBacklog, EventCursor, ParkedEvent

#: The media type of one event.
MEDIA_TYPE: Final = "application/cloudevents+json"
#: The most events on one page.
MAX_PAGE: Final = 500

# Fixed widths, so that comparing two texts compares two places.
_CURSOR: Final = re.compile(r"([0-9]{16})-([0-9]{10})", re.ASCII)


@dataclass(frozen=True, slots=True)
class ListedEvents:
    """A page of events; `next` is where to go on, also if there are none now."""

    events: Sequence[Event]
    next: str


def list_events(
    tx: Transaction, caller: Caller, *, after: str | None, limit: int
) -> ListedEvents:
    """The events of the caller's organisation behind a cursor, in order; from the oldest without.

    Raises MalformedError for what is no cursor, Gone if what follows it is kept no longer.
    """
    cursor = None if after is None else parse_cursor(after)
    page = feed.page(tx, caller.organisation.id, after=cursor, limit=limit)
    return ListedEvents(page.events, cursor_text(page.next))


def list_parked(tx: Transaction, limit: int) -> Sequence[ParkedEvent]:
    """Events that the receiver refused, and those that wait behind them: for the operator."""
    return deliveries.parked(tx, limit)


def retry_parked(tx: Transaction, now: datetime) -> int:
    """Let the worker try every parked event at once; answer how many: for the operator."""
    return deliveries.retry(tx, now)


def discard_parked(tx: Transaction, key: UUID) -> None:
    """Give a parked event up: for the operator. Raises NotFound."""
    deliveries.discard(tx, key)


def event_backlog(tx: Transaction) -> EventBacklog:
    """What waits for the receiver: for whoever watches."""
    return deliveries.backlog(tx)


def describe(event: Event) -> dict[str, Json]:
    """An event as a CloudEvent, in the structured mode of its JSON format."""
    about = "batch" if event.credential_id is None else "credential"
    return {
        "specversion": "1.0",
        "id": str(event.key),
        "source": _source(event),
        "type": f"perdure.{about}.{event.kind.value}",
        "subject": str(event.subject),
        "time": _text(event.at),
        "datacontenttype": "application/json",
        "sequence": cursor_text(event.cursor),
        "data": {
            "organisation": event.organisation,
            "credential": _id(event.credential_id),
            "achievement": event.achievement,
            "version": event.version,
            "batch": _id(event.batch_id),
            "chain": None if event.chain_id is None else f"eip155:{event.chain_id}",
            "block": event.block_number,
            "blockTime": None
            if event.block_time is None
            else _text(datetime.fromtimestamp(event.block_time, UTC)),
        },
    }


def encode_event(event: Event) -> bytes:
    """An event's bytes, the same whenever it is told."""
    return encode(describe(event))


def cursor_text(cursor: EventCursor) -> str:
    """A place in the log as text; of two the later one is the greater."""
    return f"{cursor.position:016d}-{cursor.index:010d}"


def parse_cursor(text: str) -> EventCursor:
    """Read a cursor. Raises MalformedError."""
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise MalformedError(
            "that is no cursor: send back the `next` of a page, or an event's `sequence`"
        )
    return EventCursor(int(found[1]), int(found[2]))


def _source(event: Event) -> str:
    if event.organisation is None:
        return "/batches"
    return f"/organisations/{event.organisation}"


def _id(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def _text(instant: datetime) -> str:
    text = instant.astimezone(UTC).isoformat()
    return text.removesuffix("+00:00") + "Z"
