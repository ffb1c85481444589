"""
Confirm: the chain decides what has happened, and only at `finalized`.

    in_progress, sent -> mined   a receipt for any of our hashes, in a canonical block
    mined -> final               that block is finalized; the registry's own word is stored
    mined -> reverted            finalized with status 0: for the operator
    mined -> sent                the block is gone, the nonce and the bytes stay
    final -> sent                the chain broke its own promise: critical, never silently

The count at `finalized` is read before the receipts: in the other order a block that comes in
between makes our own transaction look like somebody else's.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from anchor_worker.observer import SILENCE, Observer
from ledger.chain.history import Stretch, read_history
from ledger.chain.node import Block, ChainNode, Receipt
from ledger.chain.registry import AnchorRegistry, IssuerRegistry
from ledger.errors import ChainRejected, ChainUnavailable, NotFound
from ledger.services.sender_use import QUESTIONS, lowest_block
from ledger.store import batches, chain_txs, costs, events, issuers, reports
from ledger.store.database import Database, Transaction
from ledger.store.records import (
    LOST,
    Anchored,
    ChainTx,
    ChainTxKind,
    ChainTxState,
    Cost,
    Lease,
)

#: So many rounds in a row a used nonce has to be without any of our receipts.
PATIENCE = 5

_MANY = 10_000
_UNDER_WAY = (ChainTxState.IN_PROGRESS, ChainTxState.SENT, ChainTxState.MINED)
_log = logging.getLogger("anchor_worker.confirm")

#: Writes what the registry said about a transaction that has become final.
_Record = Callable[[Transaction], None]


class Confirmer:
    """Follows the transactions of one sender on one chain."""

    def __init__(
        self,
        database: Database,
        chain_id: int,
        sender: str,
        *,
        clock: Callable[[], datetime],
        observer: Observer = SILENCE,
    ) -> None:
        self._database = database
        self._chain_id = chain_id
        self._sender = sender
        self._clock = clock
        self._observer = observer
        self._missing: dict[UUID, int] = {}
        self._alarms: dict[UUID, str] = {}

    def step(self, node: ChainNode, lease: Lease) -> bool:
        """Look at everything under way once. True if anything moved.

        Raises ChainRejected if a nonce of ours was used by somebody else.
        """
        finalized = node.block("finalized")
        count = node.nonce(self._sender, finalized.number)
        worked = self._watch_finals(node, lease)
        seen: dict[int, bytes] = {}
        for row in self._under_way():
            if self._is_where_it_was(node, row, finalized, seen):
                continue
            receipt = self._receipt(node, row)
            if receipt is None:
                worked |= self._without_receipt(node, lease, row, count)
                continue
            self._missing.pop(row.id, None)
            if receipt.block_number <= finalized.number:
                try:
                    worked |= self._settle(node, lease, row, receipt, finalized)
                except NotFound as error:
                    # One row that leads nowhere must not hold up all others.
                    self._alarm(row, f"final on the chain, and not known here: {error}")
            elif (row.block_number, row.block_hash) != (
                receipt.block_number,
                receipt.block_hash,
            ):
                with self._database.begin() as tx:
                    self._mined(tx, lease, row, receipt)
                if row.state is ChainTxState.MINED:  # in another block until now
                    self._observer.reorganised(final=False)
                _log.info("mined", extra=_about(row) | {"block": receipt.block_number})
                worked = True
        return worked

    def _is_where_it_was(
        self, node: ChainNode, row: ChainTx, finalized: Block, seen: dict[int, bytes]
    ) -> bool:
        """Whether a mined row only waits for finality; one question for each block."""
        number = row.block_number
        if row.state is not ChainTxState.MINED or number is None:
            return False
        if number <= finalized.number:
            return False
        if number not in seen:
            # A node that lags does not have it yet: that says nothing.
            if number > node.block("latest").number:
                return True
            seen[number] = node.block(number).hash
        return seen[number] == row.block_hash

    def _under_way(self) -> list[ChainTx]:
        with self._database.read() as tx:
            rows = chain_txs.in_state(tx, self._chain_id, _UNDER_WAY, _MANY)
        ours = [row for row in rows if row.sender == self._sender]
        return sorted(ours, key=lambda row: row.nonce or 0)

    def _receipt(self, node: ChainNode, row: ChainTx) -> Receipt | None:
        """The receipt of any attempt; the dearest is asked for first, it most likely won."""
        with self._database.read() as tx:
            attempts = chain_txs.attempts(tx, row.id)
        for attempt in reversed(attempts):
            receipt = node.receipt(attempt.hash)
            if receipt is not None:
                if (receipt.to, receipt.data) != (row.to, row.data):
                    raise ChainUnavailable(
                        f"{node.name} gives a receipt for another call than ours"
                    )
                if not (
                    0 < receipt.gas_used <= row.gas
                    and receipt.gas_price <= attempt.fee_cap
                ):
                    raise ChainUnavailable(
                        f"{node.name} gives a receipt for {receipt.gas_used} gas at"
                        f" {receipt.gas_price} wei, and nonce {row.nonce} may take {row.gas}"
                        f" at {attempt.fee_cap}"
                    )
                return receipt
        return None

    def _without_receipt(
        self, node: ChainNode, lease: Lease, row: ChainTx, count: int
    ) -> bool:
        if row.state is ChainTxState.MINED:
            _log.warning("the block is gone, sending again", extra=_about(row))
            self._send_again(lease, row)
            return True
        if row.nonce is not None and count > row.nonce:
            # One null answer from a faulty node must not raise this alarm, nor must several:
            # the block that holds what used the nonce is looked at before anything is said.
            self._missing[row.id] = self._missing.get(row.id, 0) + 1
            if self._missing[row.id] >= PATIENCE:
                self._find_foreign_use(node, row, row.nonce)
        else:
            self._missing.pop(row.id, None)
        return False

    def _find_foreign_use(self, node: ChainNode, row: ChainTx, nonce: int) -> None:
        """Raise ChainRejected that says what used a nonce of ours, unless it was ours after all."""
        with self._database.read() as tx:
            low = lowest_block(tx, self._chain_id, self._sender)
            ours = {attempt.hash for attempt in chain_txs.attempts(tx, row.id)}
        high = node.block("finalized").number
        stretch = Stretch(nonce, min(low, high), high)
        history = read_history(node, self._sender, stretch, most=1, questions=QUESTIONS)
        used = f"nonce {nonce} of {self._sender} is used, finally, and by none of our"
        if not history.transactions:
            raise ChainRejected(
                f"{used} transactions; no block that was read shows by what. Ask another node"
                " (PERDURE_RPC_URLS); otherwise the account is used elsewhere"
            )
        (found,) = history.transactions
        if found.hash in ours:
            _log.warning(
                "%s gives no receipt for what it has in block %d",
                *(node.name, found.block_number),
                extra=_about(row),
            )
            self._missing.pop(row.id, None)
            return
        where = f"0x{found.hash.hex()} in block {found.block_number}"
        if (found.to, found.data) == (row.to, row.data):
            raise ChainRejected(
                f"{used} stored bytes, but by the same call ({where}): its fees were raised"
                " after this database was copied. Stop every worker and run: perdure recover"
            )
        raise ChainRejected(
            f"{used} transactions ({where}): the account is used elsewhere. Give this ledger a"
            " new account (PERDURE_SENDER_KEYSTORE or PERDURE_SENDER_URL), and run: perdure"
            f" recover --sender {self._sender}"
        )

    def _send_again(self, lease: Lease, row: ChainTx) -> None:
        # The head counts anew from the block that was lost, so that fees are not raised for
        # a transaction that was cheap enough to be mined.
        head = row.block_number if row.block_number is not None else 0
        with self._database.begin() as tx:
            chain_txs.advance(
                tx,
                lease,
                row.id,
                row.state,
                ChainTxState.SENT,
                now=self._clock(),
                sent_block=head,
            )
            if (
                row.state is ChainTxState.FINAL
                and row.kind is ChainTxKind.ANCHOR
                and row.subject != LOST
            ):
                batches.forget_anchor(tx, UUID(row.subject), row.chain_id)
            events.taken_back(tx, row, now=self._clock())
        self._observer.reorganised(final=row.state is ChainTxState.FINAL)

    def _mined(
        self, tx: Transaction, lease: Lease, row: ChainTx, receipt: Receipt
    ) -> None:
        """Note a receipt, also when the transaction moved to another block."""
        now = self._clock()
        state = row.state
        if state is ChainTxState.MINED:
            chain_txs.advance(tx, lease, row.id, state, ChainTxState.SENT, now=now)
            state = ChainTxState.SENT
        chain_txs.advance(
            tx,
            lease,
            row.id,
            state,
            ChainTxState.MINED,
            now=now,
            block_number=receipt.block_number,
            block_hash=receipt.block_hash,
            tx_hash=receipt.tx_hash,
        )
        costs.record(
            tx,
            row.id,
            Cost(receipt.gas_used, receipt.gas_price, receipt.block_time),
        )
        if receipt.succeeded:
            events.mined(tx, row, receipt.block_number, receipt.block_hash, now=now)

    # ---------------------------------------------------------------- rule D: final

    def _settle(  # noqa: PLR0917 - a row, its receipt, and the block that makes it final
        self,
        node: ChainNode,
        lease: Lease,
        row: ChainTx,
        receipt: Receipt,
        finalized: Block,
    ) -> bool:
        new = ChainTxState.FINAL if receipt.succeeded else ChainTxState.REVERTED
        if receipt.succeeded:
            record = self._registrys_word(node, row, finalized)
        elif row.kind is ChainTxKind.CLOSE and row.subject != LOST:
            # Whoever carried our request before us has closed it; what is closed, is.
            record = self._closed(node, row, finalized) or _nothing
        elif row.kind is ChainTxKind.REVOKE and row.subject != LOST:
            record = self._recovery_acts(node, row)
        else:
            record = _nothing
        if record is None:
            self._alarm(
                row, "mined and finalized, and yet the registry does not know it"
            )
            return False
        # The receipt, the state and what the registry says become known together.
        with self._database.begin() as tx:
            self._mined(tx, lease, row, receipt)
            chain_txs.advance(
                tx, lease, row.id, ChainTxState.MINED, new, now=self._clock()
            )
            record(tx)
            events.settled(tx, row, new, receipt.block_number, now=self._clock())
            since = _since(tx, row)
        self._observer.settled(
            row.kind, self._clock() - since, succeeded=receipt.succeeded
        )
        extra = _about(row) | {
            "block": receipt.block_number,
            "gas_used": receipt.gas_used,
            "gas_price": receipt.gas_price,
        }
        if receipt.succeeded:
            _log.info("final", extra=extra)
        else:
            _log.critical(
                "the contract refused it: reverted; it is signed anew by perdure issuer renew",
                extra=extra,
            )
        return True

    def _registrys_word(
        self, node: ChainNode, row: ChainTx, finalized: Block
    ) -> _Record | None:
        """What to store, read from the registry at the finalized block; None: not there.

        A stranger may have anchored our root first, or carried our signed act: the time in
        the slot is then earlier than our transaction's, and it is the one that counts.
        """
        if row.subject == LOST:
            return _nothing
        match row.kind:
            case ChainTxKind.ANCHOR:
                return self._anchored(node, row, finalized)
            case ChainTxKind.REGISTER:
                return self._registered(node, row, finalized)
            case ChainTxKind.ADD_KEY:
                return self._key_opened(node, row, finalized)
            case ChainTxKind.CLOSE:
                return self._closed(node, row, finalized)
            case _:
                return _nothing

    def _anchored(self, node: ChainNode, row: ChainTx, at: Block) -> _Record | None:
        batch_id = UUID(row.subject)
        with self._database.read() as tx:
            root = batches.get(tx, batch_id).sealed_root
        slot = AnchorRegistry(node, row.to).anchored_at(root, at.number)
        if slot is None:
            return None
        anchored = Anchored(row.chain_id, row.to, slot.block_number, slot.time)
        return lambda tx: batches.record_anchor(tx, batch_id, anchored)

    def _registered(self, node: ChainNode, row: ChainTx, at: Block) -> _Record | None:
        organisation_id = UUID(row.subject)
        with self._database.read() as tx:
            issuer_id = issuers.of(tx, organisation_id).issuer_id
        issuer = IssuerRegistry(node, row.to).issuer(issuer_id, at.number)
        if issuer is None:
            return None
        registered_at = issuer.registered_at
        return lambda tx: issuers.mark_registered(tx, organisation_id, registered_at)

    def _key_opened(self, node: ChainNode, row: ChainTx, at: Block) -> _Record | None:
        # addKey(bytes32 id, bytes32 key, ...)
        organisation_id, issuer_id = UUID(row.subject), row.data[4:36]
        key_id = row.data[36:68]
        registry = IssuerRegistry(node, row.to)
        opened = registry.key_opened_at(issuer_id, key_id, at.number)
        if opened is None:
            return None
        return lambda tx: issuers.mark_key_opened(tx, organisation_id, key_id, opened)

    def _closed(self, node: ChainNode, row: ChainTx, at: Block) -> _Record | None:
        # close(bytes32 id, ...)
        organisation_id, issuer_id = UUID(row.subject), row.data[4:36]
        issuer = IssuerRegistry(node, row.to).issuer(issuer_id, at.number)
        if issuer is None or issuer.closed_at is None:
            return None
        closed_at = issuer.closed_at
        return lambda tx: issuers.mark_closed(
            tx, organisation_id, closed_at, block=at.number
        )

    def _recovery_acts(self, node: ChainNode, row: ChainTx) -> _Record:
        """How often the recovery key has acted: it was signed under another number, perhaps."""
        # revoke(bytes32 id, ...)
        issuer_id = row.data[4:36]
        # The newest block, not a final one: what is signed again is carried after it.
        issuer = IssuerRegistry(node, row.to).issuer(issuer_id, "latest")
        if issuer is None:
            return _nothing
        count = issuer.recovery_acts
        return lambda tx: issuers.note_recovery_acts(tx, row.chain_id, issuer_id, count)

    def _alarm(self, row: ChainTx, words: str) -> None:
        """Say it once, not at every round."""
        if self._alarms.get(row.id) != words:
            self._alarms[row.id] = words
            _log.critical("%s", words, extra=_about(row))

    # ---------------------------------------------------------------- rule E: final, and gone

    def _watch_finals(self, node: ChainNode, lease: Lease) -> bool:
        """Newest first: a block that is still there vouches for everything before it.

        Read anew every time: what another worker settled meanwhile is watched too.
        """
        worked = False
        while True:
            with self._database.read() as tx:
                row = chain_txs.newest_settled(tx, self._chain_id, self._sender)
            if row is None or row.block_number is None:
                return worked
            if node.block(row.block_number).hash == row.block_hash:
                return worked
            _log.critical(
                "a finalized block is gone; the transaction is followed again",
                extra=_about(row) | {"block": row.block_number},
            )
            self._send_again(lease, row)
            worked = True


def _since(tx: Transaction, row: ChainTx) -> datetime:
    """When the oldest of what a transaction carries was issued, or the act asked for."""
    if row.kind is ChainTxKind.ANCHOR:
        return reports.oldest_in_batch(tx, UUID(row.subject)) or row.created_at
    return row.created_at


def _nothing(_: Transaction) -> None:
    """Nothing beyond the state itself."""


def _about(row: ChainTx) -> dict[str, object]:
    return {"chain_tx": str(row.id), "kind": row.kind.value, "nonce": row.nonce}
