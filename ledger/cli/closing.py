"""Closing an organisation, from the dry run to the closing archive."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli.app import REFUSED, UNFINISHED, AsJson, Org, PassphraseFile, issuer
from ledger.cli.console import (
    ask_passphrase,
    complain,
    progress_bar,
    read_file,
    show,
    waiting,
)
from ledger.cli.wiring import (
    addresses_of,
    caller_of,
    home_chain,
    home_node,
    issuer_lookup,
    now,
    open_database,
    open_master,
    settings_from_environment,
)
from ledger.errors import MalformedError, Refused

if TYPE_CHECKING:
    from ledger.config import Settings
    from ledger.core.closing import Custodian
    from ledger.services.closing import ClosingStatus, ClosingWish
    from ledger.services.organisations import Caller
    from ledger.store.database import Database

_POLL = 1.0


@issuer.command("close")
def issuer_close(
    org_code: Org,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what would happen and what is still open."),
    ] = False,
    backup: Annotated[
        Path | None,
        typer.Option(
            help="The backup that `issuer register` wrote: it holds the recovery key."
        ),
    ] = None,
    passphrase_file: PassphraseFile = None,
    custodian: Annotated[
        list[str] | None,
        typer.Option(
            help="Who is to keep what is personal; repeatable, each with a --recipient."
        ),
    ] = None,
    recipient: Annotated[
        list[str] | None,
        typer.Option(
            help="That custodian's age recipient (age1...), in the same order."
        ),
    ] = None,
    successor: Annotated[
        str | None,
        typer.Option(
            help="Who may withdraw afterwards: an issuer's whole identifier, eip155:..."
        ),
    ] = None,
    statement: Annotated[
        Path | None,
        typer.Option(help="A text for everybody to read, in the school's own words."),
    ] = None,
    archive: Annotated[
        Path | None, typer.Option(help="The closing archive (.zip) to write.")
    ] = None,
    credentials_only: Annotated[
        bool,
        typer.Option(
            "--credentials-only",
            help="Leave the earners' take-away archives out, which are most of its size.",
        ),
    ] = False,
    wait: Annotated[
        int,
        typer.Option(min=0, max=525_600, help="Wait so many minutes for the worker."),
    ] = 0,
    confirm: Annotated[
        str | None,
        typer.Option(help="The organisation's code once more; else you are asked."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Close an organisation for ever, and write its closing archive.

    Run it again to go on where it stopped. An archive that is there is never replaced: its
    SHA-256 may have been handed out. Exit codes: 0 done (with --dry-run: nothing is in
    the way), 1 refused or something is still open, 2 the worker is not ready yet.
    """
    from ledger.services.closing import (
        ClosingWish,
        Stage,
        closing_status,
        read_successor,
    )

    settings = settings_from_environment()
    database = open_database(settings)
    caller = caller_of(database, org_code)
    named = _custodians(custodian or [], recipient or [])
    if not dry_run:
        _check_place(archive)
    heir = read_successor(successor)
    with database.read() as tx:
        status = closing_status(tx, caller)
    if dry_run:
        show(status.to_json(), as_json, status.to_text())
        return REFUSED if status.blocked and status.stage is Stage.OPEN else 0
    if heir is not None and status.stage is not Stage.OPEN and heir != status.successor:
        raise Refused("the closing that was begun names another successor, or none")
    if status.stage in {Stage.OPEN, Stage.REFUSED}:
        if status.stage is Stage.OPEN:
            status.check_ready()
            if not named:
                raise typer.BadParameter(
                    "--custodian is missing: who is to keep what is personal, once or more,"
                    " each with a --recipient"
                )
            _confirm(status, org_code, confirm)
        wish = ClosingWish(
            named or status.custodians,
            heir or status.successor,
            None if statement is None else _text(statement),
        )
        status = _begin(settings, database, caller, wish, backup, passphrase_file)
    status = _wait(database, caller, status, minutes=wait)
    if status.stage is not Stage.PROVED:
        show(status.to_json(), as_json, status.to_text())
        complain("not finished: run the same command again once the worker is done")
        return REFUSED if status.stage is Stage.IMPORTED else UNFINISHED
    if archive is None:
        show(status.to_json(), as_json, status.to_text())
        complain("no closing archive was written: name it with --archive FILE.zip")
        return 0 if status.archived_at is not None else UNFINISHED
    return _archive(
        settings,
        database,
        caller,
        archive,
        custodians=named or None,
        pictures=not credentials_only,
        as_json=as_json,
    )


def _custodians(names: list[str], recipients: list[str]) -> "tuple[Custodian, ...]":
    if len(names) != len(recipients):
        raise typer.BadParameter("each --custodian has one --recipient")
    from ledger.core.closing import Custodian
    from ledger.keystore.custodian import check_recipient

    named = tuple(
        Custodian(name, recipient)
        for name, recipient in zip(names, recipients, strict=True)
    )
    for each in named:
        check_recipient(each.recipient)
    return named


def _check_place(archive: Path | None) -> None:
    """Before anything is done: whoever has the first archive compares it by its SHA-256."""
    if archive is not None and archive.exists():
        raise Refused(
            f"{archive} exists, and is not replaced: its SHA-256 may have been handed out."
            " To write another one, name another file"
        )
    if archive is not None and not os.access(archive.parent, os.W_OK | os.X_OK):
        raise Refused(
            f"cannot write to {archive.parent}, where the archive should be: nothing was done"
        )


def _text(file: Path) -> str:
    try:
        return read_file(file).decode("utf-8").replace("\r\n", "\n").strip()
    except UnicodeDecodeError as error:
        raise MalformedError(f"{file} is not text in UTF-8") from error


def _confirm(status: "ClosingStatus", code: str, given: str | None) -> None:
    """Nobody closes a school by pressing the arrow key twice."""
    if given is None:
        complain(status.to_text())
        given = typer.prompt(
            f"This is for ever. Type {code} to close it", err=True, default=""
        )
    if given != code:
        raise Refused(f"nothing was done: {code} was not confirmed")


def _begin(
    settings: "Settings",
    database: "Database",
    caller: "Caller",
    wish: "ClosingWish",
    backup: Path | None,
    passphrase_file: Path | None,
) -> "ClosingStatus":
    from ledger.services.closing import authorise_closing, begin_closing

    if backup is None:
        raise typer.BadParameter(
            "--backup is missing: the file that `perdure issuer register` wrote"
        )
    authorised = authorise_closing(
        database,
        caller,
        wish,
        backup=read_file(backup),
        passphrase=ask_passphrase(passphrase_file, confirm=False),
        lookup=issuer_lookup(settings, home_chain(settings)),
    )
    with database.begin() as tx:
        return begin_closing(
            tx,
            caller,
            authorised,
            master=open_master(settings),
            addresses=addresses_of(settings),
            now=now(),
        )


def _wait(
    database: "Database", caller: "Caller", status: "ClosingStatus", *, minutes: int
) -> "ClosingStatus":
    """Look until the worker is done, and no longer than that."""
    from ledger.services.closing import Stage, closing_status

    ends = time.monotonic() + minutes * 60
    with waiting("Waiting for the worker"):
        while status.stage in {Stage.CLOSING, Stage.CLOSED} and time.monotonic() < ends:
            time.sleep(_POLL)
            with database.read() as tx:
                status = closing_status(tx, caller)
    return status


def _archive(
    settings: "Settings",
    database: "Database",
    caller: "Caller",
    out: Path,
    *,
    custodians: "tuple[Custodian, ...] | None",
    pictures: bool,
    as_json: bool,
) -> int:
    from ledger.services.closing_archive import ArchiveOrder, write_closing_archive

    node, chain = home_node(settings)
    with progress_bar("Writing the archives of earners") as progress:
        written = write_closing_archive(
            database,
            caller,
            ArchiveOrder(out, settings.network(chain.chain_id), custodians, pictures),
            node=node,
            addresses=addresses_of(settings),
            now=now(),
            progress=progress,
        )
    show(
        {
            "file": str(out),
            "bytes": written.size,
            "sha256": written.sha256.hex(),
            "credentials": written.credentials,
            "earners": written.earners,
            "parts": written.parts,
        },
        as_json,
        f"{caller.organisation.name} is closed. Its closing archive: {out}"
        f"\n{written.credentials} credentials of {written.earners} earners, sealed for the"
        f" custodians in {written.parts} parts; {written.size:,} bytes"
        f"\nSHA-256 {written.sha256.hex()}"
        "\n\nGive it to the custodians, and a copy to whoever keeps archives. Then this ledger may"
        "\nend: nothing of it is needed to check a credential.",
    )
    return 0
