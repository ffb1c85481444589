"""`perdure refresh`: files in place, whole or not at all, and the right exit code."""

import io
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledger.artwork.badge import BadgeSpec, badge_png, badge_svg
from ledger.core.baking import bake_png, bake_svg
from ledger.core.durable import DurableCredential, parse_credential_file
from ledger.verify.networks import encode_networks
from ledger.verify.refresh_command import run
from ledger.verify.trust import encode_trust_list
from tests.unit.verify.credentials import LISTED, World, world
from tests.unit.verify.fakes import NETWORK, RpcServer, served
from tests.unit.verify.proofs import serve_proofs

BADGE = BadgeSpec("Git", "Riverside Code School", "skill", "introductory")


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
            [*map(str, arguments), *options], program="refresh", out=out, err=err
        )
        return code, out.getvalue(), err.getvalue()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    w = world()
    serve_proofs(w)
    with served(w.chain) as server:
        yield Desk(tmp_path, w, server)


def block_in(path: Path) -> int | None:
    held = parse_credential_file(path.read_bytes())
    assert isinstance(held, DurableCredential)
    evidence = held.proof.home.evidence
    return None if evidence is None else evidence.block.number


def test_a_file_is_refreshed_in_place_and_says_so(desk: Desk) -> None:
    file = desk.file("ada.json", b" \n" + desk.world.data)
    file.chmod(0o640)
    code, out, err = desk.run(file)

    assert (code, err) == (0, "")
    header = desk.world.chain.headers[100]
    assert (
        f"{file}: evidence of block 100 of 2026-07-01T08:16:40Z, eip155:777:0x" in out
    )
    assert header.hash.hex() in out
    assert block_in(file) == 100
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert {path.name for path in desk.folder.iterdir()} == {
        "ada.json",
        "networks.json",
    }


@pytest.mark.parametrize("carrier", ["png", "svg"])
def test_an_image_stays_an_image(desk: Desk, carrier: str) -> None:
    image = (
        bake_png(badge_png(BADGE, 64), desk.world.data)
        if carrier == "png"
        else bake_svg(badge_svg(BADGE), desk.world.data)
    )
    file = desk.file(f"ada.{carrier}", image)

    assert desk.run(file)[0] == 0
    assert block_in(file) == 100
    assert file.read_bytes()[:4] == image[:4]


def test_out_leaves_the_file_as_it_is(desk: Desk) -> None:
    file, target = desk.file("ada.json", desk.world.data), desk.folder / "new.json"

    assert desk.run(file, "--out", target)[0] == 0
    assert file.read_bytes() == desk.world.data
    assert block_in(target) == 100


def test_a_target_that_cannot_be_written_is_named(desk: Desk) -> None:
    file, target = desk.file("ada.json", desk.world.data), desk.folder / "no" / "z"

    code, out, err = desk.run(file, "--out", target)

    assert code == 2
    assert f"{file}: cannot write {target}: No such file or directory" in out + err


def test_what_fails_stays_as_it_is_and_the_others_are_done(desk: Desk) -> None:
    good = desk.file("good.json", desk.world.data)
    changed = desk.file("changed.json", desk.world.data.replace(b"Ada", b"Eve", 1))
    young = desk.file("young.json", desk.world.file.credential.data)
    none = desk.file("none.pdf", b"%PDF-1.7")
    before = [path.read_bytes() for path in (changed, young, none)]
    code, out, err = desk.run(changed, young, none, good)

    assert code == 1
    assert [path.read_bytes() for path in (changed, young, none)] == before
    assert block_in(good) == 100
    assert out.count("evidence of block") == 1
    assert "young.json: it is signed, but not recorded yet" in err
    assert len(err.splitlines()) == 3


def test_a_node_that_does_not_prove_is_could_not_finish(desk: Desk) -> None:
    desk.world.chain.states.clear()
    file = desk.file("ada.json", desk.world.data)
    code, out, err = desk.run(file)

    assert (code, out) == (2, "")
    assert "nobody proves block 100" in err
    assert file.read_bytes() == desk.world.data


def test_a_folder_that_takes_no_file_is_could_not_finish(desk: Desk) -> None:
    file = desk.file("ada.json", desk.world.data)
    code, _, err = desk.run(file, "--out", desk.folder / "missing" / "ada.json")

    assert code == 2
    assert "No such file" in err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "name at least one file"),
        (["missing.json"], "no such file"),
        (["."], "a directory"),
        (["--bogus"], "unrecognized"),
        (["--trust", "missing", __file__], "No such file"),
        (["--out", "x", __file__, __file__], "for one file alone"),
    ],
)
def test_wrong_usage_is_64(desk: Desk, arguments: list[str], reason: str) -> None:
    code, out, err = desk.run(*arguments)

    assert (code, out) == (64, "")
    assert reason in err
    assert desk.server.requests == []


def test_without_an_address_there_is_nothing_to_ask() -> None:
    err = io.StringIO()

    assert run([__file__], program="refresh", err=err) == 64
    assert "--rpc URL" in err.getvalue()


def test_help_is_no_error_and_trust_is_read(desk: Desk) -> None:
    out = io.StringIO()
    assert run(["--help"], program="refresh", out=out) == 0
    assert "nobody's permission" in out.getvalue()

    file = desk.file("ada.json", desk.world.data)
    trust = desk.file("trust.json", encode_trust_list(LISTED))
    assert desk.run(file, "--trust", trust)[0] == 0
