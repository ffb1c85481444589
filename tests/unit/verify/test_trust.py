"""The trust list: whole identifiers, each once."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from ledger.core import canonical
from ledger.core.document_signature import DocumentSignature
from ledger.core.issuer import IssuerReference
from ledger.core.keys import SigningKey
from ledger.errors import MalformedError
from ledger.verify.trust import (
    Trusted,
    TrustList,
    encode_signed_trust_list,
    encode_trust_list,
    parse_trust_list,
)

REGISTRY = "0x" + "1" * 40
SCHOOL = IssuerReference(1, REGISTRY, b"\x01" * 32)
BOARD = IssuerReference(1, REGISTRY, b"\x02" * 32)
ELSEWHERE = IssuerReference(2, REGISTRY, b"\x02" * 32)

ENTRY = {"id": SCHOOL.text, "name": "Riverside"}


def document(**members: Any) -> bytes:
    base = {"version": 1, "name": "My list", "issuers": [ENTRY], "accreditors": []}
    return json.dumps(base | members).encode()


def test_a_list_is_read_with_its_names() -> None:
    expected = TrustList("My list", issuers=(Trusted(SCHOOL, "Riverside"),))

    assert expected == parse_trust_list(document())


def test_an_entry_is_the_whole_identifier_and_not_the_id_alone() -> None:
    """The same 32 bytes on another chain or in another registry are another issuer."""
    trust = parse_trust_list(document())

    assert trust.issuer(SCHOOL) == Trusted(SCHOOL, "Riverside")
    assert trust.issuer(IssuerReference(2, REGISTRY, SCHOOL.issuer_id)) is None
    assert trust.issuer(IssuerReference(1, "0x" + "2" * 40, SCHOOL.issuer_id)) is None


def test_accreditors_count_only_in_the_registry_where_they_can_endorse() -> None:
    board = Trusted(BOARD, "Skills Board")
    lookalike = IssuerReference(1, "0x" + "2" * 40, BOARD.issuer_id)
    others = (Trusted(ELSEWHERE, "Other"), Trusted(lookalike, "Skills Board"))
    trust = TrustList("l", accreditors=(board, *others))

    assert (board,) == trust.accreditors_beside(SCHOOL)


def test_an_issuer_may_be_an_accreditor_too() -> None:
    trust = parse_trust_list(document(accreditors=[ENTRY]))

    assert trust.issuers == trust.accreditors


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{", "trust list: not JSON"),
        (document(version=0), "version 1 expected"),
        (document(name="\u2066x"), "reorder"),
        (document(name=7), "trust list.name: not a string"),
        (document(note="x"), "note: unknown member"),
        (b'{"version":1,"name":"x","issuers":[]}', "accreditors: missing"),
        (document(issuers="*"), "issuers: not a list"),
        (document(issuers=["*"]), "issuers[0]: not an object"),
        (document(issuers=[{"id": SCHOOL.text}]), "issuers[0].name: missing"),
        (document(issuers=[ENTRY | {"id": "0x" + "01" * 32}]), "issuers[0].id: an iss"),
        (document(issuers=[ENTRY | {"id": SCHOOL.text.upper()}]), "issuers[0].id"),
        (document(issuers=[ENTRY, ENTRY | {"name": "Other"}]), "stands there twice"),
        (document(accreditors=[ENTRY, ENTRY]), "accreditors: eip155:1:"),
        (b" " * 8_388_609, "at most 8388608"),
    ],
)
def test_anything_else_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(MalformedError) as refused:
        parse_trust_list(data)

    assert reason in str(refused.value)


TRUSTED = st.builds(
    Trusted,
    st.builds(
        IssuerReference,
        st.integers(1, 2**53 - 1),
        st.binary(min_size=20, max_size=20).map(lambda b: f"0x{b.hex()}"),
        st.binary(min_size=32, max_size=32),
    ),
    st.text("abcĐéß学校", min_size=1, max_size=20),
)
UNIQUE = st.lists(TRUSTED, max_size=4, unique_by=lambda entry: entry.reference)


@given(UNIQUE, UNIQUE)
def test_what_is_written_is_read_back(
    issuers: list[Trusted], accreditors: list[Trusted]
) -> None:
    trust = TrustList("Meine Liste", tuple(issuers), tuple(accreditors))

    assert trust == parse_trust_list(encode_trust_list(trust))


SIGNER = SigningKey.from_seed(b"\x31" * 32)
SIGNED_AT = datetime(2026, 11, 25, tzinfo=UTC)


@given(UNIQUE, UNIQUE)
def test_a_signed_list_says_who_signed_it(
    issuers: list[Trusted], accreditors: list[Trusted]
) -> None:
    trust = TrustList("Meine Liste", tuple(issuers), tuple(accreditors))
    data = encode_signed_trust_list(trust, SIGNER, created=SIGNED_AT)

    signature = DocumentSignature(SIGNER.public, SIGNED_AT)
    assert replace(trust, signature=signature) == parse_trust_list(data)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": "Other"}, "changed after it was signed"),
        ({"issuers": []}, "changed after it was signed"),
        ({"proof": {}}, "proof.type: missing"),
        ({"proof": None}, "proof: not an object"),
    ],
)
def test_a_proof_that_does_not_hold_refuses_the_whole_list(
    change: dict[str, Any], reason: str
) -> None:
    trust = TrustList("Mine", (Trusted(SCHOOL, "Riverside"),))
    data = encode_signed_trust_list(trust, SIGNER, created=SIGNED_AT)
    changed = json.dumps(json.loads(data) | change).encode()
    with pytest.raises(MalformedError, match=reason):
        parse_trust_list(changed)


# ---------------------------------------------------------------- vectors

VECTORS = Path(__file__).parents[2] / "vectors" / "trust"
MANIFEST = canonical.parse_object((VECTORS / "manifest.json").read_bytes())


@pytest.mark.parametrize(("name", "expected"), list(MANIFEST["valid"].items()))  # type: ignore[union-attr]
def test_a_valid_vector_names_its_signer(name: str, expected: dict[str, Any]) -> None:
    signature = parse_trust_list((VECTORS / name).read_bytes()).signature

    assert expected["signedBy"] == (signature.key.did if signature else None)


@pytest.mark.parametrize(("name", "expected"), list(MANIFEST["invalid"].items()))  # type: ignore[union-attr]
def test_an_invalid_vector_is_refused(name: str, expected: dict[str, Any]) -> None:
    with pytest.raises(MalformedError, match=expected["says"]):
        parse_trust_list((VECTORS / name).read_bytes())
