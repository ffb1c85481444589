"""
What endpoints are given: the edges, who is calling, and a desk to work at.

A request with an API key is one transaction. It is committed before the answer is sent, so a
201 that somebody has seen is on the disk.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Annotated, Final, TypeAlias, cast

from fastapi import Depends, Header, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from ledger.errors import NotFound, Refused, StoreError
from ledger.services.organisations import Caller, authenticate
from ledger.store import api_keys, database
from ledger.store.database import Database
from ledger.web.edges import LedgerEdges
from ledger.web.idempotency import Once, Request as OnceRequest
from ledger.web.problems import IDEMPOTENCY_HEADER, HttpProblem

#: What the work of an endpoint is done in. It hands it on and never looks inside.
Transaction: TypeAlias = database.Transaction

#: How exact the "last used" of an API key is.
USE_PRECISION: Final = timedelta(minutes=1)

_log = logging.getLogger("perdure.web")

CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="perdure"'}

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="ApiKey",
    bearerFormat="perdure_…",
    description="An API key of one organisation: `Authorization: Bearer perdure_…`.",
)


def edges_of(request: Request) -> LedgerEdges:
    """The edges that the application was made with."""
    return cast("LedgerEdges", request.app.state.edges)


Edges = Annotated[LedgerEdges, Depends(edges_of)]


def authorised(
    request: Request,
    scopes: SecurityScopes,
    edges: Edges,
    presented: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> Iterator[Caller]:
    """Tell who is calling. Raises HttpProblem: 401 without a valid key, 403 without the scope."""
    if presented is None:
        raise HttpProblem(
            401,
            "unauthenticated",
            "Send an API key: Authorization: Bearer perdure_…",
            headers=CHALLENGE,
        )
    now = edges.now()
    try:
        with edges.database.read() as tx:
            caller = authenticate(tx, presented.credentials, now)
    except Refused as error:
        raise HttpProblem(
            401, "unauthenticated", "The API key is not valid.", headers=CHALLENGE
        ) from error
    try:
        check_scopes(caller, scopes.scopes)
        yield caller
    finally:
        _note_use(edges.database, caller, now, one_at_a_time=request.app.state.noting)


def _note_use(
    ledger: Database, caller: Caller, now: datetime, *, one_at_a_time: Lock
) -> None:
    """Note that a key was used, unless that has to wait: it is a courtesy, and no request's matter.

    By one thread at a time: of those that wait for a connection there must be some left.
    """
    # Noting every use to the second would make every reading request a write.
    noted = caller.last_seen is not None and now - caller.last_seen < USE_PRECISION
    if caller.key_id is None or noted or not one_at_a_time.acquire(blocking=False):
        return
    try:
        with ledger.begin_at_once() as tx:
            api_keys.touch(tx, caller.organisation.id, caller.key_id, now)
    except (StoreError, NotFound) as error:
        _log.debug("the use of a key is not noted: %s", error)
    finally:
        one_at_a_time.release()


def check_scopes(caller: Caller, scopes: Sequence[str]) -> None:
    """Check that a caller's key carries these scopes. Raises HttpProblem (403)."""
    try:
        for scope in scopes:
            caller.require(scope)
    except Refused as error:
        raise HttpProblem(403, "forbidden", f"{error}.") from error


@dataclass(frozen=True, slots=True)
class Desk:
    """Where an endpoint serves one caller: the caller, the edges, one instant."""

    caller: Caller
    edges: LedgerEdges
    now: datetime

    def read(self) -> AbstractContextManager[Transaction]:
        """A transaction that cannot write."""
        return self.edges.database.read()

    def write(self) -> AbstractContextManager[Transaction]:
        """A transaction, for what may be asked for twice without harm."""
        return self.edges.database.begin()


@dataclass(frozen=True, slots=True)
class OnceDesk(Desk):
    """A desk for a request with an idempotency key."""

    once: Once


def _desk(
    caller: Annotated[Caller, Security(authorised)], edges: Edges
) -> Desk:  # scopes come from the Security that names this
    return Desk(caller, edges, edges.now())


async def received(
    request: Request, _caller: Annotated[Caller, Security(authorised)]
) -> bytes:
    """The body as it came; not read before the caller is known."""
    return await request.body()


def _sent(
    request: Request,
    body: Annotated[bytes, Security(received)],
    presented: Annotated[HTTPAuthorizationCredentials, Security(_bearer)],
) -> Callable[[str], OnceRequest]:
    """What makes a request the same, but for its idempotency key."""
    route = f"{request.method} {request.scope['route'].path}"

    def named(key: str) -> OnceRequest:
        path, api_key = request.url.path, presented.credentials
        return OnceRequest.of(key, route, path, body, api_key=api_key)

    return named


def _once_desk(
    desk: Annotated[Desk, Security(_desk)],
    sent: Annotated[Callable[[str], OnceRequest], Security(_sent)],
    key: Annotated[
        str,
        Header(
            alias=IDEMPOTENCY_HEADER,
            min_length=1,
            max_length=200,
            pattern=r"^[!-~]+$",
            description=(
                "Your own name for this request: a repetition with the same one is answered"
                " as the first was, and has no effect of its own."
            ),
            examples=["2026-11-25-graduation-1"],
        ),
    ],
) -> OnceDesk:
    once = Once(desk.edges, desk.caller, sent(key), desk.now)
    return OnceDesk(desk.caller, desk.edges, desk.now, once)


Reading = Annotated[Desk, Security(_desk, scopes=["read"])]
Following = Annotated[Desk, Security(_desk, scopes=["events"])]
Managing = Annotated[Desk, Security(_desk, scopes=["manage"])]
Checking = Annotated[Desk, Security(_desk, scopes=["issue"])]
ManagingOnce = Annotated[OnceDesk, Security(_once_desk, scopes=["manage"])]
IssuingOnce = Annotated[OnceDesk, Security(_once_desk, scopes=["issue"])]
WithdrawingOnce = Annotated[OnceDesk, Security(_once_desk, scopes=["withdraw"])]
