"""A competitor in a process of its own, timed in the same rounds as ours."""

import gc
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import process_time
from typing import IO, Any

from scripts.bench.row import Effort, Row, Work

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Contender:
    """A process that has answered a question: what it said, and rounds of work to be had."""

    name: str
    answer: Any
    round: Callable[[], float]
    """One round; its CPU seconds."""


@contextmanager
def contender(
    name: str, command: Sequence[str | Path], question: Mapping[str, object]
) -> Iterator[Contender]:
    """
    Start a program of scripts/bench/others and ask it.

    RuntimeError if it ends before it has answered; what it said of that is on stderr.
    """
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def ask(line: str) -> Any:
            with suppress(BrokenPipeError):
                _pipe(process.stdin).write(f"{line}\n")
                _pipe(process.stdin).flush()
            answer = _pipe(process.stdout).readline()
            if not answer:
                raise RuntimeError(f"{name} ended without an answer")
            return json.loads(answer)

        try:
            yield Contender(name, ask(json.dumps(question)), lambda: float(ask("")))
        finally:
            process.kill()
            with suppress(BrokenPipeError):
                _pipe(process.stdin).close()


def beside(
    name: str,
    ours: Work,
    theirs: Contender,
    *,
    items: int,
    effort: Effort,
    warm_up: int = 1,
    note: str = "",
) -> Row:
    """
    CPU time of one item, ours here and theirs there, in interleaved rounds; no bound.

    `warm_up`: how many of its rounds do not count.
    """
    ours.run()
    for _ in range(warm_up):
        theirs.round()
    here, there = [], []
    for _ in range(effort.rounds):
        gc.collect()
        start = process_time()
        ours.run()
        here.append(process_time() - start)
        there.append(theirs.round())
    each = median(here) / ours.items * 1e6
    other = median(there) / items * 1e6
    return Row(
        name=f"{name}, {theirs.name} beside it",
        unit="us",
        ours=round(each, 2),
        baseline=round(other, 1),
        against=theirs.name,
        ratio=round(other / each, 2),
        note=note,
    )


def _pipe(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise RuntimeError("no pipe")
    return stream
