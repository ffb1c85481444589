"""Withdrawing: once, with a reason, as a signed act for the worker."""

from uuid import UUID, uuid4

import pytest

from ledger.core.status import word_and_bit
from ledger.errors import Conflict, MalformedError, NotFound
from ledger.services.credentials import get_credential
from ledger.services.organisations import operator_of
from ledger.services.withdrawal import withdraw_credential
from ledger.store import chain_txs
from ledger.store.records import ChainTx, ChainTxKind, ChainTxState, CredentialState
from tests.unit.services.conftest import CHAIN, NOW, School, make_school, request_of


def withdraw(
    school: School, credential_id: UUID, reason: str = "Issued by mistake."
) -> ChainTx:
    with school.database.begin() as tx:
        return withdraw_credential(
            tx,
            school.caller,
            credential_id,
            reason=reason,
            master=school.master,
            now=NOW,
        ).act


def revocations(school: School) -> list[ChainTx]:
    with school.database.read() as tx:
        rows = chain_txs.in_state(tx, CHAIN.chain_id, [ChainTxState.SEALED], 100)
    return [row for row in rows if row.kind is ChainTxKind.REVOKE]


def test_a_withdrawal_becomes_a_revocation_of_exactly_its_bit(school: School) -> None:
    (answer,) = school.issue(request_of("a@example.com"))

    row = withdraw(school, answer.credential_id)

    with school.database.read() as tx:
        listed = get_credential(tx, school.caller, answer.credential_id)
    word, bit = word_and_bit(listed.record.status_index)
    assert listed.state is CredentialState.WITHDRAWN
    assert listed.record.withdrawal_reason == "Issued by mistake."
    assert revocations(school) == [row]
    assert row.data[36:68] == word.to_bytes(32, "big")
    assert row.data[68:100] == (1 << bit).to_bytes(32, "big")


def test_a_second_withdrawal_is_a_conflict_and_enqueues_nothing(school: School) -> None:
    (answer,) = school.issue(request_of("a@example.com"))
    withdraw(school, answer.credential_id)

    with pytest.raises(Conflict, match="already"):
        withdraw(school, answer.credential_id)
    assert len(revocations(school)) == 1


@pytest.mark.parametrize("reason", ["", "  ", "a" * 501, "a\x00b"])
def test_a_reason_is_needed(school: School, reason: str) -> None:
    (answer,) = school.issue(request_of("a@example.com"))

    with pytest.raises(MalformedError, match="reason"):
        withdraw(school, answer.credential_id, reason)
    assert revocations(school) == []


def test_another_organisation_cannot_withdraw(school: School) -> None:
    (answer,) = school.issue(request_of("a@example.com"))
    other = make_school(school.database, "other", school.master)
    other.register()

    with school.database.begin() as tx, pytest.raises(NotFound):
        withdraw_credential(
            tx,
            operator_of(tx, "other"),
            answer.credential_id,
            reason="mine now",
            master=school.master,
            now=NOW,
        )


def test_what_does_not_exist_is_not_found(school: School) -> None:
    with pytest.raises(NotFound):
        withdraw(school, uuid4())
