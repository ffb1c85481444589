"""
Reading Ethereum's Merkle-Patricia trie from the nodes of a proof. Yellow Paper appendix D.

    branch     17 items: a child for each half byte, and the value whose key ends here
    extension  2 items: half bytes that all keys below share, and the child
    leaf       2 items: the rest of the key, and the value

A child is the Keccak-256 of its node, or the node itself where that is below 32 bytes. The
first half byte of a shared path tells leaf (2, 3) from extension (0, 1), and odd from even.
"""

from collections.abc import Iterable
from typing import NoReturn, TypeAlias

from ledger.core.keys import keccak256
from ledger.core.rlp import Rlp, decode
from ledger.errors import MalformedError, ProofError

HASH_SIZE = 32
#: The root of a trie in which there is nothing.
EMPTY_ROOT = keccak256(b"\x80")

_BRANCH, _PATH = 17, 2
_Node: TypeAlias = "list[Rlp]"


class NodeMissing(ProofError):  # noqa: N818 - a state of the proof
    """A proof leads to a node that is not there."""


class Nodes:
    """
    The nodes of one or several proofs, and which of them were used so far.

    MalformedError if one of them stands there twice.
    """

    def __init__(self, nodes: Iterable[bytes]) -> None:
        self._raw: dict[bytes, bytes] = {}
        for node in nodes:
            name = keccak256(node)
            if name in self._raw:
                raise MalformedError("a node stands there twice")
            self._raw[name] = node
        self._used: dict[bytes, _Node] = {}

    @property
    def used(self) -> tuple[bytes, ...]:
        """The nodes that proofs led to, in order of first use."""
        return tuple(self._raw[name] for name in self._used)

    @property
    def unused(self) -> tuple[bytes, ...]:
        """The nodes that no proof led to."""
        return tuple(node for name, node in self._raw.items() if name not in self._used)

    def find(self, root: bytes, key: bytes) -> bytes | None:
        """
        The value at a key under a root; None where the nodes show that there is none.

        Keys of a trie all have one length, as hashes do. Raises NodeMissing, and
        MalformedError for a node that cannot stand in a trie.
        """
        if root == EMPTY_ROOT:
            return None
        path = key.hex()  # one character for each half byte
        node = self._node(root)
        while True:
            if len(node) == _BRANCH:
                if not path:
                    return _value(node[16]) or None
                child, path = node[int(path[0], 16)], path[1:]
                if child == b"":
                    return None
            else:
                shared, is_leaf = _shared_path(node[0])
                if is_leaf:
                    value = _value(node[1], leaf=True)
                    return value if shared == path else None
                if not path.startswith(shared):
                    return None
                child, path = node[1], path[len(shared) :]
            node = _checked(child) if isinstance(child, list) else self._node(child)

    def _node(self, name: bytes) -> _Node:
        node = self._used.get(name)
        if node is None:
            if len(name) != HASH_SIZE:
                _refuse("a child that is neither a hash nor a node")
            raw = self._raw.get(name)
            if raw is None:
                raise NodeMissing(f"the node 0x{name.hex()} is missing")
            node = self._used[name] = _checked(decode(raw))
        return node


def _checked(item: Rlp) -> _Node:
    """A node in its form; children are looked at when a proof leads there."""
    if not isinstance(item, list) or len(item) not in {_BRANCH, _PATH}:
        _refuse("neither a branch nor a path")
    return item


def _shared_path(item: Rlp) -> tuple[str, bool]:
    """The half bytes of a leaf or extension, and which of the two it is: hex-prefix form."""
    if not isinstance(item, bytes) or not item:
        _refuse("a path that is no byte string")
    text = item.hex()
    flag = item[0] >> 4
    if flag > 3:
        _refuse("a path of an unknown kind")
    is_leaf, is_odd = bool(flag & 2), bool(flag & 1)
    if not is_odd and text[1] != "0":
        _refuse("a path with a filler other than 0")
    shared = text[1:] if is_odd else text[2:]
    if not shared and not is_leaf:
        _refuse("an extension by nothing")
    return shared, is_leaf


def _value(item: Rlp, *, leaf: bool = False) -> bytes:
    if not isinstance(item, bytes) or (leaf and not item):
        _refuse("a leaf without a value")
    return item


def _refuse(what: str) -> NoReturn:
    raise MalformedError(f"trie node: {what}")
