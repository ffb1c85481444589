"""Setting a ledger up: database, keys, contracts."""

import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from ledger.cli.app import AsJson, PassphraseFile, contracts, db, keys
from ledger.cli.console import ask_passphrase, read_file, show, waiting
from ledger.cli.wiring import (
    nodes_of,
    now,
    open_database,
    open_master,
    settings_from_environment,
)
from ledger.errors import KeystoreError
from ledger.verify.files import naming

_ANOTHER = "perdure keys new-sender"


@db.command("upgrade")
def db_upgrade(as_json: AsJson = False) -> int:
    """Make the database, or bring it to this release's schema."""
    from ledger.store.database import Database

    database = Database.upgrade(settings_from_environment().database_url)
    show(
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

    settings = settings_from_environment()
    master_file, sender_file = settings.master_key_file, settings.sender_keystore
    _require_room(master_file, sender_file)
    master = MasterKey.create_file(master_file)
    try:
        sender = create_sender(
            sender_file, master, new_account(secrets.token_bytes).secret
        )
    except KeystoreError as error:
        raise KeystoreError(
            f"{error}. The master key was made, {master_file}, and stays: mend this, and then"
            f" {_ANOTHER}"
        ) from error
    show(
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


def _require_room(master_file: Path, sender_file: Path) -> None:
    """Before either is made: both files can be. Raises KeystoreError."""
    for file in (master_file, sender_file):
        if os.path.lexists(file):
            way_out = (
                f" For an account under the master key that is there: {_ANOTHER}"
                if file == master_file
                else ""
            )
            raise KeystoreError(f"{file} exists, and is never replaced.{way_out}")
        if not os.access(file.parent, os.W_OK | os.X_OK):
            reason = (
                "the folder may not be written to"
                if file.parent.is_dir()
                else "there is no such folder"
            )
            raise KeystoreError(f"cannot write {file}: {reason}; nothing was made")


@keys.command("new-sender")
def keys_new_sender(as_json: AsJson = False) -> int:
    """Make another account that pays gas, under the master key that is there.

    Writes the file that PERDURE_SENDER_KEYSTORE names; an existing file is never replaced.
    """
    from ledger.chain.accounts import new_account
    from ledger.keystore.sender import create_sender

    settings = settings_from_environment()
    file = settings.sender_keystore
    sender = create_sender(
        file, open_master(settings), new_account(secrets.token_bytes).secret
    )
    show(
        {"senderKeystore": str(file), "sender": sender.address},
        as_json,
        f"Sender keystore: {file}\nSender address: {sender.address}\n\n"
        "Send it some coins, keep a copy of the file, and start the worker.",
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

    settings = settings_from_environment()
    passphrase = ask_passphrase(passphrase_file, confirm=True)
    with open_database(settings).read() as tx:
        data, codes = backup_keys(
            tx,
            org_codes or None,
            master=open_master(settings),
            passphrase=passphrase,
            entropy=secrets.token_bytes,
        )
    write_private_file(out, data)
    show(
        {"file": str(out), "organisations": list(codes)},
        as_json,
        f"Backed up {len(codes)} identities to {out}. Rehearse: perdure keys restore",
    )
    return 0


@keys.command("restore")
def keys_restore(
    file: Annotated[Path, typer.Argument(help="A backup file.")],
    org_codes: Annotated[
        list[str] | None,
        typer.Option("--org", help="Only these organisations; default: all in it."),
    ] = None,
    code: Annotated[
        str | None,
        typer.Option(help="The organisation's code here; default: the one it had."),
    ] = None,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> int:
    """Bring identities back from a backup file, on this or on a new server."""
    from ledger.services.key_custody import restore_keys

    settings = settings_from_environment()
    data = read_file(file)
    passphrase = ask_passphrase(passphrase_file, confirm=False)
    with naming(file), open_database(settings).begin() as tx:
        restored = restore_keys(
            tx,
            data,
            master=open_master(settings),
            passphrase=passphrase,
            now=now(),
            only=org_codes or None,
            code=code,
        )
    show(
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
        int,
        # As a chain's policy: more has to be a slip.
        typer.Option(min=1, max=100_000, help="Never pay more than this for gas."),
    ] = 100,
    as_json: AsJson = False,
) -> int:
    """Deploy both registries by CREATE2; where they stand already, nothing is sent.

    The addresses are the same on every chain, whoever deploys. The account may not be the
    ledger's sender: its nonces belong to the worker.
    """
    from ledger.chain.deployment import CALLS, deploy
    from ledger.chain.pool import first_answer
    from ledger.chain.sender import KeystoreSigner, SigningRules
    from ledger.keystore.secret_file import read_secret_file

    node, chain_id = first_answer(
        nodes_of(settings_from_environment().rpc_urls),
        lambda each: (each, each.chain_id()),
    )
    max_fee = max_fee_gwei * 10**9
    signer = KeystoreSigner(
        read_secret_file(account_key_file), SigningRules(chain_id, CALLS, max_fee)
    )
    with waiting("Waiting for the chain to take the contracts"):
        deployed = deploy(node, signer, max_fee=max_fee)
    show(
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
