"""Values in the path and the query: what names nothing is a 404 or 422 on both databases."""

from collections.abc import Iterator
from typing import Any

import pytest

from ledger.store.database import Database
from tests.unit.web.operations import calls, document_of
from tests.unit.web.world import World, settle

STRANGE = [
    "%00",
    "py-1%00",
    "py-1%0A",
    "%ED%A0%80",
    "%EF%BF%BF",
    "%F0%9F%98%80",
    "%27%3B--",
]


@pytest.fixture
def world(database: Database) -> World:
    return World.over(database, settle(database, "riverside"))


def addresses(world: World, value: str) -> Iterator[tuple[str, str]]:
    """Every operation, with the value for each of its parameters in turn."""
    document = document_of(world)
    for call in {c.name: c for c in calls(document, world.riverside)}.values():
        operation = document["paths"][call.template][call.method.lower()]
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "query":
                yield call.method, f"{call.path}?{parameter['name']}={value}"
            elif parameter["in"] == "path":
                place = call.template.split("/").index(f"{{{parameter['name']}}}")
                parts = call.path.split("/")
                yield (
                    call.method,
                    "/".join([*parts[:place], value, *parts[place + 1 :]]),
                )


@pytest.mark.parametrize("value", STRANGE)
def test_a_parameter_that_names_nothing_is_the_same_on_both_databases(
    world: World, value: str
) -> None:
    client = world.client(world.riverside.key)

    answers: dict[tuple[str, str], Any] = {
        (method, address): client.request(
            method, address, headers={"Idempotency-Key": "1"}
        )
        for method, address in addresses(world, value)
    }

    assert len(answers) >= 20
    assert {
        where: answer.text
        for where, answer in answers.items()
        if answer.status_code not in {404, 422}
    } == {}
    school = world.riverside.issuer
    for path in (
        f"/achievements/{school}/{value}/1",
        f"/achievements/{school}/py-1/{value}",
    ):
        assert answers["GET", path].status_code == 404
    listed = answers["GET", f"/api/v1/credentials?achievement={value}"]
    assert listed.json()["problems"][0]["where"] == ["query", "achievement"]


def test_credentials_are_listed_by_achievement(world: World) -> None:
    client = world.client(world.riverside.key)

    found = [
        len(client.get(f"/api/v1/credentials?achievement={code}").json()["credentials"])
        for code in ("py-1", "py-2")
    ]

    assert found == [1, 0]
