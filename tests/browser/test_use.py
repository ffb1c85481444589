"""Anybody can use it: by keyboard, by ear, in the dark, on a small screen, on paper."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect
from pypdf import PdfReader

from tests.browser.visit import Case, Visit

pytestmark = pytest.mark.slow

OFFLINE = Case("genuine-as-of")
STATES = (
    *("start", "unfolded", "wrong setting", "several files"),
    *("genuine", "withdrawn", "unknown-issuer", "changed-letter"),
    *("incomplete-unreachable", "not-a-credential", "genuine-of-a-closed-issuer"),
)


def bring_to(visit: Visit, state: str) -> None:
    """Bring the page into a state in which something else is on the screen."""
    match state:
        case "start":
            return
        case "unfolded":
            for fold in ("#paste", "#more", "#about", "#licences"):
                visit.page.locator(f"{fold} > summary").click()
        case "wrong setting":
            visit.enter("addresses", "chain.example")
            visit.give(("file", b"{}"))
        case "several files":
            files = [Case(name).file for name in ("genuine", "changed-letter")]
            visit.give(*((f"{n}.json", data) for n, data in enumerate(files)))
        case _:
            chosen = Case(state)
            chosen.configure(visit)
            visit.give(("file", chosen.file))
            visit.page.locator("#result .technical > summary").click()


@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing_in_light_and_in_dark(
    state: str, open_page: Callable[..., Visit]
) -> None:
    visit = open_page(OFFLINE.now)
    bring_to(visit, state)
    visit.page.emulate_media(color_scheme="light")
    light = visit.axe()
    visit.page.emulate_media(color_scheme="dark")
    dark = visit.axe()

    assert (light, dark) == ([], [])


@pytest.mark.parametrize("state", STATES)
def test_nothing_moves_sideways_on_a_small_screen(
    state: str, open_page: Callable[..., Visit]
) -> None:
    visit = open_page(OFFLINE.now)
    usual = visit.page.viewport_size
    assert usual is not None
    visit.page.set_viewport_size({"width": 320, "height": 640})
    bring_to(visit, state)

    sideways = visit.sideways()

    visit.page.set_viewport_size(usual)
    assert sideways == 0


@pytest.mark.parametrize("state", ["unfolded", "genuine", "several files"])
def test_whatever_is_pressed_is_large_enough(
    state: str, open_page: Callable[..., Visit]
) -> None:
    visit = open_page(OFFLINE.now)
    bring_to(visit, state)

    heights = visit.page.locator(
        "main button:visible, main summary:visible, label.button, main input:not(.unseen):visible"
    ).evaluate_all(
        "all => all.map(e => [e.innerText, e.getBoundingClientRect().height])"
    )

    assert len(heights) > 5
    assert [entry for entry in heights if entry[1] < 44] == []


def test_the_first_stop_of_the_keyboard_leads_past_the_header(
    open_page: Callable[..., Visit],
) -> None:
    visit = open_page()
    visit.page.keyboard.press("Tab")
    expect(visit.page.get_by_role("link", name="Skip to the content")).to_be_focused()

    visit.page.keyboard.press("Enter")
    visit.page.keyboard.press("Tab")

    expect(visit.page.locator("#files")).to_be_focused()


def test_the_whole_way_goes_by_keyboard(open_page: Callable[..., Visit]) -> None:
    visit = open_page(OFFLINE.now)
    OFFLINE.configure(visit)
    page = visit.page
    page.locator("#files").focus()

    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("#pasted")).to_be_focused()
    page.keyboard.insert_text(OFFLINE.file.decode())
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    visit.wait()

    expect(page.locator("#result .heading")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Check again")).to_be_focused()


def test_the_verdict_is_focused_and_announced_once(
    open_page: Callable[..., Visit],
) -> None:
    visit = open_page(OFFLINE.now)
    OFFLINE.configure(visit)

    visit.give(("file", OFFLINE.file))

    expect(visit.page.locator("#result .heading")).to_be_focused()
    assert visit.page.locator("[aria-live], [role=status], [role=alert]").count() == 1
    announced = visit.page.locator("#live")
    expect(announced).to_have_text("Finished. 6 passed, 1 note.")
    assert visit.page.title() == f"{visit.heading} · Check a credential"


def test_a_sign_is_for_the_eye_and_the_word_for_everybody(
    open_page: Callable[..., Visit],
) -> None:
    visit = open_page(OFFLINE.now)
    visit.give(("file", OFFLINE.file))

    signs = visit.page.locator("#result .sign")
    assert signs.count() == 8
    assert all(sign.get_attribute("aria-hidden") == "true" for sign in signs.all())
    assert visit.page.locator("#result .word:visible").count() == 7


def test_names_in_any_script_read_in_their_own_direction(
    open_page: Callable[..., Visit],
) -> None:
    visit = open_page(OFFLINE.now)
    OFFLINE.configure(visit)
    visit.give(("file", OFFLINE.file))

    said = visit.page.locator("#result .claims dd")

    assert said.count() >= 4
    assert all(place.get_attribute("dir") == "auto" for place in said.all())


def test_without_javascript_the_page_says_that_it_needs_it(
    open_page: Callable[..., Visit],
) -> None:
    visit = open_page(java_script_enabled=False)

    expect(visit.page.locator("#needs-script")).to_contain_text("needs JavaScript")
    expect(visit.page.locator("#tool")).to_be_hidden()


def test_with_javascript_it_does_not(open_page: Callable[..., Visit]) -> None:
    visit = open_page()

    assert visit.page.locator("#needs-script").count() == 0


@pytest.mark.parametrize(
    "name",
    [
        *("genuine", "genuine-by-two-addresses", "genuine-of-a-closed-issuer"),
        *("incomplete-unreachable", "incomplete-disagreement", "changed-letter"),
    ],
)
def test_a_report_is_one_sheet_of_paper(
    name: str, open_page: Callable[..., Visit], tmp_path: Path
) -> None:
    chosen = Case(name)
    visit = open_page(chosen.now)
    visit.page.emulate_media(color_scheme="dark")
    chosen.configure(visit)
    visit.give(("file", chosen.file))

    paper = PdfReader(
        io.BytesIO(visit.page.pdf(prefer_css_page_size=True, print_background=True))
    )

    text = "".join(sheet.extract_text() for sheet in paper.pages)
    assert len(paper.pages) == 1
    assert chosen.expected["steps"][-1]["title"] in text
    assert "A print-out carries no proof" in text
    assert "Drop files here" not in text
    for read in chosen.expected["read"]:
        assert read["block"] in text.replace("\n", "")


def test_who_wants_no_motion_gets_none(open_page: Callable[..., Visit]) -> None:
    visit = open_page(reduced_motion="reduce")

    moving = visit.page.evaluate(
        """() => {
          document.getElementById("result").innerText = "";
          const box = document.createElement("div");
          box.className = "verdict busy";
          const sign = document.createElement("span");
          sign.className = "sign";
          box.append(sign);
          document.body.append(box);
          return getComputedStyle(sign).animationName;
        }"""
    )

    assert moving == "none"
