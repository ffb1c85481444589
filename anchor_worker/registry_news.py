"""
What IssuerRegistry says of an issuer, and an old copy of the database does not know.

A record and its closing, the keys that are here, and every status bit of the blocks that may be in
use: the bits are the truth, whoever asked for them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from ledger.chain import acts
from ledger.chain.node import Block, ChainNode
from ledger.chain.registry import IssuerRegistry
from ledger.core.status import BLOCK_BITS, WORD_BITS
from ledger.services.key_custody import SKIPPED_BLOCKS
from ledger.store import closings, credentials, issuers, organisations, recovered_bits
from ledger.store.database import Database, Transaction
from ledger.store.records import IssuerRecord

#: What the withdrawal says that a lost database had made: its reason is lost with it.
REASON: Final = "recovered from the chain"

_AT_ONCE = 64
_WORDS = BLOCK_BITS // WORD_BITS


@dataclass(frozen=True, slots=True)
class Told:
    """What an issuer is asked about: the block, and what is known from elsewhere.

    `calls` is the calldata of acts on its record that this database had not known; a lost database
    has issued `issued_at_most` credentials since the copy, None if nobody knows.
    """

    finalized: Block
    issued_at_most: int | None
    calls: Sequence[bytes]


@dataclass(slots=True)
class IssuerNews:
    """What the chain says of an issuer's record, and this database did not know.

    `withdrawn` are the credentials behind those of the `bits` that are known here, `lost_keys` the
    ids of keys that were recorded and are not here, `first_free_block` is where status indexes are
    handed out from now on (None: none are).
    """

    code: str
    record: IssuerRecord
    first_free_block: int | None = None
    registered_at: int | None = None
    closed_at: int | None = None
    keys_opened: dict[bytes, int] = field(default_factory=dict)
    lost_keys: list[bytes] = field(default_factory=list)
    bits: list[int] = field(default_factory=list)
    withdrawn: dict[int, UUID] = field(default_factory=dict)


def read_news(
    database: Database, node: ChainNode, record: IssuerRecord, told: Told
) -> IssuerNews:
    """Ask the registry at a final block. Raises ChainUnavailable, StoreError."""
    registry = IssuerRegistry(node, record.registry)
    at, organisation_id = told.finalized.number, record.organisation_id
    with database.read() as tx:
        news = IssuerNews(organisations.by_id(tx, organisation_id).code, record)
        keys = issuers.keys(tx, organisation_id)
        known = set(credentials.withdrawn_indexes(tx, organisation_id))
        closes = closings.has_begun(tx, organisation_id)
        bound = max(_bound(tx, record, told), _reached(told.calls))
    state = registry.issuer(record.issuer_id, at)
    if state is None:
        return news
    if record.registered_at is None:
        news.registered_at = state.registered_at
    if record.closed_at is None:
        news.closed_at = state.closed_at
    for key in keys:
        if key.opened is None:
            opened = registry.key_opened_at(record.issuer_id, key.key_id, at)
            if opened is not None:
                news.keys_opened[key.key_id] = opened
    held = {key.key_id for key in keys}
    news.lost_keys = [
        data[36:68]
        for data in told.calls
        if acts.kind_of(data) is acts.ActKind.ADD_KEY and data[36:68] not in held
    ]
    bits = set(_set_bits(registry, record.issuer_id, bound, at))
    news.bits = sorted(bits - known)
    with database.read() as tx:
        news.withdrawn = _not_withdrawn(tx, record, news.bits)
    if state.closed_at is None and not closes:
        news.first_free_block = max(bound, _blocks_of(bits))
    return news


def keep_news(tx: Transaction, news: IssuerNews, finalized: Block) -> None:
    """Write it down; the same again changes nothing. Raises StoreError."""
    organisation_id = news.record.organisation_id
    if news.registered_at is not None:
        issuers.mark_registered(tx, organisation_id, news.registered_at)
    if news.closed_at is not None:
        issuers.mark_closed(tx, organisation_id, news.closed_at, block=finalized.number)
    for key_id, opened in news.keys_opened.items():
        issuers.mark_key_opened(tx, organisation_id, key_id, opened)
    recovered_bits.keep(tx, organisation_id, news.bits)
    moment = datetime.fromtimestamp(finalized.time, UTC)
    withdraw_known(tx, news.record, news.bits, moment)
    if news.first_free_block is not None:
        credentials.skip_status_blocks(tx, organisation_id, news.first_free_block)


def withdraw_known(
    tx: Transaction, record: IssuerRecord, indexes: Sequence[int], now: datetime
) -> None:
    """Note that the credentials behind these status indexes are withdrawn; those that are here."""
    for credential_id in _not_withdrawn(tx, record, indexes).values():
        credentials.withdraw(tx, record.organisation_id, credential_id, REASON, now)


def revoked_by(data: bytes) -> Sequence[int]:
    """The status indexes whose bits a call of `revoke` sets."""
    # revoke(bytes32 id, uint256 word, uint256 mask, ...)
    word, mask = (int.from_bytes(data[at : at + 32], "big") for at in (36, 68))
    return sorted(_indexes({word: mask})) if word < 1 << 32 else []


def _not_withdrawn(
    tx: Transaction, record: IssuerRecord, indexes: Sequence[int]
) -> dict[int, UUID]:
    here = credentials.of_indexes(tx, record.organisation_id, indexes)
    return {
        index: credential_id
        for index, credential_id in here.items()
        if credentials.get(tx, record.organisation_id, credential_id).withdrawn_at
        is None
    }


def _bound(tx: Transaction, record: IssuerRecord, told: Told) -> int:
    """The first block of status indexes that the lost database cannot have reached."""
    if told.issued_at_most is None:
        opened = credentials.next_status_block(tx, record.organisation_id)
        return opened + SKIPPED_BLOCKS
    return credentials.first_unreached_block(
        tx, record.organisation_id, told.issued_at_most
    )


def _reached(calls: Sequence[bytes]) -> int:
    """The blocks of status indexes that the lost database has certainly reached."""
    return _blocks_of(
        index
        for data in calls
        if acts.kind_of(data) is acts.ActKind.REVOKE
        for index in revoked_by(data)
    )


def _blocks_of(indexes: Iterable[int]) -> int:
    return max((index // BLOCK_BITS + 1 for index in indexes), default=0)


def _set_bits(
    registry: IssuerRegistry, issuer_id: bytes, bound: int, at: int
) -> Iterator[int]:
    """Status indexes whose bit is set; behind the bound too, as long as there are any."""
    block, empty = 0, False
    while block < bound or not empty:
        empty = True
        first = block * _WORDS
        for start in range(first, first + _WORDS, _AT_ONCE):
            words = registry.status_words(issuer_id, range(start, start + _AT_ONCE), at)
            empty = empty and not words
            yield from _indexes(words)
        block += 1


def _indexes(words: Mapping[int, int]) -> Iterator[int]:
    for word, bits in words.items():
        for bit in range(WORD_BITS):
            if bits >> bit & 1:
                yield word * WORD_BITS + bit
