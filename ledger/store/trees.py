"""Trees: what a batch's inclusion proofs are cut from, stored as tiles.

Nothing is hashed here. A path is what the tiles say; whether it leads to the sealed root is
for the reader to check, with `ledger.core.merkle`. A batch that another ledger sealed has no
tree here, and one of an early release has none: their members carry their own paths.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice
from uuid import UUID

from sqlalchemy import CompoundSelect, bindparam, insert, select, union_all
from sqlmodel import col

from ledger.core import tiles
from ledger.core.merkle import InclusionProof
from ledger.core.tiles import TilePlace
from ledger.errors import NotFound
from ledger.store.database import Transaction
from ledger.store.records import Batch, CredentialRecord
from ledger.store.tables import TreeTileRow

# 64 tiles are a megabyte.
_AT_ONCE = 64


def keep(tx: Transaction, batch: Batch, cut: Iterable[tuple[TilePlace, bytes]]) -> None:
    """Store the tree of a batch, in the transaction that seals it; a few tiles at a time.

    Raises ValueError unless they are all tiles of a tree of its size, in order.
    """
    expected = tiles.places(batch.tree_size)
    stream = iter(cut)
    while some := list(islice(stream, _AT_ONCE)):
        for place, nodes in some:
            if place != next(expected, None) or len(nodes) != place.size(
                batch.tree_size
            ):
                raise ValueError(f"not the tiles of a tree of {batch.tree_size}")
        tx.change(
            insert(TreeTileRow),
            [
                {
                    "batch_id": batch.id,
                    "height": place.height,
                    "number": place.number,
                    "nodes": nodes,
                }
                for place, nodes in some
            ],
        )
    if next(expected, None) is not None:
        raise ValueError(f"not all tiles of a tree of {batch.tree_size}")


def path(tx: Transaction, batch: Batch, leaf_index: int) -> bytes:
    """A leaf's path, siblings joined, from the leaf upwards: one query, a tile for eight levels.

    Raises ProofError if there is no such leaf, or if the tree is not whole.
    """
    crossed = tiles.on_path(batch.tree_size, leaf_index)
    if not crossed:
        return b""
    values: dict[str, object] = {"batch": batch.id}
    values |= {f"number{place.height}": place.number for place in crossed}
    rows = tx.rows(_crossed(len(crossed)), values)
    found = {row["height"]: row["nodes"] for row in rows}
    return tiles.path(batch.tree_size, leaf_index, [found[h] for h in sorted(found)])


@cache
def _crossed(count: int) -> CompoundSelect[tuple[int, bytes]]:
    """What finds the tiles of one path. Kept: to make it takes longer than to answer it."""
    # One lookup each in the primary key: asked for with OR or IN, SQLite reads the whole tree.
    return union_all(
        *(
            select(col(TreeTileRow.height), col(TreeTileRow.nodes)).where(
                col(TreeTileRow.batch_id) == bindparam("batch"),
                col(TreeTileRow.height) == height,
                col(TreeTileRow.number) == bindparam(f"number{height}"),
            )
            for height in range(0, count * tiles.TILE_HEIGHT, tiles.TILE_HEIGHT)
        )
    )


def paths(tx: Transaction, batch: Batch) -> Iterator[bytes]:
    """Every leaf's path, in leaf order: one query for 65,536 leaves, 4 MiB in memory.

    Raises NotFound, before the first, if there is no tree; ProofError if it is not whole.
    """
    if batch.tree_size > 1 and not _is_kept(tx, batch.id):
        raise NotFound("the tree of this batch is not stored")

    def fetch(height: int, first: int, count: int) -> Iterator[bytes]:
        rows = tx.rows(
            select(col(TreeTileRow.nodes))
            .where(
                col(TreeTileRow.batch_id) == batch.id,
                col(TreeTileRow.height) == height,
                col(TreeTileRow.number).between(first, first + count - 1),
            )
            .order_by(col(TreeTileRow.number))
        )
        return (row["nodes"] for row in rows)

    return tiles.paths(batch.tree_size, fetch)


def proof(tx: Transaction, batch: Batch, record: CredentialRecord) -> InclusionProof:
    """The way from a member of a batch to its root, by the tree or by the path it carries.

    Raises ProofError if the tree is not whole, NotFound for a credential that waits.
    """
    if record.leaf_index is None:
        raise NotFound("this credential is in no batch")
    siblings = record.path
    if siblings is None:
        siblings = path(tx, batch, record.leaf_index)
    return InclusionProof.from_bytes(record.leaf_index, batch.tree_size, siblings)


def _is_kept(tx: Transaction, batch_id: UUID) -> bool:
    found = tx.scalar(
        select(col(TreeTileRow.number))
        .where(col(TreeTileRow.batch_id) == batch_id)
        .limit(1)
    )
    return found is not None
