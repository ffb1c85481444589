"""Blocks that a verifier trusts: each with its chain, none twice."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, strategies as st

from ledger.errors import MalformedError
from ledger.verify.checkpoints import (
    Checkpoint,
    encode_checkpoints,
    parse_checkpoints,
)
from ledger.verify.rpc import Block

HASH = b"\xab" * 32
ENTRY = {"chainId": "eip155:1", "blockNumber": 7, "blockHash": f"0x{HASH.hex()}"}


def document(*entries: Any, **members: Any) -> bytes:
    return json.dumps({"version": 1, "checkpoints": entries, **members}).encode()


def test_a_list_is_read() -> None:
    assert parse_checkpoints(document(ENTRY)) == (Checkpoint(1, HASH, 7),)
    assert parse_checkpoints(document()) == ()


def test_chain_and_hash_are_one_text() -> None:
    point = Checkpoint(1, HASH)

    assert point.text == f"eip155:1:0x{HASH.hex()}"
    assert Checkpoint.from_text(point.text) == point


def test_a_block_is_named_by_hash_and_if_given_by_number() -> None:
    block = Block(7, HASH, 84)

    assert Checkpoint(1, HASH).names(block)
    assert Checkpoint(1, HASH, 7).names(block)
    assert not Checkpoint(1, HASH, 8).names(block)
    assert not Checkpoint(1, bytes(32), 7).names(block)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"[]", "not an object"),
        (document(version=2), "version 1 expected"),
        (document(note=1), "note: unknown member"),
        (document("x"), r"checkpoints\[0\]: not an object"),
        (document(ENTRY | {"time": 1}), "time: unknown member"),
        (document(ENTRY | {"chainId": "1"}), "eip155: and a number"),
        (document(ENTRY | {"chainId": 1}), "not a string"),
        (document(ENTRY | {"chainId": "eip155:9999999999999999"}), "chainId: between"),
        (document(ENTRY | {"blockNumber": "7"}), "whole number"),
        (document(ENTRY | {"blockNumber": True}), "whole number"),
        (document(ENTRY | {"blockNumber": 7.0}), "whole number"),
        (document(ENTRY | {"blockNumber": -1}), "blockNumber: between"),
        (document(ENTRY | {"blockHash": "0x" + "AB" * 32}), "lower-case"),
        (document(ENTRY | {"blockHash": "0xab"}), "64 lower-case"),
        (document(ENTRY, ENTRY), "block 7 of eip155:1 stands there twice"),
        (document(ENTRY, ENTRY | {"blockHash": "0x" + "00" * 32}), "there twice"),
        (
            json.dumps({"version": 1, "checkpoints": [ENTRY] * 40_001}).encode(),
            "more than 40000",
        ),
        (b" " * 8_388_609, "at most 8388608"),
    ],
)
def test_what_is_no_list(data: bytes, reason: str) -> None:
    with pytest.raises(MalformedError, match=reason):
        parse_checkpoints(data)


@pytest.mark.parametrize(
    "change",
    [
        {"chain_id": 0},
        {"chain_id": 2**53},
        {"block_hash": b""},
        {"block_number": 2**53},
    ],
    ids=str,
)
def test_a_block_that_no_chain_has_cannot_be_named(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        replace(Checkpoint(1, HASH, 7), **change)


@given(
    st.lists(
        st.builds(
            Checkpoint,
            st.integers(1, 2**53 - 1),
            st.binary(min_size=32, max_size=32),
            st.integers(0, 2**53 - 1),
        ),
        unique_by=lambda point: (point.chain_id, point.block_number),
        max_size=5,
    )
)
def test_what_is_written_is_read_back(points: list[Checkpoint]) -> None:
    assert parse_checkpoints(encode_checkpoints(points)) == tuple(points)
