"""
A credential: what it is made of, and its signed bytes.

Achievement + Issuer + Award -> document (ledger.core.offer) -> SignedCredential
(sign_credential). The bytes of a SignedCredential are RFC 8785 and carry one proof, the
signature.
"""

import calendar
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar, cast
from uuid import UUID

from ledger.core import canonical
from ledger.core.canonical import Json
from ledger.core.issuer import (
    IssuerProfile,
    IssuerReference,
    is_did_web,
    is_email,
    is_http_url,
)
from ledger.core.keys import PublicKey, SigningKey
from ledger.core.open_badge import (
    CODE,
    LANGUAGE,
    LINE,
    MAX_CREDENTIAL_BYTES,
    MAX_ITEMS,
    PERCENT,
    SCORE,
    TEXT,
    URL,
    check_credential,
    check_model,
    is_achievement_id,
    items_of,
    member_at,
    text_at,
)
from ledger.core.signature import SignatureProof, make_proof
from ledger.errors import MalformedError

_Choice = TypeVar("_Choice", bound=StrEnum)

_LEAF_PREFIX = b"\x00"
_PASS_MARK = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,4})?) ?%", re.ASCII)
_DURATION = re.compile(
    r"P(?=[0-9])(?:([0-9]{1,3})Y)?(?:([0-9]{1,4})M)?(?:([0-9]{1,4})W)?(?:([0-9]{1,5})D)?",
    re.ASCII,
)


class Category(StrEnum):
    """What kind of achievement it is, in the words of a school."""

    SKILL = "skill"  #: one skill, recognised
    CERTIFICATE_PROGRAMME = "certificate-programme"  #: a programme, completed
    SPECIALIZATION = "specialization"  #: several courses in one field, stacked
    CERTIFICATION = "certification"  #: an examination, passed
    SPECIAL_RECOGNITION = "special-recognition"  #: an honour, nothing was measured


class Level(StrEnum):
    """How far an achievement goes."""

    INTRODUCTORY = "introductory"  #: no earlier knowledge expected
    INTERMEDIATE = "intermediate"  #: builds on an introduction
    ADVANCED = "advanced"  #: for practitioners


_ACHIEVEMENT_TYPES = {
    Category.SKILL: "Competency",
    Category.CERTIFICATE_PROGRAMME: "Certificate",
    Category.SPECIALIZATION: "MicroCredential",
    Category.CERTIFICATION: "Certification",
    Category.SPECIAL_RECOGNITION: "Award",
}


@dataclass(frozen=True, slots=True)
class Assessment:
    """How an achievement is examined; what is not known is None."""

    proctored: bool | None = None
    questions: int | None = None
    minutes: int | None = None
    pass_mark: str | None = None
    attempts_allowed: int | None = None

    @classmethod
    def from_json(cls, value: Json) -> "Assessment":
        """Read the closed set of members, all optional. Raises MalformedError."""
        where = "assessment"
        members = _members(where, value, required=(), optional=_ASSESSMENT)
        proctored = members.get("proctored")
        if proctored is not None and not isinstance(proctored, bool):
            raise MalformedError(f"{where}.proctored: true or false expected")
        mark = members.get("passMark")
        return cls(
            proctored=proctored,
            questions=_count(f"{where}.questions", members.get("questions")),
            minutes=_count(f"{where}.minutes", members.get("minutes")),
            pass_mark=None if mark is None else _pass_mark(f"{where}.passMark", mark),
            attempts_allowed=_count(
                f"{where}.attemptsAllowed", members.get("attemptsAllowed")
            ),
        )

    @property
    def sentence(self) -> str:
        """The facts in plain words, empty if there are none."""
        parts = []
        if self.questions:
            parts.append(f"{self.questions} questions")
        if self.minutes:
            parts.append(f"{self.minutes} minutes")
        if self.proctored is not None:
            parts.append("proctored" if self.proctored else "not proctored")
        if self.pass_mark is not None:
            parts.append(f"pass mark {self.pass_mark} %")
        if self.attempts_allowed:
            parts.append(f"attempts allowed {self.attempts_allowed}")
        return f"Assessment: {', '.join(parts)}." if parts else ""


_ASSESSMENT = ("proctored", "questions", "minutes", "passMark", "attemptsAllowed")


@dataclass(frozen=True, slots=True)
class Alignment:
    """A place in somebody's framework that an achievement corresponds to."""

    target_name: str
    target_url: str
    target_framework: str | None = None
    target_code: str | None = None
    target_description: str | None = None

    @classmethod
    def from_json(cls, value: Json) -> "Alignment":
        """Read the closed set of members. Raises MalformedError."""
        members = _members(
            "alignment",
            value,
            required=("targetName", "targetUrl"),
            optional=("targetFramework", "targetCode", "targetDescription"),
        )
        for name, content in members.items():
            kind = {"targetUrl": URL, "targetDescription": TEXT}.get(name, LINE)
            kind.check(f"alignment.{name}", content)
        return cls(
            target_name=text_at(members, "targetName"),
            target_url=text_at(members, "targetUrl"),
            target_framework=_optional_text(members, "targetFramework"),
            target_code=_optional_text(members, "targetCode"),
            target_description=_optional_text(members, "targetDescription"),
        )

    def to_document(self) -> dict[str, Json]:
        """Write the Open Badges object."""
        return {
            "type": ["Alignment"],
            "targetName": self.target_name,
            "targetUrl": self.target_url,
            **_present(
                targetFramework=self.target_framework,
                targetCode=self.target_code,
                targetDescription=self.target_description,
            ),
        }


@dataclass(frozen=True, slots=True)
class Achievement:
    """
    What can be earned: one version of one template of an organisation.

    {"code":"git-1","name":"…","category":"skill","level":"introductory","version":"1",
     "language":"en","description":"…","criteria":"…","hours":8,"skills":["Git"],
     "assessment":null,"alignment":[…],"validFor":null,"image":null}
    """

    code: str
    version: str
    name: str
    category: Category
    level: Level
    language: str
    description: str
    criteria: str
    hours: int | None = None
    skills: tuple[str, ...] = ()
    assessment: Assessment | None = None
    alignment: tuple[Alignment, ...] = ()
    valid_for: str | None = None
    image: str | None = None

    def __post_init__(self) -> None:
        _check_pattern("code", CODE, self.code)
        _check_pattern("version", CODE, self.version)
        _check_pattern("language", LANGUAGE, self.language)
        LINE.check("name", self.name)
        TEXT.check("description", self.description)
        # What goes into the credential has the limit, not the part that was typed in.
        TEXT.check("criteria", self.criteria)
        TEXT.check("criteria", self.narrative)
        if len(self.skills) > MAX_ITEMS or len(set(self.skills)) != len(self.skills):
            raise MalformedError(f"skills: at most {MAX_ITEMS}, each once")
        for skill in self.skills:
            LINE.check("skills", skill)
        if len(self.alignment) > MAX_ITEMS or (
            len(set(self.alignment)) != len(self.alignment)
        ):
            raise MalformedError(f"alignment: at most {MAX_ITEMS}, each once")
        if self.valid_for is not None:
            _duration(self.valid_for)
        if self.image is not None:
            URL.check("image", self.image)

    @classmethod
    def from_json(cls, value: Json) -> "Achievement":
        """Read the closed set of members. Raises MalformedError."""
        members = _members("achievement", value, required=_NEEDED, optional=_WELCOME)
        texts = {name: _string(name, members[name]) for name in _NEEDED}
        assessment = members.get("assessment")
        return cls(
            code=texts["code"],
            version=texts["version"],
            name=texts["name"],
            category=_choice("category", Category, texts["category"]),
            level=_choice("level", Level, texts["level"]),
            language=texts["language"],
            description=texts["description"],
            criteria=texts["criteria"],
            hours=_count("hours", members.get("hours")),
            skills=tuple(
                _string("skills", skill)
                for skill in _list("skills", members.get("skills"))
            ),
            assessment=None if assessment is None else Assessment.from_json(assessment),
            alignment=tuple(
                Alignment.from_json(item)
                for item in _list("alignment", members.get("alignment"))
            ),
            valid_for=_optional_text(members, "validFor"),
            image=_optional_text(members, "image"),
        )

    @property
    def narrative(self) -> str:
        """The criteria, followed by what else the school states, in plain sentences."""
        facts = [f"Level: {self.level}."]
        if self.hours:
            facts.append(f"Hours: {self.hours}.")
        paragraphs = [self.criteria, " ".join(facts)]
        if self.assessment is not None and self.assessment.sentence:
            paragraphs.append(self.assessment.sentence)
        return "\n\n".join(paragraphs)

    def valid_until(self, awarded_on: date) -> datetime | None:
        """
        Count the period of validity from midnight UTC of the day of the award.

        None: it does not end. Raises MalformedError beyond the year 9999.
        """
        if self.valid_for is None:
            return None
        months, days = _duration(self.valid_for)
        year, month = divmod(awarded_on.year * 12 + awarded_on.month - 1 + months, 12)
        try:
            # 31 January and one month: the last day of February.
            last = calendar.monthrange(year, month + 1)[1]
            start = date(year, month + 1, min(awarded_on.day, last))
            return _midnight(start + timedelta(days=days))
        except (ValueError, OverflowError) as error:
            raise MalformedError("validFor: ends after the year 9999") from error

    def to_document(self, iri: str, creator: Json) -> dict[str, Json]:
        """Write the Open Badges object that is embedded whole. Raises MalformedError."""
        if not is_achievement_id(iri):
            raise MalformedError("achievement.id: a URL without fragment, or a URN")
        document: dict[str, Json] = {
            "id": iri,
            "type": ["Achievement"],
            "achievementType": _ACHIEVEMENT_TYPES[self.category],
            "name": self.name,
            "description": self.description,
            "criteria": {"narrative": self.narrative},
            "creator": creator,
            "humanCode": self.code,
            "version": self.version,
            "inLanguage": self.language,
        }
        if self.skills:
            document["tag"] = list(self.skills)
        if self.alignment:
            document["alignment"] = [item.to_document() for item in self.alignment]
        if self.image is not None:
            document["image"] = {"id": self.image, "type": "Image"}
        mark = self.assessment.pass_mark if self.assessment else None
        document["resultDescription"] = [
            {
                "id": iri + SCORE,
                "type": ["ResultDescription"],
                "name": "Score",
                "resultType": "Percent",
                "valueMin": "0",
                "valueMax": "100",
                **_present(requiredValue=mark),
            }
        ]
        return document


_NEEDED = (
    "code",
    "version",
    "name",
    "category",
    "level",
    "language",
    "description",
    "criteria",
)
_WELCOME = ("hours", "skills", "assessment", "alignment", "validFor", "image")


@dataclass(frozen=True, slots=True)
class Award:
    """That one person earned one achievement on one day. E-mail and name are trimmed."""

    email: str
    awarded_on: date
    name: str | None = None
    score: str | None = None
    evidence_url: str | None = None
    narrative: str | None = None
    source: IssuerProfile | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "email", normalise_email(self.email))
        if self.name is not None:
            object.__setattr__(self, "name", self.name.strip())
            LINE.check("name", self.name)
        if self.score is not None:
            object.__setattr__(self, "score", _percent("score", self.score))
        if self.evidence_url is not None and not is_http_url(self.evidence_url):
            raise MalformedError("evidence_url: not an http or https URL")
        if self.narrative is not None:
            TEXT.check("narrative", self.narrative)


def normalise_email(text: str) -> str:
    """Trim and lower an address: the form that is hashed. Raises MalformedError."""
    email = text.strip().lower()
    if not is_email(email):
        raise MalformedError("email: not an e-mail address")
    return email


def identity_hash(identity: str, salt: str) -> str:
    """Hash an identity as Open Badges 3.0 does: "sha256$" and lower-case hex."""
    return "sha256$" + hashlib.sha256((identity + salt).encode("utf-8")).hexdigest()


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signs: the profile, the on-chain record it belongs to, and the key."""

    profile: IssuerProfile
    reference: IssuerReference
    key: PublicKey
    did: str | None = None

    def __post_init__(self) -> None:
        if self.did is not None and not is_did_web(self.did):
            raise MalformedError("issuer.did: only did:web can stand in for did:key")

    @property
    def id(self) -> str:
        """The identifier in the credential: did:web if the school has one, else did:key."""
        return self.did or self.key.did

    @property
    def verification_method(self) -> str:
        """The identifier, and the key as its fragment."""
        return f"{self.id}#{self.key.multibase}"

    def to_document(self) -> dict[str, Json]:
        """Write the embedded Profile, which names the on-chain record."""
        return {
            **profile_document(self.profile, self.id),
            **_present(email=self.profile.email),
            "otherIdentifier": [
                {
                    "type": "IdentifierEntry",
                    "identifierType": "ext:IssuerRegistry",
                    "identifier": self.reference.text,
                }
            ],
        }


def profile_document(profile: IssuerProfile, identifier: str) -> dict[str, Json]:
    """Write a Profile as credentials embed it."""
    return {
        "id": identifier,
        "type": ["Profile"],
        "name": profile.name,
        "url": profile.url,
    }


@dataclass(frozen=True, slots=True)
class SignedCredential:
    """
    A credential with its signature: fits the closed model, carries exactly one proof.

    Whether the signature holds is for `check`. `data` is the RFC 8785 text, so white space
    and the order of members of a file are no part of it.
    """

    data: bytes = field(repr=False)
    proof: SignatureProof = field(init=False, repr=False, compare=False)
    # Read when it is first asked for.
    _read: dict[str, Json] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._fill(canonical.parse_object(self.data, max_bytes=MAX_CREDENTIAL_BYTES))

    def _fill(self, document: dict[str, Json]) -> None:
        try:
            self._take(document)
        except MalformedError:
            # Of several faults the first in the order of the signed bytes is told, in whatever
            # order a file has them.
            text = canonical.encode(document)
            self._take(canonical.parse_object(text, max_bytes=MAX_CREDENTIAL_BYTES))
            raise

    def _take(self, document: dict[str, Json]) -> None:
        proofs = document.get("proof")
        if not isinstance(proofs, list) or len(proofs) != 1:
            raise MalformedError("proof: an array of one proof expected")
        check_model(_unsigned(document))
        proof = SignatureProof.from_json(proofs[0])
        data = canonical.encode_parsed(document)
        if len(data) > MAX_CREDENTIAL_BYTES:
            raise MalformedError(f"credential: more than {MAX_CREDENTIAL_BYTES} bytes")
        object.__setattr__(self, "data", data)
        object.__setattr__(self, "proof", proof)
        object.__setattr__(self, "_read", document)

    @classmethod
    def just_signed(cls, data: bytes, proof: SignatureProof) -> "SignedCredential":
        """Take what was checked and signed this moment, as RFC 8785 text, at its word."""
        made = object.__new__(cls)
        object.__setattr__(made, "data", data)
        object.__setattr__(made, "proof", proof)
        object.__setattr__(made, "_read", None)
        return made

    @property
    def _document(self) -> dict[str, Json]:
        if self._read is None:
            object.__setattr__(self, "_read", canonical.parse_object(self.data))
        return cast("dict[str, Json]", self._read)

    def __repr__(self) -> str:
        return f"SignedCredential({self.id.urn})"

    @classmethod
    def from_bytes(cls, data: bytes) -> "SignedCredential":
        """Read a JSON file of at most 256 kB. Raises MalformedError."""
        return cls(data)

    @classmethod
    def from_document(cls, document: dict[str, Json]) -> "SignedCredential":
        """Take a document that carries its proof. Raises MalformedError."""
        return cls(canonical.encode(document))

    @classmethod
    def from_parsed(cls, document: dict[str, Json]) -> "SignedCredential":
        """Take what the parser made of a file, to keep it: nobody may change it any more."""
        made = object.__new__(cls)
        made._fill(document)
        return made

    @property
    def document(self) -> dict[str, Json]:
        """The document with its proof, a copy for the caller to keep."""
        return canonical.parse_object(self.data)

    def with_proof(self, proof: Json) -> bytes:
        """The canonical bytes with one more proof, of our own writing, behind its own."""
        proofs = [*items_of(self._document["proof"]), proof]
        return canonical.encode_parsed({**self._document, "proof": proofs})

    def check(self, *, by_pyld: bool = False) -> None:
        """
        Check the signature by the key that the issuer's id names. Raises ProofError.

        `by_pyld`: as everybody else's verifier will, without this package's shortcut.
        """
        unsigned = _unsigned(self._document)
        text = canonical.encode_parsed(unsigned)
        self.proof.check(unsigned, text=text, by_pyld=by_pyld)

    @property
    def leaf(self) -> bytes:
        """The leaf in the batch tree: SHA-256(0x00 || JCS(credential with this proof))."""
        return hashlib.sha256(_LEAF_PREFIX + self.data).digest()

    @property
    def id(self) -> UUID:
        """The credential's UUID."""
        return UUID(text_at(self._document, "id"))

    @property
    def issuer_reference(self) -> IssuerReference:
        """The on-chain record that the signed bytes name."""
        entries = items_of(member_at(self._document, "issuer", "otherIdentifier"))
        return IssuerReference.from_text(text_at(entries[0], "identifier"))

    @property
    def issuer_id(self) -> str:
        """The issuer's DID."""
        return text_at(self._document, "issuer", "id")

    @property
    def public_key(self) -> PublicKey:
        """The key that the proof names."""
        return self.proof.key

    @property
    def claimed_issuer_name(self) -> str:
        """The issuer's name as the file has it: proven by nobody."""
        return text_at(self._document, "issuer", "name")

    @property
    def claimed_source_name(self) -> str | None:
        """The name of the partner who assessed, as the file has it."""
        source = member_at(self._document, "credentialSubject", "source")
        return None if source is None else text_at(source, "name")

    @property
    def achievement_name(self) -> str:
        """What was achieved."""
        return text_at(self._document, "name")

    @property
    def achievement_code(self) -> str:
        """The school's own code of it."""
        return text_at(self._document, "credentialSubject", "achievement", "humanCode")

    @property
    def achievement_version(self) -> str:
        """Which version of it."""
        return text_at(self._document, "credentialSubject", "achievement", "version")

    @property
    def claimed_creator_name(self) -> str:
        """The name of who made the achievement, as the file has it."""
        subject = self._document["credentialSubject"]
        return text_at(subject, "achievement", "creator", "name")

    @property
    def recipient_name(self) -> str | None:
        """The earner's name, if the school shows it."""
        identities = items_of(
            member_at(self._document, "credentialSubject", "identifier")
        )
        return text_at(identities[1], "identityHash") if len(identities) > 1 else None

    def is_for(self, email: str) -> bool:
        """Tell whether this is the credential of an e-mail address. Raises MalformedError."""
        identities = items_of(
            member_at(self._document, "credentialSubject", "identifier")
        )
        expected = identity_hash(normalise_email(email), text_at(identities[0], "salt"))
        return expected == text_at(identities[0], "identityHash")

    @property
    def status_list(self) -> str:
        """The URL of the status list."""
        return text_at(self._document, "credentialStatus", "statusListCredential")

    @property
    def status_index(self) -> int:
        """The place of its bit, in the list and on chain."""
        return int(text_at(self._document, "credentialStatus", "statusListIndex"))

    @property
    def valid_from(self) -> datetime:
        """The instant of issuing, as the issuer states it."""
        return canonical.parse_time(text_at(self._document, "validFrom"))

    @property
    def valid_until(self) -> datetime | None:
        """The instant at which it expires; None: it does not."""
        text = member_at(self._document, "validUntil")
        return canonical.parse_time(text) if isinstance(text, str) else None

    @property
    def awarded_date(self) -> date:
        """The day of the award."""
        return canonical.parse_time(text_at(self._document, "awardedDate")).date()


def sign_credential(
    document: dict[str, Json],
    key: SigningKey,
    *,
    verification_method: str,
    created: datetime,
) -> SignedCredential:
    """Sign a document that fits the closed model. Raises MalformedError."""
    text = check_credential(document)
    if verification_method.partition("#")[0] != text_at(document, "issuer", "id"):
        raise MalformedError("verificationMethod: is not the issuer's")
    proof = make_proof(
        document,
        key,
        verification_method=verification_method,
        created=created,
        text=text,
    )
    data = canonical.encode_parsed({**document, "proof": [proof.to_json()]})
    if len(data) > MAX_CREDENTIAL_BYTES:
        raise MalformedError(f"credential: more than {MAX_CREDENTIAL_BYTES} bytes")
    return SignedCredential.just_signed(data, proof)


def _unsigned(document: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in document.items() if name != "proof"}


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _present(**texts: str | None) -> dict[str, Json]:
    return {name: text for name, text in texts.items() if text is not None}


def _members(
    where: str, value: Json, *, required: tuple[str, ...], optional: tuple[str, ...]
) -> dict[str, Json]:
    """Read an object of a closed set of members; null is the same as absent."""
    if not isinstance(value, dict):
        raise MalformedError(f"{where}: not an object")
    for name in value:
        if name not in required and name not in optional:
            raise MalformedError(f"{where}.{name[:40]}: unknown member")
    members: dict[str, Json] = {
        name: member for name, member in value.items() if member is not None
    }
    for name in required:
        if name not in members:
            raise MalformedError(f"{where}.{name}: missing")
    return members


def _string(where: str, value: Json) -> str:
    if not isinstance(value, str):
        raise MalformedError(f"{where}: not a string")
    return value


def _optional_text(members: dict[str, Json], name: str) -> str | None:
    return _string(name, members[name]) if name in members else None


def _list(where: str, value: Json) -> list[Json]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise MalformedError(f"{where}: not an array")
    return value


def _count(where: str, value: Json) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 10**6:
        raise MalformedError(f"{where}: a whole number below a million expected")
    return value


def _choice(where: str, choices: type[_Choice], text: str) -> _Choice:
    try:
        return choices(text)
    except ValueError as error:
        raise MalformedError(
            f"{where}: one of {', '.join(choices)} expected"
        ) from error


def _check_pattern(where: str, pattern: re.Pattern[str], text: str) -> None:
    if not pattern.fullmatch(text):
        raise MalformedError(f"{where}: does not have the form {pattern.pattern}")


def _percent(where: str, text: str) -> str:
    """Write a number from 0 to 100 in its shortest form: 88.50 is 88.5."""
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,4})?", text, re.ASCII):
        raise MalformedError(f"{where}: a number from 0 to 100 expected")
    shortest = f"{Decimal(text).normalize():f}"
    if not PERCENT.fullmatch(shortest):
        raise MalformedError(f"{where}: a number from 0 to 100 expected")
    return shortest


def _pass_mark(where: str, value: Json) -> str:
    found = _PASS_MARK.fullmatch(_string(where, value))
    if not found:
        raise MalformedError(f"{where}: a percentage like 70 % expected")
    return _percent(where, found[1])


def _duration(text: str) -> tuple[int, int]:
    """Read an ISO 8601 duration of years, months, weeks and days as months and days."""
    found = _DURATION.fullmatch(text)
    if not found:
        raise MalformedError(
            "validFor: a duration like P3Y, P18M, P6W or P90D expected"
        )
    years, months, weeks, days = (int(part or 0) for part in found.groups())
    if not any((years, months, weeks, days)):
        raise MalformedError("validFor: a duration of nothing")
    return years * 12 + months, weeks * 7 + days
