"""
What the database says, as metrics: read when somebody asks, so that every process tells the same.

Chains are named, tenants and people never. Ages are seconds at the moment of reading, 0 where
there is nothing that could be old.
"""

import importlib.metadata
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ledger.errors import StoreError
from ledger.store import chains, reports
from ledger.store.database import Database
from ledger.store.records import Chain, Figures

_CHAIN: Final = ("chain",)


class LedgerFigures(Collector):
    """Figures of every chain of a ledger."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

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
        except StoreError:
            yield _up(False)
            return
        yield _up(True)
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
                GaugeMetricFamily(f"perdure_{figure}", text, labels=[*_CHAIN, *labels]),
            )
            family.add_metric([name, *labels.values()], value)

        def since(instant: datetime | None) -> float:
            return 0.0 if instant is None else max((now - instant).total_seconds(), 0.0)

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
            since(figures.oldest_unanchored),
        )
        gauge(
            "oldest_pending_transaction_seconds",
            "Age of the oldest transaction that is not final and did not fail.",
            since(figures.oldest_pending),
        )
        gauge(
            "transactions_failed_lately",
            "Transactions of the last seven days that node or contract refused for good.",
            figures.failed_lately,
        )
        gauge("batches_anchored", "Batches whose root is final.", figures.anchored)
        gauge(
            "credentials_anchored",
            "Credentials in batches whose root is final.",
            figures.credentials,
        )
        for state, count in work.chain_txs.items():
            gauge(
                "transactions",
                "Transactions of the ledger by state.",
                count,
                state=state.value,
            )
        held = [each for each in figures.holders if each.left > timedelta(0)]
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
