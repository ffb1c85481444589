"""Status lists: the chain's bits as other people's verifiers read them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Event
from typing import Any
from uuid import UUID

import pytest

from ledger.core.canonical import parse_object
from ledger.core.keys import SigningKey
from ledger.core.signature import check_signature
from ledger.core.status import StatusBits
from ledger.errors import NotFound, StoreError
from ledger.services.identity import signing_issuer
from ledger.services.status_lists import KeptStatusLists, own_status_list, status_list
from ledger.services.withdrawal import withdraw_credential
from ledger.store import chain_txs, credentials, leases, recovered_bits
from ledger.store.database import Transaction
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
            chain_txs.in_state(tx, CHAIN.chain_id, [ChainTxState.SEALED], 100),
            (chain_txs.highest_nonce(tx, CHAIN.chain_id, sender) or 0) + 1,
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


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[int]]:
    """The withdrawn indexes of each list that is made and signed."""
    asked: list[Sequence[int]] = []
    real = credentials.withdrawn_indexes

    def indexes(tx: Transaction, organisation_id: UUID) -> Sequence[int]:
        asked.append(real(tx, organisation_id))
        return asked[-1]

    monkeypatch.setattr(credentials, "withdrawn_indexes", indexes)
    return asked


def kept_lists(school: School, most: int = 9) -> KeptStatusLists:
    return KeptStatusLists(master=school.master, addresses=school.addresses, most=most)


def ask(school: School, kept: KeptStatusLists, now: datetime = NOW) -> bytes:
    with school.database.read() as tx:
        signer = signing_issuer(tx, school.caller, school.master)
        return kept.get(tx, signer.record.issuer_id, signer.key.public, now)


def test_a_list_is_made_once_while_it_stays_the_same(
    school: School, made: list[Sequence[int]]
) -> None:
    kept = kept_lists(school)

    first = ask(school, kept)
    assert ask(school, kept, NOW + timedelta(hours=11)) == first
    assert len(made) == 1
    assert ask(school, kept, NOW + timedelta(hours=12)) != first
    assert len(made) == 2


def test_a_kept_list_is_another_one_after_each_revocation(
    school: School, made: list[Sequence[int]]
) -> None:
    """Also where another process was told, and whoever keeps it only reads."""
    answers = school.issue(request_of("a@example.com"), request_of("b@example.com"))
    kept = kept_lists(school)
    bits = [bits_of(ask(school, kept))]
    indexes = []
    for answer in answers:
        indexes.append(withdraw(school, answer.credential_id))
        bits.append(bits_of(ask(school, kept)))
        mine_revocations(school)
        bits.append(bits_of(ask(school, kept)))
    with school.database.begin() as tx:
        recovered_bits.keep(tx, school.caller.organisation.id, [7])
    bits.append(bits_of(ask(school, kept)))

    first = indexes[0]
    assert bits == [
        StatusBits.of(some)
        for some in ([], [], [first], [first], indexes, [*indexes, 7])
    ]


def test_a_revocation_that_left_its_block_is_taken_back_from_a_kept_list(
    school: School,
) -> None:
    """The chain was reorganised, and another one is final instead: as many as before."""
    answers = school.issue(request_of("a@example.com"), request_of("b@example.com"))
    kept = kept_lists(school)
    first, second = (withdraw(school, each.credential_id) for each in answers)
    mine_revocations(school)
    both = ask(school, kept)
    with school.database.read() as tx:
        rows = chain_txs.in_state(tx, CHAIN.chain_id, [ChainTxState.MINED], 9)
    row_of = {row.subject: row.id for row in rows}
    one, two = (row_of[str(each.credential_id)] for each in answers)
    move(school, one, ChainTxState.MINED, ChainTxState.FINAL)
    move(school, two, ChainTxState.MINED, ChainTxState.SENT)
    alone = ask(school, kept)
    move(school, one, ChainTxState.FINAL, ChainTxState.SENT)
    move(school, two, ChainTxState.SENT, ChainTxState.MINED)
    move(school, two, ChainTxState.MINED, ChainTxState.FINAL)
    other = ask(school, kept)

    assert [bits_of(each) for each in (both, alone, other)] == [
        StatusBits.of(some) for some in ([first, second], [first], [second])
    ]


def test_a_revocation_that_nobody_saw_on_its_way_is_in_the_list(school: School) -> None:
    (answer,) = school.issue(request_of("a@example.com"))
    kept = kept_lists(school)
    index = withdraw(school, answer.credential_id)
    assert bits_of(ask(school, kept)) == StatusBits.of([])

    mine_revocations(school)
    with school.database.read() as tx:
        rows = chain_txs.in_state(tx, CHAIN.chain_id, [ChainTxState.MINED], 9)
    for row in rows:
        move(school, row.id, ChainTxState.MINED, ChainTxState.FINAL)

    assert bits_of(ask(school, kept)) == StatusBits.of([index])


def test_whoever_asks_while_a_list_is_made_waits_for_it(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = kept_lists(school)
    inside, go_on = Event(), Event()
    made: list[UUID] = []
    real = credentials.withdrawn_indexes

    def slow(tx: Transaction, organisation_id: UUID) -> Sequence[int]:
        made.append(organisation_id)
        inside.set()
        assert go_on.wait(20)
        return real(tx, organisation_id)

    monkeypatch.setattr(credentials, "withdrawn_indexes", slow)
    with ThreadPoolExecutor(3) as threads:
        answers = [threads.submit(ask, school, kept) for _ in range(3)]
        assert inside.wait(20)
        go_on.set()
        assert len({each.result(20) for each in answers}) == 1

    assert len(made) == 1


def test_a_list_that_could_not_be_made_is_made_by_the_next_who_asks(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = kept_lists(school)

    def broken(_tx: Transaction, _organisation_id: UUID) -> Sequence[int]:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(credentials, "withdrawn_indexes", broken)
        with pytest.raises(StoreError):
            ask(school, kept)

    assert bits_of(ask(school, kept)) == StatusBits.of([])


def test_no_more_lists_are_kept_than_are_allowed(
    school: School, made: list[Sequence[int]]
) -> None:
    kept = kept_lists(school, most=0)

    assert ask(school, kept) == ask(school, kept)
    assert len(made) == 2


def bits_of(data: bytes) -> StatusBits:
    document: Any = parse_object(data)
    return StatusBits.decode(document["credentialSubject"]["encodedList"])


def move(school: School, row: UUID, old: ChainTxState, new: ChainTxState) -> None:
    receipt: Any = {
        "block_number": 2,
        "block_hash": bytes(32),
        "tx_hash": row.bytes * 2,
    }
    with school.database.begin() as tx:
        lease = leases.take(
            tx, CHAIN.chain_id, "0x" + "11" * 20, owner="w", seconds=60, now=NOW
        )
        assert lease is not None
        chain_txs.advance(
            tx, lease, row, old, new, now=NOW,
            **(receipt if new is ChainTxState.MINED else {}),
        )  # fmt: skip
