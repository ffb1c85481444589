"""Delivery: the stored bytes, with the anchor proof once the batch is final."""

from dataclasses import replace
from uuid import uuid4

import pytest

from ledger.chain.state import make_header
from ledger.core.baking import extract
from ledger.core.credential import SignedCredential
from ledger.core.durable import DurableCredential, parse_credential_file
from ledger.core.evidence import AnchorSlot, Questions
from ledger.core.registries import ANCHOR_REGISTRY, ISSUER_REGISTRY
from ledger.errors import LedgerError, NotFound
from ledger.services.delivery import CredentialFile, FileFormat, deliver
from ledger.services.organisations import operator_of
from ledger.store import batches, credentials, evidence, issuers
from ledger.store.records import Batch, BatchEvidence, SlotNodes
from tests.registry_state import state_trie
from tests.unit.services.batches import ANCHORED, anchor, seal
from tests.unit.services.conftest import (
    CHAIN,
    OPENED,
    School,
    make_school,
    request_of,
)
from tests.unit.verify.fakes import FakeIssuer, FakeState


def file_of(
    school: School, credential_id: object, kind: FileFormat = FileFormat.JSON
) -> CredentialFile:
    with school.database.read() as tx:
        return deliver(
            tx,
            school.caller,
            credential_id,  # type: ignore[arg-type]
            kind,
            addresses=school.addresses,
        )


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


def test_a_file_carries_every_anchor_that_is_final_and_picks_up_the_rest_later(
    school: School,
) -> None:
    (answer,) = school.issue(request_of("a@example.com"))
    batch = seal(school)

    def chains() -> list[int]:
        file = file_of(school, answer.credential_id)
        if not file.durable:
            return []
        durable = DurableCredential.from_bytes(file.data)
        durable.check()
        return [anchor.chain_id for anchor in durable.proof.anchors]

    for anchored, expected in (
        (replace(ANCHORED, chain_id=10), []),
        (ANCHORED, [31337, 10]),
        (replace(ANCHORED, chain_id=1), [31337, 1, 10]),
    ):
        with school.database.begin() as tx:
            batches.record_anchor(tx, batch.id, anchored)
        assert chains() == expected
    for chain_id in range(2, 9):
        with school.database.begin() as tx:
            batches.record_anchor(tx, batch.id, replace(ANCHORED, chain_id=chain_id))
    assert chains() == [31337, *range(1, 8)]


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
        deliver(
            tx,
            operator_of(tx, "other"),
            answer.credential_id,
            FileFormat.JSON,
            addresses=school.addresses,
        )


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


# ---------------------------------------------------------------- evidence


def prove(school: School, batch: Batch, *accreditors: bytes) -> None:
    """What the worker keeps: both registries with this school's record, at block 20."""
    with school.database.read() as tx:
        issuer = issuers.of(tx, school.caller.organisation.id)
        subjects = evidence.subjects(tx, batch.id)
    fake = FakeIssuer(
        registered_at=OPENED,
        keys={subject.key_id: (OPENED, 0, 0, 1) for subject in subjects},
        profiles={issuer.profile_hash: OPENED},
    )
    trie = state_trie(
        FakeState(
            anchors={batch.sealed_root: (ANCHORED.time, ANCHORED.block_number)},
            issuers={issuer.issuer_id: fake},
        )
    )
    header = make_header(bytes(32), trie.root, number=20, time=ANCHORED.time + 96)
    rows: dict[tuple[str, bytes], SlotNodes] = {}
    for subject in subjects:
        questions = Questions(
            ANCHOR_REGISTRY,
            ISSUER_REGISTRY,
            sealed_root=batch.sealed_root,
            issuer_id=issuer.issuer_id,
            profile_hash=issuer.profile_hash,
            key_id=subject.key_id,
            status_index=subject.status_index,
        )
        for registry, slots in (
            (ANCHOR_REGISTRY, questions.anchor_slots()),
            (ISSUER_REGISTRY, questions.issuer_slots(accreditors)),
        ):
            proof = trie.proof(registry, slots)
            rows[registry, b""] = SlotNodes(registry, b"", proof.nodes)
            for slot in proof.slots:
                rows[registry, slot.slot] = SlotNodes(registry, slot.slot, slot.nodes)
    with school.database.begin() as tx:
        evidence.keep(
            tx,
            BatchEvidence(
                batch.id,
                CHAIN.chain_id,
                20,
                header.raw,
                list(rows.values()),
                {issuer.issuer_id: accreditors},
            ),
        )


def durable_of(school: School, credential_id: object) -> DurableCredential:
    read = DurableCredential.from_bytes(file_of(school, credential_id).data)
    read.check()
    return read


def test_each_file_carries_its_own_part_of_the_evidence(school: School) -> None:
    answers = school.issue(*(request_of(f"p{n}@example.com") for n in range(5)))
    batch = anchor(school)
    before = {a.credential_id: durable_of(school, a.credential_id) for a in answers}
    board = b"\x0b" * 32
    prove(school, batch, board)

    for credential_id, bare in before.items():
        durable = durable_of(school, credential_id)
        held = durable.proof.home.evidence
        assert held is not None
        assert (held.block.number, held.accreditors) == (20, (board,))
        facts = held.prove(durable.questions(ANCHOR_REGISTRY, ISSUER_REGISTRY))
        assert facts.anchor == AnchorSlot(ANCHORED.time, ANCHORED.block_number)
        assert facts.issuer.window is not None
        assert facts.endorsements == {board: None}
        assert bare.proof.home.evidence is None
        assert durable.with_evidence(None) == bare


def test_evidence_that_does_not_speak_of_the_profile_is_left_out(
    school: School,
) -> None:
    (answer,) = school.issue(request_of("a@example.com"))
    prove(school, anchor(school))
    with school.database.begin() as tx:
        tx.connection.exec_driver_sql(
            "UPDATE issuer SET profile = ?, profile_hash = ?",
            (b'{"name":"New","url":"https://new.example.org"}', b"\x01" * 32),
        )

    assert durable_of(school, answer.credential_id).proof.home.evidence is None


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE evidence_header SET header = x'c0'",
        "UPDATE evidence_slot SET nodes = x'c0'",
        "UPDATE batch_anchor SET block_number = 13",
    ],
)
def test_damaged_evidence_is_never_handed_out(school: School, damage: str) -> None:
    (answer,) = school.issue(request_of("a@example.com"))
    prove(school, anchor(school))
    with school.database.begin() as tx:
        tx.connection.exec_driver_sql(damage)

    with pytest.raises(LedgerError, match=r"header|missing|another anchor"):
        file_of(school, answer.credential_id)
