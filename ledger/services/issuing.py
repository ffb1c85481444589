"""Issuing: an award becomes a signed Open Badges 3.0 credential, at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from ledger.core.canonical import parse
from ledger.core.credential import (
    Achievement,
    Award,
    Offer,
    SignedCredential,
    sign_credential,
)
from ledger.errors import NotFound
from ledger.keystore.master import MasterKey
from ledger.services.addresses import Addresses
from ledger.services.identity import SigningIssuer, signing_issuer
from ledger.services.organisations import Caller
from ledger.store import achievements, credentials, organisations
from ledger.store.database import Transaction
from ledger.store.records import AwardKey, CredentialRecord


@dataclass(frozen=True, slots=True)
class AwardRequest:
    """An award to be made of an achievement; `version` None means its newest."""

    achievement: str
    version: str | None
    award: Award


@dataclass(frozen=True, slots=True)
class IssuedAward:
    """What became of a request: a new credential, or the one that was there already."""

    credential_id: UUID
    already: bool


def issue(  # noqa: PLR0913 - an edge each: keys, addresses, clock, randomness
    tx: Transaction,
    caller: Caller,
    requests: Sequence[AwardRequest],
    *,
    master: MasterKey,
    addresses: Addresses,
    now: datetime,
    entropy: Callable[[int], bytes],
) -> Sequence[IssuedAward]:
    """Issue one credential for each request, in one transaction; answers keep their order.

    The same award (organisation, achievement, version, e-mail, day) is never issued twice, be
    it in the ledger already or twice in `requests`. Raises NotFound for an achievement that
    the organisation does not offer, MalformedError for an award that the format refuses,
    Refused if the organisation cannot issue.
    """
    # Before the key is opened: whoever closes the organisation holds the same lock.
    organisations.lock(tx, caller.organisation.id)
    signer = signing_issuer(tx, caller, master)
    offered = {
        (code, version): _offered(tx, caller, signer, addresses, code, version)
        for code, version in {(r.achievement, r.version): None for r in requests}
    }
    keys = [_award_key(offered[r.achievement, r.version], r.award) for r in requests]
    status_list = addresses.status_list(signer.record, signer.key.public)
    known = dict(credentials.existing_awards(tx, caller.organisation.id, keys))
    fresh = [key for key in dict.fromkeys(keys) if key not in known]
    indexes = dict(
        zip(
            fresh,
            credentials.allot_status_indexes(
                tx, caller.organisation.id, len(fresh), entropy
            ),
            strict=True,
        )
    )
    answers: list[IssuedAward] = []
    records: list[CredentialRecord] = []
    for request, key in zip(requests, keys, strict=True):
        if key in known:
            answers.append(IssuedAward(known[key], already=True))
            continue
        record = _sign(
            signer,
            offered[request.achievement, request.version],
            request.award,
            status_list=status_list,
            status_index=indexes[key],
            now=now,
            entropy=entropy,
        )
        records.append(record)
        known[key] = record.id
        answers.append(IssuedAward(record.id, already=False))
    _check_as_others_will(records)
    credentials.insert(tx, records)
    return answers


def _check_as_others_will(records: Sequence[CredentialRecord]) -> None:
    """Check one credential of each achievement without any shortcut, before it is kept.

    A signature over wrong canonical bytes is one that nobody else can verify; all credentials
    of an achievement have one shape.
    """
    first = {(r.achievement_code, r.achievement_version): r for r in reversed(records)}
    for record in first.values():
        if record.data is not None:
            SignedCredential.from_bytes(record.data).check(by_pyld=True)


def _offered(  # noqa: PLR0917 - whose, and which version of what
    tx: Transaction,
    caller: Caller,
    signer: SigningIssuer,
    addresses: Addresses,
    code: str,
    version: str | None,
) -> Offer:
    try:
        record = achievements.get(tx, caller.organisation.id, code, version)
    except NotFound as error:
        named = f" version {version}" if version else ""
        raise NotFound(
            f"{caller.organisation.name} offers no achievement {code}{named}"
        ) from error
    achievement = Achievement.from_json(parse(record.source))
    iri = addresses.achievement(signer.record, achievement)
    return Offer(signer.issuer, achievement, iri)


def _award_key(offer: Offer, award: Award) -> AwardKey:
    achievement = offer.achievement
    return AwardKey(
        achievement.code, achievement.version, award.email, award.awarded_on
    )


def _sign(  # noqa: PLR0913 - the facts of one credential
    signer: SigningIssuer,
    offer: Offer,
    award: Award,
    *,
    status_list: str,
    status_index: int,
    now: datetime,
    entropy: Callable[[int], bytes],
) -> CredentialRecord:
    credential_id = UUID(bytes=entropy(16), version=4)
    instant = now.astimezone(UTC).replace(microsecond=0)
    document = offer.document(
        credential_id=credential_id,
        award=award,
        email_salt=entropy(16).hex(),
        status_list=status_list,
        status_index=status_index,
        issued_at=instant,
    )
    signed = sign_credential(
        document,
        signer.key,
        verification_method=signer.issuer.verification_method,
        created=instant,
        offer=offer,
    )
    return CredentialRecord(
        id=credential_id,
        organisation_id=signer.record.organisation_id,
        chain_id=signer.record.chain_id,
        achievement_code=offer.achievement.code,
        achievement_version=offer.achievement.version,
        recipient_email=award.email,
        recipient_name=award.name,
        awarded_on=award.awarded_on,
        issued_at=now,
        data=signed.data,
        leaf=signed.leaf,
        key_id=signer.key.public.key_id,
        status_index=status_index,
        batch_id=None,
        leaf_index=None,
        path=None,
        withdrawn_at=None,
        withdrawal_reason=None,
    )
