"""A school closes, as its operator types it, against a real chain; what it leaves checks itself."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pyrage
import pytest

from ledger.chain import acts
from ledger.chain.node import Node
from ledger.chain.registry import IssuerRegistry
from ledger.core.closing import ClosingStatement, statement_hash
from ledger.core.closing_archive import read_personal_index
from ledger.core.durable import DurableCredential
from ledger.core.issuer import IssuerReference
from ledger.core.registries import ISSUER_REGISTRY
from tests.anvil import DEV_ADDRESS, Anvil
from tests.integration.cli.commands import SAMPLES, Answer, Command, account, work

pytestmark = [
    pytest.mark.anvil,
    pytest.mark.slow,
    pytest.mark.timeout(180),
]

EARNERS = ("Zoë Canary-Lindqvist", "Ibrahim Canary-Okonkwo", "Mei Canary-Tanaka")


@dataclass
class Closer:
    """A school with three graduates, one of them withdrawn, and what closing it takes."""

    perdure: Command
    chain: Anvil
    folder: Path
    credentials: list[str]
    identity: pyrage.x25519.Identity

    @property
    def archive(self) -> Path:
        return self.folder / "riverside-closing.zip"

    def close(self, *more: str, backup: str = "riverside.backup") -> Answer:
        return self.perdure(
            "issuer", "close", "--org", "riverside",
            "--backup", str(self.folder / backup),
            "--passphrase-file", str(self.folder / "passphrase"),
            "--custodian", "City Archive", "--recipient", str(self.identity.to_public()),
            "--archive", str(self.archive), "--confirm", "riverside", "--json", *more,
        )  # fmt: skip

    def dry_run(self) -> Answer:
        return self.perdure(
            "issuer", "close", "--org", "riverside", "--dry-run", "--json"
        )

    def open_codes(self) -> set[str]:
        return {item["code"] for item in self.dry_run().json["open"]}

    def work(self) -> None:
        work(self.chain)

    def checkpoints(self) -> Path:
        """Blocks that somebody trusts, who has the archive's from the node as well."""
        path = self.folder / "trusted.json"
        with ZipFile(self.archive) as archive:
            path.write_bytes(archive.read("checkpoints.json"))
        return path

    def personal(self) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        with ZipFile(self.archive) as archive:
            parts = [n for n in archive.namelist() if n.startswith("personal/")]
            for name in parts:
                plain = pyrage.decrypt(archive.read(name), [self.identity])
                target = self.folder / "part.zip"
                target.write_bytes(plain)
                with ZipFile(target) as part:
                    found |= {n: part.read(n) for n in part.namelist()}
        return found

    def verify(self, file: Path, *more: str) -> Any:
        answer = self.perdure(
            "verify", str(file), "--networks", str(self.folder / "networks.json"), "--json",
            *more,
        )  # fmt: skip
        (report,) = answer.json["files"]
        return report


@pytest.fixture
def closer(school: Command, chain: Anvil, tmp_path: Path) -> Closer:
    chain.fund(account(tmp_path))
    credentials = [
        issue(school, name, f"canary{n}@example.com") for n, name in enumerate(EARNERS)
    ]
    return Closer(
        school, chain, tmp_path, credentials, pyrage.x25519.Identity.generate()
    )


def issue(perdure: Command, name: str, email: str, org: str = "riverside") -> str:
    answer = perdure(
        "issue", "--org", org, "--achievement", "py-1", "--email", email, "--name", name,
        "--awarded-on", "2026-05-01", "--json",
    )  # fmt: skip
    return str(answer.json["credential"])


def withdraw(perdure: Command, credential: str, org: str = "riverside") -> Answer:
    return perdure(
        "credential", "revoke", credential, "--org", org, "--reason", "By mistake.",
    )  # fmt: skip


def get(closer: Closer, credential: str, name: str, org: str = "riverside") -> Path:
    path = closer.folder / name
    got = closer.perdure(
        "credential", "get", credential, "--org", org, "--out", str(path)
    )
    assert got.code == 0
    return path


def test_closing_from_the_dry_run_to_the_archive(closer: Closer) -> None:
    """The whole way, and every refusal on it."""
    perdure, folder = closer.perdure, closer.folder
    assert {"waiting", "not_registered", "pending_acts"} <= closer.open_codes()
    assert closer.dry_run().code == 1
    early = closer.close()
    assert early.code == 1
    assert "3 credentials that wait for a batch" in early.err
    assert "perdure worker" in early.err

    closer.work()
    assert withdraw(perdure, closer.credentials[2]).code == 0
    assert closer.open_codes() == {"unrevoked", "archives"}
    assert "1 withdrawals" in closer.close().err
    closer.work()
    assert closer.open_codes() == {"archives"}
    assert closer.dry_run().code == 0
    before = get(closer, closer.credentials[0], "before.json")
    check_keys_are_open(perdure)
    check_refusals(closer)

    statement = folder / "statement.txt"
    statement.write_text("We taught for nine years.\n\nThank you.\n")
    begun = closer.close("--statement", str(statement))
    assert (begun.code, begun.json["stage"]) == (2, "closing")
    assert "run the same command again" in begun.err
    check_nothing_is_issued(closer)
    assert not closer.archive.exists()

    closer.work()
    done = closer.close()
    assert done.code == 0, done.err
    assert (done.json["credentials"], done.json["earners"]) == (3, 3)
    check_no_archive_is_replaced(closer, done.json["sha256"])
    assert not closer.archive.with_name(closer.archive.name + ".parts").exists()
    assert closer.dry_run().json["stage"] == "proved"
    assert closer.open_codes() == set()
    assert key_states(perdure) == ["closed"] * 3

    check_public_part(closer)
    check_personal_part(closer)
    check_files(closer, before)


def key_states(perdure: Command) -> list[str]:
    shown = perdure("issuer", "show", "--org", "riverside").out
    return [line.split()[-1] for line in shown.splitlines()[1:]]


def check_keys_are_open(perdure: Command) -> None:
    assert key_states(perdure) == ["open"] * 3
    shown = perdure("issuer", "show", "--org", "riverside", "--json").json
    opened = {key["role"]: key["openedAt"] for key in shown["keys"]}
    assert opened["controller"] == shown["registeredAt"]
    assert None not in opened.values()


def check_refusals(closer: Closer) -> None:
    """Whoever does not mean it, or has not the key, closes nothing."""
    perdure, folder = closer.perdure, closer.folder
    assert "was not confirmed" in closer.close("--confirm", "hillside").err
    nobody = closer.perdure("issuer", "close", "--org", "riverside")
    assert (nobody.code, "--custodian is missing" in nobody.err) == (64, True)
    wrong_phrase = folder / "wrong"
    wrong_phrase.write_text("some other passphrase")
    refused = closer.close("--passphrase-file", str(wrong_phrase))
    assert (refused.code, "does not open" in refused.err) == (1, True)
    keys = perdure(
        "keys", "backup", "--out", str(folder / "keys.backup"),
        "--passphrase-file", str(folder / "passphrase"),
    )  # fmt: skip
    assert keys.code == 0
    assert "no recovery key" in closer.close(backup="keys.backup").err
    assert (
        perdure("issuer", "show", "--org", "riverside", "--json").json["closedAt"]
        is None
    )


def check_no_archive_is_replaced(closer: Closer, sha256: str) -> None:
    """What was handed out stays what it was; another one gets another name."""
    again = closer.close()
    assert again.code == 1
    assert "exists, and is not replaced" in again.err
    assert hashlib.sha256(closer.archive.read_bytes()).hexdigest() == sha256
    assert closer.close("--archive", str(closer.folder / "second.zip")).code == 0


def check_nothing_is_issued(closer: Closer) -> None:
    perdure = closer.perdure
    late = perdure(
        "issue", "--org", "riverside", "--achievement", "py-1", "--email", "late@example.com",
        "--name", "Late", "--awarded-on", "2026-05-01",
    )  # fmt: skip
    assert (late.code, "nothing can be issued" in late.err) == (1, True)
    roster = perdure(
        "roster", "issue", str(SAMPLES / "roster-messy.csv"), "--org", "riverside"
    )
    assert "nothing can be issued" in roster.err
    assert "withdraw nothing" in withdraw(perdure, closer.credentials[0]).err


def check_public_part(closer: Closer) -> None:
    """Nothing of anybody in it, everything of the school, and the chain knows the statement."""
    with ZipFile(closer.archive) as archive:
        names = archive.namelist()
        public = {n: archive.read(n) for n in names if not n.startswith("personal/")}
        sealed = [archive.read(n) for n in names if n.startswith("personal/")]
    assert names[-1] == "manifest.json"
    listed = json.loads(public["manifest.json"])["files"]
    assert [each["name"] for each in listed] == names[:-1]
    for each in listed:
        if each["name"] in public:
            assert hashlib.sha256(public[each["name"]]).hexdigest() == each["sha256"]

    canaries = [name.split()[1] for name in EARNERS] + ["canary", "Ibrahim", "Okonkwo"]
    canaries += closer.credentials + [c[:8] for c in closer.credentials]
    everything = b"\0".join([*names_as_bytes(names), *public.values(), *sealed])
    for canary in canaries:
        assert canary.encode() not in everything, canary

    statement = ClosingStatement.from_bytes(public["statement.json"])
    assert statement.text == "We taught for nine years.\n\nThank you."
    for each in statement.status_lists:
        data = public[f"status/{each.key.multibase}.json"]
        assert hashlib.sha256(data).digest() == each.sha256
        assert "validUntil" not in json.loads(data)
        assert json.loads(data)["issuer"] == each.key.did
    state = IssuerRegistry(Node(closer.chain.url), ISSUER_REGISTRY).issuer(
        statement.issuer.issuer_id, "finalized"
    )
    assert state is not None
    assert state.closed_at is not None
    assert state.successor is None
    stored = closer.chain.rpc(
        "eth_call",
        {
            "to": ISSUER_REGISTRY,
            "data": "0xaf96bd6b" + statement.issuer.issuer_id.hex(),
        },
        "latest",
    )
    words = bytes.fromhex(stored[2:])
    assert words[7 * 32 : 8 * 32] == statement_hash(public["statement.json"])
    for name in ("README.txt", "index.html"):
        text = public[name].decode()
        assert "City Archive" in text
        assert "We taught for nine years." in text
    assert b"<script" not in public["index.html"]


def names_as_bytes(names: list[str]) -> list[bytes]:
    return [name.encode() for name in names]


def check_personal_part(closer: Closer) -> None:
    found = closer.personal()
    entries = read_personal_index(found["index.json"])
    assert {str(e.credential_id) for e in entries} == set(closer.credentials)
    assert {e.name for e in entries} == set(EARNERS)
    assert [e.withdrawn_at is not None for e in entries].count(True) == 1
    for entry in entries:
        durable = DurableCredential.from_bytes(found[entry.file])
        durable.check()
        assert durable.proof.home.evidence is not None
    archives = [name for name in found if name.startswith("earners/")]
    assert archives == [f"earners/00000{n}.zip" for n in (1, 2, 3)]
    with pytest.raises(pyrage.DecryptError), ZipFile(closer.archive) as archive:
        pyrage.decrypt(
            archive.read("personal/0001.zip.age"),
            [pyrage.x25519.Identity.generate()],
        )


def check_files(closer: Closer, before: Path) -> None:
    """Without any network: as of a day before, plainly genuine after; withdrawn stays withdrawn."""
    blocks = str(closer.checkpoints())
    trust = closer.folder / "trust.json"
    issuer = closer.perdure("issuer", "show", "--org", "riverside", "--json").json
    assert issuer["closedAt"] is not None
    listed = [{"id": issuer["issuer"], "name": "Riverside Code School"}]
    trust.write_text(
        json.dumps({"version": 1, "name": "T", "accreditors": [], "issuers": listed})
    )
    offline = ("--checkpoints", blocks, "--trust", str(trust))
    after = get(closer, closer.credentials[0], "after.json")
    gone = get(closer, closer.credentials[2], "gone.json")
    assert closer.verify(before, *offline)["verdict"] == "incomplete"
    assert closer.verify(after, *offline)["verdict"] == "genuine"
    assert closer.verify(gone, *offline)["verdict"] == "withdrawn"
    online = ("--rpc", closer.chain.url, "--trust", str(trust))
    assert closer.verify(after, *online)["verdict"] == "genuine"
    assert closer.verify(before, *online)["verdict"] == "genuine"


# ---------------------------------------------------------------- the successor


def hillside(closer: Closer) -> str:
    """A second school on the same ledger; its issuer's identifier."""
    perdure, folder = closer.perdure, closer.folder
    perdure("org", "create", "hillside", "--name", "Hillside Code School")
    profile = json.loads((SAMPLES / "issuer.json").read_text())
    (folder / "hillside.json").write_text(
        json.dumps(profile | {"name": "Hillside Code School"})
    )
    made = perdure(
        "issuer", "register", "--org", "hillside", "--profile", str(folder / "hillside.json"),
        "--backup", str(folder / "hillside.backup"),
        "--passphrase-file", str(folder / "passphrase"), "--json",
    )  # fmt: skip
    return str(made.json["issuer"])


def test_the_successor_and_nobody_else_withdraws_afterwards(closer: Closer) -> None:
    successor = hillside(closer)
    closer.work()
    other = f"{successor[:-64]}{'ab' * 32}"
    own = closer.perdure("issuer", "show", "--org", "riverside", "--json").json[
        "issuer"
    ]
    for wrong, words in (
        (other, "does not know the successor"),
        (own, "not its own successor"),
        (successor.replace("31337", "1"), "in the same register"),
        ("hillside", "whole identifier"),
    ):
        assert words in closer.close("--successor", wrong).err
    assert "of another issuer (hillside)" in closer.close(backup="hillside.backup").err

    assert closer.close("--successor", successor).json["stage"] == "closing"
    assert "another successor" in closer.close("--successor", other).err
    closer.work()
    done = closer.close()
    assert done.code == 0, done.err
    file = get(closer, closer.credentials[0], "file.json")
    online = ("--rpc", closer.chain.url)
    assert closer.verify(file, *online)["verdict"] == "unknown_issuer"
    offline = closer.verify(file, "--checkpoints", str(closer.checkpoints()))
    assert "withdrawal.as_of" in {step["code"] for step in offline["steps"]}

    assert former_revoke_is_refused(closer, own, closer.credentials[0])
    assert withdraw(closer.perdure, closer.credentials[0]).code == 1
    assert withdraw(closer.perdure, closer.credentials[0], "hillside").code == 0
    closer.work()
    assert closer.verify(file, *online)["verdict"] == "withdrawn"
    assert (
        closer.verify(get(closer, closer.credentials[1], "other.json"), *online)[
            "verdict"
        ]
        == "unknown_issuer"
    )
    listed = closer.perdure("status-list", "--org", "riverside").out
    assert "validUntil" not in json.loads(listed)
    unknown = withdraw(closer.perdure, closer.credentials[1], "riverside")
    assert "only the successor" in unknown.err


def former_revoke_is_refused(closer: Closer, issuer: str, credential: str) -> bool:
    """The closed school's own revoking key, which its server still has, does nothing any more."""
    from ledger.keystore.master import MasterKey  # noqa: PLC0415 - only this test steals
    from ledger.services.identity import revoking_secret  # noqa: PLC0415
    from ledger.services.organisations import operator_of  # noqa: PLC0415
    from ledger.store import credentials  # noqa: PLC0415
    from ledger.store.database import Database  # noqa: PLC0415

    reference = IssuerReference.from_text(issuer)
    database = Database.open(f"sqlite:///{closer.folder}/perdure.db")
    try:
        with database.read() as tx:
            caller = operator_of(tx, "riverside")
            master = MasterKey.from_file(closer.folder / "master.key")
            secret = revoking_secret(tx, caller, master)
            from uuid import UUID  # noqa: PLC0415

            index = credentials.get(
                tx, caller.organisation.id, UUID(credential)
            ).status_index
    finally:
        database.close()
    act = acts.revoke(
        acts.Domain(reference.chain_id, reference.registry),
        reference.issuer_id,
        index >> 8,
        1 << (index & 255),
        recovery_acts=0,
        deadline=4_000_000_000,
        secret=secret,
    )
    sent = closer.chain.rpc(
        "eth_sendTransaction",
        {"from": DEV_ADDRESS, "to": act.to, "data": f"0x{act.data.hex()}", "gas": hex(act.gas)},
    )  # fmt: skip
    closer.chain.mine()
    receipt = closer.chain.rpc("eth_getTransactionReceipt", sent)
    return bool(receipt["status"] == "0x0")
