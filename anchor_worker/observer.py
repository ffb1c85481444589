"""
What the worker tells whoever watches it.

An observer is told of what has happened, after it is durable; it decides nothing, writes nothing
that the worker reads, and must not fail. One serves one chain and is called from its thread.
"""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from ledger.chain.node import SendOutcome
from ledger.chain.pool import NodeState
from ledger.store.records import ChainTxKind


class Step(StrEnum):
    """The steps of a round."""

    SEAL = "seal"
    CHOOSE = "choose"  #: look at the nodes and choose one
    CONFIRM = "confirm"
    SUBMIT = "submit"
    PROVE = "prove"


class RoundOutcome(StrEnum):
    """How a round of the loop ended."""

    WORKED = "worked"  #: something moved
    IDLE = "idle"  #: nothing to do
    STANDBY = "standby"  #: another worker has the lease
    CONFLICT = "conflict"  #: another worker moved a row first, or the lease ran out
    CHAIN = "chain"  #: no node answers, or none that counts
    STORE = "store"  #: the database or the signing server fails
    STOPPED = "stopped"  #: an operator has to look; the loop has ended


class Observer(Protocol):
    """Is told what the loop and its steps do. `Silence` listens to nothing, metrics count."""

    def looked(self, nodes: Sequence[NodeState]) -> None:
        """All nodes were looked at."""
        ...

    def stepped(self, step: Step, seconds: float) -> None:
        """A step has ended, well or not."""
        ...

    def round_ended(self, outcome: RoundOutcome) -> None:
        """A round has ended."""
        ...

    def rests(self, seconds: float) -> None:
        """The loop does nothing for so long, unless it is asked to stop."""
        ...

    def ended(self) -> None:
        """The loop makes no more rounds."""
        ...

    def sent(self, outcome: SendOutcome) -> None:
        """Signed bytes were given to a node."""
        ...

    def reorganised(self, *, final: bool) -> None:
        """A transaction of ours lost its block; `final`: the chain had called it final."""
        ...

    def settled(self, kind: ChainTxKind, waited: timedelta, *, succeeded: bool) -> None:
        """A transaction is final. `waited`: since what it carries was issued or asked for."""
        ...


class Silence:
    """Listens to nothing."""

    def looked(self, nodes: Sequence[NodeState]) -> None:
        """Nothing."""

    def stepped(self, step: Step, seconds: float) -> None:
        """Nothing."""

    def round_ended(self, outcome: RoundOutcome) -> None:
        """Nothing."""

    def rests(self, seconds: float) -> None:
        """Nothing."""

    def ended(self) -> None:
        """Nothing."""

    def sent(self, outcome: SendOutcome) -> None:
        """Nothing."""

    def reorganised(self, *, final: bool) -> None:
        """Nothing."""

    def settled(self, kind: ChainTxKind, waited: timedelta, *, succeeded: bool) -> None:
        """Nothing."""


SILENCE: Observer = Silence()
