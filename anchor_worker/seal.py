"""Seal: waiting credentials become one batch, whose root is proved before it is stored."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self
from uuid import uuid4

from anchor_worker import tree
from ledger.chain import acts
from ledger.errors import Conflict
from ledger.store import batches, chain_txs, credentials, leases, trees
from ledger.store.database import Database, Transaction
from ledger.store.records import Batch, Chain, Lease, Policy

_log = logging.getLogger("anchor_worker.seal")


_DEFAULT = Policy()


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """A batch is sealed once it is full, or once its oldest credential has waited long enough.

    Long enough is `age` if a unit of gas costs less than `gas_below` wei (None: whatever it
    costs), and `latest` in any case, also while nobody knows what gas costs.
    """

    size: int = _DEFAULT.batch_size
    age: timedelta = _DEFAULT.batch_age
    gas_below: int | None = _DEFAULT.gas_below
    latest: timedelta = _DEFAULT.latest

    @classmethod
    def of(cls, policy: Policy) -> Self:
        """What a chain's policy says of it."""
        return cls(policy.batch_size, policy.batch_age, policy.gas_below, policy.latest)

    def is_due(self, waiting: int, waited: timedelta, gas: int | None) -> bool:
        """Whether so many are sealed, of which the oldest waited so long, at this price of gas."""
        if waiting >= self.size:
            return True
        if waited < self.age:
            return False
        is_cheap = (
            gas is not None and self.gas_below is not None and gas < self.gas_below
        )
        return self.gas_below is None or is_cheap or waited >= self.latest


class Sealer:
    """Seals batches of one chain. Owns nothing: what it decides on is in the database."""

    def __init__(
        self,
        database: Database,
        chain: Chain,
        limits: BatchLimits,
        *,
        lease_seconds: float,
        clock: Callable[[], datetime],
        others: Sequence[Chain] = (),
    ) -> None:
        self._database = database
        self._chain = chain
        #: Changed between two steps, when the operator changes it.
        self.limits = limits
        self._lease_seconds = lease_seconds
        self._clock = clock
        #: Further chains that every batch is anchored on.
        self._others = tuple(others)

    @property
    def asks_for_gas(self) -> bool:
        """Whether it matters what a unit of gas costs."""
        return self.limits.gas_below is not None

    def step(self, lease: Lease, gas: int | None = None) -> Batch | None:
        """Seal one batch if one is due. Raises Conflict if somebody else was faster.

        `gas` is what a unit of it costs now, in wei; None if nobody knows.
        """
        limits = self.limits
        with self._database.read() as tx:
            oldest = credentials.oldest_waiting(tx, self._chain.chain_id)
            if oldest is None:
                return None
            full = credentials.count_waiting(tx, self._chain.chain_id, limits.size)
        if not limits.is_due(full, self._clock() - oldest, gas):
            return None

        # Nothing is locked while the tree is built; `batches.seal` takes only what still waits.
        hold = _Hold(self._database, lease, self._lease_seconds, self._clock)
        with self._database.read() as tx:
            waiting = credentials.waiting(
                tx, self._chain.chain_id, limits.size, progress=hold.reading
            )
        built = tree.build_joined(waiting.leaves)
        tree.check_tree(built, waiting.leaves, progress=hold.proving)
        batch = Batch(
            id=uuid4(),
            chain_id=self._chain.chain_id,
            sealed_root=built.sealed_root,
            tree_size=built.size,
            sealed_at=self._clock(),
        )
        act = acts.anchor(self._chain.anchor_registry, batch.sealed_root)
        # Members, places, tree, root and the act that anchors it: all of it or nothing.
        with self._database.begin() as tx:
            hold.renew(tx)
            anchor = batches.seal(
                tx, batch, waiting, to=act.to, data=act.data, gas=act.gas
            )
            trees.keep(tx, batch, built.tiles())
            for other in self._others:
                chain_txs.copy(
                    tx,
                    anchor,
                    chain_id=other.chain_id,
                    to=other.anchor_registry,
                    now=batch.sealed_at,
                )
        _log.info(
            "sealed a batch",
            extra={
                "batch": str(batch.id),
                "credentials": batch.tree_size,
                "root": batch.sealed_root.hex(),
            },
        )
        return batch


class _Hold:
    """A lease that is renewed during work that takes longer than it lasts.

    If nobody took it meanwhile, it is still ours. Members are placed by compare-and-swap, so
    this is about order, not about safety: without it two workers would take a batch that is
    too large for the lease out of each other's hands for ever.
    """

    def __init__(
        self,
        database: Database,
        lease: Lease,
        lease_seconds: float,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._lease = lease
        self._seconds = lease_seconds
        self._clock = clock
        self._since = clock()

    def reading(self, done: int) -> None:
        """So many leaves are read. Raises Conflict if somebody took the lease."""
        self._go_on("reading what waits", done)

    def proving(self, done: int) -> None:
        """So many leaves are proved. Raises Conflict if somebody took the lease."""
        self._go_on("proving a tree", done)

    def _go_on(self, what: str, done: int) -> None:
        if self._clock() - self._since < timedelta(seconds=self._seconds / 3):
            return
        with self._database.begin() as tx:
            self.renew(tx)
        _log.info(what, extra={"leaves": done})

    def renew(self, tx: Transaction) -> None:
        """Raises Conflict if somebody took it."""
        self._since = self._clock()
        renewed = leases.take(
            tx,
            self._lease.chain_id,
            self._lease.sender,
            owner=self._lease.owner,
            seconds=self._seconds,
            now=self._since,
        )
        if renewed is None:
            raise Conflict(
                f"the lease on {self._lease.sender} was lost while a tree was built"
            )
