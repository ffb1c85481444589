"""Opening the database, its transactions, and what its failures mean.

One code base on SQLite and PostgreSQL; docs/decisions/0004-database.md says how.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    Executable,
    RootTransaction,
    RowMapping,
    Text,
    column,
    create_engine,
    event,
    insert,
    inspect,
    literal_column,
    make_url,
    select,
    table,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    IntegrityError,
    OperationalError,
    SQLAlchemyError,
)
from sqlmodel import SQLModel

from ledger.errors import LedgerError, SettingError, StoreError
from ledger.store import bulk, schema, sqlite_files
from ledger.store.refusals import conflict

#: Not Alembic's default: that table may belong to somebody else's schema.
VERSION_TABLE = "perdure_schema"

#: Opening a SQLite file up to this size reads every page of it (a fraction of a second);
#: a larger one is read through by `Database.check_pages`.
CHECKED_AT_ONCE = 64 * 1024 * 1024

#: How long a writer waits for its turn on SQLite.
BUSY_MILLISECONDS = 30_000

# Of SQLite's pages: how many a connection keeps, and how long its log may grow. A chunk of a
# roster changes up to 28 MB of them: otherwise pages would go to the log several times, and
# after each chunk from there to the file.
_READER_KILOBYTES, _WRITER_KILOBYTES = 16_384, 32_768
_LOG_PAGES = 8_000

_LOG_STAYS = (
    "the change is kept, but the log of the database (the file that ends with -wal) still holds"
    " what was there before"
)
_EXAMPLES = (
    "sqlite:////var/lib/perdure/perdure.db or postgresql://perdure@localhost/perdure"
)
# Of SQLite: somebody else has the lock, the disk fails or is full.
_PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_PROTOCOL,  # the lock, taken by many at once
    }
)
# Two upgrades at once: the second waits and finds nothing to do. Any constant serves.
_UPGRADE_LOCK = 0x70657264757265

_FAILED = "this transaction is over; what followed an error in it was not kept"

_T = TypeVar("_T")


@dataclass(slots=True)
class Transaction:
    """An open transaction; it ends with the block that opened it.

    After a statement that the database refused nothing more can be done in it, on both
    databases: whoever catches the error inside the block still gets a StoreError.
    """

    connection: Connection
    dialect: str
    over: bool = field(default=False, init=False)

    def rows(
        self, query: Executable, values: Mapping[str, object] | None = None
    ) -> Sequence[RowMapping]:
        """Every row that `query` finds, with `values` for its parameters. Raises StoreError."""
        return self._run(
            lambda: self.connection.execute(query, values).mappings().all()
        )

    def row(self, query: Executable) -> RowMapping | None:
        """The first row that `query` finds, or None. Raises StoreError."""
        return self._run(lambda: self.connection.execute(query).mappings().first())

    def scalar(
        self, query: Executable, values: Mapping[str, object] | None = None
    ) -> Any:
        """The first value that `query` finds with `values`, or None. Raises StoreError."""
        return self._run(lambda: self.connection.execute(query, values).scalar())

    def change(
        self,
        statement: Executable,
        values: Sequence[Mapping[str, object]] | None = None,
    ) -> int:
        """Change rows, once for each of `values` if they are given: of none, nothing.

        Answers how many an UPDATE or DELETE found. Raises Conflict for a broken constraint, StoreError for any other reason.
        """
        if values is None:
            return self._run(lambda: self.connection.execute(statement).rowcount)
        # SQLAlchemy would take an empty list for no list, and add a row of nothing.
        if not values:
            return 0
        return self._run(
            lambda: self.connection.execute(statement, list(values)).rowcount
        )

    def add_columns(
        self, row: type[SQLModel], columns: Mapping[str, Sequence[object]]
    ) -> None:
        """Add rows, at least one, given column by column. Raises as `change` does."""
        if self.dialect == "sqlite":
            sql, ready = bulk.for_sqlite(row, columns)
            self._run(lambda: self.connection.exec_driver_sql(sql, ready))
            return
        rows = zip(*columns.values(), strict=True)
        self.change(
            insert(row), [dict(zip(columns, values, strict=True)) for values in rows]
        )

    def add_if_absent(self, row: type[SQLModel], values: Mapping[str, object]) -> bool:
        """Add one row unless a unique key of it is there; answer whether it was added.

        Waits for another transaction that is just adding it. Raises as `change` does.
        """
        make = postgresql.insert if self.dialect == "postgresql" else sqlite.insert
        statement = make(row).values(dict(values)).on_conflict_do_nothing()
        # Not a row count: drivers do not promise one for an INSERT.
        return self.scalar(statement.returning(literal_column("1"))) is not None

    def _run(self, work: Callable[[], _T]) -> _T:
        if self.over:
            raise StoreError(_FAILED)
        try:
            return work()
        except SQLAlchemyError as error:
            self.over = True
            refusal = _refusal(error)
            # The cause of these two quotes the values of the row: it ends here.
            if isinstance(error, IntegrityError | DataError):
                raise refusal from None
            raise refusal from error


@dataclass(frozen=True, slots=True)
class Database:
    """A database whose schema is the one this release was written for."""

    name: str
    _writer: Engine
    _reader: Engine

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the database at `url`.

        Raises SettingError, saying what it found and what to do, for a database that is
        absent, read-only, damaged, not ours, or not at this release's schema; StoreError for
        one that does not answer now: its server is down, its lock is held, its disk is full.
        """
        parsed = _parse(url)
        name = _name(parsed)
        if parsed.get_backend_name() == "sqlite":
            _require_file(parsed, name)
        writer = _engine(parsed)
        try:
            with _opening(name), writer.begin() as connection:
                _require_sound(connection, name)
                _require_head(connection, name)
                _require_writable(connection, name)
        except LedgerError:
            writer.dispose()
            raise
        return cls(name, writer, _engine(parsed, read_only=True))

    @classmethod
    def upgrade(cls, url: str) -> Self:
        """Bring the database at `url` to this release's schema, all or nothing, and open it.

        A SQLite file that does not exist is made. Raises as `open` does.
        """
        parsed = _parse(url)
        name = _name(parsed)
        if parsed.get_backend_name() == "sqlite":
            path = Path(str(parsed.database).removeprefix("file:"))
            if path.is_file():
                _require_whole(path, name)
            else:
                _make_private(path)
        engine = _engine(parsed, foreign_keys=False)
        try:
            with _opening(name), engine.begin() as connection:
                if connection.dialect.name == "postgresql":
                    connection.execute(
                        text("SELECT pg_advisory_xact_lock(:key)"),
                        {"key": _UPGRADE_LOCK},
                    )
                _require_ours(connection, name)
                schema.upgrade(connection)
                if connection.dialect.name == "sqlite":
                    _require_references(connection, name)
        finally:
            engine.dispose()
        return cls.open(url)

    def begin(self) -> AbstractContextManager[Transaction]:
        """A transaction that may write: committed at the end, rolled back on any error.

        When the block has been left without an error, the data is on the disk. On SQLite
        there is one at a time. Raises StoreError; if it came from the commit itself, the
        data may be there all the same, and the message says so.
        """
        return _transaction(self._writer)

    def begin_at_once(self) -> AbstractContextManager[Transaction]:
        """As `begin`, but raises StoreError where it would wait for another writer."""
        return _transaction(self._writer, waits=False)

    def read(self) -> AbstractContextManager[Transaction]:
        """A transaction that sees one state of the database and cannot write.

        It waits for no writer. Raises StoreError.
        """
        return _transaction(self._reader)

    def empty_log(self) -> bool:
        """Bring SQLite's log into its file and cut it to nothing; answer whether that is done.

        What was erased stays in the log until then. PostgreSQL's is not ours to empty: False.
        Raises StoreError if something else reads the log meanwhile.
        """
        if self._writer.dialect.name != "sqlite":
            return False
        try:
            with closing(self._writer.raw_connection()) as connection:
                cursor = connection.cursor()
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                [(busy, *_)] = cursor.fetchall()
        except SQLAlchemyError as error:
            raise _refusal(error) from error
        except sqlite3.Error as error:
            raise StoreError(f"{_LOG_STAYS}: {error}") from error
        if busy:
            raise StoreError(
                f"{_LOG_STAYS}, because something else reads or writes the database; run the"
                " same once more"
            )
        return True

    def check_pages(self) -> None:
        """Read every page of a SQLite file; PostgreSQL checks its own.

        Raises as `open` does. Takes seconds for each gigabyte.
        """
        with _opening(self.name), self._reader.begin() as connection:
            if connection.dialect.name == "sqlite":
                _quick_check(connection, self.name)

    def check_schema(self) -> None:
        """Make sure that the schema still is this release's.

        Raises SettingError if it is another one, StoreError if the database does not answer.
        """
        with self.read() as tx:
            try:
                found = _revision(tx.connection)
            except SQLAlchemyError as error:
                raise _refusal(error) from error
        head = schema.versions()[-1]
        if found != head:
            raise SettingError(
                f"the database {self.name} has the schema {found}, not {head}"
            )

    def close(self) -> None:
        """Give all connections back."""
        self._writer.dispose()
        self._reader.dispose()


@contextmanager
def _transaction(engine: Engine, *, waits: bool = True) -> Iterator[Transaction]:
    try:
        connection = engine.connect()
    except SQLAlchemyError as error:
        raise _refusal(error) from error
    with connection:
        try:
            ending = connection.begin() if waits else _begin_at_once(connection)
        except SQLAlchemyError as error:
            raise _refusal(error) from error
        tx = Transaction(connection, engine.dialect.name)
        try:
            yield tx
        except BaseException:
            tx.over = True
            ending.rollback()
            raise
        if tx.over:
            # PostgreSQL would answer this COMMIT with a silent rollback.
            ending.rollback()
            raise StoreError(_FAILED)
        tx.over = True
        try:
            ending.commit()
        except SQLAlchemyError as error:
            # Unknown is not failure: a repeated request meets its idempotency key.
            raise StoreError(
                f"whether the database kept it is not known: {_reason(error)}"
            ) from error


def _begin_at_once(connection: Connection) -> RootTransaction:
    if connection.dialect.name == "postgresql":
        ending = connection.begin()
        connection.execute(text("SET LOCAL lock_timeout = 1"))  # ms; 0 is for ever
        return ending
    # Not through SQLAlchemy, which would begin the transaction for it.
    driver: Any = connection.connection.driver_connection
    driver.execute("PRAGMA busy_timeout=0")
    try:
        return connection.begin()
    finally:
        driver.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")


def _refusal(error: SQLAlchemyError) -> StoreError:
    if isinstance(error, IntegrityError):
        return conflict(error)
    if isinstance(error, DataError):
        return StoreError("the database cannot hold one of these values")
    return StoreError(
        f"the database did not do it, and nothing was changed: {_reason(error)}"
    )


def _reason(error: SQLAlchemyError) -> str:
    # `hide_parameters` keeps the values out of this text; the first line has the reason.
    return str(error).partition("\n")[0]


def _parse(url: str) -> URL:
    parsed, port = None, 0
    with suppress(ArgumentError, ValueError):
        parsed = make_url(url)
        port = 1 if parsed.port is None else parsed.port
    # No cause is kept: SQLAlchemy gives a port that is no number to int(), whose error quotes
    # it, and where somebody left the host out it is the password.
    if parsed is None or not 1 <= port <= 65_535:
        raise SettingError(f"not a database URL; use {_EXAMPLES}")
    if parsed.drivername in {"postgresql", "postgres"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in {"sqlite", "postgresql+psycopg"}:
        raise SettingError(
            f"database {parsed.drivername} is not supported; use {_EXAMPLES}"
        )
    if parsed.drivername == "sqlite" and parsed.database in {None, "", ":memory:"}:
        raise SettingError(f"a database in memory would be lost; use {_EXAMPLES}")
    return parsed


def _name(url: URL) -> str:
    # What is asked of the driver may be a password too, and no name has to hold it.
    return url.set(query={}).render_as_string(hide_password=True)


def _engine(url: URL, *, read_only: bool = False, foreign_keys: bool = True) -> Engine:
    # Without hide_parameters one failed insert prints every row into the log.
    if url.get_backend_name() == "postgresql":
        engine = create_engine(url, hide_parameters=True, pool_pre_ping=True)
        event.listen(engine, "connect", _durable_commits)
        if read_only:
            # REPEATABLE READ: as on SQLite, every statement sees the same state.
            return engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        return engine

    pragmas = [
        f"busy_timeout={BUSY_MILLISECONDS}",
        "synchronous=FULL",
        "secure_delete=ON",  # what was erased is overwritten, not only unlinked
        f"foreign_keys={'ON' if foreign_keys else 'OFF'}",
        f"query_only={'ON' if read_only else 'OFF'}",
        f"cache_size=-{_READER_KILOBYTES if read_only else _WRITER_KILOBYTES}",
        f"wal_autocheckpoint={_LOG_PAGES}",
    ]

    def connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # no hidden BEGIN by the driver
        _log_ahead(connection)
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    def begun(connection: Connection) -> None:
        # Plain BEGIN, then a write, fails with "database is locked" under load:
        # busy_timeout does not help when a read lock must be upgraded.
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    engine = create_engine(url, hide_parameters=True)
    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine


def _log_ahead(connection: sqlite3.Connection) -> None:
    # The first to open a new file turns it over. SQLite waits for some of the locks that
    # this takes, each time anew, and for others not at all: it is told not to, and we wait.
    connection.execute("PRAGMA busy_timeout=0")
    deadline = time.monotonic() + BUSY_MILLISECONDS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() >= deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _durable_commits(connection: Any, _record: object) -> None:
    # A server may be set to answer before the disk has it. We promise after.
    connection.autocommit = True
    (setting,) = connection.execute("SHOW synchronous_commit").fetchone()
    if setting == "off":
        connection.execute("SET synchronous_commit = on")
    connection.autocommit = False


@contextmanager
def _opening(name: str) -> Iterator[None]:
    # While opening, what the database says is about how it was set up, unless it may say
    # otherwise later: a service that ends over a setting is not started again.
    try:
        yield
    except SQLAlchemyError as error:
        if _may_pass(error):
            raise StoreError(
                f"the database {name} does not answer: {_reason(error)}"
            ) from error
        raise SettingError(
            f"cannot use the database {name}: {_reason(error)}"
        ) from error


def _may_pass(error: SQLAlchemyError) -> bool:
    if not isinstance(error, OperationalError):
        return False
    if isinstance(error.orig, sqlite3.Error):
        # The low byte is the kind, the others say more. What Python's module refuses by
        # itself, as bytes that are no text, has none.
        code: int | None = getattr(error.orig, "sqlite_errorcode", None)
        return code is not None and code & 0xFF in _PASSING
    # Of PostgreSQL: whatever kept it from answering. A server that starts says so as one
    # that knows no such role does, in words alone.
    return True


def _require_file(url: URL, name: str) -> None:
    # SQLite would make an empty one, and the mistyped name would look like lost data.
    path = str(url.database).removeprefix("file:")
    if not Path(path).is_file():
        raise SettingError(
            f"there is no database {name}; to make it, run: perdure db upgrade"
        )
    _require_whole(Path(path), name)


def _make_private(path: Path) -> None:
    """An empty file for its owner alone: names and addresses of people come into it.

    SQLite gives its log the rights of the database. What cannot be made here SQLite cannot make
    either, and says why.
    """
    with suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _require_whole(path: Path, name: str) -> None:
    missing = sqlite_files.missing_bytes(path)
    if missing:
        raise SettingError(
            f"the database {name} is cut short: {missing:,} bytes are missing, as after a copy"
            " that was not finished. Nothing was changed; restore it from a backup"
        )
    if sqlite_files.is_torn(path):
        raise SettingError(
            f"the log of the database {name} (the file that ends with -wal) is damaged before"
            " its last transaction: what follows would be lost silently. Nothing was changed;"
            " keep both files, and restore the database from a backup"
        )


def _require_sound(connection: Connection, name: str) -> None:
    if connection.dialect.name != "sqlite":
        return
    pages = connection.execute(text("PRAGMA page_count")).scalar_one()
    size = connection.execute(text("PRAGMA page_size")).scalar_one()
    if pages * size <= CHECKED_AT_ONCE:
        _quick_check(connection, name)


def _quick_check(connection: Connection, name: str) -> None:
    found = connection.execute(text("PRAGMA quick_check(1)")).scalar_one()
    if found != "ok":
        raise SettingError(
            f"the database {name} is damaged ({found}); restore it from a backup"
        )


def _require_ours(connection: Connection, name: str) -> None:
    tables = set(inspect(connection).get_table_names())
    if tables and VERSION_TABLE not in tables:
        raise SettingError(
            f"the database {name} holds tables that are not Perdure's; name an empty one"
        )
    found = _revision(connection) if tables else None
    if found is not None and found not in schema.versions():
        raise SettingError(
            f"the database {name} has the schema {found} of another release of Perdure;"
            " use that release or a newer one"
        )


def _require_head(connection: Connection, name: str) -> None:
    _require_ours(connection, name)
    tables = inspect(connection).get_table_names()
    found = _revision(connection) if VERSION_TABLE in tables else None
    head = schema.versions()[-1]
    if found != head:
        state = "is empty" if found is None else f"has the schema {found}, not {head}"
        raise SettingError(f"the database {name} {state}; run: perdure db upgrade")


def _require_writable(connection: Connection, name: str) -> None:
    refusal = SettingError(f"the database {name} is read-only; Perdure writes to it")
    if connection.dialect.name == "postgresql":
        if connection.execute(text("SHOW transaction_read_only")).scalar_one() == "on":
            raise refusal
        return
    # SQLite lets a reader BEGIN IMMEDIATE; only writing shows. This one changes nothing.
    version = connection.execute(text("PRAGMA user_version")).scalar_one()
    with connection.begin_nested() as undone:
        try:
            connection.execute(text(f"PRAGMA user_version = {int(version)}"))
        except OperationalError as error:
            if _may_pass(error):
                raise
            raise refusal from error
        undone.rollback()


def _require_references(connection: Connection, name: str) -> None:
    # Tables are rebuilt with foreign keys off; this finds what they would have refused.
    broken = connection.execute(text("PRAGMA foreign_key_check")).first()
    if broken is not None:
        raise SettingError(
            f"upgrading {name} would break a reference from the table {broken[0]};"
            " nothing was changed"
        )


def _revision(connection: Connection) -> str | None:
    version = column("version_num", Text)
    return connection.execute(
        select(version).select_from(table(VERSION_TABLE))
    ).scalar()
