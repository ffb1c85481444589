"""`perdure serve` as a process: watched at an address of its own, and stopped as operators do."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.commands import Command

pytestmark = [pytest.mark.anvil, pytest.mark.slow]

WATCHED = ["--metrics-address", "127.0.0.1:0"]
PERDURE = [sys.executable, "-m", "ledger.cli"]


@dataclass
class Server:
    """A server process, its two addresses and its log."""

    process: subprocess.Popen[bytes]
    log_file: Path
    port: int
    watched: int = 0

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log_file.read_text().splitlines()]

    def ask(self, path: str, port: int | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(
            "127.0.0.1", port or self.port, timeout=10
        )
        with closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def figures(self) -> str:
        status, text = self.ask("/metrics", self.watched)
        assert status == 200
        return text.decode()

    def begin(self) -> socket.socket:
        """Half of a request."""
        wire = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        wire.sendall(
            b"POST /api/v1/verify HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nno"
        )
        wait_for(lambda: "perdure_http_requests_in_flight 1.0" in self.figures())
        return wire


def wait_for(true: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def server(ledger: Command, tmp_path: Path) -> Iterator[Server]:
    log_file, port = tmp_path / "server.log", free_port()
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [*PERDURE, "serve", "--port", str(port), "--grace", "4", *WATCHED],
            stderr=log,
            env=os.environ,
        )
    running = Server(process, log_file, port)

    def listens() -> bool:
        assert process.poll() is None, log_file.read_text()
        return any("running on" in line["event"] for line in running.log())

    try:
        wait_for(listens, 40)
        (watched,) = (e for e in running.log() if e["event"] == "watched")
        running.watched = int(watched["address"].rpartition(":")[2])
        yield running
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_figures_and_readiness_have_an_address_of_their_own(server: Server) -> None:
    assert server.ask("/ready") == (200, b'{"status":"ready"}')
    assert server.ask("/metrics")[0] == 404
    assert server.ask("/ready", server.watched) == (200, b'{"status":"ok"}')
    assert server.ask("/health", server.watched) == (200, b'{"status":"ok"}')

    figures = server.figures()

    assert "perdure_database_up 1.0" in figures
    assert 'perdure_build_info{version="' in figures
    assert (
        'perdure_http_requests_total{method="GET",route="/ready",status="200"} 1.0'
        in figures
    )
    assert "process_resident_memory_bytes" in figures


def test_asked_to_stop_it_answers_what_is_under_way_and_takes_nothing_new(
    server: Server,
) -> None:
    def refuses() -> bool:
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
        except ConnectionRefusedError:
            return True
        return False

    with server.begin() as wire:
        server.process.send_signal(signal.SIGTERM)
        wait_for(refuses)
        assert server.process.poll() is None
        wire.sendall(b"ne")
        answer = b"".join(iter(lambda: wire.recv(65_536), b""))

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'"verdict":"not_a_credential"' in answer
    assert server.process.wait(10) == 0


def test_a_request_that_never_ends_does_not_hold_up_the_stop(server: Server) -> None:
    with server.begin():
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(20)

        # Four seconds of grace, two of slack, and a slow machine.
        assert 3.5 < time.monotonic() - began < 15


def test_an_address_that_names_no_host_is_refused(perdure: Command) -> None:
    refused = perdure("serve", "--metrics-address", ":9464")

    assert refused.code == 64
    assert "--metrics-address: an address to be watched at looks like" in refused.err


def ended(*options: str) -> tuple[int, str]:
    """The exit code of a server that ends by itself, and the last event of its log."""
    done = subprocess.run(
        [*PERDURE, "serve", *options], stderr=subprocess.PIPE, timeout=60, check=False
    )
    return done.returncode, json.loads(done.stderr.splitlines()[-1])["event"]


def test_an_address_that_cannot_be_had_is_a_setting_to_mend(ledger: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, said = ended("--port", port)
    foreign = ended("--host", "192.0.2.1")
    no_name = ended("--host", "nowhere.invalid")

    assert (code, f"--port {port}: Address already in use" in said) == (78, True)
    assert (foreign[0], "--host 192.0.2.1" in foreign[1]) == (78, True)
    assert (no_name[0], "--host nowhere.invalid" in no_name[1]) == (78, True)


def test_a_master_key_that_does_not_open_is_a_setting_to_mend(
    ledger: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERDURE_MASTER_KEY_FILE", "nokey")

    code, said = ended("--port", "0")

    assert (code, said) == (
        78,
        "PERDURE_MASTER_KEY_FILE: secret file nokey: No such file or directory",
    )


def test_a_database_that_is_away_is_69_so_that_the_unit_starts_it_again(
    ledger: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERDURE_DATABASE_URL", "postgresql://127.0.0.1:1/perdure")

    code, said = ended("--port", "0")

    assert (code, "the database does not work" in said) == (69, True)
    assert ledger("status").code == 2
