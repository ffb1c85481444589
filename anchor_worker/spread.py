"""
Spread: every batch's anchor is asked for on this chain too, which is not its home.

Sealing asks for it on every chain that is configured; what it could not know is found here: a
chain that was added later, or a batch that a worker with other settings sealed.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from ledger.store import chain_txs, leases
from ledger.store.database import Database
from ledger.store.records import Chain, Lease

#: So many anchors are asked for in one round: sending must not wait long.
ANCHORS_AT_ONCE = 1_000
#: Once nothing was missing it is looked for again after so long.
PAUSE = timedelta(minutes=10)

_log = logging.getLogger("anchor_worker.spread")


class Spreader:
    """Asks for the missing anchors of one chain. It remembers only when to look again."""

    def __init__(
        self, database: Database, chain: Chain, *, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._chain = chain
        self._clock = clock
        self._not_before: datetime | None = None

    @property
    def asks_for_gas(self) -> bool:
        """Whether it matters what a unit of gas costs: not here."""
        return False

    def step(self, lease: Lease, gas: int | None = None) -> bool:
        """Ask for anchors that are missing. True if any was. Raises Conflict if the lease is lost."""
        now = self._clock()
        if self._not_before is not None and now < self._not_before:
            return False
        with self._database.begin() as tx:
            leases.hold(tx, lease, now=now)
            count = chain_txs.copy_anchors(
                tx,
                self._chain.chain_id,
                self._chain.anchor_registry,
                limit=ANCHORS_AT_ONCE,
                now=now,
            )
        if count == 0:
            self._not_before = now + PAUSE
        else:
            _log.info("anchors of older batches asked for", extra={"batches": count})
        return count > 0
