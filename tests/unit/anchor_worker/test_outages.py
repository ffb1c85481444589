"""A chain that is away is told in the database, by whoever looks, until somebody reaches it."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from anchor_worker.loop import Worker
from anchor_worker.outages import Outages
from ledger.errors import ChainUnavailable
from ledger.services.alarms import LAST_SEEN, AlarmName
from ledger.services.progress import LedgerStatus, ledger_status
from tests.unit.anchor_worker.worlds import CHAIN_ID, World


def telling(world: World, owner: str) -> Worker:
    """A worker as the process makes it: it tells of outages."""
    told = Outages(world.database, CHAIN_ID, clock=world.clock)
    return world.worker(owner, outages=told)


def status(world: World, now: datetime | None = None) -> LedgerStatus:
    with world.database.read() as tx:
        return ledger_status(tx, now or world.clock.now, has_receiver=False)


def outage_json(world: World) -> Any:
    """What programs are told of it."""
    (chain,) = status(world).chains
    told: Any = chain.to_json()
    return told["outage"]


def names(world: World, now: datetime | None = None) -> list[AlarmName]:
    return [alarm.name for alarm in status(world, now).chains[0].alarms]


def test_the_status_says_since_when_and_which_nodes_are_away(world: World) -> None:
    world.issue(4)
    worker = telling(world, "one")
    world.chain.broken_reads = -1
    began = world.clock.now
    for _ in range(20):
        with pytest.raises(ChainUnavailable):
            worker.round()
        world.clock.sleep(60)

    (chain,) = status(world).chains
    (alarm,) = chain.alarms
    assert alarm.name is AlarmName.CHAIN_AWAY
    assert alarm.says == (
        "The chain is away since 20 minutes: no node of it can be used"
        " (memory: memory does not answer)"
    )
    assert "PERDURE_OTHER_CHAINS" in alarm.advice
    assert "No worker" not in status(world).to_text(world.clock.now)
    assert outage_json(world) == {
        "since": began.isoformat(),
        "seenAt": (world.clock.now - timedelta(minutes=1)).isoformat(),
        "problem": "memory: memory does not answer",
    }

    # A standby reaches a node, and the first one is not asked any more.
    world.chain.broken_reads = 0
    telling(world, "two").round()
    assert names(world) == []
    assert outage_json(world) is None


def test_a_worker_that_ended_during_an_outage_is_missed(world: World) -> None:
    world.issue(4)
    world.chain.broken_reads = -1
    with pytest.raises(ChainUnavailable):
        telling(world, "one").round()
    last = world.clock.now

    assert names(world, last + LAST_SEEN) == [AlarmName.CHAIN_AWAY]
    world.clock.sleep(1)
    assert names(world, world.clock.now + LAST_SEEN) == [AlarmName.NO_WORKER]
