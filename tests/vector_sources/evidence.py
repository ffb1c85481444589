"""
The files of tests/vectors/evidence: durable credentials with evidence of a real node.

Unlike other vectors they are taken once, since no two runs of a node give the same blocks:

    python -m tests.vector_sources.evidence

takes them anew, which is due when the registries get another address or another code.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ledger.chain import acts
from ledger.core import registries, rlp
from ledger.core.durable import DurableCredential
from ledger.core.evidence import Evidence, EvidenceFault
from ledger.verify.checkpoints import Checkpoint, encode_checkpoints
from ledger.verify.networks import encode_networks
from ledger.verify.rpc import RpcReader
from ledger.verify.trust import TrustList, encode_trust_list
from tests.anvil import Anvil
from tests.integration.verify.schools import (
    BOARD_ID,
    BY_BOARD,
    CONTROLLER,
    DOMAIN,
    FOREVER,
    KEY,
    LISTED,
    RECOVERY,
    SCHOOL,
    SCHOOL_ID,
    School,
    block_of,
)

FOLDER = Path(__file__).parents[1] / "vectors" / "evidence"

_BY_CONTROLLER = acts.Authority(CONTROLLER, FOREVER)
_BY_RECOVERY = acts.Authority(RECOVERY, FOREVER)
_TRUST = TrustList(LISTED.name, LISTED.issuers, BY_BOARD.accreditors)


@dataclass
class Taken:
    """The valid files, and the nodes of a proof that no file carries."""

    valid: dict[str, DurableCredential]
    elsewhere: Evidence


def take(school: School) -> Taken:
    """Let a school live through everything that evidence can show, file by file."""
    files: dict[str, DurableCredential] = {}
    members = (BOARD_ID, SCHOOL_ID, SCHOOL.hash)
    school.act(acts.endorse(DOMAIN, *members, 0, _BY_CONTROLLER))
    first, other, last = (school.issue(index) for index in (70_001, 70_002, 5))
    school.pass_time(60)
    school.settle()
    files["as-of.json"] = school.refreshed(first)
    files["as-of-with-an-endorsement.json"] = school.refreshed(first, BY_BOARD)
    elsewhere = school.refreshed(other).proof.home.evidence
    assert elsewhere is not None

    school.revoke(70_001)
    school.settle()
    files["withdrawn.json"] = school.refreshed(first)
    late = school.issue(6)
    school.act(
        acts.compromise_key(
            DOMAIN, SCHOOL_ID, KEY.public.key_id, late.proof.home.time, _BY_RECOVERY
        )
    )
    school.pass_time(60)
    school.settle()
    files["key-compromised.json"] = school.refreshed(late)

    school.act(acts.close(DOMAIN, SCHOOL_ID, bytes(32), bytes(32), _BY_RECOVERY))
    school.settle()
    files["closed-for-good.json"] = school.refreshed(last)
    return Taken(files, elsewhere)


#: What a verifier must find in them, at their own block.
VERDICTS = {
    "as-of.json": ("genuine_as_of", "record.final"),
    "as-of-with-an-endorsement.json": ("genuine_as_of", "record.final"),
    "withdrawn.json": ("withdrawn", "record.final"),
    "key-compromised.json": ("contradicted", "record.final"),
    "closed-for-good.json": ("genuine", "record.final"),
}


def damaged(
    taken: Taken,
) -> Iterator[tuple[str, DurableCredential, str]]:
    """Name, file, and the code of its record step, with the block of as-of.json trusted."""
    file = taken.valid["as-of.json"]
    whole, later = _evidence(file), _evidence(taken.valid["withdrawn.json"])
    last = len(whole.nodes) - 1
    cases: dict[str, tuple[Callable[[Evidence], Evidence], str]] = {
        "header-cut.json": (lambda e: replace(e, header=e.header[:-1]), "malformed"),
        "header-longer.json": (lambda e: replace(e, header=e.header + b"\0"), "malformed"),
        "nodes-reversed.json": (lambda e: replace(e, nodes=e.nodes[::-1]), "malformed"),
        "two-nodes-swapped.json": (
            lambda e: replace(e, nodes=(*e.nodes[:-2], e.nodes[-1], e.nodes[-2])),
            "malformed",
        ),
        "node-twice.json": (lambda e: replace(e, nodes=(*e.nodes, e.nodes[0])), "malformed"),
        "last-node-missing.json": (lambda e: replace(e, nodes=e.nodes[:last]), "incomplete"),
        "only-the-first-node.json": (lambda e: replace(e, nodes=e.nodes[:1]), "incomplete"),
        "node-too-many.json": (lambda e: replace(e, nodes=(*e.nodes, b"\x80")), "surplus"),
        "bit-in-the-last-node.json": (lambda e: _with(e, last, _flip(e.nodes[last])), "stitched"),
        "bit-in-the-first-node.json": (lambda e: _with(e, 0, _flip(e.nodes[0])), "stitched"),
        "bit-in-the-state-root.json": (
            lambda e: replace(e, header=_field(e.header, 3, _flip)), "stitched",
        ),
        "another-slot.json": (lambda _: taken.elsewhere, "elsewhere"),
        "header-of-a-later-block.json": (lambda e: replace(e, header=later.header), "stitched"),
        "nodes-of-a-later-block.json": (lambda e: replace(e, nodes=later.nodes), "stitched"),
        "endorsement-not-proved.json": (
            lambda e: replace(e, accreditors=(_unproved(file, e),)), "incomplete",
        ),
    }  # fmt: skip
    for name, (change, fault) in cases.items():
        yield name, file.with_evidence(change(whole)), f"record.evidence_{fault}"
    elsewhere = _field(whole.header, 12, lambda _: b"made at home")
    yield (
        "header-of-no-chain.json",
        file.with_evidence(replace(whole, header=elsewhere)),
        "record.evidence_untrusted",
    )
    home = replace(file.proof.home, block_number=file.proof.home.block_number - 1)
    yield (
        "block-number-changed.json",
        replace(file, proof=replace(file.proof, anchors=(home,))),
        "record.evidence_mismatch",
    )


def _unproved(file: DurableCredential, evidence: Evidence) -> bytes:
    """An accreditor about whom the nodes say nothing, not even by chance."""
    questions = file.questions(registries.ANCHOR_REGISTRY, registries.ISSUER_REGISTRY)
    for number in range(256):
        accreditor = bytes([number]) * 32
        try:
            replace(evidence, accreditors=(accreditor,)).prove(questions)
        except EvidenceFault:
            return accreditor
    raise RuntimeError("the nodes speak of everybody")


def _evidence(file: DurableCredential) -> Evidence:
    evidence = file.proof.home.evidence
    assert evidence is not None
    return evidence


def _flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def _with(evidence: Evidence, position: int, node: bytes) -> Evidence:
    nodes = list(evidence.nodes)
    nodes[position] = node
    return replace(evidence, nodes=tuple(nodes))


def _field(header: bytes, position: int, change: Callable[[bytes], bytes]) -> bytes:
    fields = rlp.decode(header)
    assert isinstance(fields, list)
    field = fields[position]
    assert isinstance(field, bytes)
    fields[position] = change(field)
    return rlp.encode(fields)


def write(school: School) -> None:
    """Take everything and write the folder."""
    taken = take(school)
    manifest: dict[str, Any] = {
        "chainId": "eip155:31337",
        "codeHashes": {
            "anchorRegistry": f"0x{registries.ANCHOR_REGISTRY_CODE_HASH.hex()}",
            "issuerRegistry": f"0x{registries.ISSUER_REGISTRY_CODE_HASH.hex()}",
        },
        "valid": {},
        "invalid": {},
    }
    points: set[Checkpoint] = set()
    for name, file in taken.valid.items():
        verdict, record = VERDICTS[name]
        block = _evidence(file).block
        points.add(block_of(file))
        _write(f"valid/{name}", file.encode())
        manifest["valid"][f"valid/{name}"] = {
            "blockNumber": block.number,
            "blockHash": f"0x{block.hash.hex()}",
            "stateRoot": f"0x{block.state_root.hex()}",
            "verdict": verdict,
            "record": record,
        }
    for name, file, code in damaged(taken):
        _write(f"invalid/{name}", file.encode())
        manifest["invalid"][f"invalid/{name}"] = {"record": code}
    _write("networks.json", encode_networks([school.network]))
    _write("trust.json", encode_trust_list(_TRUST))
    ordered = sorted(points, key=lambda point: point.block_number or 0)
    _write("checkpoints.json", encode_checkpoints(ordered))
    _write("manifest.json", (json.dumps(manifest, indent=1) + "\n").encode())


def _write(name: str, data: bytes) -> None:
    path = FOLDER / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def main() -> None:
    """Take the vectors from a fresh node."""
    for old in FOLDER.rglob("*"):
        if old.is_file():
            old.unlink()
    with Anvil.start() as anvil, closing(RpcReader(anvil.url)) as reader:
        anvil.deploy()
        school = School(anvil, reader)
        school.open()
        write(school)


if __name__ == "__main__":
    main()
