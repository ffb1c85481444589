"""
Prove: take the evidence of every batch whose root is final, and keep it beside the batch.

Nodes prove the state of their newest blocks alone, so it is taken at once, at the finalized
block. Where a node does not reach back that far, it is taken at the newest block and held, in
memory, until that block is final and still there. A batch without evidence is whole: a node that
proves nothing holds up nothing else, and is asked again, less and less often.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from ledger.chain.node import Block, ChainNode
from ledger.core.account import AccountProof
from ledger.core.evidence import (
    MAX_ACCREDITORS,
    AnchorSlot,
    Questions,
    build_evidence,
    endorsement_slot,
)
from ledger.core.header import BlockHeader
from ledger.errors import ChainError, ChainUnavailable, MalformedError, ProofError
from ledger.store import batches, evidence, leases
from ledger.store.database import Database
from ledger.store.records import (
    Batch,
    BatchEvidence,
    Chain,
    EvidenceSubject,
    Lease,
    SlotNodes,
)

#: So many slots are asked for at once.
SLOTS_AT_ONCE = 64
#: So many batches are proved in one round: confirming must not wait long.
BATCHES_AT_ONCE = 8

_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=15), timedelta(hours=1)
_log = logging.getLogger("anchor_worker.prove")


@dataclass(frozen=True, slots=True)
class _Retry:
    """When a batch that could not be proved is tried again, and the pause before that."""

    at: datetime
    pause: timedelta


@dataclass(frozen=True, slots=True)
class _Held:
    """Evidence of a block that is not final yet."""

    evidence: BatchEvidence
    block_hash: bytes


class Prover:
    """Takes the evidence of one chain's batches. What it holds in memory, it can take again."""

    def __init__(
        self,
        database: Database,
        chain: Chain,
        *,
        clock: Callable[[], datetime],
        accreditors: Sequence[bytes] = (),
    ) -> None:
        self._database = database
        self._chain = chain
        self._clock = clock
        #: Issuer ids of accreditors that are asked about beside those in the ledger.
        self._accreditors = tuple(accreditors)
        self._retries: dict[UUID, _Retry] = {}
        self._held: dict[UUID, _Held] = {}

    def step(self, node: ChainNode, lease: Lease) -> bool:
        """Prove what is final and not proved yet. True if anything was kept.

        Raises ChainUnavailable if the node does not answer at all, Conflict if the lease is lost.
        """
        worked = self._forget_lost(node, lease)
        with self._database.read() as tx:
            # Those that wait for another try must not hide the others.
            limit = BATCHES_AT_ONCE + len(self._retries) + len(self._held)
            found = evidence.unproved(tx, self._chain.chain_id, limit)
        if not found:
            return worked
        finalized = node.block("finalized")
        for batch in found:
            if batch.id in self._held:
                worked |= self._release(node, lease, batch.id, finalized)
            elif self._is_due(batch.id):
                worked |= self._prove(node, lease, batch, finalized)
        return worked

    def _forget_lost(self, node: ChainNode, lease: Lease) -> bool:
        """Newest first: a block that is still there vouches for everything before it.

        A chain that breaks its own promise may lose the block of the evidence and keep the one
        of the anchor; what proves a lost block convinces nobody.
        """
        worked = False
        while True:
            with self._database.read() as tx:
                newest = evidence.newest(tx, self._chain.chain_id)
            if newest is None:
                return worked
            batch_id, header = newest[0], BlockHeader(newest[1])
            # A node that lags does not have it yet: that says nothing.
            if header.number > node.block("finalized").number:
                return worked
            if node.block(header.number).hash == header.hash:
                return worked
            with self._database.begin() as tx:
                leases.hold(tx, lease, now=self._clock())
                evidence.forget(tx, batch_id, self._chain.chain_id)
            _log.critical(
                "a finalized block is gone; its evidence is taken again",
                extra={"batch": str(batch_id), "block": header.number},
            )
            worked = True

    def _is_due(self, batch_id: UUID) -> bool:
        retry = self._retries.get(batch_id)
        return retry is None or retry.at <= self._clock()

    def _prove(
        self, node: ChainNode, lease: Lease, batch: Batch, finalized: Block
    ) -> bool:
        with self._database.read() as tx:
            earliest = evidence.earliest_block(tx, batch.id)
        if finalized.number < earliest:
            lag = f"{node.name} lags: block {earliest} is final, it has {finalized.number}"
            self._later(batch, ChainUnavailable(lag))
            return False
        try:
            taken = self._take(node, batch, finalized.number)
        except ChainUnavailable as error:
            return self._take_early(node, batch, error)
        except (ChainError, MalformedError, ProofError) as error:
            self._later(batch, error)
            return False
        self._keep(lease, taken)
        return True

    def _take_early(
        self, node: ChainNode, batch: Batch, error: ChainUnavailable
    ) -> bool:
        """The node may only prove blocks that are newer than the finalized one."""
        try:
            taken = self._take(node, batch, node.block("latest").number)
        except (ChainError, MalformedError, ProofError):
            self._later(batch, error)  # the reason that counts is the first one
            return False
        self._held[batch.id] = _Held(taken, BlockHeader(taken.header).hash)
        return False

    def _release(
        self, node: ChainNode, lease: Lease, batch_id: UUID, finalized: Block
    ) -> bool:
        held = self._held[batch_id]
        number = held.evidence.block_number
        if number > finalized.number:
            return False
        del self._held[batch_id]
        if node.block(number).hash != held.block_hash:
            return False  # that block is gone; the next round takes another
        self._keep(lease, held.evidence)
        return True

    def _keep(self, lease: Lease, taken: BatchEvidence) -> None:
        with self._database.begin() as tx:
            leases.hold(tx, lease, now=self._clock())
            evidence.keep(tx, taken)
        self._retries.pop(taken.batch_id, None)
        _log.info(
            "proved",
            extra={
                "batch": str(taken.batch_id),
                "block": taken.block_number,
                "slots": len(taken.slots),
            },
        )

    def _later(self, batch: Batch, error: Exception) -> None:
        """Say it once, and wait longer after each try."""
        before = self._retries.get(batch.id)
        pause = min(before.pause * 2, _LONGEST_PAUSE) if before else _FIRST_PAUSE
        self._retries[batch.id] = _Retry(self._clock() + pause, pause)
        level = logging.DEBUG if before else logging.WARNING
        _log.log(level, "not proved: %s", error, extra={"batch": str(batch.id)})

    # ---------------------------------------------------------------- taking

    def _take(self, node: ChainNode, batch: Batch, number: int) -> BatchEvidence:
        """Header and proofs at one block, proved before anything is kept.

        Raises ChainUnavailable, ChainRejected, MalformedError and ProofError.
        """
        header = node.header(number)
        with self._database.read() as tx:
            subjects = evidence.subjects(tx, batch.id)
            carried = evidence.endorsements(tx, self._chain.chain_id)
            (anchored,) = (
                anchor
                for anchor in batches.anchors(tx, batch.id)
                if anchor.chain_id == batch.chain_id
            )
        asked = _Asked(node, self._chain, number)
        accreditors = self._endorsers(asked, subjects, carried)
        wanted = [
            (self._questions(batch, each), accreditors.get(each.issuer_id, ()))
            for each in subjects
        ]
        for questions, _ in wanted[:1]:  # the root is one for all of them
            asked.anchors(questions.anchor_slots())
        asked.issuers([slot for q, listed in wanted for slot in q.issuer_slots(listed)])
        expected = AnchorSlot(anchored.time, anchored.block_number)
        for questions, listed in wanted:
            pool = asked.nodes(questions, listed)
            built = build_evidence(header.raw, pool, questions, listed)
            if built.prove(questions).anchor != expected:
                raise ProofError(
                    f"block {number} proves another anchor than the one that is final"
                )
        return BatchEvidence(
            batch.id,
            batch.chain_id,
            number,
            header.raw,
            list(asked.slots()),
            accreditors,
        )

    def _questions(self, batch: Batch, subject: EvidenceSubject) -> Questions:
        return Questions(
            anchor_registry=self._chain.anchor_registry,
            issuer_registry=self._chain.issuer_registry,
            sealed_root=batch.sealed_root,
            issuer_id=subject.issuer_id,
            profile_hash=subject.profile_hash,
            key_id=subject.key_id,
            status_index=subject.status_index,
        )

    def _endorsers(
        self,
        asked: "_Asked",
        subjects: Sequence[EvidenceSubject],
        carried: Sequence[bytes],
    ) -> Mapping[bytes, Sequence[bytes]]:
        """For each issuer the accreditors that did endorse it, as the node says."""
        found: dict[bytes, list[bytes]] = {}
        for issuer_id, profile in dict.fromkeys(
            (subject.issuer_id, subject.profile_hash) for subject in subjects
        ):
            # endorse(bytes32 accreditor, bytes32 subject, bytes32 profile, ...)
            known = {
                data[4:36] for data in carried if data[36:100] == issuer_id + profile
            }
            candidates = sorted({*known, *self._accreditors})
            slots = {
                endorsement_slot(each, issuer_id, profile): each for each in candidates
            }
            asked.issuers(list(slots))
            given = [each for slot, each in slots.items() if asked.word(slot)]
            if given:
                found[issuer_id] = sorted(given)[:MAX_ACCREDITORS]
        return found


class _Asked:
    """Slots of both registries at one block, each asked for once."""

    def __init__(self, node: ChainNode, chain: Chain, number: int) -> None:
        self._node = node
        self._chain = chain
        self._number = number
        self._accounts: dict[str, AccountProof] = {}
        self._slots: dict[str, dict[bytes, SlotNodes]] = {}
        self._words: dict[bytes, int] = {}

    def anchors(self, slots: Sequence[bytes]) -> None:
        """Ask for slots of AnchorRegistry. Raises ChainUnavailable."""
        self._ask(self._chain.anchor_registry, slots)

    def issuers(self, slots: Sequence[bytes]) -> None:
        """Ask for slots of IssuerRegistry. Raises ChainUnavailable."""
        self._ask(self._chain.issuer_registry, slots)

    def word(self, slot: bytes) -> int:
        """What the node says is in a slot of IssuerRegistry."""
        return self._words[slot]

    def nodes(
        self, questions: Questions, accreditors: Sequence[bytes]
    ) -> Iterator[bytes]:
        """The nodes that answer the questions about one credential."""
        for registry, slots in (
            (questions.anchor_registry, questions.anchor_slots()),
            (questions.issuer_registry, questions.issuer_slots(accreditors)),
        ):
            yield from self._accounts[registry].nodes
            for slot in slots:
                yield from self._slots[registry][slot].nodes

    def slots(self) -> Iterator[SlotNodes]:
        """What was answered, in the form in which it is kept."""
        for registry, account in self._accounts.items():
            yield SlotNodes(registry, b"", account.nodes)
            yield from self._slots[registry].values()

    def _ask(self, registry: str, slots: Sequence[bytes]) -> None:
        known = self._slots.setdefault(registry, {})
        new = [slot for slot in dict.fromkeys(slots) if slot not in known]
        for start in range(0, len(new), SLOTS_AT_ONCE):
            some = new[start : start + SLOTS_AT_ONCE]
            proof = self._node.proof(registry, some, self._number)
            self._accounts[registry] = proof
            for slot in proof.slots:
                known[slot.slot] = SlotNodes(registry, slot.slot, slot.nodes)
                self._words[slot.slot] = slot.value
