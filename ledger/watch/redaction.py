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
_BLANK: Final = "[redacted]"
#: Shorter secrets are not looked for: they would blank half of every line.
_SHORTEST: Final = 6


def redact(text: str) -> str:
    """Blank whatever looks like an API key or an e-mail address."""
    return _SECRET.sub(_BLANK, text)


class Redactor:
    """Blanks what `redact` blanks, all but the host of addresses, and the given secrets."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # The longest first: one may be a part of another.
        known = sorted({s for s in secrets if len(s) >= _SHORTEST}, key=len)
        self._secrets = tuple(reversed(known))

    def __call__(self, text: str) -> str:
        """The text as it may be shown."""
        for secret in self._secrets:
            text = text.replace(secret, _BLANK)
        return redact(_ADDRESS.sub(_host_alone, text))


def _host_alone(found: re.Match[str]) -> str:
    return found[1] + found[2] + (f"/{_BLANK}" if len(found[3] or "") > 1 else "")
