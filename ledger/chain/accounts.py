"""secp256k1 accounts: what controllers, revoking keys, recovery keys and senders are."""

from collections.abc import Callable
from dataclasses import dataclass, field

from eth_account import Account as EthAccount
from eth_keys.constants import SECPK1_N

from ledger.errors import MalformedError


@dataclass(frozen=True, slots=True)
class Account:
    """An address and its private key; `repr` shows the address only."""

    address: str
    secret: bytes = field(repr=False)


def new_account(entropy: Callable[[int], bytes]) -> Account:
    """Draw a private key until it lies in the curve's range (the first nearly always does)."""
    while True:
        secret = entropy(32)
        if 0 < int.from_bytes(secret, "big") < SECPK1_N:
            return Account(address_of(secret), secret)


def address_of(secret: bytes) -> str:
    """The address of a private key. Raises MalformedError if it is none."""
    if len(secret) != 32 or not 0 < int.from_bytes(secret, "big") < SECPK1_N:
        raise MalformedError("not a secp256k1 private key")
    return str(EthAccount.from_key(secret).address).lower()


def key_id(address: str) -> bytes:
    """The id of a revoking key: its address as a 32-byte number."""
    return bytes.fromhex(address.removeprefix("0x")).rjust(32, b"\0")
