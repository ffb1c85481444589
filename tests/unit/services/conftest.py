"""A school for the tests of use cases: an organisation with keys, as after registration."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ledger.core.canonical import parse
from ledger.core.credential import Award
from ledger.core.issuer import IssuerProfile
from ledger.core.registries import ANCHOR_REGISTRY, ISSUER_REGISTRY
from ledger.keystore.master import MasterKey
from ledger.services.achievements import add_achievements
from ledger.services.addresses import Addresses
from ledger.services.issuing import AwardRequest, IssuedAward, issue
from ledger.services.organisations import Caller, create_organisation, operator_of
from ledger.services.registration import register_issuer
from ledger.store import issuers
from ledger.store.database import Database
from ledger.store.records import Chain
from tests.unit.services import town as settlement
from tests.unit.services.town import Town, copy_of, make_town

SAMPLES = settlement.SAMPLES
PASSPHRASE = settlement.PASSPHRASE
NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)
CHAIN = Chain(31337, b"\x01" * 32, ANCHOR_REGISTRY, ISSUER_REGISTRY, test=True)
OPENED = 1_700_000_000


@dataclass
class School:
    """One organisation and the edges of its ledger."""

    database: Database
    caller: Caller
    master: MasterKey
    addresses: Addresses = field(
        default_factory=lambda: Addresses("https://ledger.example.org")
    )
    backups: list[bytes] = field(default_factory=list)

    def register(self) -> None:
        """Make keys and issuer record; the acts wait for a worker."""
        with self.database.begin() as tx:
            register_issuer(
                tx,
                self.caller,
                IssuerProfile.from_json(parse((SAMPLES / "issuer.json").read_bytes())),
                CHAIN,
                master=self.master,
                passphrase=PASSPHRASE,
                write_backup=self.backups.append,
                now=NOW,
                entropy=secrets.token_bytes,
            )

    def open_keys(self) -> None:
        """What the worker does once the chain has them."""
        with self.database.begin() as tx:
            issuers.mark_registered(tx, self.caller.organisation.id, OPENED)
            for key in issuers.keys(tx, self.caller.organisation.id):
                issuers.mark_key_opened(
                    tx, self.caller.organisation.id, key.key_id, OPENED
                )

    def add_achievements(self) -> None:
        """The sample achievements."""
        document = parse((SAMPLES / "achievements.json").read_bytes())
        with self.database.begin() as tx:
            add_achievements(tx, self.caller, document, NOW)

    def issue(self, *requests: AwardRequest) -> list[IssuedAward]:
        """Issue, in one transaction."""
        with self.database.begin() as tx:
            return list(
                issue(
                    tx,
                    self.caller,
                    requests,
                    master=self.master,
                    addresses=self.addresses,
                    now=NOW,
                    entropy=secrets.token_bytes,
                )
            )


def request_of(
    email: str,
    achievement: str = "py-1",
    *,
    awarded_on: date = date(2026, 5, 1),
    score: str | None = "88",
) -> AwardRequest:
    """A request for an award of the sample school."""
    award = Award(email=email, name="Amina Okafor", awarded_on=awarded_on, score=score)
    return AwardRequest(achievement, None, award)


def make_school(database: Database, code: str, master: MasterKey) -> School:
    """An organisation without anything yet."""
    with database.begin() as tx:
        create_organisation(tx, code=code, name=f"{code.title()} School", now=NOW)
        return School(database, operator_of(tx, code), master)


@pytest.fixture(scope="session")
def master() -> MasterKey:
    return MasterKey(secrets.token_bytes(32))


@pytest.fixture
def bare_school(sqlite_database: Database, master: MasterKey) -> School:
    return make_school(sqlite_database, "riverside", master)


@pytest.fixture(scope="session")
def _template(
    tmp_path_factory: pytest.TempPathFactory, master: MasterKey
) -> tuple[Path, list[bytes]]:
    """A registered school, made once: its backup costs half a second of scrypt."""
    path = tmp_path_factory.mktemp("school") / "template.db"
    with closing(Database.upgrade(f"sqlite:///{path}")) as database:
        made = make_school(database, "riverside", master)
        made.register()
        made.open_keys()
        made.add_achievements()
    return path, made.backups


@pytest.fixture
def school(
    tmp_path: Path, master: MasterKey, _template: tuple[Path, list[bytes]]
) -> Iterator[School]:
    """Registered, its keys open, its achievements added."""
    path, backups = _template
    copy = tmp_path / "school.db"
    shutil.copy(path, copy)
    with closing(Database.open(f"sqlite:///{copy}")) as database:
        with database.read() as tx:
            caller = operator_of(tx, "riverside")
        yield School(database, caller, master, backups=list(backups))


@pytest.fixture(scope="session")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Town:
    """A town, made once."""
    folder = tmp_path_factory.mktemp("town")
    with closing(Database.upgrade(f"sqlite:///{folder}/town.db")) as database:
        return make_town(database, folder)


@pytest.fixture
def town(settled: Town, tmp_path: Path) -> Iterator[Town]:
    """Two schools, a chain in memory and a worker, for one test."""
    shutil.copy(settled.folder / "town.db", tmp_path / "town.db")
    with closing(Database.open(f"sqlite:///{tmp_path}/town.db")) as database:
        yield copy_of(settled, database, tmp_path)
