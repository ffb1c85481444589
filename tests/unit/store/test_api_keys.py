from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from ledger.errors import Conflict, NotFound
from ledger.store import api_keys, organisations
from ledger.store.database import Database, Transaction
from ledger.store.records import ApiKey, Organisation
from tests.unit.store.samples import NOW, digest

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def school(database: Database) -> Organisation:
    with database.begin() as tx:
        return organisations.add(tx, id=uuid4(), code="r", name="R", now=NOW)


def add_key(tx: Transaction, school: Organisation) -> ApiKey:
    return api_keys.add(
        tx,
        id=uuid4(),
        organisation_id=school.id,
        name="registrar",
        prefix="prd_abc",
        scopes=frozenset({"issue", "read"}),
        secret_hash=digest("s"),
        now=NOW,
        expires_at=LATER,
    )


def test_is_found_by_the_hash_of_its_secret(
    database: Database, school: Organisation
) -> None:
    with database.begin() as tx:
        key = add_key(tx, school)

    with database.read() as tx:
        assert key == api_keys.by_secret_hash(tx, digest("s"))
        assert [key] == api_keys.all(tx, school.id)
        with pytest.raises(NotFound):
            api_keys.by_secret_hash(tx, digest("another"))


def test_key_without_scopes_has_none(database: Database, school: Organisation) -> None:
    with database.begin() as tx:
        api_keys.add(
            tx,
            id=uuid4(),
            organisation_id=school.id,
            name="idle",
            prefix="prd_idle",
            scopes=frozenset(),
            secret_hash=digest("idle"),
            now=NOW,
        )

        assert frozenset() == api_keys.by_secret_hash(tx, digest("idle")).scopes


def test_secret_belongs_to_one_key(database: Database, school: Organisation) -> None:
    with database.begin() as tx:
        add_key(tx, school)

    with pytest.raises(Conflict, match="API key is already"), database.begin() as tx:
        add_key(tx, school)


def test_is_revoked_once(database: Database, school: Organisation) -> None:
    with database.begin() as tx:
        key = add_key(tx, school)
        api_keys.revoke(tx, school.id, key.id, LATER)

        revoked = replace(key, revoked_at=LATER)
        assert revoked == api_keys.by_secret_hash(tx, digest("s"))
        api_keys.revoke(tx, school.id, key.id, LATER + timedelta(hours=1))
        assert revoked == api_keys.by_secret_hash(tx, digest("s"))
        with pytest.raises(NotFound):
            api_keys.revoke(tx, school.id, uuid4(), LATER)


def test_remembers_its_last_use(database: Database, school: Organisation) -> None:
    with database.begin() as tx:
        key = add_key(tx, school)
        api_keys.touch(tx, school.id, key.id, LATER)

        assert [replace(key, last_used_at=LATER)] == api_keys.all(tx, school.id)
        with pytest.raises(NotFound):
            api_keys.touch(tx, school.id, uuid4(), LATER)


def test_is_usable_until_it_expires_or_is_revoked() -> None:
    key = ApiKey(uuid4(), uuid4(), "name", "prefix", frozenset(), NOW, LATER)

    assert key.usable(NOW)
    assert not key.usable(LATER)
    assert not replace(key, revoked_at=NOW).usable(NOW)
    assert replace(key, expires_at=None).usable(LATER)
