from typing import Any

import pytest
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.address import to_checksum_address
from hexbytes import HexBytes

from ledger.chain.accounts import address_of
from ledger.chain.mined import is_from, read_mined
from ledger.core.keys import keccak256
from ledger.errors import MalformedError

KEY = bytes.fromhex("22" * 32)
SENDER = address_of(KEY)
TO = "0x" + "ab" * 20
FIELDS: dict[str, Any] = {
    "type": 2,
    "chainId": 31337,
    "nonce": 7,
    "to": to_checksum_address(TO),
    "value": 0,
    "data": b"calldata",
    "gas": 60_000,
    "maxPriorityFeePerGas": 10**9,
    "maxFeePerGas": 3 * 10**9,
}


def described(**changes: Any) -> tuple[bytes, dict[str, Any]]:
    """Signed bytes, and how a node describes them."""
    signed = Account.sign_transaction({**FIELDS, **changes}, KEY)
    raw = bytes(signed.raw_transaction)
    parts = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    to = bytes(HexBytes(parts["to"]))
    return raw, {
        "type": "0x2",
        "hash": f"0x{keccak256(raw).hex()}",
        "from": SENDER.upper().replace("0X", "0x"),
        "blockNumber": "0x5",
        "to": f"0x{to.hex()}" if to else None,
        "input": f"0x{bytes(HexBytes(parts['data'])).hex()}",
        "accessList": [],
        "v": hex(parts["v"]),
        "yParity": hex(parts["v"]),
        **{
            name: hex(parts[name])
            for name in (
                *("chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas"),
                *("gas", "value", "r", "s"),
            )
        },
    }


def test_signed_bytes_are_put_together_again() -> None:
    raw, answer = described()
    found = read_mined(answer, 5)

    assert found.raw == raw
    assert (found.hash, found.nonce, found.block_number) == (keccak256(raw), 7, 5)
    assert (found.to, found.data) == (TO, b"calldata")
    assert is_from(answer, SENDER)
    assert not is_from(answer, TO)


def test_an_old_node_knows_the_parity_by_its_old_name_alone() -> None:
    raw, answer = described()
    del answer["yParity"]
    assert read_mined(answer, 5).raw == raw


def test_a_new_contract_has_no_recipient() -> None:
    raw, answer = described(to="")
    found = read_mined(answer, 5)
    assert (found.raw, found.to) == (raw, None)


@pytest.mark.parametrize(
    "change",
    [
        {"type": "0x0"},
        {"accessList": [{"address": TO, "storageKeys": []}]},
        {"maxFeePerGas": "0x1"},
        {"hash": "0x" + "00" * 32},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_form_or_other_bytes_are_not_what_a_ledger_signs(
    change: dict[str, Any],
) -> None:
    _, answer = described()
    assert read_mined({**answer, **change}, 5).raw is None


@pytest.mark.parametrize(
    "change",
    [
        {"nonce": None},
        {"nonce": "0x"},
        {"nonce": "0xzz"},
        {"nonce": "0x" + "f" * 65},
        {"hash": 5},
        {"input": "0x1"},
        {"to": "nobody"},
        {"blockNumber": "0x6"},
        {"r": None},
    ],
    ids=str,
)
def test_a_description_that_is_none_is_refused(change: dict[str, Any]) -> None:
    _, answer = described()
    with pytest.raises(MalformedError):
        read_mined({**answer, **change}, 5)
    with pytest.raises(MalformedError):
        read_mined([], 5)
    assert not is_from([], SENDER)
