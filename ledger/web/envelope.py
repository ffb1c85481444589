"""What surrounds every request: an id, safe headers on the answer, one line in the log."""

import logging
import time
from typing import Any, Final
from uuid import uuid4

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ledger.web.metrics import ServerMetrics, known_method

#: For pages: own style, own script files, own pictures, nothing from anywhere else.
PAGE_POLICY: Final = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self';"
    " connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)
#: For everything else: whatever a browser makes of it, it runs nothing and loads nothing.
DATA_POLICY: Final = "default-src 'none'; frame-ancestors 'none'; sandbox"

#: On public facts, which are the same for everybody: others keep them for so long, and pages
#: of other sites, such as other people's verifiers, may read them.
OPEN_DATA: Final = {
    "Cache-Control": "public, max-age=300",
    "Access-Control-Allow-Origin": "*",
}

_FIXED: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

_log = logging.getLogger("perdure.web")


def request_id(scope: Scope) -> str:
    """The id of a request, the same in its answer, its problem and its log line."""
    return str(scope["perdure_request_id"])


def secure(scope: Scope, headers: MutableHeaders) -> None:
    """Set the headers that every answer carries."""
    html = headers.get("content-type", "").startswith("text/html")
    # verifier.html brings its own, which is narrower.
    headers.setdefault("Content-Security-Policy", PAGE_POLICY if html else DATA_POLICY)
    for name, value in _FIXED.items():
        headers[name] = value
    headers["Request-Id"] = request_id(scope)
    if scope["scheme"] == "https":
        headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    # An answer may be kept by others only where its endpoint says so.
    headers.setdefault("Cache-Control", "no-store")


class Envelope:
    """ASGI middleware around every route; log and figures get the route's template, never a value."""

    def __init__(self, app: ASGIApp, metrics: ServerMetrics) -> None:
        self.app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        method = scope["method"]
        without_body = method == "HEAD"
        # The same as GET but for the body (RFC 9110 section 9.3.2): no route has to know of it.
        # A copy, because the server below looks at its own.
        scope["perdure_request_id"] = str(uuid4())
        scope = {**scope, "method": "GET" if without_body else method}
        started = time.perf_counter()
        status = 500  # what is sent if the application fails before it answers

        async def send_secured(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                secure(scope, MutableHeaders(scope=message))
            elif without_body:
                message = {**message, "body": b""}
            await send(message)

        try:
            with self._metrics.in_flight.track_inprogress():
                await self.app(scope, receive, send_secured)
        finally:
            seconds = time.perf_counter() - started
            _log.info("request", extra=_facts(scope, method, status, seconds))
            self._metrics.answered(method, _route(scope), status, seconds)


def _facts(scope: Scope, method: str, status: int, seconds: float) -> dict[str, Any]:
    return {
        "request": request_id(scope),
        "method": known_method(method),
        "route": _route(scope),
        "status": status,
        "problem": scope.get("problem"),
        "milliseconds": round(seconds * 1000, 1),
    }


def _route(scope: Scope) -> str:
    # A path that fits no route is whatever somebody typed.
    return str(getattr(scope.get("route"), "path", "-"))
