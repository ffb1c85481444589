"""
The environment, read once by entry points.

Nothing is checked before it is asked for, so that a command fails only over what it needs.
Every message names the variable, says what it is for, and shows a value that would do.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote, urlsplit

from ledger.core.anchor import MAX_ANCHORS
from ledger.errors import Conflict, KeystoreError, MalformedError, SettingError
from ledger.keystore.master import MasterKey
from ledger.keystore.secret_file import read_secret_file
from ledger.verify.networks import (
    BUILT_IN,
    MAX_BYTES,
    Network,
    find_network,
    parse_networks,
)

if TYPE_CHECKING:
    from ledger.keystore.sender import SenderKey

#: A part of an address's path of this length or more is taken for an access key.
_KEY = 16
#: A durable credential names so many chains at most, its home chain among them.
MAX_OTHER_CHAINS = MAX_ANCHORS - 1

_ADDRESS = re.compile(r"0x[0-9a-f]{40}", re.ASCII)
_CHAIN = re.compile(r"eip155:([1-9][0-9]{0,15})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Variable:
    """A setting: its name, an example, and what it is for."""

    name: str
    example: str
    purpose: str


DATABASE_URL = Variable(
    "PERDURE_DATABASE_URL",
    "sqlite:////var/lib/perdure/ledger.db",
    "the database, SQLite or PostgreSQL",
)
RPC_URLS = Variable(
    "PERDURE_RPC_URLS",
    "http://127.0.0.1:8545",
    "JSON-RPC addresses of nodes of the home chain, separated by commas",
)
OTHER_CHAINS = Variable(
    "PERDURE_OTHER_CHAINS",
    "eip155:10=https://a.example,https://b.example eip155:8453=https://c.example",
    "further chains that batches are anchored on, white space between them, each with the"
    " JSON-RPC addresses of its nodes",
)
NETWORKS = Variable(
    "PERDURE_NETWORKS",
    "/etc/perdure/networks.json",
    "a networks file in place of the built-in list",
)
PUBLIC_URL = Variable(
    "PERDURE_PUBLIC_URL",
    "https://credentials.example.org",
    "the address under which others reach this ledger; it stands in credentials",
)
MASTER_KEY_FILE = Variable(
    "PERDURE_MASTER_KEY_FILE",
    "/etc/perdure/master.key",
    "a file of mode 0600 with the master key, 64 hexadecimal digits",
)
SENDER_KEYSTORE = Variable(
    "PERDURE_SENDER_KEYSTORE",
    "/etc/perdure/sender.json",
    "the keystore file of the account that pays gas",
)
SENDER_URL = Variable(
    "PERDURE_SENDER_URL",
    "http://127.0.0.1:9000",
    "a signing server (eth_signTransaction) that holds the paying account's key instead",
)
SENDER_ADDRESS = Variable(
    "PERDURE_SENDER_ADDRESS",
    "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266",
    "the account that the signing server signs for",
)

EVENTS_URL = Variable(
    "PERDURE_EVENTS_URL",
    "https://records.example.org/perdure",
    "the address that the worker posts events to; without it they wait to be fetched",
)
EVENTS_SECRET_FILE = Variable(
    "PERDURE_EVENTS_SECRET_FILE",
    "/etc/perdure/events.secret",
    "a file of mode 0600 with the secret that signs posted events, 64 hexadecimal digits",
)

VARIABLES = (
    DATABASE_URL,
    RPC_URLS,
    OTHER_CHAINS,
    NETWORKS,
    PUBLIC_URL,
    MASTER_KEY_FILE,
    SENDER_KEYSTORE,
    SENDER_URL,
    SENDER_ADDRESS,
    EVENTS_URL,
    EVENTS_SECRET_FILE,
)
#: What stands in messages as help, and is nobody's secret.
EXAMPLES = tuple(each.example for each in VARIABLES)


@dataclass(frozen=True, slots=True)
class OtherChain:
    """A chain beside the home chain, and the addresses of its nodes in order of preference."""

    network: Network
    rpc_urls: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one run. Each property raises SettingError for its own variable only."""

    environ: Mapping[str, str] = field(repr=False)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Take the process's environment, or the one given."""
        source = os.environ if environ is None else environ
        return cls(
            {each.name: source[each.name] for each in VARIABLES if each.name in source}
        )

    @property
    def database_url(self) -> str:
        """The database's address."""
        return self._required(DATABASE_URL)

    @property
    def rpc_urls(self) -> tuple[str, ...]:
        """Addresses of nodes of the home chain, in order of preference."""
        return _urls(self._required(RPC_URLS), RPC_URLS)

    def other_chains(self, home: int) -> tuple[OtherChain, ...]:
        """The chains that batches are anchored on beside the home chain, by number."""
        found: dict[int, OtherChain] = {}
        for entry in self.environ.get(OTHER_CHAINS.name, "").split():
            name, equals, urls = entry.partition("=")
            chain = _CHAIN.fullmatch(name)
            if chain is None or not equals:
                # Not quoted: without its name an entry is an address, with a key in it.
                raise _wrong(
                    OTHER_CHAINS, "each chain is eip155:, its number, = and addresses"
                )
            chain_id = int(chain[1])
            if chain_id == home:
                raise _wrong(
                    OTHER_CHAINS,
                    f"{name} is the home chain, whose nodes are {RPC_URLS.name}",
                )
            if chain_id in found:
                raise _wrong(OTHER_CHAINS, f"{name} stands there twice")
            network = find_network(self.networks, chain_id)
            if network is None:
                raise _wrong(
                    OTHER_CHAINS, f"{name} is not among the networks ({NETWORKS.name})"
                )
            found[chain_id] = OtherChain(network, _urls(urls, OTHER_CHAINS))
        if len(found) > MAX_OTHER_CHAINS:
            raise _wrong(
                OTHER_CHAINS,
                f"{len(found)} chains, and a credential has room for {MAX_OTHER_CHAINS}",
            )
        return tuple(found[chain_id] for chain_id in sorted(found))

    @property
    def networks(self) -> tuple[Network, ...]:
        """The networks this ledger knows: the file's, or the built-in list."""
        name = self.environ.get(NETWORKS.name, "").strip()
        if not name:
            return BUILT_IN
        try:
            with Path(name).open("rb") as file:
                return parse_networks(file.read(MAX_BYTES + 1))
        except OSError as error:
            raise _wrong(NETWORKS, f"{name}: {error.strerror}") from error
        except MalformedError as error:
            raise _wrong(NETWORKS, f"{name}: {error}") from error

    def network(self, chain_id: int) -> Network:
        """The network of a chain id."""
        network = find_network(self.networks, chain_id)
        if network is None:
            known = ", ".join(each.caip2 for each in self.networks)
            raise _wrong(
                NETWORKS, f"chain eip155:{chain_id} is not on the list ({known})"
            )
        return network

    @property
    def public_url(self) -> str:
        """This ledger's own address, without a slash at its end."""
        url = self._required(PUBLIC_URL).rstrip("/")
        _check_url(url, PUBLIC_URL)
        if urlsplit(url).query or urlsplit(url).fragment:
            raise _wrong(PUBLIC_URL, "it has a query or a fragment")
        return url

    @property
    def master_key_file(self) -> Path:
        """Where the master key is."""
        return Path(self._required(MASTER_KEY_FILE))

    @property
    def sender_keystore(self) -> Path:
        """Where the paying account's keystore is."""
        return Path(self._required(SENDER_KEYSTORE))

    @property
    def sender_url(self) -> str | None:
        """Where the signing server is; None if the key is in the keystore file."""
        url = self.environ.get(SENDER_URL.name, "").strip()
        if not url:
            return None
        _check_url(url, SENDER_URL)
        if self.environ.get(SENDER_KEYSTORE.name, "").strip():
            raise _wrong(
                SENDER_URL,
                f"{SENDER_KEYSTORE.name} is set too, and only one can hold the key",
            )
        return url

    @property
    def paying_account(self) -> Variable:
        """The setting that says which account pays."""
        return SENDER_KEYSTORE if self.sender_url is None else SENDER_URL

    @property
    def sender_address(self) -> str:
        """The account of the signing server."""
        address = self._required(SENDER_ADDRESS).lower()
        if not _ADDRESS.fullmatch(address):
            raise _wrong(SENDER_ADDRESS, "an address is 0x and 40 hexadecimal digits")
        return address

    @property
    def events_url(self) -> str | None:
        """Where events are posted to; None if they only wait to be fetched."""
        url = self.environ.get(EVENTS_URL.name, "").strip()
        if not url:
            return None
        _check_url(url, EVENTS_URL)
        if urlsplit(url).username is not None or urlsplit(url).fragment:
            raise _wrong(EVENTS_URL, "it has a user name or a fragment")
        if not (url.isascii() and url.isprintable()) or " " in url:
            raise _wrong(EVENTS_URL, "an address has no blanks and no other letters")
        return url

    def events_secret(self) -> bytes:
        """Read what signs posted events. Raises SettingError, KeystoreError."""
        return read_secret_file(Path(self._required(EVENTS_SECRET_FILE)))

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown of the addresses that are set: passwords, and paths with keys.

        Raises nothing: it is asked for before anything else is checked.
        """
        set_up = (DATABASE_URL, RPC_URLS, SENDER_URL, EVENTS_URL)
        texts = [self.environ.get(variable.name, "") for variable in set_up]
        others = self.environ.get(OTHER_CHAINS.name, "").split()
        texts += [entry.partition("=")[2] or entry for entry in others]
        return tuple(
            secret
            for text in texts
            for url in text.split(",")
            for secret in _secrets(url.strip())
        )

    def master_key(self) -> MasterKey:
        """Open the master key. Raises SettingError, or KeystoreError if the file is no good."""
        file = self.master_key_file
        try:
            return MasterKey.from_file(file)
        except KeystoreError as error:
            raise KeystoreError(f"{MASTER_KEY_FILE.name}: {error}") from error

    def sender(self) -> "SenderKey":
        """Open the paying account. Raises SettingError, KeystoreError."""
        # eth_account takes as long to import as the rest of a command: not before it is needed.
        from ledger.keystore.sender import open_sender

        return open_sender(self.sender_keystore, self.master_key())

    def _required(self, variable: Variable) -> str:
        value = self.environ.get(variable.name, "").strip()
        if not value:
            raise SettingError(
                f"{variable.name} is not set. It is {variable.purpose}."
                f" Example: {variable.name}={variable.example}"
            )
        return value


def _secrets(url: str) -> Iterator[str]:
    try:
        address = urlsplit(url)
    except ValueError:
        return
    if address.password:
        yield address.password
        yield unquote(address.password)
    if address.scheme in {"http", "https"}:
        yield address.path.strip("/")
        yield address.query
        # A key in the path is one of its parts; an ordinary word is one as well.
        yield from (part for part in address.path.split("/") if len(part) >= _KEY)


def _urls(text: str, variable: Variable) -> tuple[str, ...]:
    urls = tuple(url.strip() for url in text.split(","))
    for url in urls:
        _check_url(url, variable)
    return urls


def _check_url(url: str, variable: Variable) -> None:
    # The address is not quoted: it may hold a password or an access key.
    try:
        address = urlsplit(url)
        good = address.scheme in {"http", "https"} and bool(address.hostname)
        _ = address.port
    except ValueError as error:
        raise _wrong(variable, "it is not an address") from error
    if not good:
        raise _wrong(variable, "an address begins with http:// or https://")


@contextmanager
def blaming(*variables: Variable) -> Iterator[None]:
    """Name the settings that the world contradicts: in every SettingError or Conflict from inside."""
    try:
        yield
    except (SettingError, Conflict) as error:
        names = " or ".join(variable.name for variable in variables)
        raise SettingError(f"{names}: {error}") from error


def _wrong(variable: Variable, reason: str) -> SettingError:
    return SettingError(
        f"{variable.name} does not do: {reason}. It is {variable.purpose}."
        f" Example: {variable.name}={variable.example}"
    )
