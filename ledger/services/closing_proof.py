"""What the chain says of a closed issuer, proved under one header and tied to what it left."""

from ledger.chain.node import ChainNode
from ledger.core.canonical import parse_object
from ledger.core.closing import (
    ClosingStatement,
    HistoricalKey,
    HistoricalProfile,
    IssuerHistory,
    PublicRecord,
    status_bits,
)
from ledger.core.issuer import IssuerProfile
from ledger.core.issuer_proof import (
    IssuerFacts,
    IssuerProof,
    IssuerQuestions,
    build_issuer_proof,
)
from ledger.core.registries import REVOKING_ROLE, SIGNING_ROLE
from ledger.errors import ChainUnavailable, ProofError
from ledger.services.identity import reference_of
from ledger.store import achievements, closings, issuers
from ledger.store.database import Transaction
from ledger.store.records import Closing, IssuerKey, IssuerKeyRole, IssuerRecord

SLOTS_AT_ONCE = 64

_ROLES = {
    IssuerKeyRole.SIGNING: SIGNING_ROLE,
    IssuerKeyRole.REVOKING: REVOKING_ROLE,
}


def questions_of(tx: Transaction, record: IssuerRecord) -> IssuerQuestions:
    """What is to be proved of an issuer that this ledger closed: all of it."""
    lists = closings.final_lists(tx, record.organisation_id)
    sizes = (len(status_bits(data).data) // 32 for data in lists.values())
    return IssuerQuestions(
        registry=record.registry,
        issuer_id=record.issuer_id,
        profiles=(record.profile_hash,),
        keys=tuple(key.key_id for key in _recorded_keys(tx, record)),
        words=max(sizes, default=0),
    )


def take_proof(
    node: ChainNode, questions: IssuerQuestions, *, not_before: int
) -> IssuerProof:
    """Ask a node for header and proofs at its finalized block, and prove them.

    Raises ChainUnavailable if the node lags or proves nothing, ProofError if it does not hold.
    """
    block = node.block("finalized")
    if block.number < not_before:
        raise ChainUnavailable(
            f"{node.name} lags: the closing is in block {not_before}, final there is"
            f" {block.number}"
        )
    header = node.header(block.number)
    if header.hash != block.hash:
        raise ChainUnavailable(f"{node.name} changed its mind about {block.number}")
    slots = questions.slots()
    pool: list[bytes] = []
    for start in range(0, len(slots), SLOTS_AT_ONCE):
        some = slots[start : start + SLOTS_AT_ONCE]
        pool += node.proof(questions.registry, some, block.number).pool
    return build_issuer_proof(header.raw, pool, questions)


def public_record(
    tx: Transaction, record: IssuerRecord, closing: Closing, facts: IssuerFacts
) -> PublicRecord:
    """Everything public, checked against what the chain says. Raises ProofError."""
    made = PublicRecord(
        statement=ClosingStatement.from_bytes(closing.statement),
        history=_history(tx, record, facts),
        profiles=(IssuerProfile.from_json(parse_object(record.profile)),),
        achievements={
            (each.code, each.version): each.source
            for each in achievements.all(tx, record.organisation_id)
        },
        status_lists={
            key.public: data
            for key in issuers.keys(tx, record.organisation_id, IssuerKeyRole.SIGNING)
            for key_id, data in closings.final_lists(tx, record.organisation_id).items()
            if key.key_id == key_id
        },
    )
    made.check(facts, closing.statement)
    return made


def _history(
    tx: Transaction, record: IssuerRecord, facts: IssuerFacts
) -> IssuerHistory:
    if facts.registered_at is None or facts.closed_at is None:
        raise ProofError("the chain does not say that the issuer has closed")
    keys = []
    for key, found in zip(_recorded_keys(tx, record), facts.keys, strict=True):
        if found is None:
            raise ProofError(f"the chain does not know the key {key.public}")
        keys.append(
            HistoricalKey(
                found.role,
                key.public,
                found.opened,
                found.until,
                found.compromised_since,
            )
        )
    (recorded_at,) = facts.profiles
    if recorded_at is None:
        raise ProofError("the chain does not know the issuer's profile")
    return IssuerHistory(
        issuer=reference_of(record),
        controller=record.controller,
        recovery_commitment=record.recovery_commitment,
        salt=record.salt,
        registered_at=facts.registered_at,
        closed_at=facts.closed_at,
        profiles=(HistoricalProfile(record.profile_hash, recorded_at),),
        keys=tuple(keys),
    )


def _recorded_keys(tx: Transaction, record: IssuerRecord) -> list[IssuerKey]:
    """Keys that the worker saw on the chain; one that never got there has no history."""
    return [
        key
        for key in issuers.keys(tx, record.organisation_id)
        if key.role in _ROLES and key.opened is not None
    ]
