"""Rows that are made ready in bulk are the rows that SQLAlchemy would have written."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import insert, text

from ledger.errors import Conflict, StoreError
from ledger.store import bulk, credentials
from ledger.store.database import Database, Transaction
from ledger.store.records import CredentialRecord, Organisation
from ledger.store.tables import CredentialRow
from tests.unit.store.samples import NOW, Undo, add_school, credential


@pytest.fixture
def school(database: Database) -> Organisation:
    with database.begin() as tx:
        return add_school(tx)


def records(school: Organisation) -> list[CredentialRecord]:
    elsewhere = timezone(timedelta(hours=-7, minutes=30))
    return [
        credential(school, 1),
        credential(school, 2, issued_at=NOW.astimezone(elsewhere)),
        credential(
            school,
            3,
            issued_at=NOW + timedelta(microseconds=1),
            recipient_name="",
            data=bytes(range(256)),
        ),
        credential(school, 4, recipient_name=None, status_index=0),
    ]


def by_sqlalchemy(tx: Transaction, some: Sequence[CredentialRecord]) -> None:
    tx.change(insert(CredentialRow), [asdict(record) for record in some])


def in_bulk(tx: Transaction, some: Sequence[CredentialRecord]) -> None:
    rows = [asdict(record) for record in some]
    tx.add_columns(CredentialRow, {n: [row[n] for row in rows] for n in rows[0]})


def written(
    database: Database,
    some: Sequence[CredentialRecord],
    write: Callable[[Transaction, Sequence[CredentialRecord]], None],
) -> list[tuple[Any, ...]]:
    """What the driver finds afterwards, with the types that SQLite gave it; undone."""
    found: list[tuple[Any, ...]] = []
    with suppress(Undo), database.begin() as tx:
        write(tx, some)
        rows = tx.connection.execute(text("SELECT * FROM credential ORDER BY id")).all()
        found = [tuple(map(plain, row)) for row in rows]
        raise Undo
    return found


def plain(value: object) -> object:
    return (
        type(value),
        bytes(value) if isinstance(value, memoryview | bytes) else value,
    )


def test_they_are_the_same(database: Database, school: Organisation) -> None:
    some = records(school)

    expected = written(database, some, by_sqlalchemy)

    assert len(expected) == len(some)
    assert expected == written(database, some, in_bulk)
    assert expected == written(database, some, credentials.insert)


def test_one_row_is_enough(database: Database, school: Organisation) -> None:
    some = records(school)[:1]

    assert written(database, some, by_sqlalchemy) == written(database, some, in_bulk)


def test_what_a_constraint_forbids_is_a_conflict(
    database: Database, school: Organisation
) -> None:
    one = credential(school, 1)
    with pytest.raises(Conflict), database.begin() as tx:
        in_bulk(tx, [one, replace(credential(school, 2), leaf=one.leaf)])

    assert written(database, [], lambda *_: None) == []


def test_an_instant_without_a_zone_is_not_stored(
    database: Database, school: Organisation
) -> None:
    naive = credential(school, 1, issued_at=NOW.replace(tzinfo=None))
    for write in (by_sqlalchemy, in_bulk):
        with pytest.raises((StoreError, ValueError)), database.begin() as tx:
            write(tx, [naive])


def test_columns_of_different_lengths_are_refused(school: Organisation) -> None:
    with pytest.raises(ValueError, match="shorter"):
        bulk.for_sqlite(CredentialRow, {"id": [school.id], "leaf": []})
