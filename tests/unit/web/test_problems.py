"""Problems: one table from error to status, and what each may say."""

import inspect
import re

import pytest
from starlette.testclient import TestClient

from ledger import errors
from ledger.errors import (
    ChainRejected,
    ChainUnavailable,
    Conflict,
    Gone,
    KeystoreError,
    LedgerError,
    MalformedError,
    NotFound,
    ProofError,
    Refused,
    SettingError,
    StoreError,
)
from ledger.keystore.master import MasterKey
from ledger.web.problems import kind_of, kinds
from tests.unit.web.world import World

TABLE = [
    (MalformedError, 422, "malformed", True),
    (ProofError, 422, "proof", True),
    (Refused, 409, "refused", True),
    (NotFound, 404, "not_found", True),
    (Conflict, 409, "conflict", True),
    (Gone, 410, "gone", True),
    (ChainUnavailable, 503, "chain_unavailable", True),
    (ChainRejected, 502, "chain_rejected", True),
    (SettingError, 500, "setting", False),
    (KeystoreError, 500, "keystore", False),
    (StoreError, 503, "store", False),
]


@pytest.mark.parametrize(("error", "status", "code", "shown"), TABLE)
def test_the_kind_of_each_error(
    error: type[LedgerError], status: int, code: str, shown: bool
) -> None:
    kind = kind_of(error("text"))

    assert (kind.status, kind.code, kind.shown) == (status, code, shown)


def test_every_error_that_is_raised_is_in_the_table() -> None:
    every = {
        error
        for _, error in inspect.getmembers(errors, inspect.isclass)
        if issubclass(error, LedgerError)
    }

    never_raised = {LedgerError, errors.ChainError}
    assert {error for error, *_ in TABLE} == every - never_raised


def test_a_problem_is_a_document_with_the_id_of_its_request(world: World) -> None:
    answer = world.client(world.riverside.key).get(
        "/api/v1/credentials/00000000-0000-4000-8000-000000000000"
    )

    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "/docs#problem-not_found",
        "title": "There is no such thing",
        "status": 404,
        "code": "not_found",
        "detail": "there is no such credential",
        "id": answer.headers["request-id"],
    }


def test_a_wrong_master_key_is_a_500_that_says_nothing(world: World) -> None:
    edges = world.edges
    broken = World.over(edges.database, world.schools)
    object.__setattr__(broken.edges, "master", MasterKey(bytes(32)))

    answer = broken.client(world.riverside.key).post(
        "/api/v1/credentials",
        json={
            "achievement": "py-1",
            "name": "Zoë",
            "email": "zoe@example.org",
            "awardedOn": "2026-06-01",
        },
        headers={"Idempotency-Key": "1"},
    )

    assert (answer.status_code, answer.json()["code"]) == (500, "keystore")
    assert "key does not open" not in answer.text
    assert "damaged" not in answer.text


def test_every_code_that_is_answered_is_documented(world: World) -> None:
    page = world.client().get("/docs").text
    documented = set(re.findall(r'id="problem-([a-z_]+)"', page))

    assert documented == {kind.code for kind in kinds()}
    assert {code for _, _, code, _ in TABLE} <= documented


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/api/v1/credentials/", 404, "not_found"),
        ("PATCH", "/api/v1/credentials", 405, "method_not_allowed"),
        ("GET", "/static/../app.py", 404, "not_found"),
        ("GET", "/static/%2e%2e/app.py", 404, "not_found"),
    ],
)
def test_what_is_not_there_is_a_problem_too(
    world: World, method: str, path: str, status: int, code: str
) -> None:
    client: TestClient = world.client()

    answer = client.request(method, path)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_what_a_path_takes_by_all_of_its_routes_is_named(world: World) -> None:
    client: TestClient = world.client()

    assert client.patch("/api/v1/credentials").headers["allow"] == "GET, HEAD, POST"
    assert client.put("/health").headers["allow"] == "GET, HEAD"
    assert client.get("/api/v1/verify").headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/health", "/docs", "/nowhere", "/static/app.css"])
def test_a_head_is_a_get_without_its_body(world: World, path: str) -> None:
    client: TestClient = world.client()
    whole, head = client.get(path), client.head(path)

    changing = {"request-id", "date"}
    kept = [
        {name: value for name, value in each.headers.items() if name not in changing}
        for each in (whole, head)
    ]
    assert (head.status_code, head.content) == (whole.status_code, b"")
    assert kept[0] == kept[1]


@pytest.mark.parametrize(
    "sent", [None, "text/plain", "text/csv", "multipart/form-data"]
)
def test_json_that_is_sent_as_something_else_is_refused_as_that(
    world: World, sent: str | None
) -> None:
    headers = {"Idempotency-Key": "one"} | (
        {} if sent is None else {"Content-Type": sent}
    )

    answer = world.client(world.riverside.key).post(
        "/api/v1/credentials", content=b"{}", headers=headers
    )

    assert (answer.status_code, answer.json()["code"]) == (415, "media_type")
    assert "Content-Type: application/json" in answer.json()["detail"]


def test_json_of_a_kind_is_json(world: World) -> None:
    headers = {"Idempotency-Key": "one", "Content-Type": "application/ld+json"}

    answer = world.client(world.riverside.key).post(
        "/api/v1/credentials", content=b"{}", headers=headers
    )

    assert answer.json()["code"] == "invalid"


def test_a_person_gets_a_page_and_a_program_a_document(world: World) -> None:
    client = world.client()
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}

    page = client.get("/nowhere", headers=browser)
    program = client.get("/api/v1/nowhere", headers=browser)

    assert (page.status_code, program.status_code) == (404, 404)
    assert "<h1>There is no such thing</h1>" in page.text
    assert page.headers["request-id"] in page.text
    assert program.headers["content-type"] == "application/problem+json"
