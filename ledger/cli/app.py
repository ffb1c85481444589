"""The command's tree, its common options, and what its failures mean."""

import io
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from ledger.cli import extras
from ledger.cli.console import complain
from ledger.errors import (
    ChainUnavailable,
    Conflict,
    LedgerError,
    NotFound,
    SettingError,
    StoreError,
)
from ledger.verify.output import ends_with_its_reader

#: Exit codes of sysexits.h: wrong usage, and a setting that is missing or wrong.
USAGE, CONFIGURATION = 64, 78
REFUSED, UNFINISHED, INTERRUPTED = 1, 2, 130

app = typer.Typer(
    name="perdure",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"perdure {extras.version()}")
        raise typer.Exit


@app.callback()
def _common(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_tell_version,
            is_eager=True,
            help="Show the release and stop.",
        ),
    ] = False,
) -> None:
    """A ledger of credentials that outlive their issuer."""


def _group(name: str, text: str) -> typer.Typer:
    group = typer.Typer(help=text, no_args_is_help=True)
    app.add_typer(group, name=name)
    return group


db = _group("db", "The database.")
contracts = _group("contracts", "The two registries on the chain.")
org = _group("org", "Organisations: schools, companies, universities, accreditors.")
api_key = _group("api-key", "Keys for the HTTP API.")
issuer = _group("issuer", "An organisation's issuer record on the chain.")
achievement = _group("achievement", "What can be earned.")
roster = _group("roster", "CSV files of awards.")
credential = _group("credential", "Issued credentials.")
events = _group("events", "What happened, and its delivery.")
keys = _group("keys", "Private keys: making, backing up, restoring.")

Org = Annotated[str, typer.Option("--org", help="The organisation's code.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        help="A file with the backup's passphrase in its first line; else you are asked."
    ),
]


def main() -> NoReturn:
    """Run the command and exit with its code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without ü
    with ends_with_its_reader():
        code = _run()
    sys.exit(code if isinstance(code, int) else 0)


def _run() -> object:
    """What the command answers, or the exit code of its error, which has been told then."""
    try:
        code = app(standalone_mode=False)
    except typer.TyperException as error:
        # Without a command the help has been shown, and there is nothing to say.
        if message := error.format_message():
            complain(f"{message}\nTry: {_command_of(error)} --help")
        code = USAGE
    except typer.Abort:
        code = INTERRUPTED
    except LedgerError as error:
        complain(str(error))
        code = code_of(error)
    except ModuleNotFoundError as error:
        if not extras.is_left_out(error):
            raise
        complain(extras.advice("server", str(error.name)))
        code = CONFIGURATION
    return code


def _command_of(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    return "perdure" if context is None else str(context.command_path)


def code_of(error: LedgerError) -> int:
    """The exit code of an error: may it be repeated, or must something be mended first?"""
    match error:
        case SettingError():
            return CONFIGURATION
        case NotFound() | Conflict():
            return REFUSED
        case ChainUnavailable() | StoreError():
            return UNFINISHED
        case _:
            return REFUSED
