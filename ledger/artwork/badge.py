"""
The picture of an achievement, as SVG and PNG from one template.

The shape and the mark say the category, the colour and the dots the level. Letters are
outlines, so a viewer needs no font; a title in a script that the built-in fonts lack is left
out of the drawing rather than drawn as boxes, and stands in the SVG's <title> all the same.
"""

import json
import re
import threading
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from importlib.resources import files

from typst import Compiler

from ledger.errors import MalformedError

CATEGORIES = (
    "skill",
    "certificate-programme",
    "specialization",
    "certification",
    "special-recognition",
)
LEVELS = ("introductory", "intermediate", "advanced")
MAX_TEXT = 200

_SIDE = 600  # of the drawing, in points: at 72 pixels per inch a point is a pixel
_LONG_WORD = 22
_TEMPLATE = files("ledger.artwork").joinpath("badge.typ").read_bytes()
_LETTERS = b"""
#set page(width: auto, height: auto)
#set text(font: "Libertinus Serif", weight: 600)
#json(bytes(sys.inputs.data))
"""
_GLYPH = re.compile(rb"<symbol [^>]*><path d=\"([^\"]*)\"")
_NO_FONT_HAS_THIS = "\U0010fffd"
# What XML 1.0 cannot carry, and line ends: a title is one line.
_NOT_A_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class BadgeSpec:
    """What a badge shows. Raises MalformedError for an unknown category or level, or no line of text."""

    title: str
    issuer: str
    category: str
    level: str

    def __post_init__(self) -> None:
        if self.category not in CATEGORIES:
            raise MalformedError(f"no badge has the category {self.category!a}")
        if self.level not in LEVELS:
            raise MalformedError(f"no badge has the level {self.level!a}")
        for text in (self.title, self.issuer):
            if not text.strip() or len(text) > MAX_TEXT or _NOT_A_LINE.search(text):
                raise MalformedError(
                    f"a badge's text is one line, at most {MAX_TEXT} long"
                )


@lru_cache(maxsize=64)
def badge_svg(spec: BadgeSpec) -> bytes:
    """The badge as SVG: the same bytes for the same achievement."""
    drawing = _compile(_TEMPLATE, _data(spec), "svg")
    title = escape(f"{spec.title}, {spec.level}: badge of {spec.issuer}", quote=False)
    head, rest = drawing.split(b">", 1)
    head = head.replace(b"<svg ", b'<svg role="img" ', 1)
    return head + b"><title>" + title.encode() + b"</title>" + rest


@lru_cache(maxsize=64)
def badge_png(spec: BadgeSpec, width: int = _SIDE) -> bytes:
    """The badge as PNG on a transparent ground, so many pixels wide and high."""
    if not 16 <= width <= 4_096:
        raise ValueError("a badge is between 16 and 4,096 pixels wide")
    return _compile(_TEMPLATE, _data(spec), "png", ppi=72 * width / _SIDE)


def _data(spec: BadgeSpec) -> dict[str, str | int | None]:
    return {
        "title": _shown(spec.title),
        "issuer": _shown(spec.issuer),
        "category": spec.category,
        "level": LEVELS.index(spec.level) + 1,
    }


def _shown(text: str) -> str | None:
    """The text with its places to break, or None if a letter of it would come out as a box."""
    if not _drawable(text):
        return None
    return " ".join(map(_breakable, text.split()))


def _breakable(word: str) -> str:
    if len(word) <= _LONG_WORD:
        # Word joiners: a line that ends in "back-" reads badly.
        return word.replace("-", "\u2060-\u2060")
    step = _LONG_WORD // 2
    return "\u200b".join(word[at : at + step] for at in range(0, len(word), step))


def _drawable(text: str) -> bool:
    glyphs = _glyphs(text)
    return bool(glyphs) and not glyphs & _glyphs(_NO_FONT_HAS_THIS)


def _glyphs(text: str) -> set[bytes]:
    return set(_GLYPH.findall(_compile(_LETTERS, text, "svg")))


# A compiler is no thing to share: two threads in one raise "Already borrowed".
_local = threading.local()


def _compile(source: bytes, data: object, kind: str, ppi: float | None = None) -> bytes:
    if not hasattr(_local, "compiler"):
        # Nothing of the machine: the same bytes everywhere, and no font to install.
        _local.compiler = Compiler(ignore_system_fonts=True)
    drawing = _local.compiler.compile(
        source, format=kind, ppi=ppi, sys_inputs={"data": json.dumps(data)}
    )
    if not isinstance(drawing, bytes):
        raise TypeError("a badge is one page")
    return drawing
