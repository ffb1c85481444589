"""`perdure checkpoints --from-proofs`: what ledgers stated on a chain that still answers."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from ledger.core import merkle
from ledger.core.anchor import Anchor
from ledger.core.checkpoint import (
    BlockCheckpoint,
    CheckpointProof,
    encode_checkpoint_proofs,
)
from ledger.core.merkle import InclusionProof
from ledger.verify.checkpoints import Checkpoint, parse_checkpoints
from ledger.verify.checkpoints_command import run
from ledger.verify.networks import encode_networks
from tests.unit.verify.fakes import NETWORK, FakeChain, RpcServer, served

DEAD = BlockCheckpoint(1, 23_000_000, bytes.fromhex("5c" * 32))
T = 1_000_500  # of block 50 of the chain that lives, 1970-01-12T13:55:00Z


@dataclass
class Desk:
    folder: Path
    server: RpcServer
    chain: FakeChain
    batches: int = field(default=0)

    def state(self, point: BlockCheckpoint = DEAD, *, time: int = T) -> CheckpointProof:
        """Seal a checkpoint into a batch of two, which stands on the chain."""
        self.batches += 1
        other = merkle.leaf_hash(b"credential %d" % self.batches)
        sealed = merkle.sealed_root(2, merkle.root([other, point.leaf]))
        self.chain.settled.anchors[sealed] = (time, 50)
        return CheckpointProof(
            point,
            InclusionProof(1, 2, (other,)),
            sealed,
            (Anchor(777, NETWORK.anchor_registry, 50, time),),
        )

    def file(self, *proofs: CheckpointProof, name: str = "proofs.json") -> Path:
        path = self.folder / name
        path.write_bytes(encode_checkpoint_proofs(proofs))
        return path

    def run(self, *arguments: object) -> tuple[int, str, str]:
        networks = self.folder / "networks.json"
        networks.write_bytes(encode_networks([NETWORK]))
        out, err = io.StringIO(), io.StringIO()
        options = ["--rpc", self.server.url, "--networks", str(networks)]
        code = run(
            [*map(str, arguments), *options], program="checkpoints", out=out, err=err
        )
        return code, out.getvalue(), err.getvalue()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    chain = FakeChain()
    with served(chain) as server:
        yield Desk(tmp_path, server, chain)


def test_a_stated_checkpoint_is_told_and_listed(desk: Desk) -> None:
    later = replace(DEAD, block_number=23_000_001)
    file = desk.file(desk.state(), desk.state(later, time=T + 5))

    code, out, err = desk.run("--from-proofs", file)
    assert code == 0
    assert parse_checkpoints(out.encode()) == (
        Checkpoint(1, DEAD.block_hash, 23_000_000),
        Checkpoint(1, DEAD.block_hash, 23_000_001),
    )
    assert (
        f"eip155:1 block 23000000 0x{'5c' * 32}: on eip155:777 since"
        f" 1970-01-12T13:55:00Z, block 50 ({file})"
    ) in err
    assert "since 1970-01-12T13:55:05Z" in err
    assert "was part of the chain is not proved" not in out
    assert "their blocks were part of the chain is not proved" in err


def test_only_what_was_stated_before_is_taken(desk: Desk) -> None:
    later = replace(DEAD, block_number=23_000_001)
    file = desk.file(desk.state(), desk.state(later, time=T + 5))

    code, out, err = desk.run("--from-proofs", file, "--before", "1970-01-12T13:55:05Z")
    assert code == 0
    (point,) = parse_checkpoints(out.encode())
    assert point.block_number == 23_000_000
    assert err.count(", too late") == 1
    code, out, err = desk.run("--from-proofs", file, "--before", "1970-01-12T13:55:00Z")
    assert (code, out) == (1, "")
    assert "nothing was stated before that time" in err


def test_files_that_state_nothing_are_told_as_that(desk: Desk) -> None:
    assert desk.run("--from-proofs", desk.file()) == (
        1,
        "",
        "checkpoints: no block is stated in what --from-proofs names\n",
    )


def test_several_ledgers_that_agree_are_named(desk: Desk) -> None:
    first = desk.file(desk.state(), name="a.json")
    second = desk.file(desk.state(), name="b.json")

    code, out, err = desk.run("--from-proofs", first, "--from-proofs", second)
    assert code == 0
    assert len(parse_checkpoints(out.encode())) == 1
    assert "a.json, " in err
    assert "b.json)" in err


def test_ledgers_that_contradict_each_other_give_no_list(desk: Desk) -> None:
    first = desk.file(desk.state(), name="a.json")
    forged = replace(DEAD, block_hash=bytes(32))
    second = desk.file(desk.state(forged), name="b.json")

    code, out, err = desk.run("--from-proofs", first, "--from-proofs", second)
    assert (code, out) == (1, "")
    assert "two hashes are stated for block 23000000 of eip155:1" in err


@pytest.mark.parametrize(
    ("spoil", "code", "reason"),
    [
        ("path", 1, "does not lead to the sealed root"),
        ("root", 1, "does not stand in the registry of eip155:777"),
        ("time", 1, "does not stand in the registry of eip155:777"),
        ("registry", 1, "is not the registry of eip155:777"),
        ("not final", 2, "block 105 is not final; final is block 100"),
        ("chain", 2, "is stated on eip155:778"),
    ],
)
def test_a_proof_that_does_not_hold_gives_no_list(
    desk: Desk, spoil: str, code: int, reason: str
) -> None:
    proof = desk.state()
    (anchor,) = proof.anchors
    match spoil:
        case "path":
            proof = replace(proof, checkpoint=replace(DEAD, block_hash=bytes(32)))
        case "root":
            desk.chain.settled.anchors.clear()
        case "time":
            proof = replace(proof, anchors=(replace(anchor, time=T - 1),))
        case "registry":
            proof = replace(
                proof, anchors=(replace(anchor, registry="0x" + "ee" * 20),)
            )
        case "not final":
            desk.chain.settled.anchors.clear()
            proof = replace(proof, anchors=(replace(anchor, block_number=105),))
        case "chain":
            proof = replace(proof, anchors=(replace(anchor, chain_id=778),))
        case _:
            raise AssertionError(spoil)

    found, out, err = desk.run("--from-proofs", desk.file(proof))
    assert (found, out) == (code, "")
    assert reason in err


def test_another_contract_in_the_registrys_place_answers_nothing(desk: Desk) -> None:
    file = desk.file(desk.state())
    desk.chain.code_of[NETWORK.anchor_registry] = b"\x60"

    code, out, err = desk.run("--from-proofs", file)
    assert (code, out) == (2, "")
    assert "another contract" in err


def test_a_file_that_is_none_is_named(desk: Desk) -> None:
    path = desk.folder / "none.json"
    path.write_text("{}")

    code, out, err = desk.run("--from-proofs", path)
    assert (code, out) == (1, "")
    assert "none.json: checkpoint proofs.proofs: missing" in err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--from-proofs", "missing.json"], "no such file"),
        (["--from-proofs", "networks.json", "--block", "7"], "without --block"),
        (["--before", "2031-01-01T00:00:00Z"], "only with --from-proofs"),
        (
            ["--from-proofs", "networks.json", "--before", "2031"],
            "an instant is written",
        ),
    ],
)
def test_wrong_usage_is_64(desk: Desk, arguments: list[str], reason: str) -> None:
    desk.file(name="networks.json")
    named = [
        str(desk.folder / a) if a.endswith("networks.json") else a for a in arguments
    ]
    code, out, err = desk.run(*named)

    assert (code, out) == (64, "")
    assert reason in err
