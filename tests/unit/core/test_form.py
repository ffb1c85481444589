"""A form filled in says what its document says, byte for byte, or nothing."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from ledger.core import rdf
from ledger.core.canonical import Json, encode, encode_by_rfc8785
from ledger.core.form import Form, Template, markers, quoted
from ledger.core.rdf import CREDENTIAL_CONTEXTS, canonicalise_by_pyld
from ledger.core.vocabulary import Unanswered
from ledger.errors import MalformedError

CONTEXT = list(CREDENTIAL_CONTEXTS)
BLANKS = markers(6, b"")

#: Five texts of a subject, one of them an IRI; two of its three nodes have no id.
SUBJECT: dict[str, Any] = {
    "@context": CONTEXT,
    "id": BLANKS[0],
    "type": ["AchievementSubject"],
    "narrative": BLANKS[1],
    "result": [{"type": ["Result"], "value": BLANKS[2]}],
    "identifier": [
        {
            "type": "IdentityObject",
            "hashed": True,
            "identityHash": BLANKS[3],
            "salt": BLANKS[4],
            "identityType": "emailAddress",
        }
    ],
}
TEXTS = ("urn:a:b", "It works", "88", "sha256$0", "salt")


def fill(document: Any, blanks: Sequence[str], texts: Sequence[str]) -> bytes:
    form = rdf.form_of(document, blanks)
    assert form is not None
    return form.fill(texts, quoted(texts))


def put(value: Any, texts: Mapping[str, str]) -> Any:
    """The value with each marker replaced."""
    if isinstance(value, dict):
        return {name: put(member, texts) for name, member in value.items()}
    if isinstance(value, list):
        return [put(item, texts) for item in value]
    return texts.get(value, value) if isinstance(value, str) else value


any_text = st.text() | st.text(
    '"\\\n\r\t%s é\ufb33\U0001f600\x07\x7f\ufffe<>', max_size=6
)


@given(texts=st.tuples(st.just("urn:a:b"), *[any_text] * 4))
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_filled_in_it_says_what_pyld_says(texts: Sequence[str]) -> None:
    document = put(SUBJECT, dict(zip(BLANKS, texts, strict=False)))
    blanks = BLANKS[:5]

    try:
        written = quoted(texts)
    except Unanswered:
        with pytest.raises(MalformedError):
            canonicalise_by_pyld(document)
        with pytest.raises(MalformedError):
            encode_by_rfc8785(document)
        return
    form = rdf.form_of(SUBJECT, blanks)
    assert form is not None
    assert form.fill(texts, written) == canonicalise_by_pyld(document)
    template = Template.of(encode(SUBJECT), blanks)
    assert template.fill(written) == encode_by_rfc8785(document)


def test_a_text_may_stand_in_several_places_or_in_none() -> None:
    """The sixth marker stands nowhere."""
    twice = {**SUBJECT, "narrative": BLANKS[2]}
    texts = (*TEXTS, "unused")
    said = {**put(SUBJECT, dict(zip(BLANKS, texts, strict=True))), "narrative": "88"}

    assert fill(twice, BLANKS, texts) == canonicalise_by_pyld(said)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_template_is_the_text_again(count: int) -> None:
    blanks = markers(3, b"")
    text = "100 % of %s: " + " and ".join(blanks[:count])

    template = Template.of(text.encode(), blanks)

    expected = "100 % of %s: " + " and ".join(["%s", "é", "c"][:count])
    assert template.fill(quoted(["%s", "é", "c"])) == expected.encode()


def test_markers_occur_nowhere_else() -> None:
    text = b"urn:blank0: is said here, urn:blank1:0000 too"
    made = markers(3, text)

    assert len(set(made)) == 3
    assert len(set(map(len, made))) == 1
    assert not any(marker.encode() in text for marker in made)


@pytest.mark.parametrize("text", ["_:blank0000 _:c14n0 _:a", "urn:blank1:0000", "<0>"])
def test_a_text_that_stays_may_look_like_a_label(text: str) -> None:
    document = {**SUBJECT, "source": {"type": ["Profile"], "name": text}}
    document["source"]["id"] = "urn:_:blank0000:_:c14n0"
    said = put(document, dict(zip(BLANKS, TEXTS, strict=False)))

    assert fill(document, BLANKS[:5], TEXTS) == canonicalise_by_pyld(said)


@pytest.mark.parametrize(
    "text", ["bell \x07", "del \x7f", "\ud800", "\ufffe", "a\uffff"]
)
def test_characters_that_are_written_differently_have_no_answer(text: str) -> None:
    with pytest.raises(Unanswered):
        quoted(["sound", text])


@pytest.mark.parametrize("iri", ["a:b", "x", "", "_:b0", "urn:a b", "urn:a>", 'urn:a"'])
def test_what_is_no_iri_does_not_stand_for_one(iri: str) -> None:
    with pytest.raises(Unanswered):
        fill(SUBJECT, BLANKS[:5], (iri, *TEXTS[1:]))


# ---------------------------------------------------------------- what has no form


def profile(**members: Any) -> dict[str, Any]:
    return {"@context": CONTEXT, "type": ["Profile"], **members}


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(profile(undeclared=BLANKS[0]), id="no term"),
        pytest.param(profile(name="n", id=BLANKS[0] + "/page"), id="part of an IRI"),
        pytest.param({**profile(name=BLANKS[0]), "type": [BLANKS[1]]}, id="type"),
        pytest.param(
            {**profile(name=BLANKS[0]), "@context": CONTEXT[:1]}, id="contexts"
        ),
        pytest.param(profile(name=BLANKS[0], official="bell \x07"), id="bell"),
        pytest.param(profile(name=BLANKS[0], official="\ud800"), id="surrogate"),
        pytest.param(
            {
                "@context": CONTEXT,
                "type": ["AchievementSubject"],
                "result": [{"type": ["Result"], "value": "1"}] * 2,
                "narrative": BLANKS[0],
            },
            id="nodes alike",
        ),
        pytest.param(
            {
                "@context": CONTEXT,
                "type": ["AchievementSubject"],
                "result": [{"type": ["Result"], "value": ["5", BLANKS[0]]}],
            },
            id="order depends on a text",
        ),
        pytest.param(
            {
                "@context": CONTEXT,
                "type": ["Achievement"],
                "alignment": [{"type": ["Alignment"], "targetName": "n"}],
                "tag": [BLANKS[0], BLANKS[1]],
            },
            id="order depends on two texts",
        ),
    ],
)
def test_what_a_text_could_change_beyond_its_place_has_no_form(
    document: dict[str, Any],
) -> None:
    assert rdf.form_of(document, BLANKS) is None


def test_nodes_that_become_alike_have_no_answer() -> None:
    document = {
        "@context": CONTEXT,
        "type": ["AchievementSubject"],
        "narrative": "n",
        "result": [
            {"type": ["Result"], "value": BLANKS[0]},
            {"type": ["Result"], "value": "5"},
        ],
    }
    assert fill(document, BLANKS[:1], ["6"])
    with pytest.raises(Unanswered):
        fill(document, BLANKS[:1], ["5"])


def test_statements_that_become_one_have_no_answer() -> None:
    document = profile(
        name="outer",
        parentOrg={"id": "urn:a:b", "type": ["Profile"], "name": "School"},
        official="x",
    )
    document["parentOrg"]["parentOrg"] = {
        "id": BLANKS[0],
        "type": ["Profile"],
        "name": BLANKS[1],
    }
    other, same = ("urn:a:c", "School"), ("urn:a:b", "School")
    blanks = BLANKS[:2]

    for texts in (other, ("urn:a:c", "Another")):
        said = put(document, dict(zip(blanks, texts, strict=True)))
        assert fill(document, blanks, texts) == canonicalise_by_pyld(said)
    with pytest.raises(Unanswered):
        fill(document, blanks, same)


def test_texts_may_not_give_a_node_more_values_than_pyld_takes() -> None:
    """Three profiles of 90 names each, which could be one."""
    names: list[Json] = [f"Name {number}" for number in range(270)]
    others: list[Json] = [
        {"id": blank, "type": ["Profile"], "name": names[at::3]}
        for at, blank in enumerate(BLANKS[:3])
    ]
    document = profile(id="urn:a:c", parentOrg=others)
    said = put(document, dict.fromkeys(BLANKS, "urn:a:b"))

    with pytest.raises(MalformedError, match="more than 256 values"):
        canonicalise_by_pyld(said)
    assert rdf.form_of(document, BLANKS) is None
    assert rdf.form_of({**document, "parentOrg": others[:2]}, BLANKS) is not None


def test_a_single_node_is_the_first_whatever_it_says() -> None:
    document = profile(name=BLANKS[0])
    form = rdf.form_of(document, BLANKS[:1])

    assert isinstance(form, Form)
    assert form.nodes == ()
    assert form.fill(["x"], [b"x"]) == canonicalise_by_pyld(profile(name="x"))


def test_the_document_is_not_changed() -> None:
    before = copy.deepcopy(SUBJECT)
    fill(SUBJECT, BLANKS[:5], TEXTS)

    assert before == SUBJECT
