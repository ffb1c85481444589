"""The log of events: one order, nothing skipped, and each organisation sees its own."""

import threading
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from ledger.errors import Gone
from ledger.store import batches, credentials, events, feed
from ledger.store.database import Database, Transaction
from ledger.store.event_records import Event, EventCursor, EventKind, EventPage
from ledger.store.records import CredentialRecord, Organisation
from ledger.store.tables import EventRow
from tests.unit.store.samples import (
    NOW,
    REGISTRY,
    Undo,
    add_school,
    batch_of,
    credential,
    issue,
)

START = EventCursor(0, 0)


@pytest.fixture
def school(database: Database) -> Organisation:
    with database.begin() as tx:
        return add_school(tx)


def order(database: Database) -> int:
    """As the worker does."""
    with database.read() as tx:
        audiences = feed.new_audiences(tx)
    with database.begin() as tx:
        return feed.sequence(tx, audiences)


def everything(database: Database, limit: int = 999) -> list[Event]:
    """The whole log, read page by page."""
    found: list[Event] = []
    place = START
    while True:
        with database.read() as tx:
            page = feed.outgoing(tx, place, limit)
        assert len(page.events) <= limit
        if not page.events:
            return found
        found += page.events
        place = page.next


def seal(tx: Transaction, records: list[CredentialRecord]) -> UUID:
    batch, members = batch_of(records)
    batches.seal(tx, batch, members, to=REGISTRY, data=b"", gas=1)
    return batch.id


def theirs(
    database: Database, school: Organisation, after: EventCursor | None, limit: int = 99
) -> EventPage:
    with database.read() as tx:
        return feed.page(tx, school.id, after=after, limit=limit)


def test_nothing_is_told_of_what_was_rolled_back(
    database: Database, school: Organisation
) -> None:
    with suppress(Undo), database.begin() as tx:
        records = issue(tx, school, 3)
        seal(tx, records)
        credentials.withdraw(tx, school.id, records[0].id, "mistake", NOW)
        raise Undo

    assert order(database) == 0
    assert everything(database) == []


def test_one_row_for_many_and_each_is_told_once(
    database: Database, school: Organisation
) -> None:
    with database.begin() as tx:
        records = issue(tx, school, 40)
        batch_id = seal(tx, records)
    assert order(database) == 2
    with database.read() as tx:
        assert tx.scalar(select(func.count()).select_from(EventRow)) == 2

    told = everything(database)

    assert [e.credential_id for e in told[:40]] == [r.id for r in records]
    assert (told[40].batch_id, told[40].credential_id) == (batch_id, None)
    assert [e.credential_id for e in told[41:]] == [r.id for r in records]
    assert len({e.key for e in told}) == 81
    assert {(e.achievement, e.version) for e in told} == {("git-1", "1"), (None, None)}


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 40, 41, 64])
def test_pages_of_any_size_are_the_same_log(
    database: Database, school: Organisation, limit: int
) -> None:
    with database.begin() as tx:
        seal(tx, issue(tx, school, 5))
    order(database)
    with database.begin() as tx:
        seal(tx, [_issued(tx, school, 5)])
    order(database)
    whole = everything(database)

    assert everything(database, limit) == whole
    assert len(whole) == 5 + 1 + 5 + 1 + 1 + 1
    assert [e.cursor for e in whole] == sorted(e.cursor for e in whole)
    found: list[Event] = []
    place: EventCursor | None = None
    while True:
        page = theirs(database, school, place, limit)
        if not page.events:
            break
        found += page.events
        place = page.next
    assert found == whole


def _issued(tx: Transaction, school: Organisation, n: int) -> CredentialRecord:
    record = credential(school, n)
    credentials.insert(tx, [record])
    return record


def test_many_at_once_are_told_in_pieces(
    database: Database, school: Organisation
) -> None:
    with database.begin() as tx:
        records = issue(tx, school, 2_100)
        seal(tx, records)
    assert order(database) == 4  # three of issuing, by the thousand

    told = everything(database, 500)

    assert [e.credential_id for e in told[:2_100]] == [r.id for r in records]
    assert [e.credential_id for e in told[2_101:]] == [r.id for r in records]


def test_organisations_see_their_own_of_a_batch_they_share(
    database: Database, school: Organisation
) -> None:
    with database.begin() as tx:
        other = add_school(tx, "lakeside")
        stranger = add_school(tx, "stranger")
        mine, others = issue(tx, school, 3), issue(tx, other, 2)
        seal(tx, [mine[0], others[0], mine[1], others[1], mine[2]])
    order(database)

    for whose, records in ((school, mine), (other, others)):
        page = theirs(database, whose, None)
        ids = [r.id for r in records]
        assert [e.credential_id for e in page.events] == [*ids, None, *ids]
        assert {e.organisation for e in page.events} == {whose.code, None}
    nothing = theirs(database, stranger, None)
    assert nothing.events == []
    # Whoever asks again begins behind all that was looked at.
    assert nothing.next == theirs(database, school, None).next


def test_a_page_without_events_leads_on(
    database: Database, school: Organisation
) -> None:
    first = theirs(database, school, None)
    assert first.events == []
    with database.begin() as tx:
        issue(tx, school, 1)
    assert theirs(database, school, first.next).events == []  # not ordered yet
    order(database)

    second = theirs(database, school, first.next)

    assert len(second.events) == 1
    assert theirs(database, school, second.next).events == []


@pytest.mark.postgres
@pytest.mark.parametrize("reads_between", [False, True])
def test_what_is_committed_late_is_not_skipped(
    postgres_url: str, reads_between: bool
) -> None:
    """The lower number is committed after the higher one was read."""
    with ExitStack() as stack:
        database = Database.open(postgres_url)
        stack.callback(database.close)
        with database.begin() as tx:
            school = add_school(tx)
        slow = stack.enter_context(ExitStack())
        late = slow.enter_context(database.begin())
        credentials.insert(late, [credential(school, 0)])
        with database.begin() as tx:
            credentials.insert(tx, [credential(school, 1)])
        order(database)
        place = START
        seen: list[UUID | None] = []
        if reads_between:
            with database.read() as tx:
                page = feed.outgoing(tx, place, 9)
            seen, place = [e.credential_id for e in page.events], page.next
            assert seen == [credential(school, 1).id]
        slow.close()
        order(database)

        with database.read() as tx:
            seen += [e.credential_id for e in feed.outgoing(tx, place, 9).events]
        assert seen == [credential(school, 1).id, credential(school, 0).id]


def test_two_that_order_at_once_give_each_place_once(
    database: Database, school: Organisation
) -> None:
    with database.begin() as tx:
        for n in range(60):
            _issued(tx, school, n)
    barrier = threading.Barrier(3)

    def work() -> None:
        barrier.wait()
        order(database)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    positions = [e.cursor.position for e in everything(database)]
    assert positions == list(range(1, 61))


def test_a_batch_that_came_in_between_waits_for_its_audience(
    database: Database, school: Organisation
) -> None:
    with database.begin() as tx:
        records = issue(tx, school, 2)
    with database.read() as tx:
        audiences = feed.new_audiences(tx)
    with database.begin() as tx:
        seal(tx, records)
        credentials.withdraw(tx, school.id, records[0].id, "mistake", NOW)

    with database.begin() as tx:
        assert feed.sequence(tx, audiences) == 1
    assert order(database) == 2

    kinds = [e.kind for e in theirs(database, school, None).events]
    assert kinds == [EventKind.ISSUED] * 2 + [EventKind.SEALED] * 3 + [
        EventKind.WITHDRAWN
    ]


def test_a_cursor_before_what_is_kept_is_gone(
    database: Database, school: Organisation
) -> None:
    for n in range(5):
        with database.begin() as tx:
            credentials.insert(
                tx, [credential(school, n, issued_at=NOW + timedelta(days=n))]
            )
    order(database)
    early = theirs(database, school, None, 1).next
    edge = theirs(database, school, None, 2).next
    with database.begin() as tx:
        before = NOW + timedelta(days=2)
        assert feed.prune(tx, before, undelivered=False, limit=9) == 0
        assert feed.prune(tx, before, undelivered=True, limit=1) == 1
        assert feed.prune(tx, before, undelivered=True, limit=9) == 1

    with pytest.raises(Gone, match="kept no longer"):
        theirs(database, school, early)
    assert len(theirs(database, school, edge).events) == 3
    assert len(theirs(database, school, None).events) == 3
    # What was pruned leaves no place behind that is given again.
    with database.begin() as tx:
        late = NOW + timedelta(days=9)
        assert feed.prune(tx, late, undelivered=True, limit=9) == 3
        _issued(tx, school, 9)
    order(database)
    assert [e.cursor.position for e in theirs(database, school, None).events] == [6]


def test_a_cursor_of_another_log_is_gone(
    database: Database, school: Organisation
) -> None:
    with pytest.raises(Gone, match="restored from a backup"):
        theirs(database, school, EventCursor(7, EventCursor.END))


@pytest.mark.parametrize("index", [3, 4, 5_000_000, EventCursor.END])
def test_a_cursor_behind_the_end_of_a_row_leads_on(
    database: Database, school: Organisation, index: int
) -> None:
    """As after a restore: the log was written anew, and its rows are other ones."""
    with database.begin() as tx:
        first = issue(tx, school, 3)
    with database.begin() as tx:
        seal(tx, first)
        _issued(tx, school, 9)
    assert order(database) == 3

    of_list = theirs(database, school, EventCursor(1, index), 2)
    of_batch = theirs(database, school, EventCursor(2, index + 1), 2)

    assert [e.cursor for e in of_list.events] == [EventCursor(2, 0), EventCursor(2, 1)]
    assert [e.cursor for e in of_batch.events] == [EventCursor(3, 1)]


def test_a_batch_of_checkpoints_alone_holds_nothing_up(
    database: Database, school: Organisation
) -> None:
    with database.begin() as tx:
        records = issue(tx, school, 1)
        lonely = replace(batch_of(records)[0], id=uuid4())
        batches.seal_checkpoints(tx, lonely)
    assert order(database) == 2
    with database.begin() as tx:
        batches.anchor(tx, lonely, lonely.chain_id, to=REGISTRY, data=b"", gas=1)
        _issued(tx, school, 9)
    assert order(database) == 1

    told = everything(database)
    assert [e.batch_id for e in told] == [None, lonely.id, None]
    assert len(theirs(database, school, None).events) == 2


def test_a_released_credential_is_told_as_that(
    database: Database, school: Organisation
) -> None:
    with database.begin() as tx:
        (record,) = issue(tx, school, 1)
        events.released(tx, record, NOW)
    order(database)

    kinds = [e.kind for e in theirs(database, school, None).events]
    assert kinds == [EventKind.ISSUED, EventKind.RELEASED]
