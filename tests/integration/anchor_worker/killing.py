"""A process that lets its children live a ledger's life, and kills them at any moment of it.

    python -m tests.integration.anchor_worker.killing

It is warm (everything is imported) and holds neither a thread nor a connection when it forks. The
chain lives in it and is asked over a pipe, as a node is: what was sent stays sent when a child
dies. Orders come and answers go as lines of JSON.
"""

import json
import os
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, cast

import psycopg
from sqlalchemy import event, func, select
from sqlalchemy.engine import Engine

from anchor_worker.loop import Rhythm, Worker
from anchor_worker.submit import FeePolicy
from ledger.chain.node import ChainNode
from ledger.core.keys import keccak256
from ledger.errors import ChainUnavailable, Conflict, StoreError
from ledger.store import credentials, evidence
from ledger.store.database import Database
from ledger.store.records import ChainTxState
from ledger.store.tables import CredentialRow
from tests.invariants import check_at_rest, check_invariants
from tests.troubled_node import TroubledNode
from tests.unit.anchor_worker.grounds import MemoryGround
from tests.unit.anchor_worker.machine import (
    GWEI,
    RememberingSigner,
    add_school,
    withdraw,
)
from tests.unit.anchor_worker.worlds import CHAIN_ID, MAX_FEE, SENDER, World

#: Seconds. On PostgreSQL its clock counts: nobody may lose a lease because a machine is slow, ...
_LEASE: Final = 30.0
#: ... and whoever comes after a death really waits, but not for so long.
_LEFT: Final = 0.2


@dataclass
class Moments:
    """Counts what a child does, and ends it at one of these moments; 0: at none."""

    deadly: int
    names: list[str] = field(default_factory=list)

    def come(self, name: str) -> None:
        """One more; perhaps the last."""
        self.names.append(name)
        if len(self.names) == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)

    def count_statements(self) -> None:
        """From now on: every statement, and every end of a transaction."""

        def executed(_: Any, __: Any, statement: str, *___: Any) -> None:
            self.come(" ".join(statement.split()[:3]))

        event.listen(Engine, "after_cursor_execute", executed)

    def count_commits(self, database: Database) -> None:
        """A connection that goes back to the pool of writers has committed, or rolled back."""
        event.listen(
            database._writer, "checkin", lambda *_: self.come("after a commit")
        )


@dataclass(frozen=True)
class Far:
    """The parent's chain: `far.node` is asked as a node, `far.ground` told what happens to it."""

    node: ChainNode
    ground: MemoryGround
    acknowledge: Callable[[int], None]

    @classmethod
    def over(cls, pipe: Connection, moments: Moments) -> "Far":
        """Over a pipe to the parent."""
        return cls(
            cast("ChainNode", _Remote(pipe, "node", moments)),
            cast("MemoryGround", _Remote(pipe, "ground", moments)),
            lambda count: pipe.send(("acknowledged", count, (), {})),
        )


class _Remote:
    name = "far"

    def __init__(self, pipe: Connection, whom: str, moments: Moments) -> None:
        self._pipe = pipe
        self._whom = whom
        self._moments = moments

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def ask(*arguments: object, **named: object) -> Any:
            if method == "send":
                self._moments.come("before a send")
            self._pipe.send((self._whom, method, arguments, named))
            answer, error = self._pipe.recv()
            if method == "send":
                self._moments.come("after a send")
            if error is not None:
                raise error
            return answer

        return ask


class Life:
    """What a child does. It tells the parent what it has acknowledged."""

    def __init__(self, world: World, far: Far) -> None:
        self.world = world
        self.far = far
        self.node = TroubledNode(far.node, "far", lambda _: True)
        self.worker = self._start()

    def issue(self, count: int) -> None:
        self.world.issue(count)
        self.far.acknowledge(self.world.issued)

    def withdraw(self, number: int) -> None:
        withdraw(self.world, number)

    def round(self, mine: int = 1) -> None:
        self.worker.round()
        self.far.ground.mine(mine)
        self.world.clock.sleep(7)

    def _start(self) -> Worker:
        return self.world.worker(
            f"process {os.getpid()}",
            policy=FeePolicy(
                max_fee=MAX_FEE, bump_after=2, resend_after=timedelta(seconds=30)
            ),
            rhythm=Rhythm(poll=0.0, lease=_LEASE, once=True),
            nodes=[self.node],
        )


def batch(life: Life) -> None:
    """Sealed, begun, sent, mined, final, proved."""
    life.issue(2)
    life.round()
    life.round(3)
    life.round()


def school(life: Life) -> None:
    """Issued, sealed with what came before, withdrawn while its batch is on its way."""
    life.issue(1)
    life.issue(2)
    life.withdraw(1)
    life.round()
    life.withdraw(0)
    life.round(3)
    life.round()


def fees(life: Life) -> None:
    """Too cheap, bid again, mined."""
    life.issue(1)
    life.round()
    life.far.ground.set_base_fee(50 * GWEI)
    life.far.ground.reorg(1, repool=True)
    life.far.ground.mine(3)
    life.round(0)
    life.round(3)
    life.round()


def unknown(life: Life) -> None:
    """The answer to the send is lost, once before and once after it happened."""
    life.issue(1)
    life.node.troubles.sends = ["before", "after"]
    life.round()
    life.round(3)
    life.round()


def reorganised(life: Life) -> None:
    """Mined, the block is gone, sent again, final."""
    life.issue(1)
    life.round()
    life.round(0)
    life.far.ground.reorg(1, repool=False)
    life.round(3)
    life.round()


def taken_back(life: Life) -> None:
    """Final and proved, and then the chain breaks its word."""
    life.issue(1)
    life.round(3)
    life.round()
    life.far.ground.reorg(5, repool=True)
    life.round(4)
    life.round()


LIVES: Final = {
    each.__name__: each for each in (batch, school, fees, unknown, reorganised, taken_back)
}  # fmt: skip


class Prison:
    """The parent."""

    def __init__(self) -> None:
        self._ground = MemoryGround()
        self._ground.begin()
        # Opened once: what an engine has learnt to say to a database, its children know.
        self._databases: dict[str, Database] = {}
        self._tried: set[object] = set()

    def _open(self, url: str, life: Callable[[Life], None]) -> None:
        """Open a database, and try the life once where nobody is killed.

        What was said to the database, signed and recovered is known to all children then; it
        takes longer than all the rest.
        """
        self._databases[url] = database = Database.open(url)
        if not url.startswith("sqlite"):
            return
        path = Path(url.removeprefix("sqlite:///"))
        untouched = path.read_bytes()
        ground = self._ground.copy()
        far = Far(ground.node, ground, lambda _: None)
        world = self._world(database)
        life(Life(world, far))
        _go_on(world, far, 0)
        database.close()
        for left in path.parent.glob(f"{path.name}-*"):
            left.unlink()
        path.write_bytes(untouched)

    def _world(self, database: Database) -> World:
        world = World(
            database,
            add_school=add_school,
            genesis_hash=self._ground.node.genesis_hash(),
        )
        world.signer = RememberingSigner(world.signer)
        database.close()  # not a connection is left to a child
        return world

    def obey(self, order: dict[str, Any]) -> dict[str, Any]:  # noqa: C901, PLR0915 - one child after another
        """Let one child live and perhaps die, another one come after it, and answer what was found."""
        ground = self._ground.copy()
        unstored: list[str] = []
        if order["url"] not in self._databases:
            self._open(order["url"], LIVES[order["life"]])
        world = self._world(self._databases[order["url"]])
        acknowledged = [0]

        def serve(pipe: Connection) -> list[Any]:
            told: list[Any] = []
            while True:
                try:
                    whom, what, arguments, named = pipe.recv()
                except EOFError:
                    return told
                if whom == "acknowledged":
                    acknowledged[0] = what
                    continue
                if whom == "told":
                    told.append(what)
                    continue
                if what == "send" and not _is_stored(order["url"], arguments[0]):
                    unstored.append(arguments[0].hex())
                target = ground if whom == "ground" else ground.node
                try:
                    pipe.send((getattr(target, what)(*arguments, **named), None))
                except Exception as error:  # noqa: BLE001 - whatever it is, it is the child's
                    pipe.send((None, error))

        def live(pipe: Connection) -> None:
            moments = Moments(order["at"])
            life = Life(world, Far.over(pipe, moments))
            moments.count_statements()
            moments.count_commits(world.database)
            LIVES[order["life"]](life)
            pipe.send(("told", moments.names, (), {}))

        def come_after(pipe: Connection) -> None:
            _go_on(world, Far.over(pipe, Moments(0)), acknowledged[0])

        ended, names = _in_child(live, serve)
        if not order["url"].startswith("sqlite"):
            _shorten_lease(order["url"])
        state = _left_behind(order["url"], ground, acknowledged[0])
        rest, problems = 0, list[Any]()
        # Whoever comes after has nothing but what was left behind: the same is tried once.
        if state is None or state not in self._tried:
            rest, problems = _in_child(come_after, serve)
            self._tried.add(state)
        return {
            "ended": ended,
            "names": names,
            "rest": rest,
            "states": len(self._tried),
            "problems": problems,
            "unstored": unstored,
        }


def _go_on(world: World, far: Far, acknowledged: int) -> None:
    """Start again: no more troubles, everything comes to rest, every promise holds."""
    world.clock.sleep(3_600)
    with world.database.read() as tx:
        world.issued = tx.scalar(select(func.count()).select_from(CredentialRow))
    assert world.issued >= acknowledged, "an acknowledged credential is lost"
    far.ground.set_base_fee(GWEI)
    life = Life(world, far)
    deadline = time.monotonic() + 30
    looked = 0
    # It may seem at rest, and the chain has broken its word since: somebody has to look first.
    while looked < 2 or not _rests(world):
        assert time.monotonic() < deadline, f"did not come to rest: {world.states()}"
        try:
            life.round()
        except (ChainUnavailable, StoreError, Conflict):
            continue  # what the loop waits out
        if life.worker._lease is None:
            time.sleep(_LEFT / 4)
        else:
            looked += 1
    diagnosis = check_invariants(
        world.database,
        far.node,
        [each for block in far.ground.blocks() for each in block.mined.values()],
        chain_id=CHAIN_ID,
        sender=SENDER,
        max_fee=MAX_FEE,
    )
    check_at_rest(world.database, diagnosis, world.issued)


def _rests(world: World) -> bool:
    if set(world.states()) - {ChainTxState.FINAL}:
        return False
    with world.database.read() as tx:
        return not (
            credentials.waiting(tx, CHAIN_ID, 1) or evidence.unproved(tx, CHAIN_ID, 1)
        )


def _left_behind(url: str, ground: MemoryGround, acknowledged: int) -> object:
    """All that a death left in a SQLite file and on the chain, but for ids drawn at random."""
    if not url.startswith("sqlite"):
        return None
    questions = (
        "SELECT kind, state, nonce, block_number, sent_block FROM chain_tx ORDER BY position, kind",
        "SELECT hash, sent_at FROM attempt ORDER BY hash",
        "SELECT owner <> '', token, expires FROM lease",
        "SELECT leaf, batch_id IS NULL, leaf_index, withdrawn_at FROM credential ORDER BY leaf",
        "SELECT block_number, stale FROM evidence_header ORDER BY block_number",
    )
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as opened:
        tables = opened.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
        ).fetchall()
        counts = [
            opened.execute(f"SELECT count(*) FROM {name}").fetchone()  # noqa: S608 - its own names
            for (name,) in tables
        ]
        answers = [opened.execute(each).fetchall() for each in questions]
    return repr((acknowledged, counts, answers, ground.state()))


def _is_stored(url: str, raw: bytes) -> bool:
    """Looked up by a connection of its own, which is gone before the next fork."""
    digest = keccak256(raw)
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as opened:
            found = opened.execute(
                "SELECT raw FROM attempt WHERE hash = ?", [digest]
            ).fetchone()
    else:
        with psycopg.connect(url) as connection:
            found = connection.execute(
                "SELECT raw FROM attempt WHERE hash = %s", [digest]
            ).fetchone()
    return found is not None and bytes(found[0]) == raw


def _shorten_lease(url: str) -> None:
    """Bring the end of a dead worker's lease near."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "UPDATE lease SET expires = clock_timestamp() + %s * interval '1 second'"
            " WHERE expires > clock_timestamp()",
            [_LEFT],
        )


def _in_child(
    work: Callable[[Connection], None], serve: Callable[[Connection], list[Any]]
) -> tuple[int, list[Any]]:
    """Fork, serve the child until it ends, and answer how it ended and what it told."""
    ours, theirs = Pipe()
    child = os.fork()
    if child == 0:
        ours.close()
        code = 1
        try:
            work(theirs)
            code = 0
        except BaseException:  # noqa: BLE001 - told to the parent, whatever it is
            theirs.send(("told", traceback.format_exc(), (), {}))
        finally:
            theirs.close()
            os._exit(code)
    theirs.close()
    told = serve(ours)
    ours.close()
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), told


def main() -> None:
    prison = Prison()
    for line in sys.stdin:
        print(json.dumps(prison.obey(json.loads(line))), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
