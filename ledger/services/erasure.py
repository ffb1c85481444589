"""Erasing a person from a credential: content, name and address go, the anchored hash stays."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from ledger.errors import NotFound
from ledger.services.organisations import Caller
from ledger.store import closings, credentials, idempotency
from ledger.store.database import Database, Transaction

#: What is sent there is a list of people, and its answer quotes the refused records.
ROSTER_ROUTE: Final = "POST /api/v1/rosters"


@dataclass(frozen=True, slots=True)
class ErasedCredential:
    """What was erased. `log_emptied`: the database's log holds nothing of it either."""

    credential_id: UUID
    was_held: bool
    log_emptied: bool


def erase_credential(
    database: Database, caller: Caller, credential_id: UUID
) -> ErasedCredential:
    """Erase the person from one credential, or a whole one that is held back, for ever.

    Its id, place and hash stay, so that the others of its batch still verify; what is on the chain
    and in the earner's own file stays as well. Erasing again changes nothing. Raises NotFound, and
    StoreError if SQLite's log could not be emptied: then erasing again tries once more.
    """
    organisation_id = caller.organisation.id
    with database.begin() as tx:
        was_held = _erase(tx, organisation_id, credential_id)
        idempotency.blank(tx, organisation_id, ROSTER_ROUTE)
    return ErasedCredential(credential_id, was_held, database.empty_log())


def _erase(tx: Transaction, organisation_id: UUID, credential_id: UUID) -> bool:
    """Erase it where it is; answer whether it was held back."""
    try:
        credentials.erase(tx, organisation_id, credential_id)
    except NotFound as not_shown:
        try:
            closings.erase_held(tx, organisation_id, credential_id)
        except NotFound:
            raise not_shown from None
        return True
    return False
