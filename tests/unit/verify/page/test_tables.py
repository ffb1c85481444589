"""What the page knows from Python is what Python says today."""

from pathlib import Path

import pytest

from scripts import page_tables
from scripts.page_tables import FILES, FOLDER


@pytest.mark.parametrize("name", FILES)
def test_a_table_is_in_step(name: str) -> None:
    """If not: python -m scripts.page_tables."""
    assert FILES[name]() == (FOLDER / name).read_text(encoding="utf-8")


def test_there_is_no_other_table() -> None:
    assert set(FILES) == {path.name for path in FOLDER.iterdir()}


def test_a_stale_table_is_noticed_and_written_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(page_tables, "FOLDER", tmp_path / "generated")

    assert page_tables.main(["--check"]) == 1
    assert "networks.ts is stale" in capsys.readouterr().err
    assert page_tables.main([]) == 0
    assert page_tables.main(["--check"]) == 0
    assert page_tables.main(["--other"]) == 64
