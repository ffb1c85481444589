"""A receiver of events as a process of its own: it notes what arrives and answers as it is told.

    python -m tests.receiving_server FOLDER

FOLDER/address is where it listens, FOLDER/log has one JSON line for each request that arrived
whole, FOLDER/manner says how it answers: a number is a status for everything, what follows it is its
`Retry-After`, "refuse SUBJECT" and "break SUBJECT" are 422 and 500 for one subject and 200 for the
others, and see `_MANNERS`.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parent.parent


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder: Path

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        event = json.loads(body)
        manner = (self.folder / "manner").read_text()
        told, _, subject = manner.partition(" ")
        status = 200
        if told.isdecimal():
            status = int(told)
        elif told in {"refuse", "break"} and event["subject"] == subject:
            status = 422 if told == "refuse" else 500
        entry = {
            "id": event["id"],
            "status": status,
            "manner": told,
            "path": self.path,
            "headers": dict(self.headers),
            "body": body.decode(),
        }
        with (self.folder / "log").open("a") as log:
            log.write(json.dumps(entry) + "\n")
        if told in _MANNERS:
            _MANNERS[told](self)
            self.close_connection = True
            return
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "/elsewhere")
        if told.isdecimal() and subject:
            self.send_header("Retry-After", subject)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        with (self.folder / "log").open("a") as log:
            log.write(json.dumps({"id": "", "status": 0, "path": self.path}) + "\n")
        self.send_error(404)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
        """Say nothing."""


def _drip(handler: _Handler) -> None:
    """One byte of a header at a time, for longer than anybody waits."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for _ in range(200):
        handler.wfile.write(b"a")
        handler.wfile.flush()
        time.sleep(0.05)


def _endless(handler: _Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(64):
        handler.wfile.write(bytes(65_536))


#: What it does in place of a proper answer.
_MANNERS: Mapping[str, Callable[[_Handler], object]] = {
    "silent": lambda _: time.sleep(10),
    "hang-up": lambda _: None,
    "garbage": lambda handler: handler.wfile.write(b"\x00\xff<html>what?\r\n\r\n"),
    "half": lambda handler: handler.wfile.write(
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"
    ),
    "drip": _drip,
    "endless": _endless,
}
MANNERS = tuple(_MANNERS)


@dataclass(frozen=True)
class ReceivingServer:
    """The process, and what it noted."""

    url: str
    folder: Path
    process: "subprocess.Popen[bytes]"

    def behave(self, manner: str) -> None:
        """Answer like this from now on."""
        new = self.folder / "manner.new"
        new.write_text(manner)
        new.rename(self.folder / "manner")

    def log(self) -> list[dict[str, Any]]:
        """Every request that arrived, in order."""
        lines = (self.folder / "log").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def taken(self) -> list[dict[str, Any]]:
        """The events that it said it has, in order; a repeated one as often as it came."""
        return [
            json.loads(entry["body"])
            for entry in self.log()
            if 200 <= entry["status"] < 300
        ]


@contextmanager
def receiving_server(folder: Path, *, port: int = 0) -> Iterator[ReceivingServer]:
    """Start it; it takes everything until told otherwise."""
    folder.mkdir(exist_ok=True)
    (folder / "manner").write_text("200")
    (folder / "log").touch()
    address = folder / "address"
    address.unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.receiving_server", folder, str(port)], cwd=_ROOT
    )
    try:
        deadline = time.monotonic() + 20
        while not (address.exists() and address.read_text()):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield ReceivingServer(address.read_text(), folder, process)
    finally:
        process.kill()
        process.wait()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hung up knows it."""


if __name__ == "__main__":
    _Handler.folder = Path(sys.argv[1])
    with _Server(("127.0.0.1", int(sys.argv[2])), _Handler) as server:
        where = _Handler.folder / "address.new"
        where.write_text(f"http://127.0.0.1:{server.server_address[1]}/events?a=1")
        where.rename(_Handler.folder / "address")
        server.serve_forever()
