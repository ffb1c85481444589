"""A checkpoint as a leaf, and the file that leads it to another chain."""

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ledger.core import merkle
from ledger.core.anchor import Anchor
from ledger.core.checkpoint import (
    MAX_BYTES,
    BlockCheckpoint,
    CheckpointProof,
    encode_checkpoint_proofs,
    parse_checkpoint_proofs,
)
from ledger.core.merkle import InclusionProof
from ledger.errors import MalformedError, ProofError

POINT = BlockCheckpoint(1, 23_000_000, bytes.fromhex("5c" * 32))
OTHER = Anchor(10, "0x" + "a1" * 20, 12, 1_800_000_000)


def proof(point: BlockCheckpoint = POINT, *anchors: Anchor) -> CheckpointProof:
    """The checkpoint as the last of three leaves."""
    leaves = [bytes([n]) * 32 for n in range(2)] + [point.leaf]
    path = (merkle.node_hash(*leaves[:2]),)
    sealed = merkle.sealed_root(3, merkle.root(leaves))
    return CheckpointProof(
        point, InclusionProof(2, 3, path), sealed, anchors or (OTHER,)
    )


def document(*proofs: CheckpointProof) -> Any:
    return json.loads(encode_checkpoint_proofs(proofs or [proof()]))


def test_the_leaf_is_that_of_the_entry_in_a_checkpoints_file() -> None:
    entry = (
        b'{"blockHash":"0x' + b"5c" * 32 + b'","blockNumber":23000000,'
        b'"chainId":"eip155:1"}'
    )
    assert POINT.leaf == sha256(b"\x00" + entry).digest()


def test_a_file_is_read_back() -> None:
    later = replace(POINT, block_number=23_000_001)
    both = (proof(), proof(later, OTHER, replace(OTHER, chain_id=11)))

    assert parse_checkpoint_proofs(encode_checkpoint_proofs(reversed(both))) == both
    assert parse_checkpoint_proofs(encode_checkpoint_proofs([])) == ()
    for each in both:
        each.check()


@pytest.mark.parametrize(
    "changed",
    [
        {"checkpoint": replace(POINT, block_hash=bytes(32))},
        {"checkpoint": replace(POINT, block_number=1)},
        {"checkpoint": replace(POINT, chain_id=2)},
        {"sealed_root": bytes(32)},
        {"inclusion": InclusionProof(2, 3, ())},
        {"inclusion": InclusionProof(1, 3, proof().inclusion.path)},
    ],
    ids=["hash", "number", "chain", "root", "no path", "index"],
)
def test_what_does_not_lead_to_the_root_proves_nothing(changed: dict[str, Any]) -> None:
    with pytest.raises(ProofError):
        replace(proof(), **changed).check()


def _set(*path: str | int, value: object) -> Callable[[Any], None]:
    def change(whole: Any) -> None:
        place = whole
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value

    return change


ANCHOR = OTHER.to_json()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_set("version", value=2), "version: 1 expected"),
        (_set("version", value=True), "version: not an integer"),
        (_set("more", value=1), "more: unknown member"),
        (_set("proofs", value={}), "proofs: not a list"),
        (_set("proofs", 0, "more", value=1), r"proofs\[0\].more: unknown"),
        (_set("proofs", 0, "leafIndex", value=2.0), "leafIndex: not an integer"),
        (_set("proofs", 0, "sealedRoot", value="0x"), "sealedRoot: not 0x and 64"),
        (_set("proofs", 0, "anchors", value=[]), "between 1 and 8 anchors"),
        (_set("proofs", 0, "anchors", value=[ANCHOR] * 2), "ascending chain id"),
        (
            _set("proofs", 0, "anchors", 0, "chainId", value="eip155:1"),
            "other chains than its own",
        ),
        (_set("proofs", 0, "anchors", 0, "evidence", value={}), "evidence"),
        (_set("proofs", 0, "checkpoint", "chainId", value="eip155:01"), "not eip155:"),
        (_set("proofs", 0, "checkpoint", "blockNumber", value=-1), "out of range"),
        (_set("proofs", 0, "checkpoint", "blockHash", value="0X"), "64 lower-case"),
    ],
)
def test_every_other_form_is_refused(
    change: Callable[[Any], None], reason: str
) -> None:
    whole = document()
    change(whole)

    with pytest.raises(MalformedError, match=reason):
        parse_checkpoint_proofs(json.dumps(whole).encode())


def test_no_block_stands_there_twice_nor_out_of_order() -> None:
    other_hash = replace(POINT, block_hash=bytes(32))
    with pytest.raises(MalformedError, match="none twice"):
        encode_checkpoint_proofs([proof(), proof(other_hash)])
    whole = document(proof(), proof(replace(POINT, block_number=23_000_001)))
    whole["proofs"].reverse()
    with pytest.raises(MalformedError, match="none twice"):
        parse_checkpoint_proofs(json.dumps(whole).encode())


def test_a_file_is_bounded() -> None:
    with pytest.raises(MalformedError):
        parse_checkpoint_proofs(b" " * MAX_BYTES + encode_checkpoint_proofs([]))
    with pytest.raises(MalformedError, match="more than 10000"):
        parse_checkpoint_proofs(
            json.dumps({"version": 1, "proofs": [0] * 10_001}).encode()
        )


@pytest.mark.parametrize(
    "changed",
    [
        {"chain_id": 0},
        {"chain_id": 2**53},
        {"block_number": 2**53},
        {"block_hash": b"short"},
    ],
)
def test_there_are_no_other_blocks(changed: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        replace(POINT, **changed)


VECTORS = Path(__file__).parents[2] / "vectors" / "checkpoint-proofs"
MANIFEST = json.loads((VECTORS / "manifest.json").read_bytes())


@pytest.mark.parametrize("name", MANIFEST["valid"])
def test_a_valid_vector_proves_what_the_manifest_says(name: str) -> None:
    proofs = parse_checkpoint_proofs((VECTORS / name).read_bytes())

    for each in proofs:
        each.check()
    assert MANIFEST["valid"][name] == {
        "leaves": [each.checkpoint.leaf.hex() for each in proofs],
        "sealedRoots": [each.sealed_root.hex() for each in proofs],
    }


@pytest.mark.parametrize("name", MANIFEST["invalid"])
def test_a_damaged_vector_is_refused_for_its_reason(name: str) -> None:
    data = (VECTORS / name).read_bytes()
    if MANIFEST["invalid"][name] == "malformed":
        with pytest.raises(MalformedError):
            parse_checkpoint_proofs(data)
        return
    (proved,) = parse_checkpoint_proofs(data)
    with pytest.raises(ProofError):
        proved.check()
