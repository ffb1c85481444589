"""Imported credentials: hidden until the person whom one is about asks for it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

from ledger.core.canonical import encode, parse_object
from ledger.core.closing_archive import PersonalEntry
from ledger.core.credential import normalise_email
from ledger.core.durable import DurableCredential
from ledger.errors import MalformedError, NotFound, Refused
from ledger.keystore.master import MasterKey
from ledger.services.organisations import Caller
from ledger.store import batches, closings, credentials, events, evidence
from ledger.store.database import Database, Transaction
from ledger.store.records import Anchored, Batch, CredentialRecord

_AT_ONCE = 500
#: What is known of a withdrawal by a successor after the archive's index was written.
_BY_SUCCESSOR = "withdrawn on the blockchain; the register keeps no reason"


@dataclass(frozen=True, slots=True)
class HeldCredential:
    """A credential that is held back, and what the closed ledger knew of it."""

    entry: PersonalEntry
    durable: DurableCredential
    revoked: bool

    def seal(self, master: MasterKey, organisation_id: UUID) -> bytes:
        """Ciphertext under this ledger's master key, bound to its place."""
        plain = encode(
            {
                "entry": self.entry.to_json(),
                "credential": parse_object(self.durable.encode()),
                "revoked": self.revoked,
            }
        )
        return master.seal(plain, _context(organisation_id, self.entry.credential_id))

    @classmethod
    def unseal(
        cls, sealed: bytes, master: MasterKey, organisation_id: UUID, name: UUID
    ) -> "HeldCredential":
        """Read it back. Raises KeystoreError if it is of another master key or place."""
        document = parse_object(
            master.open(sealed, _context(organisation_id, name)),
            max_bytes=4 * 1_048_576,
        )
        credential, revoked = document.get("credential"), document.get("revoked")
        if not isinstance(credential, dict) or not isinstance(revoked, bool):
            raise MalformedError("a held credential is not of the expected form")
        return cls(
            PersonalEntry.from_json(document.get("entry")),
            DurableCredential.from_json(credential),
            revoked,
        )


def _context(organisation_id: UUID, name: UUID) -> bytes:
    return b"held credential/" + organisation_id.bytes + name.bytes


def held_for(
    database: Database, caller: Caller, email: str, *, master: MasterKey
) -> Sequence[PersonalEntry]:
    """What is held back for one person, by e-mail address: for the operator, on that person's request.

    Every credential that is held back is opened to find out. Raises MalformedError for no
    address, NotFound if there is nothing.
    """
    wanted = normalise_email(email)
    found = [
        held.entry
        for held in _all(database, caller, master)
        if held.entry.email == wanted
    ]
    if not found:
        raise NotFound("nothing is held back for this address")
    return found


def _all(
    database: Database, caller: Caller, master: MasterKey
) -> Iterator[HeldCredential]:
    organisation_id = caller.organisation.id
    after: UUID | None = None
    while True:
        with database.read() as tx:
            some = closings.held(tx, organisation_id, after=after, limit=_AT_ONCE)
        for name, sealed in some:
            yield HeldCredential.unseal(sealed, master, organisation_id, name)
            after = name
        if len(some) < _AT_ONCE:
            return


def release_credential(
    tx: Transaction,
    caller: Caller,
    credential_id: UUID,
    *,
    master: MasterKey,
    now: datetime,
) -> CredentialRecord:
    """Show one credential from now on, because the person whom it is about asked for it.

    It becomes like any other: its certificate's code leads somewhere, its files can be fetched.
    Raises NotFound if it is not held back here, Refused if it is shown already.
    """
    organisation_id = caller.organisation.id
    try:
        credentials.get(tx, organisation_id, credential_id)
    except NotFound:
        pass
    else:
        raise Refused("this credential is shown already")
    sealed = closings.take_held(tx, organisation_id, credential_id)
    held = HeldCredential.unseal(sealed, master, organisation_id, credential_id)
    record = _record(tx, organisation_id, held, now)
    credentials.insert(tx, [record])
    events.released(tx, record, now)
    taken = held.durable.proof.home.evidence
    if taken is not None:
        evidence.keep_carried(tx, record.id, encode(taken.to_json()))
    return record


def _record(
    tx: Transaction, organisation_id: UUID, held: HeldCredential, now: datetime
) -> CredentialRecord:
    entry, signed, proof = held.entry, held.durable.credential, held.durable.proof
    batch = batches.adopt(
        tx,
        Batch(
            id=uuid4(),
            chain_id=proof.home.chain_id,
            sealed_root=proof.sealed_root,
            tree_size=proof.inclusion.tree_size,
            sealed_at=datetime.fromtimestamp(proof.home.time, UTC),
        ),
    )
    # The batch is everybody's whose credentials are in it, and the home chain's anchor alone was
    # proved when the file came in.
    home = proof.home
    batches.adopt_anchor(
        tx,
        batch.id,
        Anchored(home.chain_id, home.registry, home.block_number, home.time),
    )
    withdrawn_at, reason = entry.withdrawn_at, entry.withdrawal_reason
    if held.revoked and withdrawn_at is None:
        withdrawn_at, reason = now, _BY_SUCCESSOR
    return CredentialRecord(
        id=entry.credential_id,
        organisation_id=organisation_id,
        chain_id=proof.home.chain_id,
        achievement_code=entry.achievement,
        achievement_version=entry.version,
        recipient_email=entry.email,
        recipient_name=entry.name,
        awarded_on=entry.awarded_on,
        issued_at=entry.issued_at,
        data=signed.data,
        leaf=signed.leaf,
        key_id=signed.public_key.key_id,
        status_index=signed.status_index,
        batch_id=batch.id,
        leaf_index=proof.inclusion.leaf_index,
        path=b"".join(proof.inclusion.path),
        withdrawn_at=withdrawn_at,
        withdrawal_reason=reason,
    )
