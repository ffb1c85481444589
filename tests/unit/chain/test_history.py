from dataclasses import dataclass, field

import pytest

from ledger.chain import acts
from ledger.chain.accounts import address_of
from ledger.chain.history import History, Stretch, read_history
from ledger.chain.memory import MemoryChain
from ledger.chain.mined import MinedTransaction
from ledger.chain.node import BlockTag
from ledger.chain.sender import KeystoreSigner, SigningRules, TransactionFields
from ledger.core.registries import ANCHOR_REGISTRY, ISSUER_REGISTRY
from ledger.errors import ChainUnavailable

KEY = bytes.fromhex("22" * 32)
SENDER = address_of(KEY)
OTHER_KEY = bytes.fromhex("44" * 32)
CALLS = acts.known_calls(ANCHOR_REGISTRY, ISSUER_REGISTRY)


class CountingChain(MemoryChain):
    """Counts the questions about blocks and accounts."""

    asked = 0

    def nonce(self, address: str, tag: BlockTag) -> int:
        self.asked += 1
        return super().nonce(address, tag)

    def transactions(self, number: int, sender: str) -> list[MinedTransaction]:
        self.asked += 1
        return list(super().transactions(number, sender))


@dataclass
class Past:
    """A chain of 1,000 blocks in which an account sent ten transactions."""

    chain: CountingChain = field(default_factory=CountingChain)
    sent: list[tuple[int, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for nonce, pause in enumerate([0, 0, 3, 250, 1, 0, 400, 2, 40, 1]):
            self.chain.mine(pause)
            self.send(KEY, nonce)
            if nonce != 4:  # 4 and 5 stand in one block
                self.send(OTHER_KEY, nonce if nonce < 4 else nonce - 1)
                self.chain.mine()
        self.chain.mine(1_000 - self.head)

    @property
    def head(self) -> int:
        return self.chain.block("latest").number

    def send(self, key: bytes, nonce: int) -> None:
        root = bytes([nonce]) * 32
        signed = KeystoreSigner(key, SigningRules(31337, CALLS, 10**12)).sign(
            TransactionFields(
                chain_id=31337,
                nonce=nonce,
                to=ANCHOR_REGISTRY,
                data=acts.anchor(ANCHOR_REGISTRY, root).data,
                gas=60_000,
                tip=10**9,
                fee_cap=50 * 10**9,
            )
        )
        self.chain.send(signed.raw)
        if key == KEY:
            self.sent.append((nonce, signed.raw))

    def read(self, first: int, questions: int | None = None) -> History:
        self.chain.asked = 0
        stretch = Stretch(first, 0, self.head)
        return read_history(self.chain, SENDER, stretch, questions=questions)


@pytest.fixture(scope="module")
def past() -> Past:
    return Past()


@pytest.mark.parametrize("first", [0, 1, 5, 9, 10, 12])
def test_every_transaction_from_a_nonce_on_is_found_by_halving(
    past: Past, first: int
) -> None:
    found = past.read(first)

    assert [(each.nonce, each.raw) for each in found.transactions] == past.sent[first:]
    assert (found.missing, found.complete) == ((), True)
    # Ten blocks at most, each within 1,000.
    assert past.chain.asked <= 1 + 10 * 11


def test_a_node_that_has_forgotten_old_counts_is_read_backwards(past: Past) -> None:
    past.chain.counted_blocks = 128
    try:
        found = past.read(7)
        assert [(each.nonce, each.raw) for each in found.transactions] == past.sent[7:]
        # It stops at the oldest one that is wanted.
        assert past.chain.asked < 400
    finally:
        past.chain.counted_blocks = 1_000_000


def test_no_more_is_asked_than_allowed_and_what_is_not_found_is_named(
    past: Past,
) -> None:
    found = past.read(0, questions=15)

    assert past.chain.asked <= 16
    assert not found.complete
    known = [each.nonce for each in found.transactions]
    assert sorted([*known, *found.missing]) == list(range(10))


def test_a_nonce_that_no_transaction_used_is_named() -> None:
    """As after an EIP-7702 authorisation: the count grew, and nobody sent anything."""
    past = Past()
    past.chain._blocks[-1].state.nonces[SENDER] += 2
    past.chain.mine()

    found = past.read(9)
    assert [each.nonce for each in found.transactions] == [9]
    assert (found.missing, found.complete) == ((10, 11), True)


def test_a_node_that_is_away_is_no_answer() -> None:
    past = Past()
    past.chain.broken_reads = -1
    with pytest.raises(ChainUnavailable):
        past.read(0)


def test_progress_is_told(past: Past) -> None:
    told: list[tuple[int, int]] = []
    stretch = Stretch(2, 0, past.head)
    read_history(past.chain, SENDER, stretch, progress=lambda *done: told.append(done))
    assert told[-1] == (8, 8)
    assert told == sorted(told)
