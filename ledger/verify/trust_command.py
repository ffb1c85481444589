"""
The command `perdure trust`: whom a verifier believes, kept in a file of its own.

Exit codes: 0 done, or every entry is right; 1 an entry or the list is not; 2 could not finish.
Wrong usage is 64, before anything is written. Format: docs/spec/networks-and-trust.md.
"""

import argparse
import io
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ledger.core.canonical import encode_time
from ledger.core.issuer import IssuerReference
from ledger.core.keys import SigningKey
from ledger.errors import MalformedError
from ledger.verify.arguments import (
    USAGE,
    Parser,
    UsageError,
    existing,
    networks_of,
    read_limited,
    readers_of,
    signed_by,
)
from ledger.verify.files import replace_file
from ledger.verify.report import exit_code, printable
from ledger.verify.trust import (
    MAX_BYTES,
    Trusted,
    TrustList,
    encode_signed_trust_list,
    encode_trust_list,
    parse_trust_list,
)
from ledger.verify.trust_check import Registers

VERSION: Final = 1

_MAX_KEY_FILE = 16_384

_EPILOG = """\
An entry is a whole identifier, eip155:<chain id>:<registry address>:<issuer id>. Take it from the
school or the accreditor, never from the file that you want to check. Your reports show the name
that you give it here.

exit codes: 0 done, 1 something in the list is not right, 2 could not finish, 64 wrong usage
"""


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - an entry point owns the clock


@dataclass(frozen=True, slots=True)
class _Desk:
    clock: Callable[[], datetime]
    out: TextIO
    err: TextIO


@dataclass(frozen=True, slots=True)
class _Act:
    text: str
    arguments: Callable[[Parser], None]
    do: Callable[[argparse.Namespace, _Desk], int]


def run(
    arguments: Sequence[str],
    *,
    program: str,
    clock: Callable[[], datetime] = _now,
    out: TextIO | None = None,
    err: TextIO | None = None,
) -> int:
    """Do with the list what the arguments say, and give the exit code."""
    desk = _Desk(clock, out or sys.stdout, err or sys.stderr)
    for stream in (desk.out, desk.err):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    name, *rest = arguments or [""]
    act = _ACTS.get(name)
    if act is None:
        asked = name in {"-h", "--help"}
        (desk.out if asked else desk.err).write(_overview(program))
        return 0 if asked else USAGE
    program = f"{program} {name}"
    parser = Parser(program, act.text, _EPILOG)
    parser.add_argument("list", metavar="LIST", type=Path, help="the trust list's file")
    act.arguments(parser)
    parser.add_help_option()
    if {"-h", "--help"} & set(rest):
        desk.out.write(parser.format_help())
        return 0
    try:
        return act.do(parser.parse_args(rest), desk)
    except UsageError as error:
        desk.err.write(f"{parser.format_usage()}{program}: {printable(str(error))}\n")
        return USAGE
    except (MalformedError, OSError) as error:
        desk.err.write(f"{program}: {printable(str(error))}\n")
        return 1 if isinstance(error, MalformedError) else 2


def _overview(program: str) -> str:
    lines = [f"usage: {program} ACT LIST ...", ""]
    lines += [f"  {name:<8}{act.text}" for name, act in _ACTS.items()]
    return "\n".join([*lines, "", _EPILOG])


# ---------------------------------------------------------------- what it can do


def _add(given: argparse.Namespace, desk: _Desk) -> int:
    entry = _given_entry(given)
    trust = _read_or_begin(given.list, given.list_name)
    there = _entries(trust, given.accreditor)
    for other in there:
        if other == entry:
            desk.out.write(f"{given.list}: {printable(entry.name)} is there already\n")
            return 0
        if other.reference == entry.reference:
            raise MalformedError(
                f"{given.list}: the identifier stands there as {other.name}; remove it first"
            )
    _write(given.list, _with(trust, given.accreditor, (*there, entry)), desk)
    role = "an accreditor" if given.accreditor else "an issuer"
    desk.out.write(f"{given.list}: {printable(entry.name)} is {role} you trust\n")
    return 0


def _remove(given: argparse.Namespace, desk: _Desk) -> int:
    reference = _given_reference(given)
    trust = _read(given.list)
    there = _entries(trust, given.accreditor)
    left = tuple(entry for entry in there if entry.reference != reference)
    if left == there:
        role = "accreditors" if given.accreditor else "issuers"
        raise MalformedError(
            f"{given.list}: the identifier does not stand among {role}"
        )
    _write(given.list, _with(trust, given.accreditor, left), desk)
    desk.out.write(f"{given.list}: removed\n")
    return 0


def _list(given: argparse.Namespace, desk: _Desk) -> int:
    trust = _read(given.list)
    signature = trust.signature
    if given.json:
        document = {
            "version": VERSION,
            "name": trust.name,
            "signedBy": None if signature is None else signature.key.did,
            "issuers": [_entry_json(entry) for entry in trust.issuers],
            "accreditors": [_entry_json(entry) for entry in trust.accreditors],
        }
        desk.out.write(json.dumps(document, indent=2, ensure_ascii=True) + "\n")
        return 0
    desk.out.write(f"{printable(trust.name)}\n{_signed_by(trust)}\n")
    for role, entries in (
        ("issuers", trust.issuers),
        ("accreditors", trust.accreditors),
    ):
        desk.out.write(f"\n{role}: {len(entries) or 'none'}\n")
        for entry in entries:
            desk.out.write(f"  {printable(entry.name)}\n    {entry.reference.text}\n")
    return 0


def _check(given: argparse.Namespace, desk: _Desk) -> int:
    readers, networks = readers_of(given.rpc), networks_of(given.networks)
    trust = signed_by(_read(given.list), given.signer, given.list)
    with ExitStack() as connections:
        for reader in readers:
            connections.enter_context(closing(reader))
        findings = list(Registers(networks, readers).check(trust))
    code = exit_code([finding.exit_code for finding in findings] or [0])
    if given.json:
        signature = trust.signature
        document = {
            "version": VERSION,
            "name": trust.name,
            "signedBy": None if signature is None else signature.key.did,
            "entries": [finding.to_json() for finding in findings],
            "exitCode": code,
        }
        desk.out.write(json.dumps(document, indent=2, ensure_ascii=True) + "\n")
        return code
    desk.out.write(f"{printable(trust.name)}\n{_signed_by(trust)}\n\n")
    signs = {0: "✓", 1: "✕", 2: "?"}
    for finding in findings:
        sign, name = signs[finding.exit_code], printable(finding.entry.name)
        desk.out.write(
            f"  {sign} {name} ({finding.role}): {printable(finding.detail)}\n"
        )
    if not readers:
        desk.out.write(
            "\nNothing was looked up: name the address of a node with --rpc URL.\n"
        )
    return code


def _sign(given: argparse.Namespace, desk: _Desk) -> int:
    key = _private_key(given.key)
    trust = _read(given.list)
    data = encode_signed_trust_list(trust, key, created=desk.clock())
    replace_file(given.list, data)
    desk.out.write(
        f"{given.list}: signed by {key.public.did}\n"
        "Publish this identifier where people know you; whoever has it can demand it:"
        " --trust-signer\n"
    )
    return 0


# ---------------------------------------------------------------- their arguments


def _entry_arguments(parser: Parser) -> None:
    parser.add_argument("id", metavar="ID", help="eip155:CHAIN:REGISTRY:ISSUER")
    parser.add_argument(
        "--accreditor",
        action="store_true",
        help="whom it endorses, you accept; it is no known issuer by that",
    )


def _add_arguments(parser: Parser) -> None:
    _entry_arguments(parser)
    parser.add_argument("name", metavar="NAME", help="the name that reports will show")
    parser.add_argument(
        "--list-name", metavar="NAME", help="the name of a list that is begun with this"
    )


def _list_arguments(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="write it as JSON")


def _check_arguments(parser: Parser) -> None:
    parser.add_addresses()
    parser.add_networks()
    parser.add_signer("--signer")
    parser.add_argument("--json", action="store_true", help="write it as JSON")


def _sign_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--key",
        metavar="FILE",
        type=Path,
        required=True,
        help="an Ed25519 private key in PEM: openssl genpkey -algorithm ed25519",
    )


_ACTS: Final = {
    "add": _Act("Add an issuer or an accreditor.", _add_arguments, _add),
    "remove": _Act("Take an entry out.", _entry_arguments, _remove),
    "list": _Act("Show what is in it.", _list_arguments, _list),
    "check": _Act("Look every entry up in its register.", _check_arguments, _check),
    "sign": _Act("Sign it, for those who take it from you.", _sign_arguments, _sign),
}


# ---------------------------------------------------------------- the file


def _given_reference(given: argparse.Namespace) -> IssuerReference:
    try:
        return IssuerReference.from_text(given.id)
    except MalformedError as error:
        raise UsageError(f"ID: {error}") from error


def _given_entry(given: argparse.Namespace) -> Trusted:
    try:
        return Trusted(_given_reference(given), given.name)
    except MalformedError as error:
        raise UsageError(f"NAME: {error}") from error


def _read(path: Path) -> TrustList:
    existing([path])
    try:
        return parse_trust_list(read_limited(path, MAX_BYTES))
    except MalformedError as error:
        raise MalformedError(f"{path}: {error}") from error


def _read_or_begin(path: Path, name: str | None) -> TrustList:
    if path.exists():
        if name is not None:
            raise UsageError(f"--list-name: {path} is there and has a name")
        return _read(path)
    if name is None:
        raise UsageError(f"{path}: no such file; to begin one, give it a --list-name")
    return TrustList(name)


def _entries(trust: TrustList, accreditor: bool) -> tuple[Trusted, ...]:
    return trust.accreditors if accreditor else trust.issuers


def _with(
    trust: TrustList,
    accreditor: bool,
    entries: tuple[Trusted, ...],
) -> TrustList:
    if accreditor:
        return replace(trust, accreditors=entries)
    return replace(trust, issuers=entries)


def _write(path: Path, trust: TrustList, desk: _Desk) -> None:
    if trust.signature is not None:
        desk.err.write(f"{path}: no longer signed, since it was changed\n")
    replace_file(path, encode_trust_list(trust))


def _entry_json(entry: Trusted) -> dict[str, str]:
    return {"id": entry.reference.text, "name": entry.name}


def _signed_by(trust: TrustList) -> str:
    signature = trust.signature
    if signature is None:
        return "not signed"
    return f"signed by {signature.key.did}, by their clock on {encode_time(signature.created)}"


def _private_key(path: Path) -> SigningKey:
    try:
        key = load_pem_private_key(read_limited(path, _MAX_KEY_FILE), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(
            f"--key: {path} is no Ed25519 private key in PEM without a passphrase"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"--key: {path} is a key of another kind; Ed25519 is needed")
    return SigningKey.from_seed(key.private_bytes_raw())
