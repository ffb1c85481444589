"""
RLP, the one encoding of Ethereum's headers and trie nodes: byte strings, and lists of them.

Strict: every item has exactly one encoding that `decode` accepts, so what was hashed can
be written again. Yellow Paper appendix B.
"""

from collections.abc import Sequence
from typing import TypeAlias

from ledger.errors import MalformedError

Rlp: TypeAlias = "bytes | list[Rlp]"

#: A trie node holds nodes below 32 bytes inside itself, at most three within another.
MAX_DEPTH = 4

_STRING, _LONG_STRING, _LIST, _LONG_LIST = 0x80, 0xB8, 0xC0, 0xF8
_HASH_SIZE = 32
_HASH = _STRING + _HASH_SIZE
_LONG = 56  # from this many bytes on the length is written out


def decode(data: bytes) -> Rlp:
    """Read one item that fills the data. Raises MalformedError."""
    if not data:
        raise MalformedError("RLP: nothing there")
    item, end = _item(data, 0, len(data), 0)
    if end != len(data):
        raise MalformedError("RLP: bytes behind the item")
    return item


def encode(item: "bytes | Sequence[Rlp]") -> bytes:
    """Write an item."""
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < _STRING:
            return item
        return _prefix(_STRING, len(item)) + item
    body = b"".join(map(encode, item))
    return _prefix(_LIST, len(body)) + body


def encode_number(number: int) -> bytes:
    """The byte string of a number: big-endian, no leading zeros, nothing for 0."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def decode_number(data: bytes) -> int:
    """Read the byte string of a number. Raises MalformedError."""
    if data.startswith(b"\0"):
        raise MalformedError("RLP: a number with leading zeros")
    return int.from_bytes(data, "big")


def _prefix(offset: int, length: int) -> bytes:
    if length < _LONG:
        return bytes((offset + length,))
    written = encode_number(length)
    return bytes((offset + _LONG - 1 + len(written),)) + written


def _item(data: bytes, at: int, end: int, depth: int) -> tuple[Rlp, int]:
    """The item at a place, and where the next one begins; never beyond `end`."""
    first = data[at]
    if first < _STRING:
        return data[at : at + 1], at + 1
    if first >= _LIST:
        return _list(data, at, end, depth)
    if first < _LONG_STRING:
        start, stop = at + 1, at + 1 + first - _STRING
    else:
        start, stop = _long(data, at, end, first - _LONG_STRING + 1)
    if stop > end:
        raise MalformedError("RLP: a string is cut off")
    if stop - start == 1 and data[start] < _STRING:
        raise MalformedError("RLP: a small byte stands for itself")
    return data[start:stop], stop


def _list(data: bytes, at: int, end: int, depth: int) -> tuple[Rlp, int]:
    if depth == MAX_DEPTH:
        raise MalformedError(f"RLP: nested deeper than {MAX_DEPTH}")
    if data[at] < _LONG_LIST:
        start, stop = at + 1, at + 1 + data[at] - _LIST
    else:
        start, stop = _long(data, at, end, data[at] - _LONG_LIST + 1)
    if stop > end:
        raise MalformedError("RLP: a list is cut off")
    items: list[Rlp] = []
    # Nearly all children of a trie's nodes are hashes, or not there.
    last_hash = stop - _HASH_SIZE
    while start < stop:
        first = data[start]
        if first == _HASH and start < last_hash:
            after = start + 1 + _HASH_SIZE
            items.append(data[start + 1 : after])
            start = after
        elif first == _STRING:
            items.append(b"")
            start += 1
        else:
            item, start = _item(data, start, stop, depth + 1)
            items.append(item)
    return items, stop


def _long(data: bytes, at: int, end: int, width: int) -> tuple[int, int]:
    """Where the content of an item with a written length begins and ends."""
    start = at + 1 + width
    if start > end:
        raise MalformedError("RLP: a length is cut off")
    length = int.from_bytes(data[at + 1 : start], "big")
    if length < _LONG or data[at + 1] == 0:
        raise MalformedError("RLP: a length that is not the shortest")
    return start, start + length
