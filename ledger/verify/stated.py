"""
Checkpoints that were stated on another chain: since when, asked of that chain's nodes.

Anybody may anchor anything: a hash that stands there at a time was stated at that time, and
nothing else is known of it. Whoever takes it for a block of the chain trusts the one who made
the file, and that the chain was alive then.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ledger.core.anchor import Anchor
from ledger.core.checkpoint import BlockCheckpoint, CheckpointProof
from ledger.core.evidence import AnchorSlot
from ledger.errors import ChainUnavailable, ProofError
from ledger.verify.networks import Network, caip2, find_network
from ledger.verify.registry import CalledRegistries
from ledger.verify.rpc import ChainReader, Tag
from ledger.verify.witnesses import Witnesses


@dataclass(frozen=True, slots=True, order=True)
class Statement:
    """A checkpoint that stands on another chain since then: seconds, and block of that chain."""

    checkpoint: BlockCheckpoint
    chain_id: int
    time: int
    block_number: int


class Chains:
    """The accepted chains whose nodes are asked, each at its finalized block."""

    def __init__(
        self, networks: Iterable[Network], readers: Sequence[ChainReader]
    ) -> None:
        self._networks = tuple(networks)
        self._readers = tuple(readers)
        self._asked = {reader.chain_id() for reader in readers}
        self._registries: dict[int, CalledRegistries] = {}

    def statements(self, proof: CheckpointProof) -> tuple[Statement, ...]:
        """
        Where and since when a checkpoint stands, on every chain that can be asked.

        Raises ProofError for a proof that does not hold, ChainUnavailable if no chain that it
        names can be asked, or one of them does not answer.
        """
        proof.check()
        found = tuple(
            self._statement(proof, anchor)
            for anchor in proof.anchors
            if anchor.chain_id in self._asked
            and find_network(self._networks, anchor.chain_id) is not None
        )
        if not found:
            named = ", ".join(caip2(anchor.chain_id) for anchor in proof.anchors)
            raise ChainUnavailable(
                f"block {proof.checkpoint.block_number} is stated on {named}: give the"
                " address of a node of one of these that you accept"
            )
        return found

    def _statement(self, proof: CheckpointProof, anchor: Anchor) -> Statement:
        registries = self._of(anchor.chain_id)
        name = caip2(anchor.chain_id)
        known = registries.view.network.anchor_registry
        # The verifier's own list decides which registry counts, never the file.
        if anchor.registry != known:
            raise ProofError(f"{anchor.registry} is not the registry of {name}")
        slot = registries.anchor(proof.sealed_root)
        if slot == AnchorSlot(anchor.time, anchor.block_number):
            return Statement(
                proof.checkpoint, anchor.chain_id, anchor.time, anchor.block_number
            )
        final = registries.block.number
        if slot is None and final < anchor.block_number:
            raise ChainUnavailable(
                f"{name}: block {anchor.block_number} is not final; final is block {final}"
            )
        raise ProofError(
            f"0x{proof.sealed_root.hex()} does not stand in the registry of {name} since"
            " when the file says"
        )

    def _of(self, chain_id: int) -> CalledRegistries:
        if chain_id not in self._registries:
            network = find_network(self._networks, chain_id)
            if network is None:
                raise ChainUnavailable(f"{caip2(chain_id)} is no network you accept")
            view = Witnesses.gather(network, self._readers).view(Tag.FINALIZED)
            self._registries[chain_id] = CalledRegistries(view)
        return self._registries[chain_id]


def check_agreement(checkpoints: Iterable[BlockCheckpoint]) -> None:
    """Raise ProofError if two of them are of one block number of a chain, with two hashes."""
    hashes: dict[tuple[int, int], bytes] = {}
    for each in checkpoints:
        place = (each.chain_id, each.block_number)
        if hashes.setdefault(place, each.block_hash) != each.block_hash:
            raise ProofError(
                f"two hashes are stated for block {each.block_number} of"
                f" {caip2(each.chain_id)}: 0x{hashes[place].hex()} and"
                f" 0x{each.block_hash.hex()}. One of them is not true, and this does not"
                " tell which"
            )
