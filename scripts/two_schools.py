"""Two schools on a private chain: one stays open, one closes; and the files that are left."""

import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

import pyrage

from scripts.demonstration import (
    ANVIL,
    PERDURE,
    SAMPLES,
    Chain,
    Ledger,
    Server,
    Told,
    deploy,
    free_port,
    process,
    settings_of,
    wait_for,
)

#: The five files, in the order of the table's columns.
OPEN: Final = "open.json"
WITHDRAWN: Final = "withdrawn.json"
REFRESHED: Final = "refreshed.json"
CLOSED: Final = "closed.json"
CLOSED_WITHDRAWN: Final = "closed-withdrawn.json"
FILES: Final = (OPEN, WITHDRAWN, REFRESHED, CLOSED, CLOSED_WITHDRAWN)

_PASSPHRASE = "a passphrase for the drill"  # noqa: S105 - opens nothing else
_OTHER_CHAIN = 31338


@contextmanager
def web_host(folder: Path) -> Iterator[str]:
    """A static host for the files in a folder, as anybody might run one."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
            """Say nothing."""

    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Scene:
    """Everything there is before anything is taken away."""

    folder: Path
    chain: Chain
    ledger: Ledger
    #: a chain of another id, and one that only claims the id of the first
    other: Chain
    pretender: Chain
    tell: Callable[[str], None]
    #: what each thing that can be stopped is held by
    running: dict[str, ExitStack] = field(default_factory=dict)
    #: the static hosts
    addresses: dict[str, str] = field(default_factory=dict)
    #: the last block before anything was withdrawn or closed
    before: int = 0
    server_url: str = ""

    @property
    def state(self) -> Path:
        """The ledger's own folder: database, keys, settings."""
        return self.folder / "ledger"

    @property
    def kept(self) -> Path:
        """What a verifier keeps: files, networks, trust list, checkpoints."""
        return self.folder / "kept"

    @property
    def hosted(self) -> Path:
        """What a static host offers: status lists and the archive."""
        return self.folder / "hosted"

    def stop(self, *names: str) -> None:
        """Stop processes and hosts of ours."""
        for name in names:
            self.running.pop(name).close()

    def serve(self) -> None:
        """Start the ledger's server again on the port it has."""
        port = self.server_url.rpartition(":")[2]
        self._start(
            "server", process([*PERDURE, "serve", "--port", port], self._log("server"), self.ledger.environment)
        )  # fmt: skip
        wait_for("the server", self.serves)

    def work(self) -> None:
        """Start the worker."""
        command = [*PERDURE, "worker", "--batch-age", "1", "--poll", "0.3"]
        self._start(
            "worker", process(command, self._log("worker"), self.ledger.environment)
        )

    def host(self, name: str) -> str:
        """Start a static host."""
        self.addresses[name] = self._start(name, web_host(self.hosted))
        return self.addresses[name]

    def delete_everything(self) -> None:
        """What is left is what verifiers keep."""
        for path in self.folder.iterdir():
            if path == self.kept:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    def serves(self) -> bool:
        """Whether the ledger's server answers."""
        return Server(self.server_url, key="").up()

    def close(self) -> None:
        """Stop whatever still runs."""
        for stack in reversed(self.running.values()):
            stack.close()
        self.running.clear()

    def _start(self, name: str, context: Any) -> Any:
        stack = ExitStack()
        entered = stack.enter_context(context)
        self.running[name] = stack
        return entered

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def start_chain(self, name: str, chain: Chain, chain_id: int, *more: str) -> None:
        """Start a private chain."""
        port = chain.url.rpartition(":")[2]
        command = [
            str(ANVIL), "--port", port, "--chain-id", str(chain_id), "--silent",
            "--slots-in-an-epoch", "1", *more,
        ]  # fmt: skip
        self._start(name, process(command, self._log(name), self.ledger.environment))
        wait_for(f"the {name}", chain.up)


def prepare(folder: Path, tell: Callable[[str], None]) -> Scene:
    """Issue, withdraw, close, and leave the five files and what verifiers keep beside them."""
    chain, other, pretender = (
        Chain(f"http://127.0.0.1:{free_port()}") for _ in range(3)
    )
    state = folder / "ledger"
    for made in (state, folder / "kept", folder / "hosted"):
        made.mkdir()
    (state / "passphrase").write_text(_PASSPHRASE)
    ledger = Ledger({**_environment(), **settings_of(state, chain)})
    scene = Scene(folder, chain, ledger, other, pretender, tell)
    with ExitStack() as unless_all_is_well:
        unless_all_is_well.callback(scene.close)
        _play(scene)
        unless_all_is_well.pop_all()
    return scene


def _environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("PERDURE_")}


def _play(scene: Scene) -> None:
    ledger, chain = scene.ledger, scene.chain
    scene.start_chain("chain", chain, 31337, "--block-time", "1")
    scene.start_chain(
        "other chain", scene.other, _OTHER_CHAIN, "--timestamp", "1700000000"
    )
    scene.start_chain("pretender", scene.pretender, 31337, "--timestamp", "1700000000")
    ledger.environment["PERDURE_PUBLIC_URL"] = scene.host("status host")
    scene.host("archive host")
    _deploy(scene)
    sender = ledger.read("keys", "init")["sender"]
    chain.ask("anvil_setBalance", sender, hex(10**18))
    ledger.run("db", "upgrade")
    for code in ("hillside", "riverside"):
        _register(scene, code)
    scene.work()
    scene.server_url = f"http://127.0.0.1:{free_port()}"
    scene.serve()
    wait_for(
        "the keys",
        lambda: all(_keys_open(ledger, code) for code in ("hillside", "riverside")),
    )

    issued = {
        name: _issue(scene, code, email)
        for name, code, email in (
            (OPEN, "hillside", "ada@example.org"),
            (WITHDRAWN, "hillside", "bo@example.org"),
            (CLOSED, "riverside", "cy@example.org"),
            (CLOSED_WITHDRAWN, "riverside", "di@example.org"),
        )
    }
    wait_for(
        "evidence in the files",
        lambda: all(_has_evidence(scene, *one) for one in issued.values()),
    )
    scene.before = int(
        chain.ask("eth_getBlockByNumber", "finalized", False)["number"], 16
    )
    for name in (OPEN, WITHDRAWN):
        _get(scene, *issued[name], scene.kept / name)

    for name in (WITHDRAWN, CLOSED_WITHDRAWN):
        code, credential = issued[name]
        ledger.run(
            "credential",
            "revoke",
            credential,
            "--org",
            code,
            "--reason",
            "Issued to the wrong person.",
        )
    wait_for("the withdrawals", lambda: _at_rest(ledger))
    _close(scene)
    for name in (CLOSED, CLOSED_WITHDRAWN):
        _get(scene, *issued[name], scene.kept / name)
    _leave(scene)


def _deploy(scene: Scene) -> None:
    networks = deploy(Told(quiet=True), scene.ledger, scene.chain, scene.state)
    shutil.copy(networks, scene.kept / "networks.json")


def _register(scene: Scene, code: str) -> None:
    profile = json.loads((SAMPLES / "issuer.json").read_text())
    profile |= {
        "name": f"{code.capitalize()} Code School",
        "url": f"https://{code}.example.org",
    }
    (scene.state / f"{code}.json").write_text(json.dumps(profile))
    scene.ledger.run("org", "create", code, "--name", profile["name"])
    scene.ledger.run(
        "issuer", "register", "--org", code,
        "--profile", str(scene.state / f"{code}.json"),
        "--backup", str(scene.state / f"{code}.backup"),
        "--passphrase-file", str(scene.state / "passphrase"),
    )  # fmt: skip
    scene.ledger.run(
        "achievement", "add", str(SAMPLES / "achievements.json"), "--org", code
    )


def _keys_open(ledger: Ledger, code: str) -> bool:
    keys = ledger.read("issuer", "show", "--org", code)["keys"]
    return all(key["openedAt"] for key in keys)


def _issue(scene: Scene, code: str, email: str) -> tuple[str, str]:
    issued = scene.ledger.read(
        "issue", "--org", code, "--achievement", "py-1", "--email", email,
        "--name", email.partition("@")[0].capitalize(), "--awarded-on", "2026-05-01",
    )  # fmt: skip
    return code, str(issued["credential"])


def _get(scene: Scene, code: str, credential: str, target: Path) -> None:
    scene.ledger.run(
        "credential", "get", credential, "--org", code, "--out", str(target)
    )


def _has_evidence(scene: Scene, code: str, credential: str) -> bool:
    target = scene.folder / "looked-at.json"
    _get(scene, code, credential, target)
    return b'"evidence"' in target.read_bytes()


def _at_rest(ledger: Ledger) -> bool:
    """Whether nothing waits and nothing is under way."""
    return all(
        not count
        for chain in ledger.read("status", good=(0, 1))["chains"]  # 1: an alarm
        for state, count in chain["transactions"].items()
        if state not in {"final", "failed"}
    )


def _close(scene: Scene) -> None:
    """Riverside closes for good; its archive and the page go to whoever keeps them."""
    custodian = pyrage.x25519.Identity.generate()
    scene.ledger.run(
        "issuer", "close", "--org", "riverside", "--confirm", "riverside",
        "--backup", str(scene.state / "riverside.backup"),
        "--passphrase-file", str(scene.state / "passphrase"),
        "--custodian", "State Archive", "--recipient", str(custodian.to_public()),
        "--archive", str(scene.hosted / "riverside.zip"), "--wait", "3",
    )  # fmt: skip
    with zipfile.ZipFile(scene.hosted / "riverside.zip") as archive:
        page = next(n for n in archive.namelist() if n.endswith("verifier.html"))
        (scene.hosted / "verifier.html").write_bytes(archive.read(page))
    shutil.copy(scene.hosted / "verifier.html", scene.kept)
    (scene.hosted / "status.json").write_text(
        scene.ledger.run("status-list", "--org", "riverside")
    )


def _leave(scene: Scene) -> None:
    """What verifiers keep: refreshed file, trust list, checkpoints."""
    kept, node = scene.kept, ("--rpc", scene.chain.url)
    networks = ("--networks", str(kept / "networks.json"))
    scene.ledger.run(
        "refresh",
        str(kept / WITHDRAWN),
        "--out",
        str(kept / REFRESHED),
        *node,
        *networks,
    )
    for file in (OPEN, CLOSED):
        issuer = json.loads((kept / file).read_text())["issuer"]
        scene.ledger.run(
            "trust", "add", str(kept / "trust.json"),
            issuer["otherIdentifier"][0]["identifier"], issuer["name"],
            *(("--list-name", "Admissions") if file == OPEN else ()),
        )  # fmt: skip
    files = [str(kept / name) for name in FILES]
    scene.ledger.run(
        "checkpoints", *files, *node, *networks, "--out", str(kept / "checkpoints.json")
    )
