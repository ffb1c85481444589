"""A reader that goes away makes no verdict, and neither does a full disk."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


programs = pytest.mark.parametrize(
    "program",
    [["ledger.verify"], ["ledger.cli", "verify"]],
    ids=" ".join,
)
options = pytest.mark.parametrize("options", [[], ["--json"], ["--help"]], ids=" ".join)


@programs
@options
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


@programs
@options
@pytest.mark.parametrize("is_buffered", [True, False])
def test_output_that_finds_no_room_is_no_verdict(
    program: list[str], options: list[str], *, is_buffered: bool
) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", *program, *options, "README.md"],
            cwd=ROOT,
            env=os.environ | {"PYTHONUNBUFFERED": "" if is_buffered else "1"},
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            timeout=50,
        )

    said = b"cannot write: No space left on device\n"
    assert (done.returncode, done.stderr) == (2, said)
