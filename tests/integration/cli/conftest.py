"""A chain for each module, and a folder with settings for each test."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger.cli import main
from ledger.verify.networks import encode_networks
from tests.anvil import Anvil
from tests.integration.cli.commands import (
    OTHER,
    PASSPHRASE,
    SAMPLES,
    Answer,
    Command,
    account,
    network_of,
    networks_of,
    register,
)


@pytest.fixture(scope="module")
def chain() -> Iterator[Anvil]:
    with Anvil.start() as anvil:
        anvil.deploy()
        yield anvil


@pytest.fixture
def perdure(
    chain: Anvil,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Command:
    """Run `perdure ARGUMENTS` in a fresh folder with its settings."""
    for name in [name for name in os.environ if name.startswith("PERDURE_")]:
        monkeypatch.delenv(name)
    settings = {
        "PERDURE_DATABASE_URL": f"sqlite:///{tmp_path}/perdure.db",
        "PERDURE_RPC_URLS": chain.url,
        "PERDURE_NETWORKS": str(tmp_path / "networks.json"),
        "PERDURE_PUBLIC_URL": "https://ledger.example.org",
        "PERDURE_MASTER_KEY_FILE": str(tmp_path / "master.key"),
        "PERDURE_SENDER_KEYSTORE": str(tmp_path / "sender.json"),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "networks.json").write_bytes(networks_of(chain))
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    (tmp_path / "passphrase").chmod(0o600)

    def run(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["perdure", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return Answer(code, out, err)

    return run


@pytest.fixture
def ledger(perdure: Command) -> Command:
    """Keys made, database made, one organisation."""
    assert perdure("keys", "init").code == 0
    assert perdure("db", "upgrade").code == 0
    assert (
        perdure("org", "create", "riverside", "--name", "Riverside Code School").code
        == 0
    )
    return perdure


@pytest.fixture
def school(ledger: Command, tmp_path: Path) -> Command:
    """A registered organisation with its achievements; nothing is on the chain yet."""
    assert register(ledger, tmp_path).code == 0
    added = ledger(
        "achievement", "add", str(SAMPLES / "achievements.json"), "--org", "riverside"
    )
    assert added.code == 0
    return ledger


@pytest.fixture
def second(
    school: Command,
    chain: Anvil,
    start_anvil: Callable[..., Anvil],
    tmp_path: Path,
) -> Anvil:
    """Another chain, which the school's networks file knows too."""
    anvil = start_anvil(chain_id=OTHER)
    anvil.deploy()
    for each in (chain, anvil):
        each.fund(account(tmp_path))
    both = [
        network_of(chain, name="Home"),
        network_of(anvil, name="Second", chain_id=OTHER),
    ]
    (tmp_path / "networks.json").write_bytes(encode_networks(both))
    return anvil
