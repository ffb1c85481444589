"""docs/faults.md names tests that are there, and every row of the matrix."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "faults.md").read_text()
ROWS = (
    *("K1-K14", "K15", "K16", "R1", "R2", "N1-N12", "N13", "F1", "F2", "F3", "M1", "M2"),
    *("W1", "W2", "D1", "D2", "D3", "B1", "P1", "P2", "S1", "C7"),
)  # fmt: skip


def test_every_named_test_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)

    assert len(named) > 30
    for path, name in named:
        assert f"def {name}(" in (ROOT / path).read_text(), f"{path}::{name}"
    for path in re.findall(r"`((?:tests|scripts)/[\w/.]+?)`", PAGE):
        assert (ROOT / path).exists(), path


def test_every_row_of_the_matrix_names_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")][1:]

    assert [row.removeprefix("| ").partition(":")[0] for row in rows] == list(ROWS)
    assert all("::test_" in row for row in rows)
