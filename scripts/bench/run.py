"""
Every figure that is promised, with its baseline measured in the same run.

scripts/bench/run            some minutes
scripts/bench/run --quick    under a minute
scripts/bench/run --only JCS one row; it may be repeated
scripts/bench/run --peers    other people's engines too; installs them, the first time

Rounds are interleaved, figures are medians, the ratio is what counts: a shared machine drifts, and
meets both alike. CPU time, except where a row says otherwise. The exit status is 1 if a row falls
short of its bound.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence

from scripts import environment
from scripts.bench import issuing, merkle, peers, trees
from scripts.bench.row import FULL, QUICK, Effort, Row

#: What is measured, in the order of docs/benchmarks.md.
MEASURES: Mapping[str, Callable[[Effort], Row]] = {
    "canonicalise one": issuing.one_never_seen,
    "canonicalise many": issuing.many_of_one,
    "issue": issuing.issue,
    "verify": issuing.verify,
    "JCS": issuing.jcs,
    "tree": merkle.measured,
    "memory": trees.memory_measured,
    "proof": trees.proof_measured,
    "processes": issuing.two_processes,
    **peers.AT_HAND,
}

HOW = "scripts/bench/run --peers installs and measures them (needs the package registries once)"


def machine() -> dict[str, object]:
    return {
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
    }


def told(row: Row) -> str:
    """One row for people."""
    baseline = (
        "" if row.baseline is None else f"{row.baseline:,.1f} {row.unit} {row.against}"
    )
    ratio = "" if row.ratio is None else f"{row.ratio:.1f} x"
    verdict = "" if row.passed else "  FALLS SHORT"
    note = f"\n    {row.note}" if row.note else ""
    return f"{row.name:<64}{row.ours:>12,.1f} {row.unit:<3}  {baseline:<44}{ratio:>9}  {row.bound}{verdict}{note}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/bench/run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument(
        "--peers", action="store_true", help="and those to be installed"
    )
    every = {**MEASURES, **peers.ON_DEMAND}
    parser.add_argument("--only", action="append", choices=every, default=[])
    options = parser.parse_args(arguments)
    wanted = options.only or (every if options.peers else MEASURES)
    if not peers.ON_DEMAND.keys().isdisjoint(wanted):
        try:
            peers.install()
        except environment.SetupError as error:
            print(f"scripts/bench/run: {error}", file=sys.stderr)
            return 1
    effort = QUICK if options.quick else FULL
    rows = []
    for name in (name for name in every if name in wanted):
        rows.append(every[name](effort))
        if not options.json:
            print(told(rows[-1]), flush=True)
    left_out = [] if options.only else [name for name in every if name not in wanted]
    if left_out and not options.json:
        print(f"left out: {'; '.join(left_out)}\n    {HOW}")
    passed = all(row.passed for row in rows)
    if options.json:
        result = {
            "machine": machine(),
            "rows": [row.to_json() for row in rows],
            "leftOut": left_out,
            "passed": passed,
        }
        print(json.dumps(result))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
