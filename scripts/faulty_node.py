"""A node that is not what it should be: it stands before a real one and spoils its answers."""

import contextlib
import enum
import json
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

#: What answers how the chain came to its state. Nodes prune it.
LOGS: Final = frozenset(
    {
        "eth_getLogs",
        "eth_newFilter",
        "eth_getFilterLogs",
        "eth_getTransactionByHash",
        "eth_getTransactionReceipt",
        "eth_getBlockReceipts",
    }
)
_HEADS: Final = frozenset({"latest", "finalized", "safe", "pending"})
#: The last word of what IssuerRegistry's `check` answers: is the status bit set?
_STATUS_WORD: Final = slice(-64, None)
_CHECK_WORDS: Final = 10


class Fault(enum.Enum):
    """The way in which a node is bad."""

    NO_LOGS = "keeps no logs and no receipts"
    SILENT = "takes questions and never answers"
    LAGGING = "knows nothing after some block"
    LYING = "says of everything that it was not withdrawn"


class FaultyNode(ThreadingHTTPServer):
    """JSON-RPC on a loopback port, with one fault."""

    daemon_threads = True

    def __init__(self, behind: str, fault: Fault, *, newest: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = behind
        self.fault = fault
        self.newest = newest
        self.asked: set[str] = set()
        self.released = threading.Event()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: who waits for a silent node hangs up."""


@contextlib.contextmanager
def faulty_node(behind: str, fault: Fault, *, newest: int = 0) -> Iterator[FaultyNode]:
    """Serve it while the block lasts."""
    with FaultyNode(behind, fault, newest=newest) as node:
        thread = threading.Thread(target=node.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield node
        finally:
            node.released.set()
            node.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FaultyNode

    def do_OPTIONS(self) -> None:
        """Browsers ask first; anvil allows everybody, and so does this."""
        self._answer(b"")

    def do_POST(self) -> None:
        """One question."""
        size = int(self.headers["Content-Length"])
        question = json.loads(self.rfile.read(size))
        method = question["method"]
        self.server.asked.add(method)
        match self.server.fault:
            case Fault.SILENT:
                # Longer than any verifier waits, but not beyond the end of the row.
                self.server.released.wait(60)
                self.close_connection = True
                return
            case Fault.NO_LOGS if method in LOGS:
                error = {"code": -32000, "message": "history has been pruned"}
                answer: dict[str, Any] = {"error": error}
            case Fault.LAGGING:
                answer = self._as_of(self.server.newest, question)
            case Fault.LYING:
                answer = self._never_withdrawn(question)
            case _:
                answer = self._forward(question)
        document = {"jsonrpc": "2.0", "id": question["id"], **answer}
        self._answer(json.dumps(document).encode())

    def _as_of(self, newest: int, question: dict[str, Any]) -> dict[str, Any]:
        heads = [
            hex(newest) if isinstance(p, str) and p in _HEADS else p
            for p in question["params"]
        ]
        for parameter in heads:
            is_number = isinstance(parameter, str) and len(parameter) < 18
            if is_number and int(parameter, 16) > newest:
                return {"error": {"code": -32000, "message": "unknown block"}}
        return self._forward({**question, "params": heads})

    def _never_withdrawn(self, question: dict[str, Any]) -> dict[str, Any]:
        answer = self._forward(question)
        result = answer.get("result")
        if (
            question["method"] == "eth_call"
            and isinstance(result, str)
            and len(result) == 2 + 64 * _CHECK_WORDS
        ):
            answer["result"] = result[: _STATUS_WORD.start] + "0" * 64
        return answer

    def _forward(self, question: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            self.server.behind,
            json.dumps(question).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            answer = json.loads(reply.read())
        return {name: answer[name] for name in ("result", "error") if name in answer}

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Allow-Headers", "content-type")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
        """Say nothing."""
