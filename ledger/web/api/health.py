"""Whether this process can do its work."""

from fastapi import APIRouter

from ledger.web.deps import Edges
from ledger.web.schemas import Out, example
from ledger.web.strict import StrictRoute

router = APIRouter(route_class=StrictRoute, tags=["Operation"])


class HealthOut(Out):
    """The process runs and the database answers."""

    model_config = example({"status": "ok"})

    status: str


@router.get("/health", summary="Ask whether it runs")
def get_health(edges: Edges) -> HealthOut:
    """Answer 200 if the database can be read, 503 if not."""
    with edges.database.read():
        return HealthOut(status="ok")
