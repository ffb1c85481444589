"""Closing in the store: begun once, what is open counted, and evidence that has to be newer."""

from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

import pytest

from ledger.errors import Conflict, NotFound
from ledger.store import (
    batches,
    chain_txs,
    closings,
    credentials,
    evidence,
    issuers,
    leases,
)
from ledger.store.database import Database, Transaction
from ledger.store.records import (
    Anchored,
    BatchEvidence,
    ChainTxKind,
    ChainTxState,
    Closing,
    CredentialRecord,
    Organisation,
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
    digest,
    issue,
    issuer_key,
    new_chain_tx,
)


def begin(
    tx: Transaction, school: Organisation, successor: bytes | None = None
) -> Closing:
    closing = Closing(school.id, NOW, successor, b'{"statement":1}', b"[]")
    closings.begin(tx, closing, {issuer_key(school).key_id: b"the last list"})
    return closing


def seal(tx: Transaction, records: list[CredentialRecord]) -> UUID:
    """A batch whose root is final."""
    batch, members = batch_of(records)
    batches.seal(tx, batch, members, to=REGISTRY, data=b"1", gas=1)
    batches.record_anchor(tx, batch.id, Anchored(CHAIN_ID, REGISTRY, 1, 1))
    return batch.id


def prove(tx: Transaction, batch_id: UUID, block: int) -> None:
    evidence.keep(tx, BatchEvidence(batch_id, CHAIN_ID, block, b"header", (), {}))


def unproved(tx: Transaction) -> list[UUID]:
    return [batch.id for batch in evidence.unproved(tx, CHAIN_ID, 9)]


def carry(tx: Transaction, name: str, kind: ChainTxKind, subject: str) -> UUID:
    """Ask for an act and see it mined."""
    row = chain_txs.enqueue(tx, new_chain_tx(name, kind, subject), NOW)
    lease = leases.take(tx, CHAIN_ID, SENDER, owner="one", seconds=60, now=NOW)
    assert lease is not None
    nonce = (chain_txs.highest_nonce(tx, CHAIN_ID, SENDER) or -1) + 1
    chain_txs.begin_attempt(tx, lease, attempt(row), nonce=nonce, now=NOW)
    chain_txs.advance(
        tx, lease, row.id, ChainTxState.IN_PROGRESS, ChainTxState.MINED, now=NOW,
        block_number=1, block_hash=digest("block"), tx_hash=digest("tx", name),
    )  # fmt: skip
    return row.id


def test_a_closing_is_begun_once_and_read_back(database: Database) -> None:
    with database.begin() as tx:
        school, other = add_school(tx), add_school(tx, "other")
        expected = begin(tx, school)
    with database.read() as tx:
        assert closings.of(tx, school.id) == expected
        assert closings.has_begun(tx, school.id)
        assert closings.final_lists(tx, school.id) == {
            issuer_key(school).key_id: b"the last list"
        }
        assert not closings.has_begun(tx, other.id)
        with pytest.raises(NotFound):
            closings.of(tx, other.id)

    with pytest.raises(Conflict), database.begin() as tx:
        begin(tx, school)


def test_what_waits_is_never_sealed_once_closing_has_begun(database: Database) -> None:
    """An anchor behind the closing would prove that the credential is worth nothing."""
    with database.begin() as tx:
        school, other = add_school(tx), add_school(tx, "other")
        issue(tx, school, 2)
        issue(tx, other, 1)
        assert len(credentials.waiting(tx, CHAIN_ID, 9)) == 3

        begin(tx, school)
        assert len(credentials.waiting(tx, CHAIN_ID, 9)) == 1


def test_open_work_counts_each_kind_and_nobody_elses(database: Database) -> None:
    with database.begin() as tx:
        school, other = add_school(tx), add_school(tx, "other")
        issue(tx, other, 4)
        records = issue(tx, school, 5)
        work = closings.open_work(tx, school.id)
        assert (work.waiting, work.not_final, work.unproved) == (5, 0, 0)

        batch, members = batch_of(records[:2])
        batches.seal(tx, batch, members, to=REGISTRY, data=b"1", gas=1)
        proved = seal(tx, records[2:4])
        prove(tx, proved, 3)
        seal(tx, records[4:])
        work = closings.open_work(tx, school.id)
        assert (work.waiting, work.not_final, work.unproved) == (0, 2, 1)

        chain_txs.enqueue(
            tx, new_chain_tx("a", ChainTxKind.ADD_KEY, str(school.id)), NOW
        )
        chain_txs.enqueue(tx, new_chain_tx("c", ChainTxKind.CLOSE, str(school.id)), NOW)
        chain_txs.enqueue(
            tx, new_chain_tx("b", ChainTxKind.ADD_KEY, str(other.id)), NOW
        )
        assert closings.open_work(tx, school.id).pending_acts == 1


def test_a_withdrawal_is_open_until_its_bit_is_final(database: Database) -> None:
    with database.begin() as tx:
        school = add_school(tx)
        (record,) = issue(tx, school, 1)
        credentials.withdraw(tx, school.id, record.id, "mistake", NOW)
        assert closings.open_work(tx, school.id).unrevoked == 1

        row = carry(tx, "revoke", ChainTxKind.REVOKE, str(record.id))
        assert closings.open_work(tx, school.id).unrevoked == 1
        lease = leases.take(tx, CHAIN_ID, SENDER, owner="one", seconds=60, now=NOW)
        assert lease is not None
        chain_txs.advance(
            tx, lease, row, ChainTxState.MINED, ChainTxState.FINAL, now=NOW
        )
        assert closings.open_work(tx, school.id).unrevoked == 0


def test_evidence_from_before_the_closing_is_taken_once_more(
    database: Database,
) -> None:
    """Also of a batch that the closing school shares; nobody else's is touched."""
    with database.begin() as tx:
        school, other = add_school(tx), add_school(tx, "other")
        mine, theirs = issue(tx, school, 1), issue(tx, other, 2)
        shared = seal(tx, [*mine, theirs[0]])
        alone = seal(tx, theirs[1:])
        for batch in (shared, alone):
            prove(tx, batch, 10)
        issuers.mark_registered(tx, school.id, 1)
        assert unproved(tx) == []

        issuers.mark_closed(tx, school.id, 1_000, block=20)
        assert unproved(tx) == [shared]
        assert closings.open_work(tx, school.id).unproved == 1
        assert evidence.earliest_block(tx, shared) == 20
        assert evidence.earliest_block(tx, alone) == 0
        assert (
            evidence.header(tx, shared, CHAIN_ID) == b"header"
        )  # until there is newer

    with pytest.raises(Conflict, match="closed since"), database.begin() as tx:
        prove(tx, shared, 19)
    with database.begin() as tx:
        prove(tx, shared, 20)
        assert unproved(tx) == []
        assert closings.open_work(tx, school.id).unproved == 0


def test_a_closed_school_leaves_withdrawing_to_the_successor_it_named(
    database: Database,
) -> None:
    with database.begin() as tx:
        school, heir = add_school(tx), add_school(tx, "heir")
        heirs = issuers.of(tx, heir.id).issuer_id
        begin(tx, school, heirs)
        assert closings.left_to(tx, CHAIN_ID, heirs) == []

        issuers.mark_registered(tx, school.id, 1)
        issuers.mark_closed(tx, school.id, 2, block=3)
        assert closings.left_to(tx, CHAIN_ID, heirs) == [school.id]
        assert closings.left_to(tx, CHAIN_ID + 1, heirs) == []
        assert closings.left_to(tx, CHAIN_ID, bytes(32)) == []


def test_earners_come_in_order_page_by_page_each_once(database: Database) -> None:
    with database.begin() as tx:
        school = add_school(tx)
        records = [credential(school, n) for n in range(5)]
        again = credential(
            school,
            9,
            recipient_email="earner2@example.org",
            awarded_on=date(2026, 1, 1),
        )
        credentials.insert(tx, [*records, again])
        credentials.erase(tx, school.id, records[4].id)

        first = credentials.earners(tx, school.id, after="", limit=3)
        assert first == [f"earner{n}@example.org" for n in range(3)]
        rest = credentials.earners(tx, school.id, after=first[-1], limit=3)
        assert rest == ["earner3@example.org"]
        assert credentials.count_earners(tx, school.id) == 4
        assert len(credentials.personal_ids(tx, school.id)) == 5


def test_proof_and_archive_are_noted(database: Database) -> None:
    with database.begin() as tx:
        school = add_school(tx)
        with pytest.raises(NotFound):
            closings.keep_proof(tx, school.id, b"proof")
        begin(tx, school)
        closings.keep_proof(tx, school.id, b"proof")
        closings.mark_archived(tx, school.id, NOW)

        found = closings.of(tx, school.id)
        assert (found.proof, found.archived_at) == (b"proof", NOW)


def test_what_is_held_back_is_taken_out_once(database: Database) -> None:
    ids = [UUID(int=n) for n in (3, 1, 2)]
    with database.begin() as tx:
        school = add_school(tx)
        begin(tx, school)
        assert [closings.hold(tx, school.id, each, each.bytes) for each in ids] == [
            True
        ] * 3
        assert not closings.hold(tx, school.id, ids[0], b"something else")

        first = closings.held(tx, school.id, after=None, limit=2)
        rest = closings.held(tx, school.id, after=first[-1][0], limit=2)
        assert [*first, *rest] == [(each, each.bytes) for each in sorted(ids)]
        assert closings.take_held(tx, school.id, ids[0]) == ids[0].bytes
        with pytest.raises(NotFound):
            closings.take_held(tx, school.id, ids[0])


def test_what_is_erased_is_held_no_more_and_comes_in_no_more(
    database: Database,
) -> None:
    gone, other = UUID(int=1), UUID(int=2)
    with database.begin() as tx:
        school = add_school(tx)
        begin(tx, school)
        for each in (gone, other):
            closings.hold(tx, school.id, each, each.bytes)
        for _ in range(2):
            closings.erase_held(tx, school.id, gone)

        assert closings.held(tx, school.id, after=None, limit=9) == [
            (other, other.bytes)
        ]
        assert not closings.hold(tx, school.id, gone, gone.bytes)
        for _ in range(2):
            with pytest.raises(NotFound):
                closings.take_held(tx, school.id, gone)
        assert not closings.hold(tx, school.id, gone, gone.bytes)
        with pytest.raises(NotFound):
            closings.erase_held(tx, school.id, UUID(int=3))


def test_what_is_shown_already_is_not_held_back_again(database: Database) -> None:
    with database.begin() as tx:
        school = add_school(tx)
        (record,) = issue(tx, school, 1)
        begin(tx, school)
        assert not closings.hold(tx, school.id, record.id, b"sealed")


def test_a_batch_of_another_ledger_is_known_by_its_root(database: Database) -> None:
    with database.begin() as tx:
        school = add_school(tx)
        batch, _ = batch_of(issue(tx, school, 2))
        assert batches.adopt(tx, batch) == batch
        again = replace(batch, id=UUID(int=1), sealed_at=NOW + timedelta(days=1))
        assert batches.adopt(tx, again) == batch
    for other in (replace(batch, tree_size=3), replace(batch, chain_id=1)):
        with pytest.raises(Conflict, match="another batch"), database.begin() as tx:
            batches.adopt(tx, replace(other, id=UUID(int=2)))


def test_evidence_in_a_file_is_kept_as_it_was_first(database: Database) -> None:
    with database.begin() as tx:
        (record, other) = issue(tx, add_school(tx), 2)
        evidence.keep_carried(tx, record.id, b"first")
        evidence.keep_carried(tx, record.id, b"second")
        assert evidence.carried(tx, record.id) == b"first"
        assert evidence.carried(tx, other.id) is None


def test_what_is_open_is_counted_by_what_is_under_way(
    sqlite_database: Database,
) -> None:
    """Whoever may read may ask, and of what was issued nearly all is final."""
    steps = plan_of(sqlite_database, lambda tx: closings.open_work(tx, UUID(int=0)))

    assert {
        step.partition(" USING ")[2] for step in steps if " credential " in step
    } == {
        "COVERING INDEX ix_credential_waiting (chain_id=?)",
        "COVERING INDEX ix_credential_withdrawn (organisation_id=?)",
        "INDEX ux_credential_place (batch_id=?)",
    }
