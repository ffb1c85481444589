"""Every folder of tests/vectors/reports, from file://: the verdict on the screen is the expected one."""

from collections.abc import Callable

import pytest

from tests.browser.visit import CASES, Case, Visit

pytestmark = pytest.mark.slow

WORDS = {
    "passed": "Passed",
    "failed": "Failed",
    "note": "Note",
    "could_not_check": "Could not check",
    "not_checked": "Not checked",
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_page_comes_to_the_expected_report(
    case: Case, open_page: Callable[..., Visit]
) -> None:
    visit = open_page(case.now)
    case.configure(visit)

    visit.give(("file", case.file))

    expected = case.expected
    assert expected == visit.report()
    assert expected["heading"] == visit.heading
    assert expected["next"] in visit.box
    shown = visit.page.locator("#result .verdict").first
    assert expected["tone"] in (shown.get_attribute("class") or "").split()
    assert [
        {
            "outcome": step["outcome"],
            "code": step["code"],
            "word": WORDS[step["outcome"]],
            "title": step["title"],
            "rest": "|".join(filter(None, (step["detail"], step["next"]))),
        }
        for step in expected["steps"]
    ] == visit.shown_steps()
    if expected["claims"] is None:
        assert visit.page.locator("#result .claims").count() == 0
        assert "Ada" not in visit.page.locator("#result").inner_text()
    for remark in expected["remarks"]:
        assert visit.page.locator("#result .remark", has_text=remark).count() == 1


def test_the_vectors_were_found() -> None:
    assert len(CASES) > 50
