"""
What the verifier's own files have in common: JSON, "version": 1, closed sets of members.

These files decide whom a verifier believes, so nothing in them is guessed, ignored or
defaulted: one unknown member refuses the whole file.
"""

import unicodedata

from ledger.core import canonical
from ledger.core.canonical import Json
from ledger.core.members import read_closed, read_text
from ledger.errors import MalformedError

VERSION = 1
MAX_NAME = 200

# Characters that could make one name look like another on a screen: controls, line and
# paragraph separators, and the marks that reorder text.
_HIDING = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


def parse_document(
    data: bytes,
    members: frozenset[str],
    *,
    what: str,
    max_bytes: int,
    optional: frozenset[str] = frozenset(),
) -> dict[str, Json]:
    """Read a version 1 document with exactly these members beside "version". MalformedError."""
    try:
        document = canonical.parse_object(data, max_bytes=max_bytes)
    except MalformedError as error:
        raise MalformedError(f"{what}: {error}") from error
    read_closed(document, members | {"version"}, what, optional)
    version = document["version"]
    if isinstance(version, bool) or version != VERSION:
        raise MalformedError(f"{what}: version {VERSION} expected")
    return document


def read_name(value: Json, where: str) -> str:
    """Give a name of one visible line back. Raises MalformedError."""
    name = read_text(value, where)
    if not name.strip() or name != name.strip():
        raise MalformedError(f"{where}: empty, or with blanks around it")
    if len(name) > MAX_NAME:
        raise MalformedError(f"{where}: longer than {MAX_NAME} characters")
    if any(hides(character) for character in name):
        raise MalformedError(f"{where}: control characters, or marks that reorder text")
    return name


def read_list(value: Json, where: str, *, most: int) -> list[Json]:
    """Give a list of bounded length back. Raises MalformedError."""
    if not isinstance(value, list):
        raise MalformedError(f"{where}: not a list")
    if len(value) > most:
        raise MalformedError(f"{where}: more than {most} entries")
    return value


def hides(character: str) -> bool:
    """Tell whether a character could disturb the line it is printed in."""
    return (
        unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
        or character in _HIDING
    )
