"""Registering an issuer: its keys, its backup, its record on the chain."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ledger.chain import accounts, acts
from ledger.core.canonical import encode
from ledger.core.issuer import (
    IssuerProfile,
    IssuerReference,
    issuer_id,
    recovery_commitment,
)
from ledger.core.keys import SigningKey
from ledger.errors import Conflict, NotFound
from ledger.keystore.backup import BackupEntry, encode_backup
from ledger.keystore.master import MasterKey
from ledger.services.chain_acts import enqueue
from ledger.services.identity import key_context
from ledger.services.organisations import Caller
from ledger.store import chains, issuers
from ledger.store.database import Transaction
from ledger.store.records import Chain, IssuerKey, IssuerKeyRole, IssuerRecord

#: How long the worker may take to carry a signed act to the chain.
ACT_LIFETIME = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Registration:
    """A registered issuer; its acts wait for the worker."""

    reference: IssuerReference
    signing_did: str


def register_issuer(  # noqa: PLR0913 - an edge each: chain, keys, backup, clock, randomness
    tx: Transaction,
    caller: Caller,
    profile: IssuerProfile,
    chain: Chain,
    *,
    master: MasterKey,
    passphrase: str,
    write_backup: Callable[[bytes], None],
    now: datetime,
    entropy: Callable[[int], bytes],
) -> Registration:
    """Make the keys of an issuer and enqueue its registration on the chain.

    The recovery key exists in this function and in the bytes given to `write_backup`, nowhere
    else. The backup is written first: if the commit then fails there is a backup too many,
    never an identity too few. Raises Conflict if the organisation has an issuer record, or
    if this ledger was used with another chain of that number.
    """
    organisation = caller.organisation
    try:
        issuers.of(tx, organisation.id)
    except NotFound:
        pass
    else:
        raise Conflict(
            f"{organisation.name} has an issuer record already; what the chain refused of its"
            f" registration is signed anew by: perdure issuer renew --org {organisation.code}"
        )

    controller = accounts.new_account(entropy)
    revoker = accounts.new_account(entropy)
    recovery = accounts.new_account(entropy)
    signing = SigningKey.from_seed(entropy(32))
    salt = entropy(32)
    commitment = recovery_commitment(recovery.address)
    record = IssuerRecord(
        organisation_id=organisation.id,
        chain_id=chain.chain_id,
        registry=chain.issuer_registry,
        issuer_id=issuer_id(
            chain.chain_id, controller.address, commitment, profile.hash, salt
        ),
        controller=controller.address,
        recovery_commitment=commitment,
        profile=encode(profile.to_json()),
        profile_hash=profile.hash,
        salt=salt,
        created_at=now,
        registered_at=None,
        closed_at=None,
    )
    keys = [
        (IssuerKeyRole.CONTROLLER, accounts.key_id(controller.address), controller.address, controller.secret),
        (IssuerKeyRole.REVOKING, accounts.key_id(revoker.address), revoker.address, revoker.secret),
        (IssuerKeyRole.SIGNING, signing.public.key_id, signing.public.multibase, signing.seed),
    ]  # fmt: skip
    entry = BackupEntry(
        organisation_code=organisation.code,
        organisation_name=organisation.name,
        chain_id=record.chain_id,
        registry=record.registry,
        issuer_id=record.issuer_id,
        profile=record.profile,
        salt=record.salt,
        recovery_commitment=commitment,
        created_at=now,
        next_status_block=0,
        secrets={role.value: [secret] for role, _, _, secret in keys}
        | {"recovery": [recovery.secret]},
    )
    write_backup(encode_backup([entry], passphrase, entropy))

    chains.record_home(tx, chain)
    issuers.add(tx, record)
    for role, key_id, public, secret in keys:
        issuers.add_key(
            tx,
            IssuerKey(
                organisation_id=organisation.id,
                role=role,
                key_id=key_id,
                public=public,
                sealed=master.seal(secret, key_context(role, key_id)),
                created_at=now,
                opened=None,
            ),
        )
    enqueue_registration(
        tx, record, controller.secret, keys=issuers.keys(tx, organisation.id), now=now
    )
    return Registration(
        IssuerReference(record.chain_id, record.registry, record.issuer_id),
        signing.public.did,
    )


def enqueue_registration(
    tx: Transaction,
    record: IssuerRecord,
    controller_secret: bytes,
    *,
    keys: Sequence[IssuerKey],
    now: datetime,
) -> None:
    """Enqueue the acts that put a record and its keys on the chain.

    Each act changes nothing where it has happened already, so enqueuing twice is harmless. One
    that the chain refused is enqueued anew, with another deadline.
    """
    subject = str(record.organisation_id)
    deadline = int((now + ACT_LIFETIME).timestamp())
    domain = acts.Domain(record.chain_id, record.registry)
    enqueue(
        tx,
        acts.register(
            domain,
            record.controller,
            record.recovery_commitment,
            record.profile_hash,
            record.salt,
        ),
        record,
        subject=subject,
        name="",
        now=now,
    )
    roles = {
        IssuerKeyRole.SIGNING: acts.SIGNING,
        IssuerKeyRole.REVOKING: acts.REVOKING,
    }
    for key in keys:
        if key.role in roles:
            enqueue(
                tx,
                acts.add_key(
                    domain,
                    record.issuer_id,
                    key.key_id,
                    roles[key.role],
                    deadline,
                    controller_secret,
                ),
                record,
                subject=subject,
                name=key.key_id.hex(),
                now=now,
            )
