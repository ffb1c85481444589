"""From the environment to the edges that use cases take. Only entry points do this."""

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ledger.errors import ChainUnavailable, SettingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger.chain.node import ChainNode
    from ledger.chain.registry import IssuerState
    from ledger.config import Settings
    from ledger.keystore.master import MasterKey
    from ledger.services.addresses import Addresses
    from ledger.services.closing import IssuerLookup
    from ledger.services.organisations import Caller
    from ledger.store.database import Database
    from ledger.store.records import Chain


def now() -> datetime:
    """The clock."""
    return datetime.now(UTC)  # noqa: TID251 - entry points own the clock


def settings_from_environment() -> "Settings":
    """The settings; each complains only when it is used."""
    from ledger.config import Settings

    return Settings.from_environment(os.environ)  # noqa: TID251 - handed on, once


def open_database(settings: "Settings") -> "Database":
    """Open the database. Raises SettingError."""
    from ledger.store.database import Database

    return Database.open(settings.database_url)


def open_master(settings: "Settings") -> "MasterKey":
    """Open the master key. Raises SettingError, KeystoreError."""
    return settings.master_key()


def addresses_of(settings: "Settings") -> "Addresses":
    """The addresses under this ledger's public URL."""
    from ledger.services.addresses import Addresses

    return Addresses(settings.public_url)


def nodes_of(urls: "Sequence[str]") -> "Sequence[ChainNode]":
    """The nodes of a setting's addresses, for `first_answer`."""
    from ledger.chain.node import Node

    return [Node(url) for url in urls]


def home_node(settings: "Settings") -> "tuple[ChainNode, Chain]":
    """The first node that answers as a chain of the networks list, and that chain.

    Raises SettingError or ChainRejected if none is as the list says, ChainUnavailable if none
    answers.
    """
    from ledger.chain.node import check_chain
    from ledger.chain.pool import first_answer
    from ledger.config import NETWORKS, RPC_URLS, blaming
    from ledger.store.records import Chain

    def look(node: "ChainNode") -> "tuple[ChainNode, Chain]":
        network = settings.network(node.chain_id())
        with blaming(RPC_URLS, NETWORKS):
            check_chain(
                node,
                chain_id=network.chain_id,
                genesis_hash=network.genesis_hash,
                anchor_registry=network.anchor_registry,
                issuer_registry=network.issuer_registry,
            )
        return node, Chain(
            chain_id=network.chain_id,
            genesis_hash=network.genesis_hash,
            anchor_registry=network.anchor_registry,
            issuer_registry=network.issuer_registry,
            test=network.test,
        )

    return first_answer(nodes_of(settings.rpc_urls), look)


def home_chain(settings: "Settings") -> "Chain":
    """The chain that the configured nodes serve. Raises as `home_node` does."""
    _node, chain = home_node(settings)
    return chain


def examined_node(urls: "Sequence[str]", chain: "Chain | None") -> "ChainNode":
    """The node to examine a chain by: the first that is of it, else the first that answers.

    So what is wrong with the only node there is becomes a finding. Raises ChainUnavailable if
    none answers.
    """
    from ledger.chain.node import check_identity
    from ledger.chain.pool import first_answer

    def answering(node: "ChainNode") -> "ChainNode":
        node.chain_id()
        return node

    def of_the_chain(node: "ChainNode") -> "ChainNode":
        if chain is not None:
            check_identity(node, chain.chain_id, chain.genesis_hash)
        return answering(node)

    nodes = nodes_of(urls)
    try:
        return first_answer(nodes, of_the_chain)
    except SettingError:
        return first_answer(nodes, answering)


def issuer_lookup(settings: "Settings", chain: "Chain") -> "IssuerLookup":
    """Ask for issuer records, as of the newest block of the first node that is of the chain.

    A lookup raises ChainUnavailable if no node answers, SettingError if none is of the chain.
    """
    from ledger.chain.node import check_identity
    from ledger.chain.pool import first_answer
    from ledger.chain.registry import IssuerRegistry

    nodes = nodes_of(settings.rpc_urls)

    def lookup(issuer_id: bytes) -> "IssuerState | None":
        def ask(node: "ChainNode") -> "IssuerState | None":
            check_identity(node, chain.chain_id, chain.genesis_hash)
            registry = IssuerRegistry(node, chain.issuer_registry)
            return registry.issuer(issuer_id, "latest")

        return first_answer(nodes, ask)

    return lookup


def served_chain(settings: "Settings", database: "Database") -> "Chain":
    """The home chain; while its nodes are out of reach, the one that this ledger was used with.

    So a server starts during an outage, and issuing goes on. Raises as `home_chain` does, and
    SettingError if they are of another chain than this ledger's home.
    """
    from ledger.config import NETWORKS, RPC_URLS, blaming
    from ledger.store import chains

    try:
        found = home_chain(settings)
    except ChainUnavailable:
        with database.read() as tx:
            home, known = chains.home(tx), chains.all(tx)
        if home is not None:
            return home
        if len(known) != 1:
            raise
        return known[0]
    with database.read() as tx, blaming(RPC_URLS, NETWORKS):
        chains.require_home(tx, found)
    return found


def caller_of(database: "Database", code: str) -> "Caller":
    """Act as the local operator for an organisation. Raises NotFound."""
    from ledger.services.organisations import operator_of

    with database.read() as tx:
        return operator_of(tx, code)
