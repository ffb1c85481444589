"""An issuer as it signs: the on-chain record, the public profile and the opened keys."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ledger.core.canonical import parse_object
from ledger.core.credential import Issuer
from ledger.core.issuer import IssuerProfile, IssuerReference
from ledger.core.keys import PublicKey, SigningKey
from ledger.errors import KeystoreError, NotFound, Refused
from ledger.keystore.master import MasterKey
from ledger.services.organisations import Caller
from ledger.store import closings, issuers
from ledger.store.database import Transaction
from ledger.store.records import IssuerKey, IssuerKeyRole, IssuerRecord


@dataclass(frozen=True, slots=True)
class SigningIssuer:
    """An issuer that can sign: what goes into its credentials, and the key that signs."""

    record: IssuerRecord
    issuer: Issuer
    key: SigningKey


def issuer_record(tx: Transaction, caller: Caller) -> IssuerRecord:
    """The issuer record of the caller's organisation. Raises Refused if there is none yet."""
    try:
        return issuers.of(tx, caller.organisation.id)
    except NotFound as error:
        raise Refused(
            f"{caller.organisation.name} has no issuer record yet; make it with:"
            f" perdure issuer register --org {caller.organisation.code} ..."
        ) from error


def reference_of(record: IssuerRecord) -> IssuerReference:
    """The identifier that the signed bytes carry."""
    return IssuerReference(record.chain_id, record.registry, record.issuer_id)


@dataclass(frozen=True, slots=True)
class IssuerDescription:
    """What people ask of an issuer record: its name, and since when its keys are open."""

    reference: IssuerReference
    profile: IssuerProfile
    registered_at: int | None
    closed_at: int | None
    keys: Sequence[IssuerKey]


def describe_issuer(tx: Transaction, caller: Caller) -> IssuerDescription:
    """The issuer record of the caller's organisation. Raises Refused if there is none yet."""
    record = issuer_record(tx, caller)
    keys = issuers.keys(tx, caller.organisation.id)
    return IssuerDescription(
        reference=reference_of(record),
        profile=IssuerProfile.from_json(parse_object(record.profile)),
        registered_at=record.registered_at,
        closed_at=record.closed_at,
        keys=[
            # An account, which nothing opens but the registration that names it.
            replace(key, opened=record.registered_at)
            if key.role is IssuerKeyRole.CONTROLLER
            else key
            for key in keys
        ],
    )


def signing_issuer(tx: Transaction, caller: Caller, master: MasterKey) -> SigningIssuer:
    """Open the newest signing key of the caller's organisation.

    Raises Refused without an issuer record or after closing, KeystoreError if the master key
    does not fit.
    """
    record = _open_record(tx, caller)
    sealed = _newest(tx, caller, IssuerKeyRole.SIGNING)
    key = SigningKey.from_seed(open_key(sealed, master))
    profile = IssuerProfile.from_json(parse_object(record.profile))
    issuer = Issuer(
        profile=profile, reference=reference_of(record), key=key.public, did=None
    )
    return SigningIssuer(record, issuer, key)


def require_issuing(tx: Transaction, caller: Caller) -> None:
    """Refuse what could not be issued now, without opening a key.

    Raises Refused as `signing_issuer` does.
    """
    _open_record(tx, caller)
    _newest(tx, caller, IssuerKeyRole.SIGNING)


def require_signing(tx: Transaction, caller: Caller, key: PublicKey) -> None:
    """Refuse to go on with a key that would not be opened now.

    Raises Refused after closing, and if the organisation signs with another key.
    """
    _open_record(tx, caller)
    if _newest(tx, caller, IssuerKeyRole.SIGNING).key_id != key.key_id:
        raise Refused(
            f"{caller.organisation.name} has changed its signing key meanwhile; issue again"
        )


def _open_record(tx: Transaction, caller: Caller) -> IssuerRecord:
    record = issuer_record(tx, caller)
    if record.closed_at is not None or closings.has_begun(tx, record.organisation_id):
        raise Refused(
            f"{caller.organisation.name} is closed: nothing can be issued any more"
        )
    return record


def revoking_secret(tx: Transaction, caller: Caller, master: MasterKey) -> bytes:
    """The secp256k1 private key that may withdraw credentials."""
    return open_key(_newest(tx, caller, IssuerKeyRole.REVOKING), master)


def controller_secret(tx: Transaction, caller: Caller, master: MasterKey) -> bytes:
    """The secp256k1 private key of an issuer's daily acts.

    Raises KeystoreError if the master key does not fit, Refused if there is none.
    """
    return open_key(_newest(tx, caller, IssuerKeyRole.CONTROLLER), master)


def open_key(key: IssuerKey, master: MasterKey) -> bytes:
    """Unseal a private key. Raises KeystoreError, also for a key that stayed elsewhere."""
    if key.sealed is None:
        raise KeystoreError(
            "the private half of this key is not here: its issuer was imported"
        )
    return master.open(key.sealed, key_context(key.role, key.key_id))


def key_context(role: IssuerKeyRole, key_id: bytes) -> bytes:
    """What a sealed key is bound to, so that one cannot be put in another's place."""
    return b"issuer key/" + role.value.encode() + b"/" + key_id


def _newest(tx: Transaction, caller: Caller, role: IssuerKeyRole) -> IssuerKey:
    keys = issuers.keys(tx, caller.organisation.id, role)
    if not keys:
        raise Refused(
            f"{caller.organisation.name} has no {role.value} key; restore its backup"
        )
    return max(keys, key=lambda key: key.created_at)
