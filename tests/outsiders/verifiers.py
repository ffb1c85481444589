"""Other people's verifiers behind one question: what do you say about these files?

None of them reaches a network: contexts come pinned, everything else is offered as a file.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openbadgeslib.ob3.ldp import OB3LdpVerifier
from openbadgeslib.ob3.verifier import OB3VerificationError
from openvc import verify_credential
from openvc.errors import OpenvcError
from openvc.status.status_list import CredentialRevoked
from openvc.verify import VerificationPolicy

from ledger.core.canonical import Json, parse_object
from ledger.core.rdf import CONTEXTS

HERE = Path(__file__).parent
SCHEMA_URL = (
    "https://purl.imsglobal.org/spec/ob/v3p0/schema/json/"
    "ob_v3p0_achievementcredential_schema.json"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a verifier said; None where it does not ask or could not find out."""

    verified: bool
    revoked: bool | None = None
    schema: bool | None = None
    errors: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    """Addresses it wanted and was not offered."""


def node(
    program: str, files: Sequence[Path], offers: Mapping[str, Path]
) -> dict[Path, Answer]:
    """Run one of the Node verifiers over all files at once."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    found = shutil.which("node", path=path)
    if found is None or not (HERE / "node_modules").is_dir():
        raise RuntimeError("Node or its packages are missing: run scripts/setup")
    offered = [
        word for url, file in offers.items() for word in ("--offer", f"{url}={file}")
    ]
    finished = subprocess.run(
        [found, HERE / program, *offered, *files],
        capture_output=True,
        check=True,
        timeout=50,
    )
    lines = map(parse_object, finished.stdout.splitlines())
    return {file: _answer(line) for file, line in zip(files, lines, strict=True)}


def _answer(line: dict[str, Json]) -> Answer:
    def flag(name: str) -> bool | None:
        value = line.get(name)
        assert value is None or isinstance(value, bool)
        return value

    def texts(name: str) -> tuple[str, ...]:
        value = line[name]
        assert isinstance(value, list)
        return tuple(map(str, value))

    verified = flag("verified")
    assert verified is not None
    return Answer(
        verified, flag("revoked"), flag("schema"), texts("errors"), texts("refused")
    )


def openvc(document: dict[str, Json], lists: Mapping[str, dict[str, Json]]) -> Answer:
    """openvc-core: signature, dates and status list, whose own signature it is asked to check."""

    def status_list(url: str) -> dict[str, Json]:
        found = lists[url]
        verify_credential(_unwrapped(found), extra_contexts=dict(CONTEXTS))
        return found

    try:
        verify_credential(
            _unwrapped(document),
            policy=VerificationPolicy(require_status_issuer_binding=True),
            resolve_status_list=status_list,
            extra_contexts=dict(CONTEXTS),
        )
    except CredentialRevoked:
        return Answer(verified=True, revoked=True)
    except OpenvcError as error:
        return Answer(verified=False, errors=(str(error),))
    return Answer(verified=True, revoked=False)


def _unwrapped(document: dict[str, Json]) -> dict[str, Any]:
    # It takes one proof and no array: the first is the signature, the second is ours.
    proofs = document["proof"]
    return {**document, "proof": proofs[0] if isinstance(proofs, list) else proofs}


def openbadgeslib(document: dict[str, Json]) -> Answer:
    """openbadgeslib: signature alone; it reads status lists as JWT only."""
    try:
        OB3LdpVerifier().verify(dict(document))
    except OB3VerificationError as error:
        return Answer(verified=False, errors=(str(error),))
    return Answer(verified=True)
