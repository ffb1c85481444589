"""One paying account, used by somebody else, on a real node: told, and nothing is lost or doubled."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ledger.store import chain_txs
from ledger.store.database import Database
from ledger.store.records import ChainTxState
from tests.acceptance.test_worker import SENDER, Ledger
from tests.anvil import Anvil

pytestmark = [
    pytest.mark.anvil,
    pytest.mark.slow,
    pytest.mark.timeout(180),
]


@pytest.fixture
def two(
    tmp_path: Path, sqlite_url: str, deployed: Anvil
) -> Iterator[tuple[Ledger, Ledger]]:
    """Two databases of their own; node, account and key are the same."""
    deployed.fund(SENDER)
    other = f"sqlite:///{tmp_path}/second.db"
    Database.upgrade(other).close()
    with ExitStack() as stack:
        ledgers = []
        for name, url in (("first", sqlite_url), ("second", other)):
            folder = tmp_path / name
            folder.mkdir()
            ledgers.append(Ledger(folder, url, deployed, stack))
        first, second = ledgers
        second.issued = 100  # no credential is in both
        yield first, second


def critical(ledger: Ledger) -> list[str]:
    return [e["event"] for e in ledger.events() if e["level"] == "critical"]


def anchored(anvil: Anvil, *senders: str) -> Counter[str]:
    """How often each call of these accounts stands on the chain."""
    head = int(anvil.rpc("eth_blockNumber"), 16)
    blocks: list[Any] = [
        anvil.rpc("eth_getBlockByNumber", hex(n), True) for n in range(head + 1)
    ]
    return Counter(
        each["input"]
        for block in blocks
        for each in block["transactions"]
        if each["from"] in senders
    )


def states(ledger: Ledger) -> list[ChainTxState]:
    with ledger.database.read() as tx:
        rows = chain_txs.in_state(tx, 31337, tuple(ChainTxState), 100)
    return [row.state for row in rows]


def test_the_second_ledger_on_one_account_is_refused_with_the_settings_name(
    two: tuple[Ledger, Ledger],
) -> None:
    first, second = two
    first.issue(2)
    second.issue(2)
    assert first.finish(first.start("--once")) == [0]

    assert second.finish(second.start("--once")) == [78]
    (words,) = critical(second)
    assert words.startswith("PERDURE_SENDER_KEYSTORE: an account without transactions")
    assert states(second) == []
    first.issue(2)
    assert first.finish(first.start("--once")) == [0]
    # The operator of the second one insists: then the first one finds out, and stops.
    assert second.finish(second.start("--once", "--adopt-sender")) == [0]
    first.issue(2)
    assert first.finish(first.start("--once")) == [1]
    assert "another ledger pays from this account by mistake" in critical(first)[-1]
    assert set(anchored(first.anvil, SENDER).values()) == {1}
    assert states(first) == [ChainTxState.FINAL] * 2 + [ChainTxState.SEALED]
    assert states(second) == [ChainTxState.FINAL]


def test_a_nonce_that_somebody_else_used_is_said_once_it_is_final(
    two: tuple[Ledger, Ledger],
) -> None:
    """M2: the same key through the node, while our bytes are on their way."""
    ledger, _ = two
    anvil = ledger.anvil
    ledger.issue(1)
    anvil.rpc("evm_setAutomine", False)
    worker = ledger.start("--once")
    wait_until_sent(ledger)
    anvil.rpc("anvil_dropAllTransactions")
    anvil.rpc("anvil_impersonateAccount", SENDER)
    anvil.rpc(
        "eth_sendTransaction",
        {"from": SENDER, "to": "0x" + "99" * 20, "value": "0x1", "nonce": "0x0"},
    )
    anvil.rpc("anvil_mine", "0x1")
    # In a block, not final: nothing is said yet.
    time.sleep(2)
    assert worker.poll() is None
    assert critical(ledger) == []

    anvil.mine(2)
    assert worker.wait(60) == 1
    (words,) = critical(ledger)
    assert "nonce 0 of" in words
    assert "is used, finally, and by none of our transactions (0x" in words
    assert f"perdure recover --sender {SENDER}" in words
    assert states(ledger) == [ChainTxState.SENT]


def test_a_count_that_was_raised_otherwise_is_told_as_that(
    two: tuple[Ledger, Ledger],
) -> None:
    ledger, _ = two
    ledger.issue(1)
    assert ledger.finish(ledger.start("--once")) == [0]
    ledger.anvil.rpc("anvil_setNonce", SENDER, "0x5")
    ledger.anvil.mine(3)
    ledger.issue(1)

    assert ledger.finish(ledger.start("--once")) == [1]
    (words,) = critical(ledger)
    assert "has sent 5 transactions, and this database knows of 1" in words
    assert "No block that was read shows the others" in words


def wait_until_sent(ledger: Ledger) -> None:
    for _ in range(300):
        if ChainTxState.SENT in states(ledger):
            return
        time.sleep(0.1)
    raise AssertionError(ledger.log())
