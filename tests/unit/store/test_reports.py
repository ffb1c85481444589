from datetime import UTC, datetime, timedelta

from ledger.store import batches, chain_txs, closings, credentials, leases, reports
from ledger.store.database import Database, Transaction
from ledger.store.records import (
    Anchored,
    ChainTx,
    ChainTxKind,
    ChainTxState,
    Closing,
    Figures,
    WorkerReport,
)
from tests.unit.store.plans import plan_of
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
    issuer_key,
    new_chain_tx,
)

S = ChainTxState
NOTHING = dict.fromkeys(ChainTxState, 0)


def test_the_oldest_under_way_is_looked_up_and_not_searched_for(
    sqlite_database: Database,
) -> None:
    """Whoever watches asks every few seconds, and nearly all that ever was is final."""
    steps = plan_of(
        sqlite_database, lambda tx: reports._oldest_unanchored(tx, CHAIN_ID)
    )
    outer, inner = (step for step in steps if step.startswith("SEARCH chain_tx USING"))
    assert outer.endswith("(id=?)")
    assert inner.endswith("ix_chain_tx_state (chain_id=? AND state=?)")


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


def test_figures_of_a_ledger_that_does_nothing_are_zero(database: Database) -> None:
    with database.read() as tx:
        assert reports.figures(tx, CHAIN_ID, NOW) == Figures(
            work=WorkerReport(0, 0, None, NOTHING),
            oldest_unanchored=None,
            oldest_pending=None,
            failed_lately=0,
            anchored=0,
            credentials=0,
            holders=[],
            costs=reports.cost_report(tx, CHAIN_ID, NOW),
        )


def test_a_credential_is_unanchored_until_its_root_is_final(
    database: Database,
) -> None:
    """Whether it waits for its key, for a batch or for a block."""
    early = NOW - timedelta(hours=3)
    with database.begin() as tx:
        ready, not_open = add_school(tx, "one"), add_school(tx, "two", opened=None)
        first = credential(ready, 1, issued_at=early)
        later = credential(ready, 2, issued_at=early + timedelta(hours=1))
        credentials.insert(tx, [first, later])
        held = credential(not_open, 3, issued_at=early + timedelta(hours=2))
        credentials.insert(tx, [held])

        def oldest() -> datetime | None:
            return reports.figures(tx, CHAIN_ID, NOW).oldest_unanchored

        assert oldest() == early
        batch, members = batch_of([first, later])
        row = batches.seal(tx, batch, members, to=REGISTRY, data=b"", gas=1)
        assert oldest() == early
        assert reports.oldest_in_batch(tx, batch.id) == early

        make_final(tx, row)
        batches.record_anchor(tx, batch.id, Anchored(CHAIN_ID, REGISTRY, 7, 1))
        assert oldest() == held.issued_at
        found = reports.figures(tx, CHAIN_ID, NOW)
        assert (found.anchored, found.credentials) == (1, 2)
        assert found.oldest_pending is None


def test_what_a_closing_school_left_unsealed_is_nobodys_alarm(
    database: Database,
) -> None:
    with database.begin() as tx:
        school = add_school(tx)
        issue(tx, school, 1)
        assert reports.figures(tx, CHAIN_ID, NOW).oldest_unanchored is not None

        lists = {issuer_key(school).key_id: b"list"}
        closings.begin(tx, Closing(school.id, NOW, None, b"{}", b"[]"), lists)

        assert reports.figures(tx, CHAIN_ID, NOW).oldest_unanchored is None


def test_an_anchor_that_was_asked_for_again_counts_where_it_stands_now(
    database: Database,
) -> None:
    """Somebody else used its first nonce; that row is never final."""
    with database.begin() as tx:
        record = credential(add_school(tx), 1)
        credentials.insert(tx, [record])
        batch, members = batch_of([record])
        row = batches.seal(tx, batch, members, to=REGISTRY, data=b"", gas=1)
        lease = leases.take(tx, CHAIN_ID, SENDER, owner="one", seconds=60, now=NOW)
        assert lease is not None
        chain_txs.begin_attempt(tx, lease, attempt(row), nonce=5, now=NOW)
        again = chain_txs.displace(tx, lease, row.id, now=NOW)
        assert reports.figures(tx, CHAIN_ID, NOW).oldest_unanchored == NOW

        make_final(tx, again)
        assert reports.figures(tx, CHAIN_ID, NOW).oldest_unanchored is None


def test_what_was_asked_for_and_is_not_final_has_an_age(database: Database) -> None:
    with database.begin() as tx:
        chain_txs.enqueue(tx, new_chain_tx("late"), NOW)
        chain_txs.enqueue(tx, new_chain_tx("early"), NOW - timedelta(hours=2))

        found = reports.figures(tx, CHAIN_ID, NOW)
        elsewhere = reports.figures(tx, 1, NOW)

    assert found.oldest_pending == NOW - timedelta(hours=2)
    assert elsewhere.oldest_pending is None


def test_what_failed_is_counted_for_a_week_and_an_act_until_it_is_asked_for_again(
    database: Database,
) -> None:
    with database.begin() as tx:
        lease = leases.take(tx, CHAIN_ID, SENDER, owner="one", seconds=60, now=NOW)
        assert lease is not None
        school = add_school(tx)
        new = new_chain_tx("too much gas", ChainTxKind.REVOKE, str(school.id))
        row = chain_txs.enqueue(tx, new, NOW)
        chain_txs.begin_attempt(tx, lease, attempt(row), nonce=0, now=NOW)
        chain_txs.advance(tx, lease, row.id, S.IN_PROGRESS, S.FATAL, now=NOW)

        assert reports.figures(tx, CHAIN_ID, NOW).failed_lately == 1
        later = NOW + reports.LATELY
        assert reports.figures(tx, CHAIN_ID, later).failed_lately == 0
        assert reports.figures(tx, CHAIN_ID, later).refused_acts == 1
        assert reports.figures(tx, 1, later).refused_acts == 0


def test_the_holder_of_a_lease_has_it_as_long_as_it_lasts(database: Database) -> None:
    # PostgreSQL's own clock counts there, so the test's has to be the real one.
    now = datetime.now(UTC)
    with database.begin() as tx:
        lease = leases.take(tx, CHAIN_ID, SENDER, owner="one", seconds=60, now=now)
        assert lease is not None
        (holder,) = reports.figures(tx, CHAIN_ID, now).holders
        assert (holder.sender, holder.owner) == (SENDER, "one")
        assert timedelta(seconds=50) < holder.left <= timedelta(seconds=60)

        leases.release(tx, lease)
        (holder,) = reports.figures(tx, CHAIN_ID, now).holders
        assert holder.left < timedelta(0)


def make_final(tx: Transaction, row: ChainTx) -> None:
    """Carry a transaction through every state, at once."""
    lease = leases.take(tx, CHAIN_ID, SENDER, owner="one", seconds=60, now=NOW)
    assert lease is not None
    chain_txs.begin_attempt(tx, lease, attempt(row), nonce=0, now=NOW)
    chain_txs.advance(
        tx,
        lease,
        row.id,
        S.IN_PROGRESS,
        S.MINED,
        now=NOW,
        block_number=7,
        block_hash=bytes(32),
        tx_hash=bytes(32),
    )
    chain_txs.advance(tx, lease, row.id, S.MINED, S.FINAL, now=NOW)


def test_what_waits_is_counted_in_an_index(sqlite_database: Database) -> None:
    """Each row is two pages away, and there may be hundreds of thousands."""
    steps = plan_of(sqlite_database, lambda tx: reports.worker_report(tx, CHAIN_ID))
    found = [step for step in steps if step.startswith("SEARCH credential ")]

    assert len(found) == 3
    assert {step.partition(" USING ")[2] for step in found} == {
        "COVERING INDEX ix_credential_waiting (chain_id=?)"
    }


def test_what_is_final_is_not_counted_among_the_unsettled(database: Database) -> None:
    with database.begin() as tx:
        row = chain_txs.enqueue(tx, new_chain_tx("final"), NOW)
        make_final(tx, row)
        chain_txs.enqueue(tx, new_chain_tx("new"), NOW)

        counted = reports.unsettled(tx, CHAIN_ID)

    assert counted == {
        state: int(state is S.SEALED) for state in ChainTxState if state is not S.FINAL
    }


def test_the_unsettled_are_looked_up_by_their_states(
    sqlite_database: Database,
) -> None:
    (step, *_) = plan_of(sqlite_database, lambda tx: reports.unsettled(tx, CHAIN_ID))
    assert step.endswith("ix_chain_tx_state (chain_id=? AND state=?)")
