"""Serving an application with uvicorn, and ending well and in time."""

import errno
import logging
import os
import signal
import socket
import sys
import threading
from contextlib import ExitStack
from types import FrameType
from typing import Final

import uvicorn
from fastapi import FastAPI

from ledger.errors import SettingError

#: What is being answered may finish before a stop; seconds.
GRACE: Final = 10
#: A thread cannot be interrupted. What still runs so long after the grace is left behind.
_SLACK: Final = 2.0
_UNFINISHED: Final = 2
_EXAMPLE: Final = "--host 127.0.0.1 --port 8000"

_log = logging.getLogger("perdure.web")


def run(app: FastAPI, host: str, port: int, *, grace: int = GRACE) -> None:
    """Serve until the process is told to stop; then answer what is under way, and return.

    A request that takes longer than `grace` seconds more is cut off, and the process ends
    with code 2: its transaction was not committed, as after kill -9.

    Raises SettingError if the address cannot be had.

    Uvicorn's access log is off: it would write whole paths. Forwarded headers are not
    believed: whoever puts a proxy in front makes it set the scheme and host itself.
    """
    # Uvicorn answers what is under way, and then raises the signal once more.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,  # ledger.watch.logs has set it up
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=grace,
        timeout_keep_alive=15,
        limit_concurrency=200,
        h11_max_incomplete_event_size=32_768,
    )
    # Not uvicorn's: it ends the process with a code of its own if it cannot listen.
    with ExitStack() as sockets:
        listening = _bind(host, port, sockets)
        _Server(config, grace).run(listening)


def _bind(host: str, port: int, stack: ExitStack) -> list[socket.socket]:
    """A socket for each address of the host, in the family it has. Raises SettingError."""
    bound: list[socket.socket] = []
    absent: OSError | None = None
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for family, kind, protocol, _, address in found:
            try:
                each = stack.enter_context(socket.socket(family, kind, protocol))
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                each.bind(address)
            except OSError as error:
                # A name like localhost may have an address of a family that is switched off.
                if error.errno not in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
                    raise
                absent = error
            else:
                bound.append(each)
        if absent is not None and not bound:
            raise absent
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no name"
        raise SettingError(
            f"cannot listen at --host {host} --port {port}: {reason}. The host has to be an"
            " address of this machine, and the port one that no other process has and that"
            f" this user may take. Example: {_EXAMPLE}"
        ) from error
    return bound


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, grace: int) -> None:
        super().__init__(config)
        self._limit = threading.Timer(grace + _SLACK, _leave_behind)
        self._limit.daemon = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say where; of given sockets uvicorn does not."""
        await super().startup(sockets)
        for each in sockets or []:
            host, port = each.getsockname()[:2]
            name = f"[{host}]" if ":" in host else host
            _log.info("running on %s", f"http://{name}:{port}")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop, and make sure that it comes to an end."""
        if not self.should_exit:
            self._limit.start()
        super().handle_exit(sig, frame)


def _leave_behind() -> None:
    _log.critical("stopped with a request unanswered: it took longer than the grace")
    os._exit(_UNFINISHED)
