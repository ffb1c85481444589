"""The tree benchmark measures what it says, and falls short when it should."""

import json

import pytest

from scripts.bench import merkle


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
