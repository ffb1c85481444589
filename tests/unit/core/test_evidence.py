"""Evidence: complete, minimal and of one block, or refused for the reason that it has."""

import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from ledger.chain.state import StateTrie, make_header
from ledger.core import registries, rlp
from ledger.core.evidence import (
    MAX_ACCREDITORS,
    MAX_NODE_BYTES,
    MAX_NODES,
    AnchorSlot,
    Endorsement,
    Evidence,
    EvidenceFault,
    Fault,
    IssuerState,
    Questions,
    RegistryFacts,
    build_evidence,
)
from ledger.core.header import MAX_HEADER, BlockHeader
from ledger.core.issuer import KeyWindow
from ledger.errors import LedgerError, MalformedError
from tests.registry_state import NEIGHBOURS, anchor_words, issuer_words, state_trie
from tests.unit.verify.fakes import FakeIssuer, FakeState

ROOT, SCHOOL, PROFILE, KEY = (bytes([n]) * 32 for n in (1, 2, 3, 4))
BOARD, STRANGER = b"\x05" * 32, b"\x06" * 32
INDEX = 70_001
QUESTIONS = Questions(
    registries.ANCHOR_REGISTRY,
    registries.ISSUER_REGISTRY,
    sealed_root=ROOT,
    issuer_id=SCHOOL,
    profile_hash=PROFILE,
    key_id=KEY,
    status_index=INDEX,
)


def school(**changes: Any) -> FakeIssuer:
    made = FakeIssuer(
        registered_at=1_000,
        keys={KEY: (1_100, 0, 0, 1)},
        profiles={PROFILE: 1_000},
        revoked={INDEX + 1, 9},
    )
    return replace(made, **changes)


def state(issuer: FakeIssuer | None = None) -> FakeState:
    """A school among others, so that every proof goes through branches."""
    others = {
        bytes([n]) * 32: FakeIssuer(keys={KEY: (9, 0, 0, 1)}) for n in range(20, 60)
    }
    return FakeState(
        anchors={ROOT: (1_200, 50)}
        | {bytes([n]) * 32: (n, n) for n in range(100, 160)},
        issuers={SCHOOL: issuer or school(), **others},
        endorsements={(BOARD, SCHOOL, PROFILE): (1_050, 9_000, 8_000)},
    )


def pool(
    trie: StateTrie, questions: Questions, accreditors: Sequence[bytes]
) -> list[bytes]:
    return [
        *trie.proof(questions.anchor_registry, questions.anchor_slots()).pool,
        *trie.proof(
            questions.issuer_registry, questions.issuer_slots(accreditors)
        ).pool,
    ]


def header_of(trie: StateTrie, number: int = 60) -> BlockHeader:
    return make_header(bytes(32), trie.root, number=number, time=12 * number)


def evidence_of(
    trie: StateTrie,
    *accreditors: bytes,
    questions: Questions = QUESTIONS,
    number: int = 60,
) -> Evidence:
    nodes = pool(trie, questions, accreditors)
    return build_evidence(header_of(trie, number).raw, nodes, questions, accreditors)


TRIE = state_trie(state())
WHOLE = evidence_of(TRIE, BOARD, STRANGER)
BARE = evidence_of(TRIE)
FACTS = RegistryFacts(
    anchor=AnchorSlot(1_200, 50),
    issuer=IssuerState(1_000, None, False, KeyWindow(1_100), revoked=False),
    profile_recorded_at=1_000,
    endorsements={BOARD: Endorsement(1_050, 9_000, 8_000), STRANGER: None},
)


def fault_of(evidence: Evidence, questions: Questions = QUESTIONS) -> Fault:
    with pytest.raises(EvidenceFault) as refusal:
        evidence.prove(questions)
    return refusal.value.fault


# ---------------------------------------------------------------- what it proves


def test_every_answer_is_proved() -> None:
    assert WHOLE.prove(QUESTIONS) == FACTS
    assert BARE.prove(QUESTIONS) == replace(FACTS, endorsements={})
    assert (WHOLE.block.number, WHOLE.block.time) == (60, 720)


def test_the_status_bit_is_the_one_of_the_index() -> None:
    revoked = replace(QUESTIONS, status_index=INDEX + 1)

    assert BARE.prove(revoked).issuer.revoked
    assert not BARE.prove(replace(QUESTIONS, status_index=INDEX + 2)).issuer.revoked


def test_absence_is_proved() -> None:
    nothing = evidence_of(state_trie(FakeState()))

    assert nothing.prove(QUESTIONS) == RegistryFacts(
        None, IssuerState(None, None, False, None, revoked=False), None, {}
    )


def test_an_ended_key_of_a_closed_issuer() -> None:
    closed = school(
        closed_at=5_000, closed_for_good=True, keys={KEY: (1_100, 4_000, 3_000, 1)}
    )

    issuer = evidence_of(state_trie(state(closed))).prove(QUESTIONS).issuer
    assert issuer.closed_for_good
    assert issuer.window == KeyWindow(1_100, 4_000, 3_000, 5_000)


def test_a_revoking_key_is_no_signing_key() -> None:
    issuer = school(keys={KEY: (1_100, 0, 0, registries.REVOKING_ROLE)})

    assert evidence_of(state_trie(state(issuer))).prove(QUESTIONS).issuer.window is None


TIMES = st.integers(0, 2**40 - 1)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(TIMES, TIMES, TIMES, st.integers(0, 3)),
    st.tuples(TIMES, TIMES, st.booleans()),
    st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)),
    st.sets(st.integers(INDEX - 300, INDEX + 300), max_size=5),
    st.tuples(TIMES, TIMES, TIMES),
)
def test_whatever_stands_in_the_slots_is_what_is_proved(
    key: tuple[int, int, int, int],
    issuer: tuple[int, int, bool],
    anchor: tuple[int, int],
    revoked: set[int],
    endorsement: tuple[int, int, int],
) -> None:
    fake = school(
        keys={KEY: key},
        registered_at=issuer[0],
        closed_at=issuer[1],
        closed_for_good=issuer[2],
        revoked=revoked,
        profiles={PROFILE: key[0]},
    )
    made = replace(
        state(fake),
        anchors={ROOT: anchor},
        endorsements={(BOARD, SCHOOL, PROFILE): endorsement},
    )

    facts = evidence_of(state_trie(made), BOARD).prove(QUESTIONS)
    assert facts.anchor == (AnchorSlot(*anchor) if anchor[0] else None)
    assert facts.profile_recorded_at == (key[0] or None)
    assert facts.issuer.revoked == (INDEX in revoked)
    assert (facts.issuer.registered_at or 0, facts.issuer.closed_at or 0) == issuer[:2]
    assert facts.issuer.closed_for_good == issuer[2]
    assert (facts.issuer.window is not None) == (key[0] > 0 and key[3] == 1)
    assert (facts.endorsements[BOARD] is not None) == (endorsement[0] > 0)


# ---------------------------------------------------------------- one encoding


def calls(work: Callable[[], object]) -> Counter[str]:
    """How often each Python function, by module and name, is entered during some work."""
    entered: Counter[str] = Counter()

    def watch(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            entered[f"{frame.f_globals['__name__']}.{frame.f_code.co_name}"] += 1

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        work()
    finally:
        sys.setprofile(before)
    return entered


def test_a_proof_hashes_and_reads_each_node_once() -> None:
    def places() -> list[bytes]:
        asked = QUESTIONS.issuer_slots([BOARD, STRANGER])
        return [*QUESTIONS.anchor_slots(), *asked]

    evidence = Evidence(WHOLE.header, WHOLE.nodes, WHOLE.accreditors)
    made = calls(lambda: evidence.prove(QUESTIONS))
    hashed = (
        made["ledger.core.keys.keccak256"] - calls(places)["ledger.core.keys.keccak256"]
    )

    # Each account and each slot stands in its trie under the hash of its name.
    assert hashed == len(WHOLE.nodes) + 2 + len(places())
    # Header and accounts; and every slot holds a word but the stranger's.
    assert (
        made["ledger.core.rlp.decode"] == len(WHOLE.nodes) + 1 + 2 + len(places()) - 1
    )


def test_a_pool_in_any_order_and_with_surplus_gives_the_same_evidence() -> None:
    nodes = pool(TRIE, QUESTIONS, [BOARD, STRANGER])
    nodes += TRIE.proof(registries.ANCHOR_REGISTRY, [bytes(32)]).pool
    rng = random.Random(7)  # noqa: S311
    for _ in range(5):
        rng.shuffle(nodes)
        made = build_evidence(WHOLE.header, nodes, QUESTIONS, [STRANGER, BOARD, BOARD])
        assert made == WHOLE


def test_a_pool_without_a_node_builds_nothing() -> None:
    for gone in WHOLE.nodes:
        nodes = [node for node in WHOLE.nodes if node != gone]
        with pytest.raises(EvidenceFault, match="missing"):
            build_evidence(WHOLE.header, nodes, QUESTIONS, [BOARD, STRANGER])


def test_json_comes_back() -> None:
    for made in (WHOLE, BARE):
        assert Evidence.from_json(made.to_json()) == made
    assert "accreditors" not in BARE.to_json()


def _json(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = WHOLE.to_json()
    for name, value in changes.items():
        if value is None:
            del document[name]
        else:
            document[name] = value
    return document


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ([], "not an object"),
        (_json(header=None), "header: missing"),
        (_json(nodes=None), "nodes: missing"),
        (_json(block=1), "block: unknown member"),
        (_json(header="AA"), "header: not base64url with a leading u"),
        (_json(header=["uAA"]), "header: not base64url"),
        (_json(header="u"), "header: 1 to 4096"),
        (_json(header="uA"), "header: not base64url without padding"),
        (_json(header="uAB"), "header: base64url ends in bits"),
        (_json(header="uAA=="), "header: not base64url without padding"),
        (_json(header="u" + "A" * 6_000), "header: more than 4096 bytes"),
        (_json(nodes="uAA"), "nodes: not a list"),
        (_json(nodes=[]), "nodes: 1 to"),
        (_json(nodes=["uAA", "u"]), "none of them empty"),
        (_json(nodes=["uAA", 7]), r"nodes\[1\]: not base64url"),
        (_json(nodes=["uAA"] * (MAX_NODES + 1)), f"more than {MAX_NODES}"),
        (_json(nodes=["u" + "A" * 44_000] * 2), f"more than {MAX_NODE_BYTES} bytes"),
        (_json(nodes=["u" + "A" * 90_000]), f"more than {MAX_NODE_BYTES} bytes"),
        (_json(accreditors=[]), "empty, so left out"),
        (_json(accreditors="0x"), "not a list"),
        (_json(accreditors=["0x" + "AB" * 32]), "lower-case"),
        (_json(accreditors=[f"0x{STRANGER.hex()}", f"0x{BOARD.hex()}"]), "ascending"),
        (_json(accreditors=[f"0x{BOARD.hex()}"] * 2), "each once"),
        (
            _json(accreditors=[f"0x{n:064x}" for n in range(MAX_ACCREDITORS + 1)]),
            f"more than {MAX_ACCREDITORS}",
        ),
    ],
)
def test_another_form_is_refused(document: Any, reason: str) -> None:
    with pytest.raises(MalformedError, match=reason):
        Evidence.from_json(document)


@pytest.mark.parametrize(
    "change",
    [
        {"header": b""},
        {"header": bytes(MAX_HEADER + 1)},
        {"nodes": ()},
        {"nodes": (b"\x80",) * (MAX_NODES + 1)},
        {"accreditors": tuple(n.to_bytes(32, "big") for n in range(17))},
        {"accreditors": (b"short",)},
    ],
)
def test_a_value_beyond_the_limits_cannot_exist(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        replace(WHOLE, **change)


# ---------------------------------------------------------------- tampering


def without(position: int) -> Evidence:
    return replace(WHOLE, nodes=WHOLE.nodes[:position] + WHOLE.nodes[position + 1 :])


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def reason(damaged: Evidence) -> str:
    """Why damaged evidence is worth nothing: its fault, its form, or that it names another block."""
    try:
        facts = damaged.prove(QUESTIONS)
    except EvidenceFault as error:
        return error.fault.value
    except MalformedError:
        return "malformed"
    if damaged.block.hash != WHOLE.block.hash:
        return "another block"
    assert facts != FACTS, "accepted"
    return "other facts"


@pytest.mark.uncounted
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_no_single_bit_can_differ() -> None:
    """Every bit of the header; in each node every fifth, beginning anywhere."""
    reasons: Counter[str] = Counter()
    for bit in range(len(WHOLE.header) * 8):
        reasons[reason(replace(WHOLE, header=flipped(WHOLE.header, bit)))] += 1
    assert set(reasons) == {"malformed", "another block", "stitched"}
    assert reasons["stitched"] == 256  # the state root's own bits
    for position, node in enumerate(WHOLE.nodes):
        for bit in range(position % 5, len(node) * 8, 5):
            nodes = list(WHOLE.nodes)
            nodes[position] = flipped(node, bit)
            assert reason(replace(WHOLE, nodes=tuple(nodes))) == "stitched"
            reasons["node"] += 1
    assert reasons.total() > 9_000


def test_an_accreditor_cannot_be_another() -> None:
    for bit in range(256):
        listed = tuple(sorted((flipped(BOARD, bit), STRANGER)))
        assert reason(replace(WHOLE, accreditors=listed)) in {
            "elsewhere",
            "incomplete",
            "surplus",
        }
    # A proof that somebody else's slot is empty may need fewer nodes; never more facts.
    assert reason(replace(WHOLE, accreditors=())) in {"surplus", "elsewhere"}


def test_each_missing_node_is_missed() -> None:
    for position in range(len(WHOLE.nodes)):
        assert fault_of(without(position)) in {Fault.INCOMPLETE, Fault.STITCHED}
    assert fault_of(without(len(WHOLE.nodes) - 1)) is Fault.INCOMPLETE


def test_two_nodes_in_each_others_place_are_refused() -> None:
    count = len(WHOLE.nodes)
    for first in range(count):
        for second in range(first):
            nodes = list(WHOLE.nodes)
            nodes[first], nodes[second] = nodes[second], nodes[first]
            with pytest.raises(MalformedError, match="order of first use"):
                replace(WHOLE, nodes=tuple(nodes)).prove(QUESTIONS)


def test_a_node_more_is_surplus_wherever_it_comes_from() -> None:
    same_block = next(
        node
        for node in TRIE.proof(registries.ANCHOR_REGISTRY, anchor_slots(100)).pool
        if node not in WHOLE.nodes
    )
    for more in (same_block, b"\x80", rlp.encode([b"\x20", b"x" * 40])):
        for position in range(len(WHOLE.nodes) + 1):
            nodes = (*WHOLE.nodes[:position], more, *WHOLE.nodes[position:])
            assert fault_of(replace(WHOLE, nodes=nodes)) is Fault.SURPLUS
    with pytest.raises(MalformedError, match="twice"):
        replace(WHOLE, nodes=(*WHOLE.nodes, WHOLE.nodes[0])).prove(QUESTIONS)


def anchor_slots(number: int) -> tuple[bytes, ...]:
    return replace(QUESTIONS, sealed_root=bytes([number]) * 32).anchor_slots()


@pytest.mark.parametrize(
    "other",
    [
        {"sealed_root": b"\x64" * 32},
        {"issuer_id": b"\x14" * 32},
        {"key_id": b"\x99" * 32},
        {"profile_hash": b"\x98" * 32},
        {"status_index": 9},
    ],
    ids=str,
)
def test_the_proof_of_another_slot_is_not_the_one_asked_for(
    other: dict[str, Any],
) -> None:
    """What is proved is true and of this block; it is not about this credential."""
    evidence = evidence_of(TRIE, questions=replace(QUESTIONS, **other))

    assert fault_of(evidence) in {Fault.ELSEWHERE, Fault.INCOMPLETE, Fault.SURPLUS}
    if other.keys() & {"sealed_root", "issuer_id"}:
        assert fault_of(evidence) is Fault.ELSEWHERE


def test_parts_of_two_blocks_are_not_stitched_together() -> None:
    """The older block, in which nothing was withdrawn, under the newer one's anchor."""
    newer = evidence_of(state_trie(state(school(revoked={INDEX}))), BOARD, STRANGER)
    assert newer.prove(QUESTIONS).issuer.revoked

    assert fault_of(replace(newer, nodes=WHOLE.nodes)) is Fault.STITCHED
    shared = [node for node in newer.nodes if node in WHOLE.nodes]
    assert 0 < len(shared) < len(newer.nodes)
    for position, node in enumerate(newer.nodes):
        if node not in WHOLE.nodes:
            older = next(each for each in WHOLE.nodes if each not in newer.nodes)
            nodes = list(newer.nodes)
            nodes[position] = older
            assert fault_of(replace(newer, nodes=tuple(nodes))) is Fault.STITCHED


def test_an_older_header_proves_what_was_so_then() -> None:
    """A file cannot hide behind it: the block is named, and the root was not there yet."""
    before = evidence_of(state_trie(replace(state(), anchors={})), number=40)

    assert before.prove(QUESTIONS).anchor is None
    assert before.block.number == 40


LOOKALIKE = "0x" + "1a" * 20


def test_a_lookalike_with_the_genuine_code_is_at_another_address() -> None:
    """Its storage says what the forger likes; the questions name the pinned address."""
    honest = state(school(revoked={INDEX}))
    trie = state_trie(
        honest,
        others=NEIGHBOURS
        | {
            LOOKALIKE: replace(
                state_trie(honest).contracts[registries.ISSUER_REGISTRY],
                storage=issuer_words(state()),
            )
        },
    )
    forged = evidence_of(trie, questions=replace(QUESTIONS, issuer_registry=LOOKALIKE))

    assert fault_of(forged) is Fault.ELSEWHERE
    assert evidence_of(trie).prove(QUESTIONS).issuer.revoked


@pytest.mark.parametrize(
    "trie",
    [
        StateTrie(NEIGHBOURS),
        state_trie(state(), anchor_code=b"\x09" * 32),
        state_trie(state(), issuer_code=registries.ANCHOR_REGISTRY_CODE_HASH),
        state_trie(state(), issuer_code=bytes(32)),
    ],
    ids=["none", "other anchors", "the other registry's code", "no code"],
)
def test_where_no_registry_is_nothing_is_zero(trie: StateTrie) -> None:
    nodes = pool(trie, QUESTIONS, ())
    header = header_of(trie).raw

    with pytest.raises(EvidenceFault, match="should be") as refusal:
        build_evidence(header, nodes, QUESTIONS)
    assert refusal.value.fault is Fault.NO_REGISTRY
    evidence = Evidence(header, tuple(dict.fromkeys(nodes)))
    assert fault_of(evidence) is Fault.NO_REGISTRY


def damages(rng: random.Random) -> Iterator[Callable[[list[bytes]], object]]:
    yield lambda nodes: nodes.pop(rng.randrange(len(nodes)))
    yield rng.shuffle
    yield lambda nodes: nodes.append(rng.randbytes(40))
    yield lambda nodes: nodes.__setitem__(rng.randrange(len(nodes)), rng.randbytes(532))
    yield lambda nodes: nodes.__setitem__(
        rng.randrange(len(nodes)), nodes[rng.randrange(len(nodes))]
    )
    yield lambda nodes: nodes.__setitem__(0, nodes[0][:-1])
    yield lambda nodes: nodes.reverse()
    yield lambda nodes: nodes.__delitem__(slice(rng.randrange(1, len(nodes)), None))


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False))
def test_no_change_of_the_list_is_accepted(rng: random.Random) -> None:
    nodes = list(WHOLE.nodes)
    for damage in rng.sample(list(damages(rng)), rng.randrange(1, 4)):
        if len(nodes) > 1:
            damage(nodes)
    if tuple(nodes) == WHOLE.nodes or not nodes:
        return
    with pytest.raises(LedgerError):
        replace(WHOLE, nodes=tuple(nodes)).prove(QUESTIONS)


@settings(max_examples=200, deadline=None)
@given(
    st.binary(min_size=1, max_size=700),
    st.lists(st.binary(min_size=1, max_size=99), min_size=1),
)
def test_any_bytes_are_refused_with_one_of_our_errors(
    header: bytes, nodes: list[bytes]
) -> None:
    for made in (header, WHOLE.header):
        with pytest.raises(LedgerError):
            Evidence(made, tuple(nodes)).prove(QUESTIONS)


def test_words_of_the_registries_are_where_the_layout_says() -> None:
    """The example of docs/spec/contracts.md, slot by slot."""
    example = replace(
        QUESTIONS,
        sealed_root=bytes.fromhex(
            "4813494d137e1631bba301d5acab6e7bb7aa74ce1185d456565ef51d737677b2"
        ),
        issuer_id=bytes.fromhex(
            "c7e039bc41dae264f08a8c6edbd88758455488f561e946fdeeddd729ef1a0f17"
        ),
        key_id=bytes.fromhex(
            "5bf4e62ae14119491da88ce57fb01f8f4c59df3e59bdffe2dc2470d23eadb63b"
        ),
        profile_hash=bytes.fromhex(
            "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        ),
        status_index=300,
    )
    expected = [
        "0a1909d783311d3e2d9bd5c9f14952ce43decd508e9b1d49a24a0ff06fc1b885",
        "2cfdbfe8655f61318011a77bf854a5f6361ddfa69880d4f4399071af65e64c6b",
        "9e9f6e09c474ddda217fa514a9c5dacb3449abf481362ef0c95428247cc4a617",
        "a3fd56da451598df4400c3bb40c4147e267b385a944f822ca086c907fed26ff0",
        "65683cb4b67818f9a46f63445622da25478575e3d8aeb44daa737a5b0072f800",
    ]

    assert [slot.hex() for slot in example.issuer_slots([b"\xcc" * 32])] == expected
    assert [slot.hex() for slot in example.anchor_slots()] == [
        "5506bc8ab10b2a3b0cc813aaa5f883437455ed91496e9f00b05d5c84f7eb81a0"
    ]
    assert anchor_words(state())[QUESTIONS.anchor_slots()[0]] == 50 << 64 | 1_200
