"""Take-away archives: written one way, and read as if an enemy had made them."""

import io
import random
import struct
import time
import zipfile

import pytest
from hypothesis import given, strategies as st

from ledger.core.archive import (
    MAX_ARCHIVE_BYTES,
    MAX_ENTRIES,
    MAX_ENTRY_BYTES,
    SIGNATURES,
    Archive,
    open_archive,
    write_archive,
)
from ledger.errors import MalformedError

FILES = [
    ("python.json", b'{"name":"Ada"}' * 40),
    ("python.png", b"\x89PNG" + bytes(range(256))),
    ("más/日本.svg", b"<svg/>"),
    ("README.txt", b""),
]
PACKED = write_archive(FILES)


def contents(data: bytes) -> list[tuple[str, bytes]]:
    archive = open_archive(data)
    return [(entry.name, archive.read(entry)) for entry in archive.entries]


def by_zipfile(
    *files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED, comment: bytes = b""
) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        archive.comment = comment
        for name, content in files:
            archive.writestr(name, content)
    return made.getvalue()


class NoSeek(io.RawIOBase):
    """A pipe: whoever packs into it writes sizes behind the bytes."""

    def __init__(self) -> None:
        self.data = b""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.data += bytes(data)  # type: ignore[call-overload]
        return len(bytes(data))  # type: ignore[call-overload]


# ---------------------------------------------------------------- what we write


def test_what_was_packed_comes_out_in_its_order() -> None:
    assert contents(PACKED) == FILES
    assert PACKED.startswith(SIGNATURES[0])


def test_the_same_files_give_the_same_bytes() -> None:
    assert write_archive(FILES) == PACKED


def test_others_read_what_we_write() -> None:
    with zipfile.ZipFile(io.BytesIO(PACKED)) as archive:
        assert archive.testzip() is None
        assert [(i.filename, archive.read(i)) for i in archive.infolist()] == FILES
        assert {i.date_time for i in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_pictures_are_stored_and_words_deflated() -> None:
    with zipfile.ZipFile(io.BytesIO(PACKED)) as archive:
        methods = {i.filename: i.compress_type for i in archive.infolist()}

    assert methods["python.png"] == zipfile.ZIP_STORED
    assert methods["python.json"] == zipfile.ZIP_DEFLATED


@pytest.mark.parametrize(
    "files",
    [
        [("a", b""), ("a", b"")],
        [("../a", b"")],
        [("a" * 256, b"")],
        [("big", bytes(MAX_ENTRY_BYTES + 1))],
        [("flat", bytes(2_000_000))],
    ],
)
def test_what_no_reader_takes_is_not_written(files: list[tuple[str, bytes]]) -> None:
    with pytest.raises(MalformedError):
        write_archive(files)


# ---------------------------------------------------------------- what others write


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_archives_of_others_are_read(method: int) -> None:
    made = by_zipfile(*FILES, method=method, comment=b"from my desk")

    assert contents(made) == FILES


def test_sizes_behind_the_bytes_are_read() -> None:
    pipe = NoSeek()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", b"{}" * 50)

    assert contents(pipe.data) == [("a.json", b"{}" * 50)]


def test_folders_are_no_files() -> None:
    assert contents(by_zipfile(("certificates/", b""), ("certificates/a", b"1"))) == [
        ("certificates/a", b"1")
    ]


def test_names_of_old_programs_are_read() -> None:
    made = by_zipfile(("th-.json", b"{}")).replace(b"th-.", b"th\x82.")

    assert contents(made) == [("thé.json", b"{}")]


def test_an_empty_archive_has_no_files() -> None:
    assert contents(by_zipfile()) == []


# ---------------------------------------------------------------- bombs


def test_a_file_of_zeros_is_packed_too_tightly() -> None:
    with pytest.raises(MalformedError, match="too tightly"):
        open_archive(by_zipfile(("zeros", bytes(5_000_000))))


def test_a_file_that_says_less_than_it_inflates_to_is_cut_short() -> None:
    made = by_zipfile(("bomb", bytes(200_000_000)))
    size = struct.pack("<I", 200_000_000)
    lying = made.replace(size, struct.pack("<I", 1_000))

    begin = time.process_time()
    with pytest.raises(MalformedError, match="not of the size"):
        contents(lying)
    assert time.process_time() - begin < 0.5


def test_many_files_that_share_their_bytes() -> None:
    """One packed file, named a thousand times in the directory."""
    made = by_zipfile(("0000", b"{}" * 100))
    end = made.index(b"PK\x05\x06")
    start = made.index(b"PK\x01\x02")
    one = made[start:end]
    directory = one * 1_000
    tail = struct.pack(
        "<4s4H2IH", b"PK\x05\x06", 0, 0, 1_000, 1_000, len(directory), start, 0
    )

    with pytest.raises(MalformedError, match="overlap"):
        open_archive(made[:start] + directory + tail)


def test_too_many_files() -> None:
    many = by_zipfile(*((str(n), b"") for n in range(MAX_ENTRIES + 1)))

    with pytest.raises(MalformedError, match="more than 4096 files"):
        open_archive(many)


def test_too_much_altogether() -> None:
    noise = random.Random(1).randbytes(80_000)  # noqa: S311 - noise
    made = by_zipfile(*((str(n), noise) for n in range(40)))
    made = made.replace(struct.pack("<I", 80_000), struct.pack("<I", 7_900_000))

    with pytest.raises(MalformedError, match="at most 268435456"):
        open_archive(made)


def test_too_large_as_it_is() -> None:
    with pytest.raises(MalformedError, match="an archive has at most"):
        open_archive(bytes(MAX_ARCHIVE_BYTES + 1))


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../a", "a/../../b", "C:/a", "c:a", "..\\a", "a//b", ".", "a/./b", "x\x1b[2J"],
)  # fmt: skip
def test_a_name_that_leads_out_of_the_archive(name: str) -> None:
    made = by_zipfile((name.replace("\\", "_"), b"{}"))
    if "\\" in name:
        made = made.replace(name.replace("\\", "_").encode(), name.encode())

    with pytest.raises(MalformedError, match="leads out"):
        open_archive(made)


def test_two_files_of_one_name() -> None:
    made = by_zipfile(("a.json", b"1"), ("b.json", b"2")).replace(b"b.json", b"a.json")

    with pytest.raises(MalformedError, match="two files of one name"):
        open_archive(made)


def test_a_link() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        link = zipfile.ZipInfo("a.json")
        link.create_system = 3
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")

    with pytest.raises(MalformedError, match="a link"):
        open_archive(made.getvalue())


# ---------------------------------------------------------------- damage


def patched(offset: int, value: bytes, data: bytes = PACKED) -> bytes:
    return data[:offset] + value + data[offset + len(value) :]


CENTRAL = PACKED.index(b"PK\x01\x02")
END = PACKED.index(b"PK\x05\x06")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (PACKED[:-1], "no end"),
        (PACKED[:100], "no end"),
        (b"PK\x03\x04", "no end"),
        (PACKED + b"x", "behind the end"),
        (patched(END + 4, b"\1"), "several parts"),
        (patched(END + 8, b"\1\0"), "several parts"),
        (patched(CENTRAL + 34, b"\1"), "several parts"),
        (patched(END + 8, b"\xff\xff\xff\xff"), "ZIP64"),
        (patched(END + 12, b"\xff\xff\xff\xff"), "ZIP64"),
        (patched(END + 16, b"\0\0\0\0"), "not where it should be"),
        (patched(END + 8, b"\5\0\5\0"), "cut off"),
        (patched(END + 8, b"\3\0\3\0"), "longer than it says"),
        (patched(CENTRAL, b"PK\x01\x03"), "damaged"),
        (patched(CENTRAL + 28, b"\xff\xff"), "cut off"),
        (patched(CENTRAL + 8, b"\1"), "password"),
        (patched(CENTRAL + 8, b"\x40"), "password"),
        (patched(CENTRAL + 10, b"\x63"), "packed in a way"),
        (patched(CENTRAL + 42, b"\xff\xff\xff\x00"), "inside a file"),
        (patched(CENTRAL + 46, b"P"), "contradicts"),
        (patched(CENTRAL + 16, b"\0\0\0\0"), "contradicts"),
        (patched(0, b"PK\x07\x08"), "contradicts"),
        (patched(8, b"\0"), "contradicts"),
    ],
)
def test_a_directory_that_cannot_be_relied_on(data: bytes, words: str) -> None:
    with pytest.raises(MalformedError, match=words):
        open_archive(data)


def test_a_stored_file_of_two_sizes() -> None:
    made = by_zipfile(("a", b"12345678"), method=zipfile.ZIP_STORED)
    sizes = struct.pack("<II", 8, 8)

    with pytest.raises(MalformedError, match="two sizes"):
        open_archive(made.replace(sizes, struct.pack("<II", 8, 7)))


def test_a_name_that_says_it_is_utf8_and_is_not() -> None:
    made = by_zipfile(("é.json", b"{}")).replace("é".encode(), b"\xff\xfe")

    with pytest.raises(MalformedError, match="not UTF-8"):
        open_archive(made)


def test_bytes_that_do_not_fit_their_checksum() -> None:
    made = by_zipfile(("a", b"12345678"), method=zipfile.ZIP_STORED)

    with pytest.raises(MalformedError, match="checksum"):
        contents(made.replace(b"12345678", b"12345679"))


def test_packed_bytes_that_are_none() -> None:
    start = 30 + len("python.json")

    with pytest.raises(MalformedError, match="damaged"):
        contents(patched(start, b"\xff\xff\xff\xff"))


@given(st.integers(0, len(PACKED) - 1), st.integers(1, 255))
def test_no_changed_byte_gives_other_files(at: int, change: int) -> None:
    changed = patched(at, bytes([PACKED[at] ^ change]))
    try:
        found = contents(changed)
    except MalformedError:
        return

    assert [content for _, content in found] == [content for _, content in FILES]


@given(st.binary(max_size=200))
def test_rubbish_is_malformed(rubbish: bytes) -> None:
    with pytest.raises(MalformedError):
        open_archive(b"PK\x03\x04" + rubbish)


def test_the_value_is_the_directory_and_nothing_is_unpacked_yet() -> None:
    archive = open_archive(PACKED)

    assert isinstance(archive, Archive)
    assert [(entry.name, entry.size) for entry in archive.entries] == [
        (name, len(content)) for name, content in FILES
    ]
