"""
The command line of the verifier: `perdure verify` and `python -m ledger.verify`.

Reports go to the output, everything else to the error stream. Exit codes: 0 genuine and
current, 1 do not rely on it, 2 could not finish, 3 genuine with a caution; for several files
the worst, in the order 1, 2, 3, 0. Wrong usage is 64, before anything is checked.
"""

import argparse
import io
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NoReturn, TextIO, TypeVar

from ledger.core.baking import MAX_IMAGE_BYTES
from ledger.core.credential import normalise_email
from ledger.errors import MalformedError, SettingError
from ledger.verify import networks, trust
from ledger.verify.networks import BUILT_IN, Network, parse_networks
from ledger.verify.report import Report, Step, exit_code, printable, stopped_after
from ledger.verify.rpc import RpcReader
from ledger.verify.trust import TrustList, parse_trust_list
from ledger.verify.verification import verify

VERSION: Final = 1
USAGE: Final = 64  # EX_USAGE of sysexits.h: 2 is taken, for "could not finish"

_BAR = 24

_Configuration = TypeVar("_Configuration")

_EPILOG = """\
Without --rpc only the file itself can be checked, and the answer is "could not finish".
With two addresses or more, whatever they answer differently counts as not known.

exit codes: 0 genuine and current, 1 do not rely on it, 2 could not finish, 3 genuine with
a caution (expired, unknown issuer, not recorded yet, test network); for several files the
worst of 1, 2, 3, 0 in this order; 64 wrong usage
"""


class _UsageError(Exception):
    """The command cannot be run as it was given."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _UsageError(message)


@dataclass(frozen=True, slots=True)
class _Order:
    files: tuple[Path, ...]
    readers: tuple[RpcReader, ...]
    networks: tuple[Network, ...]
    trust: TrustList | None
    email: str | None
    as_json: bool


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - an entry point owns the clock


def run(
    arguments: Sequence[str],
    *,
    program: str,
    clock: Callable[[], datetime] = _now,
    out: TextIO | None = None,
    err: TextIO | None = None,
) -> int:
    """Check the files that the arguments name, write the reports, give the exit code."""
    out, err = out or sys.stdout, err or sys.stderr
    for stream in (out, err):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without ✓
    parser = _parser(program)
    try:
        given = parser.parse_intermixed_args(list(arguments))
        if given.help:
            out.write(parser.format_help())
            return 0
        order = _order(given)
    except _UsageError as error:
        err.write(f"{parser.format_usage()}{program}: {printable(str(error))}\n")
        return USAGE
    with ExitStack() as connections:
        for reader in order.readers:
            connections.enter_context(closing(reader))
        reports = _check(order, clock, out, err)
    codes = [report.exit_code for report in reports]
    if order.as_json:
        document = {
            "version": VERSION,
            "files": [report.to_json() for report in reports],
            "exitCode": exit_code(codes),
        }
        # ASCII: no character of a file can reach a terminal as anything but a letter.
        out.write(json.dumps(document, indent=2, ensure_ascii=True) + "\n")
    elif len(reports) > 1:
        out.write(_summary(reports))
    return exit_code(codes)


def _parser(program: str) -> _Parser:
    parser = _Parser(
        prog=program,
        description="Check credential files (.json, baked .png or .svg).",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument("files", metavar="FILE", nargs="*", type=Path)
    parser.add_argument(
        "--rpc",
        metavar="URL",
        action="append",
        default=[],
        help="address of a node of the issuer's chain; repeat it, and all must agree",
    )
    parser.add_argument(
        "--trust", metavar="FILE", type=Path, help="issuers and accreditors you trust"
    )
    parser.add_argument(
        "--networks",
        metavar="FILE",
        type=Path,
        help="chains you accept, in place of the built-in list",
    )
    parser.add_argument(
        "--email", metavar="ADDRESS", help="check that it was issued to this address"
    )
    parser.add_argument("--json", action="store_true", help="write the reports as JSON")
    parser.add_argument("-h", "--help", action="store_true", help="show this and stop")
    return parser


def _order(given: argparse.Namespace) -> _Order:
    if not given.files:
        raise _UsageError("name at least one file")
    for file in given.files:
        if not file.exists():
            raise _UsageError(f"{file}: no such file")
        if file.is_dir():
            raise _UsageError(f"{file}: a directory; name the files in it")
    if len(set(given.rpc)) != len(given.rpc):
        raise _UsageError("--rpc: the same address twice agrees with itself")
    try:
        readers = tuple(RpcReader(url) for url in given.rpc)
    except SettingError as error:
        raise _UsageError(f"--rpc: {error}") from error
    email = given.email
    if email is not None:
        try:
            email = normalise_email(email)
        except MalformedError as error:
            raise _UsageError("--email: not an e-mail address") from error
    return _Order(
        files=tuple(given.files),
        readers=readers,
        networks=BUILT_IN
        if given.networks is None
        else _configuration(given.networks, parse_networks, networks.MAX_BYTES),
        trust=None
        if given.trust is None
        else _configuration(given.trust, parse_trust_list, trust.MAX_BYTES),
        email=email,
        as_json=given.json,
    )


def _configuration(
    path: Path, parse: Callable[[bytes], _Configuration], most: int
) -> _Configuration:
    try:
        return parse(_read(path, most))
    except OSError as error:
        raise _UsageError(f"{path}: {error.strerror}") from error
    except MalformedError as error:
        raise _UsageError(f"{path}: {error}") from error


def _read(path: Path, most: int) -> bytes:
    """One byte more than the limit at most: enough for a parser to say that it is too much."""
    with path.open("rb") as file:
        return file.read(most + 1)


def _check(
    order: _Order, clock: Callable[[], datetime], out: TextIO, err: TextIO
) -> list[Report]:
    reports = []
    progress = _Progress(err, len(order.files))
    for file in order.files:
        progress.show(file)
        report = _report(order, file, clock())
        reports.append(report)
        progress.clear()
        if not order.as_json:
            if len(reports) > 1:
                out.write("\n")
            out.write(report.to_text())
            out.flush()
    return reports


def _report(order: _Order, file: Path, now: datetime) -> Report:
    # A name that is not UTF-8 has no place in JSON.
    name = str(file).encode("utf-8", "replace").decode()
    try:
        data = _read(file, MAX_IMAGE_BYTES)
    except OSError as error:
        unreadable = Step("file.unreadable", f"{error.strerror}.")
        return Report(name, stopped_after(unreadable))
    return verify(
        data,
        readers=order.readers,
        networks=order.networks,
        trust=order.trust,
        now=now,
        email=order.email,
        file=name,
    )


def _summary(reports: Sequence[Report]) -> str:
    found = Counter(report.verdict for report in reports)
    parts = ", ".join(
        f"{count} {verdict.value.replace('_', ' ')}"
        for verdict, count in found.most_common()
    )
    tests = sum(report.test for report in reports)
    about = f" ({tests} on TEST networks)" if tests else ""
    return f"\n{len(reports)} files{about}: {parts}\n"


class _Progress:
    """A bar on a terminal, and nothing anywhere else."""

    def __init__(self, err: TextIO, total: int) -> None:
        self._err = err
        self._total = total
        self._done = 0
        self._shown = err.isatty()

    def show(self, file: Path) -> None:
        if self._shown:
            filled = _BAR * self._done // self._total
            bar = "#" * filled + "." * (_BAR - filled)
            name = printable(file.name)[:40]
            self._err.write(f"\r\x1b[K[{bar}] {self._done}/{self._total} {name}")
            self._err.flush()

    def clear(self) -> None:
        self._done += 1
        if self._shown:
            self._err.write("\r\x1b[K")
            self._err.flush()
