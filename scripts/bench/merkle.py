"""
Root and all inclusion proofs of one batch: ours against merkletools' own get_proof.

Both build with merkletools. Ours cuts the paths by shared suffixes; the other asks the library
for the proof of every leaf. Every proof is compared byte for byte in the same run: an engine
that was not compared has not been measured.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from hashlib import sha256

from blockcerts_merkletools import MerkleTools

from anchor_worker.tree import build, check_tree
from ledger.core.merkle import leaf_hash
from scripts.bench.row import FULL, Effort, Row, Work, compare
from scripts.bench.timing import interleave

REQUIRED = 4.5
#: The deeper the tree, the more climbing is saved.
REQUIRED_OF_A_MILLION = 5.5


def required(leaves: int) -> float:
    """How many times as fast as the library's own proofs ours must be."""
    return REQUIRED_OF_A_MILLION if leaves >= 1_000_000 else REQUIRED


def library_tree(leaves: Sequence[bytes]) -> MerkleTools:
    """merkletools as its documentation uses it, with the node prefix of RFC 9162."""
    tools = MerkleTools()
    tools.hash_function = lambda pair: sha256(b"\x01" + pair)
    tools.add_leaf([leaf.hex() for leaf in leaves])
    tools.make_tree()
    return tools


def ours(leaves: Sequence[bytes]) -> None:
    for _ in build(leaves).paths():
        pass


def library(leaves: Sequence[bytes]) -> None:
    tools = library_tree(leaves)
    tools.get_merkle_root()
    for index in range(len(leaves)):
        tools.get_proof(index)


def differences(leaves: Sequence[bytes]) -> int:
    """How many of the roots and proofs differ between the two."""
    tools, tree = library_tree(leaves), build(leaves)
    wrong = int(bytes.fromhex(tools.get_merkle_root()) != tree.root)
    for index, path in enumerate(tree.paths()):
        steps = tools.get_proof(index)
        theirs = "".join(sibling for step in steps for sibling in step.values())
        wrong += bytes.fromhex(theirs) != path
    return wrong


def measured(effort: Effort) -> Row:
    """The row of scripts/bench/run; quick: a tenth of the leaves, and the bound of those."""
    count = 1_000_000 if effort == FULL else 100_000
    leaves = [leaf_hash(number.to_bytes(8, "big")) for number in range(count)]
    if differences(leaves):
        raise AssertionError("a root or a proof differs from the library's")
    return compare(
        f"root and all proofs, {count:,} leaves",
        Work(lambda: ours(leaves), count),
        Work(lambda: library(leaves), count),
        against="merkletools, get_proof for each",
        at_least=required(count),
        effort=Effort(3),
        note="every proof was compared byte for byte",
    )


def progress(number: int, rounds: int) -> None:
    if sys.stderr.isatty():
        end = "\n" if number == rounds else ""
        print(f"\rround {number} of {rounds}", end=end, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench/merkle", description=__doc__)
    parser.add_argument("--leaves", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    if options.leaves < 1 or options.rounds < 1:
        parser.error("--leaves and --rounds count from 1")

    leaves = [leaf_hash(number.to_bytes(8, "big")) for number in range(options.leaves)]
    wrong = differences(leaves)
    check_tree(build(leaves), b"".join(leaves))
    timings = interleave(
        {"ours": lambda: ours(leaves), "library": lambda: library(leaves)},
        options.rounds,
        after_round=lambda number: progress(number, options.rounds),
    )
    ratio = timings["library"].median / timings["ours"].median
    passed = wrong == 0 and ratio >= required(options.leaves)
    if options.json:
        result = {
            "leaves": options.leaves,
            "rounds": options.rounds,
            "oursSeconds": round(timings["ours"].median, 4),
            "librarySeconds": round(timings["library"].median, 4),
            "ratio": round(ratio, 2),
            "required": required(options.leaves),
            "differences": wrong,
            "passed": passed,
        }
        print(json.dumps(result))
    else:
        print(
            f"root and all proofs of {options.leaves:,} leaves, {options.rounds} rounds"
        )
        print(f"  merkletools, get_proof for every leaf  {timings['library'].span}")
        print(f"  merkletools' levels, shared suffixes   {timings['ours'].span}")
        print(f"  ratio {ratio:.2f}, at least {required(options.leaves)} required")
        print(f"  {wrong} of {options.leaves:,} proofs differ")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
