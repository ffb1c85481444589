"""
The credential attached to a PDF certificate: found, not interpreted.

    19 0 obj
    <</Length 37/Type/EmbeddedFile/Filter/FlateDecode…>>
    stream … endstream

Streams always stand in the file themselves, also where a program packs all other objects, so
an attachment is found without tables, pages or names. What the pages show proves nothing and
is not looked at. See docs/spec/files.md.
"""

import re
import zlib
from collections.abc import Iterator

from ledger.core.canonical import MAX_BYTES
from ledger.errors import MalformedError

SIGNATURE = b"%PDF-"
MAX_PDF_BYTES = 8 * 1_048_576
MAX_ATTACHMENTS = 64

# From the attachment's type to the start of its object, and to the start of its stream.
_REACH = 4_096
_ATTACHMENT = re.compile(rb"/Type[\0\t\n\f\r ]*/EmbeddedFile(?![\w.#-])")
_OBJECT = re.compile(rb"\d{1,10}[\0\t\n\f\r ]+\d{1,5}[\0\t\n\f\r ]+obj\b")
_STREAM = re.compile(rb">>[\0\t\n\f\r ]{0,8}stream\r?\n")
_FILTER = re.compile(rb"/Filter[\0\t\n\f\r ]*(\[[^\]]{0,200}\]|/\w{1,40})")
# Predictors, and files that are somewhere else.
_FURTHER = re.compile(rb"/(?:DecodeParms|F)[\0\t\n\f\r ]*[\[<(\d]")
_ENCRYPTED = re.compile(
    rb"/Encrypt[\0\t\n\f\r ]+\d{1,10}[\0\t\n\f\r ]+\d{1,5}[\0\t\n\f\r ]+R"
)
_END = re.compile(rb"(?:\r\n|\r|\n)?endstream")
_WHITE = b" \t\r\n"


def attached_credential(pdf: bytes) -> bytes:
    """
    Find the one JSON object attached to a PDF; attachments of other kinds are left alone.

    MalformedError: none, two that differ, or one that is damaged, too large or encrypted.
    """
    if len(pdf) > MAX_PDF_BYTES:
        raise MalformedError(f"a PDF has at most {MAX_PDF_BYTES} bytes")
    try:
        return _one(set(_objects(pdf)))
    except MalformedError as error:
        if _ENCRYPTED.search(pdf):
            raise MalformedError(
                "the PDF is protected by a password; save it without one"
            ) from error
        raise


def _one(attached: set[bytes]) -> bytes:
    if len(attached) > 1:
        raise MalformedError("the PDF has more than one credential attached")
    if not attached:
        raise MalformedError(
            "the PDF has no credential attached; printing it, or saving it with another"
            " program, loses it"
        )
    return attached.pop()


def _objects(pdf: bytes) -> Iterator[bytes]:
    """What is attached and starts as a JSON object does."""
    for count, found in enumerate(_ATTACHMENT.finditer(pdf), start=1):
        if count > MAX_ATTACHMENTS:
            raise MalformedError(f"the PDF has more than {MAX_ATTACHMENTS} attachments")
        before = pdf[max(0, found.start() - _REACH) : found.start()]
        objects = list(_OBJECT.finditer(before))
        stream = _STREAM.search(pdf, found.end(), found.end() + _REACH)
        if not objects or stream is None:
            continue  # words on a page
        dictionary = before[objects[-1].end() :] + pdf[found.start() : stream.start()]
        if b"endobj" in dictionary:
            continue
        content = _content(pdf, stream.end(), dictionary)
        if content is not None:
            yield content


def _content(pdf: bytes, start: int, dictionary: bytes) -> bytes | None:
    """The bytes of an attachment if it is a JSON object."""
    named = _FILTER.search(dictionary)
    filters = [] if named is None else re.findall(rb"/\w+", named[1])
    if _FURTHER.search(dictionary) or filters not in ([], [b"/FlateDecode"]):
        raise MalformedError(
            "the attachment of the PDF is packed in a way that is not read"
        )
    if filters:
        return _inflate(pdf, start)
    end = _END.search(pdf, start)
    if end is None:
        raise MalformedError("the attachment of the PDF is cut off")
    content = pdf[start : end.start()]
    return content if content.lstrip(_WHITE).startswith(b"{") else None


def _inflate(pdf: bytes, start: int) -> bytes | None:
    # The deflated stream says itself where it ends; /Length may stand anywhere in the file.
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(memoryview(pdf)[start:], MAX_BYTES + 1)
    except zlib.error as error:
        raise MalformedError("the attachment of the PDF is damaged") from error
    if not content.lstrip(_WHITE).startswith(b"{"):
        return None
    if len(content) > MAX_BYTES:
        raise MalformedError(f"a credential has at most {MAX_BYTES} bytes")
    if not inflater.eof:
        raise MalformedError("the attachment of the PDF is cut off")
    return content
