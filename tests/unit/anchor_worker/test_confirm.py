from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from anchor_worker.confirm import PATIENCE
from ledger.chain import acts
from ledger.chain.accounts import address_of, key_id
from ledger.chain.memory import MemoryChain
from ledger.chain.node import BlockTag, Receipt
from ledger.core.issuer import issuer_id, recovery_commitment
from ledger.core.registries import ANCHOR_REGISTRY, ISSUER_REGISTRY
from ledger.errors import ChainRejected, ChainUnavailable, StoreError
from ledger.store import batches, costs, issuers, organisations
from ledger.store.database import Database
from ledger.store.records import (
    Anchored,
    Batch,
    ChainTxState,
    Cost,
    IssuerKey,
    IssuerKeyRole,
    IssuerRecord,
)
from tests.anvil import DEV_KEY, OTHER_KEY
from tests.unit.anchor_worker.worlds import CHAIN_ID, SENDER, SENDER_KEY, World, alarms
from tests.unit.store import samples

S = ChainTxState
DOMAIN = acts.Domain(CHAIN_ID, ISSUER_REGISTRY)
FOREVER = 4_000_000_000


def anchored(world: World) -> tuple[Anchored, ...]:
    """What the store knows of the first batch's anchor."""
    (row, *_) = world.rows()
    with world.database.read() as tx:
        return batches.anchors(tx, UUID(row.subject))


def test_mined_is_not_final_and_final_is_what_the_slot_says(world: World) -> None:
    world.seal()
    worker = world.worker()
    worker.round()
    world.chain.mine()
    worker.round()

    (row,) = world.rows()
    (attempt,) = world.attempts(row)
    block = world.chain.block("latest")
    assert row.state is S.MINED
    assert (row.block_number, row.block_hash) == (block.number, block.hash)
    assert row.tx_hash == attempt.hash
    assert anchored(world) == ()
    world.chain.mine()
    worker.round()
    assert world.states() == [S.MINED]
    world.chain.mine()
    worker.round()
    assert world.states() == [S.FINAL]
    assert anchored(world) == (
        Anchored(CHAIN_ID, ANCHOR_REGISTRY, block.number, block.time),
    )
    world.check()


def test_a_receipt_found_before_the_send_was_marked_is_enough(world: World) -> None:
    """Also when it is final by then: killed after the send, started again much later."""
    world.seal()
    world.chain.break_after_send = 1
    world.worker().round()
    world.chain.mine(10)

    assert world.states() == [S.IN_PROGRESS]
    world.worker().round()
    world.check()


@pytest.mark.parametrize("fault", ["before", "after"])
@pytest.mark.parametrize("blocks", [1, 3], ids=["mined", "final"])
def test_a_broken_commit_is_repeated(world: World, blocks: int, fault: str) -> None:
    """State, receipt and the slot become known together or not at all."""
    world.seal()
    worker = world.worker()
    worker.round()
    world.chain.mine(blocks)
    world.database.faults[:] = ["", fault]

    with pytest.raises(StoreError, match="broken"):
        worker.round()
    done = {1: S.MINED, 3: S.FINAL}[blocks] if fault == "after" else S.SENT
    assert world.states() == [done]
    assert bool(anchored(world)) == (done is S.FINAL)
    world.rounds(world.worker(), 4)
    world.check()


def test_a_stranger_who_anchored_first_makes_it_only_older(world: World) -> None:
    world.seal()
    (row,) = world.rows()
    world.foreign(DEV_KEY, 0, row.data)
    world.chain.mine()
    earlier = world.chain.block("latest")
    world.rounds(world.worker(), 6)

    world.check()
    (row,) = world.rows()
    assert row.block_number is not None
    assert row.block_number > earlier.number
    assert anchored(world) == (
        Anchored(CHAIN_ID, ANCHOR_REGISTRY, earlier.number, earlier.time),
    )


# -------------------------------------------------------------------- reorganisations


def test_a_reorganisation_before_finality_sends_the_same_bytes_again(
    world: World,
) -> None:
    world.seal()
    worker = world.worker()
    worker.round()
    world.chain.mine()
    worker.round()
    world.chain.reorg(1)
    worker.round()

    assert world.states() == [S.SENT]
    assert world.rows()[0].block_hash is None
    assert len(world.chain.pooled()) == 1
    assert len(set(world.chain.sends)) == 1
    world.rounds(worker, 5)
    world.check()


def test_a_transaction_that_moved_is_followed_to_its_new_block(world: World) -> None:
    world.seal()
    worker = world.worker()
    worker.round()
    world.chain.mine()
    worker.round()
    before = world.rows()[0].block_number
    world.chain.reorg(1, repool=True)
    world.chain.mine()
    worker.round()

    (row,) = world.rows()
    assert row.state is S.MINED
    assert row.block_number != before
    world.rounds(worker, 4)
    world.check()


@pytest.mark.parametrize("restarted", [False, True])
def test_a_reorganisation_below_finality_is_said_aloud_and_followed_again(
    world: World, log: pytest.LogCaptureFixture, *, restarted: bool
) -> None:
    """Never a silent flip: what was final is taken back, and becomes final again."""
    world.seal()
    world.seal()
    worker = world.worker()
    world.rounds(worker, 6)
    first = anchored(world)
    head = world.chain.block("latest").number
    world.chain.reorg(head)
    if restarted:
        worker = world.worker("two")
        world.clock.sleep(61)
    worker.round()

    assert (
        len([words for words in alarms(log.records) if "block is gone" in words]) == 2
    )
    assert S.FINAL not in world.states()
    assert anchored(world) == ()
    world.rounds(worker, 6)
    world.check()
    assert anchored(world) != first
    assert [row.nonce for row in world.rows()] == [0, 1]


def test_what_another_worker_settled_is_watched_too(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    """A worker that had the lease before, and has it again after another one's death."""
    first = world.worker("one")
    first.round()
    world.clock.sleep(61)
    world.seal()
    world.rounds(world.worker("two"), 6)
    assert world.states() == [S.FINAL]
    world.chain.reorg(world.chain.block("latest").number, repool=True)
    world.clock.sleep(61)
    first.round()

    assert any("block is gone" in words for words in alarms(log.records))
    assert world.states() == [S.SENT]
    world.rounds(first, 6)
    world.check()


def test_what_was_settled_without_knowing_it_is_watched_too(world: World) -> None:
    """The commit was done and its answer lost."""
    world.seal()
    worker = world.worker()
    world.rounds(worker, 3)
    assert world.states() == [S.MINED]
    world.database.faults[:] = ["", "after"]
    with pytest.raises(StoreError):
        worker.round()
    assert world.states() == [S.FINAL]
    world.chain.reorg(world.chain.block("latest").number, repool=True)
    worker.round()

    assert world.states() == [S.SENT]
    world.rounds(worker, 6)
    world.check()


def test_a_revert_below_finality_is_taken_back_too(world: World) -> None:
    nobody = acts.add_key(DOMAIN, b"\x01" * 32, b"\x02" * 32, 1, FOREVER, OTHER_KEY)
    world.enqueue(nobody, "of nobody")
    worker = world.worker()
    world.rounds(worker, 6)
    assert world.states() == [S.REVERTED]
    world.chain.reorg(world.chain.block("latest").number, repool=True)
    worker.round()

    assert world.states() == [S.SENT]


def test_a_reorganisation_of_blocks_without_ours_raises_no_alarm(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    world.seal()
    worker = world.worker()
    world.rounds(worker, 8)
    world.chain.reorg(3)
    world.rounds(worker, 3)

    assert alarms(log.records) == []
    world.check()


class LaggingNode(MemoryChain):
    """The same chain, seen by a node that is some blocks behind."""

    def __init__(self, chain: MemoryChain, behind: int) -> None:
        self.__dict__ = chain.__dict__ | {"_blocks": chain._blocks[:-behind]}


def test_a_node_that_lags_behind_says_nothing_about_a_later_block(world: World) -> None:
    world.seal()
    worker = world.worker()
    worker.round()
    world.chain.mine()
    worker.round()
    world.worker(nodes=[LaggingNode(world.chain, 1)]).round()

    assert world.states() == [S.MINED]
    world.rounds(worker, 4)
    world.check()


def test_what_only_waits_for_finality_costs_one_question_for_each_block(
    world: World,
) -> None:
    for _ in range(5):
        world.seal()
    worker = world.worker()
    worker.round()
    world.chain.mine()
    worker.round()
    assert world.states() == [S.MINED] * 5
    receipts = CountingNode(world.chain)
    world.worker(nodes=[receipts]).round()

    assert receipts.asked == 0
    world.rounds(worker, 4)
    world.check()


class CountingNode(MemoryChain):
    """Counts questions for receipts."""

    def __init__(self, chain: MemoryChain) -> None:
        self.__dict__ = chain.__dict__ | {"asked": 0}
        self.asked: int

    def receipt(self, tx_hash: bytes) -> Receipt | None:
        self.asked += 1
        return super().receipt(tx_hash)


# -------------------------------------------------------------------- what goes wrong


def test_a_revert_counts_once_it_is_final_and_is_for_the_operator(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    """An act on an issuer that is not registered."""
    act = acts.add_key(DOMAIN, b"\x09" * 32, b"\x08" * 32, 1, FOREVER, OTHER_KEY)
    world.enqueue(act, "add a key")
    world.seal()
    worker = world.worker()
    worker.round()
    world.chain.mine()
    worker.round()
    assert world.states() == [S.MINED, S.MINED]
    assert alarms(log.records) == []

    world.rounds(worker, 4)
    assert world.states() == [S.REVERTED, S.FINAL]
    assert ["reverted" in words for words in alarms(log.records)] == [True]


def test_a_few_null_receipts_raise_no_alarm(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    world.seal()
    worker = world.worker()
    worker.round()
    world.chain.mine(5)
    world.chain.null_receipts = PATIENCE - 1
    world.rounds(worker, PATIENCE + 2)

    assert alarms(log.records) == []
    world.check()


def test_null_receipts_for_what_is_in_a_block_are_the_nodes_fault(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    """However many there are: the block is looked at before anything is said."""
    world.seal()
    worker = world.worker()
    worker.round()
    world.chain.mine(5)
    world.chain.null_receipts = 3 * PATIENCE
    world.rounds(worker, 3 * PATIENCE + 2)

    assert alarms(log.records) == []
    assert "gives no receipt for what it has in block" in log.text
    world.check()


def test_a_nonce_that_somebody_else_used_stops_everything(world: World) -> None:
    world.seal()
    worker = world.worker()
    worker.round()
    world.chain.drop(world.chain.pooled()[0])
    world.foreign(SENDER_KEY, 0, acts.anchor(ANCHOR_REGISTRY, b"\xee" * 32).data)
    world.chain.mine()
    # Mined is not final: it may still be reorganised away.
    for _ in range(2 * PATIENCE):
        worker.round()
    world.chain.mine(2)
    for _ in range(PATIENCE - 1):
        worker.round()

    with pytest.raises(
        ChainRejected, match=r"used, finally, and by none of our.* in block 1\)"
    ):
        worker.round()
    assert world.states() == [S.SENT]


def test_a_nonce_that_no_transaction_used_is_told_as_that(world: World) -> None:
    """Something else raised the count, or the node withholds a block's content."""
    world.seal()
    worker = world.worker()
    worker.round()
    world.chain.drop(world.chain.pooled()[0])
    world.chain._blocks[-1].state.nonces[SENDER] = 1
    world.chain.mine(4)
    for _ in range(PATIENCE - 1):
        worker.round()

    with pytest.raises(ChainRejected, match="no block that was read shows by what"):
        worker.round()


class OtherReceipts(MemoryChain):
    """A node that gives receipts of calls that are not ours."""

    def receipt(self, tx_hash: bytes) -> Receipt | None:
        block = self.block("latest")
        to = "0x" + "00" * 20
        return Receipt(
            tx_hash, block.number, block.hash, True, to, b"", 21_000, 1, block.time
        )


def cost_of(world: World) -> Cost | None:
    (row,) = world.rows()
    with world.database.read() as tx:
        return costs.of(tx, row.id)


def test_a_cost_is_what_the_receipt_says_and_goes_with_its_block(world: World) -> None:
    world.seal()
    worker = world.worker()
    world.rounds(worker, 1)
    assert cost_of(world) is None
    worker.round()
    mined = world.chain.block("latest")
    assert world.states() == [S.MINED]
    # The whole gas limit: what the chain in memory takes.
    assert cost_of(world) == Cost(60_000, 2 * 10**9, mined.time)

    world.chain.reorg(1)
    worker.round()
    assert world.states() == [S.SENT]
    assert cost_of(world) is None
    world.clock.sleep(60)
    world.rounds(worker, 6)
    assert world.states() == [S.FINAL]
    found = cost_of(world)
    assert found is not None
    assert found.time > mined.time


def test_a_transaction_that_reverted_is_paid_for_too(world: World) -> None:
    act = acts.add_key(DOMAIN, b"\x09" * 32, b"\x08" * 32, 1, FOREVER, OTHER_KEY)
    world.enqueue(act, "add a key")
    world.rounds(world.worker(), 6)

    assert world.states() == [S.REVERTED]
    assert cost_of(world) is not None


@pytest.mark.parametrize(
    "change",
    [{"gas_used": 60_001}, {"gas_used": 0}, {"gas_price": 3 * 10**9 + 1}],
    ids=["more gas", "no gas", "dearer"],
)
def test_a_receipt_for_more_than_was_offered_is_not_believed(
    world: World, monkeypatch: pytest.MonkeyPatch, change: dict[str, int]
) -> None:
    world.seal()
    worker = world.worker()
    world.rounds(worker, 1)
    true = world.chain.receipt

    def lie(tx_hash: bytes) -> Receipt | None:
        receipt = true(tx_hash)
        return receipt and replace(receipt, **change)  # type: ignore[arg-type]

    monkeypatch.setattr(world.chain, "receipt", lie)
    with pytest.raises(ChainUnavailable, match="and nonce 0 may take 60000"):
        worker.round()
    assert cost_of(world) is None
    monkeypatch.undo()
    worker.round()
    assert world.states() == [S.MINED]


def test_a_receipt_for_another_call_is_not_believed(world: World) -> None:
    world.seal()
    worker = world.worker()
    worker.round()

    with pytest.raises(ChainUnavailable, match="another call than ours"):
        world.worker(nodes=[OtherReceipts()]).round()
    assert world.states() == [S.SENT]


class EmptySlots(MemoryChain):
    """A node that mines our transaction and denies what it did."""

    def __init__(self, chain: MemoryChain) -> None:
        self.__dict__ = chain.__dict__

    def call(self, to: str, data: bytes, tag: BlockTag) -> bytes:
        return bytes(len(super().call(to, data, tag)))


def test_an_empty_slot_is_never_final_and_said_once(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    world.seal()
    world.rounds(world.worker(), 2, mine=2)
    worker = world.worker(nodes=[EmptySlots(world.chain)])
    world.rounds(worker, 3)

    assert world.states() == [S.MINED]
    assert len(alarms(log.records)) == 1
    world.rounds(world.worker(), 1)
    world.check()


def test_what_the_registry_denies_is_never_final(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    """Registered, opened, closed: by the receipts, and not by the registry's word."""
    school = School(world)
    commitment, authority = school.commitment, acts.Authority(DEV_KEY, FOREVER)
    nothing = bytes(32)
    for act in (
        acts.register(DOMAIN, school.controller, commitment, b"\1" * 32, b"\2" * 32),
        acts.add_key(DOMAIN, school.id, school.revoker, 2, FOREVER, OTHER_KEY),
        acts.close(DOMAIN, school.id, nothing, nothing, authority),
    ):
        world.enqueue(act, act.kind)
    world.rounds(world.worker(), 1, mine=4)
    world.rounds(world.worker("two", nodes=[EmptySlots(world.chain)]), 8)

    assert S.FINAL not in world.states()
    assert len(alarms(log.records)) == 3
    assert (school.record().registered_at, school.record().closed_at) == (None, None)


def test_a_row_that_leads_nowhere_holds_up_no_other(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    """An anchor whose batch this database does not have."""
    world.enqueue(acts.anchor(ANCHOR_REGISTRY, b"\x01" * 32), "orphan")
    world.seal()
    world.rounds(world.worker(), 6)

    assert world.states() == [S.MINED, S.FINAL]
    assert ["not known here" in words for words in alarms(log.records)] == [True]


# -------------------------------------------------------------------- what the registry says


class School:
    """An issuer with real keys, whose acts wait."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.controller = address_of(OTHER_KEY)
        self.commitment = recovery_commitment(address_of(DEV_KEY))
        self.id = issuer_id(
            CHAIN_ID, self.controller, self.commitment, b"\1" * 32, b"\2" * 32
        )
        self.revoker = key_id(self.controller)
        with Database.begin(world.database) as tx:
            school = organisations.add(
                tx, id=uuid4(), code="north", name="North", now=samples.NOW
            )
            issuers.add(
                tx,
                IssuerRecord(
                    organisation_id=school.id,
                    chain_id=CHAIN_ID,
                    registry=ISSUER_REGISTRY,
                    issuer_id=self.id,
                    controller=self.controller,
                    recovery_commitment=self.commitment,
                    profile=b"{}",
                    profile_hash=b"\1" * 32,
                    salt=b"\2" * 32,
                    created_at=samples.NOW,
                ),
            )
            issuers.add_key(
                tx,
                IssuerKey(
                    organisation_id=school.id,
                    role=IssuerKeyRole.REVOKING,
                    key_id=self.revoker,
                    public=self.controller,
                    sealed=b"ciphertext",
                    created_at=samples.NOW,
                ),
            )
        world.school = school

    def record(self) -> IssuerRecord:
        with self.world.database.read() as tx:
            return issuers.of(tx, self.world.school.id)

    def opened(self) -> int | None:
        with self.world.database.read() as tx:
            (key,) = issuers.keys(tx, self.world.school.id)
            return key.opened


def test_registration_and_keys_are_known_once_they_are_final(world: World) -> None:
    """In the order they were asked for, whatever the order of their blocks."""
    school = School(world)
    world.enqueue(
        acts.register(
            DOMAIN, school.controller, school.commitment, b"\1" * 32, b"\2" * 32
        ),
        "register",
    )
    world.enqueue(
        acts.add_key(
            DOMAIN, school.id, school.revoker, acts.REVOKING, FOREVER, OTHER_KEY
        ),
        "add key",
    )
    worker = world.worker()
    world.rounds(worker, 2)
    assert (school.record().registered_at, school.opened()) == (None, None)
    world.rounds(worker, 3)

    assert world.states() == [S.FINAL, S.FINAL]
    assert school.record().registered_at == world.chain.block(1).time
    assert school.opened() == world.chain.block(1).time


def test_a_revocation_and_a_closing_are_carried_like_everything_else(
    world: World,
) -> None:
    test_registration_and_keys_are_known_once_they_are_final(world)
    with world.database.read() as tx:
        record = issuers.by_issuer_id(tx, world.rows()[1].data[4:36])
    world.enqueue(
        acts.revoke(
            DOMAIN,
            record.issuer_id,
            0,
            1,
            recovery_acts=0,
            deadline=FOREVER,
            secret=OTHER_KEY,
        ),
        "revoke",
    )
    authority = acts.Authority(DEV_KEY, FOREVER)
    world.enqueue(
        acts.close(DOMAIN, record.issuer_id, bytes(32), bytes(32), authority), "close"
    )
    world.rounds(world.worker(), 6)

    assert world.states() == [S.FINAL] * 4
    with world.database.read() as tx:
        closed = issuers.of(tx, record.organisation_id).closed_at
    (*_, last) = world.rows()
    assert last.block_number is not None
    assert closed == world.chain.block(last.block_number).time


def test_credentials_are_sealed_once_their_key_is_final(world: World) -> None:
    with Database.begin(world.database) as tx:
        other = samples.add_school(tx, "south", opened=None)
        samples.issue(tx, other, 2)
    worker = world.worker()
    world.rounds(worker, 2)
    assert world.rows() == []

    with Database.begin(world.database) as tx:
        key = samples.issuer_key(other)
        issuers.mark_key_opened(tx, other.id, key.key_id, 1_700_000_000)
    world.rounds(worker, 6)
    assert world.states() == [S.FINAL]
    with world.database.read() as tx:
        batch: Batch = batches.get(tx, UUID(world.rows()[0].subject))
    assert batch.tree_size == 2
