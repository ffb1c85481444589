"""A proxy before a real node: geth's rules, and everything that goes wrong between two computers.

Every fault exists twice where that can be: it failed, and it failed but happened. Signed bytes are
looked up in the database while they pass: what is not stored yet must not leave (invariant I3).
"""

import json
import random
import threading
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self

from ledger.core.keys import keccak256
from tests.geth_pool import GethPool

SEND: Final = "eth_sendRawTransaction"
_PATIENCE: Final = 30


class Fault(StrEnum):
    """What goes wrong with one request; those that end in "after" have happened all the same."""

    DROP = "drop"
    DROP_AFTER = "drop after"
    HANG = "hang"
    HANG_AFTER = "hang after"
    DELAY = "delay"
    BUSY = "429"
    AWAY = "503"
    AWAY_AFTER = "503 after"
    HTML = "html"
    HTML_AFTER = "html after"
    TRUNCATED = "truncated"
    NULL = "null"
    NULL_AFTER = "null after"
    WRONG_ID = "wrong id"
    ERROR = "rpc error"
    ERROR_AFTER = "rpc error after"
    TWICE = "forwarded twice"
    WRONG = "wrong result"
    WRONG_AFTER = "wrong result after"


@dataclass
class Plan:
    """What is to go wrong."""

    #: The next requests of a method ("*": of any) and what becomes of each.
    once: list[tuple[str, Fault]] = field(default_factory=list)
    #: How likely each request goes wrong, and with what.
    rate: float = 0.0
    faults: tuple[Fault, ...] = tuple(Fault)
    #: Called before the request of that number, counted from now.
    before: dict[int, Callable[[], None]] = field(default_factory=dict)
    #: How long a hanging request hangs, and how late a late one is, in seconds.
    hang: float = 2.0
    delay: float = 0.3


class FaultProxy(ThreadingHTTPServer):
    """JSON-RPC on a loopback port; in this process, so that a test can say what comes next."""

    daemon_threads = True

    def __init__(
        self,
        upstream: str,
        *,
        is_stored: Callable[[bytes], bool] = lambda _: True,
        seed: int = 0,
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.plan = Plan()
        self.geth = GethPool(self.forward)
        #: How often each fault struck.
        self.struck: Counter[Fault] = Counter()
        self.requests = 0
        self.sends: list[bytes] = []
        #: Signed bytes that passed before they were stored.
        self.unstored: list[bytes] = []
        self._is_stored = is_stored
        self._dice = random.Random(seed)  # noqa: S311 - the same faults for the same seed
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=self.serve_forever, args=(0.05,), daemon=True
        )

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: whoever waits for a broken node hangs up."""

    def ask(self, method: str, *params: object) -> Any:
        """A question of our own, past all faults; None for an error."""
        question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = json.loads(self.forward(json.dumps(question).encode()))
        return answer.get("result")

    def forward(self, body: bytes) -> bytes:
        """Ask the node behind."""
        request = urllib.request.Request(  # noqa: S310 - loopback
            self.upstream, body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=_PATIENCE) as reply:  # noqa: S310
            answer: bytes = reply.read()
        return answer

    def wait(self, seconds: float) -> None:
        """Be silent, but not beyond the end."""
        self._ended.wait(seconds)

    def arrived(self, question: dict[str, Any]) -> Fault | None:
        """Note a request; what is to go wrong with it."""
        method = question["method"]
        with self._lock:
            self.requests += 1
            plan = self.plan
            due = plan.before.pop(0, None)
            plan.before = {n - 1: each for n, each in plan.before.items()}
            fault = next(
                (pair for pair in plan.once if pair[0] in {"*", method}), ("", None)
            )
            if fault[1] is not None:
                plan.once.remove((fault[0], fault[1]))
            struck = fault[1]
            if struck is None and plan.rate and self._dice.random() < plan.rate:
                struck = self._dice.choice(plan.faults)
            if struck is not None:
                self.struck[struck] += 1
        if due is not None:
            due()
        if method == SEND:
            raw = bytes.fromhex(question["params"][0][2:])
            self.sends.append(raw)
            if not self._is_stored(raw):
                self.unstored.append(raw)
        return struck

    def answer(self, question: dict[str, Any]) -> bytes:
        """What the node says, or geth in its place."""
        with self._lock:
            if question["method"] == SEND:
                said = self.geth.send(question)
            else:
                # What geth would have kept in its pool, and anvil did not take, may be taken now.
                self.geth.knock()
                said = json.loads(self.forward(json.dumps(question).encode()))
        return json.dumps(said).encode()


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FaultProxy

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        question = json.loads(body)
        fault = self.server.arrived(question)
        if fault is None:
            self._say(self.server.answer(question))
        else:
            self._spoil(question, fault)

    def _spoil(self, question: dict[str, Any], fault: Fault) -> None:  # noqa: C901, PLR0912 - a case each
        server, name = self.server, question["id"]
        happens = fault.value.endswith("after") or fault in {
            Fault.TRUNCATED,
            Fault.WRONG_ID,
            Fault.TWICE,
            Fault.DELAY,
        }
        if fault is Fault.DELAY:
            server.wait(server.plan.delay)
        answer = server.answer(question) if happens else b""
        match fault:
            case Fault.DROP | Fault.DROP_AFTER:
                self.close_connection = True
            case Fault.HANG | Fault.HANG_AFTER:
                server.wait(server.plan.hang)
                self.close_connection = True
            case Fault.BUSY:
                self._say(b"slow down", status=429)
            case Fault.AWAY | Fault.AWAY_AFTER:
                self._say(b"upstream error", status=503)
            case Fault.HTML | Fault.HTML_AFTER:
                self._say(b"<html>502 Bad Gateway</html>", kind="text/html")
            case Fault.TRUNCATED:
                self._say(answer[: len(answer) // 2])
            case Fault.NULL | Fault.NULL_AFTER:
                self._say_result(name, None)
            case Fault.WRONG_ID:
                self._say(json.dumps(json.loads(answer) | {"id": 987_654}).encode())
            case Fault.ERROR | Fault.ERROR_AFTER:
                error = {"code": -32603, "message": "Internal error"}
                document = {"jsonrpc": "2.0", "id": name, "error": error}
                self._say(json.dumps(document).encode())
            case Fault.TWICE:
                self._say(server.answer(question))
            case Fault.WRONG | Fault.WRONG_AFTER:
                self._say_result(name, "0x" + keccak256(b"of another").hex())
            case Fault.DELAY:
                self._say(answer)

    def _say_result(self, name: object, result: object) -> None:
        document = {"jsonrpc": "2.0", "id": name, "result": result}
        self._say(json.dumps(document).encode())

    def _say(
        self, body: bytes, *, status: int = 200, kind: str = "application/json"
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: what counts is counted."""


def reinject(proxy: FaultProxy, depth: int) -> list[str]:
    """The raw transactions of the newest blocks, which geth puts back into its pool."""
    head = int(proxy.ask("eth_blockNumber"), 16)
    found: list[str] = []
    for number in range(head - depth + 1, head + 1):
        block = proxy.ask("eth_getBlockByNumber", hex(number), False)
        for digest in block["transactions"]:
            raw = proxy.ask("eth_getRawTransactionByHash", digest)
            if raw:
                found.append(raw)
    return found
