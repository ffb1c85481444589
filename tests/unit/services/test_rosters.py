"""Rosters: good rows are read, bad ones named by line, column, value and reason."""

import tracemalloc
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import assume, given, strategies as st

from ledger.core.canonical import encode
from ledger.errors import MalformedError
from ledger.services.rosters import (
    COLUMNS,
    MAX_BYTES,
    MAX_PROBLEMS,
    Roster,
    encode_roster,
    latest_today,
    parse_award,
    parse_roster,
)

SAMPLES = Path(__file__).parents[3] / "scripts" / "samples" / "riverside"
TODAY = date(2026, 11, 25)
OFFERS = frozenset({"py-1", "sql-1", "git-1", "mentor"})
HEADER = "achievement,name,email,awarded_on,score,evidence_url,narrative\n"


def read(text: str) -> Roster:
    return parse_roster(text.encode(), offers=OFFERS, today=TODAY)


def problem_of(row: str) -> tuple[int, str | None, str]:
    (problem,) = read(HEADER + row).problems
    return problem.line, problem.column, problem.code


def test_messy_roster_gives_the_good_rows_and_names_every_bad_one() -> None:
    data = (SAMPLES / "roster-messy.csv").read_bytes()

    roster = parse_roster(data, offers=OFFERS, today=TODAY)

    assert [(row.line, row.award.name, row.award.email) for row in roster.rows] == [
        (2, "Amina Okafor", "amina@example.com"),
        (3, "Amina Okafor", "amina@example.com"),
        (16, "Zoë Müller", "zoe@example.org"),
    ]
    assert [(p.line, p.column, p.code) for p in roster.problems] == [
        (4, "email", "missing"),
        (5, "email", "email"),
        (6, "achievement", "unknown_achievement"),
        (7, "awarded_on", "date"),
        (8, "awarded_on", "future"),
        (9, "name", "formula"),
        (10, "name", "control_character"),
        (10, "evidence_url", "url"),
        (12, "name", "too_long"),
        (13, "name", "control_character"),
        (14, None, "columns"),
        (15, None, "columns"),
    ]


def test_values_in_problems_are_short_and_show_control_characters() -> None:
    data = (SAMPLES / "roster-messy.csv").read_bytes()

    values = {
        p.line: p.value for p in parse_roster(data, offers=OFFERS, today=TODAY).problems
    }

    assert values[13] == "Null\\x00Byte"
    assert values[7] == "02/13/2026"
    assert all(len(value) <= 80 and value.isprintable() for value in values.values())


@pytest.mark.parametrize("bad", [142, 143, 400])
def test_the_first_problems_are_told_and_all_are_counted(bad: int) -> None:
    row, good = "=," * 6 + "=\n", "py-1,A,a@example.com,2026-01-01,,,\n"

    roster = read(HEADER + row * bad + good)

    told = [(p.line, p.column) for p in roster.problems]
    every = [(line, c.name) for line in range(2, bad + 2) for c in COLUMNS]
    assert told == every[:MAX_PROBLEMS]
    assert (roster.problem_count, roster.refused) == (7 * bad, bad)
    assert [r.line for r in roster.rows] == [bad + 2]


def test_memory_does_not_grow_with_the_problems() -> None:
    row = "=," * 6 + "=\n"
    few, many = (HEADER + row * 150).encode(), (HEADER + row * 15_000).encode()

    def most(data: bytes) -> int:
        tracemalloc.start()
        try:
            parse_roster(data, offers=OFFERS, today=TODAY)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # The file is held as bytes, as text and as a stream of four bytes a character.
    assert most(many) < most(few) + 6 * len(many)


def test_clean_roster_has_no_problem() -> None:
    codes = [
        "git-1",
        "py-1",
        "sql-1",
        "web-2",
        "ops-2",
        "a11y-1",
        "backend-cert",
        "mentor",
    ]

    roster = parse_roster(
        (SAMPLES / "roster.csv").read_bytes(),
        offers=frozenset(codes),
        today=TODAY,
    )

    assert (len(roster.rows), roster.problems) == (240, ())


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("py-1,A,a@example.com,2026-02-30,,,", (2, "awarded_on", "date")),
        ("py-1,A,a@example.com,1899-12-31,,,", (2, "awarded_on", "date")),
        ("py-1,A,a@example.com,2026-11-26,,,", (2, "awarded_on", "future")),
        ("py-1,A,a@example.com,2026-01-01,101,,", (2, "score", "score")),
        ("py-1,A,a@example.com,2026-01-01,-1,,", (2, "score", "formula")),
        ("py-1,＝A,a@example.com,2026-01-01,,,", (2, "name", "formula")),  # noqa: RUF001
        ("py-1,+1 555,a@example.com,2026-01-01,,,", (2, "name", "formula")),
        ("py-1,A,a@b,2026-01-01,,,", (2, "email", "email")),
        ("py-1,A,a b@example.com,2026-01-01,,,", (2, "email", "email")),
        ("py-1,A,a@example.com,2026-01-01,,ftp://x.org,", (2, "evidence_url", "url")),
        ("py-1,A,a@example.com,2026-01-01,,https://,", (2, "evidence_url", "url")),
        ("py-1,A,a@example.com,2026-01-01,,,@x", (2, "narrative", "formula")),
        ("py-1,A\x85B,a@example.com,2026-01-01,,,", (2, "name", "control_character")),
        (
            "py-1,A,a@example.com,2026-01-01,,,x\ufffe",
            (2, "narrative", "control_character"),
        ),
    ],
)
def test_bad_cells(row: str, expected: tuple[int, str, str]) -> None:
    assert expected == problem_of(row)


@pytest.mark.parametrize(
    "character", "\x07\t\x7f\x85\xa0é\u2028\ue000\ufdd0\ufeff\ufffe\uffff\U0001fffe"
)
def test_what_a_roster_lets_through_can_be_signed(character: str) -> None:
    """Else one cell would stop all records of a file."""
    cells = f'py-1,"A{character}B",a@example.com,2026-01-01,,,"n{character}"'

    for row in read(HEADER + cells).rows:
        assert encode([row.award.name, row.award.narrative])


def test_two_records_of_one_award_that_differ_are_no_award_twice() -> None:
    """Brothers and sisters with their parent's address, or a result that was corrected."""
    rows = [
        "py-1,Con Flict,cf@example.com,2026-03-01,80,,",
        "py-1,CON FLICT,CF@example.com,2026-03-01,80,,a word more",
        "py-1,Con Flict,cf@example.com,2026-03-01,90,,",
        "py-1,Other Name,cf@example.com,2026-03-01,81,,",
        "py-1,Other Name,cf@example.com,2026-03-02,80,,",
        "sql-1,Other Name,cf@example.com,2026-03-01,80,,",
    ]

    roster = read(HEADER + "\n".join(rows))

    assert [row.line for row in roster.rows] == [2, 3, 6, 7]
    assert [(p.line, p.column, p.value, p.code) for p in roster.problems] == [
        (4, None, "cf@example.com", "differs"),
        (5, None, "cf@example.com", "differs"),
    ]
    assert "line 2" in roster.problems[0].reason
    assert "another score, and" in roster.problems[0].reason
    assert "another name and score, and" in roster.problems[1].reason
    assert roster.refused == 2


def test_spreadsheet_habits_are_read() -> None:
    """A byte order mark, semicolons, CRLF, header case, per cent signs, blank lines."""
    roster = read(
        "\ufeffAchievement;NAME;Email;Awarded On;Score\r\n"
        ' py-1 ;"  Amina   Okafor ";AMINA@Example.com; 2026-05-01 ; 88 % \r\n;;;;\r\n'
    )

    (row,) = roster.rows
    assert (
        row.achievement,
        row.award.name,
        row.award.email,
        row.award.score,
    ) == ("py-1", "Amina Okafor", "amina@example.com", "88")
    assert roster.problems == ()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"achievement,name\n", "lacks the column email, awarded_on"),
        (
            HEADER.replace("score", "points").encode(),
            "column 5 of the header has an unknown name",
        ),
        (HEADER.replace("score", "name").encode(), "name twice"),
        ("achievement,näme\n".encode("latin-1"), "not UTF-8"),
        ((HEADER + 'py-1,"open').encode(), "line 2"),
        (b"x" * (MAX_BYTES + 1), "larger than 20 MB"),
    ],
)
def test_unreadable_files_are_refused_as_a_whole(data: bytes, words: str) -> None:
    with pytest.raises(MalformedError, match=words):
        parse_roster(data, offers=OFFERS, today=TODAY)


@given(st.text(max_size=300))
def test_any_text_below_the_header_gives_rows_problems_or_one_error(body: str) -> None:
    try:
        roster = read(HEADER + body.encode("utf-8", "replace").decode())
    except MalformedError:
        return
    assert all(
        row.award.email == row.award.email.strip().lower() for row in roster.rows
    )
    assert all(
        problem.reason and problem.value.isprintable() for problem in roster.problems
    )


GOOD = {
    "achievement": "py-1", "name": "A", "email": "a@example.com", "awarded_on": "2026-01-01",
}  # fmt: skip


@given(
    st.dictionaries(
        st.sampled_from([column.name for column in COLUMNS]),
        st.text() | st.text("=\r\n ,\"'x1"),
    )
)
def test_one_award_is_read_as_a_roster_of_it_would_be(changed: dict[str, str]) -> None:
    cells = {**GOOD, **changed}
    # A line of nothing is no record of a roster; as an award it lacks something: see below.
    assume(any(cell.strip() for cell in cells.values()))

    award = parse_award(cells, offers=OFFERS, today=TODAY)
    roster = parse_roster(encode_roster(cells), offers=OFFERS, today=TODAY)

    assert [r.award for r in award.rows] == [r.award for r in roster.rows]
    assert award.problems == tuple(replace(p, line=1) for p in roster.problems)
    assert award.problem_count == roster.problem_count
    assert award.refused == roster.refused


def test_an_award_of_nothing_lacks_what_is_required() -> None:
    award = parse_award({}, offers=OFFERS, today=TODAY)

    assert [p.column for p in award.problems] == [c.name for c in COLUMNS if c.required]
    assert (award.rows, award.problem_count, award.refused) == ((), 4, 1)


def test_the_columns_are_documented_in_the_order_of_the_sample() -> None:
    header = (SAMPLES / "roster.csv").read_text().splitlines()[0]

    assert header == ",".join(column.name for column in COLUMNS)


def test_today_is_the_latest_day_on_earth() -> None:
    assert date(2026, 11, 26) == latest_today(datetime(2026, 11, 25, 10, 0, tzinfo=UTC))
    assert date(2026, 11, 25) == latest_today(datetime(2026, 11, 25, 9, 59, tzinfo=UTC))
