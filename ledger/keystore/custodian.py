"""
What is personal, sealed for named custodians with age (age-encryption.org/v1).

The one importer of pyrage, which gives it types. X25519 recipients only: what is sealed for a
decade should need no plug-in to be opened.
"""

from collections.abc import Sequence
from typing import Final

import pyrage

from ledger.errors import KeystoreError, MalformedError

#: More than an identity file ever holds.
MAX_IDENTITY_BYTES: Final = 65_536

_PREFIX = "AGE-SECRET-KEY-1"


def seal(data: bytes, recipients: Sequence[str]) -> bytes:
    """Encrypt for all of these recipients; each can open it alone. Raises MalformedError."""
    return bytes(pyrage.encrypt(data, [_recipient(text) for text in recipients]))


def check_recipient(text: str) -> None:
    """Refuse what is not an age recipient (age1…), a mistyped one too. Raises MalformedError."""
    _recipient(text)


def unseal(data: bytes, identities: Sequence["Identity"]) -> bytes:
    """Decrypt with whichever identity fits. Raises KeystoreError if none does."""
    try:
        return bytes(pyrage.decrypt(data, [each.held for each in identities]))
    except pyrage.DecryptError as error:
        raise KeystoreError(
            "none of these identities opens the personal part; it is sealed for the custodians"
            " that the archive names"
        ) from error


class Identity:
    """The private half of a custodian's recipient; never shown."""

    __slots__ = ("held",)

    def __init__(self, text: str) -> None:
        try:
            self.held = pyrage.x25519.Identity.from_str(text)
        except pyrage.IdentityError as error:
            raise MalformedError("a line of the identity file is damaged") from error

    def __repr__(self) -> str:
        return "Identity(…)"


def read_identities(data: bytes) -> tuple[Identity, ...]:
    """Read an identity file as age-keygen writes it. Raises MalformedError, quoting nothing."""
    if len(data) > MAX_IDENTITY_BYTES:
        raise MalformedError("this is no age identity file: it is too large")
    try:
        lines = data.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise MalformedError("this is no age identity file: it is not text") from error
    texts = [
        line.strip() for line in lines if not line.startswith("#") and line.strip()
    ]
    if not texts or not all(text.startswith(_PREFIX) for text in texts):
        raise MalformedError(
            f"this is no age identity file: its lines begin with {_PREFIX} or #"
        )
    return tuple(Identity(text) for text in texts)


def _recipient(text: str) -> "pyrage.x25519.Recipient":
    try:
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError as error:
        # Not quoted: somebody may have pasted the secret half.
        raise MalformedError(
            "this is no age recipient (age1...), or one of its letters is wrong"
        ) from error
