from dataclasses import replace
from datetime import timedelta

from ledger.store import outages
from ledger.store.database import Database
from ledger.store.records import Outage
from tests.unit.store.samples import CHAIN_ID, NOW

HOUR = timedelta(hours=1)
OUTAGE = Outage(CHAIN_ID, "a.example: silent", NOW, NOW)


def test_an_outage_lasts_from_its_beginning_until_a_node_is_used(
    database: Database,
) -> None:
    again = Outage(CHAIN_ID, "a.example: of another chain", NOW + HOUR, NOW + HOUR)
    with database.begin() as tx:
        assert outages.of(tx, CHAIN_ID) is None
        for seen in (OUTAGE, again, replace(OUTAGE, chain_id=1)):
            outages.note(tx, seen)

        assert outages.of(tx, CHAIN_ID) == replace(again, since=NOW)
        outages.end(tx, CHAIN_ID)
        outages.end(tx, CHAIN_ID)
        assert outages.of(tx, CHAIN_ID) is None
        assert outages.of(tx, 1) == replace(OUTAGE, chain_id=1)


def test_a_host_whose_clock_is_behind_sees_none_before_it_began(
    database: Database,
) -> None:
    with database.begin() as tx:
        outages.note(tx, OUTAGE)
        outages.note(tx, replace(OUTAGE, since=NOW - HOUR, seen_at=NOW - HOUR))
        assert outages.of(tx, CHAIN_ID) == OUTAGE
