"""Checking a credential file for anybody, with the verifier that also runs alone."""

from threading import BoundedSemaphore
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from ledger.core import archive
from ledger.core.baking import MAX_IMAGE_BYTES
from ledger.core.canonical import encode
from ledger.verify.verification import verify
from ledger.web.deps import Edges
from ledger.web.metrics import ServerMetrics
from ledger.web.problems import HttpProblem
from ledger.web.schemas import problems
from ledger.web.slots import held
from ledger.web.strict import API, LIMIT, StrictRoute

router = APIRouter(prefix=API, route_class=StrictRoute, tags=["Public"])

_BINARY: Final[dict[str, Any]] = {"schema": {"type": "string", "format": "binary"}}
_BODY: Final[dict[str, Any]] = {
    LIMIT: MAX_IMAGE_BYTES,
    "requestBody": {
        "required": True,
        "description": "The file as the earner has it: .json, a baked .png or .svg, or a .pdf certificate."
        " An archive is to be opened first.",
        "content": {
            "application/json": {
                "schema": {"type": "object"},
                "example": {"type": ["VerifiableCredential", "OpenBadgeCredential"]},
            },
            "image/png": _BINARY,
            "image/svg+xml": _BINARY,
            "application/pdf": _BINARY,
        },
    },
}


async def _file(request: Request) -> bytes:
    return await request.body()


@router.post(
    "/verify",
    summary="Check a credential file",
    response_class=Response,
    responses={
        200: {
            "description": "The report: one verdict, and every step with its outcome",
            "content": {
                "application/json": {
                    "schema": {"type": "object"},
                    "example": {"verdict": "not_a_credential"},
                }
            },
        },
        **problems(),
    },
    openapi_extra=_BODY,
)
def post_verify(
    request: Request, edges: Edges, file: Annotated[bytes, Depends(_file)]
) -> Response:
    """Check a credential file against the chain. Any verdict is a 200.

    It changes nothing and keeps nothing, so it takes no Idempotency-Key. Which networks,
    addresses and trust list count is set by whoever runs this ledger, never by the request.
    """
    if file.startswith(archive.SIGNATURES):
        raise HttpProblem(
            415,
            "media_type",
            "This is an archive. Send the files in it one by one: .json, .png, .svg or .pdf.",
        )
    slots: BoundedSemaphore = request.app.state.verifier_slots
    # A slow chain address must not hold every thread: then issuing would stand still too.
    with (
        held(slots, "Too many files are being checked. Try again in a moment."),
        edges.readers() as readers,
    ):
        report = verify(
            file,
            readers=readers,
            networks=edges.networks,
            trust=edges.trust,
            now=edges.now(),
        )
    metrics: ServerMetrics = request.app.state.metrics
    metrics.verified(report.verdict.value)
    return Response(encode(report.to_json()), media_type="application/json")
