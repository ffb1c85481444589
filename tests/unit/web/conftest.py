"""The world of the web tests, copied from one that is made once."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from ledger.store.database import Database
from tests.unit.web.world import School, World, settle


@pytest.fixture(scope="session")
def _settled(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, Mapping[str, School]]:
    path = tmp_path_factory.mktemp("web") / "world.db"
    with closing(Database.upgrade(f"sqlite:///{path}")) as database:
        schools = settle(database)
    return path, schools


@pytest.fixture
def world_file(tmp_path: Path, _settled: tuple[Path, Mapping[str, School]]) -> Path:
    return Path(shutil.copy(_settled[0], tmp_path / "ledger.db"))


@pytest.fixture
def world(
    world_file: Path, _settled: tuple[Path, Mapping[str, School]]
) -> Iterator[World]:
    """Three schools on a SQLite file of its own."""
    with closing(Database.open(f"sqlite:///{world_file}")) as database:
        yield World.over(database, _settled[1])
