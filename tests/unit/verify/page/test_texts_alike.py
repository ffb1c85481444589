"""Texts in every script, and values that nearly fit, in credentials that are signed anew."""

import copy
import json
import random
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from ledger.core.credential import sign_credential
from ledger.core.keys import SigningKey
from ledger.errors import MalformedError
from tests.unit.verify.page.answers import (
    VECTORS,
    Question,
    by_page,
    by_python,
    differences,
)

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 25, tzinfo=UTC)
KEY = SigningKey.from_seed(b"\x11" * 32)
FOLDER = VECTORS / "credentials" / "valid"

# Blanks of all kinds, marks, quotes, the ends of planes; letters that grow when they are made
# small; and two that UTF-16 and code points sort differently.
CHARACTERS = (
    "aZ0 .-\"\\\n\r\t<>&'{}|^`%#@$\x80\x85\xa0\xe9\xdf\u0130\u0301\u05d0\u0600\u180e\u200b\u200e"
    "\u2028\u202e\u212a\u3000\u4e2d\ue000\ufb01\ufeff\uff21\ufffd\U0001d400\U0001f600\U0010ffff"
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, 5.0, 1.5, -0.0, "", "x", [], {}, [1], {"a": 1}),
    *("2026-11-25T08:44:00Z", "2026-02-30T00:00:00Z", "2024-02-29T00:00:00Z"),
    *("0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "1900-02-29T00:00:00Z"),
    *("2026-11-25T24:00:00Z", "9999-12-31T23:59:60Z", "2026-11-25T00:00:00Z"),
    *("did:web:a.example", "did:web:A.example", "did:web:a.example%3A80:b"),
    *("https://a.example", "http://a/%zz", "https://a/a#b", "https://a:123456/"),
    *("https://a..b/", "https://-/?#", "https://a/?a?b#c?d", "https://a/\xe9"),
    *("urn:x-a:b", "urn:ab:\xe9", "100", "100.0", "99.999", "0.5", "0.50", "00"),
    *("a@b", "a@b@c", "\xe9@\xfc", "a b@c", "a\xa0@c", "a" * 65 + "@b"),
    *("en", "en-GB", "zh-Hant-TW", "EN", "es-419", "sha256$" + "0" * 64),
    *("01", "999999999", "1000000000", "Competency", "emailAddress", "name"),
)


def text(chance: random.Random) -> str:
    length = chance.choice((0, 1, 2, 5, 20, 199, 200, 201))
    return "".join(chance.choice(CHARACTERS) for _ in range(length))


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value))
    found = [(*path, name) for name, _ in inside]
    for name, member in inside:
        found += paths(member, (*path, name))
    return found


def put(document: Any, chance: random.Random) -> None:
    """Change one thing, somewhere."""
    *path, name = chance.choice(paths(document))
    place: Any = document
    for step in path:
        place = place[step]
    achievement = document["credentialSubject"]["achievement"]
    match chance.randrange(6):
        case 0:
            place[name] = copy.deepcopy(chance.choice(VALUES))
        case 1 if isinstance(place[name], str):
            place[name] = text(chance)
        case 2:
            del place[name]
        case 3 if isinstance(place, dict):
            more = ("more", "@id", "\U0001f600" * 41, "__proto__", "constructor")
            place[chance.choice(more)] = chance.choice(VALUES)
        case 4:
            achievement["tag"] = [text(chance) for _ in range(chance.randrange(1, 4))]
        case _:
            document["name"] = achievement["name"] = text(chance) or "A"


def signed(document: dict[str, Any]) -> bytes | None:
    """The credential with a signature that holds, if the closed model takes it."""
    unsigned = {name: value for name, value in document.items() if name != "proof"}
    unsigned["issuer"]["id"] = KEY.public.did
    try:
        return sign_credential(
            unsigned,
            KEY,
            verification_method=KEY.public.verification_method,
            created=NOW,
        ).data
    except MalformedError:
        return None


def credentials(count: int) -> list[bytes]:
    chance = random.Random("texts")  # noqa: S311 - the same every time
    sources = [json.loads(path.read_bytes()) for path in sorted(FOLDER.glob("*.json"))]
    made: list[bytes] = []
    while len(made) < count:
        document = copy.deepcopy(chance.choice(sources))
        put(document, chance)
        data = json.dumps(document, ensure_ascii=chance.random() < 0.5)
        if isinstance(document.get("issuer"), dict):
            made.append(signed(document) or data.encode())
    return made


def test_credentials_with_changes_get_the_same_answer() -> None:
    questions = [Question(data) for data in credentials(600)]
    said: Counter[str] = Counter()
    for question, timed in zip(questions, by_page(questions), strict=True):
        expected = by_python(question)
        assert differences(expected, timed.answer) == [], question.file
        ((report, _),) = expected.reports
        said[report["steps"][1]["code"]] += 1

    assert min(said["content.unchanged"], said["content.malformed"]) > 100


def test_lines_are_sorted_by_code_points() -> None:
    """As UTF-16 the first of these comes after the second, and the signature covers the order."""
    document = json.loads((FOLDER / "everything.json").read_bytes())
    tags = ["\N{GRINNING FACE}", "\N{FULLWIDTH LATIN CAPITAL LETTER A}"]
    document["credentialSubject"]["achievement"]["tag"] = tags
    data = signed(document)
    assert data is not None

    (timed,) = by_page([Question(data)])
    ((report, _),) = timed.answer.reports
    assert report["steps"][1]["code"] == "content.unchanged"
