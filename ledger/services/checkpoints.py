"""What this ledger has stated about its home chain on others, as proofs for people to keep."""

from typing import Final

from ledger.core.anchor import MAX_ANCHORS, Anchor
from ledger.core.checkpoint import CheckpointProof, encode_checkpoint_proofs
from ledger.core.merkle import InclusionProof
from ledger.store import batches, chains, checkpoints, trees
from ledger.store.database import Transaction
from ledger.store.records import BatchCheckpoint

#: So many proofs in one file, which is then some two megabytes.
MAX_PROOFS: Final = 1_000


def checkpoint_proofs(tx: Transaction, *, first: int = 0) -> bytes:
    """The file of checkpoint proofs: stated blocks of the home chain from the number `first` on.

    At most MAX_PROOFS of them; whoever wants more asks again from the number after the last
    one. A checkpoint is left out until its root is final on another chain. Each is proved
    again before it leaves: raises ProofError for one that does not hold.
    """
    home = chains.home(tx)
    found: list[CheckpointProof] = []
    while home is not None and len(found) < MAX_PROOFS:
        stated = checkpoints.since(tx, home.chain_id, first, MAX_PROOFS - len(found))
        if not stated:
            break
        for each in stated:
            proof = _proof(tx, each)
            if proof is not None:
                proof.check()
                found.append(proof)
        first = stated[-1].checkpoint.block_number + 1
    return encode_checkpoint_proofs(found)


def _proof(tx: Transaction, stated: BatchCheckpoint) -> CheckpointProof | None:
    """None while its root is final on no other chain."""
    batch = batches.get(tx, stated.batch_id)
    anchors = tuple(
        Anchor(each.chain_id, each.registry, each.block_number, each.time)
        for each in batches.anchors(tx, batch.id)
        if each.chain_id != stated.checkpoint.chain_id
    )
    if not anchors:
        return None
    path = trees.path(tx, batch, stated.leaf_index)
    return CheckpointProof(
        stated.checkpoint,
        InclusionProof.from_bytes(stated.leaf_index, batch.tree_size, path),
        batch.sealed_root,
        anchors[:MAX_ANCHORS],
    )
