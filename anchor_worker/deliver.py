"""
Deliver: every event reaches the receiver at least once, those of one credential in their order.

One process sends at a time, under a lease, one event after another in the order of the log. The
place in the log is moved after the receiver has answered; whatever a crash lets it forget is
sent again, under the same key. While nobody takes events the same one is tried again, for ever.
One that the receiver refuses is put aside after some tries, and with it the later ones of the
same credential, so that it holds up nobody else; those are tried again, in their order, for ever.

It has a thread of its own and shares nothing with anchoring but the database. What the ledger
keeps for some time only is forgotten here too: old events, and answers to requests.
"""

import logging
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from anchor_worker.receiver import Answer, Outcome, Receiver
from ledger.errors import Conflict, LedgerError
from ledger.services.events import encode_event
from ledger.store import deliveries, feed, idempotency, leases
from ledger.store.database import Database
from ledger.store.event_records import Event, EventCursor, ParkedEvent
from ledger.store.records import Lease

#: So often an event is tried before it is put aside: refused, or the receiver broke over it.
REFUSALS, FAILURES = 5, 12
#: So many events are put aside at most: who refuses more is a receiver that is wrong.
MAX_PARKED = 1_000
#: So long an event that was put aside is left alone.
PARKED_PAUSE = timedelta(hours=1)

_AT_ONCE = 200
_PRUNED_AT_ONCE = 1_000
_FORGET_AFTER = timedelta(minutes=1)
_COMMIT_AFTER = timedelta(seconds=1)
_SHORTEST_PAUSE = 1.0
_CONFLICTS = 5
_LONGEST_PAUSE = 300.0
_log = logging.getLogger("anchor_worker.deliver")


@dataclass(frozen=True, slots=True)
class Care:
    """How events are looked after: how often one looks, for how long they are kept."""

    poll: float = 2.0
    lease: float = 60.0
    keep: timedelta = timedelta(days=30)


class Deliverer:
    """Orders events, delivers them if there is a receiver, and forgets old ones."""

    def __init__(
        self,
        database: Database,
        receiver: Receiver | None,
        *,
        owner: str,
        clock: Callable[[], datetime],
        care: Care | None = None,
    ) -> None:
        self._database = database
        self._receiver = receiver
        self._owner = owner
        self._clock = clock
        self._care = care or Care()
        self._stop = threading.Event()
        self._failures = 0
        self._not_before: datetime | None = None
        #: The event at the front that was refused, and how often: forgotten by a crash.
        self._tried: tuple[UUID | None, int] = (None, 0)
        self._lease: Lease | None = None
        self._next_forget = clock()
        self._said = ""

    def run(self) -> None:
        """Work until `stop`. Ends with an error that nobody foresaw, and with no other."""
        failures = conflicts = 0
        while not self._stop.is_set():
            worked = False
            try:
                worked = self.step()
                failures = conflicts = 0
            except Conflict as error:
                # Another worker was faster. Time and again, it is no other worker.
                conflicts += 1
                if conflicts < _CONFLICTS:
                    _log.info("again: %s", error)
                else:
                    failures += 1
                    self._say(
                        logging.ERROR, f"events cannot be looked after now: {error}"
                    )
            except LedgerError as error:
                failures += 1
                self._say(logging.ERROR, f"events cannot be looked after now: {error}")
            if not worked:
                self._stop.wait(_pause(failures, self._care.poll))
        self._release()

    def stop(self) -> None:
        """End `run` after the event that is on its way."""
        self._stop.set()

    def drain(self) -> None:
        """Do what can be done at once, and end at the first event that nobody takes."""
        while self.step():
            pass
        self._release()

    def step(self) -> bool:
        """Order what is new, send some, forget some. True if there may be more to do at once.

        Raises Conflict if somebody else has taken the lease, StoreError.
        """
        worked = self._order()
        if self._receiver is not None and self._is_due() and self._has_work():
            lease = self._take()
            if lease is not None:
                worked |= self._send_parked(lease, self._receiver)
                if self._is_due():
                    worked |= self._send(lease, self._receiver)
        return self._forget() or worked

    # ---------------------------------------------------------------- the log

    def _order(self) -> bool:
        with self._database.read() as tx:
            if not feed.has_new(tx):
                return False
            audiences = feed.new_audiences(tx)
        with self._database.begin() as tx:
            return feed.sequence(tx, audiences) == feed.SEQUENCED_AT_ONCE

    def _forget(self) -> bool:
        now = self._clock()
        if now < self._next_forget:
            return False
        with self._database.begin() as tx:
            idempotency.forget(tx, now=now)
            count = feed.prune(
                tx,
                now - self._care.keep,
                undelivered=self._receiver is None,
                limit=_PRUNED_AT_ONCE,
            )
        if count == _PRUNED_AT_ONCE:
            return True
        self._next_forget = now + _FORGET_AFTER
        return False

    def _take(self) -> Lease | None:
        with self._database.begin() as tx:
            self._lease = leases.take(
                tx,
                *leases.EVENTS,
                owner=self._owner,
                seconds=self._care.lease,
                now=self._clock(),
            )
        return self._lease

    def _release(self) -> None:
        if self._lease is None:
            return
        try:
            with self._database.begin() as tx:
                leases.release(tx, self._lease)
        except LedgerError as error:
            _log.warning("the lease on events stays until it expires: %s", error)

    # ---------------------------------------------------------------- sending

    def _is_due(self) -> bool:
        return self._not_before is None or self._clock() >= self._not_before

    def _has_work(self) -> bool:
        with self._database.read() as tx:
            place = deliveries.delivered(tx)
            return (
                bool(feed.outgoing(tx, place, 1).events)
                or deliveries.next_parked(tx, self._clock()) is not None
            )

    def _send(self, lease: Lease, receiver: Receiver) -> bool:
        with self._database.read() as tx:
            kept = place = deliveries.delivered(tx)
            page = feed.outgoing(tx, place, _AT_ONCE)
            held = deliveries.parked_subjects(tx)
        since = self._clock()
        for event in page.events:
            if self._stop.is_set():
                break
            if event.subject in held:
                kept = place = self._park(lease, kept, event, None)
                continue
            answer = receiver.post(event.key, encode_event(event))
            if answer.outcome is not Outcome.TAKEN:
                kept = self._keep(lease, kept, place)
                return self._not_taken(lease, kept, event, answer)
            self._well()
            place = event.cursor
            if self._clock() - since >= _COMMIT_AFTER:
                kept, since = self._keep(lease, kept, place), self._clock()
        else:
            place = page.next
        self._keep(lease, kept, place)
        return len(page.events) == _AT_ONCE

    def _keep(self, lease: Lease, old: EventCursor, new: EventCursor) -> EventCursor:
        """Move the place, and renew the lease: a slow receiver must not let it run out."""
        if new != old:
            renewed = self._take()
            if renewed != lease:
                raise Conflict("the lease on events was lost")
            with self._database.begin() as tx:
                deliveries.advance(tx, lease, old, new, now=self._clock())
        return new

    def _not_taken(
        self, lease: Lease, kept: EventCursor, event: Event, answer: Answer
    ) -> bool:
        most = {Outcome.REFUSED: REFUSALS, Outcome.FAILED: FAILURES}.get(answer.outcome)
        if most is not None:
            before = self._tried[1] if self._tried[0] == event.key else 0
            self._tried = event.key, before + 1
        tries = self._tried[1]
        if most is None or tries < most:
            self._wait(answer, event)
            return False
        if self._is_full():
            self._wait(answer, event, is_full=True)
            return False
        self._park(lease, kept, event, answer.status, tries=tries)
        _log.critical(
            "the receiver refuses an event: it is put aside, and the later ones of its"
            " credential or batch with it",
            extra={
                "id": str(event.key),
                "subject": str(event.subject),
                "answer": answer.detail,
            },
        )
        self._well()
        return True

    def _is_full(self) -> bool:
        with self._database.read() as tx:
            return deliveries.count_parked(tx) >= MAX_PARKED

    def _wait(
        self, answer: Answer, event: Event | None = None, *, is_full: bool = False
    ) -> None:
        pause = _pause(self._failures, _SHORTEST_PAUSE)
        if answer.after is not None:
            # As it asks: no sooner, and not for as long as a faulty or hostile one may say.
            pause = min(max(answer.after, _SHORTEST_PAUSE), _LONGEST_PAUSE)
        self._failures += 1
        self._not_before = self._clock() + timedelta(seconds=pause)
        about: dict[str, object] = {}
        if is_full:
            words = f"the receiver refuses too many events, and all wait for it: {answer.detail}"
        elif answer.outcome is Outcome.AWAY or event is None:
            words = f"the receiver takes no events: {answer.detail}"
        else:
            did = "refuses" if answer.outcome is Outcome.REFUSED else "breaks over"
            words = (
                f"the receiver {did} an event, which is tried again: {answer.detail}"
            )
            about = {"id": str(event.key), "subject": str(event.subject)}
        self._say(logging.WARNING, words, about)

    def _well(self) -> None:
        if self._failures:
            _log.info("events are delivered again")
        self._failures, self._not_before, self._said = 0, None, ""
        self._tried = (None, 0)

    def _say(
        self, level: int, words: str, about: Mapping[str, object] | None = None
    ) -> None:
        """Say it once, not at every try."""
        if words != self._said:
            self._said = words
            _log.log(level, "%s", words, extra=about)

    # ---------------------------------------------------------------- what was put aside

    def _park(
        self,
        lease: Lease,
        kept: EventCursor,
        event: Event,
        status: int | None,
        *,
        tries: int = 0,
    ) -> EventCursor:
        """Put an event aside and go on behind it, both or neither."""
        now = self._clock()
        parked = ParkedEvent(
            key=event.key,
            cursor=event.cursor,
            subject=event.subject,
            body=encode_event(event),
            status=status,
            tries=tries,
            next_try=now + PARKED_PAUSE if tries else now,
            parked_at=now,
        )
        with self._database.begin() as tx:
            deliveries.park(tx, lease, parked, now=now)
            deliveries.advance(tx, lease, kept, event.cursor, now=now)
        return event.cursor

    def _send_parked(self, lease: Lease, receiver: Receiver) -> bool:
        """Try one event that was put aside, the first of its subject, if it is due."""
        with self._database.read() as tx:
            parked = deliveries.next_parked(tx, self._clock())
        if parked is None:
            return False
        answer = receiver.post(parked.key, parked.body)
        now = self._clock()
        with self._database.begin() as tx:
            if answer.outcome is Outcome.TAKEN:
                deliveries.unpark(tx, lease, parked.key, now=now)
            elif answer.outcome is not Outcome.AWAY:
                deliveries.postpone(
                    tx,
                    lease,
                    parked.key,
                    status=answer.status,
                    next_try=now + PARKED_PAUSE,
                    now=now,
                )
        if answer.outcome is Outcome.AWAY:
            self._wait(answer)
        elif answer.outcome is Outcome.TAKEN:
            _log.info(
                "an event that was put aside is delivered",
                extra={"id": str(parked.key)},
            )
        return answer.outcome is not Outcome.AWAY


def _pause(failures: int, first: float) -> float:
    """Seconds: twice as many after each failure, and never in step with others."""
    longest = min(first * 2.0 ** min(failures, 10), max(_LONGEST_PAUSE, first))
    if not failures:
        return longest
    return longest * (0.5 + secrets.randbelow(1_000) / 2_000)
