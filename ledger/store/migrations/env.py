"""Runs the migrations on the connection it is given, or on `alembic -x url=URL`."""

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection, create_engine
from sqlmodel import UTCDateTime

from ledger.store.database import VERSION_TABLE
from ledger.store.tables import metadata


def public_name(
    kind: str, item: object, _context: AutogenContext
) -> str | Literal[False]:
    """Write the type by the name under which it is exported."""
    if kind == "type" and isinstance(item, UTCDateTime):
        return "sqlmodel.UTCDateTime()"
    return False


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table=VERSION_TABLE,
        compare_type=True,
        render_item=public_name,
        # SQLite cannot alter a table in place; the driver is told to BEGIN (database.py),
        # so there too a migration happens whole or not at all.
        render_as_batch=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:  # a developer, writing a migration
    with create_engine(
        context.get_x_argument(as_dictionary=True)["url"]
    ).begin() as own:
        run(own)
