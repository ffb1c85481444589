"""
The code that is printed on a certificate, to be typed by a person.

    1DDZ-BJAD-DH4X      eleven letters of SHA-256(0x04 || id), one that checks them

It is made from the credential's id, so that the same code leads to the same credential at any
ledger that has it, also at one that takes over from another. Of 55 bits each is random, since
the id is. See docs/spec/files.md, "PDF".
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from ledger.errors import MalformedError

#: Crockford's base 32: no I, L and O, which look like others, and no U.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 12

_PREFIX = b"\x04"
_GROUP = 4
_BITS = 5
# What people write instead: I and L for 1, O for 0.
_TYPED = str.maketrans("ILO", "110", " -")
_DIGITS = {letter: digit for digit, letter in enumerate(ALPHABET)}
_SHIFTS = range(64 - _BITS, 64 - _BITS * LENGTH, -_BITS)
_REDUCE = 0b100101  # x^5 + x^2 + 1: the field with 32 elements
_TIMES_X = tuple(n << 1 if n < 16 else n << 1 ^ _REDUCE for n in range(32))


@dataclass(frozen=True, slots=True)
class ShortCode:
    """Twelve letters, the last of which fits the others. Raises MalformedError."""

    letters: str

    def __post_init__(self) -> None:
        digits = [_DIGITS.get(letter, -1) for letter in self.letters]
        if len(digits) != LENGTH or -1 in digits:
            raise MalformedError(
                f"a code has {LENGTH} letters, of {ALPHABET[:10]} and {ALPHABET[10:]}"
            )
        if _check_digit(digits[:-1]) != digits[-1]:
            raise MalformedError("the code has a slip: one letter does not fit")

    @classmethod
    def of(cls, credential_id: UUID) -> "ShortCode":
        """The code of a credential."""
        digest = hashlib.sha256(_PREFIX + credential_id.bytes).digest()
        number = int.from_bytes(digest[:8])
        digits = [number >> shift & 31 for shift in _SHIFTS]
        digits.append(_check_digit(digits))
        return cls("".join([ALPHABET[digit] for digit in digits]))

    @classmethod
    def from_typed(cls, text: str) -> "ShortCode":
        """Read what somebody typed: small letters, dashes and blanks are free. Raises MalformedError."""
        if len(text) > 4 * LENGTH or not text.isascii():
            raise MalformedError(f"a code has {LENGTH} letters")
        return cls(text.upper().translate(_TYPED))

    @property
    def text(self) -> str:
        """The code as it is printed, in groups of four."""
        return "-".join(
            self.letters[at : at + _GROUP] for at in range(0, LENGTH, _GROUP)
        )


def _check_digit(digits: Iterable[int]) -> int:
    """A polynomial over the field with 32 elements: finds any one slip and any two swapped letters."""
    check = 0
    for digit in digits:
        check = _TIMES_X[check ^ digit]
    return check
