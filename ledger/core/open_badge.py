"""
The closed model: which members a credential of ours may have, and what each may hold.

Open Badges 3.0 on VC 2.0 allows more. What is not in this table is refused, before signing
and before verifying: an unknown member could be shown to people and mean nothing to the
signature, or mean something to another program that we never meant.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from ledger.core import canonical
from ledger.core.canonical import Json
from ledger.core.issuer import (
    MAX_NAME,
    MAX_TEXT,
    IssuerReference,
    is_did_web,
    is_email,
    is_http_url,
)
from ledger.core.keys import PublicKey
from ledger.core.rdf import CREDENTIAL_CONTEXTS
from ledger.errors import MalformedError

MAX_CREDENTIAL_BYTES = 262_144
MAX_ITEMS = 100
_FEW = 10

# The one result description an achievement may have is named by the achievement.
SCORE = "#score"

STATUS_INDEX = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
SALT = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
# The schema of 1EdTech has this pattern for inLanguage.
LANGUAGE = re.compile(r"[a-z]{2,4}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?", re.ASCII)
PERCENT = re.compile(r"100|[1-9]?[0-9](?:\.[0-9]{0,3}[1-9])?", re.ASCII)

_URN = re.compile(
    r"urn:[a-z0-9][a-z0-9-]{1,31}:(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})+",
    re.ASCII,
)
_UUID4 = re.compile(
    r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    re.ASCII,
)
_IDENTITY_HASH = re.compile(r"sha256\$[0-9a-f]{64}", re.ASCII)
_LINE_BREAK = re.compile("[\t\n\r\x85\u2028\u2029]")


_Enough: TypeAlias = tuple[type, Callable[[Any], object]]


class Kind(Protocol):
    """What a member may hold: a plain value, an object, or an array of either."""

    @property
    def says(self) -> str:
        """The kind in words, as the table of the specification has it."""
        ...

    def check(self, where: str, value: Json) -> None:
        """Refuse any other value, naming the path. Raises MalformedError."""
        ...


@dataclass(frozen=True, slots=True)
class Text:
    """A string that a test accepts."""

    says: str
    accepts: Callable[[str], object]

    def check(self, where: str, value: Json) -> None:
        """Refuse other strings, and what is no string. Raises MalformedError."""
        if not isinstance(value, str):
            raise MalformedError(f"{where}: not a string")
        if not self.accepts(value):
            raise MalformedError(f"{where}: not {self.says}")


@dataclass(frozen=True, slots=True)
class Fixed:
    """One value and no other."""

    value: Json

    @property
    def says(self) -> str:
        """The value as JSON."""
        return canonical.encode(self.value).decode("utf-8")

    def check(self, where: str, value: Json) -> None:
        """Refuse everything else. Raises MalformedError."""
        if value.__class__ is str and value == self.value:
            return
        if not _is_same(value, self.value):
            raise MalformedError(f"{where}: {self.says} expected")


@dataclass(frozen=True, slots=True)
class Array:
    """Values of one kind, no two alike: RDF would keep only one of them."""

    of: Kind
    most: int = MAX_ITEMS
    least: int = 1

    @property
    def says(self) -> str:
        """The kind of the items, and how many of them."""
        count = (
            str(self.most)
            if self.least == self.most
            else f"{self.least} to {self.most}"
        )
        return f"array of {count}: {self.of.says}"

    def check(self, where: str, value: Json) -> None:
        """Refuse other lengths, repetitions and items. Raises MalformedError."""
        if not isinstance(value, list):
            raise MalformedError(f"{where}: not an array")
        if not self.least <= len(value) <= self.most:
            raise MalformedError(f"{where}: {len(value)} items, not {self.says}")
        for index, item in enumerate(value):
            self.of.check(f"{where}[{index}]", item)
        if len(value) > 1 and _has_twins(value):
            raise MalformedError(f"{where}: the same item twice")


def _is_same(value: Json, expected: Json) -> bool:
    if isinstance(expected, str):
        return isinstance(value, str) and value == expected
    if isinstance(expected, bool):
        return value is expected
    if isinstance(expected, list):
        return (
            isinstance(value, list)
            and len(value) == len(expected)
            and all(map(_is_same, value, expected))
        )
    # By bytes: in Python True == 1 == 1.0.
    return canonical.encode(value) == canonical.encode(expected)


def _has_twins(values: list[Json]) -> bool:
    texts = {value for value in values if isinstance(value, str)}
    if len(texts) == len(values):
        return False
    # What RFC 8785 writes alike is equal in Python too, though not the other way round.
    if len(values) < _FEW and not any(
        one == other for place, one in enumerate(values) for other in values[:place]
    ):
        return False
    return len({canonical.encode(value) for value in values}) < len(values)


def _enough_for(kind: Kind) -> _Enough | None:
    if isinstance(kind, Text):
        return str, kind.accepts
    if isinstance(kind, Fixed):
        value = kind.value
        if isinstance(value, str | bool):
            return value.__class__, value.__eq__
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return list, value.__eq__
    return None


@dataclass(frozen=True, slots=True)
class Object:
    """An object with these members and no others."""

    says: str
    required: Mapping[str, Kind]
    optional: Mapping[str, Kind]
    _members: Mapping[str, Kind] = field(init=False, repr=False, compare=False)
    # For most members: the class and the test that together are enough to accept a value.
    _enough: Mapping[str, _Enough] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        members = {**self.optional, **self.required}
        enough = {name: _enough_for(kind) for name, kind in members.items()}
        object.__setattr__(self, "_members", members)
        object.__setattr__(
            self, "_enough", {name: test for name, test in enough.items() if test}
        )

    def check(self, where: str, value: Json) -> None:
        """Refuse missing, unknown and wrong members. Raises MalformedError."""
        prefix = f"{where}." if where else ""
        if not isinstance(value, dict):
            raise MalformedError(f"{where or 'credential'}: not an object")
        if not self.required.keys() <= value.keys():
            name = next(name for name in self.required if name not in value)
            raise MalformedError(f"{prefix}{name}: missing")
        for name, member in value.items():
            enough = self._enough.get(name)
            if enough and member.__class__ is enough[0] and enough[1](member):
                continue
            kind = self._members.get(name)
            if kind is None:
                raise MalformedError(f"{prefix}{name[:40]}: unknown member")
            kind.check(prefix + name, member)


@dataclass(frozen=True, slots=True)
class Either:
    """One of two objects, told apart by the value of one member."""

    by: str
    choices: Mapping[Json, Object]

    @property
    def says(self) -> str:
        """The names of the objects."""
        return " or ".join(choice.says for choice in self.choices.values())

    def check(self, where: str, value: Json) -> None:
        """Refuse what is none of the objects. Raises MalformedError."""
        if not isinstance(value, dict):
            raise MalformedError(f"{where}: not an object")
        tag = value.get(self.by)
        if not isinstance(tag, str) or tag not in self.choices:
            raise MalformedError(f"{where}.{self.by}: {self.says} expected")
        self.choices[tag].check(where, value)


def is_line(text: str) -> bool:
    """Tell whether a text is one line of 1 to 200 characters, no blanks around it."""
    return (
        0 < len(text) <= MAX_NAME
        and text == text.strip()
        and not _LINE_BREAK.search(text)
    )


def is_text(text: str) -> bool:
    """Tell whether a text has 1 to 10,000 characters that are not all blank."""
    return 0 < len(text) <= MAX_TEXT and not text.isspace()


def is_achievement_id(text: str) -> bool:
    """Tell whether a text is an http(s) URL without fragment, or a URN."""
    is_page = is_http_url(text) and "#" not in text
    return is_page or (len(text) <= MAX_NAME and _URN.fullmatch(text) is not None)


def _is_issuer_id(text: str) -> bool:
    if is_did_web(text):
        return True
    try:
        return PublicKey.from_multibase(text.removeprefix("did:key:")).did == text
    except MalformedError:
        return False


def _is_profile_id(text: str) -> bool:
    return _is_issuer_id(text) or is_http_url(text)


def _is_instant(text: str) -> bool:
    try:
        canonical.parse_time(text)
    except MalformedError:
        return False
    return True


def _is_reference(text: str) -> bool:
    try:
        IssuerReference.from_text(text)
    except MalformedError:
        return False
    return True


def _is_page(text: str) -> bool:
    return is_http_url(text) and "#" not in text


def _is_score_id(text: str) -> bool:
    return text.endswith(SCORE) and is_achievement_id(text.removesuffix(SCORE))


LINE = Text("a line of at most 200 characters", is_line)
TEXT = Text("a text of at most 10,000 characters", is_text)
URL = Text("an http or https URL", is_http_url)
PAGE = Text("an http or https URL without fragment", _is_page)
INSTANT = Text("an instant like 2026-11-25T08:44:00Z", _is_instant)
MIDNIGHT = Text(
    "an instant at midnight, UTC",
    lambda text: _is_instant(text) and text.endswith("T00:00:00Z"),
)
_ACHIEVEMENT_ID = Text("an http(s) URL without fragment, or a URN", is_achievement_id)
_PROFILE_ID = Text("a did:key, a did:web or an http(s) URL", _is_profile_id)
CREDENTIAL_ID = Text("urn:uuid: and a UUIDv4", _UUID4.fullmatch)
IDENTITY_HASH = Text("sha256$ and 64 hex digits", _IDENTITY_HASH.fullmatch)
IDENTITY_SALT = Text("a salt of 16 to 64 characters", SALT.fullmatch)
STATUS_LIST_INDEX = Text("an index of at most 9 digits", STATUS_INDEX.fullmatch)
STATUS_ID = Text("the list's URL, # and the index", is_http_url)
PERCENT_TEXT = Text("a number from 0 to 100", PERCENT.fullmatch)

ACHIEVEMENT_TYPES = (
    "Competency",
    "Certificate",
    "MicroCredential",
    "Certification",
    "Award",
)

_EMAIL_IDENTITY = Object(
    "IdentityObject (emailAddress)",
    {
        "type": Fixed("IdentityObject"),
        "identityType": Fixed("emailAddress"),
        "hashed": Fixed(True),
        "identityHash": IDENTITY_HASH,
        "salt": IDENTITY_SALT,
    },
    {},
)
_NAME_IDENTITY = Object(
    "IdentityObject (name)",
    {
        "type": Fixed("IdentityObject"),
        "identityType": Fixed("name"),
        "hashed": Fixed(False),
        "identityHash": LINE,
    },
    {},
)
_REGISTRY_ENTRY = Object(
    "IdentifierEntry",
    {
        "type": Fixed("IdentifierEntry"),
        "identifierType": Fixed("ext:IssuerRegistry"),
        "identifier": Text("eip155:<chain id>:0x…:0x…", _is_reference),
    },
    {},
)
_ISSUER = Object(
    "Profile (issuer)",
    {
        "id": Text("a did:key (Ed25519) or a did:web", _is_issuer_id),
        "type": Fixed(["Profile"]),
        "name": LINE,
        "url": URL,
        "otherIdentifier": Array(_REGISTRY_ENTRY, most=1),
    },
    {"email": Text("an e-mail address", is_email)},
)
_PROFILE = Object(
    "Profile",
    {"id": _PROFILE_ID, "type": Fixed(["Profile"]), "name": LINE, "url": URL},
    {},
)
_ALIGNMENT = Object(
    "Alignment",
    {"type": Fixed(["Alignment"]), "targetName": LINE, "targetUrl": URL},
    {"targetFramework": LINE, "targetCode": LINE, "targetDescription": TEXT},
)
_RESULT_DESCRIPTION = Object(
    "ResultDescription",
    {
        "id": Text("the achievement's id and #score", _is_score_id),
        "type": Fixed(["ResultDescription"]),
        "name": LINE,
        "resultType": Fixed("Percent"),
        "valueMin": Fixed("0"),
        "valueMax": Fixed("100"),
    },
    {"requiredValue": PERCENT_TEXT},
)
_ACHIEVEMENT = Object(
    "Achievement",
    {
        "id": _ACHIEVEMENT_ID,
        "type": Fixed(["Achievement"]),
        "achievementType": Text(
            "one of " + ", ".join(ACHIEVEMENT_TYPES), ACHIEVEMENT_TYPES.__contains__
        ),
        "name": LINE,
        "description": TEXT,
        "criteria": Object("Criteria", {"narrative": TEXT}, {}),
        "creator": _PROFILE,
        "humanCode": Text("a code of letters, digits and . _ -", CODE.fullmatch),
        "version": Text("a code of letters, digits and . _ -", CODE.fullmatch),
        "inLanguage": Text("a language tag", LANGUAGE.fullmatch),
    },
    {
        "tag": Array(LINE),
        "alignment": Array(_ALIGNMENT),
        "image": Object("Image", {"id": URL, "type": Fixed("Image")}, {}),
        "resultDescription": Array(_RESULT_DESCRIPTION, most=1),
    },
)
_RESULT = Object(
    "Result",
    {
        "type": Fixed(["Result"]),
        "resultDescription": Text("the achievement's id and #score", _is_score_id),
        "value": PERCENT_TEXT,
    },
    {},
)
_SUBJECT = Object(
    "AchievementSubject",
    {
        "type": Fixed(["AchievementSubject"]),
        "identifier": Array(
            Either(
                "identityType",
                {"emailAddress": _EMAIL_IDENTITY, "name": _NAME_IDENTITY},
            ),
            most=2,
        ),
        "achievement": _ACHIEVEMENT,
    },
    {"result": Array(_RESULT, most=1), "narrative": TEXT, "source": _PROFILE},
)
_STATUS = Object(
    "BitstringStatusListEntry",
    {
        "id": STATUS_ID,
        "type": Fixed("BitstringStatusListEntry"),
        "statusPurpose": Fixed("revocation"),
        "statusListIndex": STATUS_LIST_INDEX,
        "statusListCredential": PAGE,
    },
    {},
)
CREDENTIAL = Object(
    "OpenBadgeCredential",
    {
        "@context": Fixed(list(CREDENTIAL_CONTEXTS)),
        "id": CREDENTIAL_ID,
        "type": Fixed(["VerifiableCredential", "OpenBadgeCredential"]),
        "name": LINE,
        "issuer": _ISSUER,
        "validFrom": INSTANT,
        "awardedDate": MIDNIGHT,
        "credentialSubject": _SUBJECT,
        "credentialStatus": _STATUS,
    },
    {
        "validUntil": INSTANT,
        "evidence": Array(
            Object("Evidence", {"id": URL, "type": Fixed(["Evidence"])}, {})
        ),
    },
)


def check_credential(document: dict[str, Json]) -> bytes:
    """
    Check a credential without `proof` against the closed model; answer its RFC 8785 text.

    Raises MalformedError; the message starts with the path:
    "credentialSubject.achievement.criteria: missing".
    """
    check_model(document)
    # Which leaves nothing that needs a second look before it is written.
    text = canonical.encode_parsed(document)
    if len(text) > MAX_CREDENTIAL_BYTES:
        raise MalformedError(f"credential: more than {MAX_CREDENTIAL_BYTES} bytes")
    return text


def check_model(document: dict[str, Json]) -> None:
    """Check the same without regard to its size. Raises MalformedError."""
    CREDENTIAL.check("", document)
    _check_links(document)


def _check_links(document: dict[str, Json]) -> None:
    """Check what one member says about another, in a document that fits the table."""
    subject = "credentialSubject"
    if text_at(document, "name") != text_at(document, subject, "achievement", "name"):
        raise MalformedError("name: not the name of the achievement")
    identities = member_at(document, subject, "identifier")
    kinds = [text_at(identity, "identityType") for identity in items_of(identities)]
    if kinds not in (["emailAddress"], ["emailAddress", "name"]):
        raise MalformedError(f"{subject}.identifier: e-mail address, then name")

    score = text_at(document, subject, "achievement", "id") + SCORE
    described = items_of(
        member_at(document, subject, "achievement", "resultDescription")
    )
    if any(text_at(item, "id") != score for item in described):
        raise MalformedError(
            f"{subject}.achievement.resultDescription[0].id: not {SCORE}"
        )
    results = items_of(member_at(document, subject, "result"))
    if results and not described:
        raise MalformedError(f"{subject}.result: the achievement describes no result")
    if any(text_at(item, "resultDescription") != score for item in results):
        raise MalformedError(f"{subject}.result[0].resultDescription: unknown")

    status = member_at(document, "credentialStatus")
    entry = f"{text_at(status, 'statusListCredential')}#{text_at(status, 'statusListIndex')}"
    if text_at(status, "id") != entry:
        raise MalformedError("credentialStatus.id: not the list's URL, # and the index")
    if "validUntil" in document and (
        text_at(document, "validUntil") < text_at(document, "validFrom")
    ):
        # Both have the one fixed-width form, so the order of texts is the order of instants.
        raise MalformedError("validUntil: before validFrom")


def member_at(value: Json, *path: str) -> Json:
    """Follow member names into a document that fits the table; None where it is absent."""
    for name in path:
        if not isinstance(value, dict):
            raise TypeError(f"{name}: the closed model has an object here")
        value = value.get(name)
    return value


def text_at(value: Json, *path: str) -> str:
    """Follow member names to a string that the table requires."""
    found = member_at(value, *path)
    if not isinstance(found, str):
        raise TypeError(f"{'.'.join(path)}: the closed model has a string here")
    return found


def items_of(value: Json) -> list[Json]:
    """Read the items of an optional array: none where it is absent."""
    return value if isinstance(value, list) else []
