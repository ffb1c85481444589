"""What every act on the two registries costs: whole transactions, measured on a fresh anvil.

scripts/bench/gas            a table
scripts/bench/gas --json     the same figures for programs
"""

import argparse
import json
import platform
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from eth_hash.auto import keccak

ROOT = Path(__file__).resolve().parent.parent.parent
NEVER = 2**64 - 1
DEPLOYER = "0x4e59b44847b379578588920ca78fbf26c0b4956c"
START_SECONDS = 20
RECEIPT_SECONDS = 10
#: Far above any act; anvil then never has to estimate, and a failing act fails visibly.
GAS_LIMIT = 15_000_000

#: One JSON-RPC call: the method, then its parameters.
Rpc = Callable[..., Any]


class GasError(Exception):
    """anvil did not start, or an act that must succeed did not."""


@dataclass(frozen=True, slots=True)
class Row:
    """One measured transaction, and over how many roots or credentials it counts."""

    act: str
    gas: int
    items: int = 1

    @property
    def each(self) -> float:
        """Gas per root or credential."""
        return self.gas / self.items


# ------------------------------------------------------------------ transactions


def call_data(signature: str, *arguments: object) -> bytes:
    """Calldata of a function written as in Solidity, `anchor(bytes32)`."""
    types = signature.partition("(")[2].rstrip(")")
    return bytes(keccak(signature.encode())[:4]) + encode(types.split(","), arguments)


@dataclass(frozen=True, slots=True)
class Chain:
    """Development accounts of one anvil: 0 carries, 1 controls, 2 recovers, 3 revokes, 4 accredits."""

    rpc: Rpc
    accounts: tuple[str, ...]
    chain_id: int

    @classmethod
    def of(cls, rpc: Rpc) -> "Chain":
        return cls(rpc, tuple(rpc("eth_accounts")), int(rpc("eth_chainId"), 16))

    def send(self, to: str, data: bytes, *, sender: int = 0) -> dict[str, Any]:
        """The receipt of a transaction that succeeded."""
        fields = {"from": self.accounts[sender], "to": to, "gas": hex(GAS_LIMIT)}
        sent = self.rpc("eth_sendTransaction", fields | {"data": "0x" + data.hex()})
        deadline = time.monotonic() + RECEIPT_SECONDS
        while time.monotonic() < deadline:
            receipt: dict[str, Any] | None = self.rpc("eth_getTransactionReceipt", sent)
            if receipt is not None:
                if receipt["status"] != "0x1":
                    raise GasError(f"{data[:4].hex()} to {to} reverted")
                return receipt
            time.sleep(0.005)
        raise GasError(f"no receipt of {sent} within {RECEIPT_SECONDS} s")

    def gas(self, to: str, data: bytes, *, sender: int = 0) -> int:
        return int(self.send(to, data, sender=sender)["gasUsed"], 16)

    def now(self) -> int:
        """The time of the latest block."""
        return int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def sign(
        self, signer: int, registry: str, request: str, **message: object
    ) -> bytes:
        """The EIP-712 signature of a request, written as its type: `Act(bytes32 id,…)`."""
        name, _, members = request.rstrip(")").partition("(")
        domain = "string name,string version,uint256 chainId,address verifyingContract"
        fields = {
            kind: [
                dict(zip(("type", "name"), member.split(), strict=True))
                for member in text.split(",")
            ]
            for kind, text in ((name, members), ("EIP712Domain", domain))
        }
        shown = {
            key: "0x" + value.hex() if isinstance(value, bytes) else str(value)
            for key, value in message.items()
        }
        typed = {
            "types": fields,
            "primaryType": name,
            "domain": {
                "name": "Perdure IssuerRegistry",
                "version": "1",
                "chainId": self.chain_id,
                "verifyingContract": registry,
            },
            "message": shown,
        }
        signed = self.rpc("eth_signTypedData_v4", self.accounts[signer], typed)
        return bytes.fromhex(signed.removeprefix("0x"))


def deploy(chain: Chain, name: str) -> tuple[str, int]:
    """The CREATE2 address of a contract, deployed from its committed bytecode, and the gas of it."""
    artefact = json.loads((ROOT / "ledger/chain/abi" / f"{name}.json").read_bytes())
    init_code = bytes.fromhex(artefact["bytecode"].removeprefix("0x"))
    seed = b"\xff" + bytes.fromhex(DEPLOYER[2:]) + bytes(32) + keccak(init_code)
    address = "0x" + keccak(seed)[12:].hex()
    gas = chain.gas(DEPLOYER, bytes(32) + init_code)
    if chain.rpc("eth_getCode", address, "latest") != artefact["deployedBytecode"]:
        raise GasError(f"{name} is not at {address}")
    return address, gas


# ------------------------------------------------------------------ what is measured


def roots(first: int, count: int) -> list[bytes]:
    return [
        sha256(number.to_bytes(8, "big")).digest()
        for number in range(first, first + count)
    ]


def anchors(chain: Chain, registry: str) -> Iterator[Row]:
    one = roots(0, 1)[0]
    yield Row("anchor, first", chain.gas(registry, call_data("anchor(bytes32)", one)))
    yield Row(
        "anchor, repeated", chain.gas(registry, call_data("anchor(bytes32)", one))
    )
    yield Row("anchor, bare 32 bytes", chain.gas(registry, roots(1, 1)[0]))
    for count in (10, 100):
        data = call_data("anchorMany(bytes32[])", roots(1000 * count, count))
        yield Row(f"anchorMany, {count}", chain.gas(registry, data), count)
    again = call_data("anchorMany(bytes32[])", roots(100_000, 100))
    yield Row("anchorMany, 100 repeated", chain.gas(registry, again), 100)


def registered(
    chain: Chain, registry: str, controller: int, salt: int
) -> tuple[bytes, int]:
    """A new record of a development account, recovered by account 2, and the gas of it."""
    commitment = keccak(encode(["address"], [chain.accounts[2]]))
    form = "(address,bytes32,bytes32,bytes32)"
    arguments = (
        chain.accounts[controller],
        commitment,
        roots(7, 1)[0],
        bytes([salt] * 32),
    )
    asked = {"to": registry, "data": "0x" + call_data(f"idOf{form}", *arguments).hex()}
    identity = bytes.fromhex(chain.rpc("eth_call", asked, "latest")[2:])
    return identity, chain.gas(registry, call_data(f"register{form}", *arguments))


def acts(chain: Chain, registry: str) -> Iterator[Row]:
    """Every act in the order of an issuer's life, direct and carried."""
    gas = partial(chain.gas, registry)
    school, cost = registered(chain, registry, 1, 1)
    yield Row("register", cost)
    accreditor, _ = registered(chain, registry, 4, 2)

    add = "addKey(bytes32,bytes32,uint8,uint64,uint64,bytes)"
    add_request = (
        "AddKey(bytes32 id,bytes32 key,uint8 role,uint64 until,uint64 deadline)"
    )
    first, second = roots(20, 2)
    yield Row(
        "addKey, direct", gas(call_data(add, school, first, 1, 0, NEVER, b""), sender=1)
    )
    signature = chain.sign(
        1, registry, add_request, id=school, key=second, role=1, until=0, deadline=NEVER
    )
    yield Row(
        "addKey, carried", gas(call_data(add, school, second, 1, 0, NEVER, signature))
    )
    revoker = bytes(12) + bytes.fromhex(chain.accounts[3][2:])
    gas(call_data(add, school, revoker, 2, 0, NEVER, b""), sender=1)

    yield from revocations(chain, registry, school)

    end = "endKey(bytes32,bytes32,uint64,uint64,bytes)"
    yield Row(
        "endKey, direct", gas(call_data(end, school, first, 0, NEVER, b""), sender=1)
    )
    compromise = "compromiseKey(bytes32,bytes32,uint64,address,uint64,bytes)"
    past = call_data(
        compromise, school, first, chain.now() - 60, chain.accounts[2], NEVER, b""
    )
    yield Row("compromiseKey, dated back", gas(past, sender=2))
    record = "recordProfile(bytes32,bytes32,uint64,bytes)"
    yield Row(
        "recordProfile, direct",
        gas(call_data(record, school, roots(30, 1)[0], NEVER, b""), sender=1),
    )

    yield from endorsements(chain, registry, accreditor, school)

    acting = chain.accounts[2]
    again = keccak(encode(["address"], [acting]))
    rotate = "rotate(bytes32,address,bytes32,address,uint64,bytes)"
    direct = call_data(rotate, school, chain.accounts[5], again, acting, NEVER, b"")
    yield Row("rotate, direct", gas(direct, sender=2))
    reinstate = "reinstate(bytes32,uint256,uint256,address,uint64,bytes)"
    cleared = call_data(reinstate, school, 0, 1, acting, NEVER, b"")
    yield Row("reinstate, direct", gas(cleared, sender=2))
    close = "close(bytes32,bytes32,bytes32,address,uint64,bytes)"
    statement = roots(40, 1)[0]
    to_heir = call_data(close, school, accreditor, statement, acting, NEVER, b"")
    yield Row("close, with successor", gas(to_heir, sender=2))
    request = "Close(bytes32 id,bytes32 successor,bytes32 statement,uint64 deadline)"
    signature = chain.sign(
        2,
        registry,
        request,
        id=accreditor,
        successor=bytes(32),
        statement=statement,
        deadline=NEVER,
    )
    for_good = call_data(
        close, accreditor, bytes(32), statement, acting, NEVER, signature
    )
    yield Row("close, for good, carried", gas(for_good))


def revocations(chain: Chain, registry: str, school: bytes) -> Iterator[Row]:
    gas = partial(chain.gas, registry)
    direct = "revoke(bytes32,uint256,uint256)"
    yield Row(
        "revoke, first in a word, direct",
        gas(call_data(direct, school, 0, 1 << 77), sender=3),
    )
    yield Row(
        "revoke, next in a word, direct",
        gas(call_data(direct, school, 0, 1 << 78), sender=3),
    )
    yield Row(
        "revoke, repeated, direct", gas(call_data(direct, school, 0, 1 << 78), sender=3)
    )
    whole = call_data(direct, school, 1, 2**256 - 1)
    yield Row("revoke, 256 in a word, direct", gas(whole, sender=3), 256)
    carried = "revoke(bytes32,uint256,uint256,address,uint64,bytes)"
    request = "Revoke(bytes32 id,uint256 word,uint256 mask,uint64 recoveryActs,uint64 deadline)"
    for which, mask in (("first", 1 << 77), ("next", 1 << 78)):
        signature = chain.sign(
            3,
            registry,
            request,
            id=school,
            word=2,
            mask=mask,
            recoveryActs=0,
            deadline=NEVER,
        )
        data = call_data(carried, school, 2, mask, chain.accounts[3], NEVER, signature)
        yield Row(f"revoke, {which} in a word, carried", gas(data))


def endorsements(
    chain: Chain, registry: str, accreditor: bytes, school: bytes
) -> Iterator[Row]:
    gas = partial(chain.gas, registry)
    form = "(bytes32,bytes32,bytes32,uint64,uint64,bytes)"
    profile, newer = roots(7, 1)[0], roots(30, 1)[0]
    direct = call_data(f"endorse{form}", accreditor, school, profile, 0, NEVER, b"")
    yield Row("endorse, direct", gas(direct, sender=4))
    request = "Endorse(bytes32 accreditor,bytes32 subject,bytes32 profile,uint64 until,uint64 deadline)"
    signature = chain.sign(
        4,
        registry,
        request,
        accreditor=accreditor,
        subject=school,
        profile=newer,
        until=0,
        deadline=NEVER,
    )
    carried = call_data(
        f"endorse{form}", accreditor, school, newer, 0, NEVER, signature
    )
    yield Row("endorse, carried", gas(carried))
    back = call_data(
        "withdraw(bytes32,bytes32,bytes32,uint64,address,uint64,bytes)",
        accreditor,
        school,
        profile,
        NEVER,
        chain.accounts[4],
        NEVER,
        b"",
    )
    yield Row("withdraw, direct", gas(back, sender=4))


def measure(rpc: Rpc) -> list[Row]:
    """Deploy both registries on a fresh anvil and measure every act; GasError if one reverts."""
    chain = Chain.of(rpc)
    anchor_registry, anchor_deployment = deploy(chain, "AnchorRegistry")
    issuer_registry, issuer_deployment = deploy(chain, "IssuerRegistry")
    return [
        Row("deploy AnchorRegistry, once per chain", anchor_deployment),
        Row("deploy IssuerRegistry, once per chain", issuer_deployment),
        *anchors(chain, anchor_registry),
        *acts(chain, issuer_registry),
    ]


# ------------------------------------------------------------------ output


def table(rows: Sequence[Row]) -> str:
    """The rows as aligned text."""
    lines = [f"{'act':<40}{'gas':>12}{'items':>8}{'each':>12}"]
    lines += [
        f"{row.act:<40}{row.gas:>12,}{row.items:>8}{row.each:>12,.1f}" for row in rows
    ]
    return "\n".join(lines)


def as_json(rows: Sequence[Row]) -> str:
    """The rows as a JSON list."""
    values = [
        {"act": row.act, "gas": row.gas, "items": row.items, "each": row.each}
        for row in rows
    ]
    return json.dumps(values, indent=2)


def call(url: str, method: str, *params: object) -> Any:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        answer = json.load(response)
    if "error" in answer:
        raise GasError(f"{method}: {answer['error']}")
    return answer["result"]


@contextmanager
def fresh_anvil(chain_id: int = 31337) -> Iterator[Rpc]:
    """A node of our own on a free port, stopped at the end."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(
        platform.machine(), platform.machine()
    )
    package = f"anvil-{sys.platform}-{machine}"
    binary = ROOT / "contracts/node_modules/@foundry-rs" / package / "bin/anvil"
    if not binary.is_file():
        raise GasError(f"{binary} is missing: run scripts/setup")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    options = ("--host", "127.0.0.1", "--port", str(port), "--silent")
    with subprocess.Popen(
        [str(binary), *options, "--chain-id", str(chain_id)]
    ) as process:
        rpc = partial(call, f"http://127.0.0.1:{port}")
        try:
            wait_for(rpc, process)
            yield rpc
        finally:
            process.terminate()


def wait_for(rpc: Rpc, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            rpc("eth_chainId")
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise GasError("anvil did not start")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench/gas", description=__doc__)
    parser.add_argument("--json", action="store_true", help="figures for programs")
    chosen = parser.parse_args(arguments)
    try:
        with fresh_anvil() as rpc:
            rows = measure(rpc)
    except GasError as error:
        print(f"scripts/bench/gas: {error}", file=sys.stderr)
        return 1
    print(as_json(rows) if chosen.json else table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
