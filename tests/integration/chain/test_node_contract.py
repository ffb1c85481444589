"""One contract for a node, asked of anvil and of the chain in memory alike."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from ledger.chain import acts
from ledger.chain.accounts import address_of, key_id
from ledger.chain.memory import MemoryChain
from ledger.chain.node import BlockTag, ChainNode, Node, SendOutcome
from ledger.chain.registry import AnchorRegistry, IssuerRegistry
from ledger.chain.sender import (
    KeystoreSigner,
    SignedTransaction,
    SigningRules,
    TransactionFields,
    read_signed,
)
from ledger.core.account import find_account
from ledger.core.evidence import (
    AnchorSlot,
    Endorsement,
    IssuerState,
    Questions,
    RegistryFacts,
    build_evidence,
)
from ledger.core.issuer import KeyWindow, issuer_id, recovery_commitment
from ledger.core.mpt import Nodes
from ledger.core.registries import ANCHOR_REGISTRY, ISSUER_REGISTRY
from ledger.errors import ChainRejected, ChainUnavailable
from tests.anvil import DEV_ADDRESS, DEV_KEY, OTHER_KEY, Anvil

SENDER_KEY = bytes.fromhex("22" * 32)
SENDER = address_of(SENDER_KEY)
ROOT = b"\x0a" * 32
DOMAIN = acts.Domain(31337, ISSUER_REGISTRY)
FOREVER = 4_000_000_000


@dataclass
class World:
    """A chain whose blocks the test mines, and a node of it."""

    node: ChainNode
    mine: Callable[[int], None]
    reorg: Callable[[int], None]
    drop: Callable[[bytes], None]

    def sign(
        self, act: acts.Act, nonce: int, *, tip: int = 10**9, fee_cap: int = 10**11
    ) -> SignedTransaction:
        signer = KeystoreSigner(
            SENDER_KEY,
            SigningRules(
                31337, acts.known_calls(ANCHOR_REGISTRY, ISSUER_REGISTRY), 10**12
            ),
        )
        return signer.sign(
            TransactionFields(
                chain_id=31337,
                nonce=nonce,
                to=act.to,
                data=act.data,
                gas=act.gas,
                tip=tip,
                fee_cap=fee_cap,
            )
        )

    def carry(self, act: acts.Act) -> SignedTransaction:
        """Send and mine."""
        signed = self.sign(act, self.node.nonce(SENDER, "pending"))
        assert self.node.send(signed.raw).outcome is SendOutcome.ACCEPTED
        self.mine(1)
        return signed


@pytest.fixture(params=["memory", pytest.param("anvil", marks=pytest.mark.anvil)])
def world(request: pytest.FixtureRequest, start_anvil: Callable[..., Anvil]) -> World:
    if request.param == "memory":
        chain = MemoryChain()
        return World(chain, chain.mine, chain.reorg, chain.drop)
    anvil = start_anvil("--no-mining")
    anvil.deploy()
    anvil.fund(SENDER)
    anvil.mine()  # money out of nowhere changes the state of the newest block, not its root
    return World(
        Node(anvil.url),
        anvil.mine,
        lambda depth: anvil.rpc("anvil_reorg", depth, []),
        lambda tx_hash: anvil.rpc("anvil_dropTransaction", "0x" + tx_hash.hex()),
    )


def anchor(root: bytes = ROOT) -> acts.Act:
    return acts.anchor(ANCHOR_REGISTRY, root)


def test_a_chain_is_told_by_id_and_first_block(world: World) -> None:
    assert world.node.chain_id() == 31337
    assert world.node.genesis_hash() == world.node.block(0).hash


def test_finalized_follows_two_blocks_behind_the_head(world: World) -> None:
    world.mine(4)
    head = world.node.block("latest")

    assert world.node.block("finalized").number == head.number - 2
    assert world.node.block(head.number) == head
    assert world.node.block(head.number - 1).time <= head.time


def test_a_block_that_does_not_exist_is_unavailable(world: World) -> None:
    with pytest.raises(ChainUnavailable):
        world.node.block(world.node.block("latest").number + 1)


def test_a_transaction_is_counted_where_it_is(world: World) -> None:
    signed = world.sign(anchor(), 0)
    tags: tuple[BlockTag, ...] = ("pending", "latest", "finalized")

    assert [world.node.nonce(SENDER, tag) for tag in tags] == [0, 0, 0]
    world.node.send(signed.raw)
    assert [world.node.nonce(SENDER, tag) for tag in tags] == [1, 0, 0]
    assert world.node.receipt(signed.hash) is None
    world.mine(1)
    assert [world.node.nonce(SENDER, tag) for tag in tags] == [1, 1, 0]
    world.mine(2)
    assert [world.node.nonce(SENDER, tag) for tag in tags] == [1, 1, 1]


def test_a_receipt_names_its_block_and_what_was_called(world: World) -> None:
    act = anchor()
    signed = world.carry(act)
    receipt = world.node.receipt(signed.hash)

    assert receipt is not None
    assert receipt.succeeded
    assert (receipt.to, receipt.data) == (act.to, act.data)
    assert receipt.block_hash == world.node.block(receipt.block_number).hash
    assert 0 < receipt.gas_used <= act.gas
    block = world.node.block(receipt.block_number)
    assert receipt.block_time == block.time
    _, fields = read_signed(signed.raw)
    assert receipt.gas_price == min(fields.fee_cap, block.base_fee + fields.tip)


def test_what_an_account_sent_in_a_block_is_told_with_its_signed_bytes(
    world: World,
) -> None:
    """Put together again from their parts, byte for byte, and in the order of nonces."""
    signed = [world.sign(anchor(bytes([n]) * 32), n) for n in range(3)]
    for each in signed:
        world.node.send(each.raw)
    world.mine(1)
    head = world.node.block("latest").number

    found = world.node.transactions(head, SENDER)
    assert [(each.nonce, each.hash, each.raw) for each in found] == [
        (n, each.hash, each.raw) for n, each in enumerate(signed)
    ]
    assert {(each.to, each.block_number) for each in found} == {(ANCHOR_REGISTRY, head)}
    assert found[1].data == anchor(b"\1" * 32).data
    assert world.node.transactions(head, DEV_ADDRESS) == []
    assert world.node.transactions(head - 1, SENDER) == []
    with pytest.raises(ChainUnavailable):
        world.node.transactions(head + 1, SENDER)


def test_a_root_is_anchored_once_and_the_first_time_stays(world: World) -> None:
    registry = AnchorRegistry(world.node, ANCHOR_REGISTRY)

    assert registry.anchored_at(ROOT, "latest") is None
    world.carry(anchor())
    block = world.node.block("latest")
    slot = registry.anchored_at(ROOT, "latest")
    assert slot is not None
    assert (slot.time, slot.block_number) == (block.time, block.number)
    assert registry.anchored_at(ROOT, "finalized") is None
    again = world.carry(anchor())
    receipt = world.node.receipt(again.hash)
    assert receipt is not None
    assert receipt.succeeded
    assert registry.anchored_at(ROOT, "latest") == slot


def test_an_issuer_and_its_keys_are_read_back(world: World) -> None:
    recovery = recovery_commitment(DEV_ADDRESS)
    controller = address_of(OTHER_KEY)
    profile, salt, key = b"\1" * 32, b"\2" * 32, b"\3" * 32
    identity = issuer_id(31337, controller, recovery, profile, salt)
    registry = IssuerRegistry(world.node, ISSUER_REGISTRY)

    assert registry.issuer(identity, "latest") is None
    assert registry.key_opened_at(identity, key, "latest") is None
    world.carry(acts.register(DOMAIN, controller, recovery, profile, salt))
    world.carry(acts.add_key(DOMAIN, identity, key, acts.SIGNING, FOREVER, OTHER_KEY))
    state = registry.issuer(identity, "latest")
    assert state is not None
    assert (state.controller, state.closed_at, state.recovery_acts) == (
        controller,
        None,
        0,
    )
    assert (
        state.registered_at
        == world.node.block(world.node.block("latest").number - 1).time
    )
    assert (
        registry.key_opened_at(identity, key, "latest")
        == world.node.block("latest").time
    )


def test_a_revocation_by_a_revoking_key_succeeds_and_by_a_stranger_reverts(
    world: World,
) -> None:
    recovery = recovery_commitment(DEV_ADDRESS)
    controller = address_of(OTHER_KEY)
    identity = issuer_id(31337, controller, recovery, b"\1" * 32, b"\2" * 32)
    revoker = key_id(controller)
    world.carry(acts.register(DOMAIN, controller, recovery, b"\1" * 32, b"\2" * 32))
    world.carry(
        acts.add_key(DOMAIN, identity, revoker, acts.REVOKING, FOREVER, OTHER_KEY)
    )

    outcomes = []
    for secret in (OTHER_KEY, SENDER_KEY):
        act = acts.revoke(
            DOMAIN, identity, 1, 4, recovery_acts=0, deadline=FOREVER, secret=secret
        )
        receipt = world.node.receipt(world.carry(act).hash)
        assert receipt is not None
        outcomes.append(receipt.succeeded)
    assert outcomes == [True, False]
    registry = IssuerRegistry(world.node, ISSUER_REGISTRY)
    head = world.node.block("latest").number
    assert registry.status_words(identity, range(64), head) == {1: 4}
    assert registry.status_words(identity, [0, 2], head) == {}


def test_a_call_that_no_view_answers_is_rejected(world: World) -> None:
    with pytest.raises(ChainRejected, match="refuses the call"):
        world.node.call(ANCHOR_REGISTRY, b"\1\2\3\4", "latest")


def test_the_same_bytes_twice_find_their_slot_occupied(world: World) -> None:
    signed = world.sign(anchor(), 0)

    assert world.node.send(signed.raw).outcome is SendOutcome.ACCEPTED
    assert world.node.send(signed.raw).outcome is SendOutcome.OCCUPIED
    world.mine(1)
    assert world.node.send(signed.raw).outcome is SendOutcome.OCCUPIED


def test_more_on_both_fees_replaces_and_no_more_does_not(world: World) -> None:
    first = world.sign(anchor(), 0)
    same = world.sign(anchor(b"\x0b" * 32), 0)
    higher = world.sign(anchor(), 0, tip=2 * 10**9, fee_cap=2 * 10**11)

    world.node.send(first.raw)
    assert world.node.send(same.raw).outcome is SendOutcome.OCCUPIED
    assert world.node.send(higher.raw).outcome is SendOutcome.ACCEPTED
    world.mine(1)
    assert world.node.receipt(first.hash) is None
    assert world.node.receipt(higher.hash) is not None


def test_a_later_nonce_waits_for_the_earlier_one(world: World) -> None:
    second, first = world.sign(anchor(b"\x0b" * 32), 1), world.sign(anchor(), 0)

    assert world.node.send(second.raw).outcome is SendOutcome.ACCEPTED
    world.mine(1)
    assert world.node.receipt(second.hash) is None
    world.node.send(first.raw)
    world.mine(1)
    assert world.node.receipt(second.hash) is not None


def test_bytes_for_another_chain_are_fatal_and_too_little_gas_is_too(
    world: World,
) -> None:
    signer = KeystoreSigner(
        SENDER_KEY,
        SigningRules(1, acts.known_calls(ANCHOR_REGISTRY, ISSUER_REGISTRY), 10**12),
    )
    fields = TransactionFields(
        chain_id=1,
        nonce=0,
        to=ANCHOR_REGISTRY,
        data=acts.anchor(ANCHOR_REGISTRY, b"\1" * 32).data,
        gas=60_000,
        tip=1,
        fee_cap=10**11,
    )
    poor = world.sign(replace(acts.anchor(ANCHOR_REGISTRY, ROOT), gas=20_000), 0)

    assert world.node.send(signer.sign(fields).raw).outcome is SendOutcome.FATAL
    assert world.node.send(poor.raw).outcome is SendOutcome.FATAL


def test_a_dropped_transaction_can_be_sent_again(world: World) -> None:
    signed = world.sign(anchor(), 0)
    world.node.send(signed.raw)
    world.drop(signed.hash)
    world.mine(1)

    assert world.node.receipt(signed.hash) is None
    assert world.node.send(signed.raw).outcome is SendOutcome.ACCEPTED


def test_after_a_reorganisation_there_is_no_receipt(world: World) -> None:
    signed = world.carry(anchor())
    world.reorg(1)

    assert world.node.receipt(signed.hash) is None
    assert world.node.nonce(SENDER, "latest") == 0
    assert world.node.send(signed.raw).outcome is SendOutcome.ACCEPTED


def test_fees_follow_the_head(world: World) -> None:
    fee = world.node.fee()

    head = world.node.block("latest").base_fee
    # The next block's base fee is within an eighth of the head's.
    assert head * 7 // 8 <= fee.base <= head * 9 // 8 + 1
    assert fee.tip >= 1
    assert world.node.balance(SENDER) > 0


def test_only_the_recovery_key_closes_an_issuer(world: World) -> None:
    controller, recovery = address_of(OTHER_KEY), address_of(DEV_KEY)
    commitment = recovery_commitment(recovery)
    identity = issuer_id(31337, controller, commitment, b"\1" * 32, b"\2" * 32)
    world.carry(acts.register(DOMAIN, controller, commitment, b"\1" * 32, b"\2" * 32))

    outcomes = []
    for secret in (OTHER_KEY, DEV_KEY):
        authority = acts.Authority(secret, FOREVER)
        act = acts.close(DOMAIN, identity, bytes(32), b"\3" * 32, authority)
        receipt = world.node.receipt(world.carry(act).hash)
        assert receipt is not None
        outcomes.append(receipt.succeeded)
    state = IssuerRegistry(world.node, ISSUER_REGISTRY).issuer(identity, "latest")
    assert outcomes == [False, True]
    assert state is not None
    assert state.closed_at == world.node.block("latest").time


def test_a_header_hashes_to_its_block(world: World) -> None:
    world.mine(2)
    for number in (0, 1, world.node.block("latest").number):
        block, header = world.node.block(number), world.node.header(number)
        assert (header.hash, header.number, header.time) == (
            block.hash,
            number,
            block.time,
        )
    with pytest.raises(ChainUnavailable):
        world.node.header(world.node.block("latest").number + 1)


def test_what_the_registries_say_is_proved_under_one_header(world: World) -> None:
    recovery, controller = recovery_commitment(DEV_ADDRESS), address_of(OTHER_KEY)
    profile, key = b"\1" * 32, b"\3" * 32
    school, board = (
        issuer_id(31337, controller, recovery, profile, salt)
        for salt in (b"\2" * 32, b"\4" * 32)
    )
    authority = acts.Authority(OTHER_KEY, FOREVER)
    moments = []
    for act in (
        acts.register(DOMAIN, controller, recovery, profile, b"\4" * 32),
        acts.register(DOMAIN, controller, recovery, profile, b"\2" * 32),
        acts.add_key(
            DOMAIN, school, key_id(controller), acts.REVOKING, FOREVER, OTHER_KEY
        ),
        acts.add_key(DOMAIN, school, key, acts.SIGNING, FOREVER, OTHER_KEY),
        acts.endorse(DOMAIN, board, school, profile, 0, authority),
        anchor(),
    ):
        world.carry(act)
        moments.append(world.node.block("latest").time)
    _, registered, _, opened, endorsed, anchored = moments
    number = world.node.block("latest").number
    questions = Questions(
        ANCHOR_REGISTRY,
        ISSUER_REGISTRY,
        sealed_root=ROOT,
        issuer_id=school,
        profile_hash=profile,
        key_id=key,
        status_index=300,
    )

    def facts() -> RegistryFacts:
        number = world.node.block("latest").number
        slots = questions.issuer_slots([board])
        anchors = world.node.proof(ANCHOR_REGISTRY, questions.anchor_slots(), number)
        issuers = world.node.proof(ISSUER_REGISTRY, slots, number)
        assert [proof.slot for proof in issuers.slots] == list(slots)
        header = world.node.header(number).raw
        pool = [*anchors.pool, *issuers.pool]
        return build_evidence(header, pool, questions, [board]).prove(questions)

    before = facts()
    assert before == RegistryFacts(
        anchor=AnchorSlot(anchored, number),
        issuer=IssuerState(registered, None, False, KeyWindow(opened), revoked=False),
        profile_recorded_at=registered,
        endorsements={board: Endorsement(endorsed, None, None)},
    )

    revoke = acts.revoke(
        DOMAIN, school, 1, 1 << 44, recovery_acts=0, deadline=FOREVER, secret=OTHER_KEY
    )
    world.carry(revoke)
    assert facts() == replace(before, issuer=replace(before.issuer, revoked=True))
    recovery_key = acts.Authority(DEV_KEY, FOREVER)
    world.carry(acts.close(DOMAIN, school, bytes(32), bytes(32), recovery_key))
    closed = facts().issuer
    assert closed.closed_for_good
    assert closed.closed_at == world.node.block("latest").time


def test_where_nothing_is_nothing_is_proved(world: World) -> None:
    number = world.node.block("latest").number
    empty = "0x" + "9e" * 20
    proof = world.node.proof(empty, [bytes(32)], number)
    root = world.node.header(number).state_root

    assert [slot.value for slot in proof.slots] == [0]
    assert find_account(Nodes(dict.fromkeys(proof.pool)), root, empty) is None
