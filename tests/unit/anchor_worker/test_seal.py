from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from anchor_worker.seal import BatchLimits, Sealer, _Hold
from ledger.errors import ChainUnavailable, Conflict, StoreError
from ledger.store import credentials, leases
from ledger.store.database import Database, Transaction
from ledger.store.records import ChainTxKind, ChainTxState, Lease
from tests.unit.anchor_worker.worlds import CHAIN_ID, SENDER, World
from tests.unit.store import samples

LIMITS = BatchLimits(size=3, age=timedelta(seconds=600))


def lease_of(world: World, owner: str = "one") -> Lease:
    with world.database.begin() as tx:
        lease = leases.take(
            tx, CHAIN_ID, SENDER, owner=owner, seconds=60, now=world.clock()
        )
    assert lease is not None
    return lease


def waiting(world: World) -> int:
    with world.database.read() as tx:
        return len(credentials.waiting(tx, CHAIN_ID, 100))


@pytest.fixture
def sealer(world: World) -> Sealer:
    return Sealer(
        world.database, world.record, LIMITS, lease_seconds=60, clock=world.clock
    )


def test_nothing_is_sealed_before_it_is_full_or_old(
    world: World, sealer: Sealer
) -> None:
    lease = lease_of(world)

    assert sealer.step(lease) is None
    world.issue(2)
    assert sealer.step(lease) is None
    assert waiting(world) == 2


def test_a_full_batch_is_sealed_at_once_and_no_fuller(
    world: World, sealer: Sealer
) -> None:
    world.issue(4)
    batch = sealer.step(lease_of(world))

    assert batch is not None
    assert batch.tree_size == 3
    assert waiting(world) == 1


def test_an_old_credential_waits_no_longer(world: World, sealer: Sealer) -> None:
    world.issue(1)
    world.clock.now = samples.NOW + LIMITS.age
    batch = sealer.step(lease_of(world))

    assert batch is not None
    assert batch.tree_size == 1


GWEI = 10**9
CHEAP = BatchLimits(
    size=3,
    age=timedelta(minutes=10),
    gas_below=20 * GWEI,
    latest=timedelta(hours=24),
)
NEVER_LATER = timedelta(hours=24)


@pytest.mark.parametrize(
    ("waiting", "waited", "gas", "due"),
    [
        (3, timedelta(0), 10**12, True),
        (2, timedelta(minutes=9, seconds=59), 1, False),
        (2, timedelta(minutes=10), 20 * GWEI - 1, True),
        (2, timedelta(minutes=10), 20 * GWEI, False),
        (2, timedelta(minutes=10), None, False),
        (2, NEVER_LATER - timedelta(seconds=1), 20 * GWEI, False),
        (2, NEVER_LATER, 20 * GWEI, True),
        (2, NEVER_LATER, None, True),
    ],
    ids=[
        *("full", "young", "old and cheap", "old and dear", "old, nobody knows"),
        *("nearly too long", "too long and dear", "too long, nobody knows"),
    ],
)
def test_dear_gas_is_waited_out_but_not_for_ever(
    waiting: int, waited: timedelta, gas: int | None, due: bool
) -> None:
    assert CHEAP.is_due(waiting, waited, gas) is due


def test_without_a_price_to_wait_for_only_the_age_counts(world: World) -> None:
    assert LIMITS.is_due(1, LIMITS.age, None)
    assert LIMITS.is_due(1, LIMITS.age, 10**12)
    assert not LIMITS.is_due(1, LIMITS.age - timedelta(seconds=1), 1)


def test_a_batch_waits_until_gas_is_cheap(world: World, sealer: Sealer) -> None:
    sealer.limits = CHEAP
    world.issue(1)
    world.clock.now = samples.NOW + CHEAP.age
    lease = lease_of(world)

    assert sealer.step(lease) is None
    assert sealer.step(lease, 20 * GWEI) is None
    assert sealer.step(lease, 19 * GWEI) is not None


def test_the_loop_tells_the_sealer_what_gas_costs(world: World) -> None:
    world.issue(1)
    world.clock.now = samples.NOW + CHEAP.age
    world.chain.base_fee = 500 * GWEI
    world.chain.mine()
    worker = world.worker(limits=CHEAP)
    world.rounds(worker, 3)
    assert world.rows() == []

    world.chain.base_fee = GWEI
    world.rounds(worker, 3)
    assert len(world.rows()) == 1


def test_a_price_that_was_known_before_an_outage_is_not_believed_in_it(
    world: World,
) -> None:
    worker = world.worker(limits=CHEAP)
    world.rounds(worker, 2)
    world.chain.broken_reads = -1
    with pytest.raises(ChainUnavailable):
        worker.round()
    world.issue(1)
    world.clock.now = samples.NOW + CHEAP.age
    with pytest.raises(ChainUnavailable):
        worker.round()
    assert world.rows() == []

    world.clock.now = samples.NOW + CHEAP.latest
    with pytest.raises(ChainUnavailable):
        worker.round()
    assert len(world.rows()) == 1


def test_every_path_leads_to_the_root_that_is_to_be_anchored(
    world: World, sealer: Sealer
) -> None:
    world.issue(3)
    batch = sealer.step(lease_of(world))

    assert batch is not None
    (row,) = world.rows()
    assert (row.kind, row.state) == (ChainTxKind.ANCHOR, ChainTxState.SEALED)
    assert (row.subject, row.data[4:]) == (str(batch.id), batch.sealed_root)
    world.check(at_rest=False)


def test_what_is_signed_by_a_key_that_is_not_open_waits(
    world: World, sealer: Sealer
) -> None:
    """An anchor may come early, from anybody; it must not fall before the key's window."""
    with world.database.begin() as tx:
        other = samples.add_school(tx, "north", opened=None)
        credentials.insert(tx, [samples.credential(other, n) for n in range(3)])
    world.issue(2)

    assert sealer.step(lease_of(world)) is None


def test_without_the_lease_nothing_is_sealed(world: World, sealer: Sealer) -> None:
    world.issue(3)
    lost = lease_of(world)
    world.clock.sleep(61)
    lease_of(world, "two")

    with pytest.raises(Conflict, match="lease"):
        sealer.step(lost)
    assert world.rows() == []
    assert waiting(world) == 3


@pytest.mark.parametrize("fault", ["before", "after"])
def test_a_broken_commit_seals_all_or_nothing(
    world: World, sealer: Sealer, fault: str
) -> None:
    world.issue(3)
    lease = lease_of(world)
    world.database.faults[:] = [fault]

    with pytest.raises(StoreError, match="broken"):
        sealer.step(lease)
    assert waiting(world) == (3 if fault == "before" else 0)
    sealer.step(lease)
    assert len(world.rows()) == 1
    world.check(at_rest=False)


def test_what_somebody_else_sealed_meanwhile_is_a_conflict(world: World) -> None:
    """Here the other one seals between our reading and our writing."""
    world.issue(3)
    lease = lease_of(world)
    first = Sealer(
        world.database, world.record, LIMITS, lease_seconds=60, clock=world.clock
    )
    second = sealer_on(meanwhile(world, lambda: first.step(lease)), world)

    with pytest.raises(Conflict):
        second.step(lease)
    assert len(world.rows()) == 1
    world.check(at_rest=False)


def test_a_tree_that_took_longer_than_the_lease_is_still_sealed(world: World) -> None:
    """Otherwise a batch that is too large for the lease would be built again for ever."""
    world.issue(3)
    lease = lease_of(world)
    slow = meanwhile(world, lambda: world.clock.sleep(61))

    assert sealer_on(slow, world).step(lease) is not None
    world.check(at_rest=False)


def test_the_lease_is_renewed_while_a_large_tree_is_proved(world: World) -> None:
    """Otherwise two workers would take such a batch out of each other's hands for ever."""
    hold = _Hold(world.database, lease_of(world), 60, world.clock)
    for done in range(5):
        world.clock.sleep(19)
        hold.reading(done)
        world.clock.sleep(19)
        hold.proving(done)

    with world.database.begin() as tx:
        assert (
            leases.take(
                tx, CHAIN_ID, SENDER, owner="two", seconds=60, now=world.clock()
            )
            is None
        )
    world.clock.sleep(61)
    lease_of(world, "two")
    with pytest.raises(Conflict, match="was lost"):
        hold.proving(5)


def test_unless_somebody_else_took_the_lease(world: World) -> None:
    world.issue(3)
    lease = lease_of(world)

    def another_takes_over() -> None:
        world.clock.sleep(61)
        lease_of(world, "two")

    slow = meanwhile(world, another_takes_over)
    with pytest.raises(Conflict, match="was lost while a tree was built"):
        sealer_on(slow, world).step(lease)
    assert world.rows() == []


def sealer_on(database: Database, world: World) -> Sealer:
    return Sealer(database, world.record, LIMITS, lease_seconds=60, clock=world.clock)


def meanwhile(world: World, work: Callable[[], object]) -> "MeanwhileDatabase":
    inner = world.database
    return MeanwhileDatabase(inner.name, inner._writer, inner._reader, [work])


@dataclass(frozen=True, slots=True)
class MeanwhileDatabase(Database):
    """Runs something else before its first write."""

    meanwhile: list[Callable[[], object]] = field(default_factory=list)

    def begin(self) -> AbstractContextManager[Transaction]:
        while self.meanwhile:
            self.meanwhile.pop()()
        return Database.begin(self)
