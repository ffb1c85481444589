"""Everything that a credential does not need is taken away, and both verifiers say what is promised."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.taking_away import ROWS
from scripts.two_schools import FILES

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.anvil,
    pytest.mark.slow,
    pytest.mark.timeout(600),
]


def test_the_drill_keeps_every_promise() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.taking_away", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    lines = json.loads(done.stdout)
    assert [line["taken"] for line in lines] == [row.taken for row in ROWS]
    for line, row in zip(lines, ROWS, strict=True):
        promised = dict(zip(FILES, row.promised, strict=True))
        assert line["command"] == line["page"] == promised, line["taken"]
