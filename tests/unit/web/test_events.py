"""The feed over HTTP: order, cursors, scopes, and whose events they are."""

from typing import Any

import pytest

from ledger.core.canonical import parse_object
from ledger.services.events import describe, encode_event, parse_cursor
from ledger.store import credentials, feed
from ledger.store.event_records import EventCursor
from tests.unit.web.world import START, World


def read(world: World, key: str | None = None, **params: Any) -> Any:
    return world.client(key or world.riverside.key).get("/api/v1/events", params=params)


def withdraw(world: World) -> None:
    assert world.riverside.credential is not None
    with world.edges.database.begin() as tx:
        credentials.withdraw(
            tx, world.riverside.id, world.riverside.credential, "mistake", START
        )
    with world.edges.database.begin() as tx:
        feed.sequence(tx, {})


def test_ones_own_events_are_cloud_events_in_order(world: World) -> None:
    withdraw(world)

    answer = read(world)

    assert answer.status_code == 200
    first, second = answer.json()["events"]
    assert first["type"] == "perdure.credential.issued"
    assert second["type"] == "perdure.credential.withdrawn"
    assert first["specversion"] == second["specversion"] == "1.0"
    assert first["subject"] == second["subject"] == str(world.riverside.credential)
    assert first["source"] == "/organisations/riverside"
    assert first["sequence"] < second["sequence"]
    assert first["data"]["achievement"] == "py-1"
    assert world.riverside.email not in answer.text
    assert str(world.lakeside.credential) not in answer.text


def test_what_is_fetched_is_what_is_posted(world: World) -> None:
    with world.edges.database.read() as tx:
        found = feed.page(tx, world.riverside.id, after=None, limit=9).events
    (event,) = found

    assert parse_object(encode_event(event)) == describe(event)
    assert read(world).json()["events"] == [describe(event)]


def test_it_goes_on_from_where_it_was_and_says_the_same_again(world: World) -> None:
    withdraw(world)
    whole = read(world).json()["events"]

    page = read(world, limit=1).json()
    rest = read(world, after=page["next"]).json()

    assert page["events"] + rest["events"] == whole
    assert read(world, after=page["events"][0]["sequence"]).json() == rest
    assert read(world, after=rest["next"]).json()["events"] == []


def test_a_place_that_is_not_kept_any_more_is_a_410(world: World) -> None:
    world.clock.advance(days=40)
    early = read(world).json()["events"][0]["sequence"]
    withdraw(world)
    with world.edges.database.begin() as tx:
        assert feed.prune(tx, world.clock(), undelivered=True, limit=99) == 3

    answer = read(world, after="0000000000000001-0000000000")

    assert (answer.status_code, answer.json()["code"]) == (410, "gone")
    assert "go on without a cursor" in answer.json()["detail"]
    assert read(world, after="0000000000000099-0000000000").status_code == 410
    assert read(world).json()["events"] == []
    assert early


@pytest.mark.parametrize(
    "after",
    ["", "1", "-1-1", "0000000000001042-999999999x", "\u0660" * 16 + "-" + "0" * 10],
)
def test_what_is_no_cursor_is_refused(world: World, after: str) -> None:
    answer = read(world, after=after)

    assert (answer.status_code, answer.json()["code"]) == (422, "malformed")


def test_no_page_is_larger_than_500(world: World) -> None:
    assert read(world, limit=501).status_code == 422
    assert read(world, limit=0).status_code == 422


def test_reading_credentials_is_another_scope(world: World) -> None:
    assert read(world, world.riverside.reading_key).status_code == 403


def test_a_cursor_reads_back(world: World) -> None:
    page = read(world).json()

    place = parse_cursor(page["next"])
    assert place == EventCursor(place.position, EventCursor.END)
