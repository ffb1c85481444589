"""Checkpoints: blocks of the home chain that a batch states as leaves behind its credentials.

Not data of a tenant: blocks are public, and name nobody.
"""

from collections.abc import Sequence

from sqlalchemy import RowMapping, insert, select
from sqlmodel import col

from ledger.core.checkpoint import BlockCheckpoint
from ledger.core.header import BlockHeader
from ledger.store.database import Transaction
from ledger.store.records import Batch, BatchCheckpoint, UnstatedBlock
from ledger.store.tables import BatchCheckpointRow, EvidenceHeaderRow


def unstated(tx: Transaction, chain_id: int, limit: int) -> Sequence[UnstatedBlock]:
    """Blocks of a chain that evidence is of and no batch states yet, by number."""
    stated = (
        select(col(BatchCheckpointRow.leaf_index))
        .where(
            col(BatchCheckpointRow.chain_id) == chain_id,
            col(BatchCheckpointRow.block_number) == col(EvidenceHeaderRow.block_number),
        )
        .exists()
    )
    rows = tx.rows(
        select(col(EvidenceHeaderRow.block_number), col(EvidenceHeaderRow.header))
        .where(col(EvidenceHeaderRow.chain_id) == chain_id, ~stated)
        .order_by(col(EvidenceHeaderRow.block_number))
        .distinct()
        .limit(limit)
    )
    found: dict[int, UnstatedBlock] = {}
    for row in rows:
        header = BlockHeader(row["header"])
        point = BlockCheckpoint(chain_id, header.number, header.hash)
        found.setdefault(header.number, UnstatedBlock(point, header.time))
    return list(found.values())


def state(
    tx: Transaction, batch: Batch, points: Sequence[BlockCheckpoint], *, first: int
) -> None:
    """Note which blocks a batch states, from the leaf `first` on.

    Raises Conflict if another batch states one of them, ValueError if they do not fill the tree.
    """
    if first + len(points) != batch.tree_size:
        raise ValueError(f"{len(points)} checkpoints do not end a tree of its size")
    if points:
        tx.change(
            insert(BatchCheckpointRow),
            [
                {
                    "batch_id": batch.id,
                    "leaf_index": leaf_index,
                    "chain_id": point.chain_id,
                    "block_number": point.block_number,
                    "block_hash": point.block_hash,
                }
                for leaf_index, point in enumerate(points, first)
            ],
        )


def of_batch(tx: Transaction, batch: Batch) -> Sequence[BatchCheckpoint]:
    """What a batch states, in the order of its leaves."""
    rows = tx.rows(
        select(BatchCheckpointRow)
        .where(col(BatchCheckpointRow.batch_id) == batch.id)
        .order_by(col(BatchCheckpointRow.leaf_index))
    )
    return [_checkpoint(row) for row in rows]


def since(
    tx: Transaction, chain_id: int, first: int, limit: int
) -> Sequence[BatchCheckpoint]:
    """Blocks of a chain that are stated, from the number `first` on, by number."""
    rows = tx.rows(
        select(BatchCheckpointRow)
        .where(
            col(BatchCheckpointRow.chain_id) == chain_id,
            col(BatchCheckpointRow.block_number) >= first,
        )
        .order_by(col(BatchCheckpointRow.block_number))
        .limit(limit)
    )
    return [_checkpoint(row) for row in rows]


def _checkpoint(row: RowMapping) -> BatchCheckpoint:
    return BatchCheckpoint(
        row["batch_id"],
        row["leaf_index"],
        BlockCheckpoint(row["chain_id"], row["block_number"], row["block_hash"]),
    )
