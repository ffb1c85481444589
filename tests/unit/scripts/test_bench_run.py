"""The benchmark compares what it times, and says so if a row falls short."""

import json

import pytest

from ledger.core import rdf
from scripts.bench import issuing, run
from scripts.bench.row import Effort, Row, Work, compare

LITTLE = Effort(rounds=1, divisor=100)


def row(**facts: float | None) -> Row:
    values: dict[str, float | None] = {"ours": 1.0, "baseline": 5.0, **facts}
    return Row(name="a row", unit="us", against="another", **values)  # type: ignore[arg-type]


def test_the_bounds_are_the_ones_promised() -> None:
    rows = [
        issuing.jcs(LITTLE),
        issuing.one_never_seen(LITTLE),
        issuing.many_of_one(LITTLE),
    ]

    assert [(row.against, row.at_least) for row in rows] == [
        ("rfc8785", 10),
        ("pyld", 35),
        ("pyld", 60),
    ]
    assert all(row.ratio and row.ratio > 1 for row in rows)


def test_an_engine_that_differs_is_not_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rdf, "canonicalise_by_tables", lambda *_: b"wrong\n")

    with pytest.raises(RuntimeError, match="the shortcut differs"):
        issuing.one_never_seen(LITTLE)
    with pytest.raises(RuntimeError, match="the shortcut differs"):
        issuing.many_of_one(LITTLE)


def test_the_baseline_really_is_pyld(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    sound = rdf.canonicalise_by_pyld

    def counted(*given: object, **named: object) -> bytes:
        asked.append(1)
        return sound(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(rdf, "canonicalise_by_pyld", counted)
    issuing.verify(LITTLE)

    # The document and its proof's options, in a round and in the one before it.
    assert len(asked) == 2 * 2 * issuing.DOCUMENTS


@pytest.mark.parametrize(
    ("facts", "passed"),
    [
        ({"ratio": 5.0, "at_least": 5.0}, True),
        ({"ratio": 4.9, "at_least": 5.0}, False),
        ({"ours": 99.0, "baseline": None, "at_most": 100.0}, True),
        ({"ours": 101.0, "baseline": None, "at_most": 100.0}, False),
        ({"ratio": 0.1}, True),
    ],
)
def test_a_row_is_judged_by_its_bound(
    facts: dict[str, float | None],
    passed: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(run, "MEASURES", {"one": lambda _: row(**facts)})

    assert run.main(["--quick"]) == (0 if passed else 1)
    assert ("FALLS SHORT" in capsys.readouterr().out) is not passed
    assert run.main(["--json"]) == (0 if passed else 1)
    told = json.loads(capsys.readouterr().out)
    assert told["passed"] is told["rows"][0]["passed"] is passed
    assert told["machine"]["processors"] > 0


def test_the_ratio_is_of_one_item_each() -> None:
    done: list[str] = []
    found = compare(
        "a row",
        Work(lambda: done.append("ours"), 4),
        Work(lambda: done.append("theirs"), 2),
        against="another",
        at_least=None,
        effort=Effort(rounds=3),
    )

    assert done == ["ours", "theirs"] * 4
    assert (found.passed, found.unit) == (True, "us")
