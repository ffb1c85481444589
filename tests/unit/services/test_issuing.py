"""Issuing: signed at once, the same award never twice."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from ledger.core import offer
from ledger.core.canonical import encode, parse
from ledger.core.credential import SignedCredential
from ledger.core.issuer import IssuerProfile
from ledger.core.keys import SigningKey
from ledger.core.signature import SignatureProof, sign_statements
from ledger.core.vocabulary import Vocabulary
from ledger.errors import NotFound, ProofError, Refused
from ledger.services.credentials import get_credential, list_credentials
from ledger.services.issuing import (
    IssuedAward,
    Plan,
    keep_awards,
    plan_awards,
    sign_awards,
)
from ledger.store import achievements, closings, credentials
from ledger.store.records import CredentialState
from tests.unit.services.conftest import NOW, School, request_of
from tests.unit.store.statements import counted


def stored(school: School, number: int = 0) -> SignedCredential:
    with school.database.read() as tx:
        record = list_credentials(tx, school.caller, limit=100)[number].record
    assert record.data is not None
    return SignedCredential.from_bytes(record.data)


def test_an_issued_credential_is_signed_and_names_the_on_chain_record(
    school: School,
) -> None:
    (answer,) = school.issue(request_of("amina@example.com"))

    signed = stored(school)
    signed.check()
    assert not answer.already
    assert signed.id == answer.credential_id
    assert signed.is_for("Amina@Example.com")
    with school.database.read() as tx:
        listed = get_credential(tx, school.caller, answer.credential_id)
    assert signed.leaf == listed.record.leaf
    assert signed.status_index == listed.record.status_index
    assert listed.state is CredentialState.WAITING


def test_the_same_award_is_issued_once_within_and_across_requests(
    school: School,
) -> None:
    first, again = school.issue(
        request_of("amina@example.com"), request_of(" AMINA@example.com")
    )
    (later,) = school.issue(request_of("amina@example.com"))

    assert [first.already, again.already, later.already] == [False, True, True]
    assert first.credential_id == again.credential_id == later.credential_id


def test_another_day_person_or_achievement_is_another_award(school: School) -> None:
    answers = school.issue(
        request_of("amina@example.com"),
        request_of("amina@example.com", awarded_on=date(2026, 5, 2)),
        request_of("zoe@example.com"),
        request_of("amina@example.com", "sql-1"),
    )

    assert len({answer.credential_id for answer in answers}) == 4


@settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=6))
def test_answers_keep_their_order(school: School, names: list[str]) -> None:
    answers = school.issue(*(request_of(f"{name}@example.com") for name in names))

    with school.database.read() as tx:
        emails = [
            credentials.get(
                tx, school.caller.organisation.id, a.credential_id
            ).recipient_email
            for a in answers
        ]
    assert emails == [f"{name}@example.com" for name in names]


def test_one_bad_request_issues_none(school: School) -> None:
    with pytest.raises(NotFound, match="offers no achievement nope-9"):
        school.issue(request_of("a@example.com"), request_of("b@example.com", "nope-9"))

    with school.database.read() as tx:
        assert list_credentials(tx, school.caller, limit=10) == []


def test_without_an_issuer_record_the_message_says_what_to_do(
    bare_school: School,
) -> None:
    with pytest.raises(Refused, match="perdure issuer register --org riverside"):
        bare_school.issue(request_of("a@example.com"))


def test_a_partner_stands_in_the_credential_as_source(school: School) -> None:
    request = request_of("a@example.com")
    partner = IssuerProfile(name="Bridge Academy", url="https://bridge.example.org")
    school.issue(replace(request, award=replace(request.award, source=partner)))

    assert stored(school).claimed_source_name == "Bridge Academy"


def test_a_shortcut_that_errs_issues_nothing(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the tables wrote is checked by pyld before it is kept."""
    monkeypatch.setattr(Vocabulary, "canonicalise", lambda *_: b"wrong\n")

    with pytest.raises(ProofError):
        school.issue(request_of("a@example.com"))
    with school.database.read() as tx:
        assert list_credentials(tx, school.caller, limit=10) == []


def test_a_form_that_errs_issues_nothing(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was filled in is checked too: the last credential, not the first."""
    sound = sign_statements

    def wrong(statements: bytes, *given: Any, **named: Any) -> SignatureProof:
        return sound(b"wrong\n" + statements, *given, **named)

    monkeypatch.setattr(offer, "sign_statements", wrong)
    few, many = ([request_of(f"{n}@example.com") for n in range(x)] for x in (3, 9))

    school.issue(*few)
    with pytest.raises(ProofError):
        school.issue(*many)
    with school.database.read() as tx:
        assert len(list_credentials(tx, school.caller, limit=100)) == len(few)


def planned(school: School, *emails: str) -> Plan:
    with school.database.begin() as tx:
        return plan_awards(
            tx,
            school.caller,
            [request_of(email) for email in emails],
            master=school.master,
            addresses=school.addresses,
            entropy=secrets.token_bytes,
        )


def kept(school: School, plan: Plan) -> Sequence[IssuedAward]:
    signed = sign_awards(plan, now=NOW, entropy=secrets.token_bytes)
    with school.database.begin() as tx:
        return keep_awards(tx, school.caller, plan, signed)


def test_what_others_issue_while_one_signs_stays_theirs(school: School) -> None:
    plan = planned(school, "a@example.com", "b@example.com", "a@example.com")
    (first,) = school.issue(request_of("a@example.com"))

    a, b, again = kept(school, plan)

    assert [a.already, b.already, again.already] == [True, False, True]
    assert a.credential_id == again.credential_id == first.credential_id
    with school.database.read() as tx:
        assert len(list_credentials(tx, school.caller, limit=10)) == 2


def test_two_plans_never_hold_the_same_status_index(school: School) -> None:
    plans = [planned(school, f"{name}@example.com", "z@example.com") for name in "ab"]
    indexes = [index for plan in plans for index in plan.indexes.values()]

    assert len(set(indexes)) == 4


def test_what_was_signed_by_a_key_that_is_replaced_is_not_kept(school: School) -> None:
    plan = planned(school, "a@example.com")
    signed = sign_awards(plan, now=NOW, entropy=secrets.token_bytes)
    older = replace(plan.signer, key=SigningKey.from_seed(bytes(32)))

    with (
        pytest.raises(Refused, match="changed its signing key meanwhile; issue again"),
        school.database.begin() as tx,
    ):
        keep_awards(tx, school.caller, replace(plan, signer=older), signed)
    with school.database.read() as tx:
        assert list_credentials(tx, school.caller, limit=10) == []


def test_nothing_is_kept_once_the_school_closes(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(school, "a@example.com")
    monkeypatch.setattr(closings, "has_begun", lambda *_: True)

    with pytest.raises(Refused, match="nothing can be issued any more"):
        kept(school, plan)


def test_credentials_of_a_roster_are_those_made_one_by_one(school: School) -> None:
    """The first ones are walked, the others filled in, and pyld agrees."""
    emails = [f"earner{n}@example.com" for n in range(7)]
    school.issue(*map(request_of, emails), request_of("x@example.com", "sql-1"))

    for number in range(8):
        signed = stored(school, number)
        signed.check(by_pyld=True)
        assert SignedCredential.from_bytes(signed.data) == signed


def test_many_achievements_are_looked_up_by_few_statements(school: School) -> None:
    """While it is planned and kept nobody else can write."""
    organisation = school.caller.organisation.id
    with school.database.begin() as tx:
        like = achievements.get(tx, organisation, "py-1")
        document: Any = parse(like.source)
        achievements.add_all(
            tx,
            organisation,
            [
                replace(
                    like, code=f"c{n}", source=encode({**document, "code": f"c{n}"})
                )
                for n in range(40)
            ],
        )
    requests = [
        replace(request_of(f"{n}@example.com"), achievement=f"c{n % 40}")
        for n in range(80)
    ]
    with school.database.begin() as tx, counted(tx.connection) as statements:
        plan = plan_awards(
            tx,
            school.caller,
            requests,
            master=school.master,
            addresses=school.addresses,
            entropy=secrets.token_bytes,
        )
    assert len(statements) <= 16
    signed = sign_awards(plan, now=NOW, entropy=secrets.token_bytes)
    with school.database.begin() as tx, counted(tx.connection) as statements:
        assert len(keep_awards(tx, school.caller, plan, signed)) == 80
    assert len(statements) <= 16
