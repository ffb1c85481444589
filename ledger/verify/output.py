"""When the output of a command goes nowhere: its reader is gone, or the disk is full."""

import errno
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

#: The exit code of what could not be finished, as of a verdict that could not be reached.
_UNFINISHED: Final = 2


@contextmanager
def ends_with_its_reader() -> Iterator[None]:
    """End by SIGPIPE, as other Unix programs, once nobody reads the output any more.

    Otherwise `| head -1` would make a verdict of it: Python's own code for the error is 1. The
    signal is left ignored until then, because a node that hangs up would raise it as well. Where
    the output finds no room, the command could not finish.
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
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}:
            raise
        sys.stderr.write(f"cannot write: {error.strerror}\n")
        _give_up_output()
        sys.exit(_UNFINISHED)


def _give_up_output() -> None:
    """What is still waiting to be written would fail again at the end of the process."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _end() -> NoReturn:
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGPIPE)
    os._exit(128 + signal.SIGPIPE)  # where the signal is blocked
