"""The personal parts of a closing archive, made one after the other and kept as ciphertext.

Drawing ten thousand certificates takes minutes: what is done lies in a folder beside the
archive, so that a crash loses one part's work and the disk never holds a name in the clear.
"""

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import MalformedError

_PART = re.compile(r"([0-9]{5})-([0-9]{9})\.age")
_LABEL = "label"


@dataclass(frozen=True, slots=True)
class PartsFolder:
    """A folder of finished parts. Their names say how many earners each one and those before cover."""

    path: Path

    @classmethod
    def beside(cls, archive: Path) -> "PartsFolder":
        """The folder that belongs to an archive."""
        return cls(archive.with_name(archive.name + ".parts"))

    def open(self, label: str) -> None:
        """Go on with what lies there, if it was made from the same; else begin anew.

        Raises MalformedError if the folder cannot be used.
        """
        try:
            self.path.mkdir(mode=0o700, exist_ok=True)
            marked = self.path / _LABEL
            if not marked.is_file() or marked.read_text("ascii") != label:
                for _, _, part in self._found():
                    part.unlink()
                marked.write_text(label, "ascii")
        except OSError as error:
            raise MalformedError(
                f"cannot use the folder {self.path}: {error.strerror}"
            ) from error

    @property
    def done(self) -> tuple[int, int]:
        """How many parts there are, and how many earners they cover."""
        found = self._found()
        return (found[-1][0], found[-1][1]) if found else (0, 0)

    def keep(self, number: int, earners: int, sealed: bytes) -> None:
        """Keep a part, whole or not at all. Raises MalformedError."""
        target = self.path / f"{number:05}-{earners:09}.age"
        try:
            write_whole(target, sealed)
        except OSError as error:
            raise MalformedError(f"cannot write {target}: {error.strerror}") from error

    def parts(self) -> Iterator[bytes]:
        """The parts in order, one in memory at a time. Raises MalformedError."""
        for _, _, part in self._found():
            try:
                yield part.read_bytes()
            except OSError as error:
                raise MalformedError(f"cannot read {part}: {error.strerror}") from error

    def remove(self) -> None:
        """Take the folder away once the archive has all of it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _found(self) -> Sequence[tuple[int, int, Path]]:
        found = []
        for path in sorted(self.path.iterdir()):
            name = _PART.fullmatch(path.name)
            if name is not None:
                found.append((int(name[1]), int(name[2]), path))
        return found


def write_whole(target: Path, data: bytes) -> None:
    """Write a private file so that it is there whole, on the disk, or not at all. Raises OSError."""
    unfinished = target.with_name(target.name + ".unfinished")
    with open(unfinished, "wb", opener=_private) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(target)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
