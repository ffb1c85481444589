"""
The shortcut of RDFC-1.0 for documents whose every word is in the pinned contexts.

pyld processes the contexts once for each combination of types; what it finds becomes a
table, and a document that uses nothing else is walked straight into canonical N-Quads. The
context algorithm is not written again here, and nothing is guessed: whatever the tables do
not fully cover is Unanswered, and ledger.core.rdf asks pyld. So this module decides how
fast, never what the bytes are; tests compare it with pyld byte for byte.
"""

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pyld import jsonld
from pyld.context_resolver import ContextResolver

from ledger.core.canonical import Json

_RDF_TYPE = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>"
_BOOLEAN = "http://www.w3.org/2001/XMLSchema#boolean"
_INTEGER = "http://www.w3.org/2001/XMLSchema#integer"
# IRIs, and the type that would turn 3 into "3.0E0".
_NOT_FOR_NUMBERS = frozenset(
    {"@id", "@vocab", "http://www.w3.org/2001/XMLSchema#double"}
)

# Stricter than an IRI need be, so that pyld and this module cannot read one differently. All
# white space is among them: as \s, a second test for each character, it takes half as long again.
_IN_IRI = (
    r"[^\x00-\x20<>\"{}|^`\\\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
)
_ABSOLUTE = re.compile(rf"[A-Za-z][A-Za-z0-9+.-]*:{_IN_IRI}*")

# What FORBIDDEN finds, looked for in the canonical N-Quads as bytes: most of a document is
# literals, and one search is faster than one for each. Lone surrogates do not encode at all.
_CONTROLS = bytes([*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F])
_NON_CHARACTER = re.compile(rb"\xef\xbf[\xbe\xbf]")

# Far above a credential; a larger document is for pyld and its own limits: each statement
# takes at most three of the 4,000 values that it allows.
_MAX_TRIPLES = 1_000
_MAX_DEPTH = 16
_MAX_ALIKE = 256
_MAX_ARRAY = 100
# A stranger chooses the combinations of types in a file: a bound on what is kept of them.
_MAX_TABLES = 256
_MAX_TYPES = 4
_MAX_INTEGER = 2**53

# "scheme:rest" could be a prefix and a name. These are no term of any context here, which
# the compiler makes sure of.
_SCHEMES = frozenset({"http", "https", "urn", "did"})
IRI = re.compile(rf"(?:{'|'.join(sorted(_SCHEMES))}):{_IN_IRI}+")

#: An IRI or literal as N-Quads writes it, or the number of a blank node.
Term: TypeAlias = "str | int"
#: A statement: subject, predicate, value.
Triple: TypeAlias = "tuple[Term, str, Term]"


class Unanswered(Exception):  # noqa: N818 - not a fault: ask pyld
    """The tables do not say what this means."""


@dataclass(frozen=True, slots=True)
class _Member:
    """What a member of a node becomes."""

    predicate: str
    kind: str | None
    #: The words that a value may be, where values are looked up in the vocabulary.
    words: Mapping[str, str]
    #: Whether a value may be a node; not where the member has a context of its own.
    nodes: bool


@dataclass(frozen=True, slots=True)
class _Table:
    """What a node with certain types may hold."""

    types: tuple[str, ...]
    members: Mapping[str, _Member]


@dataclass(slots=True)
class _Walk:
    """A document on its way to statements."""

    triples: list[Triple] = field(default_factory=list)
    blank_nodes: int = 0
    depth: int = 0

    def blank_node(self) -> int:
        self.blank_nodes += 1
        return self.blank_nodes


class Vocabulary:
    """The words of one list of contexts. Safe for threads; tables are made when first met."""

    def __init__(
        self,
        urls: Iterable[str],
        contexts: Mapping[str, Json],
        pyld_lock: threading.Lock,
    ) -> None:
        self._urls = list(urls)
        self._contexts = contexts
        self._lock = pyld_lock
        self._tables: dict[tuple[Json, ...], _Table] = {}
        self._compiler: _Compiler | None = None

    def canonicalise(self, document: Mapping[str, Json]) -> bytes:
        """Write the canonical N-Quads of a document, or raise Unanswered."""
        return _labelled(self.statements(document))

    def statements(self, document: Mapping[str, Json]) -> list[Triple]:
        """Walk a document into its statements, repetitions too, or raise Unanswered."""
        if document.get("@context") != self._urls:
            raise Unanswered("other contexts")
        walk = _Walk()
        node = {name: value for name, value in document.items() if name != "@context"}
        self._node(node, walk)
        if len(walk.triples) > _MAX_ALIKE:
            check_alike(walk.triples)
        return walk.triples

    def _table(self, types: tuple[str, ...]) -> _Table:
        table = self._tables.get(types)
        if table is not None:
            return table
        if len(types) > _MAX_TYPES or len(self._tables) >= _MAX_TABLES:
            raise Unanswered("a combination of types that was not met before")
        with self._lock:
            if self._compiler is None:
                self._compiler = _Compiler(self._urls, self._contexts)
            try:
                made = self._compiler.table(types)
            except jsonld.JsonLdError as error:
                raise Unanswered(
                    "types whose contexts contradict each other"
                ) from error
            return self._tables.setdefault(types, made)

    def _table_of(self, node: Mapping[str, Json]) -> _Table:
        value = node.get("type")
        # An object would give its names here.
        types = tuple(value) if isinstance(value, list) else (value,)
        try:
            # What has a table was found to be names, each once.
            table = self._tables.get(types) if types else None
        except TypeError:  # objects or arrays among them
            table = None
        return table or self._table(_types(node))

    def _node(self, node: Mapping[str, Json], walk: _Walk) -> Term:
        if len(node) == ("id" in node):
            # Nothing is said of it: an empty object, or a bare reference.
            raise Unanswered("a node without members")
        table = self._table_of(node)
        me = _iri(node["id"]) if "id" in node else walk.blank_node()
        add = walk.triples.append
        for type_ in table.types:
            add((me, _RDF_TYPE, type_))
        for name, value in node.items():
            if name in {"id", "type"}:
                continue
            member = table.members.get(name)
            if member is None:
                raise Unanswered("a member that is no term here")
            if type(value) is str:
                plain = member.kind is None and not _TO_ESCAPE(value)
                text = f'"{value}"' if plain else _text(value, member)
                add((me, member.predicate, text))
                continue
            values = value if isinstance(value, list) else (value,)
            if not 0 < len(values) <= _MAX_ARRAY:
                raise Unanswered("an empty or a long array")
            for item in values:
                add((me, member.predicate, self._value(item, member, walk)))
        if len(walk.triples) > _MAX_TRIPLES:
            raise Unanswered("a document of many statements")
        return me

    def _value(self, value: Json, member: _Member, walk: _Walk) -> Term:
        if isinstance(value, str):
            return _text(value, member)
        if isinstance(value, dict) and member.nodes:
            walk.depth += 1
            if walk.depth > _MAX_DEPTH:
                raise Unanswered("a deep document")
            node = self._node(value, walk)
            walk.depth -= 1
            return node
        if member.kind not in _NOT_FOR_NUMBERS:
            if isinstance(value, bool):
                return f'"{"true" if value else "false"}"^^<{member.kind or _BOOLEAN}>'
            if isinstance(value, int) and abs(value) < _MAX_INTEGER:
                return f'"{value}"^^<{member.kind or _INTEGER}>'
        # Fractions too: engines write the seventeenth digit differently.
        raise Unanswered("a value without a rule")


def check_alike(triples: Iterable[Triple]) -> None:
    """Leave to pyld, which refuses it, a node with very many values of one member."""
    alike = Counter((subject, predicate) for subject, predicate, _ in triples)
    if max(alike.values()) > _MAX_ALIKE:
        raise Unanswered("very many values of one member")


def _text(value: str, member: _Member) -> str:
    kind = member.kind
    if kind is None:
        return _literal(value)
    if kind == "@id":
        return _iri(value)
    if kind == "@vocab":
        if value not in member.words:
            raise Unanswered("a word that is not in the vocabulary")
        return member.words[value]
    return f"{_literal(value)}^^<{kind}>"


def _types(node: Mapping[str, Json]) -> tuple[str, ...]:
    if "type" not in node:
        return ()
    value = node["type"]
    types = [value] if isinstance(value, str) else value
    if not isinstance(types, list) or not types:
        raise Unanswered("types are names")
    names = tuple(name for name in types if isinstance(name, str))
    if len(names) != len(types) or len(set(names)) != len(names):
        raise Unanswered("types are different names")
    return names


def _iri(value: Json) -> str:
    if not isinstance(value, str) or not IRI.fullmatch(value):
        raise Unanswered("not an absolute IRI, or a scheme that could be a prefix")
    return f"<{value}>"


_ESCAPES = str.maketrans(
    {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
)
_TO_ESCAPE = re.compile(r'[\\"\n\r\t]').search


def escape(text: str) -> str:
    """Write a text as it stands between the quotes of a literal."""
    return text.translate(_ESCAPES) if _TO_ESCAPE(text) else text


def _literal(text: str) -> str:
    return f'"{escape(text)}"'


def _labelled(triples: Iterable[Triple]) -> bytes:
    """RDFC-1.0 section 4.4, as far as Hash First Degree Quads (4.6) tells all nodes apart."""
    statements = set(triples)
    by_hash: dict[bytes, int] = {}
    for node, lines in about_blank_nodes(statements).items():
        digest = hashlib.sha256(utf8("".join(sorted(lines)))).digest()
        if by_hash.setdefault(digest, node) != node:
            raise Unanswered("two blank nodes that look alike")
    labels: dict[Term, str] = {
        by_hash[digest]: f"_:c14n{place}"
        for place, digest in enumerate(sorted(by_hash))
    }
    encoded = _encoded(
        f"{labels.get(subject, subject)} {predicate} {labels.get(value, value)} .\n"
        for subject, predicate, value in statements
    )
    # Code point order, as the standard has it: in UTF-8 that is the order of the bytes.
    encoded.sort()
    return b"".join(encoded)


def about_blank_nodes(statements: Iterable[Triple]) -> dict[int, list[str]]:
    """The lines that a blank node's first-degree hash covers, for each, in no order.

    RDFC-1.0 section 4.6: the node itself is _:a there, every other one _:z.
    """
    # Statements are a set, lines about a node are a list: two results of one subject give
    # the line "_:a <result> _:z" twice, and the hash is over both.
    about: dict[int, list[str]] = {}
    for subject, predicate, value in statements:
        if type(subject) is int:
            other = "_:z" if type(value) is int else value
            about.setdefault(subject, []).append(f"_:a {predicate} {other} .\n")
        if type(value) is int:
            other = "_:z" if type(subject) is int else subject
            about.setdefault(value, []).append(f"{other} {predicate} _:a .\n")
    return about


def _encoded(lines: Iterable[str]) -> list[bytes]:
    """N-Quads as bytes; Unanswered for the characters that canonicalisers write differently."""
    try:
        data = [line.encode() for line in lines]
    except UnicodeEncodeError as error:
        raise Unanswered("lone surrogates") from error
    check_characters(b"".join(data))
    return data


def check_characters(data: bytes) -> None:
    """Raise Unanswered for characters in UTF-8 that canonicalisers write differently."""
    if len(data.translate(None, _CONTROLS)) != len(data) or (
        b"\xef" in data and _NON_CHARACTER.search(data)
    ):
        raise Unanswered("characters that canonicalisers write differently")


def utf8(text: str) -> bytes:
    """Encode a text; Unanswered for lone surrogates."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise Unanswered("lone surrogates") from error


class _Compiler:
    """pyld's reading of the contexts, taken down as tables."""

    def __init__(self, urls: list[str], contexts: Mapping[str, Json]) -> None:
        def load(url: str, _options: object = None) -> dict[str, Any]:
            return {
                "contentType": "application/ld+json",
                "contextUrl": None,
                "documentUrl": url,
                "document": contexts[url],
            }

        self._processor: Any = jsonld.JsonLdProcessor()
        self._options = {
            "base": None,
            "processingMode": "json-ld-1.1",
            "documentLoader": load,
            "contextResolver": ContextResolver({}, load),
        }
        initial = self._processor._get_initial_context(self._options)  # noqa: SLF001
        self._base = self._process(initial, urls)

    def table(self, types: tuple[str, ...]) -> _Table:
        """What a node of these types may hold. Raises Unanswered for an unknown type."""
        active = self._base
        lines = []
        for name in types:
            mapping = self._base["mappings"].get(name)
            if not mapping or not _is_iri(mapping.get("@id")) or mapping.get("reverse"):
                raise Unanswered("a type that is no term")
            lines.append(f"<{mapping['@id']}>")
        # JSON-LD 1.1 API, 5.1.2 step 11: in lexicographical order, and not for nodes below.
        for name in sorted(types):
            scoped = self._base["mappings"][name].get("@context")
            if scoped is not None:
                active = self._process(active, scoped, propagate=False)
        if not _SCHEMES.isdisjoint(active["mappings"]):
            raise Unanswered("a scheme that is a term here")
        members = {}
        for term, mapping in active["mappings"].items():
            member = self._member(active, term, mapping)
            if member is not None:
                members[term] = member
        return _Table(tuple(lines), members)

    def _member(self, active: Any, term: str, mapping: Any) -> _Member | None:
        """A term's rule; None for the kinds of term that are left to pyld."""
        if term.startswith("@") or not _is_plain(mapping):
            return None
        kind, scoped = mapping.get("@type"), mapping.get("@context")
        if scoped is not None and kind != "@vocab":
            return None
        words: dict[str, str] = {}
        if kind == "@vocab":
            within = (
                active
                if scoped is None
                else self._process(active, scoped, override=True)
            )
            words = {
                word: f"<{meaning['@id']}>"
                for word, meaning in within["mappings"].items()
                if meaning
                and _is_iri(meaning.get("@id"))
                and not meaning.get("reverse")
            }
        return _Member(f"<{mapping['@id']}>", kind, words, nodes=scoped is None)

    def _process(
        self,
        active: Any,
        context: Any,
        *,
        propagate: bool = True,
        override: bool = False,
    ) -> Any:
        return self._processor._process_context(  # noqa: SLF001
            active,
            context,
            self._options,
            propagate=propagate,
            override_protected=override,
        )


def _is_plain(mapping: Any) -> bool:
    """A term for one IRI, its values single or a set, without language or index."""
    if not mapping or not _is_iri(mapping.get("@id")) or mapping.get("reverse"):
        return False
    if set(mapping.get("@container") or ()) - {"@set"}:
        return False
    if {"@language", "@direction", "@index", "@nest"} & mapping.keys():
        return False
    kind = mapping.get("@type")
    return kind in {None, "@id", "@vocab"} or _is_iri(kind)


def _is_iri(value: object) -> bool:
    return isinstance(value, str) and _ABSOLUTE.fullmatch(value) is not None
