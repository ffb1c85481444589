"""The figures that the database gives, and what is left of them without it."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry

from ledger.errors import StoreError
from ledger.store import chains, costs, credentials, leases, outages, standstills
from ledger.store.database import Database, Transaction
from ledger.store.records import Chain, Obstacle, Outage, Standstill
from ledger.watch.figures import LedgerFigures
from tests.unit.store.samples import (
    CHAIN_ID,
    REGISTRY,
    SENDER,
    add_school,
    credential,
)

LABELS = {"chain": f"eip155:{CHAIN_ID}"}


@dataclass(frozen=True, slots=True)
class AwayDatabase(Database):
    def read(self) -> AbstractContextManager[Transaction]:
        raise StoreError("away")


def test_every_figure_is_read_when_somebody_asks(database: Database) -> None:
    now = datetime.now(UTC)
    registry = CollectorRegistry()
    registry.register(LedgerFigures(database, lambda: now))

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"perdure_{name}", LABELS | labels)

    assert registry.get_sample_value("perdure_database_up") == 1
    assert value("credentials_waiting") is None
    with database.begin() as tx:
        chains.record(tx, Chain(CHAIN_ID, bytes(32), REGISTRY, REGISTRY, test=True))
        school = add_school(tx)
        early = now - timedelta(seconds=90)
        credentials.insert(tx, [credential(school, 1, issued_at=early)])
        costs.note_balance(tx, CHAIN_ID, SENDER, 5 * 10**18, now=now)
        began = now - timedelta(seconds=60)
        no_funds = Standstill(CHAIN_ID, SENDER, Obstacle.NO_FUNDS, "empty", began)
        standstills.begin(tx, no_funds)
        leases.take(tx, CHAIN_ID, SENDER, owner="host/1/ff", seconds=60, now=now)
        outages.note(tx, Outage(CHAIN_ID, "silent", began, now))

    assert value("credentials_waiting") == 1
    assert value("oldest_unanchored_seconds") == 90
    assert value("oldest_pending_transaction_seconds") == 0
    assert value("transactions", state="sealed") == 0
    assert value("workers_with_lease") == 1
    assert value("longest_unanchored_seconds") == 4200
    assert value("fees_spent_wei", window="day") == 0
    assert value("standstill_seconds", obstacle="no_funds") == 60
    assert value("standstill_seconds", obstacle="fee_ceiling") == 0
    assert value("chain_away_seconds") == 60
    assert value("balance_wei", sender=SENDER) == 5 * 10**18
    assert value("balance_days", sender=SENDER) is None
    left = value("lease_seconds_left", sender=SENDER, host="host")
    assert left is not None
    assert 50 < left <= 60


def test_without_its_database_a_ledger_says_so(sqlite_database: Database) -> None:
    registry = CollectorRegistry()
    registry.register(
        LedgerFigures(
            AwayDatabase("x", sqlite_database._writer, sqlite_database._reader),
            lambda: datetime.now(UTC),
        )
    )

    names = {sample.name for metric in registry.collect() for sample in metric.samples}

    assert names == {"perdure_build_info", "perdure_database_up"}
    assert registry.get_sample_value("perdure_database_up") == 0
