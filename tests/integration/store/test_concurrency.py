"""Four processes at once on one database: nothing twice, nothing lost."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from ledger.store import achievements, chain_txs, credentials
from ledger.store.database import Database
from ledger.store.records import ChainTxState, CredentialState, Organisation
from tests.integration.store import processes
from tests.integration.store.processes import PROCESSES, Crew
from tests.unit.store.samples import (
    CHAIN_ID,
    NOW,
    SENDER,
    add_school,
    issue,
    new_chain_tx,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    with closing(Crew()) as started:
        yield started


@pytest.fixture
def school(database: Database) -> Organisation:
    with database.begin() as tx:
        return add_school(tx)


def test_no_status_index_is_handed_out_twice(
    database_url: str, crew: Crew, school: Organisation
) -> None:
    found = [
        index for part in crew.at_once(processes.allot, database_url) for index in part
    ]

    assert len(found) == PROCESSES * 200
    assert len(set(found)) == len(found)


def test_same_act_is_one_row(database_url: str, crew: Crew) -> None:
    first, *others = crew.at_once(processes.enqueue, database_url)

    assert len(set(first)) == 30
    assert others == [first] * (PROCESSES - 1)


def test_same_award_is_issued_once(
    database: Database, database_url: str, crew: Crew, school: Organisation
) -> None:
    assert sum(crew.at_once(processes.issue, database_url)) == 20

    with database.read() as tx:
        page = credentials.page(tx, school.id, limit=99)
    assert len({record.recipient_email for record in page}) == len(page) == 20


def test_credential_is_withdrawn_once(
    database: Database, database_url: str, crew: Crew, school: Organisation
) -> None:
    with database.begin() as tx:
        issue(tx, school, 10)

    assert sum(crew.at_once(processes.withdraw, database_url)) == 10
    with database.read() as tx:
        state = CredentialState.WITHDRAWN
        assert len(credentials.page(tx, school.id, limit=99, state=state)) == 10


def test_versions_of_an_achievement_stand_in_one_order(
    database: Database, database_url: str, crew: Crew, school: Organisation
) -> None:
    crew.at_once(processes.add_versions, database_url)

    with database.read() as tx:
        found = [a.version for a in achievements.all(tx, school.id)]
    assert len(found) == 1 + PROCESSES * 5
    for n in range(PROCESSES):
        mine = [version for version in found if version.startswith(f"{n}.")]
        assert mine == sorted(mine)


def test_every_credential_is_sealed_into_one_batch(
    database: Database, database_url: str, crew: Crew, school: Organisation
) -> None:
    with database.begin() as tx:
        records = issue(tx, school, 30)

    sizes = [
        size for part in crew.at_once(processes.seal, database_url) for size in part
    ]

    assert sum(sizes) == len(records)
    with database.read() as tx:
        state = CredentialState.SEALED
        assert len(credentials.page(tx, school.id, limit=99, state=state)) == 30
        anchors = chain_txs.in_state(tx, CHAIN_ID, [ChainTxState.SEALED], 99)
    assert len(anchors) == len(sizes)


def test_nonces_have_no_gap_and_one_payload_each(
    database: Database, database_url: str, crew: Crew
) -> None:
    with database.begin() as tx:
        for n in range(40):
            chain_txs.enqueue(tx, new_chain_tx(f"act {n}"), NOW)

    assert sum(crew.at_once(processes.send, database_url)) == 40

    with database.read() as tx:
        sent = chain_txs.in_state(tx, CHAIN_ID, [ChainTxState.SENT], 99)
        assert [row.nonce for row in sent] == list(range(40))
        assert [row.unique_key for row in sent] == [f"act {n}" for n in range(40)]
        assert {len(chain_txs.attempts(tx, row.id)) for row in sent} == {1}
        assert chain_txs.highest_nonce(tx, CHAIN_ID, SENDER) == 39
