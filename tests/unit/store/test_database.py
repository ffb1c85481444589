import os
import re
import sqlite3
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from sqlalchemy import delete, func, insert, literal, select, text, update
from sqlalchemy.exc import OperationalError
from sqlmodel import UTCDateTime

from ledger.core.merkle import node_hash, sealed_root
from ledger.core.short_code import ShortCode
from ledger.errors import Conflict, LedgerError, NotFound, SettingError, StoreError
from ledger.store import (
    batches,
    chain_txs,
    chains,
    credentials,
    database as store_database,
    evidence,
    issuers,
    organisations,
    trees,
)
from ledger.store.database import Database, Transaction, _parse
from ledger.store.records import Chain
from ledger.store.schema import migrations
from ledger.store.tables import OrganisationRow, metadata
from tests.unit.store.samples import (
    NOW,
    add_school,
    credential,
    issue,
    new_chain_tx,
)


def add(tx: Transaction, code: str, name: str = "Riverside") -> None:
    organisations.add(tx, id=uuid4(), code=code, name=name, now=NOW)


def codes(database: Database) -> list[str]:
    with database.read() as tx:
        return [organisation.code for organisation in organisations.all(tx)]


# ---------------------------------------------------------------- transactions


def test_what_is_committed_is_there_for_the_next_process(database_url: str) -> None:
    with closing(Database.open(database_url)) as database, database.begin() as tx:
        add(tx, "riverside")

    with closing(Database.open(database_url)) as database:
        assert codes(database) == ["riverside"]


@pytest.mark.parametrize("error", [NotFound, KeyError, KeyboardInterrupt])
def test_any_error_takes_everything_back(
    database: Database, error: type[BaseException]
) -> None:
    def fail() -> None:
        with database.begin() as tx:
            add(tx, "riverside")
            raise error

    with pytest.raises(error):
        fail()
    assert codes(database) == []


def test_nothing_follows_a_refused_statement(database: Database) -> None:
    """Caught inside or not: PostgreSQL would answer the COMMIT with a silent rollback."""

    def go_on() -> None:
        with database.begin() as tx:
            add(tx, "riverside")
            with suppress(Conflict):
                add(tx, "riverside")
            with pytest.raises(StoreError, match="transaction is over"):
                add(tx, "other")

    with pytest.raises(StoreError, match="transaction is over"):
        go_on()
    assert codes(database) == []


def test_transaction_ends_with_its_block(database: Database) -> None:
    with database.begin() as tx:
        add(tx, "riverside")

    with pytest.raises(StoreError, match="transaction is over"):
        add(tx, "other")


def test_reading_transaction_cannot_write(database: Database) -> None:
    def write() -> None:
        with database.read() as tx:
            tx.change(delete(OrganisationRow))

    with pytest.raises(StoreError, match=r"read-?only"):
        write()


def test_reader_sees_one_state_and_waits_for_no_writer(database: Database) -> None:
    count = select(func.count()).select_from(OrganisationRow)
    with database.read() as reader:
        assert reader.scalar(count) == 0
        with database.begin() as writer:
            add(writer, "riverside")
            assert reader.scalar(count) == 0
        assert reader.scalar(count) == 0
    assert codes(database) == ["riverside"]


def test_row_and_scalar_are_none_without_a_row(database: Database) -> None:
    nobody = select(OrganisationRow).filter_by(code="nobody")
    with database.read() as tx:
        assert tx.row(nobody) is None
        assert tx.scalar(nobody) is None
        assert tx.rows(nobody) == []


def test_change_counts_rows(database: Database) -> None:
    with database.begin() as tx:
        for code in ("a", "b"):
            add(tx, code)

        assert tx.change(update(OrganisationRow).values(name="New")) == 2
        assert tx.change(delete(OrganisationRow).filter_by(code="nobody")) == 0


def test_absent_row_is_added_once(database: Database) -> None:
    values = {"id": uuid4(), "code": "r", "name": "R", "created_at": NOW}
    with database.begin() as tx:
        assert tx.add_if_absent(OrganisationRow, values)
        assert not tx.add_if_absent(OrganisationRow, {**values, "id": uuid4()})
        assert not tx.add_if_absent(OrganisationRow, {**values, "code": "s"})
    assert codes(database) == ["r"]


# ---------------------------------------------------------------- what errors say


CANARY = "canary.person@example.org"


def refused_by_a_constraint(tx: Transaction) -> None:
    school = add_school(tx)
    record = credential(school, 1, recipient_email=CANARY)
    twin = credential(school, 2, recipient_email=CANARY)
    credentials.insert(tx, [record, twin])


def refused_by_a_check(tx: Transaction) -> None:
    add(tx, "riverside", CANARY * 20)


def refused_by_a_reference(tx: Transaction) -> None:
    school = add_school(tx)
    record = credential(school, 1, recipient_email=CANARY, achievement_code="none")
    credentials.insert(tx, [record])


def refused_by_a_missing_value(tx: Transaction) -> None:
    values = {"id": uuid4(), "code": None, "name": CANARY, "created_at": NOW}
    tx.change(insert(OrganisationRow).values(values))


def refused_by_the_syntax(tx: Transaction) -> None:
    tx.rows(select(literal(CANARY)).select_from(text("no_such_table")))


def refused_by_the_driver(tx: Transaction) -> None:
    """A time without a zone."""
    naive = NOW.replace(tzinfo=None)
    organisations.add(tx, id=uuid4(), code="r", name=CANARY, now=naive)


@pytest.mark.parametrize(
    ("work", "kind"),
    [
        (refused_by_a_constraint, Conflict),
        (refused_by_a_check, Conflict),
        (refused_by_a_reference, Conflict),
        (refused_by_a_missing_value, Conflict),
        (refused_by_the_syntax, StoreError),
        (refused_by_the_driver, StoreError),
    ],
)
def test_no_error_and_no_cause_of_it_quotes_a_value(
    database: Database, work: Callable[[Transaction], None], kind: type[LedgerError]
) -> None:
    def fail() -> None:
        with database.begin() as tx:
            work(tx)

    with pytest.raises(kind) as caught:
        fail()

    printed = "".join(traceback.format_exception(caught.value))
    assert type(caught.value) is kind
    assert CANARY not in printed


@pytest.mark.postgres
def test_value_that_cannot_be_held_is_not_quoted(postgres_url: str) -> None:
    def fail() -> None:
        with closing(Database.open(postgres_url)) as database, database.begin() as tx:
            add(tx, "riverside", CANARY + "\0")

    with pytest.raises(StoreError, match="cannot hold one of these values") as caught:
        fail()
    assert CANARY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.postgres
def test_lost_connection_is_a_store_error_and_the_next_one_works(
    postgres_url: str,
) -> None:
    with closing(Database.open(postgres_url)) as database:

        def fail() -> None:
            with database.begin() as tx:
                add(tx, "riverside")
                pid = tx.scalar(select(func.pg_backend_pid()))
                with psycopg.connect(postgres_url, autocommit=True) as other:
                    other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
                add(tx, "other")

        with pytest.raises(StoreError, match="nothing was changed"):
            fail()
        assert codes(database) == []


@pytest.mark.postgres
def test_commit_without_an_answer_is_not_called_a_failure(postgres_url: str) -> None:
    with closing(Database.open(postgres_url)) as database:

        def fail() -> None:
            with database.begin() as tx:
                add(tx, "riverside")
                pid = tx.scalar(select(func.pg_backend_pid()))
                with psycopg.connect(postgres_url, autocommit=True) as other:
                    other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

        with pytest.raises(StoreError, match="kept it is not known"):
            fail()


@pytest.mark.parametrize("transaction", ["begin", "read"])
def test_database_that_went_away_is_a_store_error(
    sqlite_url: str, tmp_path: Path, transaction: str
) -> None:
    with closing(Database.open(sqlite_url)) as database:
        database.close()
        (tmp_path / "perdure.db").rename(tmp_path / "moved.db")
        (tmp_path / "perdure.db").mkdir()

        with (
            pytest.raises(StoreError, match="unable to open"),
            getattr(database, transaction)(),
        ):
            pass


def test_full_disk_is_a_store_error_and_writing_goes_on_once_there_is_room(
    sqlite_database: Database,
) -> None:
    with sqlite_database.begin() as tx:
        add(tx, "kept")
        pages = tx.scalar(text("PRAGMA page_count"))
        tx.scalar(text(f"PRAGMA max_page_count={pages}"))

    def fill() -> None:
        with sqlite_database.begin() as tx:
            for n in range(2_000):
                add(tx, f"lost-{n}", "n" * 200)

    with pytest.raises(StoreError, match="full"):
        fill()
    assert codes(sqlite_database) == ["kept"]

    with sqlite_database.begin() as tx:
        tx.scalar(text("PRAGMA max_page_count=1000000"))
    with sqlite_database.begin() as tx:
        add(tx, "later")
    assert codes(sqlite_database) == ["kept", "later"]


def test_busy_new_file_is_turned_over_later_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """We wait as long as we say; not five seconds of SQLite's own for each attempt."""
    monkeypatch.setattr(store_database, "BUSY_MILLISECONDS", 50)
    path = tmp_path / "new.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("BEGIN EXCLUSIVE")
        begun = time.monotonic()
        with pytest.raises(StoreError, match="database is locked"):
            Database.upgrade(f"sqlite:///{path}")
        assert time.monotonic() - begun < 5

    Database.upgrade(f"sqlite:///{path}").close()


def test_write_waits_for_its_turn_and_says_so_if_it_never_comes(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_database, "BUSY_MILLISECONDS", 50)
    with (
        closing(Database.open(sqlite_url)) as one,
        closing(Database.open(sqlite_url)) as two,
        one.begin(),
        pytest.raises(StoreError, match="database is locked"),
        two.begin(),
    ):
        pass


def test_what_is_begun_at_once_waits_for_no_other_writer(database_url: str) -> None:
    """The busy time is half a minute, and the test's own limit is shorter."""
    with (
        closing(Database.open(database_url)) as one,
        closing(Database.open(database_url)) as two,
    ):
        with one.begin() as tx:
            add(tx, "school")
        with one.begin() as tx:
            organisations.lock(tx, organisations.by_code(tx, "school").id)
            with pytest.raises(StoreError), two.begin_at_once() as hurried:
                organisations.lock(hurried, organisations.by_code(hurried, "school").id)

        with two.begin_at_once() as tx:
            add(tx, "free")
        assert codes(one) == ["free", "school"]


def test_whoever_begins_at_once_leaves_the_others_their_patience(
    sqlite_database: Database,
) -> None:
    with sqlite_database.begin_at_once():
        pass
    with sqlite_database.begin() as tx:
        assert tx.scalar(text("PRAGMA busy_timeout")) == 30_000


# ---------------------------------------------------------------- durability


def test_sqlite_is_set_so_that_a_commit_survives_a_power_cut(
    sqlite_database: Database,
) -> None:
    expected = {
        "journal_mode": "wal",
        "synchronous": 2,  # FULL
        "foreign_keys": 1,
        "secure_delete": 1,
        "busy_timeout": 30_000,
    }

    with sqlite_database.begin() as tx:
        found = {name: tx.scalar(text(f"PRAGMA {name}")) for name in expected}
    assert expected == found


def test_sqlite_keeps_the_pages_of_a_rosters_chunk(sqlite_database: Database) -> None:
    expected = {"cache_size": -32_768, "wal_autocheckpoint": 8_000}

    with sqlite_database.begin() as tx:
        found = {name: tx.scalar(text(f"PRAGMA {name}")) for name in expected}
    assert expected == found


@pytest.mark.postgres
def test_postgresql_answers_after_the_disk_whatever_the_server_prefers(
    postgres_url: str,
) -> None:
    url = postgres_url + "&options=-c%20synchronous_commit%3Doff"
    with psycopg.connect(url) as raw:
        assert raw.execute("SHOW synchronous_commit").fetchone() == ("off",)

    with closing(Database.open(url)) as database, database.begin() as tx:
        assert tx.scalar(text("SHOW synchronous_commit")) == "on"


def test_erased_content_is_gone_from_the_files(tmp_path: Path, sqlite_url: str) -> None:
    """From the log too, while the database is open; and not merely unlinked."""
    with closing(Database.open(sqlite_url)) as database:
        with database.begin() as tx:
            school = add_school(tx)
            data = CANARY.encode() * 1_000
            record = credential(school, 1, recipient_email=CANARY, data=data)
            record = replace(record, recipient_name="Canary Person")
            credentials.insert(tx, [record])
        assert database.empty_log()
        assert CANARY.encode() in (tmp_path / "perdure.db").read_bytes()
        with database.begin() as tx:
            credentials.withdraw(tx, school.id, record.id, CANARY, NOW)
            credentials.erase(tx, school.id, record.id)
        assert database.empty_log()

        for file in tmp_path.glob("perdure.db*"):
            content = file.read_bytes()
            assert CANARY.encode() not in content, file
            assert b"Canary Person" not in content, file


@pytest.mark.postgres
def test_the_log_of_postgresql_is_not_ours_to_empty(postgres_url: str) -> None:
    with closing(Database.open(postgres_url)) as database:
        assert not database.empty_log()


@pytest.mark.postgres
def test_vacuum_full_leaves_nothing_of_what_was_erased(postgres_url: str) -> None:
    """As docs/operating.md says: of the tables that hold a person, with their indexes."""

    def files(raw: psycopg.Connection[tuple[bytes]]) -> bytes:
        raw.execute("CHECKPOINT")
        found = raw.execute(
            "SELECT pg_read_binary_file(pg_relation_filepath(oid)) FROM pg_class"
            " WHERE relkind IN ('r', 'i', 't') AND oid > 16383"
        )
        return b"".join(row[0] for row in found)

    with closing(Database.open(postgres_url)) as database:
        with database.begin() as tx:
            school = add_school(tx)
            record = credential(school, 1, recipient_email=CANARY)
            credentials.insert(tx, [replace(record, recipient_name="Canary Person")])
        with database.begin() as tx:
            credentials.erase(tx, school.id, record.id)
    with psycopg.connect(postgres_url, autocommit=True) as raw:
        assert CANARY.encode() in files(raw)
        raw.execute("VACUUM FULL credential, held_credential, stored_answer")
        left = files(raw)
    assert CANARY.encode() not in left
    assert b"Canary Person" not in left


def test_a_log_that_cannot_be_emptied_is_told(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_database, "BUSY_MILLISECONDS", 50)
    with (
        closing(Database.open(sqlite_url)) as database,
        closing(Database.open(sqlite_url)) as reader,
        reader.read() as tx,
    ):
        tx.scalar(text("SELECT count(*) FROM organisation"))
        with database.begin() as writing:
            add_school(writing)
        with pytest.raises(StoreError, match=r"is kept, but the log .* once more"):
            database.empty_log()


# ---------------------------------------------------------------- opening


def test_new_file_is_made_by_upgrading_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/perdure.db"

    with pytest.raises(SettingError, match=r"no database .* run: perdure db upgrade"):
        Database.open(url)
    assert list(tmp_path.iterdir()) == []
    Database.upgrade(url).close()
    Database.open(url).close()


def test_new_file_and_its_log_are_for_their_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        database = Database.upgrade(f"sqlite:///{tmp_path}/perdure.db")
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
        database.close()
    finally:
        os.umask(before)

    assert modes == {f"perdure.db{end}": 0o600 for end in ("", "-wal", "-shm")}


def test_rights_that_a_file_has_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "perdure.db"
    Database.upgrade(f"sqlite:///{file}").close()
    file.chmod(0o660)

    Database.upgrade(f"sqlite:///{file}").close()

    assert file.stat().st_mode & 0o777 == 0o660


def test_upgrading_again_changes_nothing(database_url: str) -> None:
    with closing(Database.open(database_url)) as database, database.begin() as tx:
        add(tx, "riverside")

    with closing(Database.upgrade(database_url)) as database:
        assert codes(database) == ["riverside"]


def test_migrations_make_exactly_the_tables(database_url: str) -> None:
    """Also CHECKs and partial indexes, as far as Alembic compares them."""
    with closing(Database.open(database_url)) as database, database.begin() as tx:
        command.check(migrations(tx.connection))


#: Back to before 0012, on PostgreSQL; SQLite makes both tables anew, whatever they were like.
WITH_ALL_INDEXES = (
    "ALTER TABLE credential DROP CONSTRAINT uq_credential_award",
    "ALTER TABLE credential ADD CONSTRAINT uq_credential_award UNIQUE (organisation_id,"
    " achievement_code, achievement_version, recipient_email, awarded_on)",
    "DROP INDEX ux_credential_place",
    "DROP INDEX ix_credential_withdrawn",
    "ALTER TABLE credential ADD CONSTRAINT uq_credential_batch_id_leaf_index"
    " UNIQUE (batch_id, leaf_index)",
    "CREATE INDEX ix_credential_earner ON credential (organisation_id, recipient_email)",
    "ALTER TABLE credential_code DROP CONSTRAINT pk_credential_code",
    "ALTER TABLE credential_code ADD CONSTRAINT pk_credential_code PRIMARY KEY (credential_id)",
    "CREATE INDEX ix_credential_code_code ON credential_code (code)",
)

#: Back to before 0016; what 0015 did is made anew from any indexes.
WITHOUT_RECOVERY_ACTS = ("ALTER TABLE issuer DROP COLUMN recovery_acts",)

#: Back to before 0014.
WITHOUT_AGE = (*WITHOUT_RECOVERY_ACTS, "DROP INDEX ix_stored_answer_age")

#: Back to before 0013.
WITHOUT_DUE = (
    *WITHOUT_AGE,
    "DROP TABLE evidence_due",
    "DROP INDEX ix_evidence_header_block",
)

#: Back to before 0011; what 0012 did is undone by `go_back`.
WITHOUT_OUTAGES = (*WITHOUT_DUE, "DROP TABLE outage")

#: Back to before 0010.
WITHOUT_CHECKPOINTS = (*WITHOUT_OUTAGES, "DROP TABLE batch_checkpoint")

#: Back to before 0009; that a place needs no path does no harm.
WITHOUT_TREES = (*WITHOUT_CHECKPOINTS, "DROP TABLE tree_tile")

#: Back to before 0008; that a lease may be of no chain does no harm.
WITHOUT_EVENTS = (
    *WITHOUT_TREES,
    "DROP TABLE event",
    "DROP TABLE event_audience",
    "DROP TABLE event_feed",
    "DROP TABLE parked_event",
)

#: Back to before 0007.
WITHOUT_HOME = (
    *WITHOUT_EVENTS,
    "DROP INDEX ux_chain_one_home",
    "ALTER TABLE chain DROP COLUMN home",
)

#: Back to before 0005: tables that were not there.
WITHOUT_LATER = (
    *WITHOUT_HOME,
    "DROP TABLE recovered_bit",
    "DROP TABLE chain_tx_cost",
    "DROP TABLE policy",
    "DROP TABLE standstill",
    "DROP TABLE sender_balance",
)

#: Back to before 0004; that a key may lack its private half does no harm.
WITHOUT_CLOSING = (
    *WITHOUT_LATER,
    "DROP TABLE carried_evidence",
    "DROP TABLE held_credential",
    "DROP TABLE final_status_list",
    "DROP TABLE closing",
    "ALTER TABLE evidence_header DROP COLUMN stale",
    "ALTER TABLE issuer DROP COLUMN closed_block",
)


def go_back(tx: Transaction, undo: tuple[str, ...], version: str) -> None:
    if tx.dialect == "postgresql":
        undo = (*WITH_ALL_INDEXES, *undo)
    for step in undo:
        tx.connection.exec_driver_sql(step)
    tx.change(text("UPDATE perdure_schema SET version_num = :v"), [{"v": version}])


def test_upgrade_to_closing_keeps_keys_and_their_rules(database_url: str) -> None:
    """SQLite makes the table of keys anew: rows, CHECKs and references survive it."""
    with closing(Database.open(database_url)) as database, database.begin() as tx:
        school = add_school(tx)
        issue(tx, school, 2)
        before = issuers.keys(tx, school.id)
        go_back(tx, WITHOUT_CLOSING, "0003")

    with closing(Database.upgrade(database_url)) as database:
        with database.read() as tx:
            assert issuers.keys(tx, school.id) == before
        for broken in (
            "UPDATE issuer_key SET key_id = 'short'",
            "UPDATE issuer_key SET role = 'other'",
            "DELETE FROM issuer_key",
        ):
            with pytest.raises(Conflict), database.begin() as tx:
                tx.change(text(broken))


@pytest.mark.parametrize("used", [(), (31337,), (31337, 1)], ids=str)
def test_upgrade_makes_the_only_chain_that_was_used_the_home(
    database_url: str, used: tuple[int, ...]
) -> None:
    chain = Chain(31337, bytes(32), "0x" + "aa" * 20, "0x" + "bb" * 20, test=True)
    other = replace(chain, chain_id=1)
    with closing(Database.open(database_url)) as database, database.begin() as tx:
        chains.record(tx, chain)
        chains.record(tx, other)
        for chain_id in used:
            new = replace(new_chain_tx("act"), chain_id=chain_id)
            chain_txs.enqueue(tx, new, NOW)
        go_back(tx, WITHOUT_HOME, "0006")

    with closing(Database.upgrade(database_url)) as database, database.begin() as tx:
        assert chains.home(tx) == (chain if used == (31337,) else None)
        # Where nothing was decided, the next use does.
        chains.record_home(tx, chain)
        assert chains.home(tx) == chain


def test_upgrade_gives_codes_to_the_credentials_that_are_there(
    database_url: str,
) -> None:
    with closing(Database.open(database_url)) as database, database.begin() as tx:
        records = issue(tx, add_school(tx), 3)
        certificates = (
            "DROP TABLE credential_code",
            "DROP INDEX IF EXISTS ix_credential_earner",
        )
        go_back(tx, (*certificates, *WITHOUT_CLOSING), "0002")

    with closing(Database.upgrade(database_url)) as database, database.read() as tx:
        for record in records:
            assert credentials.of_code(tx, ShortCode.of(record.id)) == record


#: A database of the release before 0009: two credentials sealed with their paths, one waiting.
WITH_PATHS: tuple[tuple[str, tuple[dict[str, object], ...]], ...] = (
    (
        "organisation",
        ({"id": UUID(int=1), "code": "r", "name": "R", "created_at": NOW},),
    ),
    (
        "issuer_key",
        (
            {
                "organisation_id": UUID(int=1),
                "key_id": b"k" * 32,
                "role": "signing",
                "public": "z",
                "created_at": NOW,
            },
        ),
    ),
    (
        "achievement",
        (
            {
                "organisation_id": UUID(int=1),
                "code": "git-1",
                "version": "1",
                "ordinal": 1,
                "source": b"{}",
                "created_at": NOW,
            },
        ),
    ),
    (
        "batch",
        (
            {
                "id": UUID(int=2),
                "chain_id": 1,
                "sealed_root": sealed_root(2, node_hash(b"0" * 32, b"1" * 32)),
                "tree_size": 2,
                "sealed_at": NOW,
            },
        ),
    ),
    (
        "batch_anchor",
        (
            {
                "batch_id": UUID(int=2),
                "chain_id": 1,
                "registry_address": "0x" + "5e" * 20,
                "block_number": 1,
                "time": 1,
            },
        ),
    ),
    (
        "credential",
        tuple(
            {
                "id": UUID(int=10 + n),
                "organisation_id": UUID(int=1),
                "chain_id": 1,
                "achievement_code": "git-1",
                "achievement_version": "1",
                "recipient_email": f"{n}@example.org",
                "awarded_on": NOW.date(),
                "issued_at": NOW,
                "data": b"{}",
                "leaf": b"%d" % n * 32,
                "key_id": b"k" * 32,
                "status_index": n,
                "batch_id": None if path is None else UUID(int=2),
                "leaf_index": None if path is None else n,
                "path": path,
            }
            for n, path in enumerate((b"1" * 32, b"0" * 32, None))
        ),
    ),
    (
        "credential_code",
        (
            {
                "credential_id": UUID(int=10),
                "code": ShortCode.of(UUID(int=10)).letters,
            },
        ),
    ),
)
_TYPES: dict[type, sa.types.TypeEngine[Any]] = {
    UUID: sa.Uuid(),
    datetime: UTCDateTime(),
    date: sa.Date(),
    bytes: sa.LargeBinary(),
}


def release_before_trees(url: str) -> None:
    engine = sa.create_engine(_parse(url))
    with closing(engine.connect()) as connection, connection.begin():
        command.upgrade(migrations(connection), "0008")
        for name, rows in WITH_PATHS:
            columns = [
                sa.column(key, _TYPES.get(type(value)))
                for key, value in rows[0].items()
            ]
            connection.execute(sa.insert(sa.table(name, *columns)), list(rows))
    engine.dispose()


@pytest.mark.parametrize(
    "kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def test_upgrade_to_trees_keeps_the_paths_that_are_there(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """SQLite makes the table of credentials anew: rows, rules, indexes and references survive."""
    url = f"sqlite:///{tmp_path / 'older.db'}"
    if kind == "postgres":
        url = request.getfixturevalue("empty_postgres_url")
    release_before_trees(url)

    with closing(Database.upgrade(url)) as database:
        with database.read() as tx:
            batch = batches.get(tx, UUID(int=2))
            members = list(credentials.members(tx, batch.id))
            assert [(m.id, m.leaf_index) for m in members] == [
                (UUID(int=10), 0),
                (UUID(int=11), 1),
            ]
            for member in members:
                proof = trees.proof(tx, batch, member)
                assert proof.sealed_root(member.leaf) == batch.sealed_root
            with pytest.raises(NotFound):
                list(trees.paths(tx, batch))
            assert evidence.unproved(tx, 1, 9) == [batch]
            waits = credentials.get(tx, UUID(int=1), UUID(int=12))
            assert waits.batch_id is None
            code = ShortCode.of(UUID(int=10))
            assert credentials.of_code(tx, code).id == UUID(int=10)
        # Only a path without a place is refused now.
        with database.begin() as tx:
            tx.change(text("UPDATE credential SET path = NULL"))
        for broken in (
            "UPDATE credential SET path = leaf WHERE batch_id IS NULL",
            "UPDATE credential SET leaf_index = 2 WHERE batch_id IS NULL",
            "UPDATE credential SET leaf = 'short'",
            "UPDATE credential SET status_index = 0",
            "UPDATE credential SET recipient_email = '0@example.org'",
            "UPDATE credential SET leaf_index = 0 WHERE batch_id IS NOT NULL",
            "UPDATE credential_code SET credential_id = batch.id FROM batch",
            "DELETE FROM credential",
        ):
            with pytest.raises(Conflict), database.begin() as tx:
                tx.change(text(broken))
        with database.begin() as tx:
            command.check(migrations(tx.connection))


def test_migrations_make_the_same_primary_keys(database: Database) -> None:
    """Alembic does not compare them."""
    with database.read() as tx:
        inspector = sa.inspect(tx.connection)
        for name, table in metadata.tables.items():
            made = inspector.get_pk_constraint(name)["constrained_columns"]
            assert made == [column.name for column in table.primary_key], name


@pytest.mark.parametrize(
    "kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def test_two_upgrades_at_once_are_one(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/perdure.db"
    if kind == "postgres":
        url = request.getfixturevalue("empty_postgres_url")
    failures: list[Exception] = []

    def upgrade() -> None:
        try:
            Database.upgrade(url).close()
        except LedgerError as error:
            failures.append(error)

    threads = [threading.Thread(target=upgrade) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    Database.open(url).close()


@pytest.mark.postgres
def test_empty_postgresql_asks_for_the_upgrade(empty_postgres_url: str) -> None:
    with pytest.raises(SettingError, match="is empty; run: perdure db upgrade"):
        Database.open(empty_postgres_url)

    Database.upgrade(empty_postgres_url).close()


def test_older_schema_asks_for_the_upgrade(sqlite_url: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "perdure.db")) as raw, raw:
        raw.execute("DELETE FROM perdure_schema")

    with pytest.raises(SettingError, match="run: perdure db upgrade"):
        Database.open(sqlite_url)


@pytest.mark.parametrize("action", [Database.open, Database.upgrade])
def test_newer_schema_is_left_alone(
    sqlite_url: str, tmp_path: Path, action: Callable[[str], Database]
) -> None:
    with closing(sqlite3.connect(tmp_path / "perdure.db")) as raw, raw:
        raw.execute("UPDATE perdure_schema SET version_num = '9999'")

    with pytest.raises(SettingError, match="schema 9999 of another release"):
        action(sqlite_url)


@pytest.mark.parametrize("action", [Database.open, Database.upgrade])
def test_foreign_database_is_left_alone(
    tmp_path: Path, action: Callable[[str], Database]
) -> None:
    with closing(sqlite3.connect(tmp_path / "theirs.db")) as raw, raw:
        raw.execute("CREATE TABLE alembic_version (version_num TEXT)")

    with pytest.raises(SettingError, match="not Perdure's"):
        action(f"sqlite:///{tmp_path}/theirs.db")
    with closing(sqlite3.connect(tmp_path / "theirs.db")) as raw:
        tables = raw.execute("SELECT name FROM sqlite_master").fetchall()
    assert tables == [("alembic_version",)]


@pytest.mark.parametrize("action", [Database.open, Database.upgrade])
def test_file_that_is_no_database_is_left_alone(
    tmp_path: Path, action: Callable[[str], Database]
) -> None:
    letter = b"Dear registrar, " * 1_000
    path = tmp_path / "letter.db"
    path.write_bytes(letter)

    with pytest.raises(SettingError, match="file is not a database"):
        action(f"sqlite:///{path}")
    assert path.read_bytes() == letter


def test_damaged_page_is_refused(sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "perdure.db"
    content = bytearray(path.read_bytes())
    content[3 * 4096 : 4 * 4096] = b"\xff" * 4096
    path.write_bytes(content)

    with pytest.raises(SettingError, match=r"damaged|malformed"):
        Database.open(sqlite_url)


def test_large_file_is_read_through_on_request(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_database, "CHECKED_AT_ONCE", 0)
    with closing(Database.open(sqlite_url)) as database:
        database.check_pages()
    path = tmp_path / "perdure.db"
    with closing(sqlite3.connect(path)) as connection:
        # Not one of those that hold the schema: opening reads them.
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'lease'"
        ).fetchone()
    content = bytearray(path.read_bytes())
    content[(root - 1) * 4096 : root * 4096] = b"\xff" * 4096
    path.write_bytes(content)

    with (
        closing(Database.open(sqlite_url)) as database,
        pytest.raises(SettingError, match=r"damaged|malformed"),
    ):
        database.check_pages()


@pytest.mark.postgres
def test_postgresql_checks_its_own_pages(postgres_url: str) -> None:
    with closing(Database.open(postgres_url)) as database:
        database.check_pages()


def test_read_only_file_is_refused(sqlite_url: str, tmp_path: Path) -> None:
    Database.open(sqlite_url).close()

    with pytest.raises(SettingError, match=r"readonly|read-only"):
        Database.open(f"sqlite:///file:{tmp_path}/perdure.db?mode=ro&uri=true")


@pytest.mark.postgres
def test_read_only_server_is_refused(postgres_url: str) -> None:
    read_only = "&options=-c%20default_transaction_read_only%3Don"

    with pytest.raises(SettingError, match="is read-only"):
        Database.open(postgres_url + read_only)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("perdure.db", "not a database URL; use sqlite:////var/lib"),
        ("postgresql://u:secret@h:notaport/x", "not a database URL; use sqlite:////"),
        ("postgresql://u:secret@h:70000/x", "not a database URL; use sqlite:////"),
        ("mysql://localhost/perdure", "mysql is not supported; use sqlite:////var"),
        ("sqlite://", "in memory would be lost"),
        ("sqlite:///:memory:", "in memory would be lost"),
        ("sqlite:////nowhere/at/all/perdure.db", "there is no database"),
    ],
)
def test_wrong_address_is_named(url: str, expected: str) -> None:
    with pytest.raises(SettingError, match=re.escape(expected)):
        Database.open(url)


def test_address_whose_password_stands_where_the_port_belongs_is_not_quoted() -> None:
    """Without a host, that is."""
    with pytest.raises(SettingError) as refused:
        Database.open("postgresql://perdure:secret/x")

    error = refused.value
    assert "secret" not in str(error)
    assert (error.__cause__, error.__context__) == (None, None)


def test_server_that_is_away_is_no_wrong_setting() -> None:
    """It may be starting; a service that ends over a setting is not started again."""
    url = "postgresql://127.0.0.1:1/perdure"

    for opened in (Database.open, Database.upgrade):
        with pytest.raises(StoreError, match=r"does not answer: .*Connection refused"):
            opened(url)


def test_file_whose_lock_is_held_is_no_wrong_setting(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_database, "BUSY_MILLISECONDS", 50)
    with closing(Database.open(sqlite_url)) as holder:
        for opened in (Database.open, Database.upgrade):
            with (
                holder.begin(),
                pytest.raises(StoreError, match=r"does not answer: .*is locked"),
            ):
                opened(sqlite_url)


@pytest.mark.parametrize(
    ("code", "passes"),
    [
        (sqlite3.SQLITE_BUSY_RECOVERY, True),
        (sqlite3.SQLITE_FULL, True),
        (sqlite3.SQLITE_IOERR_FSYNC, True),
        (sqlite3.SQLITE_PROTOCOL, True),
        (sqlite3.SQLITE_CANTOPEN, False),
        (sqlite3.SQLITE_CORRUPT, False),
        (sqlite3.SQLITE_READONLY_DBMOVED, False),
        (None, False),
    ],
)
def test_what_may_pass_by_itself_is_no_wrong_setting(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, code: int | None, *, passes: bool
) -> None:
    def refuse(*_: object) -> None:
        error = sqlite3.OperationalError("canary")
        if code is not None:
            error.sqlite_errorcode = code
        raise OperationalError("SELECT 1", {}, error)

    monkeypatch.setattr(store_database, "_require_head", refuse)

    with pytest.raises(StoreError if passes else SettingError, match="canary"):
        Database.open(sqlite_url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://perdure:{}@127.0.0.1:1/perdure", "perdure:***@127.0.0.1:1/per"),
        ("postgresql://perdure@127.0.0.1:1/perdure?password={}", "perdure@127.0.0.1:1"),
        (
            "postgresql://127.0.0.1:1/perdure?user=perdure&password={}&sslpassword={}",
            "127.0.0.1:1/perdure does",
        ),
    ],
)
def test_no_error_shows_a_password(url: str, shown: str) -> None:
    secret = "canary-secret"
    for opened in (Database.open, Database.upgrade):
        with pytest.raises(StoreError, match=re.escape(shown)) as caught:
            opened(url.format(secret, secret))

        said = traceback.format_exception(caught.value)
        assert secret not in str(caught.value)
        assert url.format(secret, secret) not in "".join(said)
        assert f":{secret}@" not in "".join(said)
        assert f"password={secret}" not in "".join(said)


def test_broken_reference_stops_an_upgrade(sqlite_url: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "perdure.db")) as raw, raw:
        raw.execute("PRAGMA foreign_keys=OFF")
        raw.execute(
            "INSERT INTO batch_anchor VALUES ('none', 1, ?, 1, 1)", ["0x" + "a" * 40]
        )

    with pytest.raises(SettingError, match="reference from the table batch_anchor"):
        Database.upgrade(sqlite_url)
