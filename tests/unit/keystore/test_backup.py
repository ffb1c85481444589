import dataclasses
import json
import secrets
from datetime import UTC, datetime
from typing import Any

import pytest

from ledger.core.canonical import Json, encode
from ledger.errors import KeystoreError, MalformedError
from ledger.keystore import backup
from ledger.keystore.backup import BackupEntry, decode_backup, encode_backup

PASSPHRASE = "correct horse battery"
ENTRY = BackupEntry(
    organisation_code="riverside",
    organisation_name="Riverside Code School",
    chain_id=31337,
    registry="0x" + "ab" * 20,
    issuer_id=b"\x01" * 32,
    profile=b'{"name":"Riverside"}',
    salt=b"\x02" * 32,
    recovery_commitment=b"\x03" * 32,
    created_at=datetime(2026, 11, 25, 8, 44, tzinfo=UTC),
    next_status_block=1,
    secrets={"recovery": [b"\x04" * 32], "signing": [b"\x05" * 32, b"\x06" * 32]},
)


def test_entries_come_back_as_they_were() -> None:
    other = dataclasses.replace(
        ENTRY, organisation_code="north", issuer_id=b"\x07" * 32
    )
    data = encode_backup([ENTRY, other], PASSPHRASE, secrets.token_bytes)

    assert (ENTRY, other) == decode_backup(data, PASSPHRASE)


def test_no_secret_and_no_name_stands_in_the_file_in_the_clear() -> None:
    data = encode_backup([ENTRY], PASSPHRASE, secrets.token_bytes)

    assert b"04" * 32 not in data
    assert b"Riverside" not in data


def test_repr_shows_no_secret() -> None:
    assert "x04" not in repr(ENTRY)


def test_a_wrong_passphrase_is_refused() -> None:
    data = encode_backup([ENTRY], PASSPHRASE, secrets.token_bytes)

    with pytest.raises(KeystoreError, match="wrong passphrase"):
        decode_backup(data, PASSPHRASE + "!")


def test_a_short_passphrase_is_refused() -> None:
    with pytest.raises(KeystoreError, match="12 characters"):
        encode_backup([ENTRY], "short", secrets.token_bytes)


def test_every_changed_digit_is_refused() -> None:
    data = json.loads(encode_backup([ENTRY], PASSPHRASE, secrets.token_bytes))
    for holder, name in (
        (data["kdf"], "salt"),
        (data["cipher"], "nonce"),
        (data, "ciphertext"),
    ):
        good = holder[name]
        holder[name] = ("1" if good[0] == "0" else "0") + good[1:]

        with pytest.raises(KeystoreError):
            decode_backup(json.dumps(data).encode(), PASSPHRASE)
        holder[name] = good


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"more": 1},
        {"kdf": {"name": "scrypt", "n": 1 << 30, "r": 8, "p": 1, "salt": "00" * 16}},
        {"kdf": "scrypt"},
        {"cipher": {"name": "none", "nonce": "00" * 12}},
        {"cipher": {"name": "AES-256-GCM", "nonce": "00" * 11}},
        {"ciphertext": "zz"},
        {"ciphertext": 5},
    ],
)
def test_another_header_is_malformed(change: dict[str, Any]) -> None:
    data = json.loads(encode_backup([ENTRY], PASSPHRASE, secrets.token_bytes))

    with pytest.raises(MalformedError):
        decode_backup(json.dumps(data | change).encode(), PASSPHRASE)


@pytest.mark.parametrize(
    "change",
    [
        {"organisationCode": 5},
        {"chainId": -1},
        {"chainId": True},
        {"issuerId": "00" * 31},
        {"salt": "00" * 31 + " 0"},
        {"salt": "AB" * 32},
        {"createdAt": "yesterday"},
        {"createdAt": "2026-11-25T08:44:00"},
        {"nextStatusBlock": None},
        {"secrets": []},
        {"secrets": {"recovery": "00"}},
        {"secrets": {"recovery": ["00"]}},
        {"unknown": 1},
    ],
)
def test_content_of_another_shape_is_malformed(change: dict[str, Json]) -> None:
    issuer = backup._entry_to_json(ENTRY)
    assert isinstance(issuer, dict)

    with pytest.raises(MalformedError):
        backup._entries(encode({"version": 1, "issuers": [issuer | change]}))


@pytest.mark.parametrize(
    "document",
    [{"version": 2, "issuers": []}, {"version": 1}, {"version": 1, "issuers": [1]}],
)
def test_a_document_of_another_shape_is_malformed(document: Json) -> None:
    with pytest.raises(MalformedError):
        backup._entries(encode(document))
