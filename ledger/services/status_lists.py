"""Status lists: the on-chain bitmap as other people's verifiers read it."""

from datetime import datetime, timedelta

from ledger.core.canonical import encode
from ledger.core.keys import PublicKey, SigningKey
from ledger.core.signature import sign
from ledger.core.status import StatusBits, build_status_list
from ledger.errors import NotFound
from ledger.keystore.master import MasterKey
from ledger.services.addresses import Addresses
from ledger.services.identity import open_key, signing_issuer
from ledger.services.organisations import Caller
from ledger.store import credentials, issuers
from ledger.store.database import Transaction
from ledger.store.records import IssuerKeyRole

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
    cached. Raises NotFound for an issuer or key that this ledger does not keep.
    """
    record = issuers.by_issuer_id(tx, issuer_id)
    for candidate in issuers.keys(tx, record.organisation_id, IssuerKeyRole.SIGNING):
        if candidate.key_id == key.key_id:
            break
    else:
        raise NotFound("this issuer has no such signing key")
    signing = SigningKey.from_seed(open_key(candidate, master))
    bits = StatusBits.of(credentials.withdrawn_indexes(tx, record.organisation_id))
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    document = build_status_list(
        addresses.status_list(record, key),
        key.did,
        bits,
        valid_from=today,
        valid_until=today + LIFETIME,
    )
    proof = sign(
        document,
        signing,
        verification_method=f"{key.did}#{key.multibase}",
        created=today,
        nonce=False,
    )
    return encode({**document, "proof": [proof]})


def own_status_list(
    tx: Transaction,
    caller: Caller,
    *,
    master: MasterKey,
    addresses: Addresses,
    now: datetime,
) -> bytes:
    """The list of the caller's organisation under its newest signing key. Raises Refused."""
    signer = signing_issuer(tx, caller, master)
    return status_list(
        tx,
        signer.record.issuer_id,
        signer.key.public,
        master=master,
        addresses=addresses,
        now=now,
    )
