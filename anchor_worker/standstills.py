"""What keeps a sender from sending: said once, and kept in the database as long as it lasts."""

import logging
from collections.abc import Callable, Container
from datetime import datetime

from ledger.store import standstills
from ledger.store.database import Database
from ledger.store.records import Obstacle, Standstill

_log = logging.getLogger("anchor_worker.standstills")


class Standstills:
    """The standstills of one sender. A new process says again what it still meets."""

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
        self._said: set[Obstacle] = set()
        self._met: set[Obstacle] = set()
        self._kept: set[Obstacle] | None = None

    def meet(self, obstacle: Obstacle, words: str, about: dict[str, object]) -> None:
        """Note an obstacle that was met in this round. Raises StoreError."""
        self._met.add(obstacle)
        if obstacle in self._said:
            return
        new = Standstill(self._chain_id, self._sender, obstacle, words, self._clock())
        with self._database.begin() as tx:
            standstills.begin(tx, new)
        self._known().add(obstacle)
        self._said.add(obstacle)
        _log.warning("%s", words, extra=about | {"obstacle": obstacle.value})

    def end_round(self, unsure: Container[Obstacle]) -> None:
        """End what was not met in this round, but for what the round says nothing of.

        Raises StoreError.
        """
        met, self._met = self._met, set()
        for obstacle in sorted(self._known() - met):
            if obstacle in unsure:
                continue
            with self._database.begin() as tx:
                standstills.end(tx, self._chain_id, self._sender, obstacle)
            self._known().discard(obstacle)
            self._said.discard(obstacle)
            _log.info(
                "goes on: %s is over",
                obstacle.value,
                extra={"obstacle": obstacle.value, "sender": self._sender},
            )

    def _known(self) -> set[Obstacle]:
        """What the database says; a process before this one may have met it."""
        if self._kept is None:
            with self._database.read() as tx:
                found = standstills.all(tx, self._chain_id)
            self._kept = {
                each.obstacle for each in found if each.sender == self._sender
            }
        return self._kept
