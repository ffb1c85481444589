"""Status lists: the chain's bits as other people's verifiers read them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from ledger.core.canonical import parse_object
from ledger.core.keys import SigningKey
from ledger.core.signature import check_signature
from ledger.core.status import StatusBits
from ledger.errors import NotFound
from ledger.services.identity import signing_issuer
from ledger.services.status_lists import own_status_list, status_list
from ledger.services.withdrawal import withdraw_credential
from ledger.store import chain_txs, credentials, leases
from ledger.store.records import Attempt, ChainTxState
from tests.unit.services.conftest import CHAIN, NOW, School, request_of


def read(school: School) -> tuple[dict[str, Any], StatusBits]:
    with school.database.read() as tx:
        data = own_status_list(
            tx, school.caller, master=school.master, addresses=school.addresses, now=NOW
        )
    document: Any = parse_object(data)
    return document, StatusBits.decode(document["credentialSubject"]["encodedList"])


def withdraw(school: School, credential_id: UUID) -> int:
    with school.database.begin() as tx:
        withdraw_credential(
            tx, school.caller, credential_id, reason="x", master=school.master, now=NOW
        )
        return credentials.get(
            tx, school.caller.organisation.id, credential_id
        ).status_index


def mine_revocations(school: School) -> None:
    """What the worker's rows look like once everything is in a block."""
    sender = "0x" + "11" * 20
    with school.database.begin() as tx:
        lease = leases.take(tx, CHAIN.chain_id, sender, owner="w", seconds=60, now=NOW)
        assert lease is not None
        for nonce, row in enumerate(
            chain_txs.in_state(tx, CHAIN.chain_id, [ChainTxState.SEALED], 100)
        ):
            attempt = Attempt(nonce.to_bytes(32, "big"), row.id, b"raw", 1, 2, NOW)
            chain_txs.begin_attempt(tx, lease, attempt, nonce=nonce, now=NOW)
            chain_txs.advance(
                tx,
                lease,
                row.id,
                ChainTxState.IN_PROGRESS,
                ChainTxState.MINED,
                now=NOW,
                block_number=1,
                block_hash=bytes(32),
                tx_hash=attempt.hash,
            )


def test_a_bit_is_set_once_its_revocation_is_in_a_block(school: School) -> None:
    answers = school.issue(request_of("a@example.com"), request_of("b@example.com"))
    index = withdraw(school, answers[0].credential_id)
    _, before = read(school)
    mine_revocations(school)
    _, after = read(school)

    assert not before.is_set(index)
    assert after == StatusBits.of([index])


def test_the_list_is_signed_by_the_key_in_its_address_and_ends(school: School) -> None:
    document, _ = read(school)
    (proof,) = document.pop("proof")

    key = check_signature(document, proof, require_nonce=False)
    with school.database.read() as tx:
        signer = signing_issuer(tx, school.caller, school.master)
    assert key == signer.key.public
    assert document["issuer"] == key.did
    assert document["id"].endswith(
        f"/status/{signer.record.issuer_id.hex()}/{key.multibase}"
    )
    assert document["validUntil"] == "2026-11-27T00:00:00Z"


def test_the_address_in_the_credential_is_the_lists(school: School) -> None:
    (answer,) = school.issue(request_of("a@example.com"))

    document, _ = read(school)
    with school.database.read() as tx:
        record = credentials.get(
            tx, school.caller.organisation.id, answer.credential_id
        )
    assert record.data is not None
    status: Any = parse_object(record.data)["credentialStatus"]
    assert status["statusListCredential"] == document["id"]


def test_the_same_day_gives_the_same_bytes(school: School) -> None:
    def at(hours: int) -> bytes:
        with school.database.read() as tx:
            return own_status_list(
                tx,
                school.caller,
                master=school.master,
                addresses=school.addresses,
                now=NOW + timedelta(hours=hours),
            )

    assert at(0) == at(11)
    assert at(0) != at(12)


def test_an_unknown_issuer_or_key_is_not_found(school: School) -> None:
    stranger = SigningKey.from_seed(bytes(32)).public
    with school.database.read() as tx:
        record = signing_issuer(tx, school.caller, school.master).record
        for issuer_id in (record.issuer_id, bytes(32)):
            with pytest.raises(NotFound):
                status_list(
                    tx,
                    issuer_id,
                    stranger,
                    master=school.master,
                    addresses=school.addresses,
                    now=NOW,
                )
