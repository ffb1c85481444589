"""Acts that failed for good and that nobody has asked for again: what they tell, no verifier sees."""

from collections.abc import Sequence
from uuid import UUID

from ledger.errors import NotFound
from ledger.store import chain_txs, closings, issuers
from ledger.store.database import Transaction
from ledger.store.records import ChainTx, ChainTxKind


def on_chain(tx: Transaction, chain_id: int) -> Sequence[ChainTx]:
    """The refused acts of a chain, of all organisations, each as it was tried last.

    Left out is what has come true all the same, and what nobody can use any more.
    """
    return [row for row in chain_txs.failed_acts(tx, chain_id) if not _moot(tx, row)]


def _moot(tx: Transaction, row: ChainTx) -> bool:
    if row.kind is ChainTxKind.REVOKE:
        return False
    organisation_id = UUID(row.subject)
    try:
        record = issuers.of(tx, organisation_id)
    except NotFound:
        return True
    if row.kind is ChainTxKind.CLOSE:
        return record.closed_at is not None
    if closings.has_begun(tx, organisation_id):
        return True
    if row.kind is ChainTxKind.REGISTER:
        return record.registered_at is not None
    # addKey(bytes32 id, bytes32 key, ...)
    opened = [key.key_id for key in issuers.keys(tx, organisation_id) if key.opened]
    return row.kind is ChainTxKind.ADD_KEY and row.data[36:68] in opened
