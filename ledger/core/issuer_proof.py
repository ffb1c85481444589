"""
A whole issuer record under one header: what an archive needs that outlives the chain.

    {"version": 1, "header": "u…", "nodes": ["u…"]}

Record, successor, statement, profiles, keys and every status word are proved in this order,
absent ones too. As in evidence, each node stands once, in the order of first use, and no
other. See docs/spec/closing-archive.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.core import canonical, registries
from ledger.core.account import find_account, find_slot
from ledger.core.canonical import Json
from ledger.core.evidence import issuer_slot, key_slot, profile_slot, status_slot
from ledger.core.header import MAX_HEADER, BlockHeader
from ledger.core.keys import decode_base64url, encode_base64url
from ledger.core.mpt import NodeMissing, Nodes
from ledger.core.registries import Packed
from ledger.errors import MalformedError, ProofError

MAX_NODES: Final = 131_072
MAX_NODE_BYTES: Final = 32 * 1_048_576
#: As JSON: base64 makes a third more of it.
MAX_BYTES: Final = 48 * 1_048_576

_VERSION = 1
_MEMBERS = frozenset({"version", "header", "nodes"})
_WORD = 256
_WORDS = 1 << 256


@dataclass(frozen=True, slots=True)
class RecordedKey:
    """A key as the register has it; None: that bound is absent."""

    opened: int
    until: int | None
    compromised_since: int | None
    role: int


@dataclass(frozen=True, slots=True)
class IssuerFacts:
    """Everything the register says about an issuer, at one block."""

    registered_at: int | None  #: None: there is no such issuer
    closed_at: int | None
    closed_for_good: bool
    successor: bytes | None
    statement: bytes
    profiles: Sequence[
        int | None
    ]  #: in the order of the questions; None: never recorded
    keys: Sequence[RecordedKey | None]  #: likewise
    words: Mapping[int, int]  #: status words in which a bit is set; all others are 0


@dataclass(frozen=True, slots=True)
class IssuerQuestions:
    """What is to be proved: which issuer, and which of its profiles, keys and status words."""

    registry: str
    issuer_id: bytes
    profiles: tuple[bytes, ...]
    keys: tuple[bytes, ...]
    words: int

    def slots(self) -> tuple[bytes, ...]:
        """The slots of IssuerRegistry, in the order of the proofs."""
        issuer = self.issuer_id
        first = int.from_bytes(issuer_slot(issuer), "big")
        members = (
            registries.ISSUER_REGISTERED_AT,
            registries.ISSUER_SUCCESSOR,
            registries.ISSUER_STATEMENT,
        )
        return (
            *(
                ((first + member.slot) % _WORDS).to_bytes(32, "big")
                for member in members
            ),
            *(profile_slot(issuer, profile) for profile in self.profiles),
            *(key_slot(issuer, key) for key in self.keys),
            *(status_slot(issuer, word * _WORD) for word in range(self.words)),
        )


@dataclass(frozen=True, slots=True)
class IssuerProof:
    """A header and the nodes below it. Whether the block is one of the chain, it cannot say."""

    header: bytes
    nodes: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.header) <= MAX_HEADER:
            raise MalformedError(f"proof.header: 1 to {MAX_HEADER} bytes")
        if not 1 <= len(self.nodes) <= MAX_NODES or not all(self.nodes):
            raise MalformedError(f"proof.nodes: 1 to {MAX_NODES}, none of them empty")
        if sum(map(len, self.nodes)) > MAX_NODE_BYTES:
            raise MalformedError(f"proof.nodes: more than {MAX_NODE_BYTES} bytes")

    @classmethod
    def from_bytes(cls, data: bytes) -> "IssuerProof":
        """Read the JSON file. Raises MalformedError."""
        document = canonical.parse_object(data, max_bytes=MAX_BYTES)
        if document.keys() != _MEMBERS or document["version"] != _VERSION:
            raise MalformedError("proof: exactly version 1, header and nodes")
        nodes = document["nodes"]
        if not isinstance(nodes, list):
            raise MalformedError("proof.nodes: not a list")
        return cls(
            _bytes(document["header"], "proof.header"),
            tuple(_bytes(node, "proof.nodes") for node in nodes),
        )

    def encode(self) -> bytes:
        """Write the JSON file."""
        return canonical.encode(
            {
                "version": _VERSION,
                "header": f"u{encode_base64url(self.header)}",
                "nodes": [f"u{encode_base64url(node)}" for node in self.nodes],
            }
        )

    @property
    def block(self) -> BlockHeader:
        """The block that everything is proved at. Raises MalformedError."""
        return BlockHeader(self.header)

    def prove(self, questions: IssuerQuestions) -> IssuerFacts:
        """Answer from header and nodes alone. Raises MalformedError, ProofError."""
        nodes = Nodes(self.nodes)
        facts = _answer(self.block.state_root, nodes, questions)
        if nodes.used != self.nodes:
            raise ProofError("proof: nodes that nothing needs, or in another order")
        return facts


def build_issuer_proof(
    header: bytes, pool: Iterable[bytes], questions: IssuerQuestions
) -> IssuerProof:
    """Pick from a pool of nodes what the answers need. Raises MalformedError, ProofError."""
    nodes = Nodes(dict.fromkeys(pool))
    _answer(BlockHeader(header).state_root, nodes, questions)
    return IssuerProof(header, nodes.used)


def _answer(state_root: bytes, nodes: Nodes, questions: IssuerQuestions) -> IssuerFacts:
    try:
        account = find_account(nodes, state_root, questions.registry)
        if account is None or account.code_hash != registries.ISSUER_REGISTRY_CODE_HASH:
            raise ProofError(
                f"proof: the IssuerRegistry is not at {questions.registry}"
            )
        words = [find_slot(nodes, account, slot) for slot in questions.slots()]
    except NodeMissing as error:
        raise ProofError(f"proof: {error}") from error
    record, successor, statement, *others = words
    profiles = others[: len(questions.profiles)]
    keys = others[len(profiles) : len(profiles) + len(questions.keys)]
    status = others[len(profiles) + len(keys) :]
    return IssuerFacts(
        registered_at=_part(record, registries.ISSUER_REGISTERED_AT) or None,
        closed_at=_part(record, registries.ISSUER_CLOSED_AT) or None,
        closed_for_good=bool(_part(record, registries.ISSUER_CLOSED_FOR_GOOD)),
        successor=successor.to_bytes(32, "big") if successor else None,
        statement=statement.to_bytes(32, "big"),
        profiles=[moment or None for moment in profiles],
        keys=[_key(word) for word in keys],
        words={number: bits for number, bits in enumerate(status) if bits},
    )


def _key(word: int) -> RecordedKey | None:
    opened = _part(word, registries.KEY_FROM)
    if not opened:
        return None
    return RecordedKey(
        opened,
        _part(word, registries.KEY_UNTIL) or None,
        _part(word, registries.KEY_COMPROMISED_SINCE) or None,
        _part(word, registries.KEY_ROLE),
    )


def _part(word: int, place: Packed) -> int:
    return word >> place.shift & ((1 << place.bits) - 1)


def _bytes(value: Json, where: str) -> bytes:
    if not isinstance(value, str) or not value.startswith("u"):
        raise MalformedError(f"{where}: not base64url with a leading u")
    return decode_base64url(value[1:])
