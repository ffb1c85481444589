"""
What is offered for a transaction (EIP-1559): whole wei, and never more than a ceiling allows.

A replacement has to offer an eighth more of both fees, rounded up: geth wants a tenth, others
more (go-ethereum core/txpool/legacypool, `PriceBump`).
"""

from dataclasses import dataclass

from ledger.chain.node import Fee
from ledger.store.records import Obstacle


@dataclass(frozen=True, slots=True)
class Offer:
    """Fees of a transaction, in wei for a unit of gas."""

    tip: int
    cap: int


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What may be offered now, in wei: for a unit of gas, for a transaction, and for the day.

    ``day_left`` is what the day has left for this transaction if everything else that is under
    way costs what it offers at most; below 0 if a ceiling was lowered meanwhile.
    """

    max_fee: int
    max_tx_cost: int
    day_left: int

    def obstacle(self, gas: int, cap: int) -> Obstacle | None:
        """The ceiling that a cap on the fee would pass; None if it passes none."""
        if cap > self.max_fee:
            return Obstacle.FEE_CEILING
        if gas * cap > self.max_tx_cost:
            return Obstacle.TX_CEILING
        if gas * cap > self.day_left:
            return Obstacle.DAY_CEILING
        return None

    def highest(self, gas: int) -> int:
        """The highest cap that passes no ceiling."""
        return min(self.max_fee, self.max_tx_cost // gas, self.day_left // gas)


def first_offer(fee: Fee, gas: int, ceilings: Ceilings) -> Offer | Obstacle:
    """Fees that get a new transaction in, even if the base fee doubles; or what forbids them."""
    obstacle = ceilings.obstacle(gas, fee.base + fee.tip)
    if obstacle is not None:
        return obstacle
    return Offer(fee.tip, min(2 * fee.base + fee.tip, ceilings.highest(gas)))


def higher_offer(
    last: Offer, fee: Fee, gas: int, ceilings: Ceilings
) -> Offer | Obstacle:
    """Fees that replace the last ones at every node, and suit the market; or what forbids them."""
    tip, least = _eighth_more(last.tip), _eighth_more(last.cap)
    obstacle = ceilings.obstacle(gas, least)
    if obstacle is not None:
        return obstacle
    wanted = max(tip, fee.tip)
    cap = min(max(least, 2 * fee.base + wanted), ceilings.highest(gas))
    # Not below `tip`: the last tip was not above the last cap, nor is an eighth more of it.
    return Offer(min(wanted, cap), cap)


def _eighth_more(fee: int) -> int:
    return -(-fee * 1125 // 1000)
