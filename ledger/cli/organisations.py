"""Organisations, their API keys, issuer records and achievements."""

import secrets
from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from ledger.cli.app import (
    AsJson,
    Org,
    PassphraseFile,
    achievement,
    api_key,
    issuer,
    org,
)
from ledger.cli.console import ask_passphrase, read_file, show
from ledger.cli.wiring import (
    caller_of,
    home_chain,
    now,
    open_database,
    open_master,
    settings_from_environment,
)
from ledger.verify.files import naming

if TYPE_CHECKING:
    from ledger.store.records import IssuerKey


@org.command("create")
def org_create(
    code: Annotated[str, typer.Argument(help="Lower-case letters, digits, hyphens.")],
    name: Annotated[str, typer.Option(help="The name people know it by.")],
    as_json: AsJson = False,
) -> int:
    """Create an organisation."""
    from ledger.services.organisations import create_organisation

    with open_database(settings_from_environment()).begin() as tx:
        made = create_organisation(tx, code=code, name=name, now=now())
    show(
        {"id": str(made.id), "code": made.code, "name": made.name},
        as_json,
        f"Created {made.name} ({made.code}). Next: perdure issuer register --org {made.code} ...",
    )
    return 0


@org.command("list")
def org_list(as_json: AsJson = False) -> int:
    """List all organisations."""
    from ledger.services.organisations import list_organisations

    with open_database(settings_from_environment()).read() as tx:
        found = list_organisations(tx)
    show(
        [{"id": str(each.id), "code": each.code, "name": each.name} for each in found],
        as_json,
        "\n".join(f"{each.code:40}  {each.name}" for each in found)
        or "No organisations. Make one with: perdure org create CODE --name NAME",
    )
    return 0


@api_key.command("create")
def api_key_create(
    org_code: Org,
    name: Annotated[str, typer.Option(help="What the key is for.")],
    scope: Annotated[
        list[str],
        typer.Option(help="read, issue, withdraw, manage or events; repeatable."),
    ],
    expires: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day (UTC).")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Make an API key. It is shown this once."""
    from ledger.services.organisations import create_api_key

    database = open_database(settings_from_environment())
    caller = caller_of(database, org_code)
    with database.begin() as tx:
        key, text = create_api_key(
            tx,
            caller,
            name=name,
            scopes=frozenset(scope),
            expires_at=None
            if expires is None
            else datetime.combine(expires, time.max, UTC),
            now=now(),
            entropy=secrets.token_bytes,
        )
    show(
        {"id": str(key.id), "key": text, "scopes": sorted(key.scopes)},
        as_json,
        f"{text}\n\nThis is the only time the key is shown.",
    )
    return 0


@api_key.command("list")
def api_key_list(org_code: Org, as_json: AsJson = False) -> int:
    """List an organisation's API keys."""
    from ledger.services.organisations import list_api_keys

    database = open_database(settings_from_environment())
    caller = caller_of(database, org_code)
    instant = now()
    with database.read() as tx:
        found = list_api_keys(tx, caller)
    show(
        [
            {
                "id": str(k.id),
                "name": k.name,
                "prefix": k.prefix,
                "scopes": sorted(k.scopes),
                "usable": k.usable(instant),
            }
            for k in found
        ],
        as_json,
        "\n".join(
            f"{k.id}  {k.prefix}…  {'usable' if k.usable(instant) else 'ended':6}  {k.name}"
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
    """End an API key at once. One that has been ended stays as it is."""
    from ledger.services.organisations import revoke_api_key

    database = open_database(settings_from_environment())
    caller = caller_of(database, org_code)
    with database.begin() as tx:
        revoke_api_key(tx, caller, key_id, now())
    show(
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

    settings = settings_from_environment()
    content = read_file(profile)
    with naming(profile):
        document = IssuerProfile.from_json(parse(content))
    database, master = open_database(settings), open_master(settings)
    caller = caller_of(database, org_code)
    passphrase = ask_passphrase(passphrase_file, confirm=True)
    with database.begin() as tx:
        made = register_issuer(
            tx,
            caller,
            document,
            home_chain(settings),
            master=master,
            passphrase=passphrase,
            write_backup=lambda data: write_private_file(backup, data),
            now=now(),
            entropy=secrets.token_bytes,
        )
    show(
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

    database = open_database(settings_from_environment())
    caller = caller_of(database, org_code)
    with database.read() as tx:
        shown = describe_issuer(tx, caller)
    state = "registered" if shown.registered_at else "waiting for the worker"
    if shown.closed_at is not None:
        state = "closed for ever"
    show(
        {
            "issuer": shown.reference.text,
            "registeredAt": shown.registered_at,
            "closedAt": shown.closed_at,
            "keys": [
                {"role": k.role.value, "key": k.public, "openedAt": k.opened}
                for k in shown.keys
            ],
        },
        as_json,
        f"{shown.reference.text} ({state})\n"
        + "\n".join(
            f"{k.role.value:10} {k.public} {_state_of(k, shown.closed_at)}"
            for k in shown.keys
        ),
    )
    return 0


@issuer.command("renew")
def issuer_renew(
    org_codes: Annotated[
        list[str] | None, typer.Option("--org", help="Only these organisations.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Sign anew what the chain refused: registrations, keys and withdrawals.

    Of all organisations; also what has waited for half of the 30 days in which it may be carried.
    Run it once you know why the chain refused (perdure doctor names each): late acts, and
    withdrawals from before an act of the recovery key, go through then.
    """
    from ledger.services.renewal import renew_acts, renewable

    settings = settings_from_environment()
    master = open_master(settings)
    with open_database(settings).begin() as tx:
        done = [
            renew_acts(tx, caller, master=master, now=now())
            for caller in renewable(tx, org_codes or None)
        ]
    show(
        [
            {
                "organisation": each.organisation_code,
                "registering": each.registering,
                "withdrawals": each.withdrawals,
            }
            for each in done
        ],
        as_json,
        "\n".join(
            f"{each.organisation_code}: {each.registering} acts of the registration,"
            f" {each.withdrawals} withdrawals signed anew"
            for each in done
            if each.registering or each.withdrawals
        )
        or "Nothing was refused, and nothing has waited for long.",
    )
    return 0


def _state_of(key: "IssuerKey", closed_at: int | None) -> str:
    if closed_at is not None:
        return "closed"
    return "waiting" if key.opened is None else "open"


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

    database = open_database(settings_from_environment())
    caller = caller_of(database, org_code)
    content = read_file(file)
    with naming(file), database.begin() as tx:
        added = add_achievements(tx, caller, parse(content), now())
    show(
        [{"code": a.code, "version": a.version} for a in added],
        as_json,
        "\n".join(f"{a.code} version {a.version}" for a in added),
    )
    return 0


@achievement.command("list")
def achievement_list(org_code: Org, as_json: AsJson = False) -> int:
    """List an organisation's achievements."""
    from ledger.services.achievements import list_achievements

    database = open_database(settings_from_environment())
    caller = caller_of(database, org_code)
    with database.read() as tx:
        found = list_achievements(tx, caller)
    show(
        [{"code": a.code, "version": a.version} for a in found],
        as_json,
        "\n".join(f"{a.code} version {a.version}" for a in found)
        or "No achievements yet.",
    )
    return 0
