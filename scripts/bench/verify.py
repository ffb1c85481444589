"""
What evidence costs: milliseconds of an offline check and bytes of a file.

The file is the one of tests/vectors/evidence, taken from anvil. Contenders: the same check of
the same file without its evidence, and with it under a trusted block; interleaved, CPU time. The
size on main net cannot be taken here: it is computed from the number of accounts and slots,
and the computation is compared with tries that were built.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ledger.chain.trie import Trie
from ledger.core import rlp
from ledger.core.durable import DurableCredential
from ledger.core.keys import keccak256
from ledger.verify.checkpoints import parse_checkpoints
from ledger.verify.networks import parse_networks
from ledger.verify.trust import parse_trust_list
from ledger.verify.verification import verify
from scripts.bench.timing import Timing, interleave

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "vectors" / "evidence"
MOST_MILLISECONDS = 0.6
MOST_BYTES = 8_000
NOW = datetime(2027, 1, 1, tzinfo=UTC)

#: Main net in 2026, rounded up: accounts ever used that still hold anything.
MAIN_NET_ACCOUNTS = 350_000_000
#: A busy future of the two registries.
MANY_ANCHORS, MANY_SLOTS = 1_000_000, 10_000_000
#: Slots that a file needs: one of AnchorRegistry, and issuer, profile, key and status word.
ISSUER_SLOTS = 4
ACCOUNT_BYTES, WORD_BYTES = 104, 7


@dataclass(frozen=True, slots=True)
class Way:
    """The expected nodes of one proof: a size for each level, the root first."""

    levels: tuple[float, ...]

    @property
    def size(self) -> float:
        return sum(self.levels)


def expected_path(keys: int, value: int) -> Way:
    """
    The nodes on the way to one key in a trie of so many random keys.

    At depth d the others are 16^d times fewer. A branch is there as long as any of them shares
    the way; each of its 15 other children is there if any of them falls into it.
    """
    levels = []
    depth = 0
    while (alone := math.exp(-(keys - 1) / 16.0**depth)) < 0.999:
        child = 1 - math.exp(-(keys - 1) / 16.0 ** (depth + 1))
        # A list header of 3 bytes, 32 + 1 for each child, 1 for each empty one and the value.
        branch = 3 + 33 + 15 * (33 * child + (1 - child)) + 1
        levels.append((1 - alone) * branch)
        depth += 1
    levels.append(1 + 2 + 33 - depth / 2 + value)
    return Way(tuple(levels))


def together(paths: int, keys: int, value: int) -> float:
    """Several proofs in one trie: what they share near the root counts once."""
    path = expected_path(keys, value)
    return sum(
        size * _distinct(paths, 16.0**depth) for depth, size in enumerate(path.levels)
    )


def _distinct(paths: int, places: float) -> float:
    """How many different places so many random ones take, on average."""
    return places * (1 - (1 - 1 / places) ** paths)


def built(paths: int, keys: int, value: int) -> int:
    """The same, from a trie that is there."""
    values = {keccak256(b"%d" % n): rlp.encode(bytes([7]) * value) for n in range(keys)}
    trie = Trie(values)
    nodes = {node for key in list(values)[:paths] for node in trie.proof(key)}
    return sum(map(len, nodes))


def main_net_bytes(header: int) -> int:
    """Bytes that evidence adds to a JSON file on main net, computed."""
    nodes = (
        together(2, MAIN_NET_ACCOUNTS, ACCOUNT_BYTES)
        + together(1, MANY_ANCHORS, 18)
        + together(ISSUER_SLOTS, MANY_SLOTS, WORD_BYTES)
    )
    count = 2 * 8 + 6 + ISSUER_SLOTS * 6
    # base64url makes 4 of 3; quotes, comma and "u" around each node; the names of members.
    return round((nodes + header) * 4 / 3 + 4 * count + 40)


def checker(data: bytes, *, trusted: bool) -> Callable[[], str]:
    """A whole offline check, from bytes to verdict."""
    networks = parse_networks((FOLDER / "networks.json").read_bytes())
    trust = parse_trust_list((FOLDER / "trust.json").read_bytes())
    points = parse_checkpoints((FOLDER / "checkpoints.json").read_bytes())

    def check() -> str:
        report = verify(
            data,
            readers=[],
            networks=networks,
            checkpoints=points if trusted else (),
            trust=trust,
            now=NOW,
        )
        return report.verdict.value

    return check


def many(check: Callable[[], str], times: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(times):
            check()

    return run


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench/verify", description=__doc__)
    parser.add_argument("--checks", type=int, default=100, help="in each round")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    if options.checks < 1 or options.rounds < 1:
        parser.error("--checks and --rounds count from 1")

    data = (FOLDER / "valid" / "as-of.json").read_bytes()
    file = DurableCredential.from_bytes(data)
    evidence = file.proof.home.evidence
    if evidence is None:
        raise RuntimeError("the vector has no evidence")
    bare = file.with_evidence(None).encode()
    without, with_it = checker(bare, trusted=False), checker(data, trusted=True)
    verdicts = (without(), with_it())
    timings = interleave(
        {
            "without": many(without, options.checks),
            "with": many(with_it, options.checks),
        },
        options.rounds,
        after_round=lambda number: progress(number, options.rounds),
    )
    result = {
        "checks": options.checks,
        "rounds": options.rounds,
        "verdicts": list(verdicts),
        "withoutMilliseconds": _each(timings["without"], options.checks),
        "withMilliseconds": _each(timings["with"], options.checks),
        "differenceMilliseconds": difference(timings, options.checks),
        "mostMilliseconds": MOST_MILLISECONDS,
        "anvilBytes": len(data) - len(bare),
        "mostBytes": MOST_BYTES,
        "mainNetBytes": main_net_bytes(len(evidence.header)),
        "built": {
            f"{keys}": {
                "builtBytes": built(4, keys, WORD_BYTES),
                "computedBytes": round(together(4, keys, WORD_BYTES)),
            }
            for keys in (100, 5_000)
        },
    }
    passed = (
        verdicts == ("incomplete", "genuine_as_of")
        and result["differenceMilliseconds"] <= MOST_MILLISECONDS
        and len(data) - len(bare) <= MOST_BYTES
    )
    result["passed"] = passed
    print(json.dumps(result) if options.json else told(result, timings))
    return 0 if passed else 1


def difference(timings: dict[str, Timing], checks: int) -> float:
    """The median over rounds of the difference within a round: drift meets both alike."""
    pairs = zip(timings["with"].seconds, timings["without"].seconds, strict=True)
    return _each(Timing(tuple(one - other for one, other in pairs)), checks)


def _each(timing: Timing, checks: int) -> float:
    return round(timing.median / checks * 1_000, 3)


def told(result: dict[str, object], timings: dict[str, Timing]) -> str:
    lines = [
        f"an offline check of one file, {result['checks']} in each of {result['rounds']} rounds",
        f"  without evidence, {result['withoutMilliseconds']} ms each: {timings['without'].span}",
        f"  with evidence, {result['withMilliseconds']} ms each: {timings['with'].span}",
        f"  difference {result['differenceMilliseconds']} ms, at most"
        f" {result['mostMilliseconds']} required",
        "bytes that evidence adds to the JSON of a file",
        f"  on anvil {result['anvilBytes']:,}, at most {result['mostBytes']:,} required",
        f"  on main net {result['mainNetBytes']:,}, computed: {MAIN_NET_ACCOUNTS:,} accounts,"
        f" {MANY_ANCHORS:,} anchors, {MANY_SLOTS:,} slots of issuers",
    ]
    sizes = result["built"]
    if isinstance(sizes, dict):
        lines += [
            f"  the computation for {ISSUER_SLOTS} proofs among {int(keys):,} slots:"
            f" {each['computedBytes']:,} bytes; built: {each['builtBytes']:,}"
            for keys, each in sizes.items()
        ]
    return "\n".join(lines)


def progress(number: int, rounds: int) -> None:
    if sys.stderr.isatty():
        end = "\n" if number == rounds else ""
        print(f"\rround {number} of {rounds}", end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
