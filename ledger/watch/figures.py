"""
What the database says, as metrics: read when somebody asks, so that every process tells the same.

Chains are named, tenants and people never. Ages are seconds at the moment of reading, 0 where
there is nothing that could be old.
"""

import importlib.metadata
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Protocol

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ledger.errors import StoreError
from ledger.services.alarms import current_balances, current_outage, longest_unanchored
from ledger.services.events import event_backlog
from ledger.store import chains, reports
from ledger.store.database import Database
from ledger.store.event_records import EventBacklog
from ledger.store.records import Chain, Figures, Obstacle


class _Gauge(Protocol):
    def __call__(self, figure: str, text: str, value: float, **labels: str) -> None: ...


class LedgerFigures(Collector):
    """Figures of every chain of a ledger."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime],
        *,
        has_receiver: bool = False,
    ) -> None:
        self._database = database
        self._clock = clock
        self._has_receiver = has_receiver

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not read the database."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Read the database once. If it does not answer, that is the one figure there is."""
        yield _build()
        now = self._clock()
        try:
            with self._database.read() as tx:
                found = [
                    (chain, reports.figures(tx, chain.chain_id, now))
                    for chain in chains.all(tx)
                ]
                backlog = event_backlog(tx)
        except StoreError:
            yield _up(False)
            return
        yield _up(True)
        if self._has_receiver:
            yield from _events(backlog, now)
        families = _Families()
        for chain, figures in found:
            families.add(chain, figures, now)
        yield from families


class _Families:
    """One family of samples for each figure, filled chain by chain."""

    def __init__(self) -> None:
        self._families: dict[str, GaugeMetricFamily] = {}

    def __iter__(self) -> Iterator[Metric]:
        return iter(self._families.values())

    def add(self, chain: Chain, figures: Figures, now: datetime) -> None:
        """Add the figures of one chain."""
        name, work = caip2(chain.chain_id), figures.work

        def gauge(figure: str, text: str, value: float, **labels: str) -> None:
            family = self._families.setdefault(
                figure,
                GaugeMetricFamily(f"perdure_{figure}", text, labels=["chain", *labels]),
            )
            family.add_metric([name, *labels.values()], value)

        gauge(
            "credentials_waiting",
            "Credentials that can be sealed into a batch.",
            work.waiting,
        )
        gauge(
            "credentials_held_back",
            "Credentials whose key is not final on chain, or whose school closes.",
            work.held_back,
        )
        gauge(
            "oldest_unanchored_seconds",
            "Age of the oldest credential that is not final on this chain.",
            _seconds(figures.oldest_unanchored, now),
        )
        gauge(
            "oldest_pending_transaction_seconds",
            "Age of the oldest transaction that is not final and did not fail.",
            _seconds(figures.oldest_pending, now),
        )
        gauge(
            "transactions_failed_lately",
            "Transactions of the last seven days that node or contract refused for good.",
            figures.failed_lately,
        )
        gauge(
            "acts_refused",
            "Acts that were refused for good and that nobody has asked for again.",
            figures.refused_acts,
        )
        gauge("batches_anchored", "Batches whose root is final.", figures.anchored)
        gauge(
            "credentials_anchored",
            "Credentials in batches whose root is final.",
            figures.credentials,
        )
        gauge(
            "longest_unanchored_seconds",
            "How old a credential that is not final may be, under the policy in force.",
            longest_unanchored(figures).total_seconds(),
        )
        for state, count in work.chain_txs.items():
            gauge(
                "transactions",
                "Transactions of the ledger by state.",
                count,
                state=state.value,
            )
        _money(gauge, figures, now)
        held = [each for each in figures.holders if each.left > timedelta(0)]
        outage = current_outage(figures, now)
        gauge(
            "chain_away_seconds",
            "Since when no node of the chain can be used; 0: one can, or no worker looks.",
            # Just begun is not 0.
            0.0 if outage is None else max(_seconds(outage.since, now), 1.0),
        )
        gauge("workers_with_lease", "Senders whose lease a worker has.", len(held))
        for holder in held:
            gauge(
                "lease_seconds_left",
                "How long the lease of a sender still lasts, and which host has it.",
                holder.left.total_seconds(),
                sender=holder.sender,
                # The rest of the owner's name is new at every start.
                host=holder.owner.partition("/")[0],
            )


def _money(gauge: _Gauge, figures: Figures, now: datetime) -> None:
    """What was paid, what there is to pay from, and what is not paid for now."""
    costs = figures.costs
    spent = "Wei that transactions took in blocks of the last 24 hours, or 30 days."
    gauge("fees_spent_wei", spent, costs.spent_day, window="day")
    gauge("fees_spent_wei", spent, costs.spent_month, window="month")
    gauge(
        "fees_ceiling_wei",
        "Wei that the policy in force lets the transactions of 24 hours take.",
        costs.policy.max_day_cost,
    )
    for balance in current_balances(figures):
        gauge(
            "balance_wei",
            "Wei of a sender when the worker last looked.",
            balance.wei,
            sender=balance.sender,
        )
        days = costs.days_left(balance)
        if days is not None:
            gauge(
                "balance_days",
                "For how many days a sender's balance lasts at the rate of the last month.",
                days,
                sender=balance.sender,
            )
    since = {each.obstacle: each.since for each in reversed(costs.standstills)}
    for obstacle in Obstacle:
        gauge(
            "standstill_seconds",
            "Since when nothing is sent for some reason; 0: it is sent.",
            _seconds(since.get(obstacle), now),
            obstacle=obstacle.value,
        )


def _events(backlog: EventBacklog, now: datetime) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "perdure_events_undelivered",
        "Events that the receiver has not taken, without those it refused.",
        backlog.count,
    )
    yield GaugeMetricFamily(
        "perdure_oldest_undelivered_event_seconds",
        "Age of the oldest of them.",
        _seconds(backlog.oldest, now),
    )
    yield GaugeMetricFamily(
        "perdure_events_refused",
        "Events that the receiver refused, put aside until it takes them.",
        backlog.parked,
    )


def _seconds(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max((now - since).total_seconds(), 0.0)


def caip2(chain_id: int) -> str:
    """How a chain is named in every label (CAIP-2)."""
    return f"eip155:{chain_id}"


def _up(value: bool) -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "perdure_database_up", "Whether the database answered just now.", float(value)
    )


def _build() -> GaugeMetricFamily:
    build = GaugeMetricFamily(
        "perdure_build_info", "The release that runs.", labels=["version"]
    )
    build.add_metric([importlib.metadata.version("perdure")], 1)
    return build
