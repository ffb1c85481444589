"""Certificates and archives as real programs write them: found, or refused with a reason."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ledger.core import canonical
from ledger.core.durable import parse_credential_file
from ledger.verify.archived import candidates
from ledger.verify.report import Report, Verdict, stopped_after
from ledger.verify.verification import verify
from tests.vector_sources.durable import ALONE

FOLDER = Path(__file__).parents[2] / "vectors" / "carriers"
MANIFEST: dict[str, Any] = canonical.parse_object(
    (FOLDER / "manifest.json").read_bytes()
)


def reports(name: str) -> list[Report]:
    return [
        Report(found.name, stopped_after(found.fault))
        if found.fault
        else verify(
            found.data,
            readers=(),
            networks=(),
            trust=None,
            now=datetime(2026, 11, 25, tzinfo=UTC),
            file=found.name,
        )
        for found in candidates(name, (FOLDER / name).read_bytes())
    ]


@pytest.mark.parametrize("name", sorted(MANIFEST["valid"]))
def test_the_credential_is_found_in_what_programs_save(name: str) -> None:
    found = list(candidates(name, (FOLDER / name).read_bytes()))

    assert found
    for candidate in found:
        assert candidate.fault is None
        assert parse_credential_file(candidate.data) == ALONE
    assert {report.steps[1].code for report in reports(name)} == {"content.unchanged"}


@pytest.mark.parametrize("name", sorted(MANIFEST["invalid"]))
def test_what_holds_none_is_refused_in_words_that_say_what_to_do(name: str) -> None:
    says = MANIFEST["invalid"][name]["says"]
    assert says

    for report in reports(name):
        assert report.verdict is Verdict.NOT_A_CREDENTIAL
        assert says in str(report.steps[0].detail)
        assert "Ask the holder" in report.to_text()


def test_every_file_is_in_the_manifest() -> None:
    files = {
        str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()
    }

    assert files == {*MANIFEST["valid"], *MANIFEST["invalid"], "manifest.json"}
