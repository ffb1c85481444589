"""kill -9 at every statement, every commit and every send of a ledger's life, exhaustively."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.databases import Postgres
from tests.integration.anchor_worker.killing import LIVES

ROOT = Path(__file__).parent.parent.parent.parent

#: What has to be among the moments at which each life ends: the fail points by their names.
NAMED = {
    "batch": ["INSERT INTO batch", "before a send", "INSERT INTO evidence_header"],
    "school": ["INSERT INTO credential", "UPDATE credential SET"],
    "fees": ["INSERT INTO attempt", "after a send"],
    "unknown": ["before a send", "after a send"],
    "reorganised": ["UPDATE chain_tx SET"],
    "taken_back": ["DELETE FROM batch_anchor", "DELETE FROM evidence_header"],
}


class Killer:
    """The process of `killing.py`, as seen from here."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def order(self, life: str, at: int, url: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(
            json.dumps({"life": life, "at": at, "url": url}) + "\n"
        )
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@pytest.fixture
def killer() -> Iterator[Killer]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.integration.anchor_worker.killing"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Killer(process)
        assert process.stdin is not None
        process.stdin.close()


def check(answer: dict[str, Any], ended: int, where: str) -> None:
    assert answer["ended"] == ended, (where, answer)
    assert (answer["rest"], answer["problems"]) == (0, []), (where, answer)
    assert answer["unstored"] == [], f"{where}: bytes left before they were stored"


@pytest.mark.slow
@pytest.mark.uncounted
@pytest.mark.timeout(300)
@pytest.mark.parametrize("life", LIVES)
def test_killed_at_any_moment_it_goes_on(
    life: str, killer: Killer, sqlite_url: str, tmp_path: Path
) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    template = shutil.copy(path, tmp_path / "template.db")

    def fresh() -> str:
        for left in tmp_path.glob(f"{path.name}*"):
            left.unlink()
        shutil.copy(template, path)
        return sqlite_url

    whole = killer.order(life, 0, fresh())
    check(whole, 0, "not killed")
    (names,) = whole["names"]
    for name in NAMED[life]:
        assert any(each.startswith(name) for each in names), name
    for at, name in enumerate(names, start=1):
        answer = killer.order(life, at, fresh())
        # Killed, not ended in another way: else this would show nothing.
        check(answer, -signal.SIGKILL, f"killed at {at}, {name}")
    # There is no moment beyond the last one.
    check(killer.order(life, len(names) + 1, fresh()), 0, "beyond the last")


@pytest.mark.slow
@pytest.mark.uncounted
@pytest.mark.postgres
@pytest.mark.timeout(300)
@pytest.mark.parametrize("life", ["batch", "fees"])
def test_killed_at_moments_of_a_life_on_postgresql(
    life: str, killer: Killer, postgres: Postgres
) -> None:
    """Every ninth moment, and each send: there the lease outlives its dead owner for real."""
    whole = killer.order(life, 0, postgres.clean())
    check(whole, 0, "not killed")
    (names,) = whole["names"]
    chosen = [
        at
        for at, name in enumerate(names, start=1)
        if at % 9 == 0 or name.endswith("a send")
    ]
    for at in chosen:
        answer = killer.order(life, at, postgres.clean())
        check(answer, -signal.SIGKILL, f"killed at {at}, {names[at - 1]}")
