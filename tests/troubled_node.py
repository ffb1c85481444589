"""A node with the faults that a test wants, before any other node: in memory or real."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ledger.chain.mined import MinedTransaction
from ledger.chain.node import (
    Block,
    BlockTag,
    ChainNode,
    Fee,
    Receipt,
    SendAnswer,
    SendOutcome,
    classify,
)
from ledger.core.account import AccountProof
from ledger.core.header import BlockHeader
from ledger.errors import ChainUnavailable


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


@dataclass
class Troubles:
    """What a node is to do wrong, and for how often."""

    #: Reads that fail; -1: the node is away.
    reads: int = 0
    #: What becomes of the next sends: "before" and "after" lose the answer, before or after the
    #: bytes went on; "killed before" and "killed after" end the process there.
    sends: list[str] = field(default_factory=list)
    #: Words with which the next sends are answered, and nothing is done.
    refusals: list[str] = field(default_factory=list)
    #: Receipts that it says it does not have.
    receipts: int = 0
    #: So many blocks it is behind the others.
    behind: int = 0
    #: Runs before the question of that number, counted from now.
    interruptions: dict[int, Callable[[], None]] = field(default_factory=dict)


class TroubledNode:
    """Passes everything on, but for its troubles; notes signed bytes that nobody has stored."""

    def __init__(
        self, node: ChainNode, name: str, is_stored: Callable[[bytes], bool]
    ) -> None:
        self._node = node
        self._name = name
        self._is_stored = is_stored
        self.troubles = Troubles()
        #: Bytes that came here and were not in the database (invariant I3).
        self.unstored: list[bytes] = []

    @property
    def name(self) -> str:
        """How messages name it."""
        return self._name

    def chain_id(self) -> int:
        """The chain's id."""
        self._read()
        return self._node.chain_id()

    def genesis_hash(self) -> bytes:
        """The hash of block 0."""
        self._read()
        return self._node.genesis_hash()

    def block(self, tag: BlockTag) -> Block:
        """A block that it has already."""
        self._read()
        return self._node.block(self._known(tag))

    def code(self, address: str) -> bytes:
        """The code at an address."""
        self._read()
        return self._node.code(address)

    def balance(self, address: str) -> int:
        """An account's balance."""
        self._read()
        return self._node.balance(address)

    def nonce(self, address: str, tag: BlockTag) -> int:
        """An account's transaction count, as far as it knows."""
        self._read()
        return self._node.nonce(address, self._known(tag))

    def fee(self) -> Fee:
        """Fees as of the head."""
        self._read()
        return self._node.fee()

    def call(self, to: str, data: bytes, tag: BlockTag) -> bytes:
        """A view, at a block that it has already."""
        self._read()
        return self._node.call(to, data, self._known(tag))

    def receipt(self, tx_hash: bytes) -> Receipt | None:
        """A receipt out of a block that it has already."""
        self._read()
        if self.troubles.receipts:
            self.troubles.receipts -= 1
            return None
        found = self._node.receipt(tx_hash)
        if found is None or not self.troubles.behind:
            return found
        return found if found.block_number <= self._head() else None

    def transactions(self, number: int, sender: str) -> Sequence[MinedTransaction]:
        """What an account sent in a block that it has already."""
        self._read()
        self._known(number)
        return self._node.transactions(number, sender)

    def header(self, number: int) -> BlockHeader:
        """A header that it has already."""
        self._read()
        self._known(number)
        return self._node.header(number)

    def proof(self, address: str, slots: Sequence[bytes], number: int) -> AccountProof:
        """Proofs at a block that it has already."""
        self._read()
        self._known(number)
        return self._node.proof(address, slots, number)

    def send(self, raw: bytes) -> SendAnswer:
        """Pass signed bytes on, or not, and tell, or not. Raises Killed."""
        self._interrupt()
        if not self._is_stored(raw):
            self.unstored.append(raw)
        trouble = self.troubles.sends.pop(0) if self.troubles.sends else ""
        if trouble == "killed before":
            raise Killed
        if trouble == "before" or self.troubles.reads < 0:
            return SendAnswer(SendOutcome.UNKNOWN, "broken before")
        if self.troubles.refusals:
            words = self.troubles.refusals.pop(0)
            return SendAnswer(classify(words), words)
        answer = self._node.send(raw)
        if trouble == "killed after":
            raise Killed
        if trouble == "after":
            return SendAnswer(SendOutcome.UNKNOWN, "broken after")
        return answer

    def _read(self) -> None:
        self._interrupt()
        if self.troubles.reads:
            self.troubles.reads -= 1 if self.troubles.reads > 0 else 0
            raise ChainUnavailable(f"{self._name} does not answer")

    def _interrupt(self) -> None:
        waiting = self.troubles.interruptions
        if not waiting:
            return
        due = waiting.pop(0, None)
        self.troubles.interruptions = {n - 1: each for n, each in waiting.items()}
        if due is not None:
            due()

    def _head(self) -> int:
        return max(0, self._node.block("latest").number - self.troubles.behind)

    def _known(self, tag: BlockTag) -> BlockTag:
        behind = self.troubles.behind
        if not behind:
            return tag
        if isinstance(tag, int):
            if tag > self._head():
                raise ChainUnavailable(f"{self._name} has no block {tag} yet")
            return tag
        if tag in {"latest", "pending"}:
            return self._head()
        return max(0, self._node.block(tag).number - behind)
