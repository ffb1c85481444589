"""Files that hold one secret: 32 bytes as 64 hexadecimal digits, readable by their owner alone."""

import os
import stat
from pathlib import Path

from ledger.errors import KeystoreError

_MAX_BYTES = 256


def read_secret_file(path: Path) -> bytes:
    """Read 32 bytes. Raises KeystoreError, which never quotes what the file holds.

    A pipe is welcome too (`/dev/fd/3`), so that a secret need not be on a disk at all.
    """
    try:
        # Opened once and asked through the descriptor: a path could be swapped in between.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _check_private(os.fstat(descriptor).st_mode, path)
            text = os.read(descriptor, _MAX_BYTES).strip()
        finally:
            os.close(descriptor)
    except OSError as error:
        raise KeystoreError(f"secret file {path}: {error.strerror}") from error
    return _parse(text, path)


def write_secret_file(path: Path, secret: bytes) -> None:
    """Write a new file with mode 0600. Raises KeystoreError; an existing file is left alone."""
    write_private_file(path, secret.hex().encode() + b"\n")


def write_private_file(path: Path, data: bytes) -> None:
    """Write bytes to a new file with mode 0600, on the disk when this returns.

    Raises KeystoreError; an existing file is never replaced, it may be the only copy of a key.
    """
    try:
        descriptor = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
        )
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # The name is durable only once its directory is.
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise KeystoreError(f"cannot write {path}: {error.strerror}") from error


def _check_private(mode: int, path: Path) -> None:
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        raise KeystoreError(f"secret file {path} is neither a file nor a pipe")
    if stat.S_IMODE(mode) & 0o077:
        raise KeystoreError(
            f"secret file {path} has mode {stat.S_IMODE(mode):04o}: others can read it."
            f" Run: chmod 600 {path}"
        )


def _parse(text: bytes, path: Path) -> bytes:
    # bytes.fromhex would also take spaces between the digits: one encoding is enough.
    if len(text) != 64 or not set(text) <= set(b"0123456789abcdefABCDEF"):
        raise KeystoreError(f"secret file {path} does not hold 64 hexadecimal digits")
    return bytes.fromhex(text.decode("ascii"))
