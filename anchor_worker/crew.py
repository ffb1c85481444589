"""
All loops of the process, each in a thread of its own, and the one exit code.

What ends one loop, a nonce that was used elsewhere or a node that is of another chain, does not
end the others. An error that nobody foresaw ends all, so that whoever watches the process starts
it again.
"""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from anchor_worker.deliver import Deliverer
from anchor_worker.loop import Ending
from anchor_worker.wiring import Loop
from ledger.errors import SettingError, StoreError

_log = logging.getLogger("anchor_worker")

#: Seconds after which a signal that came to another thread is heard.
_LOOK_UP = 0.5

#: What counts first if loops ended differently.
_WORST_FIRST = (Ending.SETTING, Ending.OPERATOR, Ending.UNREACHED, Ending.DONE)


def run_all(loops: Sequence[Loop], stop: threading.Event, *, once: bool) -> Ending:
    """Run every loop until it ends or is asked to stop; raises what nobody foresaw."""
    runs = [_Run(loop, stop, once=once) for loop in loops]
    # The thread's name is the chain's: it stands in every line that the loop logs.
    threads = [threading.Thread(target=run, name=run.name) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        _await(thread)
    for run in runs:
        if run.error is not None:
            raise run.error
    endings = {run.ending for run in runs}
    return next(ending for ending in _WORST_FIRST if ending in endings)


@contextmanager
def alongside(
    deliverer: Deliverer, stop: threading.Event, *, once: bool
) -> Iterator[None]:
    """Look after events in a thread of their own for as long as the block runs.

    With `once` what can be delivered at once is, at the end. Raises what nobody foresaw, after
    it has asked everything else to stop.
    """
    errors: list[BaseException] = []

    def run() -> None:
        try:
            deliverer.run()
        except BaseException as error:  # noqa: BLE001 - raised again by the main thread
            errors.append(error)
            stop.set()

    thread = threading.Thread(target=run, name="events")
    thread.start()
    try:
        yield
    finally:
        deliverer.stop()
        _await(thread)
    if errors:
        raise errors[0]
    if once:
        try:
            deliverer.drain()
        except StoreError as error:
            _log.error("not every event was looked after: %s", error)


def _await(thread: threading.Thread) -> None:
    """Wait for the end of a thread, and stay open to signals.

    A signal may reach another thread; what it asks for is done in this one, once it looks up.
    """
    while thread.is_alive():
        thread.join(_LOOK_UP)


class _Run:
    """One loop on its thread, and how it ended."""

    def __init__(self, loop: Loop, stop: threading.Event, *, once: bool) -> None:
        self.name = loop.plan.name
        self.ending = Ending.DONE
        self.error: BaseException | None = None
        self._loop = loop
        self._stop = stop
        self._once = once

    def __call__(self) -> None:
        try:
            self.ending = self._run()
        except SettingError as error:
            _log.critical("stopped: %s", error)
            self.ending = Ending.SETTING
        except BaseException as error:  # noqa: BLE001 - raised again by the main thread
            self.error = error
            self._stop.set()
        finally:
            self._loop.ended.set()

    def _run(self) -> Ending:
        silent = self._loop.plan.silent
        if self._once and silent is not None:
            _log.critical("not at rest, no node answers: %s", silent)
            return Ending.UNREACHED
        return self._loop.worker.run(self._stop)
