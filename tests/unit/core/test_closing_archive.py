"""Manifest and personal index: closed models, and a damaged file is called by its name."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from ledger.core.canonical import encode, parse_object
from ledger.core.closing import Custodian
from ledger.core.closing_archive import (
    ListedFile,
    Manifest,
    PersonalEntry,
    encode_personal_index,
    part_name,
    read_personal_index,
)
from ledger.core.issuer import IssuerReference
from ledger.core.registries import ISSUER_REGISTRY
from ledger.errors import MalformedError

MANIFEST = Manifest(
    issuer=IssuerReference(1, ISSUER_REGISTRY, b"\x01" * 32),
    custodians=(Custodian("City Archive", "age1" + "q" * 58),),
    credentials=3,
    files=(
        ListedFile.of("README.txt", b"read me"),
        ListedFile.of(part_name(1), b"sealed"),
        ListedFile.of(part_name(10_000), b"sealed too"),
    ),
)
ENTRY = PersonalEntry(
    credential_id=UUID(int=7, version=4),
    achievement="py-1",
    version="1.0",
    email="zoe@example.org",
    name=None,
    awarded_on=date(2026, 5, 1),
    issued_at=datetime(2026, 5, 2, 12, 0, 0, 123_456, tzinfo=UTC),
    withdrawn_at=datetime(2026, 6, 1, tzinfo=UTC),
    withdrawal_reason="By mistake.",
)


def test_a_manifest_is_written_and_read_back() -> None:
    assert Manifest.from_bytes(MANIFEST.encode()) == MANIFEST
    assert [part.name for part in MANIFEST.parts] == [
        "personal/0001.zip.age",
        "personal/10000.zip.age",
    ]


def test_a_damaged_file_is_called_by_its_name() -> None:
    (readme, *_) = MANIFEST.files
    readme.check(b"read me")
    for damaged in (b"read mf", b"read m", b"read me "):
        with pytest.raises(MalformedError, match=r"^README\.txt is damaged"):
            readme.check(damaged)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"more": 1},
        {"files": {}},
        {"files": [{"name": "a", "size": 1}]},
        {"files": [{"name": "a", "size": -1, "sha256": "00" * 32}]},
        {"files": [{"name": "a", "size": 1, "sha256": "00" * 31}]},
        {"files": [{"name": "a", "size": 1, "sha256": "00" * 32}] * 2},
        {"custodians": []},
        {"credentials": "3"},
        {"issuer": "nobody"},
    ],
)
def test_a_manifest_of_another_form_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        Manifest.from_bytes(encode({**parse_object(MANIFEST.encode()), **change}))


def test_a_personal_index_is_written_and_read_back() -> None:
    assert read_personal_index(encode_personal_index([ENTRY, ENTRY])) == (ENTRY, ENTRY)
    assert ENTRY.file == "credentials/00000000-0000-4000-8000-000000000007.json"


@pytest.mark.parametrize(
    "change",
    [
        {"id": "7"},
        {"more": 1},
        {"name": 7},
        {"awardedOn": "May"},
        {"issuedAt": "2026-05-02T12:00:00"},
        {"withdrawnAt": "now"},
        {"email": None},
    ],
)
def test_a_personal_entry_of_another_form_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        PersonalEntry.from_json({**ENTRY.to_json(), **change})


@pytest.mark.parametrize(
    "document", [{"version": 1}, {"version": 2, "credentials": []}, {"version": 1, "credentials": {}}]
)  # fmt: skip
def test_a_personal_index_of_another_form_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        read_personal_index(encode(document))
