"""Who is calling: one answer for every wrong key, and when a key was last used."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from tests.unit.web.world import START, World


def last_used(world: World) -> Any:
    keys = world.client(world.riverside.key).get("/api/v1/api-keys").json()["apiKeys"]
    return next(k["lastUsedAt"] for k in keys if k["id"] == str(world.riverside.key_id))


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer perdure_x", "Bearer a b",
     "perdure_x", "Bearer " + "perdure_" + "1" * 1000],
)  # fmt: skip
def test_every_other_authorization_is_a_401(world: World, header: str) -> None:
    answer = world.client().get(
        "/api/v1/organisation", headers={"Authorization": header}
    )

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == 'Bearer realm="perdure"'


def test_a_key_in_the_address_is_not_taken(world: World) -> None:
    for name in ("key", "api_key", "access_token", "Authorization"):
        answer = world.client().get(
            "/api/v1/organisation", params={name: world.riverside.key}
        )
        assert answer.status_code == 401


def test_the_last_use_of_a_key_is_noted_to_the_minute(world: World) -> None:
    assert last_used(world) is None
    first = last_used(world)
    world.clock.advance(seconds=59)
    last_used(world)
    soon = last_used(world)
    world.clock.advance(seconds=1)
    last_used(world)
    later = last_used(world)

    assert first == soon == "2026-11-25T09:00:00Z"
    assert later == "2026-11-25T09:01:00Z"


def test_a_use_that_is_refused_is_one(world: World) -> None:
    key = world.riverside.reading_key
    refused = world.client(key).get("/api/v1/api-keys")

    keys = world.client(world.riverside.key).get("/api/v1/api-keys").json()["apiKeys"]
    (seen,) = {k["lastUsedAt"] for k in keys if key.startswith(k["prefix"])}
    assert refused.status_code == 403
    assert seen == "2026-11-25T09:00:00Z"


def test_reading_needs_no_turn_at_writing(world: World, world_file: Path) -> None:
    """Another process writes: what is read, and by whom, waits for nothing."""
    client = world.client(world.riverside.key)
    with closing(sqlite3.connect(world_file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = client.get("/api/v1/credentials")
        assert last_used(world) is None
        other.execute("ROLLBACK")

    assert answer.status_code == 200
    client.get("/api/v1/credentials")
    assert last_used(world) == "2026-11-25T09:00:00Z"


def test_a_request_reads_one_key_however_many_there_are(world: World) -> None:
    """All keys of an organisation were read for the time of one."""
    client = world.client(world.riverside.key)
    asked: list[str] = []

    def note(_c: object, _k: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        client.get("/api/v1/organisation")
    finally:
        event.remove(Engine, "before_cursor_execute", note)

    (read,) = (each for each in asked if "FROM api_key" in each)
    assert "WHERE api_key.secret_hash = ?" in read


def test_a_key_is_nowhere_in_the_database(world: World, world_file: Path) -> None:
    world.client(world.riverside.key).get("/api/v1/organisation")

    everything = b"".join(
        file.read_bytes() for file in world_file.parent.glob(f"{world_file.name}*")
    )
    for school in world.schools.values():
        for key in (school.key, school.reading_key):
            assert key.removeprefix("perdure_").encode() not in everything
            assert key.encode()[:20] not in everything
    assert world.clock.now == START
