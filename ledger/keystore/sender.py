"""The account that pays gas: a standard V3 keystore file under a password from the master key."""

from binascii import Error as HexError
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from eth_account import Account

from ledger.core.canonical import Json, encode, parse_object
from ledger.errors import KeystoreError, MalformedError
from ledger.keystore.master import MasterKey
from ledger.keystore.secret_file import write_private_file

# The password is 256 random bits, so scrypt has nothing to slow down: geth's light setting.
_WORK_FACTOR = 4096
# Reading: geth's standard (2^18) and some room, but no file that takes all memory.
_MAX_WORK_FACTOR = 1 << 20
_MAX_BYTES = 10_000


@dataclass(frozen=True, slots=True)
class SenderKey:
    """The sender's address and private key; `repr` shows the address only."""

    address: str
    secret: bytes = field(repr=False)


def create_sender(path: Path, master: MasterKey, secret: bytes) -> SenderKey:
    """Write a new keystore file, mode 0600. Raises KeystoreError if the file exists."""
    sender = _sender(secret)
    keyfile = Account.encrypt(secret, sender_password(master), "scrypt", _WORK_FACTOR)
    write_private_file(path, encode(cast("Json", keyfile)) + b"\n")
    return sender


def open_sender(path: Path, master: MasterKey) -> SenderKey:
    """Open the keystore file. Raises KeystoreError."""
    try:
        with path.open("rb") as file:
            keyfile = parse_object(file.read(_MAX_BYTES + 1), max_bytes=_MAX_BYTES)
    except OSError as error:
        raise KeystoreError(f"sender keystore {path}: {error.strerror}") from error
    except MalformedError as error:
        raise KeystoreError(f"sender keystore {path}: {error}") from error
    _check_work(keyfile, path)
    try:
        secret = Account.decrypt(keyfile, sender_password(master))
    # What eth_account raises for a wrong MAC, a missing member, an unknown version or bad hex.
    except (ValueError, KeyError, TypeError, NotImplementedError, HexError) as error:
        raise KeystoreError(
            f"sender keystore {path} does not open: another master key, or not a V3 keystore"
        ) from error
    return _sender(bytes(secret))


def sender_password(master: MasterKey) -> str:
    """The password of the keystore file, for use with other wallets: 64 hexadecimal digits."""
    return master.derive(b"sender").hex()


def _sender(secret: bytes) -> SenderKey:
    return SenderKey(Account.from_key(secret).address.lower(), secret)


def _check_work(keyfile: dict[str, Json], path: Path) -> None:
    crypto = keyfile.get("crypto")
    parameters = crypto.get("kdfparams") if isinstance(crypto, dict) else None
    if keyfile.get("version") != 3 or not isinstance(parameters, dict):
        raise KeystoreError(f"sender keystore {path} is not a V3 keystore")
    work = parameters.get("n", parameters.get("c"))
    block = parameters.get("r", 8)
    if not isinstance(work, int) or not isinstance(block, int):
        raise KeystoreError(f"sender keystore {path} is not a V3 keystore")
    if work > _MAX_WORK_FACTOR or block > 8:
        raise KeystoreError(f"sender keystore {path} asks for too much work to open")
