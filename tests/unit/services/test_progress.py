"""What `perdure status` shows."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from ledger.services.progress import ledger_status
from ledger.store import batches, chain_txs, chains, costs, credentials, leases
from ledger.store.database import Database, Transaction
from ledger.store.records import Batch, Chain, ChainTxKind, Cost
from tests.unit.store.samples import (
    CHAIN_ID,
    NOW,
    REGISTRY,
    SENDER,
    add_school,
    batch_of,
    credential,
    issue,
    new_chain_tx,
)

INSTANT = int(NOW.timestamp())
CHAIN = Chain(CHAIN_ID, bytes(32), REGISTRY, REGISTRY, test=True)


def test_a_ledger_that_was_not_used_says_how_to_begin(
    sqlite_database: Database,
) -> None:
    with sqlite_database.read() as tx:
        status = ledger_status(tx, NOW, has_receiver=False)

    assert status.is_well
    assert status.to_text(NOW) == (
        "This ledger was not used with a chain yet: perdure worker"
    )
    assert status.to_json() == {
        "version": 1,
        "well": True,
        "costPerCredential": None,
        "chains": [],
        "events": {"undelivered": 0, "oldest": None, "refused": 0, "alarms": []},
    }


def test_a_person_sees_first_whether_all_is_well(sqlite_database: Database) -> None:
    with sqlite_database.begin() as tx:
        chains.record(tx, CHAIN)
        school = add_school(tx)
        credentials.insert(
            tx, [credential(school, 1, issued_at=NOW - timedelta(hours=3))]
        )
        alone = ledger_status(tx, NOW, has_receiver=False)
        early = NOW - timedelta(hours=2, minutes=30)
        leases.take(tx, CHAIN_ID, SENDER, owner="host/1/ff", seconds=60, now=early)
        worked_on = ledger_status(tx, early, has_receiver=False)

    lines = alone.to_text(NOW).splitlines()
    assert not alone.is_well
    assert lines[:2] == [
        "Alarms: 2. Somebody has to look.",
        f"Chain eip155:{CHAIN_ID} (TEST)",
    ]
    assert "ALARM: No worker has the lease" in lines[2]
    assert "ALARM: A credential is not final after 3 hours" in lines[3]

    text = worked_on.to_text(early)
    assert worked_on.is_well
    assert text.startswith("All is well.\n")
    assert "wait for a batch: 1, the oldest for 30 minutes" in text
    assert f"worker: host/1/ff for {SENDER}" in text


def test_programs_get_the_same(sqlite_database: Database) -> None:
    with sqlite_database.begin() as tx:
        chains.record(tx, CHAIN)
        school = add_school(tx)
        credentials.insert(tx, [credential(school, 1, issued_at=NOW)])
        status = ledger_status(tx, NOW, has_receiver=False)

    document: Any = status.to_json()
    (chain,) = document["chains"]
    assert document["well"] is False
    assert chain["chainId"] == f"eip155:{CHAIN_ID}"
    assert (chain["waiting"], chain["workers"]) == (1, [])
    assert [alarm["name"] for alarm in chain["alarms"]] == ["PerdureNoWorker"]


def test_events_that_nobody_takes_are_an_alarm_of_the_whole_ledger(
    sqlite_database: Database,
) -> None:
    later = NOW + timedelta(hours=2)
    with sqlite_database.begin() as tx:
        chains.record(tx, CHAIN)
        school = add_school(tx)
        credentials.insert(tx, [credential(school, 1, issued_at=NOW)])
        leases.take(tx, CHAIN_ID, SENDER, owner="host/1/ff", seconds=60, now=later)
        unheard = ledger_status(tx, later, has_receiver=True)
        fetched = ledger_status(tx, later, has_receiver=False)

    assert len(unheard.alarms) == 1
    assert "\nALARM: 1 event not delivered, the oldest for 2 hours" in (
        unheard.to_text(later)
    )
    assert fetched.alarms == []


def test_costs_are_shown_for_each_chain_and_together(sqlite_database: Database) -> None:
    other = replace(CHAIN, chain_id=7)
    with sqlite_database.begin() as tx:
        for chain in (CHAIN, other):
            chains.record(tx, chain)
        batch, _ = batch_of(issue(tx, add_school(tx), 4))
        for chain, price in ((CHAIN, 2 * 10**9), (other, 10**9)):
            anchored(tx, batch, chain.chain_id, Cost(50_000, price, INSTANT - 60))
        status = ledger_status(tx, NOW, has_receiver=False)

    document: Any = status.to_json()
    first, second = document["chains"]
    assert (first["chainId"], second["chainId"]) == ("eip155:7", f"eip155:{CHAIN_ID}")
    assert first["costs"]["spentDay"] == str(50_000 * 10**9)
    assert second["costs"]["perCredential"] == str(50_000 * 2 * 10**9 // 4)
    assert document["costPerCredential"] == str(50_000 * 3 * 10**9 // 4)
    text = status.to_text(NOW)
    assert "spent: 0.0001 coins in 24 hours, of at most 0.5; 0.0001 in 30 days" in text
    assert "an anchored credential cost 0.000025 coins in 30 days" in text
    assert "cost 0.0000375 coins on all chains together" in text


def anchored(tx: Transaction, batch: Batch, chain_id: int, cost: Cost) -> None:
    batches.adopt(tx, batch)
    new = new_chain_tx("anchor", ChainTxKind.ANCHOR, str(batch.id))
    row = chain_txs.enqueue(tx, replace(new, chain_id=chain_id), NOW)
    costs.record(tx, row.id, cost)
