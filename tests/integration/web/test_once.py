"""Twenty equal requests at once, on both databases: one effect, one answer."""

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.testclient import TestClient

from ledger.store.database import Database
from tests.unit.web.world import PASSPHRASE, START, School, World, settle

pytestmark = pytest.mark.slow

AT_ONCE = 20
AWARD = {
    "achievement": "py-1",
    "name": "Zoë Müller",
    "email": "zoe@example.org",
    "awardedOn": "2026-06-01",
}
ROSTER = "achievement,name,email,awarded_on\n" + "".join(
    f"py-1,Learner {n},learner{n}@example.org,2026-06-01\n" for n in range(10)
)


@pytest.fixture
def world(database: Database) -> World:
    return World.over(database, settle(database, "riverside", "newcomer"))


def at_once(
    world: World,
    school: School,
    path: str,
    body: str | Callable[[int], str],
    *,
    media_type: str = "application/json",
    key: Callable[[int], str] = lambda _n: "same",
    times: int = AT_ONCE,
) -> list[Any]:
    """Send one request, or one for each number, from many threads at the same time."""

    def send(number: int) -> Any:
        text = body if isinstance(body, str) else body(number)
        with TestClient(world.app, raise_server_exceptions=False) as client:
            return client.post(
                f"/api/v1/{path}",
                content=text.encode(),
                headers={
                    "Authorization": f"Bearer {school.key}",
                    "Content-Type": media_type,
                    "Idempotency-Key": key(number),
                },
            )

    with ThreadPoolExecutor(times) as threads:
        return list(threads.map(send, range(times)))


def one_answer(answers: list[Any], status: int) -> Any:
    assert {a.status_code for a in answers} == {status}, answers[0].text
    assert len({a.content for a in answers}) == 1
    assert sum("idempotent-replay" not in a.headers for a in answers) == 1
    return answers[0].json()


def listed(world: World) -> list[Any]:
    answer = world.client(world.riverside.key).get("/api/v1/credentials?limit=500")
    credentials: list[Any] = answer.json()["credentials"]
    return credentials


def test_one_award_becomes_one_credential(world: World) -> None:
    answers = at_once(world, world.riverside, "credentials", json.dumps(AWARD))

    assert one_answer(answers, 201)["already"] is False
    assert len(listed(world)) == 2


def test_of_different_awards_under_one_key_one_is_issued(world: World) -> None:
    answers = at_once(
        world,
        world.riverside,
        "credentials",
        lambda n: json.dumps({**AWARD, "email": f"zoe{n}@example.org"}),
    )

    codes = Counter(a.json().get("code", a.status_code) for a in answers)
    assert codes == {201: 1, "idempotency_key_reused": AT_ONCE - 1}
    assert len(listed(world)) == 2


def test_one_award_under_twenty_keys_becomes_one_credential(world: World) -> None:
    answers = at_once(
        world,
        world.riverside,
        "credentials",
        json.dumps(AWARD),
        key=lambda n: f"key-{n}",
    )

    assert {a.status_code for a in answers} <= {200, 201}
    assert [a.status_code for a in answers].count(201) == 1
    assert len({a.json()["credential"] for a in answers}) == 1
    assert len(listed(world)) == 2


def test_one_roster_is_issued_once(world: World) -> None:
    answers = at_once(
        world, world.riverside, "rosters", ROSTER, media_type="text/csv", times=8
    )

    assert {a.status_code for a in answers} == {200}, [a.text for a in answers]
    assert len({json.dumps(a.json()["lines"][0]["credential"]) for a in answers}) == 1
    assert len(listed(world)) == 11


def test_one_withdrawal_happens_once(world: World) -> None:
    path = f"credentials/{world.riverside.credential}/withdrawal"

    shown = one_answer(
        at_once(world, world.riverside, path, '{"reason": "Wrong person."}'), 201
    )

    assert shown["withdrawnAt"] == START.isoformat().replace("+00:00", "Z")


def test_one_api_key_is_made_and_everybody_is_told_the_same(world: World) -> None:
    body = json.dumps({"name": "Mail", "scopes": ["read"]})

    shown = one_answer(at_once(world, world.riverside, "api-keys", body), 201)

    assert world.client(shown["key"]).get("/api/v1/organisation").status_code == 200
    keys = world.client(world.riverside.key).get("/api/v1/api-keys").json()["apiKeys"]
    assert len(keys) == 3


def test_one_issuer_is_registered_with_one_backup(world: World) -> None:
    body = json.dumps(
        {
            "profile": {"name": "Newcomer", "url": "https://newcomer.example.org"},
            "backupPassphrase": PASSPHRASE,
        }
    )

    # Each of them stretches the passphrase, which is meant to be slow.
    answers = at_once(world, world.newcomer, "organisation/issuer", body, times=4)

    one_answer(answers, 201)
