"""Status lists: the on-chain bitmap as other people's verifiers read it."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from ledger.core.canonical import encode
from ledger.core.closing import status_bits
from ledger.core.keys import PublicKey, SigningKey
from ledger.core.signature import sign
from ledger.core.status import StatusBits, build_status_list
from ledger.errors import NotFound, Refused
from ledger.keystore.master import MasterKey
from ledger.services.addresses import Addresses
from ledger.services.identity import issuer_record, open_key
from ledger.services.organisations import Caller
from ledger.store import closings, credentials, issuers
from ledger.store.database import Transaction
from ledger.store.records import IssuerKey, IssuerKeyRole, IssuerRecord

#: A copy that somebody kept stops counting after this long.
LIFETIME = timedelta(days=2)
#: A list is some 20 kB for each 100,000 credentials, so these are some megabytes.
MOST_KEPT: Final = 128


def status_list(
    tx: Transaction,
    issuer_id: bytes,
    key: PublicKey,
    *,
    master: MasterKey,
    addresses: Addresses,
    now: datetime,
) -> bytes:
    """The signed BitstringStatusListCredential of an issuer, under one of its signing keys.

    Public: it holds bits and no person. A bit is set once its revocation is in a block: the
    chain is the truth, this is a view of it. The list is the same all day, so that it can be
    cached. Once the issuer has closed, it is the one that it left, without an end. Raises NotFound
    for an issuer or key that this ledger does not keep.
    """
    record, held = _find(tx, issuer_id, key)
    return _make(tx, record, held, master=master, addresses=addresses, today=_day(now))


@dataclass(slots=True)
class _Kept:
    """A list, None until it is made, and of which state of the ledger it is."""

    state: tuple[object, ...]
    #: Held by whoever makes it; whoever else asks meanwhile waits.
    lock: Lock = field(default_factory=Lock)
    data: bytes | None = None


class KeptStatusLists:
    """Status lists of one ledger, made and signed once for as long as they stay the same.

    The newest of each issuer's key is in memory, at most `most` of those asked for last. That a
    list is the newest is read in the database each time, so what another process does counts.
    """

    def __init__(
        self, *, master: MasterKey, addresses: Addresses, most: int = MOST_KEPT
    ) -> None:
        self._master = master
        self._addresses = addresses
        self._most = most
        self._lock = Lock()
        self._kept: OrderedDict[tuple[bytes, bytes], _Kept] = OrderedDict()

    def get(
        self, tx: Transaction, issuer_id: bytes, key: PublicKey, now: datetime
    ) -> bytes:
        """The list as `status_list` answers it, and raises for it.

        Whoever asks while it is made waits for it.
        """
        record, held = _find(tx, issuer_id, key)
        today = _day(now)
        kept = self._place((issuer_id, key.key_id), _state(tx, record, held, today))
        with kept.lock:
            if kept.data is None:
                kept.data = _make(
                    tx,
                    record,
                    held,
                    master=self._master,
                    addresses=self._addresses,
                    today=today,
                )
            return kept.data

    def _place(self, name: tuple[bytes, bytes], state: tuple[object, ...]) -> _Kept:
        with self._lock:
            kept = self._kept.get(name)
            if kept is None or kept.state != state:
                kept = self._kept[name] = _Kept(state)
            self._kept.move_to_end(name)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
            return kept


def _day(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def _find(
    tx: Transaction, issuer_id: bytes, key: PublicKey
) -> tuple[IssuerRecord, IssuerKey]:
    record = issuers.by_issuer_id(tx, issuer_id)
    for held in issuers.keys(tx, record.organisation_id, IssuerKeyRole.SIGNING):
        if held.key_id == key.key_id:
            return record, held
    raise NotFound("this issuer has no such signing key")


def _state(
    tx: Transaction, record: IssuerRecord, held: IssuerKey, today: datetime
) -> tuple[object, ...]:
    """All that a list is made from, or what is another one whenever that is."""
    return (
        today,
        record.closed_at,
        closings.has_begun(tx, record.organisation_id),
        held.sealed is None,
        credentials.withdrawn_mark(tx, record.organisation_id, record.chain_id),
    )


def _make(
    tx: Transaction,
    record: IssuerRecord,
    candidate: IssuerKey,
    *,
    master: MasterKey,
    addresses: Addresses,
    today: datetime,
) -> bytes:
    indexes = credentials.withdrawn_indexes(tx, record.organisation_id)
    if record.closed_at is None:
        return sign_status_list(
            record,
            SigningKey.from_seed(open_key(candidate, master)),
            indexes,
            addresses=addresses,
            today=today,
            lasts=False,
        )
    last = closings.final_lists(tx, record.organisation_id).get(candidate.key_id)
    # Closed by a database that is lost: its last lists are lost too, the key and the bits are not.
    lost = last is None and not closings.has_begun(tx, record.organisation_id)
    if last is None and (candidate.sealed is None or not lost):
        raise NotFound("this issuer has closed and left no list under this key")
    if last is not None and (
        candidate.sealed is None or covers(status_bits(last), indexes)
    ):
        return last
    # What the successor has withdrawn since goes in, under the key that is still here.
    return sign_status_list(
        record,
        SigningKey.from_seed(open_key(candidate, master)),
        indexes,
        addresses=addresses,
        today=today,
        lasts=True,
    )


def sign_status_list(
    record: IssuerRecord,
    signing: SigningKey,
    indexes: Iterable[int],
    *,
    addresses: Addresses,
    today: datetime,
    lasts: bool,
) -> bytes:
    """Sign the list of these withdrawn indexes. `lasts`: without an end, as an issuer leaves it."""
    key = signing.public
    document = build_status_list(
        addresses.status_list(record, key),
        key.did,
        StatusBits.of(indexes),
        valid_from=today,
        valid_until=None if lasts else today + LIFETIME,
    )
    proof = sign(
        document,
        signing,
        verification_method=f"{key.did}#{key.multibase}",
        created=today,
        nonce=False,
    )
    return encode({**document, "proof": [proof]})


def covers(bits: StatusBits, indexes: Iterable[int]) -> bool:
    """Whether a list has all of these bits."""
    size = len(bits.data) * 8
    return all(index < size and bits.is_set(index) for index in indexes)


def own_status_list(
    tx: Transaction,
    caller: Caller,
    *,
    master: MasterKey,
    addresses: Addresses,
    now: datetime,
) -> bytes:
    """The list of the caller's organisation under its newest signing key. Raises Refused."""
    record = issuer_record(tx, caller)
    keys = issuers.keys(tx, record.organisation_id, IssuerKeyRole.SIGNING)
    if not keys:
        raise Refused(
            f"{caller.organisation.name} has no signing key; restore its backup"
        )
    newest = max(keys, key=lambda key: key.created_at)
    return status_list(
        tx,
        record.issuer_id,
        PublicKey.from_multibase(newest.public),
        master=master,
        addresses=addresses,
        now=now,
    )
