"""From an achievement and an award to signed bytes, and back."""

import copy
import hashlib
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from ledger.core.canonical import Json, encode, parse, parse_object
from ledger.core.credential import (
    Achievement,
    Award,
    Category,
    Issuer,
    Level,
    SignedCredential,
    identity_hash,
    normalise_email,
    sign_credential,
)
from ledger.core.issuer import IssuerProfile
from ledger.core.offer import build_credential
from ledger.errors import LedgerError, MalformedError, ProofError
from tests.vector_sources import credentials
from tests.vector_sources.credentials import ACHIEVEMENTS, ISSUED_AT, ISSUER, KEY, NAMES

_VECTORS = Path(__file__).parents[2] / "vectors"
_SAMPLES: dict[str, dict[str, Any]] = {
    sample["code"]: sample
    for sample in json.loads(
        (_VECTORS / "riverside" / "achievements.json").read_bytes()
    )
}
_SCHEMA = jsonschema_rs.validator_for(
    json.loads(
        (
            _VECTORS / "published/schema/ob_v3p0_achievementcredential_schema.json"
        ).read_bytes()
    ),
    validate_formats=True,
)
_DAY = date(2026, 3, 31)


def _award(**facts: Any) -> Award:
    return Award(**{"email": "ana@example.org", "awarded_on": _DAY, **facts})


def _build(achievement: Achievement, award: Award, **options: Any) -> dict[str, Any]:
    return build_credential(
        **{
            "credential_id": UUID("58172aac-d8ba-41ed-83dd-0b3aef56cc33"),
            "issuer": ISSUER,
            "achievement": achievement,
            "achievement_iri": "https://ledger.example.org/achievements/1",
            "award": award,
            "email_salt": "0123456789abcdef",
            "status_list": "https://ledger.example.org/status/1",
            "status_index": 7,
            "issued_at": ISSUED_AT,
            **options,
        }
    )


def _sign(document: dict[str, Json]) -> SignedCredential:
    return sign_credential(
        document, KEY, verification_method=ISSUER.verification_method, created=ISSUED_AT
    )


def _schema_errors(document: Json) -> list[str]:
    return [error.message for error in _SCHEMA.iter_errors(document)]


# ---------------------------------------------------------------- the mapping


@pytest.mark.parametrize(
    ("achievement_type", "category"),
    [
        ("Competency", "skill"),
        ("Certificate", "certificate-programme"),
        ("MicroCredential", "specialization"),
        ("Certification", "certification"),
        ("Award", "special-recognition"),
    ],
)
def test_each_category_has_its_achievement_type(
    achievement_type: str, category: str
) -> None:
    achievement = Achievement.from_json({**_SAMPLES["git-1"], "category": category})
    document = achievement.to_document("https://a.example/1", {})

    assert document["achievementType"] == achievement_type
    assert {item.value for item in Category} == {
        *("skill", "certificate-programme", "specialization"),
        *("certification", "special-recognition"),
    }


def test_the_certification_of_the_sample_school() -> None:
    document = _build(
        ACHIEVEMENTS["backend-cert"],
        _award(
            name=" Ana Lima ",
            score="88.50",
            evidence_url="https://portfolio.example.org/ana",
            narrative="Built and defended a working project.",
            source=credentials.PARTNER,
        ),
    )
    profile = {
        "id": KEY.public.did,
        "type": ["Profile"],
        "name": "Riverside Code School",
        "url": "https://riverside.example.org",
    }
    framework = "Example Skills Framework"

    assert document == {
        "@context": [
            "https://www.w3.org/ns/credentials/v2",
            "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
            "https://purl.imsglobal.org/spec/ob/v3p0/extensions.json",
        ],
        "id": "urn:uuid:58172aac-d8ba-41ed-83dd-0b3aef56cc33",
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "name": "Certified back-end developer",
        "issuer": {
            **profile,
            "email": "registrar@riverside.example.org",
            "otherIdentifier": [
                {
                    "type": "IdentifierEntry",
                    "identifierType": "ext:IssuerRegistry",
                    "identifier": credentials.REFERENCE.text,
                }
            ],
        },
        "validFrom": "2026-11-25T08:44:00Z",
        "validUntil": "2029-03-31T00:00:00Z",
        "awardedDate": "2026-03-31T00:00:00Z",
        "credentialSubject": {
            "type": ["AchievementSubject"],
            "identifier": [
                {
                    "type": "IdentityObject",
                    "hashed": True,
                    "identityHash": "sha256$"
                    + hashlib.sha256(b"ana@example.org0123456789abcdef").hexdigest(),
                    "identityType": "emailAddress",
                    "salt": "0123456789abcdef",
                },
                {
                    "type": "IdentityObject",
                    "hashed": False,
                    "identityHash": "Ana Lima",
                    "identityType": "name",
                },
            ],
            "achievement": {
                "id": "https://ledger.example.org/achievements/1",
                "type": ["Achievement"],
                "achievementType": "Certification",
                "name": "Certified back-end developer",
                "description": "Certified back-end developer: taught, practised and "
                "assessed at Riverside Code School.",
                "criteria": {
                    "narrative": "The earner completed 140 hours of guided work and passed "
                    "every exercise review.\n\nLevel: advanced. Hours: 140.\n\nAssessment: 60 "
                    "questions, 90 minutes, proctored, pass mark 70 %, attempts allowed 3."
                },
                "creator": profile,
                "humanCode": "backend-cert",
                "version": "1",
                "inLanguage": "en",
                "tag": ["Python", "SQL", "HTTP", "Docker"],
                "alignment": [
                    {
                        "type": ["Alignment"],
                        "targetName": name,
                        "targetUrl": f"https://skills.example.org/{name.lower()}",
                        "targetFramework": framework,
                    }
                    for name in ("Python", "SQL", "HTTP", "Docker")
                ],
                "resultDescription": [
                    {
                        "id": "https://ledger.example.org/achievements/1#score",
                        "type": ["ResultDescription"],
                        "name": "Score",
                        "resultType": "Percent",
                        "valueMin": "0",
                        "valueMax": "100",
                        "requiredValue": "70",
                    }
                ],
            },
            "result": [
                {
                    "type": ["Result"],
                    "resultDescription": "https://ledger.example.org/achievements/1#score",
                    "value": "88.5",
                }
            ],
            "narrative": "Built and defended a working project.",
            "source": {
                "id": "https://harbour.example.org/about",
                "type": ["Profile"],
                "name": "Harbour Learning Partners",
                "url": "https://harbour.example.org/about",
            },
        },
        "credentialStatus": {
            "id": "https://ledger.example.org/status/1#7",
            "type": "BitstringStatusListEntry",
            "statusPurpose": "revocation",
            "statusListIndex": "7",
            "statusListCredential": "https://ledger.example.org/status/1",
        },
        "evidence": [{"id": "https://portfolio.example.org/ana", "type": ["Evidence"]}],
    }


def test_what_a_school_leaves_out_is_left_out() -> None:
    document = _build(ACHIEVEMENTS["mentor"], _award())
    subject = document["credentialSubject"]

    assert subject.keys() == {"type", "identifier", "achievement"}
    assert "tag" not in subject["achievement"]
    assert subject["achievement"]["criteria"]["narrative"].endswith(
        "\n\nLevel: introductory."
    )
    assert "validUntil" not in document


def test_the_name_can_be_left_out() -> None:
    hidden = _build(ACHIEVEMENTS["git-1"], _award(name="Ana Lima"), show_name=False)
    unknown = _build(ACHIEVEMENTS["git-1"], _award())

    assert hidden == unknown
    assert "Ana" not in json.dumps(hidden)


def test_did_web_is_the_issuer_where_the_school_wants_it() -> None:
    issuer = replace(ISSUER, did="did:web:riverside.example.org")
    document = _build(ACHIEVEMENTS["git-1"], _award(), issuer=issuer)

    assert document["issuer"]["id"] == "did:web:riverside.example.org"
    assert (
        issuer.verification_method
        == f"did:web:riverside.example.org#{KEY.public.multibase}"
    )
    with pytest.raises(MalformedError, match="only did:web"):
        replace(ISSUER, did="did:example:1")


def test_a_partner_with_a_did_is_named_by_it() -> None:
    partner = IssuerProfile(
        "Partner", "https://p.example", did=("did:web:p.example", "did:web:q.example")
    )
    document = _build(ACHIEVEMENTS["git-1"], _award(source=partner))

    assert document["credentialSubject"]["source"]["id"] == "did:web:p.example"


def test_an_image_travels_with_the_achievement() -> None:
    achievement = Achievement.from_json(
        {**_SAMPLES["git-1"], "image": "https://ledger.example.org/git-1.png"}
    )
    document = _build(achievement, _award())

    assert document["credentialSubject"]["achievement"]["image"] == {
        "id": "https://ledger.example.org/git-1.png",
        "type": "Image",
    }
    assert not _schema_errors(_sign(document).document)


def test_the_identity_hash_of_the_open_badges_specification() -> None:
    assert (
        identity_hash("a@example.com", "Kosher")
        == "sha256$b5809d8a92f8858436d7e6b87c12ebc0ae1eac4baecc2c0b913aee2c922ef399"
    )


@pytest.mark.parametrize(
    ("until", "valid_for", "awarded_on"),
    [
        ("2029-03-31", "P3Y", date(2026, 3, 31)),
        ("2026-04-30", "P1M", date(2026, 3, 31)),
        ("2026-02-28", "P1M", date(2026, 1, 31)),
        ("2028-02-29", "P1M", date(2028, 1, 31)),
        ("2025-02-28", "P1Y", date(2024, 2, 29)),
        ("2028-02-29", "P4Y", date(2024, 2, 29)),
        ("2027-01-31", "P1M", date(2026, 12, 31)),
        ("2027-12-31", "P12M", date(2026, 12, 31)),
        ("2026-04-14", "P2W", date(2026, 3, 31)),
        ("2026-06-29", "P90D", date(2026, 3, 31)),
        # The months first, then the days.
        ("2026-03-01", "P1M1D", date(2026, 1, 31)),
        ("2027-05-10", "P1Y1M1W3D", date(2026, 3, 31)),
        ("9999-12-31", "P1D", date(9999, 12, 30)),
    ],
)
def test_validity_counts_from_the_award(
    until: str, valid_for: str, awarded_on: date
) -> None:
    achievement = replace(ACHIEVEMENTS["git-1"], valid_for=valid_for)

    found = achievement.valid_until(awarded_on)

    assert found == datetime.fromisoformat(until).replace(tzinfo=UTC)


@pytest.mark.parametrize("valid_for", ["P1D", "P1M", "P100Y"])
def test_validity_ends_with_the_calendar(valid_for: str) -> None:
    achievement = replace(ACHIEVEMENTS["git-1"], valid_for=valid_for)

    with pytest.raises(MalformedError, match="year 9999"):
        achievement.valid_until(date(9999, 12, 31))


def test_a_credential_that_ended_before_it_is_issued_is_refused() -> None:
    achievement = replace(ACHIEVEMENTS["git-1"], valid_for="P1M")

    with pytest.raises(MalformedError, match="validUntil: before validFrom"):
        _build(achievement, _award())


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("achievement.cost: unknown member", {"cost": 1}),
        ("achievement.code: missing", {"code": None}),
        ("code: not a string", {"code": 1}),
        ("code: does not have", {"code": "git 1"}),
        ("code: does not have", {"code": "../git"}),
        ("code: does not have", {"code": "a" * 65}),
        ("version: does not have", {"version": ""}),
        ("name: not a line", {"name": "a\nb"}),
        ("name: not a line", {"name": "a" * 201}),
        ("name: not a line", {"name": " "}),
        ("category: one of skill, certificate-programme", {"category": "degree"}),
        ("level: one of introductory, intermediate", {"level": "expert"}),
        ("language: does not have", {"language": "English"}),
        ("description: not a text", {"description": ""}),
        ("description: not a text", {"description": "a" * 10_001}),
        # With the sentences that are added, 9,990 are too many.
        ("criteria: not a text", {"criteria": "a" * 9_990}),
        ("hours: a whole number", {"hours": -1}),
        ("hours: a whole number", {"hours": 1.5}),
        ("hours: a whole number", {"hours": True}),
        ("hours: a whole number", {"hours": "8"}),
        ("hours: a whole number", {"hours": 10**6}),
        ("skills: not an array", {"skills": "Git"}),
        ("skills: not a string", {"skills": [1]}),
        ("skills: not a line", {"skills": [""]}),
        ("skills: at most 100", {"skills": ["Git", "Git"]}),
        ("skills: at most 100", {"skills": [str(i) for i in range(101)]}),
        ("assessment: not an object", {"assessment": "hard"}),
        ("assessment.cost: unknown", {"assessment": {"cost": 1}}),
        ("assessment.proctored: true or", {"assessment": {"proctored": "yes"}}),
        ("assessment.questions: a whole", {"assessment": {"questions": "60"}}),
        ("assessment.minutes: a whole", {"assessment": {"minutes": -1}}),
        ("assessment.attemptsAllowed: a", {"assessment": {"attemptsAllowed": 0.5}}),
        ("assessment.passMark: not a str", {"assessment": {"passMark": 70}}),
        ("assessment.passMark: a percent", {"assessment": {"passMark": "70"}}),
        ("assessment.passMark: a number", {"assessment": {"passMark": "101 %"}}),
        ("alignment: not an array", {"alignment": {}}),
        ("alignment: not an object", {"alignment": ["Git"]}),
        ("alignment.targetUrl: missing", {"alignment": [{"targetName": "a"}]}),
        (
            "alignment.id: unknown",
            {"alignment": [{"targetName": "a", "targetUrl": "https://a", "id": "b"}]},
        ),
        (
            "alignment.targetUrl: not an http",
            {"alignment": [{"targetName": "a", "targetUrl": "javascript:1"}]},
        ),
        (
            "alignment: at most 100",
            {"alignment": [{"targetName": "a", "targetUrl": "https://a.example"}] * 2},
        ),
        ("validFor: not a string", {"validFor": 3}),
        ("validFor: a duration like", {"validFor": "3Y"}),
        ("validFor: a duration like", {"validFor": "P"}),
        ("validFor: a duration like", {"validFor": "P1DT1H"}),
        ("validFor: a duration like", {"validFor": "P-1Y"}),
        ("validFor: a duration like", {"validFor": "P1D1Y"}),
        ("validFor: a duration like", {"validFor": "P1000Y"}),
        ("validFor: a duration like", {"validFor": "P1.5Y"}),
        ("validFor: a duration of nothing", {"validFor": "P0Y"}),
        ("image: not an http", {"image": "data:image/png;base64,AA"}),
    ],
)
def test_achievement_refuses(reason: str, change: dict[str, Json]) -> None:
    with pytest.raises(MalformedError) as refusal:
        Achievement.from_json({**_SAMPLES["git-1"], **change})

    assert str(refusal.value).startswith(reason)


def test_absent_and_null_are_the_same_in_an_achievement() -> None:
    needed = {
        name: value
        for name, value in _SAMPLES["mentor"].items()
        if name not in {"hours", "skills", "assessment", "alignment", "validFor"}
    }
    nulls = dict.fromkeys(["hours", "skills", "assessment", "alignment", "validFor"])

    assert Achievement.from_json(needed) == Achievement.from_json({**needed, **nulls})
    assert Achievement.from_json(needed).level is Level.INTRODUCTORY
    with pytest.raises(MalformedError, match="achievement: not an object"):
        Achievement.from_json([])


def test_an_assessment_of_which_nothing_is_known_adds_nothing() -> None:
    known = Achievement.from_json({**_SAMPLES["git-1"], "assessment": {}})

    assert known.narrative == ACHIEVEMENTS["git-1"].narrative


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("email: not an", {"email": "ana"}),
        ("email: not an", {"email": "ana@a@b"}),
        ("email: not an", {"email": "a na@example.org"}),
        ("email: not an", {"email": ""}),
        ("name: not a line", {"name": "  "}),
        ("name: not a line", {"name": "a" * 201}),
        ("name: not a line", {"name": "a\tb"}),
        ("score: a number", {"score": "-1"}),
        ("score: a number", {"score": "100.1"}),
        ("score: a number", {"score": "1e1"}),
        ("score: a number", {"score": "A"}),
        ("score: a number", {"score": ""}),
        ("score: a number", {"score": "NaN"}),
        ("evidence_url: not", {"evidence_url": "ftp://a.example"}),
        ("evidence_url: not", {"evidence_url": ""}),
        ("narrative: not a text", {"narrative": " \n"}),
        ("narrative: not a text", {"narrative": "a" * 10_001}),
    ],
)
def test_award_refuses(reason: str, change: dict[str, str]) -> None:
    with pytest.raises(MalformedError) as refusal:
        _award(**change)

    assert str(refusal.value).startswith(reason)


@pytest.mark.parametrize(
    ("shortest", "score"),
    [
        ("70", "70"),
        ("70", "70.0"),
        ("88.5", "88.50"),
        ("0", "0.00"),
        ("100", "100.0"),
        ("7", "07"),
    ],
)
def test_a_score_has_one_text(shortest: str, score: str) -> None:
    assert _award(score=score).score == shortest


def test_an_address_is_trimmed_and_lowered_before_it_is_hashed() -> None:
    assert normalise_email(" Ana@Example.ORG\t") == "ana@example.org"
    assert _award(email=" Ana@Example.ORG ").email == "ana@example.org"


@pytest.mark.parametrize(
    ("reason", "options"),
    [
        ("email_salt", {"email_salt": "short"}),
        ("email_salt", {"email_salt": "with blanks in it, long"}),
        ("achievement.id", {"achievement_iri": "achievements/1"}),
        ("achievement.id", {"achievement_iri": "https://a.example/#1"}),
        ("achievement.id", {"achievement_iri": "_:b0"}),
        ("credentialStatus.id", {"status_list": "ftp://a.example"}),
        ("credentialStatus.id", {"status_list": "https://a.example/#a"}),
        ("statusListIndex", {"status_index": -1}),
        ("statusListIndex", {"status_index": 10**9}),
        ("id: not urn:uuid", {"credential_id": UUID(int=1)}),
        ("time zone", {"issued_at": datetime(2026, 1, 1)}),  # noqa: DTZ001 - the fault
    ],
)
def test_build_refuses(reason: str, options: dict[str, Any]) -> None:
    with pytest.raises(MalformedError, match=reason):
        _build(ACHIEVEMENTS["git-1"], _award(), **options)


def test_what_does_not_fit_the_model_is_not_signed() -> None:
    document = _build(ACHIEVEMENTS["git-1"], _award())
    document["credentialSubject"]["achievement"]["related"] = "https://a.example"

    with pytest.raises(MalformedError, match="related: unknown member"):
        _sign(document)


# ---------------------------------------------------------------- signed


def test_the_facts_of_a_signed_credential() -> None:
    signed = credentials.everything()

    assert signed.id.version == 4
    assert signed.issuer_reference == credentials.REFERENCE
    assert signed.issuer_id == KEY.public.did
    assert signed.public_key == KEY.public
    assert signed.claimed_issuer_name == "Riverside Code School"
    assert signed.claimed_source_name == "Harbour Learning Partners"
    assert signed.achievement_name == "Certified back-end developer"
    assert signed.recipient_name == "Ana Lima"
    assert signed.is_for("LEARNER@example.org")
    assert not signed.is_for("other@example.org")
    assert signed.status_list == credentials.STATUS_LIST
    assert signed.status_index == 94_003
    assert signed.valid_from == ISSUED_AT
    assert signed.valid_until == datetime(2029, 3, 31, tzinfo=UTC)
    assert signed.awarded_date == _DAY


def test_what_a_small_credential_does_not_say() -> None:
    signed = dict(credentials.valid_credentials())["smallest"]

    assert signed.recipient_name is None
    assert signed.claimed_source_name is None
    assert signed.valid_until is None


def test_the_leaf_is_the_hash_of_the_canonical_text_and_its_proof() -> None:
    """Written without our encoder: ASCII names and no numbers, so sorting is all of JCS."""
    signed = credentials.everything()
    text = json.dumps(
        signed.document, ensure_ascii=False, separators=(",", ":"), sort_keys=True
    )

    assert signed.leaf == hashlib.sha256(b"\0" + text.encode()).digest()
    assert signed.data == text.encode()


def test_white_space_and_order_are_no_part_of_a_credential() -> None:
    signed = credentials.everything()
    spaced = json.dumps(dict(reversed(signed.document.items())), indent=3).encode()

    again = SignedCredential.from_bytes(spaced)

    again.check()
    assert again == signed
    assert again.leaf == signed.leaf


def test_nobody_can_change_a_signed_credential() -> None:
    signed = credentials.everything()
    signed.document["name"] = "Other"
    signed.document["issuer"].clear()  # type: ignore[union-attr]

    signed.check()
    assert signed.document == parse_object(signed.data)


def test_no_personal_data_in_its_repr() -> None:
    signed = credentials.everything()

    assert repr(signed) == f"SignedCredential(urn:uuid:{signed.id})"
    assert {signed: 1}[SignedCredential.from_bytes(signed.data)] == 1


def test_from_bytes_has_a_limit() -> None:
    data = credentials.everything().data

    SignedCredential.from_bytes(data + b" " * (262_144 - len(data)))
    with pytest.raises(MalformedError, match="at most 262144"):
        SignedCredential.from_bytes(data + b" " * (262_145 - len(data)))


def test_from_document_takes_a_document_with_its_proof() -> None:
    signed = credentials.everything()

    assert SignedCredential.from_document(signed.document) == signed
    for other in (b"[]", b"null", b'"a"', b"{}"):
        with pytest.raises(MalformedError):
            SignedCredential.from_bytes(other)


# ---------------------------------------------------------------- properties

_TEXTS = st.text(
    st.characters(
        codec="utf-8", exclude_categories=["Cc"], exclude_characters="\ufffe\uffff"
    ),
    min_size=1,
    max_size=40,
)
_LINES = _TEXTS.map(str.strip).filter(
    lambda text: bool(text) and not {"\u2028", "\u2029", "\x85"}.intersection(text)
)
_PROSE = _TEXTS.filter(lambda text: not text.isspace())
_URLS = st.from_regex(
    r"https?://[a-z]{1,9}\.example(:[1-9][0-9]{1,3})?(/[a-zA-Z0-9._~%-]{0,9})?",
    fullmatch=True,
).filter(lambda url: "%" not in url)
_NAMES = st.sampled_from(sorted(NAMES.values())) | _LINES
_ACHIEVEMENTS = st.fixed_dictionaries(
    {
        "code": st.from_regex(r"[a-z][a-z0-9-]{0,9}", fullmatch=True),
        "version": st.integers(1, 99).map(str),
        "name": _LINES,
        "category": st.sampled_from([item.value for item in Category]),
        "level": st.sampled_from([item.value for item in Level]),
        "language": st.sampled_from(["en", "pt-BR", "zh-Hant-TW", "es-419"]),
        "description": _PROSE,
        "criteria": _PROSE,
        "hours": st.none() | st.integers(0, 2000),
        "skills": st.lists(_LINES, max_size=4, unique=True),
        "assessment": st.none()
        | st.fixed_dictionaries(
            {},
            optional={
                "proctored": st.booleans(),
                "questions": st.integers(0, 200),
                "minutes": st.integers(0, 600),
                "passMark": st.integers(0, 100).map(lambda mark: f"{mark} %"),
                "attemptsAllowed": st.integers(0, 9),
            },
        ),
        "alignment": st.lists(
            st.fixed_dictionaries(
                {"targetName": _LINES, "targetUrl": _URLS},
                optional={
                    "targetFramework": _LINES,
                    "targetCode": _LINES,
                    "targetDescription": _PROSE,
                },
            ),
            max_size=3,
            unique_by=lambda item: json.dumps(item, sort_keys=True),
        ),
        "validFor": st.none() | st.sampled_from(["P3Y", "P18M", "P60W", "P400D"]),
        "image": st.none() | _URLS,
    }
).map(lambda value: Achievement.from_json(cast("Json", value)))
_PROFILES = st.builds(IssuerProfile, name=_LINES, url=_URLS)


@st.composite
def _credentials(draw: st.DrawFn) -> SignedCredential:
    achievement = draw(_ACHIEVEMENTS)
    score = st.decimals(0, 100, places=2).map(str)
    award = Award(
        email=draw(
            st.emails()
            .filter(lambda text: len(text) < 60 and text.isascii())
            .map(lambda text: "".join(c for c in text if c.isalnum() or c in "@.-"))
            .filter(lambda text: text[0] != "@")
        ),
        awarded_on=draw(st.dates(date(2026, 1, 1), date(2026, 11, 25))),
        name=draw(st.none() | _NAMES),
        score=draw(st.none() | score),
        evidence_url=draw(st.none() | _URLS),
        narrative=draw(st.none() | _PROSE),
        source=draw(st.none() | _PROFILES),
    )
    document = _build(
        achievement,
        award,
        credential_id=draw(st.uuids(version=4)),
        show_name=draw(st.booleans()),
        status_index=draw(st.integers(0, 999_999_999)),
        issued_at=ISSUED_AT + timedelta(seconds=draw(st.integers(0, 10**6))),
    )
    return _sign(document)


_SLOW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.mark.slow
@_SLOW
@given(_credentials())
def test_whatever_is_built_is_sound(signed: SignedCredential) -> None:
    signed.check()

    assert _schema_errors(signed.document) == []
    assert SignedCredential.from_bytes(signed.data) == signed
    assert encode(parse(signed.data)) == signed.data


def _places(
    value: Any, path: tuple[str | int, ...] = ()
) -> list[tuple[str | int, ...]]:
    members = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    inner = [place for step, item in members for place in _places(item, (*path, step))]
    return [path, *inner] if path else inner


_CHANGES = ("remove", "rename", "add", "retype", "alter")


def _damage(document: Any, path: tuple[str | int, ...], change: str) -> None:
    parent = document
    for step in path[:-1]:
        parent = parent[step]
    step = path[-1]
    old = parent[step]
    if change == "remove":
        del parent[step]
    elif change == "add" and isinstance(parent, dict):
        parent[f"{step}x"] = copy.deepcopy(old)
    elif change == "rename" and isinstance(parent, dict):
        parent[f"{step}x"] = parent.pop(step)
    elif change == "retype":
        parent[step] = old[0] if isinstance(old, list) else [old]
    else:
        parent[step] = not old if isinstance(old, bool) else f"{old}x"


@pytest.mark.slow
@_SLOW
@given(_credentials(), st.data())
def test_no_change_to_a_signed_credential_goes_unseen(
    signed: SignedCredential, data: st.DataObject
) -> None:
    document = signed.document
    path = data.draw(st.sampled_from(_places(document)))
    _damage(document, path, data.draw(st.sampled_from(_CHANGES)))

    with pytest.raises((MalformedError, ProofError)):
        SignedCredential.from_bytes(json.dumps(document).encode()).check()


@pytest.mark.parametrize("change", _CHANGES)
def test_every_place_of_the_fullest_credential_is_guarded(change: str) -> None:
    signed = credentials.everything()
    for path in _places(signed.document):
        document = signed.document
        _damage(document, path, change)

        with pytest.raises(LedgerError):
            SignedCredential.from_bytes(json.dumps(document).encode()).check()


@pytest.mark.parametrize("name", sorted(NAMES.values()))
def test_names_in_ten_scripts_come_back_as_they_were(name: str) -> None:
    signed = _sign(_build(ACHIEVEMENTS["git-1"], _award(name=name)))

    signed.check()
    assert SignedCredential.from_bytes(signed.data).recipient_name == name
    assert _schema_errors(signed.document) == []
    assert name.encode() in signed.data


def test_nobody_signs_as_another_issuer() -> None:
    other = Issuer(
        credentials.PROFILE, credentials.REFERENCE, credentials.OTHER_KEY.public
    )
    document = _build(ACHIEVEMENTS["git-1"], _award(), issuer=other)

    with pytest.raises(MalformedError, match="verificationMethod: is not the issuer's"):
        _sign(document)
