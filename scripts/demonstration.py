"""The main job, end to end: a school's roster becomes credentials that outlive the school.

Starts a private chain, a server and a worker on this machine; issues and anchors a roster;
writes every earner's files; withdraws one; then stops everything, deletes the database and
all keys, and verifies from the files, one chain address, a networks file and a trust list.
Exits 0 only if every check came out as it must.
"""

import argparse
import csv
import json
import os
import platform
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

ROOT = Path(__file__).resolve().parent.parent
ANVIL = (
    ROOT
    / "contracts/node_modules/@foundry-rs"
    / f"anvil-{platform.system().lower()}-{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(platform.machine(), platform.machine()) }"
    / "bin/anvil"
)
SAMPLES = ROOT / "scripts" / "samples" / "riverside"
PERDURE = [str(Path(sys.executable).parent / "perdure")]
# The first of anvil's public development accounts: it exists on every test chain, owns
# nothing elsewhere, and pays for deploying the contracts here.
DEPLOYER_KEY = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
MARKER = ".perdure-demo"
PATIENCE = 180


class DemoError(Exception):
    """Something did not come out as it must."""


@dataclass
class Told:
    """Prints the steps for a person, with their times."""

    quiet: bool = False
    started: float = field(default_factory=time.monotonic)
    step_started: float = 0.0
    number: int = 0

    def step(self, title: str) -> None:
        """Begin a step."""
        self.number += 1
        self.step_started = time.monotonic()
        print(f"\n{self.number}. {title}", flush=True)

    def line(self, text: str) -> None:
        """Say something about the step."""
        if not self.quiet:
            print(f"   {text}", flush=True)

    def done(self) -> None:
        """Say how long the step took."""
        self.line(f"({time.monotonic() - self.step_started:.1f} s)")


# ------------------------------------------------------------------ processes


def free_port() -> int:
    """A port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(
    command: Sequence[str], log: Path, environment: dict[str, str]
) -> Iterator[Any]:
    """A process of our own, stopped by its id when the block ends, whatever happened."""
    with log.open("wb") as output:
        running = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment,
        )
        try:
            yield running
        finally:
            stop(running)


def stop(running: "subprocess.Popen[bytes]") -> None:
    """SIGTERM, and SIGKILL for who does not listen."""
    if running.poll() is None:
        running.send_signal(signal.SIGTERM)
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def wait_for(what: str, ready: Callable[[], bool], alive: Sequence[Any] = ()) -> None:
    """Wait until it is so, and no longer than three minutes."""
    end = time.monotonic() + PATIENCE
    while not ready():
        for running in alive:
            if running.poll() is not None:
                raise DemoError(
                    f"a process ended while waiting for {what}: {running.args}"
                )
        if time.monotonic() > end:
            raise DemoError(f"waited {PATIENCE} s in vain for {what}")
        time.sleep(0.2)


@dataclass(frozen=True)
class Chain:
    """JSON-RPC to the private chain."""

    url: str

    def ask(self, method: str, *params: object) -> Any:
        """One call."""
        body = json.dumps(
            {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        ).encode()
        request = urllib.request.Request(
            self.url, body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            reply = json.loads(answer.read())
        if "error" in reply:
            raise DemoError(f"{method}: {reply['error']}")
        return reply["result"]

    def up(self) -> bool:
        """Whether it answers."""
        try:
            return bool(self.ask("eth_chainId"))
        except OSError:
            return False

    def transactions(self, recipient: str) -> list[Any]:
        """Receipts of every transaction to a contract, read block by block."""
        head = int(self.ask("eth_blockNumber"), 16)
        found = []
        for number in range(head + 1):
            block = self.ask("eth_getBlockByNumber", hex(number), True)
            found += [
                self.ask("eth_getTransactionReceipt", tx["hash"])
                for tx in block["transactions"]
                if tx["to"] == recipient
            ]
        return found


@dataclass(frozen=True)
class Server:
    """The HTTP API, as a school's own program would call it."""

    url: str
    key: str

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        kind: str = "application/json",
    ) -> bytes:
        """One request; raises DemoError with the problem's text."""
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": kind}
        if method == "POST":
            headers["Idempotency-Key"] = str(uuid4())
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            raise DemoError(
                f"{method} {path}: {error.code} {error.read().decode()}"
            ) from error

    def up(self) -> bool:
        """Whether it answers."""
        try:
            with urllib.request.urlopen(self.url + "/health", timeout=5):
                return True
        except OSError:
            return False

    def credentials(self) -> list[Any]:
        """Every credential of the organisation."""
        found: list[Any] = []
        after = ""
        while True:
            page = json.loads(self.call("GET", f"/api/v1/credentials?limit=200{after}"))
            found += page["credentials"]
            if not page["next"]:
                return found
            after = f"&after={page['next']}"


@dataclass(frozen=True)
class Ledger:
    """The `perdure` command, run as an operator runs it."""

    environment: dict[str, str]

    def run(self, *arguments: str, good: Collection[int] = (0,)) -> str:
        """Run a command; its output. Raises DemoError unless it ends with a good code."""
        done = subprocess.run(
            [*PERDURE, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in good:
            raise DemoError(
                f"perdure {' '.join(arguments)}: exit {done.returncode}: {done.stderr.strip()}"
            )
        return done.stdout

    def read(self, *arguments: str, good: Collection[int] = (0,)) -> Any:
        """Run a command with --json; its result."""
        return json.loads(self.run(*arguments, "--json", good=good))


# ------------------------------------------------------------------ the roster


def roster_of(learners: int, path: Path) -> None:
    """A roster with one award for each of so many distinct people.

    The sample's people come first; beyond them, people are made from the sample's names.
    """
    with (SAMPLES / "roster.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    people = {row["email"]: row for row in rows}
    chosen = list(people.values())[:learners]
    names = [row["name"].split(" ", 1) for row in rows]
    rnd = random.Random(learners)  # noqa: S311 - sample data
    for number in range(len(chosen), learners):
        given, family = rnd.choice(names)[0], rnd.choice(names)[-1]
        row = dict(rnd.choice(rows))
        row |= {"name": f"{given} {family}", "email": f"person{number}@example.net"}
        chosen.append(row)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(chosen)


# ------------------------------------------------------------------ the steps


def main() -> int:
    """Run the demonstration."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument(
        "--learners", type=int, default=40, metavar="N", help="distinct people (40)"
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / "build" / "demo", metavar="DIR"
    )
    options = parser.parse_args()
    if not 1 <= options.learners <= 100_000:
        parser.error("--learners: from 1 to 100,000")
    told = Told()
    try:
        out = fresh_folder(options.out)
        with tempfile.TemporaryDirectory(prefix="perdure-demo-") as folder:
            demonstrate(told, options.learners, out, Path(folder))
    except DemoError as error:
        print(f"\nFAILED: {error}", file=sys.stderr)
        return 1
    print(
        f"\nAll of it came out as it must, in {time.monotonic() - told.started:.0f} s."
        f"\nThe files are in {out}; the chain that could check them has just been stopped.",
    )
    return 0


def fresh_folder(path: Path) -> Path:
    """An empty folder; only a folder of an earlier demonstration is ever cleared."""
    if path.exists() and any(path.iterdir()):
        if not (path / MARKER).exists():
            raise DemoError(f"{path} holds something else; choose another --out")
        shutil.rmtree(path)
    path.mkdir(parents=True, exist_ok=True)
    (path / MARKER).touch()
    return path


def demonstrate(told: Told, learners: int, out: Path, state: Path) -> None:
    """From an empty machine to checked files."""
    told.step("A private chain (anvil), with the two registries")
    port = free_port()
    chain = Chain(f"http://127.0.0.1:{port}")
    anvil = [
        str(ANVIL),
        "--port",
        str(port),
        "--block-time",
        "1",
        "--slots-in-an-epoch",
        "1",
    ]
    environment = {**os.environ, **settings_of(state, chain)}
    with process(anvil, state / "anvil.log", environment):
        wait_for("the chain", chain.up)
        ledger = Ledger(environment)
        networks = deploy(told, ledger, chain, state)
        told.done()
        with_server(told, ledger, chain, learners, out, state)
        remove_everything(told, state)
        shutil.copy(networks, out / "networks.json")
        check_files(told, chain, out)


def settings_of(state: Path, chain: Chain) -> dict[str, str]:
    """The environment of server and worker."""
    return {
        "PERDURE_DATABASE_URL": f"sqlite:///{state}/perdure.db",
        "PERDURE_RPC_URLS": chain.url,
        "PERDURE_NETWORKS": str(state / "networks.json"),
        "PERDURE_PUBLIC_URL": "https://ledger.example.org",
        "PERDURE_MASTER_KEY_FILE": str(state / "master.key"),
        "PERDURE_SENDER_KEYSTORE": str(state / "sender.json"),
    }


def deploy(told: Told, ledger: Ledger, chain: Chain, state: Path) -> Path:
    """Deploy both registries and write the networks file of this private chain."""
    key_file = state / "deployer.key"
    key_file.touch(mode=0o600)
    key_file.write_text(DEPLOYER_KEY)
    deployed = ledger.read("contracts", "deploy", "--account-key-file", str(key_file))
    addresses = {
        registry["name"]: registry["address"] for registry in deployed["registries"]
    }
    for registry in deployed["registries"]:
        told.line(
            f"{registry['name']} at {registry['address']}, {registry['gasUsed']:,} gas, once per chain"
        )
    network = {
        "name": "Demonstration",
        "chainId": deployed["chainId"],
        "genesisHash": deployed["genesisHash"],
        "anchorRegistry": addresses["AnchorRegistry"],
        "issuerRegistry": addresses["IssuerRegistry"],
        "test": True,
    }
    networks = state / "networks.json"
    networks.write_text(json.dumps({"version": 1, "networks": [network]}, indent=2))
    return networks


def with_server(
    told: Told, ledger: Ledger, chain: Chain, learners: int, out: Path, state: Path
) -> None:
    """All that needs server, worker and database."""
    told.step(
        "Riverside Code School: an organisation, its keys, its record on the chain"
    )
    sender = ledger.read("keys", "init")["sender"]
    chain.ask("anvil_setBalance", sender, hex(10**18))
    ledger.run("db", "upgrade")
    ledger.run("org", "create", "riverside", "--name", "Riverside Code School")
    (state / "passphrase").write_text("a passphrase for the demonstration")
    registered = ledger.read(
        "issuer", "register", "--org", "riverside",
        "--profile", str(SAMPLES / "issuer.json"),
        "--backup", str(state / "riverside.backup"),
        "--passphrase-file", str(state / "passphrase"),
    )  # fmt: skip
    told.line(f"issuer {registered['issuer']}")
    port = free_port()
    key = ledger.read(
        "api-key", "create", "--org", "riverside", "--name", "demonstration",
        "--scope", "read", "--scope", "issue", "--scope", "withdraw", "--scope", "manage",
    )["key"]  # fmt: skip
    server = Server(f"http://127.0.0.1:{port}", key)
    worker_command = [*PERDURE, "worker", "--batch-age", "3"]
    with (
        process(worker_command, state / "worker.log", ledger.environment) as worker,
        process(
            [*PERDURE, "serve", "--port", str(port)],
            state / "server.log",
            ledger.environment,
        ) as serving,
    ):
        both = (worker, serving)
        wait_for("the server", server.up, both)
        wait_for("the keys to be open on the chain", lambda: keys_open(ledger), both)
        told.line("its signing key and its revoking key are open, by the chain's clock")
        told.done()

        issue(told, server, learners, out, state)

        told.step(
            "The worker puts the credentials into a Merkle tree and its root on the chain"
        )
        wait_for(
            "the root to be final",
            lambda: states(server) == {"anchored": learners},
            both,
        )
        anchors = chain.transactions(anchor_registry(state))
        gas = sum(int(receipt["gasUsed"], 16) for receipt in anchors)
        told.line(
            f"{len(anchors)} transaction, {gas:,} gas: {gas / learners:,.0f} gas a credential"
        )
        told.done()

        told.step("Every earner gets files: .json, .png, .svg and a .pdf certificate")
        written = write_files(server, out)
        told.line(f"{written} files for {learners} people in {out / 'earners'}")
        told.done()

        withdraw_one(told, server, chain, both, out, state)
        check_logs(told, key, out, state)


def withdraw_one(
    told: Told,
    server: Server,
    chain: Chain,
    alive: Sequence[Any],
    out: Path,
    state: Path,
) -> None:
    """Withdraw a credential through the HTTP API; the worker sets its bit on the chain."""
    told.step("The school withdraws one credential")
    chosen = server.credentials()[0]
    registry = issuer_registry(state)
    before = len(chain.transactions(registry))
    server.call(
        "POST",
        f"/api/v1/credentials/{chosen['id']}/withdrawal",
        json.dumps({"reason": "Issued to the wrong person."}).encode(),
    )
    wait_for(
        "the withdrawal", lambda: len(chain.transactions(registry)) > before, alive
    )
    (out / "withdrawn.txt").write_text(chosen["id"])
    gas = int(chain.transactions(registry)[-1]["gasUsed"], 16)
    told.line(f"{chosen['id']}: a status bit on the chain, {gas:,} gas")
    told.done()


def check_logs(told: Told, key: str, out: Path, state: Path) -> None:
    """No secret and no person in what server and worker logged."""
    secrets = [key, DEPLOYER_KEY, (state / "master.key").read_text().strip()]
    with (out / "roster.csv").open(encoding="utf-8", newline="") as file:
        people = [
            word for row in csv.DictReader(file) for word in (row["email"], row["name"])
        ]
    logs = "".join((state / name).read_text() for name in ("server.log", "worker.log"))
    if not logs or any(word in logs for word in (*secrets, *people)):
        raise DemoError("a log is empty, or holds a secret or a person")
    told.line(
        f"{len(logs.splitlines())} lines of logs: no key, no name, no e-mail address"
    )


def keys_open(ledger: Ledger) -> bool:
    """Whether the chain has all keys of the school, finally."""
    keys = ledger.read("issuer", "show", "--org", "riverside")["keys"]
    return all(key["openedAt"] for key in keys)


def issue(told: Told, server: Server, learners: int, out: Path, state: Path) -> None:
    """Achievements and roster, through the HTTP API."""
    told.step(f"The roster: {learners} people, issued at once")
    achievements = (SAMPLES / "achievements.json").read_bytes()
    added = json.loads(server.call("POST", "/api/v1/achievements", achievements))
    told.line(f"{len(added['achievements'])} achievements added")
    roster_of(learners, out / "roster.csv")
    data = (out / "roster.csv").read_bytes()
    checked = json.loads(server.call("POST", "/api/v1/rosters/check", data, "text/csv"))
    told.line(
        f"dry run: {checked['issued']} would be issued, {checked['refused']} refused"
    )
    started = time.monotonic()
    issued = json.loads(server.call("POST", "/api/v1/rosters", data, "text/csv"))
    seconds = time.monotonic() - started
    if issued["issued"] != learners or issued["refused"]:
        raise DemoError(f"the roster was not issued as it must: {issued}")
    told.line(
        f"{issued['issued']} signed Open Badges 3.0 credentials, {seconds / learners * 1000:.0f} ms each"
    )
    again = json.loads(server.call("POST", "/api/v1/rosters", data, "text/csv"))
    if again["issued"] or again["already"] != learners:
        raise DemoError(f"the same roster again issued something: {again}")
    told.line(f"the same roster again: 0 issued, {again['already']} there already")
    told.done()


def states(server: Server) -> dict[str, int]:
    """How many credentials stand in which state."""
    return dict(Counter(credential["state"] for credential in server.credentials()))


def anchor_registry(state: Path) -> str:
    """The address in the networks file."""
    return str(
        json.loads((state / "networks.json").read_text())["networks"][0][
            "anchorRegistry"
        ]
    )


def issuer_registry(state: Path) -> str:
    """The address in the networks file."""
    return str(
        json.loads((state / "networks.json").read_text())["networks"][0][
            "issuerRegistry"
        ]
    )


def write_files(server: Server, out: Path) -> int:
    """Download every credential in every form, a folder for each person."""
    written = 0
    for number, credential in enumerate(server.credentials(), 1):
        folder = out / "earners" / f"{number:03}"
        folder.mkdir(parents=True)
        for kind in ("json", "png", "svg", "pdf"):
            data = server.call(
                "GET", f"/api/v1/credentials/{credential['id']}/file?format={kind}"
            )
            (
                folder / f"{credential['achievement']}-{credential['id'][:8]}.{kind}"
            ).write_bytes(data)
            written += 1
    return written


def remove_everything(told: Told, state: Path) -> None:
    """The school and the ledger's operator are gone."""
    told.step(
        "The school closes: server and worker stop, database and all keys are deleted"
    )
    for path in sorted(state.iterdir()):
        if path.name not in {"anvil.log", "networks.json"}:
            path.unlink()
            told.line(f"deleted {path.name}")
    told.done()


def check_files(told: Told, chain: Chain, out: Path) -> None:
    """Verify from the files, one chain address, a networks file and a trust list alone."""
    told.step(
        "Anyone verifies: the files, one chain address, a networks file, a trust list"
    )
    files = sorted((out / "earners").rglob("*.*"))
    first = json.loads(
        next(path for path in files if path.suffix == ".json").read_text()
    )
    issuer = first["issuer"]["otherIdentifier"][0]["identifier"]
    trust = {
        "version": 1,
        "name": "Demonstration trust list",
        "issuers": [{"id": issuer, "name": "Riverside Code School"}],
        "accreditors": [],
    }
    (out / "trust.json").write_text(json.dumps(trust, indent=2))
    withdrawn = (out / "withdrawn.txt").read_text()[:8]
    _, reports = verify(chain, out, files, trust=True)
    verdicts: Counter[str] = Counter()
    for path, report in zip(files, reports, strict=True):
        expected = "withdrawn" if path.stem.endswith(withdrawn) else "genuine"
        if report["verdict"] != expected:
            raise DemoError(f"{path.name}: {report['verdict']}, expected {expected}")
        if expected == "genuine" and "TEST" not in report["heading"]:
            raise DemoError(
                f"{path.name}: a credential of a test chain is worded as a real one"
            )
        verdicts[expected] += 1
    told.line(
        f"{verdicts['genuine']} files genuine (TEST chain), {verdicts['withdrawn']} withdrawn by the issuer"
    )

    genuine = next(
        p for p in files if p.suffix == ".json" and not p.stem.endswith(withdrawn)
    )
    changed = out / "changed.json"
    changed.write_bytes(genuine.read_bytes().replace(b"Riverside", b"Riverslde", 1))
    code, (report,) = verify(chain, out, [changed], trust=True)
    if (code, report["verdict"]) != (1, "changed"):
        raise DemoError(
            f"a changed letter was not refused: exit {code}, {report['verdict']}"
        )
    told.line("a copy with one changed letter: refused (exit 1, changed)")

    code, (report,) = verify(chain, out, [genuine], trust=False)
    if (code, report["verdict"]) != (3, "unknown_issuer"):
        raise DemoError(f"without a trust list: exit {code}, {report['verdict']}")
    told.line("without a trust list: genuine file, unknown issuer (exit 3)")
    told.done()


def verify(
    chain: Chain, out: Path, files: Sequence[Path], *, trust: bool
) -> tuple[int, list[Any]]:
    """Run the stand-alone verifier in a process that knows nothing of the ledger."""
    command = [
        sys.executable,
        "-m",
        "ledger.verify",
        *map(str, files),
        "--rpc",
        chain.url,
    ]
    command += ["--networks", str(out / "networks.json"), "--json"]
    if trust:
        command += ["--trust", str(out / "trust.json")]
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PERDURE_")
    }
    done = subprocess.run(
        command, env=clean, capture_output=True, text=True, check=False
    )
    if not done.stdout:
        raise DemoError(f"the verifier failed: exit {done.returncode}: {done.stderr}")
    return done.returncode, list(json.loads(done.stdout)["files"])


if __name__ == "__main__":
    sys.exit(main())
