"""Fee arithmetic, for any market and any ceiling."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, strategies as st

from anchor_worker.fees import Ceilings, Offer, first_offer, higher_offer
from ledger.chain.node import Fee
from ledger.store.records import Obstacle

gases = st.integers(21_000, 16_777_216)
fees = st.builds(Fee, base=st.integers(0, 10**15), tip=st.integers(1, 10**13))
offers = st.tuples(st.integers(1, 10**14), st.integers(1, 10**14)).map(
    lambda pair: Offer(min(pair), max(pair))
)


#: How much higher a ceiling is than what is needed, in sixteenths, and some wei.
rooms = st.tuples(*[st.tuples(st.integers(16, 64), st.integers(0, 99))] * 3)
#: The same around what is needed, on both sides and to the wei.
nearly = st.tuples(*[st.tuples(st.integers(15, 17), st.integers(-9, 9))] * 3)


def above(least: int, gas: int, room: Any) -> Ceilings:
    """Ceilings at so many sixteenths of this cap; from 16 on they allow it."""
    fee, cost, day = (-(-least * times // 16) for times, _ in room)
    (_, a), (_, b), (_, c) = room
    return Ceilings(fee + a, gas * cost + b, gas * day + c)


def is_under(offer: Offer, gas: int, ceiling: Ceilings) -> bool:
    return (
        offer.cap <= ceiling.max_fee
        and gas * offer.cap <= ceiling.max_tx_cost
        and gas * offer.cap <= ceiling.day_left
    )


@given(fees, gases, rooms)
def test_a_first_offer_survives_a_doubling_or_is_capped(
    fee: Fee, gas: int, room: Any
) -> None:
    ceiling = above(fee.base + fee.tip, gas, room)
    offer = first_offer(fee, gas, ceiling)
    assert isinstance(offer, Offer)

    assert is_under(offer, gas, ceiling)
    assert fee.base + fee.tip <= offer.cap <= 2 * fee.base + fee.tip
    assert offer.tip == fee.tip <= offer.cap
    if offer.cap < 2 * fee.base + fee.tip:
        assert not is_under(Offer(offer.tip, offer.cap + 1), gas, ceiling)


@given(offers, fees, gases, rooms)
def test_a_higher_offer_replaces_the_last_and_passes_no_ceiling(
    last: Offer, fee: Fee, gas: int, room: Any
) -> None:
    ceiling = above(-(-last.cap * 9 // 8), gas, room)
    offer = higher_offer(last, fee, gas, ceiling)
    assert isinstance(offer, Offer)

    assert is_under(offer, gas, ceiling)
    assert Fraction(offer.cap, last.cap) >= Fraction(9, 8)
    assert Fraction(offer.tip, last.tip) >= Fraction(9, 8)
    assert offer.tip <= offer.cap
    if offer.cap < 2 * fee.base + max(offer.tip, fee.tip):
        assert not is_under(Offer(offer.tip, offer.cap + 1), gas, ceiling)
    if offer.tip < fee.tip:
        assert offer.tip == offer.cap


@given(st.one_of(st.none(), offers), fees, gases, nearly)
def test_what_is_not_offered_would_pass_the_ceiling_that_is_named(
    last: Offer | None, fee: Fee, gas: int, room: Any
) -> None:
    least = fee.base + fee.tip if last is None else -(-last.cap * 9 // 8)
    ceiling = above(least, gas, room)
    if last is None:
        said = first_offer(fee, gas, ceiling)
    else:
        said = higher_offer(last, fee, gas, ceiling)
    assert isinstance(said, Obstacle) != is_under(Offer(0, least), gas, ceiling)
    match said:
        case Obstacle.FEE_CEILING:
            assert least > ceiling.max_fee
        case Obstacle.TX_CEILING:
            assert gas * least > ceiling.max_tx_cost
        case Obstacle.DAY_CEILING:
            assert gas * least > ceiling.day_left
        case Obstacle.NO_FUNDS:
            raise AssertionError("nobody asked what there is")
        case Offer():
            assert said.cap >= least


@given(offers, fees, gases, rooms)
def test_bumps_end_at_the_ceiling_and_reach_it_from_anywhere_below(
    first: Offer, fee: Fee, gas: int, room: Any
) -> None:
    """However often it is bumped: never above, and it stops within an eighth of it."""
    ceiling = above(first.cap, gas, room)
    highest = ceiling.highest(gas)
    offer: Offer | Obstacle = first
    last = first
    for _ in range(30):
        if isinstance(offer, Obstacle):
            break
        last = offer
        offer = higher_offer(last, fee, gas, ceiling)
    assert isinstance(offer, Obstacle)
    assert highest * 8 < last.cap * 9 + 9
    assert last.cap <= highest


@pytest.mark.parametrize(
    ("ceiling", "obstacle"),
    [
        (Ceilings(9, 900, 900), None),
        (Ceilings(8, 900, 900), Obstacle.FEE_CEILING),
        (Ceilings(9, 899, 900), Obstacle.TX_CEILING),
        (Ceilings(9, 900, 899), Obstacle.DAY_CEILING),
        (Ceilings(9, 900, -1), Obstacle.DAY_CEILING),
    ],
)
def test_a_ceiling_is_kept_to_the_wei(
    ceiling: Ceilings, obstacle: Obstacle | None
) -> None:
    assert ceiling.obstacle(100, 9) is obstacle
