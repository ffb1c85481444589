"""The master key: everything private that the ledger stores is sealed under it."""

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ledger.errors import KeystoreError
from ledger.keystore.secret_file import read_secret_file, write_secret_file

# A sealed secret: version (1 byte) ++ nonce (12) ++ AES-256-GCM ciphertext with tag (16).
_VERSION = b"\x01"
_NONCE_BYTES = 12
_TAG_BYTES = 16


@dataclass(frozen=True, slots=True)
class MasterKey:
    """32 bytes that open everything else; `repr` shows none of them."""

    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.key) != 32:
            raise KeystoreError("a master key has 32 bytes")

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read it from a file of mode 0600 or from a pipe. Raises KeystoreError."""
        return cls(read_secret_file(path))

    @classmethod
    def create_file(cls, path: Path) -> Self:
        """Make a new one and write it to a new file of mode 0600. Raises KeystoreError."""
        master = cls(secrets.token_bytes(32))
        write_secret_file(path, master.key)
        return master

    def seal(self, plaintext: bytes, context: bytes) -> bytes:
        """Encrypt and bind to a context, so that one secret cannot be put in another's place."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        cipher = AESGCM(self.derive(b"seal"))
        return _VERSION + nonce + cipher.encrypt(nonce, plaintext, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Decrypt what `seal` made under the same key and context. Raises KeystoreError."""
        if len(sealed) < 1 + _NONCE_BYTES + _TAG_BYTES or sealed[:1] != _VERSION:
            raise KeystoreError("this is not a sealed secret of version 1")
        nonce, ciphertext = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return AESGCM(self.derive(b"seal")).decrypt(nonce, ciphertext, context)
        except InvalidTag as error:
            raise KeystoreError(
                "a sealed key does not open: another master key, or the sealed bytes are damaged"
            ) from error

    def derive(self, purpose: bytes) -> bytes:
        """A key of its own for each purpose (HKDF-SHA256, RFC 5869)."""
        info = b"perdure/" + purpose
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(
            self.key
        )
