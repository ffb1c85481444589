"""Seal: waiting credentials become one batch, whose root is proved before it is stored."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from anchor_worker import tree
from ledger.chain import acts
from ledger.errors import Conflict
from ledger.store import batches, chain_txs, credentials, leases, trees
from ledger.store.database import Database, Transaction
from ledger.store.records import Batch, Chain, Lease

_log = logging.getLogger("anchor_worker.seal")


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """A batch is sealed once it is full, or once its oldest credential has waited so long."""

    size: int = 50_000
    age: timedelta = timedelta(seconds=600)


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
        self._limits = limits
        self._lease_seconds = lease_seconds
        self._clock = clock
        #: Further chains that every batch is anchored on.
        self._others = tuple(others)

    def step(self, lease: Lease) -> Batch | None:
        """Seal one batch if one is due. Raises Conflict if somebody else was faster."""
        with self._database.read() as tx:
            oldest = credentials.oldest_waiting(tx, self._chain.chain_id)
            if oldest is None:
                return None
            waiting = credentials.waiting(tx, self._chain.chain_id, self._limits.size)
        if (
            len(waiting) < self._limits.size
            and self._clock() - oldest < self._limits.age
        ):
            return None

        # Nothing is locked while the tree is built; `batches.seal` takes only what still waits.
        built = tree.build_joined(waiting.leaves)
        tree.check_tree(built, waiting.leaves)
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
            self._renew(tx, lease)
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

    def _renew(self, tx: Transaction, lease: Lease) -> None:
        """A large tree takes longer than a lease lasts; if nobody took it, it is still ours.

        Raises Conflict if somebody did. Members are placed by compare-and-swap, so this is
        about order, not about safety.
        """
        renewed = leases.take(
            tx,
            lease.chain_id,
            lease.sender,
            owner=lease.owner,
            seconds=self._lease_seconds,
            now=self._clock(),
        )
        if renewed is None:
            raise Conflict(
                f"the lease on {lease.sender} was lost while a tree was built"
            )
