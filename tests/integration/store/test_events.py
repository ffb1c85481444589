"""Events with real processes: written by four at once, delivered by one that is killed."""

import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import delete

from ledger.store import credentials, feed
from ledger.store.database import Database
from ledger.store.event_records import Event, EventCursor, EventKind
from ledger.store.tables import LeaseRow
from tests.integration.store import delivering
from tests.integration.store.processes import Crew
from tests.receiving_server import receiving_server
from tests.unit.store.samples import NOW, add_school, credential

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent.parent


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    with closing(Crew()) as started:
        yield started


def order(database: Database) -> None:
    with database.read() as tx:
        audiences = feed.new_audiences(tx)
    with database.begin() as tx:
        feed.sequence(tx, audiences)


def test_a_reader_that_follows_four_writers_misses_and_repeats_nothing(
    database: Database, database_url: str, crew: Crew
) -> None:
    with database.begin() as tx:
        add_school(tx)
    seen: list[Event] = []
    done = threading.Event()
    failures: list[BaseException] = []

    def follow() -> None:
        place = EventCursor(0, 0)
        try:
            last = False
            while not last:
                last = done.is_set()
                order(database)
                with database.read() as tx:
                    page = feed.outgoing(tx, place, 20)
                seen.extend(page.events)
                last = last and not page.events
                place = page.next
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failures.append(error)

    reader = threading.Thread(target=follow)
    reader.start()
    try:
        written = sum(crew.at_once(delivering.write, database_url))
    finally:
        done.set()
        reader.join()

    assert failures == []
    assert len(seen) == written
    assert len({event.key for event in seen}) == len(seen)
    kinds: dict[UUID, list[EventKind]] = defaultdict(list)
    for event in seen:
        kinds[event.subject].append(event.kind)
    for subject, told in kinds.items():
        if told != [EventKind.SEALED]:  # a batch
            assert told[0] is EventKind.ISSUED, subject
            assert len(set(told)) == len(told), subject


def test_killed_at_every_statement_it_delivers_everything_in_order(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    with database.begin() as tx:
        school = add_school(tx)
    with (
        receiving_server(tmp_path / "receiver") as server,
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.integration.store.delivering",
                database_url,
                server.url,
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        killed = 0
        for statement in range(1, 101, 5):
            with database.begin() as tx:
                numbers = range(statement * 10, statement * 10 + 3)
                records = [credential(school, n) for n in numbers]
                credentials.insert(tx, records)
                credentials.withdraw(tx, school.id, records[0].id, "mistake", NOW)
                # The dead one's lease is over; on PostgreSQL that would take a real minute.
                tx.change(delete(LeaseRow))
            process.stdin.write(f"{statement}\n")
            process.stdin.flush()
            killed += int(process.stdout.readline()) == signal.SIGKILL
        assert killed > 5
        with database.begin() as tx:
            tx.change(delete(LeaseRow))
        process.stdin.write("9999\n")
        process.stdin.flush()
        assert int(process.stdout.readline()) == 0
        process.stdin.close()
        told = server.taken()

    with database.read() as tx:
        expected = feed.outgoing(tx, EventCursor(0, 0), 9_999).events
    assert len(expected) == 20 * 4
    first = list(dict.fromkeys(event["id"] for event in told))
    assert first == [str(event.key) for event in expected]
    assert len(told) > len(first)
    bodies: dict[str, set[str]] = defaultdict(set)
    for event in told:
        bodies[event["id"]].add(repr(event))
    assert {len(same) for same in bodies.values()} == {1}
