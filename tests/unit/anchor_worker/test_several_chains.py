"""One row and one state machine for each batch and chain; a chain that is away holds up nobody."""

import threading
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from anchor_worker import seal, spread
from anchor_worker.loop import Ending, Rhythm
from ledger.chain.registry import AnchorRegistry
from ledger.core.checkpoint import (
    BlockCheckpoint,
    CheckpointProof,
    parse_checkpoint_proofs,
)
from ledger.core.header import BlockHeader
from ledger.core.registries import ANCHOR_REGISTRY
from ledger.errors import ChainUnavailable, Conflict
from ledger.services.checkpoints import checkpoint_proofs
from ledger.services.doctor import Diagnosis, examine, to_lines
from ledger.store import batches, chains, checkpoints, evidence, leases
from ledger.store.database import Database
from ledger.store.records import ChainTxState
from tests.unit.anchor_worker.worlds import CHAIN_ID, SENDER, Killed, Side, World

S = ChainTxState
OTHER = 10


@pytest.fixture
def world(sqlite_database: Database) -> World:
    return World(sqlite_database, others=[OTHER])


def anchors(world: World) -> list[list[int]]:
    """On which chains each batch is final, the oldest batch first."""
    with world.database.read() as tx:
        found = [batches.anchors(tx, UUID(row.subject)) for row in world.rows()]
    return [[anchor.chain_id for anchor in each] for each in found]


def test_a_batch_is_final_on_each_chain_by_itself(world: World) -> None:
    (other,) = world.others
    home, there = world.worker(), world.other_worker(other)
    world.issue(4)
    home.round()
    assert (world.states(), world.states(OTHER)) == ([S.SENT], [S.SEALED])

    world.rounds(home, 5)
    assert anchors(world) == [[CHAIN_ID]]
    assert world.states(OTHER) == [S.SEALED]
    world.rounds(there, 5)
    assert anchors(world) == [[OTHER, CHAIN_ID]]
    world.check()
    home_row, there_row = world.rows()[0], world.rows(chain_id=OTHER)[0]
    assert (home_row.nonce, there_row.nonce) == (0, 0)
    assert home_row.subject == there_row.subject


def test_a_chain_that_is_away_for_days_holds_up_nobody_and_catches_up(
    world: World,
) -> None:
    (other,) = world.others
    home, there = world.worker(), world.other_worker(other)
    other.chain.broken_reads = -1
    for _ in range(5):
        world.issue(4)
        world.rounds(home, 5)
        with pytest.raises(ChainUnavailable):
            there.round()
        world.clock.sleep(86_400)
    assert anchors(world) == [[CHAIN_ID]] * 5

    other.chain.broken_reads = 0
    world.rounds(there, 8)
    assert anchors(world) == [[OTHER, CHAIN_ID]] * 5
    world.check()


def test_sealing_and_other_chains_go_on_while_the_home_chain_is_away(
    world: World,
) -> None:
    (other,) = world.others
    home, there = world.worker(), world.other_worker(other)
    world.chain.broken_reads = -1
    world.issue(4)
    with pytest.raises(ChainUnavailable):
        home.round()
    assert (world.states(), world.states(OTHER)) == ([S.SEALED], [S.SEALED])

    world.rounds(there, 5)
    assert anchors(world) == [[OTHER]]
    world.chain.broken_reads = 0
    world.rounds(home, 6)
    assert anchors(world) == [[OTHER, CHAIN_ID]]
    world.check()


@pytest.mark.parametrize("fault", ["killed before", "killed after"])
def test_a_batch_is_asked_for_on_every_chain_or_on_none(
    world: World, fault: str
) -> None:
    (other,) = world.others
    world.issue(4)
    world.database.faults[:] = ["", fault]  # the lease, and then the batch
    with pytest.raises(Killed):
        world.worker().round()
    asked = [] if fault == "killed before" else [S.SEALED]
    assert (world.states(), world.states(OTHER)) == (asked, asked)

    world.clock.sleep(61)
    world.rounds(world.worker("next"), 6)
    world.rounds(world.other_worker(other), 6)
    assert anchors(world) == [[OTHER, CHAIN_ID]]
    world.check()


def test_a_worker_without_a_node_leaves_its_lease_to_a_standby(world: World) -> None:
    world.issue(4)
    world.chain.broken_reads = 1
    with pytest.raises(ChainUnavailable):
        world.worker("without a node").round()

    world.rounds(world.worker("standby"), 6)
    world.check(at_rest=False)
    assert world.states() == [S.FINAL]


def test_a_chain_that_is_added_later_gets_the_older_batches_too(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spread, "ANCHORS_AT_ONCE", 2)
    alone = World(sqlite_database)
    home = alone.worker()
    for _ in range(5):
        alone.issue(4)
        alone.rounds(home, 6)
    world = alone
    other = Side(sqlite_database, OTHER)
    world.others = [other]
    with world.database.begin() as tx:
        chains.record(tx, other.record)
    there = world.other_worker(other)

    there.round()
    assert len(world.rows(chain_id=OTHER)) == 2
    world.rounds(there, 10)
    assert anchors(world) == [[OTHER, CHAIN_ID]] * 5
    subjects = [row.subject for row in world.rows()]
    assert [row.subject for row in world.rows(chain_id=OTHER)] == subjects
    world.check()


def test_what_is_missing_is_looked_for_now_and_then(world: World) -> None:
    (other,) = world.others
    there = world.other_worker(other)
    there.round()
    world.others = []  # a worker elsewhere, with older settings
    world.issue(4)
    world.worker("elsewhere").round()
    world.others = [other]

    there.round()
    assert world.rows(chain_id=OTHER) == []
    world.clock.sleep(spread.PAUSE.total_seconds())
    there.round()
    assert len(world.rows(chain_id=OTHER)) == 1


def test_nothing_is_asked_for_without_the_lease(world: World) -> None:
    world.issue(4)
    others, world.others = world.others, []
    world.worker().round()
    world.others = others
    spreader = spread.Spreader(world.database, others[0].record, clock=world.clock)
    with world.database.begin() as tx:
        lease = leases.take(
            tx, OTHER, SENDER, owner="one", seconds=60, now=world.clock()
        )
    assert lease is not None
    world.clock.sleep(61)

    with pytest.raises(Conflict, match="lease"):
        spreader.step(lease)
    assert world.rows(chain_id=OTHER) == []


def test_once_another_chains_loop_waits_for_what_the_home_chain_seals(
    world: World,
) -> None:
    (other,) = world.others
    settled = threading.Event()
    stop = threading.Event()
    looks = 0

    def is_settled() -> bool:
        nonlocal looks
        looks += 1
        other.chain.mine()
        if looks == 3:
            world.issue(4)
            world.worker().round()
            settled.set()
        return settled.is_set()

    worker = world.other_worker(other, settled=is_settled)
    watchdog = threading.Timer(20, stop.set)
    watchdog.start()
    try:
        assert worker.run(stop) is Ending.DONE
        assert not stop.is_set()
    finally:
        watchdog.cancel()
    assert world.states(OTHER) == [S.FINAL]


def test_once_asked_to_stop_too_early_it_says_so(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    (other,) = world.others
    stop = threading.Event()
    stop.set()

    assert world.other_worker(other).run(stop) is Ending.DONE
    assert "before everything was final" in log.text
    log.clear()
    steady = Rhythm(poll=0.0, once=False)
    assert world.other_worker(other, rhythm=steady).run(stop) is Ending.DONE
    assert "before everything was final" not in log.text


# ---------------------------------------------------------------- checkpoints


def stated(world: World) -> list[tuple[int, int, int]]:
    """Which block is stated at which leaf of a tree of which size, by number."""
    with world.database.read() as tx:
        return [
            (
                each.checkpoint.block_number,
                each.leaf_index,
                batches.get(tx, each.batch_id).tree_size,
            )
            for each in checkpoints.since(tx, CHAIN_ID, 0, 99)
        ]


def evidence_blocks(world: World) -> list[BlockHeader]:
    """The blocks that the evidence of the batches is of, in their order."""
    with world.database.read() as tx:
        found = [
            evidence.header(tx, UUID(row.subject), CHAIN_ID) for row in world.rows()
        ]
    return [BlockHeader(raw) for raw in found if raw is not None]


def proofs(world: World) -> tuple[CheckpointProof, ...]:
    with world.database.read() as tx:
        return parse_checkpoint_proofs(checkpoint_proofs(tx))


def test_the_next_batch_states_the_blocks_of_the_evidence_before(world: World) -> None:
    (other,) = world.others
    home, there = world.worker(), world.other_worker(other)
    for count in (4, 3, 2):
        world.issue(count)
        world.rounds(home, 6)
    headers = evidence_blocks(world)
    first, second, third = (header.number for header in headers)

    assert stated(world) == [(first, 3, 4), (second, 2, 3)]
    assert third > second
    assert proofs(world) == ()
    world.rounds(there, 8)
    world.check()
    assert [proof.checkpoint for proof in proofs(world)] == [
        BlockCheckpoint(CHAIN_ID, header.number, header.hash) for header in headers[:2]
    ]
    for proof in proofs(world):
        proof.check()
        (anchor,) = proof.anchors
        slot = AnchorRegistry(other.chain, ANCHOR_REGISTRY).anchored_at(
            proof.sealed_root, anchor.block_number + 2
        )
        assert slot is not None
        assert (anchor.chain_id, anchor.time, anchor.block_number) == (
            OTHER,
            slot.time,
            slot.block_number,
        )


def test_without_another_chain_nothing_is_stated(sqlite_database: Database) -> None:
    world = World(sqlite_database)
    home = world.worker()
    for _ in range(2):
        world.issue(3)
        world.rounds(home, 6)
    world.clock.sleep(3 * 86_400)

    world.rounds(home, 3)
    assert stated(world) == []
    assert len(world.rows()) == 2
    world.check()


def test_without_credentials_checkpoints_go_alone_and_to_other_chains_only(
    world: World,
) -> None:
    (other,) = world.others
    there = world.other_worker(other)
    world.issue(4)
    world.rounds(world.worker("first"), 6)
    (header,) = evidence_blocks(world)
    world.clock.sleep(61)
    passed = world.clock.now - datetime.fromtimestamp(header.time, UTC)
    home = world.worker(checkpoint_age=passed + timedelta(days=1))
    world.rounds(home, 2)
    world.clock.sleep(86_400 - 2 * 12 - 1)
    home.round()
    assert stated(world) == []

    world.clock.sleep(1)
    world.rounds(home, 3)
    world.rounds(there, 8)
    assert stated(world) == [(header.number, 0, 1)]
    assert len(world.rows()) == 1, "the home chain's word is worth nothing there"
    assert world.states(OTHER) == [S.FINAL, S.FINAL]
    (proof,) = proofs(world)
    proof.check()
    world.check()
    # It brings no new evidence, so it does not call for another.
    world.clock.sleep(9 * 86_400)
    world.rounds(home, 3)
    assert len(stated(world)) == 1


def test_one_batch_states_so_many_blocks_and_the_next_one_the_rest(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seal, "CHECKPOINTS_AT_ONCE", 1)
    home = world.worker()
    others, world.others = world.others, []
    alone = world.worker("alone")
    for _ in range(2):
        world.issue(4)
        world.rounds(alone, 6)
    world.others = others
    world.clock.sleep(61)
    first, second = (header.number for header in evidence_blocks(world))

    world.issue(4)
    world.rounds(home, 6)
    assert [number for number, _, _ in stated(world)] == [first]
    world.issue(4)
    world.rounds(home, 6)
    assert [number for number, _, _ in stated(world)] == [first, second]


def test_the_doctor_finds_a_checkpoint_that_was_changed(world: World) -> None:
    home = world.worker()
    for _ in range(2):
        world.issue(4)
        world.rounds(home, 6)
    with Database.begin(world.database) as tx:
        tx.change(text("UPDATE batch_checkpoint SET block_number = block_number + 1"))

    (finding,) = examine(world.database, node=None, contents=False).findings
    assert finding.code == "checkpoint.leaf"
    assert "its path leads to another root" in finding.detail
    with Database.begin(world.database) as tx:
        tx.change(text("DELETE FROM batch_checkpoint"))
    (finding,) = examine(world.database, node=None, contents=False).findings
    assert finding.code == "batch.size"


def test_the_doctor_asks_every_chain_and_goes_on_without_a_silent_one(
    world: World,
) -> None:
    (other,) = world.others
    world.issue(4)
    world.rounds(world.worker(), 6)
    world.rounds(world.other_worker(other), 6)
    nodes = {OTHER: other.chain}

    def diagnosis() -> Diagnosis:
        return examine(world.database, node=world.chain, others=nodes, contents=False)

    assert (diagnosis().findings, diagnosis().silent) == ([], [])
    assert (diagnosis().credentials, diagnosis().batches) == (4, 1)
    with Database.begin(world.database) as tx:
        tx.change(text("UPDATE batch_anchor SET time = time + 1 WHERE chain_id = 10"))
    (finding,) = diagnosis().findings
    assert finding.code == "batch.slot"
    other.chain.broken_reads = -1
    silent = diagnosis()
    assert (silent.findings, len(silent.silent)) == ([], 1)
    assert "eip155:10: " in silent.silent[0]
    assert silent.finalized == world.chain.block("finalized").number
    assert "What was seen holds." in list(to_lines(silent))
