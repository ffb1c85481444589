"""The policy of each chain: when batches are sealed, and what may be paid. Every change is kept."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import RowMapping, func, insert, select
from sqlmodel import col

from ledger.errors import SettingError
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
    """The policy in force; the defaults as long as none was set.

    Raises SettingError, naming it, for a value that is no number at all.
    """
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
    newest: int | None = tx.scalar(
        select(func.max(col(PolicyRow.number))).where(
            col(PolicyRow.chain_id) == chain_id
        )
    )
    number = (newest or 0) + 1
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
    below = row["gas_below"]
    return Policy(
        batch_age=timedelta(seconds=_whole(row, "batch_age")),
        batch_size=_whole(row, "batch_size"),
        gas_below=None if below is None else _whole(row, "gas_below"),
        latest=timedelta(seconds=_whole(row, "latest")),
        max_fee=_whole(row, "max_fee"),
        max_tx_cost=_whole(row, "max_tx_cost") * COST_UNIT,
        max_day_cost=_whole(row, "max_day_cost") * COST_UNIT,
        bump_after=_whole(row, "bump_after"),
        resend_after=timedelta(seconds=_whole(row, "resend_after")),
    )


def _whole(row: RowMapping, name: str) -> int:
    # SQLite keeps whatever somebody wrote by hand who has switched the rules off.
    value = row[name]
    if not isinstance(value, int):
        raise SettingError(
            f"the policy of eip155:{row['chain_id']} in the database:"
            f" {name.replace('_', '-')} does not do: given {value!r}, expected a whole number."
            " Correct that row, or delete it and set the policy again"
        )
    return value
