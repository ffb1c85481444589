"""Accounts and slots from proofs, and what eth_getProof may answer."""

from typing import Any

import pytest

from ledger.chain.state import Contract, StateTrie
from ledger.chain.trie import Trie
from ledger.core import rlp
from ledger.core.account import (
    MAX_PROOF_NODES,
    Account,
    AccountProof,
    find_account,
    find_slot,
)
from ledger.core.keys import keccak256
from ledger.core.mpt import EMPTY_ROOT, NodeMissing, Nodes
from ledger.errors import MalformedError

HERE, THERE = "0x" + "ab" * 20, "0x" + "cd" * 20
SLOT, OTHER = (1).to_bytes(32, "big"), (2).to_bytes(32, "big")
STATE = StateTrie(
    {
        HERE: Contract(b"\x07" * 32, {SLOT: 2**255 + 5, OTHER: 0}),
        THERE: Contract(b"\x08" * 32, {}),
    }
)


def test_a_word_and_its_absence() -> None:
    nodes = Nodes(dict.fromkeys(STATE.proof(HERE, [SLOT, OTHER]).pool))
    account = find_account(nodes, STATE.root, HERE)

    assert account is not None
    assert account.code_hash == b"\x07" * 32
    assert find_slot(nodes, account, SLOT) == 2**255 + 5
    assert find_slot(nodes, account, OTHER) == 0


def test_an_account_without_storage_holds_zeros() -> None:
    nodes = Nodes(dict.fromkeys(STATE.proof(THERE, [SLOT]).pool))

    account = find_account(nodes, STATE.root, THERE)
    assert account == Account(EMPTY_ROOT, b"\x08" * 32)
    assert find_slot(nodes, account, SLOT) == 0


def test_no_account_is_none_and_no_proof_is_an_error() -> None:
    nowhere = "0x" + "ee" * 20

    assert (
        find_account(Nodes(STATE.proof(nowhere, []).nodes), STATE.root, nowhere) is None
    )
    with pytest.raises(NodeMissing):
        find_account(Nodes([]), STATE.root, nowhere)


def test_a_zero_that_a_development_node_kept_is_a_zero() -> None:
    trie = Trie({keccak256(SLOT): rlp.encode(b"")})
    nodes = Nodes(trie.proof(keccak256(SLOT)))

    assert find_slot(nodes, Account(trie.root, bytes(32)), SLOT) == 0


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"\x07", "four fields"),
        (rlp.encode([b""] * 5), "four fields"),
        (rlp.encode([b"", b"", bytes(31), bytes(32)]), "not a hash"),
        (rlp.encode([b"", b"", bytes(32), []]), "not a hash"),
    ],
)
def test_what_is_no_account(value: bytes, reason: str) -> None:
    key = keccak256(bytes.fromhex(HERE[2:]))
    trie = Trie({key: value})
    with pytest.raises(MalformedError, match=reason):
        find_account(Nodes(trie.proof(key)), trie.root, HERE)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (rlp.encode(bytes(33)), "not a number"),
        (rlp.encode([]), "not a number"),
        (rlp.encode(b"\0\x01"), "leading zeros"),
        (b"\x01\x02", "bytes behind"),
    ],
)
def test_what_is_no_word(value: bytes, reason: str) -> None:
    trie = Trie({keccak256(SLOT): value})
    nodes = Nodes(trie.proof(keccak256(SLOT)))
    with pytest.raises(MalformedError, match=reason):
        find_slot(nodes, Account(trie.root, bytes(32)), SLOT)


# ---------------------------------------------------------------- eth_getProof


def answer(**changes: Any) -> dict[str, Any]:
    proof = {"key": "0x1", "value": "0xff", "proof": ["0xc0", "0xC180"]}
    return {"accountProof": ["0x01", "0x"], "storageProof": [proof | changes]}


def test_an_answer_is_read_in_the_order_of_the_questions() -> None:
    read = AccountProof.from_rpc(answer(), [SLOT])

    assert read.nodes == (b"\x01", b"")
    assert read.slots[0].value == 255
    assert list(read.pool) == [b"\x01", b"", b"\xc0", b"\xc1\x80"]
    padded = AccountProof.from_rpc(answer(key=f"0x{SLOT.hex()}"), [SLOT])
    assert padded == read


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (None, "not an object"),
        ({"accountProof": []}, "proof for each slot"),
        ({"accountProof": [], "storageProof": []}, "proof for each slot"),
        ({"storageProof": answer()["storageProof"]}, "not a list of nodes"),
        (answer() | {"accountProof": ["0x0"]}, "not bytes"),
        (answer() | {"accountProof": [1]}, "not bytes"),
        (answer() | {"storageProof": ["0x"]}, "no object"),
        (answer(key="0x2"), "another slot"),
        (answer(key=None), "not a number"),
        (answer(value="0x" + "f" * 65), "not a number"),
        (answer(proof="0x"), "not a list of nodes"),
        (answer(proof=["0x"] * (MAX_PROOF_NODES + 1)), "not a list of nodes"),
    ],
)
def test_other_answers_are_refused(given: Any, reason: str) -> None:
    with pytest.raises(MalformedError, match=reason):
        AccountProof.from_rpc(given, [SLOT])
