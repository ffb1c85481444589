"""Real worker processes on a real node: what is anchored, is anchored once."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from ledger.chain.accounts import address_of
from ledger.chain.node import Node
from ledger.core.header import BlockHeader
from ledger.core.registries import ANCHOR_REGISTRY, ISSUER_REGISTRY
from ledger.keystore.master import MasterKey
from ledger.keystore.sender import create_sender
from ledger.store import chain_txs, credentials, evidence, leases
from ledger.store.database import Database
from ledger.store.records import ChainTxState
from ledger.verify.networks import Network, encode_networks
from tests.anvil import Anvil
from tests.invariants import Mined, check_at_rest, check_invariants
from tests.signing_server import KEY as REMOTE_KEY, signing_server
from tests.unit.store import samples

pytestmark = [
    pytest.mark.anvil,
    pytest.mark.slow,
    pytest.mark.timeout(120),
]

SENDER_KEY = bytes.fromhex("33" * 32)
SENDER = address_of(SENDER_KEY)
CANARY = "earner0@example.org"


@dataclass
class Proxy:
    """The proxy of `rpc_proxy.py`, as seen from here."""

    process: subprocess.Popen[str]
    url: str = ""
    said: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.url = self.hear("url")["url"]

    def hear(self, word: str) -> dict[str, Any]:
        """Wait for a line with this word."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(json.loads(line))
            if word in self.said[-1]:
                return self.said[-1]
        raise AssertionError(f"the proxy ended without saying {word}")

    def order(self, **what: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        self.hear("ready")


class Ledger:
    """A database with a school, a node, the worker's settings, and its processes."""

    def __init__(
        self, folder: Path, database_url: str, anvil: Anvil, stack: ExitStack
    ) -> None:
        self.folder = folder
        self.anvil = anvil
        self._stack = stack
        master = MasterKey.create_file(folder / "master.key")
        create_sender(folder / "sender.json", master, SENDER_KEY)
        genesis = anvil.rpc("eth_getBlockByNumber", "0x0", False)["hash"]
        network = Network(
            name="anvil",
            chain_id=31337,
            genesis_hash=bytes.fromhex(genesis[2:]),
            anchor_registry=ANCHOR_REGISTRY,
            issuer_registry=ISSUER_REGISTRY,
            test=True,
        )
        (folder / "networks.json").write_bytes(encode_networks([network]))
        self.environment = {
            "PATH": os.environ["PATH"],
            "PERDURE_DATABASE_URL": database_url,
            "PERDURE_RPC_URLS": anvil.url,
            "PERDURE_NETWORKS": str(folder / "networks.json"),
            "PERDURE_MASTER_KEY_FILE": str(folder / "master.key"),
            "PERDURE_SENDER_KEYSTORE": str(folder / "sender.json"),
        }
        self.database = stack.enter_context(closing(Database.open(database_url)))
        with self.database.begin() as tx:
            self.school = samples.add_school(tx)
        self.issued = 0
        self.sender = SENDER
        self.logs: list[Path] = []

    def issue(self, count: int) -> None:
        with self.database.begin() as tx:
            numbers = range(self.issued, self.issued + count)
            credentials.insert(
                tx, [samples.credential(self.school, n) for n in numbers]
            )
        self.issued += count

    def proxy(self) -> Proxy:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.acceptance.rpc_proxy", self.anvil.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._stack.callback(end, process)
        return Proxy(process)

    def start(self, *options: str, **changes: str | None) -> subprocess.Popen[bytes]:
        """Start a worker; `changes` to its environment, None takes a variable away."""
        environment = {
            name: value
            for name, value in (self.environment | changes).items()
            if value is not None
        }
        log = self.folder / f"worker-{len(self.logs)}.log"
        self.logs.append(log)
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "anchor_worker", "--poll", "0.05", *options],
                env=environment,
                stderr=stderr,
                stdout=subprocess.DEVNULL,
            )
        self._stack.callback(end, process)
        return process

    def finish(self, *processes: subprocess.Popen[bytes]) -> list[int]:
        """Mine until these have ended; their exit codes."""
        deadline = time.monotonic() + 60
        while any(process.poll() is None for process in processes):
            assert time.monotonic() < deadline, self.log()
            self.anvil.mine()
            time.sleep(0.05)
        return [process.wait() for process in processes]

    def log(self) -> str:
        return "".join(log.read_text() for log in self.logs)

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log().splitlines()]

    def held_for(self) -> timedelta:
        """How long the lease is still held; zero before it was ever taken."""
        with self.database.read() as tx:
            holders = leases.holders(tx, 31337, datetime.now(UTC))
        return next((each.left for each in holders), timedelta(0))

    def check(self, anchors: int) -> None:
        """Read every block from scratch and compare it with the database."""
        mined: list[Mined] = []
        head = int(self.anvil.rpc("eth_blockNumber"), 16)
        for number in range(head + 1):
            block = self.anvil.rpc("eth_getBlockByNumber", hex(number), True)
            for each in block["transactions"]:
                if each["from"] == self.sender:
                    receipt = self.anvil.rpc("eth_getTransactionReceipt", each["hash"])
                    assert receipt["status"] == "0x1"
                    data = bytes.fromhex(each["input"][2:])
                    mined.append(Mined(int(each["nonce"], 16), each["to"], data))
        diagnosis = check_invariants(
            self.database,
            Node(self.anvil.url),
            mined,
            chain_id=31337,
            sender=self.sender,
            max_fee=200 * 10**9,
        )
        check_at_rest(self.database, diagnosis, self.issued)
        assert (len(mined), diagnosis.batches) == (anchors, anchors)
        self.check_evidence()
        log = self.log()
        assert SENDER_KEY.hex() not in log
        assert (self.folder / "master.key").read_text().strip() not in log
        assert CANARY not in log

    def check_evidence(self) -> None:
        """Every batch is proved, at a block that is in the chain."""
        with self.database.read() as tx:
            assert not evidence.unproved(tx, 31337, 1)
            rows = chain_txs.in_state(tx, 31337, tuple(ChainTxState), 1_000)
            raw = [evidence.header(tx, UUID(row.subject), 31337) for row in rows]
        for each in raw:
            assert each is not None
            header = BlockHeader(each)
            block = self.anvil.rpc("eth_getBlockByNumber", hex(header.number), False)
            assert block["hash"] == f"0x{header.hash.hex()}"


def end(process: "subprocess.Popen[Any]") -> None:
    if process.poll() is None:
        process.kill()
    process.wait(10)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()


@pytest.fixture
def ledger(tmp_path: Path, sqlite_url: str, deployed: Anvil) -> Iterator[Ledger]:
    deployed.fund(SENDER)
    with ExitStack() as stack:
        yield Ledger(tmp_path, sqlite_url, deployed, stack)


@pytest.fixture
def either_ledger(
    tmp_path: Path, database_url: str, deployed: Anvil
) -> Iterator[Ledger]:
    """Once on each database, where the database decides who may do what."""
    deployed.fund(SENDER)
    with ExitStack() as stack:
        yield Ledger(tmp_path, database_url, deployed, stack)


def test_two_workers_started_together_anchor_one_batch_once(
    either_ledger: Ledger,
) -> None:
    ledger = either_ledger
    ledger.issue(7)
    workers = [ledger.start("--once", "--lease", "5") for _ in range(2)]

    assert ledger.finish(*workers) == [0, 0]
    ledger.check(anchors=1)
    events = [event["event"] for event in ledger.events()]
    assert events.count("started") == 2
    assert events.count("sealed a batch") == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_the_send_and_started_again_it_anchors_once(
    either_ledger: Ledger, when: str
) -> None:
    """kill -9 while the bytes pass: once before the node has them, once right after."""
    ledger = either_ledger
    ledger.issue(5)
    proxy = ledger.proxy()
    ledger.anvil.rpc("evm_setAutomine", False)
    # The lease outlives the killed worker by so much, then the next one takes over.
    options = ("--once", "--lease", "2")
    doomed = ledger.start(*options, "--batch-age", "0", PERDURE_RPC_URLS=proxy.url)
    proxy.order(kill=doomed.pid, when=when, nth=1)

    killed = proxy.hear("killed")
    assert killed == {"killed": doomed.pid, "when": when}
    assert doomed.wait(10) == -signal.SIGKILL
    pending = ledger.anvil.rpc("eth_getTransactionCount", SENDER, "pending")
    assert pending == ("0x1" if when == "after" else "0x0")
    with ledger.database.read() as tx:
        (row,) = chain_txs.in_state(tx, 31337, tuple(ChainTxState), 10)
        assert row.state is ChainTxState.IN_PROGRESS

    again = ledger.start(*options)
    assert ledger.finish(again) == [0]
    ledger.check(anchors=1)


def test_several_batches_and_a_second_run_leave_no_gap(ledger: Ledger) -> None:
    ledger.issue(5)
    assert ledger.finish(ledger.start("--once", "--batch-size", "2")) == [0]
    ledger.issue(2)
    assert ledger.finish(ledger.start("--once", "--batch-size", "2")) == [0]

    ledger.check(anchors=4)


def test_a_worker_anchors_with_a_key_that_it_never_sees(
    ledger: Ledger, tmp_path: Path
) -> None:
    """Another process signs; neither master key nor keystore is needed."""
    ledger.issue(3)
    ledger.sender = address_of(REMOTE_KEY)
    ledger.anvil.fund(ledger.sender)
    with signing_server(tmp_path) as (url, _):
        worker = ledger.start(
            "--once",
            PERDURE_SENDER_KEYSTORE=None,
            PERDURE_MASTER_KEY_FILE=None,
            PERDURE_SENDER_URL=url,
            PERDURE_SENDER_ADDRESS=ledger.sender,
        )
        assert ledger.finish(worker) == [0]

    ledger.check(anchors=1)


def test_a_signing_server_that_is_away_is_waited_for(
    ledger: Ledger, tmp_path: Path
) -> None:
    ledger.issue(3)
    ledger.sender = address_of(REMOTE_KEY)
    ledger.anvil.fund(ledger.sender)
    with signing_server(tmp_path) as (url, server):
        server.kill()
        server.wait()
        worker = ledger.start(
            PERDURE_SENDER_KEYSTORE=None,
            PERDURE_SENDER_URL=url,
            PERDURE_SENDER_ADDRESS=ledger.sender,
        )
        deadline = time.monotonic() + 30
        while "does not answer" not in ledger.log():
            assert time.monotonic() < deadline, ledger.log()
            time.sleep(0.05)
        assert worker.poll() is None
    assert ledger.anvil.rpc("eth_getTransactionCount", ledger.sender, "latest") == "0x0"


def test_asked_to_stop_a_worker_ends_well_and_at_once(ledger: Ledger) -> None:
    worker = ledger.start("--batch-age", "3600")
    deadline = time.monotonic() + 30
    while ledger.held_for() <= timedelta(0):
        assert time.monotonic() < deadline, ledger.log()
        time.sleep(0.05)
    worker.send_signal(signal.SIGTERM)

    assert worker.wait(10) == 0
    assert ledger.held_for() <= timedelta(0)
    # The lease was given back: the next one does not wait a minute for it.
    ledger.issue(1)
    assert ledger.finish(ledger.start("--once")) == [0]
    ledger.check(anchors=1)


def test_every_line_of_the_log_is_one_json_object(ledger: Ledger) -> None:
    ledger.issue(1)
    ledger.finish(ledger.start("--once"))

    events = ledger.events()
    assert all({"time", "level", "logger", "event"} <= set(event) for event in events)
    started = next(event for event in events if event["event"] == "started")
    assert started["sender"] == SENDER
    assert started["balance_wei"] == 100 * 10**18
    assert "final" in [event["event"] for event in events]


# -------------------------------------------------------------------- refused at start


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"PERDURE_DATABASE_URL": None}, "PERDURE_DATABASE_URL is not set"),
        ({"PERDURE_RPC_URLS": None}, "PERDURE_RPC_URLS is not set"),
        ({"PERDURE_MASTER_KEY_FILE": None}, "PERDURE_MASTER_KEY_FILE is not set"),
        ({"PERDURE_SENDER_KEYSTORE": None}, "PERDURE_SENDER_KEYSTORE is not set"),
        ({"PERDURE_SENDER_KEYSTORE": "/nowhere"}, "No such file"),
        ({"PERDURE_NETWORKS": None}, "eip155:31337 is not on the list"),
        ({"PERDURE_DATABASE_URL": "sqlite:////nowhere/x.db"}, "perdure db upgrade"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_missing_setting_is_named(
    ledger: Ledger, changes: dict[str, str | None], reason: str
) -> None:
    assert ledger.start("--once", **changes).wait(30) == 78
    assert reason in ledger.log()


def test_a_node_that_is_away_is_another_matter(ledger: Ledger) -> None:
    url = "http://127.0.0.1:9/v3/access-key"

    assert ledger.start("--once", PERDURE_RPC_URLS=url).wait(60) == 69
    assert "no node answers: 127.0.0.1:9" in ledger.log()
    assert "access-key" not in ledger.log()


def test_so_is_a_database_that_is_away(ledger: Ledger) -> None:
    url = "postgresql://perdure:canary-secret@127.0.0.1:9/perdure"

    assert ledger.start("--once", PERDURE_DATABASE_URL=url).wait(60) == 69
    assert "127.0.0.1:9" in ledger.log()
    assert "does not answer" in ledger.log()
    assert "canary-secret" not in ledger.log()


def test_one_node_that_is_away_does_not_matter(ledger: Ledger) -> None:
    ledger.issue(1)
    urls = f"http://127.0.0.1:9,{ledger.anvil.url}"

    assert ledger.finish(ledger.start("--once", PERDURE_RPC_URLS=urls)) == [0]
    ledger.check(anchors=1)


def test_wrong_usage_is_64(ledger: Ledger) -> None:
    for options in (["--batch-size", "0"], ["--max-fee-gwei", "x"], ["--unknown"]):
        assert ledger.start(*options).wait(30) == 64


def test_another_chain_of_the_same_id_is_refused_before_anything_is_written(
    ledger: Ledger, start_anvil: Callable[..., Anvil]
) -> None:
    """The database was used with the first chain; then the node is a new one."""
    ledger.issue(1)
    other = start_anvil("--timestamp", "1700000000")
    other.deploy()
    other.fund(SENDER)

    assert ledger.start("--once", PERDURE_RPC_URLS=other.url).wait(30) == 78
    assert "PERDURE_RPC_URLS or PERDURE_NETWORKS: " in ledger.log()
    assert "is on another chain of id 31337" in ledger.log()
    assert other.rpc("eth_getTransactionCount", SENDER, "pending") == "0x0"
    genesis = other.rpc("eth_getBlockByNumber", "0x0", False)["hash"]
    networks = ledger.folder / "networks.json"
    text = networks.read_text()
    assert ledger.finish(ledger.start("--once")) == [0]
    known = json.loads(text)["networks"][0]["genesisHash"]
    networks.write_text(text.replace(known, genesis))
    assert ledger.start("--once", PERDURE_RPC_URLS=other.url).wait(30) == 78
    assert "used with another chain" in ledger.log()


def test_registries_that_are_not_there_or_not_ours_are_refused(
    ledger: Ledger, start_anvil: Callable[..., Anvil]
) -> None:
    ledger.anvil.rpc("anvil_setCode", ISSUER_REGISTRY, "0x00")
    assert ledger.start("--once").wait(30) == 78
    assert "has other code: expected hash" in ledger.log()

    ledger.anvil.rpc("anvil_setCode", ISSUER_REGISTRY, "0x")
    assert ledger.start("--once").wait(30) == 78
    assert "perdure contracts deploy" in ledger.log()


def test_an_old_copy_of_the_database_stops_with_a_critical_message(
    ledger: Ledger,
) -> None:
    """The chain knows a nonce that this database never gave out."""
    ledger.issue(1)
    assert ledger.finish(ledger.start("--once")) == [0]
    ledger.anvil.rpc("anvil_setNonce", SENDER, "0x5")
    ledger.anvil.mine(3)
    ledger.issue(1)

    assert ledger.finish(ledger.start("--once")) == [1]
    critical = [e["event"] for e in ledger.events() if e["level"] == "critical"]
    assert len(critical) == 1
    assert "the database is an old copy" in critical[0]


# -------------------------------------------------------------------- several chains

NOBODY = "http://127.0.0.1:9"


def know(ledger: Ledger, second: Anvil) -> None:
    """Put the chain 10 beside the home chain into the networks file."""
    networks = ledger.folder / "networks.json"
    (home,) = json.loads(networks.read_text())["networks"]
    genesis = second.rpc("eth_getBlockByNumber", "0x0", False)["hash"]
    other = home | {"name": "second", "chainId": "eip155:10", "genesisHash": genesis}
    networks.write_text(json.dumps({"version": 1, "networks": [home, other]}))


def test_once_a_chain_that_is_away_is_named_and_the_others_come_to_rest(
    ledger: Ledger, start_anvil: Callable[..., Anvil]
) -> None:
    second = start_anvil(chain_id=10)
    second.deploy()
    second.fund(SENDER)
    know(ledger, second)
    ledger.issue(3)
    away = f"eip155:10={NOBODY}"

    assert ledger.finish(ledger.start("--once", PERDURE_OTHER_CHAINS=away)) == [69]
    (told,) = (e for e in ledger.events() if e["event"].startswith("not at rest"))
    assert (told["chain"], told["level"]) == ("eip155:10", "critical")
    with ledger.database.read() as tx:
        (home,) = chain_txs.in_state(tx, 31337, tuple(ChainTxState), 9)
        (other,) = chain_txs.in_state(tx, 10, tuple(ChainTxState), 9)
    assert (home.state, other.state) == (ChainTxState.FINAL, ChainTxState.SEALED)

    there = f"eip155:10={NOBODY},{second.url}"
    worker = ledger.start("--once", PERDURE_OTHER_CHAINS=there)
    deadline = time.monotonic() + 60
    while worker.poll() is None:
        assert time.monotonic() < deadline, ledger.log()
        second.mine()
        time.sleep(0.05)
    assert worker.wait() == 0, ledger.log()
    with ledger.database.read() as tx:
        (other,) = chain_txs.in_state(tx, 10, tuple(ChainTxState), 9)
    assert other.state is ChainTxState.FINAL
    ledger.check(anchors=1)


def test_another_chain_than_the_one_that_is_named_is_refused_at_start(
    ledger: Ledger, start_anvil: Callable[..., Anvil]
) -> None:
    second = start_anvil(chain_id=10)
    know(ledger, second)
    ledger.issue(1)
    home = f"eip155:10={ledger.anvil.url}"
    empty = f"eip155:10={second.url}"

    assert ledger.start("--once", PERDURE_OTHER_CHAINS=home).wait(30) == 78
    assert "is on chain 31337, and chain 10 is expected" in ledger.log()
    assert ledger.start("--once", PERDURE_OTHER_CHAINS=empty).wait(30) == 78
    assert "AnchorRegistry is not on chain 10" in ledger.log()
    assert ledger.anvil.rpc("eth_getTransactionCount", SENDER, "latest") == "0x0"


def test_a_ledger_never_changes_its_home(
    ledger: Ledger, start_anvil: Callable[..., Anvil]
) -> None:
    second = start_anvil(chain_id=10)
    second.deploy()
    know(ledger, second)
    assert ledger.finish(ledger.start("--once")) == [0]

    assert ledger.start("--once", PERDURE_RPC_URLS=second.url).wait(30) == 78
    assert "the home chain of this database is eip155:31337" in ledger.log()


def test_while_the_home_chain_is_away_a_worker_starts_and_seals(
    ledger: Ledger,
) -> None:
    assert ledger.finish(ledger.start("--once")) == [0]
    ledger.issue(2)
    worker = ledger.start("--batch-age", "0", PERDURE_RPC_URLS=NOBODY)
    deadline = time.monotonic() + 30
    while "sealed a batch" not in ledger.log():
        assert time.monotonic() < deadline, ledger.log()
        time.sleep(0.05)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0

    assert ledger.finish(ledger.start("--once")) == [0]
    ledger.check(anchors=1)
