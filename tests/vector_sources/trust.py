"""The files of tests/vectors/trust: a signed trust list, and what was changed in it."""

import json
from datetime import UTC, datetime
from pathlib import Path

from ledger.core.canonical import Json, parse_object
from ledger.core.issuer import IssuerReference
from ledger.core.keys import SigningKey
from ledger.core.registries import ISSUER_REGISTRY
from ledger.verify.trust import (
    Trusted,
    TrustList,
    encode_signed_trust_list,
    encode_trust_list,
)

FOLDER = Path(__file__).parents[1] / "vectors" / "trust"

SIGNER = SigningKey.from_seed(bytes(range(32)))
LIST = TrustList(
    "Zulassung, Universität Nürnberg",
    (Trusted(IssuerReference(1, ISSUER_REGISTRY, b"\x01" * 32), "Riverside 学校"),),
    (Trusted(IssuerReference(1, ISSUER_REGISTRY, b"\x02" * 32), "Skills Board"),),
)


def valid() -> dict[str, tuple[bytes, str | None]]:
    """File name -> its bytes, and who signed it."""
    signed = encode_signed_trust_list(
        LIST, SIGNER, created=datetime(2026, 11, 25, 8, 44, tzinfo=UTC)
    )
    turned = dict(reversed(parse_object(signed).items()))
    return {
        "signed.json": (signed, SIGNER.public.did),
        "signed-in-another-order.json": (_write(turned), SIGNER.public.did),
        "unsigned.json": (encode_trust_list(LIST), None),
    }


def _invalid() -> dict[str, tuple[bytes, str]]:
    signed = parse_object(valid()["signed.json"][0])
    proof = signed["proof"]
    assert isinstance(proof, dict)
    other = SigningKey.from_seed(b"\x09" * 32).public.verification_method
    changed = "changed after it was signed"

    def with_proof(**members: Json) -> bytes:
        return _write(signed | {"proof": {**proof, **members}})

    return {
        "another-name.json": (_write(signed | {"name": "Zulassung"}), changed),
        "entry-taken-out.json": (_write(signed | {"accreditors": []}), changed),
        "another-time.json": (with_proof(created="2026-11-25T08:44:01Z"), changed),
        "another-key.json": (with_proof(verificationMethod=other), changed),
        "another-suite.json": (
            with_proof(cryptosuite="eddsa-rdfc-2022"),
            "proof.cryptosuite: eddsa-jcs-2022 expected",
        ),
        "another-purpose.json": (
            with_proof(proofPurpose="authentication"),
            "proof.proofPurpose: assertionMethod expected",
        ),
        "member-of-the-proof.json": (with_proof(expires="x"), "unknown member"),
        "no-proof-in-the-proof.json": (_write(signed | {"proof": {}}), "missing"),
    }


def _write(document: dict[str, Json]) -> bytes:
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def files() -> dict[str, bytes]:
    """Every file of the folder."""
    made: dict[str, bytes] = {}
    manifest: dict[str, dict[str, Json]] = {"valid": {}, "invalid": {}}
    for name, (data, signer) in valid().items():
        made[f"valid/{name}"] = data
        manifest["valid"][f"valid/{name}"] = {"signedBy": signer}
    for name, (data, says) in _invalid().items():
        made[f"invalid/{name}"] = data
        manifest["invalid"][f"invalid/{name}"] = {"says": says}
    text = json.dumps(manifest, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    return made | {"manifest.json": text.encode()}
