"""The reader of trie proofs, against py-trie and against every kind of damage."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings, strategies as st
from trie.hexary import HexaryTrie

from ledger.chain.trie import Trie
from ledger.core import rlp
from ledger.core.keys import keccak256
from ledger.core.mpt import EMPTY_ROOT, NodeMissing, Nodes
from ledger.errors import LedgerError, MalformedError

#: Short keys make nodes that stand inside their parents; hashes make wide branches.
SHORT = st.binary(min_size=2, max_size=2)
LONG = st.integers(0, 200).map(lambda number: keccak256(b"%d" % number))
VALUES = st.binary(min_size=1, max_size=40)
TRIES = st.dictionaries(SHORT, VALUES, max_size=30) | st.dictionaries(
    LONG, VALUES, max_size=60
)
HUNDRED = {keccak256(b"%d" % number): b"value %d" % number for number in range(100)}


def oracle(values: Mapping[bytes, bytes]) -> HexaryTrie:
    made = HexaryTrie({})
    for key, value in values.items():
        made[key] = value
    return made


@settings(max_examples=60, deadline=None)
@given(TRIES, st.data())
def test_a_proof_shows_what_the_oracle_finds(
    values: dict[bytes, bytes], data: st.DataObject
) -> None:
    """Both a value and its absence, from py-trie's own proof and from ours."""
    theirs, ours = oracle(values), Trie(values)
    assert theirs.root_hash == ours.root

    size = len(next(iter(values), b"xx"))
    key = data.draw(
        st.binary(min_size=size, max_size=size) | st.sampled_from(sorted(values))
        if values
        else st.binary(min_size=size, max_size=size)
    )
    expected = values.get(key)
    nodes = Nodes(ours.proof(key))
    assert expected == nodes.find(ours.root, key)
    assert nodes.used == ours.proof(key)
    assert not nodes.unused
    if values:
        their_nodes = Nodes(
            rlp.encode([_plain(item) for item in node])
            for node in theirs.get_proof(key)  # type: ignore[no-untyped-call]
        )
        assert expected == their_nodes.find(theirs.root_hash, key)
        assert their_nodes.used == ours.proof(key)


def _plain(item: object) -> rlp.Rlp:
    return [_plain(each) for each in item] if isinstance(item, list) else bytes(item)  # type: ignore[call-overload]


def test_an_empty_trie_has_nothing_anywhere_and_needs_no_node() -> None:
    assert Trie({}).root == EMPTY_ROOT
    assert Nodes([]).find(EMPTY_ROOT, bytes(32)) is None


def test_nodes_of_several_proofs_are_used_once_in_order() -> None:
    trie = Trie(HUNDRED)
    first, second = sorted(HUNDRED)[3], sorted(HUNDRED)[60]
    pool = Nodes(reversed(list(dict.fromkeys(trie.proof(first) + trie.proof(second)))))

    assert pool.find(trie.root, second) == HUNDRED[second]
    assert pool.find(trie.root, first) == HUNDRED[first]
    assert pool.used[: len(trie.proof(second))] == trie.proof(second)
    assert not pool.unused


def test_a_missing_node_is_no_absence() -> None:
    trie = Trie(HUNDRED)
    key = sorted(HUNDRED)[7]
    proof = trie.proof(key)
    for gone in range(len(proof)):
        with pytest.raises(NodeMissing):
            Nodes(proof[:gone] + proof[gone + 1 :]).find(trie.root, key)


def test_no_single_bit_of_a_proof_can_differ() -> None:
    trie = Trie(HUNDRED)
    key = sorted(HUNDRED)[7]
    proof = trie.proof(key)
    tried = 0
    for place, node in enumerate(proof):
        for bit in range(len(node) * 8):
            damaged = bytearray(node)
            damaged[bit // 8] ^= 1 << bit % 8
            changed = [*proof[:place], bytes(damaged), *proof[place + 1 :]]
            with pytest.raises(LedgerError):
                Nodes(changed).find(trie.root, key)
            tried += 1
    assert tried > 4_000


def test_a_node_that_stands_there_twice_is_refused() -> None:
    node = Trie(HUNDRED).proof(bytes(32))[0]
    with pytest.raises(MalformedError, match="twice"):
        Nodes([node, node])


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (b"text", "neither a branch nor a path"),
        ([b"", b"", b""], "neither a branch nor a path"),
        ([b"", b"value"], "no byte string"),
        ([[], b"value"], "no byte string"),
        ([b"\x40", b"value"], "unknown kind"),
        ([b"\xf1", b"value"], "unknown kind"),
        ([b"\x21\x23", b"value"], "filler"),
        ([b"\x00", b"value"], "extension by nothing"),
        ([b"\x3a\xbb", b""], "without a value"),
        ([b"\x3a\xbb", []], "without a value"),
        ([b"\x1a", b"no hash"], "neither a hash nor a node"),
        ([b"\x1a", []], "neither a branch nor a path"),
        ([b"short"] * 17, "neither a hash nor a node"),
        ([[]] * 17, "neither a branch nor a path"),
    ],
)
def test_what_no_trie_can_hold(node: rlp.Rlp, reason: str) -> None:
    """Found under its own hash, as in a trie that a forger made."""
    raw = rlp.encode(node)
    with pytest.raises(MalformedError, match=reason):
        Nodes([raw]).find(keccak256(raw), b"\xab\xbb")


def test_a_branch_value_belongs_to_the_key_that_ends_there() -> None:
    branch = rlp.encode([b""] * 16 + [b"here"])
    nothing = rlp.encode([b""] * 17)

    assert Nodes([branch]).find(keccak256(branch), b"") == b"here"
    assert Nodes([nothing]).find(keccak256(nothing), b"") is None
