"""
The command `perdure checkpoints`: a list of blocks to trust, written from a node of one's own.

Exit codes: 0 written, 1 a file's evidence is of no final block of the chain, 2 could not
finish. Wrong usage is 64, before anything is read.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TextIO

from ledger.core.baking import MAX_IMAGE_BYTES
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
from ledger.verify.networks import Network, caip2
from ledger.verify.report import printable
from ledger.verify.rpc import ChainReader, Tag
from ledger.verify.witnesses import Witnesses

_EPILOG = """\
With FILEs: the blocks that their evidence is of, if they are final. With --block: blocks by
number. With neither: the newest final block. Whoever trusts the list can check those files
without any network: perdure verify FILE --checkpoints LIST.

exit codes: 0 written, 1 a file's evidence is of no final block, 2 could not finish,
64 wrong usage
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
    parser = Parser(program, "List blocks to trust, from a node.", _EPILOG)
    parser.add_files()
    parser.add_addresses()
    parser.add_networks()
    parser.add_argument(
        "--block", metavar="NUMBER", type=int, action="append", default=[]
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
        files, readers = _checked(given), readers_of(given.rpc)
        networks = networks_of(given.networks)
    except UsageError as error:
        err.write(f"{parser.format_usage()}{program}: {printable(str(error))}\n")
        return USAGE
    with ExitStack() as connections:
        for reader in readers:
            connections.enter_context(closing(reader))
        try:
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
    return existing(given.files)


def _evidence_of(file: Path) -> Checkpoint:
    """The block that a file's evidence claims to be of. Raises MalformedError and OSError."""
    held = parse_credential_file(read_limited(file, MAX_IMAGE_BYTES))
    evidence = held.proof.home.evidence if isinstance(held, DurableCredential) else None
    if not isinstance(held, DurableCredential) or evidence is None:
        raise MalformedError(f"{file}: it carries no evidence")
    block = evidence.block
    return Checkpoint(held.proof.home.chain_id, block.hash, block.number)


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
