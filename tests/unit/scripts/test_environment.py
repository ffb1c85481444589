"""Set-up does each step once, again when its lock file changed, and says what is missing.

The Python environment and npm are real programs on disk that write down how they were called.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from scripts import environment
from scripts.environment import Folder, SetupError

RECORDER = """#!/bin/sh
echo "$(basename "$0") $*" >> "{calls}"
exit {status}
"""


def program(path: Path, calls: Path, status: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(RECORDER.format(calls=calls, status=status))
    path.chmod(0o755)


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    return tmp_path / "calls"


@pytest.fixture
def folder(tmp_path: Path, calls: Path) -> Folder:
    """A checkout whose environment was made already, with a recording python in it."""
    root = tmp_path / "checkout"
    root.mkdir()
    for name in ("requirements.lock", "pyproject.toml"):
        (root / name).write_text("first")
    made = Folder(root)
    program(made.python, calls)
    return made


def said(calls: Path) -> list[str]:
    """What was called since the last look."""
    if not calls.exists():
        return []
    lines = calls.read_text().splitlines()
    calls.unlink()
    return lines


def test_a_second_run_calls_nothing(folder: Folder, calls: Path) -> None:
    environment.python_environment(folder)
    first = said(calls)

    environment.python_environment(folder)

    assert len(first) == 2
    assert "--require-hashes" in first[0]
    assert "--no-deps --no-build-isolation -e" in first[1]
    assert said(calls) == []


@pytest.mark.parametrize(
    ("changed", "step"),
    [("requirements.lock", "--require-hashes"), ("pyproject.toml", "-e")],
)
def test_a_changed_file_repeats_its_own_step_alone(
    folder: Folder, calls: Path, changed: str, step: str
) -> None:
    environment.python_environment(folder)
    said(calls)
    (folder.root / changed).write_text("second")

    environment.python_environment(folder)

    (call,) = said(calls)
    assert f" {step} " in f"{call} "


def test_a_failed_step_is_not_marked_as_done(folder: Folder, calls: Path) -> None:
    program(folder.python, calls, status=3)
    with pytest.raises(SetupError, match=r"failed \(3\)\. The first run needs"):
        environment.python_environment(folder)
    said(calls)
    program(folder.python, calls)

    environment.python_environment(folder)

    assert len(said(calls)) == 2


def test_a_moved_checkout_gets_a_new_environment(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: Path
) -> None:
    """Scripts inside an environment name its old place."""
    environment.python_environment(folder)
    said(calls)
    moved = Folder(folder.root.rename(tmp_path / "elsewhere"))
    program(tmp_path / "python3", calls)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python3"))

    environment.python_environment(moved)

    assert said(calls)[0] == f"python3 -m venv --clear {moved.venv}"


def npm_checkout(folder: Folder, calls: Path, status: int = 0) -> Path:
    project = folder.root / "pages"
    (project / "node_modules").mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        (project / name).write_text("{}")
    program(folder.bin / "npm", calls, status)
    return project


def test_npm_runs_once_for_a_lock_file(folder: Folder, calls: Path) -> None:
    project = npm_checkout(folder, calls)

    environment.npm_project(folder, "pages")
    environment.npm_project(folder, "pages")
    assert said(calls) == [
        "npm ci --ignore-scripts --omit-lockfile-registry-resolved --no-audit --no-fund"
    ]

    (project / "package-lock.json").write_text("{ }")
    environment.npm_project(folder, "pages")
    assert len(said(calls)) == 1


def test_npm_that_fails_is_reported(folder: Folder, calls: Path) -> None:
    npm_checkout(folder, calls, status=1)

    with pytest.raises(SetupError, match="npm registry"):
        environment.npm_project(folder, "pages")


@pytest.mark.parametrize(
    ("version", "expected"),
    [("v20.20.2", 20), ("v9.0.0", 9), ("v24.0.0-nightly1", 24), ("no version", None)],
)
def test_node_version_is_asked_of_the_program(
    tmp_path: Path, version: str, expected: int | None
) -> None:
    for name in ("node", "npm"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{version}'\n")
        (tmp_path / name).chmod(0o755)

    assert environment.node_version(str(tmp_path)) == expected


def test_node_without_npm_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "node").write_text("#!/bin/sh\necho v22.0.0\n")
    (tmp_path / "node").chmod(0o755)

    assert environment.node_version(str(tmp_path)) is None


@pytest.mark.parametrize(("version", "pip_calls"), [("v18.19.0", 1), ("v20.0.0", 0)])
def test_an_old_node_is_replaced_by_the_wheel(
    folder: Folder, calls: Path, version: str, pip_calls: int
) -> None:
    for name in ("node", "npm"):
        (folder.bin / name).write_text(f"#!/bin/sh\necho {version}\n")
        (folder.bin / name).chmod(0o755)

    environment.node(folder)

    found = said(calls)
    assert len(found) == pip_calls
    assert all("requirements-node.lock" in call for call in found)


def test_missing_system_packages_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(SetupError, match="libnothing"):
        environment.system_packages(tmp_path, {"libnothing": lambda: True})


def test_root_on_debian_gets_them_installed(
    tmp_path: Path, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin" / "apt-get", calls)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    environment.system_packages(
        tmp_path, {"libnothing": lambda: True, "libthere": lambda: False}
    )

    assert said(calls) == [
        "apt-get update -q",
        "apt-get install -q -y --no-install-recommends libnothing",
    ]


def test_a_browser_is_needed_by_tests_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert environment.TEST_PACKAGES["chromium"]()
    assert "chromium" not in environment.SYSTEM_PACKAGES


def page_checkout(folder: Folder) -> Path:
    source = folder.root / "ledger" / "verify" / "page" / "src" / "main.ts"
    source.parent.mkdir(parents=True)
    source.write_text("first")
    return source


def test_the_page_is_built_once_for_its_sources(folder: Folder, calls: Path) -> None:
    source = page_checkout(folder)

    environment.verifier_page(folder)
    environment.verifier_page(folder)
    assert said(calls) == ["python -m scripts.verifier_page build"]

    source.write_text("second")
    environment.verifier_page(folder)
    assert len(said(calls)) == 1


def test_a_page_that_cannot_be_built_stops_the_set_up(
    folder: Folder, calls: Path
) -> None:
    page_checkout(folder)
    program(folder.python, calls, status=1)

    with pytest.raises(SetupError, match="ledger/verify/page"):
        environment.verifier_page(folder)


def test_wrong_usage_is_64(capsys: pytest.CaptureFixture[str]) -> None:
    assert environment.main(["--frobnicate"]) == 64
    assert environment.main(["--help"]) == 0
    assert "no registry" in capsys.readouterr().err
