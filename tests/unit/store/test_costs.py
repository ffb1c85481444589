from datetime import timedelta
from uuid import UUID

from ledger.store import batches, chain_txs, costs, leases, reports
from ledger.store.chain_txs import Values
from ledger.store.database import Database, Transaction
from ledger.store.records import ChainTx, ChainTxKind, ChainTxState, Cost, Lease
from tests.unit.store.plans import plan_of
from tests.unit.store.samples import (
    CHAIN_ID,
    NOW,
    REGISTRY,
    SENDER,
    add_school,
    attempt,
    batch_of,
    digest,
    issue,
    new_chain_tx,
)

S = ChainTxState
_TWO = (ChainTxKind.REVOKE, ChainTxKind.ANCHOR)
INSTANT = int(NOW.timestamp())
#: One product of these is more than a database's whole number.
DEAR = Cost(gas_used=16_000_000, gas_price=10**14, time=INSTANT - 60)


def take(tx: Transaction) -> Lease:
    lease = leases.take(tx, CHAIN_ID, SENDER, owner="one", seconds=60, now=NOW)
    assert lease is not None
    return lease


def begin(tx: Transaction, row: ChainTx, nonce: int, fee_cap: int = 10) -> None:
    lease = take(tx)
    chain_txs.begin_attempt(
        tx, lease, attempt(row, fee_cap=fee_cap), nonce=nonce, now=NOW
    )
    chain_txs.advance(tx, lease, row.id, S.IN_PROGRESS, S.SENT, now=NOW)


def mine(tx: Transaction, row_id: UUID, cost: Cost | None) -> None:
    receipt = Values(block_number=1, block_hash=digest("b"), tx_hash=digest("t"))
    chain_txs.advance(tx, take(tx), row_id, S.SENT, S.MINED, now=NOW, **receipt)
    if cost is not None:
        costs.record(tx, row_id, cost)


def sent(tx: Transaction, nonce: int, fee_cap: int = 10) -> UUID:
    row = chain_txs.enqueue(tx, new_chain_tx(f"act {nonce}"), NOW)
    begin(tx, row, nonce, fee_cap)
    return row.id


def test_a_cost_is_known_while_its_block_is_there(database: Database) -> None:
    with database.begin() as tx:
        one = sent(tx, 0)
        assert costs.of(tx, one) is None
        mine(tx, one, DEAR)
        assert costs.of(tx, one) == DEAR
        assert costs.spent(tx, CHAIN_ID, 0) == 16_000_000 * 10**14 > 2**63

        chain_txs.advance(tx, take(tx), one, S.MINED, S.SENT, now=NOW)
        assert costs.of(tx, one) is None
        assert costs.spent(tx, CHAIN_ID, 0) == 0


def test_the_latest_reading_of_a_cost_counts(database: Database) -> None:
    later = Cost(21_000, 3, INSTANT)
    with database.begin() as tx:
        one = sent(tx, 0)
        mine(tx, one, DEAR)
        costs.record(tx, one, later)

        assert costs.of(tx, one) == later


def test_spent_is_what_fell_into_the_window_on_that_chain(database: Database) -> None:
    with database.begin() as tx:
        for nonce, (gas, price, ago) in enumerate(
            [(100, 7, 10), (50, 7, 20), (1, 5, 100), (1, 1_000, 101)]
        ):
            mine(tx, sent(tx, nonce), Cost(gas, price, INSTANT - ago))

        assert costs.spent(tx, CHAIN_ID, INSTANT - 101) == 150 * 7 + 5
        assert costs.spent(tx, CHAIN_ID, INSTANT - 100) == 150 * 7
        assert costs.spent(tx, 1, 0) == 0


def test_under_way_is_the_dearest_of_what_is_not_paid_for(database: Database) -> None:
    gas = new_chain_tx("x").gas
    with database.begin() as tx:
        chain_txs.enqueue(tx, new_chain_tx("only asked for"), NOW)
        raised, paid, unknown = (sent(tx, n, 10 + n) for n in range(3))
        row = chain_txs.get(tx, raised)
        chain_txs.add_attempt(
            tx, take(tx), attempt(row, tip=2, fee_cap=20), sent_block=1, now=NOW
        )
        mine(tx, paid, DEAR)
        mine(tx, unknown, None)

        assert costs.under_way(tx, CHAIN_ID) == gas * (20 + 12)
        assert costs.under_way(tx, CHAIN_ID, but=raised) == gas * 12
        assert costs.under_way(tx, 1) == 0


def test_a_balance_replaces_the_one_before(database: Database) -> None:
    later = NOW + timedelta(minutes=1)
    with database.begin() as tx:
        assert costs.balances(tx, CHAIN_ID) == ()
        costs.note_balance(tx, CHAIN_ID, SENDER, 10**40, now=NOW)
        costs.note_balance(tx, CHAIN_ID, SENDER, 5 * 10**20 + 1, now=later)

        (seen,) = costs.balances(tx, CHAIN_ID)
        assert (seen.sender, seen.wei, seen.seen_at) == (SENDER, 5 * 10**20, later)


def test_the_report_says_what_a_credential_cost(database: Database) -> None:
    day = 86_400
    with database.begin() as tx:
        empty = reports.cost_report(tx, CHAIN_ID, NOW)
        assert empty.per_credential is None

        batch, members = batch_of(issue(tx, add_school(tx), 4))
        anchor = batches.seal(tx, batch, members, to=REGISTRY, data=b"", gas=60_000)
        begin(tx, anchor, 0)
        mine(tx, anchor.id, Cost(50_000, 2 * 10**9, INSTANT - 3 * day))
        mine(tx, sent(tx, 1), Cost(1_000, 10**9, INSTANT - 10 * day))
        mine(tx, sent(tx, 2), Cost(1_000, 10**9, INSTANT - day))
        mine(tx, sent(tx, 3), Cost(2_000, 10**9, INSTANT - day + 1))
        mine(tx, sent(tx, 4), Cost(9_000, 10**9, INSTANT - 30 * day))
        costs.note_balance(tx, CHAIN_ID, SENDER, 10**15, now=NOW)
        report = reports.cost_report(tx, CHAIN_ID, NOW)

        assert report.spent_day == 2_000 * 10**9
        assert report.spent_month == 104_000 * 10**9
        assert (report.anchors_month, report.credentials_month) == (10**14, 4)
        assert report.per_credential == 10**14 / 4
        assert report.days_observed == 30
        (balance,) = report.balances
        assert report.days_left(balance) == 10**15 * 30 / (104_000 * 10**9)
        assert empty.days_left(balance) is None


def test_what_was_paid_lately_is_found_by_its_time(sqlite_database: Database) -> None:
    """Before every sending: all that was ever sent is not gone through."""
    for asked in (
        lambda tx: costs.spent(tx, CHAIN_ID, INSTANT),
        lambda tx: costs.anchoring(tx, CHAIN_ID, INSTANT),
        lambda tx: costs.first_time(tx, CHAIN_ID),
    ):
        by_time, then, *_ = plan_of(sqlite_database, asked)
        assert "ix_chain_tx_cost_time" in by_time
        assert then.startswith("SEARCH chain_tx USING INDEX ")
        assert then.endswith("(id=?)")


def test_what_acts_of_one_kind_take_is_told_apart(database: Database) -> None:
    with database.begin() as tx:
        for nonce, kind in enumerate(_TWO * 2):
            row = chain_txs.enqueue(tx, new_chain_tx(f"act {nonce}", kind), NOW)
            begin(tx, row, nonce, fee_cap=nonce + 1)
            if nonce < 2:
                mine(tx, row.id, Cost(10 * (nonce + 1), 1, INSTANT))

        spent = [costs.spent(tx, CHAIN_ID, 0, kind=kind) for kind in _TWO]
        under_way = [costs.under_way(tx, CHAIN_ID, kind=kind) for kind in _TWO]
        assert (spent, costs.spent(tx, CHAIN_ID, 0)) == ([10, 20], 30)
        assert under_way == [120_000 * 3, 120_000 * 4]
