"""
The signature of a JSON file that is no credential: Data Integrity, eddsa-jcs-2022.

{"type":"DataIntegrityProof","cryptosuite":"eddsa-jcs-2022","created":"2026-11-25T08:44:00Z",
 "verificationMethod":"did:key:z6Mk…#z6Mk…","proofPurpose":"assertionMethod","proofValue":"z…"}

Such a file has no vocabulary, so its RFC 8785 bytes are signed, not a graph (vc-di-eddsa
section 3.3). The key is named by its did:key and by nothing else: nothing is looked up.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ledger.core import canonical
from ledger.core.canonical import Json
from ledger.core.keys import PublicKey, SigningKey, encode_base58
from ledger.core.signature import key_of_method, read_proof_value
from ledger.errors import MalformedError

_FIXED: Final = {
    "type": "DataIntegrityProof",
    "cryptosuite": "eddsa-jcs-2022",
    "proofPurpose": "assertionMethod",
}
_FREE: Final = ("created", "verificationMethod", "proofValue")


@dataclass(frozen=True, slots=True)
class DocumentSignature:
    """Who signed a document, and when by their own clock."""

    key: PublicKey
    created: datetime


def sign_document(
    document: dict[str, Json], key: SigningKey, *, created: datetime
) -> dict[str, Json]:
    """Sign a document that has no proof, and return the proof. Raises MalformedError."""
    if "proof" in document:
        raise MalformedError("proof: the document carries one already")
    proof: dict[str, Json] = {
        **_FIXED,
        "created": canonical.encode_time(created),
        "verificationMethod": key.public.verification_method,
    }
    signature = key.sign(_signed_bytes(document, proof))
    return {**proof, "proofValue": "z" + encode_base58(signature)}


def check_document(document: dict[str, Json], proof: Json) -> DocumentSignature:
    """
    Check a proof against its document, which comes without it.

    MalformedError: the proof is not of this kind. ProofError: it does not hold.
    """
    members = _read_members(proof)
    method = members["verificationMethod"]
    key = key_of_method(method)
    if method != key.verification_method:
        raise MalformedError("proof.verificationMethod: a did:key and its key expected")
    created = canonical.parse_time(members["created"])
    signature = read_proof_value(members["proofValue"])
    config: dict[str, Json] = {
        name: text for name, text in members.items() if name != "proofValue"
    }
    key.check(signature, _signed_bytes(document, config))
    return DocumentSignature(key, created)


def _read_members(proof: Json) -> dict[str, str]:
    if not isinstance(proof, dict):
        raise MalformedError("proof: not an object")
    members: dict[str, str] = {}
    for name, content in proof.items():
        if name not in {*_FIXED, *_FREE}:
            raise MalformedError(f"proof.{name[:40]}: unknown member")
        if not isinstance(content, str):
            raise MalformedError(f"proof.{name}: not a string")
        members[name] = content
    for name in (*_FIXED, *_FREE):
        if name not in members:
            raise MalformedError(f"proof.{name}: missing")
    for name, expected in _FIXED.items():
        if members[name] != expected:
            raise MalformedError(f"proof.{name}: {expected} expected")
    return members


def _signed_bytes(document: dict[str, Json], config: dict[str, Json]) -> bytes:
    parts = (config, document)
    return b"".join(hashlib.sha256(canonical.encode(part)).digest() for part in parts)
