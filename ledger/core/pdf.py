"""
The credential attached to a PDF certificate: found, not interpreted.

    19 0 obj
    <</Length 37/Type/EmbeddedFile/Filter/FlateDecode…>>
    stream … endstream

Streams always stand in the file themselves, also where a program packs all other objects, so
an attachment is found without tables, pages or names. What the pages show proves nothing and
is not looked at. An attachment ends where the next begins: what lies in one another is read
once, not once for each. See docs/spec/files.md.
"""

import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

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
_END = b"endstream"
#: So much of an attachment is looked at to see whether it is a JSON object at all.
_HEAD = 1_024
_OBJECT_BEGINS = re.compile(rb"[ \t\r\n]{0,%d}\{" % (_HEAD - 1))
#: What begins as JSON objects in one PDF, together: the same credential may be attached twice.
_MAX_TOGETHER = 2 * MAX_BYTES
_CUT_OFF = "the attachment of the PDF is cut off"
_TOO_LARGE = f"a credential has at most {MAX_BYTES} bytes"


@dataclass(frozen=True, slots=True)
class _Stream:
    """Where the content of an attachment begins, and whether it is deflated."""

    start: int
    is_deflated: bool


def attached_credential(pdf: bytes) -> bytes:
    """
    Find the one JSON object attached to a PDF; attachments of other kinds are left alone.

    MalformedError: none, two that differ, or one that is damaged, too large or encrypted.
    """
    if len(pdf) > MAX_PDF_BYTES:
        raise MalformedError(f"a PDF has at most {MAX_PDF_BYTES} bytes")
    try:
        return _one(_objects(pdf))
    except MalformedError as error:
        if _ENCRYPTED.search(pdf):
            raise MalformedError(
                "the PDF is protected by a password; save it without one"
            ) from error
        raise


def _one(attached: Iterable[bytes]) -> bytes:
    found: bytes | None = None
    for content in attached:
        if found is not None and content != found:
            raise MalformedError("the PDF has more than one credential attached")
        found = content
    if found is None:
        raise MalformedError(
            "the PDF has no credential attached; printing it, or saving it with another"
            " program, loses it"
        )
    return found


def _objects(pdf: bytes) -> Iterator[bytes]:
    """What is attached and starts as a JSON object does."""
    # A dictionary that names its type twice has one stream all the same.
    streams = list(dict.fromkeys(_streams(pdf)))
    starts = sorted({stream.start for stream in streams})
    ends = dict(pairwise([*starts, len(pdf)]))
    last = pdf.rfind(_END)
    together = 0
    for stream in streams:
        start, end = stream.start, ends[stream.start]
        if stream.is_deflated:
            content = _inflate(pdf, start, end)
        elif start > last:
            raise MalformedError(_CUT_OFF)
        else:
            content = _plain(pdf, start, end)
        if content is None:
            continue
        together += len(content)
        if together > _MAX_TOGETHER:
            raise MalformedError(
                f"the credentials attached to the PDF have more than {_MAX_TOGETHER} bytes"
            )
        yield content


def _streams(pdf: bytes) -> Iterator[_Stream]:
    """The streams of all attachments, in the order of the file."""
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
        yield _Stream(stream.end(), _is_deflated(dictionary))


def _is_deflated(dictionary: bytes) -> bool:
    named = _FILTER.search(dictionary)
    filters = [] if named is None else re.findall(rb"/\w+", named[1])
    if _FURTHER.search(dictionary) or filters not in ([], [b"/FlateDecode"]):
        raise MalformedError(
            "the attachment of the PDF is packed in a way that is not read"
        )
    return bool(filters)


def _plain(pdf: bytes, start: int, end: int) -> bytes | None:
    """The bytes of an attachment if it is a JSON object; it lies before `end`."""
    if _OBJECT_BEGINS.match(pdf, start) is None:
        return None
    most = start + MAX_BYTES + len(b"\r\n" + _END)
    found = pdf.find(_END, start, min(end, most))
    if found < 0:
        raise MalformedError(_CUT_OFF if end <= most else _TOO_LARGE)
    # The last line break is no part of it: CR LF, LF, or CR.
    content = pdf[start:found].removesuffix(b"\n").removesuffix(b"\r")
    if len(content) > MAX_BYTES:
        raise MalformedError(_TOO_LARGE)
    return content


def _inflate(pdf: bytes, start: int, end: int) -> bytes | None:
    """The same of an attachment that is deflated."""
    # The deflated stream says itself where it ends; /Length may stand anywhere in the file.
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(memoryview(pdf)[start:end], _HEAD)
        if _OBJECT_BEGINS.match(content) is None:
            return None
        rest = MAX_BYTES + 1 - len(content)
        content += inflater.decompress(inflater.unconsumed_tail, rest)
    except zlib.error as error:
        raise MalformedError("the attachment of the PDF is damaged") from error
    if len(content) > MAX_BYTES:
        raise MalformedError(_TOO_LARGE)
    if not inflater.eof:
        raise MalformedError(_CUT_OFF)
    return content
