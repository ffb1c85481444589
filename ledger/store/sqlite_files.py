"""
What can be seen of a SQLite database in its files, before SQLite opens them.

SQLite itself takes a torn write-ahead log for one whose last transaction was not finished, and goes
on without whatever stands behind the tear: acknowledged transactions would be gone without a word.
Formats: https://sqlite.org/fileformat2.html, sections 1.3 and 4.
"""

import struct
from pathlib import Path
from typing import BinaryIO, Final

_HEADER: Final = 100
_WAL_HEADER: Final = 32
_FRAME_HEADER: Final = 24
_MAGIC: Final = {0x377F0682: "<", 0x377F0683: ">"}
#: A log that grew beyond this is not read: it would take seconds for each ten megabytes.
CHECKED_LOG: Final = 32 * 1024 * 1024


def missing_bytes(database: Path) -> int:
    """How many bytes of the file are missing, by its own header; 0 if it is whole.

    Where a log stands beside it, pages may still be in there: then nothing is said.
    """
    log = database.with_name(f"{database.name}-wal")
    if log.exists() and log.stat().st_size:
        return 0
    with database.open("rb") as file:
        header = file.read(_HEADER)
    if len(header) < _HEADER:
        return 0  # empty, or no database at all: SQLite says so
    (page,) = struct.unpack_from(">H", header, 16)
    changes, pages = struct.unpack_from(">II", header, 24)
    (valid_for,) = struct.unpack_from(">I", header, 92)
    if changes != valid_for:
        return 0  # written by software that does not keep the size
    # 65,536 does not fit into two bytes: it is written as 1.
    size: int = pages * (65_536 if page == 1 else page)
    return max(0, size - database.stat().st_size)


def is_torn(database: Path) -> bool:
    """
    Whether the write-ahead log is damaged before its last finished transaction.

    Each transaction is on the disk before the next one begins. So a crash damages the last one
    alone, and a later one behind a broken frame shows damage of another kind.
    """
    log = database.with_name(f"{database.name}-wal")
    for _ in range(3):
        try:
            with log.open("rb") as file:
                if not _torn(file):
                    return False
                # Whoever works with it may have begun it anew while it was read.
                file.seek(0)
                header = file.read(_WAL_HEADER)
            with log.open("rb") as file:
                if file.read(_WAL_HEADER) == header and _torn(file, header):
                    return True
        except FileNotFoundError:
            return False
    return False


def _torn(file: BinaryIO, header: bytes | None = None) -> bool:
    header = file.read(_WAL_HEADER) if header is None else header
    if len(header) < _WAL_HEADER:
        return False
    order = _MAGIC.get(struct.unpack_from(">I", header)[0])
    sums = (0, 0)
    if order is None:
        return False
    sums = _checksum(header[:24], sums, order)
    if sums != struct.unpack_from(">II", header, 24):
        return False  # a log that was never begun: nothing stands in it
    return _finished_behind(file, header, order, sums)


def _finished_behind(
    file: BinaryIO, header: bytes, order: str, sums: tuple[int, int]
) -> bool:
    """Whether a transaction ends behind one that is broken, other than the broken one itself."""
    (page,), salt = struct.unpack_from(">I", header, 8), header[16:24]
    broken, ends, read = False, 0, 0
    while len(frame := file.read(_FRAME_HEADER + page)) == _FRAME_HEADER + page:
        read += len(frame)
        if read > CHECKED_LOG:
            return False
        if frame[8:16] != salt:
            # Left over from before the log was begun anew; or the broken one itself.
            broken = True
            continue
        if not broken:
            sums = _checksum(frame[:8] + frame[_FRAME_HEADER:], sums, order)
            broken = sums != struct.unpack_from(">II", frame, 16)
        elif ends:
            return True  # something began after a transaction that follows the tear
        if broken and frame[4:8] != bytes(4):
            ends += 1
    return False


def _checksum(data: bytes, sums: tuple[int, int], order: str) -> tuple[int, int]:
    one, two = sums
    for first, second in struct.iter_unpack(f"{order}II", data):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return one, two
