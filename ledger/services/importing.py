"""Importing: a closed issuer's public record under another operator, without any of its keys.

What is personal comes in only with a custodian's key, and stays ciphertext that nothing here
reads until the person whom it is about asks for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from ledger.core.canonical import encode
from ledger.core.issuer import IssuerReference
from ledger.core.registries import SIGNING_ROLE
from ledger.errors import Conflict, NotFound
from ledger.keystore.custodian import Identity
from ledger.keystore.master import MasterKey
from ledger.services.archive_reading import (
    CheckedCredentials,
    OpenedArchive,
    Witness,
    opened,
)
from ledger.services.held import HeldCredential
from ledger.services.organisations import create_organisation
from ledger.store import achievements, chains, closings, issuers, organisations
from ledger.store.database import Database, Transaction
from ledger.store.records import (
    AchievementRecord,
    Chain,
    Closing,
    IssuerKey,
    IssuerKeyRole,
    IssuerRecord,
    Organisation,
)
from ledger.verify.networks import Network

#: Credentials in one transaction.
CHUNK = 200


@dataclass(frozen=True, slots=True)
class ImportedIssuer:
    """What came in. `already`: the public record was here; `held` counts what is new and hidden."""

    organisation_code: str
    name: str
    issuer: IssuerReference
    already: bool
    achievements: int
    sealed: int
    held: int | None


def import_archive(  # noqa: PLR0913 - an edge each: database, file, networks, witness, keys, clock
    database: Database,
    path: Path,
    *,
    networks: Sequence[Network],
    witness: Witness,
    identities: Sequence[Identity],
    master: Callable[[], MasterKey],
    code: str | None,
    now: datetime,
    progress: Callable[[int, int], None],
    checking: Callable[[int, int], None] = lambda _done, _total: None,
) -> ImportedIssuer:
    """Take a closing archive in. The same archive again changes nothing; a crash loses nothing.

    `master` is asked for only where there is something to hold back. Raises MalformedError naming
    the file that is damaged, or for a code that no organisation may have, ProofError for what the
    chain does not say, Refused, Conflict if the code is another organisation's or not the one
    that the issuer has here, or the issuer is this ledger's own, KeystoreError if no identity
    fits, and what `master` raises. After none of these anything is kept.
    """
    with opened(path, networks, witness) as archive:
        # All that can be wrong, with what was typed and with the file, before anything is kept.
        archive.check_parts(identities)
        opened_master = master() if identities else None
        checked = (
            archive.check_credentials(identities, checking) if identities else None
        )
        with database.begin() as tx:
            organisation, already = _public(tx, archive, code, now)
        held = None
        if opened_master is not None and checked is not None:
            held = _personal(
                database,
                organisation,
                checked,
                total=archive.manifest.credentials,
                master=opened_master,
                progress=progress,
            )
        return ImportedIssuer(
            organisation.code,
            organisation.name,
            archive.public.statement.issuer,
            already,
            len(archive.public.achievements),
            archive.manifest.credentials,
            held,
        )


# ---------------------------------------------------------------- the public record


def _public(
    tx: Transaction, archive: OpenedArchive, code: str | None, now: datetime
) -> tuple[Organisation, bool]:
    statement = archive.public.statement
    try:
        present = issuers.by_issuer_id(tx, statement.issuer.issuer_id)
    except NotFound:
        given = statement.code if code is None else code
        return _add(tx, archive, given, now), False
    organisation = organisations.by_id(tx, present.organisation_id)
    if not _is_imported(tx, present.organisation_id):
        raise Conflict(
            f"this ledger keeps {organisation.name} itself: there is nothing to import"
        )
    if code not in {None, organisation.code}:
        raise Conflict(
            f"{organisation.name} is here already, under the code {organisation.code}, which"
            " stays: leave --code out"
        )
    return organisation, True


def _is_imported(tx: Transaction, organisation_id: UUID) -> bool:
    try:
        return closings.of(tx, organisation_id).imported_at is not None
    except NotFound:
        return False


def _add(
    tx: Transaction, archive: OpenedArchive, code: str, now: datetime
) -> Organisation:
    public, network = archive.public, archive.network
    statement, history = public.statement, public.history
    try:
        organisation = create_organisation(tx, code=code, name=statement.name, now=now)
    except Conflict as error:
        raise Conflict(
            f"another organisation here has the code {code}: name one with --code"
        ) from error
    chains.record(
        tx,
        Chain(
            network.chain_id,
            network.genesis_hash,
            network.anchor_registry,
            network.issuer_registry,
            network.test,
        ),
    )
    newest = public.profiles[-1]
    issuers.add(
        tx,
        IssuerRecord(
            organisation_id=organisation.id,
            chain_id=network.chain_id,
            registry=network.issuer_registry,
            issuer_id=history.issuer.issuer_id,
            controller=history.controller,
            recovery_commitment=history.recovery_commitment,
            profile=encode(newest.to_json()),
            profile_hash=newest.hash,
            salt=history.salt,
            created_at=now,
            registered_at=history.registered_at,
            closed_at=history.closed_at,
            closed_block=archive.proof.block.number,
        ),
    )
    _add_keys(tx, organisation, archive, now)
    for (name, version), source in public.achievements.items():
        achievements.add(
            tx, AchievementRecord(organisation.id, name, version, source, now)
        )
    closings.begin(
        tx,
        Closing(
            organisation_id=organisation.id,
            started_at=statement.prepared_at,
            successor=None
            if statement.successor is None
            else statement.successor.issuer_id,
            statement=archive.statement,
            custodians=encode([c.to_json() for c in archive.manifest.custodians]),
            proof=archive.proof.encode(),
            imported_at=now,
        ),
        {
            e.key.key_id: public.status_lists[e.key.multibase]
            for e in statement.status_lists
        },
    )
    return organisation


def _add_keys(
    tx: Transaction, organisation: Organisation, archive: OpenedArchive, now: datetime
) -> None:
    for key in archive.public.history.keys:
        signs = key.role == SIGNING_ROLE
        issuers.add_key(
            tx,
            IssuerKey(
                organisation_id=organisation.id,
                role=IssuerKeyRole.SIGNING if signs else IssuerKeyRole.REVOKING,
                key_id=key.key_id,
                public=key.public,
                sealed=None,
                created_at=now,
                opened=key.opened,
            ),
        )


# ---------------------------------------------------------------- what is personal


def _personal(
    database: Database,
    organisation: Organisation,
    checked: CheckedCredentials,
    *,
    total: int,
    master: MasterKey,
    progress: Callable[[int, int], None],
) -> int:
    """Hold every credential back; answer how many were not here yet."""
    new = seen = 0
    progress(0, total)
    for part in checked.parts():
        for start in range(0, len(part), CHUNK):
            some = part[start : start + CHUNK]
            with database.begin() as tx:
                for read in some:
                    held = HeldCredential(read.entry, read.durable, read.revoked)
                    sealed = held.seal(master, organisation.id)
                    new += closings.hold(
                        tx, organisation.id, read.entry.credential_id, sealed
                    )
            seen += len(some)
            progress(seen, total)
    return new
