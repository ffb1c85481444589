"""
proof[1] of a durable credential: how its leaf leads to a sealed root, and where that stands.

    {"type": "MerkleAnchorProof2026", "proofPurpose": "assertionMethod",
     "leafIndex": 5, "treeSize": 40, "inclusionPath": ["0x…"], "sealedRoot": "0x…",
     "issuerProfile": {"name": "…", "url": "https://…"},
     "anchors": [{"chainId": "eip155:1", "registry": "0x…", "blockNumber": 12,
                  "time": "2026-11-25T08:44:00Z", "evidence": {…}}]}

A closed set of members, one encoding for each. Nothing in it is trusted: the path is
recomputed, and block and time are compared with the registry. The first anchor may carry
evidence, from which the same can be proved offline. See docs/spec/anchor-proof.md.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from ledger.core.canonical import Json, encode_time, parse_time
from ledger.core.evidence import Evidence
from ledger.core.issuer import IssuerProfile
from ledger.core.members import (
    read_chain,
    read_closed,
    read_hash,
    read_integer,
    read_list,
    read_text,
)
from ledger.core.merkle import HASH_SIZE, InclusionProof
from ledger.errors import MalformedError, ProofError

TYPE = "MerkleAnchorProof2026"
PURPOSE = "assertionMethod"
MAX_ANCHORS = 8

_MAX_NUMBER = 2**53 - 1
_MAX_TIME = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())
_ADDRESS = re.compile(r"0x[0-9a-f]{40}", re.ASCII)
_MEMBERS = frozenset(
    {
        "type",
        "proofPurpose",
        "leafIndex",
        "treeSize",
        "inclusionPath",
        "sealedRoot",
        "issuerProfile",
        "anchors",
    }
)
_ANCHOR_MEMBERS = frozenset({"chainId", "registry", "blockNumber", "time"})
_ANCHOR_OPTIONAL = frozenset({"evidence"})


@dataclass(frozen=True, slots=True)
class Anchor:
    """
    Where one chain keeps a sealed root: the slot of its AnchorRegistry says block and time.

    Only the home chain's anchor has evidence, and it may have none.
    """

    chain_id: int
    registry: str
    block_number: int
    time: int
    evidence: Evidence | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.chain_id <= _MAX_NUMBER:
            raise MalformedError("an anchor's chain id lies between 1 and 2^53 - 1")
        if not _ADDRESS.fullmatch(self.registry):
            raise MalformedError(
                "an anchor's registry is 0x and 40 lower-case hex digits"
            )
        if not 0 <= self.block_number <= _MAX_NUMBER:
            raise MalformedError("an anchor's block number is out of range")
        if not 0 <= self.time <= _MAX_TIME:
            raise MalformedError("an anchor's time is out of range")

    @classmethod
    def from_json(cls, value: Json, where: str = "anchor") -> "Anchor":
        """Read the closed set of members. Raises MalformedError."""
        members = read_closed(value, _ANCHOR_MEMBERS, where, _ANCHOR_OPTIONAL)
        return cls(
            read_chain(members["chainId"], f"{where}.chainId"),
            read_text(members["registry"], f"{where}.registry"),
            read_integer(members["blockNumber"], f"{where}.blockNumber"),
            int(parse_time(read_text(members["time"], f"{where}.time")).timestamp()),
            Evidence.from_json(members["evidence"], f"{where}.evidence")
            if "evidence" in members
            else None,
        )

    def to_json(self) -> dict[str, Json]:
        """Write the members."""
        document: dict[str, Json] = {
            "chainId": f"eip155:{self.chain_id}",
            "registry": self.registry,
            "blockNumber": self.block_number,
            "time": encode_time(datetime.fromtimestamp(self.time, UTC)),
        }
        if self.evidence is not None:
            document["evidence"] = self.evidence.to_json()
        return document


@dataclass(frozen=True, slots=True)
class AnchorProof:
    """
    The anchor proof. The issuer's home chain stands first, the others by ascending chain id.

    MalformedError for a proof that no batch has; whether it proves anything says ``check``.
    """

    inclusion: InclusionProof
    sealed_root: bytes
    issuer_profile: IssuerProfile
    anchors: tuple[Anchor, ...]

    def __post_init__(self) -> None:
        if len(self.sealed_root) != HASH_SIZE:
            raise MalformedError("a sealed root has 32 bytes")
        if not 1 <= len(self.anchors) <= MAX_ANCHORS:
            raise MalformedError(f"a proof has between 1 and {MAX_ANCHORS} anchors")
        chains = [anchor.chain_id for anchor in self.anchors]
        if len(set(chains)) != len(chains):
            raise MalformedError("a proof names no chain twice")
        if chains[1:] != sorted(chains[1:]):
            raise MalformedError("anchors after the first stand by ascending chain id")
        if any(anchor.evidence is not None for anchor in self.anchors[1:]):
            raise MalformedError("evidence stands with the home chain's anchor alone")

    @property
    def home(self) -> Anchor:
        """The anchor on the issuer's home chain: its time is the credential's time T."""
        return self.anchors[0]

    def check(self, leaf: bytes) -> None:
        """Recompute the sealed root from a leaf. ProofError if it is another one."""
        if self.inclusion.sealed_root(leaf) != self.sealed_root:
            raise ProofError("the inclusion path does not lead to the sealed root")

    @classmethod
    def from_json(cls, value: Json, where: str = "proof[1]") -> "AnchorProof":
        """Read the closed set of members. Raises MalformedError."""
        members = read_closed(value, _MEMBERS, where)
        for member, constant in (("type", TYPE), ("proofPurpose", PURPOSE)):
            if members[member] != constant:
                raise MalformedError(f"{where}.{member}: not {constant}")
        path = read_list(members["inclusionPath"], f"{where}.inclusionPath")
        anchors = read_list(members["anchors"], f"{where}.anchors")
        return cls(
            InclusionProof(
                read_integer(members["leafIndex"], f"{where}.leafIndex"),
                read_integer(members["treeSize"], f"{where}.treeSize"),
                tuple(
                    read_hash(sibling, f"{where}.inclusionPath[{at}]")
                    for at, sibling in enumerate(path)
                ),
            ),
            read_hash(members["sealedRoot"], f"{where}.sealedRoot"),
            IssuerProfile.from_json(members["issuerProfile"]),
            tuple(
                Anchor.from_json(anchor, f"{where}.anchors[{at}]")
                for at, anchor in enumerate(anchors)
            ),
        )

    def to_json(self) -> dict[str, Json]:
        """Write the members."""
        return {
            "type": TYPE,
            "proofPurpose": PURPOSE,
            "leafIndex": self.inclusion.leaf_index,
            "treeSize": self.inclusion.tree_size,
            "inclusionPath": [f"0x{node.hex()}" for node in self.inclusion.path],
            "sealedRoot": f"0x{self.sealed_root.hex()}",
            "issuerProfile": self.issuer_profile.to_json(),
            "anchors": [anchor.to_json() for anchor in self.anchors],
        }
