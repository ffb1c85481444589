"""Files made to hurt a reader get the same answer from both verifiers, and soon."""

import io
import json
import random
import zlib
from functools import cache
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest

from tests.unit.verify.page.answers import (
    VECTORS,
    Question,
    Timed,
    by_page,
    by_python,
    differences,
)

pytestmark = pytest.mark.slow

MIB = 1_048_576
PNG = b"\x89PNG\r\n\x1a\n"
KEYWORD = b"openbadgecredential\0"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:o="https://purl.imsglobal.org/ob/v3p0">'
CREDENTIAL = b'<o:credential>{"a":1}</o:credential>'
PLAIN = b"1 0 obj\n<</Type/EmbeddedFile>>stream\n"
ATTACHED = b"%PDF-1.7\n1 0 obj\n<</Type/EmbeddedFile/Filter/FlateDecode>>stream\n"


def chunk(kind: bytes, body: bytes) -> bytes:
    check = zlib.crc32(kind + body).to_bytes(4, "big")
    return len(body).to_bytes(4, "big") + kind + body + check


def png(*chunks: bytes) -> bytes:
    return b"".join((PNG, chunk(b"IHDR", bytes(13)), *chunks, chunk(b"IEND", b"")))


def archive(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with ZipFile(packed, "w") as target:
        for name, content in files.items():
            target.writestr(ZipInfo(name.replace("_", ".")), content, ZIP_DEFLATED, 9)
    return packed.getvalue()


def with_size(data: bytes, size: int) -> bytes:
    """The archive whose one entry promises another size."""
    changed = bytearray(data)
    for signature, offset in ((b"PK\1\2", 24), (b"PK\3\4", 22)):
        at = changed.find(signature) + offset
        changed[at : at + 4] = size.to_bytes(4, "little")
    return bytes(changed)


def in_one_another(count: int, behind: bytes) -> bytes:
    """Deflated attachments, each with the next one in it unpacked, and all with what is behind."""
    head = ATTACHED.removeprefix(b"%PDF-1.7\n") + b"\x78\x01"
    sizes = len(head).to_bytes(2, "little") + (len(head) ^ 0xFFFF).to_bytes(2, "little")
    return b"%PDF-1.7\n" + head + (b"\0" + sizes + head) * (count - 1) + behind


#: Four blocks of DEFLATE out of which nothing comes: ten bits each.
NOTHING = sum(2 << 10 * at for at in range(4)).to_bytes(5, "little")
BOMB = archive(a_json=bytes(2 * MIB))
FILES: dict[str, bytes] = {
    "nothing": b"",
    "a zero": b"\0",
    "an svg in utf-16-le": (SVG + b"</svg>").decode().encode("utf-16-le"),
    "an svg in utf-16-be": (SVG + b"</svg>").decode().encode("utf-16-be"),
    "an svg in utf-16": (SVG + b"</svg>").decode().encode("utf-16"),
    "deep lists": b"[" * 500_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "closed before it opens": b"]" * 100 + b"[" * 100,
    "brackets in a text": b'"' + b"[" * 500_000 + b'"',
    "a text without end": b'"' + b"\\" * 1_000_001,
    "a long number": b"1" * MIB,
    "a long fraction": b"0." + b"1" * (MIB - 2),
    "a large exponent": b"1e999999999",
    "many members": b"{" + b",".join(b'"%d":0' % at for at in range(90_000)) + b"}",
    "many of one name": b"{" + b",".join([b'"a":0'] * 100_000) + b"}",
    "one byte too many": b" " * (MIB + 1),
    "as large as may be": b" " * MIB,
    "a PNG of many chunks": png(*[chunk(b"tEXt", b"")] * 100_000),
    "a PNG of one large chunk": png(chunk(b"IDAT", bytes(8 * MIB - 100))),
    "a PNG that is too large": png(chunk(b"IDAT", bytes(8 * MIB))),
    "a PNG that promises too much": PNG + b"\xff\xff\xff\xffiTXt",
    "a PNG with a large credential": png(
        chunk(b"iTXt", KEYWORD + bytes(4) + b" " * 2 * MIB)
    ),
    "an SVG in an SVG": SVG * 101,
    "an SVG of many elements": SVG + b"<g/>" * MIB,
    "an SVG of one long text": SVG + b"x" * 4 * MIB,
    "an SVG of many references": SVG + b"&amp;" * MIB + b"</svg>",
    "an SVG of one long tag": SVG[:-1] + b' a="' + b"&lt;" * MIB,
    "an SVG of many attributes": SVG[:-1]
    + b"".join(b' a%d=""' % at for at in range(200_000))
    + b"/>",
    "an SVG of many namespaces": SVG[:-1]
    + b"".join(b' xmlns:a%d="a"' % at for at in range(10_000))
    + b">"
    + b'<g xmlns:a="a"/>' * 10_000
    + CREDENTIAL
    + b"</svg>",
    "an SVG of a namespace again and again among many": SVG[:-1]
    + b"".join(b' xmlns:a%d="a"' % at for at in range(140_000))
    + b">"
    + b'<g xmlns:a="a"/>' * 300_000
    + b"</svg>",
    "an SVG that begins as UTF-16": b"<\0 xmlns='" + b"a" * 201 + b"'>",
    "an SVG of names in a long namespace": SVG[:-1]
    + b' xmlns:p="'
    + b"u" * 50_000
    + b'">'
    + b"".join(b"<p:a%d/>" % at for at in range(10_000))
    + b"</svg>",
    "an SVG full of declarations": SVG + b"xmlns" * MIB,
    "an SVG full of namespaces": SVG + b"xmlns='" * MIB,
    "an SVG that begins with blanks": b" " * (8 * MIB - 1) + b"<",
    "an SVG that is too large": SVG.ljust(8 * MIB + 1),
    "a declaration full of blanks": b"<?xml version" + b" " * 4 * MIB + b"x?>",
    "a thousand laughs": b'<!DOCTYPE svg [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'
    + SVG
    + b"&b;</svg>",
    "a PDF of many attachments": b"%PDF-" + b"1 0 obj/Type/EmbeddedFile>>stream\n" * 65,
    "a PDF full of types": b"%PDF-" + b"/Type " * MIB,
    "a PDF full of blanks": b"%PDF-" + (b"/Type" + b" " * 50_000) * 100,
    "a PDF full of numbers": b"%PDF-" + b"1 " * MIB + b"/Type/EmbeddedFile>>stream\n",
    "a PDF that may be encrypted": b"%PDF-" + (b"/Encrypt" + b" " * 50_000) * 100,
    "a PDF with a bomb": ATTACHED + zlib.compress(b"{" + bytes(64 * MIB)),
    "a PDF with a bomb of nothing": ATTACHED + zlib.compress(bytes(64 * MIB)),
    "a PDF with a large credential": ATTACHED + zlib.compress(b"{".ljust(MIB)),
    "a PDF of attachments of nothing": b"%PDF-"
    + (ATTACHED.removeprefix(b"%PDF-") + zlib.compress(bytes(MIB))) * 64,
    "a PDF of one credential again and again": b"%PDF-"
    + (ATTACHED.removeprefix(b"%PDF-") + zlib.compress(b"{}".ljust(MIB))) * 64,
    "a PDF of two large credentials that are the same": b"%PDF-"
    + (ATTACHED.removeprefix(b"%PDF-") + zlib.compress(b"{}".ljust(MIB))) * 2,
    "a PDF of blanks before a credential": ATTACHED
    + zlib.compress(b" " * 1_023 + b'{"a":1}'),
    "a PDF of too many blanks before a credential": ATTACHED
    + zlib.compress(b" " * 1_024 + b'{"a":1}'),
    "a PDF of too many blanks before a plain credential": b"%PDF-"
    + PLAIN
    + b" " * 1_024
    + b'{"a":1}\nendstream',
    "a PDF of an attachment that is damaged further on": ATTACHED
    + zlib.compress(bytes(2_000))[:-8]
    + b"damaged!",
    "a PDF without a checksum": ATTACHED + zlib.compress(b'{"a":1}')[:-4],
    "a PDF of attachments without end": b"%PDF-"
    + (PLAIN + b"{") * 64
    + b"x" * 7 * MIB
    + b"endstream",
    "a PDF of attachments in one another": in_one_another(64, NOTHING * MIB),
    "a PDF of credentials in one another": b"%PDF-"
    + (PLAIN + b"{ endstream ") * 32
    + (PLAIN + b"{endstream") * 32,
    "a PDF with an attachment in another": b"%PDF-"
    + PLAIN
    + b"%PDF-"
    + PLAIN
    + b'{"a":1}\nendstream endstream',
    "a PDF with a type named twice": b"%PDF-"
    + PLAIN.replace(b">>", b"/Type/EmbeddedFile>>")
    + b'{"a":1}endstream',
    "a PDF with a plain attachment as large as may be": b"%PDF-"
    + PLAIN
    + b"{".ljust(MIB)
    + b"\r\nendstream",
    "a PDF with a plain attachment too large": b"%PDF-"
    + PLAIN
    + b"{".ljust(MIB)
    + b"\r\r\nendstream",
    "a PDF with a plain attachment far too large": b"%PDF-"
    + PLAIN
    + b"{".ljust(2 * MIB)
    + b"endstream"
    + PLAIN
    + b"{}endstream",
    "a PDF with a large attachment without end": b"%PDF-" + PLAIN + b"{".ljust(2 * MIB),
    "a PDF with a plain attachment of blanks": b"%PDF-"
    + PLAIN.ljust(7 * MIB)
    + b"{endstream",
    "a PDF with two credentials and a damaged one": b"%PDF-"
    + PLAIN
    + b'{"a":1}endstream'
    + PLAIN
    + b'{"a":2}endstream'
    + ATTACHED,
    "a PDF that is too large": b"%PDF-".ljust(8 * MIB + 1),
    "an archive of nothing": archive(),
    "an archive with a bomb": BOMB,
    "an archive that hides a bomb": with_size(BOMB, 1_000),
    "an archive that promises more": with_size(archive(a_json=b"{}"), 3),
    "an archive of dense files": archive(
        **{f"a{at}_json": bytes(MIB) for at in range(40)}
    ),
    "an archive of archives": archive(a_zip=BOMB, b_json=BOMB),
    "an archive of many files": archive(**{f"a{at}_json": b"" for at in range(4_096)}),
    "an archive of too many files": archive(
        **{f"a{at}_txt": b"" for at in range(4_097)}
    ),
    "an archive that is too large": b"PK\3\4".ljust(64 * MIB + 1),
    "an archive full of ends": b"PK\3\4" + b"PK\5\6" * 50_000,
}

SVG_FILES: dict[str, bytes] = {
    "the smallest": SVG + CREDENTIAL + b"</svg>",
    "a byte order mark": b"\xef\xbb\xbf" + SVG + CREDENTIAL + b"</svg>\n",
    "a declaration": b"<?xml version='1.0' encoding='UTF-8' standalone='no' ?>"
    + SVG
    + CREDENTIAL
    + b"</svg>",
    "a declaration of another encoding": b'<?xml version="1.0" encoding="latin1"?>'
    + SVG,
    "a declaration behind a blank": b' <?xml version="1.0"?>' + SVG + b"</svg>",
    "a declaration without a version": b'<?xml encoding="utf-8"?>' + SVG + b"</svg>",
    "a document type": b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x">'
    + SVG
    + CREDENTIAL
    + b"</svg>",
    "a document type with a tab in its name": b'<!DOCTYPE svg PUBLIC "\t" "x">' + SVG,
    "an entity of a type that is not loaded": b'<!DOCTYPE svg SYSTEM "x">'
    + SVG
    + b"<o:credential verify='&a;b'/></svg>",
    "that, standing alone": b'<?xml version="1.0" standalone="yes"?>'
    + b'<!DOCTYPE svg SYSTEM "x">'
    + SVG
    + b"<o:credential verify='&a;b'/></svg>",
    "an entity of nobody": SVG + b"<o:credential verify='&a;b'/></svg>",
    "another namespace": SVG.replace(b"purl", b"Purl") + CREDENTIAL + b"</svg>",
    "a namespace with a brace": SVG[:-1] + b' xmlns:p="a}b"><p:x/></svg>',
    "a namespace with references": SVG.replace(b"purl", b"p&#117;rl")
    + CREDENTIAL
    + b"</svg>",
    "no namespace": SVG + b'<g xmlns="">' + CREDENTIAL + b"</g></svg>",
    "a prefix declared anew inside": SVG
    + b'<g xmlns:o="a"><o:credential/><g xmlns:o="b" xmlns:p="a"/><o:a/></g>'
    + CREDENTIAL
    + b"</svg>",
    "a prefix declared anew in an empty element": SVG
    + b'<g xmlns:o="a"/>'
    + CREDENTIAL
    + b"</svg>",
    "a prefix outside of its element": SVG + b'<g xmlns:p="a"></g><p:g/></svg>',
    "a prefix outside of its empty element": SVG + b'<g xmlns:p="a"/><p:g/></svg>',
    "a namespace taken back inside": SVG
    + b'<g xmlns=""><svg xmlns="a"/></g>'
    + CREDENTIAL
    + b"</svg>",
    "a namespace as long as may be": SVG
    + b"<g xmlns:p='"
    + b"u" * 200
    + b"'/>"
    + CREDENTIAL
    + b"</svg>",
    "a namespace that is too long": SVG
    + b"<g xmlns:p\n=\r\t'"
    + b"u" * 201
    + b"'/>"
    + CREDENTIAL
    + b"</svg>",
    "a namespace that is too long in bytes": SVG
    + b'<g xmlns="'
    + "\u00e9".encode() * 101
    + b'"/>'
    + CREDENTIAL
    + b"</svg>",
    "a long namespace in a text": SVG
    + CREDENTIAL
    + b"<![CDATA[xmlns="
    + b"u" * 300
    + b"'"
    + b"u" * 300
    + b"]]></svg>",
    "a prefix without a namespace": SVG + b'<g xmlns:o=""/></svg>',
    "a prefix of nobody": SVG + b"<p:g/></svg>",
    "the prefix xml": SVG + b"<xml:g xml:lang='en'/></svg>",
    "the prefix xmlns": SVG + b"<g xmlns:xmlns='a'/></svg>",
    "the prefix xml for another": SVG + b"<g xmlns:xml='a'/></svg>",
    "two attributes of one meaning": SVG
    + b"<g xmlns:p='a' xmlns:q='a' p:x='' q:x=''/></svg>",
    "two colons": SVG + b"<a:b:c/></svg>",
    "letters of all scripts": SVG
    + "<\u00e9\u4e2d\u05d0\u00b7 \u0915\u093f='\u2028'/>".encode()
    + CREDENTIAL
    + b"</svg>",
    "a digit first": SVG + b"<1/></svg>",
    "a letter of another plane": SVG + "<\U00010000/></svg>".encode(),
    "twice": SVG + CREDENTIAL * 2 + b"</svg>",
    "stated twice": SVG + b"<o:credential verify='a'>b</o:credential></svg>",
    "a comment inside": SVG + b"<o:credential>{<!-- -->}</o:credential></svg>",
    "dashes in a comment": SVG + b"<!-- -- --></svg>",
    "an instruction that is none": SVG + b"<?XmL a?></svg>",
    "the end of CDATA in a text": SVG + b"]]></svg>",
    "line breaks": SVG + b"<o:credential>\r\n{}\r</o:credential></svg>",
    "something behind": SVG + CREDENTIAL + b"</svg><svg/>",
    "cut inside a letter": SVG + CREDENTIAL + b"</svg>\xc3",
}


def question_about(data: bytes) -> Question:
    folder = VECTORS / "evidence"
    return Question(
        data,
        networks=(folder / "networks.json").read_bytes(),
        trust=(folder / "trust.json").read_bytes(),
        checkpoints=(folder / "checkpoints.json").read_bytes(),
    )


@cache
def page_answers() -> dict[str, Timed]:
    """What the page says of every file that is made to hurt."""
    answers: dict[str, Timed] = {}
    small = {name: data for name, data in FILES.items() if len(data) < 16 * MIB}
    for part in (small, {name: FILES[name] for name in FILES.keys() - small.keys()}):
        questions = [question_about(data) for data in part.values()]
        answers |= dict(zip(part, by_page(questions), strict=True))
    return answers


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_gets_the_same_answer(name: str) -> None:
    expected = by_python(question_about(FILES[name]))

    assert differences(expected, page_answers()[name].answer) == []


@pytest.mark.alone
def test_a_hostile_file_is_answered_soon() -> None:
    slow = {
        name: timed.milliseconds
        for name, timed in page_answers().items()
        if timed.milliseconds > 2_000
    }

    assert slow == {}


def test_an_svg_of_every_form_gets_the_same_answer() -> None:
    questions = [question_about(data) for data in SVG_FILES.values()]
    for name, question, timed in zip(
        SVG_FILES, questions, by_page(questions), strict=True
    ):
        assert differences(by_python(question), timed.answer) == [], name


# ---------------------------------------------------------------- changes by chance

PARTS: dict[str, tuple[str, list[bytes]]] = {
    "json": (
        "durable/valid/sixth-of-forty.json",
        [b"{", b"}", b'"', b"\\", b"\\ud800", b",", b":", b"1e5", b"null", b'"a":1,'],
    ),
    "png": ("baked/valid/alone.png", [KEYWORD, b"\0", b"iTXt", b"IEND"]),
    "svg": (
        "baked/valid/alone.svg",
        [
            *(b"<", b">", b"&", b'"', b"/", b"]]>", b"<!--", b"<?", b"&#0;", b"&lt;"),
            *(
                b"&foo;",
                b"<g>",
                b"</g>",
                b' xmlns:a=""',
                b" verify='a'",
                b"\xef\xbf\xbe",
            ),
            b"<!DOCTYPE svg>",
        ],
    ),
    "pdf": ("carriers/valid/by-mutool.pdf", [b"endobj", b"endstream", b"/F 1", b"["]),
    "zip": ("carriers/valid/by-zip.zip", [b"PK\1\2", b"PK\5\6", b"../", b"\xff"]),
    "evidence": ("evidence/valid/as-of.json", [b"A", b"uA", b"_", b"0", b"1"]),
}


def changed(data: bytes, fragments: list[bytes], chance: random.Random) -> bytes:
    """The file with a bit turned, some bytes lost, or something added."""
    now = bytearray(data)
    for _ in range(chance.choice((1, 1, 2))):
        # Most of a certificate is fonts: look at the ends as often as at the middle.
        at = chance.choice((chance.randrange(len(now)), chance.randrange(60), -1))
        match chance.randrange(4):
            case 0:
                now[at] ^= 1 << chance.randrange(8)
            case 1:
                del now[at : at + chance.randrange(1, 9)]
            case 2:
                now[at:at] = chance.choice(fragments)
            case _:
                del now[chance.randrange(len(now)) :]
                now += data[len(now) :] if chance.random() < 0.7 else b""
        now = now or bytearray(data)
    return bytes(now)


@pytest.mark.parametrize("kind", PARTS)
def test_files_changed_by_chance_get_the_same_answer(kind: str) -> None:
    name, fragments = PARTS[kind]
    data = (VECTORS / name).read_bytes()
    chance = random.Random(kind)  # noqa: S311 - the same every time
    count = 40 if len(data) > 10_000 else 150
    questions = [question_about(changed(data, fragments, chance)) for _ in range(count)]
    codes: set[str] = set()
    for question, timed in zip(questions, by_page(questions), strict=True):
        expected = by_python(question)
        assert differences(expected, timed.answer) == [], question.file[:2_000]
        codes |= codes_of(expected.reports[0][0])

    assert len(codes) > 7


def codes_of(report: dict[str, Any]) -> set[str]:
    return {json.dumps([step["code"], step["detail"]]) for step in report["steps"]}
