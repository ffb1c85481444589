"""A school, three workers and a chain on which everything that can happen happens, in any order.

The same machine runs on a chain in memory and on a real node: what differs is the `Ground`.
After every step every invariant is looked at (`tests.watch`); in the end the troubles are over,
everything has to come to rest, and everything is read from scratch.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from typing import ClassVar, Final, Protocol
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import select
from sqlmodel import col

from anchor_worker.loop import Rhythm, Worker
from anchor_worker.submit import FeePolicy
from ledger.chain import acts
from ledger.chain.accounts import address_of
from ledger.chain.node import ChainNode
from ledger.chain.sender import SignedTransaction, Signer, TransactionFields
from ledger.core.issuer import issuer_id, recovery_commitment
from ledger.core.keys import keccak256
from ledger.core.registries import ISSUER_REGISTRY
from ledger.core.status import word_and_bit
from ledger.errors import ChainUnavailable, Conflict, StoreError
from ledger.store import (
    achievements,
    chain_txs,
    credentials,
    evidence,
    issuers,
    organisations,
)
from ledger.store.database import Database, Transaction
from ledger.store.records import (
    AchievementRecord,
    ChainTxKind,
    ChainTxState,
    IssuerRecord,
    NewChainTx,
    Organisation,
)
from ledger.store.tables import AttemptRow, EvidenceHeaderRow
from tests.invariants import check_at_rest, check_invariants
from tests.troubled_node import Killed, TroubledNode, Troubles
from tests.unit.anchor_worker.worlds import CHAIN_ID, MAX_FEE, SENDER, World
from tests.unit.store import samples
from tests.watch import SeenBlock, Watch

GWEI: Final = 10**9
WORKERS: Final = 3
#: Somebody else's account, which puts the school on record before the story begins.
CARRIER_KEY: Final = bytes.fromhex("77" * 32)
CONTROLLER_KEY: Final = bytes.fromhex("44" * 32)
REVOKING_KEY: Final = bytes.fromhex("55" * 32)
RECOVERY: Final = recovery_commitment(address_of(bytes.fromhex("66" * 32)))
DOMAIN: Final = acts.Domain(CHAIN_ID, ISSUER_REGISTRY)

_LEASE: Final = 20.0
_FAR: Final = 4_000_000_000  # a deadline that no block comes near
_UUID: Final = UUID("5f6b3c1e-0000-4000-8000-000000000001")


class Ground(Protocol):
    """The chain under the machine: what happens to it, and how it is seen from outside."""

    @property
    def node(self) -> ChainNode:
        """The chain as it is, without troubles."""
        ...

    def mine(self, blocks: int) -> None:
        """Mine what can be mined, then empty blocks."""
        ...

    def reorg(self, depth: int, *, repool: bool) -> None:
        """Lose the newest blocks; with `repool` their transactions wait again."""
        ...

    def drop(self) -> None:
        """Lose the transaction in the pool that is next."""
        ...

    def set_base_fee(self, fee: int) -> None:
        """The base fee of the blocks to come."""
        ...

    def blocks(self) -> Sequence[SeenBlock]:
        """The canonical blocks since the story began; the first one never goes."""
        ...


def issuer_of(school: Organisation) -> IssuerRecord:
    record = replace(
        samples.issuer_record(school),
        registry=ISSUER_REGISTRY,
        controller=address_of(CONTROLLER_KEY),
        recovery_commitment=RECOVERY,
    )
    name = issuer_id(
        CHAIN_ID, record.controller, RECOVERY, record.profile_hash, record.salt
    )
    return replace(record, issuer_id=name)


def add_school(tx: Transaction) -> Organisation:
    """A school as it is in the registry: its revoking key's private half is known here."""
    school = organisations.add(
        tx, id=_UUID, code="riverside", name="Riverside", now=samples.NOW
    )
    issuers.add(tx, issuer_of(school))
    issuers.add_key(tx, replace(samples.issuer_key(school), opened=1_790_000_000))
    achievements.add(
        tx, AchievementRecord(school.id, "git-1", "1", b'{"name":"Git"}', samples.NOW)
    )
    return school


def inception() -> list[acts.Act]:
    """What puts the school on record, to be carried by anybody before the story begins."""
    school = Organisation(_UUID, "riverside", "Riverside", samples.NOW)
    record = issuer_of(school)
    key = bytes.fromhex(address_of(REVOKING_KEY)[2:]).rjust(32, b"\0")
    return [
        acts.register(
            DOMAIN, record.controller, RECOVERY, record.profile_hash, record.salt
        ),
        acts.add_key(
            DOMAIN, record.issuer_id, key, acts.REVOKING, _FAR, CONTROLLER_KEY
        ),
    ]


@lru_cache(maxsize=4096)
def revocation(issuer: bytes, index: int) -> acts.Act:
    word, bit = word_and_bit(index)
    return acts.revoke(
        DOMAIN,
        issuer,
        word,
        1 << bit,
        recovery_acts=0,
        deadline=_FAR,
        secret=REVOKING_KEY,
    )


def withdraw(world: World, number: int) -> None:
    """Withdraw the school's credential of that number: the bit, and the act that sets it."""
    school, now = world.school, world.clock()
    record = samples.credential(school, number)
    act = revocation(issuer_of(school).issuer_id, record.status_index)
    new = NewChainTx(
        kind=ChainTxKind(act.kind.value),
        chain_id=CHAIN_ID,
        to=act.to,
        data=act.data,
        gas=act.gas,
        subject=str(record.id),
        unique_key=f"revoke/{number}",
    )
    with Database.begin(world.database) as tx:
        credentials.withdraw(tx, school.id, record.id, "a mistake", now)
        chain_txs.enqueue(tx, new, now)


class RememberingSigner:
    """Signs the same fields once in the life of this process: signing takes milliseconds."""

    _signed: ClassVar[dict[TransactionFields, SignedTransaction]] = {}

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self.address = signer.address

    def sign(self, fields: TransactionFields) -> SignedTransaction:
        """Sign as the signer behind does, rules and all."""
        if fields not in self._signed:
            self._signed[fields] = self._signer.sign(fields)
        return self._signed[fields]


class Machine(RuleBasedStateMachine):
    """The story. A subclass says on which ground, and in which database."""

    #: A fresh chain, and a fresh database.
    start: ClassVar[Callable[[], tuple[Ground, Database]]]

    def __init__(self) -> None:
        super().__init__()
        self.ground, database = type(self).start()
        self.world = World(
            database,
            add_school=add_school,
            genesis_hash=self.ground.node.genesis_hash(),
        )
        self.world.signer = RememberingSigner(self.world.signer)
        self.first = self.ground.blocks()[0].number
        self.nodes = [
            TroubledNode(self.ground.node, name, self._is_stored) for name in "ab"
        ]
        self.watch = Watch(database, max_fee=MAX_FEE)
        self.written = True
        self.withdrawn: set[int] = set()
        self.started = 0
        self.broken = False
        self.workers = [self._start() for _ in range(WORKERS)]

    # ---------------------------------------------------------------- what the school does

    @rule(count=st.integers(1, 3))
    def issue(self, count: int) -> None:
        self.world.issue(count)
        self.written = True

    @rule(which=st.integers(0, 60))
    def revoke(self, which: int) -> None:
        """The bit in the database and the act that sets it on the chain: all or nothing."""
        if not self.world.issued or which % self.world.issued in self.withdrawn:
            return
        number = which % self.world.issued
        withdraw(self.world, number)
        self.withdrawn.add(number)
        self.written = True

    # ---------------------------------------------------------------- what workers do

    @rule(worker=st.integers(0, WORKERS - 1))
    def step(self, worker: int) -> None:
        self._round(worker)

    @rule(worker=st.integers(0, WORKERS - 1), rounds=st.integers(2, 4))
    def work(self, worker: int, rounds: int) -> None:
        for _ in range(rounds):
            self._round(worker)
            self.ground.mine(1)
            self._look()

    @rule(
        worker=st.integers(0, WORKERS - 1),
        write=st.integers(0, 6),
        what=st.sampled_from(["killed before", "killed after", "before", "after"]),
    )
    def fail_at_write(self, worker: int, write: int, what: str) -> None:
        """kill -9 at the n-th commit, or a commit that fails, or whose answer is lost."""
        self.world.database.faults[:] = [""] * write + [what]
        self._round(worker)
        self.world.database.faults.clear()

    @rule(
        worker=st.integers(0, WORKERS - 1),
        what=st.sampled_from(["killed before", "killed after", "before", "after"]),
    )
    def fail_at_send(self, worker: int, what: str) -> None:
        """kill -9 at a send, or an answer that is lost, before or after the bytes went on."""
        for node in self.nodes:
            node.troubles.sends = [what]
        self._round(worker)
        for node in self.nodes:
            node.troubles.sends = []

    @rule(
        worker=st.integers(0, WORKERS - 1),
        other=st.integers(1, WORKERS - 1),
        write=st.integers(0, 5),
        rounds=st.integers(1, 2),
    )
    def oversleep(self, worker: int, other: int, write: int, rounds: int) -> None:
        """A worker stops before a write, until another one has its lease; then it goes on."""

        def meanwhile() -> None:
            self.world.clock.sleep(_LEASE + 1)
            for _ in range(rounds):
                self._round((worker + other) % WORKERS)
            self.ground.mine(1)

        self.world.database.faults[:] = [*[""] * write, meanwhile]
        self._round(worker)
        self.world.database.faults.clear()

    @rule(worker=st.integers(0, WORKERS - 1))
    def restart(self, worker: int) -> None:
        """SIGTERM: the lease goes back."""
        self.workers[worker]._release()
        self.written = True
        self.workers[worker] = self._start()

    # ---------------------------------------------------------------- what the chain does

    @rule(blocks=st.integers(1, 3))
    def mine(self, blocks: int) -> None:
        self.ground.mine(blocks)

    @rule(depth=st.integers(1, 5), repool=st.booleans())
    def reorg(self, depth: int, repool: bool) -> None:
        self._reorg(depth, repool=repool)

    @rule(
        worker=st.integers(0, WORKERS - 1),
        question=st.integers(0, 30),
        depth=st.integers(0, 4),
        repool=st.booleans(),
    )
    def change_under(
        self, worker: int, question: int, depth: int, repool: bool
    ) -> None:
        """Just before the n-th question of a round a block comes, or some go."""

        def meanwhile() -> None:
            if depth:
                self._reorg(depth, repool=repool)
            else:
                self.ground.mine(1)

        # The pool asks all nodes, the round one: the fault stands where it is asked.
        self.nodes[0].troubles.interruptions = {question: meanwhile}
        self._round(worker)
        self.nodes[0].troubles.interruptions = {}

    @rule()
    def drop(self) -> None:
        self.ground.drop()

    @rule(gwei=st.sampled_from([1, 20, 90, 500]))
    def spike(self, gwei: int) -> None:
        self.ground.set_base_fee(gwei * GWEI)

    # ---------------------------------------------------------------- what nodes do

    @rule(node=st.integers(0, 1), count=st.sampled_from([1, 2, 5, 20, -1]))
    def fail_reads(self, node: int, count: int) -> None:
        self.nodes[node].troubles.reads = count

    @rule(
        node=st.integers(0, 1),
        words=st.sampled_from(
            [
                "already known",
                "nonce too low",
                "replacement transaction underpriced",
                "transaction underpriced",
                "insufficient funds for gas * price + value",
                "nonce too high",
                "Internal error",
            ]
        ),
    )
    def refuse(self, node: int, words: str) -> None:
        """An answer to a send that may well be untrue."""
        self.nodes[node].troubles.refusals = [words]

    @rule(node=st.integers(0, 1), count=st.integers(1, 3))
    def hide_receipts(self, node: int, count: int) -> None:
        self.nodes[node].troubles.receipts = count

    @rule(node=st.integers(0, 1), blocks=st.integers(1, 7))
    def lag(self, node: int, blocks: int) -> None:
        self.nodes[node].troubles.behind = blocks

    @rule(node=st.integers(0, 1))
    def mend(self, node: int) -> None:
        self.nodes[node].troubles = Troubles()

    @rule(seconds=st.sampled_from([1, 25, 90, 7_200]))
    def wait(self, seconds: int) -> None:
        self.world.clock.sleep(seconds)

    # ---------------------------------------------------------------- what holds

    @invariant()
    def promises(self) -> None:
        self._look()

    def teardown(self) -> None:
        """No more troubles: with blocks and time everything must come to rest."""
        if self.broken:
            return
        for node in self.nodes:
            node.troubles = Troubles()
        self.world.database.faults.clear()
        self.ground.set_base_fee(GWEI)
        for _ in range(60):
            for worker in range(WORKERS):
                self._round(worker)
            self.ground.mine(1)
            if self._rests():
                break
        else:
            raise AssertionError(f"did not come to rest: {self.world.states()}")
        self._look()
        diagnosis = check_invariants(
            self.world.database,
            self.ground.node,
            [each for block in self.ground.blocks() for each in block.mined.values()],
            chain_id=CHAIN_ID,
            sender=SENDER,
            max_fee=MAX_FEE,
        )
        check_at_rest(self.world.database, diagnosis, self.world.issued)
        self._check_evidence()

    # ---------------------------------------------------------------- inside

    def _start(self) -> Worker:
        self.started += 1
        return self.world.worker(
            f"process {self.started}",
            policy=FeePolicy(
                max_fee=MAX_FEE, bump_after=2, resend_after=timedelta(seconds=30)
            ),
            rhythm=Rhythm(poll=0.0, lease=_LEASE, once=True),
            nodes=[*self.nodes],
        )

    def _round(self, number: int) -> None:
        """One round; what the loop waits out, is waited out, and nothing else."""
        self.written = True
        begun = self.watch.moment
        worker = self.workers[number]
        # Whatever else it raises ends the story, and nothing is asked of it any more.
        self.broken = True
        try:
            worker.round()
        except Killed:
            self.workers[number] = self._start()
        except (ChainUnavailable, StoreError, Conflict):
            pass
        else:
            if worker._lease is not None:
                self.watch.vouched(begun)
        self.broken = False
        self.world.clock.sleep(7)

    def _reorg(self, depth: int, *, repool: bool) -> None:
        head = self.ground.node.block("latest").number
        depth = min(depth, head - self.first)
        if depth:
            self.watch.shake(head - depth + 1)
            self.ground.reorg(depth, repool=repool)

    def _look(self) -> None:
        self.broken = True
        for node in self.nodes:
            assert not node.unstored, "I3: bytes left before they were stored"
        self.watch.look(
            self.ground.blocks(),
            self.ground.node.block("finalized").number,
            self.world.issued,
            written=self.written,
        )
        self.written = False
        self.broken = False

    def _is_stored(self, raw: bytes) -> bool:
        query = select(col(AttemptRow.raw)).where(
            col(AttemptRow.hash) == keccak256(raw)
        )
        with self.world.database.read() as tx:
            return bool(tx.scalar(query) == raw)

    def _rests(self) -> bool:
        if set(self.world.states()) - {ChainTxState.FINAL}:
            return False
        with self.world.database.read() as tx:
            return not (
                credentials.waiting(tx, CHAIN_ID, 1)
                or evidence.unproved(tx, CHAIN_ID, 1)
            )

    def _check_evidence(self) -> None:
        """What is kept for verifiers proves a block that is on the chain."""
        with self.world.database.read() as tx:
            kept = tx.rows(
                select(
                    col(EvidenceHeaderRow.block_number), col(EvidenceHeaderRow.header)
                )
            )
        for row in kept:
            found = self.ground.node.block(row["block_number"]).hash
            assert keccak256(row["header"]) == found, "evidence of a block that is gone"
