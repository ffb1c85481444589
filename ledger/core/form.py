"""
A document with blanks: walked once, filled in many times.

A school issues thousands of credentials that differ in a dozen texts. The document of one of
them, with a marker in the place of each such text, is walked into statements as any other;
the lines that these make, and its JSON, are cut at the markers. Filling in is joining.

What a text could change beyond its own place is excluded when the form is made, or found when
it is filled in: the order of lines under a hash, two statements that become one, two blank
nodes that become alike, a character that is written in several ways. Then it is Unanswered,
and the document is walked as any other. So this module, as ledger.core.vocabulary, decides
how fast, never what the bytes are.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import eq, itemgetter

from ledger.core.vocabulary import (
    IRI,
    Term,
    Triple,
    Unanswered,
    about_blank_nodes,
    check_alike,
    check_characters,
    escape,
    utf8,
)

_TO_ESCAPE = re.compile(rb'[\\"\n\r\t]').search


def markers(count: int, text: bytes) -> tuple[str, ...]:
    """IRIs of one length, all different, that occur nowhere in a text."""
    number = 0
    while (start := f"urn:blank{number}:").encode() in text:
        number += 1
    return tuple(f"{start}{at:04}" for at in range(count))


def quoted(texts: Sequence[str]) -> list[bytes]:
    """
    Write texts as they stand between quotes, in RFC 8785 and in canonical N-Quads alike.

    Unanswered if one has a character that `parse` refuses, or that canonicalisers write
    differently.
    """
    written = [utf8(text) for text in texts]
    joined = b"".join(written)
    check_characters(joined)
    # Quote, backslash, tab, line feed and carriage return have one escape in both.
    return [utf8(escape(text)) for text in texts] if _TO_ESCAPE(joined) else written


@dataclass(frozen=True, slots=True)
class Template:
    """A text cut at its markers."""

    text: bytes
    pick: Callable[[Sequence[bytes]], bytes | tuple[bytes, ...]]

    @classmethod
    def of(cls, text: bytes, markers: Sequence[str]) -> "Template":
        """Cut a text; a marker may stand in it once, often or not at all."""
        numbers = {marker.encode(): at for at, marker in enumerate(markers)}
        cut = _any_of(markers)
        order = [numbers[found[0]] for found in cut.finditer(text)]
        pieces = cut.sub(b"%s", text.replace(b"%", b"%%"))
        return cls(pieces, itemgetter(*order) if order else _none)

    def fill(self, texts: Sequence[bytes]) -> bytes:
        """Join it again, with the text for each marker in its place."""
        return self.text % self.pick(texts)


def _any_of(markers: Sequence[str]) -> re.Pattern[bytes]:
    # Of letters, digits and colons; with none of them, what matches nowhere.
    return re.compile("|".join(markers).encode() or b"(?!)")


def _none(_texts: Sequence[bytes]) -> tuple[bytes, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Form:
    """The canonical N-Quads (RDFC-1.0) of a document with markers in it."""

    #: Which of the texts are IRIs.
    iris: tuple[int, ...]
    #: Blank nodes of which a text is said: what their first-degree hashes cover (section 4.6).
    nodes: tuple[tuple[int, Template], ...]
    #: All others, by their hashes.
    hashes: Mapping[bytes, int]
    #: All lines, with the labels of blank nodes behind the texts. They are not in order.
    lines: Template

    @classmethod
    def of(cls, triples: Collection[Triple], blanks: Sequence[str]) -> "Form":
        """Make the form of a document's statements, or raise Unanswered.

        `blanks`: the markers that stand in it.
        """
        _check_alike(triples)
        statements = set(triples)
        terms = {term for subject, _, value in statements for term in (subject, value)}
        said = utf8(" ".join(map(str, terms)))
        check_characters(said)
        about = about_blank_nodes(statements)
        # Labels are found again as markers are, so they too must occur nowhere else.
        labels: dict[Term, str] = dict(
            zip(about, markers(len(about), said), strict=True)
        )
        cut = _any_of(blanks)
        hashes: dict[bytes, int] = {}
        nodes: list[tuple[int, Template]] = []
        for place, lines in enumerate(about.values()):
            covered = _in_fixed_order(lines, cut)
            # The only one is the first, whatever its hash.
            if cut.search(covered) and len(about) > 1:
                nodes.append((place, Template.of(covered, blanks)))
            else:
                hashes[hashlib.sha256(covered).digest()] = place
        if len(hashes) + len(nodes) != len(about):
            raise Unanswered("two blank nodes that look alike")
        text = "".join(
            f"{labels.get(subject, subject)} {predicate} {labels.get(value, value)} .\n"
            for subject, predicate, value in statements
        )
        return cls(
            iris=_iris(terms, blanks),
            nodes=tuple(nodes),
            hashes=hashes,
            lines=Template.of(utf8(text).rstrip(b"\n"), [*blanks, *labels.values()]),
        )

    def fill(self, texts: Sequence[str], written: Sequence[bytes]) -> bytes:
        """Write the lines for a text in place of each marker, or raise Unanswered.

        `written`: what `quoted` made of the texts.
        """
        for at in self.iris:
            if not IRI.fullmatch(texts[at]):
                raise Unanswered("not an absolute IRI")
        by_hash = dict(self.hashes)
        for node, about in self.nodes:
            digest = hashlib.sha256(about.fill(written)).digest()
            if by_hash.setdefault(digest, node) != node:
                raise Unanswered("two blank nodes that look alike")
        labels = [b""] * len(by_hash)
        for place, digest in enumerate(sorted(by_hash)):
            labels[by_hash[digest]] = b"_:c14n%d" % place
        lines = self.lines.fill([*written, *labels]).split(b"\n")
        lines.sort()
        if any(map(eq, lines, lines[1:])):
            raise Unanswered("two statements that are one")
        lines.append(b"")
        return b"\n".join(lines)


def _check_alike(triples: Iterable[Triple]) -> None:
    # Texts may make one node of all that have an IRI.
    check_alike(
        (0 if isinstance(subject, str) else subject, predicate, value)
        for subject, predicate, value in triples
    )


def _iris(terms: Iterable[Term], markers: Sequence[str]) -> tuple[int, ...]:
    numbers = {f"<{marker}>": at for at, marker in enumerate(markers)}
    found: set[int] = set()
    for term in terms:
        if not isinstance(term, str) or term.startswith('"'):
            continue
        if term in numbers:
            found.add(numbers[term])
        elif any(marker in term for marker in markers):
            raise Unanswered("a part of an IRI")
    return tuple(sorted(found))


def _in_fixed_order(lines: Iterable[str], cut: re.Pattern[bytes]) -> bytes:
    """Join the lines in order, if it is the same one whatever stands for the markers."""
    ordered = sorted(map(utf8, lines))
    for line, next_line in pairwise(ordered):
        head, next_head = (cut.split(each, 1)[0] for each in (line, next_line))
        # Alike lines stay alike.
        if line != next_line and head.startswith(next_head[: len(head)]):
            raise Unanswered("lines whose order depends on a text")
    return b"".join(ordered)
