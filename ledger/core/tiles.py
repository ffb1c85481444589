"""
Tiles: a tree cut into small subtrees, so that one path is a few reads and no hashing.

A tile is ``TILE_HEIGHT`` levels of the subtree under one node, lowest level first, the nodes
of a level joined from left to right; the node itself is in the tile above. So it holds up to
510 hashes, every node of the tree but the root is in exactly one tile (64 bytes a leaf
altogether), a node and its sibling are always in the same one, and the path of a leaf crosses
one tile for every eight levels. An odd last node is promoted, and stands in each level that
it is promoted through (docs/decisions/0017-stored-trees.md).

Pure layout: where a node is, and which tiles a path needs. Whether a path leads to the root is
``ledger.core.merkle``'s business.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import add
from typing import Final

from ledger.core.merkle import HASH_SIZE
from ledger.errors import ProofError

#: Stored trees are cut at this height: never change it.
TILE_HEIGHT: Final = 8

_Bytes = bytes | bytearray
#: Answers tiles of one height, from one number on, as many as are asked for.
Fetch = Callable[[int, int, int], Iterable[bytes]]


def height_of(tree_size: int) -> int:
    """How many levels a tree has below its root: the length of its longest path."""
    return (tree_size - 1).bit_length()


def width_of(tree_size: int, level: int) -> int:
    """How many nodes a level has; leaves are level 0."""
    return ((tree_size - 1) >> level) + 1


@dataclass(frozen=True, slots=True)
class TilePlace:
    """A tile's place: the level of its lowest nodes, and its number from the left."""

    height: int
    number: int

    def spans(self, tree_size: int) -> Iterator[tuple[int, int]]:
        """First node and number of nodes of each of its levels, lowest first."""
        top = min(self.height + TILE_HEIGHT, height_of(tree_size))
        for level in range(self.height, top):
            whole = 1 << (self.height + TILE_HEIGHT - level)
            first = self.number * whole
            yield first, min(whole, width_of(tree_size, level) - first)

    def size(self, tree_size: int) -> int:
        """How many bytes it has."""
        return HASH_SIZE * sum(count for _, count in self.spans(tree_size))


def places(tree_size: int) -> Iterator[TilePlace]:
    """The places of all tiles of a tree, lowest first, from left to right. None for a tree of one."""
    for height in range(0, height_of(tree_size), TILE_HEIGHT):
        tiles = ((width_of(tree_size, height) - 1) >> TILE_HEIGHT) + 1
        for number in range(tiles):
            yield TilePlace(height, number)


def on_path(tree_size: int, leaf_index: int) -> list[TilePlace]:
    """The places of the tiles that a leaf's path crosses, lowest first. ProofError if there is no such leaf."""
    if not 0 <= leaf_index < tree_size:
        raise ProofError(f"leaf {leaf_index} is not in a tree of {tree_size}")
    return [
        TilePlace(height, leaf_index >> height + TILE_HEIGHT)
        for height in range(0, height_of(tree_size), TILE_HEIGHT)
    ]


def cut(levels: Sequence[_Bytes], place: TilePlace) -> bytes:
    """One tile out of a whole tree: its levels, the nodes of each joined, leaves first."""
    size = len(levels[0]) // HASH_SIZE
    spans = enumerate(place.spans(size), place.height)
    return b"".join(
        levels[level][first * HASH_SIZE : (first + count) * HASH_SIZE]
        for level, (first, count) in spans
    )


def path(tree_size: int, leaf_index: int, tiles: Sequence[bytes]) -> bytes:
    """A leaf's path out of the tiles that it crosses; siblings joined, from the leaf upwards.

    ProofError if a tile is missing or has another size than it must.
    """
    crossed = on_path(tree_size, leaf_index)
    if len(tiles) != len(crossed):
        raise ProofError(f"{len(tiles)} of {len(crossed)} tiles of a path are there")
    siblings: list[bytes] = []
    for place, nodes in zip(crossed, tiles, strict=True):
        _require_whole(tree_size, place, nodes)
        start = 0
        for level, (first, count) in enumerate(place.spans(tree_size), place.height):
            at = ((leaf_index >> level) ^ 1) - first
            # Without a sibling the node was promoted.
            if at < count:
                offset = start + at * HASH_SIZE
                siblings.append(nodes[offset : offset + HASH_SIZE])
            start += count * HASH_SIZE
    return b"".join(siblings)


def paths(tree_size: int, fetch: Fetch) -> Iterator[bytes]:
    """Every leaf's path, in leaf order, out of tiles as `fetch` answers them.

    The path of a node is its sibling followed by the path of its parent, and both children
    share that tail. So walk from the root down and make each node's tail once: 2n
    concatenations, where climbing from every leaf reads n log n nodes. It goes into one tile
    after the other, so memory does not grow with the tree. ProofError as `path`.
    """
    height = height_of(tree_size)
    if not height:
        return iter([b""])
    top = (height - 1) // TILE_HEIGHT * TILE_HEIGHT
    return chain.from_iterable(_below(tree_size, fetch, TilePlace(top, 0), [b""]))


def _below(
    tree_size: int, fetch: Fetch, first: TilePlace, tails: list[bytes]
) -> Iterator[list[bytes]]:
    """The paths of the leaves under neighbouring tiles, whose roots' paths are known: a tile at a time."""
    found = 0
    tiles = fetch(first.height, first.number, len(tails))
    for number, nodes in enumerate(tiles, first.number):
        place = TilePlace(first.height, number)
        _require_whole(tree_size, place, nodes)
        lower = _lowest(tree_size, place, nodes, tails[found])
        found += 1
        if place.height:
            below = TilePlace(place.height - TILE_HEIGHT, number << TILE_HEIGHT)
            yield from _below(tree_size, fetch, below, lower)
        else:
            yield lower
    if found != len(tails):
        raise ProofError(f"{found} of {len(tails)} neighbouring tiles are there")


def _lowest(tree_size: int, place: TilePlace, nodes: bytes, tail: bytes) -> list[bytes]:
    """The paths of a tile's lowest nodes from the path of its root."""
    tails, end = [tail], len(nodes)
    for _, count in reversed(list(place.spans(tree_size))):
        start = end - count * HASH_SIZE
        tails = _children(nodes[start:end], tails)
        end = start
    return tails


def _children(nodes: bytes, tails: list[bytes]) -> list[bytes]:
    """The paths of one level's nodes from the paths of their parents."""
    whole = len(nodes) // (2 * HASH_SIZE)
    pairs = range(0, 2 * whole * HASH_SIZE, HASH_SIZE)
    siblings = [nodes[at : at + HASH_SIZE] for at in pairs]
    found = siblings.copy()
    found[::2] = map(add, siblings[1::2], tails)
    found[1::2] = map(add, siblings[::2], tails)
    # An odd last node was promoted: it has no sibling here, its path is its parent's.
    found.extend(tails[whole:])
    return found


def _require_whole(tree_size: int, place: TilePlace, nodes: bytes) -> None:
    expected = place.size(tree_size)
    if len(nodes) != expected:
        raise ProofError(
            f"a tile of {len(nodes)} bytes where a tree of {tree_size} has {expected}"
        )
