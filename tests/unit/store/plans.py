"""How SQLite goes about a function's queries: what is asked often must not read all there is."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, event

from ledger.store.database import Database, Transaction

_EXPLAIN = "EXPLAIN QUERY PLAN "


def plan_of(database: Database, work: Callable[[Transaction], object]) -> list[str]:
    """The steps of every query that `work` asks, as SQLite tells them."""
    steps: list[str] = []

    def asked(
        connection: Connection,
        _cursor: object,
        statement: str,
        parameters: Any,
        *_: object,
    ) -> None:
        if statement.startswith("SELECT"):
            rows = connection.exec_driver_sql(_EXPLAIN + statement, parameters)
            steps.extend(row.detail for row in rows)

    with database.read() as tx:
        event.listen(tx.connection, "before_cursor_execute", asked)
        work(tx)
    return steps
