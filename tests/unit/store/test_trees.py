from dataclasses import replace

import pytest
from sqlalchemy import text

from anchor_worker.tree import Tree, build
from ledger.errors import Conflict, NotFound, ProofError
from ledger.store import batches, credentials, trees
from ledger.store.database import Database, Transaction
from ledger.store.records import Batch
from tests.unit.store.samples import (
    REGISTRY,
    add_school,
    batch_of,
    credential,
    digest,
    issue,
)

SIZES = (1, 2, 3, 255, 256, 257, 600)


def sealed(tx: Transaction, size: int) -> tuple[Batch, Tree]:
    """A batch of one credential, its tree filled up with other leaves."""
    (record,) = issue(tx, add_school(tx, f"school{size}"), 1)
    tree = build([record.leaf, *(digest(size, n) for n in range(size - 1))])
    batch, members = batch_of([record])
    batch = replace(batch, sealed_root=tree.sealed_root, tree_size=size)
    batches.seal(tx, batch, members, to=REGISTRY, data=b"", gas=1)
    return batch, tree


def test_every_path_comes_back(database: Database) -> None:
    for size in SIZES:
        with database.begin() as tx:
            batch, tree = sealed(tx, size)
            trees.keep(tx, batch, tree.tiles())
        with database.read() as tx:
            expected = list(tree.paths())
            assert expected == list(trees.paths(tx, batch))
            for index in {0, size // 2, size - 1}:
                assert expected[index] == trees.path(tx, batch, index)
            with pytest.raises(ProofError, match=f"not in a tree of {size}"):
                trees.path(tx, batch, size)


def test_a_path_is_looked_up_and_not_searched_for(sqlite_database: Database) -> None:
    """Out of ten million leaves a search takes a hundred times as long."""
    query = str(trees._crossed(3))
    with sqlite_database.read() as tx:
        plan = tx.rows(
            text(f"EXPLAIN QUERY PLAN {query}"),
            {"batch": "", "number0": 0, "number8": 0, "number16": 0}
            | {f"height_{n}": 8 * n - 8 for n in (1, 2, 3)},
        )
    steps = [row["detail"] for row in plan if "tree_tile" in row["detail"]]
    key = "(batch_id=? AND height=? AND number=?)"
    assert len(steps) == 3
    assert all(step.startswith("SEARCH") and step.endswith(key) for step in steps)


def test_a_member_finds_its_proof_in_the_tree(database: Database) -> None:
    with database.begin() as tx:
        batch, tree = sealed(tx, 300)
        trees.keep(tx, batch, tree.tiles())
        (member,) = credentials.members(tx, batch.id)

        assert member.path is None
        found = trees.proof(tx, batch, member).sealed_root(member.leaf)
        assert found == batch.sealed_root


def test_a_member_that_carries_its_path_needs_no_tree(database: Database) -> None:
    """Imported, or sealed by a release that stored paths."""
    with database.begin() as tx:
        school = add_school(tx)
        (other,) = issue(tx, school, 1)
        carried = digest("sibling")
        batch, members = batch_of([other])
        batch = replace(batch, tree_size=2)
        batches.seal(tx, batch, members, to=REGISTRY, data=b"", gas=1)
        record = credential(school, 1, batch_id=batch.id, leaf_index=1, path=carried)
        credentials.insert(tx, [record])

        assert trees.proof(tx, batch, record).path == (carried,)
        with pytest.raises(NotFound, match="not stored"):
            list(trees.paths(tx, batch))
        with pytest.raises(ProofError, match="0 of 1 tiles"):
            trees.path(tx, batch, 0)


def test_what_waits_has_no_proof(database: Database) -> None:
    with database.begin() as tx:
        batch, tree = sealed(tx, 2)
        trees.keep(tx, batch, tree.tiles())
        waits = credential(add_school(tx), 1)
        with pytest.raises(NotFound, match="in no batch"):
            trees.proof(tx, batch, waits)


def test_only_all_tiles_of_the_tree_are_kept(database: Database) -> None:
    with database.begin() as tx:
        batch, tree = sealed(tx, 600)
    cut = list(tree.tiles())
    place, nodes = cut[1]
    for wrong in (
        cut[:-1],
        [],
        [cut[1], cut[0], *cut[2:]],
        [*cut, cut[-1]],
        [cut[0], (place, nodes[:-32]), *cut[2:]],
        list(build([digest(n) for n in range(601)]).tiles()),
    ):
        with (
            pytest.raises(ValueError, match="tiles of a tree of 600"),
            database.begin() as tx,
        ):
            trees.keep(tx, batch, wrong)
    with database.begin() as tx:
        trees.keep(tx, batch, cut)
    with pytest.raises(Conflict), database.begin() as tx:
        trees.keep(tx, batch, cut)


def test_a_tree_that_was_damaged_is_found(database: Database) -> None:
    with database.begin() as tx:
        batch, tree = sealed(tx, 600)
        trees.keep(tx, batch, tree.tiles())
    with database.begin() as tx:
        tx.change(text("DELETE FROM tree_tile WHERE height = 0 AND number = 1"))

        assert trees.path(tx, batch, 255)
        with pytest.raises(ProofError, match="1 of 2 tiles"):
            trees.path(tx, batch, 256)
        with pytest.raises(ProofError):
            list(trees.paths(tx, batch))
