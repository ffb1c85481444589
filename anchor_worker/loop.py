"""
The loop of one chain: take the lease, seal, confirm, submit, prove, and again.

Sealing asks no node, so it goes on while none answers. There is no recovery code. What a crash
left behind is found in the database by the same steps at the next round, in this process or in
another. Two workers may run: the one without the lease stands by.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from anchor_worker.confirm import Confirmer
from anchor_worker.observer import SILENCE, Observer, RoundOutcome, Step
from anchor_worker.outages import Outages
from anchor_worker.policy import PolicyInForce
from anchor_worker.prove import Prover
from anchor_worker.purse import Purse
from anchor_worker.recovery_watch import RecoveryWatch
from anchor_worker.retired import Retired
from anchor_worker.seal import Sealer
from anchor_worker.spread import Spreader
from anchor_worker.submit import Submitter
from ledger.chain.node import ChainNode
from ledger.chain.pool import NodePool
from ledger.errors import (
    ChainRejected,
    ChainUnavailable,
    Conflict,
    KeystoreError,
    ProofError,
    StoreError,
)
from ledger.store import credentials, leases, reports
from ledger.store.database import Database
from ledger.store.records import Chain, ChainTxState, Lease, WorkerReport

_log = logging.getLogger("anchor_worker.loop")

_LONGEST_PAUSE = 60.0


class Ending(IntEnum):
    """Why the loop ended, as the exit code of the process."""

    DONE = 0  #: asked to stop, or (once) everything is at rest and went well
    OPERATOR = (
        1  #: somebody has to look: nonces used elsewhere, or a transaction failed
    )
    UNREACHED = 69  #: (once) no node of the chain answered at start
    SETTING = 78  #: every node is of another chain, or has other registries


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often the loop looks, for how long it holds the lease, and whether it ends."""

    poll: float = 2.0
    lease: float = 60.0
    once: bool = False


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps; they know each other only through the database.

    Batches are sealed by the home chain's loop alone; what other chains' loops have to do
    comes from it.
    """

    confirmer: Confirmer
    sealer: Sealer | Spreader
    submitter: Submitter
    prover: Prover
    #: Where the policy is the database's: read before, and what the sender has, looked at after.
    policy: PolicyInForce | None = None
    purse: Purse | None = None
    #: Follows what accounts that paid before have on their way.
    retired: Retired | None = None
    #: Tells whoever asks the database that no node can be used.
    outages: Outages | None = None
    #: Keeps the number under which revocations are signed.
    recovery_watch: RecoveryWatch | None = None


class Worker:
    """One chain, one sender, one thread."""

    def __init__(  # noqa: PLR0913 - what the process is made of
        self,
        database: Database,
        chain: Chain,
        pool: NodePool,
        steps: Steps,
        *,
        sender: str,
        owner: str,
        rhythm: Rhythm,
        clock: Callable[[], datetime],
        observe: Callable[[WorkerReport], None] | None = None,
        settled: Callable[[], bool] = lambda: True,
        observer: Observer = SILENCE,
    ) -> None:
        self._database = database
        self._chain = chain
        self._pool = pool
        self._steps = steps
        self._sender = sender
        self._owner = owner
        self._rhythm = rhythm
        self._clock = clock
        #: Somebody who is told after each round how much there is; counted for nobody else.
        self._observe = observe
        #: Whether other loops give this one no more work: only then it may end by itself.
        self._settled = settled
        self._observer = observer
        self._lease: Lease | None = None
        #: What a unit of gas cost at the end of the last round, if a node told.
        self._gas: int | None = None
        self._standing_by = False

    def run(self, stop: threading.Event) -> Ending:
        """Work until asked to stop. Raises SettingError if every node left our chain."""
        failed_before = self._failed_before()
        failures = 0
        try:
            while not stop.is_set():
                worked = False
                try:
                    worked = self.round()
                    failures = 0
                    self._observer.round_ended(self._outcome(worked))
                    ending = self._ending(worked, failed_before)
                except Conflict as error:
                    # Somebody else moved a row first, or our lease ran out: look again.
                    self._observer.round_ended(RoundOutcome.CONFLICT)
                    _log.info("again: %s", error)
                    ending = None
                except ChainUnavailable as error:
                    failures += 1
                    self._observer.round_ended(RoundOutcome.CHAIN)
                    _log.warning("chain unavailable: %s", error)
                    ending = None
                except (StoreError, KeystoreError) as error:
                    failures += 1
                    self._observer.round_ended(RoundOutcome.STORE)
                    _log.error("cannot work now: %s", error)
                    ending = None
                except (ChainRejected, ProofError) as error:
                    self._observer.round_ended(RoundOutcome.STOPPED)
                    _log.critical("stopped: %s", error)
                    return Ending.OPERATOR
                if ending is not None:
                    return ending
                if not worked:
                    pause = self._pause(failures)
                    self._observer.rests(pause)
                    stop.wait(pause)
        finally:
            self._observer.ended()
            self._release()
        if self._rhythm.once:
            _log.warning("asked to stop before everything was final")
        return Ending.DONE

    def round(self) -> bool:
        """Every step once. True if anything moved; raises whatever a step raises."""
        if self._steps.policy is not None:
            self._steps.policy.step()
        lease = self._take()
        if lease is None:
            return False
        gas, self._gas = self._gas, None
        with self._timed(Step.SEAL):
            sealed = bool(self._steps.sealer.step(lease, gas))
        try:
            with self._timed(Step.CHOOSE):
                node = self._pool.choose()
        except ChainUnavailable as error:
            # A standby may reach a node.
            self._release()
            if self._steps.outages is not None:
                self._steps.outages.note(str(error))
            raise
        finally:
            self._observer.looked(self._pool.states)
        if self._steps.outages is not None:
            self._steps.outages.end()
        try:
            return self._steps_with(node, sealed=sealed)
        except ChainUnavailable as error:
            self._pool.failed(node, error)
            raise

    def _steps_with(self, node: ChainNode, *, sealed: bool) -> bool:
        # Building a large tree takes time; the lease may have a new token since.
        lease = self._take() if sealed else self._lease
        if lease is None:
            return sealed
        with self._timed(Step.CONFIRM):
            worked = self._steps.confirmer.step(node, lease)
        with self._timed(Step.SUBMIT):
            worked |= self._steps.submitter.step(node, lease)
        if self._steps.retired is not None:
            worked |= self._steps.retired.step(node, self._owner)
        if self._steps.sealer.asks_for_gas:
            fee = node.fee()
            self._gas = fee.base + fee.tip
        # Last: what already has its time on the chain can wait for what has none yet.
        with self._timed(Step.PROVE):
            worked |= self._steps.prover.step(node, lease)
        if self._steps.purse is not None:
            self._steps.purse.step(node)
        if self._steps.recovery_watch is not None:
            self._steps.recovery_watch.step(node)
        return worked or sealed

    @contextmanager
    def _timed(self, step: Step) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self._observer.stepped(step, time.perf_counter() - began)

    def _outcome(self, worked: bool) -> RoundOutcome:
        if worked:
            return RoundOutcome.WORKED
        return RoundOutcome.STANDBY if self._standing_by else RoundOutcome.IDLE

    def _take(self) -> Lease | None:
        with self._database.begin() as tx:
            self._lease = leases.take(
                tx,
                self._chain.chain_id,
                self._sender,
                owner=self._owner,
                seconds=self._rhythm.lease,
                now=self._clock(),
            )
        if self._standing_by != (self._lease is None):
            self._standing_by = self._lease is None
            _log.info(
                "standing by" if self._standing_by else "working",
                extra={"owner": self._owner},
            )
        return self._lease

    def _release(self) -> None:
        if self._lease is None:
            return
        try:
            with self._database.begin() as tx:
                leases.release(tx, self._lease)
        except StoreError as error:
            _log.warning("the lease stays until it expires: %s", error)
        self._lease = None

    def _ending(self, worked: bool, failed_before: int) -> Ending | None:
        # Asked before counting: what came until then is counted.
        settled = self._settled()
        self._tell()
        if not self._rhythm.once or worked:
            return None
        with self._database.read() as tx:
            counted = reports.unsettled(tx, self._chain.chain_id)
            waiting = credentials.count_waiting(tx, self._chain.chain_id, 1)
        failed = sum(counted[state] for state in reports.FAILED)
        under_way = sum(counted[state] for state in reports.PENDING)
        # A nonce that no node takes blocks all that follow: waiting would never end.
        blocked = counted[ChainTxState.FATAL] and not sum(
            counted[state] for state in reports.PENDING[1:]
        )
        if not settled or waiting or (under_way and not blocked):
            return None
        return Ending.OPERATOR if failed > failed_before or under_way else Ending.DONE

    def _tell(self) -> None:
        if self._observe is None:
            return
        with self._database.read() as tx:
            report = reports.worker_report(tx, self._chain.chain_id)
        self._observe(report)

    def _failed_before(self) -> int:
        with self._database.read() as tx:
            counted = reports.unsettled(tx, self._chain.chain_id)
        return sum(counted[state] for state in reports.FAILED)

    def _pause(self, failures: int) -> float:
        """Longer after each failure, and never in step with others."""
        longest = min(self._rhythm.poll * 2.0 ** min(failures, 10), _LONGEST_PAUSE)
        if not failures:
            return longest
        return longest * (0.5 + secrets.randbelow(1_000) / 2_000)
