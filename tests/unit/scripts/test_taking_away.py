"""docs/durability.md promises what the drill takes to account."""

from pathlib import Path

from scripts.taking_away import ROWS, Line, Said, table_of
from scripts.two_schools import FILES

PAGE = Path(__file__).parents[3] / "docs" / "durability.md"
CODES = tuple(("file.readable",) for _ in FILES)


def test_the_page_has_the_table_of_the_drill() -> None:
    lines = PAGE.read_text().splitlines()
    start = lines.index("|---|---|---|---|---|---|")
    table = lines[start + 1 : lines.index("", start)]

    assert table == [
        "| "
        + " | ".join([row.taken, *(word.replace("_", " ") for word in row.promised)])
        + " |"
        for row in ROWS
    ]


def test_a_line_is_kept_only_if_both_say_what_is_promised_in_the_same_steps() -> None:
    row = ROWS[0]
    right = Said(row.promised, CODES)
    wrong = Said(("genuine",) * 5, CODES)
    other = Said(row.promised, (("file.other_kind",), *CODES[1:]))

    assert Line(row, right, right, 0).kept
    for command, page in ((wrong, right), (right, wrong), (wrong, wrong)):
        assert not Line(row, command, page, 0).kept
    assert not Line(row, right, other, 0).kept
    assert Line(row, right, wrong, 0).to_json()["kept"] is False


def test_the_table_names_every_verifier_of_every_line() -> None:
    said = Said(ROWS[0].promised, CODES)

    assert table_of([Line(ROWS[0], said, said, 0)]).row_count == 2
