from dataclasses import replace
from datetime import timedelta

from ledger.store import standstills
from ledger.store.database import Database
from ledger.store.records import Obstacle, Standstill
from tests.unit.store.samples import CHAIN_ID, NOW, SENDER

STANDSTILL = Standstill(CHAIN_ID, SENDER, Obstacle.DAY_CEILING, "0.5 coins a day", NOW)


def test_a_standstill_lasts_from_its_beginning_until_it_ends(
    database: Database,
) -> None:
    again = replace(STANDSTILL, words="other words", since=NOW + timedelta(hours=1))
    other = replace(
        STANDSTILL, obstacle=Obstacle.NO_FUNDS, since=NOW - timedelta(hours=1)
    )
    with database.begin() as tx:
        standstills.begin(tx, STANDSTILL)
        standstills.begin(tx, again)
        standstills.begin(tx, other)

        assert standstills.all(tx, CHAIN_ID) == (
            other,
            replace(STANDSTILL, words="other words"),
        )
        assert standstills.all(tx, 1) == ()
        standstills.end(tx, CHAIN_ID, SENDER, Obstacle.NO_FUNDS)
        standstills.end(tx, CHAIN_ID, SENDER, Obstacle.NO_FUNDS)
        assert [a.obstacle for a in standstills.all(tx, CHAIN_ID)] == [
            STANDSTILL.obstacle
        ]
