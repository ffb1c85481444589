"""The drawing of a badge: what is on it, in any script, and the same bytes every time."""

import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given, settings, strategies as st

from ledger.artwork import badge
from ledger.artwork.badge import CATEGORIES, LEVELS, BadgeSpec, badge_png, badge_svg
from ledger.core.baking import bake_png, bake_svg, extract
from ledger.errors import MalformedError

SPEC = BadgeSpec("Python foundations", "Riverside Code School", "skill", "introductory")
SVG = "{http://www.w3.org/2000/svg}"


def size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


def glyphs(svg: bytes) -> int:
    return len(re.findall(rb"<use ", svg))


def colours(svg: bytes) -> set[bytes]:
    return set(re.findall(rb"#[0-9a-f]{6}", svg))


def matrix(text: str) -> tuple[float, ...]:
    name, numbers = text.rstrip(")").split("(")
    values = tuple(float(number) for number in re.split(r"[ ,]+", numbers))
    return {
        "matrix": values,
        "translate": (1, 0, 0, 1, *(*values, 0)[:2]),
        "scale": (values[0], 0, 0, values[-1], 0, 0),
    }[name]


def times(outer: tuple[float, ...], inner: tuple[float, ...]) -> tuple[float, ...]:
    """SVG 1.1, 7.5: x' = a x + c y + e, y' = b x + d y + f."""
    a, b, c, d, e, f = outer
    ia, ib, ic, id_, ie, if_ = inner
    return (
        a * ia + c * ib,
        b * ia + d * ib,
        a * ic + c * id_,
        b * ic + d * id_,
        a * ie + c * if_ + e,
        b * ie + d * if_ + f,
    )


def letters(
    node: Element, outer: tuple[float, ...] = (1, 0, 0, 1, 0, 0)
) -> Iterator[tuple[float, float]]:
    """Where every letter of a drawing starts."""
    for step in re.findall(r"\w+\([^)]*\)", node.get("transform", "")):
        outer = times(outer, matrix(step))
    if node.tag == f"{SVG}use":
        x, y = float(node.get("x", "0")), float(node.get("y", "0"))
        *_, x, y = times(outer, (1, 0, 0, 1, x, y))
        yield x, y
    for inner in node:
        yield from letters(inner, outer)


# ---------------------------------------------------------------- what it looks like


def test_svg_has_a_title_for_screen_readers_and_no_text_that_needs_a_font() -> None:
    root = fromstring(badge_svg(SPEC))

    assert root.tag == f"{SVG}svg"
    assert root.attrib["role"] == "img"
    assert root.attrib["viewBox"] == "0 0 600 600"
    assert (
        root.findtext(f"{SVG}title")
        == "Python foundations, introductory: badge of Riverside Code School"
    )
    assert root.find(f".//{SVG}text") is None
    assert root.find(f".//{SVG}script") is None


@pytest.mark.parametrize("width", [16, 64, 600, 1200])
def test_png_is_as_wide_as_asked(width: int) -> None:
    assert size(badge_png(SPEC, width)) == (width, width)


def test_png_is_600_pixels_wide_by_default_and_transparent_outside() -> None:
    png = badge_png(SPEC)

    assert size(png) == (600, 600)
    assert png[24:26] == b"\x08\x06"  # eight bits, red green blue alpha


@pytest.mark.parametrize("width", [0, 15, 4_097])
def test_a_width_nobody_needs(width: int) -> None:
    with pytest.raises(ValueError, match="pixels wide"):
        badge_png(SPEC, width)


def test_every_category_and_level_looks_different() -> None:
    drawings = {
        badge_svg(replace(SPEC, category=category, level=level))
        for category, level in itertools.product(CATEGORIES, LEVELS)
    }

    assert len(drawings) == len(CATEGORIES) * len(LEVELS) == 15


def test_the_level_is_the_colour_and_the_category_is_not() -> None:
    by_level = [colours(badge_svg(replace(SPEC, level=level))) for level in LEVELS]
    other = colours(badge_svg(replace(SPEC, category="certification")))

    assert by_level[0] != by_level[1] != by_level[2] != by_level[0]
    assert by_level[0] == other


# ---------------------------------------------------------------- any title


@pytest.mark.parametrize(
    "title",
    [
        "Git",
        "Zażółć gęślą jaźń",
        "Nguyễn Thị Ánh",
        "Ελληνικά μαθήματα",
        "Основы Python",
        "שיקום אתר",
        "تطوير الويب",
        "ქართული ენა",
        "Հայերեն",
        "हिन्दी भाषा",
    ],
)
def test_scripts_of_the_built_in_fonts_are_drawn(title: str) -> None:
    without = badge_svg(replace(SPEC, title="漢"))

    assert glyphs(badge_svg(replace(SPEC, title=title))) > glyphs(without)


@pytest.mark.parametrize(
    "title",
    ["漢字", "日本語 basics", "हि漢", "ไทย", "한국어", "😀", "\U0010fffd", "\u200b"],
)
def test_a_title_that_would_come_out_as_boxes_is_left_out(title: str) -> None:
    svg = badge_svg(replace(SPEC, title=title))
    issuer_only = badge_svg(replace(SPEC, title="漢"))

    assert glyphs(issuer_only) == glyphs(svg)
    assert title in (fromstring(svg).findtext(f"{SVG}title") or "")


def test_an_issuer_that_would_come_out_as_boxes_is_left_out() -> None:
    svg = badge_svg(replace(SPEC, title="漢", issuer="漢字学校"))

    assert glyphs(svg) == 0
    assert "漢字学校" in (fromstring(svg).findtext(f"{SVG}title") or "")


@pytest.mark.parametrize(
    "title",
    [
        '#panic("x")',
        "*bold* _it_ $x$ `raw` <label> @ref = heading",
        "// comment",
        '"]</title><script>alert(1)</script>',
        "a\\nb \\u{41}",
    ],
)
def test_markup_in_a_title_is_drawn_as_it_stands(title: str) -> None:
    root = fromstring(badge_svg(replace(SPEC, title=title)))

    assert title in (root.findtext(f"{SVG}title") or "")
    assert root.find(f".//{SVG}script") is None
    assert glyphs(badge_svg(replace(SPEC, title=title))) >= len(title.replace(" ", ""))


@pytest.mark.parametrize(
    "title",
    [
        "W" * 200,
        "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamte",
        " ".join(["professional"] * 15),
        "i " * 99 + "i",
    ],
)
@pytest.mark.parametrize("category", CATEGORIES)
def test_a_long_title_stays_inside_its_shape(title: str, category: str) -> None:
    svg = badge_svg(replace(SPEC, title=title, category=category))
    placed = list(letters(fromstring(svg)))

    assert len(placed) > 60
    assert all(90 < x < 510 and 180 < y < 440 for x, y in placed)


@given(
    st.text(
        st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")),
        min_size=1,
        max_size=40,
    )
)
@settings(max_examples=25, deadline=None)
def test_no_title_breaks_the_drawing(title: str) -> None:
    if not title.strip() or {"\ufffe", "\uffff"} & set(title):
        return
    root = fromstring(badge_svg(replace(SPEC, title=title)))

    assert title in (root.findtext(f"{SVG}title") or "")


@pytest.mark.parametrize(
    "change",
    [
        {"category": "degree"},
        {"category": ""},
        {"level": "expert"},
        {"level": "Advanced"},
        {"title": ""},
        {"title": "  "},
        {"title": "two\nlines"},
        {"title": "x\0y"},
        {"title": "\ud800"},
        {"title": "x" * 201},
        {"issuer": ""},
        {"issuer": "x\x7f"},
    ],
)
def test_what_no_badge_shows(change: dict[str, str]) -> None:
    with pytest.raises(MalformedError):
        replace(SPEC, **change)


# ---------------------------------------------------------------- the same bytes


def test_the_same_bytes_from_every_thread() -> None:
    def draw(_number: int) -> tuple[bytes, bytes]:
        badge_svg.cache_clear()
        badge_png.cache_clear()
        return badge_svg(SPEC), badge_png(SPEC, 64)

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(draw, range(12)))) == 1


def test_the_same_bytes_from_another_process() -> None:
    program = (
        "import hashlib; from ledger.artwork.badge import *; "
        f"spec = {SPEC!r}; "
        "print(hashlib.sha256(badge_svg(spec) + badge_png(spec, 64)).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, check=True
        ).stdout
        for _ in range(2)
    }

    assert len(digests) == 1


def test_it_can_be_baked() -> None:
    assert extract(bake_svg(badge_svg(SPEC), b'{"a":1}')) == b'{"a":1}'
    assert extract(bake_png(badge_png(SPEC, 64), b'{"a":1}')) == b'{"a":1}'


def test_a_drawing_is_one_page() -> None:
    with pytest.raises(TypeError, match="one page"):
        badge._compile(b"one #pagebreak() two", None, "png")
