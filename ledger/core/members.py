"""Members of our own JSON objects: closed sets, one encoding for each value. All raise MalformedError."""

import re

from ledger.core.canonical import Json
from ledger.errors import MalformedError

_HASH = re.compile(r"0x[0-9a-f]{64}", re.ASCII)
_CHAIN = re.compile(r"eip155:([1-9][0-9]{0,15})", re.ASCII)


def read_closed(
    value: Json,
    members: frozenset[str],
    where: str,
    optional: frozenset[str] = frozenset(),
) -> dict[str, Json]:
    """An object with these members, perhaps the optional ones, and no others."""
    if not isinstance(value, dict):
        raise MalformedError(f"{where}: not an object")
    for name in sorted(members - value.keys()):
        raise MalformedError(f"{where}.{name}: missing")
    for name in sorted(value.keys() - members - optional):
        raise MalformedError(f"{where}.{name[:40]}: unknown member")
    return value


def read_text(value: Json, where: str) -> str:
    """A string."""
    if not isinstance(value, str):
        raise MalformedError(f"{where}: not a string")
    return value


def read_list(value: Json, where: str) -> list[Json]:
    """A list of anything."""
    if not isinstance(value, list):
        raise MalformedError(f"{where}: not a list")
    return value


def read_integer(value: Json, where: str) -> int:
    """An integer, written as one."""
    # 5.0 and 5 have the same canonical bytes, and true is an int to Python: one encoding only.
    if type(value) is not int:
        raise MalformedError(f"{where}: not an integer")
    return value


def read_hash(value: Json, where: str) -> bytes:
    """32 bytes, as 0x and lower-case hex digits."""
    text = read_text(value, where)
    if not _HASH.fullmatch(text):
        raise MalformedError(f"{where}: not 0x and 64 lower-case hex digits")
    return bytes.fromhex(text.removeprefix("0x"))


def read_chain(value: Json, where: str) -> int:
    """The number of an EVM chain, as CAIP-2 writes it."""
    chain = _CHAIN.fullmatch(read_text(value, where))
    if chain is None:
        raise MalformedError(f"{where}: not eip155: and a number")
    return int(chain[1])
