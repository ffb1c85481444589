"""The strict parser, and the bytes of RFC 8785."""

import json
import random
import string
import subprocess
import sys
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from ledger.core.canonical import (
    MAX_BYTES,
    MAX_DEPTH,
    Json,
    _encode_by_orjson,
    _parse_by_orjson,
    encode,
    encode_by_rfc8785,
    encode_time,
    parse,
    parse_by_json,
    parse_object,
    parse_time,
)
from ledger.errors import MalformedError
from scripts import fuzz_documents

_TEXT = st.text(
    st.characters(
        codec="utf-8",
        exclude_characters="".join(map(chr, [*range(9), 11, 12, *range(14, 32), 127]))
        + "\ufffe\uffff",
    ),
    max_size=20,
)
_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(-(2**53) + 1, 2**53 - 1, allow_nan=False)
    | _TEXT,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4)
    ),
    max_leaves=30,
)


@given(_VALUES)
def test_what_was_encoded_parses_to_the_same_value(value: Json) -> None:
    assert value == parse(encode(value))


@given(_VALUES)
def test_encoding_is_idempotent(value: Json) -> None:
    once = encode(value)

    assert once == encode(parse(once))


@given(_VALUES, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_accepted_text_means_what_the_standard_library_says(
    value: Json, indent: int | str | None, escaped: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=escaped).encode()

    assert json.loads(text) == parse(text)


@given(st.binary(max_size=60) | st.text(string.printable, max_size=60).map(str.encode))
def test_any_bytes_parse_or_are_malformed(data: bytes) -> None:
    try:
        value = parse(data)
    except MalformedError:
        return

    assert json.loads(data) == value
    assert value == parse(encode(value))


@pytest.mark.parametrize(
    ("reason", "data"),
    [
        ("duplicate member 'a'", b'{"a":1,"a":1}'),
        ("duplicate member 'b'", b'{"x":[{"b":1,"c":2,"b":1}]}'),
        ("duplicate member '\\xe9'", '{"é":1,"\\u00e9":2}'.encode()),
        ("NaN", b"[NaN]"),
        ("Infinity", b"[Infinity]"),
        ("-Infinity", b"[-Infinity]"),
        ("beyond 2^53 - 1", b"[1e400]"),
        ("beyond 2^53 - 1", b"[-1e400]"),
        ("beyond 2^53 - 1", b"[1e16]"),
        ("beyond 2^53 - 1", b"[9007199254740992]"),
        ("beyond 2^53 - 1", b"[-9007199254740992]"),
        ("beyond 2^53 - 1", b"[" + b"9" * 500_000 + b"]"),
        ("U+D800", b'["\\ud800"]'),
        ("U+DFFF", b'{"\\udfff":1}'),
        ("U+DC00", b'["\\udc00\\ud800"]'),
        ("U+0000", b'["\\u0000"]'),
        ("U+0000", b'{"\\u0000":1}'),
        ("U+001F", b'["\\u001f"]'),
        ("U+007F", b'["\x7f"]'),
        ("U+0008", b'["\\b"]'),
        ("U+000C", b'["\\f"]'),
        ("U+FFFE", b'["\\ufffe"]'),
        ("U+FFFF", '["\uffff"]'.encode()),
        ("not JSON at line 1 column 3", b'["\t"]'),
        ("byte order mark", b"\xef\xbb\xbf{}"),
        ("not UTF-8 at byte 0", b"\xff\xfe{\0}\0"),
        ("not UTF-8 at byte 2", b'["\xed\xa0\x80"]'),
        ("not UTF-8 at byte 2", b'["\xc0\x80"]'),
        ("not JSON at line 1 column 4", b"{} {}"),
        ("not JSON", b""),
        ("not JSON", b"{'a':1}"),
        ("not JSON", b"[1,]"),
        ("not JSON", b"[01]"),
        ("not JSON", b"[+1]"),
        ("not JSON", b"[.5]"),
        ("not JSON", b"// note\n{}"),
        ("not JSON", b"\xc2\xa0{}"),
        ("nested deeper", b"[" * 33 + b"]" * 33),
        ("nested deeper", b'{"a":' * 33 + b"1" + b"}" * 33),
        ("nested deeper", b"[" * 500_000),
        ("nested deeper", b'"' + b'\\"' * 9 + b'",' + b"[" * 500_000),
        ("not JSON", b'"' + b'\\"' * 400_000),
        ("not JSON", b"]" * 500_000),
        ("bytes, at most", b" " * (MAX_BYTES + 1)),
    ],
)
def test_parse_refuses(reason: str, data: bytes) -> None:
    with pytest.raises(MalformedError) as refusal:
        parse(data)

    assert reason in str(refusal.value)


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (
            [9007199254740991, -9007199254740991],
            b"[9007199254740991,-9007199254740991]",
        ),
        (["\t\n\r"], b'["\\t\\n\\r"]'),
        (["\U0001f600"], b'["\\ud83d\\ude00"]'),
        ([0, 0.5, -0.0], b"[-0,5e-1,-0.0]"),
        (["e\u0301", "é"], '["e\u0301","é"]'.encode()),
        ("\ufeff", b'"\\ufeff"'),
    ],
)
def test_parse_accepts(value: Json, data: bytes) -> None:
    assert value == parse(data)


def test_the_deepest_and_the_largest_allowed_are_accepted() -> None:
    deepest = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH

    assert deepest == encode(parse(deepest))
    assert parse(b"[]" + b" " * (MAX_BYTES - 2)) == []


def test_a_smaller_limit_is_the_callers() -> None:
    with pytest.raises(MalformedError, match="JSON of 5 bytes, at most 4"):
        parse(b"[   ]", max_bytes=4)


def test_no_text_of_the_input_stands_in_the_message() -> None:
    with pytest.raises(MalformedError) as refusal:
        parse(b'{"email": "ana@example.org" "name"}')

    assert "ana" not in str(refusal.value)


def test_parse_object_refuses_other_values() -> None:
    assert parse_object(b'{"a":1}') == {"a": 1}
    for other in (b"[]", b'"a"', b"1", b"null"):
        with pytest.raises(MalformedError, match="not an object"):
            parse_object(other)


def test_encode_sorts_by_utf16_and_prints_numbers_as_rfc_8785_3_2() -> None:
    value: Json = {
        "\ufb33": 1,
        "\U0001f600": 2,
        "literals": [None, True, False],
        "numbers": [333333333.33333329, 4.50, 2e-3, 1e-27, -0.0, 5.0],
        "string": '€$\nA\'B"\\"/',
        "\u00f6": "",
    }
    expected = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,4.5,0.002,1e-27,0,5],'
        '"string":"€$\\nA\'B\\"\\\\\\"/","ö":"","\U0001f600":2,"\ufb33":1}'
    )

    assert expected.encode() == encode(value)


_CYCLE: list[Any] = []
_CYCLE.append(_CYCLE)


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        2**53,
        -(2**53),
        1e20,
        "\ud800",
        {"\ud800": 1},
        {"a": "\x00"},
        {1: 2},
        {None: 2},
        (1, 2),
        b"bytes",
        {"a": {1, 2}},
        _CYCLE,
    ],
)
def test_encode_refuses_what_parse_would(value: Any) -> None:
    with pytest.raises(MalformedError):
        encode(value)


def test_an_instant_has_one_text() -> None:
    instant = datetime(2026, 11, 25, 8, 44, tzinfo=UTC)

    assert encode_time(instant) == "2026-11-25T08:44:00Z"
    assert parse_time("2026-11-25T08:44:00Z") == instant
    assert encode_time(parse_time("0001-01-01T00:00:00Z")) == "0001-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-25T08:44:00+00:00",
        "2026-11-25T08:44:00.000Z",
        "2026-11-25t08:44:00z",
        "2026-11-25 08:44:00Z",
        "2026-11-25T08:44Z",
        "2026-11-25T08:44:00",
        "2026-11-25T08:44:60Z",
        "2026-11-25T24:00:00Z",
        "2026-02-29T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "٢٠٢٦-11-25T08:44:00Z",
        "2026-11-25T08:44:00Z\n",
        "",
    ],
)
def test_other_texts_of_instants_are_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_time(text)


def test_the_end_of_a_day_is_refused_whatever_python_makes_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From 3.14 on it reads 24:00 as the next day."""

    class Later(datetime):
        @classmethod
        def fromisoformat(cls, text: str) -> "Later":
            return super().fromisoformat(text.replace("T24:", "T00:"))

    monkeypatch.setattr("ledger.core.canonical.datetime", Later)

    assert parse_time("2026-11-25T00:00:00Z").hour == 0
    with pytest.raises(MalformedError, match="no such day or time of day"):
        parse_time("2026-11-25T24:00:00Z")


def test_an_instant_outside_the_calendar_is_refused() -> None:
    first = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=9)))

    with pytest.raises(MalformedError, match="years 1 to 9999"):
        encode_time(first)


def test_the_hour_that_comes_twice_is_two_instants() -> None:
    """Python finds them equal: they are one key of a mapping."""
    lisbon = ZoneInfo("Europe/Lisbon")
    summer, winter = (
        datetime(2026, 10, 25, 1, 30, tzinfo=lisbon, fold=fold) for fold in (0, 1)
    )

    assert summer == winter
    assert encode_time(summer) == "2026-10-25T00:30:00Z"
    assert encode_time(winter) == "2026-10-25T01:30:00Z"


def test_an_instant_without_time_zone_is_refused() -> None:
    with pytest.raises(MalformedError, match="time zone"):
        encode_time(datetime(2026, 11, 25))  # noqa: DTZ001 - the fault under test


@given(st.datetimes(timezones=st.timezones()))
def test_instants_come_back_to_the_second(instant: datetime) -> None:
    try:
        text = encode_time(instant)
    except MalformedError:
        assert not 1 < instant.year < 9999
        return

    assert parse_time(text) == instant.astimezone(UTC).replace(microsecond=0)


def test_brackets_inside_strings_are_no_nesting() -> None:
    text = "[{" * 40 + '\\"' + "[" * 40

    assert parse(json.dumps([text, text]).encode()) == [text, text]


def test_a_raised_recursion_limit_does_not_make_deep_json_dangerous() -> None:
    """In a process of its own: without the guard this is a segmentation fault."""
    code = """
import sys
from ledger.core.canonical import parse
from ledger.errors import MalformedError
sys.setrecursionlimit(10**6)
for act in (lambda: parse(b"[" * 10**6), lambda: parse(b'{"a":' * 10**5)):
    try:
        act()
    except MalformedError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert done.stdout == "JSON nested deeper than 32\n" * 2


@given(st.text(st.sampled_from('[]{}"\\a'), max_size=200))
def test_brackets_inside_of_strings_do_not_nest(text: str) -> None:
    assert parse(json.dumps(text).encode()) == text


# ---------------------------------------------------------------- two engines, one text


def outcome(act: Any, value: Any) -> Any:
    """What an engine answers, told apart as Python's == would not: 1, 1.0, True, -0.0."""
    try:
        return repr(act(value))
    except MalformedError:
        return MalformedError


@pytest.mark.parametrize("seed", range(4))
def test_fast_and_slow_write_and_read_the_same(seed: int) -> None:
    rnd = random.Random(seed)  # noqa: S311 - test data
    fast_writing = fast_reading = 0
    for number in range(1_500):
        value = fuzz_documents.value(rnd)
        fast_writing += _encode_by_orjson(value) is not None
        assert outcome(encode, value) == outcome(encode_by_rfc8785, value), value

        text = fuzz_documents.json_text(rnd)
        if number % 2 and outcome(encode, value) is not MalformedError:
            text = encode(value)
        fast_reading += _parse_by_orjson(text) is not None
        assert outcome(parse, text) == outcome(parse_by_json, text), text

    assert min(fast_writing, fast_reading) > 300


@pytest.mark.parametrize("number", fuzz_documents.NUMBERS, ids=repr)
def test_a_number_has_one_text(number: float) -> None:
    for value in (number, -number, [number], {"a": [number, 1]}):
        assert outcome(encode, value) == outcome(encode_by_rfc8785, value)
    for text in (repr(number), f"{number:e}", f"{number:.1f}", f"-{number!r}"):
        data = f'{{"a":{text}}}'.encode()
        assert outcome(parse, data) == outcome(parse_by_json, data)


@given(st.floats() | st.integers(-(2**65), 2**65))
def test_any_number_has_one_text(number: float) -> None:
    assert outcome(encode, [number]) == outcome(encode_by_rfc8785, [number])


@given(st.dictionaries(st.text(max_size=3), st.none(), max_size=6))
def test_any_names_have_one_order(value: Any) -> None:
    assert outcome(encode, value) == outcome(encode_by_rfc8785, value)


@pytest.mark.uncounted
def test_every_character_is_written_in_one_way() -> None:
    """One by one where some are forbidden, else by the block; beyond the BMP some blocks."""
    odd = [*range(0x300), *range(0xD7F0, 0xE010), *range(0xFDC0, 0x10010)]
    blocks = [*range(0x300, 0xD700, 256), *range(0xE100, 0xFD00, 256)]
    beyond = range(0x10100, 0x110000, 0x1F00)
    groups = [chr(code) for code in odd]
    groups += ["".join(map(chr, range(at, at + 256))) for at in [*blocks, *beyond]]
    for letters in groups:
        for value in (list(letters), dict.fromkeys(letters)):
            assert outcome(encode, value) == outcome(encode_by_rfc8785, value)


class _Text(str):
    __slots__ = ()


class _Colour(StrEnum):
    RED = "red"


@dataclass
class _Point:
    x: int = 1


@pytest.mark.parametrize(
    "value",
    [
        _Text("a"),
        {_Text("a"): 1},
        _Colour.RED,
        {_Colour.RED: 1},
        [(1, 2)],
        {"a": ()},
        UUID(int=1),
        [UUID(int=1)],
        date(2026, 11, 28),
        {"a": datetime(2026, 11, 28, tzinfo=UTC)},
        _Point(),
        [_Point()],
        {1: 1},
        {True: 1},
        {None: 1},
        {"a": {"b": b"c"}},
        OrderedDict(a=1),
        defaultdict(int, a=1),
        [*[0] * 5, float("nan")],
        [[]] * 3,
    ],
    ids=repr,
)
def test_what_is_no_json_is_for_neither_engine(value: Any) -> None:
    assert outcome(encode, value) == outcome(encode_by_rfc8785, value)


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"b":{"c":1,"c":2}}',
        b'{"a":1,"\\u0061":1}',
        b"[-0]",
        b"[1E2]",
        b"[1.0]",
        b"[-0.0]",
        b"[1e16]",
        b"[0.1,1e-7]",
        b"[9007199254740992]",
        b"[18446744073709551616]",
        b'["\\/"]',
        b'["\\u00e9"]',
        b'["\\ud83d\\ude00"]',
        b'["a\\\\u0000"]',
        b'["\xed\xa0\x80"]',
        b' {"a":1}',
        b'{"a":1}\n',
        b"[" * 32 + b"]" * 32,
        b"[" * 33 + b"]" * 33,
        b"[" * 2_000 + b"]" * 2_000,
        b'"' + b"a" * 1_000_000 + b'"',
        b"[" + b"9" * 1_000_000 + b"]",
        b"[" + b"1," * 300_000 + b"1]",
        b'{"a":"' + "\U0001f600".encode() * 250_000 + b'"}',
    ],
    ids=lambda data: f"{len(data)} {data[:20]}",
)
def test_a_text_has_one_meaning(data: bytes) -> None:
    assert outcome(parse, data) == outcome(parse_by_json, data)
