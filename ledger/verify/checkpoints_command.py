"""
The command `perdure checkpoints`: a list of blocks to trust, from a node or from another chain.

Exit codes: 0 written, 1 a file's evidence is of no final block of the chain or a proof does not
hold, 2 could not finish. Wrong usage is 64, before anything is read.
"""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from ledger.core.baking import MAX_IMAGE_BYTES
from ledger.core.canonical import encode_time, parse_time
from ledger.core.checkpoint import (
    MAX_BYTES as MAX_PROOF_BYTES,
    BlockCheckpoint,
    parse_checkpoint_proofs,
)
from ledger.core.durable import DurableCredential, parse_credential_file
from ledger.errors import ChainUnavailable, MalformedError, ProofError
from ledger.verify.arguments import (
    USAGE,
    Parser,
    UsageError,
    existing,
    networks_of,
    read_limited,
    readers_of,
)
from ledger.verify.checkpoints import Checkpoint, encode_checkpoints
from ledger.verify.files import naming
from ledger.verify.networks import Network, caip2
from ledger.verify.report import printable
from ledger.verify.rpc import ChainReader, Tag
from ledger.verify.stated import Chains, Statement, check_agreement
from ledger.verify.witnesses import Witnesses

_EPILOG = """\
With FILEs: the blocks that their evidence is of, if they are final. With --block: blocks by
number. With neither: the newest final block. Whoever trusts the list can check those files
without any network: perdure verify FILE --checkpoints LIST.

With --from-proofs: what ledgers have stated on other chains about a chain that cannot be asked
any more. Name nodes of those chains: --rpc. Since when each hash stands there is written to the
error output; --before takes only what was stated before the chain died. It proves when a hash
was stated, not that its block was part of the chain: that rests on whoever made the file.

exit codes: 0 written, 1 a file's evidence is of no final block or a proof does not hold,
2 could not finish, 64 wrong usage
"""

_NOT_PROVED = """\
These hashes were stated then. That their blocks were part of the chain is not proved: take the
list only if the chain still ran at that time, and you trust whoever made the files. Several
ledgers that say the same count for more.
"""


def run(
    arguments: Sequence[str],
    *,
    program: str,
    out: TextIO | None = None,
    err: TextIO | None = None,
) -> int:
    """Write the list that the arguments ask for, and give the exit code."""
    out, err = out or sys.stdout, err or sys.stderr
    parser = Parser(
        program, "List blocks to trust, from a node or from another chain.", _EPILOG
    )
    parser.add_files()
    parser.add_addresses()
    parser.add_networks()
    parser.add_argument(
        "--block", metavar="NUMBER", type=int, action="append", default=[]
    )
    parser.add_argument(
        "--from-proofs",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="checkpoint proofs of a ledger; repeat it for several, and they must agree",
    )
    parser.add_argument(
        "--before",
        metavar="TIME",
        help="with --from-proofs: only what was stated before, 2031-01-01T00:00:00Z",
    )
    parser.add_argument(
        "--out", metavar="FILE", type=Path, help="write there instead of the output"
    )
    parser.add_help_option()
    try:
        given = parser.parse_intermixed_args(list(arguments))
        if given.help:
            out.write(parser.format_help())
            return 0
        files, before = _checked(given), _instant(given.before)
        readers, networks = readers_of(given.rpc), networks_of(given.networks)
    except UsageError as error:
        err.write(f"{parser.format_usage()}{program}: {printable(str(error))}\n")
        return USAGE
    with ExitStack() as connections:
        for reader in readers:
            connections.enter_context(closing(reader))
        try:
            if given.from_proofs:
                stated = read_statements(given.from_proofs, Chains(networks, readers))
                points = _told(stated, before, err)
            else:
                wanted = [_evidence_of(file) for file in files]
                points = list_blocks(readers, networks, wanted, given.block)
            data = encode_checkpoints(points)
            if given.out is None:
                out.write(data.decode("ascii"))
            else:
                given.out.write_bytes(data)
        except (ChainUnavailable, OSError) as error:
            err.write(f"{program}: {printable(str(error))}\n")
            return 2
        except (MalformedError, ProofError) as error:
            err.write(f"{program}: {printable(str(error))}\n")
            return 1
    return 0


def _checked(given: argparse.Namespace) -> tuple[Path, ...]:
    if not given.rpc:
        raise UsageError("name the address of a node: --rpc URL")
    if any(number < 0 for number in given.block):
        raise UsageError("--block: a number from 0")
    if given.from_proofs and (given.files or given.block):
        raise UsageError("--from-proofs: without other files and without --block")
    if given.before is not None and not given.from_proofs:
        raise UsageError("--before: only with --from-proofs")
    existing(given.from_proofs)
    return existing(given.files)


def _instant(text: str | None) -> int | None:
    """The seconds of an option's time. Raises UsageError."""
    if text is None:
        return None
    try:
        return int(parse_time(text).timestamp())
    except MalformedError as error:
        raise UsageError(f"--before: {error}") from error


def _evidence_of(file: Path) -> Checkpoint:
    """The block that a file's evidence claims to be of. Raises MalformedError and OSError."""
    with naming(file):
        held = parse_credential_file(read_limited(file, MAX_IMAGE_BYTES))
    evidence = held.proof.home.evidence if isinstance(held, DurableCredential) else None
    if not isinstance(held, DurableCredential) or evidence is None:
        raise MalformedError(f"{file}: it carries no evidence")
    block = evidence.block
    return Checkpoint(held.proof.home.chain_id, block.hash, block.number)


def read_statements(
    files: Sequence[Path], chains: Chains
) -> Mapping[Statement, Sequence[Path]]:
    """
    What these files of checkpoint proofs state, each statement confirmed by its chain.

    Answers for each the files that make it. Raises MalformedError and ProofError for a file
    that does not hold, or contradicts another, and ChainUnavailable.
    """
    found: dict[Statement, list[Path]] = {}
    for file in files:
        try:
            for proof in parse_checkpoint_proofs(read_limited(file, MAX_PROOF_BYTES)):
                for statement in chains.statements(proof):
                    found.setdefault(statement, []).append(file)
        except MalformedError as error:
            raise MalformedError(f"{file}: {error}") from error
        except ProofError as error:
            raise ProofError(f"{file}: {error}") from error
    check_agreement(statement.checkpoint for statement in found)
    return found


def _told(
    stated: Mapping[Statement, Sequence[Path]], before: int | None, err: TextIO
) -> tuple[Checkpoint, ...]:
    """
    Tell since when each stands where, and give the checkpoints that are early enough.

    Raises ProofError if none is, or if there is none at all.
    """
    if not stated:
        raise ProofError("no block is stated in what --from-proofs names")
    points: dict[BlockCheckpoint, None] = {}
    for statement, files in sorted(stated.items()):
        late = before is not None and statement.time >= before
        each = statement.checkpoint
        err.write(
            f"{caip2(each.chain_id)} block {each.block_number} 0x{each.block_hash.hex()}:"
            f" on {caip2(statement.chain_id)} since"
            f" {encode_time(datetime.fromtimestamp(statement.time, UTC))}, block"
            f" {statement.block_number}"
            f" ({printable(', '.join(map(str, files)))})"
            f"{', too late' if late else ''}\n"
        )
        if not late:
            points[each] = None
    err.write(_NOT_PROVED)
    if not points:
        raise ProofError("nothing was stated before that time")
    return tuple(Checkpoint(p.chain_id, p.block_hash, p.block_number) for p in points)


def list_blocks(
    readers: Sequence[ChainReader],
    networks: Iterable[Network],
    wanted: Sequence[Checkpoint],
    numbers: Sequence[int],
) -> tuple[Checkpoint, ...]:
    """
    Look up these blocks, as all addresses of a chain have them, and final.

    Raises ChainUnavailable, and ProofError for a wanted block that the chain has not.
    """
    accepted = {network.chain_id: network for network in networks}
    asked = {reader.chain_id() for reader in readers}
    chains = {point.chain_id for point in wanted} or asked
    if (numbers or not wanted) and len(asked) != 1:
        raise ProofError("give the addresses of one chain alone, or name files")
    found: set[Checkpoint] = set()
    for chain_id in sorted(chains):
        if chain_id not in accepted:
            raise ChainUnavailable(f"{caip2(chain_id)} is no network that you accept")
        chain = Witnesses.gather(accepted[chain_id], readers)
        final = chain.view(Tag.FINALIZED).block
        here = [point for point in wanted if point.chain_id == chain_id]
        if not wanted and not numbers:
            found.add(Checkpoint(chain_id, final.hash, final.number))
        for number in {point.block_number or 0 for point in here} | set(numbers):
            if number > final.number:
                raise ChainUnavailable(
                    f"block {number} is not final; final is block {final.number}"
                )
            found.add(Checkpoint(chain_id, chain.block_at(number).hash, number))
        for point in here:
            if point not in found:
                raise ProofError(
                    f"{point.text} is not block {point.block_number} of the chain"
                )
    return tuple(sorted(found, key=lambda each: (each.chain_id, each.block_number)))
