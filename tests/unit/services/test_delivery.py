"""Delivery: the stored bytes, with the anchor proof once the batch is final."""

from uuid import uuid4

import pytest

from ledger.core.baking import extract
from ledger.core.credential import SignedCredential
from ledger.core.durable import DurableCredential, parse_credential_file
from ledger.errors import NotFound
from ledger.services.delivery import CredentialFile, FileFormat, deliver
from ledger.services.organisations import operator_of
from ledger.store import credentials
from tests.unit.services.batches import ANCHORED, anchor, seal
from tests.unit.services.conftest import School, make_school, request_of


def file_of(
    school: School, credential_id: object, kind: FileFormat = FileFormat.JSON
) -> CredentialFile:
    with school.database.read() as tx:
        return deliver(tx, school.caller, credential_id, kind)  # type: ignore[arg-type]


def test_before_anchoring_the_exact_signed_bytes_are_served(school: School) -> None:
    (answer,) = school.issue(request_of("a@example.com"))

    file = file_of(school, answer.credential_id)
    with school.database.read() as tx:
        record = credentials.get(
            tx, school.caller.organisation.id, answer.credential_id
        )
    assert file.data == record.data
    assert not file.durable


def test_a_sealed_batch_that_is_not_final_gives_no_durable_file(school: School) -> None:
    (answer,) = school.issue(request_of("a@example.com"))
    seal(school)

    assert not file_of(school, answer.credential_id).durable


def test_a_durable_file_proves_itself_and_holds_the_stored_bytes(
    school: School,
) -> None:
    answers = school.issue(*(request_of(f"p{n}@example.com") for n in range(7)))
    batch = anchor(school)

    for answer in answers:
        file = file_of(school, answer.credential_id)
        durable = DurableCredential.from_bytes(file.data)
        durable.check()
        with school.database.read() as tx:
            record = credentials.get(
                tx, school.caller.organisation.id, answer.credential_id
            )
        assert file.durable
        assert durable.credential.data == record.data
        assert durable.proof.sealed_root == batch.sealed_root
        assert durable.proof.home.block_number == ANCHORED.block_number
        assert durable.proof.home.time == ANCHORED.time


@pytest.mark.parametrize("kind", FileFormat)
def test_every_carrier_holds_the_same_credential(
    school: School, kind: FileFormat
) -> None:
    (answer,) = school.issue(request_of("a@example.com"))
    anchor(school)

    file = file_of(school, answer.credential_id, kind)
    assert extract(file.data) == file_of(school, answer.credential_id).data
    assert file.name.endswith(kind.value)
    assert isinstance(parse_credential_file(file.data), DurableCredential)


def test_file_names_hold_nothing_of_a_person(school: School) -> None:
    (answer,) = school.issue(request_of("a@example.com"))

    name = file_of(school, answer.credential_id).name
    assert name == f"py-1-{str(answer.credential_id)[:8]}.json"


def test_an_erased_credential_is_not_found_and_the_others_still_prove_themselves(
    school: School,
) -> None:
    gone, kept = school.issue(request_of("a@example.com"), request_of("b@example.com"))
    anchor(school)
    with school.database.begin() as tx:
        credentials.erase(tx, school.caller.organisation.id, gone.credential_id)

    with pytest.raises(NotFound, match="erased"):
        file_of(school, gone.credential_id)
    DurableCredential.from_bytes(file_of(school, kept.credential_id).data).check()


def test_another_organisation_finds_nothing(school: School) -> None:
    (answer,) = school.issue(request_of("a@example.com"))
    make_school(school.database, "other", school.master)

    with school.database.read() as tx, pytest.raises(NotFound):
        deliver(tx, operator_of(tx, "other"), answer.credential_id, FileFormat.JSON)


def test_what_does_not_exist_is_not_found(school: School) -> None:
    with pytest.raises(NotFound):
        file_of(school, uuid4())


def test_damaged_stored_bytes_are_never_handed_out(school: School) -> None:
    (answer,) = school.issue(request_of("a@example.com"))
    with school.database.read() as tx:
        record = credentials.get(
            tx, school.caller.organisation.id, answer.credential_id
        )
    assert record.data is not None
    damaged = record.data.replace(b"Amina", b"Anima")
    with school.database.begin() as tx:
        tx.connection.exec_driver_sql("UPDATE credential SET data = ?", (damaged,))

    with pytest.raises(Exception, match=r"nonce|signature"):
        file_of(school, answer.credential_id)
    SignedCredential.from_bytes(damaged)  # well-formed: only the proof tells
