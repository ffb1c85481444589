"""Whether this process lives, and whether it can do its work."""

from typing import Final

from fastapi import APIRouter

from ledger.services.readiness import shortcomings
from ledger.web.deps import Edges
from ledger.web.problems import HttpProblem
from ledger.web.schemas import UNREADY, Out, example
from ledger.web.strict import StrictRoute

router = APIRouter(route_class=StrictRoute, tags=["Operation"])

#: A load balancer asks again within seconds.
_SOON: Final = {"Retry-After": "5"}


class HealthOut(Out):
    """The process lives."""

    model_config = example({"status": "ok"})

    status: str


class ReadyOut(Out):
    """The process can do its work."""

    model_config = example({"status": "ready"})

    status: str


@router.get("/health", summary="Ask whether it lives")
def get_health() -> HealthOut:
    """Answer 200 as long as the process answers at all; it asks neither database nor chain.

    Whoever restarts what does not answer here does not restart every server because the
    database is away.
    """
    return HealthOut(status="ok")


@router.get("/ready", summary="Ask whether it can work", responses={503: UNREADY})
def get_ready(edges: Edges) -> ReadyOut:
    """Answer 200 if the database answers and has this release's schema, and the keys open.

    Otherwise 503 and what is wrong: nobody should be sent here meanwhile.
    """
    wrong = list(shortcomings(edges.database, edges.master))
    if wrong:
        raise HttpProblem(
            503,
            "not_ready",
            "; ".join(wrong).capitalize() + ".",
            headers=_SOON,
        )
    return ReadyOut(status="ready")
