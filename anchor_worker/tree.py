"""
Building a batch's tree, and proving it before anybody signs its root.

The only module that knows merkletools. It builds blocks of 65,536 leaves, and then the tree
over their roots: by RFC 9162 every such block is a subtree, so this is the same tree, in a
third of the memory. ``check_tree`` proves every leaf again with ``ledger.core.merkle``,
which shares no code with the builder, by the path that will be cut from the stored tiles.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from blockcerts_merkletools import MerkleTools

from ledger.core import tiles
from ledger.core.merkle import HASH_SIZE, InclusionProof, sealed_root
from ledger.core.tiles import TilePlace
from ledger.errors import ProofError

BLOCK_HEIGHT: Final = 16  # 65,536 leaves: what merkletools holds at once

_Bytes = bytes | bytearray
_NO_LEAVES = "a batch has at least one leaf"
_NO_HASH = "a leaf is a 32-byte hash"


@dataclass(frozen=True, slots=True)
class Tree:
    """A built tree. Each level is its nodes joined, the leaves first, the root alone last."""

    levels: tuple[_Bytes, ...]

    @property
    def size(self) -> int:
        """The number of leaves."""
        return len(self.levels[0]) // HASH_SIZE

    @property
    def root(self) -> bytes:
        """The root, as RFC 9162 2.1.1 defines it."""
        return bytes(self.levels[-1])

    @property
    def sealed_root(self) -> bytes:
        """The root bound to the size: what is anchored."""
        return sealed_root(self.size, self.root)

    def tiles(self) -> Iterator[tuple[TilePlace, bytes]]:
        """What is stored of it, each tile made when it is asked for."""
        for place in tiles.places(self.size):
            yield place, tiles.cut(self.levels, place)

    def paths(self) -> Iterator[bytes]:
        """Every leaf's path, in leaf order, cut from the tiles."""
        return tiles.paths(self.size, self._fetch)

    def _fetch(self, height: int, first: int, count: int) -> Iterator[bytes]:
        for number in range(first, first + count):
            yield tiles.cut(self.levels, TilePlace(height, number))


def build(leaves: Sequence[bytes]) -> Tree:
    """The tree over leaf hashes, in their order. Nothing may be signed before ``check_tree``."""
    if not leaves:
        raise ValueError(_NO_LEAVES)
    if set(map(len, leaves)) != {HASH_SIZE}:
        raise ValueError(_NO_HASH)
    return build_joined(b"".join(leaves))


def build_joined(leaves: _Bytes, *, block_height: int = BLOCK_HEIGHT) -> Tree:
    """The tree over leaf hashes that are joined, in their order, 32 bytes each.

    They become its lowest level, not copied: they must not be changed any more. Beside them it
    takes 32 bytes a leaf, and what merkletools needs for one block.
    """
    if not leaves:
        raise ValueError(_NO_LEAVES)
    if len(leaves) % HASH_SIZE:
        raise ValueError(_NO_HASH)
    size = len(leaves) // HASH_SIZE
    height = min(block_height, tiles.height_of(size))
    upper = [
        bytearray(HASH_SIZE * tiles.width_of(size, level))
        for level in range(1, height + 1)
    ]
    width = HASH_SIZE << height
    for number, start in enumerate(range(0, len(leaves), width)):
        block = _block(bytes(leaves[start : start + width]), height)
        for level, nodes in enumerate(block, 1):
            at = number * (width >> level)
            upper[level - 1][at : at + len(nodes)] = nodes
    below = (leaves, *upper)
    if len(below[-1]) == HASH_SIZE:
        return Tree(below)
    over = build_joined(below[-1], block_height=block_height)
    return Tree((*below[:-1], *over.levels))


def _block(leaves: bytes, height: int) -> Iterator[bytes]:
    """The levels above the leaves of one block, up to the one of its root."""
    tools = MerkleTools()
    # Unmodified, merkletools hashes a node like a leaf, and an inner node passes for an entry.
    tools.hash_function = lambda pair: sha256(b"\x01" + pair)
    # add_leaf() takes hex only, and would copy every leaf twice to arrive at this same list.
    tools.leaves = [
        leaves[at : at + HASH_SIZE] for at in range(0, len(leaves), HASH_SIZE)
    ]
    tools.make_tree()
    levels = [b"".join(level) for level in reversed(tools.levels)]
    yield from levels[1:]
    # The last block of a tree may be lower; then its root is promoted to where blocks end.
    for _ in range(height + 1 - len(levels)):
        yield levels[-1]


def check_tree(
    tree: Tree,
    leaves: _Bytes,
    *,
    progress: Callable[[int], None] = lambda _done: None,
) -> None:
    """Prove every leaf, given joined, again with the verifier's own code.

    ProofError names the first that fails. `progress` is told every 65,536 leaves.
    """
    size = len(leaves) // HASH_SIZE
    if tree.size != size:
        raise ProofError(f"the tree has {tree.size} leaves, the batch has {size}")
    root = tree.root
    for index, path in enumerate(tree.paths()):
        leaf = bytes(leaves[index * HASH_SIZE : (index + 1) * HASH_SIZE])
        if InclusionProof.from_bytes(index, size, path).root(leaf) != root:
            raise ProofError(f"leaf {index} of {size} does not lead to the root")
        if not (index + 1) % 65_536:
            progress(index + 1)
