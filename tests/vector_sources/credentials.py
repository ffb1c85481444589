"""
The files of tests/vectors/credentials: keys, times and identifiers are fixed.

`files()` answers every file of the folder by its name. Valid ones are built by the code
under test and then pinned by the committed bytes; invalid ones are damaged copies, and carry
the error that is expected of them.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from ledger.core.canonical import Json, encode, parse, parse_object
from ledger.core.credential import (
    Achievement,
    Award,
    Issuer,
    SignedCredential,
    sign_credential,
)
from ledger.core.issuer import (
    IssuerProfile,
    IssuerReference,
    issuer_id,
    recovery_commitment,
)
from ledger.core.keys import SigningKey, encode_base58
from ledger.core.offer import build_credential
from ledger.core.signature import json_nonce, sign, signing_input

FOLDER = Path(__file__).parents[1] / "vectors" / "credentials"
ACHIEVEMENTS = {
    str(value["code"]): Achievement.from_json(value)
    for value in parse((FOLDER.parent / "riverside" / "achievements.json").read_bytes())  # type: ignore[union-attr]
    if isinstance(value, dict)
}

KEY = SigningKey.from_seed(hashlib.sha256(b"perdure vectors: signing key").digest())
OTHER_KEY = SigningKey.from_seed(hashlib.sha256(b"perdure vectors: other").digest())
ISSUED_AT = datetime(2026, 11, 25, 8, 44, tzinfo=UTC)
PROFILE = IssuerProfile(
    name="Riverside Code School",
    url="https://riverside.example.org",
    email="registrar@riverside.example.org",
    description="A twelve-week full-stack programme, in person and remote.",
    country="PT",
    did=("did:web:riverside.example.org",),
)
PARTNER = IssuerProfile(
    name="Harbour Learning Partners", url="https://harbour.example.org/about"
)
REFERENCE = IssuerReference(
    31337,
    "0x" + "5e" * 20,
    issuer_id(
        31337,
        "0x" + "11" * 20,
        recovery_commitment("0x" + "22" * 20),
        PROFILE.hash,
        hashlib.sha256(b"perdure vectors: salt").digest(),
    ),
)
ISSUER = Issuer(PROFILE, REFERENCE, KEY.public)
STATUS_LIST = "https://ledger.example.org/status/riverside/1"

NAMES = {
    "arabic": "فاطمة الزهراء",
    "cyrillic": "Анастасия Кузнецова",
    "devanagari": "प्रिया शर्मा",
    "georgian": "ნინო ბერიძე",
    "greek": "Ελένη Παπαδοπούλου",
    "han": "王小明",
    "hangul": "김민준",
    "hebrew": "נועה לוי",
    "latin": "Zoë Ångström-Nuñez",
    "thai": "สมชาย ใจดี",
}


def document(
    code: str,
    award: Award,
    *,
    number: int,
    issuer: Issuer = ISSUER,
    show_name: bool = True,
) -> dict[str, Json]:
    """Build the unsigned credential of one of the school's achievements."""
    return build_credential(
        credential_id=UUID(
            bytes=hashlib.sha256(f"credential {number}".encode()).digest()[:16],
            version=4,
        ),
        issuer=issuer,
        achievement=ACHIEVEMENTS[code],
        achievement_iri=f"https://ledger.example.org/achievements/riverside/{code}/1",
        award=award,
        show_name=show_name,
        email_salt=hashlib.sha256(f"salt {number}".encode()).hexdigest()[:32],
        status_list=STATUS_LIST,
        status_index=94_000 + number,
        issued_at=ISSUED_AT,
    )


def signed(unsigned: dict[str, Json], issuer: Issuer = ISSUER) -> SignedCredential:
    """Sign as the school does."""
    return sign_credential(
        unsigned,
        KEY,
        verification_method=issuer.verification_method,
        created=ISSUED_AT,
    )


def _award(name: str | None, **facts: Any) -> Award:
    return Award(
        email="learner@example.org", awarded_on=date(2026, 3, 31), name=name, **facts
    )


def _everything() -> Award:
    return _award(
        "Ana Lima",
        score="88.5",
        evidence_url="https://portfolio.example.org/ana/1?view=full#code",
        narrative='Built "and defended"\n\n* a working project \\o/\n* and its tests.',
        source=PARTNER,
    )


@cache
def everything() -> SignedCredential:
    """The credential that has most members; the invalid ones are made from it."""
    return signed(document("backend-cert", _everything(), number=3))


def valid_credentials() -> Iterator[tuple[str, SignedCredential]]:
    """The credentials of the folder `valid`, by file name without its ending."""
    yield "smallest", signed(document("mentor", _award(None), number=1))
    yield "skill", signed(document("git-1", _award("Ana Lima", score="70"), number=2))
    yield "everything", everything()
    yield (
        "name-hidden",
        signed(document("py-1", _award("Ana Lima"), number=4, show_name=False)),
    )
    web = Issuer(PROFILE, REFERENCE, KEY.public, did="did:web:riverside.example.org")
    unsigned = document("sql-1", _award("Ana Lima"), number=5, issuer=web)
    yield "did-web", signed(unsigned, web)
    for number, (script, name) in enumerate(NAMES.items(), start=10):
        yield f"name-{script}", signed(document("git-1", _award(name), number=number))


@dataclass(frozen=True, slots=True)
class Invalid:
    """A file that must be refused: with which error, and what its message says."""

    data: bytes
    error: str
    says: str


def _edited(change: Callable[[dict[str, Any]], object], *, resign: bool) -> bytes:
    """Change the credential "everything", and sign what came out, or leave the proof."""
    base = everything()
    changed: dict[str, Any] = parse_object(base.data)
    if not resign:
        change(changed)
        return encode(changed)
    del changed["proof"]
    change(changed)
    method = ISSUER.verification_method
    proof = sign(changed, KEY, verification_method=method, created=ISSUED_AT)
    return encode({**changed, "proof": [proof]})


def _malformed(says: str, change: Callable[[dict[str, Any]], object]) -> Invalid:
    """A sound signature over a document that the closed model does not allow."""
    return Invalid(_edited(change, resign=True), "malformed", says)


def _malformed_file(says: str, change: Callable[[dict[str, Any]], object]) -> Invalid:
    return Invalid(_edited(change, resign=False), "malformed", says)


def _unproven(says: str, change: Callable[[dict[str, Any]], object]) -> Invalid:
    """A document that the model allows, and a signature that does not hold for it."""
    return Invalid(_edited(change, resign=False), "proof", says)


def _replaced(old: bytes, new: bytes, says: str) -> Invalid:
    data = everything().data
    if data.count(old) == 0:
        raise ValueError(f"{old!r} is not in the credential")
    return Invalid(data.replace(old, new, 1), "malformed", says)


def _set(value: Any, *path: str | int) -> Callable[[dict[str, Any]], None]:
    def change(whole: dict[str, Any]) -> None:
        target: Any = whole
        for step in path[:-1]:
            target = target[step]
        target[path[-1]] = value

    return change


def _drop(*path: str | int) -> Callable[[dict[str, Any]], None]:
    def change(whole: dict[str, Any]) -> None:
        target: Any = whole
        for step in path[:-1]:
            target = target[step]
        del target[path[-1]]

    return change


def _rename_earner(whole: dict[str, Any]) -> None:
    whole["credentialSubject"]["identifier"][1]["identityHash"] = "Ana Lime"


def _rename_earner_and_fit_the_nonce(whole: dict[str, Any]) -> None:
    _rename_earner(whole)
    unsigned = {name: value for name, value in whole.items() if name != "proof"}
    whole["proof"][0]["nonce"] = json_nonce(unsigned)


def _sign_with_another_key(whole: dict[str, Any]) -> None:
    unsigned = {name: value for name, value in whole.items() if name != "proof"}
    method = OTHER_KEY.public.verification_method
    proof = sign(unsigned, OTHER_KEY, verification_method=method, created=ISSUED_AT)
    whole["proof"] = [proof]


def _without_nonce(whole: dict[str, Any]) -> None:
    unsigned = {name: value for name, value in whole.items() if name != "proof"}
    method = ISSUER.verification_method
    whole["proof"] = [
        sign(unsigned, KEY, verification_method=method, created=ISSUED_AT, nonce=False)
    ]


def invalid_credentials() -> Iterator[tuple[str, Invalid]]:
    """The files of the folder `invalid`, by name without the ending."""
    subject = "credentialSubject"
    achievement = (subject, "achievement")
    status = "credentialStatus"
    index = "94003"

    # Not the JSON that we read at all.
    yield (
        "member-twice",
        _replaced(b'"name":', b'"name":"x","name":', "duplicate member"),
    )
    yield "not-a-number", _replaced(b'"88.5"', b"NaN", "NaN")
    yield "huge-number", _replaced(b'"88.5"', b"1e400", "number beyond")
    yield "lone-surrogate", _replaced(b"Ana Lima", b"Ana \\ud800", "U+D800")
    yield "control-character", _replaced(b"Ana Lima", b"Ana \\u0000", "U+0000")
    yield (
        "byte-order-mark",
        _replaced(b'{"@con', b'\xef\xbb\xbf{"@con', "byte order mark"),
    )
    yield "not-utf-8", _replaced(b"Ana Lima", b"Ana \xff", "not UTF-8")
    yield "too-deep", _replaced(b'"88.5"', b"[" * 40 + b"]" * 40, "nested deeper")
    whole = everything().data
    yield "text-after", Invalid(whole + b"{}", "malformed", "not JSON at line 1")
    yield "cut-short", Invalid(whole[:-1], "malformed", "not JSON at line 1")
    yield (
        "null-member",
        _malformed_file("narrative: not a string", _set(None, subject, "narrative")),
    )

    # Signed well, and not in the closed model.
    for name, says, change in (
        (
            "unknown-member",
            "image: unknown member",
            _set({"id": "https://a.example"}, "image"),
        ),
        (
            "unknown-member-deep",
            "achievement.related: unknown member",
            _set(["a"], *achievement, "related"),
        ),
        (
            "no-criteria",
            "credentialSubject.achievement.criteria: missing",
            _drop(*achievement, "criteria"),
        ),
        ("no-status", "credentialStatus: missing", _drop(status)),
        (
            "no-identifier",
            "credentialSubject.identifier: missing",
            _drop(subject, "identifier"),
        ),
        (
            "type-as-text",
            "credentialSubject.type: [",
            _set("AchievementSubject", subject, "type"),
        ),
        (
            "types-turned",
            "type: [",
            _set(["OpenBadgeCredential", "VerifiableCredential"], "type"),
        ),
        (
            "id-not-version-4",
            "id: not urn:uuid:",
            _set("urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33", "id"),
        ),
        (
            "id-upper-case",
            "id: not urn:uuid:",
            _set("urn:uuid:58172AAC-D8BA-41ED-83DD-0B3AEF56CC33", "id"),
        ),
        (
            "registry-upper-case",
            "otherIdentifier[0].identifier: not eip155",
            _set(
                "eip155:31337:0x" + "AB" * 20 + ":0x" + "01" * 32,
                "issuer",
                "otherIdentifier",
                0,
                "identifier",
            ),
        ),
        (
            "no-registry",
            "issuer.otherIdentifier: missing",
            _drop("issuer", "otherIdentifier"),
        ),
        (
            "status-index-number",
            "statusListIndex: not a string",
            _set(94003, status, "statusListIndex"),
        ),
        (
            "status-index-zeros",
            "statusListIndex: not an index",
            _set("0" + index, status, "statusListIndex"),
        ),
        (
            "status-id-other-index",
            "credentialStatus.id: not the list's",
            _set(STATUS_LIST + "#1", status, "id"),
        ),
        (
            "status-suspension",
            'statusPurpose: "revocation" expected',
            _set("suspension", status, "statusPurpose"),
        ),
        (
            "email-in-clear",
            "identifier[0].hashed: true expected",
            _set(False, subject, "identifier", 0, "hashed"),
        ),
        (
            "name-first",
            "credentialSubject.identifier: e-mail address, then name",
            lambda whole: whole[subject]["identifier"].reverse(),
        ),
        (
            "name-too-long",
            "identityHash: not a line",
            _set("a" * 201, subject, "identifier", 1, "identityHash"),
        ),
        (
            "name-two-lines",
            "identityHash: not a line",
            _set("Ana\nLima", subject, "identifier", 1, "identityHash"),
        ),
        (
            "script-url",
            "evidence[0].id: not an http",
            _set("javascript:alert(1)", "evidence", 0, "id"),
        ),
        (
            "same-tag-twice",
            "achievement.tag: the same item twice",
            _set(["Git", "Git"], *achievement, "tag"),
        ),
        (
            "local-time",
            "validFrom: not an instant",
            _set("2026-11-25T08:44:00+00:00", "validFrom"),
        ),
        (
            "no-such-day",
            "validUntil: not an instant",
            _set("2029-02-30T00:00:00Z", "validUntil"),
        ),
        (
            "ends-before-it-begins",
            "validUntil: before validFrom",
            _set("2026-11-25T08:43:59Z", "validUntil"),
        ),
        (
            "awarded-at-noon",
            "awardedDate: not an instant at midnight",
            _set("2026-03-31T12:00:00Z", "awardedDate"),
        ),
        (
            "score-over-100",
            "result[0].value: not a number from 0",
            _set("100.5", subject, "result", 0, "value"),
        ),
        (
            "score-number",
            "result[0].value: not a string",
            _set(88, subject, "result", 0, "value"),
        ),
        (
            "score-of-nothing",
            "credentialSubject.result: the achievement describes no",
            _drop(*achievement, "resultDescription"),
        ),
        (
            "other-name",
            "name: not the name of the achievement",
            _set("Certified front-end developer", "name"),
        ),
        ("two-contexts", "@context: [", _drop("@context", 2)),
    ):
        yield name, _malformed(says, change)

    # Not even our own canonicaliser would sign these.
    for name, says, change in (
        (
            "context-inline",
            "@context: [",
            _set({"name": "https://schema.org/name"}, "@context", 2),
        ),
        (
            "context-unknown",
            "@context: [",
            _set("https://example.org/context", "@context", 2),
        ),
        (
            "keyword",
            "achievement.@id: unknown member",
            _set("https://a.example", *achievement, "@id"),
        ),
        ("blank-node", "achievement.id: not an http", _set("_:b0", *achievement, "id")),
        ("null-email", "issuer.email: not a string", _set(None, "issuer", "email")),
        (
            "proof-object",
            "proof: an array of one proof",
            lambda whole: whole.update(proof=whole["proof"][0]),
        ),
        ("proof-none", "proof: an array of one proof", _set([], "proof")),
        (
            "proof-twice",
            "proof: an array of one proof",
            lambda whole: whole["proof"].append(whole["proof"][0]),
        ),
        (
            "proof-unknown-member",
            "proof.expires: unknown",
            _set("2030-01-01T00:00:00Z", "proof", 0, "expires"),
        ),
        (
            "proof-jcs",
            "proof.cryptosuite: eddsa-rdfc-2022",
            _set("eddsa-jcs-2022", "proof", 0, "cryptosuite"),
        ),
        (
            "proof-purpose",
            "proof.proofPurpose: assertionMethod",
            _set("authentication", "proof", 0, "proofPurpose"),
        ),
        ("proof-no-nonce", "proof.nonce: missing", _without_nonce),
        (
            "proof-two-keys",
            "two different keys",
            _set(
                f"{KEY.public.did}#{OTHER_KEY.public.multibase}",
                "proof",
                0,
                "verificationMethod",
            ),
        ),
        (
            "proof-no-fragment",
            "no fragment",
            _set(KEY.public.did, "proof", 0, "verificationMethod"),
        ),
        (
            "proof-value-short",
            "64 bytes",
            _set("z" + "2" * 80, "proof", 0, "proofValue"),
        ),
    ):
        yield name, _malformed_file(says, change)

    # Well-formed, and not what was signed.
    for name, says, change in (
        ("one-letter", "not the JSON that was signed", _rename_earner),
        ("one-letter-new-nonce", "does not fit", _rename_earner_and_fit_the_nonce),
        ("member-dropped", "not the JSON that was signed", _drop(subject, "narrative")),
        (
            "signed-later",
            "does not fit",
            _set("2026-11-25T08:44:01Z", "proof", 0, "created"),
        ),
        ("stranger-signed", "is not the issuer's", _sign_with_another_key),
        (
            "other-status-index",
            "not the JSON that was signed",
            lambda whole: whole[status].update(
                id=STATUS_LIST + "#1", statusListIndex="1"
            ),
        ),
        (
            "other-registry",
            "not the JSON that was signed",
            _set(
                REFERENCE.text.replace("31337", "1"),
                "issuer",
                "otherIdentifier",
                0,
                "identifier",
            ),
        ),
        (
            "signature-of-ones",
            "does not fit",
            _set("z" + encode_base58(b"\x01" * 64), "proof", 0, "proofValue"),
        ),
    ):
        yield name, _unproven(says, change)


def files() -> dict[str, bytes]:
    """Every file of the folder, by its path in it."""
    made: dict[str, bytes] = {}
    valid: dict[str, Json] = {}
    invalid: dict[str, Json] = {}
    for name, credential in valid_credentials():
        made[f"valid/{name}.json"] = credential.data
        valid[f"valid/{name}.json"] = _facts(credential)
    both = _signing_input(everything())
    made["valid/everything.document.nq"] = both.document
    made["valid/everything.proof.nq"] = both.config
    spaced = json.dumps(dict(reversed(everything().document.items())), indent=2)
    made["valid/everything-spaced.json"] = spaced.encode()
    valid["valid/everything-spaced.json"] = _facts(everything())
    for name, case in invalid_credentials():
        made[f"invalid/{name}.json"] = case.data
        invalid[f"invalid/{name}.json"] = {"error": case.error, "says": case.says}
    manifest: Json = {"valid": valid, "invalid": invalid}
    text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    made["manifest.json"] = text.encode()
    return made


def _signing_input(credential: SignedCredential) -> Any:
    unsigned = {k: v for k, v in credential.document.items() if k != "proof"}
    return signing_input(unsigned, credential.proof.config)


def _facts(credential: SignedCredential) -> dict[str, Json]:
    both = _signing_input(credential)
    return {
        "documentHash": hashlib.sha256(both.document).hexdigest(),
        "proofOptionsHash": hashlib.sha256(both.config).hexdigest(),
        "nonce": credential.proof.nonce,
        "signature": credential.proof.signature.hex(),
        "publicKey": credential.public_key.raw.hex(),
        "keyId": credential.public_key.key_id.hex(),
        "issuer": credential.issuer_reference.text,
        "statusIndex": credential.status_index,
        "leaf": credential.leaf.hex(),
    }
