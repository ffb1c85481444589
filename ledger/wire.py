"""
An HTTP answer from somebody who may lie: so many bytes are taken off the socket, until then.

The standard library believes what an answer says of its own length: a chunk of -1 bytes is read
until the sender has no more. So the limit stands below all of that, where the bytes come in.
"""

import http.client
import io
import socket
import time
from typing import Final

#: Bytes for status lines, headers and trailers. Servers take 8 to 64 kB of a question's.
MAX_HEAD: Final = 65_536


class FramingError(http.client.HTTPException):
    """An answer whose framing is nonsense, or takes more bytes than what it frames."""


class BoundedAnswer(http.client.HTTPResponse):
    """
    http.client's response, on whose socket no more is read than an answer can take.

    ``most`` is in bytes, of a body; chunks' sizes may take as much again. ``until`` is a time of
    time.monotonic. Reading raises FramingError beyond the first, TimeoutError after the second;
    the socket's own timeout is another one afterwards.
    """

    def __init__(
        self,
        sock: socket.socket,
        *,
        method: str | None = None,
        most: int,
        until: float,
    ) -> None:
        super().__init__(sock, method=method)
        limited = _Limited(self.fp.detach(), sock, MAX_HEAD + 2 * most, until)
        self.fp = io.BufferedReader(limited)

    def begin(self) -> None:
        """Read status and headers. Raises OSError and http.client.HTTPException."""
        try:
            super().begin()
        except (http.client.HTTPException, OSError):
            raise
        # Headers are parsed as those of a mail with all its parameters, and that parser breaks
        # over some in ways that nobody lists: a TypeError, a ValueError.
        except Exception as error:
            raise FramingError("headers that cannot be read") from error


class _Limited(io.RawIOBase):
    """A socket's raw file: every read counts, and waits for what is left of the time."""

    def __init__(
        self, raw: io.RawIOBase, sock: socket.socket, left: int, until: float
    ) -> None:
        self._raw = raw
        self._sock = sock
        self._left = left
        self._until = until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]
        if self._left <= 0:
            raise FramingError("an answer without end")
        seconds = self._until - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("timed out")
        # A timeout of the socket starts anew with every byte; what is left of the time does not.
        self._sock.settimeout(seconds)
        read = self._raw.readinto(memoryview(buffer)[: self._left])
        self._left -= read or 0
        return read

    def close(self) -> None:
        try:
            self._raw.close()
        finally:
            super().close()
