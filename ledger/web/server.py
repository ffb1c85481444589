"""Serving an application with uvicorn, and ending well and in time."""

import logging
import os
import signal
import sys
import threading
from types import FrameType
from typing import Final

import uvicorn
from fastapi import FastAPI

#: What is being answered may finish before a stop; seconds.
GRACE: Final = 10
#: A thread cannot be interrupted. What still runs so long after the grace is left behind.
_SLACK: Final = 2.0
_UNFINISHED: Final = 2

_log = logging.getLogger("perdure.web")


def run(app: FastAPI, host: str, port: int, *, grace: int = GRACE) -> None:
    """Serve until the process is told to stop; then answer what is under way, and return.

    A request that takes longer than `grace` seconds more is cut off, and the process ends
    with code 2: its transaction was not committed, as after kill -9.

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
    server = _Server(config, grace)
    server.run()
    if not server.started:
        sys.exit(_UNFINISHED)  # the port is taken, and the log says so


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, grace: int) -> None:
        super().__init__(config)
        self._limit = threading.Timer(grace + _SLACK, _leave_behind)
        self._limit.daemon = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop, and make sure that it comes to an end."""
        if not self.should_exit:
            self._limit.start()
        super().handle_exit(sig, frame)


def _leave_behind() -> None:
    _log.critical("stopped with a request unanswered: it took longer than the grace")
    os._exit(_UNFINISHED)
