"""An archive is as many files as can be credentials in it, each with a report of its own."""

import io
import zipfile

import pytest

from ledger.core.archive import write_archive
from ledger.verify.archived import Candidate, candidates


def found(*files: tuple[str, bytes]) -> list[Candidate]:
    return list(candidates("a.zip", write_archive(files)))


def faults(*files: tuple[str, bytes]) -> list[tuple[str, str | None]]:
    return [(c.name, c.fault.detail if c.fault else None) for c in found(*files)]


def test_any_other_file_is_itself() -> None:
    assert list(candidates("a.json", b"{}")) == [Candidate("a.json", b"{}")]
    assert list(candidates("a.zip", b"{}")) == [Candidate("a.zip", b"{}")]


def test_carriers_are_checked_and_what_comes_along_is_not() -> None:
    carriers = [
        (name, name.encode())
        for name in ("x.json", "x.PNG", "in/a/folder/x.svg", "x.pdf")
    ]
    beside = [
        (name, b"{}")
        for name in (
            "manifest.json",
            "public/manifest.json",
            "README.txt",
            "verifier.html",
            "cv.docx",
            ".hidden.json",
            "__MACOSX/._x.json",
            ".git/x.json",
        )
    ]

    assert found(*carriers, *beside) == [
        Candidate(f"a.zip/{name}", data) for name, data in carriers
    ]


def test_an_archive_inside_is_not_opened_whatever_it_is_called() -> None:
    inner = write_archive([("x.json", b"{}")])
    why = "An archive inside an archive is not opened."

    assert faults(("x.zip", inner), ("x.json", inner)) == [
        ("a.zip/x.zip", why),
        ("a.zip/x.json", why),
    ]


@pytest.mark.parametrize("files", [[], [("README.txt", b"")]])
def test_an_archive_without_credentials_says_so(files: list[tuple[str, bytes]]) -> None:
    assert faults(*files) == [
        (
            "a.zip",
            "The archive holds no file that could be one: .json, .png, .svg or .pdf.",
        )
    ]


def test_an_archive_that_cannot_be_relied_on_is_refused_whole() -> None:
    packed = write_archive([("x.json", b"{}")])
    (refused,) = candidates("a.zip", packed[:-4])

    assert refused.fault is not None
    assert refused.fault.detail == "the archive is cut off: it has no end."


def test_one_damaged_file_does_not_hide_the_others() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("x.json", b'{"a":12345}')
        archive.writestr("y.json", b"{}")
    damaged = made.getvalue().replace(b"12345", b"12346")

    first, second = candidates("a.zip", damaged)
    assert first.fault is not None
    assert "checksum" in first.fault.detail
    assert second == Candidate("a.zip/y.json", b"{}")
