"""`perdure trust`: add, remove, list, check, sign; nothing is written by what fails."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from ledger.core import canonical
from ledger.core.issuer import IssuerReference
from ledger.core.keys import SigningKey
from ledger.verify import command
from ledger.verify.networks import encode_networks
from ledger.verify.trust import Trusted, TrustList, encode_trust_list, parse_trust_list
from ledger.verify.trust_command import run
from tests.unit.verify.credentials import REFERENCE, World, world
from tests.unit.verify.fakes import NETWORK, FakeIssuer, RpcServer, served

BOARD = IssuerReference(777, NETWORK.issuer_registry, b"\x02" * 32)
SIGNER = SigningKey.from_seed(b"\x31" * 32)
AT = datetime(2026, 11, 25, tzinfo=UTC)


@dataclass
class Desk:
    folder: Path
    world: World
    server: RpcServer

    @property
    def file(self) -> Path:
        return self.folder / "trust.json"

    def run(self, act: str, *arguments: object) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        code = run(
            [act, str(self.file), *map(str, arguments)],
            program="trust",
            clock=lambda: AT,
            out=out,
            err=err,
        )
        return code, out.getvalue(), err.getvalue()

    def check(self, *arguments: object) -> tuple[int, dict[str, Any]]:
        networks = self.folder / "networks.json"
        networks.write_bytes(encode_networks([NETWORK]))
        code, out, err = self.run("check", "--networks", networks, "--json", *arguments)
        assert err == ""
        return code, canonical.parse_object(out.encode())

    def codes(self, *arguments: object) -> tuple[int, list[Any]]:
        code, document = self.check(*arguments)
        assert document["exitCode"] == code
        return code, [entry["code"] for entry in document["entries"]]

    def key_file(self, key: object = None, encryption: object = None) -> Path:
        key = key or ed25519.Ed25519PrivateKey.from_private_bytes(SIGNER.seed)
        path = self.folder / "key.pem"
        path.write_bytes(
            key.private_bytes(  # type: ignore[attr-defined]
                Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()
            )
        )
        return path


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    w = world()
    with served(w.chain) as server:
        yield Desk(tmp_path, w, server)


@pytest.fixture
def begun(desk: Desk) -> Desk:
    trust = TrustList("Admissions", (Trusted(REFERENCE, "Riverside"),))
    desk.file.write_bytes(encode_trust_list(trust))
    return desk


def test_a_list_is_begun_and_grows_and_shrinks(desk: Desk) -> None:
    begin = desk.run("add", REFERENCE.text, "Riverside", "--list-name", "Admissions")
    assert begin[0] == 0
    assert desk.run("add", BOARD.text, "Skills Board", "--accreditor")[0] == 0
    riverside, board = Trusted(REFERENCE, "Riverside"), Trusted(BOARD, "Skills Board")
    expected = TrustList("Admissions", (riverside,), (board,))
    assert expected == parse_trust_list(desk.file.read_bytes())

    assert desk.run("remove", REFERENCE.text)[0] == 0
    expected = TrustList("Admissions", (), (board,))
    assert expected == parse_trust_list(desk.file.read_bytes())


def test_the_same_entry_again_changes_nothing(begun: Desk) -> None:
    before = begun.file.read_bytes()

    code, out, _ = begun.run("add", REFERENCE.text, "Riverside")

    assert (code, before) == (0, begun.file.read_bytes())
    assert "there already" in out


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["add", REFERENCE.text, "Other"], 1, "stands there as Riverside; remove it"),
        (["add", BOARD.text, "B", "--list-name", "x"], 64, "is there and has a name"),
        (["add", "0x01", "B"], 64, "ID: an issuer is named"),
        (["add", BOARD.text, " "], 64, "NAME: trust list entry: empty"),
        (["add", BOARD.text], 64, "NAME"),
        (["remove", BOARD.text], 1, "does not stand among issuers"),
        (["remove", REFERENCE.text, "--accreditor"], 1, "among accreditors"),
        (["sign", "--key", "missing.pem"], 2, "No such file"),
        (["sign"], 64, "--key"),
        (["check", "--signer", SIGNER.public.did], 64, "signed by nobody, and you"),
    ],
)
def test_what_is_refused_leaves_the_list_as_it_was(
    begun: Desk, arguments: list[str], code: int, reason: str
) -> None:
    before = begun.file.read_bytes()

    got, out, err = begun.run(*arguments)

    assert (code, "", before) == (got, out, begun.file.read_bytes())
    assert reason in err


def test_a_list_that_is_not_there_or_broken_is_said(desk: Desk) -> None:
    assert "no such file" in desk.run("list")[2]
    code, _, err = desk.run("add", REFERENCE.text, "R")
    assert (code, desk.file.exists()) == (64, False)
    assert "--list-name" in err
    desk.file.write_text("{")
    code, _, err = desk.run("list")
    assert code == 1
    assert "trust.json: trust list: not JSON" in err


def test_the_list_is_shown(begun: Desk) -> None:
    begun.run("add", BOARD.text, "Skills Board", "--accreditor")
    code, out, err = begun.run("list")

    assert (code, err) == (0, "")
    assert out == (
        "Admissions\nnot signed\n\nissuers: 1\n  Riverside\n"
        f"    {REFERENCE.text}\n\naccreditors: 1\n  Skills Board\n    {BOARD.text}\n"
    )
    document = canonical.parse_object(begun.run("list", "--json")[1].encode())
    assert document == {
        "version": 1,
        "name": "Admissions",
        "signedBy": None,
        "issuers": [{"id": REFERENCE.text, "name": "Riverside"}],
        "accreditors": [{"id": BOARD.text, "name": "Skills Board"}],
    }


def test_every_entry_is_looked_up(begun: Desk) -> None:
    elsewhere = IssuerReference(777, "0x" + "1" * 40, b"\x01" * 32)
    stranger = IssuerReference(5, NETWORK.issuer_registry, b"\x01" * 32)
    for entry in (BOARD, elsewhere, stranger):
        begun.run("add", entry.text, "Somebody", "--accreditor")

    assert begun.codes("--rpc", begun.server.url) == (
        1,
        ["registered", "not_registered", "other_registry", "unknown_network"],
    )
    code, out, _ = begun.run("check", "--rpc", begun.server.url)
    assert code == 1  # 777 is no built-in network
    assert "✕ Riverside (issuer): eip155:777 is no network that you accept" in out


def test_an_issuer_that_closed_still_counts(begun: Desk) -> None:
    begun.world.chain.settled.issuers[REFERENCE.issuer_id] = FakeIssuer(
        closed_at=1_000_500
    )

    code, document = begun.check("--rpc", begun.server.url)

    assert code == 0
    (entry,) = document["entries"]
    assert entry["code"] == "closed"
    assert "closed on 1970-01-12T13:55:00Z; what it issued" in entry["detail"]


def test_without_an_address_nothing_is_looked_up_and_that_is_said(begun: Desk) -> None:
    assert begun.codes() == (0, ["not_looked_up"])
    assert begun.server.requests == []
    networks = begun.folder / "networks.json"
    assert "Nothing was looked up" in begun.run("check", "--networks", networks)[1]


def test_a_silent_address_is_could_not_finish(begun: Desk) -> None:
    begun.world.chain.broken["call"] = "is silent"
    assert begun.codes("--rpc", begun.server.url) == (2, ["unreachable"])
    begun.world.chain.broken["chain_id"] = "is silent"
    assert begun.codes("--rpc", begun.server.url) == (2, ["unreachable"])


def test_a_signed_list_can_be_demanded_and_loses_its_signature_when_changed(
    begun: Desk,
) -> None:
    code, out, _ = begun.run("sign", "--key", begun.key_file())
    assert (code, SIGNER.public.did in out) == (0, True)
    assert (
        begun.check("--signer", SIGNER.public.did)[1]["signedBy"] == SIGNER.public.did
    )
    assert (
        f"signed by {SIGNER.public.did}, by their clock on 2026" in begun.run("list")[1]
    )
    other = SigningKey.from_seed(b"\x32" * 32).public.did
    assert begun.run("check", "--signer", other)[0] == 64

    code, _, err = begun.run("add", BOARD.text, "Board")
    assert (code, "no longer signed" in err) == (0, True)
    assert begun.run("check", "--signer", SIGNER.public.did)[0] == 64


def test_verify_refuses_a_list_that_another_signed(begun: Desk) -> None:
    file = begun.folder / "ada.json"
    file.write_bytes(begun.world.data)

    def verify(*arguments: object) -> tuple[int, str]:
        err = io.StringIO()
        code = command.run(
            [str(file), *map(str, arguments)], program="v", out=io.StringIO(), err=err
        )
        return code, err.getvalue()

    demand = ("--trust", begun.file, "--trust-signer", SIGNER.public.did)
    code, err = verify(*demand)
    assert (code, "signed by nobody" in err) == (64, True)
    begun.run("sign", "--key", begun.key_file())
    assert (
        verify(*demand)[0] == 2
    )  # no address: the list is taken, the chain is not read
    code, err = verify("--trust-signer", SIGNER.public.did)
    assert (code, "--trust" in err) == (64, True)


@pytest.mark.parametrize(
    ("key", "encryption", "reason"),
    [
        (None, BestAvailableEncryption(b"secret"), "without a passphrase"),
        (ec.generate_private_key(ec.SECP256R1()), None, "of another kind"),
    ],
)
def test_only_an_ed25519_key_signs(
    begun: Desk, key: object, encryption: object, reason: str
) -> None:
    code, _, err = begun.run("sign", "--key", begun.key_file(key, encryption))

    assert (code, reason in err) == (64, True)
    (begun.folder / "key.pem").write_text("no key")
    assert begun.run("sign", "--key", begun.folder / "key.pem")[0] == 64


def test_help_is_no_error_and_an_unknown_act_is() -> None:
    out, err = io.StringIO(), io.StringIO()

    assert run(["--help"], program="trust", out=out, err=err) == 0
    assert run(["add", "--help"], program="trust", out=out, err=err) == 0
    assert "--accreditor" in out.getvalue()
    assert err.getvalue() == ""
    assert run([], program="trust", out=out, err=err) == 64
    assert run(["publish"], program="trust", out=out, err=err) == 64
    assert "  sign    " in err.getvalue()


def test_a_terminal_is_not_written_to_by_a_name(begun: Desk) -> None:
    assert begun.run("add", BOARD.text, "a\x1b[31m")[0] == 64
    assert begun.codes() == (0, ["not_looked_up"])
