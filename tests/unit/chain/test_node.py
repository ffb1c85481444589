"""A node that is away, lies or talks nonsense, on a loopback socket."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from eth_utils.crypto import keccak

from ledger.chain.memory import MemoryChain
from ledger.chain.node import Fee, Node, SendOutcome, check_chain, classify
from ledger.chain.registry import AnchorRegistry
from ledger.chain.state import make_header
from ledger.core.registries import ANCHOR_REGISTRY, ISSUER_REGISTRY
from ledger.errors import ChainRejected, ChainUnavailable, SettingError
from tests.descriptions import described

HASH = "0x" + "ab" * 32
OTHER = "0x" + "cd" * 32
RAW = b"\x02signed bytes"

Reply = Callable[[dict[str, Any]], "bytes | tuple[int, bytes]"]


class Server(ThreadingHTTPServer):
    """Answers as `reply` says and keeps what was asked."""

    daemon_threads = True

    def __init__(self, reply: Reply) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.reply = reply
        self.asked: list[dict[str, Any]] = []
        self.followed = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v3/access-key"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(body)
        reply = self.server.reply(body)
        status, data = reply if isinstance(reply, tuple) else (200, reply)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        self.server.followed += 1
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(reply: Reply) -> Iterator[tuple[Server, Node]]:
    server = Server(reply)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server, Node(server.url)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answer(body: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": body["id"], **more}).encode()


def results(**by_method: Any) -> Reply:
    """Answers by method; a function is asked with the parameters."""

    def reply(body: dict[str, Any]) -> bytes:
        result = by_method[body["method"]]
        return answer(
            body, result=result(*body["params"]) if callable(result) else result
        )

    return reply


def error(message: Any, code: int = -32000) -> Reply:
    return lambda body: answer(body, error={"code": code, "message": message})


NONSENSE: dict[str, Reply] = {
    "html": lambda _: b"<html>502 Bad Gateway</html>",
    "empty": lambda _: b"",
    "cut": lambda body: answer(body, result="0x1")[:-5],
    "not utf-8": lambda _: b"\xff\xfe",
    "a list": lambda _: b"[]",
    "deep": lambda _: b"[" * 100_000,
    "wrong id": lambda body: answer(body | {"id": 987654}, result="0x1"),
    "no id": lambda _: b'{"jsonrpc":"2.0","result":"0x1"}',
    "neither": answer,
    "both": lambda body: answer(body, result="0x1", error={"message": "x"}),
    "too large": lambda body: answer(body, result="0x" + "00" * 2_500_000),
    "429": lambda _: (429, b"slow down"),
    "503": lambda _: (503, b"away"),
    "redirect": lambda _: (302, b""),
}
NOT_A_NUMBER: list[Any] = [
    None,
    1,
    "1",
    "0x",
    "0xzz",
    "",
    [],
    {},
    True,
    "0x" + "f" * 65,
]


@pytest.mark.parametrize("reply", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_unavailable_for_reads_and_unknown_for_sends(reply: Reply) -> None:
    """Three tries for a read, one for a send: and neither message names the access key."""
    with serving(reply) as (server, node):
        with pytest.raises(ChainUnavailable, match="does not answer") as caught:
            node.chain_id()
        assert "access-key" not in str(caught.value)
        assert len(server.asked) == 3
        server.asked.clear()
        sent = node.send(RAW)
        assert sent.outcome is SendOutcome.UNKNOWN
        assert "access-key" not in sent.detail
        assert len(server.asked) == 1
        assert server.followed == 0


def test_a_node_that_is_away_is_unavailable_and_a_send_unknown() -> None:
    node = Node("http://127.0.0.1:9/v3/access-key")

    with pytest.raises(
        ChainUnavailable, match=r"127\.0\.0\.1:9 does not answer eth_chainId"
    ):
        node.chain_id()
    assert node.send(RAW).outcome is SendOutcome.UNKNOWN
    assert node.name == "127.0.0.1:9"
    assert repr(node) == "Node(127.0.0.1:9)"


@pytest.mark.parametrize("url", ["", "anvil", "ftp://h", "http://", "ws://h:1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SettingError, match="begins with http"):
        Node(url)


@pytest.mark.parametrize("value", NOT_A_NUMBER, ids=repr)
def test_what_is_no_number_is_unavailable(value: Any) -> None:
    with (
        serving(results(eth_chainId=value)) as (_, node),
        pytest.raises(ChainUnavailable, match="eth_chainId: not a number"),
    ):
        node.chain_id()


def test_a_transaction_count_that_no_account_can_have_is_unavailable() -> None:
    """One garbled answer must not look like somebody else's use of the sender's account."""
    with (
        serving(results(eth_getTransactionCount="0x" + "3a" * 32)) as (_, node),
        pytest.raises(ChainUnavailable, match="a number out of range"),
    ):
        node.nonce(ANCHOR_REGISTRY, "latest")


@pytest.mark.parametrize("value", [None, 5, "ab", "0xa", "0xzz"], ids=repr)
def test_what_is_no_code_is_unavailable(value: Any) -> None:
    with (
        serving(results(eth_getCode=value)) as (_, node),
        pytest.raises(ChainUnavailable, match="eth_getCode: not"),
    ):
        node.code(ANCHOR_REGISTRY)


def block(**changes: Any) -> dict[str, Any]:
    return {"number": "0x5", "hash": HASH, "timestamp": "0x9"} | changes


@pytest.mark.parametrize(
    "answered",
    [None, block(number="0x6"), block(hash="0xab"), block(timestamp=None), "block"],
)
def test_a_block_that_is_not_the_one_asked_for_is_unavailable(answered: Any) -> None:
    with (
        serving(results(eth_getBlockByNumber=answered)) as (_, node),
        pytest.raises(ChainUnavailable),
    ):
        node.block(5)


def test_a_block_from_before_fees_burnt_has_no_base_fee() -> None:
    with serving(results(eth_getBlockByNumber=block())) as (_, node):
        assert node.block(5).base_fee == 0


def history(**changed: Any) -> dict[str, Any]:
    return {
        "oldestBlock": "0x1",
        "baseFeePerGas": ["0x64", "0x63", "0x62", "0x61", "0x60"],
        "gasUsedRatio": [0.5, 0, 0.1, 0.9],
        "reward": [["0x5"], ["0x0"], ["0x9"], ["0x7"]],
        **changed,
    }


def test_fees_are_those_of_the_next_block_and_of_what_others_paid() -> None:
    """Empty blocks say nothing: their reward is zero."""
    with serving(results(eth_feeHistory=history())) as (server, node):
        assert node.fee() == Fee(base=0x60, tip=7)
        assert server.asked[0]["params"] == ["0x14", "latest", [50]]


@pytest.mark.parametrize(
    "quiet", [{"gasUsedRatio": [0, 0, 0, 0]}, {"reward": None}, {"reward": []}]
)
def test_where_nobody_paid_the_nodes_own_suggestion_counts(quiet: Any) -> None:
    asked = results(eth_feeHistory=history(**quiet), eth_maxPriorityFeePerGas="0x3")
    with serving(asked) as (_, node):
        assert node.fee() == Fee(base=0x60, tip=3)


def test_a_tip_is_never_nothing() -> None:
    with serving(results(eth_feeHistory=history(reward=[["0x0"]] * 4))) as (_, node):
        assert node.fee().tip == 1


@pytest.mark.parametrize(
    "broken",
    [
        None,
        [],
        history(baseFeePerGas=[]),
        history(baseFeePerGas=["x"]),
        history(baseFeePerGas=None),
        history(gasUsedRatio=None),
        history(reward="0x1"),
        history(reward=[["-0x1"], [], ["0x1"], ["0x1"]]),
    ],
)
def test_a_broken_history_is_unavailable(broken: Any) -> None:
    with (
        serving(results(eth_feeHistory=broken)) as (_, node),
        pytest.raises(ChainUnavailable),
    ):
        node.fee()


def test_a_broken_answer_of_a_registry_is_unavailable() -> None:
    for words in ("0x", "0x01", "0x" + "ff" * 64):
        with (
            serving(results(eth_call=words)) as (_, node),
            pytest.raises(ChainUnavailable, match="a registry's answer is broken"),
        ):
            AnchorRegistry(node, ANCHOR_REGISTRY).anchored_at(bytes(32), "latest")


def test_a_call_is_rejected_only_if_the_contract_reverts() -> None:
    with (
        serving(error("execution reverted: custom error", code=3)) as (_, node),
        pytest.raises(ChainRejected, match="refuses the call: execution reverted"),
    ):
        node.call(ANCHOR_REGISTRY, b"\1", "latest")
    with (
        serving(error("missing trie node")) as (_, node),
        pytest.raises(ChainUnavailable, match="eth_call: missing trie node"),
    ):
        node.call(ANCHOR_REGISTRY, b"\1", "latest")


# -------------------------------------------------------------------- receipts


def chain_with(
    receipt: Any = None, transaction: Any = None, at_height: str = HASH
) -> Reply:
    good = {
        "transactionHash": OTHER,
        "blockHash": HASH,
        "blockNumber": "0x5",
        "status": "0x1",
        "gasUsed": "0x5208",
        "effectiveGasPrice": "0x3b9aca07",
    }
    carried = {
        "hash": OTHER,
        "blockHash": HASH,
        "to": ANCHOR_REGISTRY,
        "input": "0x0102",
    }
    return results(
        eth_getTransactionReceipt=None if receipt is None else good | receipt,
        eth_getTransactionByHash=None if transaction is None else carried | transaction,
        eth_getBlockByNumber=block(hash=at_height),
    )


def test_a_whole_receipt_is_read() -> None:
    with serving(chain_with({}, {})) as (_, node):
        receipt = node.receipt(bytes.fromhex(OTHER[2:]))

    assert receipt is not None
    assert (receipt.block_number, receipt.succeeded, receipt.gas_used) == (
        5,
        True,
        21_000,
    )
    assert (receipt.to, receipt.data) == (ANCHOR_REGISTRY, b"\1\2")
    assert (receipt.gas_price, receipt.block_time) == (10**9 + 7, 9)


@pytest.mark.parametrize(
    "reply",
    [
        chain_with(None, {}),
        chain_with({}, None),
        chain_with({}, {"blockHash": None}),
        chain_with({}, {"blockHash": OTHER}),
        chain_with({}, {}, at_height=OTHER),
    ],
    ids=["none", "no transaction", "pending", "moved", "not canonical"],
)
def test_what_is_in_no_canonical_block_has_no_receipt(reply: Reply) -> None:
    with serving(reply) as (_, node):
        assert node.receipt(bytes.fromhex(OTHER[2:])) is None


@pytest.mark.parametrize(
    "reply",
    [
        chain_with({"transactionHash": HASH}, {}),
        chain_with({}, {"hash": HASH}),
        chain_with({"status": "0x2"}, {}),
        chain_with({"status": None}, {}),
        chain_with({"blockNumber": None}, {}),
        chain_with({"gasUsed": None}, {}),
        chain_with({"effectiveGasPrice": None}, {}),
        chain_with({"effectiveGasPrice": "1"}, {}),
        chain_with({}, {"to": None}),
        chain_with({}, {"input": "0x0"}),
    ],
    ids=[
        *("receipt of another", "another", "status 2", "none", "height"),
        *("gas", "price", "price in words", "to", "input"),
    ],
)
def test_a_receipt_that_contradicts_itself_is_not_believed(reply: Reply) -> None:
    with serving(reply) as (_, node), pytest.raises(ChainUnavailable):
        node.receipt(bytes.fromhex(OTHER[2:]))


# -------------------------------------------------------------------- sends


@pytest.mark.parametrize(
    ("words", "outcome"),
    [
        ("already known", SendOutcome.OCCUPIED),
        ("ALREADY_EXISTS: already known", SendOutcome.OCCUPIED),
        ("known transaction: 0xab", SendOutcome.OCCUPIED),
        ("transaction already imported", SendOutcome.OCCUPIED),
        ("nonce too low: next nonce 5, tx nonce 4", SendOutcome.OCCUPIED),
        ("replacement transaction underpriced", SendOutcome.OCCUPIED),
        ("transaction underpriced: tip needed 1", SendOutcome.UNDERPRICED),
        ("max fee per gas less than block base fee", SendOutcome.UNDERPRICED),
        ("Insufficient funds for gas * price + value", SendOutcome.WAIT),
        ("tx fee (2.00 ether) exceeds the configured cap", SendOutcome.WAIT),
        ("nonce too high", SendOutcome.ORDER),
        ("invalid chain id for signer", SendOutcome.FATAL),
        ("intrinsic gas too low", SendOutcome.FATAL),
        ("exceeds block gas limit", SendOutcome.FATAL),
        ("max priority fee per gas higher than max fee per gas", SendOutcome.FATAL),
        ("Failed to decode transaction", SendOutcome.FATAL),
        ("internal error", SendOutcome.UNKNOWN),
        ("", SendOutcome.UNKNOWN),
    ],
)
def test_refusals_are_told_apart_by_their_words(
    words: str, outcome: SendOutcome
) -> None:
    assert classify(words) is outcome
    with serving(error(words)) as (server, node):
        assert node.send(RAW).outcome is outcome
        assert len(server.asked) == 1


def test_a_sent_transaction_is_accepted_under_its_own_hash_only() -> None:
    right = "0x" + keccak(RAW).hex()

    with serving(results(eth_sendRawTransaction=right)) as (_, node):
        assert node.send(RAW).outcome is SendOutcome.ACCEPTED
    for wrong in (HASH, None, "0x12", 5):
        with serving(results(eth_sendRawTransaction=wrong)) as (_, node):
            assert node.send(RAW).outcome is SendOutcome.UNKNOWN


@pytest.mark.parametrize(
    "message", ["a\nb\x1b[31m" + "x" * 1_000, {"deep": 1}, None, 7]
)
def test_a_nodes_words_are_cut_and_printable(message: Any) -> None:
    with serving(error(message)) as (_, node):
        detail = node.send(RAW).detail
        assert len(detail) <= 200
        assert detail.isprintable()
        with pytest.raises(ChainUnavailable) as caught:
            node.chain_id()
        assert str(caught.value).isprintable()


def test_a_read_is_repeated_over_one_hiccup() -> None:
    tries = iter([b"", b"<html>"])

    with serving(lambda body: next(tries, answer(body, result="0x5"))) as (_, node):
        assert node.chain_id() == 5


# -------------------------------------------------------------------- which chain


def test_the_chain_is_told_by_id_genesis_and_the_registries_code() -> None:
    chain = MemoryChain()
    expected: dict[str, Any] = {
        "chain_id": 31337,
        "genesis_hash": chain.genesis_hash(),
        "anchor_registry": ANCHOR_REGISTRY,
        "issuer_registry": ISSUER_REGISTRY,
    }

    with pytest.raises(SettingError, match="on chain 31337, and chain 1 is expected"):
        check_chain(chain, **expected | {"chain_id": 1})
    with pytest.raises(SettingError, match=r"another chain of id 31337.*expected 0x00"):
        check_chain(chain, **expected | {"genesis_hash": bytes(32)})
    with pytest.raises(SettingError, match="AnchorRegistry is not on chain 31337"):
        check_chain(chain, **expected)
    chain.codes = {ANCHOR_REGISTRY: b"\1"}
    with pytest.raises(
        SettingError, match=r"other code: expected hash 0x.*found 0x5fe7"
    ):
        check_chain(chain, **expected)


# ---------------------------------------------------------------- headers and proofs

_MADE = make_header(bytes(32), b"\x07" * 32, number=0, time=0)
GENESIS = described(_MADE)


def header_reply(**changes: Any) -> Reply:
    return results(eth_getBlockByNumber={**GENESIS, **changes})


def test_a_header_is_the_one_of_the_blocks_hash() -> None:
    with serving(header_reply()) as (_, node):
        assert "0x" + node.header(0).hash.hex() == GENESIS["hash"]


@pytest.mark.parametrize(
    "change", [{"hash": HASH}, {"stateRoot": None}, {"gasLimit": "0x1389"}], ids=str
)
def test_a_header_with_fields_of_its_own_is_refused_for_good(change: Any) -> None:
    reply = header_reply(**change)
    with serving(reply) as (_, node), pytest.raises(ChainRejected, match="header"):
        node.header(0)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (results(eth_getBlockByNumber=None), "no block 7"),
        (header_reply(), "gave block 0 for block 7"),
    ],
    ids=["none", "another"],
)
def test_a_header_that_is_not_there_or_another_blocks_is_unavailable(
    reply: Reply, reason: str
) -> None:
    with serving(reply) as (_, node), pytest.raises(ChainUnavailable, match=reason):
        node.header(7)


SLOT = bytes(31) + b"\x01"
PROOF = {
    "accountProof": ["0xc0"],
    "storageProof": [{"key": "0x1", "value": "0x2", "proof": []}],
}


def test_a_proof_is_asked_for_slots_at_a_block() -> None:
    with serving(results(eth_getProof=PROOF)) as (server, node):
        assert node.proof(OTHER, [SLOT], 7).slots[0].value == 2
    assert server.asked[0]["params"] == [OTHER, ["0x" + SLOT.hex()], "0x7"]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (results(eth_getProof=None), "eth_getProof"),
        (results(eth_getProof={}), "eth_getProof"),
        (results(eth_getProof={**PROOF, "storageProof": []}), "eth_getProof"),
        (error("distance to target block exceeds maximum proof window"), "window"),
    ],
    ids=["null", "empty", "no slot", "too old"],
)
def test_a_proof_that_is_none_is_unavailable(reply: Reply, reason: str) -> None:
    with serving(reply) as (_, node), pytest.raises(ChainUnavailable, match=reason):
        node.proof(OTHER, [SLOT], 7)


def test_the_chain_in_memory_proves_its_newest_blocks_alone() -> None:
    chain = MemoryChain()
    chain.mine(5)
    chain.proven_blocks = 2

    assert chain.proof(ANCHOR_REGISTRY, [bytes(32)], 4).nodes
    with pytest.raises(ChainUnavailable, match="does not prove block 3"):
        chain.proof(ANCHOR_REGISTRY, [bytes(32)], 3)
    chain.proven_blocks = 0
    with pytest.raises(ChainUnavailable):
        chain.proof(ANCHOR_REGISTRY, [bytes(32)], 5)
