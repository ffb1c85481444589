"""Everything that a SQLite database holds, as plain rows to compare."""

import sqlite3
from contextlib import closing
from pathlib import Path

Row = tuple[object, ...]


def dump(file: Path) -> dict[str, list[Row]]:
    """Every row of every table, leaving out when API keys were last used."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        tables = [
            name
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
            )
        ]
        found = {}
        for table in tables:
            columns = [
                column
                for _, column, *_ in connection.execute(f"PRAGMA table_info({table})")
                if (table, column) != ("api_key", "last_used_at")
            ]
            query = f"SELECT {', '.join(columns)} FROM {table}"  # noqa: S608 - our own schema
            found[table] = sorted(connection.execute(query).fetchall(), key=repr)
    return found


def text_of(file: Path) -> bytes:
    """Every value as bytes, to search in."""
    return repr(dump(file)).encode()
