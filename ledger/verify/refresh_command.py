"""
The command `perdure refresh`: newer evidence into credential files, in place.

Exit codes: 0 every file has it, 1 a file is not what the chain says, 2 could not finish; the
worst of 1, 2, 0. Wrong usage is 64, before anything is read.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TextIO

from ledger.core import baking
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
    trust_of,
)
from ledger.verify.files import replace_file
from ledger.verify.networks import Network, caip2
from ledger.verify.refresh import refresh
from ledger.verify.report import exit_code, moment, printable
from ledger.verify.rpc import RpcReader
from ledger.verify.trust import TrustList

_EPILOG = """\
The evidence in a file proves who issued it, when, and that it was not withdrawn, as of one
block. This puts evidence of the newest final block in its place; nothing else of the file
changes, and nobody's permission is needed.

exit codes: 0 every file is refreshed, 1 a file is not what the chain says, 2 could not
finish, 64 wrong usage
"""


def run(
    arguments: Sequence[str],
    *,
    program: str,
    out: TextIO | None = None,
    err: TextIO | None = None,
) -> int:
    """Refresh the files that the arguments name, and give the exit code."""
    out, err = out or sys.stdout, err or sys.stderr
    parser = Parser(program, "Put newer evidence into credential files.", _EPILOG)
    parser.add_files()
    parser.add_addresses()
    parser.add_trust("endorsements by its accreditors go into the evidence")
    parser.add_networks()
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="write there instead; for one file",
    )
    parser.add_help_option()
    try:
        given = parser.parse_intermixed_args(list(arguments))
        if given.help:
            out.write(parser.format_help())
            return 0
        files, readers = _checked(given), readers_of(given.rpc)
        networks, trust = networks_of(given.networks), trust_of(given.trust)
    except UsageError as error:
        err.write(f"{parser.format_usage()}{program}: {printable(str(error))}\n")
        return USAGE
    codes = []
    with ExitStack() as connections:
        for reader in readers:
            connections.enter_context(closing(reader))
        for file in files:
            code, said = _refresh(
                file,
                given.out or file,
                readers=readers,
                networks=networks,
                trust=trust,
            )
            (err if code else out).write(printable(f"{file}: {said}") + "\n")
            codes.append(code)
    return exit_code(codes)


def _checked(given: argparse.Namespace) -> tuple[Path, ...]:
    if not given.files:
        raise UsageError("name at least one file")
    if not given.rpc:
        raise UsageError("name the address of a node: --rpc URL")
    if given.out is not None and len(given.files) > 1:
        raise UsageError("--out: for one file alone")
    return existing(given.files)


def _refresh(
    file: Path,
    target: Path,
    *,
    readers: Sequence[RpcReader],
    networks: Sequence[Network],
    trust: TrustList | None,
) -> tuple[int, str]:
    """Refresh one file; the exit code, and what to say of it."""
    try:
        data = read_limited(file, MAX_IMAGE_BYTES)
        held = parse_credential_file(data)
        held.check()
        if not isinstance(held, DurableCredential):
            return 1, "it is signed, but not recorded yet; there is nothing to prove"
        durable = refresh(held, readers=readers, networks=networks, trust=trust)
        written = _put_back(data, durable)
    except OSError as error:
        return 2, str(error.strerror)
    except ChainUnavailable as error:
        return 2, str(error)
    except (MalformedError, ProofError) as error:
        return 1, str(error)
    try:
        replace_file(target, written)
    except OSError as error:
        return 2, f"cannot write {target}: {error.strerror}"
    evidence = durable.proof.home.evidence
    if evidence is None:
        raise RuntimeError("refreshed, and no evidence in it")
    block = evidence.block
    name = f"{caip2(durable.proof.home.chain_id)}:0x{block.hash.hex()}"
    return 0, (
        f"evidence of block {block.number} of {moment(block.time)}, {name};"
        f" {len(written) - len(data):+,} bytes"
    )


def _put_back(data: bytes, durable: DurableCredential) -> bytes:
    """The file with the credential in it, in the carrier that it came in. MalformedError."""
    encoded = durable.encode()
    match data.lstrip()[:1]:
        case b"{":
            return encoded
        case b"\x89":
            return baking.bake_png(data, encoded)
        case b"<":
            return baking.bake_svg(data, encoded)
        case _:
            raise MalformedError(
                "a file of this kind is not written again; refresh the .json, .png or .svg"
            )
