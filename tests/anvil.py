"""A real anvil node for tests: its own process, a free port, stopped by its id."""

import json
import platform
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from ledger.chain.deployment import CALLS, deploy
from ledger.chain.node import Node
from ledger.chain.sender import KeystoreSigner, SigningRules

#: anvil's first two development accounts: public knowledge, rich on every anvil.
DEV_KEY = bytes.fromhex(
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
)
DEV_ADDRESS = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
OTHER_KEY = bytes.fromhex(
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
)

_START_SECONDS = 20
_CONTRACTS = Path(__file__).parent.parent / "contracts"


def anvil_binary() -> Path:
    """The real binary; npm's wrapper would live on after being killed."""
    machine = {
        "x86_64": "amd64",
        "amd64": "amd64",
        "aarch64": "arm64",
        "arm64": "arm64",
    }
    name = f"anvil-{sys.platform}-{machine[platform.machine().lower()]}"
    binary = _CONTRACTS / "node_modules" / "@foundry-rs" / name / "bin" / "anvil"
    if not binary.is_file():
        pytest.fail(f"{binary} is missing: run scripts/setup", pytrace=False)
    return binary


@dataclass
class Anvil:
    """A running anvil. `finalized` follows two blocks behind the head."""

    url: str
    process: subprocess.Popen[bytes]

    @classmethod
    def start(
        cls, *options: str, chain_id: int = 31337, epoch: int = 1, port: int = 0
    ) -> Self:
        """Start one with further command line options; on a free port unless one is given."""
        port = port or _free_port()
        process = subprocess.Popen(
            [
                str(anvil_binary()),
                *("--host", "127.0.0.1", "--port", str(port), "--silent"),
                *("--chain-id", str(chain_id), "--slots-in-an-epoch", str(epoch)),
                *options,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        anvil = cls(f"http://127.0.0.1:{port}", process)
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            try:
                anvil.rpc("eth_chainId")
            except OSError:
                if process.poll() is not None:
                    break
                time.sleep(0.02)
            else:
                return anvil
        anvil.stop()
        raise RuntimeError(f"anvil did not start with {options}")

    def rpc(self, method: str, *params: Any) -> Any:
        """Ask it anything; an error answer is a RuntimeError."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        request = urllib.request.Request(  # noqa: S310 - loopback
            self.url, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            answer = json.load(response)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def mine(self, blocks: int = 1) -> None:
        """Mine at once; three blocks finalize whatever was mined before."""
        self.rpc("anvil_mine", hex(blocks))

    def fund(self, address: str, ether: float = 100) -> None:
        """Give an account a balance."""
        self.rpc("anvil_setBalance", address, hex(int(ether * 10**18)))

    def deploy(self) -> None:
        """Deploy both registries from a development account, and finalize them."""
        signer = KeystoreSigner(
            DEV_KEY,
            SigningRules(int(self.rpc("eth_chainId"), 16), CALLS, 10**12),
        )
        deploy(Node(self.url), signer, max_fee=10**12, sleep=lambda _: self._settle())
        self.mine(3)

    def _settle(self) -> None:
        self.rpc("evm_mine")
        time.sleep(0.02)

    def stop(self) -> None:
        """Stop the process, by its id."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def start_anvil() -> Iterator[Callable[..., Anvil]]:
    """Start as many nodes as a test needs; all are stopped afterwards."""
    with ExitStack() as stack:
        yield lambda *options, **named: stack.enter_context(
            Anvil.start(*options, **named)
        )


@pytest.fixture
def anvil(start_anvil: Callable[..., Anvil]) -> Anvil:
    """A fresh node."""
    return start_anvil()


@pytest.fixture
def deployed(anvil: Anvil) -> Anvil:
    """A fresh node with both registries, finalized."""
    anvil.deploy()
    return anvil
