"""
Block hashes that a verifier trusts: format in docs/spec/checkpoints.md.

    {"version": 1, "checkpoints": [
      {"chainId": "eip155:1", "blockNumber": 23000000, "blockHash": "0x…"}]}

A hash is always given with its chain: a header does not say which chain it is from, and the
same hash may be offered for another.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ledger.core.canonical import Json
from ledger.core.members import read_closed, read_text
from ledger.errors import MalformedError
from ledger.verify import documents
from ledger.verify.networks import caip2
from ledger.verify.rpc import Block

MAX_BYTES: Final = 8_388_608
MAX_CHECKPOINTS: Final = 40_000

_MAX_NUMBER = 2**53 - 1
_CHAIN_ID = re.compile(r"eip155:([1-9][0-9]{0,15})", re.ASCII)
_HASH = re.compile(r"0x[0-9a-f]{64}", re.ASCII)
_TEXT = re.compile(r"eip155:([1-9][0-9]{0,15}):0x([0-9a-f]{64})", re.ASCII)
_MEMBERS = frozenset({"chainId", "blockNumber", "blockHash"})


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One block of one chain. MalformedError for what no chain has."""

    chain_id: int
    block_hash: bytes
    block_number: int | None = None  #: None: the hash alone is vouched for

    def __post_init__(self) -> None:
        if not 0 < self.chain_id <= _MAX_NUMBER:
            raise MalformedError("checkpoint.chainId: between 1 and 2^53 - 1")
        if len(self.block_hash) != 32:
            raise MalformedError("checkpoint.blockHash: 32 bytes expected")
        number = self.block_number
        if number is not None and not 0 <= number <= _MAX_NUMBER:
            raise MalformedError("checkpoint.blockNumber: between 0 and 2^53 - 1")

    @classmethod
    def from_text(cls, text: str) -> "Checkpoint":
        """Read "eip155:<chain id>:<block hash>". Raises MalformedError."""
        found = _TEXT.fullmatch(text)
        if found is None:
            raise MalformedError("a block is named eip155:<chain id>:0x<64 hex digits>")
        return cls(int(found[1]), bytes.fromhex(found[2]))

    @property
    def text(self) -> str:
        """The one text of chain and hash."""
        return f"{caip2(self.chain_id)}:0x{self.block_hash.hex()}"

    def names(self, block: Block) -> bool:
        """Tell whether a block of this checkpoint's chain is the one meant."""
        same_number = self.block_number is None or self.block_number == block.number
        return same_number and self.block_hash == block.hash


def parse_checkpoints(data: bytes) -> tuple[Checkpoint, ...]:
    """Read a checkpoints file; no block of a chain twice. Raises MalformedError."""
    document = documents.parse_document(
        data, frozenset({"checkpoints"}), what="checkpoints file", max_bytes=MAX_BYTES
    )
    listed = documents.read_list(
        document["checkpoints"], "checkpoints", most=MAX_CHECKPOINTS
    )
    read = tuple(
        _checkpoint(entry, f"checkpoints[{position}]")
        for position, entry in enumerate(listed)
    )
    seen: set[tuple[int, int | None]] = set()
    for checkpoint in read:
        place = (checkpoint.chain_id, checkpoint.block_number)
        if place in seen:
            raise MalformedError(
                f"checkpoints: block {checkpoint.block_number} of"
                f" {caip2(checkpoint.chain_id)} stands there twice"
            )
        seen.add(place)
    return read


def encode_checkpoints(checkpoints: Iterable[Checkpoint]) -> bytes:
    """Write a checkpoints file that `parse_checkpoints` reads back."""
    document = {
        "version": documents.VERSION,
        "checkpoints": [
            {
                "chainId": caip2(checkpoint.chain_id),
                "blockNumber": checkpoint.block_number,
                "blockHash": f"0x{checkpoint.block_hash.hex()}",
            }
            for checkpoint in checkpoints
        ],
    }
    return (json.dumps(document, indent=2) + "\n").encode()


def _checkpoint(value: Json, where: str) -> Checkpoint:
    entry = read_closed(value, _MEMBERS, where)
    chain = _CHAIN_ID.fullmatch(read_text(entry["chainId"], where))
    if chain is None:
        raise MalformedError(f"{where}.chainId: eip155: and a number expected")
    block_hash = read_text(entry["blockHash"], f"{where}.blockHash")
    if not _HASH.fullmatch(block_hash):
        raise MalformedError(f"{where}.blockHash: 0x and 64 lower-case hex digits")
    number = entry["blockNumber"]
    if type(number) is not int:
        raise MalformedError(f"{where}.blockNumber: a whole number expected")
    try:
        return Checkpoint(int(chain[1]), bytes.fromhex(block_hash[2:]), number)
    except MalformedError as error:
        raise MalformedError(f"{where}: {error}") from error
