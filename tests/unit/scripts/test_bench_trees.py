"""The benchmark of stored trees measures what it says, and its bounds are the promised ones."""

import json

import pytest

from ledger.store import trees as stored
from scripts.bench import trees


def test_the_bounds_are_the_ones_promised() -> None:
    assert (trees.MAX_BYTES_A_LEAF, trees.MAX_MILLISECONDS) == (100, 1)
    assert trees.Memory(1, 100.0).passed
    assert not trees.Memory(1, 100.1).passed
    assert trees.OnDemand(1, 1, 0.999, 9, 64).passed
    assert not trees.OnDemand(1, 1, 1.0, 9, 64).passed


def test_a_path_that_leads_elsewhere_is_no_measurement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stored, "path", lambda *_: bytes(32 * 9))
    with pytest.raises(AssertionError, match="leads elsewhere"):
        trees.on_demand(300, 1)


@pytest.mark.slow
def test_a_small_run_tells_both(capsys: pytest.CaptureFixture[str]) -> None:
    trees.main(["--leaves", "300", "--stored", "70000", "--json"])
    result = json.loads(capsys.readouterr().out)

    assert (result["leaves"], result["stored"], result["proofs"]) == (300, 70_000, 300)
    assert 63.9 < result["storedBytesALeaf"] < 64.1
    assert result["bytesALeaf"] >= 0
