"""Rosters: a CSV file of awards, checked or issued. The columns: /help/rosters."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request, Security
from pydantic import Field
from starlette.responses import Response

from ledger.services.roster_issuing import check_roster, issue_roster, report_json
from ledger.services.rosters import MAX_BYTES, MAX_PROBLEMS
from ledger.web.deps import Checking, Desk, IssuingOnce, received
from ledger.web.idempotency import Answer
from ledger.web.problems import HttpProblem
from ledger.web.schemas import KEYED, ONCE, Out, example, problems
from ledger.web.strict import API, LIMIT, StrictRoute

router = APIRouter(prefix=API, route_class=StrictRoute, tags=["Rosters"])

_CSV: Final = (
    "achievement,name,email,awarded_on,score\n"
    "py-1,Zoë Müller,zoe@example.org,2026-06-01,88\n"
    "py-1,Amina Okafor,amina@example.org,2026-06-01,93\n"
)
_BODY: Final[dict[str, Any]] = {
    LIMIT: MAX_BYTES,
    "requestBody": {
        "required": True,
        "description": "UTF-8 text, as a spreadsheet saves it under 'CSV UTF-8'.",
        "content": {"text/csv": {"schema": {"type": "string"}, "example": _CSV}},
    },
}


class RosterLineOut(Out):
    """A good record: its credential, and whether that was there already."""

    line: int
    credential: UUID | None
    already: bool


class RosterProblemOut(Out):
    """Why a record was refused, in words for a registrar."""

    line: int
    column: str | None
    value: str
    code: str
    reason: str


class RosterReportOut(Out):
    """What became of a roster, or would; the `perdure roster` command prints the same."""

    model_config = example(
        {
            "issued": 1,
            "already": 0,
            "refused": 1,
            "lines": [
                {
                    "line": 2,
                    "credential": "3f0c2f0e-5a86-4f0b-9a55-1c9e3b2f7d10",
                    "already": False,
                }
            ],
            "problems": [
                {
                    "line": 3,
                    "column": "awarded_on",
                    "value": "2031-01-01",
                    "code": "future",
                    "reason": "the date lies in the future",
                }
            ],
            "problemCount": 1,
            "problemsLeftOut": 0,
        }
    )

    issued: int
    already: int
    refused: Annotated[
        int, Field(description="Records; one may have several problems.")
    ]
    lines: list[RosterLineOut]
    problems: Annotated[
        list[RosterProblemOut],
        Field(description=f"In file order, at most the first {MAX_PROBLEMS:,}."),
    ]
    problem_count: Annotated[
        int, Field(description="All problems, those that are left out too.")
    ]
    problems_left_out: Annotated[
        int, Field(description="How many problems are not in `problems`.")
    ]


def _csv(
    request: Request,
    body: Annotated[bytes, Security(received)],
) -> bytes:
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent != "text/csv":
        raise HttpProblem(
            415, "media_type", "Send the file itself, with Content-Type: text/csv."
        )
    return body


Csv = Annotated[bytes, Security(_csv, scopes=["issue"])]


@router.post(
    "/rosters/check",
    summary="Check a roster",
    responses=problems(*KEYED, 409),
    openapi_extra=_BODY,
)
def check(desk: Checking, body: Csv) -> RosterReportOut:
    """Say what issuing this roster would do. Nothing is written, so no Idempotency-Key."""
    report = check_roster(desk.edges.database, desk.caller, body, desk.now)
    return RosterReportOut.model_validate(report_json(report))


@router.post(
    "/rosters",
    summary="Issue a roster",
    response_model=RosterReportOut,
    responses=problems(*ONCE, 410),
    openapi_extra=_BODY,
)
def issue(desk: IssuingOnce, body: Csv) -> Response:
    """Issue every good record, report every bad one. The same award is never issued twice."""

    def work() -> Answer:
        return Answer(200, issue_all(desk, body))

    return desk.once.work_in_steps(work)


def issue_all(desk: Desk, data: bytes) -> RosterReportOut:
    """Issue a roster for the caller at the desk."""
    report = issue_roster(
        desk.edges.database,
        desk.caller,
        data,
        master=desk.edges.master,
        addresses=desk.edges.addresses,
        now=desk.now,
        entropy=desk.edges.entropy,
        progress=lambda _done, _total: None,
    )
    return RosterReportOut.model_validate(report_json(report))
