"""A pytest plugin: which tests are counted, and which of them come first.

Counting lines takes as long again as the tests themselves. Counted are the tests that mirror
the packages and run in their own process; what they start is not, and neither are servers,
browsers, other programs and long rows of cases.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")

TESTS = Path(__file__).resolve().parent

COUNTED = (
    *("unit/anchor_worker", "unit/artwork", "unit/chain", "unit/core", "unit/keystore"),
    *("unit/services", "unit/store", "unit/verify", "unit/watch", "unit/web"),
    *("unit/test_config.py", "integration/anchor_worker", "integration/chain"),
    *("integration/cli", "integration/web"),
)
#: They compare with a page that Node runs; the Python side has its own tests.
UNCOUNTED = ("unit/verify/page",)


def is_counted(path: Path) -> bool:
    """Whether the tests of this file are, as far as its folder tells."""
    return any(path.is_relative_to(TESTS / name) for name in COUNTED) and not any(
        path.is_relative_to(TESTS / name) for name in UNCOUNTED
    )


def pytest_configure(config: pytest.Config) -> None:
    # The workers of a parallel run have begun to count by now; what they start does not.
    if hasattr(config, "workerinput"):
        for name in ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"):
            os.environ.pop(name, None)


def pytest_itemcollected(item: pytest.Item) -> None:
    if not is_counted(item.path):
        item.add_marker("uncounted")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Long tests first, in each worker's share: at the end, the others would wait for one."""
    workers: int = getattr(config, "workerinput", {}).get("workercount", 1)
    long = [item for item in items if is_long(item)]
    short = [item for item in items if not is_long(item)]
    items[:] = in_shares(long, short, workers)


def is_long(item: pytest.Item) -> bool:
    """Whether it asked for more time than all tests have."""
    return item.get_closest_marker("timeout") is not None


def in_shares(long: Sequence[T], short: Sequence[T], workers: int) -> list[T]:
    """A part for each of `workers`, one after the other, as even as can be."""
    return [
        each
        for worker in range(workers)
        for each in (
            *long[worker::workers],
            *short[
                len(short) * worker // workers : len(short) * (worker + 1) // workers
            ],
        )
    ]
