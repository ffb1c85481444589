import threading
from dataclasses import replace

import pytest
from sqlalchemy import Engine, event

from anchor_worker.loop import Ending, Rhythm, Worker
from anchor_worker.observer import RoundOutcome, Silence
from ledger.chain import acts
from ledger.chain.memory import MemoryChain
from ledger.chain.node import SendAnswer
from ledger.chain.sender import SignedTransaction, TransactionFields
from ledger.core.registries import ANCHOR_REGISTRY, ISSUER_REGISTRY
from ledger.errors import ChainUnavailable, Conflict, SettingError
from ledger.store import leases
from ledger.store.records import ChainTxState, WorkerReport
from tests.unit.anchor_worker.worlds import CHAIN_ID, ONCE, SENDER, World, alarms

S = ChainTxState


class TickingChain(MemoryChain):
    """The world's chain, on which a block is mined whenever somebody looks at its id."""

    def __init__(self, world: World) -> None:
        self.__dict__ = world.chain.__dict__
        self._world = world

    def chain_id(self) -> int:
        self._world.clock.sleep(12)
        if self.broken_reads == 0:
            self.mine()
        return super().chain_id()

    def send(self, raw: bytes) -> SendAnswer:
        return self._world.chain.send(raw)


def run(world: World, worker: Worker | None = None) -> Ending:
    stop = threading.Event()
    watchdog = threading.Timer(20, stop.set)
    watchdog.start()
    try:
        ending = (worker or world.worker(nodes=[TickingChain(world)])).run(stop)
        assert not stop.is_set(), "did not come to rest"
    finally:
        watchdog.cancel()
    return ending


def test_once_ends_when_everything_is_final(world: World) -> None:
    world.issue(10)

    assert run(world) is Ending.DONE
    world.check()
    assert world.states() == [S.FINAL] * 3
    assert run(world) is Ending.DONE


def test_once_with_nothing_to_do_ends_at_once(world: World) -> None:
    assert run(world) is Ending.DONE


def test_once_reports_what_failed_in_this_run_only(world: World) -> None:
    act = acts.add_key(
        acts.Domain(CHAIN_ID, ISSUER_REGISTRY), bytes(32), b"\1" * 32, 1, 9, b"\1" * 32
    )
    world.enqueue(act, "too late")
    world.issue(1)

    assert run(world) is Ending.OPERATOR
    assert world.states() == [S.REVERTED, S.FINAL]
    assert run(world) is Ending.DONE


def test_once_does_not_wait_behind_a_nonce_that_no_node_takes(world: World) -> None:
    world.issue(8)
    world.chain.refusals = ["gas uint64 overflow"]

    assert run(world) is Ending.OPERATOR
    assert world.states() == [S.FATAL, S.SEALED]


def test_foreign_use_of_the_sender_stops_the_worker(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    world.issue(1)
    run(world)
    world.foreign(
        bytes.fromhex("22" * 32), 1, acts.anchor(ANCHOR_REGISTRY, b"\xee" * 32).data
    )
    world.issue(1)

    assert run(world) is Ending.OPERATOR
    assert len(alarms(log.records)) == 1


def test_outages_of_node_and_database_are_waited_for(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    world.issue(3)
    world.chain.broken_reads = 7
    world.database.faults[:] = ["before", "after", "", "before"]

    assert run(world) is Ending.DONE
    world.check()
    assert "chain unavailable" in log.text
    assert "cannot work now" in log.text


def test_a_long_outage_holds_up_neither_issuing_nor_sealing(world: World) -> None:
    """N13: ten minutes without any node; afterwards everything is anchored, once."""
    worker = world.worker()
    world.chain.broken_reads = 1_000_000
    for _ in range(20):
        world.issue(2)
        with pytest.raises(ChainUnavailable):
            worker.round()
        world.clock.sleep(30)
    assert world.states() == [ChainTxState.SEALED] * 20
    assert world.chain.sends == []

    world.chain.broken_reads = 0
    world.clock.sleep(60)  # the longest that a silent node is left alone
    world.rounds(worker, 12)
    world.check()


def test_another_node_takes_over_from_one_that_is_away(world: World) -> None:
    world.issue(2)
    away = MemoryChain()
    away.broken_reads = -1

    assert run(world, world.worker(nodes=[away, TickingChain(world)])) is Ending.DONE
    world.check()


def test_a_node_of_another_chain_is_refused_before_anything_is_sent(
    world: World,
) -> None:
    world.seal()
    other = MemoryChain(seed=b"another")

    with pytest.raises(SettingError, match="another chain of id 31337"):
        world.worker(nodes=[other]).run(threading.Event())
    assert other.sends == []
    with pytest.raises(SettingError, match="on chain 1, and chain 31337 is expected"):
        world.worker(nodes=[MemoryChain(chain_id=1)]).run(threading.Event())


def test_the_second_worker_stands_by_and_takes_over(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    world.seal()
    first, second = world.worker("one"), world.worker("two")
    first.round()
    sent = len(world.chain.sends)

    assert not second.round()
    assert len(world.chain.sends) == sent
    assert "standing by" in log.text
    world.clock.sleep(61)
    world.rounds(second, 6)
    world.check()


def test_whoever_lost_the_lease_writes_nothing(world: World) -> None:
    """A worker that slept through its lease in the middle of a step."""
    world.seal()
    world.seal()
    second = world.worker("two")

    class Nap(MemoryChain):
        """Before the first send the other worker takes over and does the work."""

        slept = False

        def __init__(self) -> None:
            self.__dict__ = world.chain.__dict__

        def send(self, raw: bytes) -> SendAnswer:
            if not Nap.slept:
                Nap.slept = True
                world.clock.sleep(61)
                second.round()
            return world.chain.send(raw)

    napping = world.worker("one", nodes=[Nap()])
    with pytest.raises(Conflict, match="lease"):
        napping.round()
    world.rounds(second, 6)
    world.check()


def test_asked_to_stop_it_gives_the_lease_back(world: World) -> None:
    stop = threading.Event()
    looks: list[WorkerReport] = []

    def observe(report: WorkerReport) -> None:
        looks.append(report)
        stop.set()

    worker = world.worker(rhythm=replace(ONCE, once=False), observe=observe)
    assert worker.run(stop) is Ending.DONE
    assert len(looks) == 1
    with world.database.begin() as tx:
        taken = leases.take(
            tx, CHAIN_ID, SENDER, owner="next", seconds=1, now=world.clock()
        )
    assert taken is not None


def test_a_lease_that_cannot_be_given_back_runs_out_by_itself(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    stop = threading.Event()

    def observe(_: WorkerReport) -> None:
        world.database.faults[:] = ["before"]
        stop.set()

    worker = world.worker(rhythm=replace(ONCE, once=False), observe=observe)
    assert worker.run(stop) is Ending.DONE
    assert "the lease stays until it expires" in log.text


def test_a_row_that_somebody_else_moved_is_looked_at_again(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    """The lease runs out between the signature and its commit."""
    world.issue(1)
    signer = world.signer

    class SlowSigner:
        address = SENDER
        slow = True

        def sign(self, fields: TransactionFields) -> SignedTransaction:
            if SlowSigner.slow:
                SlowSigner.slow = False
                world.clock.sleep(61)
            return signer.sign(fields)

    world.signer = SlowSigner()
    assert run(world) is Ending.DONE
    assert "again: the lease on" in log.text
    world.check()


def test_pauses_grow_with_failures_and_differ(world: World) -> None:
    worker = world.worker(rhythm=Rhythm(poll=1.0))

    assert worker._pause(0) == 1.0
    for failures in range(1, 20):
        longest = min(2.0**failures, 60.0)
        pauses = {worker._pause(failures) for _ in range(20)}
        assert all(longest / 2 <= pause <= longest for pause in pauses)
        assert len(pauses) > 1


def test_a_round_that_cannot_be_read_changes_nothing(world: World) -> None:
    world.seal()
    world.chain.broken_reads = 1

    with pytest.raises(ChainUnavailable):
        world.worker().round()
    assert world.states() == [S.SEALED]


def test_nothing_is_counted_where_nobody_watches(world: World) -> None:
    """A round every two seconds, and hundreds of thousands may wait."""
    world.issue(3)
    asked: list[str] = []
    stop = threading.Event()

    class Ended(Silence):
        def round_ended(self, _: RoundOutcome) -> None:
            stop.set()

    worker = world.worker(rhythm=replace(ONCE, once=False), observer=Ended())

    def note(_c: object, _k: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert worker.run(stop) is Ending.DONE
    finally:
        event.remove(Engine, "before_cursor_execute", note)

    counts = [each for each in asked if "count(" in each and "batch_id IS NULL" in each]
    assert counts
    assert all("LIMIT" in each for each in counts)
