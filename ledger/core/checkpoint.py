"""
A block of a ledger's home chain, stated as a leaf of a tree whose root stands on another chain.

    {"version": 1, "proofs": [
      {"checkpoint": {"chainId": "eip155:1", "blockNumber": 23000000, "blockHash": "0x…"},
       "leafIndex": 5, "treeSize": 6, "inclusionPath": ["0x…"], "sealedRoot": "0x…",
       "anchors": [{"chainId": "eip155:10", "registry": "0x…", "blockNumber": 12,
                    "time": "2026-11-25T08:44:00Z"}]}]}

It proves that somebody stated this hash at that time, and not that the block was ever part of
the chain. See docs/spec/checkpoints.md.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from ledger.core import canonical
from ledger.core.anchor import MAX_ANCHORS, Anchor
from ledger.core.canonical import Json
from ledger.core.members import (
    read_chain,
    read_closed,
    read_hash,
    read_integer,
    read_list,
)
from ledger.core.merkle import HASH_SIZE, InclusionProof, leaf_hash
from ledger.errors import MalformedError, ProofError

MAX_BYTES: Final = 33_554_432
MAX_PROOFS: Final = 10_000

_VERSION = 1
_MAX_NUMBER = 2**53 - 1
_FILE_MEMBERS = frozenset({"version", "proofs"})
_CHECKPOINT_MEMBERS = frozenset({"chainId", "blockNumber", "blockHash"})
_MEMBERS = frozenset(
    {
        "checkpoint",
        "leafIndex",
        "treeSize",
        "inclusionPath",
        "sealedRoot",
        "anchors",
    }
)


@dataclass(frozen=True, slots=True, order=True)
class BlockCheckpoint:
    """A block: its chain, number and hash. MalformedError for what no chain has."""

    chain_id: int
    block_number: int
    block_hash: bytes

    def __post_init__(self) -> None:
        if not 1 <= self.chain_id <= _MAX_NUMBER:
            raise MalformedError("a checkpoint's chain id lies between 1 and 2^53 - 1")
        if not 0 <= self.block_number <= _MAX_NUMBER:
            raise MalformedError("a checkpoint's block number is out of range")
        if len(self.block_hash) != HASH_SIZE:
            raise MalformedError("a block hash has 32 bytes")

    @property
    def leaf(self) -> bytes:
        """Its leaf: hashed as a credential's is, over the same JSON as in a checkpoints file."""
        return leaf_hash(canonical.encode(self.to_json()))

    @classmethod
    def from_json(cls, value: Json, where: str = "checkpoint") -> "BlockCheckpoint":
        """Read the closed set of members. Raises MalformedError."""
        members = read_closed(value, _CHECKPOINT_MEMBERS, where)
        return cls(
            read_chain(members["chainId"], f"{where}.chainId"),
            read_integer(members["blockNumber"], f"{where}.blockNumber"),
            read_hash(members["blockHash"], f"{where}.blockHash"),
        )

    def to_json(self) -> dict[str, Json]:
        """Write the members."""
        return {
            "chainId": f"eip155:{self.chain_id}",
            "blockNumber": self.block_number,
            "blockHash": f"0x{self.block_hash.hex()}",
        }


@dataclass(frozen=True, slots=True)
class CheckpointProof:
    """
    How a checkpoint's leaf leads to a sealed root, and on which other chains that stands.

    MalformedError for a proof that no batch has; whether it proves anything says ``check``.
    """

    checkpoint: BlockCheckpoint
    inclusion: InclusionProof
    sealed_root: bytes
    anchors: tuple[Anchor, ...]

    def __post_init__(self) -> None:
        if len(self.sealed_root) != HASH_SIZE:
            raise MalformedError("a sealed root has 32 bytes")
        if not 1 <= len(self.anchors) <= MAX_ANCHORS:
            raise MalformedError(f"a proof has between 1 and {MAX_ANCHORS} anchors")
        chains = [anchor.chain_id for anchor in self.anchors]
        if any(later <= earlier for earlier, later in pairwise(chains)):
            raise MalformedError("anchors stand by ascending chain id, none twice")
        # Who doubts that chain, or cannot ask it any more, gains nothing from its word.
        if self.checkpoint.chain_id in chains:
            raise MalformedError(
                "a checkpoint is anchored on other chains than its own"
            )
        if any(anchor.evidence is not None for anchor in self.anchors):
            raise MalformedError("a checkpoint's anchor carries no evidence")

    def check(self) -> None:
        """Recompute the sealed root from the checkpoint. ProofError if it is another one."""
        if self.inclusion.sealed_root(self.checkpoint.leaf) != self.sealed_root:
            raise ProofError("the inclusion path does not lead to the sealed root")

    @classmethod
    def from_json(cls, value: Json, where: str = "proof") -> "CheckpointProof":
        """Read the closed set of members. Raises MalformedError."""
        members = read_closed(value, _MEMBERS, where)
        path = read_list(members["inclusionPath"], f"{where}.inclusionPath")
        anchors = read_list(members["anchors"], f"{where}.anchors")
        return cls(
            BlockCheckpoint.from_json(members["checkpoint"], f"{where}.checkpoint"),
            InclusionProof(
                read_integer(members["leafIndex"], f"{where}.leafIndex"),
                read_integer(members["treeSize"], f"{where}.treeSize"),
                tuple(
                    read_hash(sibling, f"{where}.inclusionPath[{at}]")
                    for at, sibling in enumerate(path)
                ),
            ),
            read_hash(members["sealedRoot"], f"{where}.sealedRoot"),
            tuple(
                Anchor.from_json(anchor, f"{where}.anchors[{at}]")
                for at, anchor in enumerate(anchors)
            ),
        )

    def to_json(self) -> dict[str, Json]:
        """Write the members."""
        return {
            "checkpoint": self.checkpoint.to_json(),
            "leafIndex": self.inclusion.leaf_index,
            "treeSize": self.inclusion.tree_size,
            "inclusionPath": [f"0x{node.hex()}" for node in self.inclusion.path],
            "sealedRoot": f"0x{self.sealed_root.hex()}",
            "anchors": [anchor.to_json() for anchor in self.anchors],
        }


def parse_checkpoint_proofs(data: bytes) -> tuple[CheckpointProof, ...]:
    """Read a file of checkpoint proofs; no block of a chain twice. Raises MalformedError."""
    document = read_closed(
        canonical.parse_object(data, max_bytes=MAX_BYTES),
        _FILE_MEMBERS,
        "checkpoint proofs",
    )
    if read_integer(document["version"], "version") != _VERSION:
        raise MalformedError(f"version: {_VERSION} expected")
    listed = read_list(document["proofs"], "proofs")
    if len(listed) > MAX_PROOFS:
        raise MalformedError(f"proofs: more than {MAX_PROOFS}")
    proofs = tuple(
        CheckpointProof.from_json(value, f"proofs[{at}]")
        for at, value in enumerate(listed)
    )
    _check_order(proofs)
    return proofs


def encode_checkpoint_proofs(proofs: Iterable[CheckpointProof]) -> bytes:
    """Write the file, in order. Raises MalformedError for a block of a chain that is there twice."""
    ordered = sorted(proofs, key=lambda proof: proof.checkpoint)
    _check_order(ordered)
    document = {"version": _VERSION, "proofs": [proof.to_json() for proof in ordered]}
    return (json.dumps(document, indent=2) + "\n").encode()


def _check_order(proofs: Sequence[CheckpointProof]) -> None:
    places = [(p.checkpoint.chain_id, p.checkpoint.block_number) for p in proofs]
    if any(later <= earlier for earlier, later in pairwise(places)):
        raise MalformedError("proofs: stand by chain and block number, none twice")
