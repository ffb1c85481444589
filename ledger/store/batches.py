"""Batches: credentials of any organisation sealed into one tree, and where its root is.

Not data of a tenant: a credential leads to its batch, never a batch to a credential.
"""

from collections.abc import Iterable
from dataclasses import asdict
from itertools import islice
from uuid import UUID

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlmodel import col

from ledger.errors import Conflict, NotFound
from ledger.store import chain_txs, events, evidence
from ledger.store.database import Transaction
from ledger.store.records import (
    Anchored,
    Batch,
    ChainTx,
    ChainTxKind,
    NewChainTx,
)
from ledger.store.tables import BatchAnchorRow, BatchRow, CredentialRow

_AT_ONCE = 1_000


def seal(
    tx: Transaction,
    batch: Batch,
    members: Iterable[UUID],
    *,
    to: str,
    data: bytes,
    gas: int,
) -> ChainTx:
    """Store a batch, give its members the places 0, 1, 2... and enqueue the anchor of its root.

    The leaves behind those of its members, if there are any, are not credentials. The tree
    itself is kept by `trees.keep`, in the same transaction. A few members are in memory at a
    time. Raises Conflict if a member is not waiting on that chain any more.
    """
    tx.change(insert(BatchRow).values(asdict(batch)))
    place = (
        update(CredentialRow)
        .where(
            col(CredentialRow.id) == bindparam("member"),
            col(CredentialRow.chain_id) == batch.chain_id,
            col(CredentialRow.batch_id).is_(None),
        )
        .values(batch_id=batch.id, leaf_index=bindparam("place"))
    )
    count = 0
    numbered = enumerate(members)
    while some := list(islice(numbered, _AT_ONCE)):
        tx.change(place, [{"member": id, "place": number} for number, id in some])
        count += len(some)
    if not 1 <= count <= batch.tree_size:
        raise ValueError(f"{count} members in a tree of {batch.tree_size}")
    # Not the sum of row counts, which drivers do not promise for many values.
    placed = tx.scalar(
        select(func.count()).where(col(CredentialRow.batch_id) == batch.id)
    )
    if placed != count:
        raise Conflict(
            f"{count - placed} of {count} credentials are not waiting any more; seal again"
            " with those that are"
        )
    events.sealed(tx, batch)
    return anchor(tx, batch, batch.chain_id, to=to, data=data, gas=gas)


def seal_checkpoints(tx: Transaction, batch: Batch) -> None:
    """Store a batch without any credential; `checkpoints.state` says what its leaves are.

    It is for other chains than its own: nobody there gains from the home chain's word.
    """
    tx.change(insert(BatchRow).values(asdict(batch)))
    events.sealed(tx, batch)


def anchor(
    tx: Transaction, batch: Batch, chain_id: int, *, to: str, data: bytes, gas: int
) -> ChainTx:
    """Ask for the anchor of a batch's root on a chain, once; `to` is the registry there."""
    new = NewChainTx(
        kind=ChainTxKind.ANCHOR,
        chain_id=chain_id,
        to=to,
        data=data,
        gas=gas,
        subject=str(batch.id),
        unique_key=f"{chain_txs.ANCHOR_KEY}{batch.sealed_root.hex()}",
    )
    return chain_txs.enqueue(tx, new, batch.sealed_at)


def adopt(tx: Transaction, batch: Batch) -> Batch:
    """Note a batch that another ledger sealed, and answer the one of its root that is there.

    Few or none of its members are known here. Raises Conflict if another batch has that root.
    """
    tx.add_if_absent(BatchRow, asdict(batch))
    (row,) = tx.rows(
        select(BatchRow).where(col(BatchRow.sealed_root) == batch.sealed_root)
    )
    found = Batch(**row)
    if (found.chain_id, found.tree_size) != (batch.chain_id, batch.tree_size):
        raise Conflict("another batch of this root is here")
    return found


def get(tx: Transaction, batch_id: UUID) -> Batch:
    """A batch. Raises NotFound."""
    row = tx.row(select(BatchRow).where(col(BatchRow.id) == batch_id))
    if row is None:
        raise NotFound("there is no such batch")
    return Batch(**row)


def anchors(tx: Transaction, batch_id: UUID) -> tuple[Anchored, ...]:
    """Where the root of a batch is final, by chain."""
    rows = tx.rows(
        select(BatchAnchorRow)
        .where(col(BatchAnchorRow.batch_id) == batch_id)
        .order_by(col(BatchAnchorRow.chain_id))
    )
    return tuple(
        Anchored(
            chain_id=row["chain_id"],
            registry=row["registry_address"],
            block_number=row["block_number"],
            time=row["time"],
        )
        for row in rows
    )


def record_anchor(tx: Transaction, batch_id: UUID, anchored: Anchored) -> None:
    """Note what the registry's slot says about a root at a finalized block.

    The latest reading counts, so that recovery from a deep reorganisation is the same
    call; evidence for another one is gone with it. Raises Conflict for a batch that does not
    exist.
    """
    if adopt_anchor(tx, batch_id, anchored) or anchored in anchors(tx, batch_id):
        return
    evidence.forget(tx, batch_id, anchored.chain_id)
    tx.change(
        update(BatchAnchorRow)
        .filter_by(batch_id=batch_id, chain_id=anchored.chain_id)
        .values(
            registry_address=anchored.registry,
            block_number=anchored.block_number,
            time=anchored.time,
        )
    )


def adopt_anchor(tx: Transaction, batch_id: UUID, anchored: Anchored) -> bool:
    """Note an anchor that a file proved, and tell whether none was known on that chain.

    What was read from a registry, or proved by an earlier file, stays. Raises Conflict for a
    batch that does not exist.
    """
    added = tx.add_if_absent(
        BatchAnchorRow,
        {
            "batch_id": batch_id,
            "chain_id": anchored.chain_id,
            "registry_address": anchored.registry,
            "block_number": anchored.block_number,
            "time": anchored.time,
        },
    )
    if added:
        evidence.ask_for(tx, batch_id, anchored.chain_id)
    return added


def forget_anchor(tx: Transaction, batch_id: UUID, chain_id: int) -> None:
    """Take back what was final until the chain was reorganised below finality, and its evidence."""
    evidence.give_up(tx, batch_id, chain_id)
    tx.change(
        delete(BatchAnchorRow).where(
            col(BatchAnchorRow.batch_id) == batch_id,
            col(BatchAnchorRow.chain_id) == chain_id,
        )
    )
