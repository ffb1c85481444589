"""Status lists: the on-chain bitmap as other people's verifiers read it."""

from collections.abc import Iterable
from datetime import datetime, timedelta

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
from ledger.store.records import IssuerKeyRole, IssuerRecord

#: A copy that somebody kept stops counting after this long.
LIFETIME = timedelta(days=2)


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
    record = issuers.by_issuer_id(tx, issuer_id)
    for candidate in issuers.keys(tx, record.organisation_id, IssuerKeyRole.SIGNING):
        if candidate.key_id == key.key_id:
            break
    else:
        raise NotFound("this issuer has no such signing key")
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
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
    last = closings.final_lists(tx, record.organisation_id).get(key.key_id)
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
