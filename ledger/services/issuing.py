"""Issuing: an award becomes a signed Open Badges 3.0 credential, at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from ledger.core.canonical import parse
from ledger.core.credential import Achievement, Award, SignedCredential
from ledger.core.offer import Offer, Particulars
from ledger.errors import NotFound
from ledger.keystore.master import MasterKey
from ledger.services.addresses import Addresses
from ledger.services.identity import SigningIssuer, require_signing, signing_issuer
from ledger.services.organisations import Caller
from ledger.store import achievements, credentials, organisations
from ledger.store.database import Transaction
from ledger.store.records import AchievementRecord, AwardKey, CredentialRecord


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


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be signed: awards that were not issued yet, each with its status index."""

    signer: SigningIssuer
    requests: Sequence[AwardRequest]
    keys: Sequence[AwardKey]
    offered: Mapping[tuple[str, str | None], AchievementRecord]
    addresses: Addresses
    status_list: str
    known: Mapping[AwardKey, UUID]
    indexes: Mapping[AwardKey, int]


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
    plan = plan_awards(
        tx, caller, requests, master=master, addresses=addresses, entropy=entropy
    )
    return keep_awards(tx, caller, plan, sign_awards(plan, now=now, entropy=entropy))


def plan_awards(
    tx: Transaction,
    caller: Caller,
    requests: Sequence[AwardRequest],
    *,
    master: MasterKey,
    addresses: Addresses,
    entropy: Callable[[int], bytes],
) -> Plan:
    """Open the key and hand out status indexes; raises as `issue` does.

    A plan that is given up costs its indexes, which are never handed out again.
    """
    # Before the key is opened: whoever closes the organisation holds the same lock.
    organisations.lock(tx, caller.organisation.id)
    signer = signing_issuer(tx, caller, master)
    offered = _offered(tx, caller, requests)
    keys = [_award_key(offered[r.achievement, r.version], r.award) for r in requests]
    known = credentials.existing_awards(tx, caller.organisation.id, keys)
    fresh = [key for key in dict.fromkeys(keys) if key not in known]
    allotted = credentials.allot_status_indexes(
        tx, caller.organisation.id, len(fresh), entropy
    )
    return Plan(
        signer=signer,
        requests=requests,
        keys=keys,
        offered=offered,
        addresses=addresses,
        status_list=addresses.status_list(signer.record, signer.key.public),
        known=known,
        indexes=dict(zip(fresh, allotted, strict=True)),
    )


def sign_awards(
    plan: Plan, *, now: datetime, entropy: Callable[[int], bytes]
) -> Mapping[AwardKey, CredentialRecord]:
    """Sign what is planned, in no transaction: others issue meanwhile, on other processors.

    Raises MalformedError for an award that the format refuses.
    """
    records: dict[AwardKey, CredentialRecord] = {}
    offers = _Offers(plan)
    for request, key in zip(plan.requests, plan.keys, strict=True):
        if key in plan.indexes and key not in records:
            records[key] = _sign(
                plan,
                offers[request.achievement, request.version],
                request.award,
                status_index=plan.indexes[key],
                now=now,
                entropy=entropy,
            )
    _check_as_others_will(list(records.values()))
    return records


def keep_awards(
    tx: Transaction,
    caller: Caller,
    plan: Plan,
    records: Mapping[AwardKey, CredentialRecord],
) -> Sequence[IssuedAward]:
    """Store what was signed; what somebody else has issued since the plan stays theirs.

    Raises Refused, and keeps nothing, if the organisation has begun to close or signs with
    another key since the plan.
    """
    organisations.lock(tx, caller.organisation.id)
    require_signing(tx, caller, plan.signer.key.public)
    known = dict(plan.known)
    known |= credentials.existing_awards(tx, caller.organisation.id, list(records))
    fresh = [record for key, record in records.items() if key not in known]
    credentials.insert(tx, fresh)
    answers: list[IssuedAward] = []
    for key in plan.keys:
        answers.append(
            IssuedAward(known.get(key) or records[key].id, already=key in known)
        )
        # The same award once more in this request.
        known.setdefault(key, answers[-1].credential_id)
    return answers


def _check_as_others_will(records: Sequence[CredentialRecord]) -> None:
    """Check one credential of each achievement without any shortcut, before it is kept.

    A signature over wrong canonical bytes is one that nobody else can verify. Of many the
    first are written one by one, the last is filled into a form.
    """
    last = {(r.achievement_code, r.achievement_version): r for r in records}
    for record in last.values():
        if record.data is not None:
            SignedCredential.from_bytes(record.data).check(by_pyld=True)


class _Offers(dict[tuple[str, str | None], Offer]):
    """The offers of a plan, each made when it is needed."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan

    def __missing__(self, named: tuple[str, str | None]) -> Offer:
        signer = self._plan.signer
        achievement = Achievement.from_json(parse(self._plan.offered[named].source))
        iri = self._plan.addresses.achievement(signer.record, achievement)
        self[named] = Offer(signer.issuer, achievement, iri)
        return self[named]


def _offered(
    tx: Transaction, caller: Caller, requests: Sequence[AwardRequest]
) -> Mapping[tuple[str, str | None], AchievementRecord]:
    """The achievements of these requests, under what each asks for."""
    named = list(dict.fromkeys((r.achievement, r.version) for r in requests))
    newest = achievements.newest(
        tx, caller.organisation.id, [code for code, version in named if version is None]
    )
    wanted = {
        (code, version): (code, newest.get(code, "") if version is None else version)
        for code, version in named
    }
    found = {
        (record.code, record.version): record
        for record in achievements.of_versions(
            tx, caller.organisation.id, list(dict.fromkeys(wanted.values()))
        )
    }
    for (code, version), key in wanted.items():
        if key not in found:
            told = f" version {version}" if version else ""
            raise NotFound(
                f"{caller.organisation.name} offers no achievement {code}{told}"
            )
    return {asked: found[key] for asked, key in wanted.items()}


def _award_key(offered: AchievementRecord, award: Award) -> AwardKey:
    return AwardKey(offered.code, offered.version, award.email, award.awarded_on)


def _sign(
    plan: Plan,
    offer: Offer,
    award: Award,
    *,
    status_index: int,
    now: datetime,
    entropy: Callable[[int], bytes],
) -> CredentialRecord:
    signer = plan.signer
    credential_id = UUID(bytes=entropy(16), version=4)
    instant = now.astimezone(UTC).replace(microsecond=0)
    particulars = Particulars(
        credential_id=credential_id,
        award=award,
        email_salt=entropy(16).hex(),
        status_list=plan.status_list,
        status_index=status_index,
        issued_at=instant,
    )
    signed = offer.sign(particulars, signer.key)
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
