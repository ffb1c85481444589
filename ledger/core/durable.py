"""
The credential that an earner keeps: signature and anchor proof in one file.

    {…the credential…, "proof": [proof[0], proof[1]]}

proof[0] is the signature, as it was made at issuing; proof[1] says where the credential's leaf
is anchored. Without proof[1] the file is again, byte for byte, the credential that was signed
and stored. See docs/spec/anchor-proof.md, and docs/spec/files.md for the carriers.
"""

from dataclasses import dataclass, replace

from ledger.core import baking, canonical
from ledger.core.anchor import Anchor, AnchorProof
from ledger.core.canonical import Json
from ledger.core.credential import SignedCredential
from ledger.core.evidence import Evidence, Questions
from ledger.core.issuer import IssuerProfile
from ledger.core.merkle import InclusionProof
from ledger.errors import MalformedError


@dataclass(frozen=True, slots=True)
class DurableCredential:
    """
    A credential with both proofs.

    It is well-formed: the first anchor stands on the chain that the signed issuer reference
    names (MalformedError). What it proves says ``check``.
    """

    credential: SignedCredential
    proof: AnchorProof

    def __post_init__(self) -> None:
        home = self.credential.issuer_reference.chain_id
        if self.proof.home.chain_id != home:
            raise MalformedError(
                f"the first anchor is not on the home chain eip155:{home}"
            )

    @classmethod
    def from_parts(
        cls,
        credential: SignedCredential,
        *,
        inclusion: InclusionProof,
        sealed_root: bytes,
        issuer_profile: IssuerProfile,
        anchors: tuple[Anchor, ...],
    ) -> "DurableCredential":
        """Put the parts together and prove them. Raises MalformedError and ProofError."""
        proof = AnchorProof(inclusion, sealed_root, issuer_profile, anchors)
        durable = cls(credential, proof)
        durable.check()
        return durable

    @classmethod
    def from_bytes(cls, data: bytes) -> "DurableCredential":
        """
        Read the JSON of a durable credential. Raises MalformedError.

        White space and the order of members are free; every value has one encoding.
        """
        return cls.from_parsed(canonical.parse_object(data), data)

    @classmethod
    def from_json(cls, document: dict[str, Json]) -> "DurableCredential":
        """Read a durable credential that was parsed already. Raises MalformedError."""
        return cls.from_parsed(canonical.parse_object(canonical.encode(document)))

    @classmethod
    def from_parsed(
        cls, document: dict[str, Json], data: bytes = b""
    ) -> "DurableCredential":
        """Take what the parser made of `data`, to keep it: nobody may change it any more."""
        proofs = _proofs(document)
        if len(proofs) != 2:
            raise MalformedError("proof: a durable credential has exactly two proofs")
        signed = SignedCredential.from_parsed({**document, "proof": proofs[:1]})
        durable = cls(signed, AnchorProof.from_json(proofs[1]))
        # The parts are closed models, so this cannot differ. If one of them ever drops or
        # rewrites a value, nothing that it does not carry may pass for proved.
        written = durable.encode()
        if written != data and written != canonical.encode(document):
            raise MalformedError("the credential cannot be written as it was read")
        return durable

    def encode(self) -> bytes:
        """The canonical bytes (RFC 8785) of the credential with both proofs."""
        return self.credential.with_proof(self.proof.to_json())

    def questions(self, anchor_registry: str, issuer_registry: str) -> Questions:
        """What evidence has to answer about this credential, at the registries that count."""
        credential, proof = self.credential, self.proof
        return Questions(
            anchor_registry=anchor_registry,
            issuer_registry=issuer_registry,
            sealed_root=proof.sealed_root,
            issuer_id=credential.issuer_reference.issuer_id,
            profile_hash=proof.issuer_profile.hash,
            key_id=credential.public_key.key_id,
            status_index=credential.status_index,
        )

    def with_evidence(self, evidence: Evidence | None) -> "DurableCredential":
        """The same credential with other evidence, or without any."""
        home, *others = self.proof.anchors
        anchors = (replace(home, evidence=evidence), *others)
        return replace(self, proof=replace(self.proof, anchors=anchors))

    def check(self) -> None:
        """
        Check the signature, then the path from the leaf to the sealed root. Raises ProofError.

        Evidence is not looked at: it answers for registries that the verifier names.
        """
        self.credential.check()
        self.proof.check(self.credential.leaf)


def parse_credential_file(data: bytes) -> SignedCredential | DurableCredential:
    """Read a credential file: JSON, PNG, SVG or PDF; signed only, or durable. Raises MalformedError."""
    text = baking.extract(data)
    return parse_credential(canonical.parse_object(text), text)


def parse_credential(
    document: dict[str, Json], data: bytes
) -> SignedCredential | DurableCredential:
    """
    Read a credential, signed only or durable, out of what the parser made of `data`.

    It is kept: nobody may change it any more. Raises MalformedError.
    """
    if len(_proofs(document)) == 1:
        return SignedCredential.from_parsed(document)
    return DurableCredential.from_parsed(document, data)


def _proofs(document: dict[str, Json]) -> list[Json]:
    proofs = document.get("proof")
    if not isinstance(proofs, list):
        raise MalformedError("proof: not a list of proofs")
    return proofs
