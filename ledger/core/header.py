"""
An Ethereum block header: the bytes whose Keccak-256 is the block's hash.

A header is an RLP list. Four of its fields are read; forks append fields at the end, so more
of them are welcome. Yellow Paper 4.4, EIP-1559, 4895, 4844, 4788, 7685.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NoReturn

from ledger.core import rlp
from ledger.core.canonical import Json
from ledger.core.keys import keccak256
from ledger.core.mpt import HASH_SIZE
from ledger.errors import MalformedError

MAX_HEADER: Final = 4_096

_STATE_ROOT, _NUMBER, _TIME = 3, 8, 11
#: As many as the first block of Ethereum had.
_LEAST_FIELDS = 15
_MAX_NUMBER = 2**53 - 1

_DATA = re.compile(r"0x(?:[0-9a-f]{2})*", re.ASCII | re.IGNORECASE)
_QUANTITY = re.compile(r"0x(?:0|[1-9a-f][0-9a-f]{0,63})", re.ASCII | re.IGNORECASE)

#: How JSON-RPC names the fields, in their order, and which of them are numbers.
_FIELDS: Final = (
    ("parentHash", False),
    ("sha3Uncles", False),
    ("miner", False),
    ("stateRoot", False),
    ("transactionsRoot", False),
    ("receiptsRoot", False),
    ("logsBloom", False),
    ("difficulty", True),
    ("number", True),
    ("gasLimit", True),
    ("gasUsed", True),
    ("timestamp", True),
    ("extraData", False),
    ("mixHash", False),
    ("nonce", False),
    # Each fork's, in the order of the forks: the first that is not there is the end.
    ("baseFeePerGas", True),
    ("withdrawalsRoot", False),
    ("blobGasUsed", True),
    ("excessBlobGas", True),
    ("parentBeaconBlockRoot", False),
    ("requestsHash", False),
)


@dataclass(frozen=True)
class BlockHeader:
    """A header as it was hashed. MalformedError if it is none."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) > MAX_HEADER:
            raise MalformedError(f"header: more than {MAX_HEADER} bytes")
        if self.number > _MAX_NUMBER or self.time > _MAX_NUMBER:
            raise MalformedError("header: a number beyond 2^53 - 1")
        if len(self.state_root) != HASH_SIZE:
            raise MalformedError("header: the state root is no hash")

    @cached_property
    def hash(self) -> bytes:
        """The block's hash."""
        return keccak256(self.raw)

    @property
    def state_root(self) -> bytes:
        """The root of the trie of all accounts, after the block."""
        return self._fields[_STATE_ROOT]

    @cached_property
    def number(self) -> int:
        """The block's number."""
        return rlp.decode_number(self._fields[_NUMBER])

    @cached_property
    def time(self) -> int:
        """The block's time, in seconds."""
        return rlp.decode_number(self._fields[_TIME])

    @cached_property
    def _fields(self) -> tuple[bytes, ...]:
        items = rlp.decode(self.raw)
        if not isinstance(items, list) or len(items) < _LEAST_FIELDS:
            raise MalformedError("header: not a list of header fields")
        return tuple(_string(item) for item in items)


def rebuild_header(block: Mapping[str, Json], block_hash: bytes) -> BlockHeader:
    """
    Write the header of a block that JSON-RPC described, and compare its hash.

    MalformedError if another block comes out: also where a fork has added fields of which
    this version does not know.
    """
    header = BlockHeader(rlp.encode(list(_encoded(block))))
    if header.hash != block_hash:
        raise MalformedError(
            f"header: the fields that were described give 0x{header.hash.hex()} instead"
            f" of 0x{block_hash.hex()}; this chain's headers may have fields of their own"
        )
    return header


def _encoded(block: Mapping[str, Json]) -> Iterator[bytes]:
    for position, (name, is_number) in enumerate(_FIELDS):
        value = block.get(name)
        if value is None and position >= _LEAST_FIELDS:
            return
        if not isinstance(value, str):
            _refuse(name)
        if is_number:
            if not _QUANTITY.fullmatch(value):
                _refuse(name)
            yield rlp.encode_number(int(value, 16))
        else:
            if not _DATA.fullmatch(value):
                _refuse(name)
            yield bytes.fromhex(value[2:])


def _string(item: rlp.Rlp) -> bytes:
    if not isinstance(item, bytes):
        raise MalformedError("header: a field that is a list")
    return item


def _refuse(name: str) -> NoReturn:
    raise MalformedError(f"header: the description has no {name}")
