"""A signer behind a real server process: what it gives back counts only if it is what was asked."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.chain import json_rpc
from ledger.chain.accounts import address_of
from ledger.chain.remote_signer import RemoteSigner
from ledger.chain.sender import KeystoreSigner, SigningRules, TransactionFields
from ledger.errors import KeystoreError, SettingError
from tests.signing_server import KEY, signing_server

REGISTRY = "0x" + "ab" * 20
CALL = b"\1\2\3\4"
RULES = SigningRules(31337, {REGISTRY: frozenset({CALL})}, 10**12)
ADDRESS = address_of(KEY)
FIELDS = TransactionFields(
    chain_id=31337,
    nonce=7,
    to=REGISTRY,
    data=CALL + bytes(32),
    gas=60_000,
    tip=1,
    fee_cap=9,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with signing_server(tmp_path_factory.mktemp("signer")) as (url, _):
        yield url


@pytest.mark.parametrize("path", ["", "/", "/clef", "/a/path/with/a/key"])
def test_what_comes_back_is_what_the_key_at_hand_would_have_signed(
    server: str, path: str
) -> None:
    signed = RemoteSigner(server + path, ADDRESS, RULES).sign(FIELDS)

    assert signed == KeystoreSigner(KEY, RULES).sign(FIELDS)


@pytest.mark.parametrize(
    "path",
    [
        *(
            f"change/{name}"
            for name in (
                "nonce",
                "chainId",
                "to",
                "value",
                "data",
                "gas",
                "maxFeePerGas",
                "accessList",
            )
        ),
        "other-key",
        "null",
        "junk",
        "not-hex",
    ],
)
def test_anything_else_is_refused(server: str, path: str) -> None:
    signer = RemoteSigner(f"{server}/{path}", ADDRESS, RULES)

    with pytest.raises(KeystoreError, match="something else than nonce 7 of 0x"):
        signer.sign(FIELDS)


def test_a_higher_tip_than_asked_is_refused(server: str) -> None:
    signer = RemoteSigner(f"{server}/change/maxPriorityFeePerGas", ADDRESS, RULES)

    with pytest.raises(KeystoreError, match="something else"):
        signer.sign(FIELDS)


@pytest.mark.parametrize("path", ["html", "other-answer"])
def test_nonsense_is_no_answer(server: str, path: str) -> None:
    with pytest.raises(KeystoreError, match="does not answer: "):
        RemoteSigner(f"{server}/{path}", ADDRESS, RULES).sign(FIELDS)


def test_a_refusal_is_quoted_and_cannot_write_on_a_terminal(server: str) -> None:
    with pytest.raises(KeystoreError) as refused:
        RemoteSigner(f"{server}/refuse", ADDRESS, RULES).sign(FIELDS)

    assert "refuses: 'Signer not found\\x1b[2J'" in str(refused.value)


def test_a_silent_server_and_a_dead_one_end_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_rpc, "_READ_SECONDS", 0.2)
    with signing_server(tmp_path) as (url, process):
        with pytest.raises(KeystoreError, match="does not answer: ReadTimeout"):
            RemoteSigner(f"{url}/silent", ADDRESS, RULES).sign(FIELDS)
        process.kill()
        process.wait()
        with pytest.raises(KeystoreError, match="does not answer: ConnectionError"):
            RemoteSigner(url, ADDRESS, RULES).sign(FIELDS)


def test_the_rules_come_before_the_question() -> None:
    nobody = RemoteSigner("http://127.0.0.1:9", ADDRESS, RULES)

    with pytest.raises(KeystoreError, match="does not call"):
        nobody.sign(replace(FIELDS, to="0x" + "00" * 20))
    with pytest.raises(KeystoreError, match="no function 0x09"):
        nobody.sign(replace(FIELDS, data=b"\x09" * 36))


def test_neither_path_nor_password_is_shown(server: str) -> None:
    signer = RemoteSigner("https://user:secret@signer.example/key", ADDRESS, RULES)

    assert repr(signer) == f"RemoteSigner({ADDRESS} at signer.example)"
    with pytest.raises(SettingError, match="begins with http"):
        RemoteSigner("file:///etc/passwd", ADDRESS, RULES)
    with pytest.raises(KeystoreError) as failed:
        RemoteSigner(f"{server}/html?secret", ADDRESS, RULES).sign(FIELDS)
    assert "secret" not in str(failed.value)
