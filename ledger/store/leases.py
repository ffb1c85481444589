"""Who may write for a sender: a lease that expires, and a token that only grows.

Expiry decides who may take the lease, the token who may write: a worker that slept
through its lease and wakes up finds its token superseded. The chain's nonce is the last
fence: such a worker can only send again bytes that were stored before.

PostgreSQL's clock counts there, so that hosts need not agree on the time; on SQLite, where
all processes share one host, it is `now`. A clock that was wrong once must not lock everybody
out: a lease that ends later than any that is given has ended.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Interval,
    bindparam,
    case,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate
from sqlmodel import UTCDateTime, col

from ledger.errors import Conflict
from ledger.store.database import Transaction
from ledger.store.records import Holder, Lease
from ledger.store.tables import LeaseRow

#: Whoever delivers events holds this one; it belongs to no chain.
EVENTS: Final = (0, "events")
#: No lease is given for longer.
LONGEST: Final = timedelta(hours=1)

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

# PostgreSQL's. Not now(): that is when the transaction began, and it may have waited since.
_SERVERS: Final = func.clock_timestamp(type_=UTCDateTime())


def take(
    tx: Transaction,
    chain_id: int,
    sender: str,
    *,
    owner: str,
    seconds: float,
    now: datetime,
) -> Lease | None:
    """Take the lease for `seconds`, or None while another owner holds it.

    Its owner takes it again to renew it, under the same token as long as it has not
    expired. An owner is one process: its name must be new at every start. Raises ValueError
    for more than LONGEST.
    """
    if timedelta(seconds=seconds) > LONGEST:
        raise ValueError(f"a lease is given for at most {LONGEST}")
    taking = _taking(tx.dialect)
    values = {
        "chain": chain_id,
        "account": sender,
        "taker": owner,
        **_times(tx.dialect, now, seconds),
    }
    token = tx.scalar(taking, values)
    free = {"owner": "", "token": 0, "expires": _LONG_AGO}
    # Held by somebody else, or never taken by anybody.
    if token is None and tx.add_if_absent(
        LeaseRow, {"chain_id": chain_id, "sender": sender, **free}
    ):
        token = tx.scalar(taking, values)
    return None if token is None else Lease(chain_id, sender, owner, token)


def hold(tx: Transaction, lease: Lease, *, now: datetime) -> None:
    """Make sure that the lease is held, and stays so until this transaction ends.

    Every write of the worker begins with it. Raises Conflict if it expired or was taken.
    """
    query = (
        select(col(LeaseRow.token))
        .where(
            col(LeaseRow.chain_id) == lease.chain_id,
            col(LeaseRow.sender) == lease.sender,
            col(LeaseRow.token) == lease.token,
            col(LeaseRow.expires) > _clock(tx, now),
        )
        # Shared, so that no one can take it between this check and our commit.
        .with_for_update(read=True)
    )
    if tx.row(query) is None:
        raise Conflict(f"the lease on {lease.sender} was lost; take it again")


def release(tx: Transaction, lease: Lease) -> None:
    """Let another worker take it at once; does nothing if it was lost."""
    tx.change(
        update(LeaseRow)
        .where(
            col(LeaseRow.chain_id) == lease.chain_id,
            col(LeaseRow.sender) == lease.sender,
            col(LeaseRow.token) == lease.token,
        )
        .values(expires=_LONG_AGO)
    )


def holders(tx: Transaction, chain_id: int, now: datetime) -> Sequence[Holder]:
    """Who last took each lease of a chain, by sender."""
    query = (
        select(
            col(LeaseRow.sender),
            col(LeaseRow.owner),
            col(LeaseRow.expires),
            _clock(tx, now).label("clock"),
        )
        .where(col(LeaseRow.chain_id) == chain_id, col(LeaseRow.token) > 0)
        .order_by(col(LeaseRow.sender))
    )
    return [
        Holder(row["sender"], row["owner"], _left(row["expires"], row["clock"]))
        for row in tx.rows(query)
    ]


def _left(expires: datetime, clock: datetime) -> timedelta:
    left = expires - clock
    return left if left <= LONGEST else timedelta(0)


def _clock(tx: Transaction, now: datetime) -> ColumnElement[datetime]:
    return _SERVERS if tx.dialect == "postgresql" else literal(now, UTCDateTime())


@cache
def _taking(dialect: str) -> ReturningUpdate[tuple[int]]:
    # Asked in every round: made once.
    if dialect == "postgresql":
        clock: ColumnElement[datetime] = _SERVERS
        later = clock + bindparam("held", type_=Interval())
        beyond = clock + LONGEST
    else:
        clock = bindparam("now", type_=UTCDateTime())
        later = bindparam("later", type_=UTCDateTime())
        beyond = bindparam("beyond", type_=UTCDateTime())
    owner, expires, token = (
        col(LeaseRow.owner),
        col(LeaseRow.expires),
        col(LeaseRow.token),
    )
    mine = owner == bindparam("taker")
    return (
        update(LeaseRow)
        .where(
            col(LeaseRow.chain_id) == bindparam("chain"),
            col(LeaseRow.sender) == bindparam("account"),
            or_(mine, expires <= clock, expires > beyond),
        )
        .values(
            owner=bindparam("taker"),
            token=case((mine & (expires > clock), token), else_=token + 1),
            expires=later,
        )
        .returning(token)
    )


def _times(dialect: str, now: datetime, seconds: float) -> dict[str, object]:
    held = timedelta(seconds=seconds)
    return (
        {"held": held}
        if dialect == "postgresql"
        else {"now": now, "later": now + held, "beyond": now + LONGEST}
    )
