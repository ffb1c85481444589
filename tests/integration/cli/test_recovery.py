"""The restore drill of docs/operating.md, as an operator types it, against a real chain."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyrage
import pytest

from ledger.chain.node import Node
from ledger.store.database import Database
from tests.anvil import Anvil
from tests.integration.cli.commands import SAMPLES, Answer, Command, account, work
from tests.integration.cli.test_closing import issue, withdraw
from tests.invariants import Mined, check_invariants

pytestmark = [
    pytest.mark.anvil,
    pytest.mark.slow,
    pytest.mark.timeout(600),
]


def module(name: str, *arguments: str) -> Answer:
    """What `perdure` becomes by exec, as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", name, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


@dataclass
class Drill:
    """Two schools, a database that can be copied and put back, and the files that earners have."""

    perdure: Command
    chain: Anvil
    folder: Path
    sender: str

    def work(self) -> None:
        work(self.chain)

    def copy(self, source: str, target: str) -> None:
        """SQLite's backup API: what `sqlite3 ledger.db ".backup copy.db"` does."""
        with (
            closing(sqlite3.connect(self.folder / source)) as here,
            closing(sqlite3.connect(self.folder / target)) as there,
        ):
            here.backup(there)

    def restore(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            (self.folder / f"perdure.db{suffix}").unlink(missing_ok=True)
        (self.folder / "copy.db").rename(self.folder / "perdure.db")

    def get(self, credential: str, name: str, org: str = "hillside") -> str:
        path = self.folder / name
        got = self.perdure(
            "credential", "get", credential, "--org", org, "--out", str(path)
        )
        assert got.code == 0, got.err
        return str(path)

    def verdicts(self, *files: str) -> list[str]:
        networks = str(self.folder / "networks.json")
        answer = self.perdure(
            "verify", *files, "--rpc", self.chain.url, "--networks", networks, "--json"
        )
        return [report["verdict"] for report in answer.json["files"]]

    def close(self, org: str) -> int:
        identity = pyrage.x25519.Identity.generate()
        return self.perdure(
            "issuer", "close", "--org", org, "--backup", str(self.folder / f"{org}.backup"),
            "--passphrase-file", str(self.folder / "passphrase"),
            "--custodian", "City Archive", "--recipient", str(identity.to_public()),
            "--archive", str(self.folder / "closing.zip"), "--confirm", org, "--json",
        ).code  # fmt: skip

    def mined(self, chain: Anvil | None = None) -> list[Mined]:
        """Every transaction of the sender, out of every block of the home chain or another."""
        chain = chain or self.chain
        head = int(chain.rpc("eth_blockNumber"), 16)
        found = []
        for number in range(head + 1):
            block = chain.rpc("eth_getBlockByNumber", hex(number), True)
            found += [
                Mined(int(t["nonce"], 16), t["to"], bytes.fromhex(t["input"][2:]))
                for t in block["transactions"]
                if t["from"] == self.sender
            ]
        return found

    def check(self, chain: Anvil | None = None, *, chain_id: int = 31337) -> None:
        """Every promise about the home chain, or about another one."""
        with closing(Database.open(f"sqlite:///{self.folder}/perdure.db")) as database:
            check_invariants(
                database,
                Node((chain or self.chain).url),
                self.mined(chain),
                chain_id=chain_id,
                sender=self.sender,
                max_fee=200 * 10**9,
                contents=True,
            )


@pytest.fixture
def drill(school: Command, chain: Anvil, tmp_path: Path) -> Drill:
    sender = account(tmp_path)
    chain.fund(sender)
    assert school("org", "create", "hillside", "--name", "Hillside").code == 0
    registered = school(
        "issuer", "register", "--org", "hillside", "--profile", str(SAMPLES / "issuer.json"),
        "--backup", str(tmp_path / "hillside.backup"),
        "--passphrase-file", str(tmp_path / "passphrase"), "--json",
    )  # fmt: skip
    assert registered.code == 0
    achievements = str(SAMPLES / "achievements.json")
    assert school("achievement", "add", achievements, "--org", "hillside").code == 0
    return Drill(school, chain, tmp_path, sender)


def test_the_restore_drill(drill: Drill) -> None:
    """Issue, back up, go on, restore: noticed, caught up, and on it goes."""
    perdure = drill.perdure
    early = issue(perdure, "Early", "early@example.com", "hillside")
    closes = issue(perdure, "Closes", "closes@example.com", "riverside")
    drill.work()
    files = [drill.get(closes, "closes.json", "riverside")]
    waits = issue(perdure, "Waits", "waits@example.com", "hillside")
    drill.copy("perdure.db", "copy.db")

    # What the copy will not know.
    lost = issue(perdure, "Lost", "lost@example.com", "hillside")
    drill.work()
    files += [drill.get(waits, "waits.json"), drill.get(lost, "lost.json")]
    early_file = drill.get(early, "early.json")
    assert withdraw(perdure, early, "hillside").code == 0
    drill.work()
    assert drill.close("riverside") == 2
    drill.work()
    ahead = len(drill.mined())
    drill.restore()

    check_it_is_noticed(drill)
    assert len(drill.mined()) == ahead
    told = module("anchor_worker.recover_command", "--dry-run", "--json")
    done = module("anchor_worker.recover_command", "--json", "--issued-at-most", "50")
    assert (told.code, done.code) == (0, 0), done.err
    check_what_is_told(told.json, done.json, early=early)

    again = module("anchor_worker.recover_command", "--issued-at-most", "50")
    assert again.code == 0
    assert "Caught up. Start the worker, then: perdure doctor" in again.out
    fresh = issue(perdure, "Fresh", "fresh@example.com", "hillside")
    drill.work()
    drill.check()
    # What waited was sealed before the worker noticed; the fresh one came later.
    assert len(drill.mined()) == ahead + 2
    assert perdure("doctor").code == 0
    # Files from before, from the lost days and from now, and the one that was withdrawn then.
    files += [drill.get(waits, "waits-again.json"), drill.get(fresh, "fresh.json")]
    assert drill.verdicts(*files) == ["unknown_issuer"] * 5
    assert drill.verdicts(early_file) == ["withdrawn"]
    assert "closed" in perdure(
        "issue", "--org", "riverside", "--achievement", "py-1", "--email", "l@example.com",
        "--name", "Late", "--awarded-on", "2026-05-01",
    ).err  # fmt: skip


def check_it_is_noticed(drill: Drill) -> None:
    """By the doctor and by the worker, in words that say what to do; nothing is sent."""
    doctor = drill.perdure("doctor", "--json")
    assert doctor.code == 1
    (finding,) = doctor.json["findings"]
    assert finding["code"] == "sender.ahead"
    assert (
        "an old copy. Stop every worker and run: perdure recover" in finding["detail"]
    )
    worker = module("anchor_worker", "--once", "--poll", "0.2")
    assert worker.code == 1
    critical = [
        line["event"]
        for line in map(json.loads, worker.err.splitlines())
        if line["level"] == "critical"
    ]
    assert ["run: perdure recover" in each for each in critical] == [True]


def check_what_is_told(dry: Any, done: Any, *, early: str) -> None:
    """The dry run and the real one find the same."""
    assert (dry["whole"], done["whole"]) == (True, True)
    (before,), (after,) = dry["chains"], done["chains"]
    assert (before["dryRun"], after["dryRun"]) == (True, False)
    assert before["transactions"] == after["transactions"]
    assert [(t["kind"], t["fate"]) for t in after["transactions"]] == [
        ("anchor", "lost"),
        ("revoke", "lost"),
        ("close", "lost"),
    ]
    hillside, riverside = sorted(after["issuers"], key=lambda i: str(i["organisation"]))
    assert hillside["withdrawn"] == [early]
    assert hillside["firstFreeBlock"] == 1
    assert riverside["closedAt"] is not None
    assert riverside["firstFreeBlock"] is None


def test_recover_says_what_it_cannot_do(
    drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    for arguments in (["--issued-at-most", "x"], ["--sender", "me"], ["--what"]):
        assert module("anchor_worker.recover_command", *arguments).code == 64
    drill.work()
    drill.chain.rpc("evm_setAutomine", False)
    try:
        spend(drill)
        wait = module("anchor_worker.recover_command")
    finally:
        drill.chain.rpc("evm_setAutomine", True)
        drill.chain.mine(4)
    assert wait.code == 2
    assert "come back once all of them are final" in wait.err

    foreign = module("anchor_worker.recover_command")
    assert foreign.code == 1
    assert "is nothing that a ledger sends" in foreign.out
    assert "A new account that pays" in foreign.out
    monkeypatch.setenv("PERDURE_RPC_URLS", "http://127.0.0.1:9")
    assert module("anchor_worker.recover_command").code == 2
    monkeypatch.delenv("PERDURE_RPC_URLS")
    missing = module("anchor_worker.recover_command")
    assert missing.code == 78
    assert "PERDURE_RPC_URLS is not set" in missing.err


def spend(drill: Drill) -> None:
    """Somebody who has the sender's key moves coins."""
    drill.chain.rpc("anvil_impersonateAccount", drill.sender)
    drill.chain.rpc(
        "eth_sendTransaction",
        {"from": drill.sender, "to": "0x" + "99" * 20, "value": "0x1"},
    )


def test_a_new_account_is_made_under_the_master_key_that_is_there(
    ledger: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (tmp_path / "sender.json").read_bytes()
    refused = ledger("keys", "new-sender")
    assert refused.code != 0
    assert (tmp_path / "sender.json").read_bytes() == before

    monkeypatch.setenv("PERDURE_SENDER_KEYSTORE", str(tmp_path / "second.json"))
    made = ledger("keys", "new-sender", "--json")
    assert made.code == 0
    with Path(tmp_path / "second.json").open(encoding="ascii") as file:
        address = "0x" + json.load(file)["address"].removeprefix("0x").lower()
    assert made.json == {
        "senderKeystore": str(tmp_path / "second.json"),
        "sender": address,
    }
    # It opens: the worker gets as far as the node.
    worker = module("anchor_worker.recover_command", "--dry-run", "--json")
    assert worker.json["chains"][0]["sender"] == address
