"""API keys over HTTP: what one key may make of another, and until when."""

from typing import Any

import pytest

from ledger.store.database import Database
from tests.unit.web.world import World, settle

ENDS = "2026-11-25T10:00:00Z"


@pytest.fixture
def world(database: Database) -> World:
    return World.over(database, settle(database, "riverside"))


def make(world: World, key: str, *, name: str = "made", **members: Any) -> Any:
    return world.client(key).post(
        "/api/v1/api-keys",
        json={"name": name, "scopes": ["manage", "read"], **members},
        headers={"Idempotency-Key": name},
    )


def test_a_key_makes_no_key_that_outlives_it(world: World) -> None:
    parent = make(world, world.riverside.key, name="parent", expiresAt=ENDS).json()

    child = make(world, parent["key"], name="child")
    grandchild = make(world, child.json()["key"], name="grandchild")
    later = make(
        world, parent["key"], name="later", expiresAt="2026-11-25T10:00:00.000001Z"
    )
    sooner = make(
        world, parent["key"], name="sooner", expiresAt="2026-11-25T11:30:00+02:00"
    )

    assert child.json()["expiresAt"] == grandchild.json()["expiresAt"] == ENDS
    assert (later.status_code, later.json()["code"]) == (403, "forbidden")
    assert "it ends at 2026-11-25T10:00:00+00:00" in later.json()["detail"]
    assert sooner.json()["expiresAt"] == "2026-11-25T09:30:00Z"
    world.clock.advance(hours=1)
    made = (parent, child.json(), grandchild.json(), sooner.json())
    for key in made:
        client = world.client(key["key"])
        assert client.get("/api/v1/organisation").status_code == 401


def test_a_key_without_an_end_makes_one_without(world: World) -> None:
    made = make(world, world.riverside.key)

    assert (made.status_code, made.json()["expiresAt"]) == (201, None)


@pytest.mark.parametrize(
    "moment",
    ["2026-11-25T09:00:00Z", "2020-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59",
     "9999-12-31T23:59:59-23:59", "2027-01-01T00:00:00"],
)  # fmt: skip
def test_an_end_that_is_past_or_no_moment_of_utc_is_refused(
    world: World, moment: str
) -> None:
    answer = make(world, world.riverside.key, expiresAt=moment)

    assert answer.status_code == 422
    listed = world.client(world.riverside.key).get("/api/v1/api-keys").json()
    assert {key["name"] for key in listed["apiKeys"]} == {"everything", "reading"}


@pytest.mark.parametrize("zone", ["Z", "+23:59"])
def test_the_last_moment_of_all_is_kept_as_it_is(world: World, zone: str) -> None:
    make(world, world.riverside.key, expiresAt=f"9999-12-31T23:59:59{zone}")

    listed = world.client(world.riverside.key).get("/api/v1/api-keys")
    last = "9999-12-31T23:59:59Z" if zone == "Z" else "9999-12-31T00:00:59Z"
    assert last in {key["expiresAt"] for key in listed.json()["apiKeys"]}


def test_a_key_is_ended_once_and_may_be_ended_again(world: World) -> None:
    client = world.client(world.riverside.key)
    made = make(world, world.riverside.key).json()
    address = f"/api/v1/api-keys/{made['id']}"

    ended = client.delete(address)
    before = client.get("/api/v1/api-keys").json()
    world.clock.advance(seconds=10)
    again = client.delete(address)

    assert (ended.status_code, again.status_code) == (204, 204)
    assert client.get("/api/v1/api-keys").json() == before
