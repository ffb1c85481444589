"""
Whether the ledger's promises hold, read from scratch: database, trees, nonces, and the chain.

Nothing that the worker remembers or concluded is taken for granted. Each finding is a broken
promise, with a code; waiting for something is none.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final
from uuid import UUID

from ledger.chain.node import ChainNode, check_chain
from ledger.chain.registry import AnchorRegistry
from ledger.chain.sender import read_signed
from ledger.core.credential import SignedCredential
from ledger.core.keys import keccak256
from ledger.core.merkle import InclusionProof, sealed_root
from ledger.errors import (
    ChainUnavailable,
    MalformedError,
    NotFound,
    ProofError,
    SettingError,
    StoreError,
)
from ledger.services.event_check import check_events
from ledger.services.policies import ceilings_at
from ledger.services.sender_use import look_at_sender
from ledger.store import (
    batches,
    chain_txs,
    chains,
    checkpoints,
    credentials,
    evidence,
    policies,
    refused_acts,
    trees,
)
from ledger.store.database import Database, Transaction
from ledger.store.records import (
    LOST,
    Attempt,
    Batch,
    Chain,
    ChainTx,
    ChainTxKind,
    ChainTxState,
    CredentialRecord,
    PolicyChange,
)

_MANY: Final = 1_000_000
_SETTLED: Final = (ChainTxState.FINAL, ChainTxState.REVERTED)
_ON_THEIR_WAY: Final = (ChainTxState.IN_PROGRESS, ChainTxState.SENT)


@dataclass(frozen=True, slots=True)
class Finding:
    """A promise that does not hold: which, about what, and what was found."""

    code: str
    about: str
    detail: str

    def to_json(self) -> dict[str, str]:
        """For programs."""
        return {"code": self.code, "about": self.about, "detail": self.detail}


@dataclass(slots=True)
class Diagnosis:
    """What was looked at, and what does not hold."""

    findings: list[Finding] = field(default_factory=list)
    credentials: int = 0
    batches: int = 0
    transactions: int = 0
    finalized: int | None = None
    #: Chains that were to be asked and did not answer, and why.
    silent: list[str] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        """Whether every promise that was looked at holds."""
        return not self.findings

    def add(self, code: str, about: object, detail: str) -> None:
        """Note a finding."""
        self.findings.append(Finding(code, str(about), detail))


def examine(
    database: Database,
    *,
    node: ChainNode | None,
    others: Mapping[int, ChainNode] = MappingProxyType({}),
    max_fee: int | None = None,
    contents: bool = True,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Diagnosis:
    """
    Look at everything of every chain in the database; at the chain too, if a node is given.

    `others` are nodes of further chains, by chain id; one that does not answer is noted. Fees
    are compared with the policy that was in force, or with `max_fee` for a unit of gas. Without
    `contents` a credential's leaf is not computed again from its bytes. Raises ChainUnavailable
    if `node` does not answer, StoreError if the database does not.
    """
    diagnosis = Diagnosis()
    try:
        database.check_pages()
    except (SettingError, StoreError) as error:
        diagnosis.add("database.damaged", database.name, str(error))
    with database.read() as tx:
        known = chains.all(tx)
    seen: set[UUID] = set()

    def look(chain: Chain, asked: ChainNode | None) -> None:
        _Examination(
            database, chain, asked, diagnosis, max_fee, contents, progress, seen
        ).run()

    for chain in known:
        other = others.get(chain.chain_id)
        if other is None:
            look(chain, node if node and _is_of(chain, node, diagnosis) else None)
            continue
        finalized = diagnosis.finalized
        try:
            answers = _is_of(chain, other, diagnosis)
        except ChainUnavailable as error:
            answers = False
            diagnosis.silent.append(f"eip155:{chain.chain_id}: {error}")
        try:
            look(chain, other if answers else None)
        except ChainUnavailable as error:
            diagnosis.silent.append(f"eip155:{chain.chain_id}: {error}")
        diagnosis.finalized = finalized  # told of the home chain
    check_events(database, diagnosis.add)
    return diagnosis


def _is_of(chain: Chain, node: ChainNode, diagnosis: Diagnosis) -> bool:
    if node.chain_id() != chain.chain_id:
        return False
    try:
        check_chain(
            node,
            chain_id=chain.chain_id,
            genesis_hash=chain.genesis_hash,
            anchor_registry=chain.anchor_registry,
            issuer_registry=chain.issuer_registry,
        )
    except SettingError as error:
        diagnosis.add("chain.another", f"eip155:{chain.chain_id}", str(error))
        return False
    return True


class _Examination:
    """One chain's rows, and what they must agree with."""

    def __init__(  # noqa: PLR0913, PLR0917 - what one examination needs
        self,
        database: Database,
        chain: Chain,
        node: ChainNode | None,
        diagnosis: Diagnosis,
        max_fee: int | None,
        contents: bool,
        progress: Callable[[int, int], None],
        seen: set[UUID],
    ) -> None:
        self._database = database
        self._chain = chain
        self._node = node
        self._found = diagnosis
        self._max_fee = max_fee
        self._policies: Sequence[PolicyChange] = ()
        self._contents = contents
        self._progress = progress
        #: Batches whose leaves were proved already: a batch is anchored on several chains.
        self._seen = seen

    def run(self) -> None:
        with self._database.read() as tx:
            self._policies = policies.history(tx, self._chain.chain_id)
            rows = list(
                chain_txs.in_state(tx, self._chain.chain_id, tuple(ChainTxState), _MANY)
            )
            neglected = evidence.neglected(tx, self._chain.chain_id)
            refused = refused_acts.on_chain(tx, self._chain.chain_id)
        for row in refused:
            self._found.add("act.refused", row.subject, _refusal_of(row))
        for batch_id in neglected:
            self._found.add(
                "batch.evidence",
                batch_id,
                "is final without evidence, and none is due:"
                " a worker that is started asks for it",
            )
        self._found.transactions += len(rows)
        self._check_nonces(rows)
        for row in rows:
            with self._database.read() as tx:
                attempts = chain_txs.attempts(tx, row.id)
            self._check_attempts(row, attempts)
        # Batches that a lost database sealed are on the chain alone.
        anchors: dict[str, list[ChainTx]] = {}
        for row in rows:
            if row.kind is ChainTxKind.ANCHOR and row.subject != LOST:
                anchors.setdefault(row.subject, []).append(row)
        for done, tried in enumerate(anchors.values()):
            self._progress(done, len(anchors))
            self._check_batch(tried)
        if self._node is not None:
            self._check_chain(rows, self._node)

    # ---------------------------------------------------------------- nonces and bytes

    def _check_nonces(self, rows: list[ChainTx]) -> None:
        """I5 and I6: nonces of a sender are 0..n-1 from its first one, one under way at most."""
        senders = {row.sender for row in rows if row.sender is not None}
        for sender in senders:
            theirs = [row for row in rows if row.sender == sender]
            given = sorted(row.nonce for row in theirs if row.nonce is not None)
            if given and given != list(range(given[0], given[0] + len(given))):
                self._found.add("nonce.gap", sender, f"nonces given out: {given}")
            begun = [r for r in theirs if r.state is ChainTxState.IN_PROGRESS]
            if len(begun) > 1:
                self._found.add("nonce.two_in_progress", sender, f"{len(begun)} rows")

    def _check_attempts(self, row: ChainTx, attempts: Sequence[Attempt]) -> None:
        """I3, I4, I11: stored bytes are ours, of this nonce and payload, and not too dear."""
        if (row.nonce is None) != (not attempts):
            self._found.add(
                "transaction.bytes",
                row.id,
                f"nonce {row.nonce}, {len(attempts)} attempts",
            )
        for attempt in attempts:
            problem = _problem_of(row, attempt)
            if problem is not None:
                self._found.add("transaction.bytes", row.id, problem)
            self._check_fee(row, attempt)

    def _check_fee(self, row: ChainTx, attempt: Attempt) -> None:
        """I11: what was signed is not dearer than the policy of those days allowed."""
        max_fee, max_cost = ceilings_at(self._policies, attempt.created_at)
        if self._max_fee is not None:
            max_fee = self._max_fee
        cost = row.gas * attempt.fee_cap
        if attempt.fee_cap > max_fee:
            self._found.add(
                "transaction.fee",
                row.id,
                f"{attempt.fee_cap} wei for a unit of gas, above {max_fee}",
            )
        if cost > max_cost:
            self._found.add(
                "transaction.fee", row.id, f"may take {cost} wei, above {max_cost}"
            )

    # ---------------------------------------------------------------- batches

    def _check_batch(self, tried: Sequence[ChainTx]) -> None:
        """I2: every leaf at its place leads to the root that is anchored.

        Where somebody else used a nonce of ours, a batch has been tried more than once.
        """
        row = tried[-1]
        with self._database.read() as tx:
            try:
                batch = batches.get(tx, UUID(row.subject))
            except NotFound:
                self._found.add("batch.missing", row.subject, "its anchor is there")
                return
            if row.data[4:] != batch.sealed_root:
                self._found.add("batch.root", batch.id, "its anchor is of another root")
            if batch.id not in self._seen:
                self._seen.add(batch.id)
                self._found.batches += 1
                self._check_members(tx, batch)
            anchored = batches.anchors(tx, batch.id)
        here = [a for a in anchored if a.chain_id == self._chain.chain_id]
        finals = sum(each.state is ChainTxState.FINAL for each in tried)
        if len(here) != finals:
            self._found.add(
                "batch.anchor",
                batch.id,
                f"recorded {len(here)} times, state {row.state}",
            )

    def _check_members(self, tx: Transaction, batch: Batch) -> None:
        count = 0
        kept = self._kept_paths(tx, batch)
        for place, member in enumerate(credentials.members(tx, batch.id)):
            count += 1
            path = next(kept, None)
            if member.path is not None:
                path = member.path
            problem = _leaf_problem(batch, place, member, path, contents=self._contents)
            if problem is not None:
                self._found.add("credential.leaf", member.id, problem)
        self._found.credentials += count
        stated = checkpoints.of_batch(tx, batch)
        for place, each in enumerate(stated, count):
            problem = _place_problem(
                batch, place, each.leaf_index, each.checkpoint.leaf, next(kept, None)
            )
            if problem is not None:
                about = f"block {each.checkpoint.block_number}"
                self._found.add("checkpoint.leaf", batch.id, f"{about}: {problem}")
        if count + len(stated) != batch.tree_size:
            self._found.add(
                "batch.size",
                batch.id,
                f"{count} members, {len(stated)} checkpoints, a tree of {batch.tree_size}",
            )

    def _kept_paths(self, tx: Transaction, batch: Batch) -> Iterator[bytes]:
        """The paths that the stored tree has, as far as it is whole."""
        try:
            yield from trees.paths(tx, batch)
        except NotFound:
            return  # an early release stored a path beside each credential instead
        except ProofError as error:
            self._found.add("batch.tree", batch.id, str(error))

    # ---------------------------------------------------------------- the chain

    def _check_chain(self, rows: list[ChainTx], node: ChainNode) -> None:
        finalized = node.block("finalized").number
        self._found.finalized = finalized
        for row in rows:
            if row.state in _SETTLED:
                self._check_settled(row, node, finalized)
            if row.kind is ChainTxKind.ANCHOR and row.state is ChainTxState.FINAL:
                self._check_slot(row, node, finalized)
        self._check_senders(rows, node)

    def _check_settled(self, row: ChainTx, node: ChainNode, finalized: int) -> None:
        """I9: what is final is in a canonical block, at or below `finalized`."""
        number = row.block_number
        if number is None or row.tx_hash is None:
            self._found.add("transaction.block", row.id, f"{row.state} and in no block")
        elif number > finalized:
            self._found.add(
                "transaction.block", row.id, f"block {number}, finalized is {finalized}"
            )
        elif node.block(number).hash != row.block_hash:
            self._found.add(
                "transaction.block",
                row.id,
                f"block {number} is another one on the chain",
            )

    def _check_slot(self, row: ChainTx, node: ChainNode, finalized: int) -> None:
        """I7: the registry knows the root, since when the database says."""
        slot = AnchorRegistry(node, self._chain.anchor_registry).anchored_at(
            row.data[4:], finalized
        )
        if row.subject == LOST:
            if slot is None:
                self._found.add("batch.slot", row.id, "the registry does not know it")
            return
        with self._database.read() as tx:
            anchored = [
                a
                for a in batches.anchors(tx, UUID(row.subject))
                if a.chain_id == self._chain.chain_id
            ]
        recorded = {(a.time, a.block_number) for a in anchored}
        found = set() if slot is None else {(slot.time, slot.block_number)}
        if recorded != found:
            self._found.add(
                "batch.slot",
                row.subject,
                f"recorded {recorded}, the registry has {found}",
            )

    def _check_senders(self, rows: list[ChainTx], node: ChainNode) -> None:
        """The chain is not ahead of the database: else that is an old copy, or foreign use."""
        for sender in {row.sender for row in rows if row.sender is not None}:
            use = look_at_sender(self._database, node, self._chain, sender)
            if use is not None:
                self._found.add("sender.ahead", sender, use.to_text())
            self._check_used(rows, node, sender)

    def _check_used(self, rows: list[ChainTx], node: ChainNode, sender: str) -> None:
        """M2: no nonce of ours is used, finally, by bytes that are not ours."""
        finalized = node.nonce(sender, "finalized")
        for row in rows:
            if row.sender != sender or row.state not in _ON_THEIR_WAY:
                continue
            if row.nonce is None or row.nonce >= finalized:
                continue
            with self._database.read() as tx:
                attempts = chain_txs.attempts(tx, row.id)
            if all(node.receipt(attempt.hash) is None for attempt in attempts):
                self._found.add(
                    "nonce.used_elsewhere",
                    row.id,
                    f"nonce {row.nonce} of {sender} is used by none of our transactions; see"
                    f" what used it: perdure recover --dry-run --sender {sender}",
                )


def _refusal_of(row: ChainTx) -> str:
    command = "close" if row.kind is ChainTxKind.CLOSE else "renew"
    return (
        f"{row.kind} was refused for good ({row.state}), and nobody has asked for it again:"
        f" perdure issuer {command}"
    )


def _problem_of(row: ChainTx, attempt: Attempt) -> str | None:
    if keccak256(attempt.raw) != attempt.hash:
        return "an attempt's hash is not that of its bytes"
    try:
        sender, fields = read_signed(attempt.raw)
    except MalformedError as error:
        return f"an attempt's bytes are {error}"
    expected = (row.sender, row.chain_id, row.nonce, row.to, row.data)
    if (sender, fields.chain_id, fields.nonce, fields.to, fields.data) != expected:
        return "an attempt is of another sender, chain, nonce or payload"
    return None


def _leaf_problem(
    batch: Batch,
    place: int,
    member: CredentialRecord,
    path: bytes | None,
    *,
    contents: bool,
) -> str | None:
    problem = _place_problem(batch, place, member.leaf_index, member.leaf, path)
    # The content of a credential may have been erased; the leaf stays.
    if problem is None and contents and member.data is not None:
        try:
            leaf = SignedCredential.from_bytes(member.data).leaf
        except MalformedError as error:
            return str(error)
        if leaf != member.leaf:
            return "its leaf is not that of its bytes"
    return problem


def _place_problem(  # noqa: PLR0917 - a leaf, where it stands, and where it should
    batch: Batch, place: int, leaf_index: int | None, leaf: bytes, path: bytes | None
) -> str | None:
    if leaf_index != place:
        return f"at place {leaf_index} instead of {place}"
    if path is None:
        return "without a path"
    try:
        proof = InclusionProof.from_bytes(place, batch.tree_size, path)
        root = sealed_root(batch.tree_size, proof.root(leaf))
    except (MalformedError, ProofError) as error:
        return str(error)
    return None if root == batch.sealed_root else "its path leads to another root"


def to_lines(diagnosis: Diagnosis) -> Iterator[str]:
    """Tell a diagnosis to a person."""
    seen = (
        f"{diagnosis.credentials:,} credentials in {diagnosis.batches:,} batches,"
        f" {diagnosis.transactions:,} transactions"
    )
    if diagnosis.finalized is None:
        yield f"Looked at: {seen}; no node was asked."
    else:
        yield f"Looked at: {seen}, and the chain up to block {diagnosis.finalized:,}."
    if diagnosis.is_well:
        yield "Every promise holds." if not diagnosis.silent else "What was seen holds."
    for told in diagnosis.silent:
        yield f"? {told}"
    for finding in diagnosis.findings:
        yield f"✕ {finding.code}  {finding.about}: {finding.detail}"
