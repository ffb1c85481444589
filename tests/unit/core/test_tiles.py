"""The layout of tiles, against trees built by the definition and the verifier's own check."""

from collections import Counter
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import given, strategies as st

from ledger.core import tiles
from ledger.core.merkle import HASH_SIZE, InclusionProof, leaf_hash, node_hash, root
from ledger.core.tiles import TilePlace
from ledger.errors import ProofError


def leaves_of(size: int) -> list[bytes]:
    return [leaf_hash(number.to_bytes(4, "big")) for number in range(size)]


@cache
def levels_of(size: int) -> tuple[bytes, ...]:
    """All levels, leaves first, the root last; an odd last node is promoted."""
    level = leaves_of(size)
    found = [b"".join(level)]
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        above = [node_hash(left, right) for left, right in pairs]
        level = above + level[len(level) - len(level) % 2 :]
        found.append(b"".join(level))
    return tuple(found)


def kept(size: int) -> dict[TilePlace, bytes]:
    return {place: tiles.cut(levels_of(size), place) for place in tiles.places(size)}


def path_of(size: int, index: int, stored: dict[TilePlace, bytes]) -> bytes:
    crossed = tiles.on_path(size, index)
    return tiles.path(size, index, [stored[place] for place in crossed])


def all_paths(size: int, stored: dict[TilePlace, bytes]) -> list[bytes]:
    def fetch(height: int, first: int, count: int) -> Iterator[bytes]:
        for number in range(first, first + count):
            if (place := TilePlace(height, number)) in stored:
                yield stored[place]

    return list(tiles.paths(size, fetch))


def agree(size: int, indexes: range) -> None:
    """One path at a time and all together say the same, and the verifier accepts it."""
    stored, top = kept(size), levels_of(size)[-1]
    together = all_paths(size, stored)
    assert len(together) == size
    for index in indexes:
        path = path_of(size, index, stored)
        assert path == together[index]
        leaf = levels_of(size)[0][index * HASH_SIZE : (index + 1) * HASH_SIZE]
        assert InclusionProof.from_bytes(index, size, path).root(leaf) == top


@pytest.mark.uncounted
def test_every_size_up_to_600() -> None:
    for size in range(1, 601):
        # Every leaf of the sizes around a tile's width, a few of the others.
        step = 1 if size < 40 or 250 < size < 262 or 510 < size < 516 else 37
        agree(size, range(0, size, step))
        agree(size, range(size - 1, size))


def node(level: int, position: int) -> bytes:
    """Stands for a node of a tree that is too large to build."""
    return b"%02d/%029d" % (level, position)


@given(st.integers(1, 2**40), st.data())
def test_any_size_and_leaf(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    expected, position, width, level = [], index, size, 0
    while width > 1:
        if position ^ 1 < width:
            expected.append(node(level, position ^ 1))
        position, width, level = position >> 1, -(-width // 2), level + 1
    crossed = tiles.on_path(size, index)
    stored = [
        b"".join(
            node(level, first + n)
            for level, (first, count) in enumerate(place.spans(size), place.height)
            for n in range(count)
        )
        for place in crossed
    ]

    assert tiles.path(size, index, stored) == b"".join(expected)


@pytest.mark.slow
def test_three_heights_of_tiles() -> None:
    size = 65_536 + 257
    assert root(leaves_of(size)) == levels_of(size)[-1]
    assert {place.height for place in tiles.places(size)} == {0, 8, 16}
    agree(size, range(0, size, 1_009))
    agree(size, range(65_530, 65_545))
    agree(size, range(size - 3, size))


def test_every_node_but_the_root_is_in_one_tile() -> None:
    for size in (1, 2, 3, 255, 256, 257, 600, 1_000):
        stored = b"".join(sorted(kept(size).values()))
        nodes = b"".join(levels_of(size)[:-1])
        assert sorted(_hashes(stored)) == sorted(_hashes(nodes))
        assert len(stored) <= 64 * size + 32 * tiles.height_of(size)


def _hashes(joined: bytes) -> list[bytes]:
    return [joined[at : at + HASH_SIZE] for at in range(0, len(joined), HASH_SIZE)]


def test_a_path_out_of_ten_million_leaves_crosses_three_tiles() -> None:
    crossed = tiles.on_path(10_000_000, 9_999_999)

    assert crossed == [TilePlace(0, 39_062), TilePlace(8, 152), TilePlace(16, 0)]
    assert [place.size(10_000_000) for place in crossed] == [8_160, 9_728, 9_888]


def test_all_paths_together_ask_for_each_tile_once() -> None:
    size = 70_000
    asked: list[TilePlace] = []

    def fetch(height: int, first: int, count: int) -> Iterator[bytes]:
        for number in range(first, first + count):
            asked.append(place := TilePlace(height, number))
            yield tiles.cut(levels_of(size), place)

    assert sum(1 for _ in tiles.paths(size, fetch)) == size
    assert Counter(asked) == Counter(tiles.places(size))


def test_a_leaf_that_is_not_there_has_no_path() -> None:
    for index in (-1, 9):
        with pytest.raises(ProofError, match="is not in a tree of 9"):
            tiles.on_path(9, index)


def test_a_tile_that_is_missing_or_cut_is_found() -> None:
    size = 600
    stored = kept(size)
    first, top = TilePlace(0, 0), TilePlace(8, 0)

    with pytest.raises(ProofError, match="1 of 2 tiles"):
        tiles.path(size, 5, [stored[first]])
    for damaged in (stored[first][:-32], stored[first] + stored[first][:32]):
        with pytest.raises(ProofError, match="a tile of"):
            tiles.path(size, 5, [damaged, stored[top]])
        with pytest.raises(ProofError, match="a tile of"):
            all_paths(size, {**stored, first: damaged})
    for place in stored:
        without = {other: nodes for other, nodes in stored.items() if other != place}
        with pytest.raises(ProofError, match=r"neighbouring tiles|a tile of"):
            all_paths(size, without)
