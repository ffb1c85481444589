"""Outages: while no node of a chain can be used, the database says so, since when and why."""

from collections.abc import Callable
from datetime import datetime

from ledger.store import outages
from ledger.store.database import Database
from ledger.store.records import Outage


class Outages:
    """The outages of one chain. It remembers nothing: another worker may have seen the last one."""

    def __init__(
        self, database: Database, chain_id: int, *, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._chain_id = chain_id
        self._clock = clock

    def note(self, words: str) -> None:
        """No node could be chosen in this round. Raises StoreError."""
        now = self._clock()
        with self._database.begin() as tx:
            outages.note(tx, Outage(self._chain_id, words, since=now, seen_at=now))

    def end(self) -> None:
        """A node was chosen in this round. Raises StoreError."""
        with self._database.read() as tx:
            known = outages.of(tx, self._chain_id)
        if known is not None:
            with self._database.begin() as tx:
                outages.end(tx, self._chain_id)
