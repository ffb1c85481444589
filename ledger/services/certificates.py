"""Certificates: a page for people that carries its credential, and where its code leads."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from ledger.artwork.badge import BadgeSpec
from ledger.artwork.certificate import Certificate, CertificateSpec, certificate_pdf
from ledger.core.canonical import Json, encode_time, parse
from ledger.core.credential import Achievement, SignedCredential
from ledger.core.durable import DurableCredential
from ledger.core.open_badge import items_of, member_at, text_at
from ledger.core.short_code import ShortCode
from ledger.errors import MalformedError, NotFound
from ledger.services.addresses import Addresses
from ledger.store import achievements, chains, credentials
from ledger.store.database import Transaction
from ledger.store.records import CredentialState


def print_certificate(  # noqa: PLR0913 - the facts of one page, each by its name
    signed: SignedCredential,
    durable: DurableCredential | None,
    *,
    achievement: Achievement,
    badge: BadgeSpec,
    addresses: Addresses,
    withdrawn_on: date | None,
    test: bool,
) -> Certificate:
    """Print the certificate of a credential and attach it, with its anchor proof if it has one.

    What the page says stands in the signed credential or its proof, but for a withdrawal that
    the ledger knows of.
    """
    code = ShortCode.of(signed.id)
    until = signed.valid_until
    return certificate_pdf(
        CertificateSpec(
            credential=signed.data if durable is None else durable.encode(),
            id=signed.id.urn,
            badge=badge,
            issuer=signed.claimed_issuer_name,
            recipient=signed.recipient_name,
            description=achievement.description,
            language=achievement.language,
            awarded_on=signed.awarded_date,
            valid_until=until.date() if until else None,
            address=addresses.certificate(code),
            code=code.text,
            skills=achievement.skills,
            hours=achievement.hours,
            score=_score(signed.document),
            partner=signed.claimed_source_name,
            record=None if durable is None else _record(durable),
            withdrawn_on=withdrawn_on,
            test=test,
        )
    )


@dataclass(frozen=True, slots=True)
class PublicCertificate:
    """What whoever was shown a certificate may read of it. It names nobody."""

    code: ShortCode
    achievement: Achievement
    issuer: str
    awarded_on: date
    valid_until: date | None
    state: CredentialState
    test: bool


def public_certificate(tx: Transaction, typed: str) -> PublicCertificate:
    """Find a certificate by its code, as somebody typed it.

    Raises NotFound, also for what is no code: there is nothing to learn by trying.
    """
    try:
        code = ShortCode.from_typed(typed)
    except MalformedError as error:
        raise NotFound(f"no certificate has this code: {error}") from error
    record = credentials.of_code(tx, code)
    if record.data is None:
        raise NotFound("the content of this credential was erased")
    signed = SignedCredential.from_bytes(record.data)
    offered = achievements.get(
        tx, record.organisation_id, record.achievement_code, record.achievement_version
    )
    until = signed.valid_until
    return PublicCertificate(
        code=code,
        achievement=Achievement.from_json(parse(offered.source)),
        issuer=signed.claimed_issuer_name,
        awarded_on=record.awarded_on,
        valid_until=until.date() if until else None,
        state=credentials.states(tx, record.organisation_id, [record.id])[record.id],
        test=chains.get(tx, record.chain_id).test,
    )


def _record(durable: DurableCredential) -> str:
    home = durable.proof.home
    return (
        f"Recorded on eip155:{home.chain_id} in block {home.block_number:,}"
        f" at {encode_time(datetime.fromtimestamp(home.time, UTC))}."
    )


def _score(document: dict[str, Json]) -> str | None:
    results = member_at(document, "credentialSubject", "result")
    return text_at(items_of(results)[0], "value") if results else None
