"""The web application, put together from ready-made edges."""

from pathlib import Path
from threading import BoundedSemaphore, Lock
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from prometheus_client import CollectorRegistry
from starlette.staticfiles import StaticFiles

from ledger.services.status_lists import KeptStatusLists
from ledger.web.api import (
    achievements,
    api_keys,
    checkpoint_proofs,
    closing,
    credentials,
    events,
    health,
    issuer,
    organisation,
    rosters,
    status_lists,
    verification,
)
from ledger.web.edges import LedgerEdges
from ledger.web.envelope import Envelope
from ledger.web.metrics import ServerMetrics
from ledger.web.pages import (
    achievement,
    certificate,
    documentation,
    home,
    issuer as issuer_page,
    roster_help,
    verifier,
)
from ledger.web.problems import add_problem_handlers
from ledger.web.schemas import In, Out, Problem, every_model
from ledger.web.strict import StrictRoute

VERSION: Final = "1"
#: Files that are checked at the same time, of some forty threads.
VERIFICATIONS: Final = 8
#: Backups that are sealed or opened at the same time: each takes 128 MiB and a second.
BACKUPS: Final = 4

_DESCRIPTION: Final = (
    "Issue Open Badges that still verify when the school that issued them is gone. Every"
    " request acts for the one organisation whose API key it carries. A POST that writes"
    " takes an Idempotency-Key: repeated with the same key it has one effect and gets the"
    " same answer. Problems are RFC 9457 documents. Members are camelCase, times are UTC."
)


def create_app(edges: LedgerEdges, metrics: ServerMetrics | None = None) -> FastAPI:
    """Make the application. It reads no environment and opens nothing by itself."""
    metrics = metrics or ServerMetrics(CollectorRegistry())
    app = FastAPI(
        title="Perdure",
        version=VERSION,
        description=_DESCRIPTION,
        docs_url=None,  # FastAPI's own pages load scripts from another site
        redoc_url=None,
        openapi_url="/openapi.json",
        separate_input_output_schemas=False,
        # `/credentials/` is another address than `/credentials`: not there, no redirect.
        redirect_slashes=False,
    )
    app.state.edges = edges
    app.state.verifier_slots = BoundedSemaphore(VERIFICATIONS)
    app.state.backup_slots = BoundedSemaphore(BACKUPS)
    app.state.status_lists = KeptStatusLists(
        master=edges.master, addresses=edges.addresses
    )
    app.state.noting = Lock()
    app.router.route_class = StrictRoute
    app.state.metrics = metrics
    app.add_middleware(Envelope, metrics=metrics)
    add_problem_handlers(app)

    for nouns in (
        organisation,
        issuer,
        closing,
        achievements,
        credentials,
        events,
        rosters,
        api_keys,
        verification,
        status_lists,
        checkpoint_proofs,
        health,
    ):
        app.include_router(nouns.router)
    for pages in (
        home,
        verifier,
        roster_help,
        documentation,
        achievement,
        certificate,
        issuer_page,
    ):
        app.include_router(pages.router)
    static = StaticFiles(directory=Path(__file__).parent / "static")
    app.mount("/static", static, name="static")

    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign] # FastAPI's own way
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
        )
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        # Named by every problem response; no route returns it as a model.
        schemas["Problem"] = Problem.model_json_schema()
        # FastAPI leaves out what is null, also inside of examples.
        for model in (*every_model(In), *every_model(Out)):
            extra = model.model_config.get("json_schema_extra")
            if model.__name__ in schemas and isinstance(extra, dict):
                schemas[model.__name__].update(extra)
        app.openapi_schema = document
    return app.openapi_schema
