"""Batches, as the owner of a credential sees the one that holds it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from ledger.errors import NotFound
from ledger.services.organisations import Caller
from ledger.store import batches, credentials
from ledger.store.database import Transaction
from ledger.store.records import Anchored, Batch


@dataclass(frozen=True, slots=True)
class PlaceInBatch:
    """The batch of a credential, its leaf there, and where the root is final."""

    batch: Batch
    leaf_index: int
    anchors: Sequence[Anchored]


def batch_of(tx: Transaction, caller: Caller, credential_id: UUID) -> PlaceInBatch:
    """The batch that one of the caller's credentials is in. Raises NotFound."""
    record = credentials.get(tx, caller.organisation.id, credential_id)
    if record.batch_id is None or record.leaf_index is None:
        raise NotFound("this credential waits for its batch")
    return PlaceInBatch(
        batches.get(tx, record.batch_id),
        record.leaf_index,
        batches.anchors(tx, record.batch_id),
    )
