"""Take away what a credential does not need, one thing at a time and then together.

Two schools issue on a private chain; each withdraws one credential; one school closes. Then
keys, server, database, DNS, hosts, logs, addresses and at last the chain are taken away, and
after each both verifiers, the command and the page, are asked about the same five files.
Prints what was taken and what each of the two says; exits 0 only if all is as promised.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from scripts.demonstration import DemoError
from scripts.faulty_node import LOGS, Fault, faulty_node
from scripts.two_schools import FILES, Scene, prepare
from scripts.verifier_in_browser import Browsers, Given

ROOT = Path(__file__).resolve().parent.parent
_WATCHED: Final = ROOT / "scripts" / "watched_verifier.py"

#: What the two verifiers say, in the order of FILES.
Verdicts = tuple[str, str, str, str, str]

_ALL_SEEN: Final = ("genuine", "withdrawn", "withdrawn", "genuine", "withdrawn")
_UNFINISHED: Final = ("incomplete",) * 5
#: One address hides withdrawals, and another or the evidence shows them.
_DISPUTED: Final = ("genuine", "incomplete", "incomplete", "genuine", "incomplete")
_FROM_EVIDENCE: Final = (
    "genuine_as_of",
    "genuine_as_of",
    "withdrawn",
    "genuine",
    "withdrawn",
)


@dataclass(frozen=True, slots=True)
class Left:
    """What a verifier has left."""

    addresses: tuple[str, ...] = ()
    checkpoints: bool = False
    page: str = "file"  #: where verifier.html comes from: "file", or a host's address
    names: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what is taken, how, and what is promised then."""

    taken: str
    promised: Verdicts
    take: Callable[[Scene], AbstractContextManager[Left]]
    note: str = ""


def _nothing(scene: Scene) -> Iterator[Left]:
    host = scene.addresses["archive host"]
    yield Left((scene.chain.url,), page=f"{host}/verifier.html")


def _keys(scene: Scene) -> Iterator[Left]:
    with _moved(scene, "master.key", "sender.json", "*.backup", "passphrase"):
        yield Left((scene.chain.url,))


def _server(scene: Scene) -> Iterator[Left]:
    scene.stop("server", "worker")
    yield Left((scene.chain.url,))
    scene.serve()
    scene.work()


def _database(scene: Scene) -> Iterator[Left]:
    scene.stop("server", "worker")
    with _moved(scene, "perdure.db*"):
        yield Left((scene.chain.url,))
    scene.serve()
    scene.work()


def _dns(scene: Scene) -> Iterator[Left]:
    yield Left((scene.chain.url,), names=False)


def _status_host(scene: Scene) -> Iterator[Left]:
    scene.stop("status host")
    yield Left((scene.chain.url,))


def _archive_host(scene: Scene) -> Iterator[Left]:
    scene.stop("archive host")
    yield Left((scene.chain.url,))


def _logs(scene: Scene) -> Iterator[Left]:
    with faulty_node(scene.chain.url, Fault.NO_LOGS) as node:
        yield Left((node.url,))
        if not node.asked or node.asked & LOGS:
            raise DemoError(f"a verifier asked for {node.asked & LOGS or 'nothing'}")


def _silent(scene: Scene) -> Iterator[Left]:
    with faulty_node(scene.chain.url, Fault.SILENT) as node:
        yield Left((scene.chain.url, node.url))


def _lagging(scene: Scene) -> Iterator[Left]:
    with faulty_node(scene.chain.url, Fault.LAGGING, newest=scene.before) as node:
        yield Left((scene.chain.url, node.url))


def _lying(scene: Scene) -> Iterator[Left]:
    with faulty_node(scene.chain.url, Fault.LYING) as node:
        yield Left((scene.chain.url, node.url))


def _lying_alone(scene: Scene) -> Iterator[Left]:
    with faulty_node(scene.chain.url, Fault.LYING) as node:
        yield Left((node.url,))


def _other_chain(scene: Scene) -> Iterator[Left]:
    yield Left((scene.chain.url, scene.other.url))


def _pretender(scene: Scene) -> Iterator[Left]:
    yield Left((scene.chain.url, scene.pretender.url))


def _all_but_the_chain(scene: Scene) -> Iterator[Left]:
    scene.stop(*(name for name in scene.running if "chain" not in name))
    scene.delete_everything()
    yield Left((scene.chain.url,), names=False)


def _chain(scene: Scene) -> Iterator[Left]:
    scene.stop(*scene.running)
    yield Left(checkpoints=True, names=False)


def _checkpoints(_: Scene) -> Iterator[Left]:
    yield Left(names=False)


def _row(
    taken: str,
    promised: Verdicts,
    take: Callable[[Scene], Iterator[Left]],
    note: str = "",
) -> Row:
    return Row(taken, promised, contextmanager(take), note)


ROWS: Final = (
    _row("nothing", _ALL_SEEN, _nothing),
    _row("the schools' keys, and their backups", _ALL_SEEN, _keys),
    _row("the server and the worker", _ALL_SEEN, _server),
    _row("the database", _ALL_SEEN, _database),
    _row("DNS", _ALL_SEEN, _dns),
    _row("the host of the status lists", _ALL_SEEN, _status_host),
    _row("the web host of archive and page", _ALL_SEEN, _archive_host),
    _row("all logs and receipts of the chain", _ALL_SEEN, _logs),
    _row(
        "one of two addresses: it is silent",
        _UNFINISHED,
        _silent,
        "take it out of the list, and the rest is as above",
    ),
    _row(
        "one of two addresses: it lags behind the withdrawals",
        _DISPUTED,
        _lagging,
    ),
    _row("one of two addresses: it lies about withdrawals", _DISPUTED, _lying),
    _row(
        "the honest one of two: a liar is left",
        ("genuine", "genuine", "incomplete", "genuine", "incomplete"),
        _lying_alone,
        "what a single address says is reported as its word: “according to”",
    ),
    _row("one of two addresses: it serves another chain", _ALL_SEEN, _other_chain),
    _row(
        "one of two addresses: another chain under the same number",
        _UNFINISHED,
        _pretender,
        "take it out of the list, and the rest is as above",
    ),
    _row("all of this at once, but one address", _ALL_SEEN, _all_but_the_chain),
    _row("the chain too: a checkpoint is left", _FROM_EVIDENCE, _chain),
    _row("the checkpoint too", _UNFINISHED, _checkpoints),
)


@contextmanager
def _moved(scene: Scene, *patterns: str) -> Iterator[None]:
    """Files of the ledger out of everybody's reach while the block lasts."""
    away = scene.folder / "away"
    away.mkdir()
    files = [path for pattern in patterns for path in scene.state.glob(pattern)]
    if not files:
        raise DemoError(f"there is nothing to take away: {patterns}")
    for path in files:
        path.rename(away / path.name)
    yield
    for path in away.iterdir():
        path.rename(scene.state / path.name)
    away.rmdir()


# ---------------------------------------------------------------- asking both


@dataclass(frozen=True, slots=True)
class Said:
    """What one verifier says of the five files."""

    verdicts: tuple[str, ...]
    codes: tuple[tuple[str, ...], ...]


def _said(reports: Sequence[Any]) -> Said:
    return Said(
        tuple(report["verdict"] for report in reports),
        tuple(tuple(step["code"] for step in report["steps"]) for report in reports),
    )


def ask_command(scene: Scene, left: Left) -> Said:
    """Run the command in a process of its own, watched."""
    kept = scene.kept
    words = [str(kept / name) for name in FILES]
    for address in left.addresses:
        words += ["--rpc", address]
    words += ["--networks", str(kept / "networks.json")]
    words += ["--trust", str(kept / "trust.json"), "--json"]
    if left.checkpoints:
        words += ["--checkpoints", str(kept / "checkpoints.json")]
    if not left.names:
        words.append("--no-names")
    done = subprocess.run(
        [sys.executable, str(_WATCHED), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if not done.stdout:
        raise DemoError(f"the command failed: {done.returncode}: {done.stderr}")
    told = json.loads(done.stderr.splitlines()[-1])
    allowed = {address.partition("//")[2] for address in left.addresses}
    if told["lookedUp"] or set(told["connected"]) - allowed:
        raise DemoError(f"the command asked somebody else: {told}")
    return _said(json.loads(done.stdout)["files"])


def ask_page(scene: Scene, left: Left, browsers: Browsers) -> Said:
    """Drop the files on verifier.html in a browser that tells every request."""
    kept = scene.kept
    given = Given(
        files=tuple(kept / name for name in FILES),
        addresses=left.addresses,
        networks=kept / "networks.json",
        trust=kept / "trust.json",
        checkpoints=kept / "checkpoints.json" if left.checkpoints else None,
    )
    page = left.page
    if page == "file":
        page = (kept / "verifier.html").as_uri()
    answer = browsers.check(page, given, names=left.names)
    strangers = {
        url
        for url in answer.requests
        if url != page and not any(url.startswith(a) for a in left.addresses)
    }
    if strangers or answer.complaints:
        raise DemoError(f"the page: {strangers or answer.complaints}")
    return _said(answer.reports)


# ---------------------------------------------------------------- the table


@dataclass(frozen=True, slots=True)
class Line:
    """A row and what came of it."""

    row: Row
    command: Said
    page: Said
    seconds: float

    @property
    def kept(self) -> bool:
        """Whether both said what is promised, step by step alike."""
        promised = self.row.promised
        return (
            promised == self.command.verdicts == self.page.verdicts
            and self.command.codes == self.page.codes
        )

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "taken": self.row.taken,
            "promised": dict(zip(FILES, self.row.promised, strict=True)),
            "command": dict(zip(FILES, self.command.verdicts, strict=True)),
            "page": dict(zip(FILES, self.page.verdicts, strict=True)),
            "kept": self.kept,
        }


def drill(scene: Scene, tell: Callable[[str], None]) -> Iterator[Line]:
    """Take each thing away and ask."""
    with Browsers.opened() as browsers, ThreadPoolExecutor(1) as desk:
        for row in ROWS:
            tell(f"taken: {row.taken}")
            started = time.monotonic()
            with row.take(scene) as left:
                asked = desk.submit(ask_command, scene, left)
                page = ask_page(scene, left, browsers)
                command = asked.result()
            yield Line(row, command, page, time.monotonic() - started)


def table_of(lines: Sequence[Line]) -> Table:
    """The table for people."""
    table = Table(title="What was taken, and what the two verifiers say")
    table.add_column("taken")
    table.add_column("asked")
    for name in FILES:
        table.add_column(name.removesuffix(".json"))
    table.add_column("as promised")
    for line in lines:
        both = (("command", line.command), ("page", line.page))
        for number, (who, said) in enumerate(both):
            table.add_row(
                line.row.taken if number == 0 else "",
                who,
                *(verdict.replace("_", " ") for verdict in said.verdicts),
                ("yes" if line.kept else "NO") if number == 0 else "",
                end_section=number == 1,
            )
    for line in lines:
        if line.row.note:
            table.caption = "\n".join(
                filter(
                    None,
                    [str(table.caption or ""), f"{line.row.taken}: {line.row.note}"],
                )
            )
    return table


def main() -> int:
    """Run the drill."""
    parser = argparse.ArgumentParser(prog="scripts/drill", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the table as JSON")
    options = parser.parse_args()
    console = Console(width=140)
    progress = Console(stderr=True)
    try:
        with tempfile.TemporaryDirectory(prefix="perdure-drill-") as folder:
            progress.print("two schools issue, withdraw and close; this takes a minute")
            scene = prepare(Path(folder), tell=progress.print)
            try:
                lines = list(drill(scene, progress.print))
            finally:
                scene.close()
    except DemoError as error:
        print(f"\nFAILED: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps([line.to_json() for line in lines], indent=2))
    else:
        console.print(table_of(lines))
    return 0 if all(line.kept for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
