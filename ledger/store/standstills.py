"""What keeps a sender from sending, for whoever does not read the worker's log."""

from sqlalchemy import delete, select, update
from sqlmodel import col

from ledger.store.database import Transaction
from ledger.store.records import Obstacle, Standstill
from ledger.store.tables import StandstillRow


def begin(tx: Transaction, new: Standstill) -> None:
    """Note a standstill; one that is there already keeps its beginning and takes the new words."""
    key = {"chain_id": new.chain_id, "sender": new.sender, "obstacle": new.obstacle}
    if not tx.add_if_absent(
        StandstillRow, {**key, "words": new.words, "since": new.since}
    ):
        tx.change(update(StandstillRow).filter_by(**key).values(words=new.words))


def end(tx: Transaction, chain_id: int, sender: str, obstacle: Obstacle) -> None:
    """End a standstill, if it is there."""
    tx.change(
        delete(StandstillRow).where(
            col(StandstillRow.chain_id) == chain_id,
            col(StandstillRow.sender) == sender,
            col(StandstillRow.obstacle) == obstacle,
        )
    )


def all(tx: Transaction, chain_id: int) -> tuple[Standstill, ...]:
    """The standstills of a chain, the oldest first."""
    rows = tx.rows(
        select(StandstillRow)
        .where(col(StandstillRow.chain_id) == chain_id)
        .order_by(
            col(StandstillRow.since),
            col(StandstillRow.obstacle),
            col(StandstillRow.sender),
        )
    )
    return tuple(
        Standstill(**{**row, "obstacle": Obstacle(row["obstacle"])}) for row in rows
    )
