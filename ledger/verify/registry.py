"""
What a verifier asks the two registries, encoded by hand: docs/spec/contracts.md.

Arguments and answers are words of 32 bytes, big-endian. An answer of another length, or a
number too large for its type, is no answer: ChainUnavailable.
"""

from dataclasses import dataclass

from ledger.core import registries
from ledger.core.issuer import IssuerReference, KeyWindow
from ledger.errors import ChainUnavailable
from ledger.verify.witnesses import View

_WORD = 32


@dataclass(frozen=True, slots=True)
class AnchorSlot:
    """When a sealed root was anchored, in the chain's own words."""

    time: int
    block_number: int


@dataclass(frozen=True, slots=True)
class IssuerState:
    """The answer of `check`: an issuer, one signing key of it, one status bit."""

    registered_at: int | None  #: None: there is no such issuer
    closed_at: int | None
    closed_for_good: bool  #: closed, and no successor: nobody can withdraw any more
    window: KeyWindow | None  #: None: never a signing key of this issuer
    revoked: bool


@dataclass(frozen=True, slots=True)
class Endorsement:
    """An accreditor's word for one issuer and one profile."""

    opened: int
    until: int | None
    withdrawn_since: int | None

    def covers(self, t: int) -> bool:
        """Tell whether it stood at T: from <= T < min(until, withdrawnSince)."""
        bounds = (self.until, self.withdrawn_since)
        return self.opened <= t and all(bound is None or t < bound for bound in bounds)


def read_anchor(view: View, root: bytes) -> AnchorSlot | None:
    """Ask when a root was anchored; None if it never was. Raises ChainUnavailable."""
    words = _Words(view.ask_anchors(registries.ANCHORED_AT_SELECTOR + root), count=2)
    time, block_number = words.number(64), words.number(64)
    return AnchorSlot(time, block_number) if time else None


def read_issuer(
    view: View, issuer: IssuerReference, key_id: bytes, index: int
) -> IssuerState:
    """Ask for issuer, key and status bit in one call. Raises ChainUnavailable."""
    arguments = issuer.issuer_id + key_id + index.to_bytes(_WORD, "big")
    words = _Words(view.ask_issuers(registries.CHECK_SELECTOR + arguments), count=10)
    registered_at = words.number(40) or None
    closed_at = words.number(40) or None
    closed_for_good = words.flag()
    words.skip(2)  # successor and current profile: neither decides anything here
    opened = words.number(40)
    until = words.number(40) or None
    compromised_since = words.number(40) or None
    role = words.number(8)
    revoked = words.flag()
    window = None
    if opened and role == registries.SIGNING_ROLE:
        window = KeyWindow(opened, until, compromised_since, closed_at)
    return IssuerState(registered_at, closed_at, closed_for_good, window, revoked)


def read_profile_time(
    view: View, issuer: IssuerReference, profile_hash: bytes
) -> int | None:
    """Ask when a profile was recorded; None if it never was. Raises ChainUnavailable."""
    call = registries.PROFILE_RECORDED_AT_SELECTOR + issuer.issuer_id + profile_hash
    return _Words(view.ask_issuers(call), count=1).number(40) or None


def read_endorsement(
    view: View,
    accreditor: IssuerReference,
    subject: IssuerReference,
    profile_hash: bytes,
) -> Endorsement | None:
    """Ask for an endorsement; None if it was never given. Raises ChainUnavailable."""
    arguments = accreditor.issuer_id + subject.issuer_id + profile_hash
    words = _Words(
        view.ask_issuers(registries.ENDORSEMENT_SELECTOR + arguments),
        count=3,
    )
    opened = words.number(40)
    until = words.number(40) or None
    withdrawn_since = words.number(40) or None
    return Endorsement(opened, until, withdrawn_since) if opened else None


class _Words:
    """An answer taken apart word by word."""

    def __init__(self, answer: bytes, *, count: int) -> None:
        if len(answer) != count * _WORD:
            raise ChainUnavailable(
                f"a registry's answer has {len(answer)} bytes instead of {count * _WORD}"
            )
        self._answer = answer
        self._next = 0

    def number(self, bits: int) -> int:
        value = int.from_bytes(self._answer[self._next : self._next + _WORD], "big")
        self._next += _WORD
        if value >> bits:
            raise ChainUnavailable("a registry's answer holds a number out of range")
        return value

    def flag(self) -> bool:
        return self.number(1) == 1

    def skip(self, words: int) -> None:
        self._next += words * _WORD
