"""What lies before the worker, for `perdure status` and for whoever watches it."""

from sqlalchemy import func, select
from sqlmodel import col

from ledger.store import credentials
from ledger.store.database import Transaction
from ledger.store.records import ChainTxState, WorkerReport
from ledger.store.tables import ChainTxRow, CredentialRow


def worker_report(tx: Transaction, chain_id: int) -> WorkerReport:
    """Count what waits and what is on its way, of all organisations."""
    unsealed = tx.scalar(
        select(func.count()).where(
            col(CredentialRow.chain_id) == chain_id,
            col(CredentialRow.batch_id).is_(None),
        )
    )
    waiting = tx.scalar(select(func.count()).where(credentials.sealable(chain_id)))
    rows = tx.rows(
        select(col(ChainTxRow.state), func.count().label("n"))
        .where(col(ChainTxRow.chain_id) == chain_id)
        .group_by(col(ChainTxRow.state))
    )
    counted = {row["state"]: row["n"] for row in rows}
    return WorkerReport(
        waiting=waiting,
        held_back=unsealed - waiting,
        oldest_waiting=credentials.oldest_waiting(tx, chain_id),
        chain_txs={state: counted.get(state, 0) for state in ChainTxState},
    )
