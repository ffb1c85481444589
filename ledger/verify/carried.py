"""
The evidence that a file carries: whether it holds, who vouches for its block, and whether
a node says otherwise.

Evidence that does not hold contradicts the file, whoever is asked besides. Evidence that holds
under a block that nobody vouches for proves nothing. Rules: docs/spec/verification.md.
"""

from collections.abc import Sequence

from ledger.core.anchor import Anchor
from ledger.core.evidence import Evidence, EvidenceFault, IssuerState, Questions
from ledger.core.issuer import KeyWindow
from ledger.errors import ChainUnavailable, MalformedError
from ledger.verify import witnesses
from ledger.verify.checkpoints import Checkpoint
from ledger.verify.networks import Network, caip2
from ledger.verify.registry import ProvenRegistries
from ledger.verify.report import Step, moment, sentence
from ledger.verify.rpc import Block, Tag
from ledger.verify.witnesses import Unsettled, Witnesses


class Carried:
    """The evidence of one file, judged against the registries of the verifier's network."""

    def __init__(
        self,
        evidence: Evidence,
        *,
        anchor: Anchor,
        questions: Questions,
        network: Network,
        checkpoints: Sequence[Checkpoint],
    ) -> None:
        self._network = network
        self._checkpoints = checkpoints
        #: What is proved; None if nothing is.
        self.proven: ProvenRegistries | None = None
        #: The step that says why the evidence contradicts the file; None if it does not.
        self.fault: Step | None = None
        try:
            self.proven = ProvenRegistries.from_evidence(evidence, questions)
        except EvidenceFault as error:
            self.fault = Step(f"record.evidence_{error.fault}", sentence(error))
        except MalformedError as error:
            self.fault = Step("record.evidence_malformed", sentence(error))
        else:
            self.fault = _against_the_file(self.proven, anchor)

    def offline(self) -> ProvenRegistries:
        """Give what is proved, if the verifier trusts the block. Raises Unsettled."""
        proven = self.proven
        if proven is None or self.fault is not None:
            raise Unsettled(
                witnesses.EVIDENCE_BROKEN, "the evidence in the file does not hold"
            )
        if not self._is_vouched_for(proven.block):
            raise self._nobody_vouches(proven.block)
        return proven

    def compare(self, chain: Witnesses) -> Step | None:
        """
        Compare the evidence's block with the nodes', as far as that is final for them.

        The step that says that it is another block; Unsettled if the verifier trusts it.
        """
        proven = self.proven
        if proven is None or self.fault is not None:
            return None
        if proven.block.number > chain.view(Tag.FINALIZED).block.number:
            return None
        block = proven.block
        try:
            canonical = chain.block_at(block.number)
        except Unsettled:
            raise
        except ChainUnavailable:
            return None  # nodes need not keep old blocks
        if canonical == block:
            return None
        shown = f"0x{canonical.hash.hex()}"
        where = " and ".join(reader.address for reader in chain.readers)
        if self._is_vouched_for(block):
            raise Unsettled(
                witnesses.DISAGREEMENT,
                f"{where} shows {shown} as block {block.number}; the block that you trust"
                f" is 0x{block.hash.hex()}",
            )
        return Step(
            "record.evidence_other_block",
            f"The evidence is of a block {block.number} with the hash"
            f" 0x{block.hash.hex()}; {where} shows {shown}.",
        )

    def check_issuer(self, seen: IssuerState, at: Block, sources: str) -> None:
        """
        Compare what a node says of issuer and key with what was so earlier. Unsettled.

        Windows only ever become shorter, so one that is longer later is a lie of somebody.
        """
        proven = self.proven
        if proven is None or proven.block.number > at.number:
            return
        earlier = proven.facts.issuer
        if (
            earlier.registered_at in {None, seen.registered_at}
            and earlier.closed_at in {None, seen.closed_at}
            and _shortened(earlier.window, seen.window)
        ):
            return
        raise Unsettled(
            witnesses.DISAGREEMENT,
            f"the evidence in the file, of block {proven.block.number}, shows an issuer or a"
            f" key that {sources}, at block {at.number}, cannot have any more",
        )

    def after(self, block: Block) -> tuple[tuple[str, ProvenRegistries], ...]:
        """What is proved, if it is of a later block than this one."""
        proven = self.proven
        if proven is None or proven.block.number <= block.number:
            return ()
        return (("the evidence in the file", proven),)

    def check_status(self, seen: IssuerState, at: Block, sources: str) -> None:
        """Compare a node's "not withdrawn" with what is proved. Raises Unsettled."""
        proven = self.proven
        if proven is None or seen.revoked or not proven.facts.issuer.revoked:
            return
        raise Unsettled(
            witnesses.DISAGREEMENT,
            f"the evidence in the file proves that it was withdrawn at block"
            f" {proven.block.number}; {sources}, at block {at.number}, does not show that."
            " If it was given back since, a refreshed file shows it",
        )

    def _is_vouched_for(self, block: Block) -> bool:
        return any(
            checkpoint.chain_id == self._network.chain_id and checkpoint.names(block)
            for checkpoint in self._checkpoints
        )

    def _nobody_vouches(self, block: Block) -> Unsettled:
        name = f"{self._network.caip2}:0x{block.hash.hex()}"
        if not self._checkpoints:
            return Unsettled(
                witnesses.NO_ADDRESS,
                f"no network address for {self._network.name} was given, and no block hash"
                f" to check the file's evidence against; that is of {name}, block"
                f" {block.number} of {moment(block.time)}",
            )
        for checkpoint in self._checkpoints:
            if checkpoint.names(block):
                return Unsettled(
                    witnesses.EVIDENCE_OTHER_CHAIN,
                    f"the hash of the evidence's block was given for"
                    f" {caip2(checkpoint.chain_id)}; the issuer is at home on"
                    f" {self._network.caip2}",
                )
        return Unsettled(
            witnesses.EVIDENCE_UNTRUSTED,
            f"the evidence is of {name}, block {block.number} of {moment(block.time)}, which"
            " is none of the blocks that you trust",
        )


def _against_the_file(proven: ProvenRegistries, anchor: Anchor) -> Step | None:
    block, slot = proven.block, proven.facts.anchor
    if block.number < anchor.block_number:
        return Step(
            "record.evidence_too_old",
            f"It is of block {block.number}; the file says that it was recorded in block"
            f" {anchor.block_number}.",
        )
    if slot is None:
        return Step(
            "record.evidence_mismatch",
            f"It proves that the registry did not know the file at block {block.number}.",
        )
    if (slot.time, slot.block_number) != (anchor.time, anchor.block_number):
        return Step(
            "record.evidence_mismatch",
            f"The file says block {anchor.block_number} of {moment(anchor.time)}; the"
            f" evidence proves block {slot.block_number} of {moment(slot.time)}.",
        )
    return None


def _shortened(earlier: KeyWindow | None, later: KeyWindow | None) -> bool:
    """Whether the later window can have come from the earlier one."""
    if earlier is None:
        return True
    if later is None or later.opened != earlier.opened:
        return False
    return all(
        before is None or (after is not None and after <= before)
        for before, after in (
            (earlier.until, later.until),
            (earlier.compromised_since, later.compromised_since),
        )
    )
