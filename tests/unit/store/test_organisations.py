from datetime import UTC, datetime
from uuid import uuid4

import pytest

from ledger.errors import Conflict, NotFound
from ledger.store import organisations
from ledger.store.database import Database
from ledger.store.records import Organisation

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)


def test_is_found_by_id_and_by_code(database: Database) -> None:
    expected = Organisation(uuid4(), "riverside", "Riverside Code School", NOW)

    with database.begin() as tx:
        added = organisations.add(
            tx, id=expected.id, code="riverside", name="Riverside Code School", now=NOW
        )

    with database.read() as tx:
        assert expected == added
        assert expected == organisations.by_id(tx, expected.id)
        assert expected == organisations.by_code(tx, "riverside")


def test_are_listed_by_code(database: Database) -> None:
    with database.begin() as tx:
        for code in ("delta", "alpha", "charlie"):
            organisations.add(tx, id=uuid4(), code=code, name=code, now=NOW)

    with database.read() as tx:
        found = organisations.all(tx)
    assert [each.code for each in found] == ["alpha", "charlie", "delta"]


def test_unknown_is_not_found(database: Database) -> None:
    with database.begin() as tx:
        with pytest.raises(NotFound, match="no such organisation"):
            organisations.by_id(tx, uuid4())
        with pytest.raises(NotFound, match="no such organisation"):
            organisations.by_code(tx, "nobody")
        with pytest.raises(NotFound, match="no such organisation"):
            organisations.lock(tx, uuid4())


def test_code_belongs_to_one(database: Database) -> None:
    with database.begin() as tx:
        organisations.add(tx, id=uuid4(), code="riverside", name="One", now=NOW)

    with (
        pytest.raises(Conflict, match="this code is already there"),
        database.begin() as tx,
    ):
        organisations.add(tx, id=uuid4(), code="riverside", name="Two", now=NOW)
