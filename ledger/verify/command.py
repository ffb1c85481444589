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
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

from ledger.core.archive import MAX_ARCHIVE_BYTES
from ledger.core.baking import MAX_IMAGE_BYTES
from ledger.core.credential import normalise_email
from ledger.errors import MalformedError
from ledger.verify.archived import PEEK, Candidate, candidates, is_archive
from ledger.verify.arguments import (
    USAGE,
    Parser,
    UsageError,
    checkpoints_of,
    existing,
    networks_of,
    read_limited,
    readers_of,
    trust_of,
)
from ledger.verify.checkpoints import Checkpoint
from ledger.verify.networks import Network
from ledger.verify.report import Report, Step, exit_code, printable, stopped_after
from ledger.verify.rpc import RpcReader
from ledger.verify.trust import TrustList
from ledger.verify.verification import verify

VERSION: Final = 1

_BAR = 24

_EPILOG = """\
Without --rpc a file is checked against the evidence that it carries, if that is of a block
that you trust: name its hash after its chain, or give a list. The answer then is as of that
block. Without either only the file itself can be checked: "could not finish".
With two addresses or more, whatever they answer differently counts as not known.

exit codes: 0 genuine and current, 1 do not rely on it, 2 could not finish, 3 genuine with
a caution (as of a date, expired, unknown issuer, not recorded yet, test network); for several
files the worst of 1, 2, 3, 0 in this order; 64 wrong usage
"""


@dataclass(frozen=True, slots=True)
class _Order:
    files: tuple[Path, ...]
    readers: tuple[RpcReader, ...]
    networks: tuple[Network, ...]
    checkpoints: tuple[Checkpoint, ...]
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
    except UsageError as error:
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


def _parser(program: str) -> Parser:
    parser = Parser(
        program,
        "Check credential files: .json, baked .png or .svg, .pdf certificates, and .zip"
        " archives of them.",
        _EPILOG,
    )
    parser.add_files()
    parser.add_addresses()
    parser.add_argument(
        "--block-hash",
        metavar="eip155:CHAIN:HASH",
        action="append",
        default=[],
        help="a block that you trust; repeat it for several",
    )
    parser.add_argument(
        "--checkpoints",
        metavar="FILE",
        type=Path,
        help="blocks that you trust, as `perdure checkpoints` lists them",
    )
    parser.add_trust("issuers and accreditors you trust")
    parser.add_signer()
    parser.add_networks()
    parser.add_argument(
        "--email", metavar="ADDRESS", help="check that it was issued to this address"
    )
    parser.add_argument("--json", action="store_true", help="write the reports as JSON")
    parser.add_help_option()
    return parser


def _order(given: argparse.Namespace) -> _Order:
    if not given.files:
        raise UsageError("name at least one file")
    files = existing(given.files)
    readers = readers_of(given.rpc)
    email = given.email
    if email is not None:
        try:
            email = normalise_email(email)
        except MalformedError as error:
            raise UsageError("--email: not an e-mail address") from error
    return _Order(
        files=files,
        readers=readers,
        networks=networks_of(given.networks),
        checkpoints=checkpoints_of(given.checkpoints, given.block_hash),
        trust=trust_of(given.trust, given.signer),
        email=email,
        as_json=given.json,
    )


def _check(
    order: _Order, clock: Callable[[], datetime], out: TextIO, err: TextIO
) -> list[Report]:
    reports = []
    progress = _Progress(err, len(order.files))
    for file in order.files:
        progress.show(file)
        for candidate in _candidates(file):
            report = _report(order, candidate, clock())
            reports.append(report)
            progress.wipe()
            if not order.as_json:
                if len(reports) > 1:
                    out.write("\n")
                out.write(report.to_text())
                out.flush()
        progress.done()
    return reports


def _candidates(file: Path) -> Iterator[Candidate]:
    # A name that is not UTF-8 has no place in JSON.
    name = str(file).encode("utf-8", "replace").decode()
    try:
        most = MAX_IMAGE_BYTES
        if is_archive(read_limited(file, PEEK)):
            most = MAX_ARCHIVE_BYTES
        data = read_limited(file, most)
    except OSError as error:
        yield Candidate(name, fault=Step("file.unreadable", f"{error.strerror}."))
        return
    yield from candidates(name, data)


def _report(order: _Order, candidate: Candidate, now: datetime) -> Report:
    if candidate.fault is not None:
        return Report(candidate.name, stopped_after(candidate.fault))
    return verify(
        candidate.data,
        readers=order.readers,
        networks=order.networks,
        checkpoints=order.checkpoints,
        trust=order.trust,
        now=now,
        email=order.email,
        file=candidate.name,
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

    def done(self) -> None:
        self._done += 1

    def wipe(self) -> None:
        if self._shown:
            self._err.write("\r\x1b[K")
            self._err.flush()
