"""Evidence for the files of these tests, from what their chain holds."""

from collections.abc import Sequence
from dataclasses import replace

from ledger.chain.state import StateTrie, make_header
from ledger.core.durable import DurableCredential
from ledger.core.evidence import Evidence, Questions, build_evidence
from ledger.core.header import BlockHeader
from ledger.verify.checkpoints import Checkpoint
from ledger.verify.networks import Network
from tests.registry_state import state_trie
from tests.unit.verify.credentials import BEGAN, World
from tests.unit.verify.fakes import NETWORK, FakeState

#: The block that evidence is of, unless a test says otherwise: final, after the anchor.
BLOCK = 90


def header_at(
    state: FakeState | StateTrie,
    number: int = BLOCK,
    *,
    start: int = BEGAN,
    fork: str = "",
) -> BlockHeader:
    """The header of a block in which this is the state."""
    trie = state if isinstance(state, StateTrie) else state_trie(state)
    return make_header(
        bytes(32),
        trie.root,
        number=number,
        time=start + 10 * number,
        extra=fork.encode(),
    )


def evidence_from(
    state: FakeState | StateTrie,
    questions: Questions,
    header: BlockHeader,
    accreditors: Sequence[bytes] = (),
) -> Evidence:
    """What a node that serves proofs would give."""
    trie = state if isinstance(state, StateTrie) else state_trie(state)
    listed = sorted(accreditors)
    pool = [
        *trie.proof(questions.anchor_registry, questions.anchor_slots()).pool,
        *trie.proof(questions.issuer_registry, questions.issuer_slots(listed)).pool,
    ]
    return build_evidence(header.raw, pool, questions, listed)


def questions_of(file: DurableCredential, network: Network = NETWORK) -> Questions:
    return file.questions(network.anchor_registry, network.issuer_registry)


def prove(
    world: World,
    state: FakeState | None = None,
    *,
    number: int = BLOCK,
    accreditors: Sequence[bytes] = (),
) -> Evidence:
    """Give the world's file evidence of a block, and its chain that very block."""
    held = state or world.chain.settled
    header = header_at(held, number)
    evidence = evidence_from(held, questions_of(world.file), header, accreditors)
    world.file = world.file.with_evidence(evidence)
    world.chain.headers[number] = header
    return evidence


def tamper(world: World, evidence: Evidence) -> None:
    """Put other evidence into the world's file; its chain stays as it was."""
    world.file = world.file.with_evidence(evidence)


def checkpoint(evidence: Evidence, chain_id: int = NETWORK.chain_id) -> Checkpoint:
    """Somebody vouches for the evidence's block."""
    block = evidence.block
    return Checkpoint(chain_id, block.hash, block.number)


def nameless(point: Checkpoint) -> Checkpoint:
    """The hash alone, as --block-hash gives it."""
    return replace(point, block_number=None)


def serve_proofs(world: World, number: int | None = None) -> None:
    """From now on the world's chain proves its state at a block; else at the finalized one."""
    at = world.chain.finalized if number is None else number
    world.chain.headers[at] = header_at(world.chain.settled, at)
    world.chain.states[at] = state_trie(world.chain.settled)
