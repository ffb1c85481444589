"""Verifying, and running the ledger: server, worker, status."""

import os
import secrets
import sys
from typing import Annotated, Any, Final, NoReturn

import typer

from ledger.cli.app import UNFINISHED, AsJson, app
from ledger.cli.console import progress_bar, show
from ledger.cli.extras import require
from ledger.cli.services import service, watched_at
from ledger.cli.wiring import (
    addresses_of,
    examined_node,
    issuer_lookup,
    nodes_of,
    now,
    open_database,
    open_master,
    served_chain,
    settings_from_environment,
)
from ledger.errors import ChainUnavailable

#: The command line is read elsewhere, help included.
_PASSED_ON: Final[dict[str, Any]] = {
    "context_settings": {
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],
    },
    "add_help_option": False,
}


@app.command("verify", **_PASSED_ON)
def verify(context: typer.Context) -> int:
    """Check credential files; see `perdure verify --help`."""
    from ledger.verify.command import run

    return run(context.args, program="perdure verify")


@app.command("refresh", **_PASSED_ON)
def refresh(context: typer.Context) -> int:
    """Put newer evidence into credential files; see `perdure refresh --help`."""
    from ledger.verify.refresh_command import run

    return run(context.args, program="perdure refresh")


@app.command("checkpoints", **_PASSED_ON)
def checkpoints(context: typer.Context) -> int:
    """List blocks to trust, from a node or another chain; see `perdure checkpoints --help`."""
    from ledger.verify.checkpoints_command import run

    return run(context.args, program="perdure checkpoints")


@app.command("trust", **_PASSED_ON)
def trust(context: typer.Context) -> int:
    """Keep a list of the issuers and accreditors you trust; see `perdure trust --help`."""
    from ledger.verify.trust_command import run

    return run(context.args, program="perdure trust")


@app.command("worker", **_PASSED_ON)
def worker(context: typer.Context) -> NoReturn:
    """Run the worker that anchors; see `perdure worker --help`."""
    require("worker")
    os.execv(sys.executable, [sys.executable, "-m", "anchor_worker", *context.args])


@app.command("recover", **_PASSED_ON)
def recover(context: typer.Context) -> NoReturn:
    """After a restore: read back from the chain; see `perdure recover --help`."""
    require("worker")
    os.execv(
        sys.executable,
        [sys.executable, "-m", "anchor_worker.recover_command", *context.args],
    )


@app.command("serve")
@service
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port to listen on.")
    ] = 8000,
    metrics_address: Annotated[
        str | None,
        typer.Option(
            metavar="IP:PORT",
            help="Where /metrics, /health and /ready are, never the public address;"
            " off unless given. Example: 127.0.0.1:9465",
        ),
    ] = None,
    grace: Annotated[
        int,
        typer.Option(
            min=0,
            max=600,
            help="Seconds that requests under way have to end once a stop is asked for.",
        ),
    ] = 10,
) -> int:
    """Serve the HTTP API and the public pages.

    SIGTERM: takes no new requests, answers those under way, and ends. Exit codes: 0 stopped, 2 a
    request was cut off by the stop, 64 wrong usage, 69 the database does not answer, or no node
    does and the home chain is not known yet, 70 something nobody foresaw, 78 a setting or an
    address to listen on does not do.
    """
    import resource

    from prometheus_client import CollectorRegistry, ProcessCollector

    from ledger.services.readiness import shortcomings
    from ledger.watch.figures import LedgerFigures
    from ledger.watch.listener import Watched, listen
    from ledger.watch.logs import log_to
    from ledger.web.app import create_app
    from ledger.web.edges import LedgerEdges, rpc_readers
    from ledger.web.metrics import ServerMetrics
    from ledger.web.server import run

    address = watched_at(metrics_address)
    # A core dump would hold the master key.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    settings = settings_from_environment()
    log_to(sys.stderr, settings.secrets)
    database = open_database(settings)
    chain = served_chain(settings, database)
    edges = LedgerEdges(
        database=database,
        master=open_master(settings),
        addresses=addresses_of(settings),
        chain=chain,
        networks=settings.networks,
        readers=lambda: rpc_readers(settings.rpc_urls),
        trust=None,
        issuers=issuer_lookup(settings, chain),
        now=now,
        entropy=secrets.token_bytes,
    )
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    has_receiver = settings.events_url is not None
    registry.register(LedgerFigures(database, now, has_receiver=has_receiver))
    metrics = ServerMetrics(registry)
    watched = Watched(
        registry,
        health=tuple,
        ready=lambda: shortcomings(database, edges.master),
    )
    with listen(address, watched):
        run(create_app(edges, metrics), host, port, grace=grace)
    return 0


@app.command("status")
def status(as_json: AsJson = False) -> int:
    """Show whether all is well: what waits, what is under way, who works, and every alarm.

    Exit codes: 0 all is well, 1 somebody has to look, 2 could not finish.
    """
    from ledger.services.progress import ledger_status

    settings = settings_from_environment()
    database = open_database(settings)
    has_receiver = settings.events_url is not None
    instant = now()
    with database.read() as tx:
        shown = ledger_status(tx, instant, has_receiver=has_receiver)
    show(shown.to_json(), as_json, shown.to_text(instant))
    return 0 if shown.is_well else 1


@app.command("doctor")
def doctor(
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask no node: look at the database alone.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Check every promise of the ledger, read from scratch: database, trees, nonces, chain.

    Exit codes: 0 every promise holds, 1 one does not, 2 could not finish.
    """
    from ledger.chain.node import ChainNode
    from ledger.services.doctor import examine, to_lines
    from ledger.store import chains

    settings = settings_from_environment()
    database = open_database(settings)
    node: ChainNode | None = None
    others: dict[int, ChainNode] = {}
    if not offline:
        with database.read() as tx:
            home, known = chains.home(tx), {c.chain_id: c for c in chains.all(tx)}
        node = examined_node(settings.rpc_urls, home)
        for other in settings.other_chains(node.chain_id()):
            chain_id = other.network.chain_id
            try:
                others[chain_id] = examined_node(other.rpc_urls, known.get(chain_id))
            except ChainUnavailable:
                # Its silence is noted there, and holds up nothing.
                others[chain_id] = nodes_of(other.rpc_urls)[0]
    with progress_bar("Batches") as progress:
        diagnosis = examine(database, node=node, others=others, progress=progress)
    show(
        {
            "version": 1,
            "well": diagnosis.is_well,
            "credentials": diagnosis.credentials,
            "batches": diagnosis.batches,
            "transactions": diagnosis.transactions,
            "finalized": diagnosis.finalized,
            "findings": [finding.to_json() for finding in diagnosis.findings],
            "silent": diagnosis.silent,
        },
        as_json,
        "\n".join(to_lines(diagnosis)),
    )
    if not diagnosis.is_well:
        return 1
    return UNFINISHED if diagnosis.silent else 0
