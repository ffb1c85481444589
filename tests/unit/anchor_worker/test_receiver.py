"""What a receiver's answers mean, from a server that answers in every manner."""

import base64
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from anchor_worker.receiver import HttpReceiver, Outcome, signature
from ledger.errors import SettingError
from tests.raw_server import BROKEN, raw_server
from tests.receiving_server import ReceivingServer, receiving_server

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
KEY = UUID(int=5)
SECRET = bytes(range(32))
Ask = Callable[..., HttpReceiver]
BODY = b'{"subject":"one","id":"five"}'


@pytest.fixture(scope="module")
def _started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReceivingServer]:
    with receiving_server(tmp_path_factory.mktemp("receiver") / "it") as started:
        yield started


@pytest.fixture
def server(_started: ReceivingServer) -> ReceivingServer:
    _started.behave("200")
    return _started


@pytest.fixture
def ask(server: ReceivingServer) -> Iterator[Ask]:
    """Make receivers, of the server's address if of no other, and close them in the end."""
    with ExitStack() as made:

        def make(url: str = server.url, *, timeout: float = 5.0) -> HttpReceiver:
            receiver = HttpReceiver(url, SECRET, clock=lambda: NOW, timeout=timeout)
            made.callback(receiver.close)
            return receiver

        yield make


def test_an_event_arrives_whole_under_its_key_and_signed(
    server: ReceivingServer, ask: Ask
) -> None:
    answer = ask().post(KEY, BODY)

    assert (answer.outcome, answer.status) == (Outcome.TAKEN, 200)
    entry = server.log()[-1]
    assert entry["body"].encode() == BODY
    assert entry["path"] == "/events?a=1"
    headers = {name.lower(): value for name, value in entry["headers"].items()}
    assert headers["content-type"] == "application/cloudevents+json; charset=UTF-8"
    assert headers["idempotency-key"] == headers["webhook-id"] == str(KEY)
    seconds = int(headers["webhook-timestamp"])
    assert seconds == int(NOW.timestamp())
    assert headers["webhook-signature"] == signature(SECRET, str(KEY), seconds, BODY)


def test_the_signature_is_the_one_of_standard_webhooks() -> None:
    """The example of its specification."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    made = signature(
        secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )

    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.TAKEN),
        (202, Outcome.TAKEN),
        (204, Outcome.TAKEN),
        (301, Outcome.AWAY),
        (307, Outcome.AWAY),
        (400, Outcome.REFUSED),
        (409, Outcome.REFUSED),
        (422, Outcome.REFUSED),
        (401, Outcome.AWAY),
        (404, Outcome.AWAY),
        (429, Outcome.AWAY),
        (500, Outcome.FAILED),
        (501, Outcome.FAILED),
        (502, Outcome.AWAY),
        (503, Outcome.AWAY),
    ],
)
def test_what_a_status_means(
    server: ReceivingServer, status: int, outcome: Outcome, ask: Ask
) -> None:
    server.behave(str(status))

    answer = ask().post(KEY, BODY)

    assert (answer.outcome, answer.status) == (outcome, status)


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        (" 120 ", 120),
        ("999999999", 999_999_999),
        ("Sat, 28 Nov 2026 12:00:30 GMT", 30),
        ("Saturday, 28-Nov-26 12:00:30 GMT", 30),
        ("Sat Nov 28 12:00:30 2026", 30),
        ("Sat, 28 Nov 2026 13:00:30 +0100", 30),
        ("Sat, 28 Nov 2026 11:59:59 GMT", None),
        ("Sat, 99 Nov 2026 12:00:30 GMT", None),
        ("Sat, 28 Nov 99999999999 12:00:30 GMT", None),
        ("-7", None),
        ("7.5", None),
        ("9999999999", None),
        ("9" * 5_000, None),
        ("\xb2", None),
        ("soon", None),
        ("", None),
    ],
    ids=lambda value: str(value)[:40],
)
@pytest.mark.parametrize("status", [429, 503])
def test_when_to_come_again_is_told_in_seconds_or_as_a_date(
    server: ReceivingServer,
    status: int,
    retry_after: str,
    seconds: float | None,
    ask: Ask,
) -> None:
    server.behave(f"{status} {retry_after}")

    answer = ask().post(KEY, BODY)

    assert (answer.outcome, answer.after) == (Outcome.AWAY, seconds)


@pytest.mark.parametrize("status", [200, 301, 422, 500, 502])
def test_other_answers_say_nothing_of_when_to_come_again(
    server: ReceivingServer, status: int, ask: Ask
) -> None:
    server.behave(f"{status} 7")

    answer = ask().post(KEY, BODY)

    assert (answer.status, answer.after) == (status, None)


def test_no_redirect_is_followed(server: ReceivingServer, ask: Ask) -> None:
    server.behave("307")
    before = len(server.log())

    answer = ask().post(KEY, BODY)

    assert "redirect" in answer.detail
    assert len(server.log()) == before + 1


@pytest.mark.parametrize("manner", ["silent", "drip", "garbage", "hang-up"])
def test_what_is_no_whole_answer_in_time_is_an_unknown_outcome(
    server: ReceivingServer, manner: str, ask: Ask
) -> None:
    server.behave(manner)

    answer = ask(timeout=0.5).post(KEY, BODY)

    assert (answer.outcome, answer.status) == (Outcome.AWAY, None), manner


def test_a_status_counts_whatever_becomes_of_the_rest(
    server: ReceivingServer, ask: Ask
) -> None:
    server.behave("half")

    assert ask().post(KEY, BODY).outcome is Outcome.TAKEN


@pytest.mark.parametrize("broken", BROKEN)
def test_framing_that_is_none_is_an_unknown_outcome(broken: str, ask: Ask) -> None:
    with raw_server(BROKEN[broken]) as (url, _):
        answer = ask(url).post(KEY, BODY)

    assert (answer.outcome, answer.status) == (Outcome.AWAY, None)


def test_an_answer_without_end_is_read_no_further(
    server: ReceivingServer, ask: Ask
) -> None:
    server.behave("endless")
    asked = ask()

    assert asked.post(KEY, BODY).outcome is Outcome.TAKEN
    server.behave("200")
    assert asked.post(KEY, BODY).outcome is Outcome.TAKEN


def test_a_connection_that_was_dropped_is_made_anew(tmp_path: Path, ask: Ask) -> None:
    with receiving_server(tmp_path / "one") as first:
        asked = ask(first.url)
        assert asked.post(KEY, BODY).outcome is Outcome.TAKEN
        port = int(first.url.partition("/events")[0].rpartition(":")[2])
    assert asked.post(KEY, BODY).outcome is Outcome.AWAY
    with receiving_server(tmp_path / "two", port=port):
        assert asked.post(KEY, BODY).outcome is Outcome.TAKEN


def test_proxies_of_the_environment_are_not_asked(
    server: ReceivingServer, monkeypatch: pytest.MonkeyPatch, ask: Ask
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    assert ask().post(KEY, BODY).outcome is Outcome.TAKEN


@pytest.mark.parametrize(
    "url", ["ftp://a.example", "http://", "https://name:hunter2@a.example/"]
)
def test_what_is_no_plain_address_is_refused(url: str, ask: Ask) -> None:
    with pytest.raises(SettingError) as refused:
        ask(url)
    assert "hunter2" not in str(refused.value)


def test_its_name_shows_no_path(ask: Ask) -> None:
    assert repr(ask("https://a.example/key")) == "HttpReceiver(a.example:443)"
