"""Organisations, and the API keys that act for them."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

from ledger.core.keys import encode_base58
from ledger.errors import MalformedError, NotFound, Refused
from ledger.store import api_keys, organisations
from ledger.store.database import Transaction
from ledger.store.records import ApiKey, Organisation

#: What a key may do. A route names the one scope it needs.
SCOPES = frozenset({"read", "issue", "withdraw", "manage", "events"})

#: Secret scanners look for this; the part after it is 256 random bits in base58.
KEY_PREFIX = "perdure_"

_CODE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf a request runs. Only an API key or the local operator makes one.

    `until` is when the key ends; None if it never does, and for the operator. `last_seen` is when
    the key was used last, as far as it was noted.
    """

    organisation: Organisation
    scopes: frozenset[str]
    key_id: UUID | None
    until: datetime | None = None
    last_seen: datetime | None = None

    def require(self, scope: str) -> None:
        """Raise Refused unless the caller's key carries `scope`."""
        if scope not in self.scopes:
            raise Refused(f"this API key may not do that: it lacks the scope {scope}")


def create_organisation(
    tx: Transaction, *, code: str, name: str, now: datetime
) -> Organisation:
    """Create an organisation.

    `code` is what people type: lower-case letters, digits and hyphens, at most 40.
    Raises MalformedError for a code or name out of bounds, Conflict if the code is taken.
    """
    if not _CODE.fullmatch(code):
        raise MalformedError(
            f"organisation code {code!r}: use 1 to 40 lower-case letters, digits and"
            " hyphens, for example riverside"
        )
    if not 1 <= len(name.strip()) <= 200 or not name.isprintable():
        raise MalformedError("organisation name: use 1 to 200 printable characters")
    return organisations.add(tx, id=uuid4(), code=code, name=name.strip(), now=now)


def list_organisations(tx: Transaction) -> Sequence[Organisation]:
    """All organisations of the ledger, by code: for its operator, who acts for any of them."""
    return organisations.all(tx)


def operator_of(tx: Transaction, code: str) -> Caller:
    """Act as the local operator for the organisation `code`. Raises NotFound."""
    try:
        organisation = organisations.by_code(tx, code)
    except NotFound as error:
        raise NotFound(
            f"no organisation has the code {code!r}; create it with: "
            f"perdure org create {code} --name NAME"
        ) from error
    return Caller(organisation, SCOPES, None)


def create_api_key(  # noqa: PLR0913 - each is a fact of the key
    tx: Transaction,
    caller: Caller,
    *,
    name: str,
    scopes: frozenset[str],
    expires_at: datetime | None,
    now: datetime,
    entropy: Callable[[int], bytes],
) -> tuple[ApiKey, str]:
    """Make an API key; the text is shown this once, its SHA-256 is what is stored.

    Without `expires_at` it ends when the caller's key does. Raises MalformedError for a name
    out of bounds, an unknown scope or an end that is not in the future, Refused for an end after that of the
    caller's key: whoever has a key for a while could otherwise stay for ever.
    """
    if not name.strip() or len(name) > 100 or not name.isprintable():
        raise MalformedError("API key name: use 1 to 100 printable characters")
    unknown = scopes - SCOPES
    if unknown or not scopes:
        known = ", ".join(sorted(SCOPES))
        raise MalformedError(f"scopes: choose one or more of {known}")
    if expires_at is not None and expires_at <= now:
        raise MalformedError("the API key would end before it begins: its end is past")
    if caller.until is not None:
        if expires_at is not None and expires_at > caller.until:
            raise Refused(
                "this API key may not make one that lasts longer than itself: it ends at"
                f" {caller.until.astimezone(UTC).isoformat()}"
            )
        expires_at = expires_at or caller.until
    text = KEY_PREFIX + encode_base58(entropy(32))
    key = api_keys.add(
        tx,
        id=uuid4(),
        organisation_id=caller.organisation.id,
        name=name,
        prefix=text[: len(KEY_PREFIX) + 6],
        scopes=scopes,
        secret_hash=_hash(text),
        now=now,
        expires_at=expires_at,
    )
    return key, text


def list_api_keys(tx: Transaction, caller: Caller) -> Sequence[ApiKey]:
    """The keys of the caller's organisation, ended ones too; never their secrets."""
    return api_keys.all(tx, caller.organisation.id)


def revoke_api_key(
    tx: Transaction, caller: Caller, key_id: UUID, now: datetime
) -> None:
    """End a key at once. Raises NotFound; ending an ended one changes nothing."""
    api_keys.revoke(tx, caller.organisation.id, key_id, now)


def authenticate(tx: Transaction, text: str, now: datetime) -> Caller:
    """Tell on whose behalf a request with this API key runs.

    The 256-bit secret is looked up by its hash, so there is nothing to compare in variable
    time. Raises Refused for a key that is unknown, revoked or expired: one message for all.
    """
    refusal = Refused("the API key is not valid")
    if not text.startswith(KEY_PREFIX) or len(text) > 80:
        raise refusal
    try:
        key = api_keys.by_secret_hash(tx, _hash(text))
    except NotFound as error:
        raise refusal from error
    if not key.usable(now):
        raise refusal
    organisation = organisations.by_id(tx, key.organisation_id)
    return Caller(
        organisation, key.scopes, key.id, key.expires_at, last_seen=key.last_used_at
    )


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
