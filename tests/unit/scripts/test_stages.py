"""The one command runs its stages in order and ends with the first failure."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest

from scripts import stages
from scripts.stages import Stage, run_all
from tests import counting

TOUCH = "import pathlib; pathlib.Path('{}').touch()"


def stage(name: str, code: str) -> Stage:
    return Stage(name, "a test", ((sys.executable, "-c", code),))


def test_the_first_failing_stage_stops_the_run_with_its_status(tmp_path: Path) -> None:
    chosen = [
        stage("one", TOUCH.format("one")),
        stage("two", "raise SystemExit(7)"),
        stage("three", TOUCH.format("three")),
    ]

    assert run_all(chosen, tmp_path) == 7
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_the_first_failing_command_stops_its_stage(tmp_path: Path) -> None:
    fails = (sys.executable, "-c", "raise SystemExit(3)")
    leaves = (sys.executable, "-c", TOUCH.format("made"))

    assert run_all([Stage("both", "a test", (fails, leaves))], tmp_path) == 3
    assert list(tmp_path.iterdir()) == []


def test_a_stage_that_dies_of_a_signal_or_is_missing_fails(tmp_path: Path) -> None:
    died = stage("died", "import os; os.kill(os.getpid(), 9)")
    missing = Stage("missing", "a test", (("no-such-tool",),))

    assert run_all([died], tmp_path) == 1
    assert run_all([missing], tmp_path) == 1


def test_all_stages_fine_is_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_all([stage("one", "pass"), stage("two", "pass")], tmp_path) == 0
    assert "all 2 stages ok" in capsys.readouterr().out


def test_settings_of_a_running_ledger_do_not_reach_the_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERDURE_DATABASE_URL", "sqlite:////srv/real.db")
    look = "import os; raise SystemExit('PERDURE_DATABASE_URL' in os.environ)"

    assert run_all([stage("look", look)], tmp_path) == 0


def test_what_was_compiled_is_kept_for_the_next_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    look = "import sys; raise SystemExit(sys.dont_write_bytecode)"

    assert run_all([stage("look", look)], tmp_path) == 0


def where(tmp_path: Path, *, in_memory: bool = True) -> Path:
    """Where a stage's temporary files went."""
    note = (
        "import os, pathlib, tempfile;"
        "made = tempfile.mkdtemp(); pathlib.Path('note').write_text(made)"
    )
    noted = Stage("note", "a test", ((sys.executable, "-c", note),), in_memory)
    assert run_all([noted], tmp_path) == 0
    return Path((tmp_path / "note").read_text())


def test_temporary_files_go_to_memory_and_are_gone_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = tmp_path / "memory"
    memory.mkdir()
    monkeypatch.setattr(stages, "MEMORY", memory)
    monkeypatch.setattr(stages, "_ROOM", 1)
    monkeypatch.delenv("TMPDIR", raising=False)

    assert where(tmp_path).parent.parent == memory
    assert list(memory.iterdir()) == []
    assert memory not in where(tmp_path, in_memory=False).parents
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert where(tmp_path).parent == tmp_path


@pytest.mark.parametrize(("place", "room"), [("none", 1), (".", 2**80)])
def test_temporary_files_go_where_they_always_do_if_memory_has_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, room: int
) -> None:
    monkeypatch.setattr(stages, "MEMORY", tmp_path / place)
    monkeypatch.setattr(stages, "_ROOM", room)
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    assert where(tmp_path).parent == tmp_path


def names(*, quick: bool = False, pytest_arguments: tuple[str, ...] = ()) -> list[str]:
    chosen = stages.stages(stages.ROOT, quick=quick, pytest_arguments=pytest_arguments)
    return [stage.name for stage in chosen]


def test_a_whole_run_has_every_stage_and_is_judged_by_coverage() -> None:
    assert names() == [
        *("format", "lint", "spelling", "types", "imports"),
        *("contracts", "page", "tests", "coverage"),
    ]


def test_a_part_of_the_tests_is_not_judged_by_coverage() -> None:
    assert "coverage" not in names(pytest_arguments=("-k", "merkle"))
    assert not {"coverage", "contracts"} & set(names(quick=True))


def test_programs_without_suffix_are_seen_by_the_linters() -> None:
    found = stages.python_scripts(stages.ROOT)

    assert "scripts/contracts" in found
    assert "scripts/test" not in found


@pytest.mark.parametrize(
    "arguments", [["--only", "dance"], ["--quick", "--only", "coverage"]]
)
def test_an_unknown_stage_is_wrong_usage(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        stages.main(arguments)

    assert stopped.value.code == 2


def test_only_the_named_stage_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In an empty folder the linter has nothing to say against."""
    (tmp_path / "scripts").mkdir()

    assert stages.main(["--only", "lint"], tmp_path) == 0
    assert "== 1/1 lint" in capsys.readouterr().out


def test_what_measures_time_runs_when_nothing_else_does() -> None:
    (tests,) = [
        stage
        for stage in stages.stages(stages.ROOT, quick=False, pytest_arguments=())
        if stage.name == "tests"
    ]
    together, uncounted, alone = (c for c in tests.commands if "pytest" in c)

    assert "-n" in together
    assert "-n" in uncounted
    assert "-n" not in alone
    assert "coverage" in together
    assert "coverage" not in (*uncounted, *alone)
    # Every test has its place, and one.
    chosen = [command[-1] for command in (together, uncounted, alone)]
    for marks in itertools.product((False, True), repeat=2):
        names = dict(zip(("alone", "uncounted"), marks, strict=True))
        fitting = [words for words in chosen if eval(words, {}, names)]  # noqa: S307 - pytest's words, and Python's
        assert len(fitting) == 1, (names, fitting)


def test_a_folder_says_whether_its_tests_are_counted(
    request: pytest.FixtureRequest,
) -> None:
    tests = stages.ROOT / "tests"
    for name in counting.COUNTED + counting.UNCOUNTED:
        assert (tests / name).exists(), name

    assert counting.is_counted(tests / "unit" / "core" / "test_merkle.py")
    assert counting.is_counted(tests / "unit" / "verify" / "test_check.py")
    assert not counting.is_counted(
        tests / "unit" / "verify" / "page" / "test_tables.py"
    )
    assert not counting.is_counted(tests / "browser" / "test_use.py")
    # And the mark is really set: this file is not counted.
    assert request.node.get_closest_marker("uncounted") is not None


def test_long_tests_come_first_in_each_workers_share() -> None:
    assert counting.in_shares("ABC", "12345", 1) == list("ABC12345")
    assert counting.in_shares("ABC", "12345", 2) == list("AC12B345")
    assert counting.in_shares("A", "12", 3) == list("A12")
