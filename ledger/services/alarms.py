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
from ledger.store.records import ChainTxState, Figures

#: Ten minutes for a batch and twenty for finality are ordinary, an hour is not.
LONGEST_UNANCHORED: Final = timedelta(hours=1)
LONGEST_PENDING: Final = timedelta(hours=1)


class AlarmName(StrEnum):
    """What an alarm is called, here, in docs/alerts.yml and in docs/operating.md."""

    UNANCHORED = "PerdureCredentialUnanchored"
    PENDING = "PerdureTransactionPending"
    FAILED = "PerdureTransactionFailed"
    NO_WORKER = "PerdureNoWorker"


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
    if has_work(figures) and not is_worked_on(figures):
        yield Alarm(
            AlarmName.NO_WORKER,
            "No worker has the lease, and there is work",
            "Start one: perdure worker.",
        )
    if _older(figures.oldest_pending, now, LONGEST_PENDING):
        yield Alarm(
            AlarmName.PENDING,
            f"A transaction is not final after {age(figures.oldest_pending, now)}",
            "Look in the worker's log: no coins, high fees, or no node that answers.",
        )
    if _older(figures.oldest_unanchored, now, LONGEST_UNANCHORED):
        yield Alarm(
            AlarmName.UNANCHORED,
            f"A credential is not final after {age(figures.oldest_unanchored, now)}",
            "Look whether the worker runs, and whether the school's key is final:"
            " perdure doctor.",
        )


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
