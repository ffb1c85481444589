"""Signed credentials: issued, found again, sealed into batches, withdrawn, erased.

There is no function that changes signed bytes: they are stored once and served as they
are. `waiting`, `oldest_waiting` and `members` serve the worker, whose batches mix the
credentials of all organisations; everything else is bound to one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    case,
    func,
    select,
    tuple_,
    update,
)
from sqlmodel import col

from ledger.core.short_code import ShortCode
from ledger.errors import Conflict, NotFound, StoreError
from ledger.store import events, organisations, recovered_bits
from ledger.store.database import Transaction
from ledger.store.records import (
    AwardKey,
    ChainTxKind,
    ChainTxState,
    CredentialRecord,
    CredentialState,
    WaitingLeaves,
)
from ledger.store.tables import (
    STATUS_BLOCK,
    STATUS_BLOCKS,
    BatchAnchorRow,
    BatchRow,
    ChainTxRow,
    ClosingRow,
    CredentialCodeRow,
    CredentialRow,
    IssuerKeyRow,
    IssuerRow,
    RecoveredBitRow,
    StatusBlockRow,
)

#: A block counts as full at three quarters, so that finding a free index stays cheap and
#: an index still does not tell when a credential was issued.
FULL_BLOCK = STATUS_BLOCK * 3 // 4

#: What a withdrawal says once the person it was about is erased: a reason may name them.
ERASED_REASON = "erased"

# How many rows go to the database, or come from it, at once.
_AT_ONCE = 1_000
_NO_CREDENTIAL = "there is no such credential"
_FIELDS = tuple(f.name for f in fields(CredentialRecord))
_values = attrgetter(*_FIELDS)

# Where a transaction may be that was in a block before.
_MAY_CHANGE = (
    ChainTxState.SENT,
    ChainTxState.MINED,
    ChainTxState.REVERTED,
    ChainTxState.FATAL,
)

_AWARD = (
    col(CredentialRow.achievement_code),
    col(CredentialRow.achievement_version),
    col(CredentialRow.recipient_email),
    col(CredentialRow.awarded_on),
)
#: So many achievements of one request are asked about one by one.
_FEW = 8

_PLACE = (col(CredentialRow.issued_at), col(CredentialRow.id))
_NEWEST_FIRST = tuple(column.desc() for column in _PLACE)
_Ids: TypeAlias = Select[UUID]

_how_far = case(
    (col(CredentialRow.withdrawn_at).is_not(None), CredentialState.WITHDRAWN),
    (col(CredentialRow.batch_id).is_(None), CredentialState.WAITING),
    (
        select(BatchAnchorRow)
        .where(
            col(BatchAnchorRow.batch_id) == col(CredentialRow.batch_id),
            col(BatchAnchorRow.chain_id) == col(CredentialRow.chain_id),
        )
        .exists(),
        CredentialState.ANCHORED,
    ),
    else_=CredentialState.SEALED,
)


def insert(tx: Transaction, records: Iterable[CredentialRecord]) -> None:
    """Store signed credentials and the codes of their certificates, all or none.

    Raises Conflict if one of them is the same award as one issued before.
    """
    waiting = list(records)
    for start in range(0, len(waiting), _AT_ONCE):
        some = waiting[start : start + _AT_ONCE]
        ids = [record.id for record in some]
        columns = zip(*map(_values, some), strict=True)
        tx.add_columns(CredentialRow, dict(zip(_FIELDS, columns, strict=True)))
        codes = [ShortCode.of(id).letters for id in ids]
        tx.add_columns(CredentialCodeRow, {"credential_id": ids, "code": codes})
        events.issued(tx, some)


def existing_awards(
    tx: Transaction, organisation_id: UUID, keys: Sequence[AwardKey]
) -> Mapping[AwardKey, UUID]:
    """Which of these awards an organisation has issued, and as which credential."""
    wanted: dict[tuple[str, str], dict[str, None]] = {}
    for key in keys:
        offer = key.achievement_code, key.achievement_version
        wanted.setdefault(offer, {})[key.recipient_email] = None
    found: dict[AwardKey, UUID] = {}
    # By achievement, so that one index answers; PostgreSQL plans a list of whole keys badly. Of
    # many achievements all that their earners hold: fewer questions find it in the same index.
    if len(wanted) > _FEW:
        everyone = dict.fromkeys(key.recipient_email for key in keys)
        parts = [(list(everyone), _organisation_is(organisation_id))]
    else:
        parts = [
            (list(emails), _offers(organisation_id, *offer))
            for offer, emails in wanted.items()
        ]
    for emails, condition in parts:
        for start in range(0, len(emails), _AT_ONCE):
            email = col(CredentialRow.recipient_email)
            query = select(col(CredentialRow.id), *_AWARD).where(
                condition, email.in_(emails[start : start + _AT_ONCE])
            )
            for row in tx.rows(query):
                award = AwardKey(
                    row["achievement_code"],
                    row["achievement_version"],
                    row["recipient_email"],
                    row["awarded_on"],
                )
                found[award] = row["id"]
    return {key: found[key] for key in keys if key in found}


def get(tx: Transaction, organisation_id: UUID, id: UUID) -> CredentialRecord:
    """One credential of an organisation. Raises NotFound."""
    row = tx.row(select(CredentialRow).where(_is(organisation_id, id)))
    if row is None:
        raise NotFound(_NO_CREDENTIAL)
    return CredentialRecord(**row)


def of_code(tx: Transaction, code: ShortCode) -> CredentialRecord:
    """The one credential, of whatever organisation, with this code on its certificate.

    Whoever knows the code was shown the certificate. Raises NotFound, also for one that was
    erased.
    """
    rows = tx.rows(
        select(CredentialRow)
        .join(
            CredentialCodeRow, col(CredentialCodeRow.credential_id) == CredentialRow.id
        )
        .where(
            col(CredentialCodeRow.code) == code.letters,
            col(CredentialRow.data).is_not(None),
        )
        .limit(2)
    )
    if len(rows) != 1:
        raise NotFound(_NO_CREDENTIAL)
    return CredentialRecord(**rows[0])


def of_earner(
    tx: Transaction, organisation_id: UUID, email: str, *, limit: int
) -> Sequence[CredentialRecord]:
    """What an organisation has issued to one e-mail address, at most `limit`, newest first."""
    # In two steps: SQLite would go through all that the organisation issued, since that is
    # in order, rather than look up the few of one earner and sort them.
    theirs = select(col(CredentialRow.id)).where(
        col(CredentialRow.organisation_id) == organisation_id,
        col(CredentialRow.recipient_email) == email,
    )
    rows = tx.rows(
        select(CredentialRow)
        .where(col(CredentialRow.id).in_(theirs))
        .order_by(col(CredentialRow.issued_at).desc(), col(CredentialRow.id))
        .limit(limit)
    )
    return [CredentialRecord(**row) for row in rows]


def earners(
    tx: Transaction, organisation_id: UUID, *, after: str, limit: int
) -> Sequence[str]:
    """At most `limit` e-mail addresses to which an organisation issued, in order, behind `after`."""
    email = col(CredentialRow.recipient_email)
    rows = tx.rows(
        select(email)
        .where(
            col(CredentialRow.organisation_id) == organisation_id,
            email.is_not(None),
            email > after,
        )
        .distinct()
        .order_by(email)
        .limit(limit)
    )
    return [row["recipient_email"] for row in rows]


def count_earners(tx: Transaction, organisation_id: UUID) -> int:
    """To how many e-mail addresses an organisation issued."""
    found = tx.scalar(
        select(func.count(func.distinct(CredentialRow.recipient_email))).where(
            col(CredentialRow.organisation_id) == organisation_id
        )
    )
    return int(found)


def personal_ids(tx: Transaction, organisation_id: UUID) -> Sequence[UUID]:
    """The ids of an organisation's credentials that were not erased, in order."""
    rows = tx.rows(
        select(col(CredentialRow.id))
        .where(
            col(CredentialRow.organisation_id) == organisation_id,
            col(CredentialRow.data).is_not(None),
        )
        .order_by(col(CredentialRow.id))
    )
    return [row["id"] for row in rows]


def page(
    tx: Transaction,
    organisation_id: UUID,
    *,
    limit: int,
    after: UUID | None = None,
    achievement: str | None = None,
    state: CredentialState | None = None,
) -> Sequence[CredentialRecord]:
    """At most `limit` credentials of an organisation, newest first, from behind `after`.

    What is issued meanwhile shifts nothing. Raises NotFound if `after` is not theirs.
    """
    # In two steps: SQLite finds the ids in an index alone, and reads no more rows than it answers.
    query = select(col(CredentialRow.id)).where(
        col(CredentialRow.organisation_id) == organisation_id
    )
    if after is not None:
        last = get(tx, organisation_id, after)
        query = query.where(tuple_(*_PLACE) < tuple_(last.issued_at, last.id))
    if achievement is not None:
        query = query.where(col(CredentialRow.achievement_code) == achievement)
    found = [part.limit(limit) for part in _in_state(tx, query, organisation_id, state)]
    records = [
        CredentialRecord(**row)
        for ids in found
        for row in tx.rows(
            select(CredentialRow)
            .where(col(CredentialRow.id).in_(ids))
            .order_by(*_NEWEST_FIRST)
        )
    ]
    return sorted(records, key=attrgetter("issued_at", "id"), reverse=True)[:limit]


def _in_state(
    tx: Transaction, query: _Ids, organisation_id: UUID, state: CredentialState | None
) -> Iterator[_Ids]:
    """The same query for one state, in parts that an index answers each."""
    kept = col(CredentialRow.withdrawn_at).is_(None)
    in_order = query.order_by(*_NEWEST_FIRST)
    home = (
        select(col(IssuerRow.chain_id))
        .where(col(IssuerRow.organisation_id) == organisation_id)
        .scalar_subquery()
    )
    if state is None:
        yield in_order
    elif state is CredentialState.WITHDRAWN:
        yield in_order.where(col(CredentialRow.withdrawn_at).is_not(None))
    elif state is CredentialState.WAITING:
        yield in_order.where(
            col(CredentialRow.chain_id) == home,
            col(CredentialRow.batch_id).is_(None),
            kept,
        )
    elif state is CredentialState.SEALED:
        # One at a time, and by leaves, which are in order: sealing takes the oldest first. Else
        # SQLite goes through all that the organisation issued.
        for row in tx.rows(unanchored(home)):
            yield query.where(col(CredentialRow.batch_id) == row["id"], kept).order_by(
                col(CredentialRow.leaf_index).desc()
            )
    else:
        yield in_order.where(_how_far == state)


def unanchored(chain_id: int | ColumnElement[int]) -> _Ids:
    """Asks for the ids of batches whose root is not final on their chain."""
    return select(col(BatchRow.id)).where(
        col(BatchRow.chain_id) == chain_id,
        ~select(col(BatchAnchorRow.batch_id))
        .where(
            col(BatchAnchorRow.batch_id) == col(BatchRow.id),
            col(BatchAnchorRow.chain_id) == col(BatchRow.chain_id),
        )
        .exists(),
    )


def states(
    tx: Transaction, organisation_id: UUID, ids: Sequence[UUID]
) -> Mapping[UUID, CredentialState]:
    """How far each of these credentials has come; those not theirs are left out."""
    found: dict[UUID, CredentialState] = {}
    for start in range(0, len(ids), _AT_ONCE):
        # Whose they are is looked at here: asked for it, SQLite goes through all of the
        # organisation's for these few.
        query = select(
            col(CredentialRow.id),
            col(CredentialRow.organisation_id),
            _how_far.label("state"),
        ).where(col(CredentialRow.id).in_(ids[start : start + _AT_ONCE]))
        found.update(
            (row["id"], CredentialState(row["state"]))
            for row in tx.rows(query)
            if row["organisation_id"] == organisation_id
        )
    return found


def count(tx: Transaction, organisation_id: UUID) -> int:
    """How many credentials an organisation has issued."""
    found = tx.scalar(
        select(func.count()).where(
            col(CredentialRow.organisation_id) == organisation_id
        )
    )
    return int(found)


def allot_status_indexes(
    tx: Transaction,
    organisation_id: UUID,
    count: int,
    entropy: Callable[[int], bytes],
) -> Sequence[int]:
    """Hand out `count` status indexes, none of them ever again, in random order.

    They are random within the newest block of 131,072; the next one is opened once it is
    three quarters full. Raises NotFound, StoreError once all indexes are used up.
    """
    organisations.lock(tx, organisation_id)
    allotted: list[int] = []
    block = _newest_block(tx, organisation_id)
    while len(allotted) < count:
        if block.used >= FULL_BLOCK:
            _keep_block(tx, organisation_id, block)
            block = _Block(block.number + 1)
            if block.number >= STATUS_BLOCKS:
                raise StoreError("this issuer has used up its status indexes")
        allotted.append(block.number * STATUS_BLOCK + block.draw(entropy))
    _keep_block(tx, organisation_id, block)
    return allotted


def next_status_block(tx: Transaction, organisation_id: UUID) -> int:
    """The first block of status indexes from which nothing was handed out."""
    newest = tx.scalar(
        select(func.max(StatusBlockRow.block)).where(
            col(StatusBlockRow.organisation_id) == organisation_id
        )
    )
    return 0 if newest is None else int(newest) + 1


def skip_status_blocks(tx: Transaction, organisation_id: UUID, first: int) -> None:
    """Hand out status indexes from the block `first` on, or a later one already open.

    For a restored identity: what a lost database handed out must not be used again.
    """
    organisations.lock(tx, organisation_id)
    if first >= next_status_block(tx, organisation_id):
        _keep_block(tx, organisation_id, _Block(first))


def first_unreached_block(
    tx: Transaction, organisation_id: UUID, issued_since: int
) -> int:
    """The first block of status indexes that stays untouched if so many more are handed out."""
    block = _newest_block(tx, organisation_id)
    filled = -(-(block.used + issued_since) // FULL_BLOCK)
    return block.number + max(filled, 1)


def of_indexes(
    tx: Transaction, organisation_id: UUID, indexes: Sequence[int]
) -> Mapping[int, UUID]:
    """Which credentials of an organisation have these status indexes; unknown ones are left out."""
    found: dict[int, UUID] = {}
    for start in range(0, len(indexes), _AT_ONCE):
        query = select(col(CredentialRow.id), col(CredentialRow.status_index)).where(
            col(CredentialRow.organisation_id) == organisation_id,
            col(CredentialRow.status_index).in_(indexes[start : start + _AT_ONCE]),
        )
        found.update((row["status_index"], row["id"]) for row in tx.rows(query))
    return found


def withdraw(  # noqa: PLR0917 - whose, which, why, when
    tx: Transaction, organisation_id: UUID, id: UUID, reason: str, now: datetime
) -> CredentialRecord:
    """Note that a credential is withdrawn, once; answer it as it is then.

    Raises NotFound, Conflict if it is withdrawn already.
    """
    done = tx.change(
        update(CredentialRow)
        .where(_is(organisation_id, id), col(CredentialRow.withdrawn_at).is_(None))
        .values(withdrawn_at=now, withdrawal_reason=reason)
    )
    record = get(tx, organisation_id, id)
    if done != 1:
        raise Conflict("this credential is withdrawn already")
    events.withdrawn(tx, record, now)
    return record


def withdrawn_indexes(tx: Transaction, organisation_id: UUID) -> Sequence[int]:
    """Status indexes whose revocation is in a block, in order.

    The chain is the truth and lists made from this are a view of it: what only waits to be
    sent is not in it yet, and what a lost database had sent is.
    """
    rows = tx.rows(
        select(col(CredentialRow.id), col(CredentialRow.status_index)).where(
            col(CredentialRow.organisation_id) == organisation_id,
            col(CredentialRow.withdrawn_at).is_not(None),
        )
    )
    indexes = {str(row["id"]): int(row["status_index"]) for row in rows}
    subjects = list(indexes)
    found = set(recovered_bits.of(tx, organisation_id))
    for start in range(0, len(subjects), _AT_ONCE):
        query = select(col(ChainTxRow.subject)).where(
            col(ChainTxRow.kind) == ChainTxKind.REVOKE,
            col(ChainTxRow.state).in_([ChainTxState.MINED, ChainTxState.FINAL]),
            col(ChainTxRow.subject).in_(subjects[start : start + _AT_ONCE]),
        )
        found.update(indexes[row["subject"]] for row in tx.rows(query))
    return sorted(found)


def withdrawn_mark(
    tx: Transaction, organisation_id: UUID, chain_id: int
) -> tuple[object, ...]:
    """What is another one whenever `withdrawn_indexes` is, and is found in little time.

    Final revocations are counted and not named: one that is final no longer is among those that
    are on their way, or failed, and these are named.
    """
    on_chain = col(ChainTxRow.chain_id) == chain_id
    moving = tx.rows(
        select(col(ChainTxRow.id), col(ChainTxRow.state))
        .where(
            on_chain,
            col(ChainTxRow.state).in_(_MAY_CHANGE),
            col(ChainTxRow.kind) == ChainTxKind.REVOKE,
        )
        .order_by(col(ChainTxRow.id))
    )
    withdrawn = select(func.count()).where(
        col(CredentialRow.organisation_id) == organisation_id,
        col(CredentialRow.withdrawn_at).is_not(None),
    )
    recovered = select(func.count()).where(
        col(RecoveredBitRow.organisation_id) == organisation_id
    )
    final = select(func.count()).where(
        on_chain, col(ChainTxRow.state) == ChainTxState.FINAL
    )
    return (
        tx.scalar(withdrawn),
        tx.scalar(final),
        tx.scalar(recovered),
        tuple((row["id"], row["state"]) for row in moving),
    )


def erase(tx: Transaction, organisation_id: UUID, id: UUID) -> None:
    """Erase the person from a credential: content, e-mail, name and the words of a reason.

    Leaf, place and path stay, so that the others of its batch still verify. Erasing again
    changes nothing. Raises NotFound.
    """
    withdrawn = col(CredentialRow.withdrawal_reason).is_not(None)
    done = tx.change(
        update(CredentialRow)
        .where(_is(organisation_id, id))
        .values(
            data=None,
            recipient_email=None,
            recipient_name=None,
            withdrawal_reason=case((withdrawn, ERASED_REASON)),
        )
    )
    if done != 1:
        raise NotFound(_NO_CREDENTIAL)


def waiting(
    tx: Transaction,
    chain_id: int,
    limit: int,
    *,
    progress: Callable[[int], None] = lambda _done: None,
) -> WaitingLeaves:
    """Ids and leaves that can be sealed, oldest first, of all organisations.

    Only what is signed by a key that is final on chain: so an anchor, however early a
    stranger makes it, cannot fall before the key's window. `progress` is told how many are
    read, every now and then.
    """
    found = WaitingLeaves()
    order = (col(CredentialRow.issued_at), col(CredentialRow.id))
    query = (
        select(*order, col(CredentialRow.leaf))
        .where(sealable(chain_id))
        .order_by(*order)
    )
    behind = query
    while len(found) < limit:
        few = min(_AT_ONCE, limit - len(found))
        rows = tx.rows(behind.limit(few))
        for row in rows:
            found.ids.extend(row["id"].bytes)
            found.leaves.extend(row["leaf"])
        progress(len(found))
        if len(rows) < few:
            break
        last = rows[-1]["issued_at"], rows[-1]["id"]
        behind = query.where(tuple_(*order) > tuple_(*last))
    return found


def count_waiting(tx: Transaction, chain_id: int, limit: int) -> int:
    """How many credentials can be sealed; counting ends at `limit`."""
    some = select(col(CredentialRow.id)).where(sealable(chain_id)).limit(limit)
    return int(tx.scalar(select(func.count()).select_from(some.subquery())))


def oldest_waiting(tx: Transaction, chain_id: int) -> datetime | None:
    """When the oldest credential that can be sealed was issued; None without one."""
    oldest: datetime | None = tx.scalar(
        select(func.min(CredentialRow.issued_at)).where(sealable(chain_id))
    )
    return oldest


def members(tx: Transaction, batch_id: UUID) -> Iterator[CredentialRecord]:
    """The members of a batch in the order of its leaves, a few in memory at a time."""
    last = -1
    while True:
        rows = tx.rows(
            select(CredentialRow)
            .where(
                col(CredentialRow.batch_id) == batch_id,
                col(CredentialRow.leaf_index) > last,
            )
            .order_by(col(CredentialRow.leaf_index))
            .limit(_AT_ONCE)
        )
        yield from (CredentialRecord(**row) for row in rows)
        if len(rows) < _AT_ONCE:
            return
        last = rows[-1]["leaf_index"]


@cache
def sealable(chain_id: int) -> ColumnElement[bool]:
    """In no batch, signed by a key that is open for good, of an issuer that does not close."""
    opened = (
        select(IssuerKeyRow)
        .where(
            col(IssuerKeyRow.organisation_id) == col(CredentialRow.organisation_id),
            col(IssuerKeyRow.key_id) == col(CredentialRow.key_id),
            col(IssuerKeyRow.opened).is_not(None),
        )
        .exists()
    )
    # An anchor behind the closing would prove that it is worth nothing.
    closing = (
        select(ClosingRow)
        .where(col(ClosingRow.organisation_id) == col(CredentialRow.organisation_id))
        .exists()
    )
    # Closed on the chain by a database that is lost: then there is no closing here.
    closed = (
        select(IssuerRow)
        .where(
            col(IssuerRow.organisation_id) == col(CredentialRow.organisation_id),
            col(IssuerRow.closed_at).is_not(None),
        )
        .exists()
    )
    return and_(
        col(CredentialRow.chain_id) == chain_id,
        col(CredentialRow.batch_id).is_(None),
        opened,
        ~closing,
        ~closed,
    )


def _organisation_is(organisation_id: UUID) -> ColumnElement[bool]:
    return col(CredentialRow.organisation_id) == organisation_id


def _offers(organisation_id: UUID, code: str, version: str) -> ColumnElement[bool]:
    return and_(
        _organisation_is(organisation_id),
        col(CredentialRow.achievement_code) == code,
        col(CredentialRow.achievement_version) == version,
    )


def _is(organisation_id: UUID, id: UUID) -> ColumnElement[bool]:
    return and_(
        col(CredentialRow.organisation_id) == organisation_id,
        col(CredentialRow.id) == id,
    )


@dataclass(slots=True)
class _Block:
    """Status indexes of one block: which are taken, and how many."""

    number: int
    used: int = 0
    taken: bytearray = field(default_factory=lambda: bytearray(STATUS_BLOCK // 8))

    def draw(self, entropy: Callable[[int], bytes]) -> int:
        # At least a quarter is free: a thousand misses (10^-125) are a broken source.
        for _ in range(1_000):
            # A power of two takes its share of three bytes without bias.
            index = int.from_bytes(entropy(3)) % STATUS_BLOCK
            byte, bit = index >> 3, 1 << (index & 7)
            if not self.taken[byte] & bit:
                self.taken[byte] |= bit
                self.used += 1
                return index
        raise StoreError("the source of randomness repeats itself")


def _newest_block(tx: Transaction, organisation_id: UUID) -> _Block:
    row = tx.row(
        select(StatusBlockRow)
        .where(col(StatusBlockRow.organisation_id) == organisation_id)
        .order_by(col(StatusBlockRow.block).desc())
        .limit(1)
    )
    if row is None:
        return _Block(0)
    return _Block(row["block"], row["used"], bytearray(row["taken"]))


def _keep_block(tx: Transaction, organisation_id: UUID, block: _Block) -> None:
    key = {"organisation_id": organisation_id, "block": block.number}
    values = {"used": block.used, "taken": bytes(block.taken)}
    if not tx.add_if_absent(StatusBlockRow, {**key, **values}):
        tx.change(update(StatusBlockRow).filter_by(**key).values(**values))
