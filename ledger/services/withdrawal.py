"""Withdrawing a credential: a status bit on the chain, set for good."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.chain import acts
from ledger.core.status import word_and_bit
from ledger.errors import MalformedError, NotFound, Refused
from ledger.keystore.master import MasterKey
from ledger.services.chain_acts import enqueue
from ledger.services.identity import issuer_record, revoking_secret
from ledger.services.organisations import Caller
from ledger.services.registration import ACT_LIFETIME
from ledger.store import chain_txs, closings, credentials, issuers, organisations
from ledger.store.database import Transaction
from ledger.store.records import ChainTx, ChainTxKind, IssuerRecord

MAX_REASON = 500


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """That a credential is withdrawn, since when, and the act that tells the chain."""

    act: ChainTx
    withdrawn_at: datetime


def withdraw_credential(
    tx: Transaction,
    caller: Caller,
    credential_id: UUID,
    *,
    reason: str,
    master: MasterKey,
    now: datetime,
) -> Withdrawal:
    """Withdraw a credential and enqueue its revocation on the chain.

    The index stands in the signed bytes, so this works before the credential is anchored. The
    caller's own, or one of an organisation that has closed and named the caller as its successor.
    A revocation that the chain refused is signed and enqueued anew; the first reason stays. Raises
    NotFound, Conflict if it is withdrawn already, MalformedError without a reason, Refused
    to an organisation that closes itself.
    """
    reason = reason.strip()
    if not 1 <= len(reason) <= MAX_REASON or not reason.isprintable():
        raise MalformedError(
            f"give a reason of 1 to {MAX_REASON} printable characters: whoever checks the"
            " credential will ask you for it"
        )
    own = issuer_record(tx, caller)
    # Whoever closes the caller's organisation holds the same lock.
    organisations.lock(tx, own.organisation_id)
    record = _whose(tx, own, credential_id)
    if closings.has_begun(tx, own.organisation_id):
        raise Refused(
            f"{caller.organisation.name} closes or has closed: it can withdraw nothing any"
            " more, only the successor can, if it named one"
        )
    secret = revoking_secret(tx, caller, master)
    since = _refused_since(tx, record, credential_id)
    if since is None:
        credentials.withdraw(tx, record.organisation_id, credential_id, reason, now)
    act = enqueue_revocation(tx, record, credential_id, secret, now=now)
    return Withdrawal(act, since or now)


def enqueue_revocation(
    tx: Transaction,
    record: IssuerRecord,
    credential_id: UUID,
    secret: bytes,
    *,
    now: datetime,
) -> ChainTx:
    """Sign the revocation of a credential of this issuer and enqueue it. Raises NotFound."""
    credential = credentials.get(tx, record.organisation_id, credential_id)
    word, bit = word_and_bit(credential.status_index)
    act = acts.revoke(
        acts.Domain(record.chain_id, record.registry),
        record.issuer_id,
        word,
        1 << bit,
        recovery_acts=record.recovery_acts,
        deadline=int((now + ACT_LIFETIME).timestamp()),
        secret=secret,
    )
    return enqueue(
        tx,
        act,
        record,
        subject=str(credential_id),
        name=str(credential.status_index),
        now=now,
    )


def _refused_since(
    tx: Transaction, record: IssuerRecord, credential_id: UUID
) -> datetime | None:
    """Since when it is withdrawn, if no act is left that could tell the chain; else None."""
    about = [
        row
        for row in chain_txs.about(tx, str(credential_id))
        if row.kind is ChainTxKind.REVOKE
    ]
    if not about or any(row.state not in chain_txs.FAILED for row in about):
        return None
    return credentials.get(tx, record.organisation_id, credential_id).withdrawn_at


def _whose(tx: Transaction, own: IssuerRecord, credential_id: UUID) -> IssuerRecord:
    """The issuer of a credential: the caller, or one that left its withdrawals to the caller."""
    left = closings.left_to(tx, own.chain_id, own.issuer_id)
    for organisation_id in (own.organisation_id, *left):
        try:
            credentials.get(tx, organisation_id, credential_id)
        except NotFound:
            continue
        return issuers.of(tx, organisation_id)
    raise NotFound("there is no such credential")
