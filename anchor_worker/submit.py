"""
Submit: one nonce, one payload, for ever; signed bytes are stored before they are sent.

    sealed -> in_progress   nonce and signed bytes are committed; nothing has left yet
    in_progress -> sent     a node has the bytes, or the nonce's slot is taken
    sent -> sent            no receipt for some blocks: other fees, same nonce, same payload

Unknown is not failure: the same bytes go out again, and never a new nonce for the same
payload. A second worker, or this one after a crash, does exactly the same from the rows.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never
from uuid import UUID

from ledger.chain.node import ChainNode, Fee, SendOutcome
from ledger.chain.sender import Signer, TransactionFields
from ledger.errors import ChainRejected
from ledger.store import chain_txs
from ledger.store.database import Database, Transaction
from ledger.store.records import Attempt, ChainTx, ChainTxState, Lease

#: A node keeps 16 transactions of an account for certain (geth's account slots).
MAX_UNMINED = 16

_MANY = 10_000
_log = logging.getLogger("anchor_worker.submit")


@dataclass(frozen=True, slots=True)
class FeePolicy:
    """What may be paid for a unit of gas, and when more is offered."""

    max_fee: int = 200 * 10**9
    bump_after: int = 10  #: blocks without a receipt
    resend_after: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class _Unmined:
    """A transaction whose nonce is given out and which is in no block that we know of."""

    row: ChainTx
    attempts: Sequence[Attempt]

    @property
    def dearest(self) -> Attempt:
        return self.attempts[-1]


class Submitter:
    """Sends the transactions of one sender on one chain."""

    def __init__(
        self,
        database: Database,
        chain_id: int,
        signer: Signer,
        *,
        policy: FeePolicy,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._chain_id = chain_id
        self._signer = signer
        self._policy = policy
        self._clock = clock
        # What this process has sent, and at which head it was first sent. Only a memory of
        # when to send again: a new process sends everything once more.
        self._sent: set[tuple[bytes, int | None]] = set()
        self._alarms: dict[UUID, str] = {}

    def step(self, node: ChainNode, lease: Lease) -> bool:
        """Send what is due, then give out nonces. True if anything moved.

        Raises ChainRejected if the sender's nonces are used by somebody else.
        """
        head = node.block("latest").number
        unmined = self._unmined()
        worked = False
        for position, each in enumerate(unmined):
            current = each
            # Only the first one holds the others up, so only the first one is worth more.
            if position == 0 and self._is_slow(each, head):
                current = self._raise_fees(node, lease, each, head) or each
            if self._is_due(current):
                if not self._send(node, lease, current, head):
                    # In nonce order: what comes later waits until this one is on its way.
                    return worked
                worked = True
        for _ in range(MAX_UNMINED - len(unmined)):
            begun = self._begin(node, lease)
            if begun is None:
                return worked
            worked = True
            if not self._send(node, lease, begun, head):
                return worked
        return worked

    def _unmined(self) -> list[_Unmined]:
        with self._database.read() as tx:
            states = (ChainTxState.IN_PROGRESS, ChainTxState.SENT)
            rows = [
                row
                for row in chain_txs.in_state(tx, self._chain_id, states, _MANY)
                if row.sender == self._signer.address
            ]
            unmined = [_Unmined(row, chain_txs.attempts(tx, row.id)) for row in rows]
        return sorted(unmined, key=lambda each: each.row.nonce or 0)

    # ---------------------------------------------------------------- rule A: a new nonce

    def _begin(self, node: ChainNode, lease: Lease) -> _Unmined | None:
        """Give the next nonce to the next payload and store its signed bytes."""
        # The chain first, the database after: whatever a worker that took our lease has begun
        # since can then only make `highest` larger, and never look like foreign use.
        counts = [node.nonce(self._signer.address, tag) for tag in ("finalized", "latest", "pending")]  # fmt: skip
        fee = node.fee()
        with self._database.read() as tx:
            waiting = chain_txs.in_state(tx, self._chain_id, [ChainTxState.SEALED], 1)
            highest = chain_txs.highest_nonce(tx, self._chain_id, self._signer.address)
            fatal = self._fatal_nonces(tx)
        if not waiting:
            return None
        row = waiting[0]
        nonce = self._next_nonce(row, counts, highest)
        if nonce is None:
            return None
        if fatal and max(fatal) >= counts[1]:
            self._alarm(
                row.id,
                f"nonce {max(fatal)} was given to a transaction that no node takes; nothing"
                " is sent until an operator has filled it",
                critical=True,
            )
            return None
        if fee.base + fee.tip > self._policy.max_fee:
            self._alarm(
                row.id,
                f"the chain asks {fee.base + fee.tip} wei for a unit of gas, above the"
                f" ceiling of {self._policy.max_fee}; waiting",
            )
            return None
        cap = min(2 * fee.base + fee.tip, self._policy.max_fee)
        attempt = self._sign(row, nonce, fee.tip, cap)
        # From here on the nonce belongs to this payload. After a crash on the next line the
        # same bytes are found in the database and sent from there.
        with self._database.begin() as tx:
            chain_txs.begin_attempt(tx, lease, attempt, nonce=nonce, now=self._clock())
            begun = chain_txs.get(tx, row.id)
        return _Unmined(begun, [attempt])

    def _next_nonce(
        self, row: ChainTx, counts: Sequence[int], highest: int | None
    ) -> int | None:
        if highest is None:
            if len(set(counts)) == 1:
                return counts[0]
            self._alarm(
                row.id,
                f"{self._signer.address} has transactions of its own that are not final;"
                " waiting before its first nonce is given out",
            )
            return None
        if max(counts) > highest + 1:
            raise ChainRejected(
                f"{self._signer.address} has sent {max(counts)} transactions, and this"
                f" database knows of {highest + 1}: the account is used elsewhere, or the"
                " database is an old copy. Nothing is sent; see docs on restoring a backup"
            )
        return highest + 1

    def _fatal_nonces(self, tx: Transaction) -> list[int]:
        rows = chain_txs.in_state(tx, self._chain_id, [ChainTxState.FATAL], _MANY)
        return [
            row.nonce
            for row in rows
            if row.sender == self._signer.address and row.nonce is not None
        ]

    # ---------------------------------------------------------------- rule F: higher fees

    def _is_slow(self, each: _Unmined, head: int) -> bool:
        row = each.row
        return (
            row.state is ChainTxState.SENT
            and row.sent_block is not None
            and head - row.sent_block >= self._policy.bump_after
        )

    def _raise_fees(
        self, node: ChainNode, lease: Lease, each: _Unmined, head: int
    ) -> _Unmined | None:
        """Store an attempt with higher fees; None at the ceiling."""
        row, last = each.row, each.dearest
        raised = _raised(last, node.fee(), self._policy.max_fee)
        if raised is None or row.nonce is None:
            self._alarm(
                row.id,
                f"nonce {row.nonce} is not mined, and its fee of {last.fee_cap} wei cannot"
                f" be raised under the ceiling of {self._policy.max_fee}; waiting",
            )
            return None
        attempt = self._sign(row, row.nonce, *raised)
        with self._database.begin() as tx:
            chain_txs.add_attempt(
                tx, lease, attempt, sent_block=head, now=self._clock()
            )
            row = chain_txs.get(tx, row.id)
        _log.info(
            "raised fees",
            extra=_about(row) | {"fee_cap": attempt.fee_cap, "tip": attempt.tip},
        )
        return _Unmined(row, [*each.attempts, attempt])

    def _sign(self, row: ChainTx, nonce: int, tip: int, cap: int) -> Attempt:
        signed = self._signer.sign(
            TransactionFields(
                chain_id=self._chain_id,
                nonce=nonce,
                to=row.to,
                data=row.data,
                gas=row.gas,
                tip=tip,
                fee_cap=cap,
            )
        )
        return Attempt(
            hash=signed.hash,
            chain_tx_id=row.id,
            raw=signed.raw,
            tip=tip,
            fee_cap=cap,
            created_at=self._clock(),
        )

    # ---------------------------------------------------------------- rule B: sending

    def _is_due(self, each: _Unmined) -> bool:
        attempt = each.dearest
        return (
            each.row.state is ChainTxState.IN_PROGRESS
            or attempt.sent_at is None
            or (attempt.hash, each.row.sent_block) not in self._sent
            or self._clock() - attempt.sent_at >= self._policy.resend_after
        )

    def _send(self, node: ChainNode, lease: Lease, each: _Unmined, head: int) -> bool:
        """Send stored bytes. True if the next nonce may follow."""
        answer = node.send(each.dearest.raw)
        match answer.outcome:
            case SendOutcome.ACCEPTED | SendOutcome.OCCUPIED:
                self._mark_sent(lease, each, head)
                return True
            case SendOutcome.UNKNOWN:
                # It may be on its way. The row stays, and the same bytes go again.
                with self._database.begin() as tx:
                    chain_txs.mark_attempt_sent(
                        tx, lease, each.dearest.hash, now=self._clock()
                    )
                self._alarm(each.row.id, f"sent, outcome unknown: {answer.detail}")
            case SendOutcome.UNDERPRICED:
                self._raise_fees(node, lease, each, head)
            case SendOutcome.WAIT:
                self._alarm(
                    each.row.id, f"{self._signer.address} cannot pay: {answer.detail}"
                )
            case SendOutcome.ORDER:
                self._alarm(
                    each.row.id, f"an earlier nonce is missing: {answer.detail}"
                )
            case SendOutcome.FATAL:
                self._give_up(lease, each, answer.detail)
            case _:
                assert_never(answer.outcome)
        return False

    def _mark_sent(self, lease: Lease, each: _Unmined, head: int) -> None:
        row, attempt = each.row, each.dearest
        sent_block = row.sent_block
        with self._database.begin() as tx:
            now = self._clock()
            chain_txs.mark_attempt_sent(tx, lease, attempt.hash, now=now)
            if row.state is ChainTxState.IN_PROGRESS:
                sent_block = head
                chain_txs.advance(
                    tx,
                    lease,
                    row.id,
                    ChainTxState.IN_PROGRESS,
                    ChainTxState.SENT,
                    now=now,
                    sent_block=head,
                )
        self._sent.add((attempt.hash, sent_block))
        self._alarms.pop(row.id, None)
        _log.info("sent", extra=_about(row) | {"hash": attempt.hash.hex()})

    def _give_up(self, lease: Lease, each: _Unmined, words: str) -> None:
        """For the operator. Only bytes that never left in any form can be given up."""
        row = each.row
        only = len(each.attempts) == 1 and each.dearest.sent_at is None
        if row.state is ChainTxState.IN_PROGRESS and only:
            with self._database.begin() as tx:
                chain_txs.advance(
                    tx,
                    lease,
                    row.id,
                    ChainTxState.IN_PROGRESS,
                    ChainTxState.FATAL,
                    now=self._clock(),
                )
        self._alarm(
            row.id, f"no node will take nonce {row.nonce}: {words}", critical=True
        )

    def _alarm(self, about: UUID, words: str, *, critical: bool = False) -> None:
        """Say it once, not at every round."""
        if self._alarms.get(about) != words:
            self._alarms[about] = words
            level = logging.CRITICAL if critical else logging.WARNING
            _log.log(level, "%s", words, extra={"chain_tx": str(about)})


def _raised(last: Attempt, fee: Fee, ceiling: int) -> tuple[int, int] | None:
    """Fees that replace the last ones at every node; None if they would pass the ceiling.

    Both have to grow by an eighth, rounded up: geth wants a tenth, others more.
    """
    tip, least = _eighth_more(last.tip), _eighth_more(last.fee_cap)
    if least > ceiling:
        return None
    return tip, min(max(least, 2 * fee.base + tip), ceiling)


def _eighth_more(fee: int) -> int:
    return -(-fee * 1125 // 1000)


def _about(row: ChainTx) -> dict[str, object]:
    return {"chain_tx": str(row.id), "kind": row.kind.value, "nonce": row.nonce}
