"""
`perdure worker`: seals batches and carries the ledger's transactions to its chains.

Exit codes: 0 done, 1 an operator has to look, 64 wrong usage, 69 the database fails or no node
answers (with --once, or before the home chain is known), 70 something nobody foresaw, to be
started again, 78 the configuration is missing something or contradicts a chain or the database.
"""

import argparse
import logging
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

from prometheus_client import CollectorRegistry, ProcessCollector
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from anchor_worker.crew import alongside, run_all
from anchor_worker.deliver import Care
from anchor_worker.loop import Rhythm
from anchor_worker.metrics import PATIENCE, WorkerMetrics
from anchor_worker.policy import Overrides
from anchor_worker.seal import CHECKPOINT_AGE
from anchor_worker.wiring import (
    Options,
    Signers,
    ask_for_evidence,
    make_deliverer,
    make_loops,
    plan_chains,
    record_chains,
    refuse_used_accounts,
)
from ledger.config import EXAMPLES, Settings
from ledger.errors import (
    ChainUnavailable,
    Conflict,
    KeystoreError,
    MalformedError,
    SettingError,
    StoreError,
)
from ledger.services.policies import max_fee
from ledger.store import leases
from ledger.store.database import Database
from ledger.store.policies import (
    LARGEST_BATCH,
    LONGEST_BUMP,
    LONGEST_RESEND,
    LONGEST_WAIT,
)
from ledger.store.records import ChainTxState, WorkerReport
from ledger.watch.figures import LedgerFigures
from ledger.watch.listener import EXAMPLE, Address, Watched, listen
from ledger.watch.logs import log_to

USAGE, UNAVAILABLE, UNFORESEEN, CONFIGURATION = 64, 69, 70, 78

_log = logging.getLogger("anchor_worker")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the worker; answers the exit code."""
    options = _parser().parse_args(arguments)
    # A core dump would hold the sender's private key.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    settings = Settings.from_environment()
    log_to(sys.stderr, settings.secrets, EXAMPLES)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        return _run(options, settings, stop)
    except (SettingError, KeystoreError, Conflict) as error:
        _log.critical("%s", error)
        return CONFIGURATION
    except ChainUnavailable as error:
        _log.critical("no node answers: %s", error)
        return UNAVAILABLE
    except StoreError as error:
        _log.critical("the database does not work: %s", error)
        return UNAVAILABLE
    except Exception:  # noqa: BLE001 - it ends the process, and says so
        # Not Python's own 1, which says that a person has to look before it is started again.
        _log.critical("ended by what nobody foresaw", exc_info=True)
        return UNFORESEEN


def _run(options: argparse.Namespace, settings: Settings, stop: threading.Event) -> int:
    """Check everything, write nothing before that, then work."""
    with closing(Database.open(settings.database_url)) as database:
        plans = plan_chains(settings, database)
        home = plans[0]
        if options.once and home.silent is not None:
            raise home.silent
        keep = timedelta(days=options.events_days)
        rhythm = Rhythm(poll=options.poll, lease=options.lease, once=options.once)
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        has_receiver = settings.events_url is not None
        registry.register(LedgerFigures(database, _now, has_receiver=has_receiver))
        metrics = WorkerMetrics(registry, clock=_now, patience=options.stuck_after)
        watched = Watched(
            registry, health=metrics.health, ready=lambda: metrics.ready(database)
        )
        with (
            _progress(settings.secrets) as observe,
            listen(options.metrics_address, watched),
        ):
            loops = make_loops(
                database,
                plans,
                Signers(settings),
                Options(
                    _overrides(options),
                    rhythm,
                    options.trust,
                    adopt_sender=options.adopt_sender,
                    checkpoint_age=timedelta(seconds=options.checkpoint_age),
                ),
                clock=_now,
                observe=observe,
                observers=metrics.of,
            )
            deliverer = make_deliverer(
                settings, database, Care(options.poll, options.lease, keep), clock=_now
            )
            record_chains(database, plans)
            ask_for_evidence(database, plans)
            if not options.adopt_sender:
                refuse_used_accounts(database, loops, settings.paying_account)
            for loop in loops:
                _log.info("started", extra=loop.introduction())
            with alongside(deliverer, stop, once=options.once):
                return int(run_all(loops, stop, once=options.once))


def _overrides(options: argparse.Namespace) -> Overrides:
    """What this process is told to do otherwise than the stored policy says."""
    return Overrides(
        batch_age=_seconds(options.batch_age),
        batch_size=options.batch_size,
        max_fee=options.max_fee_gwei,
        bump_after=options.bump_after,
        resend_after=_seconds(options.resend_after),
        at_once=options.once,
    )


def _seconds(number: float | None) -> timedelta | None:
    return None if number is None else timedelta(seconds=number)


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - entry points own the clock


# -------------------------------------------------------------------- arguments


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="perdure worker",
        description="Seals batches and carries the ledger's transactions to its chains.",
        epilog="Settings come from PERDURE_DATABASE_URL, PERDURE_RPC_URLS,"
        " PERDURE_OTHER_CHAINS, PERDURE_NETWORKS, PERDURE_MASTER_KEY_FILE and PERDURE_SENDER_KEYSTORE (or PERDURE_SENDER_URL and"
        " PERDURE_SENDER_ADDRESS: a signing server). Exit codes: 0 done, 1 an"
        " operator has to look, 64 wrong usage, 69 the database or no node answers, 70"
        " something nobody foresaw, to be started again, 78 configuration.",
    )
    rhythm = Rhythm()
    add = parser.add_argument
    add(
        "--once", action="store_true", help="seal at once, end when everything is final"
    )
    add(
        "--adopt-sender",
        action="store_true",
        help="the paying account has sent transactions before this ledger had it, and nobody"
        " else uses it now",
    )
    add(
        "--checkpoint-age",
        type=_number(float, 0, 2_592_000),
        default=CHECKPOINT_AGE.total_seconds(),
        metavar="SECONDS",
        help="longest wait of a checkpoint for credentials to be sealed with (%(default)s)",
    )
    add(
        "--trust",
        type=Path,
        metavar="FILE",
        help="a trust list: endorsements by its accreditors go into the evidence",
    )
    add(
        "--poll",
        type=_number(float, 0.01, 3_600),
        default=rhythm.poll,
        metavar="SECONDS",
        help="pause between two looks at the chain (%(default)s)",
    )
    add(
        "--lease",
        type=_number(float, 0.1, leases.LONGEST.total_seconds()),
        default=rhythm.lease,
        metavar="SECONDS",
        help="how long a dead worker keeps a standby waiting (%(default)s)",
    )
    add(
        "--metrics-address",
        type=_address,
        metavar="IP:PORT",
        help=f"where /metrics, /health and /ready are; off unless given (e.g. {EXAMPLE})",
    )
    add(
        "--stuck-after",
        type=_number(float, 0.1, 86_400),
        default=PATIENCE,
        metavar="SECONDS",
        help="/health fails once a loop has said nothing for so long (%(default)s)",
    )
    add(
        "--events-days",
        type=_number(float, 1, 3_650),
        default=Care().keep.days,
        metavar="DAYS",
        help="keep events that were delivered, or that nobody has to be sent, so long"
        " (%(default)s)",
    )
    _add_overrides(parser)
    return parser


def _add_overrides(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group(
        "for this process alone",
        "These override the policy in the database, which `perdure policy` shows and changes"
        " for every worker.",
    ).add_argument
    add(
        "--batch-size",
        type=_number(int, 1, LARGEST_BATCH),
        metavar="N",
        help="credentials that make a batch full",
    )
    add(
        "--batch-age",
        type=_number(float, 0, LONGEST_WAIT),
        metavar="SECONDS",
        help="longest wait of a credential for its batch",
    )
    add(
        "--max-fee-gwei",
        type=_gwei,
        metavar="GWEI",
        help="never pay more for a unit of gas; not more than the policy allows",
    )
    add(
        "--bump-after",
        type=_number(int, 1, LONGEST_BUMP),
        metavar="BLOCKS",
        help="raise fees after so many blocks without a receipt",
    )
    add(
        "--resend-after",
        type=_number(float, 0, LONGEST_RESEND),
        metavar="SECONDS",
        help="send the same bytes again so often",
    )


def _address(text: str) -> Address:
    try:
        return Address.parse(text)
    except MalformedError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _number(
    kind: type[int] | type[float], least: float, most: float
) -> Callable[[str], float]:
    what = "a whole number" if kind is int else "a number"

    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = kind(-1)
        # Also what is no number at all.
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(
                f"given {text!r}, expected {what} from {least:.15g} to {most:.15g}"
            )
        return value

    return parse


def _gwei(text: str) -> int:
    try:
        return max_fee(text)
    except SettingError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


# -------------------------------------------------------------------- logs and progress


@contextmanager
def _progress(
    hidden: Sequence[str],
) -> Iterator[Callable[[int, WorkerReport], None] | None]:
    """A bar for a person in front of a terminal, told by chain id; None where nobody sees it."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("transactions final"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)
        newest: dict[int, WorkerReport] = {}
        one_at_a_time = threading.Lock()

        def observe(chain_id: int, report: WorkerReport) -> None:
            with one_at_a_time:
                newest[chain_id] = report
                reports = list(newest.values())
            progress.update(
                task,
                completed=sum(each.chain_txs[ChainTxState.FINAL] for each in reports),
                total=sum(sum(each.chain_txs.values()) for each in reports),
                description=f"{sum(each.waiting for each in reports)} credentials wait",
            )

        # Now that rich stands before stderr: a log line goes above the bar, not through it.
        log_to(sys.stderr, hidden, EXAMPLES)
        yield observe
    log_to(sys.stderr, hidden, EXAMPLES)


if __name__ == "__main__":
    sys.exit(main())
