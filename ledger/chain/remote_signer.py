"""
A signer whose key lives elsewhere, behind `eth_signTransaction` (Web3Signer and its like).

Nothing that comes back is taken on trust: it has to be the very transaction that was asked
for, signed by the very account. Who could change a field of it could spend the account.
"""

from typing import Final

from ledger.chain.json_rpc import TRANSPORT, JsonRpc
from ledger.chain.sender import (
    SignedTransaction,
    SigningRules,
    TransactionFields,
    read_signed,
)
from ledger.core.canonical import Json
from ledger.core.keys import keccak256
from ledger.errors import KeystoreError, MalformedError

_MAX_DETAIL: Final = 200


class RemoteSigner:
    """One account of a signing server. Raises SettingError if the URL is no address."""

    def __init__(self, url: str, address: str, rules: SigningRules) -> None:
        self._rpc = JsonRpc.of(url)
        self._address = address
        self._rules = rules

    def __repr__(self) -> str:
        return f"RemoteSigner({self.address} at {self._rpc.name})"

    @property
    def address(self) -> str:
        """The sender's address."""
        return self._address

    def sign(self, fields: TransactionFields) -> SignedTransaction:
        """
        Have it signed, and check what came back.

        Raises KeystoreError if the rules do not allow it, and if the server is away, refuses,
        or gives back anything else.
        """
        self._rules.check(fields)
        try:
            answer = self._rpc.ask(
                "eth_signTransaction", [_described(self._address, fields)]
            )
        except TRANSPORT as error:
            raise KeystoreError(
                f"the signer {self._rpc.name} does not answer: {type(error).__name__}"
            ) from error
        if "error" in answer:
            raise KeystoreError(
                f"the signer {self._rpc.name} refuses: {_words(answer['error'])}"
            )
        raw = _raw(answer["result"])
        if raw is None or not self._is_what_was_asked(raw, fields):
            raise KeystoreError(
                f"the signer {self._rpc.name} gave back something else than nonce"
                f" {fields.nonce} of {self._address}, signed"
            )
        return SignedTransaction(raw, keccak256(raw))

    def _is_what_was_asked(self, raw: bytes, fields: TransactionFields) -> bool:
        try:
            return read_signed(raw) == (self._address, fields)
        except MalformedError:
            return False


def _described(address: str, fields: TransactionFields) -> Json:
    return {
        "from": address,
        "to": fields.to,
        "gas": hex(fields.gas),
        "maxPriorityFeePerGas": hex(fields.tip),
        "maxFeePerGas": hex(fields.fee_cap),
        "value": hex(fields.value),
        "nonce": hex(fields.nonce),
        "data": f"0x{fields.data.hex()}",
        "chainId": hex(fields.chain_id),
    }


def _raw(result: Json) -> bytes | None:
    """The signed bytes: Web3Signer gives them as they are, Clef and geth as `raw`."""
    text = result.get("raw") if isinstance(result, dict) else result
    if not isinstance(text, str) or not text.startswith("0x"):
        return None
    try:
        return bytes.fromhex(text[2:])
    except ValueError:
        return None


def _words(error: Json) -> str:
    message = error.get("message") if isinstance(error, dict) else error
    return ascii(message)[:_MAX_DETAIL]
