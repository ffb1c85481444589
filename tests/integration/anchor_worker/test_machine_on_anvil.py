"""Fifty stories on a real node with geth's rules: the machine of the unit tests, on other ground."""

import secrets
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from ledger.store.database import Database
from tests.unit.anchor_worker.machine import Ground, Machine

PARTS, STORIES = 2, 25


@pytest.mark.anvil
@pytest.mark.slow
@pytest.mark.uncounted
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(PARTS))
def test_every_story_ends_well_on_a_real_node(
    part: int,
    start: Callable[[], tuple[Ground, Database]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(secrets, "randbelow", lambda _: 500)
    machine = seed(100 + part)(
        type(f"MachineOnAnvil{part}", (Machine,), {"start": staticmethod(start)})
    )
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=STORIES,
            stateful_step_count=20,
            deadline=None,
            database=None,
            # Found is enough: the story is printed as it is.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
