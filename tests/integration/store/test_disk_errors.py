"""Row D3 of the fault matrix: the disk says that it did not keep what was written (fsync fails)."""

import platform
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from ledger.store import organisations
from ledger.store.database import Database
from tests.unit.store.samples import NOW

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]

# From a moment on the kernel refuses fsync and fdatasync to this process: a filter of system
# calls (seccomp), which needs no compiler and no rights.
PROGRAM = """
import ctypes, datetime, errno, struct, sys, uuid
from ledger.errors import StoreError
from ledger.store import organisations
from ledger.store.database import Database

FSYNC, FDATASYNC = {"x86_64": (74, 75), "aarch64": (82, 83)}[sys.argv[2]]

def fail_every_fsync():
    load, equal, answer = 0x20, 0x15, 0x06
    lines = [
        (load, 0, 0, 0),  # the number of the system call
        (equal, 1, 0, FSYNC),
        (equal, 0, 1, FDATASYNC),
        (answer, 0, 0, 0x00050000 | errno.EIO),
        (answer, 0, 0, 0x7FFF0000),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *l) for l in lines))
    program = struct.pack("HxxxxxxP", len(lines), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for call in ((38, 1, 0, 0, 0), (22, 2, ctypes.c_char_p(program), 0, 0)):
        if libc.prctl(*call):
            sys.exit(f"prctl: {ctypes.get_errno()}")

def keep(code):
    with database.begin() as tx:
        now = datetime.datetime.now(datetime.UTC)
        organisations.add(tx, id=uuid.uuid4(), code=code, name=code, now=now)
    print(code, flush=True)

database = Database.open(sys.argv[1])
keep("before")
fail_every_fsync()
for code in ("lost", "lost-too"):
    try:
        keep(code)
    except StoreError as error:
        print(f"refused: {error}", flush=True)
"""


def test_what_the_disk_did_not_keep_is_not_promised(sqlite_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, sqlite_url, platform.machine()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=50,
    )

    kept, *refused = done.stdout.splitlines()
    assert kept == "before"
    assert len(refused) == 2
    for line in refused:
        assert line.startswith("refused: whether the database kept it is not known")
        assert "disk I/O error" in line
    # A process without the fault goes on: the frames of the refused ones are written over.
    with closing(Database.open(sqlite_url)) as database:
        with database.begin() as tx:
            organisations.add(tx, id=uuid4(), code="after", name="After", now=NOW)
        with database.read() as tx:
            codes = [each.code for each in organisations.all(tx)]
    assert {"before", "after"} <= set(codes)
