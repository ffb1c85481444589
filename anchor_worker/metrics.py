"""
Figures that only this process knows, and whether its loops live and can work.

What the database says is not counted here: `ledger.watch.figures` reads it, in every process.
Labels are closed lists; a node is named by its host alone, since its path may be an access key.
"""

import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from anchor_worker.observer import RoundOutcome, Step
from ledger.chain.node import SendOutcome
from ledger.chain.pool import Health, NodeState
from ledger.errors import StoreError
from ledger.store import chains
from ledger.store.database import Database
from ledger.store.records import ChainTxKind

#: A step that says nothing for so long is stuck: a tree of a million leaves takes less.
PATIENCE: Final = 300.0

_STEP_SECONDS: Final = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 300)
#: A minute, a batch's age, finality, an hour, a day.
_FINAL_SECONDS: Final = (
    60,
    300,
    600,
    900,
    1200,
    1800,
    3600,
    7200,
    21600,
    86400,
    172800,
)

_DEPTHS: Final = ("recent", "final")
_OUTCOMES: Final = {
    RoundOutcome.CONFLICT: "another worker was faster",
    RoundOutcome.CHAIN: "no node answers, or none that counts",
    RoundOutcome.STORE: "the database or the signing server fails",
    RoundOutcome.STOPPED: "stopped; a person has to look",
}


class WorkerMetrics:
    """The figures of one worker process, all its chains together."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        clock: Callable[[], datetime],
        patience: float = PATIENCE,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self.patience = patience
        self.ticks = ticks
        self._chains: list[ChainMetrics] = []
        self.rounds = Counter(
            "perdure_rounds",
            "Rounds of a chain's loop, by how they ended.",
            ["chain", "outcome"],
            registry=registry,
        )
        self.last_round = Gauge(
            "perdure_last_round_timestamp_seconds",
            "When a chain's loop last ended a round.",
            ["chain"],
            registry=registry,
        )
        self.running = Gauge(
            "perdure_loop_running",
            "Whether a chain's loop makes rounds; 0: it has ended.",
            ["chain"],
            registry=registry,
        )
        self.steps = Histogram(
            "perdure_step_seconds",
            "How long a step of a round took.",
            ["chain", "step"],
            buckets=_STEP_SECONDS,
            registry=registry,
        )
        self.sends = Counter(
            "perdure_sends",
            "Signed bytes given to a node, by what the answer means.",
            ["chain", "outcome"],
            registry=registry,
        )
        self.reorgs = Counter(
            "perdure_reorgs",
            "Transactions of ours that lost their block; 'final': the chain broke its promise.",
            ["chain", "depth"],
            registry=registry,
        )
        self.settled = Counter(
            "perdure_transactions_settled",
            "Transactions that became final, by kind and by whether the contract took them.",
            ["chain", "kind", "outcome"],
            registry=registry,
        )
        self.waited = Histogram(
            "perdure_issued_to_final_seconds",
            "From issuing a batch's oldest credential to the finality of its anchor.",
            ["chain"],
            buckets=_FINAL_SECONDS,
            registry=registry,
        )
        self.node_health = Gauge(
            "perdure_node_health",
            "1 for the health of a node as of the last look, 0 for every other.",
            ["chain", "node", "health"],
            registry=registry,
        )
        self.node_head = Gauge(
            "perdure_node_head_block",
            "The newest block of a node as of the last look; none while it is silent.",
            ["chain", "node"],
            registry=registry,
        )
        self.node_lag = Gauge(
            "perdure_node_lag_blocks",
            "How many blocks a node is behind the best.",
            ["chain", "node"],
            registry=registry,
        )

    def of(self, chain: str) -> "ChainMetrics":
        """The observer of one chain's loop."""
        made = ChainMetrics(self, chain)
        self._chains.append(made)
        return made

    def health(self) -> Iterator[str]:
        """Loops that are stuck: a new start helps."""
        now = self.ticks()
        for chain in self._chains:
            silent = now - chain.due
            if chain.runs and silent > self.patience:
                yield f"{chain.name}: nothing is heard of its loop for {silent:.0f} s"

    def ready(self, database: Database) -> Iterator[str]:
        """What keeps the loops from their work; a standby is ready."""
        try:
            with database.read() as tx:
                chains.all(tx)
        except StoreError:
            yield "the database does not answer"
        if not self._chains:
            yield "it is starting"
        for chain in self._chains:
            if chain.last is None:
                yield f"{chain.name}: no round has ended yet"
            elif chain.last in _OUTCOMES:
                yield f"{chain.name}: {_OUTCOMES[chain.last]}"


class ChainMetrics:
    """Counts what one chain's loop does; an `Observer`."""

    def __init__(self, metrics: WorkerMetrics, name: str) -> None:
        self.name = name
        self.runs = True
        self.last: RoundOutcome | None = None
        #: When something was last due to be heard of the loop.
        self.due = metrics.ticks()
        self._metrics = metrics
        # From the beginning, so that the first of its kind is an increase.
        for outcome in RoundOutcome:
            metrics.rounds.labels(name, outcome.value)
        for sent in SendOutcome:
            metrics.sends.labels(name, sent.value)
        for depth in _DEPTHS:
            metrics.reorgs.labels(name, depth)
        metrics.waited.labels(name)
        metrics.running.labels(name).set(1)

    def looked(self, nodes: Sequence[NodeState]) -> None:
        """Show the health of each node."""
        self._beat()
        heads = [node.head for node in nodes if node.head is not None]
        for label, node in _labelled(nodes):
            for health in Health:
                found = self._metrics.node_health.labels(self.name, label, health.value)
                found.set(health is node.health)
            if node.head is None:
                for gauge in (self._metrics.node_head, self._metrics.node_lag):
                    gauge.remove(self.name, label)
            else:
                self._metrics.node_head.labels(self.name, label).set(node.head)
                behind = max(heads) - node.head
                self._metrics.node_lag.labels(self.name, label).set(behind)

    def stepped(self, step: Step, seconds: float) -> None:
        """Time a step."""
        self._beat()
        self._metrics.steps.labels(self.name, step.value).observe(seconds)

    def round_ended(self, outcome: RoundOutcome) -> None:
        """Count a round."""
        self._beat()
        self.last = outcome
        self._metrics.rounds.labels(self.name, outcome.value).inc()
        now = self._metrics.clock().timestamp()
        self._metrics.last_round.labels(self.name).set(now)

    def rests(self, seconds: float) -> None:
        """Expect nothing for a while."""
        self._beat(seconds)

    def ended(self) -> None:
        """Expect nothing any more."""
        self.runs = False
        self._metrics.running.labels(self.name).set(0)

    def sent(self, outcome: SendOutcome) -> None:
        """Count a send."""
        self._metrics.sends.labels(self.name, outcome.value).inc()

    def reorganised(self, *, final: bool) -> None:
        """Count a block that is gone."""
        self._metrics.reorgs.labels(self.name, "final" if final else "recent").inc()

    def settled(self, kind: ChainTxKind, waited: timedelta, *, succeeded: bool) -> None:
        """Count a final transaction; of an anchor, note how long its batch waited."""
        outcome = "final" if succeeded else "reverted"
        self._metrics.settled.labels(self.name, kind.value, outcome).inc()
        if kind is ChainTxKind.ANCHOR and succeeded:
            self._metrics.waited.labels(self.name).observe(waited.total_seconds())

    def _beat(self, rest: float = 0.0) -> None:
        self.due = self._metrics.ticks() + rest


def _labelled(nodes: Sequence[NodeState]) -> Iterable[tuple[str, NodeState]]:
    """Each node under its host; the second one of a host as `host#2`."""
    seen: Tally[str] = Tally()
    for node in nodes:
        seen[node.name] += 1
        number = seen[node.name]
        yield (node.name if number == 1 else f"{node.name}#{number}"), node
