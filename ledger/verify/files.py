"""Files of the person at the command: some are the only copy there is."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from ledger.errors import MalformedError


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """Name the file that is read in every MalformedError from inside."""
    try:
        yield
    except MalformedError as error:
        raise MalformedError(f"{file}: {error}") from error


def replace_file(target: Path, data: bytes) -> None:
    """Write a file whole or not at all, with the rights it had. Raises OSError."""
    folder = target.resolve().parent
    with NamedTemporaryFile(dir=folder, prefix=".new-", delete=False) as temporary:
        try:
            temporary.write(data)
            temporary.flush()
            os.fsync(temporary.fileno())
            if target.exists():
                Path(temporary.name).chmod(target.stat().st_mode & 0o777)
            Path(temporary.name).replace(target.resolve())
        except OSError:
            Path(temporary.name).unlink(missing_ok=True)
            raise
