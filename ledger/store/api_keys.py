"""API keys. The secret is shown once by whoever made it; here lives its hash."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping, insert, select, update
from sqlmodel import col

from ledger.errors import NotFound
from ledger.store.database import Transaction
from ledger.store.records import ApiKey
from ledger.store.tables import ApiKeyRow

_NO_KEY = "there is no such API key"


def add(  # noqa: PLR0913 - each is a fact of the key
    tx: Transaction,
    *,
    id: UUID,
    organisation_id: UUID,
    name: str,
    prefix: str,
    scopes: frozenset[str],
    secret_hash: bytes,
    now: datetime,
    expires_at: datetime | None = None,
) -> ApiKey:
    """Add a key under the SHA-256 of its secret. Raises Conflict if it is there."""
    tx.change(
        insert(ApiKeyRow).values(
            id=id,
            organisation_id=organisation_id,
            name=name,
            prefix=prefix,
            secret_hash=secret_hash,
            scopes=" ".join(sorted(scopes)),
            created_at=now,
            expires_at=expires_at,
        )
    )
    return ApiKey(id, organisation_id, name, prefix, scopes, now, expires_at)


def by_secret_hash(tx: Transaction, secret_hash: bytes) -> ApiKey:
    """The key with this secret, also one revoked or expired. Raises NotFound.

    This is how a caller's organisation becomes known, so it is asked without one.
    """
    row = tx.row(select(ApiKeyRow).where(col(ApiKeyRow.secret_hash) == secret_hash))
    if row is None:
        raise NotFound(_NO_KEY)
    return _key(row)


def all(tx: Transaction, organisation_id: UUID) -> Sequence[ApiKey]:
    """Every key of an organisation, oldest first, revoked ones included."""
    rows = tx.rows(
        select(ApiKeyRow)
        .where(col(ApiKeyRow.organisation_id) == organisation_id)
        .order_by(col(ApiKeyRow.created_at), col(ApiKeyRow.id))
    )
    return [_key(row) for row in rows]


def revoke(tx: Transaction, organisation_id: UUID, id: UUID, now: datetime) -> None:
    """Revoke a key at once; one that is revoked stays as it is. Raises NotFound."""
    done = tx.change(
        update(ApiKeyRow)
        .where(
            col(ApiKeyRow.organisation_id) == organisation_id,
            col(ApiKeyRow.id) == id,
            col(ApiKeyRow.revoked_at).is_(None),
        )
        .values(revoked_at=now)
    )
    if done == 0 and not any(key.id == id for key in all(tx, organisation_id)):
        raise NotFound(_NO_KEY)


def touch(tx: Transaction, organisation_id: UUID, id: UUID, now: datetime) -> None:
    """Note when a key was last used. Raises NotFound."""
    done = tx.change(
        update(ApiKeyRow)
        .where(
            col(ApiKeyRow.organisation_id) == organisation_id, col(ApiKeyRow.id) == id
        )
        .values(last_used_at=now)
    )
    if done != 1:
        raise NotFound(_NO_KEY)


def _key(row: RowMapping) -> ApiKey:
    values = {name: value for name, value in row.items() if name != "secret_hash"}
    return ApiKey(**{**values, "scopes": frozenset(row["scopes"].split())})
