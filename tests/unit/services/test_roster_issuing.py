"""Issuing a roster: good records issued, bad ones reported, nothing twice."""

import secrets
from dataclasses import replace
from datetime import date

import pytest

from ledger.core.credential import Award
from ledger.errors import MalformedError, Refused
from ledger.services.issuing import AwardRequest
from ledger.services.roster_issuing import (
    CHUNK,
    RosterReport,
    check_roster,
    issue_in_chunks,
    issue_roster,
    report_json,
)
from ledger.services.rosters import MAX_PROBLEMS
from ledger.store import credentials, issuers
from tests.unit.services.conftest import NOW, SAMPLES, School

MESSY = (SAMPLES / "roster-messy.csv").read_bytes()


def issue(
    school: School, data: bytes, seen: list[tuple[int, int]] | None = None
) -> RosterReport:
    progress = [] if seen is None else seen
    return issue_roster(
        school.database,
        school.caller,
        data,
        master=school.master,
        addresses=school.addresses,
        now=NOW,
        entropy=secrets.token_bytes,
        progress=lambda done, total: progress.append((done, total)),
    )


def issued(school: School) -> int:
    with school.database.read() as tx:
        return credentials.count(tx, school.caller.organisation.id)


def test_a_messy_roster_issues_its_good_rows_and_a_second_upload_nothing(
    school: School,
) -> None:
    first = issue(school, MESSY)
    second = issue(school, MESSY)

    assert [(line.line, line.already) for line in first.lines] == [
        (2, False),
        (3, True),
        (16, False),
    ]
    assert [line.already for line in second.lines] == [True, True, True]
    assert first.problems == second.problems
    assert first.refused == 11
    assert issued(school) == 2


def test_a_dry_run_says_the_same_and_writes_nothing(school: School) -> None:
    dry = check_roster(school.database, school.caller, MESSY, NOW)

    assert issued(school) == 0
    real = issue(school, MESSY)
    assert [(line.line, line.already) for line in dry.lines] == [
        (line.line, line.already) for line in real.lines
    ]
    assert dry.problems == real.problems
    after = check_roster(school.database, school.caller, MESSY, NOW)
    assert [line.credential_id for line in after.lines] == [
        line.credential_id for line in real.lines
    ]


def test_a_long_roster_goes_in_chunks_and_shows_progress(school: School) -> None:
    rows = [f"py-1,A,p{n}@example.com,2026-05-01" for n in range(CHUNK + 5)]
    seen: list[tuple[int, int]] = []

    report = issue(
        school, "\n".join(["achievement,name,email,awarded_on", *rows]).encode(), seen
    )

    assert seen == [(CHUNK, CHUNK + 5), (CHUNK + 5, CHUNK + 5)]
    assert issued(school) == len(report.lines) == CHUNK + 5


def test_what_was_issued_before_a_crash_is_found_again(school: School) -> None:
    """The second chunk fails once, as if the process had died; repeating issues the rest."""
    rows = [f"py-1,A,p{n}@example.com,2026-05-01" for n in range(CHUNK + 5)]
    data = "\n".join(["achievement,name,email,awarded_on", *rows]).encode()

    class Died(Exception):  # noqa: N818
        pass

    def die(done: int, total: int) -> None:
        raise Died

    with pytest.raises(Died):
        issue_roster(
            school.database,
            school.caller,
            data,
            master=school.master,
            addresses=school.addresses,
            now=NOW,
            entropy=secrets.token_bytes,
            progress=die,
        )
    assert issued(school) == CHUNK

    report = issue(school, data)
    assert sum(not line.already for line in report.lines) == 5
    assert issued(school) == CHUNK + 5


def test_an_award_of_an_earlier_chunk_is_not_issued_again(school: School) -> None:
    awards = [
        Award(f"p{n}@example.com", date(2026, 5, 1)) for n in [*range(CHUNK), 0, 7]
    ]
    requests = [AwardRequest("py-1", None, award) for award in awards]

    first, second = issue_in_chunks(
        school.database,
        school.caller,
        requests,
        master=school.master,
        addresses=school.addresses,
        now=NOW,
        entropy=secrets.token_bytes,
    )

    assert not any(answer.already for answer in first)
    assert second == [replace(first[n], already=True) for n in (0, 7)]
    assert issued(school) == CHUNK


def test_nothing_to_issue_is_no_chunk(bare_school: School) -> None:
    """Nor is anything asked of a school that cannot issue."""
    report = issue(bare_school, b"achievement,name,email,awarded_on\n")

    assert report == RosterReport((), (), 0, 0)


def test_the_whole_sample_roster_is_issued(school: School) -> None:
    report = issue(school, (SAMPLES / "roster.csv").read_bytes())

    assert (len(report.lines), report.problems) == (240, ())


def test_an_unreadable_file_or_an_unregistered_school_issues_nothing(
    school: School, bare_school: School
) -> None:
    with pytest.raises(MalformedError):
        issue(school, b"")
    assert issued(school) == 0


def test_an_unregistered_school_is_refused(bare_school: School) -> None:
    bare_school.add_achievements()

    assert "has no issuer record yet" in refused_alike(bare_school)


def test_a_closed_school_is_refused(school: School) -> None:
    with school.database.begin() as tx:
        issuers.mark_closed(tx, school.caller.organisation.id, 1_900_000_000, block=7)

    assert "is closed" in refused_alike(school)


def refused_alike(school: School) -> str:
    """What the dry run says and issuing says as well; without a good row both report alike."""
    head = b"achievement,name,email,awarded_on\n"
    good, bad = head + b"py-1,A,a@example.com,2026-05-01\n", head + b"=,=,=,=\n"
    dry = check_roster(school.database, school.caller, bad, NOW)
    assert dry == issue(school, bad)

    with pytest.raises(Refused) as checked:
        check_roster(school.database, school.caller, good, NOW)
    with pytest.raises(Refused) as tried:
        issue(school, good)
    assert str(checked.value) == str(tried.value)
    return str(checked.value)


def test_the_report_counts_records_not_problems(school: School) -> None:
    document = report_json(issue(school, MESSY))

    assert (document["issued"], document["already"], document["refused"]) == (2, 1, 11)
    assert isinstance(document["problems"], list)
    assert len(document["problems"]) == 12
    assert (document["problemCount"], document["problemsLeftOut"]) == (12, 0)


def test_problems_beyond_the_limit_are_counted_and_good_records_still_issued(
    school: School,
) -> None:
    rows = ["py-9,,x,2026-05-01"] * MAX_PROBLEMS + ["py-1,A,a@example.com,2026-05-01"]
    data = "\n".join(["achievement,name,email,awarded_on", *rows]).encode()

    for report in (
        check_roster(school.database, school.caller, data, NOW),
        issue(school, data),
    ):
        document = report_json(report)
        assert (document["issued"], document["refused"]) == (1, MAX_PROBLEMS)
        assert isinstance(document["problems"], list)
        assert len(document["problems"]) == MAX_PROBLEMS
        assert document["problemCount"] == 3 * MAX_PROBLEMS
        assert document["problemsLeftOut"] == 2 * MAX_PROBLEMS
