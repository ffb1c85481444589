"""
What a batch's tree costs: memory while it is sealed, and the time of one proof out of it.

Memory is that of whole processes, at their highest: one that has the leaves and a database, and
one that also builds the tree, proves every leaf and stores the tiles. Proofs are read from
the tiles in a database file, each in a transaction of its own, and each is checked.
"""

import argparse
import hashlib
import json
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter
from uuid import UUID

from anchor_worker.tree import Tree, build_joined, check_tree
from ledger.core.merkle import InclusionProof
from ledger.store import batches, trees
from ledger.store.database import Database
from ledger.store.records import Batch
from scripts.bench.row import FULL, Effort, Row

ROOT = Path(__file__).parents[2]
STATUS = Path("/proc/self/status")
MAX_BYTES_A_LEAF = 100.0
MAX_MILLISECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Memory:
    """What sealing takes beside the leaves, in bytes for each of them."""

    leaves: int
    bytes_a_leaf: float

    @property
    def passed(self) -> bool:
        """Whether the bound holds."""
        return self.bytes_a_leaf <= MAX_BYTES_A_LEAF


@dataclass(frozen=True, slots=True)
class OnDemand:
    """The time of one proof, in milliseconds, and the bytes stored for each leaf."""

    leaves: int
    proofs: int
    median_ms: float
    slowest_ms: float
    stored_bytes_a_leaf: float

    @property
    def passed(self) -> bool:
        """Whether the bound holds."""
        return self.median_ms < MAX_MILLISECONDS


def memory(leaves: int) -> Memory:
    """Seal in a process of its own, and compare with one that does not."""
    peaks = {
        task: int(
            subprocess.run(
                [
                    *(sys.executable, "-m", "scripts.bench.trees"),
                    *("--leaves", str(leaves), "--task", task),
                ],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for task in ("nothing", "seal")
    }
    return Memory(leaves, (peaks["seal"] - peaks["nothing"]) / leaves)


def on_demand(leaves: int, proofs: int = 300) -> OnDemand:
    """Store a tree, then read paths of leaves at random places."""
    joined = made_up(leaves)
    tree = build_joined(joined)
    places = random.Random(leaves)  # noqa: S311 - the same places each time
    milliseconds = []
    with database() as opened:
        batch = keep(opened, tree)
        for _ in range(proofs):
            index = places.randrange(leaves)
            start = perf_counter()
            with opened.read() as tx:
                path = trees.path(tx, batch, index)
            milliseconds.append((perf_counter() - start) * 1000)
            leaf = joined[index * 32 : (index + 1) * 32]
            proof = InclusionProof.from_bytes(index, leaves, path)
            if proof.sealed_root(leaf) != batch.sealed_root:
                raise AssertionError(f"the path of leaf {index} leads elsewhere")
    stored = sum(place.size(leaves) for place, _ in tree.tiles()) / leaves
    return OnDemand(leaves, proofs, median(milliseconds), max(milliseconds), stored)


def memory_measured(effort: Effort) -> Row:
    """The row of scripts/bench/run; quick: fewer leaves, and no bound."""
    found = memory(1_000_000 if effort == FULL else 150_000)
    return Row(
        name=f"memory while sealing {found.leaves:,} leaves",
        unit="B",
        ours=round(found.bytes_a_leaf, 1),
        baseline=None,
        against="",
        at_most=MAX_BYTES_A_LEAF if effort == FULL else None,
        note="a leaf, beside the leaves; two whole processes compared"
        + ("" if effort == FULL else "; no bound for so few"),
    )


def proof_measured(effort: Effort) -> Row:
    """The row of scripts/bench/run; quick: a tenth of the leaves, the same bound."""
    found = on_demand(10_000_000 if effort == FULL else 1_000_000)
    return Row(
        name=f"a proof on demand out of {found.leaves:,} leaves",
        unit="ms",
        ours=round(found.median_ms, 3),
        baseline=None,
        against="",
        at_most=MAX_MILLISECONDS,
        note=f"wall time, median of {found.proofs} out of a SQLite file, each checked",
    )


def made_up(leaves: int) -> bytes:
    """Leaves of no credentials, joined."""
    return hashlib.shake_256(b"leaves").digest(32 * leaves)


@contextmanager
def database() -> Iterator[Database]:
    """A database file that is there for as long as it is measured."""
    with (
        tempfile.TemporaryDirectory(prefix="perdure-bench-") as folder,
        closing(Database.upgrade(f"sqlite:///{folder}/bench.db")) as opened,
    ):
        yield opened


def keep(opened: Database, tree: Tree) -> Batch:
    """Store a tree as the worker does, of a batch without members."""
    sealed = datetime(2026, 11, 25, tzinfo=UTC)
    batch = Batch(UUID(int=1), 31337, tree.sealed_root, tree.size, sealed)
    with opened.begin() as tx:
        batches.adopt(tx, batch)
        trees.keep(tx, batch, tree.tiles())
    return batch


def highest(leaves: int, task: str) -> int:
    """Do what one of the two processes does; answer its highest memory in bytes."""
    joined = made_up(leaves)
    with database() as opened:
        if task == "seal":
            tree = build_joined(joined)
            check_tree(tree, joined)
            keep(opened, tree)
    # Not ru_maxrss: a process inherits that of the one that started it.
    (line,) = re.findall(r"^VmHWM:\s+(\d+) kB$", STATUS.read_text(), re.MULTILINE)
    return int(line) * 1024


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench/trees", description=__doc__)
    parser.add_argument("--leaves", type=int, default=1_000_000, help="to be sealed")
    parser.add_argument("--stored", type=int, default=10_000_000, help="to be stored")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--task", choices=("nothing", "seal"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.leaves < 1 or options.stored < 1:
        parser.error("--leaves and --stored count from 1")
    if options.task:
        print(highest(options.leaves, options.task))
        return 0

    sealing, proving = memory(options.leaves), on_demand(options.stored)
    passed = sealing.passed and proving.passed
    if options.json:
        result = {
            "leaves": sealing.leaves,
            "bytesALeaf": round(sealing.bytes_a_leaf, 1),
            "bytesAllowed": MAX_BYTES_A_LEAF,
            "stored": proving.leaves,
            "proofs": proving.proofs,
            "medianMilliseconds": round(proving.median_ms, 3),
            "slowestMilliseconds": round(proving.slowest_ms, 3),
            "millisecondsAllowed": MAX_MILLISECONDS,
            "storedBytesALeaf": round(proving.stored_bytes_a_leaf, 1),
            "passed": passed,
        }
        print(json.dumps(result))
    else:
        print(
            f"sealing {sealing.leaves:,} leaves: {sealing.bytes_a_leaf:.1f} bytes a leaf"
            f" beside the leaves, at most {MAX_BYTES_A_LEAF:.0f} allowed"
        )
        print(
            f"one of {proving.proofs} proofs out of {proving.leaves:,} leaves:"
            f" {proving.median_ms:.3f} ms (slowest {proving.slowest_ms:.3f}),"
            f" less than {MAX_MILLISECONDS:.0f} required"
        )
        print(f"stored: {proving.stored_bytes_a_leaf:.1f} bytes a leaf")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
