"""
Building a batch's tree, and proving it before anybody signs its root.

The only module that knows merkletools. It builds the levels; the paths of all leaves are cut
out of those levels by shared suffixes; and ``check_tree`` proves every leaf again with
``ledger.core.merkle``, which shares no code with the builder.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from blockcerts_merkletools import MerkleTools

from ledger.core.merkle import HASH_SIZE, InclusionProof, sealed_root
from ledger.errors import ProofError

BLOCK_HEIGHT = 14  # 16,384 leaves: what is in memory at once while paths are cut


@dataclass(frozen=True, slots=True)
class Tree:
    """A built tree. Each level is its nodes joined, the leaves first, the root alone last."""

    levels: tuple[bytes, ...]

    @property
    def size(self) -> int:
        """The number of leaves."""
        return len(self.levels[0]) // HASH_SIZE

    @property
    def root(self) -> bytes:
        """The root, as RFC 9162 2.1.1 defines it."""
        return self.levels[-1]

    @property
    def sealed_root(self) -> bytes:
        """The root bound to the size: what is anchored."""
        return sealed_root(self.size, self.root)

    def paths(self, *, block_height: int = BLOCK_HEIGHT) -> Iterator[bytes]:
        """
        Every leaf's path, in leaf order; a path is its siblings joined, from the leaf upwards.

        The path of a node is its sibling followed by the path of its parent, and both children
        share that tail. So walk from the root down and make each node's tail once: 2n
        concatenations, where climbing from every leaf reads n log n nodes. One block is a
        subtree, so memory does not grow with the batch.
        """
        top = len(self.levels) - 1
        floor = min(block_height, top)
        tails = [b""]
        for height in range(top - 1, floor - 1, -1):
            tails = _children(self.levels[height], tails)
        for number, tail in enumerate(tails):
            yield from self._block(number, floor, tail)

    def _block(self, number: int, height: int, tail: bytes) -> list[bytes]:
        """The paths of the leaves under one node of a level, whose own path is known."""
        tails = [tail]
        for below in range(height - 1, -1, -1):
            width = HASH_SIZE << (height - below)
            nodes = self.levels[below][number * width : (number + 1) * width]
            tails = _children(nodes, tails)
        return tails


def _children(nodes: bytes, tails: list[bytes]) -> list[bytes]:
    """The paths of one level's nodes from the paths of their parents."""
    paths: list[bytes] = []
    whole = len(nodes) // (2 * HASH_SIZE)
    for at, tail in zip(
        range(0, len(nodes), 2 * HASH_SIZE), tails[:whole], strict=False
    ):
        paths.append(nodes[at + HASH_SIZE : at + 2 * HASH_SIZE] + tail)
        paths.append(nodes[at : at + HASH_SIZE] + tail)
    # An odd last node was promoted: it has no sibling here, its path is its parent's.
    paths.extend(tails[whole:])
    return paths


def build(leaves: Sequence[bytes]) -> Tree:
    """The tree over leaf hashes, in their order. Nothing may be signed before ``check_tree``."""
    if not leaves:
        raise ValueError("a batch has at least one leaf")
    if set(map(len, leaves)) != {HASH_SIZE}:
        raise ValueError("a leaf is a 32-byte hash")
    tools = MerkleTools()
    # Unmodified, merkletools hashes a node like a leaf, and an inner node passes for an entry.
    tools.hash_function = lambda pair: sha256(b"\x01" + pair)
    # add_leaf() takes hex only, and would copy every leaf twice to arrive at this same list.
    tools.leaves = list(leaves)
    tools.make_tree()
    return Tree(tuple(b"".join(level) for level in reversed(tools.levels)))


def check_tree(tree: Tree, leaves: Sequence[bytes]) -> None:
    """Prove every leaf again with the verifier's own code. ProofError names the first that fails."""
    size = len(leaves)
    if tree.size != size:
        raise ProofError(f"the tree has {tree.size} leaves, the batch has {size}")
    for index, (leaf, path) in enumerate(zip(leaves, tree.paths(), strict=True)):
        if InclusionProof.from_bytes(index, size, path).root(leaf) != tree.root:
            raise ProofError(f"leaf {index} of {size} does not lead to the root")
