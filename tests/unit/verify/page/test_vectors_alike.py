"""Both verifiers say the same of every vector: verdicts, codes, sentences, member by member."""

import base64
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.unit.verify.page.answers import (
    VECTORS,
    Answer,
    Question,
    Timed,
    by_page,
    by_python,
    differences,
    run_page,
)

REPORTS = VECTORS / "reports"
CASES = sorted(path.name for path in REPORTS.iterdir() if path.is_dir())
EVIDENCE = VECTORS / "evidence"

# Every file there is, also those that are no credential: any file may be dropped on the page.
FILES = sorted(
    str(path.relative_to(VECTORS))
    for path in VECTORS.rglob("*")
    if path.is_file() and REPORTS not in path.parents
)

pytestmark = pytest.mark.slow


def encoded(path: Path) -> str | None:
    return base64.b64encode(path.read_bytes()).decode() if path.exists() else None


@cache
def page_reports() -> dict[str, Timed]:
    """What the page says of each folder of reports, its nodes answering as the vector says."""
    jobs = []
    for name in CASES:
        folder = REPORTS / name
        given = json.loads((folder / "given.json").read_bytes())
        files = {
            each: encoded(folder / f"{each}.json")
            for each in ("networks", "trust", "checkpoints")
        }
        file = encoded(folder / "file")
        jobs.append({"kind": "report", "name": "file", "file": file, **files, **given})
    codes = json.loads((REPORTS / "code.json").read_bytes())
    return dict(zip(CASES, run_page(jobs, codes), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_a_report_is_the_expected_one(name: str) -> None:
    folder = REPORTS / name
    (found,) = page_reports()[name].answer["reports"]

    expected: dict[str, Any] = json.loads((folder / "report.json").read_bytes())
    assert expected == found["json"]
    assert list(expected) == list(found["json"])
    assert (folder / "report.txt").read_text() == found["text"]


def question_about(name: str) -> Question:
    return Question(
        (VECTORS / name).read_bytes(),
        name,
        networks=(EVIDENCE / "networks.json").read_bytes(),
        trust=(EVIDENCE / "trust.json").read_bytes(),
        checkpoints=(EVIDENCE / "checkpoints.json").read_bytes(),
        email="ada@example.org",
    )


@cache
def page_answers() -> dict[str, Timed]:
    """What the page says of each file, offline, with the evidence's block trusted."""
    return dict(zip(FILES, by_page([*map(question_about, FILES)]), strict=True))


@pytest.mark.parametrize("name", FILES)
def test_a_file_gets_the_same_answer(name: str) -> None:
    expected = by_python(question_about(name))

    assert differences(expected, page_answers()[name].answer) == []


def test_a_difference_would_be_seen() -> None:
    expected = by_python(question_about("durable/valid/alone.json"))
    ((report, text),) = expected.reports

    def changed(**members: Any) -> Answer:
        return Answer((({**report, **members}, text),), expected.exit_code)

    assert differences(
        Answer((({**report, "verdict": "incomplete"}, text),), expected.exit_code),
        changed(verdict="genuine"),
    ) == ["verdict: incomplete != genuine"]
    assert differences(expected, changed(more=1))
    assert differences(expected, Answer(((report, text + " "),), expected.exit_code))
    assert differences(expected, Answer(expected.reports, 4))
    assert differences(expected, Answer((), expected.exit_code))


@pytest.mark.alone
def test_the_answers_take_no_time_that_a_person_would_notice() -> None:
    timed = [*page_answers().values(), *page_reports().values()]

    assert max(each.milliseconds for each in timed) < 2_000
