"""
When a person has to look: the alarms that can be read from the database alone.

docs/alerts.yml has the same ones for Prometheus, with the same limits, and those that only
the running processes can see. docs/operating.md says of each what to do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from ledger.core.canonical import Json
from ledger.store.event_records import EventBacklog
from ledger.store.records import ChainTxState, Figures, Obstacle, Outage, SeenBalance

#: Twenty minutes until finality are ordinary, an hour is not.
LONGEST_PENDING: Final = timedelta(hours=1)
#: What may pass between the moment when the policy wants a batch and its finality.
LONGEST_UNANCHORED: Final = timedelta(hours=1)
#: A receiver may be away for maintenance.
LONGEST_UNDELIVERED: Final = timedelta(hours=1)
#: A worker looks at silent nodes at least so often: an outage that nobody saw since is of a worker
#: that has ended.
LAST_SEEN: Final = timedelta(minutes=10)
#: So many days of coins are time enough to buy more.
FEWEST_DAYS: Final = 7.0


_WAYS_ON: Final = {
    Obstacle.NO_FUNDS: "Send it coins; the same bytes go again by themselves.",
    Obstacle.FEE_CEILING: "Wait for lower fees, or raise the ceiling: perdure policy.",
    Obstacle.TX_CEILING: "Wait for lower fees, or raise the ceiling: perdure policy.",
    Obstacle.DAY_CEILING: "Wait for tomorrow, or raise the ceiling: perdure policy.",
}


class AlarmName(StrEnum):
    """What an alarm is called, here, in docs/alerts.yml and in docs/operating.md."""

    UNANCHORED = "PerdureCredentialUnanchored"
    PENDING = "PerdureTransactionPending"
    FAILED = "PerdureTransactionFailed"
    REFUSED = "PerdureActRefused"
    NO_WORKER = "PerdureNoWorker"
    CHAIN_AWAY = "PerdureChainAway"
    STANDSTILL = "PerdureStandstill"
    LOW_BALANCE = "PerdureLowBalance"
    EVENTS_LATE = "PerdureEventsLate"
    EVENTS_REFUSED = "PerdureEventsRefused"


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that a person has to look at: what is so, and what to do."""

    name: AlarmName
    says: str
    advice: str

    def to_json(self) -> Json:
        """For programs."""
        return {"name": self.name.value, "says": self.says, "do": self.advice}

    def to_text(self) -> str:
        """For people."""
        return f"{self.says}. {self.advice} (docs/operating.md, {self.name})"


def event_alarms(
    backlog: EventBacklog, now: datetime, *, has_receiver: bool
) -> Sequence[Alarm]:
    """The alarms about events; without a receiver nobody waits for them."""
    found = []
    if has_receiver and _older(backlog.oldest, now, LONGEST_UNDELIVERED):
        found.append(
            Alarm(
                AlarmName.EVENTS_LATE,
                f"{_count(backlog.count, 'event')} not delivered, the oldest for"
                f" {age(backlog.oldest, now)}",
                "Look whether the receiver answers; they go again by themselves.",
            )
        )
    if has_receiver and backlog.parked:
        found.append(
            Alarm(
                AlarmName.EVENTS_REFUSED,
                f"{_count(backlog.parked, 'event')} refused by the receiver and put aside",
                "Mend the receiver, then: perdure events retry.",
            )
        )
    return found


def alarms(figures: Figures, now: datetime) -> Sequence[Alarm]:
    """The alarms of one chain, the gravest first."""
    return list(_alarms(figures, now))


def _alarms(figures: Figures, now: datetime) -> Iterator[Alarm]:
    if figures.failed_lately:
        blocked = figures.work.chain_txs[ChainTxState.FATAL]
        yield Alarm(
            AlarmName.FAILED,
            f"{_count(figures.failed_lately, 'transaction')} of the last days failed for good",
            "Look in the worker's log for lines of level critical."
            + (" What comes after may wait behind it." if blocked else ""),
        )
    if figures.refused_acts:
        yield Alarm(
            AlarmName.REFUSED,
            f"{_count(figures.refused_acts, 'act')} refused by the chain, and not asked for"
            " again: what verifiers see is not what this ledger says",
            "See which: perdure doctor --offline. Sign them anew: perdure issuer renew.",
        )
    outage = current_outage(figures, now)
    if outage is not None:
        yield Alarm(
            AlarmName.CHAIN_AWAY,
            f"The chain is away since {age(outage.since, now)}: no node of it can be used"
            f" ({outage.words})",
            "Issuing and the other chains go on, and what waits for this one follows by itself:"
            " look at its nodes, in PERDURE_RPC_URLS or PERDURE_OTHER_CHAINS.",
        )
    # A worker that reaches no node gives its lease back, and is there all the same.
    elif has_work(figures) and not is_worked_on(figures):
        yield Alarm(
            AlarmName.NO_WORKER,
            "No worker has the lease, and there is work",
            "Start one: perdure worker.",
        )
    for each in figures.costs.standstills:
        yield Alarm(
            AlarmName.STANDSTILL,
            f"Nothing is sent for {each.sender} since {age(each.since, now)}: {each.words}",
            _WAYS_ON[each.obstacle],
        )
    for balance in current_balances(figures):
        days = figures.costs.days_left(balance)
        if days is not None and days < FEWEST_DAYS:
            yield Alarm(
                AlarmName.LOW_BALANCE,
                f"The coins of {balance.sender} last for {days:.1f} days",
                "Send it some.",
            )
    if _older(figures.oldest_pending, now, LONGEST_PENDING):
        yield Alarm(
            AlarmName.PENDING,
            f"A transaction is not final after {age(figures.oldest_pending, now)}",
            "Look in the worker's log: no coins, high fees, or no node that answers.",
        )
    if _older(figures.oldest_unanchored, now, longest_unanchored(figures)):
        yield Alarm(
            AlarmName.UNANCHORED,
            f"A credential is not final after {age(figures.oldest_unanchored, now)}",
            "Look whether the worker runs, and whether the school's key is final:"
            " perdure doctor.",
        )


def current_outage(figures: Figures, now: datetime) -> Outage | None:
    """That no node of the chain can be used, if a worker has seen it lately."""
    outage = figures.outage
    if outage is None or _older(outage.seen_at, now, LAST_SEEN):
        return None
    return outage


def longest_unanchored(figures: Figures) -> timedelta:
    """How old a credential may be that is not final, under the policy in force."""
    policy = figures.costs.policy
    wait = policy.batch_age if policy.gas_below is None else policy.latest
    return wait + LONGEST_UNANCHORED


def current_balances(figures: Figures) -> Sequence[SeenBalance]:
    """Balances of senders that work or have worked here last, not of those given up."""
    held = {holder.sender for holder in figures.holders if holder.left > timedelta(0)}
    found = figures.costs.balances
    return [each for each in found if each.sender in held] or found[:1]


def has_work(figures: Figures) -> bool:
    """Whether anything waits or is under way."""
    pending = (
        figures.work.chain_txs[state]
        for state in (
            ChainTxState.SEALED,
            ChainTxState.IN_PROGRESS,
            ChainTxState.SENT,
            ChainTxState.MINED,
        )
    )
    return figures.work.waiting > 0 or any(pending)


def is_worked_on(figures: Figures) -> bool:
    """Whether a worker has a lease."""
    return any(holder.left > timedelta(0) for holder in figures.holders)


def age(since: datetime | None, now: datetime) -> str:
    """How long ago, in a unit that a person takes in at a glance."""
    minutes = 0 if since is None else max((now - since) // timedelta(minutes=1), 0)
    if minutes < 120:
        return _count(minutes, "minute")
    hours = minutes // 60
    return _count(hours, "hour") if hours < 48 else _count(hours // 24, "day")


def _older(since: datetime | None, now: datetime, limit: timedelta) -> bool:
    return since is not None and now - since > limit


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
