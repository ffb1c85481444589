from datetime import timedelta

from ledger.store import batches, chain_txs, credentials, leases, reports
from ledger.store.database import Database
from ledger.store.records import ChainTxState, WorkerReport
from tests.unit.store.samples import (
    CHAIN_ID,
    NOW,
    REGISTRY,
    SENDER,
    add_school,
    attempt,
    batch_of,
    credential,
    issue,
    new_chain_tx,
)

NOTHING = dict.fromkeys(ChainTxState, 0)


def test_empty_ledger_has_nothing_to_do(database: Database) -> None:
    with database.read() as tx:
        assert WorkerReport(0, 0, None, NOTHING) == reports.worker_report(tx, CHAIN_ID)


def test_counts_what_waits_and_what_is_on_its_way(database: Database) -> None:
    with database.begin() as tx:
        ready, not_open = add_school(tx, "one"), add_school(tx, "two", opened=None)
        sealed, *_ = issue(tx, ready, 3)
        early = credential(ready, 9, issued_at=NOW - timedelta(hours=1))
        elsewhere = credential(ready, 10, chain_id=1)
        credentials.insert(tx, [early, elsewhere])
        issue(tx, not_open, 2)
        batch, members = batch_of([sealed])
        batches.seal(tx, batch, members, to=REGISTRY, data=b"", gas=1)
        lease = leases.take(tx, CHAIN_ID, SENDER, owner="one", seconds=60, now=NOW)
        assert lease is not None
        row = chain_txs.enqueue(tx, new_chain_tx("register/one"), NOW)
        chain_txs.begin_attempt(tx, lease, attempt(row), nonce=0, now=NOW)

        expected = WorkerReport(
            waiting=3,
            held_back=2,
            oldest_waiting=early.issued_at,
            chain_txs={
                **NOTHING,
                ChainTxState.SEALED: 1,
                ChainTxState.IN_PROGRESS: 1,
            },
        )
        assert expected == reports.worker_report(tx, CHAIN_ID)
