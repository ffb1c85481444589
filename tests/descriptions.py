"""Headers and proofs as a node describes them over JSON-RPC."""

from typing import Any

from ledger.core import rlp
from ledger.core.account import AccountProof
from ledger.core.header import BlockHeader

_NUMBERS = {"difficulty", "number", "gasLimit", "gasUsed", "timestamp"} | {
    "baseFeePerGas",
    "blobGasUsed",
    "excessBlobGas",
}
_NAMES = (
    *("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot"),
    *("receiptsRoot", "logsBloom", "difficulty", "number", "gasLimit", "gasUsed"),
    *("timestamp", "extraData", "mixHash", "nonce", "baseFeePerGas"),
    *("withdrawalsRoot", "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot"),
    "requestsHash",
)


def described(header: BlockHeader) -> dict[str, Any]:
    """What eth_getBlockByNumber answers."""
    fields = rlp.decode(header.raw)
    assert isinstance(fields, list)
    document: dict[str, Any] = {"hash": f"0x{header.hash.hex()}", "transactions": []}
    for name, value in zip(_NAMES, fields, strict=True):
        assert isinstance(value, bytes)
        number = hex(int.from_bytes(value, "big"))
        document[name] = number if name in _NUMBERS else f"0x{value.hex()}"
    return document


def answered(proof: AccountProof) -> dict[str, Any]:
    """What eth_getProof answers."""
    return {
        "accountProof": [f"0x{node.hex()}" for node in proof.nodes],
        "storageProof": [
            {
                "key": f"0x{slot.slot.hex()}",
                "value": hex(slot.value),
                "proof": [f"0x{node.hex()}" for node in slot.nodes],
            }
            for slot in proof.slots
        ],
    }
