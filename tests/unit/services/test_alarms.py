"""What a person has to look at, and what not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ledger.services.alarms import (
    LAST_SEEN,
    LONGEST_PENDING,
    LONGEST_UNDELIVERED,
    AlarmName,
    age,
    alarms,
    event_alarms,
    longest_unanchored,
)
from ledger.store.event_records import EventBacklog
from ledger.store.records import (
    ChainTxState,
    CostReport,
    Figures,
    Holder,
    Obstacle,
    Outage,
    Policy,
    SeenBalance,
    Standstill,
    WorkerReport,
)

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HELD = Holder("0x" + "ab" * 20, "host/1/ff", timedelta(seconds=30))
SECOND = timedelta(seconds=1)

QUIET = Figures(
    work=WorkerReport(0, 0, None, dict.fromkeys(ChainTxState, 0)),
    oldest_unanchored=None,
    oldest_pending=None,
    failed_lately=0,
    anchored=7,
    credentials=900,
    holders=[],
    costs=CostReport(
        spent_day=10**15,
        spent_month=3 * 10**16,
        under_way=0,
        anchors_month=0,
        credentials_month=0,
        days_observed=30.0,
        policy=Policy(),
        balances=[SeenBalance(HELD.sender, 7 * 10**15, NOW)],
        standstills=[],
    ),
)
LIMIT = longest_unanchored(QUIET)
BUSY = replace(
    QUIET,
    work=WorkerReport(3, 1, NOW, {**QUIET.work.chain_txs, ChainTxState.SENT: 1}),
    oldest_unanchored=NOW - LIMIT,
    oldest_pending=NOW - LONGEST_PENDING,
    holders=[HELD],
)


OUTAGE = Outage(1, "a.example: silent", NOW - timedelta(hours=3), NOW - LAST_SEEN)
STANDSTILL = Standstill(1, HELD.sender, Obstacle.DAY_CEILING, "0.5 ETH a day", NOW)


def with_costs(**costs: Any) -> Figures:
    return replace(BUSY, costs=replace(BUSY.costs, **costs))


def names(figures: Figures) -> list[AlarmName]:
    return [alarm.name for alarm in alarms(figures, NOW)]


def test_a_ledger_at_rest_and_one_at_work_are_well() -> None:
    assert names(QUIET) == []
    assert names(BUSY) == []


@pytest.mark.parametrize(
    ("figures", "name"),
    [
        (replace(BUSY, oldest_unanchored=NOW - LIMIT - SECOND), AlarmName.UNANCHORED),
        (replace(BUSY, oldest_pending=NOW - LONGEST_PENDING - SECOND), AlarmName.PENDING),
        (replace(QUIET, failed_lately=1), AlarmName.FAILED),
        (replace(QUIET, refused_acts=1), AlarmName.REFUSED),
        (replace(BUSY, holders=[]), AlarmName.NO_WORKER),
        (with_costs(balances=[SeenBalance(HELD.sender, 7 * 10**15 - 1, NOW)]), AlarmName.LOW_BALANCE),
        (with_costs(standstills=[STANDSTILL]), AlarmName.STANDSTILL),
        (replace(BUSY, holders=[], outage=OUTAGE), AlarmName.CHAIN_AWAY),
        (replace(QUIET, outage=OUTAGE), AlarmName.CHAIN_AWAY),
        (replace(BUSY, holders=[], outage=replace(OUTAGE, seen_at=OUTAGE.seen_at - SECOND)), AlarmName.NO_WORKER),
        (replace(BUSY, holders=[replace(HELD, left=timedelta(0))]), AlarmName.NO_WORKER),
    ],
    ids=["unanchored", "pending", "failed", "refused", "no lease", "balance", "standstill", "away", "away at rest", "away and ended", "expired lease"],
)  # fmt: skip
def test_each_alarm_stands_alone(figures: Figures, name: AlarmName) -> None:
    assert names(figures) == [name]


def test_nobody_has_to_work_where_there_is_no_work() -> None:
    """Whoever runs `perdure worker --once` from time to time is not called at night."""
    assert names(replace(BUSY, work=QUIET.work, holders=[])) == []
    waiting = replace(QUIET.work, waiting=1)
    assert names(replace(QUIET, work=waiting)) == [AlarmName.NO_WORKER]


def test_an_alarm_says_what_is_so_and_what_to_do() -> None:
    (alarm,) = alarms(replace(QUIET, failed_lately=2), NOW)

    assert alarm.to_text() == (
        "2 transactions of the last days failed for good. Look in the worker's log for"
        " lines of level critical. (docs/operating.md, PerdureTransactionFailed)"
    )


def test_each_standstill_has_a_way_on() -> None:
    for obstacle in Obstacle:
        (alarm,) = alarms(
            with_costs(standstills=[replace(STANDSTILL, obstacle=obstacle)]), NOW
        )
        assert "0.5 ETH a day" in alarm.says
        assert alarm.advice


def test_coins_of_a_sender_that_was_given_up_are_nobodys_business() -> None:
    empty = SeenBalance("0x" + "00" * 20, 0, NOW)

    assert alarms(with_costs(balances=[empty, *BUSY.costs.balances]), NOW) == []


def test_who_waits_for_cheap_gas_may_wait_as_long_as_the_policy_says() -> None:
    patient = with_costs(policy=Policy(gas_below=10**9))

    assert longest_unanchored(patient) == timedelta(hours=25)
    assert longest_unanchored(QUIET) == timedelta(minutes=70)


def test_what_blocks_others_is_said_to() -> None:
    blocked = {**QUIET.work.chain_txs, ChainTxState.FATAL: 1}
    failed = replace(
        QUIET, failed_lately=1, work=replace(QUIET.work, chain_txs=blocked)
    )

    (alarm,) = alarms(failed, NOW)

    assert "may wait behind it" in alarm.advice


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (-5, "0 minutes"),
        (1, "1 minute"),
        (119, "119 minutes"),
        (120, "2 hours"),
        (47 * 60, "47 hours"),
        (48 * 60, "2 days"),
    ],
)
def test_ages_are_in_the_unit_that_is_taken_in_at_a_glance(
    minutes: int, words: str
) -> None:
    assert age(NOW - timedelta(minutes=minutes), NOW) == words


def test_events_are_late_only_for_a_receiver_that_there_is() -> None:
    late = EventBacklog(3, NOW - LONGEST_UNDELIVERED - SECOND, 2)
    in_time = EventBacklog(3, NOW - LONGEST_UNDELIVERED, 0)

    found = event_alarms(late, NOW, has_receiver=True)

    assert [alarm.name for alarm in found] == [
        AlarmName.EVENTS_LATE,
        AlarmName.EVENTS_REFUSED,
    ]
    assert "3 events not delivered" in found[0].says
    assert event_alarms(late, NOW, has_receiver=False) == []
    assert event_alarms(in_time, NOW, has_receiver=True) == []
