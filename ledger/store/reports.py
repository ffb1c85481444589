"""What lies before the worker, for `perdure status` and for whoever watches it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import aliased
from sqlmodel import col

from ledger.store import (
    costs,
    credentials,
    leases,
    outages,
    policies,
    refused_acts,
    standstills,
)
from ledger.store.database import Transaction
from ledger.store.records import (
    ChainTxKind,
    ChainTxState,
    CostReport,
    Figures,
    WorkerReport,
)
from ledger.store.tables import (
    BatchAnchorRow,
    BatchCheckpointRow,
    BatchRow,
    ChainTxRow,
    ClosingRow,
    CredentialRow,
)

#: What failed is called new for so long: a row that failed stays for ever.
LATELY: Final = timedelta(days=7)

PENDING: Final = (
    ChainTxState.SEALED,
    ChainTxState.IN_PROGRESS,
    ChainTxState.SENT,
    ChainTxState.MINED,
)
FAILED: Final = (ChainTxState.REVERTED, ChainTxState.FATAL)

#: Anchors are made in order, so the oldest credential is in one of the first batches.
_FIRST: Final = 50

_DAY: Final = 86_400
_MONTH: Final = 30 * _DAY


def cost_report(tx: Transaction, chain_id: int, now: datetime) -> CostReport:
    """What a chain cost in the 24 hours and in the 30 days before `now`, by block times."""
    instant = int(now.timestamp())
    first = costs.first_time(tx, chain_id)
    known = 0 if first is None else instant - max(first, instant - _MONTH)
    anchors, credentials_anchored = costs.anchoring(tx, chain_id, instant - _MONTH)
    return CostReport(
        spent_day=costs.spent(tx, chain_id, instant - _DAY),
        spent_month=costs.spent(tx, chain_id, instant - _MONTH),
        under_way=costs.under_way(tx, chain_id),
        anchors_month=anchors,
        credentials_month=credentials_anchored,
        # Less than a day says little of a day: then it counts as one.
        days_observed=max(known / _DAY, 1.0),
        policy=policies.current(tx, chain_id),
        balances=costs.balances(tx, chain_id),
        standstills=standstills.all(tx, chain_id),
    )


def worker_report(tx: Transaction, chain_id: int) -> WorkerReport:
    """Count what waits and what is on its way, of all organisations."""
    unsealed = tx.scalar(
        select(func.count()).where(
            col(CredentialRow.chain_id) == chain_id,
            col(CredentialRow.batch_id).is_(None),
        )
    )
    waiting = tx.scalar(select(func.count()).where(credentials.sealable(chain_id)))
    return WorkerReport(
        waiting=waiting,
        held_back=unsealed - waiting,
        oldest_waiting=credentials.oldest_waiting(tx, chain_id),
        chain_txs=_in_states(tx, chain_id, tuple(ChainTxState)),
    )


def unsettled(tx: Transaction, chain_id: int) -> Mapping[ChainTxState, int]:
    """How many of a chain's transactions are in each state but the final one; zeros included."""
    return _in_states(tx, chain_id, (*PENDING, *FAILED))


def _in_states(
    tx: Transaction, chain_id: int, states: Sequence[ChainTxState]
) -> dict[ChainTxState, int]:
    rows = tx.rows(
        select(col(ChainTxRow.state), func.count().label("n"))
        .where(col(ChainTxRow.chain_id) == chain_id, col(ChainTxRow.state).in_(states))
        .group_by(col(ChainTxRow.state))
    )
    counted = {row["state"]: int(row["n"]) for row in rows}
    return {state: counted.get(state, 0) for state in states}


def figures(tx: Transaction, chain_id: int, now: datetime) -> Figures:
    """What the database says of a chain's work at `now`, of all organisations."""
    pending = tx.scalar(
        select(func.min(ChainTxRow.created_at)).where(
            col(ChainTxRow.chain_id) == chain_id, col(ChainTxRow.state).in_(PENDING)
        )
    )
    failed = tx.scalar(
        select(func.count()).where(
            col(ChainTxRow.chain_id) == chain_id,
            col(ChainTxRow.state).in_(FAILED),
            col(ChainTxRow.created_at) > now - LATELY,
        )
    )
    # Checkpoints are leaves too, and no credentials.
    stated = (
        select(func.count())
        .where(col(BatchCheckpointRow.batch_id) == col(BatchRow.id))
        .scalar_subquery()
    )
    (anchored,) = tx.rows(
        select(
            func.count().label("batches"),
            func.coalesce(func.sum(BatchRow.tree_size - stated), 0).label(
                "credentials"
            ),
        )
        .join(BatchAnchorRow, col(BatchAnchorRow.batch_id) == col(BatchRow.id))
        .where(col(BatchAnchorRow.chain_id) == chain_id)
    )
    return Figures(
        work=worker_report(tx, chain_id),
        oldest_unanchored=_oldest_unanchored(tx, chain_id),
        oldest_pending=pending,
        failed_lately=failed,
        anchored=anchored["batches"],
        credentials=int(anchored["credentials"]),
        holders=leases.holders(tx, chain_id, now),
        costs=cost_report(tx, chain_id, now),
        outage=outages.of(tx, chain_id),
        refused_acts=len(refused_acts.on_chain(tx, chain_id)),
    )


def oldest_in_batch(tx: Transaction, batch_id: UUID) -> datetime | None:
    """When the oldest credential of a batch was issued; None if no member is known here.

    Sealing takes the oldest first, so it is the first leaf that is a credential.
    """
    oldest: datetime | None = tx.scalar(
        select(col(CredentialRow.issued_at))
        .where(col(CredentialRow.batch_id) == batch_id)
        .order_by(col(CredentialRow.leaf_index))
        .limit(1)
    )
    return oldest


def _oldest_unanchored(tx: Transaction, chain_id: int) -> datetime | None:
    # Of an issuer that closes nothing is anchored any more.
    closing = (
        select(ClosingRow)
        .where(col(ClosingRow.organisation_id) == col(CredentialRow.organisation_id))
        .exists()
    )
    unsealed: datetime | None = tx.scalar(
        select(col(CredentialRow.issued_at))
        .where(
            col(CredentialRow.chain_id) == chain_id,
            col(CredentialRow.batch_id).is_(None),
            ~closing,
        )
        .order_by(col(CredentialRow.issued_at))
        .limit(1)
    )
    # Where somebody else used its nonce, the same anchor has been asked for again.
    again = aliased(ChainTxRow)
    displaced = (
        select(again)
        .where(
            col(ChainTxRow.state) == ChainTxState.FATAL,
            col(again.chain_id) == chain_id,
            col(again.subject) == col(ChainTxRow.subject),
            col(again.position) > col(ChainTxRow.position),
        )
        .exists()
    )
    # In two steps, so that SQLite does not go through what is final, which is nearly all.
    few = select(col(ChainTxRow.id)).where(
        col(ChainTxRow.chain_id) == chain_id,
        col(ChainTxRow.state).in_(
            [each for each in ChainTxState if each is not ChainTxState.FINAL]
        ),
    )
    under_way = tx.rows(
        select(col(ChainTxRow.subject))
        .where(
            col(ChainTxRow.id).in_(few),
            col(ChainTxRow.kind) == ChainTxKind.ANCHOR,
            ~displaced,
        )
        .order_by(col(ChainTxRow.position))
        .limit(_FIRST)
    )
    sealed = [oldest_in_batch(tx, UUID(row["subject"])) for row in under_way]
    return min((each for each in (unsealed, *sealed) if each is not None), default=None)
