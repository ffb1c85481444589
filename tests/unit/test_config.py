import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.config import VARIABLES, Settings, Variable
from ledger.errors import KeystoreError, SettingError
from ledger.keystore.master import MasterKey
from ledger.keystore.sender import create_sender
from ledger.verify.networks import BUILT_IN, Network, encode_networks

ANVIL = Network(
    name="anvil",
    chain_id=31337,
    genesis_hash=bytes(32),
    anchor_registry="0x" + "aa" * 20,
    issuer_registry="0x" + "bb" * 20,
    test=True,
)
READERS: dict[str, Callable[[Settings], object]] = {
    "PERDURE_DATABASE_URL": lambda settings: settings.database_url,
    "PERDURE_RPC_URLS": lambda settings: settings.rpc_urls,
    "PERDURE_PUBLIC_URL": lambda settings: settings.public_url,
    "PERDURE_MASTER_KEY_FILE": lambda settings: settings.master_key(),
    "PERDURE_SENDER_KEYSTORE": lambda settings: settings.sender_keystore,
}


def settings(**environ: str) -> Settings:
    return Settings.from_environment(
        {f"PERDURE_{name}": v for name, v in environ.items()}
    )


@pytest.mark.parametrize(
    "variable",
    [each for each in VARIABLES if each.name in READERS],
    ids=lambda v: v.name,
)
@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_one_is_named_with_its_purpose_and_an_example(
    variable: Variable, value: str | None
) -> None:
    given = Settings.from_environment({} if value is None else {variable.name: value})

    with pytest.raises(SettingError) as caught:
        READERS[variable.name](given)
    assert f"{variable.name} is not set" in str(caught.value)
    assert variable.purpose in str(caught.value)
    assert f"{variable.name}={variable.example}" in str(caught.value)


def test_nothing_is_checked_before_it_is_asked_for() -> None:
    given = settings(DATABASE_URL="sqlite:///x.db", RPC_URLS="nonsense")

    assert given.database_url == "sqlite:///x.db"


def test_rpc_addresses_are_separated_by_commas() -> None:
    given = settings(RPC_URLS="http://a:1, https://b/v3/key")

    assert given.rpc_urls == ("http://a:1", "https://b/v3/key")


@pytest.mark.parametrize(
    "url", ["ws://a", "a:8545", "http://", "http://a,", "http://a:port"]
)
def test_a_wrong_address_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(SettingError, match="PERDURE_RPC_URLS does not do") as caught:
        _ = settings(RPC_URLS="http://u:secret@h," + url).rpc_urls
    assert "secret" not in str(caught.value)


def test_other_chains_have_nodes_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "networks.json"
    second = replace(ANVIL, name="second", chain_id=10)
    path.write_bytes(encode_networks([ANVIL, second, *BUILT_IN]))

    def chains(text: str) -> list[tuple[int, tuple[str, ...]]]:
        given = settings(NETWORKS=str(path), OTHER_CHAINS=text)
        return [
            (each.network.chain_id, each.rpc_urls) for each in given.other_chains(31337)
        ]

    assert chains("") == []
    assert chains(" eip155:10=http://c:1/k=v\n eip155:1=http://a,https://b/key ") == [
        (1, ("http://a", "https://b/key")),
        (10, ("http://c:1/k=v",)),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("https://u:secret@h", "each chain is eip155:, its number, ="),
        ("10=https://u:secret@h", "each chain is eip155:, its number, ="),
        ("eip155:010=https://u:secret@h", "each chain is eip155:, its number, ="),
        ("eip155:1 https://u:secret@h", "each chain is eip155:, its number, ="),
        ("eip155:1=", "an address begins with"),
        ("eip155:1=ws://u:secret@h", "an address begins with"),
        ("eip155:1=https://a,", "an address begins with"),
        ("eip155:1=https://a eip155:1=https://b", "eip155:1 stands there twice"),
        ("eip155:11155111=https://a", "eip155:11155111 is the home chain"),
        ("eip155:10=https://a", "eip155:10 is not among the networks"),
    ],
)
def test_other_chains_that_make_no_sense_are_refused_and_not_quoted(
    text: str, reason: str
) -> None:
    with pytest.raises(
        SettingError, match="PERDURE_OTHER_CHAINS does not do"
    ) as caught:
        settings(OTHER_CHAINS=text).other_chains(11_155_111)
    assert reason in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_credential_has_room_for_so_many_chains(tmp_path: Path) -> None:
    path = tmp_path / "networks.json"
    networks = [replace(ANVIL, name=f"n{n}", chain_id=n) for n in range(1, 9)]
    path.write_bytes(encode_networks(networks))
    entries = [f"eip155:{n}=https://a" for n in range(1, 9)]
    given = settings(NETWORKS=str(path), OTHER_CHAINS=" ".join(entries))
    fewer = settings(NETWORKS=str(path), OTHER_CHAINS=" ".join(entries[1:]))

    with pytest.raises(SettingError, match="8 chains, and a credential has room for 7"):
        given.other_chains(31337)
    assert len(fewer.other_chains(31337)) == 7


def test_the_public_address_loses_its_last_slash() -> None:
    assert settings(PUBLIC_URL="https://x.org/l/").public_url == "https://x.org/l"


@pytest.mark.parametrize("url", ["x.org", "https://x.org/?a=1", "https://x.org/#a"])
def test_a_public_address_that_cannot_stand_in_a_credential_is_refused(
    url: str,
) -> None:
    with pytest.raises(SettingError, match="PERDURE_PUBLIC_URL does not do"):
        _ = settings(PUBLIC_URL=url).public_url


def test_without_a_networks_file_the_built_in_list_holds() -> None:
    assert settings().networks == BUILT_IN
    assert settings().network(1).name == "Ethereum"


def test_a_networks_file_replaces_the_list(tmp_path: Path) -> None:
    path = tmp_path / "networks.json"
    path.write_bytes(encode_networks([ANVIL]))
    given = settings(NETWORKS=str(path))

    assert given.network(31337) == ANVIL
    with pytest.raises(SettingError, match="eip155:1 is not on the list"):
        given.network(1)


def test_a_missing_or_broken_networks_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="nowhere: No such file"):
        _ = settings(NETWORKS=str(tmp_path / "nowhere")).networks
    (tmp_path / "broken").write_text("{}")
    with pytest.raises(SettingError, match="broken"):
        _ = settings(NETWORKS=str(tmp_path / "broken")).networks


def test_the_keys_are_opened_from_their_files(tmp_path: Path) -> None:
    master = MasterKey.create_file(tmp_path / "master")
    sender = create_sender(tmp_path / "sender", master, bytes.fromhex("11" * 32))
    given = settings(
        MASTER_KEY_FILE=str(tmp_path / "master"),
        SENDER_KEYSTORE=str(tmp_path / "sender"),
    )

    assert given.master_key() == master
    assert given.sender() == sender
    with pytest.raises(KeystoreError, match="No such file"):
        settings(MASTER_KEY_FILE=str(tmp_path / "gone")).master_key()


def test_the_key_of_the_sender_is_in_one_place_only() -> None:
    url = "http://127.0.0.1:9000"
    address = "0xF39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    given = settings(SENDER_URL=url, SENDER_ADDRESS=address)

    assert (given.sender_url, given.sender_address) == (url, address.lower())
    assert settings().sender_url is None
    with pytest.raises(SettingError, match="PERDURE_SENDER_KEYSTORE is set too"):
        _ = settings(SENDER_URL=url, SENDER_KEYSTORE="sender.json").sender_url
    with pytest.raises(SettingError, match="PERDURE_SENDER_URL does not do"):
        _ = settings(SENDER_URL="unix:/run/signer").sender_url
    with pytest.raises(SettingError, match="PERDURE_SENDER_ADDRESS is not set"):
        _ = settings(SENDER_URL=url).sender_address
    with pytest.raises(SettingError, match="40 hexadecimal digits"):
        _ = settings(SENDER_ADDRESS="0x12").sender_address


def test_the_process_environment_is_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PERDURE_DATABASE_URL", "sqlite:///here.db")

    assert Settings.from_environment().database_url == "sqlite:///here.db"


def test_repr_shows_no_value() -> None:
    assert repr(settings(DATABASE_URL="postgresql://u:secret@h/d")) == "Settings()"


def test_what_must_not_be_shown_of_addresses_is_known_before_they_are_checked() -> None:
    settings = Settings(
        {
            "PERDURE_DATABASE_URL": "postgresql://perdure:p%40ss-word@db/perdure",
            "PERDURE_RPC_URLS": "https://a.example/v2/0123456789abcdef,"
            " https://x:other-one@b.example/?key=third-one",
            "PERDURE_SENDER_URL": "http://[broken",
        }
    )

    assert {
        "p%40ss-word",
        "p@ss-word",
        "0123456789abcdef",
        "other-one",
        "key=third-one",
    } <= set(settings.secrets)
    assert "perdure" not in settings.secrets


def test_keys_in_addresses_of_other_chains_are_hidden_too() -> None:
    hidden = settings(
        OTHER_CHAINS="eip155:10=https://a.example/v3/fedcba9876543210,https://u:pass-word@b"
        " https://c.example/0123456789abcdef"
    ).secrets

    assert {"fedcba9876543210", "pass-word", "0123456789abcdef"} <= set(hidden)


def test_reading_settings_and_the_database_imports_neither_signing_nor_migrations() -> (
    None
):
    """They take as long to import as all the rest of a command."""
    finished = subprocess.run(
        [
            *(sys.executable, "-c"),
            "import sys, ledger.config, ledger.store.database; print(*sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )

    loaded = set(finished.stdout.split())
    assert "ledger.store.schema" in loaded
    assert not loaded & {"alembic", "eth_account", "web3"}
