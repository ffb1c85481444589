"""
The files of tests/vectors/checkpoint-proofs: stated checkpoints, whole and damaged.

Damage of the form is "malformed"; what is well-formed and proves nothing is "proof".
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from anchor_worker.tree import build
from ledger.core.anchor import Anchor
from ledger.core.checkpoint import (
    BlockCheckpoint,
    CheckpointProof,
    encode_checkpoint_proofs,
)
from ledger.core.merkle import InclusionProof, leaf_hash

FOLDER = Path(__file__).parents[1] / "vectors" / "checkpoint-proofs"

POINT = BlockCheckpoint(1, 23_000_000, bytes.fromhex("5c3f8a3f" * 8))
LATER = BlockCheckpoint(1, 23_000_400, bytes.fromhex("7e6d5c4b" * 8))
OTHER = Anchor(10, "0x" + "a1" * 20, 131_000_000, 1_795_596_311)
THIRD = Anchor(8_453, "0x" + "b2" * 20, 24_000_000, 1_795_596_317)
EXAMPLE = "two-credentials-and-a-checkpoint.json"

Document = dict[str, Any]


def behind_credentials(
    credentials: int, points: list[BlockCheckpoint], *anchors: Anchor
) -> list[CheckpointProof]:
    """The proofs of checkpoints that stand behind so many credentials."""
    leaves = [leaf_hash(b"credential %d" % n) for n in range(credentials)]
    tree = build([*leaves, *(point.leaf for point in points)])
    paths = list(tree.paths())
    return [
        CheckpointProof(
            point,
            InclusionProof.from_bytes(place, tree.size, paths[place]),
            tree.sealed_root,
            anchors,
        )
        for place, point in enumerate(points, credentials)
    ]


def files() -> dict[str, bytes]:
    """Every file by name."""
    valid = {
        EXAMPLE: behind_credentials(2, [POINT], OTHER),
        "alone.json": behind_credentials(0, [POINT], OTHER),
        "two-of-one-batch-on-two-chains.json": behind_credentials(
            3, [POINT, LATER], OTHER, THIRD
        ),
        "none.json": [],
    }
    made = {f"valid/{name}": encode_checkpoint_proofs(p) for name, p in valid.items()}
    manifest: Document = {
        "valid": {
            f"valid/{name}": {
                "leaves": [proof.checkpoint.leaf.hex() for proof in proofs],
                "sealedRoots": [proof.sealed_root.hex() for proof in proofs],
            }
            for name, proofs in valid.items()
        },
        "invalid": {},
    }
    for name, (kind, data) in _damaged(valid[EXAMPLE][0]).items():
        made[f"invalid/{name}"] = data
        manifest["invalid"][f"invalid/{name}"] = kind
    made["manifest.json"] = (json.dumps(manifest, indent=2) + "\n").encode()
    return made


def _damaged(proof: CheckpointProof) -> dict[str, tuple[str, bytes]]:
    def proves_nothing(**changed: Any) -> tuple[str, bytes]:
        return "proof", encode_checkpoint_proofs([replace(proof, **changed)])

    def malformed(change: Callable[[Document], None]) -> tuple[str, bytes]:
        document = json.loads(encode_checkpoint_proofs([proof]))
        change(document)
        return "malformed", (json.dumps(document, indent=2) + "\n").encode()

    def first(**changed: Any) -> Callable[[Document], None]:
        return lambda document: document["proofs"][0].update(changed)

    own = replace(OTHER, chain_id=1)
    return {
        "another-hash.json": proves_nothing(
            checkpoint=replace(POINT, block_hash=LATER.block_hash)
        ),
        "another-number.json": proves_nothing(
            checkpoint=replace(POINT, block_number=1)
        ),
        "another-chain.json": proves_nothing(checkpoint=replace(POINT, chain_id=2)),
        "another-root.json": proves_nothing(sealed_root=bytes(32)),
        "without-its-path.json": proves_nothing(inclusion=InclusionProof(2, 3, ())),
        "anchored-on-its-own-chain.json": malformed(first(anchors=[own.to_json()])),
        "anchors-out-of-order.json": malformed(
            first(anchors=[THIRD.to_json(), OTHER.to_json()])
        ),
        "no-anchor.json": malformed(first(anchors=[])),
        "unknown-member.json": malformed(first(blockTime=1)),
        "twice.json": malformed(
            lambda document: document["proofs"].append(document["proofs"][0])
        ),
        "version-2.json": malformed(lambda document: document.update(version=2)),
    }
