"""
One HTTP address that is posted to: an exchange at a time, each under one deadline.

No redirect is followed, no proxy or password taken from the environment, and an answer has a
size: whoever is at the other end can be slow or wrong, and nothing else.
"""

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from ledger.wire import BoundedAnswer, FramingError


@dataclass(frozen=True, slots=True)
class HttpTarget:
    """Where to post: ``path`` is the path with its query."""

    tls: bool
    host: str
    port: int
    path: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """A status, and the first bytes of the body; ``is_whole`` if those are all.

    ``retry_after`` is that header as it came, None without one.
    """

    status: int
    body: bytes = field(repr=False)
    is_whole: bool
    retry_after: str | None = None


class HttpPost:
    """
    A kept connection to one address. Not for several threads.

    ``timeout`` is in seconds, for connecting, sending and the whole reply; ``most`` is how many
    bytes of a body are read.
    """

    def __init__(self, target: HttpTarget, *, timeout: float, most: int) -> None:
        self._target = target
        self._timeout = timeout
        self._most = most
        self._connection: http.client.HTTPConnection | None = None

    def post(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """
        Send a body and read the reply.

        A kept connection may have been dropped since; then the same body is sent once more.
        Raises OSError (TimeoutError after the deadline) and http.client.HTTPException, whatever
        the other side sends; the connection is gone then.
        """
        until = time.monotonic() + self._timeout
        reused = self._connection is not None
        try:
            try:
                return self._exchange(body, headers, until)
            except (http.client.RemoteDisconnected, ConnectionError):
                if not reused:
                    raise
            self.close()
            return self._exchange(body, headers, until)
        except (http.client.HTTPException, OSError):
            self.close()
            raise
        # A chunk of -5 bytes, a host name that is none: http.client checks neither.
        except ValueError as error:
            self.close()
            raise FramingError("what no HTTP is made of") from error

    def close(self) -> None:
        """Let the connection go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(self, body: bytes, headers: Mapping[str, str], until: float) -> Reply:
        connection = self._connection or self._connect(_seconds_to(until))
        self._connection = connection
        sock = connection.sock
        seconds = _seconds_to(until)
        sock.settimeout(seconds)
        connection.response_class = partial(  # type: ignore[assignment] # called, no more
            BoundedAnswer, most=self._most, until=until
        )
        # A timeout of the socket starts anew with every byte; this one does not. The plain
        # shutdown, not TLS's own: it only has to wake the reader up.
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            with contextlib.suppress(OSError):  # closed meanwhile: nothing to wake
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

        deadline = threading.Timer(seconds, expire)
        deadline.daemon = True
        deadline.start()
        try:
            if isinstance(sock, ssl.SSLSocket):
                sock.do_handshake()
            connection.request("POST", self._target.path, body, dict(headers))
            response = connection.getresponse()
            read = response.read(self._most + 1)
        except (http.client.HTTPException, OSError) as error:
            if expired.is_set():
                raise TimeoutError("timed out") from error
            raise
        finally:
            deadline.cancel()
        if expired.is_set():
            raise TimeoutError("timed out")
        is_whole = len(read) <= self._most
        # What is not read to its end stands before the next answer.
        if response.will_close or not response.isclosed():
            self.close()
        return Reply(
            response.status,
            read[: self._most],
            is_whole,
            response.getheader("Retry-After"),
        )

    def _connect(self, seconds: float) -> http.client.HTTPConnection:
        target = self._target
        sock = socket.create_connection((target.host, target.port), seconds)
        # Headers and body leave apart, and the body must not wait for an echo.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection: http.client.HTTPConnection
        if target.tls:
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(
                target.host, target.port, context=context
            )
            # The handshake comes later, under the deadline.
            connection.sock = context.wrap_socket(
                sock, server_hostname=target.host, do_handshake_on_connect=False
            )
        else:
            connection = http.client.HTTPConnection(target.host, target.port)
            connection.sock = sock
        connection.auto_open = 0
        return connection


def _seconds_to(until: float) -> float:
    """What is left of the time; never 0, which would be no timeout but no waiting at all."""
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("timed out")
    return seconds
