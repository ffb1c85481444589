from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from ledger.errors import Conflict, NotFound
from ledger.store import batches, chain_txs, credentials, evidence
from ledger.store.database import Database
from ledger.store.records import (
    Anchored,
    Batch,
    BatchEvidence,
    ChainTx,
    ChainTxKind,
    ChainTxState,
    CredentialRecord,
    Organisation,
)
from tests.unit.store.samples import (
    CHAIN_ID,
    NOW,
    REGISTRY,
    add_school,
    batch_of,
    issue,
)

ANCHORED = Anchored(CHAIN_ID, REGISTRY, 12, 1_790_000_000)


@pytest.fixture
def school(database: Database) -> Organisation:
    with database.begin() as tx:
        return add_school(tx)


@pytest.fixture
def issued(database: Database, school: Organisation) -> list[CredentialRecord]:
    with database.begin() as tx:
        return issue(tx, school, 3)


def seal(database: Database, batch: Batch, members: Sequence[UUID]) -> ChainTx:
    with database.begin() as tx:
        return batches.seal(
            tx, batch, members, to=REGISTRY, data=batch.sealed_root, gas=60_000
        )


def test_sealing_gives_every_member_its_place(
    database: Database, issued: list[CredentialRecord]
) -> None:
    batch, members = batch_of(issued)
    seal(database, batch, members)

    with database.read() as tx:
        assert batch == batches.get(tx, batch.id)
        assert len(credentials.waiting(tx, CHAIN_ID, 9)) == 0
        expected = [
            replace(record, batch_id=batch.id, leaf_index=place)
            for place, record in enumerate(issued)
        ]
        assert expected == list(credentials.members(tx, batch.id))


def test_sealing_asks_for_the_anchor(
    database: Database, issued: list[CredentialRecord]
) -> None:
    batch, members = batch_of(issued)
    anchor = seal(database, batch, members)

    assert anchor.kind is ChainTxKind.ANCHOR
    assert anchor.state is ChainTxState.SEALED
    assert anchor.subject == str(batch.id)
    assert anchor.data == batch.sealed_root
    assert (anchor.to, anchor.gas) == (REGISTRY, 60_000)
    with database.read() as tx:
        assert [anchor] == chain_txs.about(tx, str(batch.id))


def test_leaves_behind_the_members_are_no_credentials(
    database: Database, issued: list[CredentialRecord]
) -> None:
    batch, members = batch_of(issued)
    seal(database, replace(batch, tree_size=5), members[::-1])

    with database.read() as tx:
        assert batches.get(tx, batch.id).tree_size == 5
        found = [(m.id, m.leaf_index) for m in credentials.members(tx, batch.id)]
    assert found == [(issued[2].id, 0), (issued[1].id, 1), (issued[0].id, 2)]


def test_member_of_another_batch_is_refused_and_nothing_stands(
    database: Database, issued: list[CredentialRecord]
) -> None:
    seal(database, *batch_of(issued[:1]))
    batch, members = batch_of(issued)

    with pytest.raises(Conflict, match="1 of 3 credentials are not waiting"):
        seal(database, batch, members)

    with database.read() as tx:
        assert len(credentials.waiting(tx, CHAIN_ID, 9)) == 2
        assert chain_txs.about(tx, str(batch.id)) == []
        with pytest.raises(NotFound):
            batches.get(tx, batch.id)


def test_stranger_and_member_of_another_chain_are_refused(
    database: Database, issued: list[CredentialRecord]
) -> None:
    batch, members = batch_of(issued)
    with pytest.raises(Conflict, match="1 of 3"):
        seal(database, batch, [uuid4(), *members[1:]])
    with pytest.raises(Conflict, match="3 of 3"):
        seal(database, replace(batch, chain_id=1), members)


def test_members_must_have_room_in_the_tree_and_be_there(
    database: Database, issued: list[CredentialRecord]
) -> None:
    batch, members = batch_of(issued)
    for wrong in ([], [*members, uuid4()]):
        with pytest.raises(ValueError, match="members in a tree of 3"):
            seal(database, batch, wrong)
    with pytest.raises(Conflict, match="1 of 3"):
        seal(database, batch, [*members[:2], members[0]])


def test_root_is_sealed_once(
    database: Database, issued: list[CredentialRecord]
) -> None:
    batch, members = batch_of(issued[:1])
    seal(database, batch, members)
    again, others = batch_of(issued[1:2])

    with pytest.raises(Conflict, match="already sealed"):
        seal(database, replace(again, sealed_root=batch.sealed_root), others)


def test_anchors_come_by_chain(
    database: Database, issued: list[CredentialRecord]
) -> None:
    batch, members = batch_of(issued)
    seal(database, batch, members)
    elsewhere = replace(ANCHORED, chain_id=1)
    with database.begin() as tx:
        assert batches.anchors(tx, batch.id) == ()
        batches.record_anchor(tx, batch.id, ANCHORED)
        batches.record_anchor(tx, batch.id, elsewhere)

        assert (elsewhere, ANCHORED) == batches.anchors(tx, batch.id)


def test_latest_reading_of_an_anchor_counts(
    database: Database, issued: list[CredentialRecord]
) -> None:
    batch, members = batch_of(issued)
    seal(database, batch, members)
    with database.begin() as tx:
        batches.record_anchor(tx, batch.id, ANCHORED)
        batches.record_anchor(tx, batch.id, ANCHORED)
        later = replace(ANCHORED, block_number=13, time=1_790_000_012)
        batches.record_anchor(tx, batch.id, later)

        assert (later,) == batches.anchors(tx, batch.id)
        batches.forget_anchor(tx, batch.id, 1)
        assert (later,) == batches.anchors(tx, batch.id)
        batches.forget_anchor(tx, batch.id, CHAIN_ID)
        assert batches.anchors(tx, batch.id) == ()


def test_an_anchor_that_a_file_proved_replaces_none(
    database: Database, issued: list[CredentialRecord]
) -> None:
    batch, members = batch_of(issued)
    seal(database, batch, members)
    with database.begin() as tx:
        assert batches.adopt_anchor(tx, batch.id, ANCHORED)
        assert [b.id for b in evidence.unproved(tx, CHAIN_ID, 9)] == [batch.id]
        evidence.keep(tx, BatchEvidence(batch.id, CHAIN_ID, 5, b"header", (), {}))

        other = replace(ANCHORED, registry="0x" + "66" * 20, block_number=1, time=1)
        assert not batches.adopt_anchor(tx, batch.id, other)
        assert batches.anchors(tx, batch.id) == (ANCHORED,)
        assert evidence.header(tx, batch.id, CHAIN_ID) == b"header"


def test_anchor_of_no_batch_is_refused(database: Database) -> None:
    with pytest.raises(Conflict), database.begin() as tx:
        batches.record_anchor(tx, uuid4(), ANCHORED)


def test_batch_is_sealed_at_its_own_time(
    database: Database, issued: list[CredentialRecord]
) -> None:
    batch, members = batch_of(issued)

    assert seal(database, batch, members).created_at == NOW
