"""The newest event and the tables agree; whatever is missing or wrong is found."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from ledger.services.event_check import check_events
from ledger.store import chain_txs, credentials, event_audit, events, feed, leases
from ledger.store.database import Database, Transaction
from ledger.store.records import (
    ChainTx,
    ChainTxKind,
    ChainTxState,
    CredentialRecord,
    NewChainTx,
)
from tests.unit.anchor_worker.worlds import CHAIN_ID, SENDER, World
from tests.unit.store.samples import NOW, add_school, attempt, credential, digest

S = ChainTxState
LATER = NOW + timedelta(hours=2)
BLOCK = chain_txs.Values(
    block_number=9, block_hash=digest("block"), tx_hash=digest("transaction")
)


class Told:
    """Two batches that are final, one that waits; of four later ones two were withdrawn."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.world = World(database)
        for _ in range(2):
            self.world.seal(3)
        worker = self.world.worker()
        self.world.rounds(worker, 6)
        worker._release()
        self.world.seal(2)
        self.later = [
            credential(self.world.school, number, issued_at=LATER)
            for number in range(90, 94)
        ]
        with database.begin() as tx:
            credentials.insert(tx, self.later[:1])
        with database.begin() as tx:
            credentials.insert(tx, self.later[1:])
            for each in self.later[:2]:
                self.withdraw(tx, each)
        self.revoke(self.later[1])

    def issue(self, hours: int) -> CredentialRecord:
        """One more, so many hours later."""
        at = LATER + timedelta(hours=hours)
        record = credential(self.world.school, hours, issued_at=at)
        with self.database.begin() as tx:
            credentials.insert(tx, [record])
        return record

    def withdraw(self, tx: Transaction, record: CredentialRecord) -> None:
        credentials.withdraw(tx, self.world.school.id, record.id, "mistake", LATER)

    def revoke(self, record: CredentialRecord) -> None:
        """Its revocation is final, as the worker notes it."""
        now = self.world.clock.now
        with self.database.begin() as tx:
            lease = leases.take(
                tx, CHAIN_ID, SENDER, owner="other", seconds=60, now=LATER
            )
            assert lease is not None
            new = NewChainTx(
                kind=ChainTxKind.REVOKE,
                chain_id=CHAIN_ID,
                to="0x" + "ab" * 20,
                data=b"revoke",
                gas=1,
                subject=str(record.id),
                unique_key="revoke",
            )
            row = chain_txs.enqueue(tx, new, now)
            chain_txs.begin_attempt(tx, lease, attempt(row), nonce=2, now=LATER)
            chain_txs.advance(
                tx, lease, row.id, S.IN_PROGRESS, S.MINED, now=LATER, **BLOCK
            )
            chain_txs.advance(tx, lease, row.id, S.MINED, S.FINAL, now=LATER)
            events.settled(tx, row, S.FINAL, 9, now=now)
            leases.release(tx, lease)

    def order(self) -> None:
        """Give events their places, as the worker does."""
        with self.database.read() as tx:
            audiences = feed.new_audiences(tx)
        with self.database.begin() as tx:
            feed.sequence(tx, audiences)

    def sql(self, *statements: str) -> None:
        with self.database.begin() as tx:
            for statement in statements:
                tx.change(text(statement))

    def found(self) -> list[str]:
        codes: list[str] = []
        check_events(self.database, lambda code, _about, _detail: codes.append(code))
        return codes


@pytest.fixture
def told(database: Database) -> Told:
    return Told(database)


def final(told: Told) -> ChainTx:
    return told.world.rows(S.FINAL)[0]


def removed(condition: str) -> Callable[[Told], None]:
    return lambda told: told.sql(f"DELETE FROM event WHERE {condition}")  # noqa: S608 - our own words


def told_again(
    tell: Callable[[Told, Transaction], None],
) -> Callable[[Told], None]:
    def add(told: Told) -> None:
        with told.database.begin() as tx:
            tell(told, tx)

    return add


def _revoked_too_early(told: Told, tx: Transaction) -> None:
    row = replace(final(told), kind=ChainTxKind.REVOKE, subject=str(told.later[0].id))
    events.settled(tx, row, S.FINAL, 9, now=NOW)


def _of_nobody(told: Told, tx: Transaction) -> None:
    events.issued(tx, [replace(told.later[3], id=uuid4())])


def _of_another_school(told: Told, tx: Transaction) -> None:
    other = add_school(tx, "hillside")
    events.issued(tx, [replace(told.later[3], organisation_id=other.id)])


def _elsewhere(told: Told, tx: Transaction) -> None:
    events.mined(tx, replace(final(told), chain_id=10), 9, digest("b"), now=NOW)


#: The newest of all events has no later one that shows that it is gone, unless it had a place.
NEWEST = "number = (SELECT max(number) FROM event WHERE kind = '{}')"
BROKEN: dict[str, tuple[Callable[[Told], None], str]] = {
    "no final": (removed(NEWEST.format("final")), "events.batch"),
    "no sealed": (removed(NEWEST.format("sealed")), "events.batch"),
    "no issued": (removed(NEWEST.format("issued")), "events.issued"),
    "no withdrawn": (removed("kind = 'withdrawn'"), "events.withdrawal"),
    "no revoked": (removed("kind = 'revoked'"), "events.withdrawal"),
    "taken back": (
        told_again(lambda told, tx: events.taken_back(tx, final(told), now=NOW)),
        "events.batch",
    ),
    "anchored again": (
        told_again(
            lambda told, tx: events.mined(tx, final(told), 9, digest("x"), now=NOW)
        ),
        "events.batch",
    ),
    "final too early": (
        told_again(
            lambda told, tx: events.settled(
                tx, told.world.rows(S.SEALED)[0], S.FINAL, 9, now=NOW
            )
        ),
        "events.batch",
    ),
    "on another chain": (told_again(_elsewhere), "events.wrong"),
    "revoked too early": (told_again(_revoked_too_early), "events.withdrawal"),
    "withdrawn again": (
        told_again(lambda told, tx: events.withdrawn(tx, told.later[1], NOW)),
        "events.withdrawal",
    ),
    "withdrawn by mistake": (
        told_again(lambda told, tx: events.withdrawn(tx, told.later[2], NOW)),
        "events.wrong",
    ),
    "of nobody": (told_again(_of_nobody), "events.wrong"),
    "of another school": (told_again(_of_another_school), "events.wrong"),
}


@pytest.mark.parametrize("at_once", [500, 2, 1])
def test_what_happened_is_told(
    told: Told, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(event_audit, "AT_ONCE", at_once)
    assert told.found() == []
    told.order()
    assert told.found() == []


@pytest.mark.parametrize("at_once", [500, 2, 1])
@pytest.mark.parametrize("name", BROKEN)
def test_an_event_that_is_missing_or_wrong_is_found(
    told: Told, monkeypatch: pytest.MonkeyPatch, name: str, at_once: int
) -> None:
    break_it, code = BROKEN[name]
    break_it(told)
    monkeypatch.setattr(event_audit, "AT_ONCE", at_once)

    assert told.found() == [code]


@pytest.mark.parametrize("place", [1, 5])
def test_no_event_that_had_a_place_is_gone(told: Told, place: int) -> None:
    told.order()
    removed(f"position = {place}")(told)

    assert "events.gap" in told.found()


def test_what_was_pruned_or_was_before_there_were_events_is_not_missed(
    told: Told,
) -> None:
    told.order()
    with told.database.begin() as tx:
        pruned = feed.prune(tx, LATER, undelivered=True, limit=999)
    assert pruned
    assert told.found() == []

    told.sql(
        "DELETE FROM event", "DELETE FROM event_audience", "DELETE FROM event_feed"
    )
    assert told.found() == []
    told.issue(94)  # the first with events
    next_one = told.issue(95)
    assert told.found() == []
    removed(NEWEST.format("issued"))(told)
    with told.database.begin() as tx:
        credentials.withdraw(
            tx, told.world.school.id, next_one.id, "mistake", next_one.issued_at
        )
    assert told.found() == ["events.issued"]


def test_a_batch_that_is_not_there_is_the_doctors(told: Told) -> None:
    """It ends nothing here, also at the end of a page."""
    with told.database.begin() as tx:
        anchor = told.world.rows(S.SEALED)[0]
        for _ in range(3):
            key, subject = str(uuid4()), str(UUID(int=1))
            values = {**_new(anchor), "subject": subject, "unique_key": key}
            chain_txs.enqueue(tx, NewChainTx(**values), NOW)  # type: ignore[arg-type]

    assert told.found() == []


def _new(row: ChainTx) -> dict[str, object]:
    names = ("kind", "chain_id", "to", "data", "gas")
    return {name: getattr(row, name) for name in names}
