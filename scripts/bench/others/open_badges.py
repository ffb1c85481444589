"""openbadgeslib and openvc-core: Open Badges 3.0 signed and verified, contexts in memory."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from openbadgeslib.ob3.ldp import OB3LdpVerifier, add_data_integrity_proof
from openvc.keys import Ed25519SigningKey
from openvc.proof.data_integrity import DataIntegrityProofSuite

from scripts.bench.others.rounds import Round, serve

Sign = Callable[[dict[str, Any]], dict[str, Any]]
Verify = Callable[[str], object]


def openbadgeslib(question: Any) -> tuple[Sign, Verify]:
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(question["seed"]))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    created = datetime.fromisoformat(question["created"])
    verifier = OB3LdpVerifier()

    def sign(document: dict[str, Any]) -> dict[str, Any]:
        return add_data_integrity_proof(
            document, pem, question["method"], created=created
        )

    return sign, verifier.verify


def openvc(question: Any) -> tuple[Sign, Verify]:
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(question["seed"]))
    signing_key = Ed25519SigningKey(key, question["method"])
    created = datetime.fromisoformat(question["created"])
    suite = DataIntegrityProofSuite()

    def sign(document: dict[str, Any]) -> dict[str, Any]:
        return suite.add_proof(
            document,
            signing_key=signing_key,
            verification_method=question["method"],
            created=created,
            extra_contexts=question["contexts"],
        )

    def verify(text: str) -> object:
        return suite.verify(json.loads(text), extra_contexts=question["contexts"])

    return sign, verify


ENGINES = {"openbadgeslib": openbadgeslib, "openvc-core": openvc}


def prepare(question: Any) -> tuple[object, Round]:
    sign, verify = ENGINES[question["engine"]](question)
    documents, texts = question["documents"], question["texts"]
    for text in texts:
        verify(text)
    refused = 0
    for text in question["changed"]:
        try:
            verify(text)
        except Exception:  # noqa: BLE001 - each of them has an error of its own
            refused += 1

    def signing() -> None:
        for document in documents:
            json.dumps(sign(document))

    def verifying() -> None:
        for text in texts:
            verify(text)

    proofs = [sign(document)["proof"] for document in documents]
    run = {"sign": signing, "verify": verifying}[question["task"]]
    return {"proofs": proofs, "refused": refused}, run


if __name__ == "__main__":
    serve(prepare)
