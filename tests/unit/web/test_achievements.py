"""Lists of achievements, which are pages, and how many one request may add."""

from typing import Any

from sqlalchemy import Engine, event

from ledger.core.canonical import encode
from ledger.services import achievements as service
from ledger.store import achievements
from ledger.store.records import AchievementRecord
from tests.unit.web.world import ACHIEVEMENT, START, World


def entries(count: int) -> list[dict[str, Any]]:
    return [{**ACHIEVEMENT, "code": f"c{n:04}"} for n in range(count)]


def add(world: World, count: int) -> None:
    records = [
        AchievementRecord(world.riverside.id, each["code"], "1", encode(each), START)
        for each in entries(count)
    ]
    with world.edges.database.begin() as tx:
        achievements.add_all(tx, world.riverside.id, records)


def post(world: World, document: Any, key: str = "k") -> Any:
    return world.client(world.riverside.key).post(
        "/api/v1/achievements", json=document, headers={"Idempotency-Key": key}
    )


def listed(world: World, **query: Any) -> Any:
    return world.client(world.riverside.key).get("/api/v1/achievements", params=query)


def test_achievements_come_in_pages(world: World) -> None:
    add(world, 5)
    everything = listed(world).json()
    codes: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = listed(world, **query).json()
        codes += [each["code"] for each in page["achievements"]]
        if page["next"] is None:
            break
        query["after"] = page["next"]

    assert everything["next"] is None
    assert codes == [each["code"] for each in everything["achievements"]]
    assert len(codes) == 6


def test_no_more_than_a_page_is_answered(world: World) -> None:
    add(world, service.MAX_PAGE)
    page = listed(world).json()

    assert len(page["achievements"]) == service.MAX_PAGE
    assert page["next"] is not None
    assert listed(world, limit=service.MAX_PAGE + 1).status_code == 422


def test_a_page_begins_behind_what_is_the_callers(world: World) -> None:
    answer = listed(world, after="nosuch/1")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_the_public_record_of_an_issuer_has_pages_too(world: World) -> None:
    add(world, 5)
    address = f"/issuers/{world.riverside.issuer}"
    everything = world.client().get(address).json()
    first = world.client().get(address, params={"limit": 4}).json()
    rest = (
        world.client().get(address, params={"limit": 4, "after": first["next"]}).json()
    )

    assert everything["next"] is rest["next"] is None
    assert [*first["achievements"], *rest["achievements"]] == everything["achievements"]
    assert len(first["achievements"]) == 4
    html = world.client().get(
        address, params={"limit": 4}, headers={"Accept": "text/html"}
    )
    assert f'href="{address}?after={first["next"]}"' in html.text


def test_too_many_at_once_are_refused(world: World) -> None:
    answer = post(world, entries(1_001))

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert len(listed(world).json()["achievements"]) == 1


def test_many_at_once_are_added_by_few_statements(world: World) -> None:
    """While they are added nobody else can write."""
    asked: list[str] = []

    def note(_c: object, _k: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        answer = post(world, entries(600))
    finally:
        event.remove(Engine, "before_cursor_execute", note)

    assert answer.status_code == 201
    assert len(answer.json()["achievements"]) == 600
    writing = asked[asked.index("BEGIN IMMEDIATE") :]
    assert len(writing) <= 16


def test_what_is_to_be_added_is_read_before_the_place_for_writing_is_taken(
    world: World,
) -> None:
    asked: list[str] = []

    def note(_c: object, _k: object, statement: str, *_: object) -> None:
        asked.append(statement)

    entry = {**ACHIEVEMENT, "code": "bad", "criteria": ""}
    post(world, ACHIEVEMENT, "first")  # notes the key's use
    event.listen(Engine, "before_cursor_execute", note)
    try:
        answer = post(world, [*entries(3), entry], "second")
    finally:
        event.remove(Engine, "before_cursor_execute", note)

    assert (answer.status_code, answer.json()["code"]) == (422, "malformed")
    assert "BEGIN IMMEDIATE" not in asked


def test_an_award_reads_the_one_achievement_it_is_of(world: World) -> None:
    """All of an organisation's were read, with their sources, for each of them."""
    add(world, 20)
    asked: list[tuple[str, Any]] = []

    def note(_c: object, _k: object, statement: str, values: Any, *_: object) -> None:
        asked.append((statement, values))

    award = {
        "achievement": ACHIEVEMENT["code"],
        "name": "Ada",
        "email": "ada@example.org",
        "awardedOn": "2026-06-01",
    }
    event.listen(Engine, "before_cursor_execute", note)
    try:
        answer = world.client(world.riverside.key).post(
            "/api/v1/credentials", json=award, headers={"Idempotency-Key": "a"}
        )
    finally:
        event.remove(Engine, "before_cursor_execute", note)

    assert answer.status_code == 201
    read = [values for statement, values in asked if "FROM achievement" in statement]
    assert read
    assert all(ACHIEVEMENT["code"] in values for values in read)
