"""kill -9 between any two SQL statements leaves nothing half done."""

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.engine import Engine

from ledger.store.database import Database
from ledger.store.tables import metadata
from tests.integration.store.processes import everything
from tests.unit.store.samples import Undo, add_school

ROOT = Path(__file__).parent.parent.parent.parent


def content(database: Database) -> dict[str, list[str]]:
    """Every row of every table."""
    with database.read() as tx:
        return {
            table.name: sorted(repr(dict(row)) for row in tx.rows(select(table)))
            for table in metadata.sorted_tables
        }


def statements_of_everything(database: Database) -> int:
    seen: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        seen.append(statement)

    with suppress(Undo), database.begin() as tx:
        event.listen(Engine, "after_cursor_execute", note)
        try:
            everything(tx)
        finally:
            event.remove(Engine, "after_cursor_execute", note)
        raise Undo
    return len(seen)


@pytest.mark.slow
def test_kill_between_any_two_statements(database: Database, database_url: str) -> None:
    with database.begin() as tx:
        add_school(tx)
    before = content(database)
    last = statements_of_everything(database)
    assert last > 10

    with subprocess.Popen(
        [sys.executable, "-m", "tests.integration.store.processes", database_url],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for statement in range(1, last + 2):
            process.stdin.write(f"{statement}\n")
            process.stdin.flush()

            # Killed, not failed for another reason: else this would show nothing.
            assert int(process.stdout.readline()) == signal.SIGKILL, statement
            if statement <= last:
                assert before == content(database), statement
        process.stdin.close()

    # The last one was killed after its commit and before it could say so.
    after = content(database)
    for table in (
        "credential",
        "status_block",
        "batch",
        "chain_tx",
        "attempt",
        "lease",
    ):
        assert len(after[table]) > len(before[table]), table
