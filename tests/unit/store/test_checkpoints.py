"""Checkpoints: each block of evidence is stated once, behind the credentials of some batch."""

from dataclasses import replace
from uuid import uuid4

import pytest

from ledger.chain.state import make_header
from ledger.core.checkpoint import BlockCheckpoint
from ledger.core.header import BlockHeader
from ledger.errors import Conflict
from ledger.store import batches, checkpoints, credentials, evidence, reports
from ledger.store.database import Database
from ledger.store.records import Anchored, Batch, BatchEvidence
from tests.unit.store.samples import (
    CHAIN_ID,
    NOW,
    REGISTRY,
    add_school,
    batch_of,
    credential,
    digest,
)

TIME = 1_790_000_000


def header(number: int, time: int = TIME) -> BlockHeader:
    return make_header(bytes(32), digest("state", number), number=number, time=time)


def point(number: int) -> BlockCheckpoint:
    return BlockCheckpoint(CHAIN_ID, number, header(number).hash)


def prove(database: Database, *numbers: int) -> list[Batch]:
    """A batch of one credential for each, with evidence of the block of that number."""
    made = []
    with database.begin() as tx:
        school = add_school(tx)
        for place, number in enumerate(numbers):
            record = credential(school, place)
            credentials.insert(tx, [record])
            batch, members = batch_of([record])
            batches.seal(tx, batch, members, to=REGISTRY, data=b"x", gas=1)
            batches.record_anchor(
                tx, batch.id, Anchored(CHAIN_ID, REGISTRY, number, TIME)
            )
            raw = header(number).raw
            evidence.keep(tx, BatchEvidence(batch.id, CHAIN_ID, number, raw, [], {}))
            made.append(batch)
    return made


def alone(size: int, name: str = "alone") -> Batch:
    return Batch(uuid4(), CHAIN_ID, digest(name), size, NOW)


def test_blocks_of_evidence_are_unstated_until_a_batch_states_them(
    database: Database,
) -> None:
    prove(database, 30, 20, 20, 10)

    def unstated(limit: int = 9) -> list[BlockCheckpoint]:
        with database.read() as tx:
            found = checkpoints.unstated(tx, CHAIN_ID, limit)
        assert {block.time for block in found} <= {TIME}
        return [block.checkpoint for block in found]

    assert unstated() == [point(10), point(20), point(30)]
    assert unstated(limit=1) == [point(10)]
    batch = alone(2)
    with database.begin() as tx:
        batches.seal_checkpoints(tx, batch)
        checkpoints.state(tx, batch, [point(10), point(30)], first=0)
    assert unstated() == [point(20)]
    with database.read() as tx:
        assert checkpoints.unstated(tx, 1, 9) == []
        found = checkpoints.of_batch(tx, batch)
        assert [each.checkpoint for each in found] == [point(10), point(30)]
        assert [each.leaf_index for each in found] == [0, 1]
        assert checkpoints.since(tx, CHAIN_ID, 11, 9) == found[1:]
        assert checkpoints.since(tx, CHAIN_ID, 0, 1) == found[:1]
        assert checkpoints.since(tx, 1, 0, 9) == []


def test_a_block_is_stated_once(database: Database) -> None:
    def state(name: str) -> None:
        with database.begin() as tx:
            batches.seal_checkpoints(tx, batch := alone(1, name))
            checkpoints.state(tx, batch, [point(10)], first=0)

    state("first")
    with pytest.raises(Conflict):
        state("second")


@pytest.mark.parametrize(("size", "first"), [(1, 0), (3, 0), (3, 2)])
def test_checkpoints_end_their_tree(
    sqlite_database: Database, size: int, first: int
) -> None:
    batch = alone(size)
    with sqlite_database.begin() as tx:
        batches.seal_checkpoints(tx, batch)
        with pytest.raises(ValueError, match="do not end"):
            checkpoints.state(tx, batch, [point(1), point(2)], first=first)
        assert checkpoints.of_batch(tx, batch) == []


def test_a_checkpoint_is_no_credential_in_the_figures(database: Database) -> None:
    (sealed,) = prove(database, 10)
    batch = replace(alone(2), sealed_root=digest("mixed"))
    with database.begin() as tx:
        batches.seal_checkpoints(tx, batch)
        checkpoints.state(tx, batch, [point(10), point(11)], first=0)
        batches.record_anchor(tx, batch.id, Anchored(CHAIN_ID, REGISTRY, 12, TIME))

    with database.read() as tx:
        figures = reports.figures(tx, CHAIN_ID, NOW)
    assert (figures.anchored, figures.credentials) == (2, sealed.tree_size)
