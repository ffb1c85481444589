"""Headers: a public one, the same rebuilt from JSON-RPC, and what is none."""

from typing import Any

import pytest

from ledger.chain.state import make_header
from ledger.core import rlp
from ledger.core.header import MAX_HEADER, BlockHeader, rebuild_header
from ledger.core.keys import keccak256
from ledger.errors import MalformedError

#: Ethereum's first block, a public fact: the hash is the one in the built-in network.
GENESIS = bytes.fromhex(
    "d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3"
)
GENESIS_STATE = "0xd7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544"
EMPTY_TRIE = "0x" + keccak256(b"\x80").hex()
ZERO = "0x" + "00" * 32
DESCRIBED: dict[str, Any] = {
    "parentHash": ZERO,
    "sha3Uncles": "0x" + keccak256(b"\xc0").hex(),
    "miner": "0x" + "00" * 20,
    "stateRoot": GENESIS_STATE,
    "transactionsRoot": EMPTY_TRIE,
    "receiptsRoot": EMPTY_TRIE,
    "logsBloom": "0x" + "00" * 256,
    "difficulty": "0x400000000",
    "number": "0x0",
    "gasLimit": "0x1388",
    "gasUsed": "0x0",
    "timestamp": "0x0",
    "extraData": "0x11bbe8db4e347b4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82fa",
    "mixHash": ZERO,
    "nonce": "0x0000000000000042",
    "size": "0x21c",
}
MADE = make_header(b"\x01" * 32, b"\x02" * 32, number=1_234, time=1_800_000_000)


def test_ethereums_first_block_is_rebuilt_from_its_description() -> None:
    header = rebuild_header(DESCRIBED, GENESIS)

    assert header.hash == GENESIS
    assert (header.number, header.time) == (0, 0)
    assert header.state_root == bytes.fromhex(GENESIS_STATE[2:])


def test_the_four_fields_are_read() -> None:
    assert (MADE.number, MADE.time) == (1_234, 1_800_000_000)
    assert MADE.state_root == b"\x02" * 32
    assert MADE.hash == keccak256(MADE.raw)
    assert BlockHeader(MADE.raw) == MADE


def test_fields_that_a_fork_adds_are_tolerated() -> None:
    fields = rlp.decode(MADE.raw)
    assert isinstance(fields, list)

    longer = BlockHeader(rlp.encode([*fields, b"\x07" * 32]))
    assert longer.number == 1_234
    assert longer.hash != MADE.hash


@pytest.mark.parametrize("name", [name for name in DESCRIBED if name != "size"])
def test_a_description_that_lacks_a_field_or_has_another_is_refused(name: str) -> None:
    without = {key: value for key, value in DESCRIBED.items() if key != name}
    for described in (without, DESCRIBED | {name: 7}, DESCRIBED | {name: "0xzz"}):
        with pytest.raises(MalformedError, match=f"no {name}"):
            rebuild_header(described, GENESIS)
    last = "1" if DESCRIBED[name][-1] != "1" else "2"
    with pytest.raises(
        MalformedError, match=r"fields of their own|leading zeros|beyond"
    ):
        rebuild_header(DESCRIBED | {name: DESCRIBED[name][:-1] + last}, GENESIS)


def _changed(**fields: Any) -> bytes:
    names = {"state_root": 3, "number": 8, "time": 11, "extra": 12}
    items = rlp.decode(MADE.raw)
    assert isinstance(items, list)
    for name, value in fields.items():
        items[names[name]] = value
    return rlp.encode(items)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "nothing there"),
        (b"\xc0", "not a list of header fields"),
        (rlp.encode([b""] * 14), "not a list of header fields"),
        (rlp.encode(b"header"), "not a list of header fields"),
        (MADE.raw + b"\0", "bytes behind"),
        (MADE.raw[:-1], "cut off"),
        (_changed(state_root=b"\x02" * 31), "state root"),
        (_changed(number=b"\0\x01"), "leading zeros"),
        (_changed(time=b"\0"), "leading zeros"),
        (_changed(number=b"\x20" + bytes(6)), "beyond 2"),
        (_changed(time=b"\xff" * 8), "beyond 2"),
        (_changed(extra=[]), "a field that is a list"),
        (_changed(extra=bytes(MAX_HEADER)), "more than 4096 bytes"),
    ],
)
def test_what_is_no_header(raw: bytes, reason: str) -> None:
    with pytest.raises(MalformedError, match=reason):
        BlockHeader(raw)
