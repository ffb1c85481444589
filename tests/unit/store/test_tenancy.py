"""No function of the store finds or changes what belongs to another organisation.

The functions are read from the package: a new one fails here until it says whose data it
touches. Each is called with everything right but the organisation.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from secrets import token_bytes
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

import ledger.store
from ledger.errors import NotFound
from ledger.store import (
    achievements,
    api_keys,
    batches,
    chain_txs,
    closings,
    credentials,
    evidence,
    feed,
    idempotency,
    issuers,
    leases,
    recovered_bits,
)
from ledger.store.database import Database, Transaction
from ledger.store.records import (
    AchievementRecord,
    Anchored,
    AwardKey,
    BatchEvidence,
    ChainTxKind,
    ChainTxState,
    Closing,
    CredentialRecord,
    IssuerKeyRole,
    Organisation,
    StoredAnswer,
)
from ledger.store.tables import metadata
from tests.unit.store.samples import (
    CHAIN_ID,
    NOW,
    REGISTRY,
    SENDER,
    Undo,
    add_school,
    attempt,
    batch_of,
    digest,
    issue,
    issuer_key,
    new_chain_tx,
)

Arguments = dict[str, Any]

#: They take a record that names its organisation; composite keys bind what it refers to
#: (test_tables.py).
TAKE_A_RECORD = {
    "achievements.add",
    "closings.begin",
    "credentials.insert",
    "events.issued",
    "events.released",
    "events.withdrawn",
    "issuers.add",
    "issuers.add_key",
}

#: They touch no tenant's data, or that of all on purpose.
NOT_OF_A_TENANT = {
    "api_keys.by_secret_hash": "how a caller's organisation becomes known",
    "batches.anchor": "the worker",
    "batches.adopt": "a batch mixes organisations; it leads to no credential",
    "batches.adopt_anchor": "a batch mixes organisations; it leads to no credential",
    "batches.anchors": "a batch mixes organisations; it leads to no credential",
    "batches.forget_anchor": "the worker",
    "batches.get": "a batch mixes organisations; it leads to no credential",
    "batches.record_anchor": "the worker",
    "batches.seal": "the worker",
    "batches.seal_checkpoints": "the worker",
    "checkpoints.of_batch": "blocks of a chain, which are public",
    "checkpoints.since": "blocks of a chain, which are public",
    "checkpoints.state": "the worker",
    "checkpoints.unstated": "the worker",
    "chain_txs.about": "its subject is known to whoever may read that",
    "chain_txs.add_attempt": "the worker",
    "chain_txs.advance": "the worker",
    "chain_txs.attempts": "the worker",
    "chain_txs.begin_attempt": "the worker",
    "chain_txs.copy": "the worker's queue",
    "chain_txs.copy_anchors": "the worker",
    "chain_txs.displace": "the worker",
    "chain_txs.enqueue": "the worker's queue",
    "chain_txs.enqueue_anew": "the worker's queue",
    "chain_txs.failed_acts": "the operator",
    "chain_txs.get": "the worker",
    "chain_txs.highest_nonce": "the worker",
    "chain_txs.in_state": "the worker",
    "chain_txs.mark_attempt_sent": "the worker",
    "chain_txs.newest_block": "the worker",
    "chain_txs.newest_settled": "the worker",
    "chain_txs.next_sealed": "the worker",
    "chain_txs.sealed_before": "the operator",
    "chain_txs.sent_by_lost": "the worker",
    "chain_txs.take_back": "the operator",
    "chain_txs.take_over": "the worker",
    "chains.all": "one chain for all",
    "chains.get": "one chain for all",
    "chains.home": "one chain for all",
    "chains.record": "one chain for all",
    "chains.record_home": "one chain for all",
    "chains.require_home": "one home for all",
    "closings.left_to": "who closed and named a successor is public on chain",
    "credentials.count_waiting": "the worker",
    **dict.fromkeys(
        (
            "costs.anchoring",
            "costs.balances",
            "costs.first_time",
            "costs.of",
            "costs.spent",
        ),
        "costs of the whole ledger, for the operator",
    ),
    **dict.fromkeys(
        ("costs.forget", "costs.note_balance", "costs.record", "costs.under_way"),
        "the worker",
    ),
    "credentials.members": "the worker",
    "deliveries.advance": "the worker",
    "deliveries.backlog": "counts for the operator",
    "deliveries.count_parked": "counts for the operator",
    "deliveries.delivered": "the worker",
    "deliveries.discard": "the operator",
    "deliveries.next_parked": "the worker",
    "deliveries.park": "the worker",
    "deliveries.parked": "the operator",
    "deliveries.parked_subjects": "the worker",
    "deliveries.postpone": "the worker",
    "deliveries.retry": "the operator",
    "deliveries.unpark": "the worker",
    **dict.fromkeys(
        (
            "event_audit.anchors",
            "event_audit.asked_on",
            "event_audit.bounds",
            "event_audit.issued",
            "event_audit.log",
            "event_audit.unlike",
            "event_audit.withdrawals",
        ),
        "the doctor, for the operator: ids and counts",
    ),
    "events.mined": "the worker",
    "events.sealed": "the worker",
    "events.settled": "the worker",
    "events.taken_back": "the worker",
    "credentials.of_code": "whoever has the code was shown the certificate",
    "credentials.oldest_waiting": "the worker",
    "credentials.waiting": "the worker",
    "evidence.accreditors": "an endorsement is public on chain",
    "evidence.carried": "headers and trie nodes name nobody",
    "evidence.earliest_block": "the worker",
    "evidence.endorsements": "the worker",
    "evidence.forget": "the worker",
    "evidence.ask_for": "the worker",
    "evidence.give_up": "the worker",
    "evidence.neglected": "the doctor",
    "evidence.header": "headers and trie nodes name nobody",
    "evidence.keep": "the worker",
    "evidence.keep_carried": "headers and trie nodes name nobody",
    "evidence.newest": "headers and trie nodes name nobody",
    "evidence.slots": "headers and trie nodes name nobody",
    "evidence.subjects": "the worker",
    "evidence.unproved": "the worker",
    "feed.has_new": "the worker",
    "feed.new_audiences": "the worker",
    "feed.outgoing": "the worker",
    "feed.prune": "the worker",
    "feed.sequence": "the worker",
    "idempotency.forget": "the worker",
    "issuers.by_issuer_id": "the record is public on chain",
    "issuers.some_sealed_key": "any key shows whether the master key fits",
    "issuers.note_recovery_acts": "the worker; the number is public on chain",
    "issuers.on_chain": "the worker; the records are public on chain",
    "leases.hold": "the worker",
    "leases.holders": "which worker works",
    "leases.release": "the worker",
    "leases.take": "the worker",
    "organisations.add": "makes the tenant",
    "organisations.all": "the operator",
    "organisations.by_code": "how the operator names a tenant",
    "organisations.by_id": "it is the tenant",
    "outages.end": "the worker",
    "outages.note": "the worker",
    "outages.of": "the operator",
    "policies.current": "one policy for all",
    "policies.history": "one policy for all",
    "policies.set": "the operator",
    "refused_acts.on_chain": "the operator",
    "reports.cost_report": "costs of the whole ledger, for the operator",
    "reports.figures": "counts and ages for the operator",
    "reports.oldest_in_batch": "an age for the operator",
    "reports.unsettled": "the worker",
    "reports.worker_report": "counts for the operator",
    "standstills.all": "the operator",
    "standstills.begin": "the worker",
    "standstills.end": "the worker",
    "trees.keep": "the worker",
    "trees.path": "hashes name nobody",
    "trees.paths": "hashes name nobody",
    "trees.proof": "hashes name nobody",
}


def public_functions() -> dict[str, Callable[..., Any]]:
    """Every function of the store that works in a transaction, by module and name."""
    found: dict[str, Callable[..., Any]] = {}
    for info in pkgutil.iter_modules(ledger.store.__path__):
        module = importlib.import_module(f"ledger.store.{info.name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            ours = function.__module__ == module.__name__ and not name.startswith("_")
            if ours and "tx" in inspect.signature(function).parameters:
                found[f"{info.name}.{name}"] = function
    return found


FUNCTIONS = public_functions()
BOUND = {
    name: function
    for name, function in FUNCTIONS.items()
    if "organisation_id" in inspect.signature(function).parameters
}


HELD = UUID(int=8)

#: They do the same for everybody, and nothing to anybody else.
ONLY_FOR_ONESELF = {"achievements.add_all", "api_keys.add", "organisations.lock"}


class Ledger:
    """Two schools: one has everything, the other is a stranger to it."""

    def __init__(self, tx: Transaction) -> None:
        self.owner: Organisation = add_school(tx, "owner")
        self.stranger: Organisation = add_school(tx, "stranger")
        achievements.add(tx, AchievementRecord(self.owner.id, "own", "1", b"{}", NOW))
        self.records: list[CredentialRecord] = issue(tx, self.owner, 3)
        self.key_id: UUID = api_keys.add(
            tx,
            id=uuid4(),
            organisation_id=self.owner.id,
            name="key",
            prefix="p",
            scopes=frozenset(),
            secret_hash=digest("secret"),
            now=NOW,
        ).id
        self.answer = StoredAnswer(200, b"answer", "text/plain", digest("request"))
        idempotency.save(tx, self.owner.id, "k", "r", self.answer, now=NOW)
        for school in (self.owner, self.stranger):
            issuers.mark_registered(tx, school.id, 1)
        self._withdraw(tx, self.records[2])
        # What only the owner has: a revoking key, a used block of status indexes.
        issuers.add_key(tx, issuer_key(self.owner, IssuerKeyRole.REVOKING))
        credentials.allot_status_indexes(tx, self.owner.id, 5, token_bytes)
        recovered_bits.keep(tx, self.owner.id, [5])
        self._close(tx)
        feed.sequence(tx, feed.new_audiences(tx))

    def _close(self, tx: Transaction) -> None:
        """Its first credential is sealed, final and proved; then it closes."""
        batch, members = batch_of(self.records[:1])
        batches.seal(tx, batch, members, to=REGISTRY, data=b"1", gas=1)
        batches.record_anchor(tx, batch.id, Anchored(CHAIN_ID, REGISTRY, 1, 1))
        proved = BatchEvidence(batch.id, CHAIN_ID, 5, b"header", (), {})
        evidence.keep(tx, proved)
        lists = {issuer_key(self.owner).key_id: b"list"}
        closings.begin(tx, Closing(self.owner.id, NOW, None, b"{}", b"[]"), lists)
        assert closings.hold(tx, self.owner.id, HELD, b"sealed")

    def _withdraw(self, tx: Transaction, record: CredentialRecord) -> None:
        credentials.withdraw(tx, self.owner.id, record.id, "mistake", NOW)
        lease = leases.take(tx, CHAIN_ID, SENDER, owner="one", seconds=60, now=NOW)
        assert lease is not None
        new = new_chain_tx("revoke", ChainTxKind.REVOKE, str(record.id))
        row = chain_txs.enqueue(tx, new, NOW)
        chain_txs.begin_attempt(tx, lease, attempt(row), nonce=0, now=NOW)
        state = ChainTxState.IN_PROGRESS, ChainTxState.MINED
        chain_txs.advance(
            tx,
            lease,
            row.id,
            *state,
            now=NOW,
            block_number=1,
            block_hash=digest("block"),
            tx_hash=digest("transaction"),
        )

    def arguments(self) -> Mapping[str, Arguments]:
        """What finds or changes something of the owner, function by function."""
        record = self.records[0]
        assert record.recipient_email is not None
        award = AwardKey("git-1", "1", record.recipient_email, record.awarded_on)
        one: Arguments = {"id": record.id}
        return {
            "achievements.all": {},
            "achievements.add_all": {"records": []},
            "achievements.get": {"code": "git-1"},
            "achievements.newest": {},
            "achievements.page": {"limit": 9},
            "achievements.of_versions": {"versions": [("git-1", "1")]},
            "api_keys.add": {
                "id": UUID(int=1),
                "name": "new",
                "prefix": "p",
                "scopes": frozenset(),
                "secret_hash": digest("new"),
                "now": NOW,
            },
            "api_keys.all": {},
            "api_keys.revoke": {"id": self.key_id, "now": NOW},
            "api_keys.touch": {"id": self.key_id, "now": NOW},
            "closings.erase_held": {"id": HELD},
            "closings.final_lists": {},
            "closings.has_begun": {},
            "closings.held": {"after": None, "limit": 9},
            "closings.hold": {"id": UUID(int=9), "sealed": b"sealed"},
            "closings.keep_proof": {"proof": b"proof"},
            "closings.mark_archived": {"at": NOW},
            "closings.of": {},
            "closings.open_work": {},
            "closings.take_held": {"id": HELD},
            "credentials.allot_status_indexes": {"count": 1, "entropy": token_bytes},
            "credentials.count": {},
            "credentials.count_earners": {},
            "credentials.earners": {"after": "", "limit": 9},
            "credentials.erase": one,
            "credentials.existing_awards": {"keys": [award]},
            "credentials.get": one,
            "credentials.first_unreached_block": {"issued_since": 98_304},
            "credentials.next_status_block": {},
            "credentials.of_indexes": {"indexes": [r.status_index for r in self.records]},
            "credentials.of_earner": {"email": record.recipient_email, "limit": 9},
            "credentials.page": {"limit": 9},
            "credentials.personal_ids": {},
            "credentials.skip_status_blocks": {"first": 7},
            "credentials.states": {"ids": [r.id for r in self.records]},
            "credentials.withdraw": {**one, "reason": "r", "now": NOW},
            "credentials.withdrawn_indexes": {},
            "credentials.withdrawn_mark": {"chain_id": CHAIN_ID},
            "evidence.headers_of": {},
            "feed.page": {"after": None, "limit": 99},
            "idempotency.blank": {"route": "r"},
            "idempotency.find": {"key": "k", "route": "r", "now": NOW},
            "idempotency.save": {
                "key": "new",
                "route": "r",
                "answer": self.answer,
                "now": NOW,
            },
            "evidence.ask_again": {"block": 13},
            "issuers.keys": {},
            "issuers.mark_closed": {"at": 2, "block": 9},
            "issuers.mark_key_opened": {"key_id": issuer_key(self.owner).key_id, "at": 2},
            "issuers.mark_registered": {"at": 2},
            "issuers.of": {},
            "issuers.unopened": {},
            "organisations.lock": {},
            "recovered_bits.keep": {"indexes": [7]},
            "recovered_bits.of": {},
        }  # fmt: skip


@pytest.fixture
def world(database: Database) -> Ledger:
    with database.begin() as tx:
        return Ledger(tx)


def belongings(tx: Transaction, organisation: Organisation) -> dict[str, list[Any]]:
    """Every row of an organisation, in every table that has organisations."""
    found: dict[str, list[Any]] = {}
    for table in metadata.sorted_tables:
        if "organisation_id" in table.columns:
            mine = select(table).where(table.c.organisation_id == organisation.id)
            found[table.name] = sorted(repr(dict(row)) for row in tx.rows(mine))
    # Batches are of several organisations; here only the owner has any.
    found["evidence_due"] = [*evidence.unproved(tx, CHAIN_ID, 9)]
    return found


def test_every_function_says_whose_data_it_touches() -> None:
    assert FUNCTIONS.keys() == BOUND.keys() | TAKE_A_RECORD | NOT_OF_A_TENANT.keys()
    assert len(FUNCTIONS) == len(BOUND) + len(TAKE_A_RECORD) + len(NOT_OF_A_TENANT)


def test_every_bound_function_is_tried(world: Ledger) -> None:
    assert world.arguments().keys() == BOUND.keys()


def test_stranger_finds_and_changes_nothing(database: Database, world: Ledger) -> None:
    secrets = [str(record.id) for record in world.records]
    secrets += [str(world.owner.id), str(world.key_id), "answer"]
    for name, function in BOUND.items():
        with suppress(Undo), database.begin() as tx:
            owned = belongings(tx, world.owner)

            shown = ""
            with suppress(NotFound):
                arguments = world.arguments()[name]
                shown = repr(
                    function(tx, organisation_id=world.stranger.id, **arguments)
                )
            assert [secret for secret in secrets if secret in shown] == [], name
            assert owned == belongings(tx, world.owner), name
            raise Undo


def test_owner_finds_or_changes_something(database: Database, world: Ledger) -> None:
    """Else the test above would show nothing."""
    for name in sorted(set(BOUND) - ONLY_FOR_ONESELF):
        with suppress(Undo), database.begin() as tx:
            before = belongings(tx, world.owner)
            arguments = world.arguments()[name]

            found = BOUND[name](tx, organisation_id=world.owner.id, **arguments)
            for_stranger: object = NotFound
            with suppress(NotFound):
                for_stranger = BOUND[name](
                    tx, organisation_id=world.stranger.id, **arguments
                )
            changed = before != belongings(tx, world.owner)
            assert changed or found != for_stranger, name
            raise Undo


def test_page_does_not_go_on_from_a_strangers_credential(
    database: Database, world: Ledger
) -> None:
    with database.begin() as tx:
        issue(tx, world.stranger, 2)

        with pytest.raises(NotFound):
            credentials.page(tx, world.stranger.id, limit=9, after=world.records[0].id)


def test_stranger_counts_nothing(database: Database, world: Ledger) -> None:
    with database.read() as tx:
        assert credentials.count(tx, world.stranger.id) == 0
        assert credentials.count(tx, world.owner.id) != 0
