"""
The networks a verifier accepts: format in docs/spec/networks-and-trust.md.

    {"version": 1, "networks": [{"name": "Ethereum", "chainId": "eip155:1",
      "genesisHash": "0x…", "anchorRegistry": "0x…", "issuerRegistry": "0x…", "test": false}]}

A credential names a chain and a registry; whether they count is decided here, by the
verifier, and never by anything that came with the credential.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.core import registries
from ledger.core.canonical import Json
from ledger.core.members import read_closed, read_text
from ledger.errors import MalformedError
from ledger.verify import documents

MAX_BYTES: Final = 262_144
MAX_NETWORKS: Final = 100

_CHAIN_ID = re.compile(r"eip155:([1-9][0-9]{0,15})", re.ASCII)
_ADDRESS = re.compile(r"0x[0-9a-f]{40}", re.ASCII)
_HASH = re.compile(r"0x[0-9a-f]{64}", re.ASCII)
_MEMBERS = frozenset(
    {"name", "chainId", "genesisHash", "anchorRegistry", "issuerRegistry", "test"}
)


@dataclass(frozen=True, slots=True)
class Network:
    """One chain, told from its look-alikes by id, first block and registry addresses."""

    name: str
    chain_id: int
    genesis_hash: bytes
    anchor_registry: str
    issuer_registry: str
    test: bool

    def __post_init__(self) -> None:
        documents.read_name(self.name, "network.name")
        if not 0 < self.chain_id < 2**53:
            raise MalformedError("network.chainId: between 1 and 2^53 - 1")
        if len(self.genesis_hash) != 32:
            raise MalformedError("network.genesisHash: 32 bytes expected")
        for where, address in (
            ("network.anchorRegistry", self.anchor_registry),
            ("network.issuerRegistry", self.issuer_registry),
        ):
            if not _ADDRESS.fullmatch(address):
                raise MalformedError(f"{where}: 0x and 40 lower-case hex digits")
        if self.anchor_registry == self.issuer_registry:
            raise MalformedError("network: both registries at one address")

    @property
    def caip2(self) -> str:
        """The chain's name in CAIP-2, "eip155:<chain id>"."""
        return caip2(self.chain_id)


#: Accepted without any file. Chain id and genesis hash are public facts of each chain; the
#: registries stand at the addresses that CREATE2 gives them on every chain.
BUILT_IN: Final = (
    Network(
        name="Ethereum",
        chain_id=1,
        genesis_hash=bytes.fromhex(
            "d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3"
        ),
        anchor_registry=registries.ANCHOR_REGISTRY,
        issuer_registry=registries.ISSUER_REGISTRY,
        test=False,
    ),
    Network(
        name="Sepolia",
        chain_id=11_155_111,
        genesis_hash=bytes.fromhex(
            "25a5cc106eea7138acab33231d7160d69cb777ee0c2c553fcddf5138993e6dd9"
        ),
        anchor_registry=registries.ANCHOR_REGISTRY,
        issuer_registry=registries.ISSUER_REGISTRY,
        test=True,
    ),
)


def caip2(chain_id: int) -> str:
    """Write a chain id as CAIP-2 does."""
    return f"eip155:{chain_id}"


def find_network(networks: Iterable[Network], chain_id: int) -> Network | None:
    """Find the one entry of a chain; None if the verifier does not accept it."""
    for network in networks:
        if network.chain_id == chain_id:
            return network
    return None


def parse_networks(data: bytes) -> tuple[Network, ...]:
    """Read a networks file; no chain and no name may stand in it twice. MalformedError."""
    document = documents.parse_document(
        data, frozenset({"networks"}), what="networks file", max_bytes=MAX_BYTES
    )
    entries = documents.read_list(document["networks"], "networks", most=MAX_NETWORKS)
    if not entries:
        raise MalformedError("networks: empty, so nothing could ever be accepted")
    networks = tuple(
        _network(entry, f"networks[{position}]")
        for position, entry in enumerate(entries)
    )
    chains: set[int] = set()
    names: set[str] = set()
    for network in networks:
        if network.chain_id in chains:
            raise MalformedError(f"networks: {network.caip2} stands there twice")
        if network.name in names:
            raise MalformedError(f"networks: two are called {network.name}")
        chains.add(network.chain_id)
        names.add(network.name)
    return networks


def encode_networks(networks: Sequence[Network]) -> bytes:
    """Write a networks file that `parse_networks` reads back."""
    document = {
        "version": documents.VERSION,
        "networks": [
            {
                "name": network.name,
                "chainId": network.caip2,
                "genesisHash": f"0x{network.genesis_hash.hex()}",
                "anchorRegistry": network.anchor_registry,
                "issuerRegistry": network.issuer_registry,
                "test": network.test,
            }
            for network in networks
        ],
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _network(value: Json, where: str) -> Network:
    entry = read_closed(value, _MEMBERS, where)
    text = {
        member: read_text(entry[member], f"{where}.{member}")
        for member in sorted(_MEMBERS - {"test"})
    }
    chain = _CHAIN_ID.fullmatch(text["chainId"])
    if not chain:
        raise MalformedError(f"{where}.chainId: eip155: and a number expected")
    if not _HASH.fullmatch(text["genesisHash"]):
        raise MalformedError(f"{where}.genesisHash: 0x and 64 lower-case hex digits")
    test = entry["test"]
    if not isinstance(test, bool):
        raise MalformedError(f"{where}.test: true or false expected")
    try:
        return Network(
            name=text["name"],
            chain_id=int(chain.group(1)),
            genesis_hash=bytes.fromhex(text["genesisHash"][2:]),
            anchor_registry=text["anchorRegistry"],
            issuer_registry=text["issuerRegistry"],
            test=test,
        )
    except MalformedError as error:
        raise MalformedError(f"{where}: {error}") from error
