"""
The issuer as the chain knows it: how it is named, described, and when a key was its own.

An issuer is named "eip155:<chain id>:<registry address>:<issuer id>", all lower case.
"""

import hashlib
import re
from dataclasses import dataclass

from ledger.core import canonical
from ledger.core.canonical import Json
from ledger.core.keys import keccak256
from ledger.errors import MalformedError

MAX_NAME = 200
MAX_TEXT = 10_000
MAX_URL = 2_000
MAX_DIDS = 10

_REFERENCE = re.compile(
    r"eip155:([1-9][0-9]{0,15}):(0x[0-9a-f]{40}):0x([0-9a-f]{64})", re.ASCII
)
_ADDRESS = re.compile(r"0x[0-9a-f]{40}", re.ASCII)
_PCHAR = "A-Za-z0-9._~!$&'()*+,;=:@/-"
_ESCAPED = "%[0-9A-Fa-f]{2}"
# Possessive: what may follow is in none of the classes, so nothing is ever given back.
_HTTP_URL = re.compile(
    r"https?://[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(?::[0-9]{1,5})?"
    rf"(?:/(?:[{_PCHAR}]++|{_ESCAPED})*+)?"
    rf"(?:\?(?:[?{_PCHAR}]++|{_ESCAPED})*+)?(?:\#(?:[?{_PCHAR}]++|{_ESCAPED})*+)?",
    re.ASCII,
)
_EMAIL = re.compile(r"[^\s@<>(),;:\"\\]{1,64}@[^\s@<>(),;:\"\\]{1,189}")
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
_DID_WEB = re.compile(
    r"did:web:[a-z0-9-]+(?:\.[a-z0-9-]+)*(?:%3A[0-9]{1,5})?"
    r"(?::[A-Za-z0-9._~-]+)*",
    re.ASCII,
)

_ISSUER_ID_TAG = keccak256(b"Perdure issuer v1")


def is_http_url(text: str) -> bool:
    """Tell whether a text is an absolute http(s) URL in RFC 3986 characters."""
    return len(text) <= MAX_URL and _HTTP_URL.fullmatch(text) is not None


def is_did_web(text: str) -> bool:
    """Tell whether a text is a did:web identifier in lower-case host form."""
    return len(text) <= MAX_URL and _DID_WEB.fullmatch(text) is not None


def is_email(text: str) -> bool:
    """Tell whether a text has the shape of one plain e-mail address."""
    return _EMAIL.fullmatch(text) is not None


def _check_chain_id(chain_id: int) -> None:
    if not 0 < chain_id < 2**53:
        raise MalformedError("a chain id lies between 1 and 2^53 - 1")


def _check_address(address: str, what: str) -> None:
    if not _ADDRESS.fullmatch(address):
        raise MalformedError(f"{what}: an address is 0x and 40 lower-case hex digits")


def _check_hash(value: bytes, what: str) -> None:
    if len(value) != 32:
        raise MalformedError(f"{what}: 32 bytes expected")


@dataclass(frozen=True, slots=True)
class IssuerReference:
    """The whole name of an issuer: its home chain, the registry there, its id in it."""

    chain_id: int
    registry: str
    issuer_id: bytes

    def __post_init__(self) -> None:
        _check_chain_id(self.chain_id)
        _check_address(self.registry, "registry")
        _check_hash(self.issuer_id, "issuer id")

    @classmethod
    def from_text(cls, text: str) -> "IssuerReference":
        """Read "eip155:<chain id>:<registry>:<issuer id>". Raises MalformedError."""
        found = _REFERENCE.fullmatch(text)
        if not found:
            raise MalformedError("an issuer is named eip155:<chain id>:0x…:0x…")
        chain_id, registry, issuer_id = found.groups()
        return cls(int(chain_id), registry, bytes.fromhex(issuer_id))

    @property
    def text(self) -> str:
        """The one text of this reference, as credentials and trust lists carry it."""
        return f"eip155:{self.chain_id}:{self.registry}:0x{self.issuer_id.hex()}"


def recovery_commitment(address: str) -> bytes:
    """Hash that commits to a recovery key: keccak256(abi.encode(address))."""
    _check_address(address, "recovery key")
    return keccak256(_word(address))


def issuer_id(  # noqa: PLR0917 - the order of idOf in the contract
    chain_id: int,
    controller: str,
    recovery_commitment: bytes,
    profile_hash: bytes,
    salt: bytes,
) -> bytes:
    """
    Compute what IssuerRegistry.idOf answers on that chain. Raises MalformedError.

    keccak256(abi.encode(keccak256("Perdure issuer v1"), chain id, controller,
    recovery commitment, profile hash, salt)): six words, nothing packed.
    """
    _check_chain_id(chain_id)
    _check_address(controller, "controller")
    _check_hash(recovery_commitment, "recovery commitment")
    _check_hash(profile_hash, "profile hash")
    _check_hash(salt, "salt")
    words = (
        _ISSUER_ID_TAG,
        chain_id.to_bytes(32, "big"),
        _word(controller),
        recovery_commitment,
        profile_hash,
        salt,
    )
    return keccak256(b"".join(words))


def _word(address: str) -> bytes:
    return bytes(12) + bytes.fromhex(address.removeprefix("0x"))


@dataclass(frozen=True, slots=True)
class IssuerProfile:
    """
    The public description of an issuer, the document whose hash accreditors endorse.

    {"name":"…","url":"https://…","email":"…","description":"…","country":"PT",
     "did":["did:web:…"]}: name and url always, the others where they are known.
    """

    name: str
    url: str
    email: str | None = None
    description: str | None = None
    country: str | None = None
    did: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_line("profile.name", self.name)
        if not is_http_url(self.url):
            raise MalformedError("profile.url: not an http or https URL")
        if self.email is not None and not is_email(self.email):
            raise MalformedError("profile.email: not an e-mail address")
        if self.description is not None:
            _check_text("profile.description", self.description)
        if self.country is not None and not _COUNTRY.fullmatch(self.country):
            raise MalformedError("profile.country: two capital letters (ISO 3166)")
        if len(self.did) > MAX_DIDS or len(set(self.did)) != len(self.did):
            raise MalformedError(f"profile.did: at most {MAX_DIDS}, each once")
        if not all(is_did_web(did) for did in self.did):
            raise MalformedError("profile.did: only did:web identifiers")
        # Control characters and the like: a profile without canonical bytes has no hash.
        canonical.encode(self.to_json())

    @classmethod
    def from_json(cls, value: Json) -> "IssuerProfile":
        """Read the closed set of members. Raises MalformedError."""
        if not isinstance(value, dict):
            raise MalformedError("profile: not an object")
        for required in ("name", "url"):
            if required not in value:
                raise MalformedError(f"profile.{required}: missing")
        texts: dict[str, str] = {}
        dids: list[str] = []
        for member, content in value.items():
            if member in {"name", "url", "email", "description", "country"}:
                texts[member] = _string(f"profile.{member}", content)
            elif member == "did":
                if not isinstance(content, list) or not content:
                    raise MalformedError("profile.did: a list with at least one DID")
                dids = [_string("profile.did", did) for did in content]
            else:
                raise MalformedError(f"profile.{member[:40]}: unknown member")
        return cls(**texts, did=tuple(dids))

    def to_json(self) -> dict[str, Json]:
        """Write the document: what is not known is left out, never null."""
        document: dict[str, Json] = {"name": self.name, "url": self.url}
        if self.email is not None:
            document["email"] = self.email
        if self.description is not None:
            document["description"] = self.description
        if self.country is not None:
            document["country"] = self.country
        if self.did:
            document["did"] = list(self.did)
        return document

    @property
    def hash(self) -> bytes:
        """SHA-256 of the RFC 8785 bytes: the profile hash in the IssuerRegistry."""
        return hashlib.sha256(canonical.encode(self.to_json())).digest()


def _string(where: str, value: Json) -> str:
    if not isinstance(value, str):
        raise MalformedError(f"{where}: not a string")
    return value


def _check_line(where: str, text: str) -> None:
    if not text.strip() or text != text.strip():
        raise MalformedError(f"{where}: empty, or with blanks around it")
    if len(text) > MAX_NAME:
        raise MalformedError(f"{where}: longer than {MAX_NAME} characters")
    if any(character in text for character in "\t\n\r"):
        raise MalformedError(f"{where}: more than one line")


def _check_text(where: str, text: str) -> None:
    if not text.strip():
        raise MalformedError(f"{where}: empty")
    if len(text) > MAX_TEXT:
        raise MalformedError(f"{where}: longer than {MAX_TEXT} characters")


@dataclass(frozen=True, slots=True)
class KeyWindow:
    """
    When a signing key was its issuer's own, in chain seconds; None is "never".

    The window is from <= T < min(until, compromisedSince, closedAt).
    """

    opened: int
    until: int | None = None
    compromised_since: int | None = None
    closed_at: int | None = None

    def covers(self, t: int) -> bool:
        """Tell whether what existed at T was signed while the window was open."""
        bounds = (self.until, self.compromised_since, self.closed_at)
        return self.opened <= t and all(bound is None or t < bound for bound in bounds)
