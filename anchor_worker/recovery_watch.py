"""Recovery watch: how often each issuer's recovery key has acted, for whoever signs revocations."""

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from ledger.chain.node import ChainNode
from ledger.chain.registry import IssuerRegistry
from ledger.store import issuers
from ledger.store.database import Database
from ledger.store.records import Chain, IssuerRecord

#: So often each issuer is asked about.
PAUSE = timedelta(minutes=10)
#: So many are asked about in a round: many schools must not hold the anchors up.
AT_ONCE = 5


class RecoveryWatch:
    """The issuers whose home is one chain."""

    def __init__(
        self, database: Database, chain: Chain, *, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._chain = chain
        self._clock = clock
        self._waiting: deque[IssuerRecord] = deque()
        self._not_before: datetime | None = None

    def step(self, node: ChainNode) -> None:
        """Ask about the next few issuers, if it is time. Raises ChainUnavailable, StoreError."""
        if not self._waiting and not self._begin():
            return
        for _ in range(min(AT_ONCE, len(self._waiting))):
            self._look(node, self._waiting[0])
            self._waiting.popleft()

    def _begin(self) -> bool:
        now = self._clock()
        if self._not_before is not None and now < self._not_before:
            return False
        self._not_before = now + PAUSE
        with self._database.read() as tx:
            records = issuers.on_chain(tx, self._chain.chain_id)
        self._waiting.extend(
            record
            for record in records
            if record.registered_at is not None
            and record.registry == self._chain.issuer_registry
        )
        return True

    def _look(self, node: ChainNode, record: IssuerRecord) -> None:
        # The newest block, not a final one: what is signed now is carried after it.
        registry = IssuerRegistry(node, record.registry)
        state = registry.issuer(record.issuer_id, "latest")
        if state is None or state.recovery_acts == record.recovery_acts:
            return
        with self._database.begin() as tx:
            issuers.note_recovery_acts(
                tx, record.chain_id, record.issuer_id, state.recovery_acts
            )
