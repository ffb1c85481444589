"""Evidence of a batch: kept whole, replaced whole, and gone with the anchor that it proves."""

from dataclasses import replace
from uuid import UUID

import pytest

from ledger.errors import Conflict
from ledger.store import batches, chain_txs, credentials, evidence, leases
from ledger.store.database import Database
from ledger.store.records import (
    Anchored,
    Batch,
    BatchEvidence,
    ChainTxKind,
    ChainTxState,
    EvidenceSubject,
    Organisation,
    SlotNodes,
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
    issuer_key,
    issuer_record,
    new_chain_tx,
)

ANCHORED = Anchored(CHAIN_ID, REGISTRY, 12, 1_790_000_000)
A, B, C = (bytes([n]) * 32 for n in (1, 2, 3))


def seal(database: Database, school: Organisation, *numbers: int) -> Batch:
    """A batch of these credentials of a school, final on its chain."""
    with database.begin() as tx:
        records = [credential(school, number) for number in numbers]
        credentials.insert(tx, records)
        batch, members = batch_of(records)
        batches.seal(tx, batch, members, to=REGISTRY, data=b"x", gas=1)
        batches.record_anchor(tx, batch.id, ANCHORED)
    return batch


def evidence_of(batch: Batch, *slots: SlotNodes) -> BatchEvidence:
    return BatchEvidence(
        batch.id,
        CHAIN_ID,
        20,
        b"header",
        slots,
        {digest("issuer", "riverside"): [B, A]},
    )


ACCOUNT = SlotNodes(REGISTRY, b"", (b"\x01", b"\x02" * 60))
SLOT = SlotNodes(REGISTRY, A, (b"\x03" * 532,))
EMPTY = SlotNodes(REGISTRY, B, ())


@pytest.fixture
def school(database: Database) -> Organisation:
    with database.begin() as tx:
        return add_school(tx)


def test_what_is_kept_is_found_by_slot(
    database: Database, school: Organisation
) -> None:
    batch = seal(database, school, 1)
    with database.begin() as tx:
        evidence.keep(tx, evidence_of(batch, ACCOUNT, SLOT, EMPTY))

    with database.read() as tx:
        assert evidence.header(tx, batch.id, CHAIN_ID) == b"header"
        found = evidence.slots(tx, batch.id, CHAIN_ID, [A, C])
        assert sorted(found, key=lambda each: each.slot) == [ACCOUNT, SLOT]
        assert EMPTY in evidence.slots(tx, batch.id, CHAIN_ID, [B])
        name = digest("issuer", "riverside")
        assert evidence.accreditors(tx, batch.id, CHAIN_ID, name) == [A, B]
        assert evidence.accreditors(tx, batch.id, CHAIN_ID, A) == []


def test_without_evidence_nothing_is_found(
    database: Database, school: Organisation
) -> None:
    batch = seal(database, school, 1)

    with database.read() as tx:
        assert evidence.header(tx, batch.id, CHAIN_ID) is None
        assert evidence.slots(tx, batch.id, CHAIN_ID, [A]) == []


def test_the_newest_evidence_is_that_of_the_highest_block(
    database: Database, school: Organisation
) -> None:
    one, two = seal(database, school, 1), seal(database, school, 2)
    with database.begin() as tx:
        assert evidence.newest(tx, CHAIN_ID) is None
        later = evidence_of(one, ACCOUNT)
        earlier = replace(
            evidence_of(two, ACCOUNT),
            block_number=later.block_number - 1,
            header=b"earlier",
        )
        evidence.keep(tx, later)
        evidence.keep(tx, earlier)

        assert evidence.newest(tx, CHAIN_ID) == (one.id, b"header")
        assert evidence.newest(tx, 1) is None
        evidence.forget(tx, one.id, CHAIN_ID)
        assert evidence.newest(tx, CHAIN_ID) == (two.id, b"earlier")


def test_a_later_capture_takes_the_place_of_the_earlier(
    database: Database, school: Organisation
) -> None:
    batch = seal(database, school, 1)
    with database.begin() as tx:
        evidence.keep(tx, evidence_of(batch, ACCOUNT, SLOT))
        later = replace(evidence_of(batch, EMPTY), header=b"later", accreditors={})
        evidence.keep(tx, later)

    with database.read() as tx:
        assert evidence.header(tx, batch.id, CHAIN_ID) == b"later"
        assert evidence.slots(tx, batch.id, CHAIN_ID, [A, B]) == [EMPTY]
        name = digest("issuer", "riverside")
        assert evidence.accreditors(tx, batch.id, CHAIN_ID, name) == []


def test_a_batch_is_unproved_from_final_until_it_has_evidence(
    database: Database, school: Organisation
) -> None:
    first, second = seal(database, school, 1), seal(database, school, 2)
    with database.begin() as tx:
        records = [credential(school, 3)]
        credentials.insert(tx, records)
        waiting, members = batch_of(records)
        batches.seal(tx, waiting, members, to=REGISTRY, data=b"x", gas=1)

    with database.read() as tx:
        found = evidence.unproved(tx, CHAIN_ID, 9)
        assert {batch.id for batch in found} == {first.id, second.id}
        assert len(evidence.unproved(tx, CHAIN_ID, 1)) == 1
        assert evidence.unproved(tx, CHAIN_ID + 1, 9) == []
    with database.begin() as tx:
        evidence.keep(tx, evidence_of(first, SLOT))
    with database.read() as tx:
        assert evidence.unproved(tx, CHAIN_ID, 9) == [second]
    with database.begin() as tx:
        evidence.forget(tx, first.id, CHAIN_ID)
        batches.forget_anchor(tx, second.id, CHAIN_ID)
    with database.read() as tx:
        assert evidence.unproved(tx, CHAIN_ID, 9) == [first]
        assert evidence.neglected(tx, CHAIN_ID) == []


def test_an_anchor_on_another_chain_asks_for_no_evidence(
    database: Database, school: Organisation
) -> None:
    batch = seal(database, school, 1)
    elsewhere = replace(ANCHORED, chain_id=CHAIN_ID + 1)
    with database.begin() as tx:
        batches.record_anchor(tx, batch.id, elsewhere)
        batches.record_anchor(tx, batch.id, replace(elsewhere, block_number=13))

    with database.read() as tx:
        assert evidence.unproved(tx, CHAIN_ID + 1, 9) == []
        assert evidence.unproved(tx, CHAIN_ID, 9) == [batch]


def test_what_is_unproved_is_looked_up_and_not_searched_for(
    sqlite_database: Database,
) -> None:
    """Every round asks, and nearly all that was ever sealed is proved."""
    outer, *_, inner, _sort = plan_of(
        sqlite_database, lambda tx: evidence.unproved(tx, CHAIN_ID, 9)
    )
    assert outer.endswith("(id=?)")
    assert inner.startswith("SEARCH evidence_due ")
    (newest,) = plan_of(sqlite_database, lambda tx: evidence.newest(tx, CHAIN_ID))
    assert newest.endswith("USING INDEX ix_evidence_header_block (chain_id=?)")


def test_evidence_goes_with_the_anchor_that_it_proves(
    database: Database, school: Organisation
) -> None:
    batch = seal(database, school, 1)
    with database.begin() as tx:
        evidence.keep(tx, evidence_of(batch, ACCOUNT, SLOT))
        batches.record_anchor(tx, batch.id, ANCHORED)
        assert evidence.header(tx, batch.id, CHAIN_ID) == b"header"
        batches.record_anchor(tx, batch.id, replace(ANCHORED, block_number=13))
        assert evidence.header(tx, batch.id, CHAIN_ID) is None
        evidence.keep(tx, evidence_of(batch, ACCOUNT, SLOT))
        batches.forget_anchor(tx, batch.id, CHAIN_ID)
        assert evidence.header(tx, batch.id, CHAIN_ID) is None
    with pytest.raises(Conflict), database.begin() as tx:
        evidence.keep(tx, evidence_of(batch, ACCOUNT))


def test_subjects_are_one_for_each_issuer_key_and_status_word(
    database: Database, school: Organisation
) -> None:
    batch = seal(database, school, 0, 1, 255, 256, 70_001)

    key_id = issuer_key(school).key_id
    record = issuer_record(school)
    with database.read() as tx:
        assert evidence.subjects(tx, batch.id) == [
            EvidenceSubject(record.issuer_id, record.profile_hash, key_id, index)
            for index in (0, 256, 69_888)
        ]
        assert evidence.subjects(tx, UUID(int=9)) == []


def test_final_endorsements_are_found_by_their_calldata(database: Database) -> None:
    with database.begin() as tx:
        lease = leases.take(tx, CHAIN_ID, SENDER, owner="me", seconds=60, now=NOW)
        assert lease is not None
        for name, kind in (
            ("final", ChainTxKind.ENDORSE),
            ("waiting", ChainTxKind.ENDORSE),
            ("withdrawal", ChainTxKind.WITHDRAW),
        ):
            row = chain_txs.enqueue(tx, new_chain_tx(name, kind), NOW)
            if name == "waiting":
                continue
            signed = attempt(row)
            nonce = {"final": 0, "withdrawal": 1}[name]
            chain_txs.begin_attempt(tx, lease, signed, nonce=nonce, now=NOW)
            state = ChainTxState
            chain_txs.advance(tx, lease, row.id, state.IN_PROGRESS, state.SENT, now=NOW)
            chain_txs.advance(
                tx,
                lease,
                row.id,
                state.SENT,
                state.MINED,
                now=NOW,
                block_number=1,
                block_hash=A,
                tx_hash=signed.hash,
            )
            chain_txs.advance(tx, lease, row.id, state.MINED, state.FINAL, now=NOW)

    with database.read() as tx:
        assert evidence.endorsements(tx, CHAIN_ID) == [b"calldata of final"]
        assert evidence.endorsements(tx, CHAIN_ID + 1) == []
