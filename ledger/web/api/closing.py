"""Closing the caller's organisation: what it would do, what is still open, and beginning it."""

import base64
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field, StrictStr
from starlette.responses import Response

from ledger.core.closing import MAX_CUSTODIANS, MAX_TEXT, Custodian
from ledger.errors import MalformedError, Refused
from ledger.keystore.backup import MIN_PASSPHRASE
from ledger.services.closing import (
    Authorised,
    ClosingStatus,
    ClosingWish,
    Stage,
    authorise_closing,
    begin_closing,
    closing_status,
    read_successor,
)
from ledger.web.deps import ManagingOnce, Reading, Transaction
from ledger.web.idempotency import Answer
from ledger.web.schemas import (
    KEYED,
    ONCE,
    In,
    Moment,
    Out,
    example,
    problems,
)
from ledger.web.slots import backup_slot
from ledger.web.strict import API, StrictRoute

router = APIRouter(prefix=API, route_class=StrictRoute, tags=["Issuer"])

_REFERENCE = (
    "eip155:31337:0x11348bc99bf41694b4717f6c7d06fd5c1fc2660b:"
    "0x9f1c0a5d3b7e48f26a1d0c9e8b7a6f5e4d3c2b1a09f8e7d6c5b4a3928170605f"
)
_CUSTODIAN = {
    "name": "City Archive",
    "recipient": "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
}


class CustodianIn(In):
    """Who is to keep what is personal, and the age recipient that it is sealed for."""

    model_config = example(_CUSTODIAN)

    name: Annotated[StrictStr, Field(min_length=1, max_length=200)]
    recipient: Annotated[StrictStr, Field(max_length=100)]


class ClosingIn(In):
    """How to close: the backup with the recovery key, and who is given what is personal."""

    model_config = example(
        {
            "confirm": "riverside",
            "backup": "eyJjaXBoZXIiOnsibmFtZSI6IkFFUy0yNTYtR0NNIiwi…",
            "passphrase": "seven quiet rivers under glass",
            "custodians": [_CUSTODIAN],
            "successor": None,
            "statement": "We taught for nine years. Thank you.",
        }
    )

    confirm: Annotated[
        StrictStr, Field(description="The organisation's code: this is for ever.")
    ]
    backup: Annotated[
        StrictStr,
        Field(
            max_length=900_000,
            repr=False,
            description="The backup file that registering wrote, base64.",
        ),
    ]
    passphrase: Annotated[
        StrictStr, Field(min_length=MIN_PASSPHRASE, max_length=1000, repr=False)
    ]
    custodians: Annotated[
        list[CustodianIn], Field(min_length=1, max_length=MAX_CUSTODIANS)
    ]
    successor: Annotated[
        StrictStr | None,
        Field(
            max_length=200,
            description="Who alone may withdraw afterwards: an issuer's identifier.",
        ),
    ] = None
    statement: Annotated[
        StrictStr | None,
        Field(max_length=MAX_TEXT, description="A text for everybody to read."),
    ] = None


class CustodianOut(Out):
    """A named custodian."""

    name: str
    recipient: str


class OpenItemOut(Out):
    """Something that is not finished; `blocks` tells whether closing waits for it."""

    code: str
    count: int
    what: str
    todo: str
    blocks: bool


class ClosingOut(Out):
    """Where closing stands, what it does, and what is still open."""

    model_config = example(
        {
            "organisation": "Riverside Code School",
            "issuer": _REFERENCE,
            "stage": "open",
            "blocked": True,
            "credentials": 40,
            "earners": 38,
            "successor": None,
            "custodians": [],
            "statementHash": None,
            "startedAt": None,
            "closedAt": None,
            "archivedAt": None,
            "steps": ["nothing can be issued any more"],
            "open": [
                {
                    "code": "waiting",
                    "count": 3,
                    "what": "credentials that wait for a batch",
                    "todo": "wait for the worker",
                    "blocks": True,
                }
            ],
        }
    )

    organisation: str
    issuer: str
    stage: Annotated[
        Stage,
        Field(
            description=(
                "open: not begun; closing: nothing is issued any more, the act is on its way"
                " to the chain; refused: the chain refused the act, begin once more; closed:"
                " final on the chain; proved: every file proves it, the closing archive can"
                " be written; imported: closed at another ledger"
            )
        ),
    ]
    blocked: bool
    credentials: int
    earners: int
    successor: str | None
    custodians: list[CustodianOut]
    statement_hash: str | None
    started_at: Moment | None
    closed_at: Moment | None
    archived_at: Moment | None
    steps: list[str]
    open: list[OpenItemOut]


@router.get(
    "/organisation/issuer/closing",
    summary="Show what closing would do, or where it stands",
    responses=problems(*KEYED, 409),
)
def get_closing(desk: Reading) -> ClosingOut:
    """Show what closing would do and what is still open: a dry run, at any time.

    Once closing has begun it shows how far it is.
    """
    with desk.read() as tx:
        return _shown(closing_status(tx, desk.caller))


@router.post(
    "/organisation/issuer/closing",
    summary="Close the organisation for ever",
    status_code=201,
    response_model=ClosingOut,
    responses=problems(*ONCE),
)
def post_closing(request: Request, desk: ManagingOnce, body: ClosingIn) -> Response:
    """Close the organisation: nothing can be issued afterwards, and there is no way back.

    The recovery key is used in memory and not kept. The worker carries the closing to the chain;
    the operator then writes the closing archive with `perdure issuer close`.
    """
    if body.confirm != desk.caller.organisation.code:
        raise Refused("`confirm` is not the organisation's code: nothing was done")
    wish = ClosingWish(
        tuple(Custodian(each.name, each.recipient) for each in body.custodians),
        read_successor(body.successor),
        body.statement,
    )
    backup = _backup(body.backup)

    def prepare() -> Authorised:
        # Opening the backup and asking the chain take their time: not in a transaction.
        with backup_slot(request):
            return authorise_closing(
                desk.edges.database,
                desk.caller,
                wish,
                backup=backup,
                passphrase=body.passphrase,
                lookup=desk.edges.issuers,
            )

    def finish(tx: Transaction, authorised: Authorised) -> Answer:
        status = begin_closing(
            tx,
            desk.caller,
            authorised,
            master=desk.edges.master,
            addresses=desk.edges.addresses,
            now=desk.now,
        )
        return Answer(201, _shown(status))

    return desk.once.work_in_two(prepare, finish)


def _backup(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise MalformedError("backup: not base64") from error


def _shown(status: ClosingStatus) -> ClosingOut:
    return ClosingOut.model_validate(status.to_json())
