"""
An Ethereum account and the slots of its storage, as proofs carry them. Yellow Paper 4.1.

An account stands in the state trie under the Keccak-256 of its address, a slot in the trie of
its account under the Keccak-256 of its number. No slot is the number 0; no account is none.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.core import rlp
from ledger.core.canonical import Json
from ledger.core.keys import keccak256
from ledger.core.mpt import HASH_SIZE, Nodes
from ledger.errors import MalformedError

#: More nodes than any proof has: a key has 64 half bytes.
MAX_PROOF_NODES: Final = 64

_FIELDS = 4
_DATA = re.compile(r"0x(?:[0-9a-f]{2})*", re.ASCII | re.IGNORECASE)
_QUANTITY = re.compile(r"0x[0-9a-f]{1,64}", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Account:
    """What the ledger reads of an account."""

    storage_root: bytes
    code_hash: bytes


def find_account(nodes: Nodes, state_root: bytes, address: str) -> Account | None:
    """
    The account at an address under a state root; None where there is none.

    Raises NodeMissing and MalformedError.
    """
    key = keccak256(bytes.fromhex(address.removeprefix("0x")))
    value = nodes.find(state_root, key)
    if value is None:
        return None
    fields = rlp.decode(value)
    if not isinstance(fields, list) or len(fields) != _FIELDS:
        raise MalformedError("account: not a list of four fields")
    _, _, storage_root, code_hash = fields
    return Account(_hash(storage_root), _hash(code_hash))


def find_slot(nodes: Nodes, account: Account, slot: bytes) -> int:
    """The word in a slot of an account's storage. Raises NodeMissing and MalformedError."""
    value = nodes.find(account.storage_root, keccak256(slot))
    if value is None:
        return 0
    word = rlp.decode(value)
    # Ethereum takes zeros out of the trie; development nodes may keep one that was cleared.
    if not isinstance(word, bytes) or len(word) > HASH_SIZE:
        raise MalformedError("storage: not a number of at most 32 bytes")
    return rlp.decode_number(word)


def _hash(item: rlp.Rlp) -> bytes:
    if not isinstance(item, bytes) or len(item) != HASH_SIZE:
        raise MalformedError("account: not a hash")
    return item


# ---------------------------------------------------------------- what a node answers


@dataclass(frozen=True, slots=True)
class SlotProof:
    """A slot, the word that the node says is in it, and the nodes that may prove it."""

    slot: bytes
    value: int
    nodes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class AccountProof:
    """The answer of eth_getProof (EIP-1186): an account and some slots. Nothing is checked yet."""

    nodes: tuple[bytes, ...]
    slots: tuple[SlotProof, ...]

    @property
    def pool(self) -> Iterator[bytes]:
        """All nodes, some of them several times."""
        yield from self.nodes
        for slot in self.slots:
            yield from slot.nodes

    @classmethod
    def from_rpc(cls, answer: Json, slots: Sequence[bytes]) -> "AccountProof":
        """Read an answer about these slots, in their order. Raises MalformedError."""
        if not isinstance(answer, dict):
            raise MalformedError("eth_getProof: not an object")
        proofs = answer.get("storageProof")
        if not isinstance(proofs, list) or len(proofs) != len(slots):
            raise MalformedError("eth_getProof: not a proof for each slot")
        return cls(
            _nodes(answer.get("accountProof")),
            tuple(
                _slot_proof(proof, slot)
                for proof, slot in zip(proofs, slots, strict=True)
            ),
        )


def _slot_proof(proof: Json, slot: bytes) -> SlotProof:
    if not isinstance(proof, dict):
        raise MalformedError("eth_getProof: a slot's proof is no object")
    # Nodes write the slot with or without leading zeros.
    if _quantity(proof.get("key")) != int.from_bytes(slot, "big"):
        raise MalformedError("eth_getProof: the proof of another slot")
    return SlotProof(slot, _quantity(proof.get("value")), _nodes(proof.get("proof")))


def _nodes(value: Json) -> tuple[bytes, ...]:
    if not isinstance(value, list) or len(value) > MAX_PROOF_NODES:
        raise MalformedError("eth_getProof: not a list of nodes")
    return tuple(_data(node) for node in value)


def _data(value: Json) -> bytes:
    if not isinstance(value, str) or not _DATA.fullmatch(value):
        raise MalformedError("eth_getProof: not bytes")
    return bytes.fromhex(value[2:])


def _quantity(value: Json) -> int:
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise MalformedError("eth_getProof: not a number")
    return int(value, 16)
