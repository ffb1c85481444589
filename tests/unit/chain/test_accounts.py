import pytest

from ledger.chain.accounts import Account, address_of, key_id, new_account
from ledger.errors import MalformedError
from tests.anvil import DEV_ADDRESS, DEV_KEY

ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141


def test_the_address_of_a_known_key() -> None:
    assert address_of(DEV_KEY) == DEV_ADDRESS


@pytest.mark.parametrize(
    "secret", [b"", bytes(32), ORDER.to_bytes(32, "big"), b"\xff" * 32, bytes(33)]
)
def test_what_is_no_private_key_is_refused(secret: bytes) -> None:
    with pytest.raises(MalformedError, match="not a secp256k1 private key"):
        address_of(secret)


def test_a_new_account_is_drawn_until_it_lies_on_the_curve() -> None:
    draws = iter([bytes(32), ORDER.to_bytes(32, "big"), DEV_KEY])

    assert new_account(lambda size: next(draws)) == Account(DEV_ADDRESS, DEV_KEY)


def test_a_revoking_keys_id_is_its_address_as_a_number() -> None:
    assert key_id("0x" + "ab" * 20) == bytes(12) + b"\xab" * 20


def test_repr_shows_no_secret() -> None:
    assert repr(Account(DEV_ADDRESS, DEV_KEY)) == f"Account(address='{DEV_ADDRESS}')"
