"""
An account's past transactions, found by their nonces.

The count of an account only grows, so the blocks in which it grew are found by halving, as long as
the node still knows old counts. A node that has thrown them away (most keep 128 blocks) is read
block by block instead, from the newest one backwards.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from ledger.chain.mined import MinedTransaction
from ledger.chain.node import ChainNode
from ledger.errors import ChainUnavailable


@dataclass(frozen=True, slots=True)
class History:
    """What an account used nonces for.

    `missing` nonces are used and by no transaction that was found: something else raised the
    count (EIP-7702), the node withholds one, or the search ended early (`complete` is False).
    """

    transactions: tuple[MinedTransaction, ...]
    missing: tuple[int, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Stretch:
    """Where to look: nonces from `first` on, in the blocks behind `low` and up to `high`.

    At `low` the account's count was not above `first`.
    """

    first: int
    low: int
    high: int


def read_history(
    node: ChainNode,
    sender: str,
    stretch: Stretch,
    *,
    most: int | None = None,
    questions: int | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> History:
    """
    The transactions of an account on a stretch of the chain.

    `most` is for how many nonces to look; `questions` is the most that the node is asked;
    `progress` is told how many of the nonces are found. Raises ChainUnavailable.
    """
    first = stretch.first
    upto = max(node.nonce(sender, stretch.high), first)
    if most is not None:
        upto = min(upto, first + most)
    search = _Search(node, sender, first, upto, progress, questions)
    search.between(stretch.low, first, stretch.high, upto)
    found = tuple(search.found[nonce] for nonce in sorted(search.found))
    missing = tuple(nonce for nonce in range(first, upto) if nonce not in search.found)
    return History(found, missing, not search.ended)


@dataclass
class _Search:
    """One search for the nonces from `first` to below `upto`; `left` questions may be asked."""

    node: ChainNode
    sender: str
    first: int
    upto: int
    progress: Callable[[int, int], None]
    left: int | None
    found: dict[int, MinedTransaction] = field(default_factory=dict)
    ended: bool = False
    forgetful: bool = False

    def between(self, low: int, below: int, high: int, upto: int) -> None:
        """Behind block `low` and up to `high`, where the count goes from `below` to `upto`."""
        if below >= upto or low >= high:
            return
        if high - low == 1:
            self._read(high)
            return
        middle = (low + high) // 2
        count = self._count(middle)
        if count is None:
            self._backwards(low, high, upto - below)
            return
        count = min(max(count, below), upto)
        self.between(low, below, middle, count)
        self.between(middle, count, high, upto)

    def _backwards(self, low: int, high: int, wanted: int) -> None:
        before = len(self.found)
        for number in range(high, low, -1):
            if self.ended or len(self.found) - before >= wanted:
                return
            self._read(number)

    def _count(self, number: int) -> int | None:
        """The count after a block; None if the node has forgotten it."""
        if self.forgetful or not self._may_ask():
            return None
        try:
            return self.node.nonce(self.sender, number)
        except ChainUnavailable:
            # Forgotten, or the node is away: then reading a block fails as well.
            self.forgetful = True
            return None

    def _read(self, number: int) -> None:
        if not self._may_ask():
            return
        for each in self.node.transactions(number, self.sender):
            if self.first <= each.nonce < self.upto:
                self.found[each.nonce] = each
        self.progress(len(self.found), self.upto - self.first)

    def _may_ask(self) -> bool:
        if self.left is None:
            return True
        self.ended = self.ended or self.left <= 0
        self.left -= 1
        return not self.ended
