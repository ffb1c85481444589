"""Checkpoint proofs: what this ledger has stated about its home chain on others. Public."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from ledger.services.checkpoints import checkpoint_proofs
from ledger.web.deps import Edges
from ledger.web.envelope import OPEN_DATA
from ledger.web.schemas import problems
from ledger.web.strict import StrictRoute

router = APIRouter(route_class=StrictRoute, tags=["Public"])

_EXAMPLE: Final = {
    "version": 1,
    "proofs": [
        {
            "checkpoint": {
                "chainId": "eip155:1",
                "blockNumber": 23_000_000,
                "blockHash": "0x" + "5c" * 32,
            },
            "leafIndex": 0,
            "treeSize": 1,
            "inclusionPath": [],
            "sealedRoot": "0x" + "9f" * 32,
            "anchors": [
                {
                    "chainId": "eip155:10",
                    "registry": "0x" + "a1" * 20,
                    "blockNumber": 12,
                    "time": "2026-11-25T08:44:00Z",
                }
            ],
        }
    ],
}


@router.get(
    "/checkpoint-proofs",
    summary="Fetch checkpoint proofs",
    response_class=Response,
    responses={
        200: {
            "description": "The file",
            "content": {
                "application/json": {
                    "schema": {"type": "object"},
                    "example": _EXAMPLE,
                }
            },
        },
        **problems(),
    },
)
def get_checkpoint_proofs(
    edges: Edges,
    first: Annotated[
        int,
        Query(
            alias="fromBlock",
            ge=0,
            le=2**53 - 1,
            description="Only blocks from this number on.",
        ),
    ] = 0,
) -> Response:
    """Give blocks of the home chain that stand on other chains, for `perdure checkpoints`.

    At most 1,000; for more ask again from the number after the last one.
    """
    with edges.database.read() as tx:
        data = checkpoint_proofs(tx, first=first)
    return Response(data, media_type="application/json", headers=OPEN_DATA)
