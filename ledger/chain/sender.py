"""Signing the ledger's own transactions: what the paying account may sign, and nothing else."""

from binascii import Error as HexError
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.address import to_checksum_address
from eth_utils.exceptions import ValidationError
from hexbytes import HexBytes
from rlp.exceptions import RLPException

from ledger.chain.accounts import address_of
from ledger.errors import KeystoreError, MalformedError

# What eth-account raises for bytes that are no signed EIP-1559 transaction.
_UNREADABLE: Final = (
    ValueError,
    TypeError,
    KeyError,
    HexError,
    RLPException,
    ValidationError,
)


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


def read_signed(raw: bytes) -> tuple[str, TransactionFields]:
    """Who signed these bytes, and what. Raises MalformedError for any but an EIP-1559 transaction.

    An access list is none that the ledger asks for, so it is refused.
    """
    try:
        found = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        sender = Account.recover_transaction(raw).lower()
        fields = TransactionFields(
            chain_id=found["chainId"],
            nonce=found["nonce"],
            to=f"0x{bytes(HexBytes(found['to'])).hex()}",
            data=bytes(HexBytes(found["data"])),
            gas=found["gas"],
            tip=found["maxPriorityFeePerGas"],
            fee_cap=found["maxFeePerGas"],
            value=found["value"],
        )
    except _UNREADABLE as error:
        raise MalformedError("no signed EIP-1559 transaction") from error
    if found.get("accessList"):
        raise MalformedError("a transaction with an access list")
    return sender, fields


@dataclass(slots=True)
class SigningRules:
    """What the paying account may sign: calls of known functions on one chain, at a bearable fee.

    ``max_fee`` is for a unit of gas, ``max_cost`` for a transaction (None: any), both in wei;
    the operator may change them while the signer is at work.
    """

    chain_id: int
    #: contract address -> the first four bytes of calldata that are known there
    calls: Mapping[str, frozenset[bytes]]
    max_fee: int
    max_cost: int | None = None

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
        cost = fields.gas * fields.fee_cap
        if self.max_cost is not None and cost > self.max_cost:
            raise KeystoreError(
                f"a transaction of {cost} wei is above the ceiling of {self.max_cost} wei"
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
