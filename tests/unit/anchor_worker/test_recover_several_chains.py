"""An old copy of a ledger on two chains catches up with both; no nonce is used twice on either."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from copy import copy
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from anchor_worker.recover import Recoverer, Recovery, Wish
from anchor_worker.recover_command import Left, to_json, to_lines
from ledger.errors import ChainRejected, ChainUnavailable
from ledger.store import batches, chains, checkpoints
from ledger.store.database import Database
from ledger.store.records import ChainTxKind
from tests.unit.anchor_worker.worlds import (
    CHAIN_ID,
    NEVER_ALONE,
    SENDER,
    BrokenDatabase,
    Side,
    World,
)

K = ChainTxKind
OTHER = 10
Backup = Callable[[World], World]


@pytest.fixture
def world(sqlite_database: Database) -> World:
    """Two batches that both chains have; no batch states the block of the second one yet."""
    world = World(sqlite_database, others=[OTHER])
    for count in (3, 2):
        world.issue(count)
        work(world)
    return world


@pytest.fixture
def copied(tmp_path: Path) -> Iterator[Backup]:
    """What a backup of a world holds: the same chains, and the database as it is now."""
    with ExitStack() as stack:

        def make(world: World) -> World:
            path = tmp_path / "copy.db"
            original = world.database.name.removeprefix("sqlite:///")
            with (
                closing(sqlite3.connect(original)) as here,
                closing(sqlite3.connect(path)) as there,
            ):
                here.backup(there)
            database = stack.enter_context(closing(Database.open(f"sqlite:///{path}")))
            old = copy(world)
            old.database = BrokenDatabase(
                database.name, database._writer, database._reader
            )
            return old

        yield make


def sides(world: World) -> list[World | Side]:
    """Both chains, the home chain first."""
    return [world, *world.others]


def work(
    world: World,
    *,
    home: bool = True,
    there: bool = True,
    checkpoint_age: timedelta = NEVER_ALONE,
) -> None:
    """Let the loops of both chains work, or of one, until all is final."""
    world.clock.sleep(61)  # the lease of whoever worked before
    for side in sides(world):
        side.chain._database = world.database
    if home:
        world.rounds(world.worker("home", checkpoint_age=checkpoint_age), 7)
    if there:
        world.rounds(world.other_worker(world.others[0]), 7)


def recover(world: World) -> list[Recovery]:
    """As the command does it: every chain, the home chain first."""
    world.clock.sleep(121)
    return [
        Recoverer(
            world.database, side.record, SENDER, owner="recovery", clock=world.clock
        ).run(side.chain, Wish(issued_at_most=10))
        for side in sides(world)
    ]


def fates(found: Recovery) -> list[tuple[int, str, ChainTxKind | None]]:
    return [(c.transaction.nonce, c.fate, c.kind) for c in found.caught]


def count(world: World) -> list[int]:
    """How many nonces are used, at home and on the other chain."""
    return [side.chain.nonce(SENDER, "latest") for side in sides(world)]


def blocks_stated(world: World) -> list[int]:
    with world.database.read() as tx:
        stated = checkpoints.since(tx, CHAIN_ID, 0, 99)
    return [each.checkpoint.block_number for each in stated]


def test_both_chains_went_on_and_both_are_caught_up_with(
    world: World, copied: Backup
) -> None:
    world.issue(1)
    old = copied(world)
    for more in (1, 2):  # what waited and one more, and then a batch of what is lost
        world.issue(more)
        work(world)
    old.issued = 6

    old.clock.sleep(61)
    for loop in (old.worker("a"), old.other_worker(old.others[0], "b")):
        with pytest.raises(ChainRejected, match="run: perdure recover"):
            loop.round()
    assert count(old) == [4, 4]
    lost = [(2, "lost", K.ANCHOR), (3, "lost", K.ANCHOR)]
    assert [fates(found) for found in recover(old)] == [lost, lost]
    assert [found.caught for found in recover(old)] == [[], []]

    work(old)
    old.issue(2)
    work(old)
    assert count(old) == [6, 6]
    old.check()


@pytest.mark.parametrize("alone", ["home", "there"])
def test_one_chain_went_on_alone(world: World, copied: Backup, alone: str) -> None:
    world.issue(1)
    # Asked for on both: the copy knows the call that only one of them has seen.
    world.clock.sleep(61)
    world.chain.broken_reads = 1
    with pytest.raises(ChainUnavailable):
        world.worker("seals").round()
    old = copied(world)
    world.issue(2)
    work(world, home=alone == "home", there=alone == "there")
    # Where the home chain stood still, the next batch is sealed and goes to the other one.
    expected = [4, 2] if alone == "home" else [2, 3]
    assert count(world) == expected
    old.issued = 6

    home, there = recover(old)
    first = (2, "waited", K.ANCHOR)
    assert fates(home)[:1] == ([first] if alone == "home" else [])
    assert fates(there)[:1] == ([first] if alone == "there" else [])
    old.issue(2)
    work(old)
    assert count(old)[0] == len({row.nonce for row in old.rows()})
    old.check()


def test_a_root_that_the_lost_ledger_had_anchored_is_not_paid_for_again(
    world: World, copied: Backup, log: pytest.LogCaptureFixture
) -> None:
    """What waited alone makes the same tree again, and the same call."""
    world.issue(1)
    old = copied(world)
    work(world)
    old.issued = 6
    before = count(old)

    recover(old)
    work(old)
    assert count(old) == before
    assert log.text.count("was sent before the loss") == 2
    old.check()
    old.issue(2)
    work(old)
    assert count(old) == [each + 1 for each in before]
    old.check()


def test_checkpoints_that_went_alone_are_not_paid_for_again(
    world: World, copied: Backup
) -> None:
    old = copied(world)
    work(world, checkpoint_age=timedelta(0))
    stated = blocks_stated(world)
    assert len(stated) > len(blocks_stated(old))
    before = count(old)

    home, there = recover(old)
    assert (fates(home), fates(there)) == ([], [(2, "lost", K.ANCHOR)])
    work(old, checkpoint_age=timedelta(0))
    assert blocks_stated(old) == stated
    assert count(old) == before
    old.check()


def test_a_copy_from_before_the_second_chain_was_added(
    sqlite_database: Database, copied: Backup
) -> None:
    alone = World(sqlite_database)
    for each in (3, 2):
        alone.issue(each)
        alone.rounds(alone.worker(), 7)
    old = copied(alone)
    other = Side(sqlite_database, OTHER)
    alone.others = old.others = [other]
    with alone.database.begin() as tx:
        chains.record(tx, other.record)
    work(alone)
    before = count(old)
    assert before == [2, 2]

    assert fates(recover(old)[1]) == [(0, "lost", K.ANCHOR), (1, "lost", K.ANCHOR)]
    with old.database.begin() as tx:
        chains.record(tx, other.record)
    work(old)
    assert count(old) == before
    old.check()


def test_the_home_chain_goes_on_while_the_other_is_away(
    world: World, copied: Backup
) -> None:
    old = copied(world)
    world.issue(2)
    work(world)
    (other,) = old.others

    other.chain.broken_reads = -1
    with pytest.raises(ChainUnavailable):
        recover(old)
    work(old, there=False)
    old.issue(3)
    old.issued = 8
    work(old, there=False)
    other.chain.broken_reads = 0
    assert count(old) == [4, 3]
    with pytest.raises(ChainRejected, match="run: perdure recover"):
        old.other_worker(other).round()

    assert [fates(found) for found in recover(old)] == [[], [(2, "lost", K.ANCHOR)]]
    work(old)
    assert count(old) == [4, 4]
    with old.database.read() as tx:
        assert [len(batches.anchors(tx, UUID(r.subject))) for r in old.rows()][-1] == 2


def test_what_is_left_for_later_is_told(world: World) -> None:
    away = ChainUnavailable("no node answers")
    home, there = (
        Left(side.record, away, is_home=side is world) for side in sides(world)
    )
    (_, advice) = to_lines([], [home])
    assert "before server and worker are started" in advice
    (said, advice) = list(to_lines(recover(world), [there]))[-2:]
    assert said == "Chain eip155:10: not caught up with: no node answers"
    assert "the other chains can go on" in advice
    told = to_json([], [there])
    assert told == {
        "version": 1,
        "whole": False,
        "chains": [],
        "left": [{"chainId": "eip155:10", "problem": "no node answers"}],
    }
