"""
What went wrong, as RFC 9457 problem details: the only table from error to HTTP status.

Messages of LedgerError are written for people and are shown, except where they speak of the
machine (settings, keys, database). No other exception's text ever leaves, nor does any value
that was sent.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic.alias_generators import to_camel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from ledger.core.canonical import Json, encode
from ledger.errors import (
    ChainRejected,
    ChainUnavailable,
    Conflict,
    Gone,
    KeystoreError,
    LedgerError,
    MalformedError,
    NotFound,
    ProofError,
    Refused,
    SettingError,
    StoreError,
)
from ledger.watch.redaction import redact
from ledger.web.envelope import request_id, secure
from ledger.web.rendering import render

MEDIA_TYPE: Final = "application/problem+json"
IDEMPOTENCY_HEADER: Final = "Idempotency-Key"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: its number for programs, its title for people.

    `shown` tells whether the error's own message may be sent.
    """

    status: int
    code: str
    title: str
    shown: bool = True


_KINDS: Final[Sequence[tuple[type[LedgerError], Kind]]] = (
    (MalformedError, Kind(422, "malformed", "Something in the request is not as it should be")),
    (ProofError, Kind(422, "proof", "A proof does not prove what it claims")),
    (Refused, Kind(409, "refused", "A rule of the ledger says no")),
    (NotFound, Kind(404, "not_found", "There is no such thing")),
    (Conflict, Kind(409, "conflict", "Somebody was there first")),
    (Gone, Kind(410, "gone", "It is kept no longer")),
    (ChainUnavailable, Kind(503, "chain_unavailable", "The blockchain cannot be reached now")),
    (ChainRejected, Kind(502, "chain_rejected", "The blockchain refused it")),
    (SettingError, Kind(500, "setting", "The ledger is not set up for this", shown=False)),
    (KeystoreError, Kind(500, "keystore", "The ledger cannot use its keys", shown=False)),
    (StoreError, Kind(503, "store", "The ledger's database cannot be used now", shown=False)),
)  # fmt: skip

_FAILED: Final = Kind(500, "internal", "The ledger failed", shown=False)
_INVALID: Final = Kind(422, "invalid", "Some fields are not valid")
_NO_KEY: Final = Kind(400, "idempotency_key_missing", "A header is missing")
_INVALID_DETAIL: Final = (
    "See `problems`: where in the request, and which rule it breaks."
)
_HIDDEN: Final = (
    "Nothing is known beyond that here; the operator finds it under this id."
)

#: What routes take; HEAD goes with GET.
_METHODS: Final = ("DELETE", "GET", "PATCH", "POST", "PUT")

#: What an answer to a request that this ledger does not take is called, by its status.
_HTTP_CODES: Final = {
    400: "bad_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "too_large",
    415: "media_type",
}


class HttpProblem(HTTPException):
    """A problem of HTTP itself: a header, a media type, a size, a key. Never raised below web.

    It is an HTTPException because FastAPI lets nothing else out of the reading of a body.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: dict[str, str] | None = None,
        members: dict[str, Json] | None = None,
    ) -> None:
        super().__init__(status, detail, headers)
        self.code = code
        self.members = members


def refused_fields(fields: Iterable[tuple[str, str, str]]) -> HttpProblem:
    """The problem of members of a body (name, code, reason) that a rule of ours refuses."""
    problems: list[Json] = [
        {"where": ["body", to_camel(name)], "code": code, "reason": reason}
        for name, code, reason in fields
    ]
    return HttpProblem(
        422, _INVALID.code, _INVALID_DETAIL, members={"problems": problems}
    )


def problem_response(
    request: Request,
    kind: Kind,
    detail: str,
    *,
    headers: dict[str, str] | None = None,
    members: dict[str, Json] | None = None,
) -> Response:
    """Write one problem. Its `id` is the request's, which the log carries too."""
    document: dict[str, Json] = {
        "type": f"/docs#problem-{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "code": kind.code,
        # A message may quote a cell of a file that was sent.
        "detail": redact(detail),
        "id": request_id(request.scope),
        **(members or {}),
    }
    request.scope["problem"] = kind.code
    response: Response
    if _from_a_person(request):
        response = render("problem.html", problem=document)
        response.status_code = kind.status
        response.headers.update(headers or {})
    else:
        response = Response(
            encode(document), kind.status, headers=headers, media_type=MEDIA_TYPE
        )
    # The answer to an unexpected failure is sent from outside every middleware.
    secure(request.scope, response.headers)
    return response


def _from_a_person(request: Request) -> bool:
    asked = request.headers.get("accept", "")
    return "text/html" in asked and not request.url.path.startswith("/api/")


def kind_of(error: LedgerError) -> Kind:
    """The kind of an error: the first row of the table that it belongs to."""
    for error_type, kind in _KINDS:
        if isinstance(error, error_type):
            return kind
    return _FAILED


def kinds() -> Sequence[Kind]:
    """Every kind of problem, for the documentation."""
    http = [
        Kind(status, code, HTTPStatus(status).phrase)
        for status, code in _HTTP_CODES.items()
        if code != "not_found"
    ]
    ours = [
        _NO_KEY,
        Kind(400, "not_json", "The body is not JSON as this ledger reads it"),
        Kind(409, "idempotency_key_reused", "The key was used for another request"),
        Kind(503, "not_ready", "The ledger cannot do its work now"),
        Kind(503, "busy", "Too much is asked at once"),
        _INVALID,
        _FAILED,
    ]
    return sorted(
        [*http, *ours, *(kind for _, kind in _KINDS)],
        key=lambda kind: (kind.status, kind.code),
    )


def _ledger_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, LedgerError):  # registered for LedgerError alone
        raise error
    kind = kind_of(error)
    headers = {"Retry-After": "30"} if kind.status == 503 else None
    detail = str(error) if kind.shown else _HIDDEN
    return problem_response(request, kind, detail, headers=headers)


def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    phrase = HTTPStatus(error.status_code).phrase
    if isinstance(error, HttpProblem):
        code, detail, members = error.code, error.detail, error.members
    else:
        # A detail that is not ours may be a library's word on what was sent.
        code = _HTTP_CODES.get(error.status_code, "http")
        detail, members = f"{phrase}.", None
    headers = dict(error.headers or {})
    if "Allow" in headers:
        headers["Allow"] = ", ".join(_methods_of(request))
    title = next((k.title for k in kinds() if k.code == code), phrase)
    return problem_response(
        request,
        Kind(error.status_code, code, title),
        detail,
        headers=headers,
        members=members,
    )


def _methods_of(request: Request) -> Sequence[str]:
    """What the path takes by any of its routes: the one that refused knows its own alone."""
    found = [
        method
        for method in _METHODS
        for route in request.app.routes
        if route.matches({**request.scope, "method": method})[0] == Match.FULL
    ]
    return sorted({*found, "HEAD"} if "GET" in found else set(found))


def _validation_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    found: Sequence[Any] = error.errors()
    for one in found:
        if one["type"] == "missing" and _is_idempotency_key(one["loc"]):
            detail = (
                f"Send the header {IDEMPOTENCY_HEADER} with a text of your own choice, a new"
                " one for each request and the same one when you repeat it: a request that"
                " arrives twice then has one effect."
            )
            return problem_response(request, _NO_KEY, detail)
    # Where and which rule, never what stood there: the answer may end in somebody's log.
    problems: list[Json] = [
        {"where": [_place(part) for part in one["loc"]], "code": str(one["type"])}
        for one in found
    ]
    return problem_response(
        request,
        _INVALID,
        _INVALID_DETAIL,
        members={"problems": problems},
    )


def _is_idempotency_key(place: Sequence[int | str]) -> bool:
    return [str(part).lower() for part in place] == [
        "header",
        IDEMPOTENCY_HEADER.lower(),
    ]


def _place(part: int | str) -> int | str:
    # A member that nobody declared is named by whoever sent it.
    if isinstance(part, int):
        return part
    return part if part.isascii() and part.isprintable() and len(part) <= 40 else "?"


def _unexpected(request: Request, _error: Exception) -> Response:
    return problem_response(request, _FAILED, _HIDDEN)


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every error of an application with a problem."""
    app.add_exception_handler(LedgerError, _ledger_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(Exception, _unexpected)
