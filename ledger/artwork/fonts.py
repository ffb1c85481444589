"""
The fonts of what people keep: none of the machine's, so that a page is the same everywhere.

Latin, Greek and Cyrillic come with typst; the other scripts from two packages of OFL fonts.
"""

import threading
import unicodedata
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from typst import Compiler, Fonts

_PACKAGES: Final = ("manimgx_fonts", "weblate_fonts")
_LATIN: Final = "Libertinus Serif"
# Chinese, Japanese and Korean draw many of the same characters differently.
_EAST_ASIAN: Final = {
    "ja": "Kurinto Sans JP",
    "ko": "Kurinto Sans KR",
    "zh": "Kurinto Sans SC",
    "zh-hant": "Kurinto Sans TC",
}
_EAST_ASIAN_LETTERS: Final = frozenset({"CJK", "HANGUL", "HIRAGANA", "KATAKANA"})
_TRADITIONAL: Final = frozenset({"hant", "tw", "hk", "mo"})


def font_order(language: str, text: str) -> list[str]:
    """The families to draw a text with: each letter by the first that has it."""
    first = _EAST_ASIAN[_writing(language, text)]
    east_asian = sorted(_EAST_ASIAN.values(), key=lambda name: name != first)
    noto = [
        name
        for name in _fonts().families()
        if name.startswith("Noto ") and name != "Noto Emoji"
    ]
    return [_LATIN, *noto, *east_asian, "Kurinto Sans", "Noto Emoji"]


def is_right_to_left(text: str) -> bool:
    """Whether a line of its own starts at the right (Unicode UAX 9, rules P2 and P3)."""
    for letter in text:
        direction = unicodedata.bidirectional(letter)
        if direction in {"L", "R", "AL"}:
            return direction != "L"
    return False


def is_east_asian(text: str) -> bool:
    """Whether there are Chinese, Japanese or Korean letters in it."""
    return not _EAST_ASIAN_LETTERS.isdisjoint(_alphabets(text))


def _alphabets(text: str) -> set[str]:
    return {unicodedata.name(letter, "").partition(" ")[0] for letter in text}


def _writing(language: str, text: str) -> str:
    alphabets = _alphabets(text)
    if "HANGUL" in alphabets:
        return "ko"
    if alphabets & {"HIRAGANA", "KATAKANA"}:
        return "ja"
    primary, *further = language.lower().split("-")
    if primary == "zh" and not _TRADITIONAL.isdisjoint(further):
        return "zh-hant"
    return primary if primary in _EAST_ASIAN else "zh"


@lru_cache(maxsize=1)
def _fonts() -> Fonts:
    return Fonts(
        include_system_fonts=False,
        font_paths=[str(Path(str(files(name)))) for name in _PACKAGES],
    )


# A compiler is no thing to share: two threads in one raise "Already borrowed".
_local = threading.local()


def compiler() -> Compiler:
    """This thread's compiler; it knows these fonts and no others."""
    if not hasattr(_local, "compiler"):
        _local.compiler = Compiler(font_paths=_fonts(), ignore_system_fonts=True)
    found: Compiler = _local.compiler
    return found
