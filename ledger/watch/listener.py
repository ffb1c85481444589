"""
Where a process is watched: /metrics, /health and /ready, on an address of their own.

It is not the public address, and there is none unless the operator names one: figures of a
ledger are nobody else's business. The server is the standard library's, with a thread for
each request; a watcher that is slow or silent holds up no one but itself.
"""

import ipaddress
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Self
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from ledger.core.canonical import Json, encode
from ledger.errors import LedgerError, MalformedError, SettingError

#: What is wrong with a process now, in words; nothing if all is well.
Check = Callable[[], Iterable[str]]

EXAMPLE: Final = "127.0.0.1:9464"
_PATIENCE: Final = 10.0  #: seconds that a watcher may be silent
_FORM: Final = re.compile(
    r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<four>[0-9.]+)):(?P<port>\d{1,5})"
)
_log = logging.getLogger("perdure.watch")


@dataclass(frozen=True, slots=True)
class Address:
    """An IP address and a port; port 0 is any free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `127.0.0.1:9464` or `[::1]:9464`. Raises MalformedError.

        A host has to be named, and by its address: `:9464` would be open to everybody.
        """
        found = _FORM.fullmatch(text)
        host = (found["six"] or found["four"]) if found else ""
        try:
            address = ipaddress.ip_address(host)
        except ValueError as error:
            raise MalformedError(
                f"an address to be watched at looks like {EXAMPLE}"
            ) from error
        port = int(found["port"]) if found else 0
        if port > 65_535:
            raise MalformedError(f"there is no port {port}")
        return cls(str(address), port)

    @property
    def is_loopback(self) -> bool:
        """Whether only this host reaches it."""
        return ipaddress.ip_address(self.host).is_loopback

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Watched:
    """What there is to see of a process."""

    registry: CollectorRegistry
    health: Check  #: if it fails, a new start helps
    ready: (
        Check  #: if it fails, a new start does not help; work goes elsewhere meanwhile
    )

    def __call__(
        self, environ: WSGIEnvironment, start: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request (WSGI)."""
        match environ["REQUEST_METHOD"], environ["PATH_INFO"]:
            case "GET" | "HEAD", "/metrics":
                answer: Iterable[bytes] = make_wsgi_app(self.registry)(environ, start)
                return answer
            case "GET" | "HEAD", "/health":
                status, document = state_of(self.health)
            case "GET" | "HEAD", "/ready":
                status, document = state_of(self.ready)
            case _:
                status = HTTPStatus.NOT_FOUND
                document = {
                    "title": "Here are /metrics, /health and /ready.",
                    "status": status.value,
                }
        kind = (
            "application/json"
            if status == HTTPStatus.OK
            else "application/problem+json"
        )
        start(f"{status.value} {status.phrase}", [("Content-Type", kind)])
        return [encode(document)]


def state_of(check: Check) -> tuple[HTTPStatus, dict[str, Json]]:
    """The answer to a check: 200, or 503 and what is wrong (RFC 9457)."""
    try:
        wrong: Sequence[str] = list(check())
    except LedgerError as error:
        wrong = [str(error)]
    if not wrong:
        return HTTPStatus.OK, {"status": "ok"}
    return HTTPStatus.SERVICE_UNAVAILABLE, {
        "title": "This process cannot do its work now",
        "status": HTTPStatus.SERVICE_UNAVAILABLE.value,
        "detail": "; ".join(wrong),
        "problems": list(wrong),
    }


class _Handler(WSGIRequestHandler):
    timeout = _PATIENCE

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - theirs
        """Nothing: a watcher comes every few seconds."""


class _Server(ThreadingWSGIServer):
    address_family = socket.AF_INET

    def handle_error(self, request: object, client_address: object) -> None:
        """A watcher that hung up is no line in the log, a fault in the program is one."""
        _log.warning("a request of a watcher failed", exc_info=True)

    def server_bind(self) -> None:
        # Not HTTPServer's: that asks a name server who we are.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = (
            str(self.server_address[0]),
            int(self.server_address[1]),
        )
        self.setup_environ()


class _Server6(_Server):
    address_family = socket.AF_INET6


@contextmanager
def listen(address: Address | None, watched: Watched) -> Iterator[Address | None]:
    """Be watched at an address, or not at all; answers the address with its real port.

    Raises SettingError if the address cannot be had.
    """
    if address is None:
        yield None
        return
    kind = _Server6 if ":" in address.host else _Server
    try:
        server = make_server(address.host, address.port, watched, kind, _Handler)
    except OSError as error:
        raise SettingError(
            f"--metrics-address {address}: {error.strerror}. Another process may have it;"
            f" each needs its own. Example: --metrics-address {EXAMPLE}"
        ) from error
    found = Address(address.host, server.server_port)
    thread = threading.Thread(target=server.serve_forever, daemon=True, name="watched")
    thread.start()
    _log.info("watched", extra={"address": str(found)})
    if not found.is_loopback:
        _log.warning(
            "figures are shown on an address that others reach; keep the public away from it",
            extra={"address": str(found)},
        )
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
