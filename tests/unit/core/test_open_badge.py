"""The closed model: every member of it, taken away, added, renamed and made another kind."""

import copy
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger.core.canonical import Json, parse_object
from ledger.core.credential import Alignment, SignedCredential
from ledger.core.open_badge import (
    CREDENTIAL,
    MAX_CREDENTIAL_BYTES,
    Array,
    Either,
    Fixed,
    Kind,
    Object,
    check_credential,
    items_of,
    member_at,
    text_at,
)
from ledger.core.rdf import canonicalise
from ledger.errors import MalformedError
from tests.vector_sources import credentials

_Path = tuple[str | int, ...]


def _fullest() -> dict[str, Json]:
    """A credential that has every member of the model."""
    document: dict[str, Any] = dict(credentials.valid_credentials())[
        "everything"
    ].document
    del document["proof"]
    achievement = document["credentialSubject"]["achievement"]
    # A creator of its own: with the issuer's id, both would be one node of the graph.
    achievement["creator"]["id"] = "https://creator.example.org"
    achievement["image"] = {"id": "https://ledger.example.org/a.png", "type": "Image"}
    achievement["alignment"][0] = Alignment(
        "Python", "https://skills.example.org/python", "Framework", "PY", "Programming."
    ).to_document()
    return document


_FULLEST = _fullest()


def _objects(value: Json, path: _Path = ()) -> Iterator[_Path]:
    if isinstance(value, dict):
        yield path
        for name, member in value.items():
            yield from _objects(member, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _objects(item, (*path, index))


def _members() -> list[_Path]:
    return [
        (*path, name) for path in _objects(_FULLEST) for name in _at(_FULLEST, path)
    ]


def _leaves(value: Json, path: _Path = ()) -> Iterator[_Path]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _leaves(member, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))
    else:
        yield path


def _at(value: Any, path: _Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _with(path: _Path, value: Any) -> dict[str, Json]:
    changed = copy.deepcopy(_FULLEST)
    _at(changed, path[:-1])[path[-1]] = value
    return changed


def _shown(path: _Path) -> str:
    text = "".join(
        f"[{step}]" if isinstance(step, int) else f".{step}" for step in path
    )
    return text.removeprefix(".")


def _model_members(kind: Kind, path: str = "") -> Iterator[tuple[str, Kind, bool]]:
    if isinstance(kind, Array):
        yield from _model_members(kind.of, path)
    elif isinstance(kind, Either):
        for choice in kind.choices.values():
            yield from _model_members(choice, path)
    elif isinstance(kind, Object):
        for required, members in ((True, kind.required), (False, kind.optional)):
            for name, member in members.items():
                inner = f"{path}.{name}".removeprefix(".")
                yield inner, member, required
                yield from _model_members(member, inner)


def test_the_fullest_credential_has_every_member_of_the_model() -> None:
    in_model = {path for path, _, _ in _model_members(CREDENTIAL)}
    in_document = {re.sub(r"\[\d+\]", "", _shown(path)) for path in _members()}

    check_credential(_FULLEST)
    assert in_document == in_model


_REQUIRED = {path: required for path, _, required in _model_members(CREDENTIAL)}


@pytest.mark.parametrize("path", _members(), ids=_shown)
def test_a_member_taken_away_is_missed_or_was_optional(path: _Path) -> None:
    changed = copy.deepcopy(_FULLEST)
    del _at(changed, path[:-1])[path[-1]]

    if path[-1] == "resultDescription" and "achievement" in path:
        # A result points to it.
        reason = "credentialSubject.result: the achievement describes no result"
    elif path[-1] == "identityType":
        reason = f"{_shown(path)}: IdentityObject (emailAddress) or"
    elif _REQUIRED[re.sub(r"\[\d+\]", "", _shown(path))] or path[-1] == "salt":
        reason = f"{_shown(path)}: missing"
    else:
        check_credential(changed)
        return
    with pytest.raises(MalformedError) as refusal:
        check_credential(changed)
    assert str(refusal.value).startswith(reason)


@pytest.mark.parametrize(
    "path", [*_objects(_FULLEST)], ids=lambda path: _shown(path) or "top"
)
@pytest.mark.parametrize("name", ["extra", "@id", "", "Type", "proof"])
def test_a_member_added_is_refused(path: _Path, name: str) -> None:
    with pytest.raises(MalformedError) as refusal:
        check_credential(_with((*path, name), "https://a.example"))

    assert f"{_shown((*path, name))}: unknown member".lstrip(".") in str(refusal.value)


@pytest.mark.parametrize("path", _members(), ids=_shown)
def test_a_member_renamed_is_refused(path: _Path) -> None:
    changed = copy.deepcopy(_FULLEST)
    parent = _at(changed, path[:-1])
    parent[f"{path[-1]}s"] = parent.pop(path[-1])

    with pytest.raises(MalformedError):
        check_credential(changed)


_OTHER_KINDS: list[Any] = [
    *(None, True, False, 0, 1, 1.5, "", " ", "a\nb"),
    *([], {}, [[]], [{}], {"": ""}, [None]),
]
_MANY_LINES = ("description", "narrative", "targetDescription")


@pytest.mark.parametrize(
    "path", [*dict.fromkeys([*_members(), *_leaves(_FULLEST)])], ids=_shown
)
def test_a_member_of_another_kind_is_refused(path: _Path) -> None:
    there = _at(_FULLEST, path)
    for value in _OTHER_KINDS:
        if value is there or (value == "a\nb" and path[-1] in _MANY_LINES):
            continue
        with pytest.raises(MalformedError) as refusal:
            check_credential(_with(path, value))

        # The path, or for identities the object that the member decides about.
        assert _shown(path).split("[")[0] in str(refusal.value)


def _another(value: Any) -> Any:
    """A different value of the same kind, so that it stays a literal or an IRI."""
    return (not value) if isinstance(value, bool) else f"{value}0"


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in _leaves(_FULLEST)
        # The contexts give the terms their meaning and are no statement themselves: the
        # exact list is demanded, and the nonce covers it.
        if path[0] != "@context" and "type" not in path
    ],
    ids=_shown,
)
def test_no_value_is_unsigned(path: _Path) -> None:
    changed = _with(path, _another(_at(_FULLEST, path)))

    assert canonicalise(changed) != canonicalise(_FULLEST)


def _graph(document: dict[str, Json]) -> bytes:
    """What would be signed; nothing, if it is refused."""
    try:
        return canonicalise(document)
    except MalformedError:
        return b""


@pytest.mark.parametrize(
    "path", [path for path in _members() if path[-1] == "type"], ids=_shown
)
def test_no_type_is_unsigned(path: _Path) -> None:
    is_array = isinstance(_at(_FULLEST, path), list)
    changed = _with(path, ["urn:x:Other"] if is_array else "urn:x:Other")

    assert _graph(changed) != canonicalise(_FULLEST)


@pytest.mark.parametrize(
    "path", [path for path in _members() if path != ("@context",)], ids=_shown
)
def test_no_member_is_unsigned(path: _Path) -> None:
    changed = copy.deepcopy(_FULLEST)
    del _at(changed, path[:-1])[path[-1]]

    assert _graph(changed) != canonicalise(_FULLEST)


@pytest.mark.parametrize(
    ("reason", "path", "value"),
    [
        ("id: not urn:uuid:", ("id",), "urn:uuid:58172aac-d8ba-41ed-c3dd-0b3aef56cc33"),
        ("issuer.id: not a did:key", ("issuer", "id"), "https://riverside.example.org"),
        ("issuer.id: not a did:key", ("issuer", "id"), "did:key:z6Mk"),
        ("issuer.id: not a did:key", ("issuer", "id"), "did:example:1"),
        ("issuer.name: not a line", ("issuer", "name"), "a\u2028b"),
        ("issuer.name: not a line", ("issuer", "name"), " a"),
        ("issuer.name: not a line", ("issuer", "name"), "a" * 201),
        ("issuer.url: not an http", ("issuer", "url"), "javascript:alert(1)"),
        (
            "issuer.url: not an http",
            ("issuer", "url"),
            "https://a.example/" + "a" * 2000,
        ),
        (
            "achievement.id: not an http(s) URL without fragment",
            ("credentialSubject", "achievement", "id"),
            "https://a.example/#a",
        ),
        (
            "achievement.id: not an http(s) URL without fragment",
            ("credentialSubject", "achievement", "id"),
            "urn:uuid:#",
        ),
        (
            "resultDescription[0].id: not",
            ("credentialSubject", "achievement", "id"),
            "urn:uuid:58172aac-d8ba-41ed-83dd-0b3aef56cc33",
        ),
        (
            "achievementType: not one of",
            ("credentialSubject", "achievement", "achievementType"),
            "Degree",
        ),
        (
            "description: not a text",
            ("credentialSubject", "achievement", "description"),
            "a" * 10_001,
        ),
        (
            "inLanguage: not a language",
            ("credentialSubject", "achievement", "inLanguage"),
            "english",
        ),
        (
            "tag: 101 items",
            ("credentialSubject", "achievement", "tag"),
            [f"{i}" for i in range(101)],
        ),
        (
            "result[0].resultDescription: unknown",
            ("credentialSubject", "result", 0, "resultDescription"),
            "https://a.example/#score",
        ),
        ("result[0].value: not", ("credentialSubject", "result", 0, "value"), "070"),
        ("result[0].value: not", ("credentialSubject", "result", 0, "value"), "70.0"),
        ("result[0].value: not", ("credentialSubject", "result", 0, "value"), "-1"),
        (
            "result[0].value: not",
            ("credentialSubject", "result", 0, "value"),
            "\u0667\u0660",
        ),
        ("statusListIndex: not", ("credentialStatus", "statusListIndex"), "1" * 10),
        ("identifier: 3 items", ("credentialSubject", "identifier"), [1, 2, 3]),
        (
            "identityHash: not sha256$",
            ("credentialSubject", "identifier", 0, "identityHash"),
            "sha256$" + "AB" * 32,
        ),
        (
            "identityHash: not sha256$",
            ("credentialSubject", "identifier", 0, "identityHash"),
            "md5$" + "ab" * 16,
        ),
    ],
)
def test_values_out_of_bounds_are_refused(reason: str, path: _Path, value: Any) -> None:
    with pytest.raises(MalformedError) as refusal:
        check_credential(_with(path, value))

    assert reason in str(refusal.value)


def test_a_urn_names_an_achievement_as_well() -> None:
    changed = copy.deepcopy(_FULLEST)
    urn = "urn:uuid:58172aac-d8ba-41ed-83dd-0b3aef56cc33"
    subject: Any = changed["credentialSubject"]
    subject["achievement"]["id"] = urn
    subject["achievement"]["resultDescription"][0]["id"] = f"{urn}#score"
    subject["result"][0]["resultDescription"] = f"{urn}#score"

    check_credential(changed)


def test_true_is_not_one() -> None:
    Fixed(True).check("a", True)
    for other in (1, 1.0, "true", None, False):
        with pytest.raises(MalformedError, match="a: true expected"):
            Fixed(True).check("a", other)


def test_a_credential_has_a_size() -> None:
    changed = _with(
        ("evidence",),
        [
            {"id": f"https://a.example/{i}/{'b' * 1900}", "type": ["Evidence"]}
            for i in range(100)
        ],
    )
    check_credential(changed)
    subject: Any = changed["credentialSubject"]
    subject["achievement"]["tag"] = [f"{i:03}{'é' * 190}" for i in range(100)]
    subject["achievement"]["description"] = "語" * 9_000

    with pytest.raises(MalformedError, match=f"more than {MAX_CREDENTIAL_BYTES} bytes"):
        check_credential(changed)


def test_the_fullest_credential_of_the_largest_arrays_has_a_canonical_form() -> None:
    """What the model allows, the canonicaliser can do: its own limits lie above."""
    changed = copy.deepcopy(_FULLEST)
    subject: Any = changed["credentialSubject"]
    subject["achievement"]["tag"] = [f"skill {i}" for i in range(100)]
    subject["achievement"]["alignment"] = [
        replace(
            Alignment("a", "https://a.example", "b", "c", "d"),
            target_name=f"target {i}",
        ).to_document()
        for i in range(100)
    ]
    changed["evidence"] = [
        {"id": f"https://a.example/{i}", "type": ["Evidence"]} for i in range(100)
    ]
    check_credential(changed)

    assert canonicalise(changed).count(b"\n") > 900


def test_the_accessors_refuse_what_the_table_did_not_promise() -> None:
    assert items_of(None) == []
    with pytest.raises(TypeError):
        text_at({"a": 1}, "a")
    with pytest.raises(TypeError):
        text_at({"a": "b"}, "a", "b")


def test_the_specification_has_the_same_table() -> None:
    """docs/spec/credential.md: one row for each member, with its kind."""
    text = (Path(__file__).parents[3] / "docs" / "spec" / "credential.md").read_text()
    rows = {
        (found[1], found[2] == "yes", found[3])
        for found in re.finditer(
            r"^\| `([^`]+)` \| (yes|no) \| (.+) \|$", text, re.MULTILINE
        )
    }

    expected = {
        (path, required, kind.says.replace("|", "\\|"))
        for path, kind, required in _model_members(CREDENTIAL)
    }
    assert rows == expected


def test_the_example_of_the_specification_is_a_vector() -> None:
    text = (Path(__file__).parents[3] / "docs" / "spec" / "credential.md").read_text()
    example = re.search(r"```json\n(.*?)```", text, re.DOTALL)
    manifest = parse_object((credentials.FOLDER / "manifest.json").read_bytes())
    facts = member_at(manifest, "valid", "valid/skill.json")

    assert example is not None
    signed = SignedCredential.from_bytes(example[1].encode())
    assert signed.data == (credentials.FOLDER / "valid" / "skill.json").read_bytes()
    names = ("nonce", "proofOptionsHash", "documentHash", "publicKey", "keyId", "leaf")
    for name in names:
        assert text_at(facts, name) in text
