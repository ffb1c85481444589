"""Which chain this database belongs to. Not data of a tenant."""

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import select
from sqlmodel import col

from ledger.errors import Conflict, NotFound
from ledger.store.database import Transaction
from ledger.store.records import Chain
from ledger.store.tables import ChainRow


def record(tx: Transaction, chain: Chain) -> None:
    """Record a chain the first time it is used; the same again changes nothing.

    Raises Conflict, naming what differs, if it was recorded otherwise: another genesis
    block under the same number is another chain, and nothing there is ours.
    """
    if tx.add_if_absent(ChainRow, asdict(chain)):
        return
    before, after = asdict(get(tx, chain.chain_id)), asdict(chain)
    differing = [name for name, value in before.items() if after[name] != value]
    if differing:
        raise Conflict(
            f"this database was used with another chain {chain.chain_id}: "
            + "; ".join(
                f"{name} was {_shown(before[name])}, now {_shown(after[name])}"
                for name in differing
            )
        )


def get(tx: Transaction, chain_id: int) -> Chain:
    """The chain as it was recorded. Raises NotFound."""
    row = tx.row(select(ChainRow).where(col(ChainRow.chain_id) == chain_id))
    if row is None:
        raise NotFound(f"this database was never used with chain {chain_id}")
    return Chain(**row)


def all(tx: Transaction) -> Sequence[Chain]:
    """Every chain that this database was used with, by number."""
    rows = tx.rows(select(ChainRow).order_by(col(ChainRow.chain_id)))
    return [Chain(**row) for row in rows]


def _shown(value: object) -> str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)
