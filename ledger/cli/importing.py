"""Taking in what a closed school left, and showing a person's credentials when that person asks."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from ledger.cli.app import AsJson, Org, app, credential
from ledger.cli.console import progress_bar, read_file, show
from ledger.cli.wiring import (
    caller_of,
    nodes_of,
    now,
    open_database,
    open_master,
    settings_from_environment,
)

if TYPE_CHECKING:
    from ledger.config import Settings
    from ledger.services.archive_reading import Witness


@app.command("import")
def import_(
    archive: Annotated[
        Path, typer.Argument(help="The closing archive of another ledger (.zip).")
    ],
    identity: Annotated[
        Path | None,
        typer.Option(
            help="A custodian's age identity file: takes the credentials in too, hidden."
        ),
    ] = None,
    checkpoints: Annotated[
        Path | None,
        typer.Option(
            help="Blocks that you trust, from another source than the archive; else your"
            " node is asked."
        ),
    ] = None,
    code: Annotated[
        str | None,
        typer.Option(help="The organisation's code here; default: the one it had."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Bring a closed issuer's public record back to life, without any of its private keys.

    Its achievements and last status lists answer again. Nothing of a person is shown until that
    person asks for it: perdure credential release.
    """
    from ledger.keystore.custodian import read_identities
    from ledger.services.importing import import_archive

    settings = settings_from_environment()
    identities = read_identities(read_file(identity)) if identity is not None else ()
    with progress_bar("Credentials") as progress:
        done = import_archive(
            open_database(settings),
            archive,
            networks=settings.networks,
            witness=_witness(settings, checkpoints),
            identities=identities,
            master=lambda: open_master(settings),
            code=code,
            now=now(),
            progress=progress,
            # The same bar twice: what is checked first, and then taken in.
            checking=progress,
        )
    public = "was here already" if done.already else "answers here now"
    if done.held is None:
        personal = (
            f"{done.sealed} credentials stay sealed in the archive: a custodian's key takes"
            " them in (--identity)."
        )
    else:
        personal = (
            f"{done.held} credentials are new and hidden, of {done.sealed}. One is shown when its"
            f" earner asks:\n  perdure credential held EMAIL --org {done.organisation_code}"
            f"\n  perdure credential release ID --org {done.organisation_code}"
        )
    show(
        {
            "organisation": done.organisation_code,
            "issuer": done.issuer.text,
            "already": done.already,
            "achievements": done.achievements,
            "sealed": done.sealed,
            "held": done.held,
        },
        as_json,
        f"{done.name} ({done.organisation_code}) {public}: {done.achievements} versions of"
        f" achievements, its status lists, its record.\n{personal}",
    )
    return 0


def _witness(settings: "Settings", checkpoints: Path | None) -> "Witness":
    """Who vouches for blocks: a list from elsewhere if there is one, else our nodes."""
    from ledger.services.archive_reading import by_checkpoints, by_nodes

    if checkpoints is not None:
        from ledger.verify.checkpoints import parse_checkpoints
        from ledger.verify.files import naming

        listed = read_file(checkpoints)
        with naming(checkpoints):
            return by_checkpoints(parse_checkpoints(listed))
    return by_nodes(nodes_of(settings.rpc_urls))


@credential.command("held")
def credential_held(
    email: Annotated[str, typer.Argument(help="The e-mail address of who asks.")],
    org_code: Org,
    as_json: AsJson = False,
) -> int:
    """List what is held back for one person, who has asked: of an imported organisation."""
    from ledger.services.held import held_for

    settings = settings_from_environment()
    database = open_database(settings)
    found = held_for(
        database, caller_of(database, org_code), email, master=open_master(settings)
    )
    show(
        [
            {
                "id": str(each.credential_id),
                "achievement": each.achievement,
                "version": each.version,
                "awardedOn": each.awarded_on.isoformat(),
            }
            for each in found
        ],
        as_json,
        "\n".join(
            f"{each.credential_id}  {each.achievement} {each.version}  {each.awarded_on}"
            for each in found
        ),
    )
    return 0


@credential.command("release")
def credential_release(
    credential_id: Annotated[UUID, typer.Argument(help="The credential's id.")],
    org_code: Org,
    as_json: AsJson = False,
) -> int:
    """Show one imported credential from now on, because its earner has asked for it."""
    from ledger.services.held import release_credential

    settings = settings_from_environment()
    database = open_database(settings)
    caller = caller_of(database, org_code)
    with database.begin() as tx:
        release_credential(
            tx, caller, credential_id, master=open_master(settings), now=now()
        )
    show(
        {"credential": str(credential_id), "released": True},
        as_json,
        f"Released: {credential_id}. Its file: perdure credential get {credential_id}"
        f" --org {org_code}",
    )
    return 0
