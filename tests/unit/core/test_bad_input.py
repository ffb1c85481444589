"""Hostile documents: bounded work, and the same answer with the shortcuts as without."""

import time
from typing import Any

import pytest

from ledger.core import canonical, rdf
from ledger.core.rdf import CREDENTIAL_CONTEXTS
from ledger.errors import MalformedError
from scripts.fuzz_documents import NUMBERS

#: CPU seconds, far above what any of these takes and far below what a person calls a hang.
PATIENCE = 10
MEGABYTE = 1_000_000


def credential(**members: Any) -> dict[str, Any]:
    return {
        "@context": list(CREDENTIAL_CONTEXTS),
        "id": "urn:uuid:00000000-0000-4000-8000-000000000001",
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        **members,
    }


def profile(**members: Any) -> dict[str, Any]:
    return {"type": ["Profile"], "name": "n", **members}


def tower(depth: int) -> dict[str, Any]:
    """One blank node in another."""
    node = profile()
    for _ in range(depth):
        node = profile(parentOrg=node)
    return node


def nested(count: int) -> list[dict[str, Any]]:
    """Blank nodes alike that hold blank nodes alike: every order of them would be tried."""
    inner = [profile() for _ in range(count)]
    return [profile(endorsement=inner) for _ in range(count)]


def answer(act: Any, value: Any) -> Any:
    try:
        return act(value)
    except MalformedError:
        return MalformedError


def bounded(act: Any, value: Any) -> Any:
    begun = time.process_time()
    found = answer(act, value)
    assert time.process_time() - begun < PATIENCE
    return found


DOCUMENTS: dict[str, dict[str, Any]] = {
    "alike": credential(evidence=[profile() for _ in range(90)]),
    "alike in alike": credential(evidence=nested(8)),
    "alike in alike, wide": credential(evidence=nested(40)),
    "clique of labels": credential(
        evidence=[
            {"id": f"_:b{n}", "type": ["Profile"], "parentOrg": {"id": f"_:b{m}"}}
            for n in range(8)
            for m in range(8)
        ]
    ),
    "label as id": credential(issuer={"id": "_:b0", "type": ["Profile"], "name": "n"}),
    "label as value": credential(image="_:c14n0"),
    "label as type": credential(issuer={"id": "did:web:a", "type": ["_:b0"]}),
    "label as member": credential(**{"_:b0": "x"}),
    "deep": credential(issuer=tower(25)),
    "deeper": credential(issuer=tower(60)),
    "wide": credential(evidence=[profile(name=f"n{n}") for n in range(3_000)]),
    "wide below the limit": credential(
        evidence=[{"id": f"urn:a:{n}", "name": [f"n{n}"]} for n in range(99)]
    ),
    "very many values": credential(
        evidence=[
            {"id": "urn:a:b", "name": [f"{n}-{m}" for m in range(90)]} for n in range(9)
        ]
    ),
    "many small arrays": credential(
        evidence=[
            {
                "id": f"urn:a:{n}",
                "type": ["Evidence"],
                "name": [f"n{m}" for m in range(9)],
            }
            for n in range(100)
        ]
    ),
    "inline context": {
        **credential(name="n"),
        "@context": [*CREDENTIAL_CONTEXTS, {"name": "urn:other:name"}],
    },
    "context of another": {**credential(), "@context": ["https://example.org/c"]},
    "contexts in another order": {
        **credential(name="n"),
        "@context": list(reversed(CREDENTIAL_CONTEXTS)),
    },
    "nested context": credential(
        issuer=profile(**{"@context": {"name": "urn:other:name"}})
    ),
    "nested pinned context": credential(
        issuer=profile(**{"@context": CREDENTIAL_CONTEXTS[0]})
    ),
    "context of null": credential(issuer=profile(**{"@context": None})),
    "keyword for a term": credential(issuer={"@id": "urn:a:b", "@type": "Profile"}),
    "graph": credential(**{"@graph": [profile()]}),
    "reverse": credential(**{"@reverse": {"name": profile()}}),
    "term as IRI": credential(**{"https://schema.org/name": "n"}),
    "term with prefix": credential(**{"ob:name": "n"}),
    "types of an object": credential(issuer={"type": {"Profile": 1}, "name": "n"}),
    "types twice": credential(issuer={"type": ["Profile", "Profile"], "name": "n"}),
    "megabyte of letters": credential(name="a" * MEGABYTE),
    "megabyte of quotes": credential(name='"\\\n' * (MEGABYTE // 3)),
    "megabyte of signs": credential(name="\U0001f600" * (MEGABYTE // 4)),
    "megabyte of an IRI": credential(image="https://example.org/" + "a" * MEGABYTE),
    "megabyte of no IRI": credential(image="a" * MEGABYTE + ":"),
    "megabyte of a name": credential(**{"a" * MEGABYTE: "x"}),
    "megabyte of a type": credential(issuer={"type": ["a" * MEGABYTE]}),
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_hostile_document_ends_and_has_one_meaning(name: str) -> None:
    document = DOCUMENTS[name]
    fast = bounded(rdf.canonicalise, document)
    slow = bounded(rdf.canonicalise_by_pyld, document)

    assert fast == slow
    assert rdf.canonicalise_by_tables(document) in {None, slow}


@pytest.mark.parametrize("number", NUMBERS, ids=repr)
def test_a_number_has_one_meaning(number: float) -> None:
    subject = {"type": ["AchievementSubject"], "creditsEarned": number}
    for document in (
        credential(credentialSubject=subject),
        credential(name=number),
        credential(credentialSubject={**subject, "creditsEarned": [number, 1]}),
    ):
        fast = answer(rdf.canonicalise, document)
        assert fast == answer(rdf.canonicalise_by_pyld, document)


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":"' + b"\\u0061" * (MEGABYTE // 6 - 2) + b'"}',
        b'["' + b"\\" * (MEGABYTE - 4) + b'"]',
        b"[" * MEGABYTE,
        b'{"":' * (MEGABYTE // 4),
        b"[" + b"0," * (MEGABYTE // 2 - 1) + b"0]",
        b"[" + b"1e308," * (MEGABYTE // 6 - 1) + b"0]",
        b"[0." + b"3" * (MEGABYTE - 10) + b"]",
        b"{" + b",".join(b'"%d":0' % n for n in range(90_000)) + b"}",
        b"{" + b",".join([b'"a":0'] * 160_000) + b"}",
        # The one that stands there twice comes last.
        b"{" + b",".join(b'"%d":0' % n for n in [*range(90_000), 89_999]) + b"}",
    ],
    ids=range(10),
)
def test_a_megabyte_of_json_is_read_in_bounded_time(text: bytes) -> None:
    fast = bounded(canonical.parse, text)
    slow = bounded(canonical.parse_by_json, text)

    assert repr(fast) == repr(slow)
    if fast is not MalformedError:
        assert bounded(canonical.encode, fast) == canonical.encode_by_rfc8785(fast)
