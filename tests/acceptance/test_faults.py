"""Rows K16, W1 and D1 of the fault matrix, with real worker processes: docs/faults.md."""

import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlmodel import col

from ledger.core.keys import keccak256
from ledger.store import chain_txs
from ledger.store.database import Database
from ledger.store.records import ChainTxState
from ledger.store.tables import AttemptRow
from tests.acceptance.test_worker import SENDER, Ledger, end
from tests.anvil import Anvil
from tests.fault_proxy import SEND, Fault, FaultProxy

pytestmark = [
    pytest.mark.anvil,
    pytest.mark.slow,
    pytest.mark.timeout(120),
]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def scene(
    tmp_path: Path, database_url: str, deployed: Anvil, stack: ExitStack
) -> Ledger:
    """A ledger on each database."""
    deployed.fund(SENDER)
    return Ledger(tmp_path, database_url, deployed, stack)


@pytest.fixture
def file_scene(
    tmp_path: Path, sqlite_url: str, deployed: Anvil, stack: ExitStack
) -> Ledger:
    """A ledger in a file."""
    deployed.fund(SENDER)
    return Ledger(tmp_path, sqlite_url, deployed, stack)


def wait(what: str, ready: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.05)


def proxy_of(scene: Ledger, stack: ExitStack) -> FaultProxy:
    def is_stored(raw: bytes) -> bool:
        query = select(col(AttemptRow.raw)).where(
            col(AttemptRow.hash) == keccak256(raw)
        )
        with scene.database.read() as tx:
            return bool(tx.scalar(query) == raw)

    return stack.enter_context(FaultProxy(scene.anvil.url, is_stored=is_stored))


def stop_between_transactions(
    process: subprocess.Popen[bytes], database: Database
) -> None:
    """Stop it where no thread of it holds a lock: a whole database would sleep with it."""
    while True:
        process.send_signal(signal.SIGSTOP)
        wait("it is stopped", lambda: is_stopped(process.pid), seconds=10)
        if is_free(database):
            return
        process.send_signal(signal.SIGCONT)
        time.sleep(0.01)


def is_stopped(pid: int) -> bool:
    threads = Path(f"/proc/{pid}/task").iterdir()
    try:
        # After the name, which may hold anything, comes the state.
        states = [
            (each / "stat").read_text().rpartition(")")[2].split()[0]
            for each in threads
        ]
    except FileNotFoundError:  # a thread has ended meanwhile
        return False
    return set(states) == {"T"}


def is_free(database: Database) -> bool:
    """Whether nobody else is in a transaction that may write."""
    with database.read() as tx:
        if tx.dialect == "postgresql":
            others = text(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND state <> 'idle'"
            )
            return bool(tx.scalar(others) == 0)
        path = tx.scalar(
            text("SELECT file FROM pragma_database_list WHERE name = 'main'")
        )
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as raw:
        try:
            raw.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        return True


def test_a_worker_that_slept_through_its_lease_sends_nothing_new(
    scene: Ledger, stack: ExitStack
) -> None:
    """K16: stopped (SIGSTOP) with its bytes on the way, woken when another has done the work."""
    scene.anvil.rpc("evm_setAutomine", False)
    proxy = proxy_of(scene, stack)
    options = ("--batch-age", "0", "--lease", "1")
    sleeper = scene.start(*options, PERDURE_RPC_URLS=proxy.url)
    arrived = proxy.arrived

    def arrive(question: dict[str, object]) -> object:
        if question["method"] == SEND and not proxy.sends:
            stop_between_transactions(sleeper, scene.database)
        return arrived(question)

    vars(proxy)["arrived"] = arrive
    scene.issue(3)
    wait("the bytes pass", lambda: bool(proxy.sends))

    other = scene.start("--once", *options)
    assert scene.finish(other) == [0]
    sleeper.send_signal(signal.SIGCONT)
    scene.issue(2)
    third = scene.start("--once", *options)
    assert scene.finish(third) == [0]
    sleeper.send_signal(signal.SIGTERM)
    assert sleeper.wait(20) == 0
    assert proxy.unstored == []
    scene.check(anchors=2)


@pytest.mark.parametrize("method", ["eth_chainId", "eth_getCode"])
def test_an_answer_that_is_garbled_at_the_start_stops_no_worker(
    scene: Ledger, stack: ExitStack, method: str
) -> None:
    """A service manager does not start again what ended with 78."""
    proxy = proxy_of(scene, stack)
    proxy.plan.once = [(method, Fault.WRONG)]
    scene.issue(3)

    worker = scene.start("--once", "--batch-age", "0", PERDURE_RPC_URLS=proxy.url)

    assert scene.finish(worker) == [0]
    assert proxy.struck[Fault.WRONG] == 1
    scene.check(anchors=1)


def test_workers_whose_clocks_are_two_hours_off_anchor_once(
    scene: Ledger, stack: ExitStack
) -> None:
    """W1: three of them, and a lease that is shorter than a step."""
    processes = []
    for number, seconds in enumerate((-7_200, 0, 7_200)):
        log = scene.folder / f"skewed-{number}.log"
        scene.logs.append(log)
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                [
                    sys.executable,
                    *("-m", "tests.acceptance.skewed_worker", str(seconds)),
                    *("--poll", "0.05", "--lease", "0.1", "--batch-age", "0"),
                ],
                env=scene.environment,
                cwd=Path(__file__).parents[2],
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
        stack.callback(end, process)
        processes.append(process)
    for _ in range(5):
        scene.issue(2)
        time.sleep(0.3)
        scene.anvil.mine()

    def rests() -> bool:
        scene.anvil.mine()
        with scene.database.read() as tx:
            rows = chain_txs.in_state(tx, 31337, tuple(ChainTxState), 1_000)
        sealed = sum(event["event"] == "sealed a batch" for event in whole_events())
        return (
            bool(rows)
            and {row.state for row in rows} == {ChainTxState.FINAL}
            and not waiting()
            and sealed >= len(rows)
        )

    def whole_events() -> list[dict[str, object]]:
        return scene.events() if scene.log().endswith("\n") else []

    def waiting() -> bool:
        from ledger.store import credentials, evidence  # noqa: PLC0415 - of this wait alone

        with scene.database.read() as tx:
            return bool(
                credentials.waiting(tx, 31337, 1) or evidence.unproved(tx, 31337, 1)
            )

    wait("everything is final", rests)
    for process in processes:
        process.send_signal(signal.SIGTERM)
    assert [process.wait(20) for process in processes] == [0, 0, 0]
    with scene.database.read() as tx:
        anchors = len(chain_txs.in_state(tx, 31337, tuple(ChainTxState), 1_000))
    scene.check(anchors=anchors)


def test_a_full_disk_is_said_and_the_worker_goes_on_when_there_is_room(
    file_scene: Ledger,
) -> None:
    """D1: every write of the worker beyond the present size of the file fails."""
    scene = file_scene
    worker = scene.start("--batch-age", "0")
    wait("it works", lambda: '"started"' in scene.log())
    whole = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (4096, whole[1]))
    scene.issue(3)
    wait("it says so", lambda: "cannot work now" in scene.log())
    assert worker.poll() is None
    assert scene.anvil.rpc("eth_getTransactionCount", SENDER, "pending") == "0x0"
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, whole)

    assert scene.finish(scene.start("--once", "--lease", "5")) == [0]
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    scene.check(anchors=1)


def test_out_of_memory_loses_nothing(file_scene: Ledger) -> None:
    """K16: whatever becomes of that process, the next one goes on."""
    scene = file_scene
    scene.anvil.rpc("evm_setAutomine", False)
    worker = scene.start("--batch-age", "0", "--lease", "1")
    scene.issue(1)
    wait("it has sent", lambda: '"sent"' in scene.log())
    resource.prlimit(worker.pid, resource.RLIMIT_AS, (1 << 20, 1 << 20))
    scene.issue(200)
    time.sleep(1)
    worker.kill()
    worker.wait(10)

    assert scene.finish(scene.start("--once", "--lease", "2")) == [0]
    with scene.database.read() as tx:
        anchors = len(chain_txs.in_state(tx, 31337, tuple(ChainTxState), 1_000))
    scene.check(anchors=anchors)
