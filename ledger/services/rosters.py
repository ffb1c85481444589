"""Rosters: a school's CSV file of awards, read the way schools really write them.

The columns are documented for people on the page /help/rosters. One record is one award;
a bad record is reported with line, column, value and reason, and never stops a good one.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

from ledger.core.canonical import FORBIDDEN
from ledger.core.credential import Award, normalise_email
from ledger.core.issuer import is_http_url
from ledger.errors import MalformedError

MAX_BYTES = 20_000_000
MAX_ROWS = 200_000
MAX_NAME = 200
MAX_TEXT = 2_000
#: Nobody mends more before trying again, and a small file can have a million.
MAX_PROBLEMS = 1_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a roster, as the help page shows it."""

    name: str
    required: bool
    meaning: str
    example: str


COLUMNS = (
    Column("achievement", True, "the code of the achievement that was earned", "py-1"),
    Column("name", True, "the earner's name, as it shall stand on the credential", "Zoë Müller"),
    Column("email", True, "the earner's e-mail address; stored in the credential as a salted hash", "zoe@example.org"),
    Column("awarded_on", True, "the day it was earned, as YYYY-MM-DD; not in the future", "2026-06-01"),
    Column("score", False, "a number from 0 to 100", "88"),
    Column("evidence_url", False, "a web address that shows the work, http or https", "https://portfolio.example.org/zoe"),
    Column("narrative", False, "a sentence on what this earner did", "Built and defended a working project."),
)  # fmt: skip

_NAMES = tuple(column.name for column in COLUMNS)
_REQUIRED = tuple(column.name for column in COLUMNS if column.required)

# A spreadsheet evaluates a cell that starts so, when an export of ours is opened in it.
_FORMULA = "=+-@\t\r＝＋－＠"  # noqa: RUF001 - the full-width forms are meant
_SCORE = re.compile(r"(?:100|[0-9]{1,2})(?:\.[0-9]{1,2})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a record was refused, in words for a registrar.

    `line` is the line of the file on which the record starts, `column` None if the record as
    a whole is meant, `value` what stood there (shortened, control characters made visible).
    """

    line: int
    column: str | None
    value: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class RosterRow:
    """One good record: an award to be made."""

    line: int
    achievement: str
    award: Award


@dataclass(frozen=True, slots=True)
class Roster:
    """A roster as read: the good records in file order, and what is wrong with the others.

    `problems` are the first MAX_PROBLEMS, in file order; `problem_count` counts those that are
    left out too. `refused` counts records: one may have several problems.
    """

    rows: tuple[RosterRow, ...]
    problems: tuple[Problem, ...]
    problem_count: int
    refused: int


class _Bad(Exception):  # noqa: N818 - control flow inside one cell
    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


def parse_roster(data: bytes, *, offers: frozenset[str], today: date) -> Roster:
    """Read a roster. `offers` are the codes of the organisation's achievements.

    Raises MalformedError if the file as a whole cannot be read: not UTF-8, no header, a
    required column missing, too large. Problems of single records are in the result, and
    MAX_PROBLEMS of them are kept in memory.
    """
    records = _records(data)
    try:
        _, header = next(records)
    except StopIteration:
        raise MalformedError("the roster is empty: it needs a header line") from None
    positions = _positions(header)
    rows: list[RosterRow] = []
    first: dict[tuple[str, str, date], RosterRow] = {}
    problems: list[Problem] = []
    problem_count = refused = 0
    for count, (line, cells) in enumerate(records, 1):
        if count > MAX_ROWS:
            raise MalformedError(
                f"the roster has more than {MAX_ROWS:,} records: split it"
            )
        if not any(cell.strip() for cell in cells):
            continue
        row, found = _row(line, cells, positions, offers=offers, today=today)
        if row is not None:
            key = (row.achievement, row.award.email, row.award.awarded_on)
            found = _differing(row, first.setdefault(key, row))
        if row is not None and not found:
            rows.append(row)
        elif found:
            refused += 1
            problem_count += len(found)
            problems.extend(found[: MAX_PROBLEMS - len(problems)])
    return Roster(tuple(rows), tuple(problems), problem_count, refused)


def parse_award(
    cells: Mapping[str, str], *, offers: frozenset[str], today: date
) -> Roster:
    """Read one award, its texts by column, by the rules of a roster's record. Its line is 1.

    It is not written as CSV first: the reader of that has its own word on a long text.
    """
    positions = {name: place for place, name in enumerate(_NAMES)}
    record = [cells.get(name, "") for name in _NAMES]
    row, found = _row(1, record, positions, offers=offers, today=today)
    rows = () if row is None else (row,)
    return Roster(rows, tuple(found), len(found), 1 - len(rows))


def encode_roster(cells: Mapping[str, str]) -> bytes:
    """Write a roster of one award."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(_NAMES)
    writer.writerow([cells.get(name, "") for name in _NAMES])
    return text.getvalue().encode()


def _records(data: bytes) -> Iterator[tuple[int, list[str]]]:
    if len(data) > MAX_BYTES:
        raise MalformedError(
            f"the roster is larger than {MAX_BYTES // 1_000_000} MB: split it"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedError(
            f"the roster is not UTF-8 text (byte {error.start}): in the spreadsheet choose"
            " 'CSV UTF-8' when saving"
        ) from error
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise MalformedError(
            f"the roster stops being CSV at the record that starts on line {line}: {error};"
            " look for a quotation mark that is not closed"
        ) from error


def _positions(header: Sequence[str]) -> dict[str, int]:
    names = [cell.strip().lower().replace(" ", "_") for cell in header]
    for place, name in enumerate(names, 1):
        if name not in _NAMES:
            # Without its header line a file begins with a person: that is not repeated here.
            raise MalformedError(
                f"column {place} of the header has an unknown name; the columns are"
                f" {', '.join(_NAMES)}"
            )
        if names.count(name) > 1:
            raise MalformedError(f"the header names the column {name} twice")
    missing = [name for name in _REQUIRED if name not in names]
    if missing:
        raise MalformedError(f"the header lacks the column {', '.join(missing)}")
    return {name: names.index(name) for name in names}


def _row(
    line: int,
    cells: Sequence[str],
    positions: dict[str, int],
    *,
    offers: frozenset[str],
    today: date,
) -> tuple[RosterRow | None, list[Problem]]:
    if len(cells) != len(positions):
        what = "more" if len(cells) > len(positions) else "fewer"
        reason = f"the record has {len(cells)} cells, {what} than the {len(positions)} of the header"
        shown = _visible(",".join(cells))
        return None, [Problem(line, None, shown, "columns", reason)]
    problems: list[Problem] = []

    def read(name: str, parse: Callable[[str], T]) -> T | None:
        value = cells[positions[name]] if name in positions else ""
        try:
            _check_characters(name, value)
            return parse(value)
        except _Bad as bad:
            problems.append(Problem(line, name, _visible(value), bad.code, bad.reason))
            return None

    achievement = read("achievement", lambda value: _achievement(value, offers))
    name = read("name", _name)
    email = read("email", _email)
    awarded_on = read("awarded_on", lambda value: _awarded_on(value, today))
    score = read("score", _score)
    evidence_url = read("evidence_url", _evidence_url)
    narrative = read("narrative", _narrative)
    if (
        problems
        or achievement is None
        or name is None
        or email is None
        or awarded_on is None
    ):
        return None, problems
    try:
        award = Award(
            email=email,
            awarded_on=awarded_on,
            name=name,
            score=score,
            evidence_url=evidence_url,
            narrative=narrative,
        )
    except MalformedError as error:
        # The format has the last word; a record that it refuses is refused here, not later.
        shown = _visible(",".join(cells))
        return None, [Problem(line, None, shown, "format", str(error))]
    return RosterRow(line, achievement, award), []


def _differing(row: RosterRow, other: RosterRow) -> list[Problem]:
    """What tells a record from an earlier one of the same award: its person would get nothing."""
    differing = []
    if (row.award.name or "").casefold() != (other.award.name or "").casefold():
        differing.append("name")
    if row.award.score != other.award.score:
        differing.append("score")
    if not differing:
        return []
    reason = (
        f"line {other.line} is the same award (achievement, email, awarded_on) with another"
        f" {' and '.join(differing)}, and gets one credential. Correct one of the two, or give"
        " each person an address"
    )
    return [Problem(row.line, None, row.award.email, "differs", reason)]


def _check_characters(column: str, value: str) -> None:
    allowed = "\n" if column == "narrative" else ""
    for character in value.replace("\r\n", "\n"):
        if unicodedata.category(character) in {"Cc", "Cs"} and character not in allowed:
            what = "a line break" if character in "\r\n" else "a control character"
            raise _Bad("control_character", f"the cell contains {what}")
    if found := FORBIDDEN.search(value):
        what = f"U+{ord(found[0]):04X}, which stands for no character"
        raise _Bad("control_character", f"the cell contains {what}")
    start = value.lstrip()[:1]
    if start and start in _FORMULA:
        raise _Bad(
            "formula",
            f"the cell starts with {start}, which spreadsheets run as a formula",
        )


def _achievement(value: str, offers: frozenset[str]) -> str:
    code = value.strip()
    if not code:
        raise _Bad("missing", "the achievement is missing")
    if code not in offers:
        raise _Bad(
            "unknown_achievement",
            "the organisation offers no achievement with this code",
        )
    return code


def _name(value: str) -> str:
    name = " ".join(value.split())
    if not name:
        raise _Bad("missing", "the name is missing")
    if len(name) > MAX_NAME:
        raise _Bad(
            "too_long", f"the name has {len(name)} characters, more than {MAX_NAME}"
        )
    return name


def _email(value: str) -> str:
    if not value.strip():
        raise _Bad("missing", "the e-mail address is missing")
    try:
        email = normalise_email(value)
    except MalformedError as error:
        raise _Bad("email", "this is not a complete e-mail address") from error
    # The format takes host names of one word, as inside a company; a typing error is likelier.
    if "." not in email.partition("@")[2]:
        raise _Bad("email", "this is not a complete e-mail address")
    return email


def _awarded_on(value: str, today: date) -> date:
    text = value.strip()
    if not text:
        raise _Bad("missing", "the date is missing")
    if not _DAY.fullmatch(text):
        raise _Bad("date", "write the date as year-month-day, for example 2026-06-01")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise _Bad("date", "the calendar has no such day") from None
    if day > today:
        raise _Bad("future", "the date lies in the future")
    if day.year < 1900:
        raise _Bad("date", "the date lies before 1900")
    return day


def _score(value: str) -> str | None:
    text = value.strip().removesuffix("%").strip()
    if text and (not _SCORE.fullmatch(text) or float(text) > 100):
        raise _Bad("score", "the score must be a number from 0 to 100")
    return text or None


def _evidence_url(value: str) -> str | None:
    text = value.strip()
    if text and not is_http_url(text):
        raise _Bad(
            "url", "evidence must be a web address that starts with http:// or https://"
        )
    if len(text) > MAX_TEXT:
        raise _Bad("too_long", f"the address has more than {MAX_TEXT} characters")
    return text or None


def _narrative(value: str) -> str | None:
    text = value.replace("\r\n", "\n").strip()
    if len(text) > MAX_TEXT:
        raise _Bad("too_long", f"the narrative has more than {MAX_TEXT} characters")
    return text or None


def _visible(value: str) -> str:
    shown = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in value)
    return shown if len(shown) <= 80 else shown[:77] + "..."


def latest_today(now: datetime) -> date:
    """The day after which a date lies in the future everywhere on earth (UTC+14)."""
    return (now.astimezone(UTC) + timedelta(hours=14)).date()
