"""The checker against RFC 9162, the Certificate Transparency vectors, and everything that may be damaged."""

import json
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import assume, given, strategies as st

from ledger.core.merkle import (
    MAX_TREE_SIZE,
    InclusionProof,
    leaf_hash,
    node_hash,
    root,
    sealed_root,
)
from ledger.errors import MalformedError, ProofError

VECTORS = Path(__file__).parents[2] / "vectors" / "merkle"
CT = json.loads((VECTORS / "certificate-transparency.json").read_bytes())
PUBLISHED = json.loads((VECTORS / "leaf-and-tree.json").read_bytes())
CT_LEAVES = [leaf_hash(bytes.fromhex(entry)) for entry in CT["entries"]]


def leaves_of(size: int) -> list[bytes]:
    return [leaf_hash(number.to_bytes(4, "big")) for number in range(size)]


def path_of(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """RFC 9162 2.1.3.1, word for word: PATH(m, D_n)."""
    if len(leaves) == 1:
        return ()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if index < split:
        return (*path_of(leaves[:split], index), root(leaves[split:]))
    return (*path_of(leaves[split:], index - split), root(leaves[:split]))


def proof_of(leaves: Sequence[bytes], index: int) -> InclusionProof:
    return InclusionProof(index, len(leaves), path_of(leaves, index))


def holds(proof: InclusionProof, leaf: bytes, expected: bytes) -> bool:
    """Whether a proof, damaged or not, leads from a leaf to a sealed root."""
    try:
        return proof.sealed_root(leaf) == expected
    except ProofError:
        return False


@st.composite
def proven(draw: st.DrawFn) -> tuple[list[bytes], InclusionProof]:
    leaves = leaves_of(draw(st.integers(1, 80)))
    return leaves, proof_of(leaves, draw(st.integers(0, len(leaves) - 1)))


# ---------------------------------------------------------------- published vectors


def test_the_empty_tree_is_the_hash_of_nothing() -> None:
    assert bytes.fromhex(CT["emptyRoot"]) == root([])


@pytest.mark.parametrize("vector", CT["roots"], ids=lambda v: v["treeSize"])
def test_roots_of_certificate_transparency(vector: dict[str, int | str]) -> None:
    assert vector["root"] == root(CT_LEAVES[: int(vector["treeSize"])]).hex()


@pytest.mark.parametrize(
    "vector",
    CT["inclusionProofs"],
    ids=lambda v: f"{v['leafIndex']}-of-{v['treeSize']}",
)
def test_inclusion_proofs_of_certificate_transparency(
    vector: dict[str, object],
) -> None:
    index, size, path = vector["leafIndex"], vector["treeSize"], vector["inclusionPath"]
    assert isinstance(index, int)
    assert isinstance(size, int)
    assert isinstance(path, list)
    proof = InclusionProof(index, size, tuple(map(bytes.fromhex, path)))

    assert CT["roots"][size - 1]["root"] == proof.root(CT_LEAVES[index]).hex()
    assert path == [sibling.hex() for sibling in path_of(CT_LEAVES[:size], index)]


def test_five_published_credentials_as_leaves() -> None:
    leaves = [bytes.fromhex(leaf["leaf"]) for leaf in PUBLISHED["leaves"]]
    proofs = [
        InclusionProof(
            leaf["leafIndex"],
            PUBLISHED["treeSize"],
            tuple(map(bytes.fromhex, leaf["inclusionPath"])),
        )
        for leaf in PUBLISHED["leaves"]
    ]

    assert PUBLISHED["root"] == root(leaves).hex()
    assert {PUBLISHED["root"]} == {
        proof.root(leaf).hex() for proof, leaf in zip(proofs, leaves, strict=True)
    }


def test_leaf_node_and_seal_have_their_own_prefix() -> None:
    a, b = b"a" * 32, b"b" * 32

    assert sha256(b"\x00" + a).digest() == leaf_hash(a)
    assert sha256(b"\x01" + a + b).digest() == node_hash(a, b)
    assert sha256(b"\x02" + b"\0\0\0\0\0\0\1\2" + a).digest() == sealed_root(258, a)


def test_the_example_of_the_specification() -> None:
    page = (VECTORS.parents[2] / "docs" / "spec" / "leaf-and-tree.md").read_text()
    leaves = [leaf_hash(bytes([number])) for number in range(5)]
    n01, n23 = node_hash(*leaves[:2]), node_hash(*leaves[2:4])
    n0123 = node_hash(n01, n23)
    top = node_hash(n0123, leaves[4])

    for value in (*leaves, n01, n23, n0123, top, sealed_root(5, top)):
        assert value.hex() in page
    assert top == InclusionProof(3, 5, (leaves[2], n01, leaves[4])).root(leaves[3])
    assert top == InclusionProof(4, 5, (n0123,)).root(leaves[4])


# ---------------------------------------------------------------- every tree


@pytest.mark.uncounted
def test_every_index_of_every_size_up_to_130_is_proved() -> None:
    for size in range(1, 131):
        leaves = leaves_of(size)
        expected = root(leaves)
        for index in range(size):
            assert expected == proof_of(leaves, index).root(leaves[index])


@given(proven())
def test_a_path_in_one_piece_is_the_same_proof(
    case: tuple[list[bytes], InclusionProof],
) -> None:
    _, proof = case

    assert proof == InclusionProof.from_bytes(
        proof.leaf_index, proof.tree_size, b"".join(proof.path)
    )


def test_the_largest_tree_has_paths_of_53_hashes() -> None:
    proof = InclusionProof(0, MAX_TREE_SIZE, (b"s" * 32,) * 53)

    assert len(proof.root(b"l" * 32)) == 32


# ---------------------------------------------------------------- damage


@given(proven(), st.data())
def test_any_other_index_or_size_is_refused(
    case: tuple[list[bytes], InclusionProof], data: st.DataObject
) -> None:
    """What the bare RFC 9162 root cannot do: many paths verify under another size."""
    leaves, proof = case
    sealed = sealed_root(len(leaves), root(leaves))
    index = data.draw(st.integers(0, 90) | st.integers(0, MAX_TREE_SIZE - 1))
    size = data.draw(st.integers(1, 90) | st.integers(1, MAX_TREE_SIZE))
    assume((index, size) != (proof.leaf_index, proof.tree_size))
    leaf = leaves[proof.leaf_index]

    assert holds(proof, leaf, sealed)
    assert not holds(replace(proof, leaf_index=index, tree_size=size), leaf, sealed)


@pytest.mark.uncounted
def test_every_neighbouring_index_and_size_is_refused_exhaustively() -> None:
    for size in range(1, 21):
        leaves = leaves_of(size)
        sealed = sealed_root(size, root(leaves))
        for index in range(size):
            proof = proof_of(leaves, index)
            accepted = [
                (other_index, other_size)
                for other_size in range(1, 46)
                for other_index in range(other_size)
                if holds(
                    InclusionProof(other_index, other_size, proof.path),
                    leaves[index],
                    sealed,
                )
            ]
            assert [(index, size)] == accepted


@given(proven(), st.data())
def test_any_changed_bit_of_path_or_leaf_is_refused(
    case: tuple[list[bytes], InclusionProof], data: st.DataObject
) -> None:
    leaves, proof = case
    sealed = sealed_root(len(leaves), root(leaves))
    hashes = [leaves[proof.leaf_index], *proof.path]
    at = data.draw(st.integers(0, len(hashes) - 1))
    bit = data.draw(st.integers(0, 255))
    flipped = int.from_bytes(hashes[at], "big") ^ 1 << bit
    hashes[at] = flipped.to_bytes(32, "big")

    assert not holds(replace(proof, path=tuple(hashes[1:])), hashes[0], sealed)


@given(proven(), st.data())
def test_a_dropped_or_added_sibling_is_refused(
    case: tuple[list[bytes], InclusionProof], data: st.DataObject
) -> None:
    leaves, proof = case
    leaf, sealed = leaves[proof.leaf_index], sealed_root(len(leaves), root(leaves))
    at = data.draw(st.integers(0, len(proof.path)))
    extra = data.draw(st.sampled_from([*proof.path, leaf, b"\0" * 32]))
    longer = (*proof.path[:at], extra, *proof.path[at:])
    shorter = proof.path[:at] + proof.path[at + 1 :]

    with pytest.raises(ProofError, match="longer"):
        replace(proof, path=longer).root(leaf)
    assert not holds(replace(proof, path=longer), leaf, sealed)
    if shorter != proof.path:
        with pytest.raises(ProofError, match="below the root"):
            replace(proof, path=shorter).root(leaf)


@given(proven(), st.randoms(use_true_random=False))
def test_siblings_in_another_order_are_refused(
    case: tuple[list[bytes], InclusionProof], rng: object
) -> None:
    leaves, proof = case
    sealed = sealed_root(len(leaves), root(leaves))
    path = list(proof.path)
    rng.shuffle(path)  # type: ignore[attr-defined]  # hypothesis types it as object
    assume(tuple(path) != proof.path)

    assert not holds(replace(proof, path=tuple(path)), leaves[proof.leaf_index], sealed)


@given(proven())
def test_a_node_is_no_leaf(case: tuple[list[bytes], InclusionProof]) -> None:
    """A shortened path from an inner node must not pass under any index of the sealed size."""
    leaves, proof = case
    assume(proof.path)
    sealed = sealed_root(len(leaves), root(leaves))
    node = InclusionProof(0, 2, proof.path[:1]).root(leaves[proof.leaf_index])
    pair = leaves[proof.leaf_index] + proof.path[0]

    for index in range(len(leaves)):
        shorter = InclusionProof(index, len(leaves), proof.path[1:])
        same = InclusionProof(index, len(leaves), proof.path)
        assert not holds(shorter, node, sealed)
        assert not holds(same, node, sealed)
    assert leaf_hash(pair) != node_hash(leaves[proof.leaf_index], proof.path[0])


@pytest.mark.parametrize("size", [1, 3, 5, 6, 7, 9, 11])
def test_doubling_the_last_leaf_gives_another_root(size: int) -> None:
    """CVE-2012-2459: where odd nodes are doubled, both batches have one root."""
    leaves = leaves_of(size)

    assert root(leaves) != root([*leaves, leaves[-1]])


# ---------------------------------------------------------------- what no proof may hold


@pytest.mark.parametrize(
    ("index", "size", "path"),
    [
        (-1, 1, ()),
        (MAX_TREE_SIZE, MAX_TREE_SIZE, ()),
        (0, 0, ()),
        (0, -1, ()),
        (0, MAX_TREE_SIZE + 1, ()),
        (0, 2, (b"short",)),
        (0, 2, (b"s" * 33,)),
        (0, MAX_TREE_SIZE, (b"s" * 32,) * 54),
    ],
)
def test_numbers_and_hashes_out_of_range(
    index: int, size: int, path: tuple[bytes, ...]
) -> None:
    with pytest.raises(MalformedError):
        InclusionProof(index, size, path)


def test_a_stored_path_that_was_cut_off() -> None:
    with pytest.raises(MalformedError, match="32-byte"):
        InclusionProof.from_bytes(0, 2, b"s" * 31)


def test_an_index_beyond_the_tree() -> None:
    with pytest.raises(ProofError, match="leaf 4 is not in a tree of 4"):
        InclusionProof(4, 4, (b"s" * 32,) * 2).root(b"l" * 32)


@pytest.mark.parametrize("leaf", [b"", b"l" * 31, b"l" * 33])
def test_a_leaf_that_is_no_hash(leaf: bytes) -> None:
    with pytest.raises(ProofError, match="32-byte"):
        InclusionProof(0, 1, ()).root(leaf)


@pytest.mark.parametrize("size", [-1, 0, MAX_TREE_SIZE + 1, 2**64])
def test_a_size_that_cannot_be_sealed(size: int) -> None:
    with pytest.raises(ProofError, match="no tree has"):
        sealed_root(size, b"r" * 32)
