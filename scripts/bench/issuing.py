"""Canonicalising, issuing and verifying credentials: the shortcuts against their slow twins."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import IO, Any, TypeVar, cast

import rfc8785

from ledger.core import canonical, offer, rdf, signature
from ledger.core.canonical import Json
from ledger.core.durable import DurableCredential
from ledger.keystore.master import MasterKey
from ledger.services.roster_issuing import CHUNK
from ledger.store.database import Database
from scripts.bench import school
from scripts.bench.row import Effort, Row, Work, compare

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = 40
# Of a loop that does nothing else: some 0.3 s.
_TURNS = 1_000

_Item = TypeVar("_Item")


def one_never_seen(effort: Effort) -> Row:
    documents = [school.document(school.offer(n), n) for n in range(DOCUMENTS)]
    _same(documents, rdf.canonicalise, rdf.canonicalise_by_pyld)
    few = documents[: effort.count(DOCUMENTS)]
    return compare(
        "canonicalise one Open Badges credential never seen before",
        _each(documents * effort.count(20), rdf.canonicalise),
        _each(few, rdf.canonicalise_by_pyld),
        against="pyld",
        at_least=35,
        effort=effort,
    )


def many_of_one(effort: Effort) -> Row:
    """From what is particular to each: the form of their shape is made once."""
    offered = school.offer()
    numbers = range(DOCUMENTS)
    particulars = [school.particulars(number) for number in numbers]
    documents = [offered.document(each) for each in particulars]
    _same(
        numbers,
        lambda number: offered.canonicalise(particulars[number]),
        lambda number: rdf.canonicalise_by_pyld(documents[number]),
    )
    few = documents[: effort.count(DOCUMENTS)]
    return compare(
        "canonicalise, issuing many of one achievement",
        _each(particulars * effort.count(20), offered.canonicalise),
        _each(few, rdf.canonicalise_by_pyld),
        against="pyld",
        at_least=60,
        effort=effort,
        note="ours with the closed model's rules for what differs",
    )


def jcs(effort: Effort) -> Row:
    documents = [school.document(school.offer(n), n) for n in range(DOCUMENTS)]

    def slow(document: dict[str, Json]) -> bytes:
        return rfc8785.dumps(cast("Any", document))

    _same(documents, canonical.encode, slow)
    return compare(
        "JCS, byte-equal",
        _each(documents * effort.count(100), canonical.encode),
        _each(documents * effort.count(10), slow),
        against="rfc8785",
        at_least=10,
        effort=effort,
        note="ours with all checks of the strict parser, rfc8785 without",
    )


def issue(effort: Effort) -> Row:
    """Validate, build, sign, store, leaf: as a roster is issued, in one process."""
    # What a chunk costs once is the smaller a part, the longer an item takes: the slow way
    # may have a smaller one.
    few = CHUNK if effort.divisor == 1 else CHUNK // 4
    with school.fresh_ledger(["riverside"]) as (ledger, _):

        def fast() -> None:
            ledger.issue("riverside", ledger.requests(CHUNK))

        def slow() -> None:
            with by_pyld():
                ledger.issue("riverside", ledger.requests(few))

        return compare(
            "issue: validate, build, sign, store, leaf",
            Work(fast, CHUNK),
            Work(slow, few),
            against="the same pipeline on pyld",
            at_least=20,
            effort=Effort(min(effort.rounds, 3)),
            note=f"{CHUNK} in one chunk of a roster, SQLite, one by pyld before they are kept",
        )


def verify(effort: Effort) -> Row:
    """From the bytes of a file to its checked signature and path."""
    offered = school.offer()
    files = [school.durable(offered, n) for n in range(DOCUMENTS)]

    def check(data: bytes) -> None:
        DurableCredential.from_bytes(data).check()

    def slow() -> None:
        with by_pyld():
            _each(files, check).run()

    return compare(
        "verify offline",
        _each(files * effort.count(10), check),
        Work(slow, len(files)),
        against="the same on pyld",
        at_least=12,
        effort=effort,
        note=f"strict reading, closed model, signature, path of {school.PATH}",
    )


@contextmanager
def by_pyld() -> Iterator[None]:
    """Everything as it is, canonicalised by pyld alone."""
    with ExitStack() as stack:
        for module, name, other in (
            (signature, "canonicalise", rdf.canonicalise_by_pyld),
            (signature, "form_of_options", lambda *_: None),
            (offer, "form_of", lambda *_: None),
        ):
            stack.callback(setattr, module, name, getattr(module, name))
            setattr(module, name, other)
        yield


def _each(documents: Sequence[Any], act: Callable[[Any], object]) -> Work:
    def run() -> None:
        for document in documents:
            act(document)

    return Work(run, len(documents))


def _same(
    items: Iterable[_Item],
    fast: Callable[[_Item], bytes],
    slow: Callable[[_Item], bytes],
) -> None:
    """A faster engine that was not compared has not been measured."""
    for item in items:
        if fast(item) != slow(item):
            raise RuntimeError("the shortcut differs: run scripts/fuzz")


# ---------------------------------------------------------------- two processes


def two_processes(effort: Effort) -> Row:
    """Two processes, a school each, one SQLite database; against one of them alone. Wall time.

    Several chunks each: of two, the end, when one has nothing left to do, is a third. A shared
    machine may be half as fast a second later: both are compared with one right before and
    one right after.
    """
    count = max(4 * CHUNK, effort.count(6 * CHUNK))
    schools = ("riverside", "hillside")
    with school.fresh_ledger(schools) as (_, url), ExitStack() as stack:
        workers = [
            stack.enter_context(_worker(url, code, at))
            for at, code in enumerate(schools)
        ]
        _together(workers, 10)
        alone = [_together(workers[:1], count)]
        both: list[float] = []
        bare: list[float] = []
        for _ in range(effort.rounds):
            both.append(_together(workers, count))
            # Take turns, so that each round lies between one of each school.
            workers.reverse()
            alone.append(_together(workers[:1], count))
            loop = _together(workers[:1], -_TURNS)
            bare.append(2 * loop / _together(workers, -_TURNS))
    ratios = [
        (before + after) / together
        for (before, after), together in zip(pairwise(alone), both, strict=True)
    ]
    return Row(
        name="two processes issuing",
        unit="us",
        ours=round(median(both) / (2 * count) * 1e6, 1),
        baseline=round(median(alone) / count * 1e6, 1),
        against="one process",
        at_least=1.5,
        ratio=round(median(ratios), 2),
        note=f"wall time, {count} each, one SQLite database; rounds from {min(ratios):.2f}"
        f" to {max(ratios):.2f}; a bare loop reaches {median(bare):.2f} meanwhile",
    )


@contextmanager
def _worker(url: str, code: str, number: int) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "scripts.bench.issuing", url, code, str(number)]
    # Linux shares processors among sessions first: services have one each.
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            _pipe(process.stdin).close()
            process.wait(60)


def _together(workers: Sequence["subprocess.Popen[str]"], count: int) -> float:
    """Seconds until all of them have issued so many."""
    begun = time.perf_counter()
    for worker in workers:
        _pipe(worker.stdin).write(f"{count}\n")
        _pipe(worker.stdin).flush()
    for worker in workers:
        if _pipe(worker.stdout).readline() != "done\n":
            raise RuntimeError("a process that issues has ended")
    return time.perf_counter() - begun


def _pipe(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise RuntimeError("no pipe")
    return stream


def work(url: str, code: str, number: int) -> None:
    """
    A process that issues: how many is a line on stdin, `done` the answer.

    A negative number: as many turns of a loop that does nothing else, for comparison.
    """
    # Every process counts from elsewhere: awards are of different people.
    ledger = school.Ledger(
        Database.open(url), MasterKey(bytes(32)), number * 10_000_000
    )
    for line in sys.stdin:
        left = int(line)
        while left < 0:
            sum(range(30_000))
            left += 1
        if left:
            ledger.issue(code, ledger.requests(left))
        print("done", flush=True)


if __name__ == "__main__":
    work(sys.argv[1], sys.argv[2], int(sys.argv[3]))
