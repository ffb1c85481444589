"""
JSON in and out: one strict parser, and the canonical bytes of RFC 8785 (JCS).

Whatever `parse` accepts, `encode` can write, and `parse(encode(value)) == value`. Both
refuse with MalformedError and nothing else. Instants, which JSON does not know, have one
text here too.
"""

import json
import re
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeAlias, cast

import rfc8785

from ledger.errors import MalformedError

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

MAX_BYTES = 1_048_576
MAX_DEPTH = 32

# RFC 7493 (I-JSON) 2.2: beyond this two different numbers share one double, and RFC 8785
# cannot tell them apart.
_MAX_NUMBER = 2**53 - 1
_MAX_INTEGER_TEXT = len(str(-_MAX_NUMBER))

# Control characters other than tab, line feed and carriage return; lone surrogates; and the
# two non-characters that XML 1.1 excludes. RDF canonicalisers write all of these
# differently, so a signature over them would not travel.
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")

# A string, whole or cut off by the end of the text, or one bracket. Possessive: linear time.
_TOKENS = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)


def parse(data: bytes, *, max_bytes: int = MAX_BYTES) -> Json:
    """Read one JSON text (RFC 8259, I-JSON). Raises MalformedError."""
    if len(data) > max_bytes:
        raise MalformedError(f"JSON of {len(data)} bytes, at most {max_bytes} allowed")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError(f"not UTF-8 at byte {error.start}") from error
    if text.startswith("\ufeff"):
        raise MalformedError("JSON starts with a byte order mark")
    _check_nesting(text)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_int=_integer,
        )
    except json.JSONDecodeError as error:
        # Only the position: the message may travel to a log, the text may be personal.
        where = f"line {error.lineno} column {error.colno}"
        raise MalformedError(f"not JSON at {where}: {error.msg}") from error
    check_value(value)
    return cast("Json", value)


def parse_object(data: bytes, *, max_bytes: int = MAX_BYTES) -> dict[str, Json]:
    """Read one JSON object. Raises MalformedError."""
    value = parse(data, max_bytes=max_bytes)
    if not isinstance(value, dict):
        raise MalformedError("JSON is not an object")
    return value


def encode(value: Json) -> bytes:
    """Write the RFC 8785 bytes of a value that `parse` would accept. Raises MalformedError."""
    # First, because rfc8785 alone leaks UnicodeEncodeError and RecursionError.
    check_value(value)
    # The cast: rfc8785 types its lists as Sequence, where str is one too.
    return rfc8785.dumps(cast("Any", value))


def check_value(value: object) -> None:
    """Refuse a value that `parse` could not have read. Raises MalformedError."""
    _check(value, 0)


def parse_time(text: str) -> datetime:
    """Read an instant: RFC 3339, UTC, whole seconds, "Z". Raises MalformedError."""
    if not _TIME.fullmatch(text):
        raise MalformedError("an instant is written 2026-11-25T08:44:00Z")
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise MalformedError("no such day or time of day") from error


def encode_time(instant: datetime) -> str:
    """Write an instant as `parse_time` reads it, fractions cut off. Raises MalformedError."""
    if instant.tzinfo is None:
        raise MalformedError("an instant without a time zone")
    try:
        whole = instant.astimezone(UTC).replace(microsecond=0, tzinfo=None)
    except OverflowError as error:
        raise MalformedError("an instant outside the years 1 to 9999") from error
    return whole.isoformat() + "Z"


def _check_nesting(text: str) -> None:
    # Before the parser sees it: json recurses in C, and where some library has raised the
    # recursion limit, a deep text does not raise but ends the process.
    depth = 0
    for token in _TOKENS.finditer(text):
        if token[0] in "[{":
            _check_depth(depth)
            depth += 1
        elif token[0] in "]}":
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise MalformedError(f"duplicate member {twice[:40]!a}")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedError(f"{name} is not a JSON number")


def _integer(text: str) -> int:
    # The length first: int() of a megabyte of digits is quadratic.
    if len(text) > _MAX_INTEGER_TEXT:
        raise MalformedError("integer beyond 2^53 - 1")
    return int(text)


def _check(value: object, depth: int) -> None:
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict):
        _check_depth(depth)
        for name, member in value.items():
            if not isinstance(name, str):
                raise MalformedError("member name is not a string")
            _check_text(name)
            _check(member, depth + 1)
    elif isinstance(value, list):
        _check_depth(depth)
        for item in value:
            _check(item, depth + 1)
    elif isinstance(value, float | int):
        # Also catches infinity, and 1e400, which Python reads as infinity. A bool passes.
        if not abs(value) <= _MAX_NUMBER:
            raise MalformedError("number beyond 2^53 - 1, or not finite")
    elif value is not None:
        raise MalformedError(f"{type(value).__name__} is not a JSON value")


def _check_depth(depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise MalformedError(f"JSON nested deeper than {MAX_DEPTH}")


def _check_text(text: str) -> None:
    found = FORBIDDEN.search(text)
    if found:
        raise MalformedError(f"character U+{ord(found[0]):04X} is not allowed")
