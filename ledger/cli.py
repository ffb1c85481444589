"""The `perdure` command: parses, wires one use case, prints its result.

Results go to stdout (JSON with --json), progress and errors to stderr. Exit codes: 0 done,
1 refused, 2 could not finish, 64 wrong usage, 78 a setting is missing or wrong; `verify` and
`roster issue` have their own, in their help texts. Imports stand inside the commands so that
`perdure verify` needs neither database, web server nor web3.
"""

import json
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from ledger.errors import (
    ChainUnavailable,
    Conflict,
    LedgerError,
    MalformedError,
    NotFound,
    SettingError,
    StoreError,
)

if TYPE_CHECKING:
    from ledger.config import Settings
    from ledger.keystore.master import MasterKey
    from ledger.services.addresses import Addresses
    from ledger.services.organisations import Caller
    from ledger.services.roster_issuing import RosterReport
    from ledger.store.database import Database
    from ledger.store.records import Chain

USAGE, CONFIGURATION = 64, 78

app = typer.Typer(
    name="perdure",
    help="A ledger of credentials that outlive their issuer.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _group(name: str, text: str) -> typer.Typer:
    group = typer.Typer(help=text, no_args_is_help=True)
    app.add_typer(group, name=name)
    return group


db = _group("db", "The database.")
contracts = _group("contracts", "The two registries on the chain.")
org = _group("org", "Organisations: schools, companies, universities, accreditors.")
api_key = _group("api-key", "Keys for the HTTP API.")
issuer = _group("issuer", "An organisation's issuer record on the chain.")
achievement = _group("achievement", "What can be earned.")
roster = _group("roster", "CSV files of awards.")
credential = _group("credential", "Issued credentials.")
keys = _group("keys", "Private keys: making, backing up, restoring.")

Org = Annotated[str, typer.Option("--org", help="The organisation's code.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        help="A file with the backup's passphrase in its first line; else you are asked."
    ),
]


def main() -> NoReturn:
    """Run the command and exit with its code."""
    try:
        code = app(standalone_mode=False)
    except typer.TyperException as error:
        _complain(f"{error.format_message()}\nTry: perdure --help")
        code = USAGE
    except typer.Abort:
        code = 130
    except LedgerError as error:
        code = _explain(error)
    sys.exit(code if isinstance(code, int) else 0)


def _explain(error: LedgerError) -> int:
    match error:
        case SettingError():
            code = CONFIGURATION
        case NotFound() | Conflict():
            code = 1
        case ChainUnavailable() | StoreError():
            code = 2
        case _:
            code = 1
    _complain(str(error))
    return code


def _complain(text: str) -> None:
    print(f"perdure: {text}", file=sys.stderr)


def _show(document: object, as_json: bool, text: str) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False) if as_json else text)


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - entry points own the clock


def _settings() -> "Settings":
    from ledger.config import Settings

    return Settings.from_environment(os.environ)  # noqa: TID251 - handed on, once


def _database(settings: "Settings") -> "Database":
    from ledger.store.database import Database

    return Database.open(settings.database_url)


def _master(settings: "Settings") -> "MasterKey":
    from ledger.keystore.master import MasterKey

    return MasterKey.from_file(settings.master_key_file)


def _home_chain(settings: "Settings") -> "Chain":
    """The chain that the configured node serves, compared with the networks list.

    Raises SettingError or ChainRejected if they differ, ChainUnavailable.
    """
    from ledger.chain.node import Node, check_chain
    from ledger.store.records import Chain

    node = Node(settings.rpc_urls[0])
    network = settings.network(node.chain_id())
    check_chain(
        node,
        chain_id=network.chain_id,
        genesis_hash=network.genesis_hash,
        anchor_registry=network.anchor_registry,
        issuer_registry=network.issuer_registry,
    )
    return Chain(
        chain_id=network.chain_id,
        genesis_hash=network.genesis_hash,
        anchor_registry=network.anchor_registry,
        issuer_registry=network.issuer_registry,
        test=network.test,
    )


def _caller(database: "Database", code: str) -> "Caller":
    from ledger.services.organisations import operator_of

    with database.read() as tx:
        return operator_of(tx, code)


def _passphrase(file: Path | None, *, confirm: bool) -> str:
    if file is None:
        return str(
            typer.prompt(
                "Passphrase", hide_input=True, confirmation_prompt=confirm, err=True
            )
        )
    lines = _read(file).decode("utf-8").splitlines()
    return lines[0] if lines else ""


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MalformedError(f"cannot read {path}: {error.strerror}") from error


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr where a person looks on; silent elsewhere."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


# ------------------------------------------------------------------ setting up


@db.command("upgrade")
def db_upgrade(as_json: AsJson = False) -> int:
    """Make the database, or bring it to this release's schema."""
    from ledger.store.database import Database

    database = Database.upgrade(_settings().database_url)
    _show(
        {"database": database.name},
        as_json,
        f"The database {database.name} is up to date.",
    )
    return 0


@keys.command("init")
def keys_init(as_json: AsJson = False) -> int:
    """Make the ledger's master key and the account that pays gas.

    Writes the files that PERDURE_MASTER_KEY_FILE and PERDURE_SENDER_KEYSTORE name; existing
    files are never replaced.
    """
    from ledger.chain.accounts import new_account
    from ledger.keystore.master import MasterKey
    from ledger.keystore.sender import create_sender

    settings = _settings()
    master_file, sender_file = settings.master_key_file, settings.sender_keystore
    master = MasterKey.create_file(master_file)
    sender = create_sender(sender_file, master, new_account(secrets.token_bytes).secret)
    _show(
        {
            "masterKeyFile": str(master_file),
            "senderKeystore": str(sender_file),
            "sender": sender.address,
        },
        as_json,
        f"Master key:     {master_file}\nSender keystore: {sender_file}\n"
        f"Sender address: {sender.address}\n\n"
        "Send the sender some coins: it pays for anchoring. Keep a copy of both files in a safe\n"
        "place; without the master key nothing that the database holds of keys can be opened.",
    )
    return 0


@keys.command("backup")
def keys_backup(
    out: Annotated[Path, typer.Option(help="The file to write; it must not exist.")],
    org_codes: Annotated[
        list[str] | None, typer.Option("--org", help="Only these organisations.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> int:
    """Back up the private keys of all organisations, encrypted under a passphrase.

    The recovery keys are not among them: those stand only in the files that
    `perdure issuer register` wrote. Keep both.
    """
    from ledger.keystore.secret_file import write_private_file
    from ledger.services.key_custody import backup_keys

    settings = _settings()
    passphrase = _passphrase(passphrase_file, confirm=True)
    with _database(settings).read() as tx:
        data, codes = backup_keys(
            tx,
            org_codes or None,
            master=_master(settings),
            passphrase=passphrase,
            entropy=secrets.token_bytes,
        )
    write_private_file(out, data)
    _show(
        {"file": str(out), "organisations": list(codes)},
        as_json,
        f"Backed up {len(codes)} identities to {out}. Rehearse: perdure keys restore",
    )
    return 0


@keys.command("restore")
def keys_restore(
    file: Annotated[Path, typer.Argument(help="A backup file.")],
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> int:
    """Bring identities back from a backup file, on this or on a new server."""
    from ledger.services.key_custody import restore_keys

    settings = _settings()
    data = _read(file)
    passphrase = _passphrase(passphrase_file, confirm=False)
    with _database(settings).begin() as tx:
        restored = restore_keys(
            tx, data, master=_master(settings), passphrase=passphrase, now=_now()
        )
    _show(
        [
            {
                "organisation": r.organisation_code,
                "issuer": r.reference.text,
                "keysAdded": r.added,
            }
            for r in restored
        ],
        as_json,
        "\n".join(
            f"{r.organisation_code}: {r.added} keys, issuer {r.reference.text}"
            for r in restored
        )
        + "\nThe worker now reads back from the chain since when the keys are open.",
    )
    return 0


@contracts.command("deploy")
def contracts_deploy(
    account_key_file: Annotated[
        Path,
        typer.Option(
            help="A file (mode 0600) with the private key that pays for the deployment."
        ),
    ],
    max_fee_gwei: Annotated[
        int, typer.Option(min=1, help="Never pay more than this for gas.")
    ] = 100,
    as_json: AsJson = False,
) -> int:
    """Deploy both registries by CREATE2; where they stand already, nothing is sent.

    The addresses are the same on every chain, whoever deploys. The account may not be the
    ledger's sender: its nonces belong to the worker.
    """
    from ledger.chain.deployment import RECIPIENTS, deploy
    from ledger.chain.node import Node
    from ledger.chain.sender import KeystoreSigner
    from ledger.keystore.secret_file import read_secret_file

    node = Node(_settings().rpc_urls[0])
    chain_id, max_fee = node.chain_id(), max_fee_gwei * 10**9
    signer = KeystoreSigner(
        read_secret_file(account_key_file),
        chain_id=chain_id,
        recipients=RECIPIENTS,
        max_fee=max_fee,
    )
    deployed = deploy(node, signer, max_fee=max_fee)
    _show(
        {
            "chainId": f"eip155:{chain_id}",
            "genesisHash": f"0x{node.genesis_hash().hex()}",
            "registries": [
                {"name": d.name, "address": d.address, "gasUsed": d.gas_used}
                for d in deployed
            ],
        },
        as_json,
        "\n".join(
            f"{d.name} {d.address} "
            + (
                "stood there already"
                if d.gas_used is None
                else f"deployed for {d.gas_used:,} gas"
            )
            for d in deployed
        ),
    )
    return 0


# ------------------------------------------------------------------ organisations


@org.command("create")
def org_create(
    code: Annotated[str, typer.Argument(help="Lower-case letters, digits, hyphens.")],
    name: Annotated[str, typer.Option(help="The name people know it by.")],
    as_json: AsJson = False,
) -> int:
    """Create an organisation."""
    from ledger.services.organisations import create_organisation

    with _database(_settings()).begin() as tx:
        made = create_organisation(tx, code=code, name=name, now=_now())
    _show(
        {"id": str(made.id), "code": made.code, "name": made.name},
        as_json,
        f"Created {made.name} ({made.code}). Next: perdure issuer register --org {made.code} ...",
    )
    return 0


@api_key.command("create")
def api_key_create(
    org_code: Org,
    name: Annotated[str, typer.Option(help="What the key is for.")],
    scope: Annotated[
        list[str], typer.Option(help="read, issue, withdraw or manage; repeatable.")
    ],
    expires: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day (UTC).")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Make an API key. It is shown this once."""
    from ledger.services.organisations import create_api_key

    database = _database(_settings())
    caller = _caller(database, org_code)
    with database.begin() as tx:
        key, text = create_api_key(
            tx,
            caller,
            name=name,
            scopes=frozenset(scope),
            expires_at=None if expires is None else expires.replace(tzinfo=UTC),
            now=_now(),
            entropy=secrets.token_bytes,
        )
    _show(
        {"id": str(key.id), "key": text, "scopes": sorted(key.scopes)},
        as_json,
        f"{text}\n\nThis is the only time the key is shown.",
    )
    return 0


@api_key.command("list")
def api_key_list(org_code: Org, as_json: AsJson = False) -> int:
    """List an organisation's API keys."""
    from ledger.services.organisations import list_api_keys

    database = _database(_settings())
    caller = _caller(database, org_code)
    now = _now()
    with database.read() as tx:
        found = list_api_keys(tx, caller)
    _show(
        [
            {
                "id": str(k.id),
                "name": k.name,
                "prefix": k.prefix,
                "scopes": sorted(k.scopes),
                "usable": k.usable(now),
            }
            for k in found
        ],
        as_json,
        "\n".join(
            f"{k.id}  {k.prefix}…  {'usable' if k.usable(now) else 'ended':6}  {k.name}"
            for k in found
        )
        or "No API keys.",
    )
    return 0


@api_key.command("revoke")
def api_key_revoke(
    key_id: Annotated[UUID, typer.Argument(help="The id, as `api-key list` shows it.")],
    org_code: Org,
    as_json: AsJson = False,
) -> int:
    """End an API key at once."""
    from ledger.services.organisations import revoke_api_key

    database = _database(_settings())
    caller = _caller(database, org_code)
    with database.begin() as tx:
        revoke_api_key(tx, caller, key_id, _now())
    _show(
        {"id": str(key_id), "revoked": True},
        as_json,
        f"API key {key_id} no longer works.",
    )
    return 0


@issuer.command("register")
def issuer_register(
    org_code: Org,
    profile: Annotated[
        Path, typer.Option(help="The public profile, a JSON file: name, url, ...")
    ],
    backup: Annotated[
        Path, typer.Option(help="The backup file to write; it must not exist.")
    ],
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> int:
    """Make an organisation's keys, write their backup, and register it on the chain.

    The backup file holds the recovery key, which exists nowhere else: move it off this
    machine, to where you keep what must never be lost.
    """
    from ledger.core.canonical import parse
    from ledger.core.issuer import IssuerProfile
    from ledger.keystore.secret_file import write_private_file
    from ledger.services.registration import register_issuer

    settings = _settings()
    document = IssuerProfile.from_json(parse(_read(profile)))
    database, master = _database(settings), _master(settings)
    caller = _caller(database, org_code)
    passphrase = _passphrase(passphrase_file, confirm=True)
    with database.begin() as tx:
        made = register_issuer(
            tx,
            caller,
            document,
            _home_chain(settings),
            master=master,
            passphrase=passphrase,
            write_backup=lambda data: write_private_file(backup, data),
            now=_now(),
            entropy=secrets.token_bytes,
        )
    _show(
        {"issuer": made.reference.text, "did": made.signing_did, "backup": str(backup)},
        as_json,
        f"Issuer  {made.reference.text}\nSigns as {made.signing_did}\nBackup  {backup}\n\n"
        "The worker now carries the registration to the chain (perdure worker).\n"
        "Move the backup off this machine: its recovery key exists nowhere else.",
    )
    return 0


@issuer.command("show")
def issuer_show(org_code: Org, as_json: AsJson = False) -> int:
    """Show an organisation's issuer record and since when its keys are open."""
    from ledger.services.identity import describe_issuer

    database = _database(_settings())
    caller = _caller(database, org_code)
    with database.read() as tx:
        shown = describe_issuer(tx, caller)
    state = "registered" if shown.registered_at else "waiting for the worker"
    _show(
        {
            "issuer": shown.reference.text,
            "registeredAt": shown.registered_at,
            "keys": [
                {"role": k.role.value, "key": k.public, "openedAt": k.opened}
                for k in shown.keys
            ],
        },
        as_json,
        f"{shown.reference.text} ({state})\n"
        + "\n".join(
            f"{k.role.value:10} {k.public} {'open' if k.opened else 'waiting'}"
            for k in shown.keys
        ),
    )
    return 0


@achievement.command("add")
def achievement_add(
    file: Annotated[
        Path, typer.Argument(help="A JSON file: one achievement, or a list of them.")
    ],
    org_code: Org,
    as_json: AsJson = False,
) -> int:
    """Add achievements. A version never changes once added."""
    from ledger.core.canonical import parse
    from ledger.services.achievements import add_achievements

    database = _database(_settings())
    caller = _caller(database, org_code)
    with database.begin() as tx:
        added = add_achievements(tx, caller, parse(_read(file)), _now())
    _show(
        [{"code": a.code, "version": a.version} for a in added],
        as_json,
        "\n".join(f"{a.code} version {a.version}" for a in added),
    )
    return 0


@achievement.command("list")
def achievement_list(org_code: Org, as_json: AsJson = False) -> int:
    """List an organisation's achievements."""
    from ledger.services.achievements import list_achievements

    database = _database(_settings())
    caller = _caller(database, org_code)
    with database.read() as tx:
        found = list_achievements(tx, caller)
    _show(
        [{"code": a.code, "version": a.version} for a in found],
        as_json,
        "\n".join(f"{a.code} version {a.version}" for a in found)
        or "No achievements yet.",
    )
    return 0


# ------------------------------------------------------------------ issuing


@app.command("issue")
def issue_one(
    org_code: Org,
    achievement_code: Annotated[
        str, typer.Option("--achievement", help="The achievement's code.")
    ],
    email: Annotated[str, typer.Option(help="The earner's e-mail address.")],
    name: Annotated[str, typer.Option(help="The earner's name.")],
    awarded_on: Annotated[str, typer.Option(help="YYYY-MM-DD.")],
    score: Annotated[str, typer.Option(help="0 to 100.")] = "",
    evidence_url: Annotated[str, typer.Option(help="http or https.")] = "",
    narrative: Annotated[str, typer.Option(help="What this earner did.")] = "",
    as_json: AsJson = False,
) -> int:
    """Issue one credential. The same award again gives the credential that is there."""
    from ledger.services.roster_issuing import issue_roster
    from ledger.services.rosters import encode_roster

    settings = _settings()
    database = _database(settings)
    caller = _caller(database, org_code)
    row = encode_roster(
        {
            "achievement": achievement_code, "name": name, "email": email, "awarded_on": awarded_on,
            "score": score, "evidence_url": evidence_url, "narrative": narrative,
        }
    )  # fmt: skip
    report = issue_roster(
        database,
        caller,
        row,
        master=_master(settings),
        addresses=_addresses(settings),
        now=_now(),
        entropy=secrets.token_bytes,
        progress=lambda done, total: None,
    )
    if report.problems:
        raise MalformedError(
            "; ".join(f"{p.column}: {p.reason}" for p in report.problems)
        )
    (line,) = report.lines
    _show(
        {"credential": str(line.credential_id), "already": line.already},
        as_json,
        f"{'Already issued' if line.already else 'Issued'}: {line.credential_id}",
    )
    return 0


@roster.command("check")
def roster_check(
    file: Annotated[Path, typer.Argument(help="A CSV file; columns: /help/rosters.")],
    org_code: Org,
    as_json: AsJson = False,
) -> int:
    """Read a roster and say what issuing it would do. Writes nothing.

    Exit codes: 0 all records are good, 3 some would be refused, 1 none is good.
    """
    from ledger.services.roster_issuing import check_roster

    database = _database(_settings())
    report = check_roster(database, _caller(database, org_code), _read(file), _now())
    return _show_roster(report, as_json, "would be issued")


@roster.command("issue")
def roster_issue(
    file: Annotated[Path, typer.Argument(help="A CSV file; columns: /help/rosters.")],
    org_code: Org,
    as_json: AsJson = False,
) -> int:
    """Issue every good record of a roster; report every bad one.

    Uploading the same roster again issues nothing twice. Exit codes: 0 all records are
    issued, 3 some were refused, 1 nothing done.
    """
    from ledger.services.roster_issuing import issue_roster

    settings = _settings()
    database = _database(settings)
    caller = _caller(database, org_code)
    with _progress("Issuing") as progress:
        report = issue_roster(
            database,
            caller,
            _read(file),
            master=_master(settings),
            addresses=_addresses(settings),
            now=_now(),
            entropy=secrets.token_bytes,
            progress=progress,
        )
    return _show_roster(report, as_json, "issued")


def _show_roster(report: "RosterReport", as_json: bool, done: str) -> int:
    from ledger.services.roster_issuing import report_json

    fresh = sum(not line.already for line in report.lines)
    already = len(report.lines) - fresh
    text = [
        f"line {p.line}, {p.column or 'whole record'}: {p.reason}"
        + (f" ({p.value})" if p.value else "")
        for p in report.problems
    ]
    text.append(f"{fresh} {done}, {already} already issued, {report.refused} refused")
    _show(report_json(report), as_json, "\n".join(text))
    if not report.problems:
        return 0
    return 3 if report.lines else 1


def _addresses(settings: "Settings") -> "Addresses":
    from ledger.services.addresses import Addresses

    return Addresses(settings.public_url)


# ------------------------------------------------------------------ credentials


@credential.command("list")
def credential_list(
    org_code: Org,
    achievement_code: Annotated[
        str | None, typer.Option("--achievement", help="Only of this code.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 100,
    after: Annotated[
        UUID | None, typer.Option(help="Go on after this credential.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """List issued credentials, the newest first."""
    from ledger.services.credentials import list_credentials

    database = _database(_settings())
    caller = _caller(database, org_code)
    with database.read() as tx:
        found = list_credentials(
            tx, caller, limit=limit, after=after, achievement=achievement_code
        )
    _show(
        [
            {
                "id": str(c.record.id),
                "achievement": c.record.achievement_code,
                "version": c.record.achievement_version,
                "name": c.record.recipient_name,
                "awardedOn": c.record.awarded_on.isoformat(),
                "issuedAt": c.record.issued_at.isoformat(),
                "state": c.state.value,
            }
            for c in found
        ],
        as_json,
        "\n".join(
            f"{c.record.id}  {c.state.value:10} {c.record.achievement_code:14}"
            f" {c.record.awarded_on}  {c.record.recipient_name or ''}"
            for c in found
        )
        or "No credentials.",
    )
    return 0


@credential.command("get")
def credential_get(
    credential_id: Annotated[UUID, typer.Argument(help="The credential's id.")],
    org_code: Org,
    file_format: Annotated[
        str, typer.Option("--format", help="json, png or svg.")
    ] = "json",
    out: Annotated[
        Path | None, typer.Option(help="The file to write; default: stdout.")
    ] = None,
) -> int:
    """Write a credential as the file that its earner keeps."""
    from ledger.services.delivery import FileFormat, deliver

    try:
        wanted = FileFormat(file_format)
    except ValueError as error:
        raise typer.BadParameter("--format: choose json, png or svg") from error
    database = _database(_settings())
    caller = _caller(database, org_code)
    with database.read() as tx:
        file = deliver(tx, caller, credential_id, wanted)
    if out is None:
        sys.stdout.buffer.write(file.data)
    else:
        out.write_bytes(file.data)
    if not file.durable:
        _complain(
            "signed, but not yet final on the chain: fetch it again later for the durable file"
        )
    return 0


@credential.command("revoke")
def credential_revoke(
    credential_id: Annotated[UUID, typer.Argument(help="The credential's id.")],
    org_code: Org,
    reason: Annotated[str, typer.Option(help="Why; people who check it will ask.")],
    as_json: AsJson = False,
) -> int:
    """Withdraw a credential. This is final."""
    from ledger.services.withdrawal import withdraw_credential

    settings = _settings()
    database = _database(settings)
    caller = _caller(database, org_code)
    with database.begin() as tx:
        withdraw_credential(
            tx,
            caller,
            credential_id,
            reason=reason,
            master=_master(settings),
            now=_now(),
        )
    _show(
        {"credential": str(credential_id), "withdrawn": True},
        as_json,
        f"Withdrawn: {credential_id}. The worker now sets its status bit on the chain.",
    )
    return 0


@app.command("status-list")
def status_list_command(org_code: Org) -> int:
    """Print an organisation's signed status list, as other people's verifiers read it."""
    from ledger.services.status_lists import own_status_list

    settings = _settings()
    database = _database(settings)
    caller = _caller(database, org_code)
    with database.read() as tx:
        data = own_status_list(
            tx,
            caller,
            master=_master(settings),
            addresses=_addresses(settings),
            now=_now(),
        )
    print(data.decode())
    return 0


# ------------------------------------------------------------------ verifying and running


@app.command(
    "verify",
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],
    },
    add_help_option=False,
)
def verify(context: typer.Context) -> int:
    """Check credential files; see `perdure verify --help`."""
    from ledger.verify.command import run

    return run(context.args, program="perdure verify")


@app.command(
    "worker",
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],
    },
    add_help_option=False,
)
def worker(context: typer.Context) -> NoReturn:
    """Run the worker that anchors; see `perdure worker --help`."""
    os.execv(sys.executable, [sys.executable, "-m", "anchor_worker", *context.args])


@app.command("serve")
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port to listen on.")
    ] = 8000,
) -> int:
    """Serve the HTTP API and the public pages."""
    from ledger.web.app import create_app
    from ledger.web.edges import LedgerEdges, rpc_readers
    from ledger.web.server import run

    settings = _settings()
    edges = LedgerEdges(
        database=_database(settings),
        master=_master(settings),
        addresses=_addresses(settings),
        chain=_home_chain(settings),
        networks=settings.networks,
        readers=lambda: rpc_readers(settings.rpc_urls),
        trust=None,
        now=_now,
        entropy=secrets.token_bytes,
    )
    run(create_app(edges), host, port)
    return 0


@app.command("status")
def status(as_json: AsJson = False) -> int:
    """Show what waits, what is under way and what is final."""
    from ledger.services.progress import ledger_status

    database = _database(_settings())
    with database.read() as tx:
        shown = ledger_status(tx)
    _show(shown.to_json(), as_json, shown.to_text(_now()))
    return 0


if __name__ == "__main__":
    main()
