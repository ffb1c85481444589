"""The invariants after every step, by comparison with the step before: cheap, and none is loosened.

`tests.invariants` reads everything from scratch where things have come to rest. Between, a chain that
was reorganised below finality makes "final" untrue until a worker has looked: those rows, and only
those, are let off until then (`shake`, `vouched`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, select
from sqlmodel import col

from ledger.chain.sender import TransactionFields, read_signed
from ledger.core.keys import keccak256
from ledger.core.merkle import root, sealed_root
from ledger.store.chain_txs import TRANSITIONS
from ledger.store.database import Database
from ledger.store.records import ChainTxKind, ChainTxState
from ledger.store.tables import (
    AttemptRow,
    BatchAnchorRow,
    BatchRow,
    ChainTxRow,
    CredentialRow,
    LeaseRow,
)
from tests.invariants import Mined

_FIXED: Final = ("kind", "to_address", "data", "gas", "subject", "unique_key", "position")  # fmt: skip
_S = ChainTxState

# Made once: there are many looks.
_TXS: Final = select(ChainTxRow)
_ATTEMPTS: Final = select(AttemptRow).order_by(col(AttemptRow.fee_cap))
_MEMBERS: Final = select(
    col(CredentialRow.id),
    col(CredentialRow.leaf),
    col(CredentialRow.batch_id),
    col(CredentialRow.leaf_index),
)
_BATCHES: Final = select(BatchRow)
_ANCHORS: Final = select(col(BatchAnchorRow.batch_id))
_TOKEN: Final = select(col(LeaseRow.token))


@dataclass(frozen=True, slots=True)
class SeenBlock:
    """A canonical block, and the sender's transactions in it by hash."""

    number: int
    hash: bytes
    mined: Mapping[bytes, Mined]


@dataclass(frozen=True, slots=True)
class _Rows:
    """What the tables held."""

    txs: Mapping[UUID, RowMapping] = field(default_factory=dict)
    attempts: Mapping[bytes, RowMapping] = field(default_factory=dict)
    places: Mapping[UUID, tuple[Any, ...]] = field(default_factory=dict)
    batches: Mapping[UUID, RowMapping] = field(default_factory=dict)
    anchored: frozenset[UUID] = frozenset()
    token: int = 0

    @classmethod
    def read(cls, database: Database) -> "_Rows":
        with database.read() as tx:
            txs = tx.rows(_TXS)
            attempts = tx.rows(_ATTEMPTS)
            members = tx.rows(_MEMBERS)
            batches = tx.rows(_BATCHES)
            anchors = tx.rows(_ANCHORS)
            lease = tx.scalar(_TOKEN)
        return cls(
            {row["id"]: row for row in txs},
            {row["hash"]: row for row in attempts},
            {row["id"]: tuple(row.values()) for row in members},
            {row["id"]: row for row in batches},
            frozenset(row["batch_id"] for row in anchors),
            lease or 0,
        )


class Watch:
    """Looks again and again at one sender's rows and the chain."""

    def __init__(self, database: Database, *, max_fee: int) -> None:
        self._database = database
        self._max_fee = max_fee
        self._before = _Rows()
        self._moment = 0
        #: Row -> the block that it lost, and when.
        self._shaken: dict[UUID, tuple[bytes, int]] = {}

    @property
    def moment(self) -> int:
        """How often was looked; names the beginning of a round for `vouched`."""
        return self._moment

    def shake(self, lowest: int) -> None:
        """The chain is about to lose every block from `lowest` on, final or not."""
        for name, row in _Rows.read(self._database).txs.items():
            if row["state"] == _S.FINAL and row["block_number"] >= lowest:
                self._shaken[name] = row["block_hash"], self._moment

    def vouched(self, since: int) -> None:
        """A worker that held the lease has finished a round that began then."""
        self._shaken = {
            name: (lost, at) for name, (lost, at) in self._shaken.items() if at >= since
        }

    def look(
        self,
        blocks: Sequence[SeenBlock],
        finalized: int,
        issued: int,
        *,
        written: bool = True,
    ) -> None:
        """Raise AssertionError with the first promise that does not hold.

        Not `written`: nobody wrote to the database since the last look.
        """
        self._moment += 1
        now = _Rows.read(self._database) if written else self._before
        assert len(now.places) == issued, "I1: an acknowledged credential is lost"
        assert now.token >= self._before.token, "a lease's token went back"
        if written:
            self._check_places(now)
            self._check_rows(now)
            self._check_attempts(now)
        self._check_mined(now, blocks)
        self._check_final(now, blocks, finalized)
        self._before = now

    def _check_places(self, now: _Rows) -> None:
        """I2: a place in a tree is given once, and its root is that of its leaves."""
        for name, (_, leaf, batch_id, place) in now.places.items():
            before = self._before.places.get(name, (name, leaf, None, None))
            assert before[1] == leaf, f"the leaf of {name} changed"
            if before[2] is not None:
                assert before[2:] == (batch_id, place), f"I2: {name} moved"
        leaves: dict[UUID, dict[int, bytes]] = {}
        for _, leaf, batch_id, place in now.places.values():
            if batch_id is not None and batch_id not in self._before.batches:
                leaves.setdefault(batch_id, {})[place] = leaf
        for name, batch in now.batches.items():
            if name in self._before.batches:
                assert batch == self._before.batches[name], f"batch {name} changed"
                continue
            tree = [leaves[name][place] for place in range(batch["tree_size"])]
            assert len(leaves[name]) == len(tree), f"I2: batch {name} has another size"
            expected = sealed_root(len(tree), root(tree))
            assert expected == batch["sealed_root"], f"I2: batch {name}: another root"
        anchors = Counter(
            row["subject"]
            for row in now.txs.values()
            if row["kind"] == ChainTxKind.ANCHOR
        )
        assert anchors == Counter(str(name) for name in now.batches), (
            "a batch, one anchor"
        )

    def _check_rows(self, now: _Rows) -> None:
        """I4, I5, I6, I10: fixed is fixed, nonces have no gap, one is in progress at most."""
        for name, old in self._before.txs.items():
            new = now.txs[name]
            assert all(old[each] == new[each] for each in _FIXED), f"I4: {name} changed"
            if old["nonce"] is not None:
                kept = (old["sender"], old["nonce"]) == (new["sender"], new["nonce"])
                assert kept, f"I4: {name} has another nonce"
            reachable = _reachable(_S(old["state"]))
            assert _S(new["state"]) in reachable, f"I10: {name}: {old} -> {new}"
        given = sorted(
            row["nonce"] for row in now.txs.values() if row["nonce"] is not None
        )
        assert given == list(range(len(given))), f"I6: nonces given out: {given}"
        states = Counter(row["state"] for row in now.txs.values())
        assert states[_S.IN_PROGRESS] <= 1, "I5: two in progress"
        failed = states[_S.REVERTED], states[_S.FATAL]
        assert failed == (0, 0), "reverted or given up"

    def _check_attempts(self, now: _Rows) -> None:
        """I3, I4, I11: stored bytes stay, are of this nonce and payload, and within the ceiling."""
        by_row: dict[UUID, list[RowMapping]] = {}
        for digest, attempt in now.attempts.items():
            by_row.setdefault(attempt["chain_tx_id"], []).append(attempt)
            if digest in self._before.attempts:
                same = self._before.attempts[digest]["raw"] == attempt["raw"]
                assert same, "stored bytes changed"
                continue
            row = now.txs[attempt["chain_tx_id"]]
            assert keccak256(attempt["raw"]) == digest
            sender, fields = read(attempt["raw"])
            found = (sender, fields.chain_id, fields.nonce, fields.to, fields.data)
            expected = (
                row["sender"],
                row["chain_id"],
                row["nonce"],
                row["to_address"],
                row["data"],
            )
            assert found == expected, f"I4: foreign bytes for {row['id']}"
            fees = (fields.tip, fields.fee_cap)
            assert fees == (attempt["tip"], attempt["fee_cap"])
            assert fields.fee_cap <= self._max_fee, f"I11: {fields.fee_cap} wei"
        assert self._before.attempts.keys() <= now.attempts.keys(), "bytes are gone"
        for name, row in now.txs.items():
            mine = by_row.get(name, [])
            assert bool(mine) == (row["nonce"] is not None), f"I3: {name}"
            for less, more in pairwise(mine):
                for fee in ("tip", "fee_cap"):
                    least = -(-less[fee] * 1125 // 1000)
                    assert more[fee] >= least, f"{name}: {fee} raised too little"

    def _check_mined(self, now: _Rows, blocks: Sequence[SeenBlock]) -> None:
        """I3, I7: on the chain is only what was stored, without a gap, and each call once."""
        stored = {
            row["nonce"]: (row["to_address"], row["data"]) for row in now.txs.values()
        }
        mined = [
            (digest, each) for block in blocks for digest, each in block.mined.items()
        ]
        nonces = [each.nonce for _, each in mined]
        assert nonces == list(range(len(mined))), f"mined nonces: {nonces}"
        for digest, each in mined:
            assert digest in now.attempts, "I3: bytes were mined that are not stored"
            assert stored.get(each.nonce) == (each.to, each.data), "I4: other payload"
            assert each.succeeded, f"nonce {each.nonce} was refused by the contract"
        calls = Counter((each.to, each.data) for _, each in mined)
        assert max(calls.values(), default=1) == 1, "I7: a call was mined twice"

    def _check_final(
        self, now: _Rows, blocks: Sequence[SeenBlock], finalized: int
    ) -> None:
        """I9: what is final is in a canonical block, and was at or below `finalized`."""
        first = blocks[0].number if blocks else 0
        for name, row in now.txs.items():
            is_final = row["state"] == _S.FINAL
            if row["kind"] == ChainTxKind.ANCHOR:
                recorded = UUID(row["subject"]) in now.anchored
                assert recorded == is_final, (
                    f"{name}: {row['state']}, anchor {recorded}"
                )
            if not is_final:
                continue
            if self._shaken.get(name, (b"", 0))[0] == row["block_hash"]:
                continue
            number = row["block_number"]
            old = self._before.txs.get(name)
            if old is None or old["state"] != _S.FINAL:
                assert number <= finalized, f"I9: {name} is final above finalized"
            block = blocks[number - first] if number - first < len(blocks) else None
            assert block is not None, f"I9: {name} is final and its block is gone"
            assert block.hash == row["block_hash"], f"I9: {name}: another block"
            assert row["tx_hash"] in block.mined, f"I9: {name} is not in its block"


@lru_cache(maxsize=4096)
def read(raw: bytes) -> tuple[str, TransactionFields]:
    """Who signed these bytes, and what; recovering a signer takes milliseconds."""
    return read_signed(raw)


@lru_cache
def _reachable(state: ChainTxState) -> frozenset[ChainTxState]:
    found, new = {state}, {state}
    while new:
        further = {
            each
            for old in new
            for each in (TRANSITIONS[old] | ({_S.IN_PROGRESS} if old is _S.SEALED else set()))
        }  # fmt: skip
        new = further - found
        found |= further
    return frozenset(found)
