"""Credentials issued by ledger.core for other people's verifiers: every shape we issue."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

from ledger.core import canonical
from ledger.core.anchor import Anchor
from ledger.core.canonical import Json
from ledger.core.credential import (
    Achievement,
    Award,
    Issuer,
    SignedCredential,
    sign_credential,
)
from ledger.core.durable import DurableCredential
from ledger.core.issuer import IssuerProfile, IssuerReference
from ledger.core.keys import SigningKey
from ledger.core.merkle import InclusionProof, root, sealed_root
from ledger.core.offer import build_credential
from ledger.core.registries import ANCHOR_REGISTRY, ISSUER_REGISTRY
from ledger.core.signature import sign
from ledger.core.status import StatusBits, build_status_list

ACHIEVEMENTS = Path(__file__).parents[1] / "vectors" / "riverside" / "achievements.json"

CHAIN = 31337
ISSUED = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
KEY = SigningKey.from_seed(hashlib.sha256(b"outsiders: signing key").digest())
PROFILE = IssuerProfile(
    name="Riverside Code School",
    url="https://riverside.example.org",
    email="badges@riverside.example.org",
    description="Evening courses in software, since 2014.",
    country="NL",
    did=(),
)
PARTNER = IssuerProfile(
    name="Harbour Works",
    url="https://harbour.example.org",
    email=None,
    description=None,
    country=None,
    did=(),
)
ISSUER = Issuer(
    profile=PROFILE,
    reference=IssuerReference(CHAIN, ISSUER_REGISTRY, bytes(range(32))),
    key=KEY.public,
    did=None,
)
# A school that wants its domain in the file; the key is the same.
WEB_ISSUER = replace(ISSUER, did="did:web:riverside.example.org")
STATUS_LIST = f"https://ledger.example.org/status/{KEY.public.multibase}"

NAMES = {
    "latin": "Nguyễn Thị Ánh Łukaszewicz-Ó Súilleabháin",
    "greek": "Δήμητρα Παπαδοπούλου",
    "cyrillic": "Олександр Ковальчук",
    "arabic": "فاطمة بنت حسن",
    "hebrew": "דוד בן־גוריון",
    "devanagari": "प्रिया शर्मा",
    "tamil": "தமிழ்செல்வி",
    "thai": "สมชาย วงศ์สว่าง",
    "hangul": "김민준",
    "han": "王芳 𠮷田",
    "kana": "たなか ショウタ",
    "ethiopic": "ሃይሌ ገብረ ሥላሴ",
    "quotes": 'Ana "Nita" O\'Neil \\ <b>&amp;</b> 👩🏽‍🚀',
}


def achievements() -> dict[str, Achievement]:
    entries = canonical.parse(ACHIEVEMENTS.read_bytes())
    assert isinstance(entries, list)
    parsed = map(Achievement.from_json, entries)
    return {achievement.code: achievement for achievement in parsed}


def awards() -> dict[str, tuple[str, Award]]:
    """Achievement code and award, by the name of the case."""
    plain = Award(
        email="ada@example.org",
        name="Ada Example",
        awarded_on=date(2026, 11, 19),
        score=None,
        evidence_url=None,
        narrative=None,
        source=None,
    )
    full = replace(
        plain,
        score="87.5",
        evidence_url="https://portfolio.example.org/ada/1?view=full",
        narrative="Built and defended a working project.\n\nSecond paragraph, *in Markdown*.",
        source=PARTNER,
    )
    return {
        "plain": ("mentor", plain),
        "result": ("git-1", replace(plain, score="70")),
        "evidence": ("py-1", replace(plain, evidence_url=full.evidence_url)),
        "everything, expiring": ("backend-cert", full),
        "withdrawn": ("web-2", full),
        **{
            script: ("sql-1", replace(plain, name=name))
            for script, name in NAMES.items()
        },
    }


@dataclass(frozen=True, slots=True)
class Samples:
    """One batch of credentials and the status list that withdraws one of them."""

    signed: Mapping[str, SignedCredential]
    durable: Mapping[str, DurableCredential]
    status_list: dict[str, Json]

    def documents(self) -> dict[str, dict[str, Json]]:
        """What the files hold, in both forms, by "case, form"."""
        signed = {
            f"{case}, signed": made.document for case, made in self.signed.items()
        }
        durable = {
            f"{case}, durable": canonical.parse_object(made.encode())
            for case, made in self.durable.items()
        }
        return signed | durable


def signed_credential(
    index: int,
    code: str,
    award: Award,
    *,
    issuer: Issuer = ISSUER,
    show_name: bool = True,
) -> SignedCredential:
    document = build_credential(
        credential_id=UUID(int=index, version=4),
        issuer=issuer,
        achievement=achievements()[code],
        achievement_iri=f"https://ledger.example.org/riverside/{code}/1",
        award=award,
        show_name=show_name,
        email_salt=f"salt-of-case-number-{index:04}",
        status_list=STATUS_LIST,
        status_index=index * 1000,
        issued_at=ISSUED,
    )
    return sign_credential(
        document,
        KEY,
        verification_method=issuer.verification_method,
        created=ISSUED,
    )


def status_list(withdrawn: Iterable[int], issuer: Issuer = ISSUER) -> dict[str, Json]:
    document = build_status_list(
        STATUS_LIST, issuer.id, StatusBits.of(withdrawn), valid_from=ISSUED
    )
    # Other verifiers know no nonce in a status list, and need none.
    proof = sign(
        document,
        KEY,
        verification_method=issuer.verification_method,
        created=ISSUED,
        nonce=False,
    )
    return {**document, "proof": [proof]}


def did_document(issuer: Issuer) -> dict[str, Json]:
    """What a school with did:web publishes on its own site."""
    key: Json = {
        "id": issuer.verification_method,
        "type": "Multikey",
        "controller": issuer.id,
        "publicKeyMultibase": issuer.key.multibase,
    }
    contexts: Json = [
        "https://www.w3.org/ns/did/v1",
        "https://w3id.org/security/multikey/v1",
    ]
    return {
        "@context": contexts,
        "id": issuer.id,
        "verificationMethod": [key],
        "assertionMethod": [issuer.verification_method],
    }


def inclusion(leaves: list[bytes], index: int) -> tuple[bytes, ...]:
    """The audit path of RFC 9162 2.1.3.1, straight from its recursion."""
    if len(leaves) == 1:
        return ()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return (*inclusion(leaves[:split], index), root(leaves[split:]))
    return (*inclusion(leaves[split:], index - split), root(leaves[:split]))


def build() -> Samples:
    signed = {
        case: signed_credential(index, code, award, show_name=case != "evidence")
        for index, (case, (code, award)) in enumerate(awards().items())
    }
    leaves = [made.leaf for made in signed.values()]
    sealed = sealed_root(len(leaves), root(leaves))
    anchor = Anchor(CHAIN, ANCHOR_REGISTRY, block_number=12, time=1_795_600_000)
    durable = {
        case: DurableCredential.from_parts(
            made,
            inclusion=InclusionProof(index, len(leaves), inclusion(leaves, index)),
            sealed_root=sealed,
            issuer_profile=PROFILE,
            anchors=(anchor,),
        )
        for index, (case, made) in enumerate(signed.items())
    }
    withdrawn = [signed["withdrawn"].status_index]
    return Samples(signed, durable, status_list(withdrawn))
