"""
The closing archive: one ZIP with all of an issuer, public parts readable, personal parts sealed.

    README.txt  index.html  verifier.html
    statement.json  issuer.json  proof.json  contracts.json  networks.json  checkpoints.json
    profiles/<hash>.json  achievements/<code>/<version>.json  images/<code>/<version>.svg|png
    status/<multikey>.json
    personal/0001.zip.age …
    manifest.json

The manifest stands last and lists every other file with its SHA-256. Each personal part is a
ZIP of its own, sealed with age for the custodians. See docs/spec/closing-archive.md.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from ledger.core import canonical
from ledger.core.archive import Limits
from ledger.core.canonical import Json
from ledger.core.closing import Custodian, read_custodians
from ledger.core.issuer import IssuerReference
from ledger.errors import MalformedError

README: Final = "README.txt"
INDEX: Final = "index.html"
VERIFIER: Final = "verifier.html"
STATEMENT: Final = "statement.json"
HISTORY: Final = "issuer.json"
PROOF: Final = "proof.json"
CONTRACTS: Final = "contracts.json"
NETWORKS: Final = "networks.json"
CHECKPOINTS: Final = "checkpoints.json"
MANIFEST: Final = "manifest.json"
#: Inside of a personal part: whose the credentials are, and what the signed bytes do not say.
PERSONAL_INDEX: Final = "index.json"

#: A part is closed once it holds this much, so that one fits into memory several times.
PART_BYTES: Final = 16 * 1_048_576

_MIB = 1_048_576
OUTER: Final = Limits(2_048 * _MIB, 60_000, 128 * _MIB, 8_192 * _MIB)
PART: Final = Limits(96 * _MIB, 20_000, 64 * _MIB, 256 * _MIB)

_VERSION = 1
_MAX_MANIFEST = 16 * _MIB
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_PERSONAL = re.compile(r"personal/[0-9]{4,5}\.zip\.age", re.ASCII)


def profile_name(profile_hash: bytes) -> str:
    """Where a profile stands."""
    return f"profiles/{profile_hash.hex()}.json"


def achievement_name(code: str, version: str) -> str:
    """Where a version of an achievement stands."""
    return f"achievements/{code}/{version}.json"


def image_name(code: str, version: str, kind: str) -> str:
    """Where a badge's picture stands."""
    return f"images/{code}/{version}.{kind}"


def status_name(multibase: str) -> str:
    """Where the last status list of a key stands."""
    return f"status/{multibase}.json"


def part_name(number: int) -> str:
    """Where a personal part stands, counted from 1."""
    return f"personal/{number:04}.zip.age"


# ---------------------------------------------------------------- the manifest


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file of the archive."""

    name: str
    size: int
    sha256: bytes

    @classmethod
    def of(cls, name: str, data: bytes) -> "ListedFile":
        """Measure a file."""
        return cls(name, len(data), hashlib.sha256(data).digest())

    def check(self, data: bytes) -> None:
        """Compare a file's bytes. Raises MalformedError naming the file."""
        if ListedFile.of(self.name, data) != self:
            raise MalformedError(f"{self.name} is damaged: not what the manifest lists")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is in the archive, and for whom the personal part is sealed."""

    issuer: IssuerReference
    custodians: tuple[Custodian, ...]
    credentials: int
    files: tuple[ListedFile, ...]

    def __post_init__(self) -> None:
        if len({file.name for file in self.files}) != len(self.files):
            raise MalformedError("manifest: one file twice")

    @property
    def by_name(self) -> Mapping[str, ListedFile]:
        """The files by their names."""
        return {file.name: file for file in self.files}

    @property
    def parts(self) -> tuple[ListedFile, ...]:
        """The personal parts, in order."""
        return tuple(file for file in self.files if _PERSONAL.fullmatch(file.name))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Manifest":
        """Read the file. Raises MalformedError."""
        document = canonical.parse_object(data, max_bytes=_MAX_MANIFEST)
        _check_members(
            document, {"version", "issuer", "custodians", "credentials", "files"}
        )
        if document["version"] != _VERSION:
            raise MalformedError(f"manifest.version: {_VERSION} expected")
        files = document["files"]
        if not isinstance(files, list):
            raise MalformedError("manifest.files: not a list")
        return cls(
            issuer=IssuerReference.from_text(_text(document["issuer"])),
            custodians=read_custodians(document["custodians"]),
            credentials=_number(document["credentials"]),
            files=tuple(_file(entry) for entry in files),
        )

    def encode(self) -> bytes:
        """Write the file, RFC 8785."""
        return canonical.encode(
            {
                "version": _VERSION,
                "issuer": self.issuer.text,
                "custodians": [each.to_json() for each in self.custodians],
                "credentials": self.credentials,
                "files": [
                    {"name": f.name, "size": f.size, "sha256": f.sha256.hex()}
                    for f in self.files
                ],
            }
        )


def _file(value: Json) -> ListedFile:
    entry = _check_members(value, {"name", "size", "sha256"})
    sha256 = _text(entry["sha256"])
    if not _SHA256.fullmatch(sha256):
        raise MalformedError("manifest.files.sha256: 64 lower-case hex digits")
    return ListedFile(
        _text(entry["name"]), _number(entry["size"]), bytes.fromhex(sha256)
    )


# ---------------------------------------------------------------- the personal part


@dataclass(frozen=True, slots=True)
class PersonalEntry:
    """What the ledger knew of a credential beside its signed bytes."""

    credential_id: UUID
    achievement: str
    version: str
    email: str
    name: str | None
    awarded_on: date
    issued_at: datetime
    withdrawn_at: datetime | None
    withdrawal_reason: str | None

    @property
    def file(self) -> str:
        """Where the credential with both proofs stands, in the part."""
        return f"credentials/{self.credential_id}.json"

    def to_json(self) -> dict[str, Json]:
        """Write the members."""
        return {
            "id": str(self.credential_id),
            "achievement": self.achievement,
            "version": self.version,
            "email": self.email,
            "name": self.name,
            "awardedOn": self.awarded_on.isoformat(),
            "issuedAt": self.issued_at.isoformat(),
            "withdrawnAt": None
            if self.withdrawn_at is None
            else self.withdrawn_at.isoformat(),
            "withdrawalReason": self.withdrawal_reason,
        }

    @classmethod
    def from_json(cls, value: Json) -> "PersonalEntry":
        """Read the closed set of members. Raises MalformedError."""
        entry = _check_members(value, set(_ENTRY))
        try:
            return cls(
                credential_id=UUID(_text(entry["id"])),
                achievement=_text(entry["achievement"]),
                version=_text(entry["version"]),
                email=_text(entry["email"]),
                name=_optional(entry["name"]),
                awarded_on=date.fromisoformat(_text(entry["awardedOn"])),
                issued_at=_instant(_text(entry["issuedAt"])),
                withdrawn_at=_optional_instant(entry["withdrawnAt"]),
                withdrawal_reason=_optional(entry["withdrawalReason"]),
            )
        except ValueError as error:
            raise MalformedError("personal part: an id or a time is none") from error


_ENTRY = (
    "id", "achievement", "version", "email", "name", "awardedOn", "issuedAt", "withdrawnAt",
    "withdrawalReason",
)  # fmt: skip


def encode_personal_index(entries: list[PersonalEntry]) -> bytes:
    """Write the index of a part."""
    return canonical.encode(
        {
            "version": _VERSION,
            "credentials": [entry.to_json() for entry in entries],
        }
    )


def read_personal_index(data: bytes) -> tuple[PersonalEntry, ...]:
    """Read the index of a part. Raises MalformedError."""
    document = canonical.parse_object(data, max_bytes=PART.entry)
    _check_members(document, {"version", "credentials"})
    entries = document["credentials"]
    if document["version"] != _VERSION or not isinstance(entries, list):
        raise MalformedError("personal part: its index is not that of version 1")
    return tuple(PersonalEntry.from_json(entry) for entry in entries)


# ---------------------------------------------------------------- JSON


def _check_members(value: Json, names: set[str]) -> dict[str, Json]:
    if not isinstance(value, dict) or value.keys() != names:
        raise MalformedError(
            f"an object with exactly {', '.join(sorted(names))} is expected"
        )
    return value


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise MalformedError("a text is expected")
    return value


def _optional(value: Json) -> str | None:
    return None if value is None else _text(value)


def _number(value: Json) -> int:
    if type(value) is not int or value < 0:
        raise MalformedError("a number is expected")
    return value


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise MalformedError("a time without a time zone")
    return instant


def _optional_instant(value: Json) -> datetime | None:
    return None if value is None else _instant(_text(value))
