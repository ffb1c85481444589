"""
A school issues and withdraws, three workers anchor, and everything goes wrong for as long as one likes.

scripts/soak                       ten minutes
scripts/soak --minutes 60          an hour; --seed makes it another one
scripts/soak --json                the report for programs, on standard output

Real worker processes on a real node, behind two proxies that lose, delay and garble answers and keep
geth's rules. Workers are killed (-9) and stopped (SIGSTOP) in the middle of anything, the chain is
reorganised above and below finality, fees jump, transactions are dropped. From time to time everything
is mended, and what was issued until then has to become final. In the end every block and every
credential is read again. Exit 0: every promise held; 1: one did not, and it is named.
"""

import argparse
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import func, select
from sqlmodel import col

from ledger.chain.accounts import address_of
from ledger.chain.node import Node
from ledger.core.canonical import parse
from ledger.core.credential import Award
from ledger.core.issuer import IssuerProfile
from ledger.core.keys import keccak256
from ledger.core.registries import ANCHOR_REGISTRY, ISSUER_REGISTRY
from ledger.errors import LedgerError
from ledger.keystore.master import MasterKey
from ledger.keystore.sender import create_sender
from ledger.services.achievements import add_achievements
from ledger.services.addresses import Addresses
from ledger.services.issuing import AwardRequest, issue
from ledger.services.organisations import create_organisation, operator_of
from ledger.services.registration import register_issuer
from ledger.services.withdrawal import withdraw_credential
from ledger.store import chains, evidence
from ledger.store.database import Database
from ledger.store.records import Chain, ChainTxState
from ledger.store.tables import (
    AttemptRow,
    BatchAnchorRow,
    ChainTxRow,
    CredentialRow,
    IssuerKeyRow,
)
from ledger.verify.networks import Network, encode_networks
from tests.anvil import Anvil
from tests.fault_proxy import SEND, FaultProxy, Plan, reinject
from tests.invariants import Mined, check_at_rest, check_invariants

WORKERS: Final = 3
CHAIN_ID: Final = 31337
SENDER_KEY: Final = bytes.fromhex("33" * 32)
SENDER: Final = address_of(SENDER_KEY)
GWEI: Final = 10**9
#: The workers' ceiling for a unit of gas.
MAX_FEE: Final = 200 * GWEI

_ROOT = Path(__file__).resolve().parent.parent
_SAMPLES = _ROOT / "scripts" / "samples" / "riverside"
_LEASE = 3.0
_STORM, _CALM = 30.0, 120.0
_BLOCK = 0.5


@dataclass
class Report:
    """What happened, and what of the promises did not hold."""

    seed: int
    minutes: float = 0.0
    credentials_issued: int = 0
    credentials_withdrawn: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    blocks: int = 0
    transactions: int = 0
    anchors: int = 0
    attempts: int = 0
    duplicates: int = 0
    lost: int = 0
    nonce_gaps: int = 0
    unstored_sends: int = 0
    mendings: int = 0
    longest_seconds_from_mended_to_final: float = 0.0
    broken: list[str] = field(default_factory=list)


class Workers:
    """Processes that are started again when they die, as a service manager does."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._environment = environment
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes] | None] = [None] * WORKERS
        self._started = 0
        self._lock = threading.Lock()
        #: Exit codes of those that ended by themselves.
        self.exits: Counter[int] = Counter()

    def keep(self) -> None:
        """Start whoever does not run."""
        with self._lock:
            for place, process in enumerate(self._processes):
                if process is not None and process.poll() is None:
                    continue
                if process is not None and process.returncode >= 0:
                    self.exits[process.returncode] += 1
                self._processes[place] = self._start()

    def signal(self, place: int, number: signal.Signals) -> bool:
        """Send a signal to one; False if it does not run."""
        with self._lock:
            process = self._processes[place]
            if process is None or process.poll() is not None:
                return False
            process.send_signal(number)
            return True

    def go_on(self) -> None:
        """Wake all that sleep."""
        for place in range(WORKERS):
            self.signal(place, signal.SIGCONT)

    def end(self) -> None:
        """Stop all."""
        self.go_on()
        with self._lock:
            for process in self._processes:
                if process is not None and process.poll() is None:
                    process.kill()
                if process is not None:
                    process.wait()

    def said(self) -> Iterator[dict[str, Any]]:
        """Every line of every log."""
        for path in sorted(self._folder.glob("worker-*.log")):
            for line in path.read_text(errors="replace").splitlines():
                try:
                    yield json.loads(line)
                except ValueError:
                    # A killed process may leave half a line.
                    continue

    def _start(self) -> "subprocess.Popen[bytes]":
        self._started += 1
        log = self._folder / f"worker-{self._started:05}.log"
        options = ("--poll", "0.2", "--lease", str(_LEASE), "--batch-age", "1")
        fees = ("--bump-after", "4", "--resend-after", "5")
        with log.open("wb") as stderr:
            return subprocess.Popen(
                [sys.executable, "-m", "anchor_worker", *options, *fees],
                cwd=_ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )


class Weather:
    """The chain under the workers: it mines all the time, and does whatever chains do."""

    def __init__(self, anvil: Anvil, proxies: Sequence[FaultProxy]) -> None:
        self._anvil = anvil
        self._proxies = proxies
        self._lock = threading.Lock()
        self._lowest = int(anvil.rpc("eth_blockNumber"), 16)
        self.base_fee = GWEI
        self.mines = True

    def tick(self) -> None:
        """A block, unless the chain stands still."""
        if self.mines:
            with self._lock:
                self._anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(self.base_fee))
                self._anvil.mine()

    def reorg(self, depth: int, fate: str) -> int:
        """Lose blocks; their transactions vanish, wait again, or stand elsewhere. The depth it had."""
        with self._lock:
            head = int(self._anvil.rpc("eth_blockNumber"), 16)
            depth = min(depth, head - self._lowest)
            if depth < 1:
                return 0
            lost = reinject(self._proxies[0], depth)
            moved = (
                [[raw, min(place, depth - 1)] for place, raw in enumerate(lost)]
                if fate == "move"
                else []
            )
            try:
                self._anvil.rpc("anvil_reorg", depth, moved)
            except RuntimeError:
                # Its fee does not fit the block it is to stand in: then it is lost.
                self._anvil.rpc("anvil_reorg", depth, [])
            if fate == "repool":
                for raw in lost:
                    self._proxies[0].ask(SEND, raw)
            return depth

    def drop(self) -> None:
        """Empty the pool, as a node does that is started again."""
        with self._lock:
            self._anvil.rpc("anvil_dropAllTransactions")
            for proxy in self._proxies:
                proxy.geth.forget()


class Soak:
    """One run."""

    def __init__(self, folder: Path, seed: int, stack: ExitStack) -> None:
        self.report = Report(seed)
        self._dice = random.Random(seed)  # noqa: S311 - not for keys
        self._folder = folder
        self._anvil = stack.enter_context(Anvil.start())
        self._anvil.deploy()
        self._anvil.fund(SENDER, 10_000)
        self._anvil.rpc("evm_setAutomine", False)
        url = f"sqlite:///{folder / 'ledger.db'}"
        self._database = stack.enter_context(closing(Database.upgrade(url)))
        self._master = MasterKey.create_file(folder / "master.key")
        create_sender(folder / "sender.json", self._master, SENDER_KEY)
        self._proxies = [
            stack.enter_context(
                FaultProxy(
                    self._anvil.url, is_stored=self._is_stored, seed=seed + number
                )
            )
            for number in range(2)
        ]
        self._addresses = Addresses("https://soak.example.org")
        self._chain = self._record()
        self._weather = Weather(self._anvil, self._proxies)
        self._workers = Workers(self._environment(url), folder)
        stack.callback(self._workers.end)
        self._struck: Counter[str] = Counter()
        self._issued: list[Any] = []
        self._open: list[Any] = []
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        stack.callback(self._join)

    # ---------------------------------------------------------------- the scene

    def _environment(self, url: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PERDURE_DATABASE_URL": url,
            "PERDURE_RPC_URLS": ",".join(proxy.url for proxy in self._proxies),
            "PERDURE_NETWORKS": str(self._folder / "networks.json"),
            "PERDURE_MASTER_KEY_FILE": str(self._folder / "master.key"),
            "PERDURE_SENDER_KEYSTORE": str(self._folder / "sender.json"),
        }

    def _record(self) -> Chain:
        genesis = Node(self._anvil.url).genesis_hash()
        network = Network(
            name="anvil",
            chain_id=CHAIN_ID,
            genesis_hash=genesis,
            anchor_registry=ANCHOR_REGISTRY,
            issuer_registry=ISSUER_REGISTRY,
            test=True,
        )
        (self._folder / "networks.json").write_bytes(encode_networks([network]))
        return Chain(CHAIN_ID, genesis, ANCHOR_REGISTRY, ISSUER_REGISTRY, test=True)

    def _is_stored(self, raw: bytes) -> bool:
        query = select(col(AttemptRow.raw)).where(
            col(AttemptRow.hash) == keccak256(raw)
        )
        with self._database.read() as tx:
            return bool(tx.scalar(query) == raw)

    def _register(self) -> None:
        now = _now()
        with self._database.begin() as tx:
            chains.record_home(tx, self._chain)
            create_organisation(tx, code="riverside", name="Riverside", now=now)
            caller = operator_of(tx, "riverside")
            register_issuer(
                tx,
                caller,
                IssuerProfile("Riverside", "https://riverside.example.org"),
                self._chain,
                master=self._master,
                passphrase=secrets.token_urlsafe(),
                write_backup=lambda _: None,
                now=now,
                entropy=secrets.token_bytes,
            )
            listed = parse((_SAMPLES / "achievements.json").read_bytes())
            add_achievements(tx, caller, listed, now)

    # ---------------------------------------------------------------- what goes on all the time

    def run(self, minutes: float) -> Report:
        """Storm and mend until the time is over, then mend for good and read everything again."""
        begun = time.monotonic()
        self._register()
        self._go(self._mine)
        self._go(self._keep)
        _wait("the school's keys are open", self._keys_are_open, 60)
        self._go(self._issue_always)
        while time.monotonic() - begun < minutes * 60:
            self._storm(min(_STORM, begun + minutes * 60 - time.monotonic()))
            self._mend()
        self.report.minutes = round((time.monotonic() - begun) / 60, 2)
        self._rest()
        self._judge()
        return self.report

    def _go(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _join(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def _mine(self) -> None:
        while not self._stop.wait(_BLOCK):
            self._weather.tick()

    def _keep(self) -> None:
        while not self._stop.is_set():
            self._workers.keep()
            self._stop.wait(0.3)

    def _issue_always(self) -> None:
        dice = random.Random(self.report.seed + 100)  # noqa: S311 - not for keys
        self._issuing = threading.Event()
        self._issuing.set()
        number = 0
        while not self._stop.wait(0.2):
            if not self._issuing.is_set():
                continue
            count = dice.randint(1, 4)
            awards = [
                AwardRequest(
                    "py-1",
                    None,
                    Award(
                        email=f"earner{number + n}@example.org",
                        name=f"Earner {number + n}",
                        awarded_on=date(2026, 5, 1),
                        score=None,
                    ),
                )
                for n in range(count)
            ]
            number += count
            try:
                self._issue(awards)
                if self._open and dice.random() < 0.15:
                    self._withdraw(self._open.pop(dice.randrange(len(self._open))))
            except LedgerError as error:
                self.report.broken.append(f"issuing did not go on: {error}")

    def _issue(self, awards: list[AwardRequest]) -> None:
        with self._database.begin() as tx:
            made = issue(
                tx,
                operator_of(tx, "riverside"),
                awards,
                master=self._master,
                addresses=self._addresses,
                now=_now(),
                entropy=secrets.token_bytes,
            )
        # Only now is it acknowledged.
        self._issued += [each.credential_id for each in made]
        self._open += [each.credential_id for each in made]

    def _withdraw(self, credential: Any) -> None:
        with self._database.begin() as tx:
            withdraw_credential(
                tx,
                operator_of(tx, "riverside"),
                credential,
                reason="By mistake.",
                master=self._master,
                now=_now(),
            )
        self.report.credentials_withdrawn += 1

    # ---------------------------------------------------------------- what goes wrong

    def _storm(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        for proxy in self._proxies:
            proxy.plan = Plan(rate=self._dice.choice([0.02, 0.05, 0.2]), hang=1.0)
        while time.monotonic() < end:
            self._strike()
            time.sleep(self._dice.uniform(0.1, 1.2))

    def _strike(self) -> None:  # noqa: C901, PLR0912 - a case each
        dice, weather = self._dice, self._weather
        place = dice.randrange(WORKERS)
        match dice.choice(
            ["kill", "kill", "stop", "reorg", "reorg", "deep", "drop", "spike", "still"]
        ):
            case "kill":
                if self._workers.signal(place, signal.SIGKILL):
                    self._struck["worker killed (-9)"] += 1
            case "stop":
                if self._workers.signal(place, signal.SIGSTOP):
                    self._struck["worker stopped and woken"] += 1
                    time.sleep(dice.uniform(0.5, 2 * _LEASE))
                    self._workers.signal(place, signal.SIGCONT)
            case "reorg":
                self._reorganise(dice.randint(1, 2))
            case "deep":
                if dice.random() < 0.3:
                    self._reorganise(dice.randint(3, 6))
            case "drop":
                weather.drop()
                self._struck["pool emptied"] += 1
            case "spike":
                weather.base_fee = dice.choice([1, 30, 120, 500]) * GWEI
                self._struck["base fee changed"] += 1
            case "still":
                weather.mines = False
                self._struck["chain stood still"] += 1
                time.sleep(dice.uniform(0.5, 4))
                weather.mines = True
            case other:
                raise AssertionError(other)

    def _reorganise(self, depth: int) -> None:
        fate = self._dice.choice(["vanish", "repool", "move"])
        depth = self._weather.reorg(depth, fate)
        if depth:
            where = "below finality" if depth > 2 else "above finality"
            self._struck[f"reorganisation {where}, {fate}"] += 1

    def _mend(self) -> None:
        """Everything works again: what was issued until now has to become final, and soon."""
        for proxy in self._proxies:
            proxy.plan = Plan()
        self._weather.base_fee, self._weather.mines = GWEI, True
        self._workers.go_on()
        mended, now = time.monotonic(), _now()
        try:
            _wait("what was issued is final", lambda: not self._not_final(now), _CALM)
        except TimeoutError:
            self.report.broken.append(
                f"{self._not_final(now)} credentials were not final {_CALM:.0f} s after mending"
            )
        self.report.mendings += 1
        taken = round(time.monotonic() - mended, 1)
        self.report.longest_seconds_from_mended_to_final = max(
            self.report.longest_seconds_from_mended_to_final, taken
        )
        print(
            f"mended {self.report.mendings}: {len(self._issued)} issued, all final after {taken} s",
            file=sys.stderr,
            flush=True,
        )

    # ---------------------------------------------------------------- what is promised

    def _rest(self) -> None:
        self._issuing.clear()
        try:
            _wait("everything is at rest", self._is_at_rest, 180)
        except TimeoutError:
            self.report.broken.append("it did not come to rest within 180 s")

    def _judge(self) -> None:
        report = self.report
        mined = list(self._mined())
        calls = Counter((each.to, each.data) for each in mined)
        nonces = sorted(each.nonce for each in mined)
        with self._database.read() as tx:
            kept = set(tx.rows(select(col(CredentialRow.id))))
            report.attempts = tx.scalar(select(func.count()).select_from(AttemptRow))
        stored = {row["id"] for row in kept}
        report.credentials_issued = len(self._issued)
        report.lost = len(set(self._issued) - stored) + self._not_final(_now())
        report.transactions = len(mined)
        report.anchors = sum(each.to == ANCHOR_REGISTRY for each in mined)
        report.duplicates = sum(count - 1 for count in calls.values())
        report.nonce_gaps = (max(nonces, default=-1) + 1) - len(set(nonces))
        report.blocks = int(self._anvil.rpc("eth_blockNumber"), 16)
        report.unstored_sends = sum(len(proxy.unstored) for proxy in self._proxies)
        faults = Counter(self._struck)
        for proxy in self._proxies:
            faults.update({f"node: {fault}": n for fault, n in proxy.struck.items()})
        report.faults = dict(sorted(faults.items()))
        try:
            diagnosis = check_invariants(
                self._database,
                Node(self._anvil.url),
                mined,
                chain_id=CHAIN_ID,
                sender=SENDER,
                max_fee=MAX_FEE,
                contents=True,
            )
            check_at_rest(self._database, diagnosis, len(self._issued))
        except AssertionError as error:
            report.broken.append(str(error))
        for name in ("duplicates", "lost", "nonce_gaps", "unstored_sends"):
            if getattr(report, name):
                report.broken.append(f"{name}: {getattr(report, name)}")
        for code, count in self._workers.exits.items():
            report.broken.append(f"a worker ended by itself with {code}, {count} times")
        for line in self._workers.said():
            if line.get("level") == "critical" and "block is gone" not in line["event"]:
                report.broken.append(f"a false alarm: {line['event']}")

    def _mined(self) -> Iterator[Mined]:
        for number in range(int(self._anvil.rpc("eth_blockNumber"), 16) + 1):
            block = self._anvil.rpc("eth_getBlockByNumber", hex(number), True)
            for each in block["transactions"]:
                if each["from"] == SENDER:
                    receipt = self._anvil.rpc("eth_getTransactionReceipt", each["hash"])
                    yield Mined(
                        int(each["nonce"], 16),
                        each["to"],
                        bytes.fromhex(each["input"][2:]),
                        succeeded=receipt["status"] == "0x1",
                    )

    def _not_final(self, until: datetime) -> int:
        """Credentials that were issued until then and whose anchor is not final."""
        final = select(col(BatchAnchorRow.batch_id))
        query = select(func.count()).where(
            col(CredentialRow.issued_at) <= until,
            col(CredentialRow.batch_id).is_(None)
            | col(CredentialRow.batch_id).not_in(final),
        )
        with self._database.read() as tx:
            return int(tx.scalar(query))

    def _is_at_rest(self) -> bool:
        open_rows = select(func.count()).where(
            col(ChainTxRow.state) != ChainTxState.FINAL
        )
        with self._database.read() as tx:
            if tx.scalar(open_rows) or evidence.unproved(tx, CHAIN_ID, 1):
                return False
        return not self._not_final(_now())

    def _keys_are_open(self) -> bool:
        closed = select(func.count()).where(
            col(IssuerKeyRow.opened).is_(None), col(IssuerKeyRow.role) != "controller"
        )
        with self._database.read() as tx:
            return not tx.scalar(closed)


def _wait(what: str, ready: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s in vain until {what}")
        time.sleep(0.2)


def _now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="perdure-soak-") as made:
        yield Path(made)


def to_lines(report: Report) -> Iterator[str]:
    """The report for people."""
    yield f"{report.minutes} minutes, seed {report.seed}, {report.blocks} blocks"
    yield f"credentials issued    {report.credentials_issued:>8,}"
    yield f"credentials withdrawn {report.credentials_withdrawn:>8,}"
    yield f"anchors               {report.anchors:>8,}"
    yield f"transactions          {report.transactions:>8,}  ({report.attempts:,} signed)"
    yield f"faults                {sum(report.faults.values()):>8,}"
    for kind, count in report.faults.items():
        yield f"    {kind:<42}{count:>6,}"
    yield f"duplicates            {report.duplicates:>8,}"
    yield f"lost                  {report.lost:>8,}"
    yield f"nonce gaps            {report.nonce_gaps:>8,}"
    yield f"sent before stored    {report.unstored_sends:>8,}"
    yield (
        f"longest from mended to final: {report.longest_seconds_from_mended_to_final} s"
        f" ({report.mendings} times)"
    )
    if not report.broken:
        yield "Every promise holds."
    for finding in report.broken:
        yield f"✕ {finding}"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="keep logs and database"
    )
    options = parser.parse_args(arguments)
    with _folder(options.keep) as folder, ExitStack() as stack:
        report = Soak(folder, options.seed, stack).run(options.minutes)
    if options.json:
        print(json.dumps(asdict(report), indent=2))
    else:
        print("\n".join(to_lines(report)))
    return 1 if report.broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
