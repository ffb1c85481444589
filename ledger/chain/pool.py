"""
Several nodes of one chain: which of them is worked with now, and whether they agree.

A node that is silent is left alone for a while, one that lags is not chosen, one of another
chain is never chosen. Those that are left have to show the same block at the height that all
of them call final; where two differ nobody knows which is right, and nothing is done.

Who asks only once has no need of a pool: `first_answer` goes through the same addresses.
"""

import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from ledger.chain.node import ChainNode, check_identity
from ledger.errors import ChainUnavailable, SettingError

#: A node that is so many blocks behind the best is not chosen.
MAX_LAG = 5
#: So often in a row a node has to say that it is of another chain: one garbled answer is none.
CERTAIN = 3

# Before a node is asked again about what a start depends on.
_MOMENT = 0.2
_FIRST_PAUSE = timedelta(seconds=2)
_LONGEST_PAUSE = timedelta(seconds=60)


_Answer = TypeVar("_Answer")


def certainly(ask: Callable[[], _Answer]) -> _Answer:
    """
    Ask what a start depends on, and again before it is refused.

    Raises what `ask` raises, SettingError only if it did so `CERTAIN` times in a row.
    """
    for _ in range(CERTAIN - 1):
        with suppress(SettingError):
            return ask()
        time.sleep(_MOMENT)
    return ask()


def first_answer(
    nodes: Iterable[ChainNode], ask: Callable[[ChainNode], _Answer]
) -> _Answer:
    """
    Ask nodes once, in the operator's order, until one answers as the chain that is meant.

    One that is silent is passed over, and so is one that `ask` finds to be of another chain by
    a SettingError. If none is left: raises SettingError if there was one of another chain, else
    ChainUnavailable; each with what was wrong with every node. What else `ask` raises is an
    answer.
    """
    strange, wrong = False, []
    for node in nodes:
        try:
            return ask(node)
        except SettingError as error:
            strange = True
            wrong.append(str(error))
        except ChainUnavailable as error:
            wrong.append(str(error))
    told = "; ".join(wrong) or "no node is configured"
    raise SettingError(told) if strange else ChainUnavailable(told)


class Health(StrEnum):
    """What was found out about a node when it was last asked."""

    HEALTHY = "healthy"
    SILENT = "silent"
    LAGGING = "lagging"
    OTHER_CHAIN = "other chain"
    DISAGREES = "disagrees"


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node's health, for the operator."""

    name: str
    health: Health
    head: int | None = None
    finalized: int | None = None
    detail: str = ""


@dataclass(slots=True)
class _Member:
    node: ChainNode
    state: NodeState
    failures: int = 0
    strange: int = 0
    not_before: datetime | None = None
    checked: bool = False


class NodePool:
    """The nodes of one chain, in the operator's order of preference."""

    def __init__(
        self,
        nodes: Sequence[ChainNode],
        *,
        chain_id: int,
        genesis_hash: bytes,
        clock: Callable[[], datetime],
        check: Callable[[ChainNode], None] | None = None,
    ) -> None:
        """Take the nodes; `check` is asked about each before it is first chosen, and raises SettingError."""
        self._members = [
            _Member(node, NodeState(node.name, Health.SILENT, detail="not asked yet"))
            for node in nodes
        ]
        self._chain_id = chain_id
        self._genesis_hash = genesis_hash
        self._clock = clock
        self._check = check

    @property
    def states(self) -> tuple[NodeState, ...]:
        """Every node's health, as of the last look."""
        return tuple(member.state for member in self._members)

    def choose(self) -> ChainNode:
        """
        Look at all nodes that are not left alone, and give the best.

        Raises ChainUnavailable if none answers or if they disagree, SettingError if every
        one is of another chain, and says so again and again.
        """
        now = self._clock()
        due = [m for m in self._members if m.not_before is None or now >= m.not_before]
        # Nobody is left alone where nobody else is left; the loop has pauses of its own.
        for member in due or self._members:
            self._look(member)
        if all(m.strange >= CERTAIN for m in self._members):
            raise SettingError("; ".join(m.state.detail for m in self._members))
        answering = [m for m in self._members if m.state.health is Health.HEALTHY]
        if not answering:
            raise ChainUnavailable(
                "; ".join(f"{m.state.name}: {m.state.detail}" for m in self._members)
            )
        self._leave_behind(answering)
        chosen = [m for m in answering if m.state.health is Health.HEALTHY]
        self._check_agreement(chosen)
        return chosen[0].node

    def failed(self, node: ChainNode, error: ChainUnavailable) -> None:
        """Leave a node alone for a while; longer each time, and never in step with others."""
        for member in self._members:
            if member.node is node:
                self._note(member, Health.SILENT, str(error))

    def _look(self, member: _Member) -> None:
        node = member.node
        try:
            # Every time: the address may lead to another node than a moment ago.
            check_identity(node, self._chain_id, self._genesis_hash)
            if self._check is not None and not member.checked:
                self._check(node)
                member.checked = True
            head = node.block("latest").number
            finalized = node.block("finalized").number
        except SettingError as error:
            member.strange += 1
            self._note(member, Health.OTHER_CHAIN, str(error))
        except ChainUnavailable as error:
            member.strange = 0
            self._note(member, Health.SILENT, str(error))
        else:
            member.failures, member.strange, member.not_before = 0, 0, None
            member.state = NodeState(node.name, Health.HEALTHY, head, finalized)

    def _note(self, member: _Member, health: Health, detail: str) -> None:
        pause = min(_FIRST_PAUSE * 2.0 ** min(member.failures, 10), _LONGEST_PAUSE)
        member.failures += 1
        member.not_before = self._clock() + pause * (
            0.5 + secrets.randbelow(1_000) / 2_000
        )
        member.state = NodeState(member.node.name, health, detail=detail)

    def _leave_behind(self, answering: Sequence[_Member]) -> None:
        best = max(member.state.head or 0 for member in answering)
        for member in answering:
            behind = best - (member.state.head or 0)
            if behind > MAX_LAG:
                member.state = replace(
                    member.state,
                    health=Health.LAGGING,
                    detail=f"{behind} blocks behind the best",
                )

    def _check_agreement(self, members: Sequence[_Member]) -> None:
        first, *others = members
        if not others:
            return
        number = min(member.state.finalized or 0 for member in members)
        expected = self._hash(first, number)
        for other in others:
            if self._hash(other, number) == expected:
                continue
            detail = (
                f"{first.node.name} and {other.node.name} show different blocks {number},"
                " which both call final"
            )
            for member in (first, other):
                member.state = replace(
                    member.state, health=Health.DISAGREES, detail=detail
                )
            raise ChainUnavailable(
                f"{detail}: nothing is sent or believed until one of them is gone"
            )

    def _hash(self, member: _Member, number: int) -> bytes:
        try:
            return member.node.block(number).hash
        except ChainUnavailable as error:
            self._note(member, Health.SILENT, str(error))
            raise
