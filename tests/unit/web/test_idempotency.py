"""One Idempotency-Key, one effect, one answer."""

from pathlib import Path
from uuid import UUID

import pytest

from ledger.services.erasure import erase_credential
from ledger.services.organisations import Caller, operator_of
from tests.unit.web.dump import dump, text_of
from tests.unit.web.operations import calls, document_of
from tests.unit.web.world import PASSPHRASE, World

AWARD = {
    "achievement": "py-1",
    "name": "Zoë Müller",
    "email": "zoe@example.org",
    "awardedOn": "2026-06-01",
}
REGISTRATION = {
    "profile": {"name": "Newcomer School", "url": "https://newcomer.example.org"},
    "backupPassphrase": PASSPHRASE,
}


def test_every_post_that_writes_needs_the_header(
    world: World, world_file: Path
) -> None:
    document, before = document_of(world), dump(world_file)
    client = world.client(world.riverside.key)
    without = {
        "POST /api/v1/rosters/check",
        "POST /api/v1/verify",
    }  # they write nothing

    for call in calls(document, world.riverside):
        if call.method != "POST":
            continue
        assert call.once == (call.name not in without), call.name
        if call.once:
            answer = client.request(
                call.method,
                call.path,
                content=call.body,
                headers={"Content-Type": call.media_type or ""},
            )
            problem = answer.json()
            assert (answer.status_code, problem["code"]) == (
                400,
                "idempotency_key_missing",
            )
            assert "Idempotency-Key" in problem["detail"]

    assert dump(world_file) == before


@pytest.mark.parametrize("key", [b"", b"a" * 201, b"two words", "ключ".encode()])
def test_a_key_of_another_shape_is_refused(world: World, key: bytes) -> None:
    headers = {
        b"Authorization": f"Bearer {world.riverside.key}".encode(),
        b"Idempotency-Key": key,
    }

    answer = world.client().post("/api/v1/credentials", json=AWARD, headers=headers)

    assert answer.status_code == 422


def test_a_repetition_is_answered_byte_for_byte_and_changes_nothing(
    world: World, world_file: Path
) -> None:
    document = document_of(world)
    for call in calls(document, world.riverside):
        # Closing needs a true backup, and is for ever: test_closing.py.
        if not call.once or call.template.endswith("/closing"):
            continue
        fresh = call.name == "POST /api/v1/organisation/issuer"
        client = world.client(world.newcomer.key if fresh else world.riverside.key)
        headers = {
            "Idempotency-Key": f"{call.template}-{call.title}",
            "Content-Type": call.media_type or "",
        }

        first = client.request(
            call.method, call.path, content=call.body, headers=headers
        )
        before = dump(world_file)
        world.clock.advance(hours=1)
        second = client.request(
            call.method, call.path, content=call.body, headers=headers
        )

        assert first.is_success, f"{call.name}: {first.text}"
        assert (second.status_code, second.content) == (
            first.status_code,
            first.content,
        )
        assert "idempotent-replay" not in first.headers
        assert second.headers["idempotent-replay"] == "true"
        assert dump(world_file) == before


def test_the_key_with_another_body_or_object_is_a_conflict(world: World) -> None:
    client = world.client(world.riverside.key)
    client.post("/api/v1/credentials", json=AWARD, headers={"Idempotency-Key": "1"})
    other = client.post(
        "/api/v1/credentials",
        json={**AWARD, "email": "other@example.org"},
        headers={"Idempotency-Key": "1"},
    )
    first = f"/api/v1/credentials/{world.riverside.credential}/withdrawal"
    client.post(first, json={"reason": "Wrong."}, headers={"Idempotency-Key": "2"})
    elsewhere = client.post(
        first.replace(str(world.riverside.credential), str(world.lakeside.credential)),
        json={"reason": "Wrong."},
        headers={"Idempotency-Key": "2"},
    )

    assert [(a.status_code, a.json()["code"]) for a in (other, elsewhere)] == [
        (409, "idempotency_key_reused")
    ] * 2
    assert len(client.get("/api/v1/credentials").json()["credentials"]) == 2


def test_another_api_key_of_the_same_school_gets_no_answer_of_the_first(
    world: World,
) -> None:
    made = {"name": "lms", "scopes": ["read", "issue", "manage"]}
    once = {"Idempotency-Key": "one"}
    first = world.client(world.riverside.key)
    second = world.client(
        first.post(
            "/api/v1/api-keys", json=made, headers={"Idempotency-Key": "second"}
        ).json()["key"]
    )

    secret = first.post("/api/v1/api-keys", json=made, headers=once).json()["key"]
    answer = second.post("/api/v1/api-keys", json=made, headers=once)

    assert (answer.status_code, answer.json()["code"]) == (
        409,
        "idempotency_key_reused",
    )
    assert secret not in answer.text
    assert "another API key" in answer.json()["detail"]


def test_the_answer_to_a_roster_goes_with_somebody_who_is_erased(
    world: World,
) -> None:
    """It may quote that person; and a repetition would issue the award again."""
    client = world.client(world.riverside.key)
    roster = (
        "achievement,name,email,awarded_on\n"
        "py-1,Zoë Müller,zoe@example.org,2026-06-01\n"
        "py-9,Zoë Müller,zoe@example.org,2026-06-01\n"
    ).encode()
    headers = {"Content-Type": "text/csv", "Idempotency-Key": "1"}
    issued = client.post("/api/v1/rosters", content=roster, headers=headers)
    client.post("/api/v1/credentials", json=AWARD, headers={"Idempotency-Key": "1"})
    credential = UUID(issued.json()["lines"][0]["credential"])
    caller = desk_of(world)

    erase_credential(world.edges.database, caller, credential)

    again = client.post("/api/v1/rosters", content=roster, headers=headers)
    other = client.post(
        "/api/v1/credentials", json=AWARD, headers={"Idempotency-Key": "1"}
    )
    assert (again.status_code, again.json()["code"]) == (410, "gone")
    assert "was erased" in again.json()["detail"]
    assert other.headers["idempotent-replay"] == "true"
    shown = client.get("/api/v1/credentials").json()["credentials"]
    assert sorted(each["name"] or "" for each in shown) == ["", world.riverside.name]


def desk_of(world: World) -> Caller:
    with world.edges.database.read() as tx:
        return operator_of(tx, world.riverside.code)


def test_two_schools_may_use_the_same_key(world: World) -> None:
    answers = [
        world.client(key).post(
            "/api/v1/credentials", json=AWARD, headers={"Idempotency-Key": "1"}
        )
        for key in (world.riverside.key, world.lakeside.key)
    ]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() != answers[1].json()


def test_a_refused_request_leaves_its_key_free(world: World) -> None:
    client = world.client(world.riverside.key)
    bad = {**AWARD, "awardedOn": "2031-01-01"}

    refused = client.post(
        "/api/v1/credentials", json=bad, headers={"Idempotency-Key": "1"}
    )
    corrected = client.post(
        "/api/v1/credentials", json=AWARD, headers={"Idempotency-Key": "1"}
    )

    assert (refused.status_code, corrected.status_code) == (422, 201)


def test_a_lost_answer_with_a_secret_comes_again_and_is_nowhere_in_clear(
    world: World, world_file: Path
) -> None:
    client = world.client(world.newcomer.key)
    requests = [
        ("organisation/issuer", REGISTRATION, "backup"),
        ("api-keys", {"name": "Mail", "scopes": ["read"]}, "key"),
    ]

    for path, body, secret in requests:
        first, second = (
            client.post(f"/api/v1/{path}", json=body, headers={"Idempotency-Key": "1"})
            for _ in range(2)
        )
        assert first.json()[secret] == second.json()[secret]
        assert first.json()[secret].encode()[:60] not in text_of(world_file)
        assert first.json()[secret].encode()[:60] not in world_file.read_bytes()
