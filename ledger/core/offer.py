"""
An offer: one achievement of one issuer, awarded many times.

Offer + Particulars -> document, or SignedCredential at once. Credentials that say the same of
different people have one shape; from the fifth of a shape on they are filled in.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import NamedTuple, TypeAlias
from uuid import UUID

from ledger.core import canonical
from ledger.core.canonical import Json
from ledger.core.credential import (
    Achievement,
    Award,
    Issuer,
    SignedCredential,
    identity_hash,
    profile_document,
    sign_credential,
)
from ledger.core.form import Form, Template, markers, quoted
from ledger.core.issuer import IssuerProfile
from ledger.core.keys import SigningKey
from ledger.core.open_badge import (
    CREDENTIAL_ID,
    IDENTITY_HASH,
    IDENTITY_SALT,
    INSTANT,
    LINE,
    MAX_CREDENTIAL_BYTES,
    MIDNIGHT,
    PAGE,
    PERCENT_TEXT,
    SCORE,
    STATUS_ID,
    STATUS_LIST_INDEX,
    TEXT,
    URL,
    Text,
    check_credential,
)
from ledger.core.rdf import CREDENTIAL_CONTEXTS, canonicalise, form_of
from ledger.core.signature import SignatureProof, proof_options, sign_statements
from ledger.core.vocabulary import Unanswered

# A form has paid for itself after about so many credentials more: where few are issued, little
# is lost, and where many are, little too.
_WORTH_A_FORM = 4
# An offer has few; partners who award on a school's behalf make more of them.
_MAX_SHAPES = 64


@dataclass(frozen=True, slots=True)
class Particulars:
    """What is particular to one credential of an offer."""

    credential_id: UUID
    award: Award
    email_salt: str
    #: The URL of the issuer's status list, and the credential's place in it.
    status_list: str
    status_index: int
    issued_at: datetime
    show_name: bool = True


class _Facts(NamedTuple):
    """The texts that differ from one credential to the next; None is not said."""

    id: str
    valid_from: str
    valid_until: str | None
    awarded_date: str
    email_hash: str
    salt: str
    name: str | None
    narrative: str | None
    score: str | None
    evidence: str | None
    status_id: str
    status_index: str
    status_list: str


#: What the closed model demands of each.
_KINDS: Sequence[Text] = (
    CREDENTIAL_ID,
    INSTANT,
    INSTANT,
    MIDNIGHT,
    IDENTITY_HASH,
    IDENTITY_SALT,
    LINE,
    TEXT,
    PERCENT_TEXT,
    URL,
    STATUS_ID,
    STATUS_LIST_INDEX,
    PAGE,
)

# Which facts are there, and who assessed.
_ShapeKey: TypeAlias = "tuple[tuple[bool, ...], IssuerProfile | None]"


@dataclass(frozen=True, slots=True)
class _Shape:
    """The JSON, without and with its proof, and the statements of credentials of one shape."""

    issuer_id: str
    kinds: Sequence[Text]
    unsigned: Template
    signed: Template
    statements: Form

    def fill(self, facts: _Facts) -> "_Filled":
        """Check and write what `check_credential` would, or raise Unanswered."""
        texts = [fact for fact in facts if fact is not None]
        for kind, fact in zip(self.kinds, texts, strict=True):
            if not kind.accepts(fact):
                raise Unanswered("not what the closed model allows")
        if facts.valid_until is not None and facts.valid_until < facts.valid_from:
            raise Unanswered("it would have ended before it began")
        written = quoted(texts)
        return _Filled(
            written,
            text=self.unsigned.fill(written),
            statements=self.statements.fill(texts, written),
        )

    def sign(
        self, facts: _Facts, key: SigningKey, created: datetime
    ) -> SignedCredential:
        """Make what `sign_credential` makes of the document, or raise Unanswered."""
        filled = self.fill(facts)
        proof = sign_statements(
            filled.statements,
            key,
            controller=self.issuer_id,
            created=created,
            contexts=list(CREDENTIAL_CONTEXTS),
            text=filled.text,
        )
        data = self.signed.fill([*filled.written, *map(str.encode, _free(proof))])
        if len(data) > MAX_CREDENTIAL_BYTES:
            raise Unanswered("a credential that is too large")
        return SignedCredential.just_signed(data, proof)


class _Filled(NamedTuple):
    #: The facts as they stand between quotes.
    written: Sequence[bytes]
    #: The credential without proof as RFC 8785 text, and as canonical N-Quads.
    text: bytes
    statements: bytes


def _free(proof: SignatureProof) -> Sequence[str]:
    members = proof.to_json()
    return [str(members[name]) for name in ("created", "nonce", "proofValue")]


@dataclass(frozen=True, slots=True)
class Offer:
    """One achievement of one issuer, to be awarded many times. Raises MalformedError."""

    issuer: Issuer
    achievement: Achievement
    achievement_iri: str
    _issuer_document: dict[str, Json] = field(init=False, repr=False, compare=False)
    _achievement_document: dict[str, Json] = field(
        init=False, repr=False, compare=False
    )
    _met: Counter[_ShapeKey] = field(
        default_factory=Counter, init=False, repr=False, compare=False
    )
    #: None: credentials of this shape are walked one by one.
    _shapes: dict[_ShapeKey, _Shape | None] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        creator = profile_document(self.issuer.profile, self.issuer.id)
        achievement = self.achievement.to_document(self.achievement_iri, creator)
        object.__setattr__(self, "_issuer_document", self.issuer.to_document())
        object.__setattr__(self, "_achievement_document", achievement)

    def document(self, particulars: Particulars) -> dict[str, Json]:
        """Write the document of one award; signing checks it. Raises MalformedError."""
        facts = self._facts(particulars)
        return self._document(facts, particulars.award.source)

    def sign(self, particulars: Particulars, key: SigningKey) -> SignedCredential:
        """Sign the credential of one award, at the instant of issuing. Raises MalformedError."""
        facts, source = self._facts(particulars), particulars.award.source
        created = particulars.issued_at
        shape = self._shape(facts, source)
        if shape is not None and key.public == self.issuer.key:
            with suppress(Unanswered):
                return shape.sign(facts, key, created)
        return sign_credential(
            self._document(facts, source),
            key,
            verification_method=self.issuer.verification_method,
            created=created,
        )

    def canonicalise(self, particulars: Particulars) -> bytes:
        """Write the canonical N-Quads that `sign` signs. Raises MalformedError."""
        facts, source = self._facts(particulars), particulars.award.source
        shape = self._shape(facts, source)
        if shape is not None:
            with suppress(Unanswered):
                return shape.fill(facts).statements
        return canonicalise(self._document(facts, source))

    def _facts(self, particulars: Particulars) -> _Facts:
        award, salt = particulars.award, particulars.email_salt
        IDENTITY_SALT.check("email_salt", salt)
        ends = self.achievement.valid_until(award.awarded_on)
        index = str(particulars.status_index)
        return _Facts(
            id=particulars.credential_id.urn,
            valid_from=canonical.encode_time(particulars.issued_at),
            valid_until=None if ends is None else canonical.encode_time(ends),
            awarded_date=canonical.encode_time(_midnight(award.awarded_on)),
            email_hash=identity_hash(award.email, salt),
            salt=salt,
            name=award.name if particulars.show_name else None,
            narrative=award.narrative,
            score=award.score,
            evidence=award.evidence_url,
            status_id=f"{particulars.status_list}#{index}",
            status_index=index,
            status_list=particulars.status_list,
        )

    def _document(self, facts: _Facts, source: IssuerProfile | None) -> dict[str, Json]:
        document: dict[str, Json] = {
            "@context": list(CREDENTIAL_CONTEXTS),
            "id": facts.id,
            "type": ["VerifiableCredential", "OpenBadgeCredential"],
            "name": self.achievement.name,
            "issuer": self._issuer_document,
            "validFrom": facts.valid_from,
            "awardedDate": facts.awarded_date,
            "credentialSubject": {
                "type": ["AchievementSubject"],
                "identifier": _identities(facts),
                "achievement": self._achievement_document,
                **_earned(facts, self.achievement_iri, source),
            },
            "credentialStatus": {
                "id": facts.status_id,
                "type": "BitstringStatusListEntry",
                "statusPurpose": "revocation",
                "statusListIndex": facts.status_index,
                "statusListCredential": facts.status_list,
            },
        }
        if facts.valid_until is not None:
            document["validUntil"] = facts.valid_until
        if facts.evidence is not None:
            document["evidence"] = [{"id": facts.evidence, "type": ["Evidence"]}]
        return document

    def _shape(self, facts: _Facts, source: IssuerProfile | None) -> _Shape | None:
        shape_key = tuple([fact is None for fact in facts]), source
        shape = self._shapes.get(shape_key)
        if shape is not None or shape_key in self._shapes:
            return shape
        self._met[shape_key] += 1
        if self._met[shape_key] <= _WORTH_A_FORM or len(self._shapes) >= _MAX_SHAPES:
            return None
        made = self._shapes[shape_key] = self._make_shape(facts, source)
        return made

    def _make_shape(self, facts: _Facts, source: IssuerProfile | None) -> _Shape | None:
        there = [fact is not None for fact in facts]
        example = self._document(facts, source)
        text = check_credential(example)
        names = iter(markers(len(facts) + 3, text))
        marked = _Facts._make([next(names) if each else None for each in there])
        document = self._document(marked, source)
        used = [marker for marker in marked if marker is not None]
        statements = form_of(document, used)
        if statements is None:
            return None
        created, nonce, value = free = [next(names) for _ in range(3)]
        options = proof_options(created, self.issuer.verification_method, nonce)
        proof = {**options, "proofValue": value}
        shape = _Shape(
            issuer_id=self.issuer.id,
            kinds=[kind for kind, each in zip(_KINDS, there, strict=True) if each],
            unsigned=Template.of(canonical.encode(document), used),
            signed=Template.of(
                canonical.encode({**document, "proof": [proof]}), [*used, *free]
            ),
            statements=statements,
        )
        # A signature over wrong bytes cannot be taken back, and what is wrong with a form is
        # mostly wrong with all that it fills in.
        with suppress(Unanswered):
            filled = shape.fill(facts)
            if (filled.text, filled.statements) == (text, canonicalise(example)):
                return shape
        return None


def build_credential(  # noqa: PLR0913 - everything a credential says, each by its name
    *,
    credential_id: UUID,
    issuer: Issuer,
    achievement: Achievement,
    achievement_iri: str,
    award: Award,
    email_salt: str,
    status_list: str,
    status_index: int,
    issued_at: datetime,
    show_name: bool = True,
) -> dict[str, Json]:
    """Write the document that is signed, for one award alone. Raises MalformedError."""
    particulars = Particulars(
        credential_id=credential_id,
        award=award,
        email_salt=email_salt,
        status_list=status_list,
        status_index=status_index,
        issued_at=issued_at,
        show_name=show_name,
    )
    document = Offer(issuer, achievement, achievement_iri).document(particulars)
    check_credential(document)
    return document


def _identities(facts: _Facts) -> list[Json]:
    identities: list[Json] = [
        {
            "type": "IdentityObject",
            "hashed": True,
            "identityHash": facts.email_hash,
            "identityType": "emailAddress",
            "salt": facts.salt,
        }
    ]
    if facts.name is not None:
        identities.append(
            {
                "type": "IdentityObject",
                "hashed": False,
                "identityHash": facts.name,
                "identityType": "name",
            }
        )
    return identities


def _earned(
    facts: _Facts, achievement_iri: str, source: IssuerProfile | None
) -> dict[str, Json]:
    earned: dict[str, Json] = {}
    if facts.narrative is not None:
        earned["narrative"] = facts.narrative
    if facts.score is not None:
        earned["result"] = [
            {
                "type": ["Result"],
                "resultDescription": achievement_iri + SCORE,
                "value": facts.score,
            }
        ]
    if source is not None:
        identifier = source.did[0] if source.did else source.url
        earned["source"] = profile_document(source, identifier)
    return earned


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
