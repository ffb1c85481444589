"""The command as tests run it: in this process, with a real chain and a worker of its own."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from ledger.core.registries import ANCHOR_REGISTRY, ISSUER_REGISTRY
from ledger.verify.networks import Network, encode_networks
from tests.anvil import Anvil

SAMPLES = Path(__file__).parents[3] / "scripts" / "samples" / "riverside"
PASSPHRASE = "a passphrase for tests"


@dataclass(frozen=True)
class Answer:
    """What one command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Answer]


#: The chain that a ledger begins with, and the second one.
HOME, OTHER = 31337, 10


def networks_of(chain: Anvil, **changed: Any) -> bytes:
    return encode_networks([network_of(chain, **changed)])


def account(folder: Path) -> str:
    """The address of the account that pays, from its keystore."""
    found = str(json.loads((folder / "sender.json").read_text())["address"])
    return "0x" + found.removeprefix("0x").lower()


def network_of(chain: Anvil, **changed: Any) -> Network:
    genesis = chain.rpc("eth_getBlockByNumber", "0x0", False)["hash"]
    facts: dict[str, Any] = {
        "name": "Test",
        "chain_id": HOME,
        "genesis_hash": bytes.fromhex(genesis[2:]),
        "anchor_registry": ANCHOR_REGISTRY,
        "issuer_registry": ISSUER_REGISTRY,
        "test": True,
    }
    return Network(**{**facts, **changed})


def register(perdure: Command, tmp_path: Path) -> Answer:
    return perdure(
        "issuer", "register", "--org", "riverside", "--profile", str(SAMPLES / "issuer.json"),
        "--backup", str(tmp_path / "riverside.backup"),
        "--passphrase-file", str(tmp_path / "passphrase"), "--json",
    )  # fmt: skip


def work(chain: Anvil, *, ends: int = 0) -> None:
    """Let the worker run until everything is at rest; blocks come as fast as it looks."""
    with TemporaryFile("w+") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "anchor_worker", "--once", "--poll", "0.05"],
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        deadline = time.monotonic() + 60
        while worker.poll() is None and time.monotonic() < deadline:
            chain.mine()
            time.sleep(0.1)
        if worker.poll() is None:
            worker.kill()
            worker.wait()
        log.seek(0)
        assert worker.returncode == ends, log.read()
