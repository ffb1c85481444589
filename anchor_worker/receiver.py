"""
The one address that events are posted to, and what its answers mean.

Only the operator names it. No redirect is followed, no proxy or password taken from the
environment, and an answer has a size and a deadline: whoever is at the other end can delay the
delivery of events and nothing else. Signed as Standard Webhooks says.
"""

import base64
import enum
import hashlib
import hmac
import http.client
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Protocol
from urllib.parse import urlsplit
from uuid import UUID

from ledger.errors import SettingError
from ledger.verify.http_post import HttpPost, HttpTarget

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
#: With these `Retry-After` says when to come again.
_WITH_A_PACE: Final = frozenset({429, 503})
_SECONDS: Final = re.compile(r"[0-9]{1,9}", re.ASCII)


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
    """An outcome, the HTTP status if there was one, and words for the log.

    `after` is how many seconds the receiver wants to be left alone, None if it does not say.
    """

    outcome: Outcome
    status: int | None
    detail: str
    after: float | None = None


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
        tls = parts.scheme == "https"
        self._target = HttpTarget(
            tls,
            parts.hostname,
            parts.port or (443 if tls else 80),
            (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        )
        self._secret = secret
        self._clock = clock
        self._timeout = timeout
        self._http = HttpPost(self._target, timeout=timeout, most=MAX_ANSWER)

    def __repr__(self) -> str:
        return f"HttpReceiver({self._target.host}:{self._target.port})"

    def post(self, key: UUID, body: bytes) -> Answer:
        """Tell of one event. Raises nothing: whatever goes wrong is an outcome."""
        try:
            reply = self._http.post(body, self._headers(key, body))
        except (http.client.HTTPException, OSError) as error:
            return self._away(error)
        answer = _meaning(reply.status)
        if reply.status not in _WITH_A_PACE:
            return answer
        return replace(answer, after=seconds_after(reply.retry_after, self._clock()))

    def close(self) -> None:
        """Let the connection go."""
        self._http.close()

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


def seconds_after(text: str | None, now: datetime) -> float | None:
    """How long a `Retry-After` asks to wait: seconds, or until an HTTP date; None if it is neither."""
    text = (text or "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if until.tzinfo is None:  # asctime's form, which is in UTC too
        until = until.replace(tzinfo=UTC)
    seconds = (until - now).total_seconds()
    return seconds if seconds >= 0 else None


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
