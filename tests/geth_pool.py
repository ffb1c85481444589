"""geth's pool before anvil's: what geth refuses is refused in its words, what it keeps is kept.

geth wants a tenth more on both fees for a nonce that is taken, anvil one wei. geth pools what is
below the base fee of the moment, anvil refuses it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ledger.chain.sender import TransactionFields, read_signed
from ledger.core.keys import keccak256

_BELOW_BASE_FEE = "max fee per gas less than block base fee"


@dataclass(frozen=True, slots=True)
class _Pooled:
    raw: bytes
    fields: TransactionFields


class GethPool:
    """Sits before a node that is asked by `forward`; knows what it has let through."""

    def __init__(self, forward: Callable[[bytes], bytes]) -> None:
        self._forward = forward
        self._pooled: dict[tuple[str, int], _Pooled] = {}
        self._kept: dict[tuple[str, int], bytes] = {}

    def send(self, question: dict[str, Any]) -> dict[str, Any]:
        """Answer an eth_sendRawTransaction as geth does."""
        raw = bytes.fromhex(question["params"][0][2:])
        sender, fields = read_signed(raw)
        slot = sender, fields.nonce
        old = self._pooled.get(slot)
        if old is not None and not self._still_there(slot, old):
            old = None
        if old is not None:
            if old.raw == raw:
                return _error(question, "already known")
            if not _outbids(fields, old.fields):
                return _error(question, "replacement transaction underpriced")
        answer: dict[str, Any] = json.loads(
            self._forward(json.dumps(question).encode())
        )
        words = str(answer.get("error", {}).get("message", "")).lower()
        if "error" not in answer or "already imported" in words:
            self._pooled[slot] = _Pooled(raw, fields)
            self._kept.pop(slot, None)
        elif _BELOW_BASE_FEE in words:
            self._pooled[slot] = _Pooled(raw, fields)
            self._kept[slot] = raw
            digest = f"0x{keccak256(raw).hex()}"
            return {"jsonrpc": "2.0", "id": question["id"], "result": digest}
        return answer

    def knock(self) -> None:
        """Offer anvil again what it did not take at the base fee of then."""
        for slot, raw in list(self._kept.items()):
            answer = self._ask("eth_sendRawTransaction", f"0x{raw.hex()}")
            words = str(answer.get("error", {}).get("message", "")).lower()
            if _BELOW_BASE_FEE not in words:
                del self._kept[slot]

    def forget(self) -> None:
        """The pool was emptied."""
        self._pooled.clear()
        self._kept.clear()

    def _still_there(self, slot: tuple[str, int], old: _Pooled) -> bool:
        if slot in self._kept:
            return True
        digest = f"0x{keccak256(old.raw).hex()}"
        found = self._ask("eth_getTransactionByHash", digest).get("result")
        return found is not None and found.get("blockNumber") is None

    def _ask(self, method: str, *params: object) -> dict[str, Any]:
        question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer: dict[str, Any] = json.loads(
            self._forward(json.dumps(question).encode())
        )
        return answer


def _outbids(new: TransactionFields, old: TransactionFields) -> bool:
    return new.tip * 10 >= old.tip * 11 and new.fee_cap * 10 >= old.fee_cap * 11


def _error(question: dict[str, Any], words: str) -> dict[str, Any]:
    error = {"code": -32000, "message": words}
    return {"jsonrpc": "2.0", "id": question["id"], "error": error}
