"""One school's key opens nothing of another school: every route of the OpenAPI document.

A new route fails here until somebody says in ROUTES whose objects it touches.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from ledger.services.organisations import SCOPES
from tests.unit.web.dump import dump
from tests.unit.web.operations import Call, calls, document_of
from tests.unit.web.world import World

#: Needs no key: shows what is public, changes nothing.
PUBLIC = "public"
#: Names no object: acts for whoever holds the key.
OWN = "own"
#: Names an object by its id: of another organisation it is not there.
NAMED = "named"

ROUTES = {
    "GET /api/v1/organisation": OWN,
    "POST /api/v1/organisation/issuer": OWN,
    "GET /api/v1/organisation/issuer": OWN,
    "GET /api/v1/organisation/issuer/closing": OWN,
    "POST /api/v1/organisation/issuer/closing": OWN,
    "POST /api/v1/achievements": OWN,
    "GET /api/v1/achievements": OWN,
    "POST /api/v1/credentials": OWN,
    "GET /api/v1/credentials": OWN,
    "GET /api/v1/credentials/{credential_id}": NAMED,
    "GET /api/v1/credentials/{credential_id}/batch": NAMED,
    "GET /api/v1/credentials/{credential_id}/file": NAMED,
    "GET /api/v1/credentials/{credential_id}/archive": NAMED,
    "POST /api/v1/credentials/{credential_id}/withdrawal": NAMED,
    "POST /api/v1/rosters": OWN,
    "POST /api/v1/rosters/check": OWN,
    "POST /api/v1/api-keys": OWN,
    "GET /api/v1/api-keys": OWN,
    "DELETE /api/v1/api-keys/{key_id}": NAMED,
    "GET /api/v1/events": OWN,
    "POST /api/v1/verify": PUBLIC,
    "GET /status/{issuer}/{key}": PUBLIC,
    "GET /checkpoint-proofs": PUBLIC,
    "GET /achievements/{issuer}/{code}/{version}": PUBLIC,
    "GET /c/{short_code}": PUBLIC,
    "GET /issuers/{issuer}": PUBLIC,
    "GET /issuers/{issuer}/{paper}": PUBLIC,
    "GET /health": PUBLIC,
    "GET /ready": PUBLIC,
}


def about_riverside(world: World) -> list[Call]:
    return list(calls(document_of(world), world.riverside))


def test_every_route_is_in_the_table_and_no_other(world: World) -> None:
    named = {call.name for call in about_riverside(world)}

    assert set(ROUTES) == named


def test_a_route_is_public_exactly_if_it_declares_no_scope(world: World) -> None:
    public = {call.name for call in about_riverside(world) if call.scope is None}

    assert {name for name, kind in ROUTES.items() if kind is PUBLIC} == public


def test_without_a_valid_key_every_other_route_answers_401_and_changes_nothing(
    world: World, world_file: Path
) -> None:
    client, before = world.client(), dump(world_file)
    wrong = [
        None,
        "",
        "perdure_",
        "perdure_" + "1" * 44,
        world.riverside.key[:-1],
        "x" * 200,
    ]

    for call in about_riverside(world):
        if ROUTES[call.name] is PUBLIC:
            continue
        for key in wrong:
            answer = call.send(client, key)
            assert answer.status_code == 401, call.name
            assert answer.headers["www-authenticate"].startswith("Bearer ")

    assert dump(world_file) == before


def test_a_key_without_the_scope_gets_403_and_changes_nothing(
    world: World, world_file: Path
) -> None:
    client = world.client(world.riverside.key)
    lacking = {}
    for scope in sorted(SCOPES):
        others = sorted(SCOPES - {scope})
        made = client.post(
            "/api/v1/api-keys",
            json={"name": f"all but {scope}", "scopes": others},
            headers={"Idempotency-Key": scope},
        )
        lacking[scope] = made.json()["key"]
    before = dump(world_file)

    for call in about_riverside(world):
        if call.scope is None:
            continue
        answer = call.send(world.client(), lacking[call.scope])
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (
            call.name
        )

    assert dump(world_file) == before


def test_another_schools_key_finds_no_named_object_and_changes_nothing(
    world: World, world_file: Path
) -> None:
    client, before = world.client(), dump(world_file)

    for call in about_riverside(world):
        if ROUTES[call.name] is NAMED:
            answer = call.send(client, world.lakeside.key)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), (
                call.name
            )

    assert dump(world_file) == before


def test_another_schools_key_acts_for_that_school_alone(
    world: World, world_file: Path
) -> None:
    client, before = world.client(), dump(world_file)
    foreign = [
        world.riverside.name, world.riverside.email, world.riverside.issuer,
        str(world.riverside.id), str(world.riverside.credential), world.riverside.signing_key,
    ]  # fmt: skip

    for call in about_riverside(world):
        if ROUTES[call.name] is OWN:
            answer = call.send(client, world.lakeside.key)
            assert not [text for text in foreign if text in answer.text], call.name

    after = dump(world_file)
    owned = {world.riverside.id.hex, str(world.riverside.id)}
    for table, rows in before.items():
        kept = [row for row in rows if _belongs(row, owned)]
        assert kept == [row for row in after[table] if _belongs(row, owned)], table


def test_after_an_id_of_another_school_no_page_follows(world: World) -> None:
    answer = world.client(world.lakeside.key).get(
        "/api/v1/credentials", params={"after": str(world.riverside.credential)}
    )

    assert answer.status_code == 404


def test_an_id_that_nobody_has_looks_like_one_of_another_school(world: World) -> None:
    client = world.client(world.lakeside.key)
    unknown = UUID(int=7, version=4)

    theirs = client.get(f"/api/v1/credentials/{world.riverside.credential}").json()
    nobodys = client.get(f"/api/v1/credentials/{unknown}").json()

    assert {**theirs, "id": ""} == {**nobodys, "id": ""}


def test_unlisted_routes_are_only_pages_and_static_files(world: World) -> None:
    """Nothing hides from the table by staying out of the OpenAPI document."""
    hidden = set(_hidden(world.app.routes))

    help_pages = {"/help/rosters", "/help/roster-template.csv"}
    pages = {"/", "/verifier.html", "/docs"} | help_pages
    assert hidden == pages | {"/openapi.json", "/static"}


def _hidden(routes: Iterable[Any]) -> Iterator[str]:
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from _hidden(included.routes)
        elif not getattr(route, "include_in_schema", False):
            yield route.path


def _belongs(row: tuple[object, ...], ids: set[str]) -> bool:
    return any(value in ids for value in row)
