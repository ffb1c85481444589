"""
Once: a request that arrives twice under one Idempotency-Key has one effect and one answer.

The answer is stored in the transaction of the effect. It is sealed under the master key,
because some answers hold what is shown once (an API key, a backup) and a lost answer is the
very case that the header exists for. After a day it is forgotten.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self, TypeVar

from pydantic import BaseModel
from starlette.responses import Response

from ledger.errors import Conflict, Gone
from ledger.services.organisations import Caller
from ledger.store import idempotency
from ledger.store.database import Transaction
from ledger.store.records import StoredAnswer
from ledger.web.edges import LedgerEdges
from ledger.web.problems import HttpProblem

REPLAY_HEADER: Final = "Idempotent-Replay"
_JSON: Final = "application/json"
_ATTEMPTS: Final = 5

_Prepared = TypeVar("_Prepared")


@dataclass(frozen=True, slots=True)
class Answer:
    """An endpoint's answer before it is sent."""

    status: int
    model: BaseModel


@dataclass(frozen=True, slots=True)
class Request:
    """What makes two requests the same: the caller's keys, the route, and every byte."""

    key: str
    route: str
    hash: bytes

    @classmethod
    def of(cls, key: str, route: str, path: str, body: bytes, *, api_key: str) -> Self:
        """Name a request. The path is hashed: a route may hold an id.

        Under the API key, of which the database knows nothing: a body may hold a passphrase,
        and whoever has the database could try millions a second against a plain hash of it.
        """
        secret = api_key.encode()
        named = b"".join(
            hmac.digest(secret, part, "sha256") for part in (path.encode(), body)
        )
        return cls(key, route, hmac.digest(secret, named, "sha256"))


@dataclass(frozen=True, slots=True)
class Once:
    """One request of one caller, to be answered once."""

    edges: LedgerEdges
    caller: Caller
    request: Request
    now: datetime

    def work(self, work: Callable[[Transaction], Answer]) -> Response:
        """Do the work and keep its answer in one transaction, or repeat the answer given.

        Raises HttpProblem (409) if the key was used for another request, Gone if the answer was
        emptied since, and whatever `work` raises: then nothing is kept, and the same key may be
        used again.
        """
        earlier = self._earlier()
        if earlier is not None:
            return earlier
        try:
            with self.edges.database.begin() as tx:
                # Again: on SQLite this writer may have waited for its twin.
                earlier = self._find(tx)
                if earlier is not None:
                    return earlier
                answer = work(tx)
                self._keep(tx, answer)
        except Conflict:
            # On PostgreSQL the twin's commit shows as a conflict, in the work or in keeping.
            earlier = self._earlier()
            if earlier is None:
                raise
            return earlier
        return _response(answer)

    def work_in_two(
        self,
        prepare: Callable[[], _Prepared],
        finish: Callable[[Transaction, _Prepared], Answer],
    ) -> Response:
        """The same for work of which a part takes its time and has no effect: `prepare`.

        It is done while the database is free for others; `finish` and the answer share a
        transaction.
        """
        for attempt in range(_ATTEMPTS):
            earlier = self._earlier()
            if earlier is not None:
                return earlier
            try:
                prepared = prepare()
                with self.edges.database.begin() as tx:
                    # Again: on SQLite this writer may have waited for its twin.
                    earlier = self._find(tx)
                    if earlier is not None:
                        return earlier
                    answer = finish(tx, prepared)
                    self._keep(tx, answer)
            except Conflict:
                # A twin has finished meanwhile, or somebody else did the same.
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                return _response(answer)
        raise AssertionError("unreachable: the last attempt answers or raises")

    def work_in_steps(self, work: Callable[[], Answer]) -> Response:
        """The same for work of several transactions of its own, each harmless to repeat.

        The answer is kept after the last of them: a repetition before that goes on with what
        is left.
        """
        return self.work_in_two(work, lambda _tx, answer: answer)

    def _earlier(self) -> Response | None:
        with self.edges.database.read() as tx:
            return self._find(tx)

    def _find(self, tx: Transaction) -> Response | None:
        stored = idempotency.find(
            tx,
            self.caller.organisation.id,
            self.request.key,
            self.request.route,
            now=self.now,
        )
        if stored is None:
            return None
        if stored.request_hash != self.request.hash:
            raise HttpProblem(
                409,
                "idempotency_key_reused",
                "This Idempotency-Key was used for a request with other content, or with another"
                " API key. Take a new key for a new request.",
            )
        if not stored.body:
            raise Gone(
                "this was done; its answer is gone, because somebody was erased whom it may"
                " have quoted. To see what is issued, ask for the credentials"
            )
        body = self.edges.master.open(stored.body, self._context())
        headers = {REPLAY_HEADER: "true"}
        return Response(
            body, stored.status, headers=headers, media_type=stored.content_type
        )

    def _keep(self, tx: Transaction, answer: Answer) -> None:
        sealed = self.edges.master.seal(_encode(answer), self._context())
        idempotency.save(
            tx,
            self.caller.organisation.id,
            self.request.key,
            self.request.route,
            StoredAnswer(answer.status, sealed, _JSON, self.request.hash),
            now=self.now,
        )

    def _context(self) -> bytes:
        """What a sealed answer is bound to."""
        owner = self.caller.organisation.id.hex
        return f"stored answer/{owner}/{self.request.route}/{self.request.key}".encode()


def _response(answer: Answer) -> Response:
    return Response(_encode(answer), answer.status, media_type=_JSON)


def _encode(answer: Answer) -> bytes:
    return answer.model.model_dump_json().encode()
