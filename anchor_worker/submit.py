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
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self, assert_never
from uuid import UUID

from anchor_worker.fees import Ceilings, Offer, first_offer, higher_offer
from anchor_worker.observer import SILENCE, Observer
from anchor_worker.standstills import Standstills
from ledger.chain.node import Block, ChainNode, SendOutcome
from ledger.chain.sender import Signer, TransactionFields
from ledger.errors import ChainRejected
from ledger.services.policies import coins, gwei
from ledger.services.sender_use import look_at_sender, used_account
from ledger.store import chain_txs, chains, costs
from ledger.store.database import Database, Transaction
from ledger.store.records import (
    Attempt,
    ChainTx,
    ChainTxKind,
    ChainTxState,
    Lease,
    Obstacle,
    Policy,
)

#: A node keeps 16 transactions of an account for certain (geth's account slots).
MAX_UNMINED = 16

_MANY = 10_000
_DAY = 86_400
#: The part of the day's ceiling that withdrawals leave to anchors and registrations: a quarter.
_KEPT_FROM_WITHDRAWALS = 4
_DEFAULT = Policy()
_CEILINGS = (Obstacle.FEE_CEILING, Obstacle.TX_CEILING, Obstacle.DAY_CEILING)
_log = logging.getLogger("anchor_worker.submit")


@dataclass(frozen=True, slots=True)
class FeePolicy:
    """What may be paid, in wei: for a unit of gas, a transaction, a day; when more is offered."""

    max_fee: int = _DEFAULT.max_fee
    bump_after: int = _DEFAULT.bump_after  #: blocks without a receipt
    resend_after: timedelta = _DEFAULT.resend_after
    max_tx_cost: int = _DEFAULT.max_tx_cost
    max_day_cost: int = _DEFAULT.max_day_cost

    @classmethod
    def of(cls, policy: Policy) -> Self:
        """What a chain's policy says of it."""
        return cls(
            max_fee=policy.max_fee,
            bump_after=policy.bump_after,
            resend_after=policy.resend_after,
            max_tx_cost=policy.max_tx_cost,
            max_day_cost=policy.max_day_cost,
        )


@dataclass(frozen=True, slots=True)
class _Budget:
    """The ceilings for one transaction, and what of the day's is gone."""

    ceilings: Ceilings
    spent: int
    under_way: int
    max_day: int  #: of which this is left, and what it is called
    day: str = "a day"


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

    def __init__(  # noqa: PLR0913 - what sending depends on
        self,
        database: Database,
        chain_id: int,
        signer: Signer,
        *,
        policy: FeePolicy,
        clock: Callable[[], datetime],
        observer: Observer = SILENCE,
        adopt_sender: bool = False,
    ) -> None:
        self._database = database
        self._chain_id = chain_id
        self._signer = signer
        #: Changed between two steps, when the operator changes it.
        self.policy = policy
        self._clock = clock
        self._standstills = Standstills(database, chain_id, signer.address, clock=clock)
        self._accepted = False
        self._observer = observer
        self._adopt_sender = adopt_sender
        # What this process has sent, and at which head it was first sent. Only a memory of
        # when to send again: a new process sends everything once more.
        self._sent: set[tuple[bytes, int | None]] = set()
        self._alarms: dict[UUID, str] = {}
        # Which issuer's revocation got a nonce when: a memory of whose turn it is, no more.
        self._served: dict[bytes, int] = {}

    def step(self, node: ChainNode, lease: Lease) -> bool:
        """Send what is due, then give out nonces. True if anything moved.

        Raises ChainRejected if the sender's nonces are used by somebody else.
        """
        head = node.block("latest")
        unmined = self._unmined()
        # Without anything that waits nobody knows of a lack of coins.
        self._accepted = not unmined
        worked, everything = self._send_again(node, lease, unmined, head)
        if everything:
            begun, everything = self._send_new(node, lease, len(unmined), head)
            worked |= begun
        self._standstills.end_round(
            unsure=(
                *(() if everything else _CEILINGS),
                *(() if self._accepted else (Obstacle.NO_FUNDS,)),
            )
        )
        return worked

    def _send_again(
        self, node: ChainNode, lease: Lease, unmined: Sequence[_Unmined], head: Block
    ) -> tuple[bool, bool]:
        """Send what is due again. Whether anything moved, and whether all of it is on its way."""
        worked = False
        for position, each in enumerate(unmined):
            current = each
            # Only the first one holds the others up, so only the first one is worth more.
            if position == 0 and self._is_slow(each, head.number):
                current = self._raise_fees(node, lease, each, head) or each
            if self._is_due(current):
                if not self._send(node, lease, current, head):
                    # In nonce order: what comes later waits until this one is on its way.
                    return worked, False
                worked = True
        return worked, True

    def _send_new(
        self, node: ChainNode, lease: Lease, unmined: int, head: Block
    ) -> tuple[bool, bool]:
        """Give out nonces. Whether anything moved, and whether all of it is on its way."""
        worked = False
        for _ in range(MAX_UNMINED - unmined):
            begun = self._begin(node, lease, head)
            if begun is None:
                break
            worked = True
            if not self._send(node, lease, begun, head):
                return worked, False
        return worked, True

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

    def _begin(self, node: ChainNode, lease: Lease, head: Block) -> _Unmined | None:
        """Give the next nonce to the next payload and store its signed bytes."""
        # The chain first, the database after: whatever a worker that took our lease has begun
        # since can then only make `highest` larger, and never look like foreign use.
        counts = [node.nonce(self._signer.address, tag) for tag in ("finalized", "latest", "pending")]  # fmt: skip
        fee = node.fee()
        row = self._next_payload(lease, head)
        with self._database.read() as tx:
            highest = chain_txs.highest_nonce(tx, self._chain_id, self._signer.address)
            fatal = self._fatal_nonces(tx)
        if highest is not None and max(counts) > highest + 1:
            self._refuse_foreign_use(node)
            return None
        if row is None:
            return None
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
        budget = self._budget_of_new(row, head)
        offer = first_offer(fee, row.gas, budget.ceilings)
        if isinstance(offer, Obstacle):
            self._stand_still(
                offer,
                f"the chain asks {gwei(fee.base + fee.tip)} gwei for a unit of gas",
                row,
                budget,
            )
            return None
        attempt = self._sign(row, nonce, offer)
        # From here on the nonce belongs to this payload. After a crash on the next line the
        # same bytes are found in the database and sent from there.
        with self._database.begin() as tx:
            chain_txs.begin_attempt(tx, lease, attempt, nonce=nonce, now=self._clock())
            begun = chain_txs.get(tx, row.id)
        if row.kind is ChainTxKind.REVOKE:
            # revoke(bytes32 id, ...)
            self._served[row.data[4:36]] = 1 + max(self._served.values(), default=0)
        return _Unmined(begun, [attempt])

    def _next_payload(self, lease: Lease, head: Block) -> ChainTx | None:
        """What waits for a nonce. An anchor that a lost database has sent waits for none."""
        while True:
            with self._database.read() as tx:
                row = chain_txs.next_sealed(tx, self._chain_id, self._served)
                if row is None:
                    return None
                lost = chain_txs.sent_by_lost(tx, row, self._signer.address)
            if lost is None:
                return row
            with self._database.begin() as tx:
                chain_txs.take_over(
                    tx,
                    lease,
                    row,
                    lost,
                    sent_block=head.number,
                    now=self._clock(),
                )
            _log.info("was sent before the loss", extra=_about(lost))

    def _next_nonce(
        self, row: ChainTx, counts: Sequence[int], highest: int | None
    ) -> int | None:
        if highest is None:
            if any(counts) and not self._adopt_sender:
                raise ChainRejected(
                    used_account(self._signer.address, max(counts), "the sender")
                )
            if len(set(counts)) == 1:
                return counts[0]
            self._alarm(
                row.id,
                f"{self._signer.address} has transactions of its own that are not final;"
                " waiting before its first nonce is given out",
            )
            return None
        return highest + 1

    def _refuse_foreign_use(self, node: ChainNode) -> None:
        """Read on the chain what used the nonces that were never given out here, and stop."""
        with self._database.read() as tx:
            chain = chains.get(tx, self._chain_id)
        use = look_at_sender(self._database, node, chain, self._signer.address)
        if use is not None:
            raise ChainRejected(use.to_text())

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
            and head - row.sent_block >= self.policy.bump_after
        )

    def _raise_fees(
        self, node: ChainNode, lease: Lease, each: _Unmined, head: Block
    ) -> _Unmined | None:
        """Store an attempt with higher fees; None at a ceiling."""
        row, last = each.row, each.dearest
        if row.nonce is None:
            return None
        budget = self._budget(head, but=row.id)
        offer = higher_offer(
            Offer(last.tip, last.fee_cap), node.fee(), row.gas, budget.ceilings
        )
        if isinstance(offer, Obstacle):
            self._stand_still(
                offer,
                f"nonce {row.nonce} is not mined, and its fee of {gwei(last.fee_cap)} gwei"
                " cannot be raised",
                row,
                budget,
            )
            return None
        attempt = self._sign(row, row.nonce, offer)
        with self._database.begin() as tx:
            chain_txs.add_attempt(
                tx, lease, attempt, sent_block=head.number, now=self._clock()
            )
            row = chain_txs.get(tx, row.id)
        _log.info(
            "raised fees",
            extra=_about(row) | {"fee_cap": attempt.fee_cap, "tip": attempt.tip},
        )
        return _Unmined(row, [*each.attempts, attempt])

    def _budget(self, head: Block, but: UUID | None = None) -> _Budget:
        """What may be paid for a transaction now. The day is the chain's, not this host's."""
        with self._database.read() as tx:
            spent = costs.spent(tx, self._chain_id, head.time - _DAY)
            under_way = costs.under_way(tx, self._chain_id, but=but)
        left = self.policy.max_day_cost - spent - under_way
        ceilings = Ceilings(self.policy.max_fee, self.policy.max_tx_cost, left)
        return _Budget(ceilings, spent, under_way, self.policy.max_day_cost)

    def _budget_of_new(self, row: ChainTx, head: Block) -> _Budget:
        """What may be paid for what has no nonce yet; withdrawals have a part of the day alone."""
        budget = self._budget(head)
        if row.kind is not ChainTxKind.REVOKE:
            return budget
        with self._database.read() as tx:
            spent = costs.spent(
                tx, self._chain_id, head.time - _DAY, kind=ChainTxKind.REVOKE
            )
            under_way = costs.under_way(tx, self._chain_id, kind=ChainTxKind.REVOKE)
        share = (
            self.policy.max_day_cost
            - self.policy.max_day_cost // _KEPT_FROM_WITHDRAWALS
        )
        left = share - spent - under_way
        # The first one of a day goes out under any ceiling that lets it.
        if not (spent or under_way) or left >= budget.ceilings.day_left:
            return budget
        ceilings = replace(budget.ceilings, day_left=left)
        return _Budget(ceilings, spent, under_way, share, "a day for withdrawals")

    def _stand_still(
        self, obstacle: Obstacle, what: str, row: ChainTx, budget: _Budget
    ) -> None:
        policy = self.policy
        match obstacle:
            case Obstacle.FEE_CEILING:
                why = f"above the ceiling of {gwei(policy.max_fee)} gwei (max-fee-gwei)"
            case Obstacle.TX_CEILING:
                why = (
                    f"above the ceiling of {coins(policy.max_tx_cost)} coins for a"
                    f" transaction, which may take {row.gas} gas (max-tx-cost)"
                )
            case _:
                why = (
                    f"above the ceiling of {coins(budget.max_day)} coins {budget.day}, of which"
                    f" {coins(budget.spent)} are spent and {coins(budget.under_way)} may be"
                    " taken by what is under way (max-day-cost)"
                )
        self._standstills.meet(obstacle, f"{what}: {why}; waiting", _about(row))

    def _sign(self, row: ChainTx, nonce: int, offer: Offer) -> Attempt:
        signed = self._signer.sign(
            TransactionFields(
                chain_id=self._chain_id,
                nonce=nonce,
                to=row.to,
                data=row.data,
                gas=row.gas,
                tip=offer.tip,
                fee_cap=offer.cap,
            )
        )
        return Attempt(
            hash=signed.hash,
            chain_tx_id=row.id,
            raw=signed.raw,
            tip=offer.tip,
            fee_cap=offer.cap,
            created_at=self._clock(),
        )

    # ---------------------------------------------------------------- rule B: sending

    def _is_due(self, each: _Unmined) -> bool:
        attempt = each.dearest
        return (
            each.row.state is ChainTxState.IN_PROGRESS
            or attempt.sent_at is None
            or (attempt.hash, each.row.sent_block) not in self._sent
            or self._clock() - attempt.sent_at >= self.policy.resend_after
        )

    def _send(self, node: ChainNode, lease: Lease, each: _Unmined, head: Block) -> bool:
        """Send stored bytes. True if the next nonce may follow."""
        answer = node.send(each.dearest.raw)
        self._observer.sent(answer.outcome)
        match answer.outcome:
            case SendOutcome.ACCEPTED | SendOutcome.OCCUPIED:
                self._accepted = True
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
                self._standstills.meet(
                    Obstacle.NO_FUNDS,
                    f"{self._signer.address} cannot pay: {answer.detail}",
                    _about(each.row),
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

    def _mark_sent(self, lease: Lease, each: _Unmined, head: Block) -> None:
        row, attempt = each.row, each.dearest
        sent_block = row.sent_block
        with self._database.begin() as tx:
            now = self._clock()
            chain_txs.mark_attempt_sent(tx, lease, attempt.hash, now=now)
            if row.state is ChainTxState.IN_PROGRESS:
                sent_block = head.number
                chain_txs.advance(
                    tx,
                    lease,
                    row.id,
                    ChainTxState.IN_PROGRESS,
                    ChainTxState.SENT,
                    now=now,
                    sent_block=head.number,
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


def _about(row: ChainTx) -> dict[str, object]:
    return {"chain_tx": str(row.id), "kind": row.kind.value, "nonce": row.nonce}
