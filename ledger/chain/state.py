"""
The state of a chain in memory: accounts with storage under one root, and headers over it.

What `eth_getProof` and a block's header are on a real chain, for MemoryChain and for tests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ledger.chain.trie import Trie
from ledger.core import rlp
from ledger.core.account import AccountProof, SlotProof
from ledger.core.header import BlockHeader
from ledger.core.keys import keccak256

_NO_UNCLES = keccak256(rlp.encode([]))


@dataclass(frozen=True)
class Contract:
    """An account with code: the code's hash, and the words in its storage."""

    code_hash: bytes
    storage: Mapping[bytes, int]


@dataclass
class StateTrie:
    """All accounts of a chain at one block, by address."""

    contracts: Mapping[str, Contract]
    _storage: dict[str, Trie] = field(init=False, default_factory=dict)
    _accounts: Trie = field(init=False)

    def __post_init__(self) -> None:
        accounts: dict[bytes, bytes] = {}
        for address, contract in self.contracts.items():
            # Ethereum keeps no zeros: setting a slot to 0 takes it out of the trie.
            words = {
                keccak256(slot): rlp.encode(rlp.encode_number(word))
                for slot, word in contract.storage.items()
                if word
            }
            self._storage[address] = Trie(words)
            # Nonce 1 is that of every contract, and it owns nothing.
            fields = [b"\x01", b"", self._storage[address].root, contract.code_hash]
            accounts[_key(address)] = rlp.encode(fields)
        self._accounts = Trie(accounts)

    @property
    def root(self) -> bytes:
        """The state root."""
        return self._accounts.root

    def proof(self, address: str, slots: Sequence[bytes]) -> AccountProof:
        """What eth_getProof answers."""
        storage = self._storage.get(address, Trie({}))
        contract = self.contracts.get(address, Contract(b"", {}))
        return AccountProof(
            self._accounts.proof(_key(address)),
            tuple(
                SlotProof(
                    slot,
                    contract.storage.get(slot, 0),
                    storage.proof(keccak256(slot)),
                )
                for slot in slots
            ),
        )


def make_header(
    parent: bytes, state_root: bytes, *, number: int, time: int, extra: bytes = b""
) -> BlockHeader:
    """A header with the fields that headers have had since 2025; what nobody reads is zero."""
    numbers = (0, number, 30_000_000, 0, time)
    return BlockHeader(
        rlp.encode(
            [
                *(parent, _NO_UNCLES, bytes(20), state_root, bytes(32), bytes(32)),
                bytes(256),  # the bloom filter of the logs
                *map(rlp.encode_number, numbers),
                *(extra, bytes(32), bytes(8)),
                rlp.encode_number(10**9),
                *(bytes(32), b"", b"", bytes(32), bytes(32)),
            ]
        )
    )


def _key(address: str) -> bytes:
    return keccak256(bytes.fromhex(address.removeprefix("0x")))
