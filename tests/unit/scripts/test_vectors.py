"""The vector files are what their sources make, and say what they must."""

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.core.credential import SignedCredential
from ledger.errors import LedgerError, MalformedError, ProofError
from scripts.vectors import SOURCES
from tests.vector_sources import credentials

_FOLDER = credentials.FOLDER
_MANIFEST: dict[str, Any] = json.loads((_FOLDER / "manifest.json").read_bytes())
_ERRORS: dict[str, type[LedgerError]] = {
    "malformed": MalformedError,
    "proof": ProofError,
}


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.FOLDER.name)
def test_the_committed_files_are_what_the_sources_make(source: Any) -> None:
    """Run scripts/vectors and look at the difference before committing it."""
    committed = {
        str(path.relative_to(source.FOLDER)): path.read_bytes()
        for path in Path(source.FOLDER).rglob("*")
        if path.is_file()
    }

    assert committed == source.files()


def test_every_json_file_is_in_the_manifest() -> None:
    files = {str(path.relative_to(_FOLDER)) for path in _FOLDER.rglob("*.json")}

    assert files == {*_MANIFEST["valid"], *_MANIFEST["invalid"], "manifest.json"}


@pytest.mark.parametrize("name", sorted(_MANIFEST["valid"]))
def test_valid_credentials(name: str) -> None:
    expected = _MANIFEST["valid"][name]
    credential = SignedCredential.from_bytes((_FOLDER / name).read_bytes())

    credential.check()
    assert credential.leaf.hex() == expected["leaf"]
    assert credential.issuer_reference.text == expected["issuer"]
    assert credential.public_key.key_id.hex() == expected["keyId"]
    assert credential.status_index == expected["statusIndex"]


@pytest.mark.parametrize("name", sorted(_MANIFEST["invalid"]))
def test_invalid_credentials(name: str) -> None:
    expected = _MANIFEST["invalid"][name]

    with pytest.raises(_ERRORS[expected["error"]]) as refusal:
        SignedCredential.from_bytes((_FOLDER / name).read_bytes()).check()

    assert expected["says"]
    assert expected["says"] in str(refusal.value)
