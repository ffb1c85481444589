"""That no node of a chain can be used, for whoever does not read the worker's log."""

from sqlalchemy import delete, select, update
from sqlmodel import col

from ledger.store.database import Transaction
from ledger.store.records import Outage
from ledger.store.tables import OutageRow


def note(tx: Transaction, seen: Outage) -> None:
    """Note an outage; one that is there keeps its beginning, and takes the rest from this look."""
    values = {"words": seen.words, "seen_at": seen.seen_at}
    key = {"chain_id": seen.chain_id}
    if not tx.add_if_absent(OutageRow, {**key, **values, "since": seen.since}):
        # Hosts need not agree on the time: it was never seen before it began.
        tx.change(
            update(OutageRow)
            .filter_by(**key)
            .where(col(OutageRow.since) <= seen.seen_at)
            .values(**values)
        )


def end(tx: Transaction, chain_id: int) -> None:
    """End an outage, if there is one."""
    tx.change(delete(OutageRow).where(col(OutageRow.chain_id) == chain_id))


def of(tx: Transaction, chain_id: int) -> Outage | None:
    """The outage of a chain as it was seen last; None while a node of it can be used."""
    row = tx.row(select(OutageRow).where(col(OutageRow.chain_id) == chain_id))
    return None if row is None else Outage(**row)
