"""Putting a school's credentials into a batch, and the batch on a chain, as the worker does."""

from uuid import uuid4

from anchor_worker.tree import build_joined
from ledger.core.registries import ANCHOR_REGISTRY
from ledger.store import batches, credentials, trees
from ledger.store.records import Anchored, Batch
from tests.unit.services.conftest import CHAIN, NOW, School

ANCHORED = Anchored(CHAIN.chain_id, ANCHOR_REGISTRY, 12, 1_764_000_000)


def seal(school: School) -> Batch:
    """Seal all that waits."""
    with school.database.begin() as tx:
        waiting = credentials.waiting(tx, CHAIN.chain_id, 1000)
        tree = build_joined(waiting.leaves)
        batch = Batch(
            id=uuid4(),
            chain_id=CHAIN.chain_id,
            sealed_root=tree.sealed_root,
            tree_size=tree.size,
            sealed_at=NOW,
        )
        batches.seal(tx, batch, waiting, to=ANCHOR_REGISTRY, data=b"\x01", gas=1)
        trees.keep(tx, batch, tree.tiles())
    return batch


def anchor(school: School) -> Batch:
    """Seal all that waits, and note that the root is final."""
    batch = seal(school)
    with school.database.begin() as tx:
        batches.record_anchor(tx, batch.id, ANCHORED)
    return batch
