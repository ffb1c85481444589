"""The versions of the schema that this release knows, and how Alembic makes the newest one."""

import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

if TYPE_CHECKING:
    from alembic.config import Config

_MIGRATIONS = Path(__file__).parent / "migrations"


@cache
def versions() -> tuple[str, ...]:
    """All of them, the oldest first; the last one is this release's.

    They are the numbers that the names of the migrations begin with. Alembic, which compiles
    every migration to tell the same, takes a tenth of a second at each start.
    """
    files = (_MIGRATIONS / "versions").glob("[0-9]*.py")
    found = tuple(sorted(path.stem.partition("_")[0] for path in files))
    if not found:
        raise RuntimeError(f"no migrations in {_MIGRATIONS}")
    return found


def migrations(connection: Connection) -> "Config":
    """How Alembic finds our migrations, to be run on `connection`."""
    from alembic.config import Config

    # Its default is what was the standard output when Alembic was imported, long ago perhaps.
    config = Config(stdout=sys.stdout)
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection) -> None:
    """Bring the schema of `connection` to this release's, within the open transaction."""
    from alembic import command

    command.upgrade(migrations(connection), "head")
