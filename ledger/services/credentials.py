"""Looking credentials up: what an organisation has issued, and how far each has come."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from ledger.services.organisations import Caller
from ledger.store import credentials
from ledger.store.database import Transaction
from ledger.store.records import CredentialRecord, CredentialState

MAX_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class ListedCredential:
    """A credential and its state."""

    record: CredentialRecord
    state: CredentialState


def list_credentials(
    tx: Transaction,
    caller: Caller,
    *,
    limit: int,
    after: UUID | None = None,
    achievement: str | None = None,
    state: CredentialState | None = None,
) -> Sequence[ListedCredential]:
    """A page of the caller's credentials, newest first, from behind `after`.

    Raises NotFound if `after` is not theirs.
    """
    records = credentials.page(
        tx,
        caller.organisation.id,
        limit=min(limit, MAX_PAGE),
        after=after,
        achievement=achievement,
        state=state,
    )
    return _with_states(tx, caller, records)


def get_credential(
    tx: Transaction, caller: Caller, credential_id: UUID
) -> ListedCredential:
    """One credential of the caller's. Raises NotFound."""
    record = credentials.get(tx, caller.organisation.id, credential_id)
    (listed,) = _with_states(tx, caller, [record])
    return listed


def _with_states(
    tx: Transaction, caller: Caller, records: Sequence[CredentialRecord]
) -> Sequence[ListedCredential]:
    states = credentials.states(tx, caller.organisation.id, [r.id for r in records])
    return [ListedCredential(record, states[record.id]) for record in records]
