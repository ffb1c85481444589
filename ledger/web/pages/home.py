"""The home page: what this is, and where to go."""

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from ledger.services.archives import verifier_page
from ledger.web.deps import Edges
from ledger.web.rendering import render
from ledger.web.strict import StrictRoute

router = APIRouter(route_class=StrictRoute, include_in_schema=False)


@router.get("/")
def get_home(edges: Edges) -> HTMLResponse:
    """Say what this ledger is."""
    return render(
        "home.html",
        test=edges.chain.test,
        chain_id=edges.chain.chain_id,
        verifier=verifier_page() is not None,
    )
