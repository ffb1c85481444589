"""Evidence: what proves both registries for a batch, taken once its root is final.

Not data of a tenant: headers and trie nodes are public, and name nobody.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import Select, and_, delete, func, insert, select, update
from sqlmodel import SQLModel, col

from ledger.core import rlp
from ledger.errors import Conflict
from ledger.store.database import Transaction
from ledger.store.records import (
    Batch,
    BatchEvidence,
    ChainTxKind,
    ChainTxState,
    EvidenceSubject,
    SlotNodes,
)
from ledger.store.tables import (
    BatchAnchorRow,
    BatchRow,
    CarriedEvidenceRow,
    ChainTxRow,
    CredentialRow,
    EvidenceAccreditorRow,
    EvidenceDueRow,
    EvidenceHeaderRow,
    EvidenceSlotRow,
    IssuerRow,
)

_AT_ONCE = 500
_WORD = 256  # status bits in one slot


def unproved(tx: Transaction, chain_id: int, limit: int) -> Sequence[Batch]:
    """Batches whose root is final on their home chain and that lack evidence, oldest first.

    Evidence from before an issuer of the batch closed is as good as none.
    """
    rows = tx.rows(
        select(BatchRow)
        .where(col(BatchRow.id).in_(_due(chain_id)))
        .order_by(col(BatchRow.sealed_at), col(BatchRow.id))
        .limit(limit)
    )
    return [Batch(**row) for row in rows]


def neglected(tx: Transaction, chain_id: int) -> Sequence[UUID]:
    """Batches that `unproved` should name and does not: there are none. Goes through all."""
    rows = tx.rows(
        select(col(BatchRow.id))
        .join(
            BatchAnchorRow,
            and_(
                col(BatchAnchorRow.batch_id) == col(BatchRow.id),
                col(BatchAnchorRow.chain_id) == col(BatchRow.chain_id),
            ),
        )
        .where(
            col(BatchRow.chain_id) == chain_id,
            col(BatchRow.id).not_in(
                select(col(EvidenceHeaderRow.batch_id)).where(
                    col(EvidenceHeaderRow.chain_id) == chain_id,
                    ~col(EvidenceHeaderRow.stale),
                )
            ),
            col(BatchRow.id).not_in(_due(chain_id)),
        )
        .order_by(col(BatchRow.id))
    )
    return [row["id"] for row in rows]


def _due(chain_id: int) -> Select[UUID]:
    return select(col(EvidenceDueRow.batch_id)).where(
        col(EvidenceDueRow.chain_id) == chain_id
    )


def ask_for(tx: Transaction, batch_id: UUID, chain_id: int) -> None:
    """Have evidence of a final root taken, once more if there is some.

    Only on the batch's home chain: does nothing on another one.
    """
    home = tx.scalar(select(col(BatchRow.chain_id)).where(col(BatchRow.id) == batch_id))
    if home == chain_id:
        tx.add_if_absent(EvidenceDueRow, {"batch_id": batch_id, "chain_id": chain_id})


def ask_again(tx: Transaction, organisation_id: UUID, block: int) -> None:
    """Have the evidence of an organisation's batches taken once more where it is older than a block."""
    theirs = select(col(CredentialRow.batch_id)).where(
        col(CredentialRow.organisation_id) == organisation_id,
        col(CredentialRow.batch_id).is_not(None),
    )
    tx.change(
        update(EvidenceHeaderRow)
        .where(
            col(EvidenceHeaderRow.batch_id).in_(theirs),
            col(EvidenceHeaderRow.block_number) < block,
        )
        .values(stale=True)
    )
    # Afterwards: what somebody else kept in between is among them.
    rows = tx.rows(
        select(col(EvidenceHeaderRow.batch_id), col(EvidenceHeaderRow.chain_id)).where(
            col(EvidenceHeaderRow.batch_id).in_(theirs), col(EvidenceHeaderRow.stale)
        )
    )
    for row in rows:
        ask_for(tx, row["batch_id"], row["chain_id"])


def subjects(tx: Transaction, batch_id: UUID) -> Sequence[EvidenceSubject]:
    """What is to be proved for the members of a batch: one for each issuer, key and status word."""
    rows = tx.rows(
        select(
            col(IssuerRow.issuer_id),
            col(IssuerRow.profile_hash),
            col(CredentialRow.key_id),
            (col(CredentialRow.status_index) // _WORD).label("word"),
        )
        .join(
            IssuerRow,
            col(IssuerRow.organisation_id) == col(CredentialRow.organisation_id),
        )
        .where(col(CredentialRow.batch_id) == batch_id)
        .distinct()
    )
    return sorted(
        (
            EvidenceSubject(
                row["issuer_id"],
                row["profile_hash"],
                row["key_id"],
                int(row["word"]) * _WORD,
            )
            for row in rows
        ),
        key=lambda each: (each.issuer_id, each.key_id, each.status_index),
    )


def endorsements(tx: Transaction, chain_id: int) -> Sequence[bytes]:
    """The calldata of every endorsement that this ledger carried and that is final."""
    rows = tx.rows(
        select(col(ChainTxRow.data)).where(
            col(ChainTxRow.chain_id) == chain_id,
            col(ChainTxRow.kind) == ChainTxKind.ENDORSE,
            col(ChainTxRow.state) == ChainTxState.FINAL,
        )
    )
    return [row["data"] for row in rows]


def earliest_block(tx: Transaction, batch_id: UUID) -> int:
    """The block that evidence must not be older than: the last closing of an issuer in the batch."""
    members = select(col(CredentialRow.organisation_id)).where(
        col(CredentialRow.batch_id) == batch_id
    )
    newest = tx.scalar(
        select(func.max(IssuerRow.closed_block)).where(
            col(IssuerRow.organisation_id).in_(members)
        )
    )
    return 0 if newest is None else int(newest)


def keep(tx: Transaction, evidence: BatchEvidence) -> None:
    """Store the evidence of a batch, in place of an older one.

    Raises Conflict if its root is not final any more, or an issuer has closed since.
    """
    if evidence.block_number < earliest_block(tx, evidence.batch_id):
        raise Conflict("an issuer of the batch has closed since; prove it once more")
    give_up(tx, evidence.batch_id, evidence.chain_id)
    key = {"batch_id": evidence.batch_id, "chain_id": evidence.chain_id}
    tx.change(
        insert(EvidenceHeaderRow).values(
            **key, block_number=evidence.block_number, header=evidence.header
        )
    )
    _insert(
        tx,
        EvidenceSlotRow,
        (
            {
                **key,
                "registry_address": each.registry,
                "slot": each.slot,
                "nodes": rlp.encode(each.nodes),
            }
            for each in evidence.slots
        ),
    )
    _insert(
        tx,
        EvidenceAccreditorRow,
        (
            {**key, "issuer_id": issuer_id, "accreditor": accreditor}
            for issuer_id, accreditors in evidence.accreditors.items()
            for accreditor in accreditors
        ),
    )


def forget(tx: Transaction, batch_id: UUID, chain_id: int) -> None:
    """Take the evidence of a final root away, if there is any, to be taken anew."""
    give_up(tx, batch_id, chain_id)
    ask_for(tx, batch_id, chain_id)


def give_up(tx: Transaction, batch_id: UUID, chain_id: int) -> None:
    """Take the evidence of a batch away, and ask for no other."""
    for row in (
        EvidenceAccreditorRow,
        EvidenceSlotRow,
        EvidenceHeaderRow,
        EvidenceDueRow,
    ):
        tx.change(
            delete(row).where(
                col(row.batch_id) == batch_id, col(row.chain_id) == chain_id
            )
        )


def header(tx: Transaction, batch_id: UUID, chain_id: int) -> bytes | None:
    """The header of the block that the evidence of a batch is of; None without evidence."""
    found: bytes | None = tx.scalar(
        select(col(EvidenceHeaderRow.header)).where(
            col(EvidenceHeaderRow.batch_id) == batch_id,
            col(EvidenceHeaderRow.chain_id) == chain_id,
        )
    )
    return found


def newest(tx: Transaction, chain_id: int) -> tuple[UUID, bytes] | None:
    """The batch whose evidence is of the newest block, and that block's header; None without any."""
    row = tx.row(
        select(col(EvidenceHeaderRow.batch_id), col(EvidenceHeaderRow.header))
        .where(col(EvidenceHeaderRow.chain_id) == chain_id)
        .order_by(col(EvidenceHeaderRow.block_number).desc())
        .limit(1)
    )
    return None if row is None else (row["batch_id"], row["header"])


def keep_carried(tx: Transaction, credential_id: UUID, data: bytes) -> None:
    """Keep the evidence that an imported credential's file carried."""
    tx.add_if_absent(CarriedEvidenceRow, {"credential_id": credential_id, "data": data})


def carried(tx: Transaction, credential_id: UUID) -> bytes | None:
    """The evidence that an imported credential's file carried; None for all others."""
    found: bytes | None = tx.scalar(
        select(col(CarriedEvidenceRow.data)).where(
            col(CarriedEvidenceRow.credential_id) == credential_id
        )
    )
    return found


def headers_of(tx: Transaction, organisation_id: UUID) -> Sequence[bytes]:
    """The distinct headers under which an organisation's credentials are proved, by number."""
    batches = select(col(CredentialRow.batch_id)).where(
        col(CredentialRow.organisation_id) == organisation_id,
        col(CredentialRow.batch_id).is_not(None),
    )
    rows = tx.rows(
        select(col(EvidenceHeaderRow.block_number), col(EvidenceHeaderRow.header))
        .where(col(EvidenceHeaderRow.batch_id).in_(batches))
        .order_by(col(EvidenceHeaderRow.block_number))
    )
    return list(dict.fromkeys(row["header"] for row in rows))


def accreditors(
    tx: Transaction, batch_id: UUID, chain_id: int, issuer_id: bytes
) -> Sequence[bytes]:
    """The accreditors whose endorsements of an issuer are proved, ascending."""
    rows = tx.rows(
        select(col(EvidenceAccreditorRow.accreditor)).where(
            col(EvidenceAccreditorRow.batch_id) == batch_id,
            col(EvidenceAccreditorRow.chain_id) == chain_id,
            col(EvidenceAccreditorRow.issuer_id) == issuer_id,
        )
    )
    return sorted(row["accreditor"] for row in rows)


def slots(
    tx: Transaction, batch_id: UUID, chain_id: int, wanted: Iterable[bytes]
) -> Sequence[SlotNodes]:
    """The stored nodes of these slots, and of both accounts; slots that are not there are left out."""
    rows = tx.rows(
        select(EvidenceSlotRow).where(
            col(EvidenceSlotRow.batch_id) == batch_id,
            col(EvidenceSlotRow.chain_id) == chain_id,
            col(EvidenceSlotRow.slot).in_([b"", *wanted]),
        )
    )
    return [
        SlotNodes(row["registry_address"], row["slot"], _nodes(row["nodes"]))
        for row in rows
    ]


def _nodes(data: bytes) -> tuple[bytes, ...]:
    items = rlp.decode(data)
    return tuple(item for item in items if isinstance(item, bytes))


def _insert(
    tx: Transaction, row: type[SQLModel], values: Iterable[dict[str, object]]
) -> None:
    rows = list(values)
    for start in range(0, len(rows), _AT_ONCE):
        tx.change(insert(row), rows[start : start + _AT_ONCE])
