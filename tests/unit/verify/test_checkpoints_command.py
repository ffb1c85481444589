"""`perdure checkpoints`: blocks of a node, final ones alone, and those of files."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ledger.verify.checkpoints import Checkpoint, parse_checkpoints
from ledger.verify.checkpoints_command import run
from ledger.verify.networks import encode_networks
from ledger.verify.report import Verdict
from tests.unit.verify.credentials import World, world
from tests.unit.verify.fakes import NETWORK, FakeChain, RpcServer, served
from tests.unit.verify.proofs import checkpoint, prove, tamper


@dataclass
class Desk:
    folder: Path
    world: World
    server: RpcServer

    def file(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    def run(self, *arguments: object) -> tuple[int, str, str]:
        networks = self.file("networks.json", encode_networks([NETWORK]))
        out, err = io.StringIO(), io.StringIO()
        options = ["--rpc", self.server.url, "--networks", str(networks)]
        code = run(
            [*map(str, arguments), *options], program="checkpoints", out=out, err=err
        )
        return code, out.getvalue(), err.getvalue()

    def listed(self, *arguments: object) -> tuple[Checkpoint, ...]:
        code, out, err = self.run(*arguments)
        assert (code, err) == (0, "")
        return parse_checkpoints(out.encode())

    def block(self, number: int) -> Checkpoint:
        return Checkpoint(777, self.world.chain.block(number).hash, number)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    w = world()
    with served(w.chain) as server:
        yield Desk(tmp_path, w, server)


def test_without_more_it_is_the_finalized_block(desk: Desk) -> None:
    assert desk.listed() == (desk.block(100),)


def test_blocks_by_number_stand_in_their_order_and_once(desk: Desk) -> None:
    assert desk.listed("--block", 70, "--block", 7, "--block", 70) == (
        desk.block(7),
        desk.block(70),
    )


def test_the_blocks_of_files_and_then_they_verify_offline(desk: Desk) -> None:
    point = checkpoint(prove(desk.world))
    file = desk.file("ada.json", desk.world.data)
    target = desk.folder / "list.json"

    assert desk.listed(file, file, "--block", 7) == (desk.block(7), point)
    assert desk.run(file, "--out", target) == (0, "", "")
    points = parse_checkpoints(target.read_bytes())
    report = desk.world.verify(readers=[], checkpoints=points)
    assert report.verdict is Verdict.GENUINE_AS_OF


def test_a_file_of_a_block_that_the_chain_has_not_is_refused(desk: Desk) -> None:
    point = checkpoint(prove(desk.world))
    desk.world.chain.headers.clear()
    code, out, err = desk.run(desk.file("ada.json", desk.world.data))

    assert (code, out) == (1, "")
    assert f"{point.text} is not block 90 of the chain" in err


@pytest.mark.parametrize("number", [101, 110, 5_000])
def test_a_block_that_is_not_final_is_not_vouched_for(desk: Desk, number: int) -> None:
    code, out, err = desk.run("--block", number)

    assert (code, out) == (2, "")
    assert f"block {number} is not final; final is block 100" in err


def test_files_without_evidence_are_refused(desk: Desk) -> None:
    for data in (desk.world.data, desk.world.file.credential.data):
        code, _, err = desk.run(desk.file("ada.json", data))
        assert code == 1
        assert "carries no evidence" in err
    assert desk.run(desk.file("x.json", b"{}"))[0] == 1
    evidence = prove(desk.world)
    tamper(desk.world, replace(evidence, header=b"\xc0"))
    code, _, err = desk.run(desk.file("ada.json", desk.world.data))
    assert (code, "header" in err) == (1, True)


def test_a_chain_that_is_not_accepted_or_does_not_answer_is_could_not_finish(
    desk: Desk,
) -> None:
    desk.world.chain.chain_id_ = 5
    assert desk.run()[0] == 2
    desk.world.chain.broken["chain_id"] = "is silent"
    assert desk.run()[0] == 2


def test_all_addresses_have_to_agree(desk: Desk) -> None:
    with served(FakeChain(fork="x", start=desk.world.chain.start)) as second:
        code, out, err = desk.run("--rpc", second.url)

    assert (code, out) == (2, "")
    assert "different answers about block 100" in err


def test_addresses_of_two_chains_need_files(desk: Desk) -> None:
    with served(FakeChain(chain_id_=5)) as second:
        code, _, err = desk.run("--rpc", second.url)
        assert code == 1
        assert "one chain alone" in err
        point = checkpoint(prove(desk.world))
        file = desk.file("ada.json", desk.world.data)
        assert desk.listed(file, "--rpc", second.url) == (point,)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["missing.json"], "no such file"),
        (["--block", "-1"], "a number from 0"),
        (["--block", "x"], "invalid int"),
        (["--bogus"], "unrecognized"),
    ],
)
def test_wrong_usage_is_64(desk: Desk, arguments: list[str], reason: str) -> None:
    code, out, err = desk.run(*arguments)

    assert (code, out) == (64, "")
    assert reason in err
    assert desk.server.requests == []


def test_help_is_no_error_and_an_address_is_needed() -> None:
    out, err = io.StringIO(), io.StringIO()

    assert run(["--help"], program="checkpoints", out=out) == 0
    assert "--block" in out.getvalue()
    assert run([], program="checkpoints", err=err) == 64
    assert "--rpc URL" in err.getvalue()
