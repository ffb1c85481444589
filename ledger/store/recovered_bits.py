"""Status bits that are set on the chain, and whose revocation a lost database had asked for.

Status lists are a view of the chain. What this database asked for itself is found through its own
chain transactions; these are the rest.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from ledger.store.database import Transaction
from ledger.store.tables import RecoveredBitRow


def keep(tx: Transaction, organisation_id: UUID, indexes: Iterable[int]) -> int:
    """Keep status indexes whose bits are set; answers how many were not kept before."""
    return sum(
        tx.add_if_absent(
            RecoveredBitRow,
            {"organisation_id": organisation_id, "status_index": index},
        )
        for index in indexes
    )


def of(tx: Transaction, organisation_id: UUID) -> Sequence[int]:
    """The kept status indexes of an organisation, in order."""
    rows = tx.rows(
        select(col(RecoveredBitRow.status_index))
        .where(col(RecoveredBitRow.organisation_id) == organisation_id)
        .order_by(col(RecoveredBitRow.status_index))
    )
    return [int(row["status_index"]) for row in rows]
