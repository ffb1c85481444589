"""The demonstration comes out as it must, and notices when it does not."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.anvil,
    pytest.mark.slow,
    pytest.mark.timeout(240),
]


def demonstrate(out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "scripts/demonstration.py", "--out", str(out), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )


def test_from_a_roster_to_files_that_verify_when_all_else_is_gone(
    tmp_path: Path,
) -> None:
    done = demonstrate(tmp_path / "out", "--learners", "3")

    assert done.returncode == 0, done.stderr
    for told in (
        "3 would be issued, 0 refused",
        "0 issued, 3 there already",
        "12 files for 3 people",
        "deleted perdure.db",
        "deleted riverside.backup",
        "8 files genuine (TEST chain), 4 withdrawn by the issuer",
        "refused (exit 1, changed)",
        "unknown issuer (exit 3)",
    ):
        assert told in done.stdout


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")

    done = demonstrate(tmp_path, "--learners", "1")

    assert done.returncode == 1
    assert "choose another --out" in done.stderr
    assert (tmp_path / "thesis.txt").read_text() == "mine"
