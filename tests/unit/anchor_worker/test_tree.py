"""The builder against the checker, and a tree that was damaged between the two."""

from dataclasses import replace
from hashlib import sha256

import pytest
from blockcerts_merkletools import MerkleTools
from hypothesis import assume, given, strategies as st

from anchor_worker.tree import BLOCK_HEIGHT, Tree, build, build_joined, check_tree
from ledger.core.merkle import InclusionProof, leaf_hash, root, sealed_root
from ledger.errors import ProofError


def leaves_of(size: int) -> list[bytes]:
    return [leaf_hash(number.to_bytes(4, "big")) for number in range(size)]


def merkletools_paths(leaves: list[bytes]) -> list[bytes]:
    """The library's own proofs, without the side labels that index and size make redundant."""
    tools = MerkleTools()
    tools.hash_function = lambda pair: sha256(b"\x01" + pair)
    tools.add_leaf([leaf.hex() for leaf in leaves])
    tools.make_tree()
    return [
        bytes.fromhex("".join(h for step in tools.get_proof(i) for h in step.values()))
        for i in range(len(leaves))
    ]


@pytest.mark.uncounted
@pytest.mark.slow
def test_roots_equal_the_checkers_for_every_size_up_to_2000() -> None:
    leaves = leaves_of(2_000)

    for size in range(1, 2_001):
        assert root(leaves[:size]) == build(leaves[:size]).root


@pytest.mark.uncounted
@pytest.mark.slow
def test_root_and_every_proof_of_100_000_leaves() -> None:
    leaves = leaves_of(100_000)
    tree = build(leaves)

    assert root(leaves) == tree.root
    assert merkletools_paths(leaves) == list(tree.paths())
    check_tree(tree, b"".join(leaves))


@pytest.mark.uncounted
def test_every_path_of_every_size_up_to_130() -> None:
    for size in range(1, 131):
        leaves = leaves_of(size)
        tree = build(leaves)

        assert size == tree.size
        assert sealed_root(size, root(leaves)) == tree.sealed_root
        assert merkletools_paths(leaves) == list(tree.paths())
        for index, path in enumerate(tree.paths()):
            proof = InclusionProof.from_bytes(index, size, path)
            assert tree.root == proof.root(leaves[index])
        check_tree(tree, b"".join(leaves))


@given(st.integers(1, 700), st.integers(1, 10))
def test_the_blocks_that_are_joined_do_not_matter(size: int, height: int) -> None:
    leaves = b"".join(leaves_of(size))
    tree = build_joined(leaves, block_height=BLOCK_HEIGHT)

    assert tree == build_joined(leaves, block_height=height)


def test_a_tree_needs_a_leaf() -> None:
    with pytest.raises(ValueError, match="at least one leaf"):
        build([])
    with pytest.raises(ValueError, match="at least one leaf"):
        build_joined(b"")


def test_a_leaf_is_a_hash() -> None:
    with pytest.raises(ValueError, match="32-byte"):
        build([b"l" * 32, b"l" * 31])
    with pytest.raises(ValueError, match="32-byte"):
        build_joined(b"l" * 63)


# ---------------------------------------------------------------- a builder that is wrong


@given(st.integers(2, 60), st.data())
def test_any_damaged_node_is_found_before_the_root_is_signed(
    size: int, data: st.DataObject
) -> None:
    leaves = leaves_of(size)
    tree = build(leaves)
    height = data.draw(st.integers(0, len(tree.levels) - 1))
    level = bytearray(tree.levels[height])
    level[data.draw(st.integers(0, len(level) - 1))] ^= data.draw(st.integers(1, 255))
    damaged = Tree((*tree.levels[:height], bytes(level), *tree.levels[height + 1 :]))
    # The lower copy of a promoted node stands in no path; damage there changes nothing.
    assume(damaged.root != tree.root or list(damaged.paths()) != list(tree.paths()))

    with pytest.raises(ProofError, match="does not lead to the root"):
        check_tree(damaged, b"".join(leaves))


def test_a_tree_over_other_leaves_is_found() -> None:
    leaves = leaves_of(9)

    with pytest.raises(ProofError, match="leaf 7 of 9"):
        check_tree(
            build(leaves), b"".join([*leaves[:7], leaf_hash(b"other"), leaves[8]])
        )


def test_a_tree_of_another_size_is_found() -> None:
    with pytest.raises(ProofError, match="the tree has 9 leaves, the batch has 8"):
        check_tree(build(leaves_of(9)), b"".join(leaves_of(8)))


def test_a_builder_that_doubles_the_last_leaf_is_found() -> None:
    """CVE-2012-2459, as a builder's fault."""
    leaves = leaves_of(3)
    doubled = build([*leaves, leaves[-1]])
    joined = b"".join(leaves)

    with pytest.raises(ProofError):
        check_tree(replace(doubled, levels=(joined, *doubled.levels[1:])), joined)
