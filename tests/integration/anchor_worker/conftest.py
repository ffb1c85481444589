"""A database and a real node behind a proxy, fresh as often as a test asks."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlmodel import col

from ledger.core.keys import keccak256
from ledger.store.database import Database
from ledger.store.tables import AttemptRow
from tests.anvil import Anvil
from tests.fault_proxy import FaultProxy
from tests.integration.anchor_worker.anvil_ground import AnvilGround


@pytest.fixture
def start(
    deployed: Anvil, sqlite_url: str, tmp_path: Path
) -> Iterator[Callable[[], tuple[AnvilGround, Database]]]:
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    template = shutil.copy(path, tmp_path / "template.db")
    with closing(Database.open(sqlite_url)) as database, ExitStack() as stack:

        def is_stored(raw: bytes) -> bool:
            query = select(col(AttemptRow.raw)).where(
                col(AttemptRow.hash) == keccak256(raw)
            )
            with database.read() as tx:
                return bool(tx.scalar(query) == raw)

        proxy = stack.enter_context(FaultProxy(deployed.url, is_stored=is_stored))
        ground = AnvilGround(deployed, proxy)
        ground.begin()

        def fresh() -> tuple[AnvilGround, Database]:
            database.close()
            for left in tmp_path.glob(f"{path.name}*"):
                left.unlink()
            shutil.copy(template, path)
            return ground.fresh(), database

        yield fresh
