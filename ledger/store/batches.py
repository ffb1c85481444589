"""Batches: credentials of any organisation sealed into one tree, and where its root is.

Not data of a tenant: a credential leads to its batch, never a batch to a credential.
"""

from collections.abc import Sequence
from dataclasses import asdict
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
    Member,
    NewChainTx,
)
from ledger.store.tables import BatchAnchorRow, BatchRow, CredentialRow

_AT_ONCE = 1_000


def seal(
    tx: Transaction,
    batch: Batch,
    members: Sequence[Member],
    *,
    to: str,
    data: bytes,
    gas: int,
) -> ChainTx:
    """Store a batch, give every member its place, and enqueue the anchor of its root.

    Raises Conflict if a member is not waiting on that chain any more. Whether the paths
    lead to the root is for the caller to check; that the places are 0..n-1 is checked.
    """
    places = sorted(member.leaf_index for member in members)
    if places != list(range(batch.tree_size)):
        raise ValueError("the members of a batch do not fill its tree")
    tx.change(insert(BatchRow).values(asdict(batch)))
    place = (
        update(CredentialRow)
        .where(
            col(CredentialRow.id) == bindparam("member"),
            col(CredentialRow.chain_id) == batch.chain_id,
            col(CredentialRow.batch_id).is_(None),
        )
        .values(
            batch_id=batch.id, leaf_index=bindparam("place"), path=bindparam("proof")
        )
    )
    for start in range(0, len(members), _AT_ONCE):
        tx.change(
            place,
            [
                {"member": m.credential_id, "place": m.leaf_index, "proof": m.path}
                for m in members[start : start + _AT_ONCE]
            ],
        )
    # Not the sum of row counts, which drivers do not promise for many values.
    placed = tx.scalar(
        select(func.count()).where(col(CredentialRow.batch_id) == batch.id)
    )
    if placed != batch.tree_size:
        raise Conflict(
            f"{batch.tree_size - placed} of {batch.tree_size} credentials are not waiting"
            " any more; seal again with those that are"
        )
    events.sealed(tx, batch)
    anchor = NewChainTx(
        kind=ChainTxKind.ANCHOR,
        chain_id=batch.chain_id,
        to=to,
        data=data,
        gas=gas,
        subject=str(batch.id),
        unique_key=f"anchor/{batch.sealed_root.hex()}",
    )
    return chain_txs.enqueue(tx, anchor, batch.sealed_at)


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
    key = {"batch_id": batch_id, "chain_id": anchored.chain_id}
    values = {
        "registry_address": anchored.registry,
        "block_number": anchored.block_number,
        "time": anchored.time,
    }
    if not tx.add_if_absent(BatchAnchorRow, {**key, **values}):
        if anchored not in anchors(tx, batch_id):
            evidence.forget(tx, batch_id, anchored.chain_id)
        tx.change(update(BatchAnchorRow).filter_by(**key).values(**values))


def forget_anchor(tx: Transaction, batch_id: UUID, chain_id: int) -> None:
    """Take back what was final until the chain was reorganised below finality, and its evidence."""
    evidence.forget(tx, batch_id, chain_id)
    tx.change(
        delete(BatchAnchorRow).where(
            col(BatchAnchorRow.batch_id) == batch_id,
            col(BatchAnchorRow.chain_id) == chain_id,
        )
    )
