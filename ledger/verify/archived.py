"""
What a given file is to the verifier: one file, or an archive whose files are checked one by one.

An archive that could surprise a reader is refused whole, before anything in it is looked at.
See docs/spec/files.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from ledger.core.archive import SIGNATURES, Archive, Entry, open_archive
from ledger.errors import MalformedError
from ledger.verify.report import Step, sentence

#: As many bytes as tell whether a file is an archive.
PEEK: Final = max(map(len, SIGNATURES))

_CARRIERS: Final = frozenset({".json", ".png", ".svg", ".pdf"})
_ARCHIVE: Final = ".zip"
_MANIFEST: Final = "manifest.json"
_FORKS: Final = "__MACOSX"


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something to check, or the step that says why it cannot be."""

    name: str
    data: bytes = field(default=b"", repr=False)
    fault: Step | None = None


def is_archive(beginning: bytes) -> bool:
    """Tell an archive by how it begins."""
    return beginning.startswith(SIGNATURES)


def candidates(name: str, data: bytes) -> Iterator[Candidate]:
    """The file itself, or what in an archive can be a credential, each under its own name."""
    if not is_archive(data):
        yield Candidate(name, data)
        return
    try:
        archive = open_archive(data)
    except MalformedError as error:
        yield _refused(name, sentence(error))
        return
    chosen = [entry for entry in archive.entries if _may_be_one(entry.name)]
    if not chosen:
        yield _refused(
            name,
            "The archive holds no file that could be one: .json, .png, .svg or .pdf.",
        )
    for entry in chosen:
        yield _candidate(f"{name}/{entry.name}", archive, entry)


def _candidate(name: str, archive: Archive, entry: Entry) -> Candidate:
    if entry.name.lower().endswith(_ARCHIVE):
        return _refused(name, "An archive inside an archive is not opened.")
    try:
        data = archive.read(entry)
    except MalformedError as error:
        return _refused(name, sentence(error))
    if is_archive(data):
        return _refused(name, "An archive inside an archive is not opened.")
    return Candidate(name, data)


def _refused(name: str, why: str) -> Candidate:
    return Candidate(name, fault=Step("file.not_a_credential", why))


def _may_be_one(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") or part == _FORKS for part in path.parts)
    suffix = path.suffix.lower()
    return (
        not hidden
        and path.name != _MANIFEST
        and (suffix in _CARRIERS or suffix == _ARCHIVE)
    )
