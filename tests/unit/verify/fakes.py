"""A chain in memory with both registries, and the same chain behind a JSON-RPC server.

FakeChain keeps the whole contract of ChainReader; RpcServer lets a real RpcReader talk to
it over loopback, honestly or not.
"""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ledger.chain.state import StateTrie
from ledger.core import canonical, registries
from ledger.core.header import BlockHeader
from ledger.core.keys import keccak256
from ledger.errors import ChainUnavailable
from ledger.verify.networks import Network
from ledger.verify.rpc import Block, Tag
from tests.descriptions import answered, described

ABI = Path(__file__).parents[3] / "ledger" / "chain" / "abi"
NETWORK = Network(
    name="Example Chain",
    chain_id=777,
    genesis_hash=keccak256(b"777 block 0"),
    anchor_registry=registries.ANCHOR_REGISTRY,
    issuer_registry=registries.ISSUER_REGISTRY,
    test=False,
)


@lru_cache
def deployed_code(contract: str) -> bytes:
    artefact = canonical.parse_object((ABI / f"{contract}.json").read_bytes())
    code = artefact["deployedBytecode"]
    assert isinstance(code, str)
    return bytes.fromhex(code.removeprefix("0x"))


@dataclass
class FakeIssuer:
    registered_at: int = 1_000
    closed_at: int = 0
    closed_for_good: bool = False
    #: key id -> from, until, compromisedSince, role
    keys: dict[bytes, tuple[int, int, int, int]] = field(default_factory=dict)
    revoked: set[int] = field(default_factory=set)
    profiles: dict[bytes, int] = field(default_factory=dict)


@dataclass
class FakeState:
    """What both registries hold from one block on."""

    anchors: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    issuers: dict[bytes, FakeIssuer] = field(default_factory=dict)
    #: accreditor, subject, profile -> from, until, withdrawnSince
    endorsements: dict[tuple[bytes, bytes, bytes], tuple[int, int, int]] = field(
        default_factory=dict
    )


@dataclass
class FakeChain:
    """One chain with two states: up to `finalized`, and after it."""

    settled: FakeState = field(default_factory=FakeState)
    newest: FakeState | None = None  #: None: nothing happened after `finalized`
    chain_id_: int = 777
    finalized: int = 100
    latest: int = 110
    #: seconds of block 0; each block takes ten
    start: int = 1_000_000
    name: str = "chain.example"
    fork: str = ""  #: another text gives other block hashes after the first
    code_of: dict[str, bytes] = field(
        default_factory=lambda: {
            registries.ANCHOR_REGISTRY: deployed_code("AnchorRegistry"),
            registries.ISSUER_REGISTRY: deployed_code("IssuerRegistry"),
        }
    )
    #: method name -> reason: fails from now on
    broken: dict[str, str] = field(default_factory=dict)
    #: number -> the header that gives that block its hash, where evidence is made of it
    headers: dict[int, BlockHeader] = field(default_factory=dict)
    #: number -> the state that is proved there
    states: dict[int, StateTrie] = field(default_factory=dict)
    #: tag -> reason: that head cannot be read
    broken_tags: dict[Tag, str] = field(default_factory=dict)
    #: called with every answer of `call`
    distort: Callable[[bytes, int, bytes], bytes] = lambda _data, _block, answer: answer
    asked: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"https://{self.name}"

    def time_of(self, number: int) -> int:
        return self.start + 10 * number

    def chain_id(self) -> int:
        self._ask("chain_id")
        return self.chain_id_

    def block(self, which: Tag | int) -> Block:
        self._ask(f"block {which}")
        if isinstance(which, Tag) and which in self.broken_tags:
            raise ChainUnavailable(f"{self.address} {self.broken_tags[which]}")
        heads = {Tag.FINALIZED: self.finalized, Tag.LATEST: self.latest}
        number = which if isinstance(which, int) else heads[which]
        if number > self.latest:
            raise ChainUnavailable(f"{self.address} does not know the block {number}")
        if number in self.headers and not self.fork:
            header = self.headers[number]
            return Block(number, header.hash, header.time)
        fork = self.fork if number else ""
        text = f"{self.chain_id_} block {number}{fork}"
        return Block(number, keccak256(text.encode()), self.time_of(number))

    def code(self, address: str, block: int) -> bytes:
        self._ask(f"code {address} {block}")
        return self.code_of.get(address, b"")

    def call(self, to: str, data: bytes, block: int) -> bytes:
        self._ask(f"call {to} {data[:4].hex()} {block}")
        if not self.code_of.get(to):
            return b""
        state = self.settled
        if block > self.finalized and self.newest is not None:
            state = self.newest
        return self.distort(data, block, _answer(state, data))

    def proof(self, address: str, slots: list[str], block: str) -> dict[str, Any]:
        """What eth_getProof answers, for the blocks whose state is here."""
        self._ask(f"proof {address} {block}")
        trie = self.states.get(int(block, 16))
        if trie is None:
            raise ChainUnavailable("distance to target block exceeds the proof window")
        return answered(trie.proof(address, [bytes.fromhex(s[2:]) for s in slots]))

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        reason = self.broken.get(what.partition(" ")[0])
        if reason is not None:
            raise ChainUnavailable(f"{self.address} {reason}")


def _words(*numbers: int | bytes) -> bytes:
    return b"".join(
        number if isinstance(number, bytes) else number.to_bytes(32, "big")
        for number in numbers
    )


def _answer(state: FakeState, data: bytes) -> bytes:
    selector = data[:4]
    words = [data[at : at + 32] for at in range(4, len(data), 32)]
    if selector == registries.ANCHORED_AT_SELECTOR:
        return _words(*state.anchors.get(words[0], (0, 0)))
    if selector == registries.ENDORSEMENT_SELECTOR:
        key = (words[0], words[1], words[2])
        return _words(*state.endorsements.get(key, (0, 0, 0)))
    issuer = state.issuers.get(words[0], FakeIssuer(registered_at=0))
    if selector == registries.PROFILE_RECORDED_AT_SELECTOR:
        return _words(issuer.profiles.get(words[1], 0))
    assert selector == registries.CHECK_SELECTOR
    opened, until, compromised, role = issuer.keys.get(words[1], (0, 0, 0, 0))
    return _words(
        issuer.registered_at,
        issuer.closed_at,
        int(issuer.closed_for_good),
        bytes(32),
        next(reversed(issuer.profiles), bytes(32)),
        opened,
        until,
        compromised,
        role,
        int(int.from_bytes(words[2], "big") in issuer.revoked),
    )


#: Gets the question and the honest answer (None: an error); gives back what is sent.
Liar = Callable[[dict[str, Any], Any], bytes]


def honest(question: dict[str, Any], result: Any) -> bytes:
    return json.dumps(
        {"jsonrpc": "2.0", "id": question["id"], "result": result}
    ).encode()


def failing(question: dict[str, Any], code: int, message: str) -> bytes:
    error = {"code": code, "message": message}
    return json.dumps({"jsonrpc": "2.0", "id": question["id"], "error": error}).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "RpcServer"

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        question = canonical.parse_object(self.rfile.read(size))
        self.server.requests.append((self.path, question))
        try:
            result = answer_of(self.server.chain, question)
        except ChainUnavailable as error:
            body = failing(question, -32000, str(error))
        else:
            body = self.server.liar(question, result)
        self.send_response(self.server.status)
        for name, value in self.server.extra_headers.items():
            self.send_header(name, value)
        length = len(body) + self.server.promised_more
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.server.write(self.wfile, body)
        if self.server.promised_more:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
        pass


class RpcServer(ThreadingHTTPServer):
    """FakeChain over HTTP, with switches for every way to be a bad server."""

    daemon_threads = True

    def __init__(self, chain: FakeChain, liar: Liar = honest) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.chain = chain
        self.liar = liar
        self.status = 200
        self.extra_headers: dict[str, str] = {}
        self.promised_more = 0
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.write: Callable[[Any, bytes], None] = lambda out, body: out.write(body)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that hang up are part of the tests."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextlib.contextmanager
def served(chain: FakeChain, liar: Liar = honest) -> Iterator[RpcServer]:
    server = RpcServer(chain, liar)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer_of(chain: FakeChain, question: dict[str, Any]) -> Any:
    params = question["params"]
    match question["method"]:
        case "eth_chainId":
            return hex(chain.chain_id())
        case "eth_getBlockByNumber":
            which = params[0]
            known = [tag.value for tag in Tag]
            block = chain.block(Tag(which) if which in known else int(which, 16))
            if block.number in chain.headers and not chain.fork:
                return described(chain.headers[block.number])
            return {
                "number": hex(block.number),
                "hash": f"0x{block.hash.hex()}",
                "timestamp": hex(block.time),
                "transactions": [],
            }
        case "eth_getProof":
            return chain.proof(*params)
        case "eth_getCode":
            return f"0x{chain.code(params[0], int(params[1], 16)).hex()}"
        case "eth_call":
            data = bytes.fromhex(params[0]["data"][2:])
            return f"0x{chain.call(params[0]['to'], data, int(params[1], 16)).hex()}"
        case method:
            raise AssertionError(method)
