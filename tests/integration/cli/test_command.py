"""The command as an operator types it: in this process, against a real chain and database."""

import importlib.metadata
import io
import json
import re
import sys
from contextlib import closing
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from ledger.chain.accounts import address_of
from ledger.core.durable import parse_credential_file
from ledger.core.registries import ANCHOR_REGISTRY, ISSUER_REGISTRY
from ledger.errors import KeystoreError
from ledger.services.organisations import SCOPES, list_api_keys, operator_of
from ledger.store.database import Database
from tests.anvil import DEV_KEY, Anvil
from tests.integration.cli.commands import (
    SAMPLES,
    Answer,
    Command,
    account,
    networks_of,
    register,
    work,
)

pytestmark = [pytest.mark.anvil, pytest.mark.slow]


def test_the_main_job_in_commands(
    school: Command, chain: Anvil, tmp_path: Path
) -> None:
    chain.fund(account(tmp_path))

    issued = school(
        "roster",
        "issue",
        str(SAMPLES / "roster-messy.csv"),
        "--org",
        "riverside",
        "--json",
    )
    again = school(
        "roster",
        "issue",
        str(SAMPLES / "roster-messy.csv"),
        "--org",
        "riverside",
        "--json",
    )
    assert (issued.code, issued.json["issued"], issued.json["refused"]) == (3, 2, 11)
    assert (again.code, again.json["issued"], again.json["already"]) == (3, 0, 3)

    credential = issued.json["lines"][0]["credential"]
    early = school("credential", "get", credential, "--org", "riverside")
    assert "not yet final" in early.err
    work(chain)
    listed = school("credential", "list", "--org", "riverside", "--json").json
    assert {entry["state"] for entry in listed} == {"anchored"}

    files = []
    for kind in ("json", "png", "svg", "pdf"):
        path = tmp_path / f"credential.{kind}"
        got = school(
            "credential",
            "get",
            credential,
            "--org",
            "riverside",
            "--format",
            kind,
            "--out",
            str(path),
        )
        assert got == Answer(0, "", "")
        files.append(str(path))
    record = parse_credential_file((tmp_path / "credential.svg").read_bytes())
    trust = {
        "version": 1, "name": "T", "accreditors": [],
        "issuers": [{"id": json_issuer(school), "name": "Riverside Code School"}],
    }  # fmt: skip
    (tmp_path / "trust.json").write_text(json.dumps(trust))
    check = (
        "verify",
        *files,
        "--rpc",
        chain.url,
        "--networks",
        str(tmp_path / "networks.json"),
        "--json",
    )
    known = school(*check, "--trust", str(tmp_path / "trust.json"))
    unknown = school(*check)
    assert record is not None
    assert [report["verdict"] for report in known.json["files"]] == ["genuine"] * 4
    assert {report["tone"] for report in known.json["files"]} != {"green"}
    assert (known.code, unknown.code) == (3, 3)
    assert {report["verdict"] for report in unknown.json["files"]} == {"unknown_issuer"}

    assert take_away(school, tmp_path, *check[5:]) == [
        (kind, "genuine") for kind in (".json", ".png", ".svg", ".pdf")
    ]

    revoked = school(
        "credential",
        "revoke",
        credential,
        "--org",
        "riverside",
        "--reason",
        "Wrong person.",
    )
    assert revoked.code == 0
    work(chain)
    gone = school(*check, "--trust", str(tmp_path / "trust.json"))
    assert (gone.code, {report["verdict"] for report in gone.json["files"]}) == (
        1,
        {"withdrawn"},
    )
    status = school("status", "--json").json
    assert status["well"] is True
    assert status["chains"][0]["transactions"]["final"] == 5
    assert (
        "BitstringStatusListCredential"
        in school("status-list", "--org", "riverside").out
    )


def test_a_person_is_erased_once_that_is_confirmed(
    school: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, email = "Zoe Canary-Lindqvist", "canary.zoe@example.com"
    issued = school(
        "issue", "--org", "riverside", "--achievement", "py-1", "--email", email, "--name", name,
        "--awarded-on", "2026-05-01", "--json",
    )  # fmt: skip
    credential = str(issued.json["credential"])
    erase = ("credential", "erase", credential, "--org", "riverside")

    for answer in ("n\n", ""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
        left = school(*erase)
        assert (left.code, left.out.strip()) == (130, "")
        assert "the earner's own file stay" in left.err
    listed = school("credential", "list", "--org", "riverside", "--json").json
    assert [each["name"] for each in listed] == [name]

    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    erased = [
        school(*erase),
        school(*erase, "--yes"),
        school(*erase, "--yes", "--json"),
    ]
    assert [each.code for each in erased] == [0, 0, 0]
    assert erased[2].json == {
        "credential": credential,
        "erased": True,
        "wasHeld": False,
        "logEmptied": True,
    }
    for file in (path for path in tmp_path.rglob("*") if path.is_file()):
        data = file.read_bytes()
        assert email.encode() not in data, file
        assert name.encode() not in data, file
    assert "anary" not in "".join(each.out + each.err for each in erased)

    gone = school("credential", "get", credential, "--org", "riverside")
    assert (gone.code, "erased on request" in gone.err) == (1, True)
    unknown = school("credential", "erase", str(uuid4()), "--org", "riverside", "--yes")
    assert (unknown.code, "no such credential" in unknown.err) == (1, True)


def take_away(
    school: Command, tmp_path: Path, *arguments: str
) -> list[tuple[str, str]]:
    """What the verifier says of each file in an earner's archive."""
    taken = str(tmp_path / "take-away.zip")
    written = school(
        "credential", "archive", "amina@example.com", "--org", "riverside",
        "--out", taken, "--json",
    )  # fmt: skip
    assert (written.json["credentials"], written.json["durable"]) == (1, 1)
    folder = tmp_path / "all"
    all_of_them = school(
        "credential", "archives", "--org", "riverside", "--out", str(folder), "--json"
    )
    index = json.loads((folder / "index.json").read_text())
    assert all_of_them.json["archives"] == len(index) == 2
    (mine,) = (entry for entry in index if entry["email"] == "amina@example.com")
    assert (folder / mine["file"]).read_bytes() == Path(taken).read_bytes()
    assert folder.stat().st_mode & 0o077 == 0
    trust = str(tmp_path / "trust.json")
    checked = school("verify", taken, *arguments, "--trust", trust)
    return [
        (Path(report["file"]).suffix, report["verdict"])
        for report in checked.json["files"]
    ]


def json_issuer(perdure: Command) -> str:
    return str(perdure("issuer", "show", "--org", "riverside", "--json").json["issuer"])


def test_a_lost_server_comes_back_and_goes_on(
    school: Command, chain: Anvil, tmp_path: Path
) -> None:
    """The rehearsal: database, master key and sender are gone; the backup brings them back."""
    before = json_issuer(school)
    backup = ("keys", "backup", "--out", str(tmp_path / "all.backup"))
    assert school(*backup, "--passphrase-file", str(tmp_path / "passphrase")).code == 0
    for name in ("perdure.db", "master.key", "sender.json"):
        (tmp_path / name).unlink()

    assert school("keys", "init").code == 0
    assert school("db", "upgrade").code == 0
    restore = (
        "keys", "restore", str(tmp_path / "all.backup"),
        "--passphrase-file", str(tmp_path / "passphrase"), "--json",
    )  # fmt: skip
    assert "does not hold lakeside" in school(*restore, "--org", "lakeside").err
    assert "organisation code 'R'" in school(*restore, "--code", "R").err
    restored = school(*restore)
    assert [(r["issuer"], r["keysAdded"]) for r in restored.json] == [(before, 3)]

    chain.fund(account(tmp_path))
    added = school(
        "achievement", "add", str(SAMPLES / "achievements.json"), "--org", "riverside"
    )
    assert added.code == 0
    issued = school(
        "issue", "--org", "riverside", "--achievement", "py-1", "--email", "a@example.com",
        "--name", "A", "--awarded-on", "2026-05-01", "--json",
    )  # fmt: skip
    work(chain)
    (entry,) = school("credential", "list", "--org", "riverside", "--json").json
    assert (entry["id"], entry["state"]) == (issued.json["credential"], "anchored")


def test_deploying_again_sends_nothing(perdure: Command, tmp_path: Path) -> None:
    key = tmp_path / "deployer.key"
    key.touch(mode=0o600)
    key.write_text(DEV_KEY.hex())

    answer = perdure("contracts", "deploy", "--account-key-file", str(key), "--json")

    assert [registry["gasUsed"] for registry in answer.json["registries"]] == [
        None,
        None,
    ]
    assert address_of(DEV_KEY) not in answer.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], "nonsense"),
        (["org", "create"], "Missing argument"),
        (["credential", "get", "not-a-uuid", "--org", "riverside"], "valid UUID"),
        (["credential", "list", "--org", "riverside", "--limit", "0"], "--limit"),
        (["serve", "--port", "70000"], "--port"),
        (["checkpoint-proofs", "--from-block", str(2**63)], "--from-block"),
        (
            [
                "contracts",
                "deploy",
                "--account-key-file",
                "k",
                "--max-fee-gwei",
                "100001",
            ],
            "--max-fee-gwei",
        ),
        (
            ["issuer", "close", "--org", "riverside", "--wait", "1" + "0" * 400],
            "--wait",
        ),
    ],
)
def test_wrong_usage_is_64(perdure: Command, arguments: list[str], words: str) -> None:
    answer = perdure(*arguments)

    assert answer.code == 64
    assert words in answer.err
    assert answer.out == ""


def test_what_is_wrong_in_a_file_is_told_with_its_name(
    ledger: Command, tmp_path: Path
) -> None:
    empty, passphrase = str(tmp_path / "empty"), str(tmp_path / "passphrase")
    Path(empty).touch()
    (tmp_path / "not.csv").write_bytes(b"\xff")
    org = ("--org", "riverside")
    for arguments in (
        ("issuer", "register", *org, "--profile", empty, "--backup", "b"),
        ("achievement", "add", empty, *org),
        ("keys", "restore", empty, "--passphrase-file", passphrase),
        ("checkpoints", empty, "--rpc", "http://127.0.0.1:9"),
        ("import", "x.zip", "--checkpoints", empty),
        ("roster", "check", str(tmp_path / "not.csv"), *org),
        ("roster", "issue", str(tmp_path / "not.csv"), *org),
    ):
        answer = ledger(*arguments)
        (named,) = (
            each
            for each in arguments
            if each.startswith(str(tmp_path)) and each != passphrase
        )

        assert answer.code == 1
        assert answer.err.partition(": ")[2].startswith(f"{named}: "), answer.err


def test_an_unknown_file_format_is_wrong_usage(ledger: Command) -> None:
    unknown = "6a1f63dd-1f0e-4d2b-9d3e-6c9bd1d40f10"

    answer = ledger(
        "credential", "get", unknown, "--org", "riverside", "--format", "gif"
    )

    assert (answer.code, "json, png, svg or pdf" in answer.err) == (64, True)


@pytest.mark.parametrize(
    ("variable", "arguments"),
    [
        ("PERDURE_DATABASE_URL", ["db", "upgrade"]),
        ("PERDURE_MASTER_KEY_FILE", ["keys", "init"]),
        ("PERDURE_SENDER_KEYSTORE", ["keys", "init"]),
        ("PERDURE_DATABASE_URL", ["status"]),
    ],
)
def test_a_missing_setting_is_named_with_an_example(
    perdure: Command,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    arguments: list[str],
) -> None:
    monkeypatch.delenv(variable)

    answer = perdure(*arguments)

    assert answer.code == 78
    assert f"{variable} is not set" in answer.err
    assert f"Example: {variable}=" in answer.err


def test_the_release_is_told(perdure: Command) -> None:
    answer = perdure("--version")

    assert (answer.code, answer.out, answer.err) == (
        0,
        f"perdure {importlib.metadata.version('perdure')}\n",
        "",
    )


@pytest.mark.parametrize("group", [[], ["org"]], ids=" ".join)
def test_without_a_command_the_help_is_shown_and_nothing_else(
    perdure: Command, group: list[str]
) -> None:
    answer = perdure(*group)

    assert (answer.code, answer.err) == (64, "")
    assert " ".join([*group, "[OPTIONS] COMMAND [ARGS]..."]) in answer.out


def test_all_organisations_are_listed_by_code(ledger: Command) -> None:
    made = ledger("org", "create", "hillside", "--name", "Hillside", "--json").json

    listed = ledger("org", "list", "--json").json

    assert [each["code"] for each in listed] == ["hillside", "riverside"]
    assert listed[0] == made
    assert ledger("org", "list").out.splitlines()[0].split() == ["hillside", "Hillside"]


def test_a_ledger_without_organisations_says_how_to_make_one(perdure: Command) -> None:
    perdure("db", "upgrade")

    assert "perdure org create" in perdure("org", "list").out
    assert perdure("org", "list", "--json").json == []


def test_a_database_that_was_not_upgraded_says_so(perdure: Command) -> None:
    answer = perdure("org", "create", "a", "--name", "A")

    assert answer.code == 78
    assert "perdure db upgrade" in answer.err


def test_a_folder_that_is_there_keeps_its_rights_and_is_not_for_archives_if_others_see_it(
    ledger: Command, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    shared.chmod(0o755)
    write = ("credential", "archives", "--org", "riverside", "--out", str(shared))

    refused = ledger(*write)
    assert refused.code == 1
    assert f"chmod 700 {shared}" in refused.err
    assert shared.stat().st_mode & 0o777 == 0o755
    shared.chmod(0o700)
    assert ledger(*write).code == 0


def test_a_passphrase_is_asked_of_nobody(ledger: Command, tmp_path: Path) -> None:
    answer = ledger("keys", "backup", "--out", str(tmp_path / "all.backup"))

    assert answer.code == 64
    assert "--passphrase-file" in answer.err


@pytest.mark.parametrize(("mode", "is_told"), [(0o644, True), (0o600, False)])
def test_a_passphrase_that_others_can_read_is_told(
    ledger: Command, tmp_path: Path, mode: int, *, is_told: bool
) -> None:
    file = tmp_path / "secret"
    file.write_text("seven quiet rivers under glass")
    file.chmod(mode)

    answer = ledger(
        "keys", "backup", "--out", str(tmp_path / "b"), "--passphrase-file", str(file)
    )

    assert answer.code == 0
    assert (f"chmod 600 {file}" in answer.err) is is_told


def test_wrong_usage_names_the_help_of_its_command(perdure: Command) -> None:
    assert "org create --help" in perdure("org", "create").err


def test_existing_keys_are_never_replaced(ledger: Command, tmp_path: Path) -> None:
    before = (tmp_path / "master.key").read_bytes()

    answer = ledger("keys", "init")

    assert answer.code == 1
    assert "master.key exists" in answer.err
    assert "perdure keys new-sender" in answer.err
    assert (tmp_path / "master.key").read_bytes() == before


def test_of_the_two_keys_none_is_made_if_one_cannot_be(
    perdure: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERDURE_SENDER_KEYSTORE", str(tmp_path / "no" / "sender.json"))
    no_folder = perdure("keys", "init")
    (tmp_path / "sender.json").touch()
    monkeypatch.setenv("PERDURE_SENDER_KEYSTORE", str(tmp_path / "sender.json"))
    there = perdure("keys", "init")

    assert (no_folder.code, "no such folder" in no_folder.err) == (1, True)
    assert (there.code, "sender.json exists" in there.err) == (1, True)
    assert not (tmp_path / "master.key").exists()


def test_a_master_key_without_its_account_names_the_way_on(
    perdure: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise KeystoreError("cannot write sender.json: No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("ledger.keystore.sender.create_sender", full)
        half = perdure("keys", "init")
    again = perdure("keys", "new-sender")

    assert half.code == 1
    assert "No space left on device. The master key was made" in half.err
    assert "perdure keys new-sender" in half.err
    assert (again.code, (tmp_path / "sender.json").exists()) == (0, True)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"genesis_hash": bytes(32)}, "another chain"),
        ({"chain_id": 1}, "eip155:31337 is not on the list"),
        ({"issuer_registry": "0x" + "22" * 20}, "no code"),
        (
            {"anchor_registry": ISSUER_REGISTRY, "issuer_registry": ANCHOR_REGISTRY},
            "other code",
        ),
    ],
)
def test_a_wrong_chain_or_contract_is_refused_before_anything_is_written(
    ledger: Command, chain: Anvil, tmp_path: Path, changed: dict[str, Any], words: str
) -> None:
    (tmp_path / "networks.json").write_bytes(networks_of(chain, **changed))

    answer = register(ledger, tmp_path)

    assert answer.code == 78
    assert words in answer.err
    assert not (tmp_path / "riverside.backup").exists()
    assert ledger("issuer", "show", "--org", "riverside").code == 1


def test_the_first_address_that_answers_is_asked(
    ledger: Command, chain: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERDURE_RPC_URLS", f"http://127.0.0.1:9,{chain.url}")
    key = tmp_path / "deployer.key"
    key.touch(mode=0o600)
    key.write_text(DEV_KEY.hex())

    assert register(ledger, tmp_path).code == 0
    deployed = ledger("contracts", "deploy", "--account-key-file", str(key), "--json")
    assert deployed.json["chainId"] == "eip155:31337"
    doctor = ledger("doctor", "--json")
    assert (doctor.code, doctor.json["well"]) == (0, True), doctor


def test_an_unreachable_node_is_refused_before_anything_is_written(
    ledger: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERDURE_RPC_URLS", "http://127.0.0.1:9")

    answer = register(ledger, tmp_path)

    assert answer.code == 2
    assert not (tmp_path / "riverside.backup").exists()


def test_a_missing_or_wrong_master_key_is_a_clear_error(
    school: Command, tmp_path: Path
) -> None:
    issue = (
        "issue", "--org", "riverside", "--achievement", "py-1", "--email", "a@example.com",
        "--name", "A", "--awarded-on", "2026-05-01",
    )  # fmt: skip
    master = tmp_path / "master.key"
    master.rename(tmp_path / "away")
    missing = school(*issue)
    master.write_text("00" * 32)
    master.chmod(0o600)
    wrong = school(*issue)
    master.chmod(0o644)
    readable = school(*issue)

    assert missing.code == wrong.code == readable.code == 1
    assert "No such file" in missing.err
    assert "another master key" in wrong.err
    assert "chmod 600" in readable.err
    assert school("credential", "list", "--org", "riverside", "--json").json == []


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--email", "nobody", "e-mail"),
        ("--awarded-on", "2199-01-01", "future"),
        ("--achievement", "nope-9", "no achievement"),
        ("--score", "101", "0 to 100"),
        ("--narrative", "a" * 200_000, "more than 2000 characters"),
    ],
)
def test_issue_refuses_what_a_roster_would(
    school: Command, option: str, value: str, words: str
) -> None:
    options = {
        "--achievement": "py-1", "--email": "a@example.com", "--name": "A", "--awarded-on": "2026-05-01",
    }  # fmt: skip
    options[option] = value

    answer = school(
        "issue",
        "--org",
        "riverside",
        *(part for pair in options.items() for part in pair),
    )

    assert answer.code == 1
    assert words in answer.err


def test_issuing_nothing_says_what_is_missing(school: Command) -> None:
    options = ("--achievement", "--email", "--name", "--awarded-on")

    answer = school(
        "issue", "--org", "riverside", *(o for p in options for o in (p, ""))
    )

    assert answer.code == 1
    assert "name: the name is missing" in answer.err


def test_roster_exit_codes(school: Command, tmp_path: Path) -> None:
    header = "achievement,name,email,awarded_on\n"
    (tmp_path / "good.csv").write_text(header + "py-1,A,a@example.com,2026-05-01\n")
    (tmp_path / "bad.csv").write_text(header + "py-1,A,a@,2026-05-01\n")

    def code(verb: str, file: str) -> int:
        return school("roster", verb, str(tmp_path / file), "--org", "riverside").code

    assert [code("check", "good.csv"), code("check", "bad.csv")] == [0, 1]
    assert [code("issue", "good.csv"), code("issue", "bad.csv")] == [0, 1]
    assert code("issue", "absent.csv") == 1
    assert (
        school(
            "roster", "check", str(SAMPLES / "roster-messy.csv"), "--org", "riverside"
        ).code
        == 3
    )


@pytest.mark.parametrize("act", ["check", "issue"])
def test_a_roster_without_records_is_nothing_done(
    school: Command, tmp_path: Path, act: str
) -> None:
    roster = tmp_path / "roster.csv"
    roster.write_text("achievement,name,email,awarded_on\n")

    answer = school("roster", act, str(roster), "--org", "riverside")

    assert answer.code == 1
    assert answer.out.startswith("0 ")
    assert answer.err == "perdure: the roster has a header line and no records\n"


def test_problems_are_told_to_people_line_by_line(school: Command) -> None:
    answer = school(
        "roster", "check", str(SAMPLES / "roster-messy.csv"), "--org", "riverside"
    )

    assert "line 7, awarded_on: write the date as year-month-day" in answer.out
    assert "line 15, whole record: the record has 1 cells" in answer.out
    assert (
        answer.out.splitlines()[-1] == "2 would be issued, 1 already issued, 11 refused"
    )


def test_problems_that_are_not_told_are_counted(
    school: Command, tmp_path: Path
) -> None:
    file = tmp_path / "bad.csv"
    file.write_text("achievement,name,email,awarded_on\n" + "=,=,=,=\n" * 500)

    answer = school("roster", "check", str(file), "--org", "riverside")

    *told, more, last = answer.out.splitlines()
    assert (answer.code, len(told)) == (1, 1_000)
    assert more.startswith("and 1,000 more problems:")
    assert last == "0 would be issued, 0 already issued, 500 refused"


def test_api_keys_are_shown_once(ledger: Command, tmp_path: Path) -> None:
    made = ledger(
        "api-key",
        "create",
        "--org",
        "riverside",
        "--name",
        "lms",
        "--scope",
        "read",
        "--json",
    ).json
    listed = ledger("api-key", "list", "--org", "riverside", "--json")
    assert made["key"] not in listed.out
    assert listed.json[0]["usable"]

    revoke = ("api-key", "revoke", made["id"], "--org", "riverside")
    assert [ledger(*revoke).code, ledger(*revoke).code] == [0, 0]
    assert not ledger("api-key", "list", "--org", "riverside", "--json").json[0][
        "usable"
    ]
    assert made["key"].encode() not in (tmp_path / "perdure.db").read_bytes()


def test_the_help_of_an_api_keys_scopes_names_all_of_them(perdure: Command) -> None:
    (told,) = re.findall(
        r"--scope\b.*?repeatable", perdure("api-key", "create", "--help").out, re.DOTALL
    )

    assert set(re.findall(r"[a-z]+", told)) >= SCOPES


def test_an_api_key_lasts_through_its_last_day(ledger: Command, tmp_path: Path) -> None:
    today = datetime.now(UTC).date()
    create = (
        "api-key",
        "create",
        "--org",
        "riverside",
        "--name",
        "a",
        "--scope",
        "read",
    )

    assert ledger(*create, "--expires", today.isoformat()).code == 0
    assert ledger(*create, "--expires", "9999-12-31").code == 0
    past = ledger(*create, "--expires", str(today - timedelta(days=1)))

    assert (past.code, "its end is past" in past.err) == (1, True)
    with (
        closing(Database.open(f"sqlite:///{tmp_path}/perdure.db")) as database,
        database.read() as tx,
    ):
        first, last = list_api_keys(tx, operator_of(tx, "riverside"))
    assert first.expires_at == datetime.combine(today, time.max, UTC)
    assert last.expires_at == datetime.max.replace(tzinfo=UTC)


def test_texts_for_people_name_the_next_step(ledger: Command, tmp_path: Path) -> None:
    assert "No credentials." in ledger("credential", "list", "--org", "riverside").out
    assert (
        "No achievements yet."
        in ledger("achievement", "list", "--org", "riverside").out
    )
    assert "No API keys." in ledger("api-key", "list", "--org", "riverside").out
    assert "perdure worker" in ledger("status").out
    assert (
        "perdure org create nowhere"
        in ledger("credential", "list", "--org", "nowhere").err
    )


def test_a_policy_is_shown_and_changed_by_its_options(ledger: Command) -> None:
    assert "was not used with a chain yet" in ledger("policy").out
    nowhere = ledger("policy", "set", "--batch-age", "5m")
    assert (nowhere.code, "--chain is missing" in nowhere.err) == (64, True)

    chain = ("--chain", "eip155:31337")
    done = ledger("policy", "set", "--batch-age", "5m", "--gas-below", "20", *chain)
    assert done.code == 0
    assert "a unit of gas costs less than 20 gwei" in done.out
    (shown,) = ledger("policy", *chain, "--json").json
    assert (shown["batchAgeSeconds"], shown["number"]) == (300, 1)
    assert "@" in shown["setBy"]

    wrong = ledger("policy", "set", "--latest", "1m", *chain)
    assert wrong.code == 64
    assert "--latest does not do: given '1m', expected" in wrong.err
    assert ledger("policy", *chain, "--json").json == [shown]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["policy", "set"], 64, "nothing to set"),
        (["policy", "set", "--batch-age", "10x", "--chain", "eip155:31337"], 64,
         "--batch-age does not do: given '10x'"),
        (["policy", "--chain", "31337"], 64, "--chain does not do: given '31337'"),
        (["policy", "--chain", "eip155:5"], 78, "eip155:5 is not on the list"),
    ],
)  # fmt: skip
def test_a_policy_of_nothing_or_of_no_chain_is_refused(
    ledger: Command, arguments: list[str], code: int, said: str
) -> None:
    answer = ledger(*arguments)

    assert (answer.code, said in answer.err) == (code, True)


def test_events_before_anything_happened(ledger: Command) -> None:
    shown = ledger("events", "list", "--org", "riverside")
    assert (shown.code, shown.out.splitlines()[0]) == (0, "No events.")
    assert "Go on with: --after " in shown.out
    told = ledger("events", "list", "--org", "riverside", "--json").json
    assert told["events"] == []
    assert (
        ledger("events", "list", "--org", "riverside", "--after", told["next"]).code
        == 0
    )
    assert ledger("events", "list", "--org", "riverside", "--after", "x").code == 1
    assert ledger("events", "parked").out == "No event is parked.\n"
    assert "0 events" in ledger("events", "retry").out
    lost = ledger("events", "discard", "2f0f5b8e-6a39-4a86-8f4c-6f2d1b7f9a10")
    assert (lost.code, lost.out) == (1, "")
    assert "no such" in lost.err
