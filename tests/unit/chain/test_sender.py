from dataclasses import replace

import pytest
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes
from hypothesis import given, settings, strategies as st

from ledger.chain.sender import KeystoreSigner, SigningRules, TransactionFields
from ledger.core.keys import keccak256
from ledger.errors import KeystoreError, MalformedError
from tests.anvil import DEV_ADDRESS, DEV_KEY

REGISTRY = "0x" + "ab" * 20
ANCHOR = b"\1\1\1\1"
RULES = SigningRules(31337, {REGISTRY: frozenset({ANCHOR})}, 10**12)
SIGNER = KeystoreSigner(DEV_KEY, RULES)
FIELDS = TransactionFields(
    chain_id=31337, nonce=0, to=REGISTRY, data=b"\1" * 36, gas=60_000, tip=1, fee_cap=9
)


@settings(deadline=None)  # the machine may be busy
@given(
    st.integers(0, 2**63),
    st.binary(max_size=300).map(lambda rest: ANCHOR + rest),
    st.integers(0, 10**9),
    st.integers(10**9, 10**12),
)
def test_what_is_signed_is_what_was_asked_for(
    nonce: int, data: bytes, tip: int, fee_cap: int
) -> None:
    fields = replace(FIELDS, nonce=nonce, data=data, tip=tip, fee_cap=fee_cap)
    signed = SIGNER.sign(fields)
    found = TypedTransaction.from_bytes(HexBytes(signed.raw)).as_dict()

    assert signed == SIGNER.sign(fields)
    assert signed.hash == keccak256(signed.raw)
    assert Account.recover_transaction(signed.raw).lower() == DEV_ADDRESS
    assert (found["chainId"], found["nonce"], found["value"]) == (31337, nonce, 0)
    assert bytes(found["data"]) == data
    assert "0x" + bytes(found["to"]).hex() == REGISTRY
    assert (found["gas"], found["maxPriorityFeePerGas"]) == (60_000, tip)
    assert found["maxFeePerGas"] == fee_cap


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (replace(FIELDS, chain_id=1), "not for chain 1"),
        (replace(FIELDS, to="0x" + "00" * 20), "does not call"),
        (replace(FIELDS, value=1), "sends no money"),
        (replace(FIELDS, data=b""), "no function 0x of"),
        (replace(FIELDS, data=b"\1\1\1\2" + bytes(32)), "no function 0x01010102"),
        (replace(FIELDS, data=ANCHOR[:3]), "no function 0x010101 of"),
        (replace(FIELDS, fee_cap=10**12 + 1), "above the ceiling"),
    ],
)
def test_everything_else_is_refused(fields: TransactionFields, reason: str) -> None:
    with pytest.raises(KeystoreError, match=reason):
        SIGNER.sign(fields)


def test_a_transaction_may_cost_so_much_and_the_ceilings_may_be_changed() -> None:
    rules = replace(RULES, max_cost=60_000 * 9)
    signer = KeystoreSigner(DEV_KEY, rules)
    signer.sign(FIELDS)
    with pytest.raises(
        KeystoreError, match=r"540009 wei is above the ceiling of 540000"
    ):
        signer.sign(replace(FIELDS, gas=60_001))

    rules.max_cost = 60_001 * 9
    signer.sign(replace(FIELDS, gas=60_001))
    rules.max_fee = 8
    with pytest.raises(KeystoreError, match="a fee of 9 wei"):
        signer.sign(FIELDS)


def test_what_is_no_private_key_makes_no_signer() -> None:
    with pytest.raises(MalformedError, match="not a secp256k1 private key"):
        KeystoreSigner(bytes(32), RULES)


def test_repr_shows_the_address_only() -> None:
    assert repr(SIGNER) == f"KeystoreSigner({DEV_ADDRESS})"
