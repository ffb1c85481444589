"""Who is calling: one answer for every wrong key, and when a key was last used."""

from pathlib import Path
from typing import Any

import pytest

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
    first = last_used(world)
    world.clock.advance(seconds=59)
    soon = last_used(world)
    world.clock.advance(seconds=1)
    later = last_used(world)

    assert first == soon == "2026-11-25T09:00:00Z"
    assert later == "2026-11-25T09:01:00Z"


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
