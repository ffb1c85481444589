"""When whoever reads the output of a command has gone away."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


@contextmanager
def ends_with_its_reader() -> Iterator[None]:
    """End by SIGPIPE, as other Unix programs, once nobody reads the output any more.

    Otherwise `| head -1` would make a verdict of it: Python's own code for the error is 1. The
    signal is left ignored until then, because a node that hangs up would raise it as well.
    """
    try:
        yield
        if sys.stdout is not None:
            # Now, and not at the end of the process, where it could only be ignored.
            sys.stdout.flush()
    except BrokenPipeError:
        _end()
    except SystemExit as ended:
        # Typer makes a code of its own of the error.
        if isinstance(ended.__context__, BrokenPipeError):
            _end()
        raise


def _end() -> NoReturn:
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGPIPE)
    os._exit(128 + signal.SIGPIPE)  # where the signal is blocked
