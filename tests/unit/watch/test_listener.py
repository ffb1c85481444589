"""The address at which a process is watched, over the wire."""

import http.client
import json
import socket
from collections.abc import Iterable, Iterator
from contextlib import closing

import pytest
from prometheus_client import CollectorRegistry, Gauge

from ledger.errors import MalformedError, SettingError, StoreError
from ledger.watch.listener import Address, Watched, listen

ANY = Address("127.0.0.1", 0)


def well() -> Iterable[str]:
    return ()


def unwell() -> Iterator[str]:
    yield "the database does not answer"
    yield "no node answers"


def failing() -> Iterable[str]:
    raise StoreError("away")


def registry() -> CollectorRegistry:
    made = CollectorRegistry()
    Gauge("perdure_some", "Some figure.", registry=made).set(3)
    return made


def ask(
    address: Address | None, path: str, method: str = "GET"
) -> tuple[int, str | None, bytes]:
    assert address is not None
    connection = http.client.HTTPConnection(address.host, address.port, timeout=10)
    with closing(connection):
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type"), answer.read()


def test_figures_health_and_readiness_are_at_one_address() -> None:
    with listen(ANY, Watched(registry(), health=well, ready=unwell)) as address:
        figures = ask(address, "/metrics")
        health = ask(address, "/health")
        ready = ask(address, "/ready")
        nothing = ask(address, "/")
        post = ask(address, "/metrics", "POST")

    assert figures[0] == 200
    assert b"perdure_some 3.0" in figures[2]
    assert (health[0], json.loads(health[2])) == (200, {"status": "ok"})
    assert ready[:2] == (503, "application/problem+json")
    problem = json.loads(ready[2])
    assert problem["problems"] == ["the database does not answer", "no node answers"]
    assert problem["detail"] == "the database does not answer; no node answers"
    assert (nothing[0], post[0]) == (404, 404)


def test_a_check_that_fails_is_a_check_that_is_not_passed() -> None:
    with listen(ANY, Watched(registry(), health=failing, ready=well)) as address:
        status, _, body = ask(address, "/health")

    assert (status, json.loads(body)["problems"]) == (503, ["away"])


def test_a_silent_watcher_holds_up_no_other() -> None:
    with listen(ANY, Watched(registry(), health=well, ready=well)) as address:
        assert address is not None
        with socket.create_connection((address.host, address.port)) as silent:
            silent.sendall(b"GET /met")
            assert ask(address, "/metrics")[0] == 200


def test_nothing_listens_where_nobody_asked_for_it() -> None:
    with listen(None, Watched(registry(), health=well, ready=well)) as address:
        assert address is None


def test_an_address_that_is_taken_is_named_with_what_to_do() -> None:
    watched = Watched(registry(), health=well, ready=well)
    with (
        listen(ANY, watched) as taken,
        pytest.raises(SettingError, match="each needs its own"),
        listen(taken, watched),
    ):
        pass


@pytest.mark.parametrize(
    ("text", "host", "port", "loopback"),
    [
        ("127.0.0.1:9464", "127.0.0.1", 9464, True),
        ("[::1]:9464", "::1", 9464, True),
        ("10.0.0.5:1", "10.0.0.5", 1, False),
        ("0.0.0.0:1", "0.0.0.0", 1, False),  # noqa: S104
    ],
)
def test_an_address_is_read(text: str, host: str, port: int, loopback: bool) -> None:
    address = Address.parse(text)

    assert (address.host, address.port) == (host, port)
    assert address.is_loopback is loopback
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":9464",
        "9464",
        "localhost:9464",
        "127.0.0.1",
        "127.0.0.1:x",
        "1.2.3:4",
        "127.0.0.1:70000",
        "[::1]",
    ],
)
def test_what_names_no_address_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        Address.parse(text)
