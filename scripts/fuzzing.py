"""
Differential fuzzing: the tables against pyld, the fast JSON against rfc8785 and json.

rdf: the tables; forms: documents with blanks, filled in; jcs and json: orjson behind its guards,
writing and reading.

scripts/fuzz                      a minute
scripts/fuzz --minutes 30         as long as one likes
scripts/fuzz --documents 200000   that many of each kind; --seed makes it another run

A document is *accepted* if the shortcut answers it, *refused* if it is left to the slow way. It is
*different* if the shortcut's answer is not the slow way's; then the exit status is 1 and the
documents are printed. Nothing is written, nothing is fetched.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger.core import canonical, form, rdf
from ledger.core.vocabulary import Unanswered
from ledger.errors import MalformedError
from scripts import fuzz_documents as made

SHOWN = 3

#: Whether the shortcut answered, and whether the answer is what the slow way says.
Outcome = tuple[bool, bool]


@dataclass(slots=True)
class Tally:
    """What became of the documents of one kind."""

    tried: int = 0
    accepted: int = 0
    refused: int = 0
    different: int = 0
    #: The first documents that differ.
    shown: list[str] = field(default_factory=list)

    def count(self, outcome: Outcome, document: object) -> None:
        answered, alike = outcome
        self.tried += 1
        self.accepted += answered
        self.refused += not answered
        if not alike:
            self.different += 1
            if len(self.shown) < SHOWN:
                self.shown.append(ascii(document))

    def to_json(self) -> dict[str, int]:
        return {
            "tried": self.tried,
            "accepted": self.accepted,
            "refused": self.refused,
            "different": self.different,
        }


def answer(act: Callable[[], Any]) -> Any:
    """What an act says; its refusals are all one."""
    try:
        return act()
    except MalformedError:
        return MalformedError


def try_tables(document: dict[str, Any]) -> Outcome:
    """RDFC-1.0: the tables against pyld."""
    fast = rdf.canonicalise_by_tables(document)
    if fast is None:
        return False, True
    return True, fast == answer(lambda: rdf.canonicalise_by_pyld(document))


def try_form(document: dict[str, Any], rnd: random.Random) -> Outcome:
    """Some texts left blank and filled in, with themselves or with others; against pyld and rfc8785."""
    found = made.texts(document)
    some = rnd.sample(found, min(len(found), rnd.randrange(1, 16)))
    ways, texts = [way for way, _ in some], [text for _, text in some]
    written = canonical_text(document)
    blanks = form.markers(len(ways), written)
    marked = made.with_texts(document, ways, blanks)
    made_form = rdf.form_of(marked, blanks) if written else None
    if made_form is None:
        return False, True
    if rnd.random() < 0.8:
        known = [text for _, text in found]
        texts = [
            made.other_text(rnd, known) if rnd.random() < 0.3 else text
            for text in texts
        ]
    try:
        quoted = form.quoted(texts)
        filled = made_form.fill(texts, quoted)
    except Unanswered:
        return False, True
    json_text = form.Template.of(canonical.encode(marked), blanks).fill(quoted)
    meant = made.with_texts(document, ways, texts)
    return True, (filled, json_text) == (
        answer(lambda: rdf.canonicalise_by_pyld(meant)),
        answer(lambda: canonical.encode_by_rfc8785(meant)),
    )


def try_encoding(value: Any) -> Outcome:
    """JCS: orjson behind its guard against rfc8785."""
    fast = canonical._encode_by_orjson(value)  # noqa: SLF001 - whether it answers is private
    slow = answer(lambda: canonical.encode_by_rfc8785(value))
    return fast is not None, fast is None or fast == slow


def try_parsing(text: bytes) -> Outcome:
    """JSON: orjson behind its guard against the strict parser."""
    fast = canonical._parse_by_orjson(text)  # noqa: SLF001 - whether it answers is private
    if fast is None:
        return False, True
    slow = answer(lambda: canonical.parse_by_json(text))
    # By repr: 1, 1.0 and True are equal, 0.0 and -0.0 too.
    return True, repr(fast[0]) == repr(slow)


def fuzz(
    seed: int, *, documents: int | None = None, seconds: float | None = None
) -> dict[str, Tally]:
    """Try so many documents, or for so long; a tally of each kind."""
    rnd = random.Random(seed)  # noqa: S311 - test data
    known = made.examples()
    tallies = {kind: Tally() for kind in ("rdf", "forms", "jcs", "json")}

    def try_document(document: dict[str, Any]) -> None:
        tallies["rdf"].count(try_tables(document), document)
        tallies["forms"].count(try_form(document, rnd), document)

    for document in known:
        try_document(document)
        tallies["jcs"].count(try_encoding(document), document)
    end = None if seconds is None else time.monotonic() + seconds
    number = len(known)
    while (
        number < documents if documents is not None else time.monotonic() < (end or 0)
    ):
        document = made.document(rnd, known)
        try_document(document)
        # A sound document is slow to damage; values are cheap, and odder.
        value = document if number % 4 == 0 else made.value(rnd)
        tallies["jcs"].count(try_encoding(value), value)
        text = canonical_text(value) if number % 2 else made.json_text(rnd)
        tallies["json"].count(try_parsing(text), text)
        number += 1
    return tallies


def canonical_text(value: Any) -> bytes:
    """The RFC 8785 text of a value, or nothing that is JSON."""
    written = answer(lambda: canonical.encode_by_rfc8785(value))
    return written if isinstance(written, bytes) else b""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    bound = parser.add_mutually_exclusive_group()
    bound.add_argument("--minutes", type=float)
    bound.add_argument("--documents", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    minutes = options.minutes or (1 if options.documents is None else None)
    tallies = fuzz(
        options.seed,
        documents=options.documents,
        seconds=None if minutes is None else minutes * 60,
    )
    if options.json:
        print(json.dumps({kind: tally.to_json() for kind, tally in tallies.items()}))
    else:
        for kind, tally in tallies.items():
            counts = ", ".join(f"{n:,} {word}" for word, n in tally.to_json().items())
            print(f"{kind:5} {counts}")
    for kind, tally in tallies.items():
        for document in tally.shown:
            print(f"{kind} differs: {document}", file=sys.stderr)
    return 1 if any(tally.different for tally in tallies.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
