"""What keeps a sender from sending, for whoever does not read the worker's log."""

from sqlalchemy import delete, select, update
from sqlmodel import col

from ledger.store.database import Transaction
from ledger.store.records import Alarm, AlarmCode
from ledger.store.tables import AlarmRow


def sound(tx: Transaction, alarm: Alarm) -> None:
    """Raise an alarm; one that stands already keeps its beginning and takes the new words."""
    key = {"chain_id": alarm.chain_id, "sender": alarm.sender, "code": alarm.code}
    if not tx.add_if_absent(
        AlarmRow, {**key, "words": alarm.words, "since": alarm.since}
    ):
        tx.change(update(AlarmRow).filter_by(**key).values(words=alarm.words))


def end(tx: Transaction, chain_id: int, sender: str, code: AlarmCode) -> None:
    """End an alarm, if it stands."""
    tx.change(
        delete(AlarmRow).where(
            col(AlarmRow.chain_id) == chain_id,
            col(AlarmRow.sender) == sender,
            col(AlarmRow.code) == code,
        )
    )


def standing(tx: Transaction, chain_id: int) -> tuple[Alarm, ...]:
    """The alarms of a chain, the oldest first."""
    rows = tx.rows(
        select(AlarmRow)
        .where(col(AlarmRow.chain_id) == chain_id)
        .order_by(col(AlarmRow.since), col(AlarmRow.code), col(AlarmRow.sender))
    )
    return tuple(Alarm(**{**row, "code": AlarmCode(row["code"])}) for row in rows)
