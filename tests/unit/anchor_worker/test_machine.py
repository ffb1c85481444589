"""Two thousand stories on a chain in memory: issue, revoke, work, crash, reorganise, fail, in any order."""

import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from ledger.services import doctor
from ledger.store.database import Database
from tests import watch
from tests.unit.anchor_worker.grounds import MemoryGround
from tests.unit.anchor_worker.machine import Ground, Machine

PARTS, STORIES = 8, 250


@pytest.fixture(scope="module")
def start() -> Iterator[Callable[[], tuple[Ground, Database]]]:
    """One engine for all stories: what it has learnt to say to the database it keeps."""
    ground = MemoryGround()
    ground.begin()
    memory = Path("/dev/shm")  # noqa: S108 - a folder in memory, where there is one
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        template, path = Path(folder) / "template.db", Path(folder) / "ledger.db"
        Database.upgrade(f"sqlite:///{template}").close()
        shutil.copy(template, path)
        with closing(Database.open(f"sqlite:///{path}")) as database:

            def fresh() -> tuple[Ground, Database]:
                database.close()
                for each in Path(folder).glob("ledger.db*"):
                    each.unlink()
                shutil.copy(template, path)
                return ground.copy(), database

            yield fresh


@pytest.mark.slow
@pytest.mark.uncounted
@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", range(PARTS))
def test_every_story_ends_well(
    part: int,
    start: Callable[[], tuple[Ground, Database]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The same stories in every run: nothing rolls dice but hypothesis, under a fixed seed.
    monkeypatch.setattr(secrets, "randbelow", lambda _: 500)
    # Who signed what is recovered in pure Python, and never changes.
    monkeypatch.setattr(doctor, "read_signed", watch.read)
    machine = seed(part)(
        type(f"Machine{part}", (Machine,), {"start": staticmethod(start)})
    )
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=STORIES,
            stateful_step_count=20,
            deadline=None,
            database=None,
            # Found is enough: the story is printed as it is. Making it shorter takes minutes.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
