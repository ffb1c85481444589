"""A whole issuer record under one header: proved as it is, and not in any other way."""

from dataclasses import replace

import pytest

from ledger.chain.state import Contract, StateTrie, make_header
from ledger.core.canonical import encode, parse_object
from ledger.core.evidence import issuer_slot, key_slot, profile_slot, status_slot
from ledger.core.issuer_proof import (
    IssuerFacts,
    IssuerProof,
    IssuerQuestions,
    RecordedKey,
    build_issuer_proof,
)
from ledger.core.registries import ISSUER_REGISTRY, ISSUER_REGISTRY_CODE_HASH
from ledger.errors import MalformedError, ProofError

ISSUER, OTHER = b"\x01" * 32, b"\x02" * 32
PROFILE, NEWER = b"\x03" * 32, b"\x04" * 32
KEY, REVOKER = b"\x05" * 32, b"\x06" * 32
STATEMENT = b"\x07" * 32
QUESTIONS = IssuerQuestions(
    ISSUER_REGISTRY, ISSUER, (PROFILE, NEWER), (KEY, REVOKER), 512
)


def slot_behind(slot: bytes, members: int) -> bytes:
    return (int.from_bytes(slot, "big") + members).to_bytes(32, "big")


def storage(
    *, successor: bytes = bytes(32), extra: dict[bytes, int] | None = None
) -> dict[bytes, int]:
    first = issuer_slot(ISSUER)
    good = int(successor == bytes(32))
    return {
        first: 0xAB | 1_000 << 160 | 9_000 << 200 | good << 240,
        slot_behind(first, 3): int.from_bytes(successor, "big"),
        slot_behind(first, 4): int.from_bytes(STATEMENT, "big"),
        profile_slot(ISSUER, PROFILE): 1_000,
        profile_slot(ISSUER, NEWER): 2_000,
        key_slot(ISSUER, KEY): 1_100 | 8_000 << 40 | 7_000 << 80 | 1 << 120,
        key_slot(ISSUER, REVOKER): 1_200 | 2 << 120,
        status_slot(ISSUER, 300): 1 << 44,
        status_slot(OTHER, 300): 7,
        **(extra or {}),
    }  # fmt: skip


def prove(
    words: dict[bytes, int],
    questions: IssuerQuestions = QUESTIONS,
    *,
    code: bytes = ISSUER_REGISTRY_CODE_HASH,
) -> IssuerProof:
    trie = StateTrie({ISSUER_REGISTRY: Contract(code, words)})
    header = make_header(bytes(32), trie.root, number=12, time=9_500)
    pool = trie.proof(ISSUER_REGISTRY, questions.slots()).pool
    return build_issuer_proof(header.raw, pool, questions)


PROOF = prove(storage())


def test_everything_is_answered_from_the_header_alone() -> None:
    expected = IssuerFacts(
        registered_at=1_000,
        closed_at=9_000,
        closed_for_good=True,
        successor=None,
        statement=STATEMENT,
        profiles=[1_000, 2_000],
        keys=[RecordedKey(1_100, 8_000, 7_000, 1), RecordedKey(1_200, None, None, 2)],
        words={1: 1 << 44},
    )

    assert PROOF.prove(QUESTIONS) == expected
    assert (PROOF.block.number, PROOF.block.time) == (12, 9_500)


def test_a_successor_is_told() -> None:
    facts = prove(storage(successor=OTHER)).prove(QUESTIONS)

    assert (facts.successor, facts.closed_for_good) == (OTHER, False)


def test_what_was_never_recorded_is_proved_absent() -> None:
    asked = replace(QUESTIONS, keys=(OTHER,), profiles=(OTHER,), issuer_id=OTHER)
    facts = prove(storage(), asked).prove(asked)

    assert (facts.registered_at, list(facts.keys), list(facts.profiles)) == (
        None,
        [None],
        [None],
    )
    assert facts.words == {1: 7}


def test_it_is_written_and_read_back() -> None:
    assert IssuerProof.from_bytes(PROOF.encode()) == PROOF


def test_a_bit_that_was_hidden_is_not_proved() -> None:
    """The proof covers all words: one of another state does not fit under the header."""
    honest = prove(storage(extra={status_slot(ISSUER, 5_000): 1}))
    forged = IssuerProof(honest.header, PROOF.nodes)

    with pytest.raises(ProofError):
        forged.prove(QUESTIONS)


@pytest.mark.uncounted
def test_no_changed_bit_is_accepted() -> None:
    for at, node in enumerate(PROOF.nodes):
        for place in range(0, len(node) * 8, 37):
            changed = bytearray(node)
            changed[place // 8] ^= 1 << place % 8
            nodes = (*PROOF.nodes[:at], bytes(changed), *PROOF.nodes[at + 1 :])
            with pytest.raises((ProofError, MalformedError)):
                IssuerProof(PROOF.header, nodes).prove(QUESTIONS)


def test_nodes_stand_once_in_their_order_and_none_too_many() -> None:
    nodes = PROOF.nodes
    with pytest.raises(ProofError, match="another order"):
        IssuerProof(PROOF.header, (nodes[1], nodes[0], *nodes[2:])).prove(QUESTIONS)
    with pytest.raises(ProofError, match="nothing needs"):
        IssuerProof(PROOF.header, (*nodes, b"\xc0more")).prove(QUESTIONS)
    with pytest.raises(MalformedError, match="twice"):
        IssuerProof(PROOF.header, (*nodes, nodes[0])).prove(QUESTIONS)
    for at in range(len(nodes)):
        with pytest.raises(ProofError, match="missing"):
            IssuerProof(PROOF.header, nodes[:at] + nodes[at + 1 :]).prove(QUESTIONS)


def test_another_contract_is_no_registry() -> None:
    with pytest.raises(ProofError, match="is not at"):
        prove(storage(), code=bytes(32))
    with pytest.raises(ProofError, match="is not at"):
        PROOF.prove(replace(QUESTIONS, registry="0x" + "11" * 20))


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"more": 1},
        {"nodes": "u"},
        {"nodes": []},
        {"nodes": ["x"]},
        {"nodes": [""]},
        {"nodes": [7]},
        {"header": None},
        {"header": "u"},
    ],
)
def test_a_file_of_another_form_is_refused(change: dict[str, object]) -> None:
    document = {**parse_object(PROOF.encode()), **change}

    with pytest.raises(MalformedError):
        IssuerProof.from_bytes(encode(document))  # type: ignore[arg-type] # some of it is no JSON value of ours
