"""The page of an issuer: open, closed, or closed elsewhere and taken in here."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from ledger.core.canonical import encode
from ledger.services.issuer_record import issuer_file, public_issuer
from ledger.web.deps import Edges
from ledger.web.envelope import OPEN_DATA
from ledger.web.rendering import render
from ledger.web.schemas import AchievementsPageIn, problems
from ledger.web.strict import StrictRoute

router = APIRouter(route_class=StrictRoute, tags=["Public"])

_EITHER: Final = {**OPEN_DATA, "Vary": "Accept"}
_ISSUER_HEX: Final = "9f1c0a5d3b7e48f26a1d0c9e8b7a6f5e4d3c2b1a09f8e7d6c5b4a3928170605f"
_EXAMPLE: Final[dict[str, Any]] = {
    "name": "Riverside Code School",
    "issuer": f"eip155:1:0x11348bc99bf41694b4717f6c7d06fd5c1fc2660b:0x{_ISSUER_HEX}",
    "profile": {
        "name": "Riverside Code School",
        "url": "https://riverside.example.org",
    },
    "registeredAt": "2026-11-25T08:50:12Z",
    "closedAt": "2035-06-30T12:00:00Z",
    "imported": True,
    "successor": None,
    "statement": "We taught for nine years. Thank you.",
    "keys": [
        {
            "role": "signing",
            "key": "z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
        }
    ],
    "achievements": ["https://credentials.example.org/achievements/9f1c…/py-1/1"],
    "next": None,
    "statusLists": ["https://credentials.example.org/status/9f1c…/z6Mk…"],
    "files": ["statement.json", "issuer.json", "proof.json"],
    "test": False,
}

IssuerHex = Annotated[
    str,
    Path(
        pattern="^[0-9a-f]{64}$",
        description="The issuer id, hexadecimal.",
        examples=[_ISSUER_HEX],
    ),
]


@router.get(
    "/issuers/{issuer}",
    summary="Show an issuer",
    response_class=Response,
    responses={
        200: {
            "description": "Its public record, for programs or for people",
            "content": {
                "application/json": {"schema": {"type": "object"}, "example": _EXAMPLE},
                "text/html": {"schema": {"type": "string"}},
            },
        },
        **problems(404),
    },
)
def get_issuer_page(
    request: Request,
    edges: Edges,
    issuer: IssuerHex,
    wanted: Annotated[AchievementsPageIn, Query()],
) -> Response:
    """Show the public record of an issuer: JSON for programs, a page for browsers.

    Its achievements are a page: `next` is the `after` of the following one. Of one that has closed also what it stated, its last status lists, and its papers.
    """
    with edges.database.read() as tx:
        shown = public_issuer(
            tx,
            bytes.fromhex(issuer),
            addresses=edges.addresses,
            limit=wanted.limit,
            after=wanted.place,
        )
    if "text/html" not in request.headers.get("accept", ""):
        return Response(
            encode(shown.to_json()), media_type="application/json", headers=_EITHER
        )
    page = render("issuer.html", issuer=shown, id=issuer)
    page.headers.update(_EITHER)
    return page


@router.get(
    "/issuers/{issuer}/{paper}",
    summary="Fetch a paper that a closed issuer left",
    response_class=Response,
    responses={
        200: {
            "description": "statement.json, issuer.json or proof.json of its closing archive",
            "content": {
                "application/json": {
                    "schema": {"type": "object"},
                    "example": {"version": 1},
                }
            },
        },
        **problems(404),
    },
)
def get_issuer_paper(
    edges: Edges,
    issuer: IssuerHex,
    paper: Annotated[
        str,
        Path(max_length=40, description="Its name.", examples=["statement.json"]),
    ],
) -> Response:
    """Give a paper of a closed issuer, with the bytes that it has in the closing archive."""
    with edges.database.read() as tx:
        data = issuer_file(tx, bytes.fromhex(issuer), paper)
    return Response(data, media_type="application/json", headers=_EITHER)
