"""Organisations and API keys: shown once, stored hashed, bound to one organisation."""

import secrets
from datetime import datetime, timedelta

import pytest

from ledger.errors import Conflict, MalformedError, NotFound, Refused
from ledger.services.organisations import (
    Caller,
    authenticate,
    create_api_key,
    create_organisation,
    list_api_keys,
    operator_of,
    revoke_api_key,
)
from ledger.store.database import Database, Transaction
from ledger.store.records import ApiKey
from tests.unit.services.conftest import NOW, School


def make_key(school: School, *, days: int | None = None) -> tuple[ApiKey, str]:
    with school.database.begin() as tx:
        return create_api_key(
            tx,
            school.caller,
            name="test",
            scopes=frozenset({"read"}),
            expires_at=None if days is None else NOW + timedelta(days=days),
            now=NOW,
            entropy=secrets.token_bytes,
        )


def child_of(tx: Transaction, parent: Caller, expires_at: datetime | None) -> ApiKey:
    key, _ = create_api_key(
        tx,
        parent,
        name="child",
        scopes=frozenset({"read"}),
        expires_at=expires_at,
        now=NOW,
        entropy=secrets.token_bytes,
    )
    return key


@pytest.mark.parametrize("code", ["", "UPPER", "-a", "a-", "a b", "a" * 41, "ä"])
def test_a_code_out_of_bounds_is_refused(sqlite_database: Database, code: str) -> None:
    with (
        sqlite_database.begin() as tx,
        pytest.raises(MalformedError, match="organisation code"),
    ):
        create_organisation(tx, code=code, name="A", now=NOW)


@pytest.mark.parametrize("name", ["", "  ", "a" * 201, "a\nb"])
def test_a_name_out_of_bounds_is_refused(sqlite_database: Database, name: str) -> None:
    with (
        sqlite_database.begin() as tx,
        pytest.raises(MalformedError, match="organisation name"),
    ):
        create_organisation(tx, code="a", name=name, now=NOW)


def test_a_code_is_taken_once(bare_school: School) -> None:
    with pytest.raises(Conflict), bare_school.database.begin() as tx:
        create_organisation(tx, code="riverside", name="Another", now=NOW)


def test_an_unknown_code_says_how_to_create_it(sqlite_database: Database) -> None:
    with (
        sqlite_database.read() as tx,
        pytest.raises(NotFound, match="perdure org create nowhere"),
    ):
        operator_of(tx, "nowhere")


def test_a_key_acts_for_its_organisation_and_is_stored_as_a_hash(
    bare_school: School,
) -> None:
    key, text = make_key(bare_school)

    with bare_school.database.read() as tx:
        caller = authenticate(tx, text, NOW)
        listed = list_api_keys(tx, bare_school.caller)
    assert caller.organisation == bare_school.caller.organisation
    assert caller.scopes == {"read"}
    assert [k.id for k in listed] == [key.id]
    assert text.startswith(key.prefix)
    file = bare_school.database.name.removeprefix("sqlite:///")
    with open(file, "rb") as database:  # noqa: PTH123
        assert text.encode() not in database.read()


def test_a_key_without_a_scope_is_told_which(bare_school: School) -> None:
    _, text = make_key(bare_school)

    with bare_school.database.read() as tx:
        caller = authenticate(tx, text, NOW)
    caller.require("read")
    with pytest.raises(Refused, match="lacks the scope issue"):
        caller.require("issue")


def test_a_revoked_key_fails_on_the_next_request(bare_school: School) -> None:
    key, text = make_key(bare_school)

    with bare_school.database.begin() as tx:
        revoke_api_key(tx, bare_school.caller, key.id, NOW)
        with pytest.raises(Refused):
            authenticate(tx, text, NOW)


def test_an_expired_key_is_refused_from_its_second_on(bare_school: School) -> None:
    _, text = make_key(bare_school, days=1)

    with bare_school.database.read() as tx:
        authenticate(tx, text, NOW + timedelta(days=1, seconds=-1))
        with pytest.raises(Refused):
            authenticate(tx, text, NOW + timedelta(days=1))


@pytest.mark.parametrize(
    ("asked", "given"),
    [(None, timedelta(days=2)), (timedelta(days=1), timedelta(days=1)),
     (timedelta(days=2), timedelta(days=2))],
)  # fmt: skip
def test_a_key_made_by_a_key_ends_no_later(
    bare_school: School, asked: timedelta | None, given: timedelta
) -> None:
    _, text = make_key(bare_school, days=2)

    with bare_school.database.begin() as tx:
        parent = authenticate(tx, text, NOW)
        child = child_of(tx, parent, None if asked is None else NOW + asked)
        with pytest.raises(Refused, match="lasts longer than itself"):
            child_of(tx, parent, NOW + timedelta(days=2, microseconds=1))

    assert child.expires_at == NOW + given


@pytest.mark.parametrize("until", [NOW, NOW - timedelta(days=1)])
def test_a_key_that_has_ended_is_not_made(bare_school: School, until: datetime) -> None:
    with (
        bare_school.database.begin() as tx,
        pytest.raises(MalformedError, match="its end is past"),
    ):
        child_of(tx, bare_school.caller, until)


@pytest.mark.parametrize("text", ["", "perdure_", "perdure_" + "1" * 44, "x" * 10_000])
def test_other_texts_are_refused_with_one_message(
    bare_school: School, text: str
) -> None:
    with (
        bare_school.database.read() as tx,
        pytest.raises(Refused, match=r"^the API key is not valid$"),
    ):
        authenticate(tx, text, NOW)


@pytest.mark.parametrize("scopes", [frozenset(), frozenset({"read", "root"})])
def test_unknown_scopes_are_refused(
    bare_school: School, scopes: frozenset[str]
) -> None:
    with (
        bare_school.database.begin() as tx,
        pytest.raises(MalformedError, match="scopes"),
    ):
        create_api_key(
            tx,
            bare_school.caller,
            name="x",
            scopes=scopes,
            expires_at=None,
            now=NOW,
            entropy=secrets.token_bytes,
        )


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "two\nlines"])
def test_a_key_without_a_name_that_tells_it_from_others_is_refused(
    bare_school: School, name: str
) -> None:
    with (
        bare_school.database.begin() as tx,
        pytest.raises(MalformedError, match="API key name"),
    ):
        create_api_key(
            tx,
            bare_school.caller,
            name=name,
            scopes=frozenset({"read"}),
            expires_at=None,
            now=NOW,
            entropy=secrets.token_bytes,
        )
