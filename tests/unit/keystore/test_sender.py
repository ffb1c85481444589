import json
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from ledger.errors import KeystoreError
from ledger.keystore.master import MasterKey
from ledger.keystore.sender import create_sender, open_sender, sender_password

MASTER = MasterKey(bytes(range(32)))
SECRET = bytes.fromhex("11" * 32)
ADDRESS = "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"


def test_a_sender_is_written_once_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "sender.json"
    created = create_sender(path, MASTER, SECRET)

    assert created.address == ADDRESS
    assert created == open_sender(path, MASTER)
    with pytest.raises(KeystoreError, match="exists"):
        create_sender(path, MASTER, SECRET)


def test_the_file_is_a_standard_v3_keystore_that_other_wallets_open(
    tmp_path: Path,
) -> None:
    path = tmp_path / "sender.json"
    create_sender(path, MASTER, SECRET)
    keyfile = json.loads(path.read_bytes())

    assert keyfile["version"] == 3
    assert Account.decrypt(keyfile, sender_password(MASTER)) == SECRET


def test_another_master_key_does_not_open_it(tmp_path: Path) -> None:
    path = tmp_path / "sender.json"
    create_sender(path, MASTER, SECRET)

    with pytest.raises(KeystoreError, match="another master key"):
        open_sender(path, MasterKey(bytes(32)))


def test_repr_shows_the_address_only(tmp_path: Path) -> None:
    sender = create_sender(tmp_path / "sender.json", MASTER, SECRET)

    assert f"SenderKey(address='{ADDRESS}')" == repr(sender)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 4},
        {"crypto": None},
        {"crypto": {}},
        {"crypto": {"kdfparams": {"n": 4096, "r": 8}}},
        {"crypto": {"kdfparams": {"n": "many", "r": 8}}},
    ],
)
def test_what_is_no_v3_keystore_is_refused(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    path = tmp_path / "sender.json"
    create_sender(path, MASTER, SECRET)
    path.write_text(json.dumps(json.loads(path.read_bytes()) | change))

    with pytest.raises(KeystoreError, match="V3 keystore"):
        open_sender(path, MASTER)


@pytest.mark.parametrize("work", [{"n": 1 << 24}, {"r": 1 << 10}])
def test_a_file_that_asks_for_all_memory_is_refused(
    tmp_path: Path, work: dict[str, int]
) -> None:
    path = tmp_path / "sender.json"
    create_sender(path, MASTER, SECRET)
    keyfile = json.loads(path.read_bytes())
    keyfile["crypto"]["kdfparams"] |= work
    path.write_text(json.dumps(keyfile))

    with pytest.raises(KeystoreError, match="too much work"):
        open_sender(path, MASTER)


def test_missing_and_malformed_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(KeystoreError, match="No such file"):
        open_sender(tmp_path / "nowhere.json", MASTER)
    (tmp_path / "text.json").write_text("hello")
    with pytest.raises(KeystoreError, match=r"text.json: not JSON"):
        open_sender(tmp_path / "text.json", MASTER)
