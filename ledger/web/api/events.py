"""Events of the caller's organisation, to be fetched in order."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from ledger.services.events import MAX_PAGE, describe, list_events
from ledger.web.deps import Following
from ledger.web.schemas import KEYED, In, Moment, Out, example, problems
from ledger.web.strict import API, StrictRoute

router = APIRouter(prefix=API, route_class=StrictRoute, tags=["Events"])

_NEXT: Final = "0000000000001042-9999999999"
_EVENT: Final = {
    "specversion": "1.0",
    "id": "8f14e45f-ceea-5467-a3b1-1c9e3b2f7d10",
    "source": "/organisations/riverside",
    "type": "perdure.credential.final",
    "subject": "3f0c2f0e-5a86-4f0b-9a55-1c9e3b2f7d10",
    "time": "2026-11-25T09:04:31Z",
    "datacontenttype": "application/json",
    "sequence": "0000000000001042-0000000006",
    "data": {
        "organisation": "riverside",
        "credential": "3f0c2f0e-5a86-4f0b-9a55-1c9e3b2f7d10",
        "achievement": "py-1",
        "version": "1",
        "batch": "e7a9b1c3-2d4f-4a6b-8c0d-1e2f3a4b5c6d",
        "chain": "eip155:31337",
        "block": 1207,
        "blockTime": "2026-11-25T08:51:12Z",
    },
}


class EventDataOut(Out):
    """What an event is about. Members that say nothing of this kind of event are null."""

    organisation: str | None
    credential: UUID | None
    achievement: str | None
    version: str | None
    batch: UUID | None
    chain: str | None
    block: int | None
    block_time: Moment | None


class EventOut(Out):
    """One event, CloudEvents 1.0. Its `id` is the same whenever it is told."""

    model_config = example(_EVENT)

    specversion: str
    id: UUID
    source: str
    type: str
    subject: UUID
    time: Moment
    datacontenttype: str
    sequence: Annotated[
        str, Field(description="Its place in the log: the later, the greater as text.")
    ]
    data: EventDataOut


class EventsOut(Out):
    """Events in order. `next` is what to send as `after`, now or whenever you ask again."""

    model_config = example({"events": [_EVENT], "next": _NEXT})

    events: list[EventOut]
    next: str


class EventsIn(In):
    """From where, and how many."""

    after: Annotated[
        str | None, Field(description="`next` of the page before.", max_length=64)
    ] = None
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 100


@router.get("/events", summary="Follow events", responses=problems(*KEYED, 410))
def get_events(desk: Following, page: Annotated[EventsIn, Query()]) -> EventsOut:
    """Give what happened to your credentials and to the batches that they are in, in order.

    An empty page says that there is nothing new; ask again with its `next`. The events of one
    credential come in the order in which they happened. Without `after` the oldest that is kept
    comes first; 410 says that what follows your cursor is kept no longer.
    """
    with desk.read() as tx:
        found = list_events(tx, desk.caller, after=page.after, limit=page.limit)
    shown: list[Any] = [describe(event) for event in found.events]
    return EventsOut.model_validate(
        {"events": shown, "next": found.next}, by_alias=True
    )
