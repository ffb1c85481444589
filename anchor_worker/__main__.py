"""
`python -m anchor_worker`: seals batches and carries the ledger's transactions to the chain.

Exit codes: 0 done, 1 an operator has to look, 64 wrong usage, 69 no node answers at start or
the database fails, 78 the configuration is missing something or contradicts the chain or the database.
"""

import argparse
import logging
import os
import resource
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from anchor_worker.confirm import Confirmer
from anchor_worker.loop import Rhythm, Steps, Worker
from anchor_worker.prove import Prover
from anchor_worker.seal import BatchLimits, Sealer
from anchor_worker.submit import FeePolicy, Submitter
from ledger.chain import acts
from ledger.chain.node import ChainNode, Node, check_chain
from ledger.chain.pool import NodePool
from ledger.chain.remote_signer import RemoteSigner
from ledger.chain.sender import KeystoreSigner, Signer, SigningRules
from ledger.config import Settings
from ledger.errors import (
    ChainUnavailable,
    Conflict,
    KeystoreError,
    MalformedError,
    SettingError,
    StoreError,
)
from ledger.store import chains
from ledger.store.database import Database
from ledger.store.records import Chain, ChainTxState, WorkerReport
from ledger.verify.trust import parse_trust_list
from ledger.watch.logs import log_to

USAGE, UNAVAILABLE, CONFIGURATION = 64, 69, 78

_GWEI = 10**9
_log = logging.getLogger("anchor_worker")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the worker; answers the exit code."""
    options = _parser().parse_args(arguments)
    # A core dump would hold the sender's private key.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    settings = Settings.from_environment()
    log_to(sys.stderr, settings.secrets)
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


def _run(options: argparse.Namespace, settings: Settings, stop: threading.Event) -> int:
    """Check everything, write nothing before that, then work."""
    nodes, chain = _connect(settings)
    accreditors = _accreditors(options.trust, chain)
    max_fee = int(options.max_fee_gwei * _GWEI)
    signer = _signer(settings, chain, max_fee)
    with (
        closing(Database.open(settings.database_url)) as database,
        _progress(settings.secrets) as observe,
    ):
        with database.begin() as tx:
            chains.record(tx, chain)
        _log.info(
            "started",
            extra={
                "chain": chain.chain_id,
                "test": chain.test,
                "sender": signer.address,
                "balance_wei": nodes[0].balance(signer.address),
            },
        )
        age = timedelta(seconds=0 if options.once else options.batch_age)
        policy = FeePolicy(
            max_fee=max_fee,
            bump_after=options.bump_after,
            resend_after=timedelta(seconds=options.resend_after),
        )
        worker = Worker(
            database,
            chain,
            NodePool(
                nodes,
                chain_id=chain.chain_id,
                genesis_hash=chain.genesis_hash,
                clock=_now,
            ),
            Steps(
                Confirmer(database, chain.chain_id, signer.address, clock=_now),
                Sealer(
                    database,
                    chain,
                    BatchLimits(options.batch_size, age),
                    lease_seconds=options.lease,
                    clock=_now,
                ),
                Submitter(database, chain.chain_id, signer, policy=policy, clock=_now),
                Prover(database, chain, clock=_now, accreditors=accreditors),
            ),
            sender=signer.address,
            # New at every start: a lease must not be mistaken for one's own.
            owner=f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}",
            rhythm=Rhythm(poll=options.poll, lease=options.lease, once=options.once),
            clock=_now,
            observe=observe,
        )
        return int(worker.run(stop))


def _signer(settings: Settings, chain: Chain, max_fee: int) -> Signer:
    """The paying account: its key at hand, or a server that has it."""
    calls = acts.known_calls(chain.anchor_registry, chain.issuer_registry)
    rules = SigningRules(chain.chain_id, calls, max_fee)
    url = settings.sender_url
    if url is not None:
        return RemoteSigner(url, settings.sender_address, rules)
    return KeystoreSigner(settings.sender().secret, rules)


def _connect(settings: Settings) -> tuple[list[ChainNode], Chain]:
    """The nodes that answer first, and the chain that they are checked to be on."""
    nodes: list[ChainNode] = [Node(url) for url in settings.rpc_urls]
    answering: list[ChainNode] = []
    silent: list[ChainNode] = []
    chain: Chain | None = None
    last: ChainUnavailable | None = None
    for node in nodes:
        try:
            chain = chain or _chain(settings, node)
            check_chain(
                node,
                chain_id=chain.chain_id,
                genesis_hash=chain.genesis_hash,
                anchor_registry=chain.anchor_registry,
                issuer_registry=chain.issuer_registry,
            )
        except ChainUnavailable as error:
            _log.warning("a node does not answer: %s", error)
            silent.append(node)
            last = error
        else:
            answering.append(node)
    if chain is None or not answering:
        raise last or ChainUnavailable("no node is configured")
    return [*answering, *silent], chain


def _chain(settings: Settings, node: ChainNode) -> Chain:
    network = settings.network(node.chain_id())
    return Chain(
        chain_id=network.chain_id,
        genesis_hash=network.genesis_hash,
        anchor_registry=network.anchor_registry,
        issuer_registry=network.issuer_registry,
        test=network.test,
    )


def _accreditors(path: Path | None, chain: Chain) -> list[bytes]:
    """The accreditors of a trust list whose record is in our registry. Raises SettingError."""
    if path is None:
        return []
    try:
        listed = parse_trust_list(path.read_bytes()).accreditors
    except OSError as error:
        raise SettingError(f"--trust {path}: {error.strerror}") from error
    except MalformedError as error:
        raise SettingError(f"--trust {path}: {error}") from error
    return [
        each.reference.issuer_id
        for each in listed
        if (each.reference.chain_id, each.reference.registry)
        == (chain.chain_id, chain.issuer_registry)
    ]


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - entry points own the clock


# -------------------------------------------------------------------- arguments


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m anchor_worker",
        description="Seals batches and carries the ledger's transactions to the chain.",
        epilog="Settings come from PERDURE_DATABASE_URL, PERDURE_RPC_URLS, PERDURE_NETWORKS,"
        " PERDURE_MASTER_KEY_FILE and PERDURE_SENDER_KEYSTORE (or PERDURE_SENDER_URL and"
        " PERDURE_SENDER_ADDRESS: a signing server). Exit codes: 0 done, 1 an"
        " operator has to look, 64 wrong usage, 69 no node answers, 78 configuration.",
    )
    limits, policy, rhythm = BatchLimits(), FeePolicy(), Rhythm()
    add = parser.add_argument
    add(
        "--once", action="store_true", help="seal at once, end when everything is final"
    )
    add(
        "--batch-size",
        type=_number(int, 1, 1_000_000),
        default=limits.size,
        metavar="N",
        help="credentials that make a batch full (%(default)s)",
    )
    add(
        "--batch-age",
        type=_number(float, 0, 86_400),
        default=limits.age.total_seconds(),
        metavar="SECONDS",
        help="longest wait of a credential for its batch (%(default)s)",
    )
    add(
        "--trust",
        type=Path,
        metavar="FILE",
        help="a trust list: endorsements by its accreditors go into the evidence",
    )
    add(
        "--max-fee-gwei",
        type=_gwei,
        default=Decimal(policy.max_fee) / _GWEI,
        metavar="GWEI",
        help="never pay more for a unit of gas (%(default)s)",
    )
    add(
        "--bump-after",
        type=_number(int, 1, 100_000),
        default=policy.bump_after,
        metavar="BLOCKS",
        help="raise fees after so many blocks without a receipt (%(default)s)",
    )
    add(
        "--resend-after",
        type=_number(float, 0, 86_400),
        default=policy.resend_after.total_seconds(),
        metavar="SECONDS",
        help="send the same bytes again so often (%(default)s)",
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
        type=_number(float, 0.1, 3_600),
        default=rhythm.lease,
        metavar="SECONDS",
        help="how long a dead worker keeps a standby waiting (%(default)s)",
    )
    return parser


def _number(
    kind: type[int] | type[float], least: float, most: float
) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = kind(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"between {least} and {most}")
        return value

    parse.__name__ = "number"  # argparse names it: "invalid number value: 'x'"
    return parse


def _gwei(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise argparse.ArgumentTypeError("a number of gwei") from error
    if not value.is_finite() or not 0 < value <= 1_000_000:
        raise argparse.ArgumentTypeError("between 0 and 1000000")
    return value


# -------------------------------------------------------------------- logs and progress


@contextmanager
def _progress(hidden: Sequence[str]) -> Iterator[Callable[[WorkerReport], None]]:
    """A bar for a person in front of a terminal; nothing in a log file."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
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

        def observe(report: WorkerReport) -> None:
            progress.update(
                task,
                completed=report.chain_txs[ChainTxState.FINAL],
                total=sum(report.chain_txs.values()),
                description=f"{report.waiting} credentials wait",
            )

        # Now that rich stands before stderr: a log line goes above the bar, not through it.
        log_to(sys.stderr, hidden)
        yield observe
    log_to(sys.stderr, hidden)


if __name__ == "__main__":
    sys.exit(main())
