"""
Evidence: what both registries say about one credential, provable from one block hash.

    {"header": "u…", "nodes": ["u…"], "accreditors": ["0x…"]}

The header's hash is the block's, its state root leads through the nodes to two accounts and a
few slots of their storage. Who trusts the hash of that block need ask nobody else. The
nodes stand in the order in which the proofs first need them, each once, and no other: there is
one evidence for a header and a set of questions. See docs/spec/evidence.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final

from ledger.core import registries
from ledger.core.account import find_account, find_slot
from ledger.core.canonical import Json
from ledger.core.header import MAX_HEADER, BlockHeader
from ledger.core.issuer import KeyWindow
from ledger.core.keys import decode_base64url, encode_base64url, keccak256
from ledger.core.members import read_closed, read_hash, read_list
from ledger.core.mpt import HASH_SIZE, NodeMissing, Nodes
from ledger.core.registries import Packed
from ledger.errors import MalformedError, ProofError

MAX_NODES: Final = 1_024
MAX_NODE_BYTES: Final = 65_536
MAX_ACCREDITORS: Final = 16

_MEMBERS = frozenset({"header", "nodes"})
_OPTIONAL = frozenset({"accreditors"})


class Fault(StrEnum):
    """Why evidence of the right form proves nothing."""

    INCOMPLETE = "incomplete"  #: a node is missing
    SURPLUS = "surplus"  #: a node that no proof needs
    ELSEWHERE = "elsewhere"  #: of this block, but of another account or another slot
    STITCHED = "stitched"  #: of another block, or changed
    NO_REGISTRY = "no_registry"  #: no registry at its address, or one with other code


class EvidenceFault(ProofError):  # noqa: N818 - what is wrong with it
    """Well-formed evidence that does not prove the answers."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


# ---------------------------------------------------------------- what registries say


@dataclass(frozen=True, slots=True)
class AnchorSlot:
    """When a sealed root was anchored, in the chain's own words."""

    time: int
    block_number: int


@dataclass(frozen=True, slots=True)
class IssuerState:
    """An issuer, one signing key of it, one status bit."""

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


@dataclass(frozen=True, slots=True)
class RegistryFacts:
    """The answers to the questions of one credential, all at one block."""

    anchor: AnchorSlot | None  #: None: proved to be in no block up to this one
    issuer: IssuerState
    profile_recorded_at: int | None
    #: accreditor -> its endorsement, None if there is none; others were not asked about
    endorsements: Mapping[bytes, Endorsement | None]


@dataclass(frozen=True, slots=True)
class Questions:
    """What is to be proved of one credential, and at which addresses: the verifier's own."""

    anchor_registry: str
    issuer_registry: str
    sealed_root: bytes
    issuer_id: bytes
    profile_hash: bytes
    key_id: bytes
    status_index: int

    def anchor_slots(self) -> tuple[bytes, ...]:
        """The slots of AnchorRegistry, in the order of the proofs."""
        return (anchor_slot(self.sealed_root),)

    def issuer_slots(self, accreditors: Sequence[bytes] = ()) -> tuple[bytes, ...]:
        """The slots of IssuerRegistry, in the order of the proofs."""
        issuer, profile = self.issuer_id, self.profile_hash
        return (
            issuer_slot(issuer),
            profile_slot(issuer, profile),
            key_slot(issuer, self.key_id),
            status_slot(issuer, self.status_index),
            *(endorsement_slot(each, issuer, profile) for each in accreditors),
        )


# ---------------------------------------------------------------- where they say it


def anchor_slot(sealed_root: bytes) -> bytes:
    """The slot of AnchorRegistry that holds when a root was anchored."""
    return _slot(registries.ANCHORS_SLOT, sealed_root)


def issuer_slot(issuer_id: bytes) -> bytes:
    """The first slot of an issuer: registered, closed, closed for good."""
    return _slot(registries.ISSUERS_SLOT, issuer_id)


def profile_slot(issuer_id: bytes, profile_hash: bytes) -> bytes:
    """The slot that holds when a profile was recorded."""
    return _slot(registries.PROFILES_SLOT, issuer_id, profile_hash)


def key_slot(issuer_id: bytes, key_id: bytes) -> bytes:
    """The slot of a key's window and role."""
    return _slot(registries.KEYS_SLOT, issuer_id, key_id)


def status_slot(issuer_id: bytes, status_index: int) -> bytes:
    """The slot of the 256 status bits among which an index is."""
    word = (status_index >> 8).to_bytes(32, "big")
    return _slot(registries.STATUS_SLOT, issuer_id, word)


def endorsement_slot(accreditor: bytes, subject: bytes, profile_hash: bytes) -> bytes:
    """The slot of an endorsement."""
    return _slot(registries.ENDORSEMENTS_SLOT, accreditor, subject, profile_hash)


def _endorsement(word: int) -> Endorsement | None:
    """Read the slot of an endorsement; None if it was never given."""
    opened = _part(word, registries.ENDORSEMENT_FROM)
    return (
        Endorsement(
            opened,
            _part(word, registries.ENDORSEMENT_UNTIL) or None,
            _part(word, registries.ENDORSEMENT_WITHDRAWN_SINCE) or None,
        )
        if opened
        else None
    )


def _slot(mapping: int, *keys: bytes) -> bytes:
    """Where a value of a (nested) mapping stands: keccak256(key ++ slot), outermost first."""
    slot = mapping.to_bytes(32, "big")
    for key in keys:
        slot = keccak256(key + slot)
    return slot


def _part(word: int, place: Packed) -> int:
    return word >> place.shift & ((1 << place.bits) - 1)


# ---------------------------------------------------------------- evidence


@dataclass(frozen=True)
class Evidence:
    """
    A header, the nodes below it, and the accreditors whose endorsements are proved.

    MalformedError beyond the limits. What it proves says ``prove``; whether the block is one
    of the chain, nothing in here can say.
    """

    header: bytes
    nodes: tuple[bytes, ...]
    accreditors: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= len(self.header) <= MAX_HEADER:
            raise MalformedError(f"evidence.header: 1 to {MAX_HEADER} bytes")
        if not 1 <= len(self.nodes) <= MAX_NODES or not all(self.nodes):
            raise MalformedError(
                f"evidence.nodes: 1 to {MAX_NODES}, none of them empty"
            )
        if sum(map(len, self.nodes)) > MAX_NODE_BYTES:
            raise MalformedError(f"evidence.nodes: more than {MAX_NODE_BYTES} bytes")
        if len(self.accreditors) > MAX_ACCREDITORS:
            raise MalformedError(f"evidence.accreditors: more than {MAX_ACCREDITORS}")
        if any(len(accreditor) != HASH_SIZE for accreditor in self.accreditors):
            raise MalformedError("evidence.accreditors: 32 bytes each")
        if list(self.accreditors) != sorted(set(self.accreditors)):
            raise MalformedError("evidence.accreditors: ascending, each once")

    @classmethod
    def from_json(cls, value: Json, where: str = "evidence") -> "Evidence":
        """Read the closed set of members. Raises MalformedError."""
        given = read_closed(value, _MEMBERS, where, _OPTIONAL)
        accreditors: tuple[bytes, ...] = ()
        if "accreditors" in given:
            listed = _list(
                given["accreditors"], f"{where}.accreditors", MAX_ACCREDITORS
            )
            if not listed:
                raise MalformedError(f"{where}.accreditors: empty, so left out")
            accreditors = tuple(
                read_hash(each, f"{where}.accreditors") for each in listed
            )
        nodes = _list(given["nodes"], f"{where}.nodes", MAX_NODES)
        return cls(
            _bytes(given["header"], f"{where}.header", MAX_HEADER),
            tuple(
                _bytes(node, f"{where}.nodes[{at}]", MAX_NODE_BYTES)
                for at, node in enumerate(nodes)
            ),
            accreditors,
        )

    def to_json(self) -> dict[str, Json]:
        """Write the members."""
        document: dict[str, Json] = {
            "header": f"u{encode_base64url(self.header)}",
            "nodes": [f"u{encode_base64url(node)}" for node in self.nodes],
        }
        if self.accreditors:
            document["accreditors"] = [f"0x{each.hex()}" for each in self.accreditors]
        return document

    @cached_property
    def block(self) -> BlockHeader:
        """The block that everything is proved at. Raises MalformedError."""
        return BlockHeader(self.header)

    def prove(self, questions: Questions) -> RegistryFacts:
        """
        Answer from header and nodes alone.

        MalformedError for a header or node that is none, or another order of the nodes;
        EvidenceFault for all else that proves nothing.
        """
        root = self.block.state_root
        nodes = Nodes(self.nodes)
        try:
            facts = _answer(root, nodes, questions, self.accreditors)
        except NodeMissing as error:
            raise _diagnosis(self, questions) from error
        if nodes.unused:
            raise EvidenceFault(
                Fault.SURPLUS, f"{len(nodes.unused)} nodes that no proof needs"
            )
        if nodes.used != self.nodes:
            raise MalformedError("the nodes do not stand in the order of first use")
        return facts


def build_evidence(
    header: bytes,
    pool: Iterable[bytes],
    questions: Questions,
    accreditors: Iterable[bytes] = (),
) -> Evidence:
    """
    Pick from a pool of nodes what one credential needs, and prove it.

    Raises MalformedError for a header or node that is none, EvidenceFault if nodes are missing
    or a registry is not there.
    """
    listed = tuple(sorted(set(accreditors)))
    nodes = Nodes(dict.fromkeys(pool))
    try:
        _answer(BlockHeader(header).state_root, nodes, questions, listed)
    except NodeMissing as error:
        raise EvidenceFault(Fault.INCOMPLETE, str(error)) from error
    return Evidence(header, nodes.used, listed)


# ---------------------------------------------------------------- walking the proofs


def _answer(
    state_root: bytes,
    nodes: Nodes,
    questions: Questions,
    accreditors: Sequence[bytes],
) -> RegistryFacts:
    (anchor,) = _words(
        nodes,
        state_root,
        _Registry.anchors(questions.anchor_registry),
        questions.anchor_slots(),
    )
    issuer, profile, key, status, *endorsements = _words(
        nodes,
        state_root,
        _Registry.issuers(questions.issuer_registry),
        questions.issuer_slots(accreditors),
    )
    anchored_at = _part(anchor, registries.ANCHOR_TIME)
    block_number = _part(anchor, registries.ANCHOR_BLOCK_NUMBER)
    revoked = bool(status >> (questions.status_index & 255) & 1)
    return RegistryFacts(
        anchor=AnchorSlot(anchored_at, block_number) if anchored_at else None,
        issuer=_issuer_state(issuer, key, revoked),
        profile_recorded_at=profile or None,
        endorsements=dict(
            zip(accreditors, map(_endorsement, endorsements), strict=True)
        ),
    )


@dataclass(frozen=True, slots=True)
class _Registry:
    """A contract that must stand at an address, with this code."""

    name: str
    address: str
    code_hash: bytes

    @classmethod
    def anchors(cls, address: str) -> "_Registry":
        return cls("AnchorRegistry", address, registries.ANCHOR_REGISTRY_CODE_HASH)

    @classmethod
    def issuers(cls, address: str) -> "_Registry":
        return cls("IssuerRegistry", address, registries.ISSUER_REGISTRY_CODE_HASH)


def _words(
    nodes: Nodes, state_root: bytes, registry: _Registry, slots: Sequence[bytes]
) -> list[int]:
    """The words in these slots of a registry. Code is compared before storage is believed."""
    account = find_account(nodes, state_root, registry.address)
    if account is None or account.code_hash != registry.code_hash:
        found = "no account" if account is None else "another contract"
        raise EvidenceFault(
            Fault.NO_REGISTRY,
            f"{found} at {registry.address}, where the {registry.name} should be",
        )
    return [find_slot(nodes, account, slot) for slot in slots]


def _issuer_state(issuer: int, key: int, revoked: bool) -> IssuerState:
    registered_at = _part(issuer, registries.ISSUER_REGISTERED_AT) or None
    closed_at = _part(issuer, registries.ISSUER_CLOSED_AT) or None
    opened = _part(key, registries.KEY_FROM)
    window = None
    if opened and _part(key, registries.KEY_ROLE) == registries.SIGNING_ROLE:
        window = KeyWindow(
            opened,
            _part(key, registries.KEY_UNTIL) or None,
            _part(key, registries.KEY_COMPROMISED_SINCE) or None,
            closed_at,
        )
    return IssuerState(
        registered_at,
        closed_at,
        bool(_part(issuer, registries.ISSUER_CLOSED_FOR_GOOD)),
        window,
        revoked,
    )


# ---------------------------------------------------------------- what is wrong with it


def _diagnosis(evidence: Evidence, questions: Questions) -> EvidenceFault:
    """Tell why a node is missing, from the nodes that are there instead."""
    state_root, nodes = evidence.block.state_root, Nodes(evidence.nodes)
    for registry, slots in (
        (_Registry.anchors(questions.anchor_registry), questions.anchor_slots()),
        (
            _Registry.issuers(questions.issuer_registry),
            questions.issuer_slots(evidence.accreditors),
        ),
    ):
        # Each slot for itself: what the others need is not to be taken for surplus.
        for slot in slots:
            with suppress(NodeMissing, EvidenceFault):
                _words(nodes, state_root, registry, [slot])
    if not nodes.unused:
        return EvidenceFault(Fault.INCOMPLETE, "a node that a proof needs is missing")
    if _reachable(nodes.used, nodes.unused):
        return EvidenceFault(
            Fault.ELSEWHERE,
            "it proves another account or another slot than those of this credential",
        )
    return EvidenceFault(
        Fault.STITCHED,
        f"{len(nodes.unused)} nodes do not hang together with the state of block"
        f" {evidence.block.number}: changed, or of another block",
    )


def _reachable(known: Sequence[bytes], others: Sequence[bytes]) -> bool:
    """Whether some of the others hang below known nodes, all of them taken together."""
    names = [keccak256(other) for other in others]
    return any(name in node for name in names for node in known)


# ---------------------------------------------------------------- JSON


def _list(value: Json, where: str, most: int) -> list[Json]:
    listed = read_list(value, where)
    if len(listed) > most:
        raise MalformedError(f"{where}: more than {most}")
    return listed


def _bytes(value: Json, where: str, most: int) -> bytes:
    if not isinstance(value, str) or not value.startswith("u"):
        raise MalformedError(f"{where}: not base64url with a leading u")
    if len(value) > most * 4 // 3 + 3:
        raise MalformedError(f"{where}: more than {most} bytes")
    try:
        return decode_base64url(value[1:])
    except MalformedError as error:
        raise MalformedError(f"{where}: {error}") from error
