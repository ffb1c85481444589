"""Issued credentials: listing, downloading, withdrawing, the status list."""

import json
import sys
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from ledger.cli.app import AsJson, Org, app, credential
from ledger.cli.console import (
    complain,
    make_private_folder,
    progress_bar,
    show,
    write_file,
)
from ledger.cli.wiring import (
    addresses_of,
    caller_of,
    now,
    open_database,
    open_master,
    settings_from_environment,
)


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

    database = open_database(settings_from_environment())
    caller = caller_of(database, org_code)
    with database.read() as tx:
        found = list_credentials(
            tx, caller, limit=limit, after=after, achievement=achievement_code
        )
    show(
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
        str, typer.Option("--format", help="json, png, svg or pdf.")
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
        raise typer.BadParameter("--format: choose json, png, svg or pdf") from error
    settings = settings_from_environment()
    database = open_database(settings)
    caller = caller_of(database, org_code)
    with database.read() as tx:
        file = deliver(
            tx, caller, credential_id, wanted, addresses=addresses_of(settings)
        )
    if out is None:
        sys.stdout.buffer.write(file.data)
    else:
        write_file(out, file.data)
    if not file.durable:
        complain(
            "signed, but not yet final on the chain: fetch it again later for the durable file"
        )
    if file.left_out:
        complain(f"no font here has the letters of: {', '.join(file.left_out)}")
    return 0


@credential.command("archive")
def credential_archive(
    email: Annotated[str, typer.Argument(help="The earner's e-mail address.")],
    org_code: Org,
    out: Annotated[Path, typer.Option(help="The .zip to write.")],
    as_json: AsJson = False,
) -> int:
    """Write everything that an earner holds as one archive to keep."""
    from ledger.services.archives import earner_archive

    settings = settings_from_environment()
    database = open_database(settings)
    with progress_bar("Drawing") as progress:
        archive = earner_archive(
            database,
            caller_of(database, org_code),
            email,
            addresses=addresses_of(settings),
            now=now(),
            progress=progress,
        )
    write_file(out, archive.data)
    show(
        {
            "file": str(out),
            "bytes": len(archive.data),
            "credentials": archive.credentials,
            "durable": archive.durable,
        },
        as_json,
        f"{out}: {archive.credentials} credentials, {archive.durable} of them durable.",
    )
    return 0


@credential.command("archives")
def credential_archives(
    org_code: Org,
    out: Annotated[Path, typer.Option(help="The folder to write to; made if needed.")],
    as_json: AsJson = False,
) -> int:
    """Write an archive for every earner, to be handed out: before a school closes, say.

    index.json in the folder says which file is whose. It is about people: the folder is for
    nobody else to read.
    """
    from ledger.services.archives import earner_archives

    settings = settings_from_environment()
    database = open_database(settings)
    make_private_folder(out)
    index: list[dict[str, object]] = []
    with progress_bar("Drawing") as progress:
        for number, (email, archive) in enumerate(
            earner_archives(
                database,
                caller_of(database, org_code),
                addresses=addresses_of(settings),
                now=now(),
                progress=progress,
            ),
            start=1,
        ):
            name = f"{number:06}.zip"
            write_file(out / name, archive.data)
            index.append(
                {"email": email, "file": name, "credentials": archive.credentials}
            )
    entries = json.dumps(index, indent=1, ensure_ascii=False) + "\n"
    write_file(out / "index.json", entries.encode())
    show(
        {"folder": str(out), "archives": len(index)},
        as_json,
        f"{out}: {len(index)} archives; index.json says whose each is.",
    )
    return 0


@credential.command("revoke")
def credential_revoke(
    credential_id: Annotated[UUID, typer.Argument(help="The credential's id.")],
    org_code: Org,
    reason: Annotated[str, typer.Option(help="Why; people who check it will ask.")],
    as_json: AsJson = False,
) -> int:
    """Withdraw a credential. This is final.

    Asked again once the chain has refused to record it, it is signed anew; the first reason stays.
    """
    from ledger.services.withdrawal import withdraw_credential

    settings = settings_from_environment()
    database = open_database(settings)
    caller = caller_of(database, org_code)
    with database.begin() as tx:
        withdraw_credential(
            tx,
            caller,
            credential_id,
            reason=reason,
            master=open_master(settings),
            now=now(),
        )
    show(
        {"credential": str(credential_id), "withdrawn": True},
        as_json,
        f"Withdrawn: {credential_id}. The worker now sets its status bit on the chain.",
    )
    return 0


@credential.command("erase")
def credential_erase(
    credential_id: Annotated[UUID, typer.Argument(help="The credential's id.")],
    org_code: Org,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask whether this is meant.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Erase the person from a credential, shown or held back. This is final.

    Erased: the signed content, the name, the e-mail address, the words of a withdrawal's reason.
    What stays: its id, achievement and day, its hash, by which the others of its batch are proved,
    and what is on the chain, which names nobody. The earner's own file stays too, and is as genuine
    as before: perdure credential revoke withdraws it. Backups are for you to erase from.
    """
    from ledger.services.erasure import erase_credential

    database = open_database(settings_from_environment())
    caller = caller_of(database, org_code)
    if not yes:
        typer.confirm(_ERASING.format(credential_id), err=True, abort=True)
    erased = erase_credential(database, caller, credential_id)
    show(
        {
            "credential": str(credential_id),
            "erased": True,
            "wasHeld": erased.was_held,
            "logEmptied": erased.log_emptied,
        },
        as_json,
        f"Erased: {credential_id}. Put it on your list of what to erase again after a restore."
        + ("" if erased.log_emptied else f"\n{_LEFT_BY_POSTGRESQL}"),
    )
    return 0


_ERASING = (
    "This erases {} for ever: its content, name and e-mail address. Its hash on the chain and the"
    " earner's own file stay, and the file is as genuine as before (perdure credential revoke"
    " withdraws it). Erase it?"
)
_LEFT_BY_POSTGRESQL = (
    "PostgreSQL still has the old rows in its files, until: VACUUM FULL credential,"
    " held_credential, stored_answer; and in its log and backups until those are gone."
)


@app.command("status-list")
def status_list_command(org_code: Org) -> int:
    """Print an organisation's signed status list, as other people's verifiers read it."""
    from ledger.services.status_lists import own_status_list

    settings = settings_from_environment()
    database = open_database(settings)
    caller = caller_of(database, org_code)
    with database.read() as tx:
        data = own_status_list(
            tx,
            caller,
            master=open_master(settings),
            addresses=addresses_of(settings),
            now=now(),
        )
    print(data.decode())
    return 0


@app.command("checkpoint-proofs")
def checkpoint_proofs_command(
    first: Annotated[
        int,
        typer.Option(
            "--from-block",
            min=0,
            max=2**63 - 1,  # what the database takes for a number
            help="Only blocks from here on.",
        ),
    ] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Write there instead of the output.")
    ] = None,
) -> int:
    """Write which blocks of the home chain this ledger has stated on other chains.

    At most 1,000; for more ask again from the number after the last one. For: perdure
    checkpoints --from-proofs.
    """
    from ledger.services.checkpoints import checkpoint_proofs

    database = open_database(settings_from_environment())
    with database.read() as tx:
        data = checkpoint_proofs(tx, first=first)
    if out is None:
        print(data.decode(), end="")
    else:
        write_file(out, data)
    return 0
