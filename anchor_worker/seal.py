"""
Seal: waiting credentials become one batch, whose root is proved before it is stored.

Behind the credentials stand checkpoints, if there are other chains to state them on: the blocks
of the home chain that evidence is of, so that it can be checked when the home chain has died.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self
from uuid import uuid4

from anchor_worker import tree
from ledger.chain import acts
from ledger.errors import Conflict
from ledger.store import batches, checkpoints, credentials, leases, trees
from ledger.store.database import Database, Transaction
from ledger.store.records import Batch, Chain, Lease, Policy, UnstatedBlock

#: So many checkpoints stand in one batch at most.
CHECKPOINTS_AT_ONCE: Final = 1_000
#: So long checkpoints wait for credentials; where none come, they go alone.
CHECKPOINT_AGE: Final = timedelta(days=1)

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

    def __init__(  # noqa: PLR0913 - what is sealed, when, and for which chains
        self,
        database: Database,
        chain: Chain,
        limits: BatchLimits,
        *,
        lease_seconds: float,
        clock: Callable[[], datetime],
        others: Sequence[Chain] = (),
        checkpoint_age: timedelta = CHECKPOINT_AGE,
    ) -> None:
        self._database = database
        self._chain = chain
        #: Changed between two steps, when the operator changes it.
        self.limits = limits
        self._lease_seconds = lease_seconds
        self._clock = clock
        #: Further chains that every batch is anchored on.
        self._others = tuple(others)
        self._checkpoint_age = checkpoint_age

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
            full = credentials.count_waiting(tx, self._chain.chain_id, limits.size)
            unstated = self._unstated(tx)
        if oldest is None:
            if not self._must_be_stated(unstated):
                return None
        elif not limits.is_due(full, self._clock() - oldest, gas):
            return None

        # Nothing is locked while the tree is built; `batches.seal` takes only what still waits.
        hold = _Hold(self._database, lease, self._lease_seconds, self._clock)
        with self._database.read() as tx:
            waiting = credentials.waiting(
                tx, self._chain.chain_id, limits.size, progress=hold.reading
            )
        points = [block.checkpoint for block in unstated]
        leaves = waiting.leaves
        for point in points:
            leaves.extend(point.leaf)
        built = tree.build_joined(leaves)
        tree.check_tree(built, leaves, progress=hold.proving)
        batch = Batch(
            id=uuid4(),
            chain_id=self._chain.chain_id,
            sealed_root=built.sealed_root,
            tree_size=built.size,
            sealed_at=self._clock(),
        )
        # Members, places, tree, root and the acts that anchor it: all of it or nothing.
        with self._database.begin() as tx:
            hold.renew(tx)
            if len(waiting):
                act = acts.anchor(self._chain.anchor_registry, batch.sealed_root)
                batches.seal(tx, batch, waiting, to=act.to, data=act.data, gas=act.gas)
            else:
                batches.seal_checkpoints(tx, batch)
            checkpoints.state(tx, batch, points, first=len(waiting))
            trees.keep(tx, batch, built.tiles())
            for other in self._others:
                act = acts.anchor(other.anchor_registry, batch.sealed_root)
                batches.anchor(
                    tx, batch, other.chain_id, to=act.to, data=act.data, gas=act.gas
                )
        _log.info(
            "sealed a batch",
            extra={
                "batch": str(batch.id),
                "credentials": len(waiting),
                "checkpoints": len(points),
                "root": batch.sealed_root.hex(),
            },
        )
        return batch

    def _unstated(self, tx: Transaction) -> Sequence[UnstatedBlock]:
        """Blocks of evidence that no batch states yet; none without a chain to state them on."""
        if not self._others:
            return ()
        return checkpoints.unstated(tx, self._chain.chain_id, CHECKPOINTS_AT_ONCE)

    def _must_be_stated(self, blocks: Sequence[UnstatedBlock]) -> bool:
        """Whether these go into a batch of their own, for want of credentials to go with."""
        if not blocks:
            return False
        oldest = datetime.fromtimestamp(min(block.time for block in blocks), UTC)
        return self._clock() - oldest >= self._checkpoint_age


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
