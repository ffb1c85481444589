"""Issuing: one award, or a roster of them."""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli.app import REFUSED, AsJson, Org, app, roster
from ledger.cli.console import complain, progress_bar, read_file, show
from ledger.cli.wiring import (
    addresses_of,
    caller_of,
    now,
    open_database,
    open_master,
    settings_from_environment,
)
from ledger.errors import MalformedError
from ledger.verify.files import naming

if TYPE_CHECKING:
    from ledger.services.roster_issuing import RosterReport


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
    from ledger.services.issuing import keep_awards
    from ledger.services.roster_issuing import SignedAwards, sign_award

    settings = settings_from_environment()
    database = open_database(settings)
    caller = caller_of(database, org_code)
    cells = {
        "achievement": achievement_code, "name": name, "email": email, "awarded_on": awarded_on,
        "score": score, "evidence_url": evidence_url, "narrative": narrative,
    }  # fmt: skip
    signed = sign_award(
        database,
        caller,
        cells,
        master=open_master(settings),
        addresses=addresses_of(settings),
        now=now(),
        entropy=secrets.token_bytes,
    )
    if not isinstance(signed, SignedAwards):
        raise MalformedError("; ".join(f"{p.column}: {p.reason}" for p in signed))
    with database.begin() as tx:
        (issued,) = keep_awards(tx, caller, signed.plan, signed.records)
    show(
        {"credential": str(issued.credential_id), "already": issued.already},
        as_json,
        f"{'Already issued' if issued.already else 'Issued'}: {issued.credential_id}",
    )
    return 0


@roster.command("check")
def roster_check(
    file: Annotated[Path, typer.Argument(help="A CSV file; columns: /help/rosters.")],
    org_code: Org,
    as_json: AsJson = False,
) -> int:
    """Read a roster and say what issuing it would do. Writes nothing.

    Exit codes: 0 all records are good, 3 some would be refused, 1 none is good
    or the file has none.
    """
    from ledger.services.roster_issuing import check_roster

    database = open_database(settings_from_environment())
    content = read_file(file)
    with naming(file):
        report = check_roster(database, caller_of(database, org_code), content, now())
    return _show_roster(report, as_json, "would be issued")


@roster.command("issue")
def roster_issue(
    file: Annotated[Path, typer.Argument(help="A CSV file; columns: /help/rosters.")],
    org_code: Org,
    as_json: AsJson = False,
) -> int:
    """Issue every good record of a roster; report every bad one.

    Uploading the same roster again issues nothing twice. Exit codes: 0 all records are
    issued, 3 some were refused, 1 nothing done: none is good or the file has none.
    """
    from ledger.services.roster_issuing import issue_roster

    settings = settings_from_environment()
    database = open_database(settings)
    caller = caller_of(database, org_code)
    content = read_file(file)
    with naming(file), progress_bar("Issuing") as progress:
        report = issue_roster(
            database,
            caller,
            content,
            master=open_master(settings),
            addresses=addresses_of(settings),
            now=now(),
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
    if report.left_out:
        text.append(
            f"and {report.left_out:,} more problems: mend these first, then check again"
        )
    text.append(f"{fresh} {done}, {already} already issued, {report.refused} refused")
    show(report_json(report), as_json, "\n".join(text))
    if not report.lines and not report.problems:
        complain("the roster has a header line and no records")
        return REFUSED
    if not report.problems:
        return 0
    return 3 if report.lines else REFUSED
