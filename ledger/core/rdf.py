"""
What a JSON-LD document says, as canonical N-Quads (RDFC-1.0), or MalformedError.

The signature covers these N-Quads, so nothing may fall out of them in silence, nothing may
be fetched, and no document may make the work explode. pyld does the algorithms; this module
is what makes it strict.
"""

import hashlib
import math
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any, NoReturn

from pyld import jsonld
from pyld.canon import URDNA2015
from pyld.context_resolver import ContextResolver

from ledger.core import canonical
from ledger.core.canonical import Json
from ledger.core.form import Form
from ledger.core.vocabulary import Unanswered, Vocabulary
from ledger.errors import MalformedError

CREDENTIAL_CONTEXTS = (
    "https://www.w3.org/ns/credentials/v2",
    "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
    "https://purl.imsglobal.org/spec/ob/v3p0/extensions.json",
)
STATUS_LIST_CONTEXTS = CREDENTIAL_CONTEXTS[:1]

# The bytes under ledger/core/contexts, as published.
_PINNED = {
    CREDENTIAL_CONTEXTS[0]: (
        "credentials-v2.json",
        "59955ced6697d61e03f2b2556febe5308ab16842846f5b586d7f1f7adec92734",
    ),
    CREDENTIAL_CONTEXTS[1]: (
        "ob-context-3.0.3.json",
        "ef2fa9c7846dce233cc166b43639027278be4ee44f00bb1d45c75de2dd0cd761",
    ),
    CREDENTIAL_CONTEXTS[2]: (
        "ob-extensions.json",
        "146f85aa16effd7ca1da8056eb443f53ce1eca8a34186cb062832c0a97d889c3",
    ),
}

# pyld compares each value of a property of a node with all earlier ones, also when the node is
# described in several places; these two keep that square small. Far above what a credential
# needs (its model allows arrays of 100).
_MAX_VALUES = 4_000
_MAX_ALIKE = 256

# Units of work for blank nodes that first-degree hashes cannot tell apart, see _Budgeted. A
# sound credential spends a few hundred, 1EdTech's largest sample 3,000; all of it is a tenth
# of a second.
_MAX_WORK = 6_000

# RFC 3987 with a scheme, without the characters that N-Quads could not carry inside <>. And
# without white space, Unicode's too: pyld leaves out, in silence, all that such an IRI is in.
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x20<>\"{}|^`\\]*")


def _load_pinned(pinned: Mapping[str, tuple[str, str]]) -> dict[str, Json]:
    folder = resources.files("ledger.core") / "contexts"
    contexts: dict[str, Json] = {}
    for url, (name, digest) in pinned.items():
        data = (folder / name).read_bytes()
        if hashlib.sha256(data).hexdigest() != digest:
            # A damaged installation: every signature it made or checked would be wrong.
            raise RuntimeError(
                f"{name} is not the context that this code was built for"
            )
        contexts[url] = canonical.parse(data)
    return contexts


CONTEXTS: Mapping[str, Json] = _load_pinned(_PINNED)


def canonicalise(
    document: dict[str, Json], *, contexts: Mapping[str, Json] = CONTEXTS
) -> bytes:
    """
    Write the canonical N-Quads (RDFC-1.0) of a JSON-LD document. Raises MalformedError.

    What uses the pinned vocabulary alone is read through tables, everything else by pyld.
    """
    if contexts is CONTEXTS:
        found = canonicalise_by_tables(document)
        if found is not None:
            return found
    return canonicalise_by_pyld(document, contexts=contexts)


def canonicalise_by_tables(document: Mapping[str, Json]) -> bytes | None:
    """Write the same N-Quads through the tables alone; None for what they do not cover."""
    vocabulary = _vocabulary_of(document)
    if vocabulary is None:
        return None
    try:
        return vocabulary.canonicalise(document)
    except Unanswered:
        return None


def form_of(document: Mapping[str, Json], markers: Sequence[str]) -> Form | None:
    """Walk a document with markers in the place of texts, to be filled in many times.

    None if the tables do not cover it, or if one of these texts could change more than its
    place.
    """
    vocabulary = _vocabulary_of(document)
    if vocabulary is None:
        return None
    try:
        return Form.of(vocabulary.statements(document), markers)
    except Unanswered:
        return None


def canonicalise_by_pyld(
    document: dict[str, Json], *, contexts: Mapping[str, Json] = CONTEXTS
) -> bytes:
    """
    Write the same N-Quads through pyld alone: the definition. Raises MalformedError.

    Refused: a context that is not given by URL or not among `contexts`, any other keyword,
    null and empty arrays, undeclared members and types, relative IRIs, blank node labels,
    and graphs whose blank nodes cannot be told apart with bounded work.
    """
    canonical.check_value(document)
    _check_shape(document, contexts)
    # pyld's caches are shared and not safe for threads; its work holds the interpreter lock
    # in any case.
    with _LOCK:
        try:
            dataset = _StrictProcessor().to_rdf(
                document,
                {
                    # Without this an undefined type resolves against an example host.
                    "base": None,
                    "contextResolver": _resolver(contexts),
                    "documentLoader": _refuse_to_load,
                },
            )
        except jsonld.JsonLdError as error:
            raise MalformedError(f"not JSON-LD: {_first_cause(error)}") from error
    return _canonical_dataset(dataset)


_LOCK = threading.Lock()

_VOCABULARIES: Mapping[tuple[Json, ...], Vocabulary] = {
    urls: Vocabulary(urls, CONTEXTS, _LOCK)
    for urls in (CREDENTIAL_CONTEXTS, CREDENTIAL_CONTEXTS[:2], STATUS_LIST_CONTEXTS)
}


def _vocabulary_of(document: Mapping[str, Json]) -> Vocabulary | None:
    urls = document.get("@context")
    try:
        return _VOCABULARIES.get(tuple(urls)) if isinstance(urls, list) else None
    except TypeError:  # objects among them
        return None


def _refuse_to_load(url: str, _options: object = None) -> NoReturn:
    raise MalformedError(f"context {url[:100]!a} is not one of the pinned contexts")


# pyld installs a loader that fetches, and takes it wherever none is passed. We always pass
# one; this is for the day somebody forgets.
jsonld.set_document_loader(_refuse_to_load)


# Processed contexts of the pinned three: parsing them anew takes longer than a credential.
_CACHE: dict[str, Any] = {}


def _resolver(contexts: Mapping[str, Json]) -> Any:
    def load(url: str, _options: object = None) -> dict[str, Any]:
        if url not in contexts:
            _refuse_to_load(url)
        return {
            "contentType": "application/ld+json",
            "contextUrl": None,
            "documentUrl": url,
            "document": contexts[url],
            # Without it pyld hashes the whole context anew for each document.
            "tag": "static",
        }

    # Another mapping may give the same URL another meaning: never share its cache.
    return ContextResolver(_CACHE if contexts is CONTEXTS else {}, load)


def _check_shape(document: Json, contexts: Mapping[str, Json]) -> None:
    """Refuse JSON that could lose its meaning, or change it, on the way to a graph."""
    values = 0
    pending: list[Json] = [document]
    while pending:
        value = pending.pop()
        values += 1
        if value is None:
            raise MalformedError("null says nothing in JSON-LD")
        if isinstance(value, dict):
            for name, member in value.items():
                if name == "@context":
                    _check_context(member, contexts)
                elif name.startswith("@"):
                    raise MalformedError(f"keyword {name[:40]!a} is not allowed")
                else:
                    pending.append(member)
        elif isinstance(value, list):
            if not 0 < len(value) <= _MAX_ALIKE:
                raise MalformedError(
                    f"array of {len(value)}, 1 to {_MAX_ALIKE} allowed"
                )
            pending.extend(value)
        if values + len(pending) > _MAX_VALUES:
            raise MalformedError(f"more than {_MAX_VALUES} values")


def _check_context(value: Json, contexts: Mapping[str, Json]) -> None:
    for url in value if isinstance(value, list) else [value]:
        if not isinstance(url, str):
            raise MalformedError("a context is given by its URL, never inline")
        if url not in contexts:
            _refuse_to_load(url)


class _StrictProcessor(jsonld.JsonLdProcessor):  # type: ignore[misc] # pyld has no types
    """pyld, refusing where it would drop: JSON-LD 1.1 with data loss detection."""

    def __init__(self) -> None:
        super().__init__(on_property_dropped=_refuse_to_drop)

    def expand(self, input_: Any, options: dict[str, Any]) -> Any:
        expanded = super().expand(input_, options)
        described: Counter[tuple[str, str]] = Counter()
        for node in expanded:
            _check_expanded(node, described)
        return expanded


def _refuse_to_drop(name: object) -> NoReturn:
    raise MalformedError(f"member {str(name)[:40]!a} is not declared by the contexts")


def _check_expanded(node: dict[str, Any], described: Counter[tuple[str, str]]) -> None:
    """Refuse expanded JSON-LD of which pyld would leave something out of the graph."""
    if "@value" in node:
        _check_literal(node)
        return
    for name, values in node.items():
        if name == "@id":
            _check_iri(values, "id")
            continue
        _check_values(name, values, described)
        if "@id" in node:
            # A node described in several places: pyld gathers its values in one list.
            described[node["@id"], name] += len(values)
            if described[node["@id"], name] > _MAX_ALIKE:
                raise MalformedError(f"more than {_MAX_ALIKE} values of one member")


def _check_values(
    name: str, values: list[Any], described: Counter[tuple[str, str]]
) -> None:
    if name == "@type":
        for type_ in values:
            _check_iri(type_, "type")
        return
    if name not in {"@list", "@graph"}:
        _check_iri(name, "member")
    for value in values:
        _check_expanded(value, described)


def _check_literal(literal: dict[str, Any]) -> None:
    if not literal.keys() <= {"@value", "@type"}:
        raise MalformedError("a literal has a value and a type, nothing else")
    datatype = literal.get("@type")
    if datatype not in {None, "@json"}:
        _check_iri(datatype, "datatype")


def _check_iri(iri: object, what: str) -> None:
    if not isinstance(iri, str) or not _IRI.fullmatch(iri):
        # Relative IRIs, undefined types and blank node labels ("_:b0") all end here.
        raise MalformedError(f"{what} {str(iri)[:40]!a} is not an absolute IRI")


def _canonical_dataset(dataset: Any) -> bytes:
    try:
        text: str = _Budgeted().main(dataset, {"format": "application/n-quads"})
    except RecursionError as error:
        raise MalformedError("a chain of blank nodes too long to follow") from error
    # pyld writes control characters as they are, RDFC-1.0 wants them escaped.
    canonical.check_value(text)
    return text.encode("utf-8")


class _Budgeted(URDNA2015):  # type: ignore[misc] # pyld has no types
    """
    RDFC-1.0 that gives up after a fixed amount of work, the same on every machine.

    Telling blank nodes apart tries every order of those that look alike, recursively: a
    clique of eight takes minutes (RDFC-1.0 section 7.1, "dataset poisoning"). Each call of
    Hash N-Degree Quads is charged, before it starts, for the quads it reads and for the
    orders it will try.
    """

    def __init__(self) -> None:
        super().__init__()
        self._work = _MAX_WORK

    def create_hash_to_related(self, id_: str, issuer: Any) -> Any:
        self._charge(len(self.blank_node_info[id_]["quads"]))
        related = super().create_hash_to_related(id_, issuer)
        # Each order starts from a copy of the labels given so far.
        copying = 1 + len(issuer.order) // 8
        for alike in related.values():
            # factorial() of a long list alone would be work without bound.
            self._charge(math.factorial(min(len(alike), 10)) * copying)
        return related

    def _charge(self, units: int) -> None:
        self._work -= units
        if self._work < 0:
            raise MalformedError(
                "blank nodes that cannot be told apart with bounded work"
            )


def _first_cause(error: BaseException) -> str:
    """The innermost message of pyld, without the values it attaches."""
    for cause in _causes(error):
        error = cause
    message: object = error.args[0] if error.args else type(error).__name__
    return str(message)[:200]


def _causes(error: BaseException) -> Iterator[BaseException]:
    while error.__cause__ is not None:
        error = error.__cause__
        yield error
