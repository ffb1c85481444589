"""What transactions cost: of those in a block, and at most of those on their way.

A transaction's gas and its price are multiplied here and not in SQL: the product may be more
than a database's whole number.
"""

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlmodel import col

from ledger.store.database import Transaction
from ledger.store.records import ChainTxKind, ChainTxState, Cost, SeenBalance
from ledger.store.tables import (
    COST_UNIT,
    AttemptRow,
    BatchRow,
    ChainTxCostRow,
    ChainTxRow,
    SenderBalanceRow,
)

_AT_ONCE = 500
# Signed, and nothing paid yet. A mined one has its cost; one from an older release may have none.
_UNPAID = (ChainTxState.IN_PROGRESS, ChainTxState.SENT, ChainTxState.MINED)


def record(tx: Transaction, chain_tx_id: UUID, cost: Cost) -> None:
    """Note what a mined transaction took; the latest reading counts."""
    if not tx.add_if_absent(
        ChainTxCostRow, {"chain_tx_id": chain_tx_id, **asdict(cost)}
    ):
        tx.change(
            update(ChainTxCostRow)
            .where(col(ChainTxCostRow.chain_tx_id) == chain_tx_id)
            .values(**asdict(cost))
        )


def forget(tx: Transaction, chain_tx_id: UUID) -> None:
    """Take back what a transaction took: its block is gone."""
    tx.change(
        delete(ChainTxCostRow).where(col(ChainTxCostRow.chain_tx_id) == chain_tx_id)
    )


def of(tx: Transaction, chain_tx_id: UUID) -> Cost | None:
    """What a transaction took; None as long as it is in no block."""
    row = tx.row(
        select(ChainTxCostRow).where(col(ChainTxCostRow.chain_tx_id) == chain_tx_id)
    )
    if row is None:
        return None
    return Cost(row["gas_used"], row["gas_price"], row["time"])


def spent(
    tx: Transaction, chain_id: int, since: int, *, kind: ChainTxKind | None = None
) -> int:
    """Wei that a chain's transactions took in blocks after `since`, all senders.

    Of one kind, if it is given.
    """
    price = col(ChainTxCostRow.gas_price)
    rows = tx.rows(
        select(price, func.sum(col(ChainTxCostRow.gas_used)).label("gas"))
        .join(ChainTxRow, col(ChainTxRow.id) == col(ChainTxCostRow.chain_tx_id))
        .where(
            _on(chain_id),
            col(ChainTxCostRow.time) > since,
            *_of(kind),
        )
        .group_by(price)
    )
    return sum(int(row["gas"]) * row["gas_price"] for row in rows)


def _of(kind: ChainTxKind | None) -> list[ColumnElement[bool]]:
    return [] if kind is None else [col(ChainTxRow.kind) == kind]


def _on(chain_id: int) -> ColumnElement[bool]:
    # A sum, so that no index of chains serves: what was paid lately is found by its time.
    # SQLite would go through all that was ever sent, and look up what each took.
    return col(ChainTxRow.chain_id) + 0 == chain_id


def first_time(tx: Transaction, chain_id: int) -> int | None:
    """The block time of the first transaction whose cost is known."""
    time: int | None = tx.scalar(
        select(col(ChainTxCostRow.time))
        .join(ChainTxRow, col(ChainTxRow.id) == col(ChainTxCostRow.chain_tx_id))
        .where(_on(chain_id))
        .order_by(col(ChainTxCostRow.time))
        .limit(1)
    )
    return time


def under_way(
    tx: Transaction,
    chain_id: int,
    but: UUID | None = None,
    *,
    kind: ChainTxKind | None = None,
) -> int:
    """Wei that what is signed and not paid for could cost at most, one row left out.

    Of one kind, if it is given.
    """
    gas = col(ChainTxRow.gas)
    rows = tx.rows(
        select(
            col(ChainTxRow.id), gas, func.max(col(AttemptRow.fee_cap)).label("fee_cap")
        )
        .join(AttemptRow, col(AttemptRow.chain_tx_id) == col(ChainTxRow.id))
        .outerjoin(
            ChainTxCostRow, col(ChainTxCostRow.chain_tx_id) == col(ChainTxRow.id)
        )
        .where(
            col(ChainTxRow.chain_id) == chain_id,
            col(ChainTxRow.state).in_(_UNPAID),
            col(ChainTxCostRow.chain_tx_id).is_(None),
            *_of(kind),
        )
        .group_by(col(ChainTxRow.id), gas)
    )
    return sum(row["gas"] * row["fee_cap"] for row in rows if row["id"] != but)


def anchoring(tx: Transaction, chain_id: int, since: int) -> tuple[int, int]:
    """Wei that anchors took in blocks after `since`, and how many leaves they anchored."""
    rows = tx.rows(
        select(
            col(ChainTxRow.subject),
            col(ChainTxCostRow.gas_used),
            col(ChainTxCostRow.gas_price),
        )
        .join(ChainTxRow, col(ChainTxRow.id) == col(ChainTxCostRow.chain_tx_id))
        .where(
            _on(chain_id),
            col(ChainTxRow.kind) == ChainTxKind.ANCHOR,
            col(ChainTxCostRow.time) > since,
        )
    )
    batch_ids = sorted({UUID(row["subject"]) for row in rows})
    leaves = 0
    for start in range(0, len(batch_ids), _AT_ONCE):
        some = batch_ids[start : start + _AT_ONCE]
        leaves += int(
            tx.scalar(
                select(func.coalesce(func.sum(col(BatchRow.tree_size)), 0)).where(
                    col(BatchRow.id).in_(some)
                )
            )
        )
    return sum(row["gas_used"] * row["gas_price"] for row in rows), leaves


def note_balance(
    tx: Transaction, chain_id: int, sender: str, wei: int, *, now: datetime
) -> None:
    """Keep what a sender has, rounded down to 10^9 wei, in place of what it had."""
    key = {"chain_id": chain_id, "sender": sender}
    values = {"balance": min(wei // COST_UNIT, 2**63 - 1), "seen_at": now}
    if not tx.add_if_absent(SenderBalanceRow, {**key, **values}):
        tx.change(update(SenderBalanceRow).filter_by(**key).values(**values))


def balances(tx: Transaction, chain_id: int) -> tuple[SeenBalance, ...]:
    """What each sender had when the worker last looked, the latest first."""
    rows = tx.rows(
        select(SenderBalanceRow)
        .where(col(SenderBalanceRow.chain_id) == chain_id)
        .order_by(col(SenderBalanceRow.seen_at).desc(), col(SenderBalanceRow.sender))
    )
    return tuple(
        SeenBalance(row["sender"], row["balance"] * COST_UNIT, row["seen_at"])
        for row in rows
    )
