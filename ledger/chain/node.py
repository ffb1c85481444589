"""
What the ledger asks of a chain's node, and the node over JSON-RPC.

Reads may be asked again; a send is made once. Whatever happens around a send, its outcome is
one of `SendOutcome`, and "unknown" is never a failure. Messages name a node by its host alone:
the path of an RPC address often is an access key.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median_high
from typing import Final, Literal, Protocol, TypeAlias

from eth_hash.auto import keccak

from ledger.chain.json_rpc import TRANSPORT, JsonRpc
from ledger.chain.mined import MinedTransaction, is_from, read_mined
from ledger.core.account import AccountProof
from ledger.core.canonical import Json
from ledger.core.header import BlockHeader, rebuild_header
from ledger.core.registries import ANCHOR_REGISTRY_CODE_HASH, ISSUER_REGISTRY_CODE_HASH
from ledger.errors import ChainRejected, ChainUnavailable, MalformedError, SettingError

BlockTag: TypeAlias = Literal["finalized", "safe", "latest", "pending"] | int


class SendOutcome(StrEnum):
    """What a node's answer to signed bytes means for their nonce."""

    ACCEPTED = "accepted"  #: the node has the bytes
    OCCUPIED = "occupied"  #: the nonce's slot is taken, perhaps by other bytes of ours
    UNDERPRICED = "underpriced"  #: new bytes with higher fees are needed, same nonce
    WAIT = "wait"  #: the same bytes will do, once the sender has funds again
    ORDER = "order"  #: an earlier nonce has to come first
    FATAL = "fatal"  #: no node will ever take these bytes
    UNKNOWN = "unknown"  #: anything else: they may be on their way


@dataclass(frozen=True, slots=True)
class SendAnswer:
    """The outcome of a send and the node's words, for the operator."""

    outcome: SendOutcome
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """A block's header, as far as the ledger reads it."""

    number: int
    hash: bytes
    time: int
    base_fee: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """A transaction in a block that was canonical when this was read."""

    tx_hash: bytes
    block_number: int
    block_hash: bytes
    succeeded: bool
    to: str
    data: bytes
    gas_used: int
    #: wei that was paid for a unit of gas
    gas_price: int
    block_time: int


@dataclass(frozen=True, slots=True)
class Fee:
    """What a transaction costs now: base fee of the head, and a tip that gets it in."""

    base: int
    tip: int


class ChainNode(Protocol):
    """A node of one chain. Every read raises ChainUnavailable if it cannot be answered now.

    `Node` speaks JSON-RPC, `ledger.chain.memory.MemoryChain` is the chain itself, in memory.
    """

    @property
    def name(self) -> str:
        """How messages name this node; holds no secret."""
        ...

    def chain_id(self) -> int:
        """The chain's id (EIP-155)."""
        ...

    def genesis_hash(self) -> bytes:
        """The hash of block 0: two chains may share an id, never this."""
        ...

    def block(self, tag: BlockTag) -> Block:
        """A block's header; one that does not exist raises ChainUnavailable."""
        ...

    def code(self, address: str) -> bytes:
        """The code at an address, at the head."""
        ...

    def balance(self, address: str) -> int:
        """An account's balance in wei, at the head."""
        ...

    def nonce(self, address: str, tag: BlockTag) -> int:
        """How many transactions of an account there are up to a block."""
        ...

    def fee(self) -> Fee:
        """Fees as of the head."""
        ...

    def call(self, to: str, data: bytes, tag: BlockTag) -> bytes:
        """Call a view. Raises ChainRejected if the contract reverts."""
        ...

    def receipt(self, tx_hash: bytes) -> Receipt | None:
        """The receipt of a transaction in a canonical block; None if there is none now.

        An answer that contradicts itself (another transaction's receipt, a block that is not
        at its height) raises ChainUnavailable.
        """
        ...

    def transactions(self, number: int, sender: str) -> Sequence[MinedTransaction]:
        """What an account sent in a block, by nonce."""
        ...

    def header(self, number: int) -> BlockHeader:
        """A block's whole header, whose hash is the block's.

        Raises ChainRejected if this chain's headers have fields that are not known here.
        """
        ...

    def proof(self, address: str, slots: Sequence[bytes], number: int) -> AccountProof:
        """The nodes that prove an account and slots of it at a block; nothing is checked yet.

        Nodes keep what it takes for the newest blocks alone: then ChainUnavailable.
        """
        ...

    def send(self, raw: bytes) -> SendAnswer:
        """Hand signed bytes to the network, once. Never raises for what the chain does."""
        ...


# Lower case, first match wins: "transaction underpriced" is inside "replacement transaction
# underpriced". geth, anvil and their relatives say these; everything else is unknown.
_OUTCOMES: Final = (
    (
        SendOutcome.OCCUPIED,
        (
            "already known",
            "known transaction",
            "already imported",
            "nonce too low",
            "replacement transaction underpriced",
        ),
    ),
    (
        SendOutcome.UNDERPRICED,
        ("transaction underpriced", "max fee per gas less than block base fee"),
    ),
    (SendOutcome.WAIT, ("insufficient funds", "exceeds the configured cap")),
    (SendOutcome.ORDER, ("nonce too high",)),
    (
        SendOutcome.FATAL,
        (
            "invalid chain id",
            "invalid sender",
            "intrinsic gas too",
            "exceeds block gas limit",
            "gas uint64 overflow",
            "oversized data",
            "negative value",
            "failed to decode",
            "priority fee per gas higher than max fee",
        ),
    ),
)


def classify(message: str) -> SendOutcome:
    """What a node's refusal of signed bytes means."""
    words = message.lower()
    for outcome, phrases in _OUTCOMES:
        if any(phrase in words for phrase in phrases):
            return outcome
    return SendOutcome.UNKNOWN


def check_chain(
    node: ChainNode,
    *,
    chain_id: int,
    genesis_hash: bytes,
    anchor_registry: str,
    issuer_registry: str,
) -> None:
    """Compare a node's chain and both registries' code with what the configuration expects.

    Raises SettingError that names expected and found; nothing is written.
    """
    check_identity(node, chain_id, genesis_hash)
    for what, address, expected in (
        ("AnchorRegistry", anchor_registry, ANCHOR_REGISTRY_CODE_HASH),
        ("IssuerRegistry", issuer_registry, ISSUER_REGISTRY_CODE_HASH),
    ):
        found = code_hash(node, address)
        if found is None:
            raise SettingError(
                f"{what} is not on chain {chain_id}: {node.name} has no code at {address}."
                " Run: perdure contracts deploy"
            )
        if found != expected:
            raise SettingError(
                f"{what} at {address} on {node.name} has other code:"
                f" expected hash 0x{expected.hex()}, found 0x{found.hex()}"
            )


def check_identity(node: ChainNode, chain_id: int, genesis_hash: bytes) -> None:
    """Raise SettingError unless the node is on this very chain."""
    found_id = node.chain_id()
    if found_id != chain_id:
        raise SettingError(
            f"{node.name} is on chain {found_id}, and chain {chain_id} is expected"
        )
    found_genesis = node.genesis_hash()
    if found_genesis != genesis_hash:
        raise SettingError(
            f"{node.name} is on another chain of id {chain_id}: its first block is"
            f" 0x{found_genesis.hex()}, expected 0x{genesis_hash.hex()}"
        )


def code_hash(node: ChainNode, address: str) -> bytes | None:
    """keccak256 of the code at an address; None where there is none."""
    code = node.code(address)
    return bytes(keccak(code)) if code else None


_READ_TRIES = 3
_READ_PAUSE = 0.2
_MAX_DETAIL = 200
_MIN_TIP = 1
_FEE_BLOCKS = 20


class Node:
    """A node over HTTP JSON-RPC."""

    def __init__(self, url: str) -> None:
        self._rpc = JsonRpc.of(url)
        self._name = self._rpc.name

    def __repr__(self) -> str:
        return f"Node({self.name})"

    @property
    def name(self) -> str:
        """Host and port."""
        return self._name

    def chain_id(self) -> int:
        """The chain's id (EIP-155). Raises ChainUnavailable."""
        return self._quantity("eth_chainId", [])

    def genesis_hash(self) -> bytes:
        """The hash of block 0. Raises ChainUnavailable."""
        return self.block(0).hash

    def block(self, tag: BlockTag) -> Block:
        """A block's header. Raises ChainUnavailable, also if there is no such block."""
        method = "eth_getBlockByNumber"
        answer = self._read(method, [_tag(tag), False])
        if not isinstance(answer, dict):
            raise ChainUnavailable(f"{self.name} has no block {tag}")
        block = Block(
            number=self._count(answer.get("number"), method),
            hash=self._bytes(answer.get("hash"), method, 32),
            time=self._count(answer.get("timestamp"), method),
            # Chains from before EIP-1559 have none.
            base_fee=self._number(answer.get("baseFeePerGas", "0x0"), method),
        )
        if isinstance(tag, int) and block.number != tag:
            raise ChainUnavailable(
                f"{self.name} gave block {block.number} for block {tag}"
            )
        return block

    def code(self, address: str) -> bytes:
        """The code at an address. Raises ChainUnavailable."""
        method = "eth_getCode"
        return self._bytes(self._read(method, [address, "latest"]), method)

    def balance(self, address: str) -> int:
        """An account's balance in wei. Raises ChainUnavailable."""
        return self._quantity("eth_getBalance", [address, "latest"])

    def nonce(self, address: str, tag: BlockTag) -> int:
        """An account's transaction count at a block. Raises ChainUnavailable."""
        method = "eth_getTransactionCount"
        return self._count(self._read(method, [address, _tag(tag)]), method)

    def fee(self) -> Fee:
        """
        The next block's base fee, and what half of the recent transactions paid at most as tip.

        Empty blocks say nothing of tips; where all are empty the node's own suggestion counts.
        Raises ChainUnavailable.
        """
        method = "eth_feeHistory"
        answer = self._read(method, [hex(_FEE_BLOCKS), "latest", [50]])
        if not isinstance(answer, dict):
            raise ChainUnavailable(f"{self.name}: {method}: not an object")
        bases, ratios = answer.get("baseFeePerGas"), answer.get("gasUsedRatio")
        rewards = answer.get("reward") or []
        if not (
            isinstance(bases, list)
            and bases
            and isinstance(ratios, list)
            and isinstance(rewards, list)
        ):
            raise ChainUnavailable(f"{self.name}: {method}: a part is missing")
        tips = [
            self._number(reward[0], method)
            for reward, used in zip(rewards, ratios, strict=False)
            if isinstance(reward, list) and reward and used
        ]
        if not tips:
            tips = [self._quantity("eth_maxPriorityFeePerGas", [])]
        return Fee(
            base=self._number(bases[-1], method),
            tip=max(median_high(tips), _MIN_TIP),
        )

    def call(self, to: str, data: bytes, tag: BlockTag) -> bytes:
        """Call a view. Raises ChainUnavailable, ChainRejected if the contract reverts."""
        method = "eth_call"
        answer = self._ask(method, [{"to": to, "data": _hex(data)}, _tag(tag)])
        if "error" in answer:
            words = _words(answer["error"])
            if "revert" in words.lower():
                raise ChainRejected(f"{to} refuses the call: {words}")
            raise ChainUnavailable(f"{self.name}: {method}: {words}")
        return self._bytes(answer["result"], method)

    def receipt(self, tx_hash: bytes) -> Receipt | None:
        """A canonical receipt, checked. Raises ChainUnavailable."""
        method = "eth_getTransactionReceipt"
        answer = self._read(method, [_hex(tx_hash)])
        transaction = self._read("eth_getTransactionByHash", [_hex(tx_hash)])
        # Between the two questions a block may come or go: ask again at the next round.
        if not isinstance(answer, dict) or not isinstance(transaction, dict):
            return None
        block_hash = self._bytes(answer.get("blockHash"), method, 32)
        if transaction.get("blockHash") != _hex(block_hash):
            return None
        for part in (answer.get("transactionHash"), transaction.get("hash")):
            if self._bytes(part, method, 32) != tx_hash:
                raise ChainUnavailable(
                    f"{self.name} gave another transaction's receipt"
                )
        number = self._number(answer.get("blockNumber"), method)
        block = self.block(number)
        if block.hash != block_hash:
            return None
        status = self._number(answer.get("status"), method)
        if status not in {0, 1}:
            raise ChainUnavailable(f"{self.name}: {method}: a status of {status}")
        return Receipt(
            tx_hash=tx_hash,
            block_number=number,
            block_hash=block_hash,
            succeeded=status == 1,
            to=_hex(self._bytes(transaction.get("to"), method, 20)),
            data=self._bytes(transaction.get("input"), method),
            gas_used=self._number(answer.get("gasUsed"), method),
            gas_price=self._number(answer.get("effectiveGasPrice"), method),
            block_time=block.time,
        )

    def transactions(self, number: int, sender: str) -> Sequence[MinedTransaction]:
        """What an account sent in a block. Raises ChainUnavailable."""
        method = "eth_getBlockByNumber"
        answer = self._read(method, [_tag(number), True])
        listed = answer.get("transactions") if isinstance(answer, dict) else None
        if not isinstance(listed, list):
            raise ChainUnavailable(f"{self.name} has no transactions of block {number}")
        try:
            found = [
                read_mined(each, number) for each in listed if is_from(each, sender)
            ]
        except MalformedError as error:
            raise ChainUnavailable(f"{self.name}: block {number}: {error}") from error
        return sorted(found, key=lambda each: each.nonce)

    def header(self, number: int) -> BlockHeader:
        """A block's whole header. Raises ChainUnavailable, ChainRejected for foreign fields."""
        method = "eth_getBlockByNumber"
        answer = self._read(method, [_tag(number), False])
        if not isinstance(answer, dict):
            raise ChainUnavailable(f"{self.name} has no block {number}")
        block_hash = self._bytes(answer.get("hash"), method, 32)
        try:
            header = rebuild_header(answer, block_hash)
        except MalformedError as error:
            raise ChainRejected(f"{self.name}: block {number}: {error}") from error
        if header.number != number:
            raise ChainUnavailable(
                f"{self.name} gave block {header.number} for block {number}"
            )
        return header

    def proof(self, address: str, slots: Sequence[bytes], number: int) -> AccountProof:
        """Ask eth_getProof. Raises ChainUnavailable."""
        method = "eth_getProof"
        answer = self._read(method, [address, [_hex(s) for s in slots], _tag(number)])
        try:
            return AccountProof.from_rpc(answer, slots)
        except MalformedError as error:
            raise ChainUnavailable(f"{self.name}: {error}") from error

    def send(self, raw: bytes) -> SendAnswer:
        """Hand signed bytes to the node, once; the hash it answers is not believed."""
        try:
            answer = self._rpc.ask("eth_sendRawTransaction", [_hex(raw)])
        except TRANSPORT as error:
            return SendAnswer(SendOutcome.UNKNOWN, type(error).__name__)
        if "error" in answer:
            words = _words(answer["error"])
            return SendAnswer(classify(words), words)
        if answer["result"] != _hex(bytes(keccak(raw))):
            return SendAnswer(SendOutcome.UNKNOWN, "the node answers with another hash")
        return SendAnswer(SendOutcome.ACCEPTED)

    def _quantity(self, method: str, params: list[Json]) -> int:
        return self._number(self._read(method, params), method)

    def _read(self, method: str, params: list[Json]) -> Json:
        answer = self._ask(method, params)
        if "error" in answer:
            raise ChainUnavailable(f"{self.name}: {method}: {_words(answer['error'])}")
        return answer["result"]

    def _ask(self, method: str, params: list[Json]) -> dict[str, Json]:
        """Ask a question that may be asked twice."""
        for remaining in reversed(range(_READ_TRIES)):
            try:
                return self._rpc.ask(method, params)
            except TRANSPORT as error:
                if not remaining:
                    raise ChainUnavailable(
                        f"{self.name} does not answer {method}: {type(error).__name__}"
                    ) from error
                time.sleep(_READ_PAUSE)
        raise AssertionError("unreachable")

    def _number(self, value: Json, method: str) -> int:
        # 2^256 and more is no quantity of any chain.
        if isinstance(value, str) and value.startswith("0x") and len(value) <= 66:
            try:
                return int(value, 16)
            except ValueError:
                pass
        raise ChainUnavailable(f"{self.name}: {method}: not a number")

    def _count(self, value: Json, method: str) -> int:
        """A number that a database can hold."""
        number = self._number(value, method)
        if number >= 2**63:
            raise ChainUnavailable(f"{self.name}: {method}: a number out of range")
        return number

    def _bytes(self, value: Json, method: str, size: int | None = None) -> bytes:
        if isinstance(value, str) and value.startswith("0x"):
            try:
                data = bytes.fromhex(value[2:])
            except ValueError as error:
                raise ChainUnavailable(f"{self.name}: {method}: not bytes") from error
            if size is None or len(data) == size:
                return data
        raise ChainUnavailable(f"{self.name}: {method}: not {size or 'any'} bytes")


def _tag(tag: BlockTag) -> str:
    return hex(tag) if isinstance(tag, int) else tag


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _words(error: Json) -> str:
    """A node's message, cut and printable, for logs."""
    message = error.get("message") if isinstance(error, dict) else error
    text = message if isinstance(message, str) else repr(message)
    return "".join(c if c.isprintable() else " " for c in text[:_MAX_DETAIL])
