"""
The backup of issuers' identities: one encrypted file that outlives the server.

    {"version": 1, "kdf": {"name": "scrypt", "n": 131072, "r": 8, "p": 1, "salt": "<hex>"},
     "cipher": {"name": "AES-256-GCM", "nonce": "<hex>"}, "ciphertext": "<hex>"}

The plaintext is `{"version": 1, "issuers": [...]}`, RFC 8785. Everything beside the ciphertext
is authenticated with it. The recovery key of an issuer stands here and nowhere else.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.core.canonical import Json, encode, parse_object
from ledger.errors import KeystoreError, MalformedError

MIN_PASSPHRASE = 12

_VERSION = 1
_SCRYPT_N = 1 << 17  # 128 MB and about half a second: OWASP's figure for scrypt
_SCRYPT_R = 8
_MAX_FILE_BYTES = 64_000_000
_MAX_PLAIN_BYTES = 32_000_000


@dataclass(frozen=True, slots=True)
class BackupEntry:
    """All that makes an issuer: what its id was made from, and its private keys by role.

    `next_status_block` is the first block of status indexes that was never handed out, so
    that a restored ledger cannot hand one out twice.
    """

    organisation_code: str
    organisation_name: str
    chain_id: int
    registry: str
    issuer_id: bytes
    profile: bytes
    salt: bytes
    recovery_commitment: bytes
    created_at: datetime
    next_status_block: int
    secrets: Mapping[str, Sequence[bytes]] = field(repr=False)


def encode_backup(
    entries: Sequence[BackupEntry], passphrase: str, entropy: Callable[[int], bytes]
) -> bytes:
    """Encrypt entries under a passphrase. Raises KeystoreError if it is too short."""
    if len(passphrase) < MIN_PASSPHRASE:
        raise KeystoreError(
            f"a backup passphrase needs {MIN_PASSPHRASE} characters or more"
        )
    plain = encode(
        {"version": _VERSION, "issuers": [_entry_to_json(e) for e in entries]}
    )
    salt, nonce = entropy(16), entropy(12)
    header = _header(salt, nonce)
    cipher = AESGCM(_stretch(passphrase, salt))
    sealed = cipher.encrypt(nonce, plain, encode(header))
    return encode({**header, "ciphertext": sealed.hex()}) + b"\n"


def decode_backup(data: bytes, passphrase: str) -> tuple[BackupEntry, ...]:
    """Read a backup. Raises MalformedError, or KeystoreError for a wrong passphrase."""
    file = parse_object(data, max_bytes=_MAX_FILE_BYTES)
    if file.get("version") != _VERSION:
        raise MalformedError(f"a backup of version {_VERSION} is expected")
    salt = _hex(_object(file, "kdf"), "salt", 16)
    nonce = _hex(_object(file, "cipher"), "nonce", 12)
    sealed = _hex(file, "ciphertext")
    header = _header(salt, nonce)
    # One encoding: also the cost is ours, so that a file cannot ask for gigabytes of memory.
    if file != {**header, "ciphertext": sealed.hex()}:
        raise MalformedError("the backup's header is not that of version 1")
    try:
        plain = AESGCM(_stretch(passphrase, salt)).decrypt(
            nonce, sealed, encode(header)
        )
    except InvalidTag as error:
        raise KeystoreError(
            "the backup does not open: wrong passphrase, or damaged"
        ) from error
    return _entries(plain)


def _header(salt: bytes, nonce: bytes) -> dict[str, Json]:
    return {
        "version": _VERSION,
        "kdf": {
            "name": "scrypt",
            "n": _SCRYPT_N,
            "r": _SCRYPT_R,
            "p": 1,
            "salt": salt.hex(),
        },
        "cipher": {"name": "AES-256-GCM", "nonce": nonce.hex()},
    }


def _stretch(passphrase: str, salt: bytes) -> bytes:
    # OpenSSL refuses what needs more than maxmem; scrypt takes 128 * n * r bytes.
    memory = 130 * _SCRYPT_N * _SCRYPT_R
    return hashlib.scrypt(
        passphrase.encode(),
        salt=salt,
        n=_SCRYPT_N,
        r=_SCRYPT_R,
        p=1,
        maxmem=memory,
        dklen=32,
    )


def _entry_to_json(entry: BackupEntry) -> Json:
    return {
        "organisationCode": entry.organisation_code,
        "organisationName": entry.organisation_name,
        "chainId": entry.chain_id,
        "registry": entry.registry,
        "issuerId": entry.issuer_id.hex(),
        "profile": entry.profile.hex(),
        "salt": entry.salt.hex(),
        "recoveryCommitment": entry.recovery_commitment.hex(),
        "createdAt": entry.created_at.astimezone(UTC).isoformat(),
        "nextStatusBlock": entry.next_status_block,
        "secrets": {
            role: [secret.hex() for secret in held]
            for role, held in entry.secrets.items()
        },
    }


def _entries(plain: bytes) -> tuple[BackupEntry, ...]:
    document = parse_object(plain, max_bytes=_MAX_PLAIN_BYTES)
    issuers = document.get("issuers")
    if document.get("version") != _VERSION or not isinstance(issuers, list):
        raise MalformedError("the backup's content is not that of version 1")
    return tuple(_entry_from_json(value) for value in issuers)


def _entry_from_json(value: Json) -> BackupEntry:
    if not isinstance(value, dict):
        raise MalformedError("an issuer in the backup is not an object")
    entry = BackupEntry(
        organisation_code=_text(value, "organisationCode"),
        organisation_name=_text(value, "organisationName"),
        chain_id=_number(value, "chainId"),
        registry=_text(value, "registry"),
        issuer_id=_hex(value, "issuerId", 32),
        profile=_hex(value, "profile"),
        salt=_hex(value, "salt", 32),
        recovery_commitment=_hex(value, "recoveryCommitment", 32),
        created_at=_instant(value, "createdAt"),
        next_status_block=_number(value, "nextStatusBlock"),
        secrets={
            role: _secrets(role, held)
            for role, held in _object(value, "secrets").items()
        },
    )
    if value != _entry_to_json(entry):
        raise MalformedError(
            "an issuer in the backup has members that version 1 does not know"
        )
    return entry


def _secrets(role: str, held: Json) -> list[bytes]:
    if not isinstance(held, list):
        raise MalformedError(f"backup: the secrets of role {role} are not a list")
    return [_hex({role: secret}, role, 32) for secret in held]


def _object(value: Mapping[str, Json], name: str) -> dict[str, Json]:
    member = value.get(name)
    if not isinstance(member, dict):
        raise MalformedError(f"backup: {name} is not an object")
    return member


def _text(value: Mapping[str, Json], name: str) -> str:
    member = value.get(name)
    if not isinstance(member, str):
        raise MalformedError(f"backup: {name} is not a text")
    return member


def _number(value: Mapping[str, Json], name: str) -> int:
    member = value.get(name)
    if not isinstance(member, int) or isinstance(member, bool) or member < 0:
        raise MalformedError(f"backup: {name} is not a number")
    return member


def _instant(value: Mapping[str, Json], name: str) -> datetime:
    try:
        instant = datetime.fromisoformat(_text(value, name))
    except ValueError as error:
        raise MalformedError(f"backup: {name} is not a time") from error
    if instant.tzinfo is None:
        raise MalformedError(f"backup: {name} has no time zone")
    return instant


def _hex(value: Mapping[str, Json], name: str, size: int | None = None) -> bytes:
    text = _text(value, name)
    try:
        data = bytes.fromhex(text)
    except ValueError as error:
        raise MalformedError(f"backup: {name} is not hexadecimal") from error
    if data.hex() != text or (size is not None and len(data) != size):
        raise MalformedError(
            f"backup: {name} is not {size or 'some'} bytes in hexadecimal"
        )
    return data
