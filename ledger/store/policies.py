"""The policy of each chain: when batches are sealed, and what may be paid. Every change is kept."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import RowMapping, insert, select
from sqlmodel import col

from ledger.store.database import Transaction
from ledger.store.records import Policy, PolicyChange
from ledger.store.tables import (
    COST_UNIT,
    DEAREST_DAY,
    HIGHEST_CEILING,
    LARGEST_BATCH,
    LEAST_CEILING,
    LONGEST_BUMP,
    LONGEST_RESEND,
    LONGEST_WAIT,
    PolicyRow,
)

__all__ = [
    "COST_UNIT",
    "DEAREST_DAY",
    "HIGHEST_CEILING",
    "LARGEST_BATCH",
    "LEAST_CEILING",
    "LONGEST_BUMP",
    "LONGEST_RESEND",
    "LONGEST_WAIT",
    "current",
    "history",
    "set",
]


def current(tx: Transaction, chain_id: int) -> Policy:
    """The policy in force; the defaults as long as none was set."""
    row = tx.row(
        select(PolicyRow)
        .where(col(PolicyRow.chain_id) == chain_id)
        .order_by(col(PolicyRow.number).desc())
        .limit(1)
    )
    return Policy() if row is None else _policy(row)


def history(tx: Transaction, chain_id: int) -> Sequence[PolicyChange]:
    """Every policy that was set for a chain, the first one first."""
    rows = tx.rows(
        select(PolicyRow)
        .where(col(PolicyRow.chain_id) == chain_id)
        .order_by(col(PolicyRow.number))
    )
    return [
        PolicyChange(
            chain_id, row["number"], _policy(row), row["set_at"], row["set_by"]
        )
        for row in rows
    ]


def set(
    tx: Transaction, chain_id: int, policy: Policy, *, by: str, now: datetime
) -> PolicyChange:
    """Put a policy in force and keep those before it.

    Costs are kept in whole 10^9 wei, times in whole seconds. Raises Conflict, naming the rule,
    for a policy that contradicts itself, and if somebody else set one at the same moment.
    """
    number = len(history(tx, chain_id)) + 1
    tx.change(
        insert(PolicyRow).values(
            chain_id=chain_id,
            number=number,
            batch_age=_seconds(policy.batch_age),
            batch_size=policy.batch_size,
            gas_below=policy.gas_below,
            latest=_seconds(policy.latest),
            max_fee=policy.max_fee,
            max_tx_cost=policy.max_tx_cost // COST_UNIT,
            max_day_cost=policy.max_day_cost // COST_UNIT,
            bump_after=policy.bump_after,
            resend_after=_seconds(policy.resend_after),
            set_at=now,
            set_by=by,
        )
    )
    return PolicyChange(chain_id, number, policy, now, by)


def _seconds(span: timedelta) -> int:
    return span // timedelta(seconds=1)


def _policy(row: RowMapping) -> Policy:
    return Policy(
        batch_age=timedelta(seconds=row["batch_age"]),
        batch_size=row["batch_size"],
        gas_below=row["gas_below"],
        latest=timedelta(seconds=row["latest"]),
        max_fee=row["max_fee"],
        max_tx_cost=row["max_tx_cost"] * COST_UNIT,
        max_day_cost=row["max_day_cost"] * COST_UNIT,
        bump_after=row["bump_after"],
        resend_after=timedelta(seconds=row["resend_after"]),
    )
