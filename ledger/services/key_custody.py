"""Custody of keys: losing the server must never mean losing an identity."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ledger.chain import accounts
from ledger.core.canonical import parse_object
from ledger.core.issuer import IssuerProfile, IssuerReference, issuer_id
from ledger.core.keys import SigningKey
from ledger.errors import Conflict, KeystoreError, NotFound, Refused
from ledger.keystore.backup import BackupEntry, decode_backup, encode_backup
from ledger.keystore.master import MasterKey
from ledger.services.identity import key_context, open_key
from ledger.services.organisations import create_organisation
from ledger.services.registration import enqueue_registration
from ledger.store import credentials, issuers, organisations
from ledger.store.database import Transaction
from ledger.store.records import IssuerKey, IssuerKeyRole, IssuerRecord, Organisation

#: Blocks of status indexes that a restored ledger leaves unused, because those may have been
#: opened after the backup was made: three quarters of 131,072 credentials in each.
SKIPPED_BLOCKS = 8


@dataclass(frozen=True, slots=True)
class RestoredIssuer:
    """An identity that came back; `added` counts the keys that were not there yet."""

    organisation_code: str
    reference: IssuerReference
    added: int


def backup_keys(
    tx: Transaction,
    codes: Sequence[str] | None,
    *,
    master: MasterKey,
    passphrase: str,
    entropy: Callable[[int], bytes],
) -> tuple[bytes, Sequence[str]]:
    """Back up the private keys of some organisations, or of all; answers file and codes.

    The recovery key is not among them: it stands only in the file that registering wrote.
    Raises NotFound for an unknown code, KeystoreError for a weak passphrase or a wrong
    master key.
    """
    chosen = (
        organisations.all(tx)
        if codes is None
        else [organisations.by_code(tx, code) for code in codes]
    )
    entries = []
    for organisation in chosen:
        try:
            record = issuers.of(tx, organisation.id)
        except NotFound:
            continue
        entry = _entry(tx, organisation, record, master)
        # An imported issuer left its keys elsewhere.
        if entry.secrets:
            entries.append(entry)
    return encode_backup(entries, passphrase, entropy), [
        e.organisation_code for e in entries
    ]


def restore_keys(  # noqa: PLR0913 - the file and what opens it, whose, and under which code
    tx: Transaction,
    data: bytes,
    *,
    master: MasterKey,
    passphrase: str,
    now: datetime,
    only: Sequence[str] | None = None,
    code: str | None = None,
) -> Sequence[RestoredIssuer]:
    """Bring identities back from a backup file, under the master key of this ledger.

    `only` chooses organisations by their codes in the file; `code` is another one for the single
    one. Acts that put record and keys on the chain are enqueued again: where they happened
    already they change nothing, and the worker then reads back since when each key is open.
    What the chain refused is signed anew.

    Raises MalformedError, KeystoreError, NotFound for a chosen code that the file does not have,
    Refused for another code for several, Conflict if that code is here an organisation's of
    another name or identity, or the identity is here under another code than `code`.
    """
    entries = _chosen(decode_backup(data, passphrase), only)
    if code is not None and len(entries) != 1:
        held = ", ".join(entry.organisation_code for entry in entries)
        raise Refused(
            f"another code (--code) is for one organisation, and the backup holds {held}:"
            " choose one with --org"
        )
    return [_restore(tx, entry, code, master, now) for entry in entries]


def _chosen(
    entries: Sequence[BackupEntry], only: Sequence[str] | None
) -> Sequence[BackupEntry]:
    if only is None:
        return entries
    held = {entry.organisation_code for entry in entries}
    absent = [code for code in only if code not in held]
    if absent:
        raise NotFound(
            f"the backup does not hold {', '.join(absent)}; it holds"
            f" {', '.join(sorted(held)) or 'nobody'}"
        )
    return [entry for entry in entries if entry.organisation_code in only]


def _entry(
    tx: Transaction, organisation: Organisation, record: IssuerRecord, master: MasterKey
) -> BackupEntry:
    secrets: dict[str, list[bytes]] = {}
    for key in issuers.keys(tx, organisation.id):
        if key.sealed is not None:
            secrets.setdefault(key.role.value, []).append(open_key(key, master))
    return BackupEntry(
        organisation_code=organisation.code,
        organisation_name=organisation.name,
        chain_id=record.chain_id,
        registry=record.registry,
        issuer_id=record.issuer_id,
        profile=record.profile,
        salt=record.salt,
        recovery_commitment=record.recovery_commitment,
        created_at=record.created_at,
        next_status_block=credentials.next_status_block(tx, organisation.id),
        secrets=secrets,
    )


def _restore(  # noqa: PLR0917 - whose, under which code, under which key, when
    tx: Transaction,
    entry: BackupEntry,
    code: str | None,
    master: MasterKey,
    now: datetime,
) -> RestoredIssuer:
    organisation = _organisation(tx, entry, code, now)
    controllers = entry.secrets.get(IssuerKeyRole.CONTROLLER.value, ())
    if not controllers:
        raise KeystoreError(
            f"the backup of {entry.organisation_code} lacks its controller key"
        )
    record = _record(organisation, entry, accounts.address_of(controllers[0]))
    try:
        record = issuers.of(tx, organisation.id)
    except NotFound:
        issuers.add(tx, record)
        credentials.skip_status_blocks(
            tx, organisation.id, entry.next_status_block + SKIPPED_BLOCKS
        )
    held = {key.key_id for key in issuers.keys(tx, organisation.id)}
    added = [
        key for key in _keys(organisation, entry, master) if key.key_id not in held
    ]
    for key in added:
        issuers.add_key(tx, key)
    unopened = issuers.unopened(tx, organisation.id)
    enqueue_registration(tx, record, controllers[0], keys=unopened, now=now)
    return RestoredIssuer(
        organisation.code,
        IssuerReference(record.chain_id, record.registry, record.issuer_id),
        len(added),
    )


def _organisation(
    tx: Transaction, entry: BackupEntry, code: str | None, now: datetime
) -> Organisation:
    """The one that has this identity, or that shall have it: made if its code is nobody's."""
    try:
        present = issuers.by_issuer_id(tx, entry.issuer_id)
    except NotFound:
        given = entry.organisation_code if code is None else code
        return _prepared(tx, entry, given, now)
    organisation = organisations.by_id(tx, present.organisation_id)
    if code not in {None, organisation.code}:
        raise Conflict(
            f"{organisation.name} is here already, under the code {organisation.code}, which"
            " stays: leave --code out"
        )
    return organisation


def _prepared(
    tx: Transaction, entry: BackupEntry, code: str, now: datetime
) -> Organisation:
    name = entry.organisation_name
    try:
        organisation = organisations.by_code(tx, code)
    except NotFound:
        return create_organisation(tx, code=code, name=name, now=now)
    other = "another issuer record"
    # The same name without a record: somebody made the organisation anew, to restore it.
    if not _has_record(tx, organisation):
        if organisation.name == name:
            return organisation
        other = f"another name, {organisation.name}"
    raise Conflict(
        f"the organisation {code} here has {other}, and the backup is of {name}: restore it"
        f" under another code with --org {entry.organisation_code} --code CODE"
    )


def _has_record(tx: Transaction, organisation: Organisation) -> bool:
    try:
        issuers.of(tx, organisation.id)
    except NotFound:
        return False
    return True


def _record(
    organisation: Organisation, entry: BackupEntry, controller: str
) -> IssuerRecord:
    profile = IssuerProfile.from_json(parse_object(entry.profile))
    expected = issuer_id(
        entry.chain_id, controller, entry.recovery_commitment, profile.hash, entry.salt
    )
    if expected != entry.issuer_id:
        raise KeystoreError(
            f"the backup of {entry.organisation_code} is not of one piece: its keys do not"
            " give its issuer id"
        )
    return IssuerRecord(
        organisation_id=organisation.id,
        chain_id=entry.chain_id,
        registry=entry.registry,
        issuer_id=entry.issuer_id,
        controller=controller,
        recovery_commitment=entry.recovery_commitment,
        profile=entry.profile,
        profile_hash=profile.hash,
        salt=entry.salt,
        created_at=entry.created_at,
        registered_at=None,
        closed_at=None,
    )


def _keys(
    organisation: Organisation, entry: BackupEntry, master: MasterKey
) -> Sequence[IssuerKey]:
    keys = []
    for role in IssuerKeyRole:
        for secret in entry.secrets.get(role.value, ()):
            if role is IssuerKeyRole.SIGNING:
                public = SigningKey.from_seed(secret).public
                key_id, text = public.key_id, public.multibase
            else:
                text = accounts.address_of(secret)
                key_id = accounts.key_id(text)
            keys.append(
                IssuerKey(
                    organisation_id=organisation.id,
                    role=role,
                    key_id=key_id,
                    public=text,
                    sealed=master.seal(secret, key_context(role, key_id)),
                    created_at=entry.created_at,
                    opened=None,
                )
            )
    return keys
