"""
New evidence for a credential, by anyone who has its file and the address of a node.

State persists: any later block proves an old anchor too. Nothing else of the file changes.
"""

from collections.abc import Sequence

from ledger.core.account import AccountProof
from ledger.core.durable import DurableCredential
from ledger.core.evidence import (
    MAX_ACCREDITORS,
    AnchorSlot,
    Evidence,
    Questions,
    build_evidence,
    endorsement_slot,
)
from ledger.errors import ChainUnavailable, MalformedError, ProofError
from ledger.verify import witnesses
from ledger.verify.networks import Network, caip2, find_network
from ledger.verify.report import moment
from ledger.verify.rpc import Block, ProvingReader, Tag
from ledger.verify.trust import TrustList
from ledger.verify.witnesses import Unsettled, Witnesses

_AT_ONCE = 64


def refresh(
    durable: DurableCredential,
    *,
    readers: Sequence[ProvingReader],
    networks: Sequence[Network],
    trust: TrustList | None,
) -> DurableCredential:
    """
    Put evidence of the finalized block in place of what the file carries.

    Endorsements by the accreditors of the trust list, and by those that the file named so far,
    go in. Raises ChainUnavailable, and ProofError if the chain says otherwise than the file.
    """
    reference = durable.credential.issuer_reference
    network = find_network(networks, reference.chain_id)
    if network is None:
        raise Unsettled(
            witnesses.UNKNOWN_NETWORK,
            f"the issuer is at home on {caip2(reference.chain_id)}, which is no network"
            " that you accept",
        )
    _check_registries(durable, network)
    chain = Witnesses.gather(network, readers)
    block = chain.view(Tag.FINALIZED).block
    questions = durable.questions(network.anchor_registry, network.issuer_registry)
    candidates = _candidates(durable, trust)
    ours = [reader for reader in readers if reader.chain_id() == network.chain_id]
    evidence = _first_proof(ours, block, questions, candidates)
    _check_anchor(durable, evidence.prove(questions).anchor, block)
    return durable.with_evidence(evidence)


def _check_registries(durable: DurableCredential, network: Network) -> None:
    for what, named, own in (
        ("AnchorRegistry", durable.proof.home.registry, network.anchor_registry),
        (
            "IssuerRegistry",
            durable.credential.issuer_reference.registry,
            network.issuer_registry,
        ),
    ):
        if named != own:
            raise ProofError(
                f"the file names the {what} {named}; {network.name} has its own at {own}"
            )


def _check_anchor(
    durable: DurableCredential, slot: AnchorSlot | None, block: Block
) -> None:
    home = durable.proof.home
    if slot is None:
        raise ProofError(f"the registry does not know the file at block {block.number}")
    if (slot.time, slot.block_number) != (home.time, home.block_number):
        raise ProofError(
            f"the file says block {home.block_number} of {moment(home.time)}; the registry"
            f" says block {slot.block_number} of {moment(slot.time)}"
        )


def _candidates(durable: DurableCredential, trust: TrustList | None) -> list[bytes]:
    """Accreditors that may have endorsed: those in the file first, they were asked for once."""
    held = durable.proof.home.evidence
    named = list(held.accreditors) if held is not None else []
    if trust is not None:
        beside = trust.accreditors_beside(durable.credential.issuer_reference)
        named += [accreditor.reference.issuer_id for accreditor in beside]
    return list(dict.fromkeys(named))


def _first_proof(
    readers: Sequence[ProvingReader],
    block: Block,
    questions: Questions,
    candidates: Sequence[bytes],
) -> Evidence:
    """Evidence from the first address that proves that block; who gave it does not matter."""
    reasons: list[str] = []
    for reader in readers:
        try:
            return _take(reader, block, questions, candidates)
        except (ChainUnavailable, MalformedError, ProofError) as error:
            reasons.append(str(error))
    raise ChainUnavailable(f"nobody proves block {block.number}: {'; '.join(reasons)}")


def _take(
    reader: ProvingReader,
    block: Block,
    questions: Questions,
    candidates: Sequence[bytes],
) -> Evidence:
    header = reader.header(block.number)
    if header.hash != block.hash:
        raise ProofError(f"{reader.address} changed its mind about {block.number}")
    slots = {
        endorsement_slot(each, questions.issuer_id, questions.profile_hash): each
        for each in candidates
    }
    given = [
        slots[proof.slot]
        for part in _in_parts(reader, questions.issuer_registry, list(slots), block)
        for proof in part.slots
        if proof.value
    ][:MAX_ACCREDITORS]
    anchors = reader.proof(
        questions.anchor_registry, questions.anchor_slots(), block.number
    )
    issuers = reader.proof(
        questions.issuer_registry, questions.issuer_slots(sorted(given)), block.number
    )
    pool = [*anchors.pool, *issuers.pool]
    return build_evidence(header.raw, pool, questions, given)


def _in_parts(
    reader: ProvingReader, registry: str, slots: Sequence[bytes], block: Block
) -> list[AccountProof]:
    return [
        reader.proof(registry, slots[start : start + _AT_ONCE], block.number)
        for start in range(0, len(slots), _AT_ONCE)
    ]
