"""What the web application is made of: everything it may touch, given to it ready-made."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from ledger.keystore.master import MasterKey
from ledger.services.addresses import Addresses
from ledger.services.closing import IssuerLookup
from ledger.store.database import Database
from ledger.store.records import Chain
from ledger.verify.networks import Network
from ledger.verify.rpc import ChainReader, RpcReader
from ledger.verify.trust import TrustList


@dataclass(frozen=True, slots=True)
class LedgerEdges:
    """The edges of one ledger. The application reads no environment and owns no clock.

    `chain` is the home chain of issuers that register here. `networks`, `readers` and
    `trust` configure the public verifier, and nothing that a visitor sends changes them;
    readers are opened for one check, since a reader gives up an address that keeps failing.
    `issuers` asks the home chain about an issuer id, for whoever closes an organisation.
    """

    database: Database
    master: MasterKey = field(repr=False)
    addresses: Addresses
    chain: Chain
    networks: Sequence[Network]
    readers: Callable[[], AbstractContextManager[Sequence[ChainReader]]]
    trust: TrustList | None
    issuers: IssuerLookup
    now: Callable[[], datetime]
    entropy: Callable[[int], bytes]


@contextmanager
def rpc_readers(urls: Sequence[str]) -> Iterator[Sequence[ChainReader]]:
    """Readers of these JSON-RPC addresses, for one check. Raises SettingError."""
    with ExitStack() as open_readers:
        yield [open_readers.enter_context(closing(RpcReader(url))) for url in urls]
