"""What a broken constraint means, in words for people and without any value.

Both databases quote the refused row in their messages: e-mail addresses, names.
"""

import re
from typing import Any

from sqlalchemy import Index, PrimaryKeyConstraint, UniqueConstraint
from sqlalchemy.exc import IntegrityError

from ledger.errors import Conflict
from ledger.store.tables import metadata

SENTENCES = {
    "uq_organisation_code": "an organisation with this code is already there",
    "pk_issuer": "this organisation already has an issuer record",
    "uq_issuer_chain_id_registry_address_issuer_id": "this issuer record belongs to another organisation",
    "pk_issuer_key": "this key is already there",
    "uq_credential_award": "this award is already issued",
    "uq_credential_organisation_id_status_index": "this status index is already used",
    "uq_credential_leaf": "this credential is already there",
    "ux_credential_place": "two credentials have one place in the batch",
    "uq_batch_sealed_root": "this batch is already sealed",
    "ux_chain_tx_one_in_progress": "another transaction of this sender is in progress",
    "uq_chain_tx_chain_id_sender_nonce": "this nonce is already used",
    "pk_attempt": "these signed bytes are already stored",
    "pk_policy": "somebody else set a policy at this moment; look at it and set yours again",
    "uq_api_key_secret_hash": "this API key is already there",
    "pk_stored_answer": "a request with this idempotency key was already answered",
}


def conflict(error: IntegrityError) -> Conflict:
    """The Conflict that stands for a broken constraint."""
    name = _constraint(error)
    if name in SENTENCES:
        return Conflict(SENTENCES[name])
    return Conflict(f"the database refused it by its rule {name}")


def _constraint(error: IntegrityError) -> str:
    diagnosis: Any = getattr(error.orig, "diag", None)  # psycopg
    if diagnosis is not None:
        column = f"{diagnosis.table_name}.{diagnosis.column_name}"
        return str(diagnosis.constraint_name or f"not_null {column}")
    return _named_by_sqlite(str(error.orig))


def _named_by_sqlite(message: str) -> str:
    # SQLite names a CHECK, but only the columns of a UNIQUE or NOT NULL, and no key of a
    # foreign key: "UNIQUE constraint failed: chain_tx.chain_id, chain_tx.sender".
    kind, _, rest = message.partition(" constraint failed: ")
    if kind == "UNIQUE" and re.fullmatch(r"[a-z_.]+(, [a-z_.]+)*", rest):
        return _UNIQUE.get(tuple(rest.split(", ")), f"unique {rest}")
    if kind in {"CHECK", "NOT NULL"}:
        return rest if kind == "CHECK" else f"not_null {rest}"
    return "foreign key"


def _unique() -> dict[tuple[str, ...], str]:
    names: dict[tuple[str, ...], str] = {}
    for table in metadata.tables.values():
        rules: list[UniqueConstraint | PrimaryKeyConstraint | Index] = [
            rule
            for rule in table.constraints
            if isinstance(rule, UniqueConstraint | PrimaryKeyConstraint)
        ]
        rules += [index for index in table.indexes if index.unique]
        for rule in rules:
            columns = tuple(f"{table.name}.{column.name}" for column in rule.columns)
            names[columns] = str(rule.name)
    return names


_UNIQUE = _unique()
