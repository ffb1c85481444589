"""A reader that goes away makes no verdict."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "program",
    [["ledger.verify"], ["ledger.cli", "verify"]],
    ids=" ".join,
)
@pytest.mark.parametrize("options", [[], ["--json"], ["--help"]], ids=" ".join)
def test_output_that_nobody_reads_ends_the_process_as_a_signal(
    program: list[str], options: list[str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", *program, *options, "README.md"],
            cwd=ROOT,
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
            timeout=50,
        )
    finally:
        os.close(writer)

    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b"")
