"""Ceilings of the stored policy, changed while a real worker runs against a real node."""

import signal
import time
from datetime import UTC, datetime

import pytest

from ledger.store import chain_txs, costs, policies, reports, standstills
from ledger.store.records import ChainTxState, Obstacle, Policy
from tests.acceptance.test_worker import SENDER, Ledger, ledger

__all__ = ["ledger"]

pytestmark = [
    pytest.mark.anvil,
    pytest.mark.slow,
    pytest.mark.timeout(120),
]

CHAIN_ID = 31337
COIN = 10**18
LOW = COIN // 10**7  # less than an anchor takes at the least


def put(ledger: Ledger, policy: Policy) -> None:
    with ledger.database.begin() as tx:
        policies.set(tx, CHAIN_ID, policy, by="a test", now=datetime.now(UTC))


def standing(ledger: Ledger) -> list[Obstacle]:
    with ledger.database.read() as tx:
        return [each.obstacle for each in standstills.all(tx, CHAIN_ID)]


def final(ledger: Ledger) -> int:
    with ledger.database.read() as tx:
        return len(chain_txs.in_state(tx, CHAIN_ID, [ChainTxState.FINAL], 9))


def wait(ledger: Ledger, count: int, obstacles: list[Obstacle], *, mine: bool) -> None:
    """Until so many anchors are final and just this stands in the way."""
    deadline = time.monotonic() + 40
    while (final(ledger), standing(ledger)) != (count, obstacles):
        assert time.monotonic() < deadline, ledger.log()
        if mine:
            ledger.anvil.mine()
        time.sleep(0.1)


def test_a_worker_stands_still_at_each_ceiling_and_goes_on_when_it_is_raised(
    ledger: Ledger,
) -> None:
    put(ledger, Policy(max_tx_cost=LOW, max_day_cost=LOW))
    worker = ledger.start("--batch-age", "0")
    ledger.issue(3)
    wait(ledger, 0, [Obstacle.TX_CEILING], mine=True)

    # 500 gwei, and an eighth less in each block that is mined.
    ledger.anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(500 * 10**9))
    ledger.anvil.mine()
    put(ledger, Policy())
    wait(ledger, 0, [Obstacle.FEE_CEILING], mine=False)
    assert ledger.anvil.rpc("eth_getTransactionCount", SENDER, "pending") == "0x0"
    wait(ledger, 1, [], mine=True)

    with ledger.database.read() as tx:
        (row,) = chain_txs.in_state(tx, CHAIN_ID, [ChainTxState.FINAL], 9)
        cost = costs.of(tx, row.id)
        report = reports.cost_report(tx, CHAIN_ID, datetime.now(UTC))
    assert row.tx_hash is not None
    receipt = ledger.anvil.rpc("eth_getTransactionReceipt", f"0x{row.tx_hash.hex()}")
    assert cost is not None
    assert cost.gas_used == int(receipt["gasUsed"], 16)
    assert cost.gas_price == int(receipt["effectiveGasPrice"], 16) <= 200 * 10**9
    assert report.spent_day == cost.wei
    assert report.per_credential == cost.wei / 3
    assert [seen.sender for seen in report.balances] == [SENDER]

    spent = -(-cost.wei // 10**9) * 10**9
    put(ledger, Policy(max_tx_cost=spent, max_day_cost=spent))
    ledger.anvil.mine(60)
    ledger.issue(2)
    wait(ledger, 1, [Obstacle.DAY_CEILING], mine=False)
    assert ledger.anvil.rpc("eth_getTransactionCount", SENDER, "pending") == "0x1"
    put(ledger, Policy())
    wait(ledger, 2, [], mine=True)

    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    said = [event["event"] for event in ledger.events()]
    assert said.count("the policy has changed") == 3
    for name in ("max-tx-cost", "max-fee-gwei", "max-day-cost"):
        assert sum(f"({name})" in words for words in said) == 1, name
    ledger.check(anchors=2)
