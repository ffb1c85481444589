"""Whether a server can do its work now: what a load balancer asks before it sends anybody."""

from collections.abc import Iterator
from typing import Final

from ledger.errors import KeystoreError, SettingError, StoreError
from ledger.keystore.master import MasterKey
from ledger.services.identity import open_key
from ledger.store import issuers
from ledger.store.database import Database

NO_DATABASE: Final = "the database does not answer"
OTHER_SCHEMA: Final = "the database has the schema of another release"
WRONG_KEY: Final = "the master key does not open this ledger's keys"


def shortcomings(database: Database, master: MasterKey) -> Iterator[str]:
    """What keeps the ledger from its work, in words that anybody may read."""
    try:
        database.check_schema()
        with database.read() as tx:
            key = issuers.some_sealed_key(tx)
    except SettingError:
        yield OTHER_SCHEMA
        return
    except StoreError:
        yield NO_DATABASE
        return
    if key is None:
        return
    try:
        open_key(key, master)
    except KeystoreError:
        yield WRONG_KEY
