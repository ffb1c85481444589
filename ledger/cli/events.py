"""Events: following an organisation's, and mending what the receiver refused."""

from typing import Annotated
from uuid import UUID

import typer

from ledger.cli.app import AsJson, Org, events
from ledger.cli.console import show
from ledger.cli.wiring import (
    caller_of,
    now,
    open_database,
    settings_from_environment,
)


@events.command("list")
def events_list(
    org_code: Org,
    after: Annotated[
        str | None, typer.Option(help="Go on after this place (`next` of a page).")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 100,
    as_json: AsJson = False,
) -> int:
    """List what happened to an organisation's credentials, in order."""
    from ledger.services.events import describe, list_events

    database = open_database(settings_from_environment())
    caller = caller_of(database, org_code)
    with database.read() as tx:
        found = list_events(tx, caller, after=after, limit=limit)
    documents = [describe(event) for event in found.events]
    lines = [f"{d['time']}  {d['type']:32} {d['subject']}" for d in documents]
    show(
        {"events": documents, "next": found.next},
        as_json,
        "\n".join([*(lines or ["No events."]), f"Go on with: --after {found.next}"]),
    )
    return 0


@events.command("parked")
def events_parked(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 100,
    as_json: AsJson = False,
) -> int:
    """List events that the receiver refused, and those that wait behind them."""
    from ledger.services.events import list_parked

    database = open_database(settings_from_environment())
    with database.read() as tx:
        found = list_parked(tx, limit)
    show(
        [
            {
                "id": str(each.key),
                "subject": str(each.subject),
                "status": each.status,
                "tries": each.tries,
                "nextTry": each.next_try.isoformat(),
                "parkedAt": each.parked_at.isoformat(),
            }
            for each in found
        ],
        as_json,
        "\n".join(
            f"{each.key}  {each.subject}  "
            + (
                "waits behind another"
                if each.status is None
                else f"HTTP {each.status} after {each.tries} tries"
            )
            for each in found
        )
        or "No event is parked.",
    )
    return 0


@events.command("retry")
def events_retry(as_json: AsJson = False) -> int:
    """Let the worker try every parked event again at once: after the receiver was mended."""
    from ledger.services.events import retry_parked

    database = open_database(settings_from_environment())
    with database.begin() as tx:
        count = retry_parked(tx, now())
    show({"events": count}, as_json, f"{count} events are tried again by the worker.")
    return 0


@events.command("discard")
def events_discard(
    event_id: Annotated[UUID, typer.Argument(help="The parked event's id.")],
    as_json: AsJson = False,
) -> int:
    """Give a parked event up: it is never delivered. Those behind it go on."""
    from ledger.services.events import discard_parked

    database = open_database(settings_from_environment())
    with database.begin() as tx:
        discard_parked(tx, event_id)
    show(
        {"event": str(event_id), "discarded": True},
        as_json,
        f"Discarded: {event_id}.",
    )
    return 0
