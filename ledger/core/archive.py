"""
A take-away archive: many files in one ZIP, written one way and read with suspicion.

    PK\\3\\4 name data … PK\\3\\4 name data … PK\\1\\2 directory … PK\\5\\6 end

The directory at the end and what stands before each file must say the same, no byte belongs
to two files, and every size is known and bounded before anything is inflated. Nothing is ever
written to a disk; names are only shown. See docs/spec/files.md.
"""

import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from mmap import mmap
from typing import IO, Any, Final
from zipfile import ZIP_DEFLATED, ZIP_STORED, LargeZipFile, ZipFile, ZipInfo

from ledger.errors import MalformedError

SIGNATURES: Final = (b"PK\x03\x04", b"PK\x05\x06")
MAX_ARCHIVE_BYTES: Final = 64 * 1_048_576
MAX_ENTRIES: Final = 4_096
MAX_ENTRY_BYTES: Final = 8 * 1_048_576
MAX_TOTAL_BYTES: Final = 256 * 1_048_576
MAX_NAME: Final = 255
#: How much larger than packed an entry may be, once it is larger than a MiB.
MAX_RATIO: Final = 100

_LARGE = 1_048_576
# APPNOTE.TXT 4.3.7, 4.3.12, 4.3.16.
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_MAX_COMMENT = 65_535
_ENCRYPTED, _SIZES_BEHIND, _STRONG, _UTF8, _MASKED = 1, 8, 64, 2_048, 8_192
_STORED, _DEFLATED = 0, 8
_PARTS = "the archive is one of several parts"
_UNIX, _LINK, _KIND = 3, 0o120000, 0o170000
# Already deflated: packing them again gains nothing.
_PACKED = (".png", ".pdf", ".zip", ".age")
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
# Control characters, the other system's separator, a drive letter.
_ESCAPE = re.compile(r"[\x00-\x1f\x7f\\]|^[A-Za-z]:")


@dataclass(frozen=True, slots=True)
class Limits:
    """How large an archive of a kind may be: packed, in files, one file, and all unpacked."""

    packed: int
    entries: int
    entry: int
    total: int


TAKE_AWAY: Final = Limits(
    MAX_ARCHIVE_BYTES, MAX_ENTRIES, MAX_ENTRY_BYTES, MAX_TOTAL_BYTES
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in an archive: where its packed bytes lie, and what they must become."""

    name: str
    method: int
    start: int
    packed: int
    size: int
    check: int


@dataclass(frozen=True, slots=True)
class Archive:
    """The files of a ZIP, in the order of its directory. Made by `open_archive`."""

    data: bytes | mmap
    entries: tuple[Entry, ...]

    def read(self, entry: Entry) -> bytes:
        """Unpack one file. Raises MalformedError if it is not what the directory says."""
        packed = self.data[entry.start : entry.start + entry.packed]
        content = packed
        if entry.method == _DEFLATED:
            inflater = zlib.decompressobj(-zlib.MAX_WBITS)
            try:
                # One byte more than promised is enough to see the lie.
                content = inflater.decompress(packed, entry.size + 1)
            except zlib.error as error:
                raise MalformedError("the file is damaged in the archive") from error
            if inflater.unconsumed_tail or inflater.unused_data or not inflater.eof:
                raise MalformedError(
                    "the file is not of the size that the archive says"
                )
        if len(content) != entry.size:
            raise MalformedError("the file is not of the size that the archive says")
        if zlib.crc32(content) != entry.check:
            raise MalformedError("the file does not fit its checksum in the archive")
        return content


def write_archive(
    files: Iterable[tuple[str, bytes]], limits: Limits = TAKE_AWAY
) -> bytes:
    """Pack files; the same bytes from the same files. Raises MalformedError for what no reader takes."""
    packed = BytesIO()
    stream_archive(packed, files)
    data = packed.getvalue()
    open_archive(data, limits)
    return data


def stream_archive(out: IO[bytes], files: Iterable[tuple[str, bytes]]) -> None:
    """Pack files one by one as they come. Raises MalformedError for what no reader takes."""
    seen: set[str] = set()
    try:
        # Not the large kind (ZIP64), which no reader of ours takes: so at most 2 GiB.
        with ZipFile(out, "w", allowZip64=False) as archive:
            for name, content in files:
                _check_name(name, seen)
                info = ZipInfo(name, _LONG_AGO)
                info.create_system = _UNIX
                info.external_attr = 0o100644 << 16
                stored = name.lower().endswith(_PACKED)
                info.compress_type = ZIP_STORED if stored else ZIP_DEFLATED
                archive.writestr(info, content)
    except LargeZipFile as error:
        raise MalformedError("the archive would be larger than 2 GiB") from error


def open_archive(data: bytes | mmap, limits: Limits = TAKE_AWAY) -> Archive:
    """Read the directory of a ZIP. Raises MalformedError for whatever could surprise a reader."""
    if len(data) > limits.packed:
        raise MalformedError(f"an archive has at most {limits.packed} bytes")
    count, start, end = _directory(data, limits)
    entries = list(_entries(data, count, start, end))
    _check_sizes(entries, limits)
    seen: set[str] = set()
    for entry in entries:
        _check_name(entry.name, seen)
    return Archive(data, tuple(e for e in entries if not e.name.endswith("/")))


def _directory(data: bytes | mmap, limits: Limits) -> tuple[int, int, int]:
    """How many entries there are, and from where to where the directory lies."""
    end = data.rfind(b"PK\x05\x06", max(0, len(data) - _END.size - _MAX_COMMENT))
    if end < 0 or end + _END.size > len(data):
        raise MalformedError("the archive is cut off: it has no end")
    _, disk, first, here, count, size, start, comment = _END.unpack_from(data, end)
    if end + _END.size + comment != len(data):
        raise MalformedError("bytes behind the end of the archive")
    if disk or first or here != count:
        raise MalformedError(_PARTS)
    if count == 0xFFFF or 0xFFFFFFFF in {size, start}:
        raise MalformedError("the archive is of the large kind (ZIP64)")
    if start + size != end:
        raise MalformedError("the directory of the archive is not where it should be")
    if count > limits.entries:
        raise MalformedError(f"the archive has more than {limits.entries} files")
    return count, start, end


def _entries(data: bytes | mmap, count: int, start: int, end: int) -> Iterator[Entry]:
    at, free = start, 0
    spans: list[tuple[int, int]] = []
    for _ in range(count):
        if at + _CENTRAL.size > end:
            raise MalformedError("the directory of the archive is cut off")
        head = _CENTRAL.unpack_from(data, at)
        if head[0] != b"PK\x01\x02":
            raise MalformedError("the directory of the archive is damaged")
        sizes = head[10:13]
        raw = data[at + _CENTRAL.size : at + _CENTRAL.size + sizes[0]]
        at += _CENTRAL.size + sum(sizes)
        if at > end:
            raise MalformedError("the directory of the archive is cut off")
        made_by, disk, attributes, offset = head[1], head[13], head[15], head[16]
        if disk:
            raise MalformedError(_PARTS)
        if made_by >> 8 == _UNIX and (attributes >> 16) & _KIND == _LINK:
            raise MalformedError("the archive holds a link")
        entry, last = _local(data, head, raw, offset)
        spans.append((offset, last))
        yield entry
    if at != end:
        raise MalformedError("the directory of the archive is longer than it says")
    for first, last in sorted(spans):
        if first < free or last > start:
            raise MalformedError("files of the archive overlap")
        free = last


def _local(
    data: bytes | mmap, head: tuple[Any, ...], raw: bytes, offset: int
) -> tuple[Entry, int]:
    """The entry, compared with what stands before its bytes; and where these end."""
    flags, method, check, packed, size = head[3], head[4], *head[7:10]
    if flags & (_ENCRYPTED | _STRONG | _MASKED):
        raise MalformedError("the archive is protected by a password")
    if method not in {_STORED, _DEFLATED}:
        raise MalformedError("the archive is packed in a way that is not read")
    if offset + _LOCAL.size > len(data):
        raise MalformedError("the archive is cut off inside a file")
    local = _LOCAL.unpack_from(data, offset)
    begin = offset + _LOCAL.size + local[9]
    same = (
        local[0] == b"PK\x03\x04"
        and (local[2], local[3]) == (flags, method)
        and data[offset + _LOCAL.size : begin] == raw
        # Who packs without looking ahead writes the sizes behind the bytes.
        and (bool(flags & _SIZES_BEHIND) or local[6:9] == (check, packed, size))
    )
    if not same:
        raise MalformedError("the directory of the archive contradicts its files")
    start = begin + local[10]
    name = _name(raw, utf8=bool(flags & _UTF8))
    return Entry(name, method, start, packed, size, check), start + packed


def _name(raw: bytes, *, utf8: bool) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if utf8:
            raise MalformedError("a name in the archive is not UTF-8") from error
        return raw.decode("cp437")


def _check_sizes(entries: Iterable[Entry], limits: Limits) -> None:
    total = 0
    for entry in entries:
        total += entry.size
        if entry.size > limits.entry:
            raise MalformedError(
                f"a file in an archive has at most {limits.entry} bytes"
            )
        if entry.size > max(_LARGE, MAX_RATIO * entry.packed):
            raise MalformedError(
                "a file of the archive is packed too tightly to be one"
            )
        if entry.method == _STORED and entry.size != entry.packed:
            raise MalformedError("a file of the archive has two sizes")
    if total > limits.total:
        raise MalformedError(
            f"the files of an archive have at most {limits.total} bytes"
        )


def _check_name(name: str, seen: set[str]) -> None:
    parts = name.removesuffix("/").split("/")
    if (
        len(name) > MAX_NAME
        or not {"", ".", ".."}.isdisjoint(parts)
        or _ESCAPE.search(name)
    ):
        raise MalformedError("a name in the archive leads out of it, or is none")
    if name in seen:
        raise MalformedError("the archive has two files of one name")
    seen.add(name)
