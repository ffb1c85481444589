"""Run the project's checks, stage by stage; the first failure stops the run.

scripts/test                     everything, as CI does
scripts/test --quick             without contracts, slow tests, servers and coverage
scripts/test --only lint         one stage (may be repeated)
scripts/test --only tests -k PNG the rest goes to pytest; then coverage is not judged
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

#: Tests wait for servers and blocks much of the time: as many at once as there are processors.
_TOGETHER = ("-n", "auto", "--maxprocesses", "4", "--dist", "worksteal")

#: Thousands of small databases wait for a disk a sixth of the time. They take some 700 MB.
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
_ROOM = 4 * 2**30


@dataclass(frozen=True, slots=True)
class Stage:
    """A named part of the check: its commands run in order and must all end with 0."""

    name: str
    promise: str
    commands: tuple[tuple[str, ...], ...]
    #: Whether its temporary files go to memory, where there is room, and are gone afterwards.
    in_memory: bool = False


def python_scripts(root: Path) -> tuple[str, ...]:
    """The Python programs without suffix in scripts/: linters see them only when named."""
    return tuple(
        str(path.relative_to(root))
        for path in sorted((root / "scripts").rglob("*"))
        if path.is_file()
        and path.suffix == ""
        and "python" in path.read_bytes().partition(b"\n")[0].decode(errors="replace")
    )


def stages(root: Path, *, quick: bool, pytest_arguments: Sequence[str]) -> list[Stage]:
    """All stages of a run, in order."""
    scripts = python_scripts(root)
    pytest = ("python", "-m", "pytest", *pytest_arguments)
    # A part of the tests covers a part of the code: only a whole run can be judged.
    judged = not quick and not pytest_arguments
    tests: tuple[tuple[str, ...], ...] = (pytest,)
    if quick:
        tests = ((*pytest, "-m", "not slow and not anvil and not postgres"),)
    elif judged:
        counted = ("coverage", "run", "-m", "pytest")
        tests = (
            ("coverage", "erase"),
            (*counted, *_TOGETHER, "-m", "not alone and not uncounted"),
            # Most of the time, and as long again were lines counted: see tests/counting.py.
            (*pytest, *_TOGETHER, "-m", "uncounted and not alone"),
            # What measures time is not disturbed by other tests.
            (*pytest, "-m", "alone"),
        )
    static = [
        Stage("format", "one layout", (("ruff", "format", "--check", ".", *scripts),)),
        Stage("lint", "no known fault", (("ruff", "check", ".", *scripts),)),
        Stage("spelling", "no known misspelling", (("codespell",),)),
        Stage(
            "types",
            "mypy --strict, tests and scripts too",
            (("mypy",), ("mypy", "--scripts-are-modules", *scripts)),
        ),
        Stage("imports", "every import points inwards", (("lint-imports",),)),
    ]
    contracts = Stage(
        "contracts",
        "format, lint, tests, gas, artefacts, slither",
        (("python", "scripts/contracts", "test"),),
    )
    page = Stage(
        "page",
        "verifier.html is typed, small, reproducible, and the one in the README",
        (("python", "-m", "scripts.verifier_page", "check"),),
    )
    run = Stage(
        "tests",
        "every level, random order, nothing skipped",
        tests,
        # What a chosen test left is there to be looked at.
        in_memory=judged,
    )
    coverage = Stage(
        "coverage",
        "the tests reach the code",
        (("coverage", "combine", "--quiet"), ("coverage", "report")),
    )
    return [
        *static,
        *([] if quick else [contracts]),
        page,
        run,
        *([coverage] if judged else []),
    ]


def run_stage(stage: Stage, root: Path) -> int:
    """The exit status of the first command that fails, else 0."""
    # The environment's tools first; no setting of a ledger that this shell may be running; and
    # what was compiled is kept, or hundreds of processes would compile it anew.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PERDURE_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    path = os.pathsep.join([str(BIN), environment.get("PATH", os.defpath)])
    environment["PATH"] = path
    if not stage.in_memory:
        return _run_commands(stage, root, environment)
    with _folder_in_memory() as folder:
        # A folder that somebody chose stays.
        chosen = {"TMPDIR": folder} | environment if folder else environment
        return _run_commands(stage, root, chosen)


def _run_commands(stage: Stage, root: Path, environment: dict[str, str]) -> int:
    for command in stage.commands:
        print(f"$ {' '.join(command)}", flush=True)
        try:
            finished = subprocess.run(command, cwd=root, env=environment, check=False)
        except OSError as error:
            print(f"{command[0]} cannot be started: {error}", flush=True)
            return 1
        if finished.returncode != 0:
            # A negative status is a signal's number; sys.exit would turn it into another one.
            return finished.returncode if finished.returncode > 0 else 1
    return 0


def _is_ours(folder: Path) -> bool:
    """Whether files can be made in a folder, and programs among them started."""
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return False
    return not os.statvfs(folder).f_flag & os.ST_NOEXEC


@contextmanager
def _folder_in_memory() -> Iterator[str | None]:
    """A folder that is gone afterwards; None where memory is none of ours or has little room."""
    if not _is_ours(MEMORY) or shutil.disk_usage(MEMORY).free < _ROOM:
        yield None
        return
    with TemporaryDirectory(
        dir=MEMORY, prefix="perdure-", ignore_cleanup_errors=True
    ) as folder:
        yield folder


def run_all(chosen: Sequence[Stage], root: Path) -> int:
    """Run the stages in order and stop at the first failure; its exit status."""
    begun = time.monotonic()
    for number, stage in enumerate(chosen, start=1):
        print(f"\n== {number}/{len(chosen)} {stage.name}: {stage.promise}", flush=True)
        started = time.monotonic()
        status = run_stage(stage, root)
        taken = f"{time.monotonic() - started:.1f} s"
        if status != 0:
            print(f"\n== {stage.name} FAILED with {status} after {taken}", flush=True)
            return status
        print(f"== {stage.name} ok, {taken}", flush=True)
    print(f"\n== all {len(chosen)} stages ok, {time.monotonic() - begun:.0f} s")
    return 0


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/test",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    names = [stage.name for stage in stages(root, quick=False, pytest_arguments=())]
    parser.add_argument(
        "--quick", action="store_true", help="what can be had in a minute"
    )
    parser.add_argument(
        "--only", action="append", choices=names, default=[], metavar="STAGE",
        help="one of " + ", ".join(names),
    )  # fmt: skip
    known, pytest_arguments = parser.parse_known_args(arguments)
    everything = stages(root, quick=known.quick, pytest_arguments=pytest_arguments)
    chosen = [
        stage for stage in everything if not known.only or stage.name in known.only
    ]
    left_out = set(known.only) - {stage.name for stage in chosen}
    if left_out:
        parser.error(f"not part of this run: {', '.join(sorted(left_out))}")
    try:
        return run_all(chosen, root)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
