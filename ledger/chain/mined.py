"""Transactions in blocks, read as strictly as if a stranger had made them."""

from dataclasses import dataclass
from typing import Final

from ledger.core import rlp
from ledger.core.canonical import Json
from ledger.core.keys import keccak256
from ledger.errors import MalformedError

_EIP_1559: Final = 2


@dataclass(frozen=True, slots=True)
class MinedTransaction:
    """A transaction in a canonical block, whoever made it.

    `raw` are its signed bytes if it is of the one form that the ledger signs (EIP-1559, without
    an access list), else None. `to` is None where it made a contract.
    """

    hash: bytes
    nonce: int
    block_number: int
    to: str | None
    data: bytes
    raw: bytes | None


def is_from(answer: Json, sender: str) -> bool:
    """Whether a node's description of a transaction names this sender."""
    if not isinstance(answer, dict):
        return False
    found = answer.get("from")
    return isinstance(found, str) and found.lower() == sender


def read_mined(answer: Json, block_number: int) -> MinedTransaction:
    """Read a transaction out of a block as a node describes it. Raises MalformedError.

    Its signed bytes are put together again, and count only if they have its hash.
    """
    if not isinstance(answer, dict):
        raise MalformedError("a transaction that is no object")
    tx_hash = _bytes(answer.get("hash"), "hash")
    if _number(answer.get("blockNumber"), "blockNumber") != block_number:
        raise MalformedError("a transaction of another block")
    to = answer.get("to")
    return MinedTransaction(
        hash=tx_hash,
        nonce=_number(answer.get("nonce"), "nonce"),
        block_number=block_number,
        to=None if to is None else f"0x{_bytes(to, 'to').hex()}",
        data=_bytes(answer.get("input"), "input"),
        raw=_signed_bytes(answer, tx_hash),
    )


def _signed_bytes(answer: dict[str, Json], tx_hash: bytes) -> bytes | None:
    if answer.get("type") != hex(_EIP_1559) or answer.get("accessList"):
        return None
    # The signature's last part has two names; old nodes know only the second.
    parity = answer.get("yParity", answer.get("v"))
    # EIP-1559: the order of the fields in what is signed and sent.
    fields: list[rlp.Rlp] = [
        *(
            rlp.encode_number(_number(answer.get(name), name))
            for name in (
                *("chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas"),
                "gas",
            )
        ),
        b"" if answer.get("to") is None else _bytes(answer.get("to"), "to"),
        rlp.encode_number(_number(answer.get("value"), "value")),
        _bytes(answer.get("input"), "input"),
        [],
        rlp.encode_number(_number(parity, "yParity")),
        rlp.encode_number(_number(answer.get("r"), "r")),
        rlp.encode_number(_number(answer.get("s"), "s")),
    ]
    raw = bytes([_EIP_1559]) + rlp.encode(fields)
    return raw if keccak256(raw) == tx_hash else None


def _number(value: Json, name: str) -> int:
    if isinstance(value, str) and value.startswith("0x") and 2 < len(value) <= 66:
        try:
            return int(value, 16)
        except ValueError:
            pass
    raise MalformedError(f"a transaction's {name} is no number")


def _bytes(value: Json, name: str) -> bytes:
    if isinstance(value, str) and value.startswith("0x"):
        try:
            return bytes.fromhex(value[2:])
        except ValueError:
            pass
    raise MalformedError(f"a transaction's {name} is no bytes")
