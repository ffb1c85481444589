"""
Building Ethereum's Merkle-Patricia trie whole, and cutting proofs from it.

For the chain in memory, which has no node that would do it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ledger.core import rlp
from ledger.core.keys import keccak256
from ledger.core.mpt import Nodes
from ledger.core.rlp import Rlp

_INLINE = 32  # a node below that size stands inside its parent


class _Named(Nodes):
    """Nodes whose names were computed when they were made: hashing is what a proof costs."""

    def __init__(self, named: Mapping[bytes, bytes]) -> None:
        super().__init__(())
        self._raw.update(named)


@dataclass
class Trie:
    """The trie of these values under keys of one length; no value is empty."""

    values: Mapping[bytes, bytes]
    root: bytes = field(init=False)
    _nodes: dict[bytes, bytes] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        pairs = [(key.hex(), value) for key, value in sorted(self.values.items())]
        top = rlp.encode(self._node(pairs, 0) if pairs else b"")
        self.root = keccak256(top)
        self._nodes[self.root] = top

    def proof(self, key: bytes) -> tuple[bytes, ...]:
        """The nodes that show what is at a key, or that nothing is: from the root down."""
        nodes = _Named(self._nodes)
        nodes.find(self.root, key)
        return nodes.used

    def _node(self, pairs: Sequence[tuple[str, bytes]], depth: int) -> list[Rlp]:
        first, last = pairs[0][0], pairs[-1][0]
        if len(pairs) == 1:
            return [_path(first[depth:], leaf=True), pairs[0][1]]
        end = depth
        while end < len(first) and first[end] == last[end]:
            end += 1
        if end > depth:
            child = self._child(self._node(pairs, end))
            return [_path(first[depth:end], leaf=False), child]
        branch: list[Rlp] = [b""] * 17
        for half in range(16):
            digit = format(half, "x")
            below = [pair for pair in pairs if pair[0][depth] == digit]
            if below:
                branch[half] = self._child(self._node(below, depth + 1))
        return branch

    def _child(self, node: list[Rlp]) -> Rlp:
        raw = rlp.encode(node)
        if len(raw) < _INLINE:
            return node
        name = keccak256(raw)
        self._nodes[name] = raw
        return name


def _path(half_bytes: str, *, leaf: bool) -> bytes:
    """Hex-prefix form: the first half byte tells leaf from extension and odd from even."""
    flag = 2 if leaf else 0
    if len(half_bytes) % 2:
        return bytes.fromhex(f"{flag + 1}{half_bytes}")
    return bytes.fromhex(f"{flag}0{half_bytes}")
