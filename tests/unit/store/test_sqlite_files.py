"""Altered copies of a SQLite database: what is whole is opened, what is not is refused at start."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ledger.errors import SettingError
from ledger.store import organisations, sqlite_files
from ledger.store.database import Database
from ledger.store.sqlite_files import is_torn, missing_bytes
from tests.unit.store.samples import add_school

CODES = [f"school-{n}" for n in range(6)]


@pytest.fixture
def copy(sqlite_url: str, tmp_path: Path) -> Path:
    """A database of six transactions that all stand in the log, as kill -9 leaves it."""
    path = tmp_path / "killed" / "perdure.db"
    path.parent.mkdir()
    with closing(Database.open(sqlite_url)) as database:
        for code in CODES:
            with database.begin() as tx:
                add_school(tx, code)
        for suffix in ("", "-wal", "-shm"):
            shutil.copy(f"{tmp_path}/perdure.db{suffix}", f"{path}{suffix}")
    return path


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def ends(log: bytes) -> list[int]:
    """Where each transaction of a log ends."""
    page = int.from_bytes(log[8:12], "big")
    return [
        at + 24 + page
        for at in range(32, len(log), 24 + page)
        if log[at + 4 : at + 8] != bytes(4) and log[at + 8 : at + 16] == log[16:24]
    ]


def codes(path: Path) -> list[str]:
    with (
        closing(Database.open(f"sqlite:///{path}")) as database,
        database.read() as tx,
    ):
        return sorted(each.code for each in organisations.all(tx))


def change(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_copy_with_its_log_has_everything(copy: Path) -> None:
    assert not is_torn(copy)
    assert codes(copy) == CODES


def test_without_the_shared_memory_file_nothing_is_lost(copy: Path) -> None:
    copy.with_name(f"{copy.name}-shm").unlink()
    assert codes(copy) == CODES


@pytest.mark.parametrize("cut", [1, 24, 4_000, 4_121])
def test_a_log_that_ends_in_its_last_transaction_is_a_crash_and_no_damage(
    copy: Path, cut: int
) -> None:
    log = log_of(copy)
    *_, end = ends(log.read_bytes())
    log.write_bytes(log.read_bytes()[: end - cut])

    assert codes(copy) == CODES[:-1]


def test_a_changed_byte_in_the_last_transaction_is_as_if_it_was_never_finished(
    copy: Path,
) -> None:
    *_, before, _ = ends(log_of(copy).read_bytes())
    change(log_of(copy), before + 100)

    assert codes(copy) == CODES[:-1]


@pytest.mark.parametrize("where", [8, 20, 24, 1_000])
@pytest.mark.parametrize("transaction", [0, 2, 4])
def test_a_log_that_is_torn_before_its_last_transaction_is_refused(
    copy: Path, transaction: int, where: int
) -> None:
    """SQLite alone would go on with less, and say nothing."""
    log = log_of(copy)
    start = [32, *ends(log.read_bytes())][transaction]
    change(log, start + where)
    before = copy.read_bytes(), log.read_bytes()

    for action in (Database.open, Database.upgrade):
        with pytest.raises(SettingError, match=r"log of the database .* is damaged"):
            action(f"sqlite:///{copy}")
    assert (copy.read_bytes(), log.read_bytes()) == before
    with closing(sqlite3.connect(copy)) as raw:
        (found,) = raw.execute("SELECT count(*) FROM organisation").fetchone()
    # The first one in the log is of the opening, before any school.
    assert found == max(transaction - 1, 0)


def test_what_an_earlier_round_left_in_the_log_is_no_damage(
    copy: Path, tmp_path: Path
) -> None:
    with closing(Database.open(f"sqlite:///{copy}")) as database:
        with closing(sqlite3.connect(copy)) as raw:
            raw.execute("PRAGMA wal_checkpoint(RESTART)")
        with database.begin() as tx:
            add_school(tx, "another")
        for suffix in ("", "-wal"):
            shutil.copy(f"{copy}{suffix}", f"{tmp_path}/again.db{suffix}")

    again = tmp_path / "again.db"
    assert len(ends(log_of(again).read_bytes())) == 1
    assert not is_torn(again)
    assert codes(again) == ["another", *CODES]


def test_a_log_that_is_none_and_one_that_is_long_are_left_to_sqlite(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = ends(log_of(copy).read_bytes())[0]
    change(log_of(copy), start + 8)
    assert is_torn(copy)
    monkeypatch.setattr(sqlite_files, "CHECKED_LOG", 1_000)
    assert not is_torn(copy)
    for content in (b"", b"short", b"\0" * 5_000):
        log_of(copy).write_bytes(content)
        assert not is_torn(copy)


@pytest.mark.parametrize("left", [0.5, 0.999])
def test_a_file_that_was_copied_half_is_refused(
    sqlite_url: str, tmp_path: Path, left: float
) -> None:
    path = tmp_path / "perdure.db"
    content = path.read_bytes()
    assert missing_bytes(path) == 0
    cut = content[: int(len(content) * left)]
    path.write_bytes(cut)

    assert missing_bytes(path) == len(content) - len(cut)
    for action in (Database.open, Database.upgrade):
        with pytest.raises(SettingError, match="is cut short"):
            action(sqlite_url)
    assert path.read_bytes() == cut


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20_000])


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[3 * 4096 : 4 * 4096] = b"\xff" * 4096
    path.write_bytes(content)


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.uncounted
@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [["anchor_worker"], ["ledger.cli", "serve"]], ids=["worker", "server"]
)
@pytest.mark.parametrize(
    ("harm", "words"),
    [(cut_short, "is cut short"), (damage, "damaged"), (remove, "perdure db upgrade")],
    ids=["half", "page", "none"],
)
def test_worker_and_server_say_why_they_do_not_start(
    sqlite_url: str,
    tmp_path: Path,
    command: list[str],
    harm: Callable[[Path], None],
    words: str,
) -> None:
    harm(tmp_path / "perdure.db")
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env={"PATH": os.environ["PATH"], "PERDURE_DATABASE_URL": sqlite_url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 78, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
