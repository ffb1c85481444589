"""Canonical N-Quads, and everything that is refused on the way to them."""

import hashlib
import inspect
import json
import re
import subprocess
import sys
import time
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from pyld import jsonld

from ledger.core import rdf
from ledger.core.canonical import Json, parse, parse_object
from ledger.core.rdf import CONTEXTS, CREDENTIAL_CONTEXTS, canonicalise
from ledger.errors import MalformedError

_PUBLISHED = Path(__file__).parents[2] / "vectors" / "published"
_CONTEXTS: list[Json] = list(CREDENTIAL_CONTEXTS)


def _document(**members: Json) -> dict[str, Json]:
    return {
        "@context": _CONTEXTS,
        "id": "urn:uuid:58172aac-d8ba-41ed-83dd-0b3aef56cc33",
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "name": "Teamwork",
        **members,
    }


def test_a_small_document() -> None:
    expected = (
        "<urn:uuid:58172aac-d8ba-41ed-83dd-0b3aef56cc33> "
        "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type> "
        "<https://purl.imsglobal.org/spec/vc/ob/vocab.html#OpenBadgeCredential> .\n"
        "<urn:uuid:58172aac-d8ba-41ed-83dd-0b3aef56cc33> "
        "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type> "
        "<https://www.w3.org/2018/credentials#VerifiableCredential> .\n"
        "<urn:uuid:58172aac-d8ba-41ed-83dd-0b3aef56cc33> "
        '<https://schema.org/name> "Teamwork" .\n'
    )

    assert canonicalise(_document()).decode() == expected


def test_the_published_document_of_1edtech_byte_for_byte() -> None:
    folder = _PUBLISHED / "1edtech" / "impl-guide"
    vector = parse_object((folder / "ob3-vector.json").read_bytes())
    document = vector["credential"]
    assert isinstance(document, dict)

    assert canonicalise(document) == (folder / "ob3-document-canon.nq").read_bytes()


@pytest.mark.parametrize(
    "name",
    ["1edtech/ob30/complete.json", "1edtech/ob30/simple.json"],
)
def test_both_open_badges_contexts_in_circulation_give_the_same_bytes(
    name: str,
) -> None:
    variant = _PUBLISHED / "contexts" / "ob-context-3.0.3.validator-variant.json"
    contexts = {**CONTEXTS, CREDENTIAL_CONTEXTS[1]: parse(variant.read_bytes())}
    document = parse_object((_PUBLISHED / name).read_bytes())

    assert contexts != CONTEXTS
    assert canonicalise(document) == canonicalise(document, contexts=contexts)


def test_the_same_url_with_other_contexts_keeps_its_own_meaning() -> None:
    """A cache shared between two sets of contexts would mix them up."""
    url = CREDENTIAL_CONTEXTS[0]
    other: Json = {"@context": {"name": "urn:example:name", "id": "@id"}}
    document: dict[str, Json] = {"@context": url, "id": "urn:x:1", "name": "a"}

    pinned = canonicalise(document)
    changed = canonicalise(document, contexts={url: other})

    assert pinned == b'<urn:x:1> <https://schema.org/name> "a" .\n'
    assert changed == b'<urn:x:1> <urn:example:name> "a" .\n'
    assert pinned == canonicalise(document)


def test_the_contexts_are_the_published_bytes() -> None:
    folder = resources.files("ledger.core") / "contexts"
    for url, (name, digest) in rdf._PINNED.items():
        data = (folder / name).read_bytes()

        assert hashlib.sha256(data).hexdigest() == digest
        assert parse(data) == CONTEXTS[url]


@pytest.mark.parametrize(
    ("reason", "members"),
    [
        ("member 'nickname' is not declared", {"nickname": "a"}),
        ("member 'nickname' is not declared", {"credentialSubject": {"nickname": "a"}}),
        ("member '' is not declared", {"": "a"}),
        ("type 'Nonsense' is not an absolute", {"type": ["Nonsense"]}),
        ("type 'Nonsense' is not an absolute", {"evidence": [{"type": ["Nonsense"]}]}),
        ("id 'relative' is not an absolute", {"id": "relative"}),
        ("id '/a' is not an absolute", {"id": "/a"}),
        ("id '' is not an absolute", {"id": ""}),
        ("id '_:b0' is not an absolute", {"id": "_:b0"}),
        ("id '_:b0' is not an absolute", {"credentialSubject": {"id": "_:b0"}}),
        ("id '_:b0' is not an absolute", {"issuer": "_:b0"}),
        ("id 'relative' is not an absolute", {"issuer": "relative"}),
        ("id 'urn:a>b' is not an absolute", {"id": "urn:a>b"}),
        ("id 'urn:a b' is not an absolute", {"id": "urn:a b"}),
        ("id 'urn:a\\n' is not an absolute", {"id": "urn:a\n"}),
        ("id 'urn:a\"' is not an absolute", {"id": 'urn:a"'}),
        ("id 'urn:a\\u2028' is not an absolute", {"id": "urn:a\u2028"}),
        ("id 'urn:a\\u3000b' is not an absolute", {"issuer": "urn:a\u3000b"}),
        ("id 'urn:a\\xa0b' is not an absolute", {"issuer": "urn:a\xa0b"}),
        ("member '_:p' is not an absolute", {"_:p": "a"}),
        ("member 'urn:a>' is not an absolute", {"urn:a>": "a"}),
        ("keyword '@id' is not allowed", {"@id": "urn:x:1"}),
        ("keyword '@graph' is not allowed", {"@graph": []}),
        ("keyword '@included' is not allowed", {"@included": [{"name": "a"}]}),
        ("keyword '@value' is not allowed", {"name": {"@value": "a"}}),
        ("keyword '@type' is not allowed", {"credentialSubject": {"@type": "a:b"}}),
        ("keyword '@set' is not allowed", {"evidence": {"@set": []}}),
        ("never inline", {"@context": [{"nickname": "urn:x:nickname"}]}),
        ("never inline", {"@context": [*_CONTEXTS, {"name": "urn:x:name"}]}),
        ("never inline", {"@context": {"@vocab": "urn:x:"}}),
        ("never inline", {"credentialSubject": {"@context": {}, "name": "a"}}),
        ("never inline", {"@context": [[CREDENTIAL_CONTEXTS[0]]]}),
        ("never inline", {"@context": None}),
        (
            "context 'http://127.0.0.1:9/ctx' is not one of",
            {"@context": [*_CONTEXTS, "http://127.0.0.1:9/ctx"]},
        ),
        (
            "is not one of the pinned",
            {"credentialSubject": {"@context": "https://example.org/ctx"}},
        ),
        ("null", {"name": None}),
        ("null", {"evidence": [None]}),
        ("array of 0", {"evidence": []}),
        ("array of 257", {"evidence": [{"name": "a"}] * 257}),
        ("more than 4000 values", {"evidence": [{"name": ["a"] * 200}] * 20}),
        (
            "more than 256 values of one member",
            {
                "evidence": [
                    {"id": "urn:x:2", "name": [f"{i}", "b", "c"]} for i in range(90)
                ]
            },
        ),
        ("U+0000", {"name": "a\0"}),
        ("U+007F", {"name": "\x7f"}),
        ("U+D800", {"name": "\ud800"}),
        ("not a JSON value", {"name": b"a"}),
        ("not JSON-LD", {"type": 1}),
        ("not JSON-LD", {"id": 1}),
        ("not JSON-LD", {"id": ["urn:x:1"]}),
        ("not JSON-LD", {"type": {"a": "b"}}),
    ],
)
def test_canonicalise_refuses(reason: str, members: dict[str, Any]) -> None:
    with pytest.raises(MalformedError) as refusal:
        canonicalise(_document(**members))

    assert reason in str(refusal.value)


def test_nothing_but_the_root_context_is_needed() -> None:
    without = _document()
    del without["@context"]

    with pytest.raises(MalformedError, match="not declared"):
        canonicalise(without)


def test_nothing_is_ever_fetched() -> None:
    """A fresh interpreter in which any use of the network ends the process."""
    code = """
import os, sys
def refuse(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.sendto"}:
        os.write(2, event.encode())
        os._exit(1)
sys.addaudithook(refuse)
from ledger.core import rdf
from ledger.errors import MalformedError
from pyld import jsonld
document = {"@context": "http://127.0.0.1:9/ctx", "name": "a"}
try:
    rdf.canonicalise(document)
except MalformedError as error:
    print(error)
try:
    jsonld.expand(document)  # with pyld's own default loader
except jsonld.JsonLdError as error:
    print(error.__cause__)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    expected = "context 'http://127.0.0.1:9/ctx' is not one of the pinned contexts"
    assert done.stdout.splitlines() == [expected] * 2


def test_members_in_another_order_are_the_same_graph() -> None:
    document = _document(evidence=[{"type": ["Evidence"], "name": "a"}])
    turned = dict(reversed(document.items()))

    assert list(document) != list(turned)
    assert canonicalise(document) == canonicalise(turned)


def _canonical(quads: str) -> bytes:
    return rdf._canonical_dataset(jsonld.JsonLdProcessor.parse_nquads(quads))


def _clique(size: int) -> str:
    nodes = range(size)
    edges = ((a, b) for a in nodes for b in nodes if a != b)
    return "".join(f"_:n{a} <urn:x:p> _:n{b} .\n" for a, b in edges)


def _ring_of_pairs(size: int) -> str:
    return "".join(
        f"_:c <urn:x:p> _:e{i} .\n_:e{i} <urn:x:q> _:f{i} .\n"
        f"_:f{i} <urn:x:q> _:e{(i + 1) % size} .\n"
        for i in range(size)
    )


@pytest.mark.parametrize(
    "quads",
    [
        (_PUBLISHED / "w3c" / "rdf-canon" / "test074-in.nq").read_text(),
        *[_clique(size) for size in (6, 7, 8, 12, 30)],
        _ring_of_pairs(100),
        _ring_of_pairs(250),
        "".join(
            f"_:n{i} <urn:x:p> _:n{i + 1} .\n_:n{i + 1} <urn:x:p> _:n{i} .\n"
            for i in range(600)
        ),
    ],
    ids=[
        "w3c074",
        "six",
        "seven",
        "eight",
        "twelve",
        "thirty",
        "ring",
        "big-ring",
        "chain",
    ],
)
def test_poisoned_graphs_are_refused_within_a_second_of_work(quads: str) -> None:
    dataset = jsonld.JsonLdProcessor.parse_nquads(quads)
    before = time.process_time()

    with pytest.raises(MalformedError, match="blank nodes"):
        rdf._canonical_dataset(dataset)

    assert time.process_time() - before < 1


def test_a_small_clique_is_still_canonicalised_whatever_its_labels() -> None:
    renamed = _clique(4).replace("n0", "z").replace("n3", "a")

    assert _canonical(_clique(4)) == _canonical(renamed)


def test_two_proof_graphs_of_the_same_content_are_told_apart() -> None:
    """Other canonicalisers got this one wrong; 1EdTech's complete sample needs it."""
    quads = (_PUBLISHED / "derived" / "identical-proof-graphs.nq").read_text()

    canonical = _canonical(quads)

    assert canonical.count(b"\n") == quads.count("\n")
    assert canonical == _canonical(canonical.decode().replace("c14n", "x"))


def test_w3c_test060_control_characters_are_refused() -> None:
    """RDFC-1.0 escapes them, pyld writes them as they are: so none may come through."""
    quads = (_PUBLISHED / "w3c" / "rdf-canon" / "test060-in.nq").read_text()
    dataset = jsonld.JsonLdProcessor.parse_nquads(quads)
    for triple in dataset["@default"]:
        # pyld reads no numeric escapes.
        triple["object"]["value"] = re.sub(
            r"\\u([0-9a-fA-F]{4})",
            lambda found: chr(int(found[1], 16)),
            triple["object"]["value"],
        )

    with pytest.raises(MalformedError, match=r"U\+0000"):
        rdf._canonical_dataset(dataset)


def test_the_error_carries_no_value_of_the_document() -> None:
    with pytest.raises(MalformedError) as refusal:
        canonicalise(
            _document(name="ana@example.org", type=[{"name": "ana@example.org"}])
        )

    assert "ana" not in str(refusal.value)


def test_the_document_is_left_as_it_was() -> None:
    document = parse_object((_PUBLISHED / "1edtech/ob30/complete.json").read_bytes())
    before = json.dumps(document)

    canonicalise(document)

    assert json.dumps(document) == before


def test_a_damaged_context_stops_the_program() -> None:
    url, (name, digest) = next(iter(rdf._PINNED.items()))

    with pytest.raises(RuntimeError, match="not the context"):
        rdf._load_pinned({url: (name, digest[::-1])})


@pytest.mark.parametrize(
    ("reason", "context"),
    [
        ("'urn:x:other' is not one of the pinned", ["urn:x:other"]),
        ("a value and a type, nothing else", {"name": "urn:x:name", "@language": "en"}),
        ("member '@reverse' is not", {"name": {"@reverse": "urn:x:n", "@type": "@id"}}),
        (
            "@type value must be an absolute IRI",
            {"name": {"@id": "urn:x:n", "@type": "nonsense"}},
        ),
        ('"values of @included must', {"name": "@included"}),
        ("member '@index'", {"name": "@index"}),
        ("id 'a b' is not", {"name": {"@id": "urn:x:n", "@type": "@id"}}),
    ],
)
def test_whatever_a_context_does_nothing_is_lost(reason: str, context: Json) -> None:
    """The pinned ones do none of this: what holds is the check, not their contents."""
    document: dict[str, Json] = {"@context": "urn:x:c", "name": "a b"}
    if isinstance(context, dict):
        context = {"id": "@id", **context}

    with pytest.raises(MalformedError) as refusal:
        canonicalise(document, contexts={"urn:x:c": {"@context": context}})

    assert reason in str(refusal.value)


def test_a_chain_longer_than_the_stack_is_refused() -> None:
    nodes = range(300)
    quads = "".join(
        f"_:n{i} <urn:x:p> _:n{i + 1} .\n_:n{i + 1} <urn:x:p> _:n{i} .\n" for i in nodes
    )
    dataset = jsonld.JsonLdProcessor.parse_nquads(quads)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 60)
    try:
        with pytest.raises(MalformedError, match="too long to follow"):
            rdf._canonical_dataset(dataset)
    finally:
        sys.setrecursionlimit(limit)
