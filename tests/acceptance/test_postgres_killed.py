"""Row W2 of the fault matrix: PostgreSQL killed as a whole, under load (docs/faults.md)."""

import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from ledger.errors import StoreError
from ledger.store import chain_txs, credentials, evidence
from ledger.store.database import Database
from ledger.store.records import ChainTxState
from tests.acceptance.test_faults import wait
from tests.acceptance.test_worker import SENDER, Ledger
from tests.anvil import Anvil
from tests.databases import new_server, stopped_with_us
from tests.unit.store import samples

pytestmark = [
    pytest.mark.anvil,
    pytest.mark.postgres,
    pytest.mark.slow,
    pytest.mark.timeout(120),
]


class Killable:
    """A PostgreSQL of this test's own: nobody else must lose theirs. It writes to the disk."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._server = new_server(data)
        with psycopg.connect(self._server.get_uri("postgres"), autocommit=True) as one:
            one.execute("CREATE DATABASE ledger")
        self.url = str(self._server.get_uri("ledger"))

    def kill(self) -> None:
        """SIGKILL for the server and every process of it: nothing is flushed or said."""
        with psycopg.connect(self._server.get_uri("postgres")) as one:
            rows = one.execute("SELECT pid FROM pg_stat_activity").fetchall()
            # The first one first: it would start the others again.
            postmaster = self._server.get_pid()
            assert postmaster is not None
            pids = [postmaster, *(pid for (pid,) in rows)]
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with suppress(psycopg.OperationalError):
                one.rollback()
        wait("all of it is gone", lambda: not any(map(_runs, pids)), seconds=10)

    def start_again(self) -> None:
        """As whoever runs it would; it replays its log."""
        # They name a process that is dead; where nobody has asked how it ended it still counts.
        sockets = Path(parse_qs(urlsplit(self.url).query)["host"][0])
        for stale in (self._data / "postmaster.pid", *sockets.glob(".s.PGSQL.*.lock")):
            stale.unlink()
        self._server.ensure_postgres_running()
        assert self.url == str(self._server.get_uri("ledger"))

    def close(self) -> None:
        self._server.cleanup()


class Issuing:
    """Somebody issues one credential after the other until the database refuses; begun at once."""

    def __init__(self, scene: Ledger) -> None:
        self._scene = scene
        self._acknowledged = scene.issued
        self._refused: list[StoreError] = []
        self._thread = threading.Thread(target=self._issue)
        self._thread.start()
        wait("under load", lambda: self._acknowledged >= 50)

    def _issue(self) -> None:
        while not self._refused:
            try:
                self._scene.issue(1)
            except StoreError as error:
                self._refused.append(error)
            else:
                self._acknowledged = self._scene.issued

    def noticed(self) -> int:
        """Wait for the refusal; how many were acknowledged before it."""
        self._thread.join(60)
        assert self._refused, "issuing did not notice"
        return self._acknowledged


def _runs(pid: int) -> bool:
    """Whether a process is more than an entry that nobody has asked about yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@pytest.fixture
def server() -> Iterator[Killable]:
    with tempfile.TemporaryDirectory(prefix="perdure-pg-") as folder:
        Path(folder).chmod(0o755)
        data = Path(folder) / "data"
        with stopped_with_us(data):
            running = Killable(data)
            try:
                Database.upgrade(running.url).close()
                yield running
            finally:
                running.close()


def test_a_postgresql_that_is_killed_loses_nothing_that_was_acknowledged(
    tmp_path: Path, server: Killable, deployed: Anvil
) -> None:
    """Issuing and one worker go on while it is killed; both say so, and go on afterwards."""
    deployed.fund(SENDER)
    with ExitStack() as stack:
        scene = Ledger(tmp_path, server.url, deployed, stack)
        worker = scene.start("--batch-age", "1", "--lease", "5")
        scene.issue(1)
        wait("it works", lambda: '"sealed a batch"' in scene.log())
        issuing = Issuing(scene)
        server.kill()
        acknowledged = issuing.noticed()
        wait("the worker says so", lambda: "cannot work now" in scene.log())
        assert worker.poll() is None

        server.start_again()
        with scene.database.read() as tx:
            kept = [
                credentials.get(
                    tx, scene.school.id, samples.credential(scene.school, number).id
                )
                for number in range(acknowledged)
            ]
            # One may have been committed without an answer.
            stored = credentials.count(tx, scene.school.id)
        assert len(kept) == acknowledged
        assert acknowledged <= stored <= acknowledged + 1
        scene.issued = stored
        scene.issue(3)

        wait("the same worker goes on", lambda: _rests(scene), seconds=80)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(20) == 0
        with scene.database.read() as tx:
            anchors = len(chain_txs.in_state(tx, 31337, tuple(ChainTxState), 10_000))
        scene.check(anchors=anchors)


def _rests(scene: Ledger) -> bool:
    """Nothing waits, everything is final and proved; a block passes with each look."""
    scene.anvil.mine()
    with scene.database.read() as tx:
        rows = chain_txs.in_state(tx, 31337, tuple(ChainTxState), 10_000)
        return (
            {row.state for row in rows} == {ChainTxState.FINAL}
            and not credentials.count_waiting(tx, 31337, 1)
            and not evidence.unproved(tx, 31337, 1)
        )
