"""Events, written where they happen: in the transaction that makes them true.

A batch is one row, whatever its size; `feed` tells it of each credential later. A row has no
position yet: of two transactions the one that began to write first may be committed last, and a
reader that had gone on would never see it. Positions are given by `feed.sequence`.

Within one credential or batch the rows' numbers are in the order of what happened: whoever
writes about it holds its row, and draws the number after that.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import insert, select
from sqlmodel import col

from ledger.store.database import Transaction
from ledger.store.event_records import EventKind
from ledger.store.records import (
    Batch,
    ChainTx,
    ChainTxKind,
    ChainTxState,
    CredentialRecord,
)
from ledger.store.tables import BatchAnchorRow, BatchRow, CredentialRow, EventRow


def issued(tx: Transaction, records: Sequence[CredentialRecord]) -> None:
    """Note that credentials were issued; not those that came sealed from another ledger."""
    by_school: dict[UUID, list[CredentialRecord]] = {}
    for record in records:
        if record.batch_id is None:
            by_school.setdefault(record.organisation_id, []).append(record)
    for organisation_id, some in by_school.items():
        ids = [record.id for record in some]
        at = max(record.issued_at for record in some)
        _of_credentials(tx, EventKind.ISSUED, organisation_id, ids, at)


def released(tx: Transaction, record: CredentialRecord, now: datetime) -> None:
    """Note that an imported credential is shown from now on."""
    _of_credentials(tx, EventKind.RELEASED, record.organisation_id, [record.id], now)


def withdrawn(tx: Transaction, record: CredentialRecord, now: datetime) -> None:
    """Note that a school took a credential back."""
    _of_credentials(tx, EventKind.WITHDRAWN, record.organisation_id, [record.id], now)


def sealed(tx: Transaction, batch: Batch) -> None:
    """Note that a batch was sealed."""
    _of_batch(tx, EventKind.SEALED, batch.id, batch.chain_id, at=batch.sealed_at)


def mined(
    tx: Transaction,
    row: ChainTx,
    block_number: int,
    block_hash: bytes,
    *,
    now: datetime,
) -> None:
    """Note that an anchor stands in a block, unless it stood in this very one before."""
    known = row.state is ChainTxState.MINED and row.block_hash == block_hash
    if row.kind is ChainTxKind.ANCHOR and not known:
        _of_batch(
            tx,
            EventKind.ANCHORED,
            UUID(row.subject),
            row.chain_id,
            at=now,
            block=(block_number, None),
        )


def settled(
    tx: Transaction,
    row: ChainTx,
    new: ChainTxState,
    block_number: int,
    *,
    now: datetime,
) -> None:
    """Note that an anchor or a revocation is final; of an anchor, what the registry says."""
    if new is not ChainTxState.FINAL:
        return
    if row.kind is ChainTxKind.ANCHOR:
        slot = tx.row(
            select(col(BatchAnchorRow.block_number), col(BatchAnchorRow.time)).where(
                col(BatchAnchorRow.batch_id) == UUID(row.subject),
                col(BatchAnchorRow.chain_id) == row.chain_id,
            )
        )
        block = (
            (block_number, None)
            if slot is None
            else (slot["block_number"], slot["time"])
        )
        _of_batch(
            tx,
            EventKind.FINAL,
            UUID(row.subject),
            row.chain_id,
            at=now,
            block=block,
        )
    elif row.kind is ChainTxKind.REVOKE:
        _of_revocation(tx, EventKind.REVOKED, row, at=now, block_number=block_number)


def taken_back(tx: Transaction, row: ChainTx, *, now: datetime) -> None:
    """Note that the block is gone in which an anchor stood, or a revocation was final."""
    if row.kind is ChainTxKind.ANCHOR:
        _of_batch(tx, EventKind.REORGANISED, UUID(row.subject), row.chain_id, at=now)
    elif row.kind is ChainTxKind.REVOKE and row.state is ChainTxState.FINAL:
        _of_revocation(tx, EventKind.UNREVOKED, row, at=now)


def _of_credentials(  # noqa: PLR0913, PLR0917 - the facts of an event
    tx: Transaction,
    kind: EventKind,
    organisation_id: UUID,
    ids: Sequence[UUID],
    at: datetime,
    *,
    chain_id: int | None = None,
    block_number: int | None = None,
) -> None:
    tx.change(
        insert(EventRow).values(
            id=uuid4(),
            kind=kind,
            at=at,
            size=len(ids),
            organisation_id=organisation_id,
            credentials=b"".join(each.bytes for each in ids),
            chain_id=chain_id,
            block_number=block_number,
        )
    )


def _of_batch(
    tx: Transaction,
    kind: EventKind,
    batch_id: UUID,
    chain_id: int,
    *,
    at: datetime,
    block: tuple[int | None, int | None] = (None, None),
) -> None:
    tree_size = tx.scalar(
        select(col(BatchRow.tree_size)).where(col(BatchRow.id) == batch_id)
    )
    if tree_size is None:
        return  # an act about something that this ledger does not have
    number, time = block
    tx.change(
        insert(EventRow).values(
            id=uuid4(),
            kind=kind,
            at=at,
            size=tree_size + 1,
            batch_id=batch_id,
            chain_id=chain_id,
            block_number=number,
            block_time=time,
        )
    )


def _of_revocation(
    tx: Transaction,
    kind: EventKind,
    row: ChainTx,
    *,
    at: datetime,
    block_number: int | None = None,
) -> None:
    credential_id = UUID(row.subject)
    organisation_id = tx.scalar(
        select(col(CredentialRow.organisation_id)).where(
            col(CredentialRow.id) == credential_id
        )
    )
    if organisation_id is None:
        return
    _of_credentials(
        tx,
        kind,
        organisation_id,
        [credential_id],
        at,
        chain_id=row.chain_id,
        block_number=block_number,
    )
