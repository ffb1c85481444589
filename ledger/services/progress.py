"""What waits, what is under way and what is final: for `perdure status`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ledger.core.canonical import Json
from ledger.services.alarms import (
    Alarm,
    age,
    alarms,
    current_balances,
    event_alarms,
)
from ledger.services.events import event_backlog
from ledger.services.policies import coins
from ledger.store import chains, reports
from ledger.store.database import Transaction
from ledger.store.event_records import EventBacklog
from ledger.store.records import Chain, ChainTxState, CostReport, Figures, Holder

_MEANING = {
    ChainTxState.SEALED: "waiting to be signed",
    ChainTxState.IN_PROGRESS: "signed, being sent",
    ChainTxState.SENT: "sent, not in a block yet",
    ChainTxState.MINED: "in a block, not final yet",
    ChainTxState.FINAL: "final",
    ChainTxState.REVERTED: "refused by the contract",
    ChainTxState.FATAL: "refused by the node",
}


@dataclass(frozen=True, slots=True)
class ChainStatus:
    """The work of one chain, and what a person has to look at."""

    chain: Chain
    figures: Figures
    alarms: Sequence[Alarm]

    def to_json(self) -> Json:
        """For programs."""
        found, work = self.figures, self.figures.work
        return {
            "chainId": f"eip155:{self.chain.chain_id}",
            "test": self.chain.test,
            "waiting": work.waiting,
            "heldBack": work.held_back,
            "oldestWaiting": _text(work.oldest_waiting),
            "oldestUnanchored": _text(found.oldest_unanchored),
            "oldestPending": _text(found.oldest_pending),
            "refusedActs": found.refused_acts,
            "transactions": {s.value: n for s, n in work.chain_txs.items()},
            "anchored": {"batches": found.anchored, "credentials": found.credentials},
            "workers": [
                {
                    "sender": holder.sender,
                    "owner": holder.owner,
                    "secondsLeft": round(holder.left.total_seconds(), 1),
                }
                for holder in found.holders
                if holder.left > timedelta(0)
            ],
            "costs": {
                # Texts: a program's number may not hold so many digits.
                "spentDay": str(found.costs.spent_day),
                "spentMonth": str(found.costs.spent_month),
                "underWay": str(found.costs.under_way),
                "perCredential": _wei(found.costs.per_credential),
                "maxTransaction": str(found.costs.policy.max_tx_cost),
                "maxDay": str(found.costs.policy.max_day_cost),
                "balances": [
                    {
                        "sender": balance.sender,
                        "wei": str(balance.wei),
                        "seenAt": balance.seen_at.isoformat(),
                        "daysLeft": found.costs.days_left(balance),
                    }
                    for balance in current_balances(found)
                ],
            },
            "outage": None
            if found.outage is None
            else {
                "since": found.outage.since.isoformat(),
                "seenAt": found.outage.seen_at.isoformat(),
                "problem": found.outage.words,
            },
            "alarms": [alarm.to_json() for alarm in self.alarms],
        }

    def to_lines(self, now: datetime) -> Iterator[str]:
        """For people."""
        found, work = self.figures, self.figures.work
        yield f"Chain eip155:{self.chain.chain_id}" + (
            " (TEST)" if self.chain.test else ""
        )
        yield from (f"  ALARM: {alarm.to_text()}" for alarm in self.alarms)
        oldest = work.oldest_waiting
        since = "" if oldest is None else f", the oldest for {age(oldest, now)}"
        yield f"  credentials that wait for a batch: {work.waiting}{since}"
        yield f"  credentials whose key is not open yet: {work.held_back}"
        yield f"  credentials that are final: {found.credentials} in {found.anchored} batches"
        if found.oldest_unanchored is not None:
            yield f"  the oldest that is not final: {age(found.oldest_unanchored, now)} old"
        yield "  transactions:"
        yield from (
            f"    {count:7} {_MEANING[state]}"
            for state, count in work.chain_txs.items()
            if count
        )
        yield from (_worker(holder) for holder in found.holders)
        yield from _costs(found.costs)
        yield from (
            f"  coins of {balance.sender}: {_days(found.costs.days_left(balance))}"
            for balance in current_balances(found)
        )


@dataclass(frozen=True, slots=True)
class LedgerStatus:
    """The work of each chain that this ledger was used with, and its events."""

    chains: Sequence[ChainStatus]
    events: EventBacklog
    alarms: Sequence[Alarm]

    @property
    def is_well(self) -> bool:
        """Whether no person has to look at anything."""
        return not self._count

    @property
    def _count(self) -> int:
        return len(self.alarms) + sum(len(chain.alarms) for chain in self.chains)

    @property
    def per_credential(self) -> float | None:
        """Wei for a credential's anchors on all chains; None if nothing was anchored.

        As if the coins of all chains were worth the same.
        """
        each = [chain.figures.costs.per_credential for chain in self.chains]
        known = [amount for amount in each if amount is not None]
        return sum(known) if known else None

    def to_json(self) -> Json:
        """For programs."""
        return {
            "version": 1,
            "well": self.is_well,
            "costPerCredential": _wei(self.per_credential),
            "chains": [chain.to_json() for chain in self.chains],
            "events": {
                "undelivered": self.events.count,
                "oldest": _text(self.events.oldest),
                "refused": self.events.parked,
                "alarms": [alarm.to_json() for alarm in self.alarms],
            },
        }

    def to_text(self, now: datetime) -> str:
        """For people: the answer first."""
        if not self.chains:
            return "This ledger was not used with a chain yet: perdure worker"
        well = "All is well."
        if not self.is_well:
            well = f"Alarms: {self._count}. Somebody has to look."
        events = [f"ALARM: {alarm.to_text()}" for alarm in self.alarms]
        lines = [line for chain in self.chains for line in chain.to_lines(now)]
        each = self.per_credential
        if len(self.chains) > 1 and each is not None:
            lines.append(
                f"A credential's anchors cost {coins(round(each))} coins on all chains together,"
                " if their coins are worth the same."
            )
        return "\n".join([well, *events, *lines])


def ledger_status(
    tx: Transaction, now: datetime, *, has_receiver: bool
) -> LedgerStatus:
    """Count the work of every chain, and say what is wrong with it.

    `has_receiver`: whether events are posted to somebody, who then waits for them.
    """
    statuses = []
    for chain in chains.all(tx):
        figures = reports.figures(tx, chain.chain_id, now)
        statuses.append(ChainStatus(chain, figures, alarms(figures, now)))
    events = event_backlog(tx)
    wrong = event_alarms(events, now, has_receiver=has_receiver)
    return LedgerStatus(statuses, events, wrong)


def _worker(holder: Holder) -> str:
    seconds = holder.left.total_seconds()
    if seconds <= 0:
        return f"  worker: none for {holder.sender}"
    return f"  worker: {holder.owner} for {holder.sender}, its lease has {seconds:.0f} s left"


def _costs(costs: CostReport) -> Iterator[str]:
    policy = costs.policy
    yield (
        f"  spent: {coins(costs.spent_day)} coins in 24 hours, of at most"
        f" {coins(policy.max_day_cost)}; {coins(costs.spent_month)} in 30 days"
    )
    if costs.under_way:
        yield f"  what is under way may take {coins(costs.under_way)} more"
    each = costs.per_credential
    if each is not None:
        yield f"  an anchored credential cost {coins(round(each))} coins in 30 days"


def _wei(amount: float | None) -> str | None:
    return None if amount is None else str(round(amount))


def _days(days: float | None) -> str:
    return "nothing spent yet" if days is None else f"enough for {days:.0f} days"


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
