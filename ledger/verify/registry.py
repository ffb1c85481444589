"""
What a verifier asks the two registries, answered by a node or by evidence.

A node is asked by calls, encoded by hand: docs/spec/contracts.md. Arguments and answers are
words of 32 bytes, big-endian. An answer of another length, or a number too large for its
type, is no answer: ChainUnavailable. Evidence was proved before: docs/spec/evidence.md.
"""

from dataclasses import dataclass
from typing import Protocol

from ledger.core import registries
from ledger.core.evidence import (
    AnchorSlot,
    Endorsement,
    Evidence,
    IssuerState,
    Questions,
    RegistryFacts,
)
from ledger.core.issuer import IssuerReference, KeyWindow
from ledger.errors import ChainUnavailable
from ledger.verify.rpc import Block
from ledger.verify.witnesses import View

_WORD = 32


class RegistryView(Protocol):
    """Both registries at one block. Every method raises ChainUnavailable."""

    @property
    def block(self) -> Block:
        """The block that all answers are of."""
        ...

    def anchor(self, root: bytes) -> AnchorSlot | None:
        """When a root was anchored; None if it never was."""
        ...

    def issuer(self, issuer: IssuerReference, key_id: bytes, index: int) -> IssuerState:
        """An issuer, one key and one status bit."""
        ...

    def profile_time(self, issuer: IssuerReference, profile_hash: bytes) -> int | None:
        """When a profile was recorded; None if it never was."""
        ...

    def endorsement(
        self,
        accreditor: IssuerReference,
        subject: IssuerReference,
        profile_hash: bytes,
    ) -> Endorsement | None:
        """An endorsement; None if it was never given."""
        ...


@dataclass(frozen=True, slots=True)
class CalledRegistries:
    """Both registries as nodes answer calls of their views."""

    view: View

    @property
    def block(self) -> Block:
        """The block at which the calls are made."""
        return self.view.block

    def anchor(self, root: bytes) -> AnchorSlot | None:
        """Ask `anchoredAt`. Raises ChainUnavailable."""
        words = _Words(
            self.view.ask_anchors(registries.ANCHORED_AT_SELECTOR + root), count=2
        )
        time, block_number = words.number(64), words.number(64)
        return AnchorSlot(time, block_number) if time else None

    def issuer(self, issuer: IssuerReference, key_id: bytes, index: int) -> IssuerState:
        """Ask `check`: issuer, key and status bit in one call. Raises ChainUnavailable."""
        arguments = issuer.issuer_id + key_id + index.to_bytes(_WORD, "big")
        words = _Words(
            self.view.ask_issuers(registries.CHECK_SELECTOR + arguments), count=10
        )
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

    def profile_time(self, issuer: IssuerReference, profile_hash: bytes) -> int | None:
        """Ask `profileRecordedAt`. Raises ChainUnavailable."""
        call = registries.PROFILE_RECORDED_AT_SELECTOR + issuer.issuer_id + profile_hash
        return _Words(self.view.ask_issuers(call), count=1).number(40) or None

    def endorsement(
        self,
        accreditor: IssuerReference,
        subject: IssuerReference,
        profile_hash: bytes,
    ) -> Endorsement | None:
        """Ask `endorsement`. Raises ChainUnavailable."""
        arguments = accreditor.issuer_id + subject.issuer_id + profile_hash
        words = _Words(
            self.view.ask_issuers(registries.ENDORSEMENT_SELECTOR + arguments),
            count=3,
        )
        opened = words.number(40)
        until = words.number(40) or None
        withdrawn_since = words.number(40) or None
        return Endorsement(opened, until, withdrawn_since) if opened else None


@dataclass(frozen=True, slots=True)
class ProvenRegistries:
    """Both registries as evidence proves them, for the one credential that it came with."""

    block: Block
    facts: RegistryFacts

    @classmethod
    def from_evidence(
        cls, evidence: Evidence, questions: Questions
    ) -> "ProvenRegistries":
        """Prove the answers. Raises MalformedError and EvidenceFault."""
        facts = evidence.prove(questions)
        header = evidence.block
        return cls(Block(header.number, header.hash, header.time), facts)

    def anchor(self, root: bytes) -> AnchorSlot | None:
        """The proven slot of the credential's sealed root."""
        return self.facts.anchor

    def issuer(
        self,
        issuer: IssuerReference,
        key_id: bytes,
        index: int,
    ) -> IssuerState:
        """The proven state of the credential's issuer, key and status bit."""
        return self.facts.issuer

    def profile_time(
        self,
        issuer: IssuerReference,
        profile_hash: bytes,
    ) -> int | None:
        """When the profile in the file was recorded."""
        return self.facts.profile_recorded_at

    def endorsement(
        self,
        accreditor: IssuerReference,
        subject: IssuerReference,
        profile_hash: bytes,
    ) -> Endorsement | None:
        """A proven endorsement; None also for an accreditor that was not asked about."""
        return self.facts.endorsements.get(accreditor.issuer_id)

    def speaks_of(self, accreditor: IssuerReference) -> bool:
        """Tell whether it is proved that an accreditor endorsed, or did not."""
        return accreditor.issuer_id in self.facts.endorsements


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
