"""The files of tests/vectors/baked: a durable credential in the smallest images, and in broken ones."""

import zlib
from collections.abc import Iterator
from pathlib import Path

from ledger.core.baking import bake_png, bake_svg
from ledger.core.durable import DurableCredential
from tests.vector_sources.durable import ALONE, folder

FOLDER = Path(__file__).parents[1] / "vectors" / "baked"


def chunk(kind: bytes, body: bytes) -> bytes:
    """One PNG chunk."""
    check = zlib.crc32(kind + body).to_bytes(4, "big")
    return len(body).to_bytes(4, "big") + kind + body + check


HEADER = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", b"\0\0\0\1\0\0\0\1\x08\0\0\0\0")
# One black pixel, stored: deflate without compression has the same bytes everywhere.
REST = chunk(b"IDAT", b"\x78\x01\x01\x02\x00\xfd\xff\x00\x00\x00\x02\x00\x01") + chunk(
    b"IEND", b""
)
PNG = HEADER + REST
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><path d="M0 0h1v1z"/></svg>\n'


def text_chunk(data: bytes, *, flags: bytes = b"\0\0") -> bytes:
    """The chunk that holds a credential."""
    return chunk(b"iTXt", b"openbadgecredential\0" + flags + b"\0\0" + data)


def valid() -> dict[str, tuple[bytes, DurableCredential]]:
    """File name -> its bytes, and the credential that they hold."""
    return {
        "alone.png": (bake_png(PNG, ALONE.encode()), ALONE),
        "alone.svg": (bake_svg(SVG, ALONE.encode()), ALONE),
    }


def _invalid() -> Iterator[tuple[str, bytes, str]]:
    data = ALONE.encode()
    one = text_chunk(data)
    whole = HEADER + one + REST
    # Stored, not deflated: the flag alone counts, and the bytes are the same everywhere.
    stored = b"\x78\x01\x01" + len(data).to_bytes(2, "little")
    stored += (len(data) ^ 0xFFFF).to_bytes(2, "little") + data
    stored += zlib.adler32(data).to_bytes(4, "big")
    yield "not-baked.png", PNG, "no credential"
    yield "two-credentials.png", HEADER + one + one + REST, "more than one"
    yield (
        "compressed.png",
        HEADER + text_chunk(stored, flags=b"\1\0") + REST,
        "uncompressed",
    )
    yield "bytes-behind.png", whole + b"\n", "after the end"
    yield "cut-off.png", whole[: len(HEADER) + 100], "cut off"
    yield "checksum.png", whole.replace(b"Git", b"Gif", 1), "checksum"
    yield "not-baked.svg", SVG, "no credential"
    good = bake_svg(SVG, data)
    start, end = good.index(b"<openbadges:"), good.index(b"<path")
    element = good[start:end]
    yield "two-credentials.svg", good[:end] + element + good[end:], "more than one"
    inside = b"<g>" + element + b"</g>"
    yield "credential-in-a-group.svg", good[:start] + inside + good[end:], "not a child"
    entity = b'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
    yield (
        "entity.svg",
        entity + good.replace(b"Git", b"]]>&x;<![CDATA[", 1),
        "of its own",
    )
    long = b'<g xmlns="' + b"u" * 201 + b'"/>'
    yield "long-namespace.svg", good[:end] + long + good[end:], "more than 200 bytes"
    yield "cut-off.svg", good[:-8], "not well-formed"


def invalid() -> dict[str, tuple[bytes, str, str]]:
    """File name -> its bytes, the kind of error, a part of its message."""
    return {name: (data, "malformed", says) for name, data, says in _invalid()}


def files() -> dict[str, bytes]:
    """Every file of the folder, by its path in it."""
    return folder(valid(), invalid())
