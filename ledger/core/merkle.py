"""
The tree over a batch: RFC 9162 section 2.1 with SHA-256, and the sealed root.

    leaf         SHA-256(0x00 || bytes)
    node         SHA-256(0x01 || left || right)
    sealed root  SHA-256(0x02 || tree size, 8 bytes big-endian || root)

An RFC 9162 root does not commit to the size of its tree: one path may verify under several
sizes and indexes. The sealed root does, and with the size fixed the index is fixed too, so
nothing in a proof can be changed (docs/spec/leaf-and-tree.md).

This is the checker. The builder is another library, and every leaf it places is proved
again here. Hence: hashlib alone, nothing shared with the builder.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from ledger.errors import MalformedError, ProofError

HASH_SIZE = 32
MAX_TREE_SIZE = 2**53 - 1  # the largest integer that every JSON reader carries exactly
MAX_PATH_LENGTH = 53  # the path of the largest tree


def leaf_hash(data: bytes) -> bytes:
    """RFC 9162 2.1.1: the hash of one entry. The 0x00 keeps a node from posing as a leaf."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 9162 2.1.1: the hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def sealed_root(tree_size: int, root: bytes) -> bytes:
    """What is anchored: the root bound to the size of its tree. ProofError for a size that no tree has."""
    if not 1 <= tree_size <= MAX_TREE_SIZE:
        raise ProofError(f"no tree has {tree_size} leaves")
    return sha256(b"\x02" + tree_size.to_bytes(8, "big") + root).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """RFC 9162 2.1.1: the root over leaf hashes, in their order. Without leaves: the hash of nothing."""
    if not leaves:
        return sha256(b"").digest()
    return _root(leaves, 0, len(leaves))


def _root(leaves: Sequence[bytes], start: int, end: int) -> bytes:
    count = end - start
    if count == 1:
        return leaves[start]
    # "k is the largest power of two smaller than n": an odd last node is promoted, never
    # doubled. Doubling gives two batches the same root (CVE-2012-2459).
    split = start + (1 << ((count - 1).bit_length() - 1))
    return node_hash(_root(leaves, start, split), _root(leaves, split, end))


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """
    The way from one leaf to the root: RFC 9162 2.1.3, siblings from the leaf upwards.

    Index and size fix the length of the path and the side of every sibling, so the path is
    hashes alone and there are no flags to forge. MalformedError: not 32-byte hashes, or numbers
    that no tree has. Whether the three fit together is the proof's own business: see root().
    """

    leaf_index: int
    tree_size: int
    path: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if not 0 <= self.leaf_index < MAX_TREE_SIZE:
            raise MalformedError(f"leaf index {self.leaf_index} is out of range")
        if not 1 <= self.tree_size <= MAX_TREE_SIZE:
            raise MalformedError(f"tree size {self.tree_size} is out of range")
        if len(self.path) > MAX_PATH_LENGTH:
            raise MalformedError(f"a path has at most {MAX_PATH_LENGTH} hashes")
        if any(len(sibling) != HASH_SIZE for sibling in self.path):
            raise MalformedError("a path consists of 32-byte hashes")

    @classmethod
    def from_bytes(
        cls, leaf_index: int, tree_size: int, path: bytes
    ) -> "InclusionProof":
        """The proof whose path is stored as one piece, 32 bytes a sibling. MalformedError."""
        if len(path) % HASH_SIZE:
            raise MalformedError("a path consists of 32-byte hashes")
        siblings = (path[at : at + HASH_SIZE] for at in range(0, len(path), HASH_SIZE))
        return cls(leaf_index, tree_size, tuple(siblings))

    def root(self, leaf: bytes) -> bytes:
        """RFC 9162 2.1.3.2: the root this proof leads to from a leaf. ProofError if index, size and length disagree."""
        if len(leaf) != HASH_SIZE:
            raise ProofError("a leaf is a 32-byte hash")
        if self.leaf_index >= self.tree_size:
            raise ProofError(
                f"leaf {self.leaf_index} is not in a tree of {self.tree_size}"
            )
        index, last, node = self.leaf_index, self.tree_size - 1, leaf
        for sibling in self.path:
            if last == 0:
                raise ProofError("the path is longer than its tree is high")
            if index & 1 or index == last:
                node = node_hash(sibling, node)
                # The last node of an odd level was promoted: climb to where it has a sibling.
                while index and not index & 1:
                    index >>= 1
                    last >>= 1
            else:
                node = node_hash(node, sibling)
            index >>= 1
            last >>= 1
        if last != 0:
            raise ProofError("the path ends below the root")
        return node

    def sealed_root(self, leaf: bytes) -> bytes:
        """The sealed root this proof leads to from a leaf. ProofError if index, size and length disagree."""
        return sealed_root(self.tree_size, self.root(leaf))
