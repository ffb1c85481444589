"""A world for each test."""

import logging
from collections.abc import Iterator

import pytest

from ledger.store.database import Database
from tests.unit.anchor_worker.worlds import World


@pytest.fixture
def world(sqlite_database: Database) -> World:
    return World(sqlite_database)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """The worker's log, also if an earlier test ran its entry point, which keeps it apart."""
    logger = logging.getLogger("anchor_worker")
    before = logger.propagate
    logger.propagate = True
    with caplog.at_level(logging.INFO, logger="anchor_worker"):
        yield caplog
    logger.propagate = before
