"""What a load balancer is told, and that it is told nothing else."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

from sqlalchemy import text

from ledger.errors import StoreError
from ledger.keystore.master import MasterKey
from ledger.services.readiness import (
    NO_DATABASE,
    OTHER_SCHEMA,
    WRONG_KEY,
    shortcomings,
)
from ledger.store.database import Database, Transaction
from tests.unit.web.world import MASTER, settle


@dataclass(frozen=True, slots=True)
class AwayDatabase(Database):
    def read(self) -> AbstractContextManager[Transaction]:
        raise StoreError("password=hunter2 at 10.0.0.7")


def test_a_ledger_with_and_without_keys_is_ready(database: Database) -> None:
    assert list(shortcomings(database, MASTER)) == []
    settle(database, "riverside")
    assert list(shortcomings(database, MASTER)) == []


def test_another_master_key_is_noticed(sqlite_database: Database) -> None:
    settle(sqlite_database, "riverside")

    wrong = list(shortcomings(sqlite_database, MasterKey(b"\x01" * 32)))

    assert wrong == [WRONG_KEY]


def test_a_database_that_is_away_is_noticed(sqlite_database: Database) -> None:
    away = AwayDatabase("x", sqlite_database._writer, sqlite_database._reader)

    assert list(shortcomings(away, MASTER)) == [NO_DATABASE]


def test_a_database_that_another_release_upgraded_is_noticed(
    sqlite_database: Database,
) -> None:
    """While this process ran."""
    with sqlite_database.begin() as tx:
        tx.change(text("UPDATE perdure_schema SET version_num = '9999'"))

    assert list(shortcomings(sqlite_database, MASTER)) == [OTHER_SCHEMA]
