"""A process that its unit starts again: how it ends, and on what it is watched.

Exit codes are the worker's, because one unit file's rule is for both: 69 passes by itself, 70 is
what nobody foresaw, and 64 and 78 stay as they are until a person has mended something.
"""

import functools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, ParamSpec

import typer

from ledger.cli import extras
from ledger.cli.app import CONFIGURATION
from ledger.errors import (
    ChainUnavailable,
    Conflict,
    KeystoreError,
    MalformedError,
    SettingError,
    StoreError,
)

if TYPE_CHECKING:
    from ledger.watch.listener import Address

#: Exit codes of sysexits.h: what is needed does not answer now, and a fault of the program.
UNAVAILABLE: Final = 69
UNFORESEEN: Final = 70

_log = logging.getLogger("perdure.service")
_Arguments = ParamSpec("_Arguments")


def service(run: Callable[_Arguments, int]) -> Callable[_Arguments, int]:
    """Give errors of a long-running command the exit codes of one, and a line of the log."""

    @functools.wraps(run)
    def supervised(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> int:
        try:
            return run(*args, **kwargs)
        except (typer.TyperException, typer.Exit, typer.Abort):
            raise  # the command line's own
        except (SettingError, KeystoreError, Conflict) as error:
            _log.critical("%s", error)
            return CONFIGURATION
        except ChainUnavailable as error:
            _log.critical("no node answers: %s", error)
            return UNAVAILABLE
        except StoreError as error:
            _log.critical("the database does not work: %s", error)
            return UNAVAILABLE
        except Exception as error:
            if isinstance(error, ModuleNotFoundError) and extras.is_left_out(error):
                raise
            # Not Python's own 1: the unit starts this again.
            _log.critical("ended by what nobody foresaw", exc_info=True)
            return UNFORESEEN

    return supervised


def watched_at(text: str | None) -> "Address | None":
    """The address of --metrics-address, if it is given. Raises BadParameter: wrong usage."""
    from ledger.watch.listener import Address

    try:
        return None if text is None else Address.parse(text)
    except MalformedError as error:
        raise typer.BadParameter(f"--metrics-address: {error}") from error
