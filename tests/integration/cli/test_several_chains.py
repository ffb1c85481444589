"""A ledger on two chains, from the first batch to the death of its home chain."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger.core.checkpoint import parse_checkpoint_proofs
from ledger.core.durable import DurableCredential, parse_credential_file
from tests.anvil import Anvil
from tests.gate import gate
from tests.integration.cli.commands import HOME, OTHER, Command

pytestmark = [
    pytest.mark.anvil,
    pytest.mark.slow,
    pytest.mark.timeout(180),
]


@pytest.fixture
def chain(start_anvil: Callable[..., Anvil]) -> Anvil:
    """The home chain; this test kills it."""
    anvil = start_anvil()
    anvil.deploy()
    return anvil


class Desk:
    """The school's commands, and what its files say."""

    def __init__(self, perdure: Command, folder: Path, *anvils: Anvil) -> None:
        self.perdure = perdure
        self.folder = folder
        self.anvils = anvils
        self.log = folder / "worker.log"

    def issue(self, name: str) -> str:
        roster = self.folder / f"{name}.csv"
        roster.write_text(
            "name,email,achievement,awarded_on\n"
            f"{name.title()},{name}@example.org,py-1,2026-06-30\n"
        )
        issued = self.perdure(
            "roster", "issue", str(roster), "--org", "riverside", "--json"
        )
        assert issued.code == 0, issued
        (line,) = issued.json["lines"]
        return str(line["credential"])

    def file(self, credential: str) -> Path:
        path = self.folder / f"{credential}.json"
        got = self.perdure(
            "credential", "get", credential, "--org", "riverside", "--out", str(path)
        )
        assert got.code == 0, got
        return path

    def durable(self, credential: str) -> DurableCredential | None:
        held = parse_credential_file(self.file(credential).read_bytes())
        return held if isinstance(held, DurableCredential) else None

    def chains(self, credential: str) -> list[int]:
        """Where the file says that it is anchored; nothing before it is proved at home."""
        durable = self.durable(credential)
        if durable is None or durable.proof.home.evidence is None:
            return []
        return [anchor.chain_id for anchor in durable.proof.anchors]

    def block(self, credential: str) -> int:
        """The block that the file's evidence is of."""
        durable = self.durable(credential)
        assert durable is not None
        assert durable.proof.home.evidence is not None
        return durable.proof.home.evidence.block.number

    def alarms(self) -> list[str]:
        """What `perdure status` says that somebody has to look at."""
        chains = self.perdure("status", "--json").json["chains"]
        return [alarm["name"] for chain in chains for alarm in chain["alarms"]]

    def stated(self) -> set[int]:
        written = self.perdure("checkpoint-proofs")
        assert written.code == 0, written
        proofs = parse_checkpoint_proofs(written.out.encode())
        return {proof.checkpoint.block_number for proof in proofs}

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, self.log.read_text()
            for anvil in self.anvils:
                anvil.mine()
            time.sleep(0.1)

    @contextmanager
    def worker(self) -> Iterator["subprocess.Popen[bytes]"]:
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "anchor_worker", "--poll", "0.1"),
                    *("--batch-age", "0", "--checkpoint-age", "0"),
                ],
                stderr=log,
                env=dict(os.environ),
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(10)


def check_without_home(
    perdure: Command, second: Anvil, networks: Path, proofs: Path, files: list[Path]
) -> None:
    """What a verifier does who has the files, and the chain that still runs."""
    listed = proofs.with_name("checkpoints.json")
    asked = (
        *("checkpoints", "--from-proofs", str(proofs), "--rpc", second.url),
        *("--networks", str(networks)),
    )
    told = perdure(*asked, "--out", str(listed))
    assert told.code == 0, told
    assert f"on eip155:{OTHER} since 20" in told.err
    assert "is not proved" in told.err
    for file in files:
        check = ("verify", str(file), "--networks", str(networks), "--json")
        alone = perdure(*check).json["files"][0]
        assert alone["verdict"] == "incomplete"
        known = perdure(*check, "--checkpoints", str(listed)).json["files"][0]
        steps = {step["step"]: step["code"] for step in known["steps"]}
        assert steps["record"] == "record.final"
        assert steps["withdrawal"] == "withdrawal.as_of"
        assert known["verdict"] == "unknown_issuer"
    late = perdure(*asked, "--before", "2020-01-01T00:00:00Z")
    assert (late.code, late.out) == (1, "")


def test_a_second_chain_outlives_the_home_chain(
    school: Command,
    chain: Anvil,
    second: Anvil,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    networks = tmp_path / "networks.json"
    desk = Desk(school, tmp_path, chain, second)
    with gate(second.url) as door:
        monkeypatch.setenv("PERDURE_OTHER_CHAINS", f"eip155:{OTHER}={door.url}")
        with desk.worker() as worker:
            ada = desk.issue("ada")
            desk.until(lambda: desk.chains(ada) == [HOME, OTHER])

            # The second chain is away: nobody waits for it.
            door.is_shut = True
            ben = desk.issue("ben")
            desk.until(lambda: desk.chains(ben) == [HOME])
            desk.until(lambda: desk.alarms() == ["PerdureChainAway"])
            assert worker.poll() is None

            # It is back: the same file carries both now, and the checkpoints catch up.
            door.is_shut = False
            desk.until(lambda: desk.chains(ben) == [HOME, OTHER])
            assert desk.alarms() == []
            desk.until(lambda: {desk.block(ada), desk.block(ben)} <= desk.stated())
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(30) == 0, desk.log.read_text()
        doctor = school("doctor", "--json")
        assert (doctor.code, doctor.json["silent"]) == (0, []), doctor

    # The first address that answers as the right chain is asked, at home and elsewhere.
    silent = "http://127.0.0.1:9"
    monkeypatch.setenv("PERDURE_RPC_URLS", f"{silent},{second.url},{chain.url}")
    monkeypatch.setenv(
        "PERDURE_OTHER_CHAINS", f"eip155:{OTHER}={silent},{chain.url},{second.url}"
    )
    doctor = school("doctor", "--json")
    assert (doctor.code, doctor.json["silent"]) == (0, []), doctor
    assert doctor.json["finalized"] is not None
    monkeypatch.setenv("PERDURE_RPC_URLS", chain.url)
    monkeypatch.setenv("PERDURE_OTHER_CHAINS", f"eip155:{OTHER}={silent}")
    (told,) = school("doctor", "--json").json["silent"]
    assert "127.0.0.1:9" in told

    files = [desk.file(ada), desk.file(ben)]
    proofs = tmp_path / "proofs.json"
    assert school("checkpoint-proofs", "--out", str(proofs)).code == 0
    chain.stop()
    check_without_home(school, second, networks, proofs, files)
