"""Delivery: the file that an earner keeps, as JSON, PNG, SVG or PDF."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from ledger.artwork.badge import BadgeSpec, badge_png, badge_svg
from ledger.core.anchor import MAX_ANCHORS, Anchor
from ledger.core.baking import bake_png, bake_svg
from ledger.core.canonical import parse, parse_object
from ledger.core.credential import Achievement, SignedCredential
from ledger.core.durable import DurableCredential
from ledger.core.evidence import AnchorSlot, Evidence, build_evidence
from ledger.core.issuer import IssuerProfile
from ledger.errors import NotFound, ProofError
from ledger.services.addresses import Addresses
from ledger.services.certificates import print_certificate
from ledger.services.identity import issuer_record
from ledger.services.organisations import Caller
from ledger.store import achievements, batches, chains, credentials, evidence, trees
from ledger.store.database import Transaction
from ledger.store.records import Batch, CredentialRecord, IssuerRecord


class FileFormat(Enum):
    """The carriers of a credential."""

    JSON = "json"
    PNG = "png"
    SVG = "svg"
    PDF = "pdf"


_MEDIA_TYPES = {
    FileFormat.JSON: "application/vc+ld+json",
    FileFormat.PNG: "image/png",
    FileFormat.SVG: "image/svg+xml",
    FileFormat.PDF: "application/pdf",
}


@dataclass(frozen=True, slots=True)
class CredentialFile:
    """A file to hand out.

    `durable` tells whether it carries the anchor proof yet, `left_out` what a certificate
    could not print for want of letters.
    """

    name: str
    media_type: str
    data: bytes
    durable: bool
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Deliverable:
    """A credential that was proved again, and what its pictures are made from."""

    record: CredentialRecord
    signed: SignedCredential
    durable: DurableCredential | None
    achievement: Achievement
    badge: BadgeSpec
    test: bool

    @property
    def data(self) -> bytes:
        """The JSON: with the anchor proof if there is one."""
        return self.signed.data if self.durable is None else self.durable.encode()


def deliver(
    tx: Transaction,
    caller: Caller,
    credential_id: UUID,
    file_format: FileFormat,
    *,
    addresses: Addresses,
) -> CredentialFile:
    """The credential as a file: durable once its batch is final, before that signed only.

    It carries evidence as soon as the worker has taken it. Raises NotFound, also for a
    credential whose content was erased.
    """
    record = credentials.get(tx, caller.organisation.id, credential_id)
    return carry(prepare(tx, caller, record), file_format, addresses)


def prepare(tx: Transaction, caller: Caller, record: CredentialRecord) -> Deliverable:
    """Prove a credential again, before anything leaves. Raises NotFound for one that was erased."""
    if record.data is None:
        raise NotFound(
            "the content of this credential was erased on request of its earner"
        )
    signed = SignedCredential.from_bytes(record.data)
    signed.check()
    offered = achievements.get(
        tx, caller.organisation.id, record.achievement_code, record.achievement_version
    )
    achievement = Achievement.from_json(parse(offered.source))
    return Deliverable(
        record=record,
        signed=signed,
        durable=_durable(tx, caller, record, signed),
        achievement=achievement,
        badge=BadgeSpec(
            title=achievement.name,
            issuer=caller.organisation.name,
            category=achievement.category,
            level=achievement.level,
        ),
        test=chains.get(tx, record.chain_id).test,
    )


def carry(
    ready: Deliverable, file_format: FileFormat, addresses: Addresses
) -> CredentialFile:
    """Put a credential into a carrier."""
    data, left_out = _carried(ready, file_format, addresses)
    record = ready.record
    return CredentialFile(
        name=f"{record.achievement_code}-{str(record.id)[:8]}.{file_format.value}",
        media_type=_MEDIA_TYPES[file_format],
        data=data,
        durable=ready.durable is not None,
        left_out=left_out,
    )


def _carried(
    ready: Deliverable, file_format: FileFormat, addresses: Addresses
) -> tuple[bytes, tuple[str, ...]]:
    """The file, and what a certificate could not print."""
    match file_format:
        case FileFormat.JSON:
            return ready.data, ()
        case FileFormat.PNG:
            return bake_png(badge_png(ready.badge), ready.data), ()
        case FileFormat.SVG:
            return bake_svg(badge_svg(ready.badge), ready.data), ()
        case FileFormat.PDF:
            withdrawn = ready.record.withdrawn_at
            certificate = print_certificate(
                ready.signed,
                ready.durable,
                achievement=ready.achievement,
                badge=ready.badge,
                addresses=addresses,
                withdrawn_on=withdrawn.date() if withdrawn else None,
                test=ready.test,
            )
            return certificate.pdf, certificate.left_out


def _durable(
    tx: Transaction, caller: Caller, record: CredentialRecord, signed: SignedCredential
) -> DurableCredential | None:
    if record.batch_id is None:
        return None
    batch = batches.get(tx, record.batch_id)
    home = record.chain_id
    anchors: Sequence[Anchor] = sorted(
        (
            Anchor(a.chain_id, a.registry, a.block_number, a.time)
            for a in batches.anchors(tx, batch.id)
        ),
        key=lambda anchor: (anchor.chain_id != home, anchor.chain_id),
    )
    if not anchors or anchors[0].chain_id != home:
        return None
    issuer = issuer_record(tx, caller)
    durable = DurableCredential.from_parts(
        signed,
        inclusion=trees.proof(tx, batch, record),
        sealed_root=batch.sealed_root,
        issuer_profile=IssuerProfile.from_json(parse_object(issuer.profile)),
        # A ledger that moved from chain to chain may have more; the home chain comes first.
        anchors=tuple(anchors[:MAX_ANCHORS]),
    )
    taken = _evidence(tx, durable, batch, issuer)
    return durable.with_evidence(
        taken or _carried_evidence(tx, record, durable, issuer)
    )


def _carried_evidence(
    tx: Transaction,
    record: CredentialRecord,
    durable: DurableCredential,
    issuer: IssuerRecord,
) -> Evidence | None:
    """What an imported file carried, until the worker here takes newer. Raises ProofError."""
    data = evidence.carried(tx, record.id)
    if data is None:
        return None
    found, home = Evidence.from_json(parse(data)), durable.proof.home
    facts = found.prove(durable.questions(home.registry, issuer.registry))
    if facts.anchor != AnchorSlot(home.time, home.block_number):
        raise ProofError("the evidence in the file is of another anchor")
    return found


def _evidence(
    tx: Transaction, durable: DurableCredential, batch: Batch, issuer: IssuerRecord
) -> Evidence | None:
    """What the worker took, as far as this credential needs it; None if it took nothing.

    It is proved again before it leaves. Raises ProofError for evidence that is damaged, or of
    another anchor.
    """
    header = evidence.header(tx, batch.id, batch.chain_id)
    if header is None:
        return None
    home = durable.proof.home
    questions = durable.questions(home.registry, issuer.registry)
    listed = evidence.accreditors(tx, batch.id, batch.chain_id, issuer.issuer_id)
    wanted = {*questions.anchor_slots(), *questions.issuer_slots(listed)}
    rows = evidence.slots(tx, batch.id, batch.chain_id, wanted)
    if not wanted <= {row.slot for row in rows}:
        # Taken for another profile than the one that is delivered now.
        return None
    pool = [node for row in rows for node in row.nodes]
    built = build_evidence(header, pool, questions, listed)
    if built.prove(questions).anchor != AnchorSlot(home.time, home.block_number):
        raise ProofError("the stored evidence is of another anchor")
    return built
