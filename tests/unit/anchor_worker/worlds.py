"""A school, a chain in memory, and workers that can be broken at every write."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from anchor_worker.confirm import Confirmer
from anchor_worker.loop import Rhythm, Steps, Worker
from anchor_worker.observer import SILENCE, Observer
from anchor_worker.outages import Outages
from anchor_worker.prove import Prover
from anchor_worker.retired import Retired
from anchor_worker.seal import BatchLimits, Sealer
from anchor_worker.spread import Spreader
from anchor_worker.submit import FeePolicy, Submitter
from ledger.chain import acts
from ledger.chain.accounts import address_of
from ledger.chain.acts import Act
from ledger.chain.memory import MemoryChain
from ledger.chain.node import ChainNode, SendAnswer
from ledger.chain.pool import NodePool
from ledger.chain.sender import KeystoreSigner, Signer, SigningRules, TransactionFields
from ledger.core.keys import keccak256
from ledger.core.registries import ANCHOR_REGISTRY, ISSUER_REGISTRY
from ledger.errors import StoreError
from ledger.store import chain_txs, chains, credentials, evidence, leases
from ledger.store.database import Database, Transaction
from ledger.store.records import (
    Attempt,
    Chain,
    ChainTx,
    ChainTxKind,
    ChainTxState,
    NewChainTx,
    Organisation,
    WorkerReport,
)
from tests.invariants import Mined, check_at_rest, check_invariants
from tests.troubled_node import Killed as Killed  # noqa: PLC0414 - given on
from tests.unit.store import samples
from tests.unit.verify.fakes import deployed_code

CHAIN_ID = samples.CHAIN_ID
SENDER_KEY = bytes.fromhex("22" * 32)
SENDER = address_of(SENDER_KEY)
MAX_FEE = 100 * 10**9
SMALL = BatchLimits(size=4, age=timedelta(0))
#: The chain in memory began years before the worlds' clock: its blocks are never young.
NEVER_ALONE = timedelta(days=36_500)
POLICY = FeePolicy(max_fee=MAX_FEE, bump_after=3)
ONCE = Rhythm(poll=0.0, once=True)
EVERY_STATE = tuple(ChainTxState)


class WitnessChain(MemoryChain):
    """Notes bytes that arrive and are not in the database (invariant I3)."""

    def __init__(self, database: Database, chain_id: int) -> None:
        super().__init__(
            chain_id=chain_id, seed=b"" if chain_id == CHAIN_ID else b"other"
        )
        self._database = database
        self.chain_id_ = chain_id
        self.codes = {
            ANCHOR_REGISTRY: deployed_code("AnchorRegistry"),
            ISSUER_REGISTRY: deployed_code("IssuerRegistry"),
        }
        self.unknown_sends: list[bytes] = []
        #: Kill the sender "before" or "after" its next send.
        self.kill = ""

    def send(self, raw: bytes) -> SendAnswer:
        with self._database.read() as tx:
            known = {
                attempt.hash
                for row in chain_txs.in_state(tx, self.chain_id_, EVERY_STATE, 10_000)
                for attempt in chain_txs.attempts(tx, row.id)
            }
        if keccak256(raw) not in known:
            self.unknown_sends.append(raw)
        kill, self.kill = self.kill, ""
        if kill == "before":
            raise Killed
        answer = super().send(raw)
        if kill == "after":
            raise Killed
        return answer


@dataclass(frozen=True, slots=True)
class BrokenDatabase(Database):
    """Fails a write as `faults` says, one entry for each: "before", "after" or "" (works).

    "killed before" and "killed after" end the process there; something to call is called before
    the write begins: what others do meanwhile.
    """

    faults: list[str | Callable[[], None]] = field(default_factory=list)

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        fault = self.faults.pop(0) if self.faults else ""
        if callable(fault):
            fault()
        # Not super(): a slotted dataclass is another class than the one super() looks up.
        with Database.begin(self) as tx:
            yield tx
            if fault == "killed before":
                raise Killed
            if fault == "before":
                raise StoreError("broken before the commit")
        if fault == "killed after":
            raise Killed
        if fault == "after":
            raise StoreError("broken after the commit")


@dataclass
class Clock:
    """Time that passes when a test says so."""

    now: datetime = samples.NOW + timedelta(seconds=1)

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Side:
    """A chain, how the database knows it, and the sender's signer for it."""

    def __init__(self, database: Database, chain_id: int) -> None:
        self.chain = WitnessChain(database, chain_id)
        self.record = Chain(
            chain_id,
            self.chain.genesis_hash(),
            ANCHOR_REGISTRY,
            ISSUER_REGISTRY,
            test=True,
        )
        self.signer: Signer = KeystoreSigner(
            SENDER_KEY,
            SigningRules(
                chain_id, acts.known_calls(ANCHOR_REGISTRY, ISSUER_REGISTRY), MAX_FEE
            ),
        )


class World:
    """One school, its home chain and perhaps others; as many workers as a test wants."""

    def __init__(
        self,
        database: Database,
        *,
        others: Sequence[int] = (),
        add_school: Callable[[Transaction], Organisation] = samples.add_school,
        genesis_hash: bytes | None = None,
    ) -> None:
        self.database = BrokenDatabase(
            database.name, database._writer, database._reader
        )
        home = Side(database, CHAIN_ID)
        self.chain, self.record, self.signer = home.chain, home.record, home.signer
        if genesis_hash is not None:  # of a chain that is not in memory
            self.record = replace(self.record, genesis_hash=genesis_hash)
        self.others = [Side(database, chain_id) for chain_id in others]
        self.clock = Clock()
        self.issued = 0
        self.accreditors: list[bytes] = []
        with database.begin() as tx:
            chains.record_home(tx, self.record)
            for other in self.others:
                chains.record(tx, other.record)
            self.school: Organisation = add_school(tx)

    def issue(self, count: int) -> None:
        """Issue credentials that wait to be sealed."""
        with Database.begin(self.database) as tx:
            numbers = range(self.issued, self.issued + count)
            credentials.insert(
                tx, [samples.credential(self.school, n) for n in numbers]
            )
        self.issued += count

    def seal(self, count: int = 1) -> None:
        """Issue credentials and seal them into a batch, whose anchor then waits."""
        self.issue(count)
        limits = BatchLimits(size=count, age=timedelta(0))
        sealer = Sealer(
            self.database, self.record, limits, lease_seconds=60, clock=self.clock
        )
        with Database.begin(self.database) as tx:
            lease = leases.take(
                tx, CHAIN_ID, SENDER, owner="sealer", seconds=60, now=self.clock()
            )
        assert lease is not None
        assert sealer.step(lease) is not None
        with Database.begin(self.database) as tx:
            leases.release(tx, lease)

    def enqueue(self, act: Act, name: str) -> ChainTx:
        """Ask for an act of the school."""
        with Database.begin(self.database) as tx:
            new = NewChainTx(
                kind=ChainTxKind(act.kind.value),
                chain_id=CHAIN_ID,
                to=act.to,
                data=act.data,
                gas=act.gas,
                subject=str(self.school.id),
                unique_key=name,
            )
            return chain_txs.enqueue(tx, new, self.clock())

    def steal_nonce(self, secret: bytes, nonce: int) -> None:
        """Somebody else's transaction, with this key; mined, and final."""
        self.foreign(secret, nonce, acts.anchor(ANCHOR_REGISTRY, b"\xee" * 32).data)
        self.chain.mine(4)

    def foreign(self, secret: bytes, nonce: int, data: bytes) -> None:
        """A transaction that is not the ledger's, in the pool."""
        signer = KeystoreSigner(
            secret,
            SigningRules(
                CHAIN_ID, acts.known_calls(ANCHOR_REGISTRY, ISSUER_REGISTRY), MAX_FEE
            ),
        )
        signed = signer.sign(
            TransactionFields(
                chain_id=CHAIN_ID,
                nonce=nonce,
                to=ANCHOR_REGISTRY,
                data=data,
                gas=60_000,
                tip=10**9,
                fee_cap=50 * 10**9,
            )
        )
        MemoryChain.send(self.chain, signed.raw)

    def worker(
        self,
        owner: str = "one",
        *,
        limits: BatchLimits = SMALL,
        checkpoint_age: timedelta = NEVER_ALONE,
        policy: FeePolicy = POLICY,
        rhythm: Rhythm = ONCE,
        nodes: list[ChainNode] | None = None,
        observe: Callable[[WorkerReport], None] | None = None,
        observer: Observer = SILENCE,
        adopt_sender: bool = False,
        outages: Outages | None = None,
    ) -> Worker:
        """A process as it is after its start: nothing in memory."""
        return Worker(
            self.database,
            self.record,
            NodePool(
                nodes or [self.chain],
                chain_id=CHAIN_ID,
                genesis_hash=self.record.genesis_hash,
                clock=self.clock,
            ),
            Steps(
                Confirmer(
                    self.database,
                    CHAIN_ID,
                    self.signer.address,
                    clock=self.clock,
                    observer=observer,
                ),
                Sealer(
                    self.database,
                    self.record,
                    limits,
                    lease_seconds=60,
                    clock=self.clock,
                    others=[other.record for other in self.others],
                    checkpoint_age=checkpoint_age,
                ),
                Submitter(
                    self.database,
                    CHAIN_ID,
                    self.signer,
                    policy=policy,
                    clock=self.clock,
                    observer=observer,
                    adopt_sender=adopt_sender,
                ),
                Prover(
                    self.database,
                    self.record,
                    clock=self.clock,
                    accreditors=self.accreditors,
                ),
                retired=Retired(
                    self.database,
                    CHAIN_ID,
                    self.signer.address,
                    lease_seconds=60,
                    clock=self.clock,
                ),
                outages=outages,
            ),
            sender=self.signer.address,
            owner=owner,
            rhythm=rhythm,
            clock=self.clock,
            observe=observe,
            observer=observer,
        )

    def other_worker(
        self,
        side: Side,
        owner: str = "other",
        *,
        rhythm: Rhythm = ONCE,
        nodes: list[ChainNode] | None = None,
        settled: Callable[[], bool] = lambda: True,
    ) -> Worker:
        """The loop of a chain that is not the home."""
        record, chain_id = side.record, side.record.chain_id
        return Worker(
            self.database,
            record,
            NodePool(
                nodes or [side.chain],
                chain_id=chain_id,
                genesis_hash=record.genesis_hash,
                clock=self.clock,
            ),
            Steps(
                Confirmer(self.database, chain_id, SENDER, clock=self.clock),
                Spreader(self.database, record, clock=self.clock),
                Submitter(
                    self.database,
                    chain_id,
                    side.signer,
                    policy=POLICY,
                    clock=self.clock,
                ),
                Prover(self.database, record, clock=self.clock),
            ),
            sender=SENDER,
            owner=owner,
            rhythm=rhythm,
            clock=self.clock,
            settled=settled,
        )

    def rounds(self, worker: Worker, count: int = 1, *, mine: int = 1) -> None:
        """So many rounds; blocks and seconds pass after each."""
        for _ in range(count):
            worker.round()
            for chain in (self.chain, *(other.chain for other in self.others)):
                chain.mine(mine)
            self.clock.sleep(12)

    def rows(self, *states: ChainTxState, chain_id: int = CHAIN_ID) -> list[ChainTx]:
        """Chain transactions of a chain in these states, or all."""
        with self.database.read() as tx:
            return list(chain_txs.in_state(tx, chain_id, states or EVERY_STATE, 10_000))

    def states(self, chain_id: int = CHAIN_ID) -> list[ChainTxState]:
        """The state of each chain transaction, in order."""
        return [row.state for row in self.rows(chain_id=chain_id)]

    def attempts(self, row: ChainTx) -> list[Attempt]:
        """The signed bytes of a row, the cheapest first."""
        with self.database.read() as tx:
            return list(chain_txs.attempts(tx, row.id))

    def check(self, *, at_rest: bool = True) -> None:
        """Every invariant, read from scratch out of the database and the chains."""
        for chain in (self.chain, *(other.chain for other in self.others)):
            self._check(chain, at_rest=at_rest)
        if at_rest and self.chain.proven_blocks:
            with self.database.read() as tx:
                assert not evidence.unproved(tx, CHAIN_ID, 9), "without evidence"

    def _check(self, chain: WitnessChain, *, at_rest: bool) -> None:
        assert chain.unknown_sends == []
        broken, chain.broken_reads = chain.broken_reads, 0
        diagnosis = check_invariants(
            self.database,
            chain,
            [
                Mined(nonce, to, data, succeeded)
                for who, nonce, to, data, succeeded in chain.canonical()
                if who == SENDER
            ],
            chain_id=chain.chain_id_,
            sender=SENDER,
            max_fee=MAX_FEE,
        )
        chain.broken_reads = broken
        if at_rest:
            check_at_rest(
                self.database, diagnosis, self.issued, chain_id=chain.chain_id_
            )


def alarms(caplog_records: list[logging.LogRecord]) -> list[str]:
    """What was said at level critical."""
    return [r.getMessage() for r in caplog_records if r.levelno >= logging.CRITICAL]
