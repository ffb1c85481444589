"""RLP: the vectors of the Yellow Paper's tests, and one encoding for each item."""

from typing import Any

import pytest
import rlp as oracle
from hypothesis import given, strategies as st

from ledger.core import rlp
from ledger.errors import MalformedError

ITEMS = st.recursive(
    st.binary(max_size=70), lambda inner: st.lists(inner, max_size=5), max_leaves=12
).filter(lambda item: depth(item) <= rlp.MAX_DEPTH)


def depth(item: Any) -> int:
    return 1 + max(map(depth, item), default=0) if isinstance(item, list) else 0


@pytest.mark.parametrize(
    ("written", "item"),
    [
        ("83646f67", b"dog"),
        ("c88363617483646f67", [b"cat", b"dog"]),
        ("80", b""),
        ("c0", []),
        ("00", b"\0"),
        ("0f", b"\x0f"),
        ("7f", b"\x7f"),
        ("8180", b"\x80"),
        ("820400", b"\x04\x00"),
        ("c7c0c1c0c3c0c1c0", [[], [[]], [[], [[]]]]),
        ("b7" + "61" * 55, b"a" * 55),
        ("b838" + "61" * 56, b"a" * 56),
        ("f838" + "61" * 56, [b"a"] * 56),
        ("b90400" + "00" * 1024, bytes(1024)),
    ],
)
def test_known_items(written: str, item: Any) -> None:
    assert item == rlp.decode(bytes.fromhex(written))
    assert bytes.fromhex(written) == rlp.encode(item)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("", "nothing there"),
        ("8000", "bytes behind"),
        ("8101", "small byte"),
        ("817f", "small byte"),
        ("82ff", "string is cut off"),
        ("c2ff", "list is cut off"),
        ("c281", "list is cut off"),
        ("c183646f67", "cut off"),
        ("b801ff", "not the shortest"),
        ("b837" + "61" * 55, "not the shortest"),
        ("b90038" + "61" * 56, "not the shortest"),
        ("f837" + "c0" * 55, "not the shortest"),
        ("f90038" + "c0" * 56, "not the shortest"),
        ("b8", "length is cut off"),
        ("bfffffffffffffffff", "string is cut off"),
        ("ffffffffffffffffff", "list is cut off"),
        ("c5c4c3c2c1c0", "nested deeper"),
        ("c3b838c0", "string is cut off"),
    ],
)
def test_what_has_another_encoding_or_none(written: str, reason: str) -> None:
    with pytest.raises(MalformedError, match=reason):
        rlp.decode(bytes.fromhex(written))


def test_a_mountain_of_lists_ends_at_the_limit() -> None:
    written = b""
    for _ in range(5_000):
        written = rlp._prefix(0xC0, len(written)) + written

    with pytest.raises(MalformedError, match="nested deeper"):
        rlp.decode(written)


@given(ITEMS)
def test_what_is_written_is_read_back_and_the_oracle_agrees(item: Any) -> None:
    written = rlp.encode(item)

    assert item == rlp.decode(written)
    assert written == oracle.encode(item)


@given(st.binary(max_size=80))
def test_bytes_are_refused_or_are_the_encoding_of_what_is_read(data: bytes) -> None:
    try:
        item = rlp.decode(data)
    except MalformedError:
        return
    assert data == rlp.encode(item)


@given(st.integers(min_value=0, max_value=2**256))
def test_numbers_have_one_byte_string(number: int) -> None:
    written = rlp.encode_number(number)

    assert number == rlp.decode_number(written)
    with pytest.raises(MalformedError, match="leading zeros"):
        rlp.decode_number(b"\0" + written)
