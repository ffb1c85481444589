"""The tree benchmark measures what it says, and its bound holds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.bench import merkle

ROOT = Path(__file__).parents[3]


def test_the_bound_is_the_one_promised() -> None:
    assert [merkle.required(n) for n in (100_000, 1_000_000)] == [4.5, 5.5]


def test_every_proof_is_compared(capsys: pytest.CaptureFixture[str]) -> None:
    merkle.main(["--leaves", "300", "--rounds", "1", "--json"])
    result = json.loads(capsys.readouterr().out)

    assert (result["leaves"], result["differences"]) == (300, 0)


def test_a_slower_run_fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merkle, "REQUIRED", 1e6)

    assert merkle.main(["--leaves", "10", "--rounds", "1"]) == 1
    assert "ratio" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.alone
def test_100_000_leaves_within_the_bound() -> None:
    """In a process of its own without the variables by which coverage would slow it down."""
    command = [sys.executable, "-m", "scripts.bench.merkle", "--rounds", "3", "--json"]
    done = subprocess.run(
        command, cwd=ROOT, env={}, capture_output=True, text=True, check=False
    )
    result = json.loads(done.stdout)

    assert (done.returncode, result["differences"]) == (0, 0)
    assert result["ratio"] >= 4.5
