"""The files of tests/vectors/merkle/sealed: small trees whole, with their sealed roots."""

import json
from pathlib import Path

from anchor_worker.tree import build
from ledger.core.merkle import HASH_SIZE, leaf_hash

FOLDER = Path(__file__).parents[1] / "vectors" / "merkle" / "sealed"


def files() -> dict[str, bytes]:
    """Every file of the folder, by its path in it."""
    document = {
        "leaves": "leaf i is SHA-256(0x00 || i), i one byte, counted from 0",
        "trees": [_tree(size) for size in range(1, 18)],
    }
    return {"trees.json": (json.dumps(document, indent=1) + "\n").encode()}


def _tree(size: int) -> dict[str, object]:
    tree = build([leaf_hash(bytes([number])) for number in range(size)])
    paths = [
        [path[at : at + HASH_SIZE].hex() for at in range(0, len(path), HASH_SIZE)]
        for path in tree.paths()
    ]
    return {
        "treeSize": size,
        "root": tree.root.hex(),
        "sealedRoot": tree.sealed_root.hex(),
        "inclusionPaths": paths,
    }
