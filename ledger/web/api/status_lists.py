"""Status lists, for other people's verifiers. Public: bits, and no person."""

import hashlib
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from ledger.core.keys import PublicKey
from ledger.errors import MalformedError, NotFound
from ledger.services.status_lists import KeptStatusLists
from ledger.web.deps import Edges
from ledger.web.envelope import OPEN_DATA
from ledger.web.schemas import problems
from ledger.web.strict import StrictRoute

router = APIRouter(route_class=StrictRoute, tags=["Public"])

MEDIA_TYPE: Final = "application/vc+ld+json"
_EXAMPLE: Final = {
    "@context": ["https://www.w3.org/ns/credentials/v2"],
    "type": ["VerifiableCredential", "BitstringStatusListCredential"],
    "issuer": "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
    "credentialSubject": {
        "type": "BitstringStatusList",
        "statusPurpose": "revocation",
        "encodedList": "uH4sIAAAAAAAAA-3BMQEAAADCoPVPbQwfoAAAAAAAAAAAAAAAAAAAAIC3AYbSVKsAQAAA",
    },
}

IssuerHex = Annotated[
    str,
    Path(
        pattern="^[0-9a-f]{64}$",
        description="The issuer id, hexadecimal.",
        examples=["9f1c0a5d3b7e48f26a1d0c9e8b7a6f5e4d3c2b1a09f8e7d6c5b4a3928170605f"],
    ),
]


@router.get(
    "/status/{issuer}/{key}",
    summary="Fetch a status list",
    response_class=Response,
    responses={
        200: {
            "description": "The signed list",
            "content": {
                MEDIA_TYPE: {"schema": {"type": "object"}, "example": _EXAMPLE}
            },
        },
        **problems(404),
    },
)
def get_status_list(
    request: Request,
    edges: Edges,
    issuer: IssuerHex,
    key: Annotated[
        str,
        Path(
            max_length=100,
            description="The signing key, multibase: the list bears its signature.",
            examples=["z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"],
        ),
    ],
) -> Response:
    """Give the BitstringStatusListCredential that a credential's status entry names."""
    try:
        public = PublicKey.from_multibase(key)
    except MalformedError as error:
        raise NotFound("this is not the name of a signing key") from error
    lists: KeptStatusLists = request.app.state.status_lists
    with edges.database.read() as tx:
        data = lists.get(tx, bytes.fromhex(issuer), public, edges.now())
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    headers = {**OPEN_DATA, "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=MEDIA_TYPE, headers=headers)
