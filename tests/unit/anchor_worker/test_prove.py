"""Evidence is taken as soon as a batch is final, proved before it is kept, and never in the way."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from anchor_worker.prove import SLOTS_AT_ONCE
from anchor_worker.seal import BatchLimits
from ledger.chain import acts
from ledger.chain.accounts import address_of
from ledger.chain.memory import MemoryChain
from ledger.chain.memory_registries import _Issuer
from ledger.core.account import AccountProof
from ledger.core.evidence import (
    AnchorSlot,
    Endorsement,
    IssuerState,
    Questions,
    RegistryFacts,
    build_evidence,
)
from ledger.core.header import BlockHeader
from ledger.core.issuer import KeyWindow
from ledger.core.registries import ANCHOR_REGISTRY, ISSUER_REGISTRY
from ledger.errors import ChainRejected, Conflict
from ledger.store import batches, chain_txs, credentials, evidence, leases
from ledger.store.database import Database
from ledger.store.records import Batch, ChainTxKind, ChainTxState
from tests.unit.anchor_worker.worlds import CHAIN_ID, SENDER, World
from tests.unit.store import samples

BOARD_KEY = b"\x51" * 32
BOARD, GUILD = b"\x0b" * 32, b"\x0c" * 32
REGISTERED, OPENED = 1_700_000_000, 1_700_000_001


def register(world: World) -> None:
    """The school and a board, as if they had been on the chain from its beginning."""
    school = samples.issuer_record(world.school)
    registries = world.chain._blocks[-1].state.registries
    registries.issuers[school.issuer_id] = _Issuer(
        "0x" + "0c" * 20,
        bytes(32),
        REGISTERED,
        keys={samples.issuer_key(world.school).key_id: (OPENED, 0, 0, acts.SIGNING)},
        status={0: 0b010},
        profiles={school.profile_hash: REGISTERED},
    )
    registries.issuers[BOARD] = _Issuer(address_of(BOARD_KEY), bytes(32), REGISTERED)
    world.chain.mine()


def mined(world: World, count: int = 3) -> None:
    """A batch whose anchor is in a block, one round before it is final."""
    register(world)
    world.seal(count)
    worker = world.worker()
    world.rounds(worker)
    worker.round()
    assert world.states() == [ChainTxState.MINED]
    world.chain.mine(2)


def final_and_unproved(world: World) -> None:
    """The same a round later, by a worker whose node proved nothing."""
    mined(world)
    world.chain.proven_blocks = 0
    world.worker().round()
    assert world.states() == [ChainTxState.FINAL]
    world.chain.proven_blocks = 128


def only_batch(world: World) -> Batch:
    subjects = [row.subject for row in world.rows() if row.kind is ChainTxKind.ANCHOR]
    with world.database.read() as tx:
        return batches.get(tx, UUID(subjects[0]))


def header_of(world: World) -> BlockHeader | None:
    with world.database.read() as tx:
        raw = evidence.header(tx, only_batch(world).id, CHAIN_ID)
    return None if raw is None else BlockHeader(raw)


def facts_of(world: World, status_index: int = 0) -> RegistryFacts:
    """What the stored evidence proves of one credential, put together from the rows alone."""
    school, batch = samples.issuer_record(world.school), only_batch(world)
    questions = Questions(
        ANCHOR_REGISTRY,
        ISSUER_REGISTRY,
        sealed_root=batch.sealed_root,
        issuer_id=school.issuer_id,
        profile_hash=school.profile_hash,
        key_id=samples.issuer_key(world.school).key_id,
        status_index=status_index,
    )
    with world.database.read() as tx:
        header = evidence.header(tx, batch.id, CHAIN_ID)
        listed = evidence.accreditors(tx, batch.id, CHAIN_ID, school.issuer_id)
        wanted = [*questions.anchor_slots(), *questions.issuer_slots(listed)]
        rows = evidence.slots(tx, batch.id, CHAIN_ID, wanted)
    assert header is not None
    pool = [node for row in rows for node in row.nodes]
    return build_evidence(header, pool, questions, listed).prove(questions)


def test_a_batch_is_proved_in_the_round_that_makes_it_final(world: World) -> None:
    mined(world)
    worker = world.worker()
    assert worker.round()

    with world.database.read() as tx:
        (anchored,) = batches.anchors(tx, only_batch(world).id)
    assert facts_of(world) == RegistryFacts(
        AnchorSlot(anchored.time, anchored.block_number),
        IssuerState(REGISTERED, None, False, KeyWindow(OPENED), revoked=False),
        REGISTERED,
        {},
    )
    assert facts_of(world, 1).issuer.revoked
    header = header_of(world)
    assert header is not None
    assert header.hash == world.chain.block("finalized").hash
    assert not worker.round()  # and once is enough
    world.check()


def test_every_status_word_of_a_batch_is_proved_in_few_questions(world: World) -> None:
    register(world)
    indexes = [300 * n for n in range(100)]
    with Database.begin(world.database) as tx:
        credentials.insert(
            tx,
            [
                samples.credential(world.school, n, status_index=index)
                for n, index in enumerate(indexes)
            ],
        )
    world.issued = len(indexes)
    asked: list[int] = []

    class Counting(MemoryChain):
        def proof(
            self, address: str, slots: Sequence[bytes], number: int
        ) -> AccountProof:
            asked.append(len(slots))
            return MemoryChain.proof(world.chain, address, slots, number)

    counting = Counting()
    counting.__dict__ = world.chain.__dict__
    limits = BatchLimits(size=200, age=timedelta(0))
    world.rounds(world.worker(nodes=[counting], limits=limits), 8)
    assert facts_of(world, indexes[-1]).issuer.window is not None
    # Anchor; then issuer, profile, key and a word for each hundred of 300 indexes.
    assert asked == [1, SLOTS_AT_ONCE, 103 - SLOTS_AT_ONCE]
    world.check()


# ---------------------------------------------------------------- endorsements


def test_an_endorsement_that_the_ledger_carried_is_in_the_evidence(
    world: World,
) -> None:
    register(world)
    school = samples.issuer_record(world.school)
    members = (BOARD, school.issuer_id, school.profile_hash)
    authority = acts.Authority(BOARD_KEY, 4_000_000_000)
    domain = acts.Domain(CHAIN_ID, ISSUER_REGISTRY)
    world.enqueue(acts.endorse(domain, *members, 0, authority), "endorse")
    world.seal(2)
    world.rounds(world.worker(), 8)

    given = world.chain._blocks[-1].state.registries.endorsements[members]
    assert facts_of(world).endorsements == {BOARD: Endorsement(given[0], None, None)}
    world.check()


def test_accreditors_of_a_trust_list_are_asked_about_and_kept_if_they_did(
    world: World,
) -> None:
    world.accreditors = [GUILD, BOARD]
    school = samples.issuer_record(world.school)
    members = (GUILD, school.issuer_id, school.profile_hash)
    registries = world.chain._blocks[-1].state.registries
    registries.endorsements[members] = (REGISTERED, 0, 0)
    mined(world)
    world.worker().round()

    assert facts_of(world).endorsements == {GUILD: Endorsement(REGISTERED, None, None)}


# ---------------------------------------------------------------- nodes that do not, or lie


def test_a_node_that_proves_nothing_holds_up_nothing(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    mined(world)
    world.chain.proven_blocks = 0
    worker = world.worker()
    worker.round()

    assert world.states() == [ChainTxState.FINAL]
    assert header_of(world) is None
    warned = [each for each in log.records if each.levelno == logging.WARNING]
    assert ["not proved" in each.getMessage() for each in warned] == [True]

    asked = [0]

    class Counting(MemoryChain):
        def proof(
            self, address: str, slots: Sequence[bytes], number: int
        ) -> AccountProof:
            asked[0] += 1
            return MemoryChain.proof(world.chain, address, slots, number)

    counting = Counting()
    counting.__dict__ = world.chain.__dict__
    (member,) = worker._pool._members
    member.node = counting
    worker.round()
    assert asked == [0]  # not at every round
    world.clock.sleep(16)
    worker.round()
    assert asked == [2]  # at the finalized block, then at the newest
    world.clock.sleep(16)
    worker.round()
    assert asked == [2]  # twice as long after the second try
    world.chain.proven_blocks = 128
    world.clock.sleep(16)
    worker.round()
    assert header_of(world) is not None
    world.check()


def test_a_node_that_proves_the_newest_blocks_alone_is_asked_there(
    world: World,
) -> None:
    """Kept only once that block is final."""
    mined(world)
    world.chain.proven_blocks = 1
    worker = world.worker()
    worker.round()
    early = world.chain.block("latest")
    assert header_of(world) is None
    worker.round()
    assert header_of(world) is None

    world.chain.mine(2)
    worker.round()
    header = header_of(world)
    assert header is not None
    assert header.hash == early.hash
    world.check()


def test_what_was_taken_of_a_block_that_is_gone_is_not_kept(world: World) -> None:
    mined(world)
    world.chain.proven_blocks = 1
    worker = world.worker()
    worker.round()
    world.chain.reorg(1)
    world.chain.mine(2)
    worker.round()
    assert header_of(world) is None

    worker.round()  # taken again
    late = world.chain.block("latest")
    world.chain.mine(2)
    worker.round()
    header = header_of(world)
    assert header is not None
    assert header.hash == late.hash


class Liar(MemoryChain):
    """The world's chain, with one answer bent."""

    def __init__(self, world: World, lie: str) -> None:
        super().__init__()
        self.__dict__ = world.chain.__dict__
        self.lie = lie

    def header(self, number: int) -> BlockHeader:
        if self.lie == "foreign fields":
            raise ChainRejected("header: foreign fields")
        return super().header(number)

    def proof(self, address: str, slots: Sequence[bytes], number: int) -> AccountProof:
        whole = super().proof(address, slots, number)
        if self.lie == "another block":
            return super().proof(address, slots, 1)
        if self.lie == "bit":
            node = whole.nodes[-1]
            return replace(whole, nodes=(*whole.nodes[:-1], node[:-1] + b"\0"))
        if self.lie == "short":
            return replace(whole, nodes=whole.nodes[:-1])
        return whole


@pytest.mark.parametrize("lie", ["bit", "short", "foreign fields", "another block"])
def test_what_does_not_prove_itself_is_never_kept(
    world: World, log: pytest.LogCaptureFixture, lie: str
) -> None:
    mined(world)
    worker = world.worker(nodes=[Liar(world, lie)])
    worker.round()

    assert world.states() == [ChainTxState.FINAL]
    assert header_of(world) is None
    assert "not proved" in log.text
    world.clock.sleep(60)
    world.rounds(world.worker(), 6)
    assert header_of(world) is not None
    world.check()


def test_a_block_that_proves_another_anchor_is_not_kept(world: World) -> None:
    """The registry's word that is stored, and the one that is proved, are the same."""
    final_and_unproved(world)
    with Database.begin(world.database) as tx:
        (anchored,) = batches.anchors(tx, only_batch(world).id)
        wrong = replace(anchored, block_number=anchored.block_number + 1)
        batches.record_anchor(tx, only_batch(world).id, wrong)
    world.worker().round()
    assert header_of(world) is None

    with Database.begin(world.database) as tx:
        batches.record_anchor(tx, only_batch(world).id, anchored)
    world.worker().round()
    assert header_of(world) is not None


# ---------------------------------------------------------------- crashes, leases, reorganisations


@pytest.mark.parametrize("fault", ["before", "after"])
def test_a_write_that_breaks_leaves_all_of_it_or_nothing(
    world: World, fault: str
) -> None:
    mined(world)
    # Lease, settled anchor, seal's and submit's reads write nothing: the third is the evidence.
    world.database.faults[:] = ["", "", fault]
    with pytest.raises(Exception, match="broken"):
        world.worker().round()

    assert (header_of(world) is not None) == (fault == "after")
    world.clock.sleep(61)
    world.rounds(world.worker("three"), 2)
    assert facts_of(world).anchor is not None
    world.check()


def test_a_lost_lease_keeps_nothing(world: World) -> None:
    final_and_unproved(world)
    with Database.begin(world.database) as tx:
        lease = leases.take(
            tx, CHAIN_ID, SENDER, owner="one", seconds=60, now=world.clock()
        )
        assert lease is not None
    world.clock.sleep(61)
    with Database.begin(world.database) as tx:
        leases.take(tx, CHAIN_ID, SENDER, owner="two", seconds=60, now=world.clock())

    with pytest.raises(Conflict):
        world.worker()._steps.prover.step(world.chain, lease)
    assert header_of(world) is None


def test_a_chain_that_goes_back_behind_finality_takes_the_evidence_along(
    world: World,
) -> None:
    mined(world)
    worker = world.worker()
    worker.round()
    assert header_of(world) is not None
    world.chain.reorg(4, repool=True)

    worker.round()
    assert header_of(world) is None
    world.rounds(worker, 8)
    assert facts_of(world).anchor is not None
    with world.database.read() as tx:
        assert len(chain_txs.in_state(tx, CHAIN_ID, [ChainTxState.FINAL], 9)) == 1
    world.check()


def test_evidence_of_a_lost_block_is_taken_again_though_the_anchor_stayed(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """A proof of a block that is not on the chain convinces nobody."""
    mined(world)
    world.chain.mine(2)
    worker = world.worker()
    worker.round()
    before = header_of(world)
    assert before is not None
    world.chain.reorg(world.chain.block("latest").number - before.number + 1)
    worker.round()

    after = header_of(world)
    assert after is not None
    assert after.hash == world.chain.block(after.number).hash != before.hash
    assert world.states() == [ChainTxState.FINAL]
    assert "a finalized block is gone; its evidence is taken again" in caplog.messages
    world.check()


def test_a_node_that_lags_takes_no_evidence_away(world: World) -> None:
    mined(world)
    world.worker().round()
    before = header_of(world)
    assert before is not None
    world.chain._blocks = world.chain._blocks[:-2]
    with Database.begin(world.database) as tx:
        lease = leases.take(
            tx, CHAIN_ID, SENDER, owner="one", seconds=60, now=world.clock()
        )
    assert lease is not None
    world.worker()._steps.prover.step(world.chain, lease)

    assert header_of(world) == before
