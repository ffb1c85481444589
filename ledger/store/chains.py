"""Which chains this database was used with, and which of them is its home. Not data of a tenant."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import Select, select, update
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
    if not tx.add_if_absent(ChainRow, asdict(chain)):
        _require_same(get(tx, chain.chain_id), chain)


def record_home(tx: Transaction, chain: Chain) -> None:
    """Record the home chain: where issuers are registered and batches are sealed. It never changes.

    Raises Conflict as `record` does, and if another chain is the home of this database.
    """
    record(tx, chain)
    present = home(tx)
    if present is None:
        tx.change(
            update(ChainRow)
            .where(col(ChainRow.chain_id) == chain.chain_id)
            .values(home=True)
        )
    else:
        require_home(tx, chain)


def require_home(tx: Transaction, chain: Chain) -> None:
    """Raise Conflict if another chain is the home of this database; does nothing before there is one."""
    present = home(tx)
    if present is None:
        return
    if present.chain_id != chain.chain_id:
        raise Conflict(
            f"the home chain of this database is eip155:{present.chain_id}, and the nodes"
            f" that are configured are of eip155:{chain.chain_id}: a ledger never changes"
            " its home"
        )
    _require_same(present, chain)


def home(tx: Transaction) -> Chain | None:
    """The home chain; None before the first use."""
    row = tx.row(_chains().where(col(ChainRow.home)))
    return None if row is None else Chain(**row)


def get(tx: Transaction, chain_id: int) -> Chain:
    """The chain as it was recorded. Raises NotFound."""
    row = tx.row(_chains().where(col(ChainRow.chain_id) == chain_id))
    if row is None:
        raise NotFound(f"this database was never used with chain {chain_id}")
    return Chain(**row)


def all(tx: Transaction) -> Sequence[Chain]:
    """Every chain that this database was used with, by number."""
    rows = tx.rows(_chains().order_by(col(ChainRow.chain_id)))
    return [Chain(**row) for row in rows]


def _chains() -> Select[Any]:
    return select(*(getattr(ChainRow, each.name) for each in fields(Chain)))


def _require_same(known: Chain, chain: Chain) -> None:
    before, after = asdict(known), asdict(chain)
    differing = [name for name, value in before.items() if after[name] != value]
    if differing:
        raise Conflict(
            f"this database was used with another chain {chain.chain_id}: "
            + "; ".join(
                f"{name} was {_shown(before[name])}, now {_shown(after[name])}"
                for name in differing
            )
        )


def _shown(value: object) -> str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)
