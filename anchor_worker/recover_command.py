"""
`perdure recover`: after an older database was restored, read back from the chain what it lacks.

Exit codes: 0 caught up, 1 a person has to look (somebody else used the account, a worker still
runs), 2 could not finish (a node or the database does not answer, transactions are not final), 64
wrong usage, 78 the configuration is missing something or contradicts a chain or the database.
"""

import argparse
import json
import os
import re
import secrets
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from anchor_worker.recover import Caught, Recoverer, Recovery, Wish
from anchor_worker.registry_news import IssuerNews
from anchor_worker.wiring import plan_chains
from ledger.config import Settings
from ledger.core.canonical import Json
from ledger.errors import (
    ChainUnavailable,
    Conflict,
    LedgerError,
    NotFound,
    SettingError,
    StoreError,
)
from ledger.store.database import Database
from ledger.store.records import Chain, ChainTxKind
from ledger.verify.networks import caip2

REFUSED, UNFINISHED, USAGE, CONFIGURATION = 1, 2, 64, 78

_ADDRESS = re.compile(r"0x[0-9a-f]{40}", re.ASCII)
_FATES = {
    "waited": "waited here for a nonce, and has this one now",
    "raised": "was under way here, and went out later with higher fees",
    "lost": "was asked for by the lost database alone",
    "displaced": "stands where a call of this ledger should: that call is asked for again",
    "foreign": "is nothing that a ledger sends: somebody else has the account's key",
}


@dataclass(frozen=True, slots=True)
class Left:
    """A chain that could not be caught up with now."""

    chain: Chain
    error: ChainUnavailable
    is_home: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; answers the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options, Settings.from_environment())
    except LedgerError as error:
        sys.stderr.write(f"perdure: {error}\n")
        return code_of(error)


def code_of(error: LedgerError) -> int:
    """The exit code of an error, as for every other `perdure` command."""
    match error:
        case SettingError():
            return CONFIGURATION
        case NotFound() | Conflict():
            return REFUSED
        case ChainUnavailable() | StoreError():
            return UNFINISHED
        case _:
            return REFUSED


def _run(options: argparse.Namespace, settings: Settings) -> int:
    with closing(Database.open(settings.database_url)) as database:
        plans = plan_chains(settings, database)
        sender = options.sender or _sender(settings)
        wish = Wish(dry_run=options.dry_run, issued_at_most=options.issued_at_most)
        found: list[Recovery] = []
        left: list[Left] = []
        with _Bars() as bars:
            for plan in plans:
                recoverer = Recoverer(
                    database,
                    plan.chain,
                    sender,
                    owner=f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}",
                    clock=_now,
                    progress=bars.show,
                )
                try:
                    if plan.silent is not None:
                        raise plan.silent
                    found.append(recoverer.run(plan.nodes[0], wish))
                except ChainUnavailable as error:
                    # A chain that is away holds up nobody, after a loss neither.
                    left.append(Left(plan.chain, error, is_home=plan is plans[0]))
    if not found:
        raise left[0].error
    text = json.dumps(to_json(found, left), indent=2) if options.json else None
    sys.stdout.write((text or "\n".join(to_lines(found, left))) + "\n")
    if not all(each.is_whole for each in found):
        return REFUSED
    return UNFINISHED if left else 0


def _sender(settings: Settings) -> str:
    if settings.sender_url is not None:
        return settings.sender_address
    return settings.sender().address


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - entry points own the clock


# -------------------------------------------------------------------- telling


def to_json(recoveries: Sequence[Recovery], left: Sequence[Left] = ()) -> Json:
    """For programs."""
    return {
        "version": 1,
        "whole": not left and all(each.is_whole for each in recoveries),
        "chains": [_chain_json(each) for each in recoveries],
        "left": [
            {"chainId": caip2(each.chain.chain_id), "problem": str(each.error)}
            for each in left
        ],
    }


def _chain_json(found: Recovery) -> Json:
    return {
        "chainId": caip2(found.chain.chain_id),
        "sender": found.sender,
        "dryRun": found.dry_run,
        "finalized": found.finalized,
        "known": found.known,
        "count": found.count,
        "transactions": [_caught_json(each) for each in found.caught],
        "unseenNonces": list(found.unseen),
        "lostIssuers": [_hex(each) for each in found.lost_issuers],
        "issuers": [_issuer_json(each) for each in found.issuers],
    }


def _caught_json(caught: Caught) -> Json:
    transaction = caught.transaction
    return {
        "nonce": transaction.nonce,
        "hash": _hex(transaction.hash),
        "block": transaction.block_number,
        "kind": None if caught.kind is None else caught.kind.value,
        "fate": caught.fate,
        "root": _hex(transaction.data[4:36])
        if caught.kind is ChainTxKind.ANCHOR
        else None,
    }


def _issuer_json(news: IssuerNews) -> Json:
    return {
        "organisation": news.code,
        "issuer": _hex(news.record.issuer_id),
        "registeredAt": news.registered_at,
        "closedAt": news.closed_at,
        "keysOpened": [_hex(each) for each in news.keys_opened],
        "lostKeys": [_hex(each) for each in news.lost_keys],
        "bits": list(news.bits),
        "withdrawn": [str(each) for each in news.withdrawn.values()],
        "firstFreeBlock": news.first_free_block,
    }


def to_lines(
    recoveries: Sequence[Recovery], left: Sequence[Left] = ()
) -> Iterator[str]:
    """For people: what was found, what it means, what to do."""
    for found in recoveries:
        yield f"Chain {caip2(found.chain.chain_id)}, account {found.sender}, block {found.finalized:,}"
        ahead = found.count - found.known
        yield (
            f"  {found.count:,} transactions on the chain, {found.known:,} nonces given out here"
            + (f": {ahead:,} to catch up with" if ahead > 0 else "")
        )
        for caught in found.caught:
            yield _caught_line(caught)
        for nonce in found.unseen:
            yield f"  ✕ nonce {nonce}  is used, and no block shows by what: ask another node"
        for issuer_id in found.lost_issuers:
            yield (
                f"  ! issuer {_hex(issuer_id)} was registered after the copy was made: restore"
                " it from the school's backup (perdure keys restore)"
            )
        for news in found.issuers:
            yield from _issuer_lines(news)
        yield from _ending(found)
    for each in left:
        yield f"Chain {caip2(each.chain.chain_id)}: not caught up with: {each.error}"
        yield (
            "  Run this again before server and worker are started: issuing would hand out"
            " status indexes that are used."
            if each.is_home
            else "  Nothing is sent there until this has been run again, with every worker"
            " stopped; the other chains can go on."
        )


def _caught_line(caught: Caught) -> str:
    kind = "a transaction" if caught.kind is None else caught.kind.value
    mark = "✕" if caught.fate in {"foreign", "displaced"} else "·"
    return f"  {mark} nonce {caught.transaction.nonce}  {kind} {_FATES[caught.fate]}"


def _issuer_lines(news: IssuerNews) -> Iterator[str]:
    if news.closed_at is not None:
        yield (
            f"  ! {news.code} was closed after the copy was made: nothing is issued any more;"
            " what it left is in its closing archive"
        )
    for key_id in news.lost_keys:
        yield (
            f"  ! {news.code} recorded the key {_hex(key_id)} after the copy was made: restore"
            " it from the school's backup (perdure keys restore)"
        )
    if news.bits:
        unknown = len(news.bits) - len(news.withdrawn)
        yield (
            f"  · {news.code}: {len(news.withdrawn):,} credentials were withdrawn after the copy"
            f" was made, and {unknown:,} that are not known here or that were asked for here"
        )
    if news.first_free_block is not None:
        yield f"  · {news.code}: status indexes come from block {news.first_free_block} on"


def _ending(found: Recovery) -> Iterator[str]:
    if not found.is_whole:
        yield (
            '  This account cannot go on: give the ledger a new one, see "A new account that'
            ' pays" in docs/operating.md.'
        )
    elif found.dry_run:
        yield "  Nothing was changed: it was a dry run."
    else:
        yield "  Caught up. Start the worker, then: perdure doctor"


def _hex(data: bytes) -> str:
    return f"0x{data.hex()}"


class _Bars:
    """Progress for a person at a terminal; silent elsewhere."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self._progress = Progress(
            *columns, console=console, transient=True, disable=not console.is_terminal
        )
        self._task = self._progress.add_task("", total=None)

    def __enter__(self) -> "_Bars":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, what: str, done: int, total: int) -> None:
        """Show how far a part has come."""
        self._progress.update(self._task, description=what, completed=done, total=total)


# -------------------------------------------------------------------- arguments


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="perdure recover",
        description="After an older database was restored: read back from the chain what it"
        " lacks, so that no nonce and no status index is ever used twice. Stop every worker"
        " first.",
        epilog="Exit codes: 0 caught up, 1 a person has to look, 2 could not finish, 64 wrong"
        " usage, 78 configuration.",
    )
    add = parser.add_argument
    add(
        "--dry-run", action="store_true", help="tell what would be done, change nothing"
    )
    add("--json", action="store_true", help="print the result as JSON")
    add(
        "--issued-at-most",
        type=_count,
        metavar="N",
        help="no school issued more than N credentials after the copy was made (without it"
        " 786,432 status indexes of each are left unused)",
    )
    add(
        "--sender",
        type=_address,
        metavar="ADDRESS",
        help="an account that paid before, in place of the one that is configured",
    )
    return parser


def _count(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 100_000_000:
        raise argparse.ArgumentTypeError(
            f"given {text[:40]!r}, expected a whole number from 0 to 100000000"
        )
    return value


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text.lower()):
        raise argparse.ArgumentTypeError("an address is 0x and 40 hexadecimal digits")
    return text.lower()


if __name__ == "__main__":
    sys.exit(main())
