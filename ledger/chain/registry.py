"""What the registries say, read through a node at one block."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError

from ledger.chain.node import BlockTag, ChainNode
from ledger.core.evidence import status_slot
from ledger.core.keys import keccak256
from ledger.core.status import WORD_BITS
from ledger.errors import ChainUnavailable


@dataclass(frozen=True, slots=True)
class AnchorSlot:
    """When a root was first anchored: the block's time in seconds, and its number."""

    time: int
    block_number: int


@dataclass(frozen=True, slots=True)
class IssuerState:
    """An issuer's record; `closed_at` is None while it is open.

    `recovery` commits to the recovery key; `successor` is None if none was named.
    """

    controller: str
    registered_at: int
    closed_at: int | None
    recovery: bytes
    successor: bytes | None
    recovery_acts: int


_ISSUER = "(address,uint40,uint40,bool,bytes32,bytes32,bytes32,bytes32,uint64)"
_KEY = "(uint40,uint40,uint40,uint8)"


@dataclass(frozen=True, slots=True)
class AnchorRegistry:
    """AnchorRegistry at an address, read through a node. Reads raise ChainError."""

    node: ChainNode
    address: str

    def anchored_at(self, root: bytes, tag: BlockTag) -> AnchorSlot | None:
        """The slot of a root; None if it is not anchored."""
        data = _calldata("anchoredAt(bytes32)", root)
        answer = self.node.call(self.address, data, tag)
        moment, number = _decode(["uint64", "uint64"], answer, self.node)
        return AnchorSlot(moment, number) if moment else None


@dataclass(frozen=True, slots=True)
class IssuerRegistry:
    """IssuerRegistry at an address, read through a node. Reads raise ChainError."""

    node: ChainNode
    address: str

    def issuer(self, issuer_id: bytes, tag: BlockTag) -> IssuerState | None:
        """An issuer's record; None if it is not registered."""
        answer = self.node.call(
            self.address, _calldata("issuer(bytes32)", issuer_id), tag
        )
        (issuer,) = _decode([_ISSUER], answer, self.node)
        controller, registered, closed, _, recovery, _, successor, _, acts = issuer
        if not registered:
            return None
        return IssuerState(
            controller=str(controller).lower(),
            registered_at=registered,
            closed_at=closed or None,
            recovery=recovery,
            successor=successor if any(successor) else None,
            recovery_acts=acts,
        )

    def key_opened_at(
        self, issuer_id: bytes, key_id: bytes, tag: BlockTag
    ) -> int | None:
        """When an issuer's key was recorded; None if it was not."""
        data = _calldata("key(bytes32,bytes32)", issuer_id, key_id)
        (key,) = _decode([_KEY], self.node.call(self.address, data, tag), self.node)
        return key[0] or None

    def status_words(
        self, issuer_id: bytes, words: Sequence[int], number: int
    ) -> Mapping[int, int]:
        """Those of an issuer's status words that hold a bit, at a block; all asked for at once."""
        slots = [status_slot(issuer_id, word * WORD_BITS) for word in words]
        proof = self.node.proof(self.address, slots, number)
        return {
            word: each.value
            for word, each in zip(words, proof.slots, strict=True)
            if each.value
        }


def _calldata(signature: str, *words: bytes) -> bytes:
    return keccak256(signature.encode())[:4] + encode(["bytes32"] * len(words), words)


def _decode(types: list[str], answer: bytes, node: ChainNode) -> tuple[Any, ...]:
    try:
        return decode(types, answer)
    except DecodingError as error:
        raise ChainUnavailable(f"{node.name}: a registry's answer is broken") from error
