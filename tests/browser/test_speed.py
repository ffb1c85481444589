"""The benchmark of the page sees the right verdicts, and says so if one comes late."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from scripts.bench import page
from tests.browser.visit import Case

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", page.CASES)
def test_the_verdict_that_is_timed_is_the_expected_one(
    name: str, browser: Browser, page_file: Path
) -> None:
    (taken,) = page.first_verdicts(browser, page_file.as_uri(), name, 1)

    assert taken > 0


def test_another_verdict_than_the_expected_one_is_no_figure(
    browser: Browser, page_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case("genuine-as-of")
    spoilt = case.file.replace(b"2026-07-01T08:05:00Z", b"2026-07-01T08:05:01Z")
    assert spoilt != case.file
    monkeypatch.setattr(Case, "file", spoilt)

    with pytest.raises(RuntimeError, match="the page says changed"):
        page.first_verdicts(browser, page_file.as_uri(), "genuine-as-of", 1)


def test_the_bound_is_the_one_promised() -> None:
    assert page.MOST == 300
    assert page.judge({"one": 12.5, "another": 300.0}) == 0
    assert page.judge({"one": 12.5, "another": 300.1}) == 1


@pytest.mark.parametrize(("late", "status"), [(0.0, 0), (500.0, 1)])
def test_all_cases_are_told(
    late: float, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(times: int) -> dict[str, list[float]]:
        return {name: [late + len(name)] * times for name in page.CASES}

    assert page.main(["--json", "--times", "2"], measure) == status
    said = json.loads(capsys.readouterr().out)
    assert said["milliseconds"] == {name: late + len(name) for name in page.CASES}
