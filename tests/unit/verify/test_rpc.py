"""An RPC address may be slow, broken or talking nonsense: each ends as ChainUnavailable."""

import contextlib
import json
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ledger.chain.state import Contract, StateTrie, make_header
from ledger.core import registries
from ledger.errors import ChainUnavailable, SettingError
from ledger.verify.registry import CalledRegistries
from ledger.verify.rpc import MAX_ANSWER, MAX_FAILURES, Block, RpcReader, Tag
from ledger.verify.witnesses import View
from tests.certificates import self_signed
from tests.descriptions import answered, described
from tests.unit.verify.fakes import (
    NETWORK,
    FakeChain,
    FakeState,
    failing,
    honest,
    served,
)

ROOT = b"\x07" * 32
CALL = registries.ANCHORED_AT_SELECTOR + ROOT


def test_an_honest_server_gives_the_same_answers_as_the_chain_behind_it() -> None:
    chain = FakeChain(FakeState(anchors={ROOT: (1_000_500, 50)}))

    with served(chain) as server, closing(RpcReader(server.url)) as reader:
        assert reader.chain_id() == 777
        assert reader.block(Tag.FINALIZED) == chain.block(100)
        assert reader.block(Tag.LATEST) == chain.block(110)
        assert reader.block(0).hash == NETWORK.genesis_hash
        code = reader.code(registries.ANCHOR_REGISTRY, 100)
        assert code == chain.code_of[registries.ANCHOR_REGISTRY]
        assert reader.code("0x" + "9" * 40, 100) == b""
        slot = CalledRegistries(View(NETWORK, [reader], reader.block(100))).anchor(ROOT)
        assert slot is not None
        assert (slot.time, slot.block_number) == (1_000_500, 50)


def test_one_connection_serves_many_questions_and_a_dropped_one_is_made_anew() -> None:
    with served(FakeChain()) as server, closing(RpcReader(server.url)) as reader:
        reader.block(1)
        first = reader._post._connection
        assert first is not None
        reader.block(2)
        assert first is reader._post._connection

        first.sock.shutdown(socket.SHUT_RDWR)
        assert reader.block(3).number == 3


LIES: dict[str, tuple[Callable[[dict[str, Any], Any], bytes], str]] = {
    "html": (lambda q, r: b"<html>Welcome</html>", "as an Ethereum node does"),
    "nothing": (lambda q, r: b"", "as an Ethereum node does"),
    "truncated": (lambda q, r: honest(q, r)[:-9], "as an Ethereum node does"),
    "not utf-8": (lambda q, r: b"\xff\xfe", "as an Ethereum node does"),
    "deep": (lambda q, r: b"[" * 5000, "as an Ethereum node does"),
    "batch": (lambda q, r: b"[]", "as an Ethereum node does"),
    "twice": (lambda q, r: b'{"id":1,"id":1}', "as an Ethereum node does"),
    "wrong id": (lambda q, r: honest({"id": 9}, r), "some other question"),
    "true as id": (lambda q, r: honest({"id": True}, r), "some other question"),
    "text as id": (lambda q, r: honest({"id": "1"}, r), "some other question"),
    "no result": (lambda q, r: b'{"jsonrpc":"2.0","id":1}', "JSON-RPC 2.0"),
    "no version": (lambda q, r: b'{"id":1,"result":"0x1"}', "JSON-RPC 2.0"),
    "an error": (lambda q, r: failing(q, -32001, "no block"), "(-32001): no block"),
    "error null": (lambda q, r: b'{"id":1,"error":null}', "refused eth_getBlock"),
    "null": (lambda q, r: honest(q, None), "does not know the block 0x5"),
    "text": (lambda q, r: honest(q, "0x5"), "does not know the block 0x5"),
    "empty block": (lambda q, r: honest(q, {}), "no block number"),
    "number": (lambda q, r: honest(q, r | {"number": 5}), "no block number"),
    "decimal": (lambda q, r: honest(q, r | {"number": "5"}), "no block number"),
    "zeros": (lambda q, r: honest(q, r | {"number": "0x05"}), "no block number"),
    "far block": (
        lambda q, r: honest(q, r | {"number": hex(2**53)}),
        "a block beyond 2^53 - 1",
    ),
    "true as code": (
        lambda q, r: json.dumps(
            {"jsonrpc": "2.0", "id": 1, "error": {"code": True, "message": "no"}}
        ).encode(),
        "refused eth_getBlockByNumber: no",
    ),
    "other block": (lambda q, r: honest(q, r | {"number": "0x6"}), "answered 6"),
    "short hash": (lambda q, r: honest(q, r | {"hash": "0x12"}), "of wrong size"),
    "odd hash": (lambda q, r: honest(q, r | {"hash": "0x1"}), "no block hash"),
    "pending": (lambda q, r: honest(q, r | {"hash": None}), "no block hash"),
    "huge time": (
        lambda q, r: honest(q, r | {"timestamp": "0x" + "f" * 17}),
        "no block time",
    ),
    "endless": (lambda q, r: honest(q, "00" * (MAX_ANSWER // 2)), "without end"),
}


@pytest.mark.parametrize("lie", LIES)
def test_nonsense_is_no_answer(lie: str) -> None:
    liar, reason = LIES[lie]

    with served(FakeChain(), liar) as server, closing(RpcReader(server.url)) as reader:
        with pytest.raises(ChainUnavailable) as failure:
            reader.block(5)

        assert reason in str(failure.value)
        assert server.url in str(failure.value)


def test_a_chain_id_or_call_of_the_wrong_shape_is_no_answer() -> None:
    with (
        served(FakeChain(), lambda q, _: honest(q, "777")) as server,
        closing(RpcReader(server.url)) as reader,
    ):
        with pytest.raises(ChainUnavailable, match="no chain id"):
            reader.chain_id()
        with pytest.raises(ChainUnavailable, match="no code"):
            reader.code(registries.ANCHOR_REGISTRY, 1)
        with pytest.raises(ChainUnavailable, match="no data"):
            reader.call(registries.ANCHOR_REGISTRY, CALL, 1)


@pytest.mark.parametrize("status", [204, 301, 307, 401, 404, 429, 500])
def test_only_http_200_counts_and_redirects_are_not_followed(status: int) -> None:
    with served(FakeChain()) as elsewhere, served(FakeChain()) as server:
        server.status = status
        server.extra_headers["Location"] = elsewhere.url

        with pytest.raises(ChainUnavailable, match=f"HTTP {status}"):
            RpcReader(server.url).chain_id()

        assert elsewhere.requests == []


def test_a_body_shorter_than_promised_is_no_answer() -> None:
    with served(FakeChain(), lambda q, r: honest(q, r)[:-5]) as server:
        server.promised_more = 5

        with pytest.raises(ChainUnavailable):
            RpcReader(server.url).chain_id()


def test_a_server_that_drips_bytes_is_cut_off_at_the_deadline() -> None:
    """Each byte would restart a socket's own timeout; the deadline is for the whole."""

    def drip(out: Any, body: bytes) -> None:
        for byte in body:
            out.write(bytes([byte]))
            out.flush()
            time.sleep(0.05)

    with served(FakeChain()) as server:
        server.write = drip
        began = time.monotonic()

        with pytest.raises(ChainUnavailable, match=r"within 0\.3 seconds"):
            RpcReader(server.url, timeout=0.3).block(5)

        assert time.monotonic() - began < 1.5


def test_a_server_that_says_nothing_is_cut_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"

        with pytest.raises(ChainUnavailable, match=r"within 0\.2 seconds"):
            RpcReader(url, timeout=0.2).chain_id()
        with pytest.raises(ChainUnavailable, match=r"within 0\.2 seconds"):
            RpcReader(url.replace("http", "https"), timeout=0.2).chain_id()


def test_an_address_that_keeps_failing_is_not_asked_again() -> None:
    with served(FakeChain(), lambda q, _: failing(q, 1, "x")) as server:
        reader = RpcReader(server.url)
        for _ in range(MAX_FAILURES + 5):
            with pytest.raises(ChainUnavailable):
                reader.chain_id()

        assert len(server.requests) == MAX_FAILURES


def test_an_answer_in_between_shows_that_the_address_is_alive() -> None:
    with served(FakeChain()) as server, closing(RpcReader(server.url)) as reader:
        for _ in range(MAX_FAILURES):
            for number in (111, 111, 5):  # two blocks that are not there, one that is
                with contextlib.suppress(ChainUnavailable):
                    reader.block(number)

        assert reader.block(5).number == 5


def test_over_tls_the_certificate_must_be_one_that_the_system_trusts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with served(FakeChain()) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        url = server.url.replace("http", "https")

        with pytest.raises(ChainUnavailable, match=r"did not answer: .*CERTIFICATE"):
            RpcReader(url).chain_id()

        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with closing(RpcReader(url)) as reader:
            assert reader.chain_id() == 777
            assert reader.block(5).number == 5


def test_a_closed_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    with pytest.raises(ChainUnavailable, match=f"127.0.0.1:{port} did not answer"):
        RpcReader(f"http://127.0.0.1:{port}").chain_id()


def test_a_proxy_of_the_environment_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")

    with served(FakeChain()) as server, closing(RpcReader(server.url)) as reader:
        assert reader.chain_id() == 777


def test_the_path_with_the_customers_key_is_sent_but_never_shown() -> None:
    with served(FakeChain(), lambda q, _: failing(q, 1, "no")) as server:
        reader = RpcReader(f"{server.url}/v3/s3cr3t?key=s3cr3t")

        with pytest.raises(ChainUnavailable) as failure:
            reader.chain_id()

        assert server.requests[0][0] == "/v3/s3cr3t?key=s3cr3t"
        assert "s3cr3t" not in str(failure.value)
        assert server.url == reader.address


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://rpc.example", "https://rpc.example"),
        ("https://rpc.example:443/x", "https://rpc.example"),
        ("http://rpc.example:8545", "http://rpc.example:8545"),
        ("http://[::1]:8545", "http://[::1]:8545"),
    ],
)
def test_the_shown_address_is_scheme_host_and_port(url: str, shown: str) -> None:
    assert shown == RpcReader(url).address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "rpc.example",
        "ftp://rpc.example",
        "file:///etc/passwd",
        "http://",
        "http://user:pass@rpc.example",
        "http://rpc.example:99999",
        "http://rpc.example:0",
        "http://rpc.example/\u202e",
        "http://rpc.example/a b",
        "http://xn--\u0435.example",
        "http://[::1",
        "http://a_b%00c",
    ],
)
def test_other_addresses_are_refused_before_anything_is_asked(url: str) -> None:
    with pytest.raises(SettingError):
        RpcReader(url)


def test_what_is_sent_is_plain_json_rpc() -> None:
    with served(FakeChain()) as server, closing(RpcReader(server.url)) as reader:
        reader.call(registries.ANCHOR_REGISTRY, CALL, 31)

    (path, question) = server.requests[0]
    assert path == "/"
    assert question == {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "eth_call",
        "params": [
            {"to": registries.ANCHOR_REGISTRY, "data": f"0x9591a610{ROOT.hex()}"},
            "0x1f",
        ],
    }
    assert json.dumps(question)  # and nothing else travels
    assert Block(3, b"", 0) != Block(4, b"", 0)


# ---------------------------------------------------------------- headers and proofs

MADE = make_header(bytes(32), b"\x07" * 32, number=5, time=1_000_050)
SLOT = bytes(31) + b"\x01"
TRIE = StateTrie({registries.ANCHOR_REGISTRY: Contract(b"\x09" * 32, {SLOT: 7})})


def proving() -> FakeChain:
    return FakeChain(headers={5: MADE}, states={5: TRIE})


def test_a_header_and_the_proofs_under_it_are_read() -> None:
    with served(proving()) as server, closing(RpcReader(server.url)) as reader:
        assert reader.header(5) == MADE
        proof = reader.proof(registries.ANCHOR_REGISTRY, [SLOT], 5)
        assert proof == TRIE.proof(registries.ANCHOR_REGISTRY, [SLOT])
        with pytest.raises(ChainUnavailable, match="proof window"):
            reader.proof(registries.ANCHOR_REGISTRY, [SLOT], 6)


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (None, "does not know the block"),
        ({**described(MADE), "hash": None}, "no block hash"),
        ({**described(MADE), "hash": "0x" + "00" * 32}, "fields of their own"),
        ({**described(MADE), "gasLimit": "0x1"}, "fields of their own"),
        ({**described(MADE), "stateRoot": 7}, "no stateRoot"),
        (
            described(make_header(bytes(32), bytes(32), number=6, time=1)),
            "was asked for block 5 and answered 6",
        ),
    ],
)
def test_a_header_that_is_none_or_another_is_no_answer(
    result: Any, reason: str
) -> None:
    with (
        served(proving(), lambda q, _: honest(q, result)) as server,
        closing(RpcReader(server.url)) as reader,
        pytest.raises(ChainUnavailable, match=reason),
    ):
        reader.header(5)


def test_a_proof_of_another_slot_is_no_answer() -> None:
    answer = answered(TRIE.proof(registries.ANCHOR_REGISTRY, [bytes(32)]))
    with (
        served(proving(), lambda q, _: honest(q, answer)) as server,
        closing(RpcReader(server.url)) as reader,
        pytest.raises(ChainUnavailable, match="another slot"),
    ):
        reader.proof(registries.ANCHOR_REGISTRY, [SLOT], 5)
