"""Another operator's ledger takes in a closed school, as it is typed, and serves it."""

import json
import secrets
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID
from zipfile import ZipFile

import pyrage
import pytest
from starlette.testclient import TestClient

from ledger.cli.wiring import issuer_lookup, served_chain
from ledger.config import Settings
from ledger.core.short_code import ShortCode
from ledger.services.addresses import Addresses
from ledger.store.database import Database
from ledger.web.app import create_app
from ledger.web.edges import LedgerEdges, rpc_readers
from tests.anvil import Anvil
from tests.integration.cli.commands import Answer, Command, account
from tests.integration.cli.test_closing import EARNERS, Closer, issue, withdraw

pytestmark = [
    pytest.mark.anvil,
    pytest.mark.slow,
    pytest.mark.timeout(180),
]

PUBLIC_URL = "https://heirs.example.net"


@dataclass
class Heir:
    """A fresh ledger: its own database, master key and address; the old one's are gone."""

    perdure: Command
    folder: Path
    archive: Path
    identity: Path
    checkpoints: Path
    credentials: list[str]
    chain: Anvil

    def take(self, *more: str) -> Answer:
        return self.perdure("import", str(self.archive), "--json", *more)

    def client(self) -> TestClient:
        settings = Settings.from_environment()
        database = Database.open(settings.database_url)
        chain = served_chain(settings, database)
        edges = LedgerEdges(
            database=database,
            master=settings.master_key(),
            addresses=Addresses(PUBLIC_URL),
            chain=chain,
            networks=settings.networks,
            readers=lambda: rpc_readers(settings.rpc_urls),
            trust=None,
            issuers=issuer_lookup(settings, chain),
            now=lambda: datetime.now(UTC),
            entropy=secrets.token_bytes,
        )
        return TestClient(create_app(edges), raise_server_exceptions=False)


@pytest.fixture
def heir(
    school: Command,
    chain: Anvil,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Heir:
    """The school has closed; everything of its ledger but the archive is deleted."""
    chain.fund(account(tmp_path))
    credentials = [
        issue(school, name, f"canary{n}@example.com") for n, name in enumerate(EARNERS)
    ]
    identity = pyrage.x25519.Identity.generate()
    closer = Closer(school, chain, tmp_path, credentials, identity)
    closer.work()
    assert withdraw(school, credentials[2]).code == 0
    closer.work()
    assert closer.close("--credentials-only").json["stage"] == "closing"
    closer.work()
    # As long as one address answers, a silent one before it is in nobody's way.
    monkeypatch.setenv("PERDURE_RPC_URLS", f"http://127.0.0.1:9,{chain.url}")
    assert closer.close("--credentials-only").code == 0
    monkeypatch.setenv("PERDURE_RPC_URLS", chain.url)
    blocks = closer.checkpoints()
    for name in ("perdure.db", "master.key", "sender.json", "riverside.backup"):
        (tmp_path / name).unlink()

    (tmp_path / "custodian.txt").write_text(f"# City Archive\n{identity}\n")
    monkeypatch.setenv("PERDURE_PUBLIC_URL", PUBLIC_URL)
    assert school("keys", "init").code == 0
    assert school("db", "upgrade").code == 0
    return Heir(
        school,
        tmp_path,
        closer.archive,
        tmp_path / "custodian.txt",
        blocks,
        credentials,
        chain,
    )


def test_a_closed_school_lives_on_under_another_operator(heir: Heir) -> None:
    taken, again = heir.take(), heir.take()
    assert (taken.code, taken.json["already"], taken.json["held"]) == (0, False, None)
    assert (again.code, again.json["already"]) == (0, True)
    issuer = taken.json["issuer"].rpartition("0x")[2]

    with closing_client(heir) as client:
        check_public_pages(client, heir, issuer)
    for refused, words in (
        (
            heir.perdure("issuer", "close", "--org", "riverside", "--dry-run"),
            "imported",
        ),
        (withdraw(heir.perdure, heir.credentials[0]), "no such credential"),
    ):
        assert words in refused.out + refused.err
    issued = heir.perdure(
        "issue", "--org", "riverside", "--achievement", "py-1", "--email", "a@example.com",
        "--name", "A", "--awarded-on", "2026-05-01",
    )  # fmt: skip
    assert (issued.code, "nothing can be issued" in issued.err) == (1, True)
    assert heir.perdure("doctor").code == 0

    check_one_person_asks(heir)


def closing_client(heir: Heir) -> Any:
    return closing(heir.client())


def check_public_pages(client: TestClient, heir: Heir, issuer: str) -> None:
    """The addresses that stand in issued credentials answer again, but for the host's name."""
    with ZipFile(heir.archive) as archive:
        files = {n: archive.read(n) for n in archive.namelist()}
    statement = json.loads(files["statement.json"])
    shown = client.get(f"/issuers/{issuer}").json()
    assert (shown["name"], shown["imported"]) == ("Riverside Code School", True)
    for listed in statement["statusLists"]:
        served = client.get(f"/status/{issuer}/{listed['key']}")
        assert served.content == files[f"status/{listed['key']}.json"]
    for offered in statement["achievements"]:
        answer = client.get(
            f"/achievements/{issuer}/{offered['code']}/{offered['version']}"
        )
        assert answer.status_code == 200
    for paper in shown["files"]:
        assert client.get(f"/issuers/{issuer}/{paper}").content == files[paper]
    page = client.get(f"/issuers/{issuer}", headers={"Accept": "text/html"}).text
    assert "Closed on" in page
    for credential in heir.credentials:
        assert credential not in page


def check_one_person_asks(heir: Heir) -> None:
    wrong = heir.folder / "wrong.txt"
    wrong.write_text(f"{pyrage.x25519.Identity.generate()}\n")
    refused = heir.take("--identity", str(wrong))
    assert (refused.code, "none of these identities" in refused.err) == (1, True)
    held = heir.take("--identity", str(heir.identity))
    assert (held.code, held.json["held"]) == (0, 3)
    assert heir.perdure("credential", "list", "--org", "riverside", "--json").json == []
    stored = (heir.folder / "perdure.db").read_bytes()
    assert b"anary" not in stored

    asked = heir.perdure(
        "credential", "held", "canary0@example.com", "--org", "riverside", "--json"
    ).json
    assert [each["id"] for each in asked] == [heir.credentials[0]]
    released = heir.perdure(
        "credential", "release", heir.credentials[0], "--org", "riverside"
    )
    assert released.code == 0
    listed = heir.perdure("credential", "list", "--org", "riverside", "--json").json
    assert [each["id"] for each in listed] == [heir.credentials[0]]
    code = certificate_code(heir, 0)
    with closing_client(heir) as client:
        assert client.get(f"/c/{code}").json()["state"] == "anchored"
        assert client.get(f"/c/{certificate_code(heir, 1)}").status_code == 404

    file = heir.folder / "released.pdf"
    got = heir.perdure(
        "credential", "get", heir.credentials[0], "--org", "riverside",
        "--format", "pdf", "--out", str(file),
    )  # fmt: skip
    assert got.code == 0
    checked = heir.perdure(
        "verify", str(file), "--networks", str(heir.folder / "networks.json"), "--json",
        "--checkpoints", str(heir.checkpoints),
    )  # fmt: skip
    (report,) = checked.json["files"]
    assert report["verdict"] == "unknown_issuer"
    assert "withdrawal.none" in {step["code"] for step in report["steps"]}


def certificate_code(heir: Heir, number: int) -> str:
    return ShortCode.of(UUID(heir.credentials[number])).text


def test_a_refused_import_keeps_nothing(heir: Heir) -> None:
    wrong = heir.folder / "wrong.txt"
    wrong.write_text(f"{pyrage.x25519.Identity.generate()}\n")
    assert heir.take("--identity", str(wrong)).code == 1
    assert heir.perdure("issuer", "show", "--org", "riverside").code == 1

    (heir.folder / "master.key").write_text("damaged")
    assert heir.take("--identity", str(heir.identity)).code == 1
    assert heir.perdure("issuer", "show", "--org", "riverside").code == 1

    assert heir.take("--code", "hillside").code == 0
    renamed = heir.take("--code", "other")
    assert (renamed.code, "under the code hillside" in renamed.err) == (1, True)


def test_the_first_node_that_answers_vouches(
    heir: Heir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERDURE_RPC_URLS", f"http://127.0.0.1:9,{heir.chain.url}")
    assert heir.take().code == 0


def test_without_a_node_trusted_blocks_will_do(
    heir: Heir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERDURE_RPC_URLS", "http://127.0.0.1:9")
    assert heir.take().code == 2  # nobody to ask

    taken = heir.take(
        "--checkpoints", str(heir.checkpoints), "--identity", str(heir.identity)
    )
    assert (taken.code, taken.json["held"]) == (0, 3)


def test_a_damaged_archive_is_refused_with_the_files_name(heir: Heir) -> None:
    data = bytearray(heir.archive.read_bytes())
    with ZipFile(heir.archive) as archive:
        entry = next(i for i in archive.infolist() if i.filename.endswith(".png"))
    data[entry.header_offset + 200] ^= 1
    heir.archive.write_bytes(data)

    refused = heir.take()
    assert refused.code == 1
    assert entry.filename in refused.err
    assert heir.perdure("issuer", "show", "--org", "riverside").code == 1
