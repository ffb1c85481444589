"""Row D1 of the fault matrix, over HTTP: what was answered is there, what was not can be asked again."""

import json
from typing import Any

from sqlalchemy import text

from ledger.store.database import Database
from tests.unit.web.world import World, settle

_ROOM = 1_000_000


def post(world: World, number: int) -> Any:
    return world.client(world.riverside.key).post(
        "/api/v1/credentials",
        content=json.dumps(
            {
                "achievement": "py-1",
                "name": f"Learner {number}",
                "email": f"learner{number}@example.org",
                "awardedOn": "2026-06-01",
            }
        ),
        headers={
            "Content-Type": "application/json",
            "Idempotency-Key": f"award-{number}",
        },
    )


def limit(database: Database, pages: int) -> None:
    """The file may grow to so many pages; the one writing connection is told."""
    with database.begin() as tx:
        tx.scalar(text(f"PRAGMA max_page_count={pages}"))


def pages(database: Database) -> int:
    with database.read() as tx:
        return int(tx.scalar(text("PRAGMA page_count")))


def test_a_full_disk_is_a_503_that_loses_nothing_and_ends_with_it(
    sqlite_database: Database,
) -> None:
    world = World.over(sqlite_database, settle(sqlite_database, "riverside"))
    limit(sqlite_database, pages(sqlite_database) + 30)

    answers = {}
    for number in range(500):
        answers[number] = post(world, number)
        if answers[number].status_code != 201:
            break
    refused = max(answers)
    assert refused > 0, "nothing was acknowledged before the disk was full"

    problem = answers[refused]
    assert problem.status_code == 503
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.headers["retry-after"] == "30"
    assert "Learner" not in problem.text
    assert post(world, refused).status_code == 503
    assert world.client(world.riverside.key).get("/api/v1/credentials").is_success

    limit(sqlite_database, _ROOM)
    again = post(world, refused)
    assert again.status_code == 201
    for number in range(refused):
        credential = answers[number].json()["credential"]
        shown = world.client(world.riverside.key).get(
            f"/api/v1/credentials/{credential}"
        )
        assert shown.is_success, number
        # The same request again is told the same.
        assert post(world, number).content == answers[number].content
