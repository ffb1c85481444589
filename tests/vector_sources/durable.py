"""
The files of tests/vectors/durable: durable credentials, whole and damaged.

Damage of the form is "malformed"; what is well-formed and proves nothing is "proof".
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

from anchor_worker.tree import build
from ledger.core import canonical
from ledger.core.anchor import Anchor
from ledger.core.credential import (
    Achievement,
    Award,
    Category,
    Issuer,
    Level,
    SignedCredential,
    sign_credential,
)
from ledger.core.durable import DurableCredential
from ledger.core.issuer import IssuerProfile, IssuerReference
from ledger.core.keys import SigningKey
from ledger.core.merkle import InclusionProof, leaf_hash, sealed_root
from ledger.core.offer import build_credential

FOLDER = Path(__file__).parents[1] / "vectors" / "durable"

Document = dict[str, Any]

KEY = SigningKey.from_seed(bytes(range(32)))
PROFILE = IssuerProfile(
    "Riverside Code School",
    "https://riverside.example.org",
    email="office@riverside.example.org",
    country="PT",
)
HOME = Anchor(31_337, "0x" + "a1" * 20, 12, 1_795_596_240)
OTHER = Anchor(1, "0x" + "b2" * 20, 23_000_000, 1_795_596_311)
ISSUED = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
LEDGER = "https://ledger.example.org"


@lru_cache(maxsize=16)
def credential(number: int = 1, name: str | None = "Zoë 楊 عمر") -> SignedCredential:
    """A signed credential; the same number gives the same bytes."""
    issuer = Issuer(
        PROFILE, IssuerReference(31_337, "0x" + "c3" * 20, bytes(32)), KEY.public
    )
    achievement = Achievement(
        code="git-1",
        version="1",
        name="Version control with Git",
        category=Category.SKILL,
        level=Level.INTRODUCTORY,
        language="en",
        description="Branches, merges and reviews.",
        criteria="Every exercise was reviewed and passed.",
        hours=8,
        skills=("Git",),
    )
    document = build_credential(
        credential_id=UUID(int=(4 << 76) | (2 << 62) | number),
        issuer=issuer,
        achievement=achievement,
        achievement_iri=f"{LEDGER}/achievements/riverside/git-1/1",
        award=Award("earner@example.org", date(2026, 11, 20), name=name, score="87.5"),
        email_salt=f"{number:032x}",
        status_list=f"{LEDGER}/status/1",
        status_index=94_567 + number,
        issued_at=ISSUED,
    )
    return sign_credential(
        document,
        KEY,
        verification_method=issuer.verification_method,
        created=ISSUED,
    )


def durable(
    index: int, size: int, anchors: tuple[Anchor, ...], *, number: int = 1
) -> DurableCredential:
    """The credential of that number as leaf `index` of a batch; the other leaves are fillers."""
    signed = credential(number)
    leaves = [leaf_hash(b"filler %d" % other) for other in range(size)]
    leaves[index] = signed.leaf
    tree = build(leaves)
    path = list(tree.paths())[index]
    return DurableCredential.from_parts(
        signed,
        inclusion=InclusionProof.from_bytes(index, size, path),
        sealed_root=tree.sealed_root,
        issuer_profile=PROFILE,
        anchors=anchors,
    )


ALONE = durable(0, 1, (HOME,))
SEVENTH = durable(6, 7, (HOME, OTHER))
FIFTH = durable(5, 40, (HOME,), number=2)


def valid() -> dict[str, tuple[bytes, DurableCredential]]:
    """File name -> its bytes, and the credential that they hold."""
    document = canonical.parse_object(FIFTH.encode())
    backwards = dict(reversed(document.items()))
    spaced = json.dumps(backwards, ensure_ascii=False, indent="\t")
    return {
        "alone.json": (ALONE.encode(), ALONE),
        "seventh-of-seven-on-two-chains.json": (SEVENTH.encode(), SEVENTH),
        "sixth-of-forty.json": (FIFTH.encode(), FIFTH),
        "white-space-and-order.json": (f"\n{spaced}\r\n".encode(), FIFTH),
    }


# ---------------------------------------------------------------- damage


def _changed(change: Callable[[Document, Document], object]) -> bytes:
    """SEVENTH, written again after a change of the document or of its anchor proof."""
    document: Document = json.loads(SEVENTH.encode())
    change(document, document["proof"][1])
    return json.dumps(document, ensure_ascii=False).encode()


def _flip(text: str) -> str:
    """Another last hex digit."""
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def _malformed() -> Iterator[tuple[str, bytes, str]]:
    """Not what the format says: name, file, a part of the reason."""
    cases: list[tuple[str, Callable[[Document, Document], object], str]] = [
        ("no-proof-list", lambda d, p: d.update(proof=p), "not a list of proofs"),
        ("three-proofs", lambda d, p: d["proof"].append(p), "exactly two proofs"),
        ("no-proofs", lambda d, _: d.update(proof=[]), "exactly two proofs"),
        ("anchor-proof-first", lambda d, _: d["proof"].reverse(), "proof"),
        ("two-signatures", lambda d, _: d.update(proof=d["proof"][:1] * 2), "proof[1]"),
        ("index-as-float", lambda _, p: p.update(leafIndex=6.0), "leafIndex: not an integer"),
        ("index-as-text", lambda _, p: p.update(leafIndex="6"), "leafIndex: not an integer"),
        ("index-negative", lambda _, p: p.update(leafIndex=-1), "out of range"),
        ("size-zero", lambda _, p: p.update(treeSize=0), "out of range"),
        ("hash-in-capitals", lambda _, p: p.update(sealedRoot=p["sealedRoot"].upper()), "sealedRoot"),
        ("hash-without-0x", lambda _, p: p.update(sealedRoot=p["sealedRoot"][2:]), "sealedRoot"),
        ("sibling-cut", lambda _, p: p["inclusionPath"].append("0xabcd"), "inclusionPath[2]"),
        ("sealed-root-missing", lambda _, p: p.pop("sealedRoot"), "sealedRoot: missing"),
        ("evidence-empty", lambda _, p: p["anchors"][0].update(evidence={}), "evidence.header: missing"),
        ("transaction-hash", lambda _, p: p.update(transaction="0x00"), "transaction: unknown"),
        ("purpose-of-another-kind", lambda _, p: p.update(proofPurpose="authentication"), "proofPurpose"),
        ("type-of-another-year", lambda _, p: p.update(type="MerkleAnchorProof2025"), "type"),
        ("no-anchor", lambda _, p: p.update(anchors=[]), "between 1 and 8"),
        ("chain-twice", lambda _, p: p["anchors"].append(p["anchors"][0]), "no chain twice"),
        ("home-chain-second", lambda _, p: p["anchors"].reverse(), "home chain"),
        ("home-chain-missing", lambda _, p: p["anchors"].pop(0), "home chain"),
        ("chain-with-zeros", lambda _, p: p["anchors"][0].update(chainId="eip155:031337"), "chainId"),
        ("registry-in-capitals", lambda _, p: p["anchors"][0].update(registry="0x" + "A1" * 20), "registry"),
        ("block-as-text", lambda _, p: p["anchors"][0].update(blockNumber="12"), "blockNumber"),
        ("time-with-fraction", lambda _, p: p["anchors"][0].update(time="2026-11-25T08:44:00.0Z"), "instant"),
        ("time-of-no-day", lambda _, p: p["anchors"][0].update(time="2026-02-30T08:44:00Z"), "no such day"),
        ("profile-with-null", lambda _, p: p["issuerProfile"].update(description=None), "profile.description"),
        ("profile-with-more", lambda _, p: p["issuerProfile"].update(phone="1"), "profile.phone"),
        ("credential-with-more", lambda d, _: d.update(note="x"), "note"),
    ]  # fmt: skip
    for name, change, reason in cases:
        yield f"{name}.json", _changed(change), reason
    text = SEVENTH.encode()
    twice = text.replace(b'"treeSize":7', b'"treeSize":7,"treeSize":7')
    nine = tuple(replace(OTHER, chain_id=chain) for chain in range(1, 9))
    many = _changed(lambda _, p: p.update(anchors=[a.to_json() for a in (HOME, *nine)]))
    yield "member-twice.json", twice, "duplicate member"
    yield "nine-anchors.json", many, "between 1 and 8"
    yield "byte-order-mark.json", b"\xef\xbb\xbf" + text, "byte order mark"
    yield "cut-off.json", text[:-1], "not JSON"
    yield "text-behind.json", text + b"{}", "not JSON"


def _unproved() -> Iterator[tuple[str, bytes, str]]:
    """Well-formed, but it does not prove what it claims: name, file, a part of the reason."""
    bare = SEVENTH.proof.inclusion.root(SEVENTH.credential.leaf)
    neighbour = durable(5, 7, (HOME, OTHER), number=3)
    path = [f"0x{sibling.hex()}" for sibling in SEVENTH.proof.inclusion.path]
    stranger = json.loads(neighbour.encode())["proof"]
    cases: list[tuple[str, Callable[[Document, Document], object], str]] = [
        ("another-index", lambda _, p: p.update(leafIndex=5), "path"),
        ("index-beyond-the-tree", lambda _, p: p.update(leafIndex=7), "not in a tree"),
        # The bare RFC 9162 root holds under this size too: only the sealed root notices.
        ("another-size", lambda _, p: p.update(leafIndex=3, treeSize=4), "sealed root"),
        ("one-leaf-more", lambda _, p: p.update(treeSize=8), "path"),
        ("sibling-changed", lambda _, p: p.update(inclusionPath=[_flip(path[0]), path[1]]), "sealed root"),
        ("sibling-dropped", lambda _, p: p.update(inclusionPath=path[:1]), "below the root"),
        ("sibling-added", lambda _, p: p.update(inclusionPath=[*path, path[0]]), "longer"),
        ("siblings-swapped", lambda _, p: p.update(inclusionPath=path[::-1]), "sealed root"),
        ("sealed-root-changed", lambda _, p: p.update(sealedRoot=_flip(p["sealedRoot"])), "sealed root"),
        ("root-not-sealed", lambda _, p: p.update(sealedRoot="0x" + bare.hex()), "sealed root"),
        ("root-sealed-with-another-size", lambda _, p: p.update(sealedRoot="0x" + sealed_root(8, bare).hex()), "sealed root"),
        ("anchor-proof-of-a-neighbour", lambda d, _: d["proof"].__setitem__(1, stranger[1]), "sealed root"),
        ("signature-of-a-neighbour", lambda d, _: d["proof"].__setitem__(0, stranger[0]), "nonce"),
        ("one-letter-changed", lambda d, _: d["credentialSubject"]["achievement"].update(description="Branches, merges and reviewS."), "nonce"),
        ("signed-a-second-later", lambda d, _: d["proof"][0].update(created="2026-11-25T08:00:01Z"), "does not fit"),
    ]  # fmt: skip
    for name, change, reason in cases:
        yield f"{name}.json", _changed(change), reason


# ---------------------------------------------------------------- files


def invalid() -> dict[str, tuple[bytes, str, str]]:
    """File name -> its bytes, the kind of error, a part of its message."""
    return {
        **{name: (data, "malformed", says) for name, data, says in _malformed()},
        **{name: (data, "proof", says) for name, data, says in _unproved()},
    }


def facts(held: DurableCredential) -> dict[str, object]:
    """What another implementation must find in a file."""
    inclusion = held.proof.inclusion
    return {
        "leaf": held.credential.leaf.hex(),
        "leafIndex": inclusion.leaf_index,
        "treeSize": inclusion.tree_size,
        "root": inclusion.root(held.credential.leaf).hex(),
        "sealedRoot": held.proof.sealed_root.hex(),
        "issuerProfileHash": held.proof.issuer_profile.hash.hex(),
        "homeChain": f"eip155:{held.proof.home.chain_id}",
    }


def folder(
    valid: dict[str, tuple[bytes, DurableCredential]],
    invalid: dict[str, tuple[bytes, str, str]],
) -> dict[str, bytes]:
    """Every file of a folder of credentials, with the manifest that says what to expect."""
    made: dict[str, bytes] = {}
    manifest: dict[str, dict[str, object]] = {"valid": {}, "invalid": {}}
    for name, (data, held) in valid.items():
        made[f"valid/{name}"] = data
        manifest["valid"][f"valid/{name}"] = facts(held)
    for name, (data, error, says) in invalid.items():
        made[f"invalid/{name}"] = data
        manifest["invalid"][f"invalid/{name}"] = {"error": error, "says": says}
    text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    made["manifest.json"] = text.encode()
    return made


def files() -> dict[str, bytes]:
    """Every file of the folder, by its path in it."""
    return folder(valid(), invalid())
