"""A JSON-RPC proxy in a process of its own, between a worker and its node.

    python -m tests.acceptance.rpc_proxy UPSTREAM

prints its address, then forwards. At the n-th `eth_sendRawTransaction` it can kill a process,
before or after the bytes went on; orders are lines on its standard input, JSON objects
{"kill": pid, "when": "before" | "after", "nth": 1}. A line is printed for each kill and send.
"""

import json
import os
import signal
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Proxy(ThreadingHTTPServer):
    """Forwards requests; obeys one order at a time."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream = upstream
        self.order: dict[str, Any] = {}
        self.sends = 0
        self.lock = threading.Lock()

    def forward(self, body: bytes) -> bytes:
        request = urllib.request.Request(  # noqa: S310 - loopback
            self.upstream, body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            answer: bytes = response.read()
            return answer

    def due(self) -> dict[str, Any]:
        """The order, if this send is the one that it is about."""
        with self.lock:
            self.sends += 1
            say({"send": self.sends})
            order = self.order
            if not order or self.sends < order["nth"]:
                return {}
            self.order = {}
            return order


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Proxy

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        order: dict[str, Any] = {}
        if json.loads(body)["method"] == "eth_sendRawTransaction":
            order = self.server.due()
        if order.get("when") == "before":
            kill(order["kill"], "before")
            self.close_connection = True
            return
        answer = self.server.forward(body)
        if order.get("when") == "after":
            # The node has it; whoever sent it will never know.
            kill(order["kill"], "after")
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing: what counts is printed."""


def kill(pid: int, when: str) -> None:
    os.kill(pid, signal.SIGKILL)
    say({"killed": pid, "when": when})


def say(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)  # noqa: T201 - this is how it speaks


def main() -> None:
    proxy = Proxy(sys.argv[1])
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    say({"url": f"http://127.0.0.1:{proxy.server_address[1]}"})
    for line in sys.stdin:
        proxy.order = json.loads(line)
        say({"ready": True})


if __name__ == "__main__":
    main()
