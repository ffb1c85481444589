"""From the environment to the edges that use cases take. Only entry points do this."""

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ledger.errors import ChainUnavailable

if TYPE_CHECKING:
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


def home_chain(settings: "Settings") -> "Chain":
    """The chain that the configured node serves, compared with the networks list.

    Raises SettingError or ChainRejected if they differ, ChainUnavailable.
    """
    from ledger.chain.node import Node, check_chain
    from ledger.config import NETWORKS, RPC_URLS, blaming
    from ledger.store.records import Chain

    node = Node(settings.rpc_urls[0])
    network = settings.network(node.chain_id())
    with blaming(RPC_URLS, NETWORKS):
        check_chain(
            node,
            chain_id=network.chain_id,
            genesis_hash=network.genesis_hash,
            anchor_registry=network.anchor_registry,
            issuer_registry=network.issuer_registry,
        )
    return Chain(
        chain_id=network.chain_id,
        genesis_hash=network.genesis_hash,
        anchor_registry=network.anchor_registry,
        issuer_registry=network.issuer_registry,
        test=network.test,
    )


def issuer_lookup(settings: "Settings", chain: "Chain") -> "IssuerLookup":
    """Ask the first node for issuer records, as of its newest block."""
    from ledger.chain.node import Node
    from ledger.chain.registry import IssuerRegistry

    registry = IssuerRegistry(Node(settings.rpc_urls[0]), chain.issuer_registry)
    return lambda issuer_id: registry.issuer(issuer_id, "latest")


def served_chain(settings: "Settings", database: "Database") -> "Chain":
    """The home chain; while its node is out of reach, the one that this ledger was used with.

    So a server starts during an outage, and issuing goes on. Raises as `home_chain` does, and
    SettingError if the node is of another chain than this ledger's home.
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
