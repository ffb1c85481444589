"""The benchmark compares what it times, and says so if a row falls short."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle, repeat
from pathlib import Path

import pytest

from ledger.core import rdf
from scripts import environment
from scripts.bench import issuing, peers, run
from scripts.bench.contender import beside, contender
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


def test_two_processes_are_compared_with_one_before_and_one_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A machine that takes twice as long in every second measurement of one alone.
    seconds = {1: cycle([1.0, 2.0]), 2: repeat(2.0)}
    asked: list[tuple[int, int]] = []

    def together(workers: Sequence[object], count: int) -> float:
        asked.append((len(workers), count))
        if count < 0:
            return 1.0
        return 0.0 if count == 10 else next(seconds[len(workers)])

    monkeypatch.setattr(issuing, "_together", together)
    found = issuing.two_processes(Effort(rounds=4, divisor=100))

    assert found.ratio == 1.5
    assert found.passed
    assert found.note.endswith("from 1.50 to 1.50; a bare loop reaches 2.00 meanwhile")
    issued = [processes for processes, count in asked if count > 10]
    assert issued == [1, 2, 1, 2, 1, 2, 1, 2, 1]
    assert {count for _, count in asked if count > 10} == {4_000}


def test_two_processes_really_issue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuing, "CHUNK", 5)
    monkeypatch.setattr(issuing, "_TURNS", 1)

    found = issuing.two_processes(Effort(rounds=1, divisor=100))

    assert found.ratio is not None
    assert found.ratio > 0
    assert found.note.startswith("wall time, 20 each")


# ---------------------------------------------------------------- other people's engines

#: A competitor that is told what to say, and takes no time.
PROGRAM = """
from scripts.bench.others.rounds import serve

def prepare(question):
    print("what it prints is no answer")
    return question["say"], lambda: print("nor is this")

serve(prepare)
"""


def test_a_competitor_is_asked_and_timed_in_a_process_of_its_own() -> None:
    done: list[str] = []
    command = [sys.executable, "-c", PROGRAM]
    with contender("another", command, {"say": ["zażółć", 7]}) as theirs:

        def counted() -> float:
            done.append("theirs")
            return theirs.round()

        found = beside(
            "a row",
            Work(lambda: done.append("ours"), 4),
            replace(theirs, round=counted),
            items=2,
            effort=Effort(rounds=3),
            warm_up=2,
        )

    assert theirs.answer == ["zażółć", 7]
    assert done == ["ours", "theirs", "theirs"] + ["ours", "theirs"] * 3
    assert (found.name, found.against) == ("a row, another beside it", "another")
    assert (found.at_least, found.at_most, found.passed) == (None, None, True)
    assert found.baseline is not None


@pytest.mark.parametrize("program", ["raise SystemExit", "import json; input()"])
def test_a_competitor_that_does_not_run_is_named(program: str) -> None:
    command = [sys.executable, "-c", program]
    with (
        pytest.raises(RuntimeError, match="another ended without an answer"),
        contender("another", command, {"much": "x" * 1_000_000}),
    ):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("task", ["sign", "verify"])
@pytest.mark.parametrize("engine", ["openbadgeslib", "openvc-core"])
def test_other_engines_sign_what_we_sign(engine: str, task: str) -> None:
    found = peers.open_badge(engine, task, LITTLE)

    assert found.against == engine
    assert found.ratio is not None
    assert found.ratio > 1


def test_an_engine_that_says_something_else_is_not_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(peers, "_sign", lambda *_, **__: {"proofValue": "z"})

    with pytest.raises(RuntimeError, match="openbadgeslib says something else"):
        peers.open_badge("openbadgeslib", "sign", LITTLE)


def test_engines_that_are_not_installed_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(peers, "install", lambda: asked.append("install"))
    monkeypatch.setattr(run, "MEASURES", {"one": lambda _: row(ratio=1.0)})
    beside_it = {"two": lambda _: row(ratio=2.0), "three": lambda _: row(ratio=3.0)}
    monkeypatch.setattr(peers, "ON_DEMAND", beside_it)

    assert run.main(["--quick", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (asked, told["leftOut"]) == ([], ["two", "three"])
    assert run.main(["--quick"]) == 0
    said = capsys.readouterr().out
    assert "left out: two; three" in said
    assert "scripts/bench/run --peers" in said

    assert run.main(["--quick", "--json", "--peers"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (asked, told["leftOut"]) == (["install"], [])
    assert [each["ratio"] for each in told["rows"]] == [1.0, 2.0, 3.0]
    assert run.main(["--quick", "--json", "--only", "three"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["ratio"] for each in told["rows"]] == [3.0]
    assert (asked, told["leftOut"]) == (["install"] * 2, [])


def test_engines_that_do_not_install_end_the_run_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        raise environment.SetupError("`npm ci` failed (1). No registry.")

    monkeypatch.setattr(peers, "install", fails)
    monkeypatch.setattr(peers, "ON_DEMAND", {"two": lambda _: row(ratio=2.0)})
    monkeypatch.setattr(run, "MEASURES", {"one": lambda _: row(ratio=1.0)})

    assert run.main(["--peers"]) == 1
    assert capsys.readouterr() == (
        "",
        "scripts/bench/run: `npm ci` failed (1). No registry.\n",
    )


def test_every_competitor_has_its_program_and_its_pin() -> None:
    programs = {path.name for path in peers.OTHERS.glob("*-*.mjs")} | {
        path.name for path in peers.OTHERS.glob("*_*.py") if path.name[0] != "_"
    }
    text = Path(peers.__file__).read_text()

    assert programs == {
        "merkle-proof-2019.mjs",
        "merkle_proof_2019.py",
        "open-attestation.mjs",
        "open_badges.py",
        "openzeppelin-paths.mjs",
        "pymerkle_paths.py",
    }
    assert [name for name in programs if Path(name).stem not in text] == []
    lock = (peers.OTHERS / "requirements.lock").read_text()
    wanted = (peers.OTHERS / "requirements.in").read_text().splitlines()[2:]
    assert [line for line in wanted if f"{line} " not in lock] == []


@pytest.mark.slow
def test_the_memory_of_a_process_is_not_that_of_the_one_that_started_it() -> None:
    held = b"x" * 400_000_000
    done = subprocess.run(
        [sys.executable, "-m", "scripts.bench.trees", "--leaves=1", "--task=nothing"],
        capture_output=True,
        check=True,
    )

    assert 0 < int(done.stdout) < len(held) / 2
