"""Events reach the receiver at least once, those of a credential in order, whatever breaks."""

import logging
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from anchor_worker import deliver
from anchor_worker.crew import alongside
from anchor_worker.deliver import FAILURES, PARKED_PAUSE, REFUSALS, Care, Deliverer
from anchor_worker.receiver import Answer, HttpReceiver, Outcome, Receiver
from ledger.errors import Conflict, StoreError
from ledger.store import credentials, deliveries, feed, idempotency
from ledger.store.database import Database
from ledger.store.event_records import EventBacklog, EventCursor
from ledger.store.records import ChainTxState, StoredAnswer
from ledger.store.tables import StoredAnswerRow
from tests.receiving_server import ReceivingServer, receiving_server
from tests.unit.anchor_worker.worlds import Killed, World, alarms
from tests.unit.store import samples

Told = dict[str, Any]


@pytest.fixture(scope="module")
def _started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReceivingServer]:
    with receiving_server(tmp_path_factory.mktemp("deliver") / "it") as started:
        yield started


@pytest.fixture
def server(_started: ReceivingServer) -> ReceivingServer:
    _started.behave("200")
    (_started.folder / "log").write_text("")
    return _started


@pytest.fixture
def receiver(server: ReceivingServer, world: World) -> Iterator[HttpReceiver]:
    made = HttpReceiver(server.url, bytes(32), clock=world.clock, timeout=2)
    yield made
    made.close()


@dataclass
class Memory:
    """A receiver without a wire, which remembers what it has, and can be the end of whoever asks."""

    taken: list[UUID] = field(default_factory=list)
    answers: list[Outcome] = field(default_factory=list)
    #: Counts down with every post; the sender is killed "before" or "after" the last.
    fuse: int = -1
    kill: str = ""

    def post(self, key: UUID, body: bytes) -> Answer:
        self.fuse -= 1
        if self.fuse == 0 and self.kill == "before":
            raise Killed
        outcome = self.answers.pop(0) if self.answers else Outcome.TAKEN
        if outcome is Outcome.TAKEN:
            self.taken.append(key)
        if self.fuse == 0 and self.kill == "after":
            raise Killed
        return Answer(outcome, None, outcome.name)


def deliverer(world: World, receiver: Receiver | None, owner: str = "one") -> Deliverer:
    return Deliverer(world.database, receiver, owner=owner, clock=world.clock)


def withdraw(world: World, number: int) -> UUID:
    name = samples.credential(world.school, number).id
    with Database.begin(world.database) as tx:
        credentials.withdraw(tx, world.school.id, name, "mistake", world.clock())
    return name


def live(world: World) -> None:
    """Five credentials, in two batches, final; one of them withdrawn."""
    world.issue(5)
    worker = world.worker()
    world.rounds(worker, 12)
    assert set(world.states()) == {ChainTxState.FINAL}
    withdraw(world, 1)


def by_subject(events: list[Told]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for event in events:
        found[event["subject"]].append(event["type"].removeprefix("perdure."))
    return found


def backlog(world: World) -> EventBacklog:
    with world.database.read() as tx:
        return deliveries.backlog(tx)


LIFE = ["issued", "sealed", "anchored", "final"]


def test_a_life_is_told_in_order_once(
    world: World, server: ReceivingServer, receiver: HttpReceiver
) -> None:
    live(world)

    deliverer(world, receiver).drain()

    told = server.taken()
    assert len({event["id"] for event in told}) == len(told) == 5 * 4 + 2 * 3 + 1
    places = [event["sequence"] for event in told]
    assert places == sorted(places)
    gone = str(samples.credential(world.school, 1).id)
    for subject, types in by_subject(told).items():
        if types[0].startswith("batch"):
            assert types == [f"batch.{what}" for what in LIFE[1:]]
        else:
            more = ["withdrawn"] if subject == gone else []
            assert types == [f"credential.{what}" for what in [*LIFE, *more]]
    assert backlog(world) == EventBacklog(0, None, 0)


def test_no_event_says_anything_of_a_person(
    world: World, server: ReceivingServer, receiver: HttpReceiver
) -> None:
    live(world)
    with Database.begin(world.database) as tx:
        erased = samples.credential(world.school, 0).id
        credentials.erase(tx, world.school.id, erased)

    deliverer(world, receiver).drain()

    text = (server.folder / "log").read_text().lower()
    assert str(erased) in text
    for word in ("earner", "example.org", "mistake"):
        assert word not in text, word


def test_an_anchor_that_is_taken_back_is_told_of_each_credential(
    world: World, server: ReceivingServer, receiver: HttpReceiver
) -> None:
    world.seal(2)
    worker = world.worker()
    world.rounds(worker, 12)
    assert world.states() == [ChainTxState.FINAL]
    world.chain.reorg(world.chain.block("latest").number)
    world.rounds(worker, 12)
    assert world.states() == [ChainTxState.FINAL]

    deliverer(world, receiver).drain()

    for subject, types in by_subject(server.taken()).items():
        after = ["sealed", "anchored", "final", "reorganised", "anchored", "final"]
        kind = types[0].partition(".")[0]
        first = ["issued"] if kind == "credential" else []
        assert types == [f"{kind}.{what}" for what in first + after], subject


def test_a_receiver_that_is_away_for_long_gets_everything_when_it_is_back(
    world: World,
    server: ReceivingServer,
    receiver: HttpReceiver,
    log: pytest.LogCaptureFixture,
) -> None:
    world.issue(3)
    looking = deliverer(world, receiver)
    server.behave("503")
    for _ in range(30):
        looking.step()
        world.clock.sleep(400)
        world.issue(1)
    waiting = backlog(world)
    assert (waiting.count, waiting.parked) == (33, 0)
    assert waiting.oldest == samples.NOW
    assert len({entry["id"] for entry in server.log()}) == 1

    server.behave("200")
    looking.step()

    told = server.taken()
    assert len({event["subject"] for event in told}) == len(told) == 33
    said = [r.getMessage() for r in log.records if "receiver" in r.getMessage()]
    assert said == ["the receiver takes no events: HTTP 503"]


@pytest.mark.parametrize(
    ("retry_after", "least", "most"),
    [
        ("0", 1, 1),
        ("7", 7, 7),
        ("299", 299, 299),
        ("86400", 300, 300),
        ("Fri, 01 Jan 2049 00:00:00 GMT", 300, 300),
        ("nonsense", 1, 2),
    ],
)
def test_it_comes_again_when_the_receiver_says_and_after_five_minutes_at_the_latest(
    world: World,
    server: ReceivingServer,
    receiver: HttpReceiver,
    retry_after: str,
    least: int,
    most: int,
) -> None:
    world.issue(1)
    server.behave(f"429 {retry_after}")
    looking = deliverer(world, receiver)
    looking.step()
    assert len(server.log()) == 1
    server.behave("200")

    waited = 0
    while not server.taken():
        world.clock.sleep(1)
        waited += 1
        looking.step()
        assert waited <= 300

    assert least <= waited <= most
    assert backlog(world) == EventBacklog(0, None, 0)


def test_it_does_not_ask_more_often_the_longer_nobody_answers(world: World) -> None:
    world.issue(1)
    asked = Memory(answers=[Outcome.AWAY] * 1_000)
    looking = deliverer(world, asked)
    for _ in range(3_600):
        looking.step()
        world.clock.sleep(1)

    assert 8 <= 1_000 - len(asked.answers) <= 40


@pytest.mark.parametrize(
    ("manner", "tries", "words"),
    [("refuse", REFUSALS, "refuses"), ("break", FAILURES, "breaks over")],
)
def test_a_poisoned_event_holds_up_its_credential_alone(
    world: World,
    server: ReceivingServer,
    receiver: HttpReceiver,
    manner: str,
    tries: int,
    words: str,
    log: pytest.LogCaptureFixture,
) -> None:
    world.issue(3)
    subject = str(samples.credential(world.school, 1).id)
    server.behave(f"{manner} {subject}")
    looking = deliverer(world, receiver)
    for _ in range(tries):
        looking.step()
        world.clock.sleep(301)
    withdraw(world, 1)
    withdraw(world, 2)
    looking.step()

    tried = [entry for entry in server.log() if entry["status"] >= 400]
    assert len(tried) == tries
    assert len({entry["id"] for entry in tried}) == 1
    assert subject not in by_subject(server.taken())
    assert len(server.taken()) == 3
    assert (backlog(world).count, backlog(world).parked) == (0, 2)
    assert len(alarms(log.records)) == 1
    (said,) = [each for each in log.records if each.levelname == "WARNING"]
    assert said.getMessage().startswith(
        f"the receiver {words} an event, which is tried again: HTTP "
    )
    assert (vars(said)["id"], vars(said)["subject"]) == (tried[0]["id"], subject)

    # Mended: after the pause both go, in their order.
    server.behave("200")
    world.clock.sleep(PARKED_PAUSE.total_seconds())
    looking.drain()

    assert by_subject(server.taken())[subject] == [
        "credential.issued",
        "credential.withdrawn",
    ]
    assert backlog(world) == EventBacklog(0, None, 0)


def test_what_is_put_aside_is_tried_for_ever_or_given_up_by_a_person(
    world: World,
) -> None:
    world.issue(1)
    withdraw(world, 0)
    asked = Memory(answers=[Outcome.REFUSED] * 1_000)
    looking = deliverer(world, asked)
    for _ in range(200):
        looking.step()
        world.clock.sleep(900)
    with world.database.read() as tx:
        first, second = deliveries.parked(tx, 9)
    assert (first.tries > 40, second.tries, second.status) == (True, 0, None)

    asked.answers = []
    with Database.begin(world.database) as tx:
        deliveries.discard(tx, first.key)
    looking.drain()

    assert asked.taken == [second.key]
    assert backlog(world).parked == 0


def test_the_operator_need_not_wait_for_the_next_try(world: World) -> None:
    world.issue(1)
    asked = Memory(answers=[Outcome.REFUSED] * REFUSALS)
    looking = deliverer(world, asked)
    for _ in range(REFUSALS):
        looking.step()
        world.clock.sleep(301)
    looking.drain()
    assert asked.taken == []

    with Database.begin(world.database) as tx:
        assert deliveries.retry(tx, world.clock()) == 1
    looking.drain()

    assert len(asked.taken) == 1


def test_who_refuses_everything_is_a_receiver_that_is_wrong(
    world: World, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(deliver, "MAX_PARKED", 2)
    world.issue(5)
    asked = Memory(answers=[Outcome.REFUSED] * 1_000)
    looking = deliverer(world, asked)
    for _ in range(50):
        looking.step()
        world.clock.sleep(301)

    assert (backlog(world).count, backlog(world).parked) == (3, 2)
    assert "the receiver refuses too many events, and all wait for it" in log.text
    assert "takes no events" not in log.text
    asked.answers = []
    world.clock.sleep(PARKED_PAUSE.total_seconds())
    looking.drain()
    assert len(set(asked.taken)) == 5
    assert backlog(world) == EventBacklog(0, None, 0)


@pytest.mark.parametrize("kill", ["before", "after"])
def test_killed_at_every_post_it_forgets_nothing_and_repeats_under_the_same_key(
    world: World, kill: str
) -> None:
    live(world)
    expected = _expected(world)
    asked = Memory()
    for fuse in range(1, 9):
        asked.fuse, asked.kill = fuse, kill
        with pytest.raises(Killed):
            deliverer(world, asked, f"life {fuse}").drain()
        world.clock.sleep(61)
    asked.kill = ""
    deliverer(world, asked, "last").drain()

    assert list(dict.fromkeys(asked.taken)) == expected
    # What was sent since the last commit comes again: here, everything.
    assert len(asked.taken) > len(expected)
    assert backlog(world) == EventBacklog(0, None, 0)


@pytest.mark.uncounted
@pytest.mark.parametrize("fault", ["before", "after", "killed before", "killed after"])
def test_broken_at_every_write_it_forgets_nothing(world: World, fault: str) -> None:
    live(world)
    expected = _expected(world)
    asked = Memory(answers=[Outcome.TAKEN] * 3 + [Outcome.REFUSED] * REFUSALS)
    for write in range(60):
        world.database.faults[:] = [""] * write + [fault]
        looking = deliverer(world, asked, f"life {write}")
        for _ in range(REFUSALS + 1):
            try:
                looking.step()
            except (Killed, StoreError):
                break
            world.clock.sleep(70)
        world.clock.sleep(70)
    world.database.faults.clear()
    world.clock.sleep(PARKED_PAUSE.total_seconds())
    deliverer(world, asked, "last").drain()

    assert set(asked.taken) == set(expected)
    with world.database.read() as tx:
        events = {e.key: e for e in feed.outgoing(tx, EventCursor(0, 0), 999).events}
    first: dict[UUID, list[str]] = defaultdict(list)
    for key in dict.fromkeys(asked.taken):
        first[events[key].subject].append(str(events[key].cursor))
    assert all(places == sorted(places) for places in first.values())
    assert backlog(world) == EventBacklog(0, None, 0)


def _expected(world: World) -> list[UUID]:
    """Every key in the order of the log."""
    with Database.begin(world.database) as tx:
        feed.sequence(tx, feed.new_audiences(tx))
    with world.database.read() as tx:
        return [event.key for event in feed.outgoing(tx, EventCursor(0, 0), 999).events]


def test_one_sends_and_the_other_stands_by_until_the_lease_is_over(
    world: World,
) -> None:
    world.issue(2)
    one, two = Memory(), Memory()
    first, second = deliverer(world, one), deliverer(world, two, "two")
    first.step()
    world.issue(1)
    second.step()
    assert (len(one.taken), len(two.taken)) == (2, 0)

    world.clock.sleep(61)
    second.step()

    assert (len(one.taken), len(two.taken)) == (2, 1)


def test_who_slept_through_its_lease_moves_nothing(world: World) -> None:
    world.issue(3)
    other = deliverer(world, Memory(), "other")

    class Slow(Memory):
        def post(self, key: UUID, body: bytes) -> Answer:
            world.clock.sleep(61)
            if not self.taken:
                other.step()
            return super().post(key, body)

    with pytest.raises(Conflict):
        deliverer(world, Slow()).step()
    assert backlog(world) == EventBacklog(0, None, 0)


@pytest.mark.parametrize(("times", "told"), [(4, 0), (5, 1), (9, 1)])
def test_a_conflict_that_comes_time_and_again_is_no_other_worker(
    world: World, caplog: pytest.LogCaptureFixture, times: int, told: int
) -> None:
    class Refused(Deliverer):
        left = times

        def step(self) -> bool:
            self.left -= 1
            if self.left == 0:
                self.stop()
            raise Conflict("the database refused it")

    care = Care(poll=0.001)
    Refused(world.database, None, owner="one", clock=world.clock, care=care).run()

    errors = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert (
        errors == ["events cannot be looked after now: the database refused it"] * told
    )


def test_without_a_receiver_events_are_ordered_kept_and_forgotten(world: World) -> None:
    world.issue(2)
    looking = deliverer(world, None)
    looking.step()
    with world.database.read() as tx:
        assert len(feed.page(tx, world.school.id, after=None, limit=9).events) == 2

    world.clock.sleep(timedelta(days=31).total_seconds())
    looking.step()

    with world.database.read() as tx:
        assert feed.page(tx, world.school.id, after=None, limit=9).events == []


def test_answers_to_requests_are_forgotten_after_a_day(world: World) -> None:
    def answers() -> int:
        with world.database.read() as tx:
            return int(tx.scalar(select(func.count()).select_from(StoredAnswerRow)))

    answer = StoredAnswer(201, b"sealed", "application/json", bytes(32))
    now = world.clock()
    with world.database.begin() as tx:
        idempotency.save(tx, world.school.id, "key", "POST /x", answer, now=now)
    looking = deliverer(world, None)
    world.clock.sleep(timedelta(hours=23).total_seconds())
    looking.step()
    assert answers() == 1

    world.clock.sleep(timedelta(hours=1, seconds=61).total_seconds())
    looking.step()

    assert answers() == 0


def test_what_was_not_delivered_is_not_forgotten(world: World) -> None:
    world.issue(2)
    asked = Memory(answers=[Outcome.AWAY] * 2)
    looking = deliverer(world, asked)
    for _ in range(2):
        looking.step()
        world.clock.sleep(timedelta(days=31).total_seconds())

    looking.drain()

    assert len(asked.taken) == 2


def test_it_runs_beside_others_and_ends_when_asked(
    world: World, tmp_path: Path
) -> None:
    world.issue(2)
    asked = Memory()
    looking = Deliverer(
        world.database, asked, owner="o", clock=world.clock, care=Care(poll=0.01)
    )
    with deliver_in_a_thread(looking):
        for _ in range(1_000):
            if len(asked.taken) == 2:
                break
            looking._stop.wait(0.01)
    assert len(asked.taken) == 2


def deliver_in_a_thread(looking: Deliverer) -> Any:
    return alongside(looking, threading.Event(), once=False)


def test_a_database_that_fails_for_a_while_is_said_once(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    world.issue(1)
    world.database.faults[:] = ["before"] * 3
    asked = Memory()
    looking = Deliverer(
        world.database, asked, owner="o", clock=world.clock, care=Care(poll=0.01)
    )
    with deliver_in_a_thread(looking):
        for _ in range(1_000):
            if asked.taken:
                break
            looking._stop.wait(0.01)

    assert len(asked.taken) == 1
    assert len([r for r in log.records if r.levelno == logging.ERROR]) == 1
