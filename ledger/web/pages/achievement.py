"""The page of an achievement, at the address that stands in its credentials."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from ledger.core.canonical import encode
from ledger.services.catalogue import public_achievement
from ledger.web.deps import Edges
from ledger.web.envelope import OPEN_DATA
from ledger.web.rendering import render
from ledger.web.schemas import problems
from ledger.web.strict import StrictRoute

router = APIRouter(route_class=StrictRoute, tags=["Public"])

_EITHER: Final = {**OPEN_DATA, "Vary": "Accept"}
_EXAMPLE: Final[dict[str, Any]] = {
    "id": "https://credentials.example.org/achievements/9f1c…/py-1/1",
    "type": ["Achievement"],
    "name": "Python foundations",
    "criteria": {"narrative": "The earner completed 30 hours of guided work."},
}


@router.get(
    "/achievements/{issuer}/{code}/{version}",
    summary="Show an achievement",
    response_class=Response,
    responses={
        200: {
            "description": "The Open Badges document, or a page for people",
            "content": {
                "application/json": {"schema": {"type": "object"}, "example": _EXAMPLE},
                "text/html": {"schema": {"type": "string"}},
            },
        },
        **problems(404),
    },
)
def get_achievement(  # noqa: PLR0917 - FastAPI calls it by names
    request: Request,
    edges: Edges,
    issuer: Annotated[
        str,
        Path(
            pattern="^[0-9a-f]{64}$",
            description="The issuer id, hexadecimal.",
            examples=[
                "9f1c0a5d3b7e48f26a1d0c9e8b7a6f5e4d3c2b1a09f8e7d6c5b4a3928170605f"
            ],
        ),
    ],
    code: Annotated[str, Path(max_length=64, examples=["py-1"])],
    version: Annotated[str, Path(max_length=64, examples=["1"])],
) -> Response:
    """Show one version of an achievement: JSON for programs, a page for browsers."""
    with edges.database.read() as tx:
        shown = public_achievement(
            tx, bytes.fromhex(issuer), code, version, addresses=edges.addresses
        )
    if "text/html" not in request.headers.get("accept", ""):
        return Response(
            encode(shown.document), media_type="application/json", headers=_EITHER
        )
    page = render(
        "achievement.html", achievement=shown.achievement, issuer=shown.profile.name
    )
    page.headers.update(_EITHER)
    return page
