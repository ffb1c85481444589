"""
The issuers and accreditors a verifier trusts: format in docs/spec/networks-and-trust.md.

    {"version": 1, "name": "Admissions, Example University",
     "issuers":     [{"id": "eip155:1:0x…:0x…", "name": "Riverside Code School"}],
     "accreditors": [{"id": "eip155:1:0x…:0x…", "name": "Skills Board"}]}

An entry is a whole identifier: chain, registry and issuer id. A shorter one would also name
the record that a stranger keeps under the same id elsewhere. A list may carry a `proof` of who
wrote it; where it does, the proof holds or the list is refused.
"""

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from ledger.core import document_signature
from ledger.core.canonical import Json
from ledger.core.document_signature import DocumentSignature
from ledger.core.issuer import IssuerReference
from ledger.core.keys import SigningKey
from ledger.core.members import read_closed, read_text
from ledger.errors import MalformedError, ProofError
from ledger.verify import documents

MAX_BYTES: Final = 8_388_608
MAX_ENTRIES: Final = 20_000

_MEMBERS: Final = frozenset({"name", "issuers", "accreditors"})


@dataclass(frozen=True, slots=True)
class Trusted:
    """One entry: who is meant, and the name under which the verifier knows it."""

    reference: IssuerReference
    name: str

    def __post_init__(self) -> None:
        documents.read_name(self.name, "trust list entry")


@dataclass(frozen=True, slots=True)
class TrustList:
    """
    Issuers trusted by themselves, and accreditors whose endorsements are accepted.

    No identifier stands twice in one of the two (MalformedError); one may stand in both.
    """

    name: str
    issuers: tuple[Trusted, ...] = ()
    accreditors: tuple[Trusted, ...] = ()
    #: Who signed the list that was read; None if nobody did.
    signature: DocumentSignature | None = None

    def __post_init__(self) -> None:
        documents.read_name(self.name, "trust list name")
        for where, entries in (
            ("issuers", self.issuers),
            ("accreditors", self.accreditors),
        ):
            seen: set[IssuerReference] = set()
            for entry in entries:
                if entry.reference in seen:
                    raise MalformedError(
                        f"{where}: {entry.reference.text} stands there twice"
                    )
                seen.add(entry.reference)

    def issuer(self, reference: IssuerReference) -> Trusted | None:
        """Find the entry of exactly this issuer; None if it is not listed."""
        for entry in self.issuers:
            if entry.reference == reference:
                return entry
        return None

    def accreditors_beside(self, reference: IssuerReference) -> tuple[Trusted, ...]:
        """List the accreditors whose record stands in the same registry as this issuer's."""
        return tuple(
            entry
            for entry in self.accreditors
            if entry.reference.chain_id == reference.chain_id
            and entry.reference.registry == reference.registry
        )


def parse_trust_list(data: bytes) -> TrustList:
    """Read a trust list file, and check its proof if it has one. Raises MalformedError."""
    document = documents.parse_document(
        data,
        _MEMBERS,
        what="trust list",
        max_bytes=MAX_BYTES,
        optional=frozenset({"proof"}),
    )
    signed = {member: document[member] for member in document if member != "proof"}
    trust = TrustList(
        name=documents.read_name(document["name"], "trust list.name"),
        issuers=_entries(document["issuers"], "issuers"),
        accreditors=_entries(document["accreditors"], "accreditors"),
    )
    if "proof" not in document:
        return trust
    try:
        signature = document_signature.check_document(signed, document["proof"])
    except ProofError as error:
        raise MalformedError(
            "trust list.proof: the list was changed after it was signed"
        ) from error
    except MalformedError as error:
        raise MalformedError(f"trust list.{error}") from error
    return replace(trust, signature=signature)


def encode_trust_list(trust: TrustList) -> bytes:
    """Write the entries as a trust list file that nobody signed."""
    return _write(_document(trust))


def encode_signed_trust_list(
    trust: TrustList, key: SigningKey, *, created: datetime
) -> bytes:
    """Write a trust list file signed with this key. Raises MalformedError."""
    document = _document(trust)
    proof = document_signature.sign_document(document, key, created=created)
    return _write({**document, "proof": proof})


def _document(trust: TrustList) -> dict[str, Json]:
    return {
        "version": documents.VERSION,
        "name": trust.name,
        "issuers": [_entry_json(entry) for entry in trust.issuers],
        "accreditors": [_entry_json(entry) for entry in trust.accreditors],
    }


def _write(document: dict[str, Json]) -> bytes:
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _entry_json(entry: Trusted) -> dict[str, Json]:
    return {"id": entry.reference.text, "name": entry.name}


def _entries(value: Json, where: str) -> tuple[Trusted, ...]:
    return tuple(
        _entry(entry, f"{where}[{position}]")
        for position, entry in enumerate(
            documents.read_list(value, where, most=MAX_ENTRIES)
        )
    )


def _entry(value: Json, where: str) -> Trusted:
    entry = read_closed(value, frozenset({"id", "name"}), where)
    name = documents.read_name(entry["name"], f"{where}.name")
    identifier = read_text(entry["id"], f"{where}.id")
    try:
        return Trusted(IssuerReference.from_text(identifier), name)
    except MalformedError as error:
        raise MalformedError(f"{where}.id: {error}") from error
