"""A node's answer has a size and a deadline, however it is framed and packed."""

import json
import socket
import ssl
import threading
import time
import tracemalloc
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ledger.chain import json_rpc
from ledger.chain.json_rpc import TRANSPORT, JsonRpc
from ledger.chain.node import Node
from ledger.chain.remote_signer import RemoteSigner
from ledger.chain.sender import SigningRules, TransactionFields
from ledger.errors import ChainUnavailable, KeystoreError
from tests.certificates import self_signed
from tests.raw_server import BROKEN, DRIBBLING, ENDLESS, Send, packed, raw_server

MOST = 100_000
BOMB = b'{"jsonrpc":"2.0","id":0,"result":"' + b"0" * 30_000_000 + b'"}'
REDIRECT = b"302 Found\r\nLocation: /elsewhere\r\n"


def peak_of(rpc: JsonRpc) -> int:
    """Ask what is not answered, and tell how many bytes of memory that took."""
    tracemalloc.start()
    try:
        with pytest.raises(TRANSPORT):
            rpc.ask("eth_chainId", [])
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("endless", ENDLESS)
def test_an_answer_without_end_takes_neither_memory_nor_time(
    endless: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_rpc, "_MAX_ANSWER", MOST)
    with raw_server(ENDLESS[endless]) as (url, asked):
        began = time.monotonic()

        assert peak_of(JsonRpc.of(url)) < 30 * MOST

        assert time.monotonic() - began < json_rpc._READ_SECONDS / 2
        assert len(asked) == 1


@pytest.mark.parametrize(
    "bomb",
    [packed(BOMB), packed(BOMB, status=REDIRECT)],
    ids=["an answer", "a redirect"],
)
def test_what_is_packed_is_not_unpacked(bomb: Send) -> None:
    with raw_server(bomb) as (url, asked):
        assert peak_of(JsonRpc.of(url)) < 5_000_000

    assert b"accept-encoding: identity\r\n" in asked[0].lower()


@pytest.mark.parametrize("broken", BROKEN)
def test_framing_that_is_none_is_an_error_of_the_transport(broken: str) -> None:
    with raw_server(BROKEN[broken]) as (url, asked):
        with pytest.raises(TRANSPORT):
            JsonRpc.of(url).ask("eth_chainId", [])

        assert len(asked) == 1


@pytest.mark.parametrize("dribbling", DRIBBLING)
def test_one_deadline_stands_over_the_whole_answer(
    dribbling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_rpc, "_READ_SECONDS", 0.3)
    with raw_server(DRIBBLING[dribbling]) as (url, _):
        began = time.monotonic()

        with pytest.raises(TRANSPORT):
            JsonRpc.of(url).ask("eth_chainId", [])

        assert 0.25 < time.monotonic() - began < 1.5


def test_a_byte_at_the_last_moment_buys_no_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(json_rpc, "_READ_SECONDS", 1.0)

    def send(connection: socket.socket) -> None:
        time.sleep(0.8)
        connection.sendall(b"H")
        connection.recv(1)  # until the other side has enough

    with raw_server(send) as (url, _):
        began = time.monotonic()

        with pytest.raises(TRANSPORT):
            JsonRpc.of(url).ask("eth_chainId", [])

        assert time.monotonic() - began < 1.6


def test_for_a_node_and_for_a_signer_it_is_as_if_nobody_answered() -> None:
    address = "0x" + "11" * 20
    rules = SigningRules(31337, {address: frozenset({b"\1\2\3\4"})}, 10**12)
    fields = TransactionFields(
        chain_id=31337, nonce=7, to=address, data=b"\1\2\3\4", gas=9, tip=1, fee_cap=9
    )

    with raw_server(BROKEN["a chunk of -5 bytes"]) as (url, _):
        with pytest.raises(ChainUnavailable, match="does not answer eth_chainId"):
            Node(url).chain_id()
        with pytest.raises(KeystoreError, match="does not answer"):
            RemoteSigner(url, address, rules).sign(fields)


def tls_server(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's side of TLS, and the certificate to trust."""
    certificate, key = self_signed(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate


def test_the_same_holds_over_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_rpc, "_READ_SECONDS", 0.5)
    context, certificate = tls_server(tmp_path)
    for send in (DRIBBLING["a body"], ENDLESS["a chunk of -1 bytes"]):
        with raw_server(send, context) as (url, asked):
            rpc = JsonRpc.of(url)
            rpc._session.verify = str(certificate)
            began = time.monotonic()

            with pytest.raises(TRANSPORT):
                rpc.ask("eth_chainId", [])

            assert time.monotonic() - began < 1.5
            assert len(asked) == 1


class _Counting(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    connections = 0

    def setup(self) -> None:
        super().setup()
        type(self).connections += 1

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = {"jsonrpc": "2.0", "id": question["id"], "result": "0x1"}
        body = json.dumps(answer).encode()
        self.send_response(200)
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("path", ["", "chunked"])
def test_one_connection_serves_many_questions(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Counting, "connections", 0)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Counting) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        rpc = JsonRpc.of(f"http://127.0.0.1:{server.server_address[1]}/{path}")

        for _ in range(3):
            assert rpc.ask("eth_chainId", [])["result"] == "0x1"

        rpc._session.close()
        server.shutdown()
        thread.join()
    assert _Counting.connections == 1
