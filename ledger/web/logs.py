"""
Logs: one JSON object a line, without values of requests and without exceptions' texts.

A library's exception may quote a row, a file or a header, so of a failure the log gets the
type and the places in the code. A last filter blanks what looks like an API key or an e-mail
address, wherever it came from.
"""

import json
import logging
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final

from ledger.web.redaction import redact

_FACTS: Final = ("request", "method", "route", "status", "problem", "milliseconds")


class JsonFormatter(logging.Formatter):
    """Writes a log record as one line of JSON; line breaks in a text cannot forge a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        moment = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        for fact in _FACTS:
            value = getattr(record, fact, None)
            if value is not None:
                line[fact] = redact(value) if isinstance(value, str) else value
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = _failure(record.exc_info[1], record.exc_info[2])
        return json.dumps(line, ensure_ascii=True)


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


def log_config() -> dict[str, Any]:
    """The logging configuration of a server process: JSON lines on stderr."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "ledger.web.logs.JsonFormatter"}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "json",
                "stream": "ext://sys.stderr",
            }
        },
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            "perdure": {"level": "INFO"},
            "uvicorn": {"level": "INFO"},
            "uvicorn.error": {"level": "INFO"},
        },
    }
