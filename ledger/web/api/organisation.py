"""The caller's organisation."""

from uuid import UUID

from fastapi import APIRouter

from ledger.web.deps import Reading
from ledger.web.schemas import KEYED, Moment, Out, example, problems
from ledger.web.strict import API, StrictRoute

router = APIRouter(prefix=API, route_class=StrictRoute, tags=["Organisation"])


class OrganisationOut(Out):
    """An organisation, and what the key of this request may do for it."""

    model_config = example(
        {
            "id": "6b0f6c0e-8d0a-4c39-8b0c-8f4d6a1f2e11",
            "code": "riverside",
            "name": "Riverside Code School",
            "createdAt": "2026-11-25T08:44:00Z",
            "scopes": ["issue", "read"],
        }
    )

    id: UUID
    code: str
    name: str
    created_at: Moment
    scopes: list[str]


@router.get(
    "/organisation", summary="Whom the key belongs to", responses=problems(*KEYED)
)
def get_organisation(desk: Reading) -> OrganisationOut:
    """Tell whom the API key belongs to."""
    organisation = desk.caller.organisation
    return OrganisationOut(
        id=organisation.id,
        code=organisation.code,
        name=organisation.name,
        created_at=organisation.created_at,
        scopes=sorted(desk.caller.scopes),
    )
