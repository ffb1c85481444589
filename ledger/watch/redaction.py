"""Blanking what must stand in no log line and in no problem."""

import re
from collections.abc import Iterable
from typing import Final

_SECRET: Final = re.compile(
    r"perdure_[1-9A-HJ-NP-Za-km-z]{7,}"  # the first six identify a key, the rest is it
    r"|[^\s@\"'<>(),;:]{1,64}@[^\s@\"'<>(),;:]+\.[^\s@\"'<>(),;:]+"
)
# Scheme, password, host and port; what follows the host often is an access key.
_ADDRESS: Final = re.compile(
    r"\b((?:https?|wss?|postgres(?:ql)?(?:\+\w+)?)://)(?:[^\s/@\"'<>]*@)?"
    r"([^\s/?#\"'<>@]+)([/?#][^\s\"'<>]*)?"
)
# The name of a PostgreSQL database is no key, unlike the path of a node's address: one plain word behind
# one host and its port. Whatever else is there may be the end of a password that holds a slash.
_DATABASE: Final = re.compile(
    r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?/[A-Za-z_][\w-]{0,62}[.,;:)]?", re.ASCII
)
_BLANK: Final = "[redacted]"
#: Shorter secrets are not looked for: they would blank half of every line.
_SHORTEST: Final = 6


def redact(text: str) -> str:
    """Blank whatever looks like an API key or an e-mail address."""
    return _SECRET.sub(_BLANK, text)


class Redactor:
    """Blanks what `redact` blanks, all but the host of addresses, and the given secrets.

    Of a PostgreSQL database's address its name stays. An address that stands in `examples`, the
    program's own texts, stays if nothing was added to it.
    """

    def __init__(
        self, secrets: Iterable[str] = (), examples: Iterable[str] = ()
    ) -> None:
        # The longest first: one may be a part of another.
        known = sorted({s for s in secrets if len(s) >= _SHORTEST}, key=len)
        self._secrets = tuple(reversed(known))
        self._examples = frozenset(
            found[0] for example in examples for found in _ADDRESS.finditer(example)
        )

    def __call__(self, text: str) -> str:
        """The text as it may be shown."""
        for secret in self._secrets:
            text = text.replace(secret, _BLANK)
        return redact(_ADDRESS.sub(self._without_keys, text))

    def _without_keys(self, found: re.Match[str]) -> str:
        scheme, host, path = found[1], found[2], found[3] or ""
        if found[0] in self._examples:
            return found[0]
        if scheme.startswith("postgres") and _DATABASE.fullmatch(host + path):
            return scheme + host + path
        return scheme + host + (f"/{_BLANK}" if len(path) > 1 else "")
