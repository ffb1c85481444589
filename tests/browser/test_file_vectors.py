"""Every other vector file: the page's document is the command's, letter by letter."""

import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.verify.command import run
from tests.browser.visit import VECTORS, Visit

pytestmark = pytest.mark.slow

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
SETTINGS = ("networks", "trust", "checkpoints")
SUFFIXES = {".json", ".png", ".svg", ".pdf", ".zip", ".html", ".jpg"}
FOLDERS = (
    *("credentials/valid", "credentials/invalid", "durable/valid", "durable/invalid"),
    *("baked/valid", "baked/invalid", "carriers/valid", "carriers/invalid"),
    *("evidence/valid", "evidence/invalid", "published/1edtech/ob30"),
)


def files_of(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.suffix in SUFFIXES:
            yield path


def command_says(folder: Path) -> str:
    """What `perdure verify --json` prints for all files of a folder, without any address."""
    options = []
    for name in SETTINGS:
        path = folder.parent / f"{name}.json"
        options += [f"--{name}", str(path)] if path.exists() else []
    out = io.StringIO()
    run(
        [*map(str, files_of(folder)), *options, "--json"],
        program="perdure verify",
        clock=lambda: NOW,
        out=out,
        err=io.StringIO(),
    )
    return out.getvalue().replace(f"{folder}/", "")


@pytest.mark.parametrize("name", FOLDERS)
def test_the_page_and_the_command_say_the_same(
    name: str, open_page: Callable[..., Visit]
) -> None:
    folder = VECTORS / name
    files = [(path.name, path.read_bytes()) for path in files_of(folder)]
    visit = open_page(NOW)
    for setting in SETTINGS:
        path = folder.parent / f"{setting}.json"
        if path.exists():
            visit.load(setting, path.read_bytes(), path.name)

    visit.give(*files)
    with visit.page.expect_download() as saved:
        visit.page.get_by_role("button", name="Save report").click()

    assert len(files) > 1
    assert command_says(folder) == Path(saved.value.path()).read_text()
