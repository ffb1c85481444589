"""Closing over HTTP: for the caller's own organisation, with its own backup, once."""

import base64
import secrets
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyrage
import pytest
from starlette.testclient import TestClient

from ledger.chain.registry import IssuerState
from ledger.core.issuer import IssuerProfile
from ledger.keystore.backup import decode_backup
from ledger.services.organisations import operator_of
from ledger.services.registration import register_issuer
from ledger.store import closings, issuers
from ledger.store.database import Database
from ledger.web.app import create_app
from tests.unit.web.world import (
    CHAIN,
    MASTER,
    PASSPHRASE,
    START,
    Clock,
    School,
    World,
    edges_over,
    settle,
)

PATH = "/api/v1/organisation/issuer/closing"
RECIPIENT = str(pyrage.x25519.Identity.generate().to_public())


@dataclass(frozen=True)
class Newcomer:
    """A school whose record is on the chain, that has issued nothing, and its backup."""

    client: TestClient
    database: Database
    backup: bytes
    lakeside: TestClient

    def post(self, key: str = "1", **changes: Any) -> Any:
        body: dict[str, Any] = {
            "confirm": "newcomer",
            "backup": base64.b64encode(self.backup).decode(),
            "passphrase": PASSPHRASE,
            "custodians": [{"name": "City Archive", "recipient": RECIPIENT}],
        }
        return self.client.post(
            PATH, json={**body, **changes}, headers={"Idempotency-Key": key}
        )


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    with closing(Database.upgrade(f"sqlite:///{tmp_path}/ledger.db")) as database:
        schools = settle(database, "newcomer", "lakeside")
        backups: list[bytes] = []
        with database.begin() as tx:
            caller = operator_of(tx, "newcomer")
            register_issuer(
                tx,
                caller,
                IssuerProfile("Newcomer School", "https://newcomer.example.org"),
                CHAIN,
                master=MASTER,
                passphrase=PASSPHRASE,
                write_backup=backups.append,
                now=START,
                entropy=secrets.token_bytes,
            )
        yield Newcomer(
            client(database, schools, "newcomer"),
            database,
            backups[0],
            client(database, schools, "lakeside"),
        )


def client(database: Database, schools: Mapping[str, School], code: str) -> TestClient:
    edges = replace(
        edges_over(database, Clock(), secrets.token_bytes),
        issuers=lambda issuer_id: on_chain(database, issuer_id),
    )
    key = schools[code].key
    return TestClient(
        create_app(edges),
        headers={"Authorization": f"Bearer {key}"},
        raise_server_exceptions=False,
    )


def on_chain(database: Database, issuer_id: bytes) -> IssuerState | None:
    """A chain that has carried every registration."""
    with database.read() as tx:
        record = issuers.by_issuer_id(tx, issuer_id)
    return IssuerState(
        record.controller, 1_700_000_000, None, record.recovery_commitment, None, 0
    )


def settle_acts(newcomer: Newcomer) -> None:
    """What the worker does."""
    with newcomer.database.begin() as tx:
        school = operator_of(tx, "newcomer").organisation.id
        issuers.mark_registered(tx, school, 1_700_000_000)
        for key in issuers.keys(tx, school):
            issuers.mark_key_opened(tx, school, key.key_id, 1_700_000_100)
        tx.connection.exec_driver_sql("DELETE FROM chain_tx")


def test_the_dry_run_says_what_is_open_and_changes_nothing(newcomer: Newcomer) -> None:
    answer = newcomer.client.get(PATH).json()

    assert (answer["stage"], answer["blocked"]) == ("open", True)
    assert {item["code"] for item in answer["open"]} == {
        "not_registered",
        "pending_acts",
    }
    assert len(answer["steps"]) == 6
    refused = newcomer.post()
    assert (refused.status_code, refused.json()["code"]) == (409, "refused")
    assert "cannot be closed yet" in refused.json()["detail"]
    assert newcomer.client.get(PATH).json() == answer


def test_it_is_begun_once_and_nothing_is_issued_any_more(newcomer: Newcomer) -> None:
    settle_acts(newcomer)
    begun, again, anew = newcomer.post(), newcomer.post(), newcomer.post("2")

    assert [each.status_code for each in (begun, again, anew)] == [201, 201, 201]
    assert begun.json() == again.json() == anew.json()
    assert again.headers["idempotent-replay"] == "true"
    assert begun.json()["stage"] == "closing"
    assert begun.json()["custodians"] == [
        {"name": "City Archive", "recipient": RECIPIENT}
    ]
    issued = newcomer.client.post(
        "/api/v1/credentials",
        json={"achievement": "py-1", "name": "A", "email": "a@example.org", "awardedOn": "2026-06-01"},
        headers={"Idempotency-Key": "3"},
    )  # fmt: skip
    assert (issued.status_code, issued.json()["code"]) == (409, "refused")
    assert newcomer.lakeside.get(PATH).json()["stage"] == "open"


def test_the_recovery_key_is_stored_nowhere(newcomer: Newcomer, tmp_path: Path) -> None:
    settle_acts(newcomer)
    assert newcomer.post().status_code == 201
    (entry,) = decode_backup(newcomer.backup, PASSPHRASE)
    (secret,) = entry.secrets["recovery"]

    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert len(stored) > 100_000
    assert secret not in stored
    assert secret.hex().encode() not in stored
    assert PASSPHRASE.encode() not in stored
    with newcomer.database.read() as tx:
        school = operator_of(tx, "newcomer").organisation.id
        assert secret not in closings.of(tx, school).statement


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"confirm": "lakeside"}, 409, "not the organisation's code"),
        ({"passphrase": "another passphrase"}, 409, "does not open"),
        ({"backup": "!"}, 422, "not base64"),
        ({"backup": "…"}, 422, "not base64"),
        ({"backup": "AAAA"}, 422, "not JSON"),
        ({"custodians": []}, 422, "rule"),
        ({"custodians": [{"name": "A", "recipient": "age1" + "q" * 58}]}, 422, "letters is wrong"),
        ({"custodians": [{"name": "A", "recipient": RECIPIENT}] * 2}, 422, "one recipient twice"),
        ({"successor": "hillside"}, 422, "whole identifier"),
        ({"organisation": "lakeside"}, 422, "rule"),
    ],
)  # fmt: skip
def test_a_wrong_request_closes_nothing(
    newcomer: Newcomer, changes: dict[str, Any], status: int, words: str
) -> None:
    settle_acts(newcomer)
    answer = newcomer.post(**changes)

    assert answer.status_code == status
    assert words in answer.json()["detail"]
    assert newcomer.client.get(PATH).json()["stage"] == "open"


def test_the_backup_of_another_school_closes_neither(
    newcomer: Newcomer, world: World
) -> None:
    """What names the organisation is the API key, and the backup has to fit it."""
    settle_acts(newcomer)
    body = {
        "confirm": "lakeside",
        "backup": base64.b64encode(newcomer.backup).decode(),
        "passphrase": PASSPHRASE,
        "custodians": [{"name": "City Archive", "recipient": RECIPIENT}],
    }

    answer = newcomer.lakeside.post(PATH, json=body, headers={"Idempotency-Key": "9"})

    assert answer.status_code == 409
    assert "of another issuer (newcomer)" in answer.json()["detail"]
    assert newcomer.client.get(PATH).json()["stage"] == "open"
    assert newcomer.lakeside.get(PATH).json()["stage"] == "open"
