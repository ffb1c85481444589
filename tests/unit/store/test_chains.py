from dataclasses import replace

import pytest

from ledger.errors import Conflict, NotFound
from ledger.store import chains
from ledger.store.database import Database
from ledger.store.records import Chain
from tests.unit.store.samples import CHAIN_ID, REGISTRY, SENDER, digest

CHAIN = Chain(CHAIN_ID, digest("genesis"), REGISTRY, SENDER, test=True)


def test_is_recorded_once(database: Database) -> None:
    with database.begin() as tx:
        chains.record(tx, CHAIN)
        chains.record(tx, CHAIN)

        assert chains.get(tx, CHAIN_ID) == CHAIN


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"genesis_hash": bytes(32)}, "genesis_hash was 0x.{64}, now 0x0000"),
        ({"anchor_registry": SENDER}, f"anchor_registry was {REGISTRY}, now {SENDER}"),
        ({"issuer_registry": REGISTRY}, "issuer_registry was"),
        ({"test": False}, "test was True, now False"),
    ],
)
def test_another_chain_of_that_number_is_refused(
    sqlite_database: Database, changed: dict[str, object], expected: str
) -> None:
    with sqlite_database.begin() as tx:
        chains.record(tx, CHAIN)

        with pytest.raises(Conflict, match=expected):
            chains.record(tx, replace(CHAIN, **changed))  # type: ignore[arg-type]
        assert chains.get(tx, CHAIN_ID) == CHAIN


def test_are_listed_by_number(database: Database) -> None:
    first = replace(CHAIN, chain_id=1)
    with database.begin() as tx:
        assert chains.all(tx) == []
        chains.record(tx, CHAIN)
        chains.record(tx, first)

        assert [first, CHAIN] == chains.all(tx)


def test_unknown_is_not_found(database: Database) -> None:
    with database.read() as tx, pytest.raises(NotFound, match="chain 31337"):
        chains.get(tx, CHAIN_ID)


def test_largest_chain_id_fits(database: Database) -> None:
    largest = replace(CHAIN, chain_id=2**63 - 1)
    with database.begin() as tx:
        chains.record(tx, largest)

        assert largest == chains.get(tx, 2**63 - 1)


def test_the_first_home_stays_the_home(database: Database) -> None:
    other = replace(CHAIN, chain_id=1)
    with database.begin() as tx:
        assert chains.home(tx) is None
        chains.record(tx, other)
        assert chains.home(tx) is None
        chains.record_home(tx, CHAIN)
        chains.record_home(tx, CHAIN)

        with pytest.raises(
            Conflict, match="home chain of this database is eip155:31337"
        ):
            chains.record_home(tx, other)
        assert chains.home(tx) == CHAIN
        assert chains.all(tx) == [other, CHAIN]
