"""The soak itself: a few storms, with three real workers, and its figures."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.soak import Report, to_lines

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.slow
@pytest.mark.anvil
@pytest.mark.timeout(400)
def test_a_short_soak_keeps_every_promise(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scripts.soak", "--minutes", "0.4", "--json"]
    done = subprocess.run(
        [*command, "--keep", tmp_path], cwd=ROOT, capture_output=True, check=False
    )

    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    report = json.loads(done.stdout)
    assert report["credentials_issued"] > 20
    assert report["anchors"] > 1
    assert sum(report["faults"].values()) > 10
    promised = ("duplicates", "lost", "nonce_gaps", "unstored_sends", "broken")
    assert [report[name] for name in promised] == [0, 0, 0, 0, []]
    assert (tmp_path / "worker-00001.log").is_file()


def test_a_broken_promise_is_told() -> None:
    report = Report(seed=7, duplicates=1, broken=["duplicates: 1"])

    lines = list(to_lines(report))

    assert "✕ duplicates: 1" in lines
    assert "Every promise holds." not in lines
    assert list(to_lines(Report(seed=7)))[-1] == "Every promise holds."
