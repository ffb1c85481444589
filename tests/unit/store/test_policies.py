from dataclasses import replace
from datetime import timedelta

import pytest

from ledger.errors import Conflict
from ledger.store import policies
from ledger.store.database import Database
from ledger.store.records import Policy
from tests.unit.store.samples import CHAIN_ID, NOW

CHANGED = Policy(
    batch_age=timedelta(minutes=5),
    batch_size=1_000_000,
    gas_below=1,
    latest=timedelta(days=30),
    max_fee=10**14,
    max_tx_cost=10**9,
    max_day_cost=policies.DEAREST_DAY,
    bump_after=1,
    resend_after=timedelta(0),
)


def test_the_defaults_hold_until_one_is_set(database: Database) -> None:
    with database.begin() as tx:
        assert policies.current(tx, CHAIN_ID) == Policy()
        assert policies.history(tx, CHAIN_ID) == []
        policies.set(tx, CHAIN_ID, CHANGED, by="anna", now=NOW)

        assert policies.current(tx, CHAIN_ID) == CHANGED
        assert policies.current(tx, 1) == Policy()


def test_every_change_is_kept_with_who_and_when(database: Database) -> None:
    later = NOW + timedelta(hours=1)
    with database.begin() as tx:
        first = policies.set(tx, CHAIN_ID, CHANGED, by="anna", now=NOW)
        second = policies.set(tx, CHAIN_ID, Policy(), by="ben", now=later)

        assert policies.history(tx, CHAIN_ID) == [first, second]
        assert policies.current(tx, CHAIN_ID) == Policy()
    assert (second.number, second.set_by, second.set_at) == (2, "ben", later)


def test_what_contradicts_itself_is_refused_whoever_sets_it(
    sqlite_database: Database,
) -> None:
    wrong = replace(Policy(), latest=timedelta(minutes=9))

    with (
        pytest.raises(Conflict, match="ck_policy_latest"),
        sqlite_database.begin() as tx,
    ):
        policies.set(tx, CHAIN_ID, wrong, by="anna", now=NOW)
