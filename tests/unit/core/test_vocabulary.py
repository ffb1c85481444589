"""The tables say what pyld says, byte for byte, or nothing."""

import copy
import random
from collections.abc import Iterator
from typing import Any

import pytest

from ledger.core import rdf, vocabulary
from ledger.core.canonical import parse_object
from ledger.core.rdf import (
    CREDENTIAL_CONTEXTS,
    STATUS_LIST_CONTEXTS,
    canonicalise_by_pyld,
)
from ledger.core.vocabulary import Unanswered, Vocabulary
from ledger.errors import MalformedError
from tests.vector_sources.credentials import FOLDER

#: Each draws a sound document and then damages it in up to three places.
ROUNDS = 1_500

LETTERS = [
    "a",
    "é",
    '"',
    "\\",
    "\n",
    "\r",
    "\t",
    " ",
    "\u2028",
    "\ufb33",
    "\U0001f600",
    "<",
    "1",
    "\x85",
]
ODD: list[Any] = [
    None, True, False, 0, -3, 2.5, 1e300, 1e21, 2**53, 2**53 - 1, "", "x", "https://example.org/z",
    "did:key:z6Mk", "ext:Foo", "a b", "bell \x07", "del \x7f", "\ud800", "\uffff", "_:b0", "#frag",
    "../x", "Result", "assertionMethod", "urn:", "http://[", "xsd:string", "id", "type", [], {},
    ["a", "a"], ["a", ["b"]], {"id": "https://example.org/only"}, {"type": ["Profile"]},
    {"type": []}, {"type": ["Profile", "Profile"]}, {"type": ["Nothing"]}, {"@id": "urn:x"},
    {"@value": "v", "@language": "en"}, {"@vocab": "https://example.org/v#"},
    {"type": ["Result"], "value": "1"}, {"id": "urn:a:b", "type": ["Profile"], "name": "n"},
]  # fmt: skip
NAMES = [
    "name", "image", "url", "creditsEarned", "tag", "id", "type", "narrative", "related", "proof",
    "endorsement", "undeclared", "@graph", "@context", "@id", "proofPurpose", "assertionMethod",
]  # fmt: skip


@pytest.fixture(scope="module")
def sound() -> list[dict[str, Any]]:
    """The valid credentials, unsigned, and the options of their signatures."""
    found: list[dict[str, Any]] = []
    for path in sorted((FOLDER / "valid").glob("*.json")):
        document = parse_object(path.read_bytes())
        proofs: Any = document.pop("proof")
        (proof,) = proofs
        options = {name: value for name, value in proof.items() if name != "proofValue"}
        found += [document, {**options, "@context": document["@context"]}]
    return found


def vocabulary_of(document: dict[str, Any]) -> Vocabulary:
    return rdf._VOCABULARIES[tuple(document["@context"])]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    steps: Any = ()
    if isinstance(value, dict):
        steps = value.items()
    elif isinstance(value, list):
        steps = enumerate(value)
    for step, child in steps:
        yield from places(child, (*path, step))


def rewritten(document: dict[str, Any], rnd: random.Random) -> dict[str, Any]:
    """Other texts and numbers in the same places."""

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                k: v if k in {"@context", "type"} else walk(v) for k, v in value.items()
            }
        if isinstance(value, list):
            return [walk(item) for item in value]
        if (
            isinstance(value, str)
            and not value.startswith(("http", "urn", "did"))
            and rnd.random() < 0.5
        ):
            return "".join(rnd.choice(LETTERS) for _ in range(rnd.randrange(6)))
        return value

    result: dict[str, Any] = walk(document)
    return result


def damaged(document: dict[str, Any], rnd: random.Random) -> dict[str, Any]:
    """Something removed, replaced, repeated or added, in up to three places."""
    out = copy.deepcopy(document)
    for _ in range(rnd.randrange(1, 4)):
        *path, last = rnd.choice([place for place in places(out) if place])
        spot: Any = out
        for step in path:
            spot = spot[step]
        match rnd.randrange(3):
            case 0:
                del spot[last]
            case 1:
                spot[last] = copy.deepcopy(rnd.choice(ODD))
            case _ if isinstance(spot, list):
                spot.append(copy.deepcopy(spot[last]))
            case _:
                spot[rnd.choice(NAMES)] = copy.deepcopy(rnd.choice(ODD))
    return out


def answered(document: dict[str, Any]) -> bool:
    """Whether the tables answer; if so, pyld must give the same bytes."""
    try:
        fast = vocabulary_of(document).canonicalise(document)
    except (Unanswered, KeyError, TypeError):
        return False
    assert fast == canonicalise_by_pyld(document)
    return True


def test_every_valid_credential_and_its_proof_is_answered(
    sound: list[dict[str, Any]],
) -> None:
    assert [document for document in sound if not answered(document)] == []


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_answered_is_what_pyld_says(
    sound: list[dict[str, Any]], seed: int
) -> None:
    rnd = random.Random(seed)  # noqa: S311 - test data
    counted = 0
    for _ in range(ROUNDS // 3):
        document = rewritten(rnd.choice(sound), rnd)
        if rnd.random() < 0.7:
            document = damaged(document, rnd)
        counted += answered(document)

    assert counted > ROUNDS // 12


def test_a_status_list_is_answered() -> None:
    document = {
        "@context": list(STATUS_LIST_CONTEXTS),
        "id": "https://ledger.example.org/status/1",
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
        "validFrom": "2026-11-25T00:00:00Z",
        "credentialSubject": {
            "id": "https://ledger.example.org/status/1#list",
            "type": "BitstringStatusList",
            "statusPurpose": "revocation",
            "encodedList": "uH4sIAAAAAAAAA",
        },
    }

    assert answered(document)


@pytest.mark.parametrize(
    "member",
    [
        {"undeclared": "x"},
        {"name": None},
        {"tag": []},
        {"creditsEarned": 2.5},
        {"creditsEarned": 2**53},
        {"image": "relative.png"},
        {"image": "ob:image"},
        {"image": "_:b0"},
        {"name": "bell \x07"},
        {"name": {"@value": "x"}},
        {"@id": "urn:x:y"},
        {"proof": {"type": "DataIntegrityProof"}},
    ],
)
def test_what_the_tables_do_not_cover_is_left_to_pyld(member: dict[str, Any]) -> None:
    document = {
        "@context": list(CREDENTIAL_CONTEXTS),
        "id": "urn:uuid:00000000-0000-4000-8000-000000000000",
        "type": ["AchievementSubject"],
        **member,
    }

    with pytest.raises(Unanswered):
        vocabulary_of(document).canonicalise(document)


def test_nodes_that_look_alike_are_left_to_pyld() -> None:
    alike = {"type": ["Result"], "value": "1"}
    document: dict[str, Any] = {
        "@context": list(CREDENTIAL_CONTEXTS),
        "type": ["AchievementSubject"],
        "result": [alike, alike],
    }

    with pytest.raises(Unanswered, match="look alike"):
        vocabulary_of(document).canonicalise(document)
    assert rdf.canonicalise(document) == canonicalise_by_pyld(document)


def test_a_stranger_cannot_fill_the_memory_with_tables() -> None:
    vocabulary = Vocabulary(CREDENTIAL_CONTEXTS, rdf.CONTEXTS, rdf._LOCK)
    words = [
        "Profile",
        "Achievement",
        "Result",
        "Evidence",
        "Alignment",
        "Related",
        "Address",
    ]
    rnd = random.Random(1)  # noqa: S311 - test data
    for _ in range(2_000):
        document: dict[str, Any] = {
            "@context": list(CREDENTIAL_CONTEXTS),
            "id": "urn:a:b",
            "type": rnd.sample(words, rnd.randrange(1, 5)),
        }
        try:
            vocabulary.canonicalise(document)
        except Unanswered:
            continue

    assert len(vocabulary._tables) <= 256


def test_a_document_beyond_the_limits_is_left_to_pyld_and_its_own() -> None:
    document: dict[str, Any] = {
        "@context": list(CREDENTIAL_CONTEXTS),
        "type": ["Profile"],
    }
    deep: dict[str, Any] = {"type": ["Profile"], "name": "n"}
    for _ in range(20):
        deep = {"type": ["Profile"], "parentOrg": deep}

    beyond: list[dict[str, Any]] = [
        {"parentOrg": deep},
        {"name": [str(n) for n in range(101)]},
    ]
    for members in beyond:
        with pytest.raises(Unanswered):
            vocabulary_of(document).canonicalise({**document, **members})
    with pytest.raises(MalformedError):
        rdf.canonicalise({**document, "name": ["a"] * 300})


def test_white_space_of_any_script_is_in_no_iri() -> None:
    """Statements of which it is a part would be missing in what pyld writes."""
    white = [chr(code) for code in range(0x110000) if chr(code).isspace()]

    assert len(white) > 20
    assert not [one for one in white if vocabulary.IRI.fullmatch(f"urn:a{one}b")]
    assert not [one for one in white if rdf._IRI.fullmatch(f"urn:a{one}b")]
