"""The JSON edge: what FastAPI would take, repeat or fail on is a 4xx that repeats nothing."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.types import Message

from ledger.core.canonical import Json, parse
from ledger.web import strict
from tests.unit.web.dump import dump
from tests.unit.web.operations import calls, document_of
from tests.unit.web.world import ACHIEVEMENT, World

CANARY = "canary-7c1e"
AWARD: dict[str, Any] = {
    "achievement": "py-1",
    "name": "Zoë Müller",
    "email": "zoe@example.org",
    "awardedOn": "2026-06-01",
}


def text(**changes: str) -> bytes:
    """The award with the JSON text of some members replaced as it stands."""
    members = {name: json.dumps(value) for name, value in AWARD.items()} | changes
    return ("{" + ",".join(f'"{k}":{v}' for k, v in members.items()) + "}").encode()


NOT_JSON = {
    "NaN": text(score="NaN"),
    "Infinity": text(score="Infinity"),
    "1e400": text(score="1e400"),
    "big integer": text(score="9" * 40),
    "lone surrogate": text(name='"\\ud800"'),
    "lone surrogate in a member's name": b'{"\\ud800":1}',
    "NUL": text(name='"a\\u0000b"'),
    "duplicate member": text()[:-1] + b',"email":"eve@example.org"}',
    "UTF-16": text().decode().encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf" + text(),
    "not UTF-8": b'{"name":"\xff"}',
    "900 levels": b"[" * 900 + b"]" * 900,
    "100,000 levels": b"[" * 100_000 + b"]" * 100_000,
    "trailing text": text() + b"{}",
    "cut short": text()[:-2],
}
NOT_AN_AWARD = {
    "null": b"null",
    "a list": b"[]",
    "a number": b"12",
    "nothing": b"",
    "true for a text": text(score="true"),
    "a number for a text": text(score="88"),
    "a number for a date": text(awardedOn="1780272000"),
    "a date that is none": text(awardedOn='"2026-02-30"'),
    "a moment for a date": text(awardedOn='"2026-06-01T12:00:00Z"'),
    "an object for a text": text(name='{"a":"b"}'),
    "a member missing": b'{"achievement":"py-1"}',
    "an unknown member": text(canary=f'"{CANARY}"'),
    "the Python name of a member": text(awarded_on='"2026-06-01"'),
}


def post(client: TestClient, body: bytes, **headers: str) -> Any:
    return client.post(
        "/api/v1/credentials",
        content=body,
        headers={"Content-Type": "application/json", "Idempotency-Key": "1", **headers},
    )


def test_the_award_itself_is_taken(world: World) -> None:
    assert post(world.client(world.riverside.key), text()).status_code == 201


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
def test_what_is_not_strict_json_is_a_400(
    world: World, world_file: Path, body: bytes
) -> None:
    before = dump(world_file)

    answer = post(world.client(world.riverside.key), body)

    assert (answer.status_code, answer.json()["code"]) == (400, "not_json")
    assert "eve@example.org" not in answer.text
    assert dump(world_file) == before


@pytest.mark.parametrize("body", NOT_AN_AWARD.values(), ids=NOT_AN_AWARD)
def test_what_is_no_award_is_a_422_without_what_was_sent(
    world: World, world_file: Path, body: bytes
) -> None:
    before = dump(world_file)

    answer = post(world.client(world.riverside.key), body)

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid")
    assert all(set(one) <= {"where", "code", "reason"} for one in problem["problems"])
    assert CANARY not in answer.text
    assert dump(world_file) == before


@pytest.mark.parametrize(("size", "waits"), [(16_384, True), (16_385, False)])
def test_while_a_large_body_is_read_others_are_answered(
    world: World, monkeypatch: pytest.MonkeyPatch, size: int, waits: bool
) -> None:
    everybody: list[bool] = []

    def reading(data: bytes) -> Json:
        with suppress(RuntimeError):
            asyncio.get_running_loop()
            everybody.append(True)
        return parse(data)

    monkeypatch.setattr(strict, "parse", reading)
    body = text() + b" " * (size - len(text()))

    assert post(world.client(world.riverside.key), body).status_code == 201
    assert everybody == [True] * waits


def test_a_body_over_a_megabyte_is_refused(world: World) -> None:
    answer = post(world.client(world.riverside.key), b" " * 1_048_577)

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_limit_counts_received_bytes_when_no_length_is_announced(
    world: World,
) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(200):
            sent += 65_536
            yield b" " * 65_536

    answer = world.client(world.riverside.key).post(
        "/api/v1/credentials",
        content=endless(),
        headers={"Content-Type": "application/json", "Idempotency-Key": "1"},
    )

    assert answer.status_code == 413


@pytest.mark.uncounted
def test_a_roster_may_have_twenty_megabytes_and_not_more(world: World) -> None:
    client = world.client(world.riverside.key)
    header = b"achievement,name,email,awarded_on\n"
    record = b"py-1," + b"n" * 9_990 + b",e,2\n"
    fits = header + record * 1_900

    answers = [
        client.post(
            "/api/v1/rosters/check", content=body, headers={"Content-Type": "text/csv"}
        )
        for body in (fits, b"x" * 20_000_001)
    ]

    assert [answer.status_code for answer in answers] == [200, 413]
    assert answers[0].json()["refused"] == 1_900


def test_the_roster_of_a_stranger_is_not_even_read(world: World) -> None:
    statuses: list[int] = []

    async def receive() -> Message:
        raise AssertionError("the body was read before the key was checked")

    async def send(message: Message) -> None:
        statuses.append(message.get("status", 0))

    scope = {
        "type": "http", "method": "POST", "path": "/api/v1/rosters/check", "scheme": "http",
        "query_string": b"", "headers": [(b"content-type", b"text/csv")], "root_path": "",
        "http_version": "1.1", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1),
        "asgi": {"version": "3.0"},
    }  # fmt: skip
    asyncio.run(world.app(scope, receive, send))

    assert statuses[0] == 401


def test_compressed_bodies_are_refused(world: World) -> None:
    answer = post(
        world.client(world.riverside.key), text(), **{"Content-Encoding": "gzip"}
    )

    assert (answer.status_code, answer.json()["code"]) == (415, "media_type")


@pytest.mark.parametrize(
    "member",
    ["organisationId", "organisation", "tenantId", "id", "status", "state", "anchoredAt",
     "role", "scopes2", "credential", "statusIndex", "issuedAt", "keyId"],
)  # fmt: skip
def test_no_member_can_be_set_that_is_not_declared(
    world: World, world_file: Path, member: str
) -> None:
    """Mass assignment: every route that takes JSON, with one member too many."""
    client = world.client(world.riverside.key)
    before = dump(world_file)
    tried = 0

    for call in calls(document_of(world), world.riverside):
        if call.media_type != "application/json" or call.scope is None:
            continue
        assert call.body is not None
        value = json.loads(call.body)
        for target in value if isinstance(value, list) else [value]:
            target[member] = str(world.lakeside.id)
        answer = client.request(
            call.method,
            call.path,
            json=value,
            headers={"Idempotency-Key": f"{call.name} {call.title}".replace(" ", "-")},
        )
        tried += 1
        assert answer.status_code == 422, call.name
        assert str(world.lakeside.id) not in answer.text

    assert tried >= 6
    assert dump(world_file) == before


def test_unknown_members_inside_a_profile_or_an_achievement_are_refused(
    world: World,
) -> None:
    profile = {"name": "N", "url": "https://n.example.org", "verified": True}
    bodies = [
        ("organisation/issuer", {"profile": profile, "backupPassphrase": "x" * 12}),
        ("achievements", {**ACHIEVEMENT, "code": "new", "approved": True}),
    ]

    answers = [
        world.client(world.newcomer.key).post(
            f"/api/v1/{path}", json=body, headers={"Idempotency-Key": "1"}
        )
        for path, body in bodies
    ]

    assert [(a.status_code, a.json()["code"]) for a in answers] == [
        (422, "malformed")
    ] * 2


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "limit=1e2", "limit=x", "after=1", "state=green", "page=2",
     "achievement=" + "a" * 65],
)  # fmt: skip
def test_a_query_that_is_not_declared_or_out_of_bounds_is_a_422(
    world: World, query: str
) -> None:
    answer = world.client(world.riverside.key).get(f"/api/v1/credentials?{query}")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
