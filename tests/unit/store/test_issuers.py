from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from ledger.errors import Conflict, NotFound
from ledger.store import issuers, organisations
from ledger.store.database import Database, Transaction
from ledger.store.records import IssuerKeyRole, Organisation
from tests.unit.store.samples import NOW, issuer_key, issuer_record


def add_organisation(tx: Transaction, code: str = "riverside") -> Organisation:
    return organisations.add(tx, id=uuid4(), code=code, name=code, now=NOW)


def test_record_comes_back_as_it_went_in(database: Database) -> None:
    with database.begin() as tx:
        expected = issuer_record(add_organisation(tx))
        issuers.add(tx, expected)

    with database.read() as tx:
        assert expected == issuers.of(tx, expected.organisation_id)
        assert expected == issuers.by_issuer_id(tx, expected.issuer_id)


def test_registering_and_closing_leave_their_times(database: Database) -> None:
    with database.begin() as tx:
        record = issuer_record(add_organisation(tx))
        issuers.add(tx, record)
        issuers.mark_registered(tx, record.organisation_id, 1_790_000_000)
        issuers.mark_closed(tx, record.organisation_id, 1_800_000_000, block=7)

    expected = replace(
        record, registered_at=1_790_000_000, closed_at=1_800_000_000, closed_block=7
    )
    with database.read() as tx:
        assert expected == issuers.of(tx, record.organisation_id)


def test_organisation_has_one_record(database: Database) -> None:
    with database.begin() as tx:
        record = issuer_record(add_organisation(tx))
        issuers.add(tx, record)

    with (
        pytest.raises(Conflict, match="already has an issuer record"),
        database.begin() as tx,
    ):
        issuers.add(tx, replace(record, issuer_id=bytes(32)))


def test_record_on_chain_has_one_organisation(database: Database) -> None:
    with database.begin() as tx:
        record = issuer_record(add_organisation(tx))
        other = add_organisation(tx, "other")
        issuers.add(tx, record)

    with (
        pytest.raises(Conflict, match="belongs to another organisation"),
        database.begin() as tx,
    ):
        issuers.add(tx, replace(record, organisation_id=other.id))


def test_keys_come_oldest_first_and_by_role(database: Database) -> None:
    with database.begin() as tx:
        school = add_organisation(tx)
        old = issuer_key(school)
        controller = issuer_key(school, IssuerKeyRole.CONTROLLER)
        controller = replace(controller, created_at=NOW + timedelta(seconds=1))
        new = replace(old, key_id=bytes(32), created_at=NOW + timedelta(seconds=2))
        for key in (new, controller, old):
            issuers.add_key(tx, key)

    with database.read() as tx:
        assert [old, controller, new] == list(issuers.keys(tx, school.id))
        assert [old, new] == list(issuers.keys(tx, school.id, IssuerKeyRole.SIGNING))
        assert issuers.keys(tx, school.id, IssuerKeyRole.REVOKING) == []


def test_key_is_opened(database: Database) -> None:
    with database.begin() as tx:
        school = add_organisation(tx)
        key = issuer_key(school)
        issuers.add_key(tx, key)
        issuers.mark_key_opened(tx, school.id, key.key_id, 1_790_000_000)

    with database.read() as tx:
        (found,) = issuers.keys(tx, school.id)
    assert replace(key, opened=1_790_000_000) == found


def test_key_is_there_once(database: Database) -> None:
    with database.begin() as tx:
        key = issuer_key(add_organisation(tx))
        issuers.add_key(tx, key)

    with pytest.raises(Conflict, match="key is already there"), database.begin() as tx:
        issuers.add_key(tx, key)


def test_what_is_not_there_is_not_found(database: Database) -> None:
    with database.begin() as tx:
        school = add_organisation(tx)
        for missing in (
            lambda: issuers.of(tx, school.id),
            lambda: issuers.by_issuer_id(tx, bytes(32)),
            lambda: issuers.mark_registered(tx, school.id, 1),
            lambda: issuers.mark_closed(tx, school.id, 1, block=1),
            lambda: issuers.mark_key_opened(tx, school.id, bytes(32), 1),
        ):
            with pytest.raises(NotFound):
                missing()


def test_ciphertext_stays_out_of_repr() -> None:
    school = Organisation(uuid4(), "riverside", "Riverside", NOW)

    assert "ciphertext" not in repr(issuer_key(school))


def test_how_often_the_recovery_key_has_acted_is_kept(database: Database) -> None:
    with database.begin() as tx:
        record = issuer_record(add_organisation(tx))
        other = issuer_record(add_organisation(tx, "other"))
        for each in (record, other):
            issuers.add(tx, each)
        issuers.note_recovery_acts(tx, record.chain_id, record.issuer_id, 3)
        issuers.note_recovery_acts(tx, record.chain_id + 1, other.issuer_id, 4)
        issuers.note_recovery_acts(tx, record.chain_id, bytes(32), 5)

        assert issuers.of(tx, record.organisation_id).recovery_acts == 3
        assert issuers.of(tx, other.organisation_id).recovery_acts == 0
