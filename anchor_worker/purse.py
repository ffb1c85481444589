"""Purse: what the sender has is looked at now and then, for whoever asks the database."""

from collections.abc import Callable
from datetime import datetime, timedelta

from ledger.chain.node import ChainNode
from ledger.store import costs
from ledger.store.database import Database

#: So often the balance is looked at.
PAUSE = timedelta(minutes=10)


class Purse:
    """The coins of one sender on one chain."""

    def __init__(
        self,
        database: Database,
        chain_id: int,
        sender: str,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._chain_id = chain_id
        self._sender = sender
        self._clock = clock
        self._not_before: datetime | None = None

    def step(self, node: ChainNode) -> None:
        """Note the balance if it is time. Raises ChainUnavailable, StoreError."""
        now = self._clock()
        if self._not_before is not None and now < self._not_before:
            return
        balance = node.balance(self._sender)
        with self._database.begin() as tx:
            costs.note_balance(tx, self._chain_id, self._sender, balance, now=now)
        self._not_before = now + PAUSE
