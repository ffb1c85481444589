"""The application behind a real server: what goes over the wire, and what is logged."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = """
import sys
import time
from ledger.store.database import Database
from ledger.watch.logs import log_to
from ledger.web.server import run
from tests.unit.web.world import World
log_to(sys.stderr)
app = World.over(Database.open(sys.argv[1]), {}).app

@app.get("/stuck")
def stuck() -> None:
    time.sleep(3600)

run(app, "127.0.0.1", int(sys.argv[2]), grace=1)
"""


@dataclass
class Server:
    """A server process of its own."""

    process: subprocess.Popen[str]
    port: int

    def ask(
        self, method: str, path: str, body: bytes | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        with closing(
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        ) as connection:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()

    def stop(self) -> list[str]:
        """Stop it as an operator does, and answer its log."""
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=20)
        return errors.splitlines()


@pytest.fixture
def server(sqlite_url: str) -> Iterator[Server]:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, sqlite_url, str(port)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    running = Server(process, port)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                assert running.ask("GET", "/health")[0] == 200
                break
            except ConnectionError:
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield running
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_the_server_does_not_name_itself_and_logs_json_without_addresses(
    server: Server,
) -> None:
    _, headers, body = server.ask("GET", "/zoe@example.org?key=perdure_secret")

    log = server.stop()

    assert server.process.returncode == 0
    assert "server" not in {name.lower() for name in headers}
    lines = [json.loads(line) for line in log]
    assert any(line.get("request") == json.loads(body)["id"] for line in lines)
    assert "zoe@example.org" not in "".join(log)
    assert "perdure_secret" not in "".join(log)


def test_hostile_bodies_from_strangers_do_not_end_the_process(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as wire:
        wire.sendall(
            b"POST /api/v1/verify HTTP/1.1\r\nHost: x\r\n"
            b"Content-Length: 10000000000\r\n\r\n"
        )
        refused = wire.recv(65_536)
    deep = [
        server.ask("POST", "/api/v1/verify", body)
        for body in (b"[" * 1_000_000, b'{"a":' * 190_000)
    ]

    assert refused.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in refused
    for _, _, body in deep:
        assert json.loads(body)["verdict"] == "not_a_credential"
    assert server.ask("GET", "/health")[0] == 200


def test_a_thread_that_is_stuck_does_not_hold_up_the_stop(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as wire:
        wire.sendall(b"GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n")
        # Answered after it: so the other one is under way.
        assert server.ask("GET", "/health")[0] == 200

        log = server.stop()

    assert server.process.returncode == 2
    assert any(json.loads(line)["level"] == "critical" for line in log)
