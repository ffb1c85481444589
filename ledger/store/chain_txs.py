"""Everything the ledger sends to a chain: one kind of row, one state machine.

    sealed --> in_progress --> sent --> mined --> final
                    |           ^  |      |         |
                    |           |  +--<---+----<----+    (the block is gone)
                    +-> fatal, reverted, mined

A transition is a compare-and-swap under the lease. The signed bytes are stored by the
transition to in_progress, or as a further attempt, and only then sent: `begin_attempt` and
`add_attempt` must be committed before a byte leaves.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import Final, TypedDict, Unpack
from uuid import UUID, uuid4

from sqlalchemy import (
    ColumnElement,
    LargeBinary,
    RowMapping,
    Select,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.orm import aliased
from sqlmodel import col

from ledger.errors import Conflict, NotFound
from ledger.store import costs, leases
from ledger.store.database import Transaction
from ledger.store.records import (
    LOST,
    Attempt,
    ChainTx,
    ChainTxKind,
    ChainTxState,
    Lease,
    NewChainTx,
)
from ledger.store.tables import AttemptRow, ChainTxRow

_S = ChainTxState

#: Where `advance` may lead; out of sealed leads only `begin_attempt`.
TRANSITIONS: Mapping[ChainTxState, frozenset[ChainTxState]] = MappingProxyType(
    {
        _S.SEALED: frozenset(),
        _S.IN_PROGRESS: frozenset({_S.SENT, _S.MINED, _S.REVERTED, _S.FATAL}),
        _S.SENT: frozenset({_S.MINED, _S.REVERTED, _S.FATAL}),
        _S.MINED: frozenset({_S.FINAL, _S.REVERTED, _S.SENT}),
        _S.FINAL: frozenset({_S.SENT}),
        _S.REVERTED: frozenset({_S.SENT}),
        _S.FATAL: frozenset(),
    }
)

#: The key of an anchor on whichever chain is this and the sealed root.
ANCHOR_KEY: Final = "anchor/"
#: Between the key of a call and where its nonce was lost, when it is asked for again.
_AGAIN: Final = "/after/"
#: Between the key of an act and how often it was asked for, once the chain has refused it.
_ANEW: Final = "/anew/"
#: Nobody's withdrawals hold these up; none of them takes the right to a revocation away.
_FIRST: Final = (ChainTxKind.ANCHOR, ChainTxKind.REGISTER, ChainTxKind.ADD_KEY)
#: Nobody carries these any more.
FAILED: Final = (_S.REVERTED, _S.FATAL)

_NO_TX = "there is no such chain transaction"


class Values(TypedDict, total=False):
    """What a transition learns: the receipt that was seen, or the head at sending."""

    block_number: int
    block_hash: bytes
    tx_hash: bytes
    sent_block: int


def enqueue(tx: Transaction, new: NewChainTx, now: datetime) -> ChainTx:
    """Ask for an act, once: the same `unique_key` again answers the row that is there.

    What one transaction asks for is sent in that order.
    """
    # Two transactions may read the same position; then their order does not matter.
    newest = tx.scalar(
        select(func.max(ChainTxRow.position)).where(
            col(ChainTxRow.chain_id) == new.chain_id
        )
    )
    values = asdict(new)
    values["to_address"] = values.pop("to")
    tx.add_if_absent(
        ChainTxRow,
        {
            **values,
            "id": uuid4(),
            "position": 1 if newest is None else newest + 1,
            "state": _S.SEALED,
            "created_at": now,
        },
    )
    (row,) = tx.rows(
        select(ChainTxRow).where(
            col(ChainTxRow.chain_id) == new.chain_id,
            col(ChainTxRow.unique_key) == new.unique_key,
        )
    )
    return _chain_tx(row)


def enqueue_anew(tx: Transaction, new: NewChainTx, now: datetime) -> ChainTx:
    """Ask for an act as `enqueue` does; one that failed is asked for as a further row.

    Its payload is another then: a later deadline, or another number of recovery acts.
    """
    tried = [
        row
        for row in about(tx, new.subject)
        if row.chain_id == new.chain_id and _asked_as(row.unique_key) == new.unique_key
    ]
    for row in reversed(tried):
        if row.state not in FAILED:
            return row
    if tried:
        new = replace(new, unique_key=f"{new.unique_key}{_ANEW}{len(tried)}")
    return enqueue(tx, new, now)


def failed_acts(tx: Transaction, chain_id: int) -> Sequence[ChainTx]:
    """Acts of which every attempt has failed, each as it was tried last; anchors are none."""
    rows = tx.rows(_in_state(chain_id, frozenset(FAILED), None))
    failed = {
        _act_of(row): row
        for row in map(_chain_tx, rows)
        if row.kind is not ChainTxKind.ANCHOR and row.subject != LOST
    }
    return [
        row
        for act, row in failed.items()
        if all(
            other.state in FAILED
            for other in about(tx, row.subject)
            if other.chain_id == chain_id and _act_of(other) == act
        )
    ]


def sealed_before(
    tx: Transaction, chain_id: int, instant: datetime
) -> Sequence[ChainTx]:
    """What was asked for before an instant and has no nonce yet, in order."""
    rows = tx.rows(_in_state(chain_id, frozenset({_S.SEALED}), None))
    return [_chain_tx(row) for row in rows if row["created_at"] < instant]


def take_back(tx: Transaction, id: UUID) -> None:
    """Ask no more for what has no nonce yet. Raises Conflict once it has one."""
    done = tx.change(
        delete(ChainTxRow).where(
            col(ChainTxRow.id) == id, col(ChainTxRow.state) == _S.SEALED
        )
    )
    if done != 1:
        raise Conflict(f"chain transaction {id} is no longer sealed")


def _asked_as(unique_key: str) -> str:
    """The key under which an act was asked for first."""
    return unique_key.partition(_AGAIN)[0].partition(_ANEW)[0]


def _act_of(row: ChainTx) -> tuple[str, str, str]:
    # An issuer closes once, whatever key its further attempts were given by earlier releases.
    name = "" if row.kind is ChainTxKind.CLOSE else _asked_as(row.unique_key)
    return row.kind.value, row.subject, name


def copy(
    tx: Transaction, anchor: ChainTx, *, chain_id: int, to: str, now: datetime
) -> ChainTx:
    """Ask for the same anchor on another chain, once; `to` is the registry there."""
    return enqueue(
        tx,
        NewChainTx(
            kind=anchor.kind,
            chain_id=chain_id,
            to=to,
            data=anchor.data,
            gas=anchor.gas,
            subject=anchor.subject,
            unique_key=anchor.unique_key,
        ),
        now,
    )


def copy_anchors(
    tx: Transaction, chain_id: int, to: str, *, limit: int, now: datetime
) -> int:
    """Ask for anchors that are asked for elsewhere and not on this chain yet, the oldest first.

    Answers how many, at most `limit`.
    """
    here = aliased(ChainTxRow)
    present = (
        select(col(here.id))
        .where(
            col(here.chain_id) == chain_id,
            col(here.unique_key) == col(ChainTxRow.unique_key),
        )
        .exists()
    )
    rows = tx.rows(
        select(ChainTxRow)
        .where(
            col(ChainTxRow.chain_id) != chain_id,
            col(ChainTxRow.kind) == ChainTxKind.ANCHOR,
            # Neither what was found on a chain after a loss, nor what was asked for again there.
            col(ChainTxRow.unique_key).startswith(ANCHOR_KEY),
            ~col(ChainTxRow.unique_key).contains(_AGAIN),
            ~present,
        )
        .order_by(col(ChainTxRow.created_at), col(ChainTxRow.position))
        .limit(limit)
    )
    missing = {row["unique_key"]: _chain_tx(row) for row in rows}
    for anchor in missing.values():
        copy(tx, anchor, chain_id=chain_id, to=to, now=now)
    return len(missing)


def get(tx: Transaction, id: UUID) -> ChainTx:
    """One chain transaction. Raises NotFound."""
    row = tx.row(select(ChainTxRow).where(col(ChainTxRow.id) == id))
    if row is None:
        raise NotFound(_NO_TX)
    return _chain_tx(row)


def about(tx: Transaction, subject: str) -> Sequence[ChainTx]:
    """The chain transactions about a batch, organisation or credential, in order."""
    rows = tx.rows(
        select(ChainTxRow)
        .where(col(ChainTxRow.subject) == subject)
        .order_by(col(ChainTxRow.position), col(ChainTxRow.id))
    )
    return [_chain_tx(row) for row in rows]


def in_state(
    tx: Transaction, chain_id: int, states: Iterable[ChainTxState], limit: int
) -> Sequence[ChainTx]:
    """At most `limit` chain transactions in one of these states, in order."""
    rows = tx.rows(_in_state(chain_id, frozenset(states), limit))
    return [_chain_tx(row) for row in rows]


@cache
def _in_state(
    chain_id: int, states: frozenset[ChainTxState], limit: int | None
) -> Select[ChainTxRow]:
    # Asked several times in every round, always for the same few: made once. In two steps:
    # SQLite would go through all that ever was, since that is in order, rather than sort a few.
    few = select(col(ChainTxRow.id)).where(
        col(ChainTxRow.chain_id) == chain_id,
        col(ChainTxRow.state).in_(sorted(states)),
    )
    return (
        select(ChainTxRow)
        .where(col(ChainTxRow.id).in_(few))
        .order_by(col(ChainTxRow.position), col(ChainTxRow.id))
        .limit(limit)
    )


def next_sealed(
    tx: Transaction, chain_id: int, served: Mapping[bytes, int]
) -> ChainTx | None:
    """What gets the next nonce; None if nothing waits.

    Anchors, registrations and keys come first, in order. Revocations take turns by issuer: whose
    number in `served` is the lowest, or missing. Any other act waits for the revocations that were
    asked for before it, since it may end the right to them.
    """
    first = _oldest_sealed(tx, chain_id, col(ChainTxRow.kind).in_(_FIRST))
    oldest = first or _oldest_sealed(tx, chain_id)
    if oldest is None or oldest.kind is not ChainTxKind.REVOKE:
        return oldest
    # revoke(bytes32 id, ...)
    issuer = func.substr(col(ChainTxRow.data), 5, 32, type_=LargeBinary)
    revocations = (
        col(ChainTxRow.chain_id) == chain_id,
        col(ChainTxRow.state) == _S.SEALED,
        col(ChainTxRow.kind) == ChainTxKind.REVOKE,
    )
    waiting = tx.rows(
        select(
            issuer.label("issuer"), func.min(col(ChainTxRow.position)).label("first")
        )
        .where(*revocations)
        .group_by(issuer)
    )
    turn = min(waiting, key=lambda row: (served.get(row["issuer"], 0), row["first"]))
    return _oldest_sealed(
        tx,
        chain_id,
        col(ChainTxRow.kind) == ChainTxKind.REVOKE,
        issuer == turn["issuer"],
    )


def _oldest_sealed(
    tx: Transaction, chain_id: int, *conditions: ColumnElement[bool]
) -> ChainTx | None:
    row = tx.row(
        select(ChainTxRow)
        .where(
            col(ChainTxRow.chain_id) == chain_id,
            col(ChainTxRow.state) == _S.SEALED,
            *conditions,
        )
        .order_by(col(ChainTxRow.position), col(ChainTxRow.id))
        .limit(1)
    )
    return None if row is None else _chain_tx(row)


def attempts(tx: Transaction, id: UUID) -> Sequence[Attempt]:
    """The signed bytes of a chain transaction, the cheapest first."""
    rows = tx.rows(
        select(AttemptRow)
        .where(col(AttemptRow.chain_tx_id) == id)
        .order_by(
            col(AttemptRow.fee_cap), col(AttemptRow.tip), col(AttemptRow.created_at)
        )
    )
    return [Attempt(**row) for row in rows]


def highest_nonce(tx: Transaction, chain_id: int, sender: str) -> int | None:
    """The highest nonce ever given out for a sender; None before the first."""
    highest: int | None = tx.scalar(
        select(func.max(ChainTxRow.nonce)).where(
            col(ChainTxRow.chain_id) == chain_id, col(ChainTxRow.sender) == sender
        )
    )
    return highest


def newest_block(tx: Transaction, chain_id: int, sender: str) -> int | None:
    """The newest block with a final transaction of a sender; None before the first."""
    newest: int | None = tx.scalar(
        select(func.max(ChainTxRow.block_number)).where(
            col(ChainTxRow.chain_id) == chain_id,
            col(ChainTxRow.sender) == sender,
            col(ChainTxRow.state).in_([_S.FINAL, _S.REVERTED]),
        )
    )
    return newest


def newest_settled(tx: Transaction, chain_id: int, sender: str) -> ChainTx | None:
    """The final or reverted chain transaction of a sender with the highest nonce; None before the first."""
    row = tx.row(
        select(ChainTxRow)
        .where(
            col(ChainTxRow.chain_id) == chain_id,
            col(ChainTxRow.sender) == sender,
            col(ChainTxRow.state).in_([_S.FINAL, _S.REVERTED]),
        )
        .order_by(col(ChainTxRow.nonce).desc())
        .limit(1)
    )
    return None if row is None else _chain_tx(row)


def begin_attempt(
    tx: Transaction, lease: Lease, attempt: Attempt, *, nonce: int, now: datetime
) -> None:
    """sealed -> in_progress: give the nonce out for ever, together with signed bytes.

    Raises Conflict if the lease is lost, the row is not sealed any more, the nonce was
    given out, or another transaction of the sender is in progress.
    """
    leases.hold(tx, lease, now=now)
    _swap(
        tx,
        lease,
        attempt.chain_tx_id,
        {_S.SEALED},
        state=_S.IN_PROGRESS,
        sender=lease.sender,
        nonce=nonce,
    )
    tx.change(insert(AttemptRow).values(asdict(attempt)))


def add_attempt(
    tx: Transaction, lease: Lease, attempt: Attempt, *, sent_block: int, now: datetime
) -> None:
    """Store bytes with other fees, same nonce and payload; waiting counts from the head.

    Raises Conflict if the lease is lost or the row is neither in_progress nor sent.
    """
    leases.hold(tx, lease, now=now)
    _swap(
        tx,
        lease,
        attempt.chain_tx_id,
        {_S.IN_PROGRESS, _S.SENT},
        sent_block=sent_block,
    )
    tx.change(insert(AttemptRow).values(asdict(attempt)))


def mark_attempt_sent(
    tx: Transaction, lease: Lease, hash: bytes, *, now: datetime
) -> None:
    """Note that bytes went out, whatever became of them.

    Raises Conflict if the lease is lost, NotFound without such an attempt.
    """
    leases.hold(tx, lease, now=now)
    done = tx.change(
        update(AttemptRow).where(col(AttemptRow.hash) == hash).values(sent_at=now)
    )
    if done != 1:
        raise NotFound("there is no such attempt")


def advance(  # noqa: PLR0917 - which row, from where to where, and why
    tx: Transaction,
    lease: Lease,
    id: UUID,
    old: ChainTxState,
    new: ChainTxState,
    *,
    now: datetime,
    **values: Unpack[Values],
) -> None:
    """Move a chain transaction from `old` to `new`; going back forgets the receipt.

    Raises Conflict if the lease is lost or the row is not in `old` any more, ValueError
    for a transition that does not exist.
    """
    if new not in TRANSITIONS[old]:
        raise ValueError(f"no chain transaction goes from {old} to {new}")
    leases.hold(tx, lease, now=now)
    changed: dict[str, object] = {"state": new, **values}
    if new is _S.SENT:
        changed |= {"block_number": None, "block_hash": None, "tx_hash": None}
        costs.forget(tx, id)
    _swap(tx, lease, id, {old}, **changed)


def displace(tx: Transaction, lease: Lease, id: UUID, *, now: datetime) -> ChainTx:
    """Give up a nonce that somebody else has used, finally, and ask for the same call again.

    The row keeps its nonce for ever, as fatal: its bytes can never be mined. Answers the new row,
    without a nonce. Raises Conflict if the lease is lost or the row is not on its way any more.
    """
    row = get(tx, id)
    advance(tx, lease, id, row.state, _S.FATAL, now=now)
    again = NewChainTx(
        kind=row.kind,
        chain_id=row.chain_id,
        to=row.to,
        data=row.data,
        gas=row.gas,
        subject=row.subject,
        unique_key=f"{row.unique_key}{_AGAIN}{row.sender}/{row.nonce}",
    )
    return enqueue(tx, again, now)


def sent_by_lost(tx: Transaction, anchor: ChainTx, sender: str) -> ChainTx | None:
    """What a lost database had sent from this account and is the very anchor that waits here."""
    row = tx.row(
        select(ChainTxRow)
        .where(
            col(ChainTxRow.subject) == LOST,
            col(ChainTxRow.chain_id) == anchor.chain_id,
            col(ChainTxRow.sender) == sender,
            col(ChainTxRow.kind) == ChainTxKind.ANCHOR,
            col(ChainTxRow.to_address) == anchor.to,
            col(ChainTxRow.data) == anchor.data,
            col(ChainTxRow.state).in_([_S.SENT, _S.MINED, _S.FINAL]),
        )
        .order_by(col(ChainTxRow.nonce))
        .limit(1)
    )
    return None if row is None else _chain_tx(row)


def take_over(
    tx: Transaction,
    lease: Lease,
    anchor: ChainTx,
    lost: ChainTx,
    *,
    sent_block: int,
    now: datetime,
) -> None:
    """Let what a lost database had sent stand for an anchor that waits, which is asked for no more.

    It is followed again, as if it had just been sent: its batch learns what the registry says.
    Raises Conflict if the lease is lost or one of the two has moved.
    """
    leases.hold(tx, lease, now=now)
    take_back(tx, anchor.id)
    if lost.state is not _S.SENT:
        advance(tx, lease, lost.id, lost.state, _S.SENT, now=now, sent_block=sent_block)
    _swap(
        tx,
        lease,
        lost.id,
        {_S.SENT},
        subject=anchor.subject,
        unique_key=anchor.unique_key,
    )


def _swap(
    tx: Transaction,
    lease: Lease,
    id: UUID,
    old: set[ChainTxState],
    **changed: object,
) -> None:
    # Rows of another sender, left from before a change of accounts, are not ours to move.
    sender = col(ChainTxRow.sender)
    done = tx.change(
        update(ChainTxRow)
        .where(
            col(ChainTxRow.id) == id,
            col(ChainTxRow.chain_id) == lease.chain_id,
            sender.is_(None) | (sender == lease.sender),
            col(ChainTxRow.state).in_(list(old)),
        )
        .values(**changed)
    )
    if done != 1:
        raise Conflict(
            f"chain transaction {id} is no longer {' or '.join(sorted(old))}"
        )


def _chain_tx(row: RowMapping) -> ChainTx:
    values = {**row, "kind": ChainTxKind(row["kind"]), "state": _S(row["state"])}
    del values["position"]
    return ChainTx(to=values.pop("to_address"), **values)
