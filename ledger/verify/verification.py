"""
From a file to a report: what is looked at, in which order, and what it means.

Normative text: docs/spec/verification.md. Nothing that comes with a file chooses whom to ask
or whom to believe.
"""

from collections.abc import Sequence
from datetime import datetime

from ledger.core import baking, canonical
from ledger.core.canonical import Json, encode_time
from ledger.core.credential import SignedCredential
from ledger.core.durable import DurableCredential, parse_credential
from ledger.errors import MalformedError, ProofError
from ledger.verify.checkpoints import Checkpoint
from ledger.verify.home_chain import HomeChain, Subject
from ledger.verify.networks import Network
from ledger.verify.report import Claims, Report, Step, sentence, stopped_after
from ledger.verify.rpc import ChainReader
from ledger.verify.trust import TrustList

_READABLE = Step("file.readable")
_UNCHANGED = Step("content.unchanged", "The digital signature matches every word.")


def verify(  # noqa: PLR0913 - each is a decision of the verifier, passed by name
    data: bytes,
    *,
    readers: Sequence[ChainReader],
    networks: Sequence[Network],
    checkpoints: Sequence[Checkpoint] = (),
    trust: TrustList | None,
    now: datetime,
    email: str | None = None,
    file: str = "credential",
) -> Report:
    """
    Check one credential file: JSON, baked PNG or SVG, or a PDF certificate.

    Every trouble with the file or a chain is a step of the report. Raises MalformedError
    only for an `email` that is none.
    """
    content = _open(data)
    if isinstance(content, tuple):
        return Report(file, stopped_after(*content))
    credential = _signed(content)
    home = HomeChain(
        _subject(content),
        readers=readers,
        networks=networks,
        checkpoints=checkpoints,
        trust=trust,
        now=int(now.timestamp()),
    )
    # The key is judged at the time that the record shows, so the record comes first.
    record = home.record()
    issuer = home.issuer()
    withdrawal = home.withdrawal()
    return Report(
        file,
        (
            _READABLE,
            _UNCHANGED,
            issuer,
            record,
            withdrawal,
            _dates(credential, now),
            _person(credential, email),
        ),
        claims=_claims(credential),
        issuer=home.known,
        network=home.network,
        read=home.read,
        sources=home.sources,
        remarks=home.remarks(issuer),
    )


def _open(data: bytes) -> SignedCredential | DurableCredential | tuple[Step, ...]:
    """Read a file and check its proofs; the steps that failed if it does not hold."""
    try:
        text = baking.extract(data)
        document = canonical.parse_object(text)
    except MalformedError as error:
        return (Step("file.not_a_credential", sentence(error)),)
    if not _names_an_issuer_record(document):
        return (
            Step(
                "file.other_kind",
                "It is not an Open Badge whose issuer stands in an issuer register.",
            ),
        )
    try:
        content = parse_credential(document, text)
        content.check()
    except MalformedError as error:
        return _READABLE, Step("content.malformed", sentence(error))
    except ProofError as error:
        why = f"Even one changed letter causes this: {sentence(error)}"
        return _READABLE, Step("content.changed", why)
    return content


def _names_an_issuer_record(document: dict[str, Json]) -> bool:
    # Tells badges of others from ours, so that nobody is accused of having changed what
    # was never in our form. Whether it is in our form, the closed model decides.
    issuer = document.get("issuer")
    entries = issuer.get("otherIdentifier") if isinstance(issuer, dict) else None
    return isinstance(entries, list) and any(
        isinstance(entry, dict) and entry.get("identifierType") == "ext:IssuerRegistry"
        for entry in entries
    )


def _signed(content: SignedCredential | DurableCredential) -> SignedCredential:
    return content if isinstance(content, SignedCredential) else content.credential


def _subject(content: SignedCredential | DurableCredential) -> Subject:
    credential = _signed(content)
    return Subject(
        issuer=credential.issuer_reference,
        key_id=credential.public_key.key_id,
        status_index=credential.status_index,
        claimed_name=credential.claimed_issuer_name,
        proof=content.proof if isinstance(content, DurableCredential) else None,
    )


def _dates(credential: SignedCredential, now: datetime) -> Step:
    begins, ends = credential.valid_from, credential.valid_until
    since = f"from {encode_time(begins)}"
    if now < begins:
        return Step("dates.not_yet_valid", f"It starts on {encode_time(begins)}.")
    if ends is None:
        return Step("dates.current", f"Valid {since}; it does not expire.")
    if now >= ends:
        return Step("dates.expired", f"It was valid {since} until {encode_time(ends)}.")
    return Step("dates.current", f"Valid {since} until {encode_time(ends)}.")


def _person(credential: SignedCredential, email: str | None) -> Step:
    if email is None:
        return Step("person.not_asked")
    return Step("person.matches" if credential.is_for(email) else "person.other")


def _claims(credential: SignedCredential) -> Claims:
    creator = credential.claimed_creator_name
    return Claims(
        id=credential.id.urn,
        achievement=credential.achievement_name,
        version=credential.achievement_version,
        recipient=credential.recipient_name,
        issuer=credential.claimed_issuer_name,
        issuer_id=credential.issuer_reference.text,
        creator=creator if creator != credential.claimed_issuer_name else None,
        source=credential.claimed_source_name,
        awarded=credential.awarded_date,
        valid_from=credential.valid_from,
        valid_until=credential.valid_until,
    )
