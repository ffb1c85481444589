"""
The signature in proof[0]: Data Integrity, cryptosuite eddsa-rdfc-2022, with a JSON nonce.

{"type":"DataIntegrityProof","cryptosuite":"eddsa-rdfc-2022","created":"2026-11-25T08:44:00Z",
 "verificationMethod":"did:key:z6Mk…#z6Mk…","proofPurpose":"assertionMethod",
 "nonce":"u…","proofValue":"z…"}
"""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from ledger.core import canonical
from ledger.core.canonical import Json
from ledger.core.form import Form, markers, quoted
from ledger.core.keys import (
    PublicKey,
    SigningKey,
    decode_base58,
    decode_base64url,
    encode_base58,
    encode_base64url,
)
from ledger.core.rdf import (
    CONTEXTS,
    canonicalise,
    canonicalise_by_pyld,
    form_of,
)
from ledger.core.vocabulary import Unanswered
from ledger.errors import MalformedError, ProofError

# 0x00, 0x01 and 0x02 stand before leaves, nodes and sealed roots.
_NONCE_PREFIX = b"\x03"

_FIXED = {
    "type": "DataIntegrityProof",
    "cryptosuite": "eddsa-rdfc-2022",
    "proofPurpose": "assertionMethod",
}
_FREE = ("created", "verificationMethod", "proofValue")
_MEMBERS = frozenset({*_FIXED, *_FREE, "nonce"})
_IN_OPTIONS = ("created", "verificationMethod", "nonce")


@dataclass(frozen=True, slots=True)
class SigningInput:
    """The two canonical texts that a signature covers (vc-di-eddsa section 3.2)."""

    config: bytes
    document: bytes

    @property
    def data(self) -> bytes:
        """The 64 signed bytes: SHA-256 of the proof options, SHA-256 of the document."""
        hashes = (
            hashlib.sha256(text).digest() for text in (self.config, self.document)
        )
        return b"".join(hashes)


def signing_input(
    document: dict[str, Json],
    config: dict[str, Json],
    *,
    contexts: Mapping[str, Json] = CONTEXTS,
    by_pyld: bool = False,
) -> SigningInput:
    """
    Canonicalise a document and proof options without proofValue. Raises MalformedError.

    `by_pyld` asks the definition, not the shortcut of the vocabulary.
    """
    if "@context" not in document:
        raise MalformedError("@context: missing")
    if contexts is CONTEXTS and not by_pyld:
        return SigningInput(
            _canonical_options(config, document["@context"]), canonicalise(document)
        )
    write = canonicalise_by_pyld if by_pyld else canonicalise
    return SigningInput(
        write({**config, "@context": document["@context"]}, contexts=contexts),
        write(document, contexts=contexts),
    )


def _canonical_options(config: dict[str, Json], contexts: Json) -> bytes:
    """Fill in the options that this module writes, and walk any others."""
    given = [config.get(name) for name in _IN_OPTIONS]
    texts = [text for text in given if isinstance(text, str)]
    if len(texts) == len(given) and config == proof_options(*texts):
        form = _form_in(contexts)
        if form is not None:
            with suppress(Unanswered):
                return form.fill(texts, quoted(texts))
    return canonicalise({**config, "@context": contexts})


def _form_in(contexts: Json) -> Form | None:
    if not isinstance(contexts, list):
        return None
    urls = [url for url in contexts if isinstance(url, str)]
    return form_of_options(*urls) if len(urls) == len(contexts) else None


@lru_cache(maxsize=16)
def form_of_options(*contexts: str) -> Form | None:
    """Proof options with blanks, in these contexts; None if they are not pinned ones."""
    names = markers(len(_IN_OPTIONS), b"")
    return form_of({"@context": list(contexts), **proof_options(*names)}, names)


def proof_options(
    created: str, verification_method: str, nonce: str
) -> dict[str, Json]:
    """Write everything of a proof but its proofValue."""
    return {
        **_FIXED,
        "created": created,
        "verificationMethod": verification_method,
        "nonce": nonce,
    }


def json_nonce(document: dict[str, Json]) -> str:
    """
    Tie a signature to one JSON text: "u" + base64url(SHA-256(0x03 || JCS(document))).

    The signature covers the graph, people read the JSON, and several JSON texts have one
    graph. The document is the one without `proof`.
    """
    return _nonce_of(canonical.encode(document))


def _nonce_of(text: bytes) -> str:
    return "u" + encode_base64url(hashlib.sha256(_NONCE_PREFIX + text).digest())


def sign(
    document: dict[str, Json],
    key: SigningKey,
    *,
    verification_method: str,
    created: datetime,
    nonce: bool = True,
) -> dict[str, Json]:
    """Sign a document that has no proof, and return the proof. Raises MalformedError."""
    proof = make_proof(
        document,
        key,
        verification_method=verification_method,
        created=created,
        text=canonical.encode(document) if nonce else None,
    )
    return proof.to_json()


def make_proof(
    document: dict[str, Json],
    key: SigningKey,
    *,
    verification_method: str,
    created: datetime,
    text: bytes | None,
) -> "SignatureProof":
    """
    Sign a document that has no proof. Raises MalformedError.

    `text`: its RFC 8785 text, for the nonce; None for a signature without one.
    """
    if "proof" in document:
        raise MalformedError("proof: the document carries one already")
    if key_of_method(verification_method) != key.public:
        raise MalformedError("verificationMethod: does not name the signing key")
    if "@context" not in document:
        raise MalformedError("@context: missing")
    return sign_statements(
        canonicalise(document),
        key,
        controller=verification_method.partition("#")[0],
        created=created,
        contexts=document["@context"],
        text=text,
    )


def sign_statements(
    statements: bytes,
    key: SigningKey,
    *,
    controller: str,
    created: datetime,
    contexts: Json,
    text: bytes | None,
) -> "SignatureProof":
    """
    Sign a document that was checked and canonicalised already. Raises MalformedError.

    `statements`: its canonical N-Quads; `contexts`: its own; `text`: its RFC 8785 text, as for
    `make_proof`.
    """
    unsigned = SignatureProof(
        created=canonical.parse_time(canonical.encode_time(created)),
        controller=controller,
        key=key.public,
        nonce=None if text is None else _nonce_of(text),
        signature=b"",
    )
    options = _canonical_options(unsigned.config, contexts)
    signed = SigningInput(options, statements)
    return replace(unsigned, signature=key.sign(signed.data))


def check_signature(
    document: dict[str, Json],
    proof: Json,
    *,
    require_nonce: bool = True,
    contexts: Mapping[str, Json] = CONTEXTS,
    by_pyld: bool = False,
) -> PublicKey:
    """
    Check a proof against its document, which comes without it, and name the key.

    MalformedError: the proof is not of this kind. ProofError: it is, and does not hold for
    this document or this issuer.
    """
    read = SignatureProof.from_json(proof, require_nonce=require_nonce)
    read.check(document, contexts=contexts, by_pyld=by_pyld)
    return read.key


@dataclass(frozen=True, slots=True)
class SignatureProof:
    """A proof[0] of the right form; whether it holds is for `check_signature`."""

    created: datetime
    controller: str
    key: PublicKey
    nonce: str | None
    signature: bytes

    @classmethod
    def from_json(cls, value: Json, *, require_nonce: bool = True) -> "SignatureProof":
        """Read the closed set of members. Raises MalformedError."""
        if not isinstance(value, dict):
            raise MalformedError("proof: not an object")
        members: dict[str, str] = {}
        for name, content in value.items():
            if name not in _MEMBERS:
                raise MalformedError(f"proof.{name[:40]}: unknown member")
            if not isinstance(content, str):
                raise MalformedError(f"proof.{name}: not a string")
            members[name] = content
        for name in (*_FIXED, *_FREE, *(["nonce"] if require_nonce else [])):
            if name not in members:
                raise MalformedError(f"proof.{name}: missing")
        for name, expected in _FIXED.items():
            if members[name] != expected:
                raise MalformedError(f"proof.{name}: {expected} expected")
        nonce = members.get("nonce")
        if nonce is not None:
            _check_nonce(nonce)
        method = members["verificationMethod"]
        return cls(
            created=canonical.parse_time(members["created"]),
            controller=method.partition("#")[0],
            key=key_of_method(method),
            nonce=nonce,
            signature=read_proof_value(members["proofValue"]),
        )

    def check(
        self,
        document: dict[str, Json],
        *,
        text: bytes | None = None,
        contexts: Mapping[str, Json] = CONTEXTS,
        by_pyld: bool = False,
    ) -> None:
        """
        Check this proof against its document, as `check_signature` does.

        `text`: the document's RFC 8785 text, if the caller has it.
        """
        if "proof" in document:
            raise MalformedError("proof: to be taken out of the document first")
        # The nonce first: it is cheap, and it refuses every other JSON before any of it is
        # treated as a graph.
        if self.nonce is not None and self.nonce != (
            json_nonce(document) if text is None else _nonce_of(text)
        ):
            raise ProofError("proof.nonce: this is not the JSON that was signed")
        if self.controller != _issuer_id(document):
            raise ProofError("proof.verificationMethod: is not the issuer's")
        signed = signing_input(
            document, self.config, contexts=contexts, by_pyld=by_pyld
        )
        self.key.check(self.signature, signed.data)

    @property
    def config(self) -> dict[str, Json]:
        """The proof options: everything but proofValue."""
        method = f"{self.controller}#{self.key.multibase}"
        config = proof_options(
            canonical.encode_time(self.created), method, self.nonce or ""
        )
        if self.nonce is None:
            del config["nonce"]
        return config

    def to_json(self) -> dict[str, Json]:
        """Write the whole proof."""
        return {**self.config, "proofValue": "z" + encode_base58(self.signature)}


def _check_nonce(nonce: str) -> None:
    if not nonce.startswith("u") or len(decode_base64url(nonce[1:])) != 32:
        raise MalformedError("proof.nonce: u and 32 bytes in base64url expected")


def key_of_method(verification_method: str) -> PublicKey:
    """Read the key from the fragment, the only place it may stand. Raises MalformedError."""
    did, mark, fragment = verification_method.partition("#")
    if not mark:
        raise MalformedError("proof.verificationMethod: no fragment names the key")
    key = PublicKey.from_multibase(fragment)
    if did.startswith("did:key:") and did != key.did:
        raise MalformedError("proof.verificationMethod: two different keys")
    return key


def read_proof_value(value: str) -> bytes:
    """Read an Ed25519 signature in base58btc, with a leading z. Raises MalformedError."""
    if not value.startswith("z"):
        raise MalformedError("proof.proofValue: z and base58btc expected")
    signature = decode_base58(value[1:])
    if len(signature) != 64:
        raise MalformedError("proof.proofValue: an Ed25519 signature has 64 bytes")
    return signature


def _issuer_id(document: dict[str, Json]) -> str:
    issuer = document.get("issuer")
    identifier = issuer.get("id") if isinstance(issuer, dict) else issuer
    if not isinstance(identifier, str):
        raise MalformedError("issuer: no id")
    return identifier
