"""
A chain in memory with the contract of a node, for tests of everything that uses one.

It pools and replaces transactions as geth does, mines, finalizes two blocks behind the head,
and can be reorganised. Both registries are there (memory_registries.py), and their storage
stands under the state root of real headers, so it proves what it says. Sends can be broken before
and after they happened, reads can fail: what is not broken on purpose behaves.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
from typing import cast

from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from ledger.chain.memory_registries import MemoryRegistries, Moment
from ledger.chain.mined import MinedTransaction
from ledger.chain.node import (
    Block,
    BlockTag,
    Fee,
    Receipt,
    SendAnswer,
    SendOutcome,
    classify,
)
from ledger.chain.state import StateTrie, make_header
from ledger.core.account import AccountProof
from ledger.core.header import BlockHeader
from ledger.core.keys import keccak256
from ledger.errors import ChainRejected, ChainUnavailable

GENESIS_TIME = 1_700_000_000
BLOCK_SECONDS = 12
_TRANSFER_GAS = 21_000


@dataclass
class _State:
    """The world after a block."""

    nonces: dict[str, int] = field(default_factory=dict)
    registries: MemoryRegistries = field(default_factory=MemoryRegistries)


@dataclass(frozen=True)
class _Transaction:
    """Decoded signed bytes."""

    hash: bytes
    raw: bytes
    sender: str
    chain_id: int
    nonce: int
    to: str
    data: bytes
    gas: int
    tip: int
    fee_cap: int


@dataclass
class _Block:
    header: Block
    state: _State
    transactions: dict[bytes, tuple[_Transaction, bool]]
    trie: StateTrie
    raw: BlockHeader


class MemoryChain:
    """One chain; several users of it see the same blocks."""

    def __init__(
        self, *, chain_id: int = 31337, finality: int = 2, seed: bytes = b""
    ) -> None:
        self._chain_id = chain_id
        self._finality = finality
        self._seed = seed
        self._forks = 0
        self._pool: dict[tuple[str, int], _Transaction] = {}
        self._blocks: list[_Block] = []
        self._append(_State(), {}, GENESIS_TIME, 10**9)
        #: Every transaction in a block goes in as it comes; off: until `mine`.
        self.automine = False
        #: The base fee of the next blocks.
        self.base_fee = 10**9
        #: What `fee` suggests as tip.
        self.tip = 10**9
        #: Accounts without an entry are rich.
        self.balances: dict[str, int] = {}
        #: Code at addresses; only asked for, never run.
        self.codes: dict[str, bytes] = {}
        #: Break so many sends that did not, and so many that did reach the pool.
        self.break_before_send = 0
        self.break_after_send = 0
        #: Break so many reads; -1: the node is away.
        self.broken_reads = 0
        #: For how many of the newest blocks it proves state; 0: for none.
        self.proven_blocks = 128
        #: For how many of the newest blocks it knows what accounts have sent.
        self.counted_blocks = 1_000_000
        #: Answer so many receipts with "none".
        self.null_receipts = 0
        #: Answer sends with these words, one after the other, and do nothing.
        self.refusals: list[str] = []
        #: Every raw transaction that anybody tried to send.
        self.sends: list[bytes] = []

    # -------------------------------------------------------------- what a node does

    @property
    def name(self) -> str:
        """How messages name it."""
        return "memory"

    def chain_id(self) -> int:
        """The chain's id."""
        self._read()
        return self._chain_id

    def genesis_hash(self) -> bytes:
        """The hash of block 0."""
        self._read()
        return self._blocks[0].header.hash

    def block(self, tag: BlockTag) -> Block:
        """A block's header. Raises ChainUnavailable if there is none."""
        self._read()
        return self._at(tag).header

    def code(self, address: str) -> bytes:
        """What `codes` says."""
        self._read()
        return self.codes.get(address, b"")

    def balance(self, address: str) -> int:
        """What `balances` says."""
        self._read()
        return self.balances.get(address, 10**21)

    def nonce(self, address: str, tag: BlockTag) -> int:
        """An account's transaction count."""
        self._read()
        if isinstance(tag, int) and tag <= len(self._blocks) - 1 - self.counted_blocks:
            raise ChainUnavailable(f"memory has forgotten the counts of block {tag}")
        count = self._at(tag).state.nonces.get(address, 0)
        if tag == "pending":
            while (address, count) in self._pool:
                count += 1
        return count

    def fee(self) -> Fee:
        """The head's base fee and the tip."""
        self._read()
        return Fee(self._blocks[-1].header.base_fee, self.tip)

    def call(self, to: str, data: bytes, tag: BlockTag) -> bytes:
        """The views that the ledger reads. Raises ChainRejected for any other."""
        self._read()
        state = self._at(tag).state
        answer = state.registries.view(to, data)
        if answer is None:
            raise ChainRejected(f"{to} refuses the call")
        return answer

    def receipt(self, tx_hash: bytes) -> Receipt | None:
        """The receipt of a transaction in a canonical block."""
        self._read()
        if self.null_receipts:
            self.null_receipts -= 1
            return None
        for block in self._blocks:
            if tx_hash in block.transactions:
                transaction, succeeded = block.transactions[tx_hash]
                return Receipt(
                    tx_hash=tx_hash,
                    block_number=block.header.number,
                    block_hash=block.header.hash,
                    succeeded=succeeded,
                    to=transaction.to,
                    data=transaction.data,
                    gas_used=transaction.gas,
                    gas_price=min(
                        transaction.fee_cap, block.header.base_fee + transaction.tip
                    ),
                    block_time=block.header.time,
                )
        return None

    def transactions(self, number: int, sender: str) -> Sequence[MinedTransaction]:
        """What an account sent in a block."""
        self._read()
        return sorted(
            (
                MinedTransaction(
                    each.hash, each.nonce, number, each.to, each.data, each.raw
                )
                for each, _ in self._at(number).transactions.values()
                if each.sender == sender
            ),
            key=lambda each: each.nonce,
        )

    def header(self, number: int) -> BlockHeader:
        """A block's whole header. Raises ChainUnavailable if there is none."""
        self._read()
        return self._at(number).raw

    def proof(self, address: str, slots: Sequence[bytes], number: int) -> AccountProof:
        """Proofs out of the state after a block, as long as it is one of the newest."""
        self._read()
        block = self._at(number)
        if number <= len(self._blocks) - 1 - self.proven_blocks:
            raise ChainUnavailable(f"memory does not prove block {number} any more")
        return block.trie.proof(address, slots)

    def send(self, raw: bytes) -> SendAnswer:
        """Pool signed bytes by geth's rules; the words of a refusal are geth's."""
        self.sends.append(raw)
        if self.break_before_send:
            self.break_before_send -= 1
            return SendAnswer(classify(""), "broken before")
        if self.refusals:
            words = self.refusals.pop(0)
            return SendAnswer(classify(words), words)
        refusal = self._submit(_decode(raw))
        if self.break_after_send:
            self.break_after_send -= 1
            return SendAnswer(classify(""), "broken after")
        return refusal

    # -------------------------------------------------------------- what happens to a chain

    def mine(self, blocks: int = 1) -> None:
        """Mine what can be mined, then empty blocks."""
        for _ in range(blocks):
            self._mine()

    def drop(self, tx_hash: bytes) -> None:
        """Forget a pooled transaction, as a full mempool does."""
        self._pool = {slot: t for slot, t in self._pool.items() if t.hash != tx_hash}

    def reorg(self, depth: int, *, repool: bool = False) -> None:
        """Replace the last blocks by empty ones; with `repool` their transactions wait again."""
        gone = self._blocks[-depth:]
        del self._blocks[-depth:]
        self._forks += 1
        waiting, self._pool = self._pool, {}
        for _ in range(depth):
            self._mine()
        self._pool = waiting
        for block in gone if repool else []:
            for transaction, _ in block.transactions.values():
                self._pool[transaction.sender, transaction.nonce] = transaction

    def pooled(self) -> list[bytes]:
        """The hashes that wait to be mined."""
        return [transaction.hash for transaction in self._pool.values()]

    def canonical(self) -> list[tuple[str, int, str, bytes, bool]]:
        """Sender, nonce, recipient, calldata and success of every mined transaction, in order."""
        return [
            (tx.sender, tx.nonce, tx.to, tx.data, succeeded)
            for block in self._blocks
            for tx, succeeded in block.transactions.values()
        ]

    # -------------------------------------------------------------- inside

    def _read(self) -> None:
        if self.broken_reads:
            self.broken_reads -= 1 if self.broken_reads > 0 else 0
            raise ChainUnavailable("memory does not answer")

    def _at(self, tag: BlockTag) -> _Block:
        head = len(self._blocks) - 1
        match tag:
            case "latest" | "pending":
                number = head
            case "safe":
                number = max(0, head - self._finality // 2)
            case "finalized":
                number = max(0, head - self._finality)
            case _:
                number = tag
        if number > head:
            raise ChainUnavailable(f"memory has no block {number}")
        return self._blocks[number]

    def _submit(self, transaction: _Transaction) -> SendAnswer:
        words = self._refusal(transaction)
        if words:
            return SendAnswer(classify(words), words)
        self._pool[transaction.sender, transaction.nonce] = transaction
        if self.automine:
            self._mine()
        return SendAnswer(SendOutcome.ACCEPTED)

    def _refusal(self, new: _Transaction) -> str | None:
        """geth's words for what it does not pool."""
        count = self._blocks[-1].state.nonces.get(new.sender, 0)
        old = self._pool.get((new.sender, new.nonce))
        cost = new.gas * new.fee_cap
        checks = (
            (new.chain_id != self._chain_id, "invalid chain id for signer"),
            (
                new.tip > new.fee_cap,
                "max priority fee per gas higher than max fee per gas",
            ),
            (new.gas < _TRANSFER_GAS, "intrinsic gas too low"),
            (new.nonce < count, "nonce too low"),
            (old is not None and old.hash == new.hash, "already known"),
            (
                old is not None and not _outbids(new, old),
                "replacement transaction underpriced",
            ),
            (
                self.balances.get(new.sender, 10**21) < cost,
                "insufficient funds for gas",
            ),
        )
        return next((words for refused, words in checks if refused), None)

    def _mine(self) -> None:
        parent = self._blocks[-1]
        number = parent.header.number + 1
        moment = parent.header.time + BLOCK_SECONDS
        state, done = deepcopy(parent.state), dict[bytes, tuple[_Transaction, bool]]()
        for transaction in sorted(self._pool.values(), key=lambda each: each.nonce):
            count = state.nonces.get(transaction.sender, 0)
            if transaction.nonce == count and transaction.fee_cap >= self.base_fee:
                state.nonces[transaction.sender] = count + 1
                succeeded = self._execute(state, transaction, Moment(number, moment))
                done[transaction.hash] = transaction, succeeded
        self._pool = {
            slot: each
            for slot, each in self._pool.items()
            if each.nonce >= state.nonces.get(each.sender, 0)
        }
        self._append(state, done, moment, self.base_fee)

    def _append(
        self,
        state: _State,
        transactions: dict[bytes, tuple[_Transaction, bool]],
        moment: int,
        base_fee: int,
    ) -> None:
        """Put a block behind the newest one, over a real header."""
        number = len(self._blocks)
        parent = self._blocks[-1] if self._blocks else None
        # Most blocks change nothing in the registries: then the trie is the same.
        trie = (
            parent.trie
            if parent is not None and parent.state.registries == state.registries
            else state.registries.trie()
        )
        raw = make_header(
            parent.header.hash if parent is not None else bytes(32),
            trie.root,
            number=number,
            time=moment,
            extra=b"%d/" % self._forks + self._seed,
        )
        header = Block(number, raw.hash, moment, base_fee)
        self._blocks.append(_Block(header, state, transactions, trie, raw))

    def _execute(
        self, state: _State, transaction: _Transaction, moment: Moment
    ) -> bool:
        return state.registries.execute(
            transaction.to, transaction.data, moment, self._chain_id
        )


def _outbids(new: _Transaction, old: _Transaction) -> bool:
    """geth wants a tenth more on both fees for the same slot."""
    return new.tip * 10 >= old.tip * 11 and new.fee_cap * 10 >= old.fee_cap * 11


@lru_cache(maxsize=4096)  # recovering a signer takes milliseconds
def _decode(raw: bytes) -> _Transaction:
    fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    return _Transaction(
        hash=keccak256(raw),
        raw=raw,
        sender=str(Account.recover_transaction(raw)).lower(),
        chain_id=cast("int", fields["chainId"]),
        nonce=cast("int", fields["nonce"]),
        to="0x" + bytes(cast("bytes", fields["to"])).hex(),
        data=bytes(cast("bytes", fields["data"])),
        gas=cast("int", fields["gas"]),
        tip=cast("int", fields["maxPriorityFeePerGas"]),
        fee_cap=cast("int", fields["maxFeePerGas"]),
    )
