"""Serving an application with uvicorn."""

from typing import Final

import uvicorn
from fastapi import FastAPI

#: What is being answered may finish before a stop; seconds.
_GRACE: Final = 10


def run(app: FastAPI, host: str, port: int) -> None:
    """Serve until the process is told to stop.

    Uvicorn's access log is off: it would write whole paths. Forwarded headers are not
    believed: whoever puts a proxy in front makes it set the scheme and host itself.
    """
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_config=None,  # ledger.watch.logs has set it up
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE,
        timeout_keep_alive=15,
        limit_concurrency=200,
        h11_max_incomplete_event_size=32_768,
    )
