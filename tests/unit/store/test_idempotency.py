from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from ledger.errors import Conflict
from ledger.store import idempotency, organisations
from ledger.store.database import Database
from ledger.store.records import Organisation, StoredAnswer
from tests.unit.store.samples import NOW, digest

ANSWER = StoredAnswer(201, b'{"id":"..."}', "application/json", digest("request"))


@pytest.fixture
def school(database: Database) -> Organisation:
    with database.begin() as tx:
        return organisations.add(tx, id=uuid4(), code="r", name="R", now=NOW)


def test_answer_is_found_under_its_key_and_route(
    database: Database, school: Organisation
) -> None:
    with database.begin() as tx:
        idempotency.save(tx, school.id, "key", "POST /issue", ANSWER, now=NOW)

    with database.read() as tx:
        assert idempotency.find(tx, school.id, "key", "POST /issue", now=NOW) == ANSWER
        assert idempotency.find(tx, school.id, "other", "POST /issue", now=NOW) is None
        assert idempotency.find(tx, school.id, "key", "POST /revoke", now=NOW) is None


def test_second_answer_takes_its_work_back(
    database: Database, school: Organisation
) -> None:
    with database.begin() as tx:
        idempotency.save(tx, school.id, "key", "POST /orgs", ANSWER, now=NOW)

    def work_again() -> None:
        with database.begin() as tx:
            organisations.add(tx, id=uuid4(), code="twin", name="Twin", now=NOW)
            idempotency.save(tx, school.id, "key", "POST /orgs", ANSWER, now=NOW)

    with pytest.raises(Conflict, match="already answered"):
        work_again()

    with database.read() as tx:
        assert [school] == organisations.all(tx)


def test_answer_is_forgotten_after_a_day(
    database: Database, school: Organisation
) -> None:
    day = idempotency.LIFETIME
    with database.begin() as tx:
        idempotency.save(tx, school.id, "key", "POST /issue", ANSWER, now=NOW)

    with database.begin() as tx:
        last = NOW + day - timedelta(seconds=1)
        assert idempotency.find(tx, school.id, "key", "POST /issue", now=last) == ANSWER
        assert (
            idempotency.find(tx, school.id, "key", "POST /issue", now=NOW + day) is None
        )
        idempotency.save(tx, school.id, "key", "POST /issue", ANSWER, now=NOW + day)
        assert tx.scalar(text("SELECT count(*) FROM stored_answer")) == 1


def test_an_emptied_answer_still_has_its_key(
    database: Database, school: Organisation
) -> None:
    routes = ("POST /rosters", "POST /issue")
    with database.begin() as tx:
        other = organisations.add(tx, id=uuid4(), code="other", name="Other", now=NOW)
        for each in (school, other):
            for route in routes:
                idempotency.save(tx, each.id, "key", route, ANSWER, now=NOW)
        idempotency.blank(tx, school.id, "POST /rosters")

    with database.read() as tx:
        found = [
            idempotency.find(tx, each.id, "key", route, now=NOW)
            for each in (school, other)
            for route in routes
        ]
    assert found == [replace(ANSWER, body=b""), ANSWER, ANSWER, ANSWER]
    with pytest.raises(Conflict), database.begin() as tx:
        idempotency.save(tx, school.id, "key", "POST /rosters", ANSWER, now=NOW)


def test_everybodys_answers_are_forgotten_after_a_day(
    database: Database, school: Organisation
) -> None:
    late = NOW + idempotency.LIFETIME
    with database.begin() as tx:
        idle = organisations.add(tx, id=uuid4(), code="idle", name="Idle", now=NOW)
        for each in (school, idle):
            idempotency.save(tx, each.id, "old", "POST /issue", ANSWER, now=NOW)
        moment = NOW + timedelta(seconds=1)
        idempotency.save(tx, idle.id, "new", "POST /issue", ANSWER, now=moment)

    with database.begin() as tx:
        assert idempotency.forget(tx, now=late) == 2

    with database.read() as tx:
        assert tx.scalar(text("SELECT key FROM stored_answer")) == "new"
        assert idempotency.find(tx, idle.id, "new", "POST /issue", now=late) == ANSWER
    with database.begin() as tx:
        assert idempotency.forget(tx, now=late) == 0
