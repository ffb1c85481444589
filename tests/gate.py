"""A door before a node: while it is shut nobody answers there."""

import contextlib
import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


class Gate(ThreadingHTTPServer):
    """JSON-RPC on a loopback port, passed on as it is."""

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = urlsplit(behind).netloc
        self.is_shut = False

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: whoever asks hangs up when a test ends."""


class _Handler(BaseHTTPRequestHandler):
    server: Gate

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.is_shut:
            self.close_connection = True
            return
        node = http.client.HTTPConnection(self.server.behind, timeout=30)
        with contextlib.closing(node):
            node.request("POST", "/", body, {"Content-Type": "application/json"})
            answer = node.getresponse().read()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
        """Say nothing."""


@contextlib.contextmanager
def gate(behind: str) -> Iterator[Gate]:
    """A door before a node, for as long as the block runs."""
    with Gate(behind) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield made
        finally:
            made.shutdown()
            thread.join()
