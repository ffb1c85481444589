"""What the verifier's commands have in common: addresses, configuration files, wrong usage."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NoReturn, TypeVar

from ledger.errors import MalformedError, SettingError
from ledger.verify import checkpoints, networks, trust
from ledger.verify.checkpoints import Checkpoint, parse_checkpoints
from ledger.verify.files import naming
from ledger.verify.networks import BUILT_IN, Network, parse_networks
from ledger.verify.rpc import RpcReader
from ledger.verify.trust import TrustList, parse_trust_list

USAGE: Final = 64  # EX_USAGE of sysexits.h: 2 is taken, for "could not finish"

_Configuration = TypeVar("_Configuration")


class UsageError(Exception):
    """The command cannot be run as it was given."""


class Parser(argparse.ArgumentParser):
    """Raises UsageError where others would end the process."""

    def __init__(self, program: str, description: str, epilog: str) -> None:
        super().__init__(
            prog=program,
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            add_help=False,
        )

    def error(self, message: str) -> NoReturn:
        """What argparse calls for wrong usage. Raises UsageError."""
        raise UsageError(message)

    def add_files(self, *, plural: bool = True) -> None:
        """Take the files to work on."""
        self.add_argument(
            "files", metavar="FILE", nargs="*" if plural else 1, type=Path
        )

    def add_addresses(self) -> None:
        """Take --rpc."""
        self.add_argument(
            "--rpc",
            metavar="URL",
            action="append",
            default=[],
            help="address of a node of the issuer's chain; repeat it, and all must agree",
        )

    def add_networks(self) -> None:
        """Take --networks."""
        self.add_argument(
            "--networks",
            metavar="FILE",
            type=Path,
            help="chains you accept, in place of the built-in list",
        )

    def add_trust(self, what: str) -> None:
        """Take --trust."""
        self.add_argument("--trust", metavar="FILE", type=Path, help=what)

    def add_signer(self, name: str = "--trust-signer") -> None:
        """Take the key that must have signed the trust list."""
        self.add_argument(
            name,
            dest="signer",
            metavar="did:key:…",
            help="refuse the trust list unless this key has signed it",
        )

    def add_help_option(self) -> None:
        """Take --help, last."""
        self.add_argument(
            "-h", "--help", action="store_true", help="show this and stop"
        )


def existing(files: Sequence[Path]) -> tuple[Path, ...]:
    """The files, all of which must be there. Raises UsageError."""
    for file in files:
        if not file.exists():
            raise UsageError(f"{file}: no such file")
        if file.is_dir():
            raise UsageError(f"{file}: a directory; name the files in it")
    return tuple(files)


def readers_of(urls: Sequence[str]) -> tuple[RpcReader, ...]:
    """A reader for each address. Raises UsageError."""
    if len(set(urls)) != len(urls):
        raise UsageError("--rpc: the same address twice agrees with itself")
    try:
        return tuple(RpcReader(url) for url in urls)
    except SettingError as error:
        raise UsageError(f"--rpc: {error}") from error


def networks_of(path: Path | None) -> tuple[Network, ...]:
    """The networks of a file, or the built-in ones. Raises UsageError."""
    if path is None:
        return BUILT_IN
    return _configuration(path, parse_networks, networks.MAX_BYTES)


def trust_of(path: Path | None, signer: str | None = None) -> TrustList | None:
    """The trust list of a file, if one is given; only if this key signed it. UsageError."""
    if path is None:
        if signer is not None:
            raise UsageError("--trust-signer: there is no trust list; name it: --trust")
        return None
    return signed_by(
        _configuration(path, parse_trust_list, trust.MAX_BYTES), signer, path
    )


def signed_by(listed: TrustList, signer: str | None, path: Path) -> TrustList:
    """The list, if it is signed by the key that is demanded, if one is. UsageError."""
    signature = listed.signature
    if signer is None or (signature is not None and signature.key.did == signer):
        return listed
    found = "nobody" if signature is None else signature.key.did
    raise UsageError(f"{path}: signed by {found}, and you demand {signer}")


def checkpoints_of(
    path: Path | None, hashes: Sequence[str] = ()
) -> tuple[Checkpoint, ...]:
    """The blocks of a checkpoints file, and those named one by one. Raises UsageError."""
    listed: tuple[Checkpoint, ...] = ()
    if path is not None:
        listed = _configuration(path, parse_checkpoints, checkpoints.MAX_BYTES)
    try:
        return (*listed, *map(Checkpoint.from_text, hashes))
    except MalformedError as error:
        raise UsageError(f"--block-hash: {error}") from error


def read_limited(path: Path, most: int) -> bytes:
    """One byte more than the limit at most: enough for a parser to say that it is too much."""
    with path.open("rb") as file:
        return file.read(most + 1)


def _configuration(
    path: Path, parse: Callable[[bytes], _Configuration], most: int
) -> _Configuration:
    try:
        with naming(path):
            return parse(read_limited(path, most))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except MalformedError as error:
        raise UsageError(str(error)) from error
