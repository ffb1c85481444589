"""
The JSON edge: one strict reader, and a limit on the bytes that are received.

FastAPI reads JSON with a parser that keeps the last of two equal members, takes NaN, and
fails on a lone surrogate; routes of this class read it with ledger.core.canonical.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope

from ledger.core.canonical import MAX_BYTES, parse
from ledger.errors import MalformedError
from ledger.web.problems import HttpProblem

#: Where the JSON API begins.
API: Final = "/api/v1"
#: Names, in a route's OpenAPI document, the most bytes that its body may have.
LIMIT: Final = "x-max-body-bytes"
# Bytes of JSON that are read in some milliseconds at most.
_SMALL: Final = 16_384


class StrictRequest(Request):
    """A request whose JSON is read strictly."""

    async def json(self) -> Any:
        """Read the body as JSON. Raises HttpProblem (400)."""
        data = await self.body()
        try:
            if len(data) <= _SMALL:
                return parse(data)
            # FastAPI reads a body before it knows whose it is, where everybody waits for it:
            # some of a megabyte take a third of a second.
            return await run_in_threadpool(parse, data)
        except MalformedError as error:
            raise HttpProblem(400, "not_json", f"The body: {error}.") from error


class StrictRoute(APIRoute):
    """A route that stops reading at its limit, whatever Content-Length claims."""

    def get_route_handler(
        self,
    ) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler."""
        inner = super().get_route_handler()
        limit = int((self.openapi_extra or {}).get(LIMIT, MAX_BYTES))

        takes_json = self.body_field is not None

        async def handle(request: Request) -> Response:
            _check_encoding(request)
            if takes_json:
                _check_json(request)
            receive = _bounded(request.scope, request.receive, limit)
            return await inner(StrictRequest(request.scope, receive))

        return handle


def _check_encoding(request: Request) -> None:
    # A kilobyte of gzip can be a gigabyte of JSON. Nothing here needs it.
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise HttpProblem(415, "media_type", "Send the body without Content-Encoding.")


def _check_json(request: Request) -> None:
    # FastAPI would hand such a body on as bytes, and complain about each of its members.
    announced = {"content-length", "transfer-encoding"} & set(request.headers)
    if not announced or request.headers.get("content-length") == "0":
        return
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent != "application/json" and not sent.endswith("+json"):
        raise HttpProblem(
            415, "media_type", "Send JSON, with Content-Type: application/json."
        )


def _bounded(scope: Scope, receive: Receive, limit: int) -> Receive:
    received = 0
    announced = Request(scope).headers.get("content-length", "")
    too_large = HttpProblem(
        413,
        "too_large",
        f"The body has more than {limit} bytes.",
        headers={"Connection": "close"},
    )

    async def bounded() -> Message:
        nonlocal received
        if announced.isdecimal() and len(announced) < 20 and int(announced) > limit:
            raise too_large
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise too_large
        return message

    return bounded
