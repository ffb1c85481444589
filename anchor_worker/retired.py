"""
Accounts that paid before: what is on its way there is followed to its end, nothing is begun.

Their keys are not needed: the signed bytes are in the database, and the same bytes go out again
until they are in a block. What never had a nonce goes to the account that pays now.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from anchor_worker.confirm import Confirmer
from ledger.chain.node import ChainNode, SendOutcome
from ledger.errors import ChainRejected
from ledger.store import chain_txs, leases
from ledger.store.database import Database
from ledger.store.records import ChainTx, ChainTxState, Lease

_MANY = 10_000
_UNDER_WAY = (ChainTxState.IN_PROGRESS, ChainTxState.SENT, ChainTxState.MINED)
_UNMINED = (ChainTxState.IN_PROGRESS, ChainTxState.SENT)
_log = logging.getLogger("anchor_worker.retired")


class Retired:
    """Follows the transactions of every account on one chain but the one that pays now."""

    def __init__(
        self,
        database: Database,
        chain_id: int,
        sender: str,
        *,
        lease_seconds: float,
        clock: Callable[[], datetime],
        resend_after: timedelta = timedelta(seconds=60),
    ) -> None:
        self._database = database
        self._chain_id = chain_id
        self._sender = sender
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._resend_after = resend_after
        self._confirmers: dict[str, Confirmer] = {}
        self._sent: dict[UUID, datetime] = {}
        self._alarms: dict[str, str] = {}

    def step(self, node: ChainNode, owner: str) -> bool:
        """Look once at what is on its way. True if anything moved. Raises ChainUnavailable."""
        with self._database.read() as tx:
            rows = chain_txs.in_state(tx, self._chain_id, _UNDER_WAY, _MANY)
        senders = {row.sender for row in rows if row.sender is not None}
        worked = False
        for sender in sorted(senders - {self._sender}):
            lease = self._take(sender, owner)
            if lease is not None:
                worked |= self._follow(node, lease)
        return worked

    def _take(self, sender: str, owner: str) -> Lease | None:
        with self._database.begin() as tx:
            return leases.take(
                tx,
                self._chain_id,
                sender,
                owner=owner,
                seconds=self._lease_seconds,
                now=self._clock(),
            )

    def _follow(self, node: ChainNode, lease: Lease) -> bool:
        confirmer = self._confirmers.setdefault(
            lease.sender,
            Confirmer(self._database, self._chain_id, lease.sender, clock=self._clock),
        )
        try:
            worked = confirmer.step(node, lease)
        except ChainRejected as error:
            # Of an account that is given up: it must not stop the one that pays now.
            self._alarm(lease.sender, str(error))
            return False
        return self._send_again(node, lease) or worked

    def _send_again(self, node: ChainNode, lease: Lease) -> bool:
        with self._database.read() as tx:
            rows = chain_txs.in_state(tx, self._chain_id, _UNMINED, _MANY)
        theirs = [row for row in rows if row.sender == lease.sender]
        worked = False
        for row in sorted(theirs, key=lambda row: row.nonce or 0):
            if self._is_due(row):
                # In nonce order: what comes later waits until this one is on its way.
                if not self._send(node, lease, row):
                    return worked
                worked = True
        return worked

    def _is_due(self, row: ChainTx) -> bool:
        sent = self._sent.get(row.id)
        return sent is None or self._clock() - sent >= self._resend_after

    def _send(self, node: ChainNode, lease: Lease, row: ChainTx) -> bool:
        with self._database.read() as tx:
            dearest = chain_txs.attempts(tx, row.id)[-1]
        head = node.block("latest").number
        answer = node.send(dearest.raw)
        now = self._clock()
        self._sent[row.id] = now
        if answer.outcome not in {SendOutcome.ACCEPTED, SendOutcome.OCCUPIED}:
            self._alarm(
                lease.sender,
                f"nonce {row.nonce} of {lease.sender}, which paid before, is not taken:"
                f" {answer.detail}",
            )
            return False
        with self._database.begin() as tx:
            chain_txs.mark_attempt_sent(tx, lease, dearest.hash, now=now)
            if row.state is ChainTxState.IN_PROGRESS:
                chain_txs.advance(
                    tx,
                    lease,
                    row.id,
                    row.state,
                    ChainTxState.SENT,
                    now=now,
                    sent_block=head,
                )
        return True

    def _alarm(self, sender: str, words: str) -> None:
        """Say it once, not at every round."""
        if self._alarms.get(sender) != words:
            self._alarms[sender] = words
            _log.critical("%s", words, extra={"sender": sender})
