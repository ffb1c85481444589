"""
What the log of events says, beside what the tables say: for whoever checks that both agree.

Read page by page, along ids and numbers: no answer grows with the ledger.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Final
from uuid import UUID

from sqlalchemy import LargeBinary, func, select
from sqlmodel import col

from ledger.store.database import Transaction
from ledger.store.event_records import EventKind
from ledger.store.records import LOST, ChainTxKind, ChainTxState
from ledger.store.tables import (
    BatchRow,
    ChainTxRow,
    CredentialRow,
    EventFeedRow,
    EventRow,
)

#: So many anchors, withdrawals or credentials of an event are looked at together.
AT_ONCE: Final = 500

_WITHDRAWALS: Final = (EventKind.WITHDRAWN, EventKind.REVOKED, EventKind.UNREVOKED)


@dataclass(frozen=True, slots=True)
class LogBounds:
    """Since when the log tells, None if it is empty; what was pruned before; how many are gone.

    A ledger that was upgraded to a release with events has a history that no event tells of.
    """

    since: datetime | None
    pruned: bool
    missing: int


@dataclass(frozen=True, slots=True)
class ToldAnchor:
    """How far the anchor of a batch on a chain is, and the newest event about it."""

    batch_id: UUID
    chain_id: int
    state: ChainTxState
    sealed_at: datetime
    is_home: bool
    newest: EventKind | None


@dataclass(frozen=True, slots=True)
class ToldWithdrawal:
    """A withdrawn credential, whether its revocation is final, and the newest event about that.

    `is_ours` is False for what may have come sealed, and withdrawn, from another ledger.
    """

    id: UUID
    withdrawn_at: datetime
    is_final: bool
    is_ours: bool
    newest: EventKind | None


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """A row of the log without what it lists; `batch_id` is None for one that lists credentials."""

    number: int
    kind: EventKind
    size: int
    organisation_id: UUID | None
    batch_id: UUID | None
    chain_id: int | None


def bounds(tx: Transaction) -> LogBounds:
    """How far back the log goes, and whether its places are all there."""
    since = tx.scalar(select(col(EventRow.at)).order_by(col(EventRow.number)).limit(1))
    feed = tx.row(select(EventFeedRow))
    if feed is None:
        return LogBounds(since, pruned=False, missing=0)
    placed = tx.scalar(select(func.count()).where(col(EventRow.position).is_not(None)))
    expected = feed["last_position"] - feed["pruned_position"]
    return LogBounds(since, feed["pruned_position"] > 0, expected - placed)


def issued(tx: Transaction, after: datetime) -> tuple[int, int]:
    """How many credentials were issued here after a moment, and of how many the log tells."""
    sealed = select(col(EventRow.batch_id)).where(
        col(EventRow.kind) == EventKind.SEALED
    )
    batch_id = col(CredentialRow.batch_id)
    there = tx.scalar(
        select(func.count()).where(
            col(CredentialRow.issued_at) > after,
            batch_id.is_(None) | batch_id.in_(sealed),
        )
    )
    told = tx.scalar(
        select(func.coalesce(func.sum(EventRow.size), 0)).where(
            col(EventRow.kind) == EventKind.ISSUED, col(EventRow.at) > after
        )
    )
    return there, int(told)


def anchors(
    tx: Transaction, after: UUID | None
) -> tuple[Sequence[ToldAnchor], UUID | None]:
    """Anchors that were not given up, by id, from behind `after` on, and the last id; None: no more.

    Those of batches that are not there are left out.
    """
    query = (
        select(
            col(ChainTxRow.id),
            col(ChainTxRow.subject),
            col(ChainTxRow.chain_id),
            col(ChainTxRow.state),
        )
        .where(
            col(ChainTxRow.kind) == ChainTxKind.ANCHOR,
            col(ChainTxRow.state) != ChainTxState.FATAL,
            col(ChainTxRow.subject) != LOST,
        )
        .order_by(col(ChainTxRow.id))
        .limit(AT_ONCE)
    )
    rows = tx.rows(query if after is None else query.where(col(ChainTxRow.id) > after))
    ids = {UUID(row["subject"]) for row in rows}
    batches = {
        row["id"]: row
        for row in tx.rows(
            select(
                col(BatchRow.id), col(BatchRow.chain_id), col(BatchRow.sealed_at)
            ).where(col(BatchRow.id).in_(ids))
        )
    }
    newest = _newest_of_batches(tx, ids)
    found = []
    for row in rows:
        batch_id, chain_id = UUID(row["subject"]), row["chain_id"]
        if batch_id in batches:
            batch = batches[batch_id]
            found.append(
                ToldAnchor(
                    batch_id=batch_id,
                    chain_id=chain_id,
                    state=ChainTxState(row["state"]),
                    sealed_at=batch["sealed_at"],
                    is_home=batch["chain_id"] == chain_id,
                    newest=newest.get((batch_id, chain_id)),
                )
            )
    return found, rows[-1]["id"] if rows else None


def withdrawals(tx: Transaction, after: UUID | None) -> Sequence[ToldWithdrawal]:
    """Withdrawn credentials of everybody, by id, from behind `after` on."""
    query = (
        select(
            col(CredentialRow.id),
            col(CredentialRow.withdrawn_at),
            col(CredentialRow.batch_id),
        )
        .where(col(CredentialRow.withdrawn_at).is_not(None))
        .order_by(col(CredentialRow.id))
        .limit(AT_ONCE)
    )
    if after is not None:
        query = query.where(col(CredentialRow.id) > after)
    rows = tx.rows(query)
    revoked = tx.rows(
        select(col(ChainTxRow.subject)).where(
            col(ChainTxRow.subject).in_([str(row["id"]) for row in rows]),
            col(ChainTxRow.kind) == ChainTxKind.REVOKE,
            col(ChainTxRow.state) == ChainTxState.FINAL,
        )
    )
    final = {UUID(row["subject"]) for row in revoked}
    ours = _asked_for(tx, {row["batch_id"] for row in rows if row["batch_id"]})
    newest = _newest_of_credentials(tx, [row["id"] for row in rows])
    return [
        ToldWithdrawal(
            id=row["id"],
            withdrawn_at=row["withdrawn_at"],
            is_final=row["id"] in final,
            is_ours=row["batch_id"] is None or row["batch_id"] in ours,
            newest=newest.get(row["id"]),
        )
        for row in rows
    ]


def log(tx: Transaction, after: int) -> Sequence[LoggedEvent]:
    """Rows of the log by number, from behind `after` on."""
    rows = tx.rows(
        select(
            col(EventRow.number),
            col(EventRow.kind),
            col(EventRow.size),
            col(EventRow.organisation_id),
            col(EventRow.batch_id),
            col(EventRow.chain_id),
        )
        .where(col(EventRow.number) > after)
        .order_by(col(EventRow.number))
        .limit(AT_ONCE)
    )
    return [LoggedEvent(**{**row, "kind": EventKind(row["kind"])}) for row in rows]


def unlike(
    tx: Transaction, listing: Sequence[LoggedEvent], start: int = 0
) -> Sequence[tuple[LoggedEvent, UUID]]:
    """Which credentials these events are wrong about: of each list `AT_ONCE` from place `start` on.

    They are not there, belong to another organisation, or are not withdrawn if that is what it
    tells.
    """
    part = func.substr(
        col(EventRow.credentials), 16 * start + 1, 16 * AT_ONCE, type_=LargeBinary
    )
    packed = tx.rows(
        select(col(EventRow.number), part.label("packed")).where(
            col(EventRow.number).in_([event.number for event in listing])
        )
    )
    listed = {
        row["number"]: [
            UUID(bytes=row["packed"][at : at + 16])
            for at in range(0, len(row["packed"]), 16)
        ]
        for row in packed
    }
    there = _owners(tx, list(dict.fromkeys(chain.from_iterable(listed.values()))))
    return [
        (event, each)
        for event in listing
        for each in listed[event.number]
        if not _is_so(event, there.get(each))
    ]


def _owners(
    tx: Transaction, ids: Sequence[UUID]
) -> Mapping[UUID, tuple[UUID, datetime | None]]:
    """Whose these credentials are, and when they were withdrawn."""
    found: dict[UUID, tuple[UUID, datetime | None]] = {}
    for at in range(0, len(ids), AT_ONCE):
        rows = tx.rows(
            select(
                col(CredentialRow.id),
                col(CredentialRow.organisation_id),
                col(CredentialRow.withdrawn_at),
            ).where(col(CredentialRow.id).in_(ids[at : at + AT_ONCE]))
        )
        for row in rows:
            found[row["id"]] = row["organisation_id"], row["withdrawn_at"]
    return found


def _is_so(event: LoggedEvent, there: tuple[UUID, datetime | None] | None) -> bool:
    if there is None or there[0] != event.organisation_id:
        return False
    return event.kind not in _WITHDRAWALS or there[1] is not None


def asked_on(tx: Transaction, batch_ids: Collection[UUID]) -> set[tuple[UUID, int]]:
    """Which of these batches an anchor was asked for, and on which chains."""
    rows = tx.rows(
        select(col(ChainTxRow.subject), col(ChainTxRow.chain_id)).where(
            col(ChainTxRow.subject).in_([str(each) for each in batch_ids]),
            col(ChainTxRow.kind) == ChainTxKind.ANCHOR,
        )
    )
    return {(UUID(row["subject"]), row["chain_id"]) for row in rows}


def _asked_for(tx: Transaction, batch_ids: Collection[UUID]) -> set[UUID]:
    return {batch_id for batch_id, _ in asked_on(tx, batch_ids)}


def _newest_of_batches(
    tx: Transaction, ids: Collection[UUID]
) -> Mapping[tuple[UUID, int], EventKind]:
    newest = (
        select(func.max(EventRow.number))
        .where(col(EventRow.batch_id).in_(ids))
        .group_by(col(EventRow.batch_id), col(EventRow.chain_id))
    )
    rows = tx.rows(
        select(
            col(EventRow.batch_id), col(EventRow.chain_id), col(EventRow.kind)
        ).where(col(EventRow.number).in_(newest))
    )
    return {(row["batch_id"], row["chain_id"]): EventKind(row["kind"]) for row in rows}


def _newest_of_credentials(
    tx: Transaction, ids: Collection[UUID]
) -> Mapping[UUID, EventKind]:
    """The newest event about the withdrawal of each: a row of its own, so no list is opened."""
    newest = (
        select(func.max(EventRow.number))
        .where(
            col(EventRow.kind).in_(_WITHDRAWALS),
            col(EventRow.credentials).in_([each.bytes for each in ids]),
        )
        .group_by(col(EventRow.credentials))
    )
    rows = tx.rows(
        select(col(EventRow.credentials), col(EventRow.kind)).where(
            col(EventRow.number).in_(newest)
        )
    )
    return {UUID(bytes=row["credentials"]): EventKind(row["kind"]) for row in rows}
