"""Many rows into one table on SQLite, made ready for the driver column by column.

SQLAlchemy does it row by row, which takes half as long again as the database itself. What a
value becomes is still for the column's type to say.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias, cast

from sqlalchemy import insert
from sqlalchemy.dialects import sqlite
from sqlmodel import SQLModel

_Processor: TypeAlias = Callable[[Any], Any]

_SQLITE = sqlite.dialect()


@lru_cache(maxsize=16)
def _statement(
    row: type[SQLModel], names: tuple[str, ...]
) -> tuple[str, Mapping[str, _Processor | None], Sequence[str]]:
    table = row.metadata.tables[str(row.__tablename__)]
    compiled = insert(table).compile(dialect=_SQLITE, column_keys=list(names))
    processors = {
        name: table.columns[name].type.dialect_impl(_SQLITE).bind_processor(_SQLITE)
        for name in names
    }
    # SQLite's parameters are question marks, so they have an order.
    return str(compiled), processors, cast("list[str]", compiled.positiontup)


def for_sqlite(
    row: type[SQLModel], columns: Mapping[str, Sequence[object]]
) -> tuple[str, list[tuple[object, ...]]]:
    """The INSERT for rows of these columns, and its values, a tuple for each row."""
    sql, processors, order = _statement(row, tuple(columns))
    ready = [_bound(columns[name], processors[name]) for name in order]
    return sql, list(zip(*ready, strict=True))


def _bound(values: Sequence[object], process: _Processor | None) -> Sequence[object]:
    if process is None:
        return values
    # A school, a key and an instant stand in all rows, as the very objects.
    different = {id(value): value for value in values}
    bound = {key: process(value) for key, value in different.items()}
    return [bound[id(value)] for value in values]
