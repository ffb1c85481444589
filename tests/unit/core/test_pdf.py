"""A credential attached to a PDF: found in what programs write, and never guessed."""

import struct
import time
import zlib
from typing import ClassVar

import pytest
from hypothesis import given, strategies as st

from ledger.core.baking import extract
from ledger.core.canonical import MAX_BYTES
from ledger.core.pdf import MAX_ATTACHMENTS, MAX_PDF_BYTES, attached_credential
from ledger.errors import MalformedError

CREDENTIAL = '{"name":"Zoë 楊"}'.encode()
DEFLATED = b"/Filter/FlateDecode"


def attachment(
    content: bytes, *, dictionary: bytes = b"/Type/EmbeddedFile", number: int = 7
) -> bytes:
    return b"%d 0 obj\n<</Length %d%s>>\nstream\n%s\nendstream\nendobj\n" % (
        number,
        len(content),
        dictionary,
        content,
    )


def deflated(content: bytes, dictionary: bytes = b"") -> bytes:
    return attachment(
        zlib.compress(content), dictionary=b"/Type/EmbeddedFile" + DEFLATED + dictionary
    )


def document(*objects: bytes, trailer: bytes = b"") -> bytes:
    page = b"1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n"
    drawing = attachment(b"BT (a page) Tj ET", dictionary=b"", number=3)
    end = b"trailer\n<</Root 1 0 R%s>>\nstartxref\n0\n%%%%EOF" % trailer
    return b"%PDF-1.7\n" + page + drawing + b"".join(objects) + end


def inside(outer: bytes, inner: bytes) -> bytes:
    """A deflated attachment that holds an object unpacked, and goes on behind it."""
    packer = zlib.compressobj(0)
    packed = packer.compress(outer + inner) + packer.flush()
    return attachment(packed, dictionary=b"/Type/EmbeddedFile" + DEFLATED)


def largest(end: bytes, more: int = 0) -> bytes:
    """An attachment as large as a credential may be, or a little larger, and how it ends."""
    content = b"{".ljust(MAX_BYTES + more)
    return b"7 0 obj<</Type/EmbeddedFile>>stream\n" + content + end + b"endobj\n"


# ---------------------------------------------------------------- what is found


@pytest.mark.parametrize(
    "found",
    [
        deflated(CREDENTIAL),
        attachment(CREDENTIAL),
        deflated(CREDENTIAL, b"/Params<</Size 17/ModDate(D:20261101000000Z)>>"),
        deflated(CREDENTIAL).replace(
            b"/Filter/FlateDecode", b"/Filter [ /FlateDecode ]"
        ),
        deflated(CREDENTIAL).replace(b"/Type/Emb", b"/Type /Emb"),
        deflated(CREDENTIAL).replace(b"stream\n", b"stream\r\n", 1),
        deflated(CREDENTIAL).replace(b">>\nstream", b">> stream"),
        deflated(CREDENTIAL).replace(b"/Length ", b"/Length 9 0 R/Len "),
        attachment(CREDENTIAL).replace(b"\nendstream", b"\r\nendstream"),
        attachment(CREDENTIAL).replace(b"\nendstream", b"endstream"),
    ],
)
def test_an_attached_credential_is_found_however_it_is_written(found: bytes) -> None:
    assert attached_credential(document(found)) == CREDENTIAL
    assert extract(document(found)) == CREDENTIAL


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=200)).map(repr))
def test_bytes_come_out_as_they_went_in(text: str) -> None:
    content = text.encode("utf-8", "replace")

    assert attached_credential(document(deflated(content))) == content


def test_other_attachments_are_left_alone() -> None:
    photo = deflated(b"\x89PNG" + bytes(2_000_000))
    table = attachment(b"a;b\r\n1;2", number=8)
    empty = attachment(b"", number=9)

    mixed = document(photo, deflated(CREDENTIAL), table, empty)
    assert attached_credential(mixed) == CREDENTIAL


def test_the_same_attachment_twice_is_one() -> None:
    """Programs that append a changed part leave the old one where it was."""
    twice = document(deflated(CREDENTIAL), attachment(CREDENTIAL))

    assert attached_credential(twice) == CREDENTIAL


def test_a_type_that_is_named_twice_is_of_one_attachment() -> None:
    twice = attachment(CREDENTIAL, dictionary=b"/Type/EmbeddedFile/Type/EmbeddedFile")

    assert attached_credential(document(twice)) == CREDENTIAL


def test_an_attachment_in_one_of_another_kind_is_found() -> None:
    paper = attachment(b"%PDF-1.7\n" + attachment(CREDENTIAL, number=8))

    assert attached_credential(document(paper)) == CREDENTIAL


@pytest.mark.parametrize("line_break", [b"", b"\r", b"\n", b"\r\n"])
def test_a_plain_attachment_may_be_as_large_as_a_deflated_one(
    line_break: bytes,
) -> None:
    end = line_break + b"endstream"

    assert len(attached_credential(document(largest(end)))) == MAX_BYTES
    with pytest.raises(MalformedError, match=f"at most {MAX_BYTES} bytes"):
        attached_credential(document(largest(end, more=1)))


def test_words_on_a_page_are_no_attachment() -> None:
    words = b"(how /Type/EmbeddedFile is written, and 5 0 obj)"
    page = attachment(words, dictionary=b"", number=5)

    found = document(page, deflated(CREDENTIAL))
    assert attached_credential(found) == CREDENTIAL


# ---------------------------------------------------------------- what is refused


def damaged(found: bytes) -> bytes:
    start = found.index(b"stream\n") + 12
    return found[:start] + b"\xff\xff\xff" + found[start + 3 :]


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (document(), "no credential attached; printing it"),
        (document(deflated(b"[1]")), "no credential attached"),
        (document(attachment(b"<?xml?>")), "no credential attached"),
        (document(deflated(CREDENTIAL), deflated(b'{"a":2}')), "more than one"),
        (document(damaged(deflated(CREDENTIAL))), "damaged"),
        (document(deflated(CREDENTIAL)).partition(b"\nendstream\nendobj\ntrailer")[0][:-3], "cut off"),
        (document(attachment(CREDENTIAL)).partition(b"\nendstream\nendobj\ntrailer")[0], "cut off"),
        (document(deflated(b"{" + b" " * 1_048_576)), "at most 1048576 bytes"),
        (document(attachment(b"{".ljust(3 * MAX_BYTES))), "at most 1048576 bytes"),
        (document(attachment(b"{".ljust(3 * MAX_BYTES)), attachment(CREDENTIAL)), "at most 1048576 bytes"),
        (document(attachment(CREDENTIAL).partition(b"endstream")[0], attachment(CREDENTIAL)), "cut off"),
        (document(attachment(b"[]")).partition(b"\nendstream\nendobj\ntrailer")[0], "cut off"),
        (document(inside(CREDENTIAL, attachment(CREDENTIAL))), "cut off"),
        (document(attachment(CREDENTIAL), attachment(b"{}"), damaged(deflated(CREDENTIAL))), "more than one"),
        (document(deflated(CREDENTIAL, b"/DecodeParms<</Predictor 12>>")), "packed"),
        (document(deflated(CREDENTIAL, b"/F(credential.json)")), "packed"),
        (document(attachment(b"7b>", dictionary=b"/Type/EmbeddedFile/Filter/ASCIIHexDecode")), "packed"),
        (document(deflated(CREDENTIAL).replace(b"/Filter/Fl", b"/Filter[/LZWDecode/Fl").replace(b"code>>", b"code]>>")), "packed"),
        (document(damaged(deflated(CREDENTIAL)), trailer=b"/Encrypt 9 0 R"), "password"),
        (document(trailer=b"/Encrypt 9 0 R"), "password"),
        (document(*[attachment(b"x")] * (MAX_ATTACHMENTS + 1)), "more than 64"),
        (b"%PDF-1.7\n" + bytes(MAX_PDF_BYTES), "at most 8388608 bytes"),
        (b"%PDF-", "no credential attached"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_told_in_words(broken: bytes, words: str) -> None:
    with pytest.raises(MalformedError, match=words):
        extract(broken)


def test_a_small_file_that_inflates_to_a_large_one_is_cut_short() -> None:
    bomb = document(deflated(b"{" + bytes(50_000_000)))

    assert len(bomb) < 100_000
    with pytest.raises(MalformedError, match="at most"):
        attached_credential(bomb)


@pytest.mark.parametrize(
    "hostile",
    [
        b"1 0 obj " * 1_000_000,
        b">>stream\n" * 900_000,
        b"/Type/EmbeddedFile " * 400_000,
        b"/Type" + b" " * 8_000_000,
        (b"/Encrypt" + b" " * 2_000) * 4_000,
        (b"1 0 obj" + b"<" * 3_000 + b"/Type/EmbeddedFile>>stream\n") * 64,
        b"1 0 obj<</Type/EmbeddedFile>>stream\n{" * 64
        + b" " * 8_000_000
        + b"endstream",
        b"1 0 obj<</Type/EmbeddedFile>>stream\n" * 64 + b" " * 8_000_000 + b"endstream",
    ],
)
def test_no_file_keeps_the_reader_busy(hostile: bytes) -> None:
    begin = time.process_time()
    with pytest.raises(MalformedError):
        attached_credential(b"%PDF-1.7\n" + hostile)

    assert time.process_time() - begin < 5


class Counted:
    """What inflates a stream, and remembers how much it was given."""

    given: ClassVar[list[int]] = []
    _made = staticmethod(zlib.decompressobj)

    def __init__(self) -> None:
        self._inflater = self._made()

    @property
    def eof(self) -> bool:
        return self._inflater.eof

    def decompress(self, packed: memoryview, most: int) -> bytes:
        self.given.append(len(packed))
        return self._inflater.decompress(packed, most)


@pytest.mark.parametrize("named", [1, 3])
def test_no_byte_is_inflated_for_two_attachments(
    named: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of nothing never reach the limit of what comes out."""
    monkeypatch.setattr(Counted, "given", [])
    monkeypatch.setattr(zlib, "decompressobj", Counted)
    dictionary = b"/Type/EmbeddedFile" * named + DEFLATED
    head = b"7 0 obj<<" + dictionary + b">>stream\n\x78\x01"
    stored = b"\0" + struct.pack("<HH", len(head), len(head) ^ 0xFFFF) + head
    nothing = b"\0\0\0\xff\xff"
    hostile = b"%PDF-1.7\n" + head + stored * 19 + nothing * 10_000

    with pytest.raises(MalformedError, match="no credential attached"):
        attached_credential(hostile)
    assert len(Counted.given) == 20
    assert sum(Counted.given) < len(hostile)


def test_no_more_is_inflated_of_what_is_no_credential_than_shows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written: list[int] = []

    class Measured(Counted):
        def decompress(self, packed: memoryview, most: int) -> bytes:
            content = super().decompress(packed, most)
            written.append(len(content))
            return content

    monkeypatch.setattr(Counted, "given", [])
    monkeypatch.setattr(zlib, "decompressobj", Measured)

    with pytest.raises(MalformedError, match="no credential attached"):
        attached_credential(document(*[deflated(bytes(1 << 20))] * 64))
    assert written == [1_024] * 64


def test_the_same_credential_may_be_attached_twice_but_not_without_end() -> None:
    largest = b"{}".ljust(1 << 20)

    assert attached_credential(document(*[deflated(largest)] * 2)) == largest
    with pytest.raises(MalformedError, match="more than 2097152 bytes"):
        attached_credential(document(*[deflated(largest)] * 3))


@given(st.binary(max_size=300), st.integers(0, 400))
def test_nothing_but_malformed_comes_of_rubbish(rubbish: bytes, at: int) -> None:
    whole = document(deflated(CREDENTIAL))
    changed = whole[:at] + rubbish + whole[at + len(rubbish) :]
    try:
        attached_credential(changed)
    except MalformedError:
        return


def test_a_cut_at_any_place_gives_the_credential_or_nothing() -> None:
    whole = document(deflated(CREDENTIAL))
    for end in range(len(whole)):
        try:
            found = attached_credential(whole[:end])
        except MalformedError:
            continue
        assert found == CREDENTIAL
