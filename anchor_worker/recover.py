"""
Recover: an old copy of the database learns from the chain what happened since it was made.

Every nonce that the chain has used is given to a row here, with the signed bytes that used it, so
that it is never given out again; the steps of every day then find those bytes mined, and record
what the registries say. Status bits that are set and unknown here are kept, and status indexes
that the lost database may have handed out are left alone. Killed at any point, it is run again.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from anchor_worker.confirm import Confirmer
from anchor_worker.registry_news import (
    IssuerNews,
    Told,
    keep_news,
    read_news,
    revoked_by,
    withdraw_known,
)
from ledger.chain import acts
from ledger.chain.history import Stretch, read_history
from ledger.chain.mined import MinedTransaction
from ledger.chain.node import Block, ChainNode
from ledger.chain.sender import read_signed
from ledger.errors import ChainUnavailable, Conflict, NotFound, StoreError
from ledger.services.sender_use import (
    first_unknown,
    is_like_ours,
    issuer_of,
    lowest_block,
)
from ledger.store import (
    chain_txs,
    credentials,
    issuers,
    leases,
)
from ledger.store.database import Database, Transaction
from ledger.store.records import (
    LOST,
    Attempt,
    Chain,
    ChainTx,
    ChainTxKind,
    ChainTxState,
    IssuerRecord,
    Lease,
    NewChainTx,
)

#: For how many seconds the lease is taken, again and again.
LEASE_SECONDS: Final = 120.0

_MANY = 1_000_000
_OPEN = (ChainTxState.IN_PROGRESS, ChainTxState.SENT, ChainTxState.MINED)
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """What the operator asks for.

    `issued_at_most` is how many credentials any one school issued after the copy was made, None
    if nobody knows: then eight blocks of status indexes, 786,432 credentials, are left alone.
    """

    dry_run: bool = False
    issued_at_most: int | None = None


@dataclass(frozen=True, slots=True)
class Caught:
    """A used nonce, what used it, and what that means here.

    `fate` is "waited" (a row here waited for a nonce: it has this one), "raised" (a row here has
    this nonce, and its fees were raised later), "lost" (nothing here asked for it), "displaced" (a
    row here had this nonce, somebody else used it: its call is asked for again), "foreign".
    """

    transaction: MinedTransaction
    fate: str
    row: ChainTx | None = None
    issuer: IssuerRecord | None = None

    @property
    def kind(self) -> ChainTxKind | None:
        """The act that the transaction carries."""
        kind = acts.kind_of(self.transaction.data)
        return None if kind is None else ChainTxKind(kind.value)


@dataclass(slots=True)
class Recovery:
    """What was found, and unless it was a dry run, kept."""

    chain: Chain
    sender: str
    known: int
    count: int
    finalized: int
    dry_run: bool
    caught: list[Caught] = field(default_factory=list)
    unseen: list[int] = field(default_factory=list)
    lost_issuers: list[bytes] = field(default_factory=list)
    issuers: list[IssuerNews] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether the account can go on: no nonce is left that this database does not know."""
        return not self.unseen and not any(
            each.fate == "foreign" for each in self.caught
        )


class Recoverer:
    """Catches up with one chain for one account."""

    def __init__(
        self,
        database: Database,
        chain: Chain,
        sender: str,
        *,
        owner: str,
        clock: Callable[[], datetime],
        progress: Progress = lambda _what, _done, _total: None,
    ) -> None:
        self._database = database
        self._chain = chain
        self._sender = sender
        self._owner = owner
        self._clock = clock
        self._progress = progress

    def run(self, node: ChainNode, wish: Wish) -> Recovery:
        """
        Read the chain up to `finalized`, and write what this database lacks.

        Raises Conflict while a worker holds the lease, ChainUnavailable while something of the
        account is not final, or if the node does not answer.
        """
        if wish.dry_run:
            return self._run(node, wish)
        self._take()
        try:
            return self._run(node, wish)
        finally:
            # Where the database does not answer, the lease runs out.
            with suppress(StoreError):
                lease = self._take()
                with self._database.begin() as tx:
                    leases.release(tx, lease)

    def _run(self, node: ChainNode, wish: Wish) -> Recovery:
        finalized = node.block("finalized")
        count = self._settled_count(node)
        with self._database.read() as tx:
            known = first_unknown(tx, self._chain.chain_id, self._sender)
        found = Recovery(
            chain=self._chain,
            sender=self._sender,
            known=known,
            count=count,
            finalized=finalized.number,
            dry_run=wish.dry_run,
        )
        self._look_at_given(node, found)
        self._look_at_unknown(node, found)
        self._look_at_issuers(node, found, finalized, wish)
        if not wish.dry_run:
            self._write(node, found, finalized)
        return found

    def _write(self, node: ChainNode, found: Recovery, finalized: Block) -> None:
        """Nonces in their order, then what the registries say of them, then all the rest."""
        for each in found.caught:
            self._keep(each)
        Confirmer(
            self._database, self._chain.chain_id, self._sender, clock=self._clock
        ).step(node, self._take())
        for news in found.issuers:
            lease = self._take()
            with self._database.begin() as tx:
                leases.hold(tx, lease, now=self._clock())
                keep_news(tx, news, finalized)

    def _take(self) -> Lease:
        with self._database.begin() as tx:
            lease = leases.take(
                tx,
                self._chain.chain_id,
                self._sender,
                owner=self._owner,
                seconds=LEASE_SECONDS,
                now=self._clock(),
            )
        if lease is None:
            raise Conflict(
                f"a worker holds the lease of {self._sender}: stop every worker of this"
                " database, and run this again (after kill -9 its lease lasts a minute)"
            )
        return lease

    def _settled_count(self, node: ChainNode) -> int:
        counts = {
            tag: node.nonce(self._sender, tag)
            for tag in ("finalized", "latest", "pending")
        }
        if len(set(counts.values())) != 1:
            told = ", ".join(f"{count} {tag}" for tag, count in counts.items())
            raise ChainUnavailable(
                f"transactions of {self._sender} are under way ({told}): come back once all of"
                " them are final, in some minutes. Nothing was changed"
            )
        return counts["finalized"]

    # ---------------------------------------------------------------- nonces that are given out

    def _look_at_given(self, node: ChainNode, found: Recovery) -> None:
        """Rows on their way whose nonce is used, and by none of the bytes that are stored."""
        with self._database.read() as tx:
            rows = [
                row
                for row in chain_txs.in_state(tx, self._chain.chain_id, _OPEN, _MANY)
                if row.sender == self._sender and (row.nonce or 0) < found.count
            ]
            low = lowest_block(tx, self._chain.chain_id, self._sender)
        for row in sorted(rows, key=lambda row: row.nonce or 0):
            with self._database.read() as tx:
                stored = chain_txs.attempts(tx, row.id)
            if any(node.receipt(attempt.hash) is not None for attempt in stored):
                continue
            nonce = row.nonce or 0
            stretch = Stretch(nonce, min(low, found.finalized), found.finalized)
            history = read_history(node, self._sender, stretch, most=1)
            if not history.transactions:
                found.unseen.append(nonce)
                continue
            (used,) = history.transactions
            if used.hash in {attempt.hash for attempt in stored}:
                continue
            same = (used.to, used.data) == (row.to, row.data) and used.raw is not None
            found.caught.append(Caught(used, "raised" if same else "displaced", row))

    # ---------------------------------------------------------------- nonces that are not

    def _look_at_unknown(self, node: ChainNode, found: Recovery) -> None:
        """What used the nonces that were never given out here."""
        if found.count <= found.known:
            return
        with self._database.read() as tx:
            low = lowest_block(tx, self._chain.chain_id, self._sender)
        history = read_history(
            node,
            self._sender,
            Stretch(found.known, min(low, found.finalized), found.finalized),
            progress=lambda done, total: self._progress("Nonces", done, total),
        )
        with self._database.read() as tx:
            waiting = list(
                chain_txs.in_state(
                    tx, self._chain.chain_id, [ChainTxState.SEALED], _MANY
                )
            )
            judged = [
                self._judge(tx, each, waiting, found) for each in history.transactions
            ]
        missing = list(history.missing)
        if not found.known:
            judged, missing = _since_ours(judged, missing)
        found.unseen += missing
        found.caught += _without_gap(judged, missing)

    def _judge(
        self,
        tx: Transaction,
        transaction: MinedTransaction,
        waiting: list[ChainTx],
        found: Recovery,
    ) -> Caught:
        if not is_like_ours(self._chain, transaction):
            return Caught(transaction, "foreign")
        call = transaction.to, transaction.data
        row = next((row for row in waiting if (row.to, row.data) == call), None)
        issuer_id = issuer_of(self._chain, transaction.data)
        issuer = None
        if issuer_id is not None:
            try:
                issuer = issuers.by_issuer_id(tx, issuer_id)
            except NotFound:
                if issuer_id not in found.lost_issuers:
                    found.lost_issuers.append(issuer_id)
        if row is None:
            return Caught(transaction, "lost", None, issuer)
        waiting.remove(row)
        return Caught(transaction, "waited", row, issuer)

    # ---------------------------------------------------------------- keeping

    def _keep(self, caught: Caught) -> None:
        """One nonce, one database transaction: a crash leaves no gap."""
        transaction, row = caught.transaction, caught.row
        lease, now, block = self._take(), self._clock(), transaction.block_number
        with self._database.begin() as tx:
            if caught.fate in {"waited", "lost"}:
                row = row or chain_txs.enqueue(tx, self._new(tx, caught), now)
                if row.kind is ChainTxKind.REVOKE and caught.issuer is not None:
                    # Before its revocation is final: that is the order of what happened.
                    withdraw_known(tx, caught.issuer, revoked_by(row.data), now)
                attempt = _attempt(transaction, row, now)
                nonce = transaction.nonce
                chain_txs.begin_attempt(tx, lease, attempt, nonce=nonce, now=now)
                _mark_sent(tx, lease, row, block=block, now=now)
            elif caught.fate == "raised" and row is not None:
                _mark_sent(tx, lease, row, block=block, now=now)
                attempt = _attempt(transaction, row, now)
                chain_txs.add_attempt(tx, lease, attempt, sent_block=block, now=now)
            elif caught.fate == "displaced" and row is not None:
                _mark_sent(tx, lease, row, block=block, now=now)
                chain_txs.displace(tx, lease, row.id, now=now)

    def _new(self, tx: Transaction, caught: Caught) -> NewChainTx:
        transaction = caught.transaction
        assert transaction.raw is not None  # noqa: S101 - `is_like_ours` has read it
        assert caught.kind is not None  # noqa: S101
        _, fields = read_signed(transaction.raw)
        return NewChainTx(
            kind=caught.kind,
            chain_id=self._chain.chain_id,
            to=fields.to,
            data=fields.data,
            gas=fields.gas,
            subject=_subject(tx, caught),
            unique_key=f"recovered/{self._sender}/{transaction.nonce}",
        )

    # ---------------------------------------------------------------- what the registry says

    def _look_at_issuers(
        self, node: ChainNode, found: Recovery, finalized: Block, wish: Wish
    ) -> None:
        with self._database.read() as tx:
            records = [
                record
                for record in issuers.on_chain(tx, self._chain.chain_id)
                if record.registry == self._chain.issuer_registry
            ]
        for done, record in enumerate(records):
            self._progress("Issuers", done, len(records))
            news = read_news(
                self._database,
                node,
                record,
                Told(
                    finalized,
                    wish.issued_at_most,
                    [
                        each.transaction.data
                        for each in found.caught
                        if each.issuer is not None
                        and each.issuer.organisation_id == record.organisation_id
                    ],
                ),
            )
            found.issuers.append(news)


def _subject(tx: Transaction, caught: Caught) -> str:
    """What stands here and is meant; LOST if confirming would look for what does not."""
    issuer, data = caught.issuer, caught.transaction.data
    if issuer is None:
        return LOST
    organisation_id = issuer.organisation_id
    match caught.kind:
        case ChainTxKind.ADD_KEY:
            held = {key.key_id for key in issuers.keys(tx, organisation_id)}
            return str(organisation_id) if data[36:68] in held else LOST
        case ChainTxKind.REVOKE:
            # revoke(bytes32 id, uint256 word, uint256 mask, ...): ours set one bit each.
            there = credentials.of_indexes(tx, organisation_id, revoked_by(data))
            return str(next(iter(there.values()))) if len(there) == 1 else LOST
        case _:
            return str(organisation_id)


def _attempt(transaction: MinedTransaction, row: ChainTx, now: datetime) -> Attempt:
    assert transaction.raw is not None  # noqa: S101 - `is_like_ours` has read it
    _, fields = read_signed(transaction.raw)
    return Attempt(
        hash=transaction.hash,
        chain_tx_id=row.id,
        raw=transaction.raw,
        tip=fields.tip,
        fee_cap=fields.fee_cap,
        created_at=now,
        sent_at=now,
    )


def _mark_sent(
    tx: Transaction, lease: Lease, row: ChainTx, *, block: int, now: datetime
) -> None:
    old = chain_txs.get(tx, row.id).state
    if old is not ChainTxState.SENT:
        chain_txs.advance(
            tx, lease, row.id, old, ChainTxState.SENT, now=now, sent_block=block
        )


def _since_ours(
    judged: list[Caught], missing: list[int]
) -> tuple[list[Caught], list[int]]:
    """An account may have been used before the ledger had it: its first nonces are not ours."""
    ours = [each.transaction.nonce for each in judged if each.fate != "foreign"]
    first = min(ours, default=None)
    if first is None:
        return [], []
    return (
        [each for each in judged if each.transaction.nonce >= first],
        [nonce for nonce in missing if nonce >= first],
    )


def _without_gap(judged: list[Caught], missing: list[int]) -> list[Caught]:
    """What leaves no gap in the nonces that are given out here, and whatever is foreign."""
    first = min(
        (*missing, *(e.transaction.nonce for e in judged if e.fate == "foreign")),
        default=None,
    )
    return [
        each
        for each in judged
        if each.fate == "foreign" or first is None or each.transaction.nonce < first
    ]
