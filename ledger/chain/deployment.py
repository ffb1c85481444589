"""Putting the two registries on a chain, at the addresses they have on every chain."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from ledger.chain.node import ChainNode, SendOutcome, code_hash
from ledger.chain.sender import SignedTransaction, Signer, TransactionFields
from ledger.core.canonical import parse_object
from ledger.core.registries import (
    ANCHOR_REGISTRY,
    ANCHOR_REGISTRY_CODE_HASH,
    CREATE2_DEPLOYER,
    CREATE2_SALT,
    ISSUER_REGISTRY,
    ISSUER_REGISTRY_CODE_HASH,
)
from ledger.errors import ChainRejected, ChainUnavailable, MalformedError


@dataclass(frozen=True, slots=True)
class Registry:
    """A contract to deploy: where it will stand and the hash of the code there."""

    name: str
    address: str
    code_hash: bytes


REGISTRIES = (
    Registry("AnchorRegistry", ANCHOR_REGISTRY, ANCHOR_REGISTRY_CODE_HASH),
    Registry("IssuerRegistry", ISSUER_REGISTRY, ISSUER_REGISTRY_CODE_HASH),
)

#: What the deploying account calls; a signer made for it may call nothing else.
CALLS: Final = {CREATE2_DEPLOYER: frozenset({CREATE2_SALT[:4]})}

_PATIENCE_SECONDS = 600
_POLL_SECONDS = 0.5
_MAX_ARTEFACT = 1_000_000


@dataclass(frozen=True, slots=True)
class Deployed:
    """What was done for one registry; `gas_used` is None if it was there already."""

    name: str
    address: str
    gas_used: int | None


def deploy(
    node: ChainNode,
    signer: Signer,
    *,
    max_fee: int,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Deployed, ...]:
    """Deploy what is missing, by CREATE2, and check what stands there afterwards.

    Doing it again changes nothing. These are plain transactions of an account of their own,
    never of the worker's sender: nonces of that one belong to the worker alone. Raises
    ChainRejected if other code stands there or the chain cannot take it, ChainUnavailable if
    it did not come to rest in ten minutes (then run it again).
    """
    if not node.code(CREATE2_DEPLOYER):
        raise ChainRejected(
            f"{node.name}: no deterministic deployer at {CREATE2_DEPLOYER} on this chain"
        )
    deployed = []
    for registry in REGISTRIES:
        gas_used = None
        if not _stands(node, registry):
            signed = _sign(node, signer, registry, max_fee)
            gas_used = _carry(node, registry, signed, sleep)
        deployed.append(Deployed(registry.name, registry.address, gas_used))
    return tuple(deployed)


def init_code(name: str) -> bytes:
    """The committed creation bytecode of a registry."""
    artefact = files("ledger.chain") / "abi" / f"{name}.json"
    bytecode = parse_object(artefact.read_bytes(), max_bytes=_MAX_ARTEFACT)["bytecode"]
    if not isinstance(bytecode, str):
        raise MalformedError(f"{name}.json has no bytecode")
    return bytes.fromhex(bytecode.removeprefix("0x"))


def _sign(
    node: ChainNode, signer: Signer, registry: Registry, max_fee: int
) -> SignedTransaction:
    nonce = node.nonce(signer.address, "latest")
    if nonce != node.nonce(signer.address, "pending"):
        raise ChainUnavailable(
            f"{signer.address} has transactions under way; run this again once they are mined"
        )
    fee = node.fee()
    fee_cap = min(2 * fee.base + fee.tip, max_fee)
    if fee_cap < fee.base + fee.tip:
        raise ChainRejected(
            f"a fee of {fee.base + fee.tip} wei is above the ceiling of {max_fee}"
        )
    code = init_code(registry.name)
    return signer.sign(
        TransactionFields(
            chain_id=node.chain_id(),
            nonce=nonce,
            to=CREATE2_DEPLOYER,
            data=CREATE2_SALT + code,
            gas=_gas_limit(code),
            tip=fee.tip,
            fee_cap=fee_cap,
        )
    )


def _carry(
    node: ChainNode,
    registry: Registry,
    signed: SignedTransaction,
    sleep: Callable[[float], None],
) -> int:
    """Send until it is mined; the gas it used."""
    waited = 0.0
    while waited < _PATIENCE_SECONDS:
        receipt = node.receipt(signed.hash)
        if receipt is not None:
            if receipt.succeeded and _stands(node, registry):
                return receipt.gas_used
            raise ChainRejected(f"{registry.name}: the deployment was mined and failed")
        # The same bytes again: sending twice is harmless, a lost answer is not a failure.
        answer = node.send(signed.raw)
        if answer.outcome in {
            SendOutcome.FATAL,
            SendOutcome.WAIT,
            SendOutcome.UNDERPRICED,
        }:
            raise ChainRejected(
                f"{registry.name}: {node.name} refuses it: {answer.detail}"
            )
        sleep(_POLL_SECONDS)
        waited += _POLL_SECONDS
    raise ChainUnavailable(f"{registry.name}: not mined yet; run this again")


def _stands(node: ChainNode, registry: Registry) -> bool:
    found = code_hash(node, registry.address)
    if found is not None and found != registry.code_hash:
        raise ChainRejected(
            f"{registry.name}: other code stands at {registry.address}: expected hash"
            f" 0x{registry.code_hash.hex()}, found 0x{found.hex()}"
        )
    return found is not None


def _gas_limit(code: bytes) -> int:
    # 200 gas for each byte that is stored (EIP-170 code deposit) and at most 40 for each byte
    # of calldata (EIP-7623), over the fixed costs of a transaction and of CREATE2.
    return 150_000 + 300 * len(code)
