"""Work of which only a few requests at a time may do some: the others are put off at once."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import BoundedSemaphore
from typing import Final

from starlette.requests import Request

from ledger.web.problems import HttpProblem

#: Seconds until it is worth to try again.
_LATER: Final = "5"


@contextmanager
def held(slots: BoundedSemaphore, busy: str) -> Iterator[None]:
    """Hold one of the slots. Raises HttpProblem (503, `busy` says why) while none is free."""
    if not slots.acquire(blocking=False):
        raise HttpProblem(503, "busy", busy, headers={"Retry-After": _LATER})
    try:
        yield
    finally:
        slots.release()


def backup_slot(request: Request) -> AbstractContextManager[None]:
    """Hold the memory for sealing or opening a backup. Raises HttpProblem (503)."""
    slots: BoundedSemaphore = request.app.state.backup_slots
    return held(
        slots, "Too many backups are being opened or made. Try again in a moment."
    )
