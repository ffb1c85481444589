"""docs/school-files.md: its examples are read, and its tables are complete."""

import json
import re
from datetime import date
from pathlib import Path

from ledger.core import credential
from ledger.core.credential import Achievement, Category, Level
from ledger.core.issuer import IssuerProfile
from ledger.services.rosters import COLUMNS, parse_roster

TEXT = (Path(__file__).parents[3] / "docs" / "school-files.md").read_text()
SCHOOL, ACHIEVEMENTS = (
    json.loads(found) for found in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
)
(ROSTER,) = re.findall(r"```csv\n(.*?)```", TEXT, re.DOTALL)
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if line.startswith("| `")
]


def test_the_profile_is_read_and_shows_every_member() -> None:
    profile = IssuerProfile.from_json(SCHOOL)

    assert profile.to_json() == SCHOOL
    assert set(SCHOOL) == set(IssuerProfile.__dataclass_fields__)


def test_the_achievement_is_read_and_shows_every_member() -> None:
    (one,) = ACHIEVEMENTS

    assert Achievement.from_json(one).code == "py-1"
    assert set(one) == {*credential._NEEDED, *credential._WELCOME}
    assert set(one["assessment"]) == set(credential._ASSESSMENT)


def test_the_table_of_achievements_says_what_is_needed() -> None:
    needed = {
        name: is_needed == "yes"
        for names, is_needed, _ in ROWS[: -len(COLUMNS)]
        for name in re.findall(r"`(\w+)`", names)
    }
    words = {word for row in ROWS for word in re.findall(r"`([\w-]+)`", row[2])}

    assert needed == dict.fromkeys(credential._NEEDED, True) | dict.fromkeys(
        credential._WELCOME, False
    )
    assert words >= {*Category, *Level, *credential._ASSESSMENT}


def test_the_roster_is_read_and_its_table_is_the_help_pages() -> None:
    roster = parse_roster(
        ROSTER.encode(), offers=frozenset({"py-1"}), today=date(2026, 11, 25)
    )

    assert (len(roster.rows), roster.problems) == (2, ())
    assert ROWS[-len(COLUMNS) :] == [
        [f"`{each.name}`", "yes" if each.required else "no", each.meaning]
        for each in COLUMNS
    ]
