"""All loops of a process: what ends one does not end the others, and one exit code comes of it."""

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import pytest

from anchor_worker.crew import run_all
from anchor_worker.loop import Ending, Worker
from anchor_worker.wiring import ChainPlan, Loop
from ledger.core.registries import ANCHOR_REGISTRY, ISSUER_REGISTRY
from ledger.errors import ChainUnavailable, SettingError
from ledger.store.records import Chain
from tests.unit.anchor_worker.worlds import SENDER


@dataclass
class Task:
    """A worker that does what a test says."""

    does: Callable[[threading.Event], Ending]
    names: list[str] = field(default_factory=list)

    def run(self, stop: threading.Event) -> Ending:
        self.names.append(threading.current_thread().name)
        return self.does(stop)


def loop(
    chain_id: int,
    does: Callable[[threading.Event], Ending],
    silent: ChainUnavailable | None = None,
) -> Loop:
    chain = Chain(chain_id, bytes(32), ANCHOR_REGISTRY, ISSUER_REGISTRY, test=True)
    plan = ChainPlan(chain, [], silent)
    return Loop(plan, cast(Worker, Task(does)), SENDER, threading.Event())


def ends(ending: Ending) -> Callable[[threading.Event], Ending]:
    return lambda _: ending


def waits(stop: threading.Event) -> Ending:
    assert stop.wait(20)
    return Ending.DONE


def other_chain(_: threading.Event) -> Ending:
    raise SettingError("every node is of another chain")


def test_a_signal_that_comes_to_a_loops_thread_is_heard_in_the_main_one() -> None:
    stop = threading.Event()

    def signalled(asked: threading.Event) -> Ending:
        assert not asked.wait(0.2)  # until the main thread waits for this one
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        return waits(asked)

    before = signal.signal(signal.SIGUSR1, lambda *_: stop.set())
    try:
        assert run_all([loop(1, signalled)], stop, once=False) is Ending.DONE
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_each_loop_has_a_thread_with_its_chains_name() -> None:
    loops = [loop(1, ends(Ending.DONE)), loop(10, ends(Ending.DONE))]

    assert run_all(loops, threading.Event(), once=False) is Ending.DONE
    names = [cast(Task, each.worker).names for each in loops]
    assert names == [["eip155:1"], ["eip155:10"]]
    assert all(each.ended.is_set() for each in loops)


def test_one_that_ends_leaves_the_others_running() -> None:
    stop = threading.Event()
    ended, going_on = loop(1, ends(Ending.OPERATOR)), loop(10, waits)

    def watch() -> None:
        assert ended.ended.wait(20)
        going_on.ended.wait(0.2)
        assert not going_on.ended.is_set()
        stop.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert run_all([ended, going_on], stop, once=False) is Ending.OPERATOR
    watcher.join()


@pytest.mark.parametrize(
    ("endings", "expected"),
    [
        ([Ending.DONE, Ending.DONE], 0),
        ([Ending.DONE, Ending.OPERATOR], 1),
        ([Ending.UNREACHED, Ending.DONE], 69),
        ([Ending.UNREACHED, Ending.OPERATOR], 1),
        ([Ending.OPERATOR, Ending.SETTING], 78),
    ],
)
def test_the_exit_code_is_that_of_the_worst(
    endings: list[Ending], expected: int
) -> None:
    loops = [loop(n, ends(ending)) for n, ending in enumerate(endings, 1)]

    assert run_all(loops, threading.Event(), once=False) == expected


def test_nodes_that_are_of_another_chain_later_end_their_loop_alone(
    log: pytest.LogCaptureFixture,
) -> None:
    loops = [loop(1, ends(Ending.DONE)), loop(10, other_chain)]

    assert run_all(loops, threading.Event(), once=False) is Ending.SETTING
    assert "stopped: every node is of another chain" in log.text


def test_once_a_chain_without_a_node_is_not_waited_for(
    log: pytest.LogCaptureFixture,
) -> None:
    silent = ChainUnavailable("10.0.0.1 is silent")
    away = loop(10, waits, silent)

    loops = [loop(1, ends(Ending.DONE)), away]
    assert run_all(loops, threading.Event(), once=True) is Ending.UNREACHED
    assert "not at rest, no node answers: 10.0.0.1 is silent" in log.text
    assert cast(Task, away.worker).names == []


def test_what_nobody_foresaw_stops_all_and_is_raised() -> None:
    def fails(_: threading.Event) -> Ending:
        raise ZeroDivisionError

    stop = threading.Event()
    with pytest.raises(ZeroDivisionError):
        run_all([loop(1, fails), loop(10, waits)], stop, once=False)
    assert stop.is_set()
