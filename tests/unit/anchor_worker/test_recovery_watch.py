"""The recovery watch: every issuer is asked about now and then, a few in each round."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from anchor_worker.recovery_watch import AT_ONCE, PAUSE, RecoveryWatch
from ledger.chain.memory import MemoryChain
from ledger.chain.node import BlockTag
from ledger.core.registries import ISSUER_REGISTRY
from ledger.errors import ChainUnavailable
from ledger.store import issuers, organisations
from ledger.store.database import Database
from tests.unit.services.town import Town, make_town
from tests.unit.store import samples


class CountingChain(MemoryChain):
    """Counts who is asked about."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = Counter[bytes]()

    def call(self, to: str, data: bytes, tag: BlockTag) -> bytes:
        self.asked[data[4:36]] += 1
        return super().call(to, data, tag)


@pytest.fixture
def town(sqlite_database: Database, tmp_path: Path) -> Town:
    return make_town(sqlite_database, tmp_path)


def recovery_acts(town: Town, code: str = "riverside") -> int:
    with town.database.read() as tx:
        return issuers.of(tx, town.caller(code).organisation.id).recovery_acts


def watch_of(town: Town) -> RecoveryWatch:
    return RecoveryWatch(town.database, town.record, clock=lambda: town.now)


def test_what_the_registry_shows_is_kept(town: Town) -> None:
    watch = watch_of(town)
    watch.step(town.chain)
    town.rotate()

    watch.step(town.chain)
    assert recovery_acts(town) == 0, "it was asked about a moment ago"
    town.now += PAUSE
    watch.step(town.chain)
    assert (recovery_acts(town), recovery_acts(town, "hillside")) == (1, 0)


def test_a_withdrawal_is_signed_under_the_number_that_was_seen(town: Town) -> None:
    town.rotate()
    watch_of(town).step(town.chain)
    town.withdraw(town.credentials[0])
    town.work()

    assert town.open_codes() == {"archives"}


def test_a_node_that_fails_is_asked_again(town: Town) -> None:
    town.rotate()
    watch = watch_of(town)
    town.chain.broken_reads = 1
    with pytest.raises(ChainUnavailable):
        watch.step(town.chain)

    watch.step(town.chain)
    assert recovery_acts(town) == 1


def test_of_many_schools_a_few_are_asked_about_in_a_round(
    sqlite_database: Database, tmp_path: Path
) -> None:
    town = Town(sqlite_database, tmp_path, chain=CountingChain())
    assert isinstance(town.chain, CountingChain)
    schools = AT_ONCE + 2
    with sqlite_database.begin() as tx:
        for number in range(schools + 2):
            code = f"school-{number}"
            school = organisations.add(
                tx, id=uuid4(), code=code, name=code, now=town.now
            )
            record = samples.issuer_record(school)
            here = replace(record, registry=ISSUER_REGISTRY, registered_at=1)
            # One is in another registry, one is not on the chain yet.
            changed = {
                schools: replace(here, registry=samples.REGISTRY),
                schools + 1: replace(here, registered_at=None),
            }
            issuers.add(tx, changed.get(number, here))
    watch = watch_of(town)

    asked = []
    for _ in range(3):
        watch.step(town.chain)
        asked.append(town.chain.asked.total())
    assert asked == [AT_ONCE, schools, schools]
    assert set(town.chain.asked.values()) == {1}

    town.now += PAUSE - timedelta(seconds=1)
    watch.step(town.chain)
    assert town.chain.asked.total() == schools
    town.now += timedelta(seconds=1)
    watch.step(town.chain)
    assert town.chain.asked.total() == schools + AT_ONCE
