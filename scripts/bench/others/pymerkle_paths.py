"""pymerkle: a tree of entries and the inclusion proof of each."""

from typing import Any

from pymerkle import InmemoryTree

from scripts.bench.others.rounds import Round, serve


def prepare(question: Any) -> tuple[object, Round]:
    entries = [number.to_bytes(8, "big") for number in range(question["count"])]

    def run() -> tuple[bytes, list[Any]]:
        tree = InmemoryTree(algorithm="sha256")
        tree.append_entries(entries)
        proofs = [tree.prove_inclusion(at) for at in range(1, len(entries) + 1)]
        return tree.get_root(), proofs

    root, proofs = run()
    paths = [proof.serialize()["path"] for proof in proofs]
    return {"root": root.hex(), "paths": paths}, run


if __name__ == "__main__":
    serve(prepare)
