"""Whether the events say what the tables say: the newest one about each batch and withdrawal."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from ledger.store import event_audit
from ledger.store.database import Database, Transaction
from ledger.store.event_audit import (
    LogBounds,
    LoggedEvent,
    ToldAnchor,
    ToldWithdrawal,
)
from ledger.store.event_records import EventKind
from ledger.store.records import ChainTxState

#: Rows are pruned in the order of the log, which hosts with their own clocks have written.
_SKEW: Final = timedelta(hours=1)
_WAITING: Final = frozenset({EventKind.SEALED, EventKind.REORGANISED})
_TOLD: Final = MappingProxyType(
    {
        ChainTxState.SEALED: _WAITING,
        ChainTxState.IN_PROGRESS: _WAITING,
        ChainTxState.SENT: _WAITING,
        ChainTxState.MINED: frozenset({EventKind.ANCHORED}),
        ChainTxState.FINAL: frozenset({EventKind.FINAL}),
        ChainTxState.REVERTED: _WAITING | {EventKind.ANCHORED},
    }
)
_OF_AN_ANCHOR: Final = frozenset(
    {EventKind.ANCHORED, EventKind.FINAL, EventKind.REORGANISED}
)

#: Told of what does not hold: a code, what it is about, and what was found.
Add = Callable[[str, object, str], None]


def check_events(database: Database, add: Add) -> None:
    """Tell every event that is missing or wrong. Raises StoreError.

    What happened before the oldest event that is kept may be untold.
    """
    # One state of the database: a worker may go on meanwhile.
    with database.read() as tx:
        bounds = event_audit.bounds(tx)
        if bounds.missing:
            add("events.gap", "the log", f"{bounds.missing} events are gone")
        if bounds.since is None:
            return
        _check_issued(tx, bounds.since, bounds, add)
        for anchor in _anchors(tx):
            if not _agrees(anchor, bounds):
                add(
                    "events.batch",
                    anchor.batch_id,
                    f"{anchor.state} on eip155:{anchor.chain_id}, and the newest event is"
                    f" {anchor.newest or 'none'}",
                )
        for withdrawal in _withdrawals(tx):
            if not _agrees_with(withdrawal, bounds):
                state = "revoked" if withdrawal.is_final else "withdrawn"
                add(
                    "events.withdrawal",
                    withdrawal.id,
                    f"{state}, and the newest event is {withdrawal.newest or 'none'}",
                )
        _check_log(tx, add)


def _check_issued(
    tx: Transaction, since: datetime, bounds: LogBounds, add: Add
) -> None:
    there, told = event_audit.issued(tx, since + _margin(bounds))
    if told < there:
        add(
            "events.issued",
            "the log",
            f"{there} credentials were issued, and it tells of {told}",
        )


def _check_log(tx: Transaction, add: Add) -> None:
    """Every event is about something that is there."""
    number = 0
    while rows := event_audit.log(tx, number):
        number = rows[-1].number
        asked = event_audit.asked_on(
            tx, {row.batch_id for row in rows if row.batch_id is not None}
        )
        for listing, start in _portions([row for row in rows if row.batch_id is None]):
            for row, each in event_audit.unlike(tx, listing, start):
                add("events.wrong", each, f"{row.kind}, and it is not so")
        for row in rows:
            told_of = (row.batch_id, row.chain_id)
            if row.kind in _OF_AN_ANCHOR and told_of not in asked:
                add(
                    "events.wrong",
                    row.batch_id,
                    f"{row.kind} on eip155:{row.chain_id}, and not asked for there",
                )


def _portions(
    rows: Sequence[LoggedEvent],
) -> Iterator[tuple[Sequence[LoggedEvent], int]]:
    """Short lists together, long ones piece by piece: events, and the place to begin at."""
    together: list[LoggedEvent] = []
    size = 0
    for row in rows:
        if row.size > event_audit.AT_ONCE:
            for start in range(0, row.size, event_audit.AT_ONCE):
                yield [row], start
            continue
        if size + row.size > event_audit.AT_ONCE:
            yield together, 0
            together, size = [], 0
        together.append(row)
        size += row.size
    if together:
        yield together, 0


def _agrees(anchor: ToldAnchor, bounds: LogBounds) -> bool:
    if anchor.newest is not None:
        return anchor.newest in _TOLD[anchor.state]
    # Elsewhere than at home the first event is that of a block.
    not_yet = not anchor.is_home and EventKind.SEALED in _TOLD[anchor.state]
    return not_yet or _is_before(anchor.sealed_at, bounds)


def _agrees_with(withdrawal: ToldWithdrawal, bounds: LogBounds) -> bool:
    match withdrawal.newest:
        case None:
            return not withdrawal.is_ours or _is_before(withdrawal.withdrawn_at, bounds)
        case EventKind.REVOKED:
            return withdrawal.is_final
        case _:
            return not withdrawal.is_final


def _is_before(moment: datetime, bounds: LogBounds) -> bool:
    return bounds.since is None or moment <= bounds.since + _margin(bounds)


def _margin(bounds: LogBounds) -> timedelta:
    return _SKEW if bounds.pruned else timedelta(0)


def _anchors(tx: Transaction) -> Iterator[ToldAnchor]:
    page, after = event_audit.anchors(tx, None)
    while after is not None:
        yield from page
        page, after = event_audit.anchors(tx, after)


def _withdrawals(tx: Transaction) -> Iterator[ToldWithdrawal]:
    after = None
    while page := event_audit.withdrawals(tx, after):
        yield from page
        after = page[-1].id
