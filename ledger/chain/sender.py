"""Signing the ledger's own transactions: what the paying account may sign, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from eth_account import Account
from eth_utils.address import to_checksum_address

from ledger.chain.accounts import address_of
from ledger.errors import KeystoreError


@dataclass(frozen=True, slots=True)
class TransactionFields:
    """An EIP-1559 transaction before it is signed; every field is always given.

    eth-account signs silently for chain 0 where the chain id is missing.
    """

    chain_id: int
    nonce: int
    to: str
    data: bytes
    gas: int
    tip: int
    fee_cap: int
    value: int = 0


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """The bytes to send and their hash; signing the same fields again gives the same bytes."""

    raw: bytes
    hash: bytes


class Signer(Protocol):
    """Where the sender's key lives: in this process, or elsewhere.

    Signing must be deterministic and must not send anything. Raises KeystoreError if the key
    may not or cannot be used now.
    """

    @property
    def address(self) -> str:
        """The sender's address."""
        ...

    def sign(self, fields: TransactionFields) -> SignedTransaction:
        """Sign, after the signer's own checks."""
        ...


@dataclass(frozen=True, slots=True)
class SigningRules:
    """What the paying account may sign: calls of known functions on one chain, at a bearable fee."""

    chain_id: int
    #: contract address -> the first four bytes of calldata that are known there
    calls: Mapping[str, frozenset[bytes]]
    max_fee: int

    def check(self, fields: TransactionFields) -> None:
        """Raise KeystoreError for anything but a call of a known function."""
        if fields.chain_id != self.chain_id:
            raise KeystoreError(
                f"the sender signs for chain {self.chain_id}, not for chain {fields.chain_id}"
            )
        if fields.to not in self.calls:
            raise KeystoreError(f"the sender does not call {fields.to}")
        if fields.value:
            raise KeystoreError("the sender pays fees and sends no money")
        if fields.data[:4] not in self.calls[fields.to]:
            raise KeystoreError(
                f"the sender knows no function 0x{fields.data[:4].hex()} of {fields.to}"
            )
        if fields.fee_cap > self.max_fee:
            raise KeystoreError(
                f"a fee of {fields.fee_cap} wei is above the ceiling of {self.max_fee} wei"
            )


class KeystoreSigner:
    """A signer with the key in memory. Raises MalformedError if the secret is no private key."""

    def __init__(self, secret: bytes, rules: SigningRules) -> None:
        self._address = address_of(secret)
        self._account = Account.from_key(secret)
        self._rules = rules

    def __repr__(self) -> str:
        return f"KeystoreSigner({self.address})"

    @property
    def address(self) -> str:
        """The sender's address."""
        return self._address

    def sign(self, fields: TransactionFields) -> SignedTransaction:
        """Sign. Raises KeystoreError for what the rules do not allow."""
        self._rules.check(fields)
        signed = self._account.sign_transaction(
            {
                "type": 2,
                "chainId": fields.chain_id,
                "nonce": fields.nonce,
                "to": to_checksum_address(fields.to),
                "value": fields.value,
                "data": fields.data,
                "gas": fields.gas,
                "maxPriorityFeePerGas": fields.tip,
                "maxFeePerGas": fields.fee_cap,
            }
        )
        return SignedTransaction(bytes(signed.raw_transaction), bytes(signed.hash))
