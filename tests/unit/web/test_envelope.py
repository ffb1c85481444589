"""What surrounds every answer: an id, safe headers, one line in the log."""

import logging

import pytest

from ledger.web.envelope import DATA_POLICY, PAGE_POLICY
from tests.unit.web.world import World

PATHS = [
    "/",
    "/docs",
    "/help/rosters",
    "/health",
    "/openapi.json",
    "/static/app.css",
    "/nowhere",
]


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_carries_the_same_safe_headers(world: World, path: str) -> None:
    headers = world.client().get(path).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert len(headers["request-id"]) == 36
    assert "server" not in headers
    assert not [name for name in headers if name.startswith("access-control-")]


def test_pages_may_load_from_their_own_origin_and_data_may_load_nothing(
    world: World,
) -> None:
    client = world.client()

    assert client.get("/").headers["content-security-policy"] == PAGE_POLICY
    assert client.get("/health").headers["content-security-policy"] == DATA_POLICY
    for policy in (PAGE_POLICY, DATA_POLICY):
        assert policy.startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy


@pytest.mark.parametrize("accepted", ["application/json", "text/html"])
def test_public_facts_may_be_read_by_pages_of_other_sites(
    world: World, accepted: str
) -> None:
    """By other people's verifiers, in a browser; they are the same for everybody."""
    school = world.riverside
    client = world.client()
    for path in (
        f"/status/{school.issuer}/{school.signing_key}",
        f"/issuers/{school.issuer}",
        f"/achievements/{school.issuer}/py-1/1",
        "/checkpoint-proofs",
    ):
        answer = client.get(path, headers={"Accept": accepted})

        assert answer.status_code == 200, path
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
        assert "set-cookie" not in answer.headers


def test_what_needs_a_key_may_not(world: World) -> None:
    client = world.client(world.riverside.key)
    for path in ("/api/v1/credentials", "/api/v1/organisation", "/api/v1/events"):
        answer = client.get(path, headers={"Origin": "https://evil.example"})

        assert answer.status_code == 200, path
        assert "access-control-allow-origin" not in answer.headers


def test_a_preflight_from_another_site_is_not_granted(world: World) -> None:
    answer = world.client().options(
        "/api/v1/credentials",
        headers={
            "Origin": "https://evil.example",
            "Access-Control-Request-Method": "POST",
        },
    )

    assert answer.status_code == 405
    assert "access-control-allow-origin" not in answer.headers


def test_nobody_else_keeps_what_needs_a_key(world: World) -> None:
    answer = world.client(world.riverside.key).get("/api/v1/credentials")

    assert answer.headers["cache-control"] == "no-store"


def test_only_https_promises_https(world: World) -> None:
    client = world.client()

    plain = client.get("/health")
    secure = client.get("https://testserver/health")

    assert "strict-transport-security" not in plain.headers
    assert secure.headers["strict-transport-security"].startswith("max-age=31536000")


def test_the_log_names_the_route_and_never_the_address(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "perdure.web"):
        answer = world.client(world.riverside.key).get(
            f"/api/v1/credentials/{world.riverside.credential}?x=zoe@example.org"
        )
        world.client().get("/zoe@example.org")

    facts = [r.__dict__ for r in caplog.records if r.name == "perdure.web"]
    assert [(f["route"], f["status"]) for f in facts] == [
        ("/api/v1/credentials/{credential_id}", 200),
        ("-", 404),
    ]
    assert facts[0]["request"] == answer.headers["request-id"]
    assert facts[1]["problem"] == "not_found"


def test_the_log_names_a_method_only_if_it_is_a_known_one(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "perdure.web"):
        for method in ("GET", "DELETE", "ZOEMULLER"):
            world.client().request(method, "/health")

    facts = [r.__dict__ for r in caplog.records if r.name == "perdure.web"]
    assert [f["method"] for f in facts] == ["GET", "DELETE", "OTHER"]
    assert "ZOEMULLER" not in caplog.text
