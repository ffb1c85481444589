"""What the command reads from and writes to a terminal: results on stdout, all else on stderr."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from ledger.errors import MalformedError


def show(document: object, as_json: bool, text: str) -> None:
    """Print a result: the document for programs, or the text for people."""
    print(json.dumps(document, indent=2, ensure_ascii=False) if as_json else text)


def complain(text: str) -> None:
    """Say on stderr what went wrong."""
    print(f"perdure: {text}", file=sys.stderr)


def ask_passphrase(file: Path | None, *, confirm: bool) -> str:
    """The first line of a file, or what a person types unseen.

    Raises MalformedError for a file that is not to be read, BadParameter without a terminal.
    """
    if file is None:
        if not sys.stdin.isatty():
            raise typer.BadParameter(
                "there is no terminal to ask for the passphrase at; name --passphrase-file FILE"
            )
        return str(
            typer.prompt(
                "Passphrase", hide_input=True, confirmation_prompt=confirm, err=True
            )
        )
    if is_open_to_others(file):
        complain(f"others can read the passphrase in {file}. Run: chmod 600 {file}")
    try:
        lines = read_file(file).decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise MalformedError(f"{file} is not text") from error
    return lines[0] if lines else ""


def read_file(path: Path) -> bytes:
    """The bytes of a file. Raises MalformedError, saying why it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise MalformedError(f"cannot read {path}: {error.strerror}") from error


def write_file(path: Path, data: bytes) -> None:
    """Write a file. Raises MalformedError, saying why it cannot be written."""
    try:
        path.write_bytes(data)
    except OSError as error:
        raise MalformedError(f"cannot write {path}: {error.strerror}") from error


def is_open_to_others(path: Path) -> bool:
    """Whether others than the owner may read a file, or look into a folder; no if it is not there."""
    try:
        return bool(path.stat().st_mode & 0o077)
    except OSError:
        return False


def make_private_folder(path: Path) -> None:
    """Make a folder that its owner alone may read, unless there is one.

    Raises MalformedError, saying why it cannot be made; for one that is there and that others
    may look into: its rights are somebody's wish, and are not changed.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise MalformedError(f"cannot make {path}: {error.strerror}") from error
    if is_open_to_others(path):
        raise MalformedError(
            f"others can look into {path}, and the files are about people. Name a new folder, or"
            f" run: chmod 700 {path}"
        )


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar where a person looks on; silent elsewhere."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """A sign of life where a person looks on and nobody knows how long it takes."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(what):
        yield
