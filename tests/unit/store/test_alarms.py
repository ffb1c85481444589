from dataclasses import replace
from datetime import timedelta

from ledger.store import alarms
from ledger.store.database import Database
from ledger.store.records import Alarm, AlarmCode
from tests.unit.store.samples import CHAIN_ID, NOW, SENDER

ALARM = Alarm(CHAIN_ID, SENDER, AlarmCode.DAY_CEILING, "0.5 coins a day", NOW)


def test_an_alarm_stands_from_its_beginning_until_it_ends(database: Database) -> None:
    again = replace(ALARM, words="other words", since=NOW + timedelta(hours=1))
    other = replace(ALARM, code=AlarmCode.NO_FUNDS, since=NOW - timedelta(hours=1))
    with database.begin() as tx:
        alarms.sound(tx, ALARM)
        alarms.sound(tx, again)
        alarms.sound(tx, other)

        assert alarms.standing(tx, CHAIN_ID) == (
            other,
            replace(ALARM, words="other words"),
        )
        assert alarms.standing(tx, 1) == ()
        alarms.end(tx, CHAIN_ID, SENDER, AlarmCode.NO_FUNDS)
        alarms.end(tx, CHAIN_ID, SENDER, AlarmCode.NO_FUNDS)
        assert [a.code for a in alarms.standing(tx, CHAIN_ID)] == [ALARM.code]
