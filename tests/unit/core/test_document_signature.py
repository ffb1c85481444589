"""eddsa-jcs-2022 over a file that is no credential: every changed part is seen."""

import copy
import hashlib
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, strategies as st

from ledger.core import canonical
from ledger.core.canonical import Json
from ledger.core.document_signature import (
    DocumentSignature,
    check_document,
    sign_document,
)
from ledger.core.keys import SigningKey, decode_base58, encode_base58
from ledger.errors import MalformedError, ProofError

KEY = SigningKey.from_seed(b"\x21" * 32)
AT = datetime(2026, 11, 25, 8, 44, tzinfo=UTC)
DOCUMENT: dict[str, Json] = {"version": 1, "name": "Admissions", "issuers": []}


def proof(**members: Json) -> dict[str, Json]:
    return sign_document(DOCUMENT, KEY, created=AT) | members


def test_the_signer_and_the_time_are_read() -> None:
    assert check_document(DOCUMENT, proof()) == DocumentSignature(KEY.public, AT)


def test_what_is_signed_is_options_then_document_as_the_specification_has_it() -> None:
    """vc-di-eddsa 3.3.4: SHA-256(JCS(proof options)) and then SHA-256(JCS(document))."""
    made = proof()
    text = made.pop("proofValue")
    assert isinstance(text, str)
    options = (
        f'{{"created":"2026-11-25T08:44:00Z","cryptosuite":"eddsa-jcs-2022",'
        f'"proofPurpose":"assertionMethod","type":"DataIntegrityProof",'
        f'"verificationMethod":"{KEY.public.did}#{KEY.public.multibase}"}}'
    )
    document = '{"issuers":[],"name":"Admissions","version":1}'
    data = b"".join(
        hashlib.sha256(part.encode()).digest() for part in (options, document)
    )

    Ed25519PublicKey.from_public_bytes(KEY.public.raw).verify(
        decode_base58(text[1:]), data
    )


def test_a_document_that_carries_a_proof_is_not_signed_again() -> None:
    with pytest.raises(MalformedError, match="carries one already"):
        sign_document({**DOCUMENT, "proof": {}}, KEY, created=AT)


@pytest.mark.parametrize("member", sorted(DOCUMENT))
def test_a_changed_document_does_not_hold(member: str) -> None:
    changed = copy.deepcopy(DOCUMENT) | {member: "x"}
    with pytest.raises(ProofError):
        check_document(changed, proof())


@given(st.integers(0, 511))
def test_no_bit_of_the_signature_can_be_turned(bit: int) -> None:
    made = proof()
    text = made["proofValue"]
    assert isinstance(text, str)
    raw = bytearray(decode_base58(text[1:]))
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ProofError):
        check_document(DOCUMENT, made | {"proofValue": "z" + encode_base58(bytes(raw))})


OTHER = SigningKey.from_seed(b"\x22" * 32).public


@pytest.mark.parametrize(
    ("members", "error", "reason"),
    [
        ({"created": "2026-11-25T08:44:01Z"}, ProofError, "does not fit"),
        ({"created": "yesterday"}, MalformedError, "an instant is written"),
        ({"cryptosuite": "eddsa-rdfc-2022"}, MalformedError, "eddsa-jcs-2022 expected"),
        ({"proofPurpose": "authentication"}, MalformedError, "assertionMethod"),
        ({"verificationMethod": OTHER.verification_method}, ProofError, "does not fit"),
        (
            {"verificationMethod": f"did:web:x.example#{KEY.public.multibase}"},
            MalformedError,
            "a did:key and its key",
        ),
        ({"verificationMethod": KEY.public.did}, MalformedError, "no fragment"),
        ({"proofValue": "z1"}, MalformedError, "64 bytes"),
        ({"proofValue": 7}, MalformedError, "not a string"),
        ({"nonce": "u"}, MalformedError, "unknown member"),
    ],
)
def test_a_changed_or_strange_proof_is_refused(
    members: dict[str, Json], error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        check_document(DOCUMENT, proof(**members))


@pytest.mark.parametrize("member", sorted(proof()))
def test_every_member_is_needed(member: str) -> None:
    made = proof()
    del made[member]
    with pytest.raises(MalformedError, match=f"{member}: missing"):
        check_document(DOCUMENT, made)


@pytest.mark.parametrize("value", [None, "x", [proof()], 1])
def test_a_proof_is_one_object(value: Json) -> None:
    with pytest.raises(MalformedError, match="not an object"):
        check_document(DOCUMENT, value)


def test_the_proof_does_not_depend_on_the_order_of_members() -> None:
    turned = dict(reversed(DOCUMENT.items()))
    assert canonical.encode(turned) == canonical.encode(DOCUMENT)
    again = check_document(turned, dict(reversed(proof().items())))
    assert again.key == KEY.public
