"""
A credential inside its badge image: Open Badges 3.0 section 5.3, and how a file is told apart.

    PNG  one iTXt chunk: openbadgecredential NUL 0 0 NUL NUL, then the JSON as UTF-8
    SVG  <svg xmlns:openbadges="https://purl.imsglobal.org/ob/v3p0">
         <openbadges:credential><![CDATA[ the JSON ]]></openbadges:credential>
    PDF  the credential as an attached file: ledger.core.pdf

Nothing is resolved or fetched, nothing of an image inflated; limits come before work. The image
around the credential is looked at only as far as finding the credential needs. See
docs/spec/files.md.
"""

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from ledger.core import archive, pdf
from ledger.core.canonical import MAX_BYTES
from ledger.errors import MalformedError

MAX_IMAGE_BYTES = 8 * 1_048_576
MAX_SVG_DEPTH = 100
MAX_NAMESPACE_BYTES = 200

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEYWORD = b"openbadgecredential"
_TEXT_CHUNKS = frozenset({b"iTXt", b"tEXt", b"zTXt"})

_SVG_ROOT = "{http://www.w3.org/2000/svg}svg"
_NAMESPACE = "https://purl.imsglobal.org/ob/v3p0"
_CREDENTIAL = f"{{{_NAMESPACE}}}credential"
_XML_SPACE = " \t\r\n"
# What phones and screens make of a badge: JPEG, GIF, WebP, HEIF and AVIF.
_PHOTO = re.compile(rb"\xff\xd8\xff|GIF8|RIFF.{4}WEBP|.{4}ftyp", re.DOTALL)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# The parser has already found the document well-formed: a start tag ends at the first ">"
# that is not inside a quoted value.
_START_TAG = re.compile(rb"<[^\"'<>]*(?:\"[^\"<]*\"[^\"'<>]*|'[^'<]*'[^\"'<>]*)*>")
# The parser writes the namespace out for every name: few bytes of an element would cost as many
# as there are in the namespace. What is no declaration always matches without its group, so that
# no byte is looked at from each of many places.
_LONG_NAMESPACE = re.compile(
    rb"xmlns[^=\"'<>]*(=[ \t\r\n]*(?:\"[^\"<]{%d}|'[^'<]{%d}))?"
    % (MAX_NAMESPACE_BYTES + 1, MAX_NAMESPACE_BYTES + 1)
)
_PREFIX = re.compile(rb"\sxmlns:openbadges\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")


def extract(data: bytes) -> bytes:
    """
    The credential in a file: out of a PNG, SVG or PDF, or the file itself for anything else.

    The content decides, never a file name. MalformedError: a carrier that is broken, holds no
    credential or holds two; an archive, which may hold any number.
    """
    if data.startswith(archive.SIGNATURES):
        raise MalformedError("an archive; the files in it are checked one by one")
    if data.startswith(pdf.SIGNATURE):
        return pdf.attached_credential(data)
    if data.startswith(_PNG_SIGNATURE):
        return _extract_png(data)
    if _PHOTO.match(data):
        raise MalformedError(
            "a photo or a screenshot; a credential comes as .json, .png, .svg or .pdf"
        )
    # No JSON text starts with "<", and no XML document with anything else.
    if data.removeprefix(_BYTE_ORDER_MARK).lstrip(b" \t\r\n").startswith(b"<"):
        return _extract_svg(data)
    return data


def bake_png(image: bytes, data: bytes) -> bytes:
    """The PNG with the credential in it, in place of one that was there. Raises MalformedError."""
    _check_credential(data)
    text = _chunk(b"iTXt", _KEYWORD + b"\0\0\0\0\0" + data)
    header, *others = _chunks(image)
    kept = (_chunk(kind, body) for kind, body in others if not _is_ours(kind, body))
    baked = b"".join((_PNG_SIGNATURE, _chunk(*header), text, *kept))
    return _checked(baked, data)


def bake_svg(image: bytes, data: bytes) -> bytes:
    """The SVG with the credential in it, in place of one that was there. Raises MalformedError."""
    _check_credential(data)
    survey = _survey(image)
    if len(survey.credentials) > 1:
        raise MalformedError("the SVG holds more than one credential")
    for found in survey.credentials:
        image = image[: found.start] + image[found.end :]
    # "]]>" would end the CDATA section early: end it on purpose between "]]" and ">".
    text = data.replace(b"]]>", b"]]]]><![CDATA[>")
    element = (
        b"<openbadges:credential><![CDATA[" + text + b"]]></openbadges:credential>"
    )
    start, end = _start_tag(image, survey.root)
    tag, after = image[start:end], image[end:]
    if tag.endswith(b"/>"):
        name = re.split(rb"[\s/>]", tag[1:], maxsplit=1)[0]
        tag, after = tag[:-2] + b">", b"</" + name + b">" + after
    return _checked(image[:start] + _with_prefix(tag) + element + after, data)


def _check_credential(data: bytes) -> None:
    if len(data) > MAX_BYTES:
        raise MalformedError(f"a credential has at most {MAX_BYTES} bytes")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError("a credential is UTF-8") from error


def _checked(baked: bytes, data: bytes) -> bytes:
    """XML does not carry every character, and an image near the limit may pass it."""
    if extract(baked) != data:
        raise MalformedError("the image does not carry this credential unchanged")
    return baked


def _check_size(image: bytes) -> None:
    if len(image) > MAX_IMAGE_BYTES:
        raise MalformedError(f"an image has at most {MAX_IMAGE_BYTES} bytes")


# ---------------------------------------------------------------- PNG


def _chunk(kind: bytes, body: bytes) -> bytes:
    """ISO/IEC 15948 5.3: length, type, data, CRC-32 over type and data."""
    check = zlib.crc32(kind + body)
    return len(body).to_bytes(4, "big") + kind + body + check.to_bytes(4, "big")


def _chunks(image: bytes) -> list[tuple[bytes, bytes]]:
    """All chunks of a PNG: IHDR first, IEND last, each whole and unharmed."""
    _check_size(image)
    if not image.startswith(_PNG_SIGNATURE):
        raise MalformedError("not a PNG image")
    chunks = list(_walk(memoryview(image)))
    kinds = [kind for kind, _ in chunks]
    if not kinds or kinds[0] != b"IHDR" or kinds[-1] != b"IEND":
        raise MalformedError("a PNG starts with IHDR and ends with IEND")
    return chunks


def _walk(image: memoryview) -> Iterator[tuple[bytes, bytes]]:
    at = len(_PNG_SIGNATURE)
    while at < len(image):
        size = int.from_bytes(image[at : at + 4], "big")
        end = at + 12 + size
        if end > len(image):
            raise MalformedError("the PNG is cut off inside a chunk")
        kind, body = bytes(image[at + 4 : at + 8]), bytes(image[at + 8 : end - 4])
        if zlib.crc32(image[at + 4 : end - 4]) != int.from_bytes(
            image[end - 4 : end], "big"
        ):
            raise MalformedError(f"PNG chunk {kind!a} does not fit its checksum")
        yield kind, body
        at = end
        if kind == b"IEND" and at != len(image):
            raise MalformedError("bytes after the end of the PNG")


def _is_ours(kind: bytes, body: bytes) -> bool:
    return kind in _TEXT_CHUNKS and body.startswith(_KEYWORD + b"\0")


def _extract_png(image: bytes) -> bytes:
    found = [(kind, body) for kind, body in _chunks(image) if _is_ours(kind, body)]
    if not found:
        raise MalformedError("the PNG holds no credential")
    if len(found) > 1:
        raise MalformedError("the PNG holds more than one credential")
    kind, body = found[0]
    rest = body[len(_KEYWORD) + 1 :]
    # Compression is not allowed (Open Badges 3.0, 5.3.1.1), and would need a bound on inflating.
    if kind != b"iTXt" or rest[:2] != b"\0\0":
        raise MalformedError("the credential in the PNG is not an uncompressed iTXt")
    parts = rest[2:].split(b"\0", 2)
    if len(parts) != 3:
        raise MalformedError("the iTXt chunk of the credential is cut off")
    return parts[2]


# ---------------------------------------------------------------- SVG


@dataclass(frozen=True, slots=True)
class _Found:
    """One credential element: where its bytes lie, and what it says."""

    start: int
    end: int
    content: str


@dataclass(slots=True)
class _Survey:
    """What one pass over an SVG finds. The target of the XML parser."""

    image: bytes
    position: Callable[[], int]
    depth: int = 0
    root: int = 0
    credentials: list[_Found] = field(default_factory=list)
    _start: int | None = None
    _verify: str = ""
    _text: list[str] = field(default_factory=list)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth == 1:
            if name != _SVG_ROOT:
                raise MalformedError("not an SVG image")
            self.root = self.position()
        if self.depth > MAX_SVG_DEPTH:
            raise MalformedError(f"SVG nested deeper than {MAX_SVG_DEPTH}")
        if self._start is not None:
            raise MalformedError("an element inside the credential of the SVG")
        if name == _CREDENTIAL:
            # Nowhere else: what a viewer shows or hides must not decide what counts.
            if self.depth != 2:
                raise MalformedError("the credential is not a child of <svg>")
            self._start = self.position()
            self._verify = attributes.get("verify", "")
            self._text = []

    def data(self, text: str) -> None:
        if self._start is not None:
            self._text.append(text)

    def end(self, _name: str) -> None:
        self.depth -= 1
        if self._start is None:
            return
        _, end = _start_tag(self.image, self._start)
        if not self.image.endswith(b"/>", self._start, end):
            _, end = _start_tag(self.image, self.position())
        self.credentials.append(_Found(self._start, end, self._content()))
        self._start = None

    def _content(self) -> str:
        text = "".join(self._text).strip(_XML_SPACE)
        if bool(text) == bool(self._verify):
            raise MalformedError("the credential of the SVG is empty, or stated twice")
        return text or self._verify

    def close(self) -> None:
        """Nothing is built."""

    def declaration(
        self, _version: str, encoding: str | None, _standalone: int
    ) -> None:
        # Read as what it says it is, such a file would hold other text for other readers.
        if encoding is not None and encoding.lower() not in {"utf-8", "us-ascii"}:
            raise MalformedError("an SVG is read as UTF-8, this one says otherwise")

    def doctype(
        self, _name: str, _system: str | None, _public: str | None, internal: int
    ) -> None:
        # Many drawing programs name the SVG 1.1 DTD. It is not loaded, so that is harmless;
        # declarations of the file's own are not.
        if internal:
            raise MalformedError("the SVG declares entities or attributes of its own")


def _survey(image: bytes) -> _Survey:
    _check_size(image)
    # The parser would take it for UTF-16, whatever it is told; every other reader would not.
    if image.startswith(b"<\0"):
        raise MalformedError("the SVG is not well-formed, or not safe to read")
    if any(found[1] for found in _LONG_NAMESPACE.finditer(image)):
        raise MalformedError(
            f"a namespace of the SVG has more than {MAX_NAMESPACE_BYTES} bytes"
        )
    survey = _Survey(image, lambda: 0)
    parser = DefusedXMLParser(target=survey, encoding="utf-8")
    expat = parser.parser
    survey.position = lambda: int(expat.CurrentByteIndex)
    expat.XmlDeclHandler = survey.declaration
    expat.StartDoctypeDeclHandler = survey.doctype
    try:
        parser.feed(image)
        parser.close()
    except (ParseError, DefusedXmlException) as error:
        raise MalformedError(
            "the SVG is not well-formed, or not safe to read"
        ) from error
    return survey


def _start_tag(image: bytes, start: int) -> tuple[int, int]:
    found = _START_TAG.match(image, start)
    if found is None:
        raise MalformedError("a tag of the SVG has no end")
    return found.span()


def _with_prefix(tag: bytes) -> bytes:
    found = _PREFIX.search(tag)
    if found is None:
        cut = len(tag) - 1
        return tag[:cut] + f' xmlns:openbadges="{_NAMESPACE}"'.encode() + tag[cut:]
    if (found[1] or found[2]) != _NAMESPACE.encode():
        raise MalformedError("the SVG uses the prefix openbadges for something else")
    return tag


def _extract_svg(image: bytes) -> bytes:
    found = _survey(image).credentials
    if not found:
        raise MalformedError("the SVG holds no credential")
    if len(found) > 1:
        raise MalformedError("the SVG holds more than one credential")
    return found[0].content.encode()
