"""
JSON in and out: one strict parser, and the canonical bytes of RFC 8785 (JCS).

Whatever `parse` accepts, `encode` can write, and `parse(encode(value)) == value`. Both
refuse with MalformedError and nothing else. Instants, which JSON does not know, have one
text here too.

orjson reads and writes where that is certain to give the same, and never refuses anything
itself: the rest is for `parse_by_json` and `encode_by_rfc8785`, which say what is right. See
docs/decisions/0012-fast-core.md.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NoReturn, TypeAlias, cast

import orjson
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

# What orjson would write in a way of its own is left to rfc8785: enumerations, dates and so
# on are no JSON values, and 2^53 is no integer.
_AS_IT_IS = (
    orjson.OPT_STRICT_INTEGER
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)
_SORTED = _AS_IT_IS | orjson.OPT_SORT_KEYS

# In JSON as orjson writes it, whatever of FORBIDDEN could stand there: an escape other than
# of a quote, a backslash, tab, line feed or carriage return, U+FFFE and U+FFFF. Alone: U+007F.
# Also finds harmless text (a backslash before a "u"), which then goes the slow way.
_ESCAPE = re.compile(rb"\\[ubf]")
_NON_CHARACTER = re.compile(rb"\xef\xbf[\xbe\xbf]")

# Here orjson and ECMAScript both write the digits that are needed and no exponent.
_PLAIN_FLOATS = (1e-3, float(_MAX_NUMBER))

# A string, whole or cut off by the end of the text, or one bracket. Possessive: linear time.
_TOKENS = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)


def parse(data: bytes, *, max_bytes: int = MAX_BYTES) -> Json:
    """Read one JSON text (RFC 8259, I-JSON). Raises MalformedError."""
    if len(data) > max_bytes:
        raise MalformedError(f"JSON of {len(data)} bytes, at most {max_bytes} allowed")
    found = _parse_by_orjson(data)
    return parse_by_json(data, max_bytes=max_bytes) if found is None else found[0]


def _parse_by_orjson(data: bytes) -> tuple[Json] | None:
    try:
        value: Json = orjson.loads(data)
        # Written again it is the same text: so no member stood there twice, and nothing was
        # spelled in a way that one parser might read differently from another.
        same = orjson.dumps(value, option=_AS_IT_IS) == data
    except (TypeError, ValueError):
        return None
    # In a tuple, because null is a value too.
    return (value,) if same and not _has_forbidden(data) and _is_plain(value) else None


def parse_by_json(data: bytes, *, max_bytes: int = MAX_BYTES) -> Json:
    """Read the same without orjson: the definition of `parse`. Raises MalformedError."""
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
    return _encode_by_orjson(value) or encode_by_rfc8785(value)


def encode_parsed(value: Json) -> bytes:
    """
    Write the same of a value without fractions that `parse` made, or our own code of its parts.

    For what a closed model has accepted: its types need no second look. Raises MalformedError.
    """
    return _write(value) or encode_by_rfc8785(value)


def _encode_by_orjson(value: Json) -> bytes | None:
    return _write(value) if _is_plain(value) else None


def _write(value: Json) -> bytes | None:
    try:
        data = orjson.dumps(value, option=_SORTED)
    except TypeError:  # 2^53 and beyond, lone surrogates, a name that is no string
        return None
    if _has_forbidden(data):
        return None
    if data.isascii() or _is_in_bmp(data) or _has_plain_names(value):
        return data
    return None


def encode_by_rfc8785(value: Json) -> bytes:
    """Write the same without orjson: the definition of `encode`. Raises MalformedError."""
    # First, because rfc8785 alone leaks UnicodeEncodeError and RecursionError.
    check_value(value)
    # The cast: rfc8785 types its lists as Sequence, where str is one too.
    return rfc8785.dumps(cast("Any", value))


def check_value(value: object) -> None:
    """Refuse a value that `parse` could not have read. Raises MalformedError."""
    _check(value, 0)


@lru_cache(maxsize=256)
def parse_time(text: str) -> datetime:
    """Read an instant: RFC 3339, UTC, whole seconds, "Z". Raises MalformedError."""
    if not _TIME.fullmatch(text):
        raise MalformedError("an instant is written 2026-11-25T08:44:00Z")
    # Python 3.14 reads it as the next day, and an instant has one text.
    if text.startswith("24", len("2026-11-25T")):
        raise MalformedError("no such day or time of day")
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise MalformedError("no such day or time of day") from error


def encode_time(instant: datetime) -> str:
    """Write an instant as `parse_time` reads it, fractions cut off. Raises MalformedError."""
    # Not all are fit for a cache: where clocks are set back, two instants are equal in Python.
    return _encode_utc(instant) if instant.tzinfo is UTC else _encode_time(instant)


def _encode_time(instant: datetime) -> str:
    if instant.tzinfo is None:
        raise MalformedError("an instant without a time zone")
    try:
        whole = instant.astimezone(UTC).replace(microsecond=0, tzinfo=None)
    except OverflowError as error:
        raise MalformedError("an instant outside the years 1 to 9999") from error
    return whole.isoformat() + "Z"


_encode_utc = lru_cache(maxsize=256)(_encode_time)


def _is_plain(value: object) -> bool:
    """Tell whether orjson writes every scalar of a value, if at all, as RFC 8785 does."""
    level: list[Iterable[Any]] = [(value,)]
    for _ in range(MAX_DEPTH + 1):
        below: list[Iterable[Any]] = []
        for members in level:
            for child in members:
                kind = child.__class__
                if kind is str:
                    continue
                if kind is dict:
                    below.append(child.values())
                elif kind is list:
                    below.append(child)
                elif not (
                    kind is bool
                    or kind is int
                    or child is None
                    or (kind is float and _is_plain_float(child))
                ):
                    return False
        if not below:
            return True
        level = below
    return False


def _is_plain_float(number: float) -> bool:
    least, most = _PLAIN_FLOATS
    # Not of an integer: 1.0 is 1 in RFC 8785. And not infinite, not NaN.
    return least <= abs(number) <= most and not number.is_integer()


def _has_plain_names(value: object) -> bool:
    """Tell whether all names are in the BMP, where UTF-8 and UTF-16 sort alike."""
    if isinstance(value, dict):
        return all(name.isascii() or max(name) <= "\uffff" for name in value) and all(
            map(_has_plain_names, value.values())
        )
    return not isinstance(value, list) or all(map(_has_plain_names, value))


def _is_in_bmp(data: bytes) -> bool:
    # The first bytes of all other characters. With one of these in a name, UTF-16, by which
    # RFC 8785 sorts, and UTF-8, by which orjson does, can disagree.
    return not (
        b"\xf0" in data
        or b"\xf1" in data
        or b"\xf2" in data
        or b"\xf3" in data
        or b"\xf4" in data
    )


def _has_forbidden(data: bytes) -> bool:
    """Tell whether JSON as orjson writes it may contain a character that is FORBIDDEN."""
    return (
        b"\x7f" in data
        or (b"\xef" in data and _NON_CHARACTER.search(data) is not None)
        or _ESCAPE.search(data) is not None
    )


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
        counted = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counted.items() if count > 1)
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
