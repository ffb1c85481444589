"""A worker that dies at any write, or at the send: in the end each root is anchored exactly once."""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from anchor_worker.loop import Rhythm, Worker
from anchor_worker.submit import FeePolicy
from ledger.errors import ChainUnavailable, Conflict, StoreError
from ledger.store import credentials
from ledger.store.database import Database
from ledger.store.records import ChainTxState
from tests.troubled_node import Killed
from tests.unit.anchor_worker.worlds import CHAIN_ID, MAX_FEE, World

GWEI = 10**9


class Story:
    """Two workers, either of which may be killed and started again at any point."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.started = 0
        self.workers = [self._start(), self._start()]

    def _start(self) -> Worker:
        self.started += 1
        return self.world.worker(
            f"process {self.started}",
            policy=FeePolicy(
                max_fee=MAX_FEE, bump_after=2, resend_after=timedelta(seconds=30)
            ),
            rhythm=Rhythm(poll=0.0, lease=20, once=True),
        )

    def round(self, number: int) -> None:
        try:
            self.workers[number].round()
        except Killed:
            self.workers[number] = self._start()
        except (ChainUnavailable, StoreError, Conflict):
            pass  # what the loop waits out
        self.world.clock.sleep(7)

    def heal_and_rest(self) -> None:
        """No more faults: with blocks and time everything must come to rest."""
        world = self.world
        world.chain.kill = ""
        world.chain.break_before_send = world.chain.break_after_send = 0
        world.chain.broken_reads = 0
        world.chain.base_fee = GWEI
        world.database.faults.clear()
        for _ in range(60):
            for number in range(2):
                self.round(number)
            world.chain.mine()
            with world.database.read():
                states = set(world.states())
            if states <= {ChainTxState.FINAL} and not self._waiting():
                return
        raise AssertionError(f"did not come to rest: {world.states()}")

    def _waiting(self) -> int:
        with self.world.database.read() as tx:
            return credentials.count_waiting(tx, CHAIN_ID, 1)


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "template.db"
        Database.upgrade(f"sqlite:///{path}").close()
        yield path


@contextmanager
def fresh_world(template: Path) -> Iterator[World]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        shutil.copy(template, path)
        with closing(Database.open(f"sqlite:///{path}")) as database:
            yield World(database)


@pytest.mark.slow
@pytest.mark.parametrize("when", ["killed before", "killed after"])
@pytest.mark.parametrize("write", range(9))
def test_killed_at_every_write_of_a_batchs_life(
    template: Path, write: int, when: str
) -> None:
    """Exhaustively: the n-th commit, from the lease to final, is the last one."""
    with fresh_world(template) as world:
        tale = Story(world)
        world.issue(2)
        world.database.faults[:] = [""] * write + [when]
        for _ in range(6):
            tale.round(0)
            world.chain.mine()
        assert tale.started == 3, "the kill was not reached"
        tale.heal_and_rest()
        world.check()


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_the_send(template: Path, when: str) -> None:
    """The two worst moments: the bytes are stored, and did they leave?"""
    with fresh_world(template) as world:
        tale = Story(world)
        world.issue(2)
        world.chain.kill = when
        tale.round(0)
        assert tale.started == 3, "the kill was not reached"
        assert len(world.chain.pooled()) == (1 if when == "after" else 0)
        tale.heal_and_rest()
        assert len(set(world.chain.sends)) == 1
        world.check()
