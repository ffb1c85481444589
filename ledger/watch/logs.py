"""
Logs: one JSON object a line, the same from the server, the worker and their libraries.

    time, level, logger, event, and what the event is about

An event is a text of ours, or a library's template: the values that a library fills in may
hold a row, a file or an address with an access key in it, so they are left out. Of a failure
the log gets the types and the places in the code, never the texts. A last filter blanks what
looks like an API key, an e-mail address or the path of an address, and the secrets that the
process was started with, wherever they came from; the examples in our own texts it leaves.
"""

import json
import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, TextIO

from ledger.watch.redaction import Redactor

#: Whose texts and facts are ours.
_OURS: Final = frozenset({"perdure", "ledger", "anchor_worker"})
#: Whose texts hold nothing that was sent; their extra facts are for terminals.
_TRUSTED: Final = _OURS | {"uvicorn"}
#: The worker has a thread for each chain, with the chain's name.
CHAIN_THREAD: Final = "eip155:"
_PLAIN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class JsonFormatter(logging.Formatter):
    """Writes a log record as one line of JSON; line breaks in a text cannot forge a line."""

    def __init__(
        self, secrets: Iterable[str] = (), examples: Iterable[str] = ()
    ) -> None:
        super().__init__()
        self._redact = Redactor(secrets, examples)

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        whose = record.name.partition(".")[0]
        moment = datetime.fromtimestamp(record.created, UTC)
        told = record.getMessage() if whose in _TRUSTED else str(record.msg)
        line: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": self._redact(told),
        }
        if (record.threadName or "").startswith(CHAIN_THREAD):
            line["chain"] = record.threadName
        if whose in _OURS:
            line |= {
                name: _shown(value, self._redact)
                for name, value in vars(record).items()
                if name not in _PLAIN and name not in line and value is not None
            }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = _failure(record.exc_info[1], record.exc_info[2])
        return json.dumps(line, ensure_ascii=True)


def _shown(value: object, redact: Callable[[str], str]) -> object:
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, Decimal | datetime):
        return str(value)
    if isinstance(value, Mapping):
        return {redact(str(name)): _shown(each, redact) for name, each in value.items()}
    return redact(str(value))


def _failure(
    error: BaseException | None, place: TracebackType | None
) -> Mapping[str, Any]:
    frames = traceback.extract_tb(place)
    causes = []
    while error is not None:
        causes.append(type(error).__qualname__)
        error = error.__cause__ or error.__context__
    return {
        "types": causes,
        "frames": [f"{f.filename}:{f.lineno} {f.name}" for f in frames],
    }


def log_to(
    stream: TextIO, secrets: Iterable[str] = (), examples: Iterable[str] = ()
) -> None:
    """Make the whole process log to a stream: ours from INFO on, libraries from WARNING on.

    What was set up before is gone. Texts of `secrets` appear in no line; addresses of `examples`,
    which help the operator and are nobody's, are not blanked.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter(secrets, examples))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in (*_OURS, "uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True
        logger.setLevel(logging.INFO)
    # A warning of a library, or an exception that nobody caught, is a line like any other.
    warnings.showwarning = _warned
    sys.excepthook = _uncaught
    threading.excepthook = lambda failed: _uncaught(
        failed.exc_type, failed.exc_value, failed.exc_traceback
    )


def _warned(  # noqa: PLR0917 - the shape of warnings.showwarning
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    logging.getLogger("perdure").warning(
        "a library warns",
        extra={"kind": category.__qualname__, "place": f"{filename}:{lineno}"},
    )


def _uncaught(
    kind: type[BaseException], error: BaseException | None, place: TracebackType | None
) -> None:
    error = error or kind()
    logging.getLogger("perdure").critical(
        "ended by a fault in the program", exc_info=(kind, error, place)
    )
