"""The catalogue: what anybody may read about an achievement, under its address."""

from dataclasses import dataclass

from ledger.core.canonical import Json, parse, parse_object
from ledger.core.credential import Achievement, Issuer
from ledger.core.issuer import IssuerProfile
from ledger.core.keys import PublicKey
from ledger.core.open_badge import CODE
from ledger.core.rdf import CREDENTIAL_CONTEXTS
from ledger.errors import NotFound
from ledger.services.addresses import Addresses
from ledger.services.identity import reference_of
from ledger.store import achievements, issuers
from ledger.store.database import Transaction
from ledger.store.records import IssuerKeyRole


@dataclass(frozen=True, slots=True)
class PublicAchievement:
    """An achievement as its address shows it: for people, and as an Open Badges document."""

    achievement: Achievement
    profile: IssuerProfile
    document: dict[str, Json]


def public_achievement(
    tx: Transaction,
    issuer_id: bytes,
    code: str,
    version: str,
    *,
    addresses: Addresses,
) -> PublicAchievement:
    """One version of an achievement of an issuer. Raises NotFound."""
    record = issuers.by_issuer_id(tx, issuer_id)
    if not (CODE.fullmatch(code) and CODE.fullmatch(version)):
        # No achievement is called so, and PostgreSQL takes no NUL even to look for one.
        raise NotFound("this organisation has no such achievement")
    offered = achievements.get(tx, record.organisation_id, code, version)
    keys = issuers.keys(tx, record.organisation_id, IssuerKeyRole.SIGNING)
    if not keys:
        raise NotFound("this issuer has no signing key")
    achievement = Achievement.from_json(parse(offered.source))
    profile = IssuerProfile.from_json(parse_object(record.profile))
    issuer = Issuer(
        profile=profile,
        reference=reference_of(record),
        key=PublicKey.from_multibase(keys[-1].public),
        did=None,
    )
    body = achievement.to_document(
        addresses.achievement(record, achievement), issuer.to_document()
    )
    contexts: list[Json] = list(CREDENTIAL_CONTEXTS)
    return PublicAchievement(achievement, profile, {"@context": contexts, **body})
