"""One format for every process; nothing secret or personal in it, whoever writes."""

import io
import json
import logging
import socket
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from ledger.chain.node import Node
from ledger.errors import ChainUnavailable
from ledger.watch.logs import JsonFormatter, log_to

NAME, EMAIL = "Canary Quetzalcoatl", "canary.quetzal@example.org"
KEY = "canarykey0123456789abcdef"
URL = f"https://user:{KEY}@rpc.example.org:8545/v2/{KEY}?token={KEY}"


@pytest.fixture
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers, root.level
    hooks = sys.excepthook, threading.excepthook, warnings.showwarning
    yield
    root.handlers, root.level = before
    sys.excepthook, threading.excepthook, warnings.showwarning = hooks


@pytest.fixture
def log(logging_as_it_was: None) -> io.StringIO:
    """What a process writes that was set up as server and worker are."""
    text = io.StringIO()
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    log_to(text, [KEY])
    return text


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def line_of(record: logging.LogRecord, **extra: object) -> dict[str, Any]:
    vars(record).update(extra)
    written: dict[str, Any] = json.loads(JsonFormatter().format(record))
    return written


def record(name: str, message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord(name, logging.INFO, "f", 1, message, arguments, None)


def test_an_event_of_ours_has_its_values_and_its_facts() -> None:
    line = line_of(
        record("anchor_worker.x", "said %s", "so"), nonce=3, hash="ab", block=None
    )

    assert list(line) == ["time", "level", "logger", "event", "nonce", "hash"]
    assert (line["level"], line["logger"]) == ("info", "anchor_worker.x")
    assert (line["event"], line["nonce"], line["hash"]) == ("said so", 3, "ab")
    assert line["time"].endswith("Z")


def test_a_fact_with_parts_is_an_object_whose_texts_are_looked_at_too() -> None:
    line = line_of(
        record("anchor_worker.policy", "changed"),
        changed={"gas-below": {"from": "off", "to": 20}, EMAIL: {"at": URL}},
    )

    assert line["changed"] == {
        "gas-below": {"from": "off", "to": 20},
        "[redacted]": {"at": "https://rpc.example.org:8545/[redacted]"},
    }


def test_a_fact_cannot_take_the_place_of_what_every_line_has() -> None:
    line = line_of(record("perdure.web", "request"), event="forged", time="never")

    assert line["event"] == "request"
    assert line["time"] != "never"


@pytest.mark.parametrize("text", ['a\r\n{"event": "forged"}', "a\u2028b", "\x1b[31m"])
def test_whatever_a_text_holds_it_stays_one_line(text: str) -> None:
    written = JsonFormatter().format(record("perdure", "%s", text))

    assert len(written.splitlines()) == 1
    assert written.isascii()
    assert "\x1b" not in written
    assert json.loads(written)["event"] == text


def test_of_a_library_the_template_is_written_and_no_value() -> None:
    line = line_of(
        record("urllib3.connectionpool", "Retrying after %r: %s", NAME, f"/v2/{KEY}"),
        url=URL,
    )

    assert line["event"] == "Retrying after %r: %s"
    assert set(line) == {"time", "level", "logger", "event"}


def test_an_address_is_its_host_wherever_it_stands() -> None:
    for name in ("perdure", "web3.providers"):
        written = JsonFormatter().format(
            record(name, f"Making request HTTP. URI: {URL}")
        )

        assert KEY not in written
        assert "https://rpc.example.org:8545/[redacted]" in written


def test_a_secret_of_the_process_is_blanked_without_its_address() -> None:
    written = JsonFormatter([KEY]).format(record("perdure", f"/v2/{KEY} answered 401"))

    assert json.loads(written)["event"] == "/v2/[redacted] answered 401"


def test_a_failure_is_logged_as_types_and_places() -> None:
    def look_up() -> None:
        try:
            int(EMAIL)
        except ValueError as error:
            raise RuntimeError(NAME) from error

    with pytest.raises(RuntimeError) as failure:
        look_up()
    error = (failure.type, failure.value, failure.tb)
    failed = logging.LogRecord("x", logging.ERROR, "f", 1, "it failed", None, error)

    line = json.loads(JsonFormatter().format(failed))

    assert line["error"]["types"] == ["RuntimeError", "ValueError"]
    assert "test_logs.py" in line["error"]["frames"][-1]
    assert NAME not in str(line)


def test_a_process_writes_its_own_events_and_others_warnings(log: io.StringIO) -> None:
    for name in ("perdure.web", "anchor_worker.loop", "uvicorn.error", "urllib3"):
        logging.getLogger(name).debug("debug of %s", name)
        logging.getLogger(name).info("information")
        logging.getLogger(name).warning("warning")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"{NAME} at {URL}", UserWarning, stacklevel=1)

    told = [(line["logger"], line["event"]) for line in lines(log)]
    assert told == [
        *(
            (name, event)
            for name in ("perdure.web", "anchor_worker.loop", "uvicorn.error")
            for event in ("information", "warning")
        ),
        ("urllib3", "warning"),
        ("perdure", "a library warns"),
    ]
    assert lines(log)[-1]["kind"] == "UserWarning"
    assert "test_logs.py:" in lines(log)[-1]["place"]
    assert NAME not in log.getvalue()


def test_an_exception_that_nobody_caught_is_a_line_without_its_text(
    log: io.StringIO,
) -> None:
    def fail() -> None:
        raise ValueError(f"{NAME} {URL}")

    with pytest.raises(ValueError) as failure:  # noqa: PT011 - any will do
        fail()
    sys.excepthook(failure.type, failure.value, failure.tb)
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()

    assert [line["level"] for line in lines(log)] == ["critical"] * 2
    assert [line["error"]["types"] for line in lines(log)] == [["ValueError"]] * 2
    assert NAME not in log.getvalue()
    assert KEY not in log.getvalue()


def test_at_debug_level_no_library_writes_the_key_of_a_node(
    logging_as_it_was: None,
) -> None:
    """Nor does the failure of a call, however it is logged."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.DEBUG)
    log = logging.getLogger("anchor_worker.loop")
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for url in (
        f"http://127.0.0.1:{port}/v2/{KEY}?apikey={KEY}",
        f"http://user:{KEY}@127.0.0.1:{port}/",
    ):
        with pytest.raises(ChainUnavailable) as failure:
            Node(url).chain_id()
        log.warning("chain unavailable: %s", failure.value)
        log.error("cannot work now", exc_info=failure.value)

    written = text.getvalue()
    assert len(written.splitlines()) >= 6
    assert [line for line in written.splitlines() if '"debug"' in line]
    assert "ChainUnavailable" in written
    assert KEY not in written
