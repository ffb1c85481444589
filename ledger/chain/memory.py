"""
A chain in memory with the contract of a node, for tests of everything that uses one.

It pools and replaces transactions as geth does, mines, finalizes two blocks behind the head,
and can be reorganised. Of the registries it knows what the ledger sends and reads first:
anchor, register, addKey, revoke and close, and their views. Sends can be broken before and after
they happened, reads can fail: what is not broken on purpose behaves.
"""

import hashlib
from copy import deepcopy
from dataclasses import dataclass, field
from typing import cast

from eth_abi.abi import decode, encode
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from hexbytes import HexBytes

from ledger.chain.acts import FORMS, REVOKING, ActKind, Domain, digest
from ledger.chain.node import (
    Block,
    BlockTag,
    Fee,
    Receipt,
    SendAnswer,
    SendOutcome,
    classify,
)
from ledger.core.keys import keccak256
from ledger.core.registries import ANCHOR_REGISTRY, ISSUER_ID_TAG, ISSUER_REGISTRY
from ledger.errors import ChainRejected, ChainUnavailable

GENESIS_TIME = 1_700_000_000
BLOCK_SECONDS = 12
_TRANSFER_GAS = 21_000


@dataclass
class _Issuer:
    controller: str
    recovery: bytes
    registered_at: int
    keys: dict[bytes, tuple[int, int, int, int]] = field(default_factory=dict)
    status: dict[int, int] = field(default_factory=dict)
    closed_at: int = 0


@dataclass
class _State:
    """The world after a block."""

    nonces: dict[str, int] = field(default_factory=dict)
    anchors: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    issuers: dict[bytes, _Issuer] = field(default_factory=dict)


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


class _Revert(Exception):  # noqa: N818 - what the EVM calls it
    """The transaction is mined with status 0."""


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
        genesis = Block(
            0, hashlib.sha256(b"genesis" + seed).digest(), GENESIS_TIME, 10**9
        )
        self._blocks = [_Block(genesis, _State(), {})]
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
        selector, words = data[:4], data[4:]
        if to == ANCHOR_REGISTRY and selector == _selector("anchoredAt(bytes32)"):
            moment, number = state.anchors.get(words, (0, 0))
            return encode(["uint64", "uint64"], [moment, number])
        if to == ISSUER_REGISTRY and selector == _selector("issuer(bytes32)"):
            return _issuer_view(state.issuers.get(words))
        if to == ISSUER_REGISTRY and selector == _selector("key(bytes32,bytes32)"):
            issuer = state.issuers.get(words[:32])
            key = issuer.keys.get(words[32:]) if issuer else None
            return encode(["uint40", "uint40", "uint40", "uint8"], key or (0, 0, 0, 0))
        raise ChainRejected(f"{to} refuses the call")

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
                )
        return None

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

    def canonical(self) -> list[tuple[str, int, bytes, bool]]:
        """Sender, nonce, calldata and success of every mined transaction, in order."""
        return [
            (transaction.sender, transaction.nonce, transaction.data, succeeded)
            for block in self._blocks
            for transaction, succeeded in block.transactions.values()
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
        name = b"%d/%d/" % (number, self._forks) + self._seed + parent.header.hash
        header = Block(number, hashlib.sha256(name).digest(), moment, self.base_fee)
        block = _Block(header, deepcopy(parent.state), {})
        for transaction in sorted(self._pool.values(), key=lambda each: each.nonce):
            count = block.state.nonces.get(transaction.sender, 0)
            if transaction.nonce == count and transaction.fee_cap >= header.base_fee:
                block.state.nonces[transaction.sender] = count + 1
                block.transactions[transaction.hash] = (
                    transaction,
                    self._execute(block.state, transaction, header),
                )
        self._pool = {
            slot: each
            for slot, each in self._pool.items()
            if each.nonce >= block.state.nonces.get(each.sender, 0)
        }
        self._blocks.append(block)

    def _execute(self, state: _State, transaction: _Transaction, header: Block) -> bool:
        try:
            if transaction.to == ANCHOR_REGISTRY:
                _anchor(state, transaction.data, header)
            elif transaction.to == ISSUER_REGISTRY:
                _issuer_act(state, transaction.data, header, self._chain_id)
        except _Revert:
            return False
        return True


def _outbids(new: _Transaction, old: _Transaction) -> bool:
    """geth wants a tenth more on both fees for the same slot."""
    return new.tip * 10 >= old.tip * 11 and new.fee_cap * 10 >= old.fee_cap * 11


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


def _selector(call: str) -> bytes:
    return keccak256(call.encode())[:4]


def _anchor(state: _State, data: bytes, header: Block) -> None:
    if data[:4] == _selector("anchor(bytes32)") and len(data) == 36:
        state.anchors.setdefault(data[4:], (header.time, header.number))
    elif len(data) == 32:
        state.anchors.setdefault(data, (header.time, header.number))
    else:
        raise _Revert


def _issuer_act(state: _State, data: bytes, header: Block, chain_id: int) -> None:
    domain = Domain(chain_id, ISSUER_REGISTRY)
    if data[:4] == _selector("register(address,bytes32,bytes32,bytes32)"):
        _register(state, data[4:], header, chain_id)
    elif data[:4] == _selector(FORMS[ActKind.ADD_KEY].call):
        _add_key(state, data[4:], header, domain)
    elif data[:4] == _selector(FORMS[ActKind.REVOKE].call):
        _revoke(state, data[4:], header, domain)
    elif data[:4] == _selector(FORMS[ActKind.CLOSE].call):
        _close(state, data[4:], header, domain)
    else:
        raise _Revert


def _register(state: _State, words: bytes, header: Block, chain_id: int) -> None:
    types = ["address", "bytes32", "bytes32", "bytes32"]
    controller, recovery, profile, salt = decode(types, words)
    preimage = encode(
        ["bytes32", "uint256", *types],
        [keccak256(ISSUER_ID_TAG), chain_id, controller, recovery, profile, salt],
    )
    issuer = _Issuer(str(controller).lower(), recovery, header.time)
    state.issuers.setdefault(keccak256(preimage), issuer)


def _add_key(state: _State, words: bytes, header: Block, domain: Domain) -> None:
    form = FORMS[ActKind.ADD_KEY]
    issuer_id, key, role, until, deadline, signature = decode(form.call_types, words)
    issuer = _open_request(state, issuer_id, deadline, header)
    request = digest(domain, ActKind.ADD_KEY, [issuer_id, key, role, until, deadline])
    if _signer(request, signature) != issuer.controller:
        raise _Revert
    issuer.keys.setdefault(key, (header.time, until, 0, role))


def _revoke(state: _State, words: bytes, header: Block, domain: Domain) -> None:
    form = FORMS[ActKind.REVOKE]
    issuer_id, word, mask, signer, deadline, signature = decode(form.call_types, words)
    issuer = _open_request(state, issuer_id, deadline, header)
    request = digest(domain, ActKind.REVOKE, [issuer_id, word, mask, 0, deadline])
    key = bytes.fromhex(signer.removeprefix("0x")).rjust(32, b"\0")
    if (
        _signer(request, signature) != signer
        or issuer.keys.get(key, (0,) * 4)[3] != REVOKING
    ):
        raise _Revert
    issuer.status[word] = issuer.status.get(word, 0) | mask


def _close(state: _State, words: bytes, header: Block, domain: Domain) -> None:
    form = FORMS[ActKind.CLOSE]
    issuer_id, successor, statement, signer, deadline, signature = decode(
        form.call_types, words
    )
    issuer = _open_request(state, issuer_id, deadline, header)
    values = [issuer_id, successor, statement, deadline]
    committed = keccak256(encode(["address"], [signer]))
    request = digest(domain, ActKind.CLOSE, values)
    if issuer.recovery != committed or _signer(request, signature) != signer:
        raise _Revert
    issuer.closed_at = header.time


def _open_request(
    state: _State, issuer_id: bytes, deadline: int, header: Block
) -> _Issuer:
    issuer = state.issuers.get(issuer_id)
    if issuer is None or issuer.closed_at or deadline < header.time:
        raise _Revert
    return issuer


def _signer(request: bytes, signature: bytes) -> str:
    try:
        # Ethereum writes the recovery bit as 27 or 28, eth_keys as 0 or 1.
        signed = Signature(signature[:64] + bytes([signature[64] - 27]))
        key = signed.recover_public_key_from_msg_hash(request)
    except (BadSignature, ValueError, IndexError) as error:
        raise _Revert from error
    return str(key.to_address()).lower()


def _issuer_view(issuer: _Issuer | None) -> bytes:
    types = ["address", "uint40", "uint40", "bool", *["bytes32"] * 4, "uint64"]
    nothing = bytes(32)
    if issuer is None:
        values = ["0x" + "00" * 20, 0, 0, False, *[nothing] * 4, 0]
    else:
        recorded, closed = issuer.registered_at, issuer.closed_at
        values = [
            issuer.controller,
            recorded,
            closed,
            bool(closed),
            issuer.recovery,
            *[nothing] * 3,
            0,
        ]
    return encode(types, values)
