"""A school with an open signing key and one achievement, and credentials of it."""

import hashlib
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

from ledger.store import achievements, credentials, issuers, organisations
from ledger.store.database import Transaction
from ledger.store.records import (
    AchievementRecord,
    Attempt,
    Batch,
    ChainTx,
    ChainTxKind,
    CredentialRecord,
    IssuerKey,
    IssuerKeyRole,
    IssuerRecord,
    NewChainTx,
    Organisation,
)

NOW = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
CHAIN_ID = 31337
REGISTRY = "0x" + "ab" * 20
SENDER = "0x" + "cd" * 20


class Undo(Exception):  # noqa: N818 - a wish, not an error
    """Raised at the end of a transaction that shall leave nothing."""


def digest(*parts: object) -> bytes:
    """32 bytes that stand for whatever they are made from."""
    return hashlib.sha256(repr(parts).encode()).digest()


def issuer_record(organisation: Organisation) -> IssuerRecord:
    return IssuerRecord(
        organisation_id=organisation.id,
        chain_id=CHAIN_ID,
        registry=REGISTRY,
        issuer_id=digest("issuer", organisation.code),
        controller=SENDER,
        recovery_commitment=digest("recovery", organisation.code),
        profile=b'{"name":"Riverside"}',
        profile_hash=digest("profile", organisation.code),
        salt=digest("salt", organisation.code),
        created_at=NOW,
    )


def issuer_key(
    organisation: Organisation, role: IssuerKeyRole = IssuerKeyRole.SIGNING
) -> IssuerKey:
    return IssuerKey(
        organisation_id=organisation.id,
        role=role,
        key_id=digest("key", role.value, organisation.code),
        public=f"public half of {role}",
        sealed=b"ciphertext",
        created_at=NOW,
    )


def add_school(
    tx: Transaction, code: str = "riverside", *, opened: int | None = 1_790_000_000
) -> Organisation:
    """An organisation with issuer record, signing key and the achievement git-1."""
    school = organisations.add(tx, id=uuid4(), code=code, name=code.title(), now=NOW)
    issuers.add(tx, issuer_record(school))
    issuers.add_key(tx, replace(issuer_key(school), opened=opened))
    achievements.add(
        tx, AchievementRecord(school.id, "git-1", "1", b'{"name":"Git"}', NOW)
    )
    return school


def credential(school: Organisation, n: int, **changes: Any) -> CredentialRecord:
    """The n-th credential of a school: person n, status index n."""
    record = CredentialRecord(
        id=UUID(bytes=digest("credential", school.code, n)[:16], version=4),
        organisation_id=school.id,
        chain_id=CHAIN_ID,
        achievement_code="git-1",
        achievement_version="1",
        recipient_email=f"earner{n}@example.org",
        recipient_name=f"Earner {n}",
        awarded_on=date(2026, 11, 20),
        issued_at=NOW,
        data=b'{"n":%d}' % n,
        leaf=digest("leaf", school.code, n),
        key_id=issuer_key(school).key_id,
        status_index=n,
    )
    return replace(record, **changes)


def issue(tx: Transaction, school: Organisation, count: int) -> list[CredentialRecord]:
    """Store the first `count` credentials of a school."""
    records = [credential(school, n) for n in range(count)]
    credentials.insert(tx, records)
    return records


def batch_of(records: list[CredentialRecord]) -> tuple[Batch, list[UUID]]:
    """A batch of these credentials and its members. Its root is made up, its tree not kept."""
    root = digest("root", *(r.leaf for r in records))
    batch = Batch(uuid4(), CHAIN_ID, root, len(records), NOW)
    return batch, [r.id for r in records]


def new_chain_tx(
    name: str, kind: ChainTxKind = ChainTxKind.REGISTER, subject: str = "something"
) -> NewChainTx:
    return NewChainTx(
        kind=kind,
        chain_id=CHAIN_ID,
        to=REGISTRY,
        data=b"calldata of " + name.encode(),
        gas=120_000,
        subject=subject,
        unique_key=name,
    )


def attempt(row: ChainTx, *, tip: int = 1, fee_cap: int = 10) -> Attempt:
    """Signed bytes of a chain transaction, at these fees."""
    raw = b"signed" + row.id.bytes + b"%d/%d" % (tip, fee_cap)
    return Attempt(digest(raw), row.id, raw, tip, fee_cap, NOW)
