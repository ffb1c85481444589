"""A real worker, watched: figures, health, readiness, and no secret in any of it."""

import http.client
import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from tests.acceptance.test_worker import Ledger, ledger

__all__ = ["ledger"]

pytestmark = [pytest.mark.anvil, pytest.mark.slow]

WATCHED = ("--metrics-address", "127.0.0.1:0")
CHAIN = 'chain="eip155:31337"'
KEY = "canarykey0123456789abcdef"


def ask(port: int, path: str) -> tuple[int, str]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as wire:
        wire.request("GET", path)
        answer = wire.getresponse()
        return answer.status, answer.read().decode()


def wait_for(true: Callable[[], bool], ledger: Ledger) -> None:
    deadline = time.monotonic() + 40
    while not true():
        assert time.monotonic() < deadline, ledger.log()
        time.sleep(0.05)


def address_in(ledger: Ledger) -> int:
    """The port that the newest worker says it is watched at."""

    def found() -> Iterator[int]:
        for line in ledger.logs[-1].read_text().splitlines():
            event = json.loads(line)
            if event["event"] == "watched":
                yield int(event["address"].rpartition(":")[2])

    wait_for(lambda: any(found()), ledger)
    return next(found())


def test_whoever_watches_a_worker_sees_a_batch_on_its_way(ledger: Ledger) -> None:
    ledger.issue(3)
    ledger.start("--batch-age", "0", *WATCHED)
    port = address_in(ledger)

    def figures() -> str:
        status, text = ask(port, "/metrics")
        assert status == 200
        return text

    def settled() -> bool:
        ledger.anvil.mine()
        return f"perdure_credentials_anchored{{{CHAIN}}} 3.0" in figures()

    wait_for(lambda: ask(port, "/ready")[0] == 200, ledger)
    wait_for(settled, ledger)
    wait_for(lambda: f"perdure_balance_wei{{{CHAIN}" in figures(), ledger)

    text = figures()
    for line in (
        "perdure_database_up 1.0",
        f"perdure_oldest_unanchored_seconds{{{CHAIN}}} 0.0",
        f'perdure_transactions{{{CHAIN},state="final"}} 1.0',
        f"perdure_workers_with_lease{{{CHAIN}}} 1.0",
        f'perdure_sends_total{{{CHAIN},outcome="accepted"}} 1.0',
        f"perdure_issued_to_final_seconds_count{{{CHAIN}}} 1.0",
        f"perdure_loop_running{{{CHAIN}}} 1.0",
    ):
        assert line in text, line
    assert ask(port, "/health") == (200, '{"status":"ok"}')


def test_a_worker_without_nodes_is_healthy_and_not_ready(ledger: Ledger) -> None:
    """To start it again would not bring the node back."""
    proxy = ledger.proxy()
    worker = ledger.start(*WATCHED, PERDURE_RPC_URLS=proxy.url)
    port = address_in(ledger)
    wait_for(lambda: ask(port, "/ready")[0] == 200, ledger)

    proxy.process.send_signal(signal.SIGKILL)
    wait_for(lambda: ask(port, "/ready")[0] == 503, ledger)

    problem = json.loads(ask(port, "/ready")[1])
    assert problem["problems"] == ["eip155:31337: no node answers, or none that counts"]
    assert ask(port, "/health")[0] == 200
    figures = ask(port, "/metrics")[1]
    assert f'perdure_rounds_total{{{CHAIN},outcome="chain"}} 0.0' not in figures
    assert worker.poll() is None


def test_a_worker_that_is_stuck_is_unhealthy(ledger: Ledger) -> None:
    """Here, in a node that takes questions and never answers."""
    proxy = ledger.proxy()
    ledger.start(*WATCHED, "--stuck-after", "1", PERDURE_RPC_URLS=proxy.url)
    port = address_in(ledger)
    wait_for(lambda: ask(port, "/ready")[0] == 200, ledger)
    assert ask(port, "/health")[0] == 200

    proxy.process.send_signal(signal.SIGSTOP)
    try:
        wait_for(lambda: ask(port, "/health")[0] == 503, ledger)
        assert "nothing is heard of its loop" in ask(port, "/health")[1]
        # Figures of the database are there all the same.
        assert "perdure_database_up 1.0" in ask(port, "/metrics")[1]
    finally:
        proxy.process.send_signal(signal.SIGCONT)
    wait_for(lambda: ask(port, "/health")[0] == 200, ledger)


def test_no_access_key_of_a_node_is_in_log_figures_or_problems(
    ledger: Ledger,
) -> None:
    """In any of the forms in which providers put it into an address."""
    dead = [
        f"http://127.0.0.1:1/v2/{KEY}",
        f"http://127.0.0.1:1/?apikey={KEY}",
        f"http://user:{KEY}@127.0.0.1:1",
        f"{ledger.anvil.url}/v2/{KEY}",  # answers, with 404 or as if nothing stood there
    ]
    worker = ledger.start(
        *WATCHED, PERDURE_RPC_URLS=",".join([*dead, ledger.anvil.url])
    )
    port = address_in(ledger)
    wait_for(lambda: ask(port, "/ready")[0] == 200, ledger)

    told = ask(port, "/metrics")[1] + ask(port, "/ready")[1]
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(15) == 0

    assert "a node does not answer" in ledger.log()
    assert 'node="127.0.0.1' in told
    assert KEY not in told
    assert KEY not in ledger.log()
    ledger.events()  # each line is JSON


def test_asked_to_stop_in_the_middle_of_a_batch_nothing_is_half_done(
    ledger: Ledger,
) -> None:
    ledger.issue(5)
    worker = ledger.start("--batch-age", "0")
    wait_for(lambda: '"sealed a batch"' in ledger.log(), ledger)
    worker.send_signal(signal.SIGTERM)

    assert worker.wait(15) == 0
    assert ledger.finish(ledger.start("--once")) == [0]
    ledger.check(anchors=1)


def test_an_address_that_another_worker_has_stops_the_start(ledger: Ledger) -> None:
    ledger.start(*WATCHED)
    taken = f"127.0.0.1:{address_in(ledger)}"

    second: subprocess.Popen[bytes] = ledger.start("--metrics-address", taken)

    assert second.wait(30) == 78
    assert f"--metrics-address {taken}" in ledger.log()
