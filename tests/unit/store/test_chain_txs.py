from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from ledger.errors import Conflict, NotFound
from ledger.store import chain_txs, leases
from ledger.store.chain_txs import TRANSITIONS, Values
from ledger.store.database import Database, Transaction
from ledger.store.records import (
    LOST,
    ChainTx,
    ChainTxKind,
    ChainTxState,
    Lease,
    NewChainTx,
)
from tests.unit.store.plans import plan_of
from tests.unit.store.samples import (
    CHAIN_ID,
    NOW,
    SENDER,
    Undo,
    attempt,
    digest,
    new_chain_tx,
)

State = ChainTxState
OTHER_SENDER = "0x" + "ef" * 20
RECEIPT = Values(
    block_number=12, block_hash=digest("block"), tx_hash=digest("transaction")
)


def take(tx: Transaction, owner: str = "one", sender: str = SENDER) -> Lease:
    lease = leases.take(tx, CHAIN_ID, sender, owner=owner, seconds=600, now=NOW)
    assert lease is not None
    return lease


def enqueue(tx: Transaction, name: str = "register/riverside") -> ChainTx:
    return chain_txs.enqueue(tx, new_chain_tx(name), NOW)


def in_state(tx: Transaction, lease: Lease, state: State, nonce: int = 0) -> ChainTx:
    """A row that came to `state` in some lawful way."""
    row = enqueue(tx, f"{state}/{nonce}")
    way = {
        State.SEALED: [],
        State.IN_PROGRESS: [State.IN_PROGRESS],
        State.SENT: [State.IN_PROGRESS, State.SENT],
        State.MINED: [State.IN_PROGRESS, State.MINED],
        State.FINAL: [State.IN_PROGRESS, State.MINED, State.FINAL],
        State.REVERTED: [State.IN_PROGRESS, State.REVERTED],
        State.FATAL: [State.IN_PROGRESS, State.FATAL],
    }[state]
    before = State.SEALED
    for after in way:
        if after is State.IN_PROGRESS:
            chain_txs.begin_attempt(tx, lease, attempt(row), nonce=nonce, now=NOW)
        elif after is State.MINED:
            chain_txs.advance(tx, lease, row.id, before, after, now=NOW, **RECEIPT)
        else:
            chain_txs.advance(tx, lease, row.id, before, after, now=NOW)
        before = after
    return chain_txs.get(tx, row.id)


def test_new_one_is_sealed_and_has_no_nonce(database: Database) -> None:
    new = new_chain_tx("anchor/0xabc", ChainTxKind.ANCHOR, "batch")
    with database.begin() as tx:
        row = chain_txs.enqueue(tx, new, NOW)

    expected = ChainTx(
        id=row.id,
        kind=ChainTxKind.ANCHOR,
        chain_id=CHAIN_ID,
        to=new.to,
        data=new.data,
        gas=new.gas,
        subject="batch",
        unique_key="anchor/0xabc",
        state=State.SEALED,
        sender=None,
        nonce=None,
        block_number=None,
        block_hash=None,
        tx_hash=None,
        sent_block=None,
        created_at=NOW,
    )
    with database.read() as tx:
        assert expected == row
        assert expected == chain_txs.get(tx, row.id)


def test_asking_twice_sends_once(database: Database) -> None:
    """Also with another payload: the first one stands."""
    new = new_chain_tx("register/riverside")
    with database.begin() as tx:
        row = chain_txs.enqueue(tx, new, NOW)

        assert row == chain_txs.enqueue(tx, replace(new, data=b"other"), NOW)
        elsewhere = chain_txs.enqueue(tx, replace(new, chain_id=1), NOW)
        assert elsewhere.id != row.id


def settle(tx: Transaction, lease: Lease, row: ChainTx, nonce: int, end: State) -> None:
    chain_txs.begin_attempt(tx, lease, attempt(row), nonce=nonce, now=NOW)
    chain_txs.advance(tx, lease, row.id, State.IN_PROGRESS, end, now=NOW)


def test_only_what_failed_is_asked_for_anew(database: Database) -> None:
    new = new_chain_tx("revoke/01/7", ChainTxKind.REVOKE)
    neighbour = replace(new, unique_key="revoke/01/77")
    with database.begin() as tx:
        lease = take(tx)
        first = chain_txs.enqueue_anew(tx, new, NOW)
        assert chain_txs.enqueue_anew(tx, replace(new, data=b"2"), NOW) == first
        chain_txs.enqueue_anew(tx, neighbour, NOW)
        settle(tx, lease, first, 0, State.REVERTED)
        second = chain_txs.enqueue_anew(tx, replace(new, data=b"2"), NOW)
        assert (second.id != first.id, second.data) == (True, b"2")
        assert chain_txs.enqueue_anew(tx, replace(new, data=b"3"), NOW) == second
        settle(tx, lease, second, 1, State.FATAL)
        third = chain_txs.enqueue_anew(tx, replace(new, data=b"3"), NOW)

    assert [row.unique_key for row in (first, second, third)] == [
        "revoke/01/7",
        "revoke/01/7/anew/1",
        "revoke/01/7/anew/2",
    ]


def test_what_was_displaced_is_not_asked_for_anew(database: Database) -> None:
    new = new_chain_tx("register/01/")
    with database.begin() as tx:
        lease = take(tx)
        row = chain_txs.enqueue_anew(tx, new, NOW)
        chain_txs.begin_attempt(tx, lease, attempt(row), nonce=0, now=NOW)
        again = chain_txs.displace(tx, lease, row.id, now=NOW)

        assert chain_txs.enqueue_anew(tx, new, NOW) == again
        assert chain_txs.failed_acts(tx, CHAIN_ID) == []


def test_an_act_has_failed_once_every_attempt_has(database: Database) -> None:
    kinds = {"add_key/01/aa": ChainTxKind.ADD_KEY, "add_key/01/bb": ChainTxKind.ADD_KEY}
    with database.begin() as tx:
        lease = take(tx)
        for nonce, (name, kind) in enumerate(kinds.items()):
            row = chain_txs.enqueue(tx, new_chain_tx(name, kind), NOW)
            settle(tx, lease, row, nonce, State.REVERTED)
        anchor = chain_txs.enqueue(
            tx, new_chain_tx("anchor/1", ChainTxKind.ANCHOR), NOW
        )
        settle(tx, lease, anchor, 2, State.FATAL)
        lost = chain_txs.enqueue(
            tx, new_chain_tx("recovered/1", ChainTxKind.REVOKE, LOST), NOW
        )
        settle(tx, lease, lost, 3, State.REVERTED)
        names = [row.unique_key for row in chain_txs.failed_acts(tx, CHAIN_ID)]
        assert names == list(kinds)
        assert chain_txs.failed_acts(tx, 1) == []

        new = new_chain_tx("add_key/01/aa", ChainTxKind.ADD_KEY)
        again = chain_txs.enqueue_anew(tx, new, NOW)
        (row,) = chain_txs.failed_acts(tx, CHAIN_ID)
        assert row.unique_key == "add_key/01/bb"
        settle(tx, lease, again, 4, State.REVERTED)
        assert again.id in {row.id for row in chain_txs.failed_acts(tx, CHAIN_ID)}


def test_every_attempt_to_close_is_of_one_act(database: Database) -> None:
    """Those of earlier releases too, which numbered them."""
    with database.begin() as tx:
        lease = take(tx)
        first = chain_txs.enqueue(tx, new_chain_tx("close/01/", ChainTxKind.CLOSE), NOW)
        settle(tx, lease, first, 0, State.REVERTED)
        chain_txs.enqueue(tx, new_chain_tx("close/01/1", ChainTxKind.CLOSE), NOW)

        assert chain_txs.failed_acts(tx, CHAIN_ID) == []


def test_what_has_no_nonce_can_be_taken_back(database: Database) -> None:
    with database.begin() as tx:
        lease = take(tx)
        row = enqueue(tx)
        later = NOW + timedelta(seconds=1)
        assert chain_txs.sealed_before(tx, CHAIN_ID, NOW) == []
        assert chain_txs.sealed_before(tx, CHAIN_ID, later) == [row]
        chain_txs.take_back(tx, row.id)
        assert chain_txs.sealed_before(tx, CHAIN_ID, later) == []

        begun = enqueue(tx)
        chain_txs.begin_attempt(tx, lease, attempt(begun), nonce=0, now=NOW)
        assert chain_txs.sealed_before(tx, CHAIN_ID, later) == []
        with pytest.raises(Conflict, match="no longer sealed"):
            chain_txs.take_back(tx, begun.id)


def test_come_in_the_order_of_asking(database: Database) -> None:
    """A key is added after its issuer is registered, or it would revert."""
    names = [f"act {n}" for n in (5, 3, 9, 1, 7)]
    with database.begin() as tx:
        for name in names:
            enqueue(tx, name)

        found = chain_txs.in_state(tx, CHAIN_ID, [State.SEALED], 4)
        assert [row.unique_key for row in found] == names[:4]
        about = chain_txs.about(tx, "something")
        assert [row.unique_key for row in about] == names


def revocation_of(issuer: int, number: int) -> NewChainTx:
    new = new_chain_tx(f"revoke {issuer}.{number}", ChainTxKind.REVOKE)
    return replace(new, data=b"revo" + issuer.to_bytes(32, "big") + bytes([number]))


def order_of_nonces(tx: Transaction) -> list[str]:
    """Give a nonce to all that waits, as a worker does."""
    lease, served, order = take(tx), dict[bytes, int](), list[str]()
    while (row := chain_txs.next_sealed(tx, CHAIN_ID, served)) is not None:
        settle(tx, lease, row, len(order), State.SENT)
        served[row.data[4:36]] = len(order) + 1
        order.append(row.unique_key)
    return order


def test_revocations_of_one_issuer_hold_nobody_up(database: Database) -> None:
    with database.begin() as tx:
        for number in range(3):
            chain_txs.enqueue(tx, revocation_of(7, number), NOW)
        for issuer in (2, 3):
            chain_txs.enqueue(tx, revocation_of(issuer, 0), NOW)
        for kind in (ChainTxKind.REGISTER, ChainTxKind.ADD_KEY, ChainTxKind.ANCHOR):
            chain_txs.enqueue(tx, new_chain_tx(kind.value, kind), NOW)
        chain_txs.enqueue(tx, revocation_of(2, 1), NOW)
        chain_txs.enqueue(tx, replace(revocation_of(4, 0), chain_id=1), NOW)

        assert order_of_nonces(tx) == [
            "register",
            "add_key",
            "anchor",
            "revoke 7.0",
            "revoke 2.0",
            "revoke 3.0",
            "revoke 7.1",
            "revoke 2.1",
            "revoke 7.2",
        ]


def test_a_closing_waits_for_the_revocations_before_it_and_for_no_others(
    database: Database,
) -> None:
    """Whoever closes may be the successor whose right others' withdrawals stand on."""
    with database.begin() as tx:
        chain_txs.enqueue(tx, revocation_of(1, 0), NOW)
        chain_txs.enqueue(tx, revocation_of(2, 0), NOW)
        chain_txs.enqueue(tx, revocation_of(1, 1), NOW)
        chain_txs.enqueue(tx, new_chain_tx("close", ChainTxKind.CLOSE), NOW)
        chain_txs.enqueue(tx, revocation_of(1, 2), NOW)
        chain_txs.enqueue(tx, revocation_of(2, 1), NOW)

        assert order_of_nonces(tx) == [
            "revoke 1.0",
            "revoke 2.0",
            "revoke 1.1",
            "close",
            "revoke 2.1",
            "revoke 1.2",
        ]


def test_are_found_by_state_and_chain(database: Database) -> None:
    with database.begin() as tx:
        lease = take(tx)
        sealed = in_state(tx, lease, State.SEALED)
        sent = in_state(tx, lease, State.SENT)

        assert [sealed] == chain_txs.in_state(tx, CHAIN_ID, [State.SEALED], 9)
        both = chain_txs.in_state(tx, CHAIN_ID, [State.SEALED, State.SENT], 9)
        assert [sealed, sent] == both
        assert chain_txs.in_state(tx, 1, [State.SEALED], 9) == []
        assert chain_txs.about(tx, "something else") == []


def test_attempt_gives_the_nonce_out(database: Database) -> None:
    with database.begin() as tx:
        lease, row = take(tx), enqueue(tx)
        assert chain_txs.highest_nonce(tx, CHAIN_ID, SENDER) is None
        first = attempt(row)
        chain_txs.begin_attempt(tx, lease, first, nonce=7, now=NOW)

        expected = replace(row, state=State.IN_PROGRESS, sender=SENDER, nonce=7)
        assert expected == chain_txs.get(tx, row.id)
        assert [first] == chain_txs.attempts(tx, row.id)
        assert chain_txs.highest_nonce(tx, CHAIN_ID, SENDER) == 7
        assert chain_txs.highest_nonce(tx, CHAIN_ID, OTHER_SENDER) is None
        assert chain_txs.highest_nonce(tx, 1, SENDER) is None


def test_attempt_begins_once(database: Database) -> None:
    with database.begin() as tx:
        lease, row = take(tx), enqueue(tx)
        chain_txs.begin_attempt(tx, lease, attempt(row), nonce=7, now=NOW)

        with pytest.raises(Conflict, match="no longer sealed"):
            chain_txs.begin_attempt(tx, lease, attempt(row, tip=2), nonce=8, now=NOW)


def test_nonce_has_one_payload(database: Database) -> None:
    with database.begin() as tx:
        lease = take(tx)
        in_state(tx, lease, State.SENT, nonce=7)
        other = enqueue(tx, "other")

    with pytest.raises(Conflict, match="nonce is already used"), database.begin() as tx:
        chain_txs.begin_attempt(tx, lease, attempt(other), nonce=7, now=NOW)


def test_one_of_a_sender_is_in_progress(database: Database) -> None:
    with database.begin() as tx:
        lease = take(tx)
        in_state(tx, lease, State.IN_PROGRESS, nonce=7)
        other = enqueue(tx, "other")

    with pytest.raises(Conflict, match="is in progress"), database.begin() as tx:
        chain_txs.begin_attempt(tx, lease, attempt(other), nonce=8, now=NOW)


def test_other_fees_are_a_further_attempt(database: Database) -> None:
    with database.begin() as tx:
        lease = take(tx)
        row = in_state(tx, lease, State.SENT)
        dearer = attempt(row, tip=2, fee_cap=20)
        chain_txs.add_attempt(tx, lease, dearer, sent_block=99, now=NOW)

        assert [attempt(row), dearer] == chain_txs.attempts(tx, row.id)
        assert replace(row, sent_block=99) == chain_txs.get(tx, row.id)


@pytest.mark.parametrize("state", sorted(set(State) - {State.IN_PROGRESS, State.SENT}))
def test_nothing_is_added_once_it_is_decided(
    sqlite_database: Database, state: State
) -> None:
    with sqlite_database.begin() as tx:
        lease = take(tx)
        row = in_state(tx, lease, state)
        dearer = attempt(row, tip=2, fee_cap=20)

        with pytest.raises(Conflict, match="no longer in_progress or sent"):
            chain_txs.add_attempt(tx, lease, dearer, sent_block=99, now=NOW)
        assert row == chain_txs.get(tx, row.id)


def test_largest_fees_and_blocks_fit(database: Database) -> None:
    with database.begin() as tx:
        lease = take(tx)
        row = in_state(tx, lease, State.SENT)
        dearest = attempt(row, tip=2**63 - 1, fee_cap=2**63 - 1)
        chain_txs.add_attempt(tx, lease, dearest, sent_block=2**63 - 1, now=NOW)

        assert dearest == chain_txs.attempts(tx, row.id)[-1]
        assert chain_txs.get(tx, row.id).sent_block == 2**63 - 1


def test_sending_is_noted(database: Database) -> None:
    with database.begin() as tx:
        lease = take(tx)
        row = in_state(tx, lease, State.IN_PROGRESS)
        chain_txs.mark_attempt_sent(tx, lease, attempt(row).hash, now=NOW)

        assert [replace(attempt(row), sent_at=NOW)] == chain_txs.attempts(tx, row.id)
        with pytest.raises(NotFound):
            chain_txs.mark_attempt_sent(tx, lease, bytes(32), now=NOW)


ALLOWED = [(old, new) for old, news in TRANSITIONS.items() for new in sorted(news)]
FORBIDDEN = [
    (old, new) for old in State for new in State if new not in TRANSITIONS[old]
]


def test_every_lawful_transition_happens(database: Database) -> None:
    assert len(ALLOWED) == 12
    for nonce, (old, new) in enumerate(ALLOWED):
        with suppress(Undo), database.begin() as tx:
            lease = take(tx)
            row = in_state(tx, lease, old, nonce)
            values = RECEIPT if new in {State.MINED, State.FINAL} else {}
            chain_txs.advance(tx, lease, row.id, old, new, now=NOW, **values)
            assert chain_txs.get(tx, row.id).state is new
            raise Undo


def test_no_other_transition_exists(sqlite_database: Database) -> None:
    with sqlite_database.begin() as tx:
        lease, row = take(tx), enqueue(tx)
        for old, new in FORBIDDEN:
            with pytest.raises(ValueError, match="no chain transaction goes from"):
                chain_txs.advance(tx, lease, row.id, old, new, now=NOW)


def test_receipt_is_kept_and_forgotten_when_its_block_is_gone(
    database: Database,
) -> None:
    with database.begin() as tx:
        lease = take(tx)
        sent = in_state(tx, lease, State.SENT)
        chain_txs.advance(
            tx, lease, sent.id, State.SENT, State.MINED, now=NOW, **RECEIPT
        )
        mined = chain_txs.get(tx, sent.id)
        chain_txs.advance(tx, lease, sent.id, State.MINED, State.SENT, now=NOW)

        assert {n: getattr(mined, n) for n in RECEIPT} == RECEIPT
        assert sent == chain_txs.get(tx, sent.id)


def test_the_newest_settled_is_the_one_with_the_highest_nonce(
    database: Database,
) -> None:
    with database.begin() as tx:
        lease = take(tx)
        assert chain_txs.newest_settled(tx, CHAIN_ID, SENDER) is None
        rows = [in_state(tx, lease, State.MINED, nonce) for nonce in range(3)]
        assert chain_txs.newest_settled(tx, CHAIN_ID, SENDER) is None
        for row, new in zip(rows, (State.FINAL, State.REVERTED), strict=False):
            chain_txs.advance(tx, lease, row.id, State.MINED, new, now=NOW)

        newest = chain_txs.newest_settled(tx, CHAIN_ID, SENDER)
        assert newest == chain_txs.get(tx, rows[1].id)
        assert chain_txs.newest_settled(tx, CHAIN_ID, OTHER_SENDER) is None
        assert chain_txs.newest_settled(tx, 1, SENDER) is None


def test_only_one_of_two_moves_it(database: Database) -> None:
    with database.begin() as tx:
        lease = take(tx)
        row = in_state(tx, lease, State.IN_PROGRESS)
        chain_txs.advance(tx, lease, row.id, State.IN_PROGRESS, State.SENT, now=NOW)

        with pytest.raises(Conflict, match=f"{row.id} is no longer in_progress"):
            chain_txs.advance(
                tx, lease, row.id, State.IN_PROGRESS, State.FATAL, now=NOW
            )


def test_row_of_another_sender_or_chain_is_not_moved(database: Database) -> None:
    with database.begin() as tx:
        row = in_state(tx, take(tx), State.IN_PROGRESS)
        other = take(tx, sender=OTHER_SENDER)
        elsewhere = leases.take(tx, 1, SENDER, owner="one", seconds=60, now=NOW)
        assert elsewhere is not None

        for lease in (other, elsewhere):
            with pytest.raises(Conflict):
                chain_txs.advance(
                    tx, lease, row.id, State.IN_PROGRESS, State.SENT, now=NOW
                )
        assert row == chain_txs.get(tx, row.id)


def test_worker_that_lost_its_lease_writes_nothing(database: Database) -> None:
    with database.begin() as tx:
        lost = take(tx)
        sealed = in_state(tx, lost, State.SEALED)
        sent = in_state(tx, lost, State.SENT)
        leases.release(tx, lost)
        take(tx, "two")
        dearer = attempt(sent, tip=2, fee_cap=20)
        writes: list[Callable[[], None]] = [
            lambda: chain_txs.begin_attempt(
                tx, lost, attempt(sealed), nonce=9, now=NOW
            ),
            lambda: chain_txs.add_attempt(tx, lost, dearer, sent_block=9, now=NOW),
            lambda: chain_txs.mark_attempt_sent(tx, lost, attempt(sent).hash, now=NOW),
            lambda: chain_txs.advance(
                tx, lost, sent.id, State.SENT, State.FATAL, now=NOW
            ),
        ]

        for write in writes:
            with pytest.raises(Conflict, match="was lost"):
                write()
        assert sealed == chain_txs.get(tx, sealed.id)
        assert sent == chain_txs.get(tx, sent.id)
        assert [attempt(sent)] == chain_txs.attempts(tx, sent.id)


def test_unknown_is_not_found(database: Database) -> None:
    with database.read() as tx, pytest.raises(NotFound):
        chain_txs.get(tx, uuid4())


def test_anchors_are_copied_to_another_chain_once_and_the_oldest_first(
    database: Database,
) -> None:
    there = "0x" + "ee" * 20
    with database.begin() as tx:
        chain_txs.enqueue(tx, new_chain_tx("no anchor"), NOW)
        anchors = [
            chain_txs.enqueue(
                tx,
                new_chain_tx(f"anchor/{n}", ChainTxKind.ANCHOR, f"batch {n}"),
                NOW + timedelta(seconds=n),
            )
            for n in (2, 1, 3)
        ]
        for other in ("recovered/0x12/7", "anchor/1/after/0x12/7"):
            chain_txs.enqueue(
                tx, new_chain_tx(other, ChainTxKind.ANCHOR, "batch 1"), NOW
            )
        later = NOW + timedelta(days=9)

        def copy(limit: int) -> int:
            return chain_txs.copy_anchors(tx, 10, there, limit=limit, now=later)

        assert copy(2) == 2
        assert copy(2) == 1
        assert copy(2) == 0
        made = chain_txs.in_state(tx, 10, [ChainTxState.SEALED], 9)
        assert [row.subject for row in made] == ["batch 1", "batch 2", "batch 3"]
        assert {row.to for row in made} == {there}
        by_key = {row.unique_key: row for row in made}
        for anchor in anchors:
            copied = by_key[anchor.unique_key]
            assert (copied.kind, copied.data, copied.gas) == (
                anchor.kind,
                anchor.data,
                anchor.gas,
            )
        # What is on several chains already is copied to a third one once.
        assert chain_txs.copy_anchors(tx, 11, there, limit=9, now=later) == 3
        assert len(chain_txs.in_state(tx, 11, [ChainTxState.SEALED], 9)) == 3


# -------------------------------------------------------------------- nonces that others used


@pytest.mark.parametrize("state", [State.IN_PROGRESS, State.SENT])
def test_a_displaced_call_keeps_its_nonce_and_is_asked_for_again(
    database: Database, state: State
) -> None:
    with database.begin() as tx:
        lease = take(tx)
        row = in_state(tx, lease, state)
        again = chain_txs.displace(tx, lease, row.id, now=NOW)
        behind = enqueue(tx, "behind")

        kept = chain_txs.get(tx, row.id)
        assert (kept.state, kept.nonce, kept.sender) == (State.FATAL, 0, SENDER)
        assert (again.state, again.nonce, again.sender) == (State.SEALED, None, None)
        same = ("kind", "to", "data", "gas", "subject")
        assert [getattr(again, n) for n in same] == [getattr(row, n) for n in same]
        waiting = chain_txs.in_state(tx, CHAIN_ID, [State.SEALED], 9)
        assert [each.id for each in waiting] == [again.id, behind.id]
        assert chain_txs.highest_nonce(tx, CHAIN_ID, SENDER) == 0


def test_nothing_else_is_displaced(database: Database) -> None:
    for state in set(State) - {State.IN_PROGRESS, State.SENT}:
        with suppress(Undo), database.begin() as tx:
            lease = take(tx)
            row = in_state(tx, lease, state)
            with pytest.raises(ValueError, match="no chain transaction goes"):
                chain_txs.displace(tx, lease, row.id, now=NOW)
            raise Undo


def test_the_newest_block_is_that_of_what_is_settled(database: Database) -> None:
    with database.begin() as tx:
        lease = take(tx)
        assert chain_txs.newest_block(tx, CHAIN_ID, SENDER) is None
        in_state(tx, lease, State.MINED)
        assert chain_txs.newest_block(tx, CHAIN_ID, SENDER) is None
        in_state(tx, lease, State.FINAL, 1)
        assert chain_txs.newest_block(tx, CHAIN_ID, SENDER) == 12
        assert chain_txs.newest_block(tx, CHAIN_ID, OTHER_SENDER) is None


def lost_anchor(tx: Transaction, lease: Lease, state: State, nonce: int = 0) -> ChainTx:
    """What a lost database had sent, as `perdure recover` keeps it."""
    new = new_chain_tx(f"recovered/{nonce}", ChainTxKind.ANCHOR, LOST)
    row = chain_txs.enqueue(tx, replace(new, data=b"the root"), NOW)
    chain_txs.begin_attempt(tx, lease, attempt(row), nonce=nonce, now=NOW)
    before = State.IN_PROGRESS
    for after in (State.SENT, State.MINED, State.FINAL):
        if before is not state:
            values = RECEIPT if after is State.MINED else Values(sent_block=3)
            chain_txs.advance(tx, lease, row.id, before, after, now=NOW, **values)
            before = after
    return chain_txs.get(tx, row.id)


def waiting_anchor(tx: Transaction, data: bytes = b"the root") -> ChainTx:
    new = new_chain_tx(f"anchor/{data.hex()}", ChainTxKind.ANCHOR, "batch")
    return chain_txs.enqueue(tx, replace(new, data=data), NOW)


@pytest.mark.parametrize("state", [State.SENT, State.MINED, State.FINAL])
def test_what_a_lost_database_sent_stands_for_what_waits(
    database: Database, state: State
) -> None:
    with database.begin() as tx:
        lease = take(tx)
        lost = lost_anchor(tx, lease, state)
        waits = waiting_anchor(tx)
        assert chain_txs.sent_by_lost(tx, waits, SENDER) == lost
        chain_txs.take_over(tx, lease, waits, lost, sent_block=9, now=NOW)

        (row,) = chain_txs.in_state(tx, CHAIN_ID, tuple(State), 9)
        assert row == replace(
            lost,
            state=State.SENT,
            subject="batch",
            unique_key=waits.unique_key,
            block_number=None,
            block_hash=None,
            tx_hash=None,
            sent_block=lost.sent_block if state is State.SENT else 9,
        )
        assert len(chain_txs.attempts(tx, row.id)) == 1


def test_nothing_else_is_taken_over(database: Database) -> None:
    """Of another root, account or chain; nor by whoever lost the lease, nor what has moved."""
    with database.begin() as tx:
        lease = take(tx)
        lost = lost_anchor(tx, lease, State.FINAL)
        waits = waiting_anchor(tx)
        other = waiting_anchor(tx, b"another root")
        assert chain_txs.sent_by_lost(tx, other, SENDER) is None
        assert chain_txs.sent_by_lost(tx, waits, OTHER_SENDER) is None
        elsewhere = replace(waits, chain_id=CHAIN_ID + 1)
        assert chain_txs.sent_by_lost(tx, elsewhere, SENDER) is None
    for late, row, found in (
        (replace(lease, token=lease.token + 1), waits, lost),
        (lease, lost, lost),
        (lease, waits, replace(lost, state=State.MINED)),
    ):
        with pytest.raises(Conflict), database.begin() as tx:
            chain_txs.take_over(tx, late, row, found, sent_block=9, now=NOW)
    with database.read() as tx:
        assert chain_txs.get(tx, waits.id) == waits
        assert chain_txs.get(tx, lost.id) == lost


def test_what_is_under_way_is_looked_up_and_not_searched_for(
    sqlite_database: Database,
) -> None:
    """Every round asks, several times, and nearly all that ever was is final."""
    states = (State.IN_PROGRESS, State.SENT, State.MINED)
    outer, *_, inner, _sort = plan_of(
        sqlite_database, lambda tx: chain_txs.in_state(tx, CHAIN_ID, states, 9)
    )
    assert outer.endswith("(id=?)")
    assert inner.endswith("ix_chain_tx_state (chain_id=? AND state=?)")
