"""
Several readers of one chain, who count only as far as they agree.

One address can lie or lag. Two that do not know of each other are harder to corrupt; so
whatever two of them answer differently is not known at all, and nobody is outvoted.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from ledger.core import registries
from ledger.core.keys import keccak256
from ledger.errors import ChainUnavailable
from ledger.verify.networks import Network, caip2
from ledger.verify.rpc import Block, ChainReader, Tag

Answer = TypeVar("Answer")

#: The reasons why something on a chain could not be read, as machine codes end in them.
UNREACHABLE: Final = "unreachable"  #: no answer, or none that makes sense
UNKNOWN_NETWORK: Final = "unknown_network"  #: the verifier does not accept this chain
NO_ADDRESS: Final = "no_address"  #: no address was given for this chain
OTHER_CHAIN: Final = "other_chain"  #: right chain id, another first block
NO_REGISTRY: Final = "no_registry"  #: the registry's code is not at its address
DISAGREEMENT: Final = "disagreement"  #: two addresses answered differently
BEHIND: Final = "behind"  #: the newest block is too old, or not born yet
#: The reasons why the evidence in a file answers nothing, where no address is given.
EVIDENCE_BROKEN: Final = "evidence_broken"  #: it does not hold
EVIDENCE_UNTRUSTED: Final = "evidence_untrusted"  #: nobody vouches for its block
EVIDENCE_OTHER_CHAIN: Final = (
    "evidence_other_chain"  #: its block's hash was given for another chain
)


class Unsettled(ChainUnavailable):
    """Not known, for a reason that has a code of its own."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def code_of(error: ChainUnavailable) -> str:
    """Name the reason of a failed reading."""
    return error.code if isinstance(error, Unsettled) else UNREACHABLE


class View:
    """One chain at one block, as all its witnesses see it."""

    def __init__(
        self, network: Network, readers: Sequence[ChainReader], block: Block
    ) -> None:
        self.network = network
        self.block = block
        self._readers = readers
        self._genuine: set[str] = set()

    def ask_anchors(self, data: bytes) -> bytes:
        """Call a view of AnchorRegistry. Raises ChainUnavailable."""
        address = self.network.anchor_registry
        return self._ask(address, registries.ANCHOR_REGISTRY_CODE_HASH, data)

    def ask_issuers(self, data: bytes) -> bytes:
        """Call a view of IssuerRegistry. Raises ChainUnavailable."""
        address = self.network.issuer_registry
        return self._ask(address, registries.ISSUER_REGISTRY_CODE_HASH, data)

    def _ask(self, registry: str, code_hash: bytes, data: bytes) -> bytes:
        if registry not in self._genuine:
            self._check_code(registry, code_hash)
            self._genuine.add(registry)
        number = self.block.number
        return _agreed(
            self._readers,
            lambda reader: reader.call(registry, data, number),
            f"about the registry {registry} at block {number}",
        )

    def _check_code(self, registry: str, code_hash: bytes) -> None:
        for reader in self._readers:
            code = reader.code(registry, self.block.number)
            # An empty answer would otherwise be read as zeros: "never withdrawn".
            if keccak256(code) != code_hash:
                found = "another contract" if code else "no contract"
                raise Unsettled(
                    NO_REGISTRY,
                    f"{reader.address} shows {found} at {registry}, where the registry should be",
                )


class Witnesses:
    """The readers that speak for one network, asked together."""

    def __init__(self, network: Network, readers: Sequence[ChainReader]) -> None:
        self.network = network
        self.readers = tuple(readers)
        self._views: dict[Tag, View | ChainUnavailable] = {}
        self._heads: dict[Tag, list[Block]] = {}

    @classmethod
    def gather(cls, network: Network, readers: Sequence[ChainReader]) -> "Witnesses":
        """Pick the readers of this network and check that it is the one. ChainUnavailable."""
        mine: list[ChainReader] = []
        others: list[str] = []
        for reader in readers:
            chain_id = reader.chain_id()
            if chain_id == network.chain_id:
                mine.append(reader)
            else:
                others.append(f"{reader.address} answers for {caip2(chain_id)}")
        if not mine:
            found = "; ".join(others) or "none was given"
            raise Unsettled(
                NO_ADDRESS,
                f"no network address for {network.name} ({network.caip2}): {found}",
            )
        for reader in mine:
            genesis = reader.block(0).hash
            if genesis != network.genesis_hash:
                raise Unsettled(
                    OTHER_CHAIN,
                    f"{reader.address} shows a chain that begins with 0x{genesis.hex()};"
                    f" {network.name} begins with 0x{network.genesis_hash.hex()}",
                )
        return cls(network, mine)

    def view(self, tag: Tag) -> View:
        """The chain at the newest block of that kind that all have. Raises ChainUnavailable."""
        if tag not in self._views:
            try:
                self._views[tag] = View(self.network, self.readers, self._block(tag))
            except ChainUnavailable as error:
                self._views[tag] = error
        view = self._views[tag]
        if isinstance(view, ChainUnavailable):
            raise view
        return view

    def block_at(self, number: int) -> Block:
        """The block of that number, as all have it. Raises ChainUnavailable."""
        return _agreed(
            self.readers,
            lambda reader: reader.block(number),
            f"about block {number}",
        )

    def ahead(self, tag: Tag) -> tuple[tuple[str, View], ...]:
        """
        Those whose own newest block of that kind is above the one that all have, by address.

        Whoever lags, or says so, would otherwise choose how much of the past is read.
        ChainUnavailable.
        """
        common = self.view(tag).block.number
        return tuple(
            (reader.address, View(self.network, [reader], head))
            for reader, head in zip(self.readers, self._heads[tag], strict=True)
            if head.number > common
        )

    @property
    def read(self) -> tuple[tuple[Tag, Block], ...]:
        """The blocks read so far, finalized first."""
        return tuple(
            (tag, view.block)
            for tag in Tag
            if isinstance(view := self._views.get(tag), View)
        )

    def _block(self, tag: Tag) -> Block:
        heads = [reader.block(tag) for reader in self.readers]
        self._heads[tag] = heads
        return self.block_at(min(head.number for head in heads))


def _agreed(
    readers: Sequence[ChainReader], ask: Callable[[ChainReader], Answer], about: str
) -> Answer:
    first, *rest = readers
    answer = ask(first)
    for reader in rest:
        if ask(reader) != answer:
            raise Unsettled(
                DISAGREEMENT,
                f"{first.address} and {reader.address} give different answers {about}",
            )
    return answer
