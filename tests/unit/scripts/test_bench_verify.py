"""The evidence benchmark measures what it says, and its bounds are the promised ones."""

import json

import pytest

from scripts.bench import verify


def test_the_bounds_are_the_ones_promised() -> None:
    assert (verify.MOST_MILLISECONDS, verify.MOST_BYTES) == (0.6, 8_000)


def test_both_contenders_come_to_their_verdict_and_the_size_fits(
    capsys: pytest.CaptureFixture[str],
) -> None:
    verify.main(["--checks", "1", "--rounds", "1", "--json"])
    result = json.loads(capsys.readouterr().out)

    assert result["verdicts"] == ["incomplete", "genuine_as_of"]
    assert 0 < result["anvilBytes"] <= verify.MOST_BYTES
    assert result["anvilBytes"] < result["mainNetBytes"] < 65_536


@pytest.mark.parametrize(
    ("paths", "keys"), [(10, 400), (4, 700), (4, 5_000), (6, 3_000)]
)
def test_the_computed_size_is_that_of_a_trie_within_a_tenth(
    paths: int, keys: int
) -> None:
    computed = verify.together(paths, keys, verify.WORD_BYTES)
    built = verify.built(paths, keys, verify.WORD_BYTES)

    assert computed == pytest.approx(built, rel=0.1)


@pytest.mark.parametrize(
    ("bound", "least", "told"),
    [
        ("MOST_BYTES", 10, "at most 10 required"),
        ("MOST_MILLISECONDS", -1e3, "at most -1000.0 required"),
    ],
)
def test_a_slower_or_larger_one_fails(
    bound: str,
    least: float,
    told: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verify, bound, least)

    assert verify.main(["--checks", "1", "--rounds", "1"]) == 1
    assert told in capsys.readouterr().out
