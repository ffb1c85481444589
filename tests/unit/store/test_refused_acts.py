"""What the chain refused is told of until it is asked for again, or nobody can use it any more."""

from collections.abc import Callable
from uuid import uuid4

import pytest

from ledger.store import chain_txs, closings, issuers, leases, refused_acts
from ledger.store.database import Database, Transaction
from ledger.store.records import (
    ChainTxKind,
    ChainTxState,
    Closing,
    NewChainTx,
    Organisation,
)
from tests.unit.store.samples import (
    CHAIN_ID,
    NOW,
    SENDER,
    add_school,
    attempt,
    issuer_key,
    issuer_record,
    new_chain_tx,
)

Change = Callable[[Transaction, Organisation], None]


def refuse(tx: Transaction, new: NewChainTx) -> None:
    lease = leases.take(tx, CHAIN_ID, SENDER, owner="one", seconds=60, now=NOW)
    assert lease is not None
    row = chain_txs.enqueue(tx, new, NOW)
    chain_txs.begin_attempt(tx, lease, attempt(row), nonce=0, now=NOW)
    chain_txs.advance(
        tx, lease, row.id, ChainTxState.IN_PROGRESS, ChainTxState.REVERTED, now=NOW
    )


def act_of(school: Organisation, kind: ChainTxKind) -> NewChainTx:
    data = b"addK" + issuer_record(school).issuer_id + issuer_key(school).key_id
    new = new_chain_tx(f"{kind}/1/2", kind, str(school.id))
    return NewChainTx(
        new.kind, new.chain_id, new.to, data, new.gas, new.subject, new.unique_key
    )


def close(tx: Transaction, school: Organisation) -> None:
    closings.begin(tx, Closing(school.id, NOW, None, b"{}", b"[]"), {})


def closed(tx: Transaction, school: Organisation) -> None:
    close(tx, school)
    issuers.mark_registered(tx, school.id, 1)
    issuers.mark_closed(tx, school.id, 2, block=3)


def registered(tx: Transaction, school: Organisation) -> None:
    issuers.mark_registered(tx, school.id, 1)


def opened(tx: Transaction, school: Organisation) -> None:
    issuers.mark_key_opened(tx, school.id, issuer_key(school).key_id, 1)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (ChainTxKind.REGISTER, registered),
        (ChainTxKind.REGISTER, close),
        (ChainTxKind.ADD_KEY, opened),
        (ChainTxKind.ADD_KEY, close),
        (ChainTxKind.CLOSE, closed),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_an_act_is_told_of_until_it_is_moot(
    database: Database, kind: ChainTxKind, change: Change
) -> None:
    with database.begin() as tx:
        school = add_school(tx, opened=None)
        refuse(tx, act_of(school, kind))

        (row,) = refused_acts.on_chain(tx, CHAIN_ID)
        assert row.kind is kind
        change(tx, school)
        assert refused_acts.on_chain(tx, CHAIN_ID) == []


def test_a_withdrawal_is_never_moot(database: Database) -> None:
    with database.begin() as tx:
        school = add_school(tx)
        refuse(tx, act_of(school, ChainTxKind.REVOKE))
        close(tx, school)

        assert len(refused_acts.on_chain(tx, CHAIN_ID)) == 1
        assert refused_acts.on_chain(tx, 1) == []


def test_an_act_of_nobody_here_is_nobodys_business(database: Database) -> None:
    with database.begin() as tx:
        refuse(tx, new_chain_tx("register/1/", subject=str(uuid4())))

        assert refused_acts.on_chain(tx, CHAIN_ID) == []
