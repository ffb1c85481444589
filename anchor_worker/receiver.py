"""
The one address that events are posted to, and what its answers mean.

Only the operator names it. No redirect is followed, no proxy or password taken from the
environment, and an answer has a size and a deadline: whoever is at the other end can delay the
delivery of events and nothing else. Signed as Standard Webhooks says.
"""

import base64
import contextlib
import enum
import hashlib
import hmac
import http.client
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from urllib.parse import urlsplit
from uuid import UUID

from ledger.errors import SettingError

#: Seconds for one whole event: connecting, sending, and the answer.
TIMEOUT: Final = 10.0
#: So much of an answer is read, so that the connection can be used again.
MAX_ANSWER: Final = 65_536

_MEDIA_TYPE: Final = "application/cloudevents+json; charset=UTF-8"
#: These speak of the address, of who asks, or of the pace, and not of the event.
_NOT_THE_EVENT: Final = frozenset(
    {401, 402, 403, 404, 405, 407, 408, 410, 421, 423, 425, 426, 429, 451}
)
_FOR_NOW: Final = frozenset({502, 503, 504})


class Outcome(enum.Enum):
    """What became of an event that was posted."""

    TAKEN = enum.auto()  #: the receiver says that it has it
    AWAY = (
        enum.auto()
    )  #: nobody takes any event now; whether this one arrived is not known
    REFUSED = enum.auto()  #: the receiver will not have this event
    FAILED = enum.auto()  #: the receiver broke, over this event or altogether


@dataclass(frozen=True, slots=True)
class Answer:
    """An outcome, the HTTP status if there was one, and words for the log."""

    outcome: Outcome
    status: int | None
    detail: str


class Receiver(Protocol):
    """Who is told of events."""

    def post(self, key: UUID, body: bytes) -> Answer:
        """Tell of one event. Raises nothing: whatever goes wrong is an outcome."""
        ...


class HttpReceiver:
    """
    An address behind HTTP or HTTPS. Not for several threads.

    Raises SettingError if the URL is no plain address.
    """

    def __init__(
        self,
        url: str,
        secret: bytes,
        *,
        clock: Callable[[], datetime],
        timeout: float = TIMEOUT,
    ) -> None:
        parts = urlsplit(url)
        if parts.username is not None or parts.password is not None:
            raise SettingError("the address of the receiver has a name or a password")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise SettingError("the address begins with http:// or https://")
        self._tls = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port or (443 if self._tls else 80)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._secret = secret
        self._clock = clock
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None

    def __repr__(self) -> str:
        return f"HttpReceiver({self._host}:{self._port})"

    def post(self, key: UUID, body: bytes) -> Answer:
        """Tell of one event. Raises nothing: whatever goes wrong is an outcome."""
        reused = self._connection is not None
        try:
            return self._post(key, body)
        except (http.client.RemoteDisconnected, ConnectionError) as error:
            # A kept connection may have been dropped since. The same event again does no harm.
            self.close()
            if not reused:
                return self._away(error)
        except (http.client.HTTPException, OSError, ValueError) as error:
            self.close()
            return self._away(error)
        try:
            return self._post(key, body)
        except (http.client.HTTPException, OSError, ValueError) as error:
            self.close()
            return self._away(error)

    def close(self) -> None:
        """Let the connection go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _post(self, key: UUID, body: bytes) -> Answer:
        connection = self._connection or self._connect()
        self._connection = connection
        sock = connection.sock
        # A timeout of the socket starts anew with every byte; this one does not.
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            with contextlib.suppress(OSError):  # closed meanwhile: nothing to wake
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

        deadline = threading.Timer(self._timeout, expire)
        deadline.daemon = True
        deadline.start()
        try:
            if isinstance(sock, ssl.SSLSocket):
                sock.do_handshake()
            connection.request("POST", self._target, body, self._headers(key, body))
            response = connection.getresponse()
            status = response.status
            whole = len(response.read(MAX_ANSWER + 1)) <= MAX_ANSWER
        except (http.client.HTTPException, OSError) as error:
            if expired.is_set():
                raise TimeoutError from error
            raise
        finally:
            deadline.cancel()
        if expired.is_set():
            raise TimeoutError
        if not whole or response.will_close:
            self.close()
        return _meaning(status)

    def _headers(self, key: UUID, body: bytes) -> dict[str, str]:
        name, seconds = str(key), int(self._clock().timestamp())
        return {
            "Content-Type": _MEDIA_TYPE,
            "Accept": "*/*",
            "User-Agent": "perdure",
            "Idempotency-Key": name,
            "webhook-id": name,
            "webhook-timestamp": str(seconds),
            "webhook-signature": signature(self._secret, name, seconds, body),
        }

    def _connect(self) -> http.client.HTTPConnection:
        sock = socket.create_connection((self._host, self._port), self._timeout)
        # Headers and body leave apart, and the body must not wait for an echo.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection: http.client.HTTPConnection
        if self._tls:
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(
                self._host, self._port, context=context
            )
            # The handshake comes later, under the deadline.
            connection.sock = context.wrap_socket(
                sock, server_hostname=self._host, do_handshake_on_connect=False
            )
        else:
            connection = http.client.HTTPConnection(self._host, self._port)
            connection.sock = sock
        connection.auto_open = 0
        return connection

    def _away(self, error: Exception) -> Answer:
        if isinstance(error, TimeoutError):
            detail = f"no whole answer within {self._timeout:g} seconds"
        else:
            detail = getattr(error, "strerror", None) or type(error).__name__
        return Answer(Outcome.AWAY, None, detail)


def signature(secret: bytes, key: str, seconds: int, body: bytes) -> str:
    """The header `webhook-signature`: HMAC-SHA256 over id, time and body."""
    signed = f"{key}.{seconds}.".encode() + body
    digest = hmac.new(secret, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _meaning(status: int) -> Answer:
    detail = f"HTTP {status}"
    if 200 <= status < 300:
        return Answer(Outcome.TAKEN, status, detail)
    if 300 <= status < 400:
        return Answer(
            Outcome.AWAY, status, f"{detail}: a redirect, and none is followed"
        )
    if 400 <= status < 500 and status not in _NOT_THE_EVENT:
        return Answer(Outcome.REFUSED, status, detail)
    if 500 <= status < 600 and status not in _FOR_NOW:
        return Answer(Outcome.FAILED, status, detail)
    return Answer(Outcome.AWAY, status, detail)
