"""Signing anew what the chain refused, or would refuse by the time it is carried there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.errors import NotFound
from ledger.keystore.master import MasterKey
from ledger.services.identity import controller_secret, issuer_record, revoking_secret
from ledger.services.organisations import Caller, operator_of
from ledger.services.registration import ACT_LIFETIME, enqueue_registration
from ledger.services.withdrawal import enqueue_revocation
from ledger.store import chain_txs, closings, issuers, organisations, refused_acts
from ledger.store.database import Transaction
from ledger.store.records import ChainTx, ChainTxKind, IssuerRecord

#: What has waited for so long may not be carried before its deadline.
OLD = ACT_LIFETIME / 2

_REGISTERING = (ChainTxKind.REGISTER, ChainTxKind.ADD_KEY)


@dataclass(frozen=True, slots=True)
class Renewal:
    """How many acts of an organisation were signed anew."""

    organisation_code: str
    registering: int
    withdrawals: int


def renewable(tx: Transaction, codes: Sequence[str] | None) -> Sequence[Caller]:
    """The operator acting for these organisations, or for all that have an issuer record.

    Raises NotFound for an unknown code.
    """
    if codes is not None:
        return [operator_of(tx, code) for code in codes]
    found = []
    for organisation in organisations.all(tx):
        try:
            issuers.of(tx, organisation.id)
        except NotFound:
            continue
        found.append(operator_of(tx, organisation.code))
    return found


def renew_acts(
    tx: Transaction, caller: Caller, *, master: MasterKey, now: datetime
) -> Renewal:
    """Sign an organisation's acts anew: refused ones, and those that have waited for long.

    That is its registration, its keys, its withdrawals, and those of organisations that left
    theirs to it. Once it closes there is nothing more to sign. Raises Refused without an issuer
    record, KeystoreError if the master key does not fit.
    """
    own = issuer_record(tx, caller)
    organisations.lock(tx, own.organisation_id)
    code = caller.organisation.code
    if closings.has_begun(tx, own.organisation_id):
        return Renewal(code, 0, 0)
    due = [
        *refused_acts.on_chain(tx, own.chain_id),
        *chain_txs.sealed_before(tx, own.chain_id, now - OLD),
    ]
    return Renewal(
        code,
        _renew_registration(tx, own, caller, due, master=master, now=now),
        _renew_withdrawals(tx, own, caller, due, master=master, now=now),
    )


def _renew_registration(
    tx: Transaction,
    own: IssuerRecord,
    caller: Caller,
    due: Sequence[ChainTx],
    *,
    master: MasterKey,
    now: datetime,
) -> int:
    # What names no deadline is as good as it was.
    mine = [
        row
        for row in due
        if row.kind in _REGISTERING
        and row.subject == str(own.organisation_id)
        and (row.kind is ChainTxKind.ADD_KEY or row.state in chain_txs.FAILED)
    ]
    if not mine:
        return 0
    secret = controller_secret(tx, caller, master)
    _take_back(tx, mine)
    enqueue_registration(
        tx, own, secret, keys=issuers.unopened(tx, own.organisation_id), now=now
    )
    return len(mine)


def _renew_withdrawals(
    tx: Transaction,
    own: IssuerRecord,
    caller: Caller,
    due: Sequence[ChainTx],
    *,
    master: MasterKey,
    now: datetime,
) -> int:
    left = closings.left_to(tx, own.chain_id, own.issuer_id)
    records = [own, *(issuers.of(tx, each) for each in left)]
    by_issuer = {record.issuer_id: record for record in records}
    # revoke(bytes32 id, ...)
    mine = [
        row
        for row in due
        if row.kind is ChainTxKind.REVOKE and row.data[4:36] in by_issuer
    ]
    if not mine:
        return 0
    secret = revoking_secret(tx, caller, master)
    _take_back(tx, mine)
    for row in mine:
        enqueue_revocation(
            tx, by_issuer[row.data[4:36]], UUID(row.subject), secret, now=now
        )
    return len(mine)


def _take_back(tx: Transaction, rows: Sequence[ChainTx]) -> None:
    for row in rows:
        if row.state not in chain_txs.FAILED:
            chain_txs.take_back(tx, row.id)
