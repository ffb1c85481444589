"""Where the code on a certificate leads: what it is for, who gave it, and how to check it."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from ledger.core.canonical import Json, encode
from ledger.services.certificates import PublicCertificate, public_certificate
from ledger.web.deps import Edges
from ledger.web.rendering import render
from ledger.web.schemas import problems
from ledger.web.strict import StrictRoute

router = APIRouter(route_class=StrictRoute, tags=["Public"])

# Not even to be found: whoever reads it was shown the certificate.
_UNLISTED: Final = {"X-Robots-Tag": "noindex, nofollow", "Vary": "Accept"}
_EXAMPLE: Final[dict[str, Any]] = {
    "code": "1DDZ-BJAD-DH4X",
    "achievement": "Python foundations",
    "issuer": "Riverside Code School",
    "awardedOn": "2026-05-01",
    "validUntil": None,
    "state": "anchored",
    "test": False,
}


@router.get(
    "/c/{short_code}",
    summary="Show what a certificate's code stands for",
    response_class=Response,
    responses={
        200: {
            "description": "What the certificate is for, without the name of anybody",
            "content": {
                "application/json": {"schema": {"type": "object"}, "example": _EXAMPLE},
                "text/html": {"schema": {"type": "string"}},
            },
        },
        **problems(404),
    },
)
def get_certificate(
    request: Request,
    edges: Edges,
    short_code: Annotated[
        str,
        Path(
            max_length=40,
            description="The code as it is printed; small letters and blanks are free.",
            examples=["1DDZ-BJAD-DH4X"],
        ),
    ],
) -> Response:
    """Show what a certificate's code stands for: JSON for programs, a page for browsers.

    It names nobody and proves nothing; the file of the certificate does.
    """
    with edges.database.read() as tx:
        shown = public_certificate(tx, short_code)
    if "text/html" not in request.headers.get("accept", ""):
        return Response(
            encode(_document(shown)), media_type="application/json", headers=_UNLISTED
        )
    page = render("certificate.html", certificate=shown)
    page.headers.update(_UNLISTED)
    return page


def _document(shown: PublicCertificate) -> dict[str, Json]:
    until = shown.valid_until
    return {
        "code": shown.code.text,
        "achievement": shown.achievement.name,
        "issuer": shown.issuer,
        "awardedOn": shown.awarded_on.isoformat(),
        "validUntil": until.isoformat() if until else None,
        "state": shown.state.value,
        "test": shown.test,
    }
