"""A ledger with three schools, as the web application's tests use it.

Riverside has issued a credential, Lakeside has issued one too, Newcomer has only an API key.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from starlette.testclient import TestClient

from ledger.core import registries
from ledger.core.issuer import IssuerProfile
from ledger.keystore.master import MasterKey
from ledger.services.achievements import add_achievements
from ledger.services.addresses import Addresses
from ledger.services.organisations import (
    SCOPES,
    create_api_key,
    create_organisation,
    operator_of,
)
from ledger.services.registration import register_issuer
from ledger.services.roster_issuing import issue_roster
from ledger.services.rosters import encode_roster
from ledger.store import feed
from ledger.store.database import Database
from ledger.store.records import Chain
from ledger.verify.rpc import ChainReader
from ledger.web.api.achievements import DOCUMENT
from ledger.web.app import create_app
from ledger.web.edges import LedgerEdges

START = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
PUBLIC_URL = "https://ledger.example.org"
MASTER = MasterKey(bytes(range(32)))
PASSPHRASE = "seven quiet rivers under glass"
CHAIN = Chain(
    chain_id=31337,
    genesis_hash=bytes(32),
    anchor_registry=registries.ANCHOR_REGISTRY,
    issuer_registry=registries.ISSUER_REGISTRY,
    test=True,
)
ACHIEVEMENT: dict[str, Any] = dict(DOCUMENT)


@dataclass(frozen=True)
class School:
    """A school and what the tests know about it."""

    code: str
    id: UUID
    key: str = field(repr=False)
    key_id: UUID
    reading_key: str = field(repr=False)
    name: str
    email: str
    issuer: str
    signing_key: str
    credential: UUID | None


@dataclass
class Clock:
    """A clock that stands until somebody moves it."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass(frozen=True)
class World:
    """A database with the schools in it, and the application over it."""

    edges: LedgerEdges
    clock: Clock
    schools: Mapping[str, School]
    app: FastAPI

    @classmethod
    def over(
        cls,
        database: Database,
        schools: Mapping[str, School],
        entropy: Callable[[int], bytes] = secrets.token_bytes,
    ) -> "World":
        clock = Clock()
        edges = edges_over(database, clock, entropy)
        return cls(edges, clock, schools, create_app(edges))

    @property
    def riverside(self) -> School:
        return self.schools["riverside"]

    @property
    def lakeside(self) -> School:
        return self.schools["lakeside"]

    @property
    def newcomer(self) -> School:
        return self.schools["newcomer"]

    def client(self, key: str | None = None) -> TestClient:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return TestClient(self.app, headers=headers, raise_server_exceptions=False)


@contextmanager
def no_readers() -> Iterator[Sequence[ChainReader]]:
    yield ()


def edges_over(
    database: Database, clock: Clock, entropy: Callable[[int], bytes]
) -> LedgerEdges:
    return LedgerEdges(
        database=database,
        master=MASTER,
        addresses=Addresses(PUBLIC_URL),
        chain=CHAIN,
        networks=(),
        readers=no_readers,
        trust=None,
        issuers=lambda _issuer_id: None,
        now=clock,
        entropy=entropy,
    )


def settle(database: Database, *codes: str) -> Mapping[str, School]:
    """Put these schools, or all three, into an empty database."""
    schools = {
        code: _school(database, code, issues=code != "newcomer")
        for code in codes or ("riverside", "lakeside", "newcomer")
    }
    with database.begin() as tx:
        feed.sequence(tx, feed.new_audiences(tx))
    return schools


def _school(database: Database, code: str, *, issues: bool) -> School:
    name, email = f"Amina {code.title()}", f"amina@{code}.example.com"
    with database.begin() as tx:
        made = create_organisation(
            tx, code=code, name=f"{code.title()} School", now=START
        )
        caller = operator_of(tx, code)
        key, text = create_api_key(
            tx,
            caller,
            name="everything",
            scopes=SCOPES,
            expires_at=None,
            now=START,
            entropy=secrets.token_bytes,
        )
        _, reading = create_api_key(
            tx,
            caller,
            name="reading",
            scopes=frozenset({"read"}),
            expires_at=None,
            now=START,
            entropy=secrets.token_bytes,
        )
        add_achievements(tx, caller, ACHIEVEMENT, START)
    issuer = signing_key = ""
    credential = None
    if issues:
        with database.begin() as tx:
            registration = register_issuer(
                tx,
                caller,
                IssuerProfile(f"{code.title()} School", f"https://{code}.example.org"),
                CHAIN,
                master=MASTER,
                passphrase=PASSPHRASE,
                write_backup=lambda _data: None,
                now=START,
                entropy=secrets.token_bytes,
            )
        issuer = registration.reference.issuer_id.hex()
        signing_key = registration.signing_did.removeprefix("did:key:")
        row = {"achievement": "py-1", "name": name, "email": email}
        report = issue_roster(
            database,
            caller,
            encode_roster({**row, "awarded_on": "2026-06-01"}),
            master=MASTER,
            addresses=Addresses(PUBLIC_URL),
            now=START,
            entropy=secrets.token_bytes,
            progress=lambda _done, _total: None,
        )
        credential = report.lines[0].credential_id
    return School(
        code=code,
        id=made.id,
        key=text,
        key_id=key.id,
        reading_key=reading,
        name=name,
        email=email,
        issuer=issuer,
        signing_key=signing_key,
        credential=credential,
    )
