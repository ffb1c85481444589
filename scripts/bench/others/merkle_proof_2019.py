"""lds-merkle-proof-2019 from PyPI: proofs into proofValue and back."""

from typing import Any

from lds_merkle_proof_2019.merkle_proof_2019 import MerkleProof2019

from scripts.bench.others.rounds import Round, serve


def prepare(question: Any) -> tuple[object, Round]:
    proofs = question["proofs"]
    values = [MerkleProof2019().encode(proof) for proof in proofs]
    decoded = [MerkleProof2019().decode(value) for value in values]

    def encode() -> None:
        for proof in proofs:
            MerkleProof2019().encode(proof)

    def decode() -> None:
        for value in values:
            MerkleProof2019().decode(value)

    work = {"encode": encode, "decode": decode}[question["task"]]

    def run() -> None:
        for _ in range(question["rounds"]):
            work()

    return decoded, run


if __name__ == "__main__":
    serve(prepare)
