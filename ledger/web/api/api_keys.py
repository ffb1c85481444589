"""API keys of the caller's organisation."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field, StrictStr
from starlette.responses import Response

from ledger.errors import Refused
from ledger.services.organisations import (
    create_api_key,
    list_api_keys,
    revoke_api_key,
)
from ledger.web.deps import Managing, ManagingOnce, Transaction, check_scopes
from ledger.web.idempotency import Answer
from ledger.web.problems import HttpProblem
from ledger.web.schemas import KEYED, ONCE, In, Moment, MomentIn, Out, example, problems
from ledger.web.strict import API, StrictRoute

router = APIRouter(prefix=API, route_class=StrictRoute, tags=["API keys"])

_KEY = {
    "id": "b7c1a3de-9c55-4d0e-8f8e-2a4f6f0f7c21",
    "name": "Registration system",
    "prefix": "perdure_8Jq2mX",
    "scopes": ["issue", "read"],
    "createdAt": "2026-11-25T08:44:00Z",
    "expiresAt": "2027-11-25T00:00:00Z",
    "revokedAt": None,
    "lastUsedAt": None,
}


class ApiKeyIn(In):
    """What a key is for, what it may do, and until when."""

    model_config = example(
        {
            "name": "Registration system",
            "scopes": ["issue", "read"],
            "expiresAt": "2027-11-25T00:00:00Z",
        }
    )

    name: Annotated[StrictStr, Field(min_length=1, max_length=100)]
    scopes: Annotated[list[StrictStr], Field(min_length=1, max_length=5)]
    expires_at: MomentIn | None = None


class ApiKeyOut(Out):
    """A key without its secret; `prefix` tells which one it is."""

    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    created_at: Moment
    expires_at: Moment | None
    revoked_at: Moment | None
    last_used_at: Moment | None


class NewApiKeyOut(ApiKeyOut):
    """A new key, shown this once."""

    model_config = example({**_KEY, "key": "perdure_8Jq2mX…"})

    key: Annotated[str, Field(repr=False)]


class ApiKeysOut(Out):
    """Every key, oldest first, ended ones too."""

    model_config = example({"apiKeys": [_KEY]})

    api_keys: list[ApiKeyOut]


@router.post(
    "/api-keys",
    summary="Make an API key",
    status_code=201,
    response_model=NewApiKeyOut,
    responses=problems(*ONCE),
)
def post_api_key(desk: ManagingOnce, body: ApiKeyIn) -> Response:
    """Make a key. It may do no more than the key that makes it, and for no longer.

    Without `expiresAt` it ends when that key does.
    """
    check_scopes(desk.caller, body.scopes)

    def work(tx: Transaction) -> Answer:
        try:
            key, text = create_api_key(
                tx,
                desk.caller,
                name=body.name,
                scopes=frozenset(body.scopes),
                expires_at=body.expires_at,
                now=desk.now,
                entropy=desk.edges.entropy,
            )
        except Refused as error:
            raise HttpProblem(403, "forbidden", f"{error}.") from error
        return Answer(201, NewApiKeyOut(**_facts(key), key=text))

    return desk.once.work(work)


@router.get("/api-keys", summary="List API keys", responses=problems(*KEYED))
def get_api_keys(desk: Managing) -> ApiKeysOut:
    """List the keys."""
    with desk.read() as tx:
        keys = list_api_keys(tx, desk.caller)
    return ApiKeysOut(api_keys=[ApiKeyOut(**_facts(key)) for key in keys])


@router.delete(
    "/api-keys/{key_id}",
    summary="Revoke an API key",
    status_code=204,
    responses=problems(*KEYED, 404),
)
def delete_api_key(desk: Managing, key_id: UUID) -> None:
    """End a key: its next request is refused. Ending an ended one changes nothing."""
    with desk.write() as tx:
        revoke_api_key(tx, desk.caller, key_id, desk.now)


def _facts(key: Any) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": sorted(key.scopes),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
    }
