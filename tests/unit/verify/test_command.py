"""The command: files in, reports out, the right exit code, and nothing else."""

import io
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ledger.core import canonical
from ledger.core.archive import write_archive
from ledger.verify.checkpoints import encode_checkpoints
from ledger.verify.command import run
from ledger.verify.networks import encode_networks
from ledger.verify.trust import encode_trust_list
from tests.unit.verify.credentials import (
    EMAIL,
    INDEX,
    LISTED,
    NOW,
    World,
    edited,
    signed,
    world,
)
from tests.unit.verify.fakes import NETWORK, FakeChain, RpcServer, served
from tests.unit.verify.proofs import checkpoint, prove

ROOT = Path(__file__).parents[3]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@dataclass
class Desk:
    """A verifier's desk: files, a node, a networks file and a trust list."""

    folder: Path
    world: World
    server: RpcServer

    def file(self, name: str, data: bytes) -> str:
        path = self.folder / name
        path.write_bytes(data)
        return str(path)

    def options(self, *, trust: bool = True) -> list[str]:
        networks = self.file("networks.json", encode_networks([NETWORK]))
        options = ["--rpc", self.server.url, "--networks", networks]
        if trust:
            options += [
                "--trust",
                self.file("trust.json", encode_trust_list(LISTED)),
            ]
        return options

    def run(self, *arguments: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        code = run(arguments, program="verify", clock=lambda: NOW, out=out, err=err)
        return code, out.getvalue(), err.getvalue()

    def reports(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        code, out, _ = self.run("--json", *arguments)
        return code, canonical.parse_object(out.encode())


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    w = world()
    with served(w.chain) as server:
        yield Desk(tmp_path, w, server)


def test_a_genuine_file_is_told_to_a_person(desk: Desk) -> None:
    file = desk.file("ada.json", desk.world.data)
    code, out, err = desk.run(file, *desk.options())

    assert code == 0
    assert err == ""
    assert out.startswith(
        f"{file}: Genuine and current, according to {desk.server.url}\n"
    )
    assert "  ✓ We know who issued it\n" in out
    assert out.endswith("  Next: Keep this file: it can be checked without us.\n")


def test_json_has_version_files_and_exit_code(desk: Desk) -> None:
    file = desk.file("ada.json", desk.world.data)
    code, document = desk.reports(*desk.options(), file)

    assert code == 0
    assert set(document) == {"version", "files", "exitCode"}
    assert (document["version"], document["exitCode"]) == (1, 0)
    (report,) = document["files"]
    assert (report["file"], report["verdict"]) == (file, "genuine")


def test_the_worst_of_several_files_is_the_exit_code(desk: Desk) -> None:
    good = desk.file("good.json", desk.world.data)
    pending = desk.file("pending.json", signed().data)
    changed = desk.file("changed.json", edited(desk.world.data, "name", value="Doctor"))
    options = desk.options()

    assert desk.run(good, good, *options)[0] == 0
    assert desk.run(good, pending, *options)[0] == 3
    assert desk.run(good, pending, changed, *options)[0] == 1
    networks = options[2:4]
    assert desk.run(good, pending, *networks)[0] == 2
    assert desk.run(good, changed, *networks)[0] == 1


def test_several_files_end_with_a_count(desk: Desk) -> None:
    good = desk.file("good.json", desk.world.data)
    _, out, _ = desk.run(good, good, desk.file("x.json", b"{}"), *desk.options())

    assert out.endswith("\n3 files: 2 genuine, 1 not a credential\n")
    assert out.count("Next: ") == 3


def test_a_withdrawn_file(desk: Desk) -> None:
    desk.world.issuer.revoked.add(INDEX)
    file = desk.file("ada.json", desk.world.data)
    code, out, _ = desk.run(file, *desk.options())

    assert code == 1
    assert "Withdrawn by the issuer" in out


def test_without_a_trust_list_the_issuer_is_unknown(desk: Desk) -> None:
    file = desk.file("ada.json", desk.world.data)
    code, document = desk.reports(file, *desk.options(trust=False))

    assert code == 3
    assert document["files"][0]["verdict"] == "unknown_issuer"


def test_without_an_address_the_file_itself_is_still_checked(desk: Desk) -> None:
    file = desk.file("ada.json", desk.world.data)
    code, document = desk.reports(file, *desk.options()[2:])
    steps = {step["step"]: step["code"] for step in document["files"][0]["steps"]}

    assert code == 2
    assert steps["content"] == "content.unchanged"
    assert steps["withdrawal"] == "withdrawal.no_address"


def test_the_built_in_networks_are_used_without_a_networks_file(desk: Desk) -> None:
    file = desk.file("ada.json", desk.world.data)
    code, document = desk.reports(file, "--rpc", desk.server.url)

    assert code == 2
    assert document["files"][0]["steps"][3]["code"] == "record.unknown_network"


def test_two_addresses_must_agree(desk: Desk) -> None:
    file = desk.file("ada.json", desk.world.data)
    liar = FakeChain(world().chain.settled, start=desk.world.chain.start)
    desk.world.issuer.revoked.add(INDEX)
    with served(liar) as second:
        code, out, _ = desk.run(file, *desk.options(), "--rpc", second.url)

    assert code == 2
    assert desk.server.url in out
    assert second.url in out


def test_a_test_network_is_worded_test_and_exits_3(desk: Desk) -> None:
    file = desk.file("ada.json", desk.world.data)
    networks = desk.file("test.json", encode_networks([replace(NETWORK, test=True)]))
    options = [*desk.options(), "--networks", networks]
    code, out, _ = desk.run(file, file, *options)

    assert code == 3
    assert "TEST: Genuine and current" in out
    assert "2 files (2 on TEST networks): 2 genuine" in out


def test_email(desk: Desk) -> None:
    file = desk.file("ada.json", desk.world.data)

    assert desk.run(file, *desk.options(), "--email", EMAIL)[0] == 0
    assert desk.run(file, *desk.options(), "--email", "eve@example.org")[0] == 1


def test_the_customers_key_in_an_address_is_never_written(desk: Desk) -> None:
    file = desk.file("ada.json", desk.world.data)
    options = ["--rpc", f"{desk.server.url}/v3/s3cr3t", *desk.options()[2:]]
    code, out, err = desk.run(file, *options)

    assert code == 0
    assert "s3cr3t" not in out + err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "name at least one file"),
        (["missing.json"], "missing.json: no such file"),
        (["."], ".: a directory"),
        (["FILE", "--bogus"], "unrecognized arguments: --bogus"),
        (["FILE", "--rpc"], "expected one argument"),
        (["FILE", "--rpc", "node.example"], "--rpc: an RPC address starts with"),
        (["FILE", "--rpc", "http://a", "--rpc", "http://a"], "the same address twice"),
        (["FILE", "--email", "nobody"], "--email: not an e-mail address"),
        (["FILE", "--trust", "missing"], "missing: No such file"),
        (["FILE", "--trust", "FILE"], "trust list"),
        (["FILE", "--networks", "FILE"], "networks file"),
        (["FILE", "--js"], "unrecognized arguments: --js"),
        (["FILE", "\x1b[2J"], "<U+001B>[2J: no such file"),
    ],
)
def test_wrong_usage_is_64_and_nothing_is_checked(
    desk: Desk, arguments: list[str], reason: str
) -> None:
    file = desk.file("ada.json", desk.world.data)
    given = [file if argument == "FILE" else argument for argument in arguments]
    code, out, err = desk.run(*given)

    assert code == 64
    assert out == ""
    assert err.startswith("usage: verify")
    assert reason in err
    assert desk.server.requests == []


def test_one_missing_file_among_many_stops_the_rest(desk: Desk) -> None:
    file = desk.file("ada.json", desk.world.data)
    code, out, _ = desk.run(file, "missing.json", *desk.options())

    assert code == 64
    assert out == ""


def test_a_file_that_cannot_be_read_is_could_not_finish(desk: Desk) -> None:
    """The first page of a process's memory is there, and reading it is an I/O error."""
    good = desk.file("ada.json", desk.world.data)
    code, document = desk.reports("/proc/self/mem", good, *desk.options())

    assert code == 2
    unread, genuine = document["files"]
    assert unread["steps"][0]["code"] == "file.unreadable"
    assert unread["steps"][0]["detail"] == "Input/output error."
    assert genuine["verdict"] == "genuine"


def test_a_file_without_end_is_no_credential(desk: Desk) -> None:
    code, document = desk.reports("/dev/zero", *desk.options())

    assert code == 1
    assert document["files"][0]["verdict"] == "not_a_credential"


def test_help_names_the_exit_codes_and_is_no_error(desk: Desk) -> None:
    code, out, err = desk.run("--help")

    assert (code, err) == (0, "")
    assert "exit codes: 0 genuine and current" in out


def test_options_may_stand_before_between_and_after_files(desk: Desk) -> None:
    file = desk.file("ada.json", desk.world.data)
    options = desk.options()

    assert desk.run(*options[:2], file, *options[2:4], file, *options[4:])[0] == 0


def test_progress_is_drawn_on_a_terminal_only_and_wiped(desk: Desk) -> None:
    file = desk.file("ada.json", desk.world.data)
    out, err = io.StringIO(), Terminal()
    arguments = [file, file, *desk.options()]
    run(arguments, program="verify", clock=lambda: NOW, out=out, err=err)

    assert "[............] 0/2" in err.getvalue().replace("." * 12 + "]", "]", 1)
    assert "[############............] 1/2 ada.json" in err.getvalue()
    assert err.getvalue().endswith("\r\x1b[K")
    assert "\x1b" not in out.getvalue()


def test_no_control_character_of_a_file_reaches_the_terminal(desk: Desk) -> None:
    data = signed(name="Ada\x9b31m\u202e").data
    file = desk.file("\x1b[31mada.json", data)
    for flags in ([], ["--json"]):
        _, out, err = desk.run(file, *desk.options(), *flags)
        for character in out + err:
            assert character == "\n" or (character.isprintable()), repr(character)


def test_module_runs_and_speaks_to_a_real_node(desk: Desk) -> None:
    """As a process of its own, by the wall clock: the chain's newest block is too old."""
    file = desk.file("ada.json", desk.world.data)
    finished = subprocess.run(
        [sys.executable, "-m", "ledger.verify", file, *desk.options(), "--json"],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=50,
    )
    document: Any = canonical.parse_object(finished.stdout)
    (report,) = document["files"]

    assert finished.stderr == b""
    assert finished.returncode == 2
    assert report["steps"][4]["code"] == "withdrawal.behind"
    assert report["steps"][3]["code"] == "record.final"


def test_a_terminal_without_the_signs_gets_escapes_and_no_traceback(
    desk: Desk,
) -> None:
    file = desk.file("ada.json", desk.world.data)
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    arguments = [file, *desk.options()]
    code = run(arguments, program="v", clock=lambda: NOW, out=out, err=io.StringIO())
    out.flush()

    assert code == 0
    assert b"\\u2713 The file is a credential" in raw.getvalue()


# ---------------------------------------------------------------- offline


def test_one_trusted_block_is_enough_and_no_address_is_asked(desk: Desk) -> None:
    point = checkpoint(prove(desk.world))
    file = desk.file("ada.json", desk.world.data)
    listed = desk.file("points.json", encode_checkpoints([point]))
    options = desk.options()[2:]

    for trusted in (["--block-hash", point.text], ["--checkpoints", listed]):
        code, out, err = desk.run(file, *options, *trusted)
        assert (code, err) == (3, "")
        assert out.startswith(f"{file}: Genuine as of 2026-07-01\n")
        assert (
            f"  Read at evidence block 90 of 2026-07-01T08:15:00Z, {point.text}" in out
        )
        assert "Read from" not in out
    assert desk.server.requests == []


def test_several_blocks_are_trusted_together(desk: Desk) -> None:
    point = checkpoint(prove(desk.world))
    file = desk.file("ada.json", desk.world.data)
    other = replace(point, block_hash=b"\x01" * 32)
    listed = desk.file("points.json", encode_checkpoints([other]))
    options = [file, *desk.options()[2:]]

    assert desk.run(*options, "--checkpoints", listed)[0] == 2
    both = ["--checkpoints", listed, "--block-hash", point.text]
    assert desk.run(*options, *both, "--block-hash", other.text)[0] == 3


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0x" + "01" * 32, "eip155:<chain id>"),
        ("eip155:1:0x" + "AB" * 32, "eip155:<chain id>"),
        ("eip155:01:0x" + "ab" * 32, "eip155:<chain id>"),
        ("eip155:1:0x" + "ab" * 31, "eip155:<chain id>"),
        ("eip155:9999999999999999:0x" + "ab" * 32, "2^53"),
    ],
)
def test_a_block_without_its_chain_is_wrong_usage(
    desk: Desk, text: str, reason: str
) -> None:
    file = desk.file("ada.json", desk.world.data)
    code, out, err = desk.run(file, "--block-hash", text)

    assert (code, out) == (64, "")
    assert "--block-hash: " in err
    assert reason in err


def test_a_list_of_checkpoints_that_is_none_is_wrong_usage(desk: Desk) -> None:
    file = desk.file("ada.json", desk.world.data)
    listed = desk.file("points.json", b"{}")
    code, _, err = desk.run(file, "--checkpoints", listed)

    assert code == 64
    assert f"{listed}: checkpoints file.checkpoints: missing" in err


# ---------------------------------------------------------------- archives and certificates


def test_every_file_of_an_archive_has_its_report_and_the_worst_counts(
    desk: Desk,
) -> None:
    changed = edited(desk.world.data, "name", value="Doctor")
    packed = write_archive(
        [
            ("good.json", desk.world.data),
            ("changed.json", changed),
            ("README.txt", b"read me"),
        ]
    )
    file = desk.file("mine.zip", packed)
    code, document = desk.reports(file, *desk.options())

    assert code == 1
    assert [(r["file"], r["verdict"]) for r in document["files"]] == [
        (f"{file}/good.json", "genuine"),
        (f"{file}/changed.json", "changed"),
    ]
    _, out, _ = desk.run(file, *desk.options())
    assert "2 files: 1 genuine, 1 changed" in out


def test_a_large_archive_is_read_where_a_large_picture_is_not(desk: Desk) -> None:
    photos = [(f"{n}.jpg.png", b"\x89PNG" + bytes(2_000_000)) for n in range(5)]
    packed = write_archive([*photos, ("good.json", desk.world.data)])
    code, document = desk.reports(desk.file("large.zip", packed), *desk.options())

    assert len(packed) > 10_000_000
    assert code == 1
    assert document["files"][-1]["verdict"] == "genuine"


def test_an_archive_that_is_a_trap_is_one_verdict_in_words(desk: Desk) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.json", bytes(8_000_000))
    file = desk.file("bomb.zip", made.getvalue())
    code, out, err = desk.run(file, *desk.options())

    assert (code, err) == (1, "")
    assert "This is not a credential file" in out
    assert "packed too tightly" in out
    assert desk.server.requests == []


def test_a_certificate_is_checked_like_any_other_carrier(desk: Desk) -> None:
    attachment = zlib.compress(desk.world.data)
    pdf = (
        b"%PDF-1.7\n7 0 obj\n<</Type/EmbeddedFile/Filter/FlateDecode>>\nstream\n"
        + attachment
        + b"\nendstream\nendobj\n%%EOF"
    )
    good = desk.file("good.pdf", pdf)
    empty = desk.file("printed.pdf", b"%PDF-1.7\n%%EOF")
    code, document = desk.reports(good, empty, *desk.options())
    genuine, printed = document["files"]

    assert code == 1
    assert genuine["verdict"] == "genuine"
    assert printed["verdict"] == "not_a_credential"
    assert "no credential attached" in printed["steps"][0]["detail"]
    assert "Ask the holder" in printed["next"]
