"""
Evidence that somebody made by hand, down to its bytes, means the same to both verifiers.

Whoever writes a header chooses its state root, so any node can stand below it. Nobody trusts
such a block; the readers have to get through it all the same.
"""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from ledger.core import registries, rlp
from ledger.core.keys import encode_base64url, keccak256
from ledger.core.rlp import Rlp
from ledger.verify.networks import encode_networks
from tests.unit.verify.credentials import NOW, world
from tests.unit.verify.fakes import NETWORK
from tests.unit.verify.page.answers import Question, by_page, by_python, differences

pytestmark = pytest.mark.slow

PATH = keccak256(bytes.fromhex(registries.ANCHOR_REGISTRY[2:])).hex()
EMPTY_ROOT = keccak256(b"\x80")
HASH = b"\x07" * 32


def header(root: bytes, **changes: bytes) -> bytes:
    """A header of block 90 with this state root; fields may be replaced by their place."""
    fields: list[Rlp] = [
        *(bytes(32), bytes(32), bytes(20), root, bytes(32), bytes(32), bytes(256)),
        *(b"", b"\x5a", b"\x01", b"", b"\x6a\x00\x00\x00", b"", bytes(32), bytes(8)),
    ]
    for name, value in changes.items():
        fields[int(name.removeprefix("field_"))] = value
    return rlp.encode(fields)


def path(nibbles: str, *, leaf: bool) -> bytes:
    """A shared path in hex-prefix form."""
    flag = 2 * leaf + len(nibbles) % 2
    return bytes.fromhex(f"{flag:x}{'' if len(nibbles) % 2 else '0'}{nibbles}")


def leaf(value: Rlp, nibbles: str = PATH) -> bytes:
    return rlp.encode([path(nibbles, leaf=True), value])


def branch(child: Rlp, *, value: Rlp = b"") -> list[Rlp]:
    """A branch on the way to the AnchorRegistry's account."""
    children: list[Rlp] = [b""] * 16
    children[int(PATH[0], 16)] = child
    return [*children, value]


def account(*fields: Rlp) -> bytes:
    return leaf(rlp.encode(list(fields)))


def long_list(content: bytes, *, width: int) -> bytes:
    """A list whose length is written with so many bytes, more than it takes."""
    return bytes([0xF7 + width]) + len(content).to_bytes(width, "big") + content


def nested(depth: int) -> bytes:
    item: Rlp = b""
    for _ in range(depth):
        item = [item]
    return rlp.encode(item)


GENUINE = registries.ANCHOR_REGISTRY_CODE_HASH
SHORT = rlp.encode([path("12", leaf=True), b"x"])

#: The one node below the state root.
NODES: Mapping[str, bytes] = {
    "a number": b"\x05",
    "a text": rlp.encode(b"node"),
    "an empty list": b"\xc0",
    "three items": rlp.encode([b"", b"", b""]),
    "sixteen items": rlp.encode([b""] * 16),
    "an empty branch": rlp.encode([b""] * 17),
    "two nodes": leaf(b"x") + b"\x80",
    "cut off": leaf(b"x")[:-1],
    "a list with a longer length": long_list(leaf(b"x")[2:], width=2),
    "a short list with a written length": long_list(SHORT[1:], width=1),
    "a length that is cut off": b"\xf9\x01",
    "a length beyond all": b"\xff" + b"\xff" * 8,
    "a text with a written length": b"\xc3\xb8\x01\x90",
    "a small byte in two": b"\xc4\x81\x05\x81\x90",
    "a text beyond its list": b"\xc2\x83\x01",
    "as deep as may be": nested(4),
    "deeper": nested(5),
    "a path of nothing": rlp.encode([b"", b"x"]),
    "a path that is a list": rlp.encode([[b"\x20"], b"x"]),
    "a path of the kind 4": rlp.encode([b"\x40", b"x"]),
    "a path with a filler": rlp.encode([b"\x25" + bytes(32), b"x"]),
    "an extension by nothing": rlp.encode([b"\x00", HASH]),
    "an extension elsewhere": rlp.encode([path("abcdef", leaf=False), HASH]),
    "an extension to nothing": rlp.encode([path(PATH[:4], leaf=False), b""]),
    "an extension to a short name": rlp.encode([path(PATH[:4], leaf=False), b"abc"]),
    "an extension to a missing node": rlp.encode([path(PATH[:4], leaf=False), HASH]),
    "an extension to a leaf in it": rlp.encode(
        [path(PATH[:40], leaf=False), [path(PATH[40:], leaf=True), b"x"]]
    ),
    "a leaf without a value": leaf(b""),
    "a leaf with a list": leaf([b"x"]),
    "a leaf elsewhere": leaf(b"x", PATH[::-1]),
    "a leaf of a short key": leaf(b"x", PATH[:-1]),
    "a leaf of a long key": leaf(b"x", PATH + "0"),
    "a branch to a branch to a branch": rlp.encode(branch(branch(branch(b"")))),
    "a branch to a missing node": rlp.encode(branch(HASH)),
    "a branch with a value": rlp.encode(branch(b"", value=b"x")),
    "an account that is a number": leaf(b"\x05"),
    "an account that is no RLP": leaf(b"\xb8"),
    "an account of three fields": account(b"", b"", EMPTY_ROOT),
    "an account with a short hash": account(b"", b"", EMPTY_ROOT[:-1], GENUINE),
    "an account with a list": account(b"", b"", EMPTY_ROOT, [GENUINE]),
    "an account of other code": account(b"", b"", EMPTY_ROOT, HASH),
    "an account without storage": account(b"", b"", EMPTY_ROOT, GENUINE),
    "an account whose storage is missing": account(b"", b"", HASH, GENUINE),
}

HEADERS: Mapping[str, bytes] = {
    "nothing of a header": b"\x80",
    "a list of nothing": b"\xc0",
    "fourteen fields": rlp.encode([b""] * 14),
    "fields of the future": rlp.encode([*[b""] * 3, HASH, *[b""] * 30]),
    "a field that is a list": rlp.encode([[], *[b""] * 20]),
    "a number with zeros": header(HASH, field_8=b"\0\x5a"),
    "a time with zeros": header(HASH, field_11=b"\0\x5a"),
    "the largest number": header(HASH, field_8=b"\x1f" + b"\xff" * 6),
    "a number beyond": header(HASH, field_8=b"\x20" + bytes(6)),
    "a time beyond, and beyond the years": header(HASH, field_11=b"\x20" + bytes(6)),
    "a time beyond the years": header(HASH, field_11=b"\x1f" + b"\xff" * 6),
    "the number 0": header(HASH, field_8=b""),
    "a short root": header(HASH[:-1]),
    "the root of nothing": header(EMPTY_ROOT),
    "as large as may be": header(HASH, field_12=bytes(4_096 - 617)),
    "too large": header(HASH, field_12=bytes(4_096)),
    "a longer length": long_list(header(HASH)[3:], width=3),
    "something behind": header(HASH) + b"\0",
}


def file_with(header: bytes, *nodes: bytes) -> bytes:
    document: dict[str, Any] = json.loads(world().data)
    document["proof"][1]["anchors"][0]["evidence"] = {
        "header": f"u{encode_base64url(header)}",
        "nodes": [f"u{encode_base64url(node)}" for node in nodes],
    }
    return json.dumps(document).encode()


FILES = {
    **{
        f"node: {name}": file_with(header(keccak256(node)), node)
        for name, node in NODES.items()
    },
    **{f"header: {name}": file_with(head, SHORT) for name, head in HEADERS.items()},
    "nodes: the same twice": file_with(header(HASH), SHORT, SHORT),
    "nodes: one of nothing": file_with(header(HASH), b""),
    "nodes: none": file_with(header(HASH)),
    "nodes: as many as may be": file_with(
        header(HASH), *(at.to_bytes(2, "big") for at in range(1_024))
    ),
    "nodes: too many": file_with(
        header(HASH), *(at.to_bytes(2, "big") for at in range(1_025))
    ),
    "nodes: as large as may be": file_with(header(HASH), bytes(65_536)),
    "nodes: too large together": file_with(header(HASH), bytes(65_535), b"\1\2"),
    "nodes: one too large": file_with(header(HASH), bytes(65_539)),
}


def test_every_evidence_gets_the_same_answer() -> None:
    networks = encode_networks([NETWORK])
    questions = [Question(data, networks=networks, now=NOW) for data in FILES.values()]
    told: set[str] = set()
    for name, question, timed in zip(FILES, questions, by_page(questions), strict=True):
        expected = by_python(question)
        assert differences(expected, timed.answer) == [], name
        told |= {step["detail"] for step in expected.reports[0][0]["steps"]}

    for words in ("not the shortest", "nested deeper", "unknown kind", "filler"):
        assert any(words in (detail or "") for detail in told), words
