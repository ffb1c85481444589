"""The policy of each chain: shown and changed."""

import getpass
import os
import re
import socket
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli.app import AsJson, app
from ledger.cli.console import show
from ledger.cli.wiring import now, open_database, settings_from_environment
from ledger.errors import SettingError

if TYPE_CHECKING:
    from ledger.config import Settings
    from ledger.store.database import Transaction

policy = typer.Typer(
    help="When batches are sealed, and what may be paid for them: shown and changed.",
    invoke_without_command=True,
)
app.add_typer(policy, name="policy")

_CHAIN = re.compile(r"eip155:([1-9][0-9]{0,18})", re.ASCII)

OneChain = Annotated[
    str | None,
    typer.Option(
        "--chain", metavar="eip155:N", help="Only this chain, if there are several."
    ),
]


@policy.callback()
def show_policy(
    context: typer.Context, chain: OneChain = None, as_json: AsJson = False
) -> int:
    """Show the policy of each chain, and what it means."""
    if context.invoked_subcommand is not None:
        return 0
    from ledger.services.policies import shown_policy
    from ledger.store import chains

    settings = settings_from_environment()
    with open_database(settings).read() as tx:
        ids = (
            [each.chain_id for each in chains.all(tx)]
            if chain is None
            else [_chain_id(settings, tx, chain)]
        )
        shown = [shown_policy(tx, chain_id) for chain_id in ids]
    show(
        [each.to_json() for each in shown],
        as_json,
        "\n".join(line for each in shown for line in each.to_lines())
        or "This ledger was not used with a chain yet: perdure worker",
    )
    return 0


@policy.command("set")
def set_policy(
    batch_age: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Seal once the oldest has waited so long: 10m."
        ),
    ] = None,
    batch_size: Annotated[
        str | None,
        typer.Option(metavar="N", help="Seal at once when so many wait: 50000."),
    ] = None,
    gas_below: Annotated[
        str | None,
        typer.Option(
            metavar="GWEI",
            help="After the batch age, wait until a unit of gas costs less: 20. Or: off.",
        ),
    ] = None,
    latest: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="But wait no longer than this: 24h."),
    ] = None,
    max_fee_gwei: Annotated[
        str | None,
        typer.Option(metavar="GWEI", help="Never pay more for a unit of gas: 200."),
    ] = None,
    max_tx_cost: Annotated[
        str | None,
        typer.Option(metavar="COINS", help="Nor more for a transaction: 0.05."),
    ] = None,
    max_day_cost: Annotated[
        str | None,
        typer.Option(
            metavar="COINS", help="Nor more for all transactions of 24 hours: 0.5."
        ),
    ] = None,
    bump_after: Annotated[
        str | None,
        typer.Option(
            metavar="BLOCKS", help="Offer more after so many blocks without a receipt."
        ),
    ] = None,
    resend_after: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Send the same bytes again so often: 60s."),
    ] = None,
    chain: OneChain = None,
    as_json: AsJson = False,
) -> int:
    """Change settings of a chain's policy; what is not named stays as it is.

    Workers that run take the change up at their next round. Who changed what, and when, is
    kept.
    """
    from ledger.services import policies

    given = {
        "batch-age": batch_age,
        "batch-size": batch_size,
        "gas-below": gas_below,
        "latest": latest,
        "max-fee-gwei": max_fee_gwei,
        "max-tx-cost": max_tx_cost,
        "max-day-cost": max_day_cost,
        "bump-after": bump_after,
        "resend-after": resend_after,
    }
    changes = {name: text for name, text in given.items() if text is not None}
    if not changes:
        raise typer.BadParameter(
            "nothing to set: name a setting, as in perdure policy set --batch-age 10m"
        )
    settings = settings_from_environment()
    with open_database(settings).begin() as tx:
        chain_id = _chain_id(settings, tx, chain)
        try:
            changed = policies.set_policy(tx, chain_id, changes, by=_who(), now=now())
        except SettingError as error:
            # Of an option, and not of the configuration.
            raise typer.BadParameter(str(error)) from error
    show(changed.to_json(), as_json, "\n".join(changed.to_lines()))
    return 0


def _who() -> str:
    """Who runs this command, and where."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"[:200]


def _chain_id(settings: "Settings", tx: "Transaction", name: str | None) -> int:
    """
    The chain that is meant: of the database, or of the networks list before its first use.

    Raises BadParameter, and SettingError for a chain that neither knows.
    """
    from ledger.store import chains

    known = [each.chain_id for each in chains.all(tx)]
    if name is None:
        if len(known) == 1:
            return known[0]
        names = ", ".join(f"eip155:{each}" for each in known)
        expected = (
            f"expected one of this ledger's chains ({names})"
            if known
            else "this ledger was not used with any yet, so name one of the networks list"
        )
        raise typer.BadParameter(
            f"--chain is missing: {expected}. Example: --chain eip155:1"
        )
    match = _CHAIN.fullmatch(name)
    if match is None:
        raise typer.BadParameter(
            f"--chain does not do: given {name!r}, expected eip155: and a chain's number."
            " Example: --chain eip155:1"
        )
    chain_id = int(match[1])
    return chain_id if chain_id in known else settings.network(chain_id).chain_id
