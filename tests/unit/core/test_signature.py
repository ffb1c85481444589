"""Signing and checking, against the published vectors and against damage."""

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ledger.core.canonical import Json, encode, parse, parse_object
from ledger.core.keys import (
    PublicKey,
    SigningKey,
    decode_base58,
    encode_base58,
    encode_base64url,
)
from ledger.core.rdf import CONTEXTS, CREDENTIAL_CONTEXTS, STATUS_LIST_CONTEXTS
from ledger.core.signature import (
    check_signature,
    json_nonce,
    proof_options,
    sign,
    signing_input,
)
from ledger.errors import LedgerError, MalformedError, ProofError

_PUBLISHED = Path(__file__).parents[2] / "vectors" / "published"
_OB30 = _PUBLISHED / "1edtech" / "ob30"
_W3C = _PUBLISHED / "w3c" / "vc-di-eddsa"
_VOCABULARIES = [CREDENTIAL_CONTEXTS, CREDENTIAL_CONTEXTS[:2], STATUS_LIST_CONTEXTS]
_KEY = SigningKey.from_seed(bytes(range(32)))
_METHOD = f"{_KEY.public.did}#{_KEY.public.multibase}"
_CREATED = datetime(2026, 11, 25, 8, 44, tzinfo=UTC)
_ALIAS = "https://purl.imsglobal.org/spec/ob/v3p0/context.json"


def _document(issuer: Json = None) -> dict[str, Json]:
    return {
        "@context": list(CREDENTIAL_CONTEXTS),
        "id": "urn:uuid:58172aac-d8ba-41ed-83dd-0b3aef56cc33",
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "issuer": {"id": _KEY.public.did, "type": ["Profile"], "name": "A"}
        if issuer is None
        else issuer,
        "name": "Teamwork",
        "credentialSubject": {"type": ["AchievementSubject"], "narrative": "Helped."},
    }


def _signed(**options: Any) -> tuple[dict[str, Json], dict[str, Json]]:
    document = _document()
    options = {"verification_method": _METHOD, "created": _CREATED, **options}
    return document, sign(document, _KEY, **options)


def test_the_vector_of_1edtech_byte_for_byte() -> None:
    folder = _PUBLISHED / "1edtech" / "impl-guide"
    vector: dict[str, Any] = parse_object((folder / "ob3-vector.json").read_bytes())
    key = SigningKey.from_seed(bytes.fromhex(vector["privateKeyHex"]))
    config = vector["proofConfig"]

    both = signing_input(vector["credential"], config)
    proof = sign(
        vector["credential"],
        key,
        verification_method=config["verificationMethod"],
        created=datetime(2010, 1, 1, 19, 23, 24, tzinfo=UTC),
        nonce=False,
    )

    assert key.public.raw.hex() == vector["publicKeyHex"]
    assert both.config == (folder / "ob3-proof-canon.nq").read_bytes()
    assert both.document == (folder / "ob3-document-canon.nq").read_bytes()
    assert hashlib.sha256(both.config).hexdigest() == vector["proofCanonSha256"]
    assert hashlib.sha256(both.document).hexdigest() == vector["documentCanonSha256"]
    assert both.data.hex() == vector["dataToSignHex"]
    assert key.sign(both.data).hex() == vector["signatureHex"]
    assert proof == {**config, "proofValue": vector["proofValue"]}
    assert key.public == check_signature(
        vector["credential"], proof, require_nonce=False
    )


# What the terms of https://w3id.org/citizenship/v4rc1 mean in the published canonical text.
_CITIZENSHIP = "https://w3id.org/citizenship#"
_W3C_CONTEXTS: dict[str, Json] = {
    **CONTEXTS,
    "https://www.w3.org/ns/credentials/examples/v2": {
        "@context": {"@vocab": "https://www.w3.org/ns/credentials/examples#"}
    },
    "https://w3id.org/citizenship/v4rc1": {
        "@context": {
            "EmploymentAuthorizationDocumentCredential": _CITIZENSHIP
            + "EmploymentAuthorizationDocumentCredential",
            "EmploymentAuthorizationDocument": _CITIZENSHIP
            + "EmploymentAuthorizationDocument",
            "EmployablePerson": _CITIZENSHIP + "EmployablePerson",
            "Person": "https://schema.org/Person",
            "image": {"@id": "https://schema.org/image", "@type": "@id"},
            "givenName": "https://schema.org/givenName",
            "additionalName": "https://schema.org/additionalName",
            "familyName": "https://schema.org/familyName",
            "gender": "https://schema.org/gender",
            "birthDate": {
                "@id": "https://schema.org/birthDate",
                "@type": "http://www.w3.org/2001/XMLSchema#dateTime",
            },
            "birthCountry": _CITIZENSHIP + "birthCountry",
            "residentSince": {
                "@id": _CITIZENSHIP + "residentSince",
                "@type": "http://www.w3.org/2001/XMLSchema#dateTime",
            },
            "employmentAuthorizationDocument": _CITIZENSHIP
            + "employmentAuthorizationDocument",
            "identifier": "https://schema.org/identifier",
            "lprCategory": _CITIZENSHIP + "lprCategory",
            "lprNumber": _CITIZENSHIP + "lprNumber",
        }
    },
}


@pytest.mark.parametrize("folder", ["eddsa-rdfc-2022", "eddsa-rdfc-2022/employ"])
def test_the_vectors_of_w3c_byte_for_byte(folder: str) -> None:
    def text(name: str) -> str:
        return (_W3C / folder / name).read_text().strip()

    signed = parse_object((_W3C / folder / "signedDataInt.json").read_bytes())
    proof = signed.pop("proof")
    assert isinstance(proof, dict)
    secret = str(
        parse_object((_W3C / "keyPair.json").read_bytes())["privateKeyMultibase"]
    )
    key = SigningKey.from_seed(decode_base58(secret[1:])[2:])
    config = {name: value for name, value in proof.items() if name != "proofValue"}

    both = signing_input(signed, config, contexts=_W3C_CONTEXTS)

    assert both.document.decode().strip() == text("canonDocDataInt.txt")
    assert both.config.decode().strip() == text("proofCanonDataInt.txt")
    assert hashlib.sha256(both.document).hexdigest() == text("docHashDataInt.txt")
    assert hashlib.sha256(both.config).hexdigest() == text("proofHashDataInt.txt")
    assert both.data.hex() == text("combinedHashDataInt.txt")
    assert key.sign(both.data).hex() == text("sigHexDataInt.txt")
    assert "z" + encode_base58(key.sign(both.data)) == text("sigBTC58DataInt.txt")
    assert proof["proofValue"] == text("sigBTC58DataInt.txt")


def test_a_key_that_is_not_the_issuers_is_refused() -> None:
    """The W3C vector names an issuer by https and a key by did:key: a true signature."""
    signed = parse_object(
        (_W3C / "eddsa-rdfc-2022" / "signedDataInt.json").read_bytes()
    )
    proof = signed.pop("proof")

    with pytest.raises(ProofError, match="is not the issuer's"):
        check_signature(signed, proof, require_nonce=False, contexts=_W3C_CONTEXTS)


def _samples() -> dict[str, str]:
    """The expectation of every 1EdTech sample, from the table of the published vectors."""
    expected: dict[str, str] = {}
    for line in (_PUBLISHED / "README.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 5 and re.fullmatch(r"1edtech/(ob30|clr20)/.*\.json", cells[1]):
            expected[cells[1]] = cells[5]
    return expected


_SAMPLE_CONTEXTS = {**CONTEXTS, _ALIAS: CONTEXTS[CREDENTIAL_CONTEXTS[1]]}


def _check_sample(name: str) -> None:
    """What `check_signature` does, without our rules about where the key may stand."""
    document = parse_object((_PUBLISHED / name).read_bytes())
    proofs = document.pop("proof")
    proof = next(
        proof
        for proof in (proofs if isinstance(proofs, list) else [proofs])
        if isinstance(proof, dict) and proof["type"] == "DataIntegrityProof"
    )
    method = str(proof["verificationMethod"])
    if not method.startswith(("https:", "did:key:")):
        raise MalformedError("verification method")
    key = PublicKey.from_multibase(re.split("[:#]", method)[-1])
    config = {name: value for name, value in proof.items() if name != "proofValue"}
    data = signing_input(document, config, contexts=_SAMPLE_CONTEXTS).data
    key.check(decode_base58(str(proof["proofValue"])[1:]), data)


@pytest.mark.parametrize(
    "name", [name for name, note in _samples().items() if "signature valid" in note]
)
def test_samples_of_1edtech_that_are_signed_well(name: str) -> None:
    if name == "1edtech/clr20/simple.json":
        with pytest.raises(MalformedError, match="not one of the pinned contexts"):
            _check_sample(name)
    else:
        _check_sample(name)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, note in _samples().items()
        if "signature invalid" in note or "verification method" in note
    ],
)
def test_samples_of_1edtech_that_are_not(name: str) -> None:
    with pytest.raises(LedgerError):
        _check_sample(name)


def test_every_sample_has_an_expectation() -> None:
    files = {str(file.relative_to(_PUBLISHED)) for file in _OB30.rglob("*.json")} | {
        "1edtech/clr20/simple.json"
    }
    unsaid = {
        name
        for name, note in _samples().items()
        if not re.search("signature (in)?valid|verification method|first proof", note)
    }

    assert _samples().keys() == files
    assert unsaid == set()


def test_the_sample_with_a_stranger_proof_first_has_a_good_one_second() -> None:
    _check_sample("1edtech/ob30/simple-multiple-proofs.json")


def test_sign_then_check() -> None:
    document, proof = _signed()

    assert check_signature(document, proof) == _KEY.public
    assert list(proof) == [
        "type",
        "cryptosuite",
        "proofPurpose",
        "created",
        "verificationMethod",
        "nonce",
        "proofValue",
    ]
    assert proof["created"] == "2026-11-25T08:44:00Z"
    read = check_signature(parse_object(encode(document)), parse(encode(proof)))
    assert read == _KEY.public


@pytest.mark.parametrize("contexts", _VOCABULARIES)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"nonce": None},
        {"proofPurpose": "authentication"},
        {"cryptosuite": "ecdsa-rdfc-2019"},
        {"type": "Ed25519Signature2020"},
        {"domain": "school.example"},
        {"expires": "2027-11-25T08:44:00Z"},
        {"nonce": 'quoted "u"'},
        {"nonce": "bell \x07"},
        {"created": "yesterday\n"},
        {"created": 5},
        {"created": 10**5000},
        {"nonce": ["u0"]},
        {"nonce": True},
        {"verificationMethod": "no IRI"},
        {"verificationMethod": "urn:a:b"},
        {"verificationMethod": "urn:a\u2028b"},
        {"@context": list(CREDENTIAL_CONTEXTS[:1])},
    ],
)
def test_whatever_the_options_their_text_is_the_one_of_pyld(
    changes: dict[str, Any], contexts: Sequence[str]
) -> None:
    """Of those that are written here only three texts differ: they are filled in."""
    document: dict[str, Json] = {**_document(), "@context": [*contexts]}
    options: dict[str, Json] = {
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-rdfc-2022",
        "created": "2026-11-25T08:44:00Z",
        "verificationMethod": _METHOD,
        "proofPurpose": "assertionMethod",
        "nonce": "u0",
        **changes,
    }
    config: dict[str, Json] = {
        name: value for name, value in options.items() if value is not None
    }

    def text(*, by_pyld: bool) -> bytes | type[MalformedError]:
        try:
            return signing_input(document, config, by_pyld=by_pyld).config
        except MalformedError:
            return MalformedError

    assert text(by_pyld=False) == text(by_pyld=True)


@pytest.mark.parametrize(
    "contexts",
    [
        CREDENTIAL_CONTEXTS[0],
        [],
        [*CREDENTIAL_CONTEXTS, {"name": "urn:x:name"}],
        [[CREDENTIAL_CONTEXTS[0]]],
        [1, True],
        [*reversed(CREDENTIAL_CONTEXTS)],
    ],
)
def test_in_other_contexts_too(contexts: Json) -> None:
    """Whether pyld reads or refuses them."""
    document: dict[str, Json] = {**_document(), "@context": contexts}
    config = proof_options("2026-11-25T08:44:00Z", _METHOD, "u0")

    def outcome(*, by_pyld: bool) -> bytes | str:
        try:
            return signing_input(document, config, by_pyld=by_pyld).config
        except MalformedError as error:
            return str(error)

    assert outcome(by_pyld=False) == outcome(by_pyld=True)


def test_signing_is_deterministic() -> None:
    assert _signed() == _signed()


def test_created_is_written_in_utc_and_whole_seconds() -> None:
    east = _CREATED.astimezone(timezone(timedelta(hours=9))) + timedelta(microseconds=9)

    assert _signed() == _signed(created=east)
    with pytest.raises(MalformedError, match="time zone"):
        _signed(created=datetime(2026, 1, 1))  # noqa: DTZ001 - the fault under test


def test_an_issuer_given_as_a_text_is_the_same() -> None:
    document = _document(issuer=_KEY.public.did)
    proof = sign(document, _KEY, verification_method=_METHOD, created=_CREATED)

    assert check_signature(document, proof) == _KEY.public


def test_did_web_carries_its_key_in_the_fragment() -> None:
    document = _document(issuer="did:web:school.example.org")
    method = f"did:web:school.example.org#{_KEY.public.multibase}"
    proof = sign(document, _KEY, verification_method=method, created=_CREATED)

    assert check_signature(document, proof) == _KEY.public
    with pytest.raises(ProofError, match="is not the issuer's"):
        check_signature(
            _document(issuer="did:web:other.example.org"),
            {
                **proof,
                "nonce": json_nonce(_document(issuer="did:web:other.example.org")),
            },
        )


def test_json_nonce_known_answer() -> None:
    """u + base64url(SHA-256(0x03 || {"a":1}))"""
    digest = hashlib.sha256(b'\x03{"a":1}').digest()

    assert json_nonce({"a": 1}) == "u" + encode_base64url(digest)
    assert json_nonce({"a": 1}) == "uuD8X0IuHPRlLK5-zMtx6imQCYQP2HXYCqWVxrqNPaiM"


def test_without_a_nonce_only_where_the_caller_says_so() -> None:
    document, proof = _signed(nonce=False)

    assert "nonce" not in proof
    assert check_signature(document, proof, require_nonce=False) == _KEY.public
    with pytest.raises(MalformedError, match=r"proof\.nonce: missing"):
        check_signature(document, proof)


@pytest.mark.parametrize(
    "other",
    [
        # All three say the same graph.
        lambda d: d | {"name": ["Teamwork"]},
        lambda d: d | {"type": ["OpenBadgeCredential", "VerifiableCredential"]},
        lambda d: d | {"https://schema.org/name": d.pop("name")},
    ],
    ids=["array-of-one", "other-order", "whole-iri"],
)
def test_the_nonce_refuses_another_json_of_the_same_graph(other: Any) -> None:
    document, proof = _signed()
    changed = other(dict(document))
    config = {k: v for k, v in proof.items() if k != "proofValue"}

    assert signing_input(document, config) == signing_input(changed, config)
    with pytest.raises(ProofError, match="not the JSON that was signed"):
        check_signature(changed, proof)


def test_a_nonce_is_signed_too() -> None:
    """Another JSON of the same graph, with the nonce made to fit it."""
    document, proof = _signed()
    changed = document | {"name": ["Teamwork"]}

    with pytest.raises(ProofError, match="does not fit"):
        check_signature(changed, proof | {"nonce": json_nonce(changed)})


@pytest.mark.parametrize(
    ("kind", "reason", "change"),
    [
        (MalformedError, "proof.type: DataIntegrityProof", {"type": "Other"}),
        (MalformedError, "proof.type: not a string", {"type": ["DataIntegrityProof"]}),
        (
            MalformedError,
            "proof.cryptosuite: eddsa-rdfc",
            {"cryptosuite": "eddsa-2022"},
        ),
        (
            MalformedError,
            "proof.cryptosuite: eddsa-rdfc",
            {"cryptosuite": "eddsa-jcs-2022"},
        ),
        (
            MalformedError,
            "proof.proofPurpose: assertionMethod expected",
            {"proofPurpose": "authentication"},
        ),
        (MalformedError, "proof.expires: unknown", {"expires": "2030-01-01T00:00:00Z"}),
        (MalformedError, "proof.@context: unknown", {"@context": "urn:x"}),
        (MalformedError, "proof.id: unknown", {"id": "urn:x"}),
        (MalformedError, "an instant is", {"created": "2026-11-25T08:44:00+00:00"}),
        (MalformedError, "an instant is", {"created": "2026-11-25T08:44:00.0Z"}),
        (MalformedError, "no such day", {"created": "2026-02-30T08:44:00Z"}),
        (ProofError, "does not fit", {"created": "2026-11-25T08:44:01Z"}),
        (MalformedError, "no fragment", {"verificationMethod": _KEY.public.did}),
        (
            MalformedError,
            "two different keys",
            {
                "verificationMethod": _KEY.public.did
                + "#"
                + SigningKey.from_seed(bytes(32)).public.multibase
            },
        ),
        (MalformedError, "multikey", {"verificationMethod": _KEY.public.did + "#z6"}),
        (MalformedError, "base58", {"verificationMethod": _METHOD + "#"}),
        (ProofError, "not the JSON", {"nonce": "u" + encode_base64url(bytes(32))}),
        (
            MalformedError,
            "proof.nonce: u and",
            {"nonce": "u" + encode_base64url(bytes(31))},
        ),
        (MalformedError, "proof.nonce: u and", {"nonce": encode_base64url(bytes(32))}),
        (
            MalformedError,
            "base64url",
            {"nonce": "u" + encode_base64url(bytes(32)) + "="},
        ),
        (MalformedError, "proof.nonce: not a string", {"nonce": 1}),
        (MalformedError, "proof.proofValue: z and", {"proofValue": "u2"}),
        (MalformedError, "64 bytes", {"proofValue": "z" + encode_base58(b"\1" * 63)}),
        (MalformedError, "64 bytes", {"proofValue": "z1" + encode_base58(b"\1" * 64)}),
        (ProofError, "does not fit", {"proofValue": "z" + encode_base58(b"\1" * 64)}),
    ],
)
def test_a_changed_proof_is_refused(
    kind: type[LedgerError], reason: str, change: dict[str, Json]
) -> None:
    document, proof = _signed()

    with pytest.raises(kind) as refusal:
        check_signature(document, {**proof, **change})

    assert reason in str(refusal.value)


@pytest.mark.parametrize("name", sorted(_signed()[1]))
def test_a_proof_without_one_member_is_refused(name: str) -> None:
    document, proof = _signed()
    del proof[name]

    with pytest.raises(MalformedError, match=rf"proof\.{name}: missing"):
        check_signature(document, proof)


@pytest.mark.parametrize("proof", [None, [], [{}], "a"])
def test_a_proof_is_an_object(proof: Json) -> None:
    with pytest.raises(MalformedError, match="proof: not an object"):
        check_signature(_document(), proof)


@pytest.mark.parametrize("bit", range(0, 512, 7))
def test_no_bit_of_the_signature_can_change(bit: int) -> None:
    document, proof = _signed()
    value = bytearray(decode_base58(str(proof["proofValue"])[1:]))
    value[bit // 8] ^= 1 << bit % 8

    with pytest.raises(ProofError):
        check_signature(
            document, {**proof, "proofValue": "z" + encode_base58(bytes(value))}
        )


@pytest.mark.parametrize("issuer", [1, {}, {"id": 1}, {"name": "A"}, []])
def test_an_issuer_without_id_is_malformed(issuer: Json) -> None:
    document = _document()
    changed = {**document, "issuer": issuer}
    _, proof = _signed()

    with pytest.raises(MalformedError, match="issuer: no id"):
        check_signature(changed, {**proof, "nonce": json_nonce(changed)})


def test_a_document_with_a_proof_is_neither_signed_nor_checked() -> None:
    document, proof = _signed()
    whole: dict[str, Json] = {**document, "proof": [proof]}

    with pytest.raises(MalformedError, match="one already"):
        sign(whole, _KEY, verification_method=_METHOD, created=_CREATED)
    with pytest.raises(MalformedError, match="taken out"):
        check_signature(whole, proof)


def test_a_document_without_context_is_malformed() -> None:
    document = _document()
    del document["@context"]

    with pytest.raises(MalformedError, match="@context: missing"):
        sign(document, _KEY, verification_method=_METHOD, created=_CREATED)


def test_sign_refuses_a_method_that_names_another_key() -> None:
    other = SigningKey.from_seed(bytes(32)).public

    with pytest.raises(MalformedError, match="does not name the signing key"):
        _signed(verification_method=f"{other.did}#{other.multibase}")


def test_a_published_digest_for_every_published_file() -> None:
    table = dict(
        re.findall(
            r"^\| (\S+) \|.*`([0-9a-f]{64})`",
            (_PUBLISHED / "README.md").read_text(),
            re.MULTILINE,
        )
    )
    files = {
        str(file.relative_to(_PUBLISHED)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in _PUBLISHED.rglob("*")
        if file.is_file() and file.name != "README.md"
    }

    assert files == table
