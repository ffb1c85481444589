"""What the worker counts, when it is unhealthy, and when it cannot work."""

import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from anchor_worker.loop import Ending, Rhythm
from anchor_worker.metrics import WorkerMetrics
from anchor_worker.observer import SILENCE, RoundOutcome, Step
from ledger.chain.memory import MemoryChain
from ledger.chain.node import SendOutcome
from ledger.chain.pool import Health, NodeState
from ledger.errors import StoreError
from ledger.store.database import Database, Transaction
from ledger.store.records import ChainTxKind
from tests.unit.anchor_worker.test_loop import TickingChain
from tests.unit.anchor_worker.worlds import CHAIN_ID, SENDER_KEY, World

NAME = f"eip155:{CHAIN_ID}"


@dataclass
class Ticks:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def metrics(world: World, registry: CollectorRegistry, ticks: Ticks) -> WorkerMetrics:
    return WorkerMetrics(registry, clock=world.clock, patience=300, ticks=ticks)


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"perdure_{name}", {"chain": NAME} | labels)


def test_a_batch_on_its_way_is_counted_at_every_step(
    world: World, metrics: WorkerMetrics, registry: CollectorRegistry
) -> None:
    world.issue(3)
    world.clock.sleep(1_000)
    worker = world.worker(nodes=[TickingChain(world)], observer=metrics.of(NAME))

    assert worker.run(threading.Event()) is Ending.DONE

    assert value(registry, "sends_total", outcome="accepted") == 1
    assert value(registry, "sends_total", outcome="wait") == 0
    settled = "transactions_settled_total"
    assert value(registry, settled, kind="anchor", outcome="final") == 1
    assert value(registry, "issued_to_final_seconds_count") == 1
    waited = value(registry, "issued_to_final_seconds_sum")
    assert waited is not None
    assert 1_000 < waited < 3_600  # from issuing on, not from sealing
    assert (value(registry, "rounds_total", outcome="worked") or 0) >= 3
    assert value(registry, "rounds_total", outcome="stopped") == 0
    for step in Step:
        assert (value(registry, "step_seconds_count", step=step.value) or 0) >= 3
    assert value(registry, "node_health", node="memory", health="healthy") == 1
    assert value(registry, "node_health", node="memory", health="silent") == 0
    assert value(registry, "loop_running") == 0
    assert value(registry, "reorgs_total", depth="recent") == 0


@pytest.mark.parametrize(("depth", "name"), [(2, "recent"), (6, "final")])
def test_a_lost_block_is_counted_by_whether_it_was_final(
    world: World,
    metrics: WorkerMetrics,
    registry: CollectorRegistry,
    depth: int,
    name: str,
) -> None:
    world.seal()
    worker = world.worker(observer=metrics.of(NAME))
    world.rounds(worker, 2 if name == "recent" else 6)
    world.chain.reorg(depth)

    world.rounds(worker, 6)

    assert value(registry, "reorgs_total", depth=name) == 1
    world.check()


def test_a_transaction_that_moved_to_another_block_lost_its_first(
    world: World, metrics: WorkerMetrics, registry: CollectorRegistry
) -> None:
    world.seal()
    worker = world.worker(observer=metrics.of(NAME))
    world.rounds(worker, 2)
    world.chain.reorg(2, repool=True)
    world.chain.mine()

    world.rounds(worker, 6)

    assert value(registry, "reorgs_total", depth="recent") == 1
    assert value(registry, "sends_total", outcome="accepted") == 1
    world.check()


def test_failures_are_counted_by_kind(
    world: World, metrics: WorkerMetrics, registry: CollectorRegistry
) -> None:
    world.issue(3)
    world.chain.broken_reads = 7
    world.database.faults[:] = ["before", "after", "", "before"]
    worker = world.worker(nodes=[TickingChain(world)], observer=metrics.of(NAME))

    assert worker.run(threading.Event()) is Ending.DONE

    assert (value(registry, "rounds_total", outcome="chain") or 0) >= 1
    assert (value(registry, "rounds_total", outcome="store") or 0) >= 1


def test_foreign_use_of_the_sender_stops_the_loop_and_shows(
    world: World, metrics: WorkerMetrics, registry: CollectorRegistry
) -> None:
    world.issue(1)
    world.worker(nodes=[TickingChain(world)]).run(threading.Event())
    world.steal_nonce(SENDER_KEY, 1)
    world.issue(1)
    worker = world.worker(observer=metrics.of(NAME))

    assert worker.run(threading.Event()) is Ending.OPERATOR

    assert value(registry, "rounds_total", outcome="stopped") == 1
    assert value(registry, "loop_running") == 0
    assert list(metrics.ready(world.database)) == [
        f"{NAME}: stopped; a person has to look"
    ]
    # A new start would not help.
    assert list(metrics.health()) == []


def test_a_standby_is_healthy_and_ready(world: World, metrics: WorkerMetrics) -> None:
    world.worker("one").round()
    observer = metrics.of(NAME)
    stop = threading.Event()

    class Stopping(MemoryChain):
        """Not asked at all: a standby leaves the nodes alone."""

    rests = observer.rests

    def stop_then(seconds: float) -> None:
        rests(seconds)
        stop.set()

    observer.rests = stop_then  # type: ignore[method-assign]
    world.worker(
        "two", nodes=[Stopping()], rhythm=Rhythm(poll=0.01), observer=observer
    ).run(stop)

    assert observer.last is RoundOutcome.STANDBY
    assert list(metrics.ready(world.database)) == []
    assert list(metrics.health()) == []


def test_a_loop_that_says_nothing_is_stuck_and_one_that_rests_is_not(
    metrics: WorkerMetrics, ticks: Ticks
) -> None:
    observer = metrics.of(NAME)
    observer.round_ended(RoundOutcome.IDLE)
    observer.rests(3600)
    ticks.now += 3600 + 300
    assert list(metrics.health()) == []
    ticks.now += 1
    assert list(metrics.health()) == [f"{NAME}: nothing is heard of its loop for 301 s"]

    observer.stepped(Step.SEAL, 301)
    assert list(metrics.health()) == []
    ticks.now += 301
    observer.ended()
    assert list(metrics.health()) == []


def test_one_stuck_loop_among_several_is_named(
    metrics: WorkerMetrics, ticks: Ticks
) -> None:
    metrics.of("eip155:1")
    other = metrics.of("eip155:10")
    ticks.now += 301
    other.round_ended(RoundOutcome.IDLE)

    assert [words.partition(": ")[0] for words in metrics.health()] == ["eip155:1"]


@dataclass(frozen=True, slots=True)
class AwayDatabase(Database):
    def read(self) -> AbstractContextManager[Transaction]:
        raise StoreError("away")


def test_what_keeps_a_worker_from_its_work_is_said(
    world: World, metrics: WorkerMetrics
) -> None:
    database = world.database
    away = AwayDatabase("x", database._writer, database._reader)
    assert list(metrics.ready(database)) == ["it is starting"]
    first, second = metrics.of("eip155:1"), metrics.of("eip155:10")

    assert list(metrics.ready(away)) == [
        "the database does not answer",
        "eip155:1: no round has ended yet",
        "eip155:10: no round has ended yet",
    ]
    first.round_ended(RoundOutcome.WORKED)
    second.round_ended(RoundOutcome.CHAIN)
    assert list(metrics.ready(database)) == [
        "eip155:10: no node answers, or none that counts"
    ]


def test_nodes_are_shown_by_host_and_two_of_one_host_apart(
    metrics: WorkerMetrics, registry: CollectorRegistry
) -> None:
    observer = metrics.of(NAME)
    observer.looked(
        [
            NodeState("rpc.example", Health.HEALTHY, 100, 90),
            NodeState("rpc.example", Health.LAGGING, 92, 80),
            NodeState("other.example", Health.SILENT),
        ]
    )

    def health(node: str, health: Health) -> float | None:
        return value(registry, "node_health", node=node, health=health.value)

    assert health("rpc.example", Health.HEALTHY) == 1
    assert health("rpc.example#2", Health.LAGGING) == 1
    assert health("rpc.example#2", Health.HEALTHY) == 0
    assert health("other.example", Health.SILENT) == 1
    assert value(registry, "node_lag_blocks", node="rpc.example#2") == 8
    assert value(registry, "node_head_block", node="other.example") is None

    observer.looked([NodeState("rpc.example", Health.SILENT)])
    assert value(registry, "node_head_block", node="rpc.example") is None


def test_silence_hears_all_that_there_is_to_hear() -> None:
    SILENCE.looked([])
    SILENCE.stepped(Step.SEAL, 1)
    SILENCE.round_ended(RoundOutcome.IDLE)
    SILENCE.rests(1)
    SILENCE.sent(SendOutcome.ACCEPTED)
    SILENCE.reorganised(final=True)
    SILENCE.settled(ChainTxKind.ANCHOR, timedelta(0), succeeded=True)
    SILENCE.ended()
