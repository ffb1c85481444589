"""Handing acts to the worker: the only process that sends anything to a chain."""

from datetime import datetime

from ledger.chain.acts import Act
from ledger.store import chain_txs
from ledger.store.database import Transaction
from ledger.store.records import ChainTx, ChainTxKind, IssuerRecord, NewChainTx


def enqueue(
    tx: Transaction,
    act: Act,
    record: IssuerRecord,
    *,
    subject: str,
    name: str,
    now: datetime,
) -> ChainTx:
    """Enqueue an act on an issuer's record. `name` tells it from others of its kind.

    The same act again gives the row that is there: it is sent once. Only what the chain refused
    for good is enqueued anew, as it is signed now.
    """
    return chain_txs.enqueue_anew(
        tx,
        NewChainTx(
            kind=ChainTxKind(act.kind.value),
            chain_id=record.chain_id,
            to=act.to,
            data=act.data,
            gas=act.gas,
            subject=subject,
            unique_key=f"{act.kind.value}/{record.issuer_id.hex()}/{name}",
        ),
        now,
    )
