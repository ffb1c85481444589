"""
What a closing issuer leaves in public: its statement, whose hash is on the chain, and its history.

The statement names, by hash, everything else that is public and that the chain does not hold:
achievements and last status lists. So whoever has the chain, or one block of it, can check all
of it. See docs/spec/closing-archive.md.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ledger.core import canonical
from ledger.core.canonical import Json
from ledger.core.credential import Achievement
from ledger.core.issuer import (
    IssuerProfile,
    IssuerReference,
    issuer_id,
)
from ledger.core.issuer_proof import IssuerFacts, IssuerQuestions
from ledger.core.keys import PublicKey
from ledger.core.registries import REVOKING_ROLE, SIGNING_ROLE
from ledger.core.status import StatusBits
from ledger.errors import MalformedError, ProofError

MAX_BYTES: Final = 8 * 1_048_576
MAX_TEXT: Final = 10_000
MAX_CUSTODIANS: Final = 20

_VERSION = 1
_HEX = re.compile(r"0x(?:[0-9a-f]{2})*", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_ADDRESS = re.compile(r"0x[0-9a-f]{40}", re.ASCII)
#: bech32, as age writes a recipient of its own kind.
_RECIPIENT = re.compile(r"age1[02-9ac-hj-np-z]{58}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Custodian:
    """Who is given what is personal: a name for people, and the age recipient it is sealed for."""

    name: str
    recipient: str

    def __post_init__(self) -> None:
        if not 1 <= len(self.name.strip()) <= 200 or not self.name.isprintable():
            raise MalformedError("custodian: a name of 1 to 200 printable characters")
        if not _RECIPIENT.fullmatch(self.recipient):
            raise MalformedError(
                f"custodian {self.name}: an age recipient begins with age1 and has 62"
                " letters; the custodian makes it with age-keygen"
            )

    def to_json(self) -> dict[str, Json]:
        """Write the members."""
        return {"name": self.name, "recipient": self.recipient}


def read_custodians(value: Json) -> tuple[Custodian, ...]:
    """Read a list of custodians, no recipient twice. Raises MalformedError."""
    read = tuple(
        Custodian(_text(each, "name"), _text(each, "recipient"))
        for each in (
            _members(e, {"name", "recipient"}, "custodian") for e in _list(value)
        )
    )
    check_custodians(read)
    return read


def check_custodians(custodians: Sequence[Custodian]) -> None:
    """Refuse none, too many, or one twice. Raises MalformedError."""
    if not 1 <= len(custodians) <= MAX_CUSTODIANS:
        raise MalformedError(f"custodians: 1 to {MAX_CUSTODIANS}")
    if len({each.recipient for each in custodians}) != len(custodians):
        raise MalformedError("custodians: one recipient twice")


# ---------------------------------------------------------------- the statement


@dataclass(frozen=True, slots=True)
class ListedAchievement:
    """A version of an achievement, and the SHA-256 of the bytes it was given in."""

    code: str
    version: str
    sha256: bytes


@dataclass(frozen=True, slots=True)
class ListedStatus:
    """The last status list under one key, and its SHA-256."""

    key: PublicKey
    sha256: bytes


@dataclass(frozen=True, slots=True)
class ClosingStatement:
    """What an issuer states when it closes. Names nobody but itself."""

    issuer: IssuerReference
    code: str
    name: str
    successor: IssuerReference | None
    prepared_at: datetime
    credentials: int
    achievements: tuple[ListedAchievement, ...]
    status_lists: tuple[ListedStatus, ...]
    text: str | None = None

    def __post_init__(self) -> None:
        if self.text is not None and not 1 <= len(self.text.strip()) <= MAX_TEXT:
            raise MalformedError(
                f"closing statement: a text of 1 to {MAX_TEXT} characters"
            )

    @classmethod
    def from_bytes(cls, data: bytes) -> "ClosingStatement":
        """Read the one encoding of a statement. Raises MalformedError."""
        document = canonical.parse_object(data, max_bytes=MAX_BYTES)
        where = "closing statement"
        members = _members(
            document,
            {"version", "issuer", "organisation", "successor", "preparedAt", "credentials",
             "achievements", "statusLists"},
            where,
            {"text"},
        )  # fmt: skip
        _check_version(members, where)
        organisation = _members(members["organisation"], {"code", "name"}, where)
        successor = members["successor"]
        statement = cls(
            issuer=IssuerReference.from_text(_text(members, "issuer")),
            code=_text(organisation, "code"),
            name=_text(organisation, "name"),
            successor=None
            if successor is None
            else IssuerReference.from_text(_text(members, "successor")),
            prepared_at=canonical.parse_time(_text(members, "preparedAt")),
            credentials=_number(members, "credentials"),
            achievements=tuple(
                ListedAchievement(_text(e, "code"), _text(e, "version"), _sha256(e))
                for e in _each(
                    members["achievements"], {"code", "version", "sha256"}, where
                )
            ),
            status_lists=tuple(
                ListedStatus(PublicKey.from_multibase(_text(e, "key")), _sha256(e))
                for e in _each(members["statusLists"], {"key", "sha256"}, where)
            ),
            text=_text(members, "text") if "text" in members else None,
        )
        if statement.encode() != data:
            raise MalformedError("closing statement: not its one encoding (RFC 8785)")
        return statement

    def encode(self) -> bytes:
        """The RFC 8785 bytes; their SHA-256 is on the chain."""
        document: dict[str, Json] = {
            "version": _VERSION,
            "issuer": self.issuer.text,
            "organisation": {"code": self.code, "name": self.name},
            "successor": None if self.successor is None else self.successor.text,
            "preparedAt": canonical.encode_time(self.prepared_at),
            "credentials": self.credentials,
            "achievements": [
                {"code": e.code, "version": e.version, "sha256": e.sha256.hex()}
                for e in self.achievements
            ],
            "statusLists": [
                {"key": e.key.multibase, "sha256": e.sha256.hex()}
                for e in self.status_lists
            ],
        }
        if self.text is not None:
            document["text"] = self.text
        return canonical.encode(document)


def statement_hash(data: bytes) -> bytes:
    """The hash of a statement's bytes, as the registry holds it."""
    return hashlib.sha256(data).digest()


# ---------------------------------------------------------------- the history


@dataclass(frozen=True, slots=True)
class HistoricalProfile:
    """A public profile, and when the registry recorded its hash."""

    profile_hash: bytes
    recorded_at: int


@dataclass(frozen=True, slots=True)
class HistoricalKey:
    """A key in its window. `public` is a multikey, or the address of a revoking key."""

    role: int
    public: str
    opened: int
    until: int | None
    compromised_since: int | None

    def __post_init__(self) -> None:
        if self.role not in _ROLES.values():
            raise MalformedError("history: a key that neither signs nor revokes")
        if self.role == REVOKING_ROLE and not _ADDRESS.fullmatch(self.public):
            raise MalformedError("history: a revoking key is an address")

    @property
    def key_id(self) -> bytes:
        """The key's name in the registry. Raises MalformedError."""
        if self.role == SIGNING_ROLE:
            return PublicKey.from_multibase(self.public).key_id
        return bytes.fromhex(self.public[2:]).rjust(32, b"\0")


_ROLES = {"signing": SIGNING_ROLE, "revoking": REVOKING_ROLE}
_ROLE_NAMES = {number: name for name, number in _ROLES.items()}


@dataclass(frozen=True, slots=True)
class IssuerHistory:
    """An issuer's record as the chain has it after closing, and what its id is made of."""

    issuer: IssuerReference
    controller: str
    recovery_commitment: bytes
    salt: bytes
    registered_at: int
    closed_at: int
    profiles: tuple[HistoricalProfile, ...]  #: the first is the one in the issuer id
    keys: tuple[HistoricalKey, ...]

    def __post_init__(self) -> None:
        if not self.profiles:
            raise MalformedError("history: an issuer has a profile")
        expected = issuer_id(
            self.issuer.chain_id,
            self.controller,
            self.recovery_commitment,
            self.profiles[0].profile_hash,
            self.salt,
        )
        if expected != self.issuer.issuer_id:
            raise MalformedError(
                "history: the issuer id is not made of what stands here"
            )

    @classmethod
    def from_bytes(cls, data: bytes) -> "IssuerHistory":
        """Read the file. Raises MalformedError."""
        where = "history"
        members = _members(
            canonical.parse_object(data),
            {"version", "issuer", "controller", "recoveryCommitment", "salt", "registeredAt",
             "closedAt", "profiles", "keys"},
            where,
        )  # fmt: skip
        _check_version(members, where)
        return cls(
            issuer=IssuerReference.from_text(_text(members, "issuer")),
            controller=_text(members, "controller"),
            recovery_commitment=_hex(members, "recoveryCommitment"),
            salt=_hex(members, "salt"),
            registered_at=_number(members, "registeredAt"),
            closed_at=_number(members, "closedAt"),
            profiles=tuple(
                HistoricalProfile(_hex(e, "hash"), _number(e, "recordedAt"))
                for e in _each(members["profiles"], {"hash", "recordedAt"}, where)
            ),
            keys=tuple(
                HistoricalKey(
                    role=_role(e),
                    public=_text(e, "key"),
                    opened=_number(e, "from"),
                    until=_bound(e, "until"),
                    compromised_since=_bound(e, "compromisedSince"),
                )
                for e in _each(
                    members["keys"],
                    {"role", "key", "from", "until", "compromisedSince"},
                    where,
                )
            ),
        )

    def encode(self) -> bytes:
        """Write the file, RFC 8785."""
        return canonical.encode(
            {
                "version": _VERSION,
                "issuer": self.issuer.text,
                "controller": self.controller,
                "recoveryCommitment": f"0x{self.recovery_commitment.hex()}",
                "salt": f"0x{self.salt.hex()}",
                "registeredAt": self.registered_at,
                "closedAt": self.closed_at,
                "profiles": [
                    {"hash": f"0x{e.profile_hash.hex()}", "recordedAt": e.recorded_at}
                    for e in self.profiles
                ],
                "keys": [
                    {
                        "role": _ROLE_NAMES[e.role],
                        "key": e.public,
                        "from": e.opened,
                        "until": e.until,
                        "compromisedSince": e.compromised_since,
                    }
                    for e in self.keys
                ],
            }
        )

    def questions(self, registry: str, words: int) -> IssuerQuestions:
        """What a proof has to answer about this issuer, at the registry that counts."""
        return IssuerQuestions(
            registry=registry,
            issuer_id=self.issuer.issuer_id,
            profiles=tuple(e.profile_hash for e in self.profiles),
            keys=tuple(e.key_id for e in self.keys),
            words=words,
        )


@dataclass(frozen=True, slots=True)
class PublicRecord:
    """Everything public about a closed issuer, each part tied to the next one. Made by `check`.

    `achievements` by code and version and `status_lists` by key are the exact bytes.
    """

    statement: ClosingStatement
    history: IssuerHistory
    profiles: tuple[IssuerProfile, ...]
    achievements: Mapping[tuple[str, str], bytes]
    status_lists: Mapping[str, bytes]

    def __post_init__(self) -> None:
        if self.statement.issuer != self.history.issuer:
            raise ProofError("statement and history are of two issuers")
        hashes = [e.profile_hash for e in self.history.profiles]
        if [profile.hash for profile in self.profiles] != hashes:
            raise ProofError("the profiles are not those of the history")
        self._check_listed()
        for (code, version), data in self.achievements.items():
            read = Achievement.from_json(canonical.parse(data))
            if (read.code, read.version) != (code, version):
                raise ProofError(f"achievement {code} {version} is another one")

    def _check_listed(self) -> None:
        _check_hashes(
            "achievement",
            {f"{e.code} {e.version}": e.sha256 for e in self.statement.achievements},
            {" ".join(name): data for name, data in self.achievements.items()},
        )
        _check_hashes(
            "status list",
            {e.key.multibase: e.sha256 for e in self.statement.status_lists},
            self.status_lists,
        )

    @property
    def bits(self) -> Mapping[str, StatusBits]:
        """The bits of each status list. Raises MalformedError."""
        return {key: status_bits(data) for key, data in self.status_lists.items()}

    @property
    def words(self) -> int:
        """How many status words the lists cover."""
        return max((len(bits.data) // 32 for bits in self.bits.values()), default=0)

    def check(self, facts: IssuerFacts, statement: bytes) -> None:
        """
        Compare with what the chain says at one block after closing. Raises ProofError.

        `statement` are the statement's exact bytes. After a successor's withdrawals the chain may
        have bits that the lists lack; never the other way round.
        """
        history, successor = self.history, self.statement.successor
        named = None if successor is None else successor.issuer_id
        for what, said, found in (
            ("the time of registering", history.registered_at, facts.registered_at),
            ("the time of closing", history.closed_at, facts.closed_at),
            ("the successor", named, facts.successor),
            ("whether there is a successor", named is None, facts.closed_for_good),
            ("the hash of the statement", statement_hash(statement), facts.statement),
            (
                "the profiles",
                [e.recorded_at for e in history.profiles],
                list(facts.profiles),
            ),
            (
                "the windows of keys",
                [
                    (e.opened, e.until, e.compromised_since, e.role)
                    for e in history.keys
                ],
                [
                    None
                    if e is None
                    else (e.opened, e.until, e.compromised_since, e.role)
                    for e in facts.keys
                ],
            ),
        ):
            if said != found:
                raise ProofError(f"{what} in the archive is not what the chain says")
        for key, bits in self.bits.items():
            words = bits.words()
            missing = {w: b for w, b in words.items() if b & ~facts.words.get(w, 0)}
            if missing or (facts.closed_for_good and words != dict(facts.words)):
                raise ProofError(
                    f"the status list of {key} has other bits than the chain"
                )


def _check_hashes(
    what: str, listed: Mapping[str, bytes], found: Mapping[str, bytes]
) -> None:
    """Every file has the hash that the statement names, and none is missing or too many."""
    hashes = {name: hashlib.sha256(data).digest() for name, data in found.items()}
    for name in sorted({*listed, *hashes}):
        if listed.get(name) != hashes.get(name):
            raise ProofError(
                f"the {what} {name} is not the one in the closing statement"
            )


def status_bits(data: bytes) -> StatusBits:
    """The bits of a signed status list; whose it is, is not looked at. Raises MalformedError."""
    subject = canonical.parse_object(data, max_bytes=64 * 1_048_576).get(
        "credentialSubject"
    )
    encoded = subject.get("encodedList") if isinstance(subject, dict) else None
    if not isinstance(encoded, str):
        raise MalformedError("status list: no encodedList")
    return StatusBits.decode(encoded)


# ---------------------------------------------------------------- JSON


def _list(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise MalformedError("a list is expected")
    return value


def _each(value: Json, names: set[str], where: str) -> list[dict[str, Json]]:
    return [_members(entry, names, where) for entry in _list(value)]


def _members(
    value: Json, names: set[str], where: str, optional: set[str] | None = None
) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise MalformedError(f"{where}: not an object")
    for name in sorted(names - value.keys()):
        raise MalformedError(f"{where}.{name}: missing")
    for name in sorted(value.keys() - names - (optional or set())):
        raise MalformedError(f"{where}.{name[:40]}: unknown member")
    return value


def _check_version(members: Mapping[str, Json], where: str) -> None:
    if members["version"] != _VERSION:
        raise MalformedError(f"{where}.version: {_VERSION} expected")


def _text(members: Mapping[str, Json], name: str) -> str:
    value = members[name]
    if not isinstance(value, str):
        raise MalformedError(f"{name}: not a text")
    return value


def _number(members: Mapping[str, Json], name: str) -> int:
    value = members[name]
    if type(value) is not int or value < 0:
        raise MalformedError(f"{name}: not a number")
    return value


def _bound(members: Mapping[str, Json], name: str) -> int | None:
    return None if members[name] is None else _number(members, name)


def _hex(members: Mapping[str, Json], name: str) -> bytes:
    text = _text(members, name)
    if not _HEX.fullmatch(text) or len(text) != 66:
        raise MalformedError(f"{name}: 0x and 64 lower-case hex digits expected")
    return bytes.fromhex(text[2:])


def _sha256(members: Mapping[str, Json]) -> bytes:
    text = _text(members, "sha256")
    if not _SHA256.fullmatch(text):
        raise MalformedError("sha256: 64 lower-case hex digits expected")
    return bytes.fromhex(text)


def _role(members: Mapping[str, Json]) -> int:
    role = _ROLES.get(_text(members, "role"))
    if role is None:
        raise MalformedError("role: signing or revoking expected")
    return role
