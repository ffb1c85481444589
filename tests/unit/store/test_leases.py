import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from ledger.errors import Conflict
from ledger.store import leases
from ledger.store.database import Database, Transaction
from ledger.store.records import Lease
from ledger.store.tables import LeaseRow
from tests.unit.store.samples import CHAIN_ID, NOW, SENDER

OTHER_SENDER = "0x" + "ef" * 20


def take(tx: Transaction, owner: str, *, seconds: float = 60) -> Lease | None:
    return leases.take(tx, CHAIN_ID, SENDER, owner=owner, seconds=seconds, now=NOW)


def let_expire(tx: Transaction) -> None:
    """As if the time had passed, by whichever clock counts."""
    tx.change(update(LeaseRow).values(expires=NOW - timedelta(days=9_999)))


def test_first_taker_gets_it_and_the_second_waits(database: Database) -> None:
    with database.begin() as tx:
        assert take(tx, "one") == Lease(CHAIN_ID, SENDER, "one", 1)
        assert take(tx, "two") is None


def test_owner_renews_under_the_same_token(database: Database) -> None:
    with database.begin() as tx:
        assert take(tx, "one") == take(tx, "one")


def test_renewing_lengthens_it(sqlite_database: Database) -> None:
    with sqlite_database.begin() as tx:
        take(tx, "one")
        later = NOW + timedelta(seconds=50)
        leases.take(tx, CHAIN_ID, SENDER, owner="one", seconds=60, now=later)
        much_later = NOW + timedelta(seconds=100)

        held = leases.take(
            tx, CHAIN_ID, SENDER, owner="two", seconds=60, now=much_later
        )
    assert held is None


def test_expired_one_goes_to_another_under_a_new_token(database: Database) -> None:
    with database.begin() as tx:
        old = take(tx, "one")
        let_expire(tx)
        new = take(tx, "two")

        assert old is not None
        assert new == Lease(CHAIN_ID, SENDER, "two", 2)
        with pytest.raises(Conflict, match="was lost"):
            leases.hold(tx, old, now=NOW)
        leases.hold(tx, new, now=NOW)


def test_owner_who_let_it_expire_gets_a_new_token(database: Database) -> None:
    with database.begin() as tx:
        take(tx, "one")
        let_expire(tx)

        assert take(tx, "one") == Lease(CHAIN_ID, SENDER, "one", 2)


def test_one_that_a_wrong_clock_gave_is_free_once_the_clock_is_right(
    sqlite_database: Database,
) -> None:
    ahead = NOW + timedelta(days=365)
    with sqlite_database.begin() as tx:
        leases.take(tx, CHAIN_ID, SENDER, owner="one", seconds=60, now=ahead)
        (holder,) = leases.holders(tx, CHAIN_ID, NOW)

        assert holder.left == timedelta(0)
        assert take(tx, "two") == Lease(CHAIN_ID, SENDER, "two", 2)


@pytest.mark.postgres
def test_one_that_a_wrong_clock_of_the_server_gave_is_free(postgres_url: str) -> None:
    database = Database.open(postgres_url)
    with database.begin() as tx:
        take(tx, "one")
        tx.change(update(LeaseRow).values(expires=datetime(9_000, 1, 1, tzinfo=UTC)))
        (holder,) = leases.holders(tx, CHAIN_ID, NOW)

        assert holder.left == timedelta(0)
        assert take(tx, "two") == Lease(CHAIN_ID, SENDER, "two", 2)
    database.close()


def test_the_longest_is_kept_to_its_end_and_none_is_longer(
    sqlite_database: Database,
) -> None:
    longest = leases.LONGEST.total_seconds()
    with sqlite_database.begin() as tx:
        take(tx, "one", seconds=longest)
        (holder,) = leases.holders(tx, CHAIN_ID, NOW)

        assert holder.left == leases.LONGEST
        assert take(tx, "two") is None
        with pytest.raises(ValueError, match="at most 1:00:00"):
            take(tx, "one", seconds=longest + 1)


def test_expired_one_is_not_held_even_if_nobody_took_it(database: Database) -> None:
    with database.begin() as tx:
        lease = take(tx, "one")
        let_expire(tx)

        assert lease is not None
        with pytest.raises(Conflict, match="was lost"):
            leases.hold(tx, lease, now=NOW)


def test_made_up_token_is_not_held(database: Database) -> None:
    with database.begin() as tx:
        take(tx, "one")
        for token in (0, 2):
            with pytest.raises(Conflict):
                leases.hold(tx, Lease(CHAIN_ID, SENDER, "one", token), now=NOW)


def test_each_chain_and_sender_has_its_own(database: Database) -> None:
    with database.begin() as tx:
        take(tx, "one")

        for chain_id, sender in ((1, SENDER), (CHAIN_ID, OTHER_SENDER)):
            held = leases.take(tx, chain_id, sender, owner="two", seconds=60, now=NOW)
            assert held == Lease(chain_id, sender, "two", 1)


def test_released_one_is_free_at_once(database: Database) -> None:
    with database.begin() as tx:
        lease = take(tx, "one")
        assert lease is not None
        leases.release(tx, lease)

        assert take(tx, "two") == Lease(CHAIN_ID, SENDER, "two", 2)


def test_releasing_what_was_lost_takes_it_from_nobody(database: Database) -> None:
    with database.begin() as tx:
        old = take(tx, "one")
        let_expire(tx)
        new = take(tx, "two")
        assert old is not None
        assert new is not None
        leases.release(tx, old)

        leases.hold(tx, new, now=NOW)


@pytest.mark.postgres
def test_nobody_takes_it_between_a_check_and_its_commit(postgres_url: str) -> None:
    """The lease expires in the middle of a write; the taker waits for the commit."""
    taken: list[Lease | None] = []
    with closing(Database.open(postgres_url)) as database:
        with database.begin() as tx:
            lease = take(tx, "one", seconds=0.5)
            assert lease is not None

        def take_it() -> None:
            with database.begin() as tx:
                taken.append(take(tx, "two"))

        taker = threading.Thread(target=take_it)
        with database.begin() as tx:
            leases.hold(tx, lease, now=NOW)
            time.sleep(0.6)
            taker.start()
            taker.join(0.5)
            assert taken == []
        taker.join()

    assert taken == [Lease(CHAIN_ID, SENDER, "two", 2)]


@pytest.mark.postgres
def test_postgres_goes_by_its_own_clock(postgres_url: str) -> None:
    """A host whose clock is a year ahead takes nothing, one that is behind keeps it."""
    database = Database.open(postgres_url)
    ahead, behind = NOW + timedelta(days=365), NOW - timedelta(days=365)
    with database.begin() as tx:
        lease = leases.take(tx, CHAIN_ID, SENDER, owner="one", seconds=60, now=behind)
        assert lease is not None

        stolen = leases.take(tx, CHAIN_ID, SENDER, owner="two", seconds=60, now=ahead)
        assert stolen is None
        leases.hold(tx, lease, now=ahead)
    database.close()
