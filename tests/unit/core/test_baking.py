"""A credential in PNG and SVG: what we write, what others wrote, and what must be refused."""

import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from openbadgeslib.ob3 import OB3Verifier

from ledger.core import baking
from ledger.core.baking import bake_png, bake_svg, extract
from ledger.core.canonical import parse_object
from ledger.errors import MalformedError

PUBLISHED = Path(__file__).parents[2] / "vectors" / "published" / "1edtech" / "ob30"
KEYWORD = b"openbadgecredential"
NAMESPACE = 'xmlns:openbadges="https://purl.imsglobal.org/ob/v3p0"'
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0h1"/></svg>'
CREDENTIAL = '{"name":"Zoë 楊 ]]> <b>&amp;"}'.encode()


def chunk(kind: bytes, body: bytes) -> bytes:
    return (
        struct.pack(">I", len(body))
        + kind
        + body
        + struct.pack(">I", zlib.crc32(kind + body))
    )


SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
PIXEL = chunk(b"IDAT", zlib.compress(b"\0\0"))
END = chunk(b"IEND", b"")
PNG = SIGNATURE + HEADER + PIXEL + END


def itxt(text: bytes, *, keyword: bytes = KEYWORD, flags: bytes = b"\0\0") -> bytes:
    return chunk(b"iTXt", keyword + b"\0" + flags + b"\0\0" + text)


def png(*chunks: bytes) -> bytes:
    return SIGNATURE + HEADER + b"".join(chunks) + PIXEL + END


def svg(inside: str, *, attributes: str = NAMESPACE, before: str = "") -> bytes:
    root = f'<svg xmlns="http://www.w3.org/2000/svg" {attributes}>'
    return f"{before}{root}{inside}</svg>".encode()


def element(text: str) -> str:
    return f"<openbadges:credential>{text}</openbadges:credential>"


# ---------------------------------------------------------------- what we write


def test_png_carries_the_credential_right_after_its_header() -> None:
    expected = SIGNATURE + HEADER + itxt(CREDENTIAL) + PIXEL + END

    assert expected == bake_png(PNG, CREDENTIAL)


def test_svg_carries_the_credential_right_after_its_start_tag() -> None:
    expected = (
        '<svg xmlns="http://www.w3.org/2000/svg" '
        'xmlns:openbadges="https://purl.imsglobal.org/ob/v3p0">'
        '<openbadges:credential><![CDATA[{"name":"Zoë 楊 ]]]]><![CDATA[> <b>&amp;"}]]>'
        '</openbadges:credential><path d="M0 0h1"/></svg>'
    ).encode()

    assert expected == bake_svg(SVG, CREDENTIAL)


def test_the_examples_of_the_specification() -> None:
    page = (PUBLISHED.parents[4] / "docs" / "spec" / "files.md").read_text()
    images = PUBLISHED.parents[2] / "baked" / "valid"
    png_image = (images / "alone.png").read_bytes().hex()
    svg_image = (images / "alone.svg").read_text()
    shown = "".join(page.split('length, "iTXt"')[1].split('{"@context')[0].split())

    assert "00000c7a69545874" in png_image
    assert "00000c7a 69545874" in page
    hexadecimal = KEYWORD.hex() + "0000000000" + b'{"@context":["htt'.hex()
    assert hexadecimal in png_image
    assert all(part in shown for part in (KEYWORD.hex(), b'{"@context":["htt'.hex()))
    assert svg_image.split("[{")[0] in page


@pytest.mark.parametrize(("bake", "image"), [(bake_png, PNG), (bake_svg, SVG)])
def test_baking_again_replaces_the_credential(
    bake: Callable[[bytes, bytes], bytes], image: bytes
) -> None:
    first, second = bake(image, b'{"first":1}'), bake(image, CREDENTIAL)

    assert second == bake(first, CREDENTIAL)
    assert second == bake(second, CREDENTIAL)


@given(st.text(st.characters(min_codepoint=0x20, exclude_categories=("Cs", "Cc"))))
def test_any_text_comes_back_unchanged_or_is_refused(text: str) -> None:
    data = f"[{text}]".encode()

    assert data == extract(bake_png(PNG, data))
    if "\ufffe" not in text and "\uffff" not in text:  # no XML characters
        assert data == extract(bake_svg(SVG, data))


@given(
    st.lists(st.sampled_from(["]", "]]", ">", "]]>", "<![CDATA[", "&", "<!--", "x"]))
)
def test_markup_inside_the_credential_stays_text(parts: list[str]) -> None:
    data = f'"{"".join(parts)}"'.encode()

    assert data == extract(bake_svg(SVG, data))


@pytest.mark.parametrize(
    "data", [b'{"a":\r\n1}', b' {"a":1}', b'"\x01"', b'"\xff"', b""]
)
def test_what_xml_does_not_carry_unchanged_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        bake_svg(SVG, data)


@pytest.mark.parametrize(("bake", "image"), [(bake_png, PNG), (bake_svg, SVG)])
def test_a_credential_beyond_the_limit_is_refused(
    bake: Callable[[bytes, bytes], bytes], image: bytes
) -> None:
    with pytest.raises(MalformedError, match="at most 1048576 bytes"):
        bake(image, b"x" * 1_048_577)


@pytest.mark.parametrize(
    "image",
    [
        b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        b'<svg xmlns="http://www.w3.org/2000/svg" id="a>b" />',
        b"<s:svg xmlns:s='http://www.w3.org/2000/svg'/>",
        b"\xef\xbb\xbf<?xml version='1.0' encoding='UTF-8'?>\n<!-- <svg> -->" + SVG,
        svg("<g/>", before='<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "u.dtd">'),
        svg("<openbadges:credential verify='a.b.c>d' />"),
        svg(f"<g/>{element(' [] ')}<g/>"),
    ],
)
def test_svg_in_many_spellings(image: bytes) -> None:
    assert extract(bake_svg(image, CREDENTIAL)) == CREDENTIAL


@pytest.mark.parametrize("bake", [bake_png, bake_svg])
def test_an_image_of_another_kind_is_refused(
    bake: Callable[[bytes, bytes], bytes],
) -> None:
    for image in (b"", b"GIF89a", b"{}", b"<html/>", SVG if bake is bake_png else PNG):
        with pytest.raises(MalformedError):
            bake(image, CREDENTIAL)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16"])
def test_an_svg_in_another_encoding_is_none(encoding: str) -> None:
    drawn = bake_svg(SVG, CREDENTIAL).decode().encode(encoding)
    with pytest.raises(MalformedError):
        parse_object(extract(drawn))


def test_a_prefix_that_means_something_else_is_refused() -> None:
    image = svg("", attributes='xmlns:openbadges="http://openbadges.org"')

    with pytest.raises(MalformedError, match="prefix openbadges"):
        bake_svg(image, CREDENTIAL)


# ---------------------------------------------------------------- others' files, others' readers


def test_published_pngs_are_read() -> None:
    credential = extract((PUBLISHED / "simple-json.png").read_bytes())
    token = extract((PUBLISHED / "simple-jwt.png").read_bytes())

    assert credential.startswith(b'{  "@context": [')
    assert credential.endswith(b"}  ]}")
    assert token.startswith(b"eyJhbGciOiJSUzI1NiIs")


def test_published_svgs_are_read() -> None:
    credential = extract((PUBLISHED / "simple-json.svg").read_bytes())
    token = extract((PUBLISHED / "simple-jwt.svg").read_bytes())

    assert credential.startswith(b'{\n      "@context": [')
    assert credential.endswith(b"]\n    }")
    assert token.startswith(b"eyJhbGciOiJSUzI1NiIs")


@pytest.mark.parametrize("name", ["simple-json", "simple-jwt"])
def test_published_images_are_baked_again(name: str) -> None:
    png_image = (PUBLISHED / f"{name}.png").read_bytes()
    svg_image = (PUBLISHED / f"{name}.svg").read_bytes()

    assert extract(bake_png(png_image, CREDENTIAL)) == CREDENTIAL
    assert extract(bake_svg(svg_image, CREDENTIAL)) == CREDENTIAL


def test_openbadgeslib_reads_ours() -> None:
    from_png = OB3Verifier.extract_token_from_png(bake_png(PNG, CREDENTIAL))
    from_svg = OB3Verifier.extract_token_from_svg(bake_svg(SVG, CREDENTIAL))

    assert CREDENTIAL.decode() == from_png == from_svg


# ---------------------------------------------------------------- files told apart


@pytest.mark.parametrize("data", [b'{"a":1}', b" [1]", b"", b"BM", b" %PDF-"])
def test_anything_else_is_handed_on_as_it_is(data: bytes) -> None:
    assert extract(data) == data


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8\xff\xe0",
        b"GIF89a",
        b"RIFF\0\n\0\0WEBPVP8 ",
        b"\0\0\0\x18ftypheic",
        b"\0\0\0\x1cftypavif",
    ],
)
def test_a_photo_is_called_one(data: bytes) -> None:
    with pytest.raises(MalformedError, match="a photo or a screenshot"):
        extract(data)


@pytest.mark.parametrize("data", [b"PK\x03\x04...", b"PK\x05\x06" + bytes(18)])
def test_an_archive_is_none_of_its_files(data: bytes) -> None:
    with pytest.raises(MalformedError, match="an archive"):
        extract(data)


# ---------------------------------------------------------------- hostile PNG


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (PNG, "holds no credential"),
        (png(itxt(b"{}", keyword=b"openbadges")), "holds no credential"),
        (png(itxt(b"{}"), itxt(b"{}")), "more than one"),
        (png(itxt(b"{}"), chunk(b"tEXt", KEYWORD + b"\0{}")), "more than one"),
        (png(chunk(b"tEXt", KEYWORD + b"\0{}")), "not an uncompressed iTXt"),
        (png(chunk(b"zTXt", KEYWORD + b"\0\0x")), "not an uncompressed iTXt"),
        (png(itxt(zlib.compress(b" " * 10**7), flags=b"\1\0")), "not an uncompressed"),
        (png(itxt(b"{}", flags=b"\0\1")), "not an uncompressed"),
        (png(chunk(b"iTXt", KEYWORD + b"\0\0\0en")), "cut off"),
        (png(chunk(b"iTXt", KEYWORD + b"\0\0\0en\0")), "cut off"),
        (png(chunk(b"iTXt", KEYWORD + b"\0")), "not an uncompressed iTXt"),
        (png(itxt(b"{}")) + b"trailing", "after the end"),
        (png(itxt(b"{}")) + png(itxt(b"[]")), "after the end"),
        (SIGNATURE, "IHDR"),
        (SIGNATURE + itxt(b"{}") + HEADER + END, "IHDR"),
        (SIGNATURE + HEADER + itxt(b"{}"), "IEND"),
        (SIGNATURE + HEADER + b"\xff\xff\xff\xffiTXt" + KEYWORD, "cut off"),
        (SIGNATURE + HEADER + b"\x7f\xff\xff\xffiTXt" + b"x" * 99, "cut off"),
    ],
)
def test_a_broken_or_ambiguous_png_is_refused(image: bytes, reason: str) -> None:
    with pytest.raises(MalformedError, match=reason):
        extract(image)


def test_a_png_cut_anywhere_is_refused() -> None:
    image = bake_png(PNG, CREDENTIAL)

    for end in range(len(SIGNATURE), len(image)):
        with pytest.raises(MalformedError):
            extract(image[:end])


def test_every_changed_bit_of_a_png_is_refused_by_the_checksums() -> None:
    image = bake_png(PNG, CREDENTIAL)

    for bit in range(8 * len(SIGNATURE), 8 * len(image)):
        changed = bytearray(image)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(MalformedError):
            extract(bytes(changed))


@pytest.mark.parametrize("carrier", [PNG, SVG])
def test_an_image_beyond_the_limit_is_refused_before_it_is_read(carrier: bytes) -> None:
    with pytest.raises(MalformedError, match="at most"):
        extract(carrier + b" " * baking.MAX_IMAGE_BYTES)


# ---------------------------------------------------------------- hostile SVG

XXE = '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
LAUGHS = (
    '<!DOCTYPE svg [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {n} "{f"&{chr(ord(n) - 1)};" * 10}">' for n in "bcdefghij")
    + "]>"
)
DEFAULTED = '<!DOCTYPE svg [<!ATTLIST openbadges:credential verify CDATA "a.b.c">]>'
REMOTE = '<!DOCTYPE svg [<!ENTITY % d SYSTEM "http://127.0.0.1/d.dtd"> %d;]>'


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (SVG, "holds no credential"),
        (svg(element("{}") + element("{}")), "more than one"),
        (svg(f"<g>{element('{}')}</g>"), "not a child"),
        (svg(element("{}<b/>")), "inside the credential"),
        (svg(element(element("{}"))), "inside the credential"),
        (svg(element("")), "empty"),
        (svg("<openbadges:credential/>"), "empty"),
        (svg('<openbadges:credential verify="a">b</openbadges:credential>'), "twice"),
        (svg(element("&x;"), before=XXE), "of its own"),
        (svg(element("&j;"), before=LAUGHS), "of its own"),
        (svg("<openbadges:credential/>", before=DEFAULTED), "of its own"),
        (svg(element("{}"), before=REMOTE), "of its own"),
        (svg(element("&x;")), "not well-formed"),
        (svg(element("&x;"), before='<!DOCTYPE svg SYSTEM "u">'), "not well-formed"),
        (svg(element("{}"), attributes=""), "not well-formed"),
        (svg(element("{}")) + SVG, "not well-formed"),
        (svg(element("{}"))[:-3], "not well-formed"),
        (svg(element("\0")), "not well-formed"),
        (svg(f"<g xmlns:p='{'u' * 200}'/>" + element("{}")), None),
        (svg(f"<g xmlns:p='{'u' * 201}'/>" + element("{}")), "more than 200 bytes"),
        (svg(f'<g xmlns:p\n=\t"{"&#117;" * 40}"/>' + element("{}")), "than 200 bytes"),
        (svg(f"<g xmlns='{'é' * 101}'/>" + element("{}")), "than 200 bytes"),
        (svg(f"<g d='{'0' * 999}' xmlns=''/>" + element("{}")), None),
        (svg("<g>" * 99 + "</g>" * 99 + element("{}"), before="<!---->"), None),
        (svg("<g>" * 100 + "</g>" * 100 + element("{}")), "deeper"),
        (b"<g>" * 1_000_000, "not an SVG"),
        (b"<svg>" + b"<g>" * 1_000_000, "not an SVG"),
        (b"<html><body/></html>", "not an SVG"),
        (svg(element("{}"), before='<?xml version="1.0" encoding="UTF-16"?>'), "UTF-8"),
        (svg(element("{}"), before='<?xml version="1.0" encoding="UTF-7"?>'), "UTF-8"),
        (svg(element("é")).replace("é".encode(), b"\xe9"), "not well-formed"),
    ],
)
def test_a_hostile_or_ambiguous_svg_is_refused(
    image: bytes, reason: str | None
) -> None:
    if reason is None:
        assert extract(image) == b"{}"
        return
    with pytest.raises(MalformedError, match=reason):
        extract(image)


@pytest.mark.parametrize(
    "hostile",
    [
        b"".join(b"<p:a%d/>" % at for at in range(20_000)),
        b"<g" + b"".join(b' p:a%d=""' % at for at in range(20_000)) + b"/>",
    ],
)
def test_a_long_namespace_is_not_written_out_for_every_name(hostile: bytes) -> None:
    """Of 300 kB that would be gigabytes, and most of them kept."""
    long = b' xmlns:p="' + b"u" * 100_000 + b'">'
    image = SVG.replace(b">", long + hostile, 1)
    tracemalloc.start()
    try:
        with pytest.raises(MalformedError, match="more than 200 bytes"):
            extract(image)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert most < 10_000_000


@pytest.mark.parametrize("hostile", [b"xmlns" * 1_600_000, b"xmlns='" * 1_100_000])
def test_looking_for_long_namespaces_is_soon_done(hostile: bytes) -> None:
    begin = time.process_time()
    with pytest.raises(MalformedError, match="not well-formed"):
        extract(SVG + hostile)

    assert time.process_time() - begin < 5


def test_a_tag_without_an_end_would_be_malformed() -> None:
    """The XML parser refuses such a file first; this is what is left if it ever does not."""
    with pytest.raises(MalformedError, match="no end"):
        baking._start_tag(b'<svg a=">"', 0)


def test_two_credentials_are_not_silently_replaced_by_one() -> None:
    with pytest.raises(MalformedError, match="more than one"):
        bake_svg(svg(element("{}") + element("{}")), CREDENTIAL)


@given(st.binary(max_size=200))
def test_noise_after_a_signature_raises_nothing_else(noise: bytes) -> None:
    for image in (SIGNATURE + noise, b"<" + noise, SVG[:40] + noise):
        with pytest.raises(MalformedError):
            extract(image)


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_damaged_svg_raises_nothing_else(at: int, byte: int) -> None:
    image = bytearray(bake_svg(SVG, CREDENTIAL))
    image[at % len(image)] = byte

    with suppress(MalformedError):
        assert extract(bytes(image)) is not None
