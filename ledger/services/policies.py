"""
The policy of a chain, as an operator reads and changes it.

A value that cannot be meant is refused with the name of the setting, what was given, what was
expected, and an example; whether it comes from an option, or from a row that was edited by hand.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from ledger.core.canonical import Json
from ledger.errors import SettingError
from ledger.store import policies
from ledger.store.database import Transaction
from ledger.store.records import Policy, PolicyChange

_GWEI: Final = 10**9
_COIN: Final = 10**18
_SPAN: Final = re.compile(r"([0-9]{1,7})([smhd])", re.ASCII)
_COUNT: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_AMOUNT: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)
_UNITS: Final = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_OFF: Final = "off"


# -------------------------------------------------------------------- amounts in words


def gwei(wei: int) -> str:
    """A fee for a unit of gas: `1.5` for 1,500,000,000 wei."""
    return _decimal(wei, 9)


def coins(wei: int) -> str:
    """A cost in whole coins: `0.05` for 5 * 10^16 wei."""
    return _decimal(wei, 18)


def span(time: timedelta) -> str:
    """A time in the largest unit that leaves nothing over: `10m`."""
    seconds = time // timedelta(seconds=1)
    unit = next(u for u, size in _UNITS.items() if u == "s" or not seconds % size)
    return "0s" if not seconds else f"{seconds // _UNITS[unit]}{unit}"


def _decimal(wei: int, places: int) -> str:
    whole, rest = divmod(wei, 10**places)
    return f"{whole}.{rest:0{places}}".rstrip("0").removesuffix(".")


# -------------------------------------------------------------------- settings


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of the policy: its option, what it expects, and how it is read and shown."""

    name: str
    attribute: str
    expected: str
    example: str
    parse: Callable[[str], object]
    show: Callable[[Any], str]
    lawful: Callable[[Policy], bool]
    #: The setting that it must not contradict.
    partner: str | None = None


def _span(text: str) -> timedelta:
    match = _SPAN.fullmatch(text)
    if match is None:
        raise ValueError
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]])


def _count(text: str) -> int:
    if not _COUNT.fullmatch(text):
        raise ValueError
    return int(text)


def _gwei(text: str) -> int:
    if not _AMOUNT.fullmatch(text):
        raise ValueError
    return int(Decimal(text) * _GWEI)


def _gwei_or_off(text: str) -> int | None:
    return None if text == _OFF else _gwei(text)


def _coins(text: str) -> int:
    if not _AMOUNT.fullmatch(text):
        raise ValueError
    return int(Decimal(text) * _COIN)


_DAYS: Final = policies.LONGEST_WAIT // 86_400
_SETTINGS: Final = (
    Setting(
        "batch-age",
        "batch_age",
        f"a whole number with its unit (s, m, h, d), at most {_DAYS}d",
        "10m",
        _span,
        span,
        lambda p: (
            timedelta(0) <= p.batch_age <= timedelta(seconds=policies.LONGEST_WAIT)
        ),
    ),
    Setting(
        "batch-size",
        "batch_size",
        f"a whole number of credentials from 1 to {policies.LARGEST_BATCH}",
        "50000",
        _count,
        str,
        lambda p: 1 <= p.batch_size <= policies.LARGEST_BATCH,
    ),
    Setting(
        "max-fee-gwei",
        "max_fee",
        "a number of gwei for a unit of gas"
        f" from {gwei(policies.LEAST_CEILING)} to {gwei(policies.HIGHEST_CEILING)}",
        "200",
        _gwei,
        gwei,
        lambda p: policies.LEAST_CEILING <= p.max_fee <= policies.HIGHEST_CEILING,
    ),
    Setting(
        "gas-below",
        "gas_below",
        "a number of gwei for a unit of gas, above 0 and not above max-fee-gwei; or off",
        "20",
        _gwei_or_off,
        lambda value: _OFF if value is None else gwei(value),
        lambda p: p.gas_below is None or 1 <= p.gas_below <= p.max_fee,
        "max-fee-gwei",
    ),
    Setting(
        "latest",
        "latest",
        "a whole number with its unit (s, m, h, d), not less than batch-age and at most"
        f" {_DAYS}d",
        "24h",
        _span,
        span,
        lambda p: p.batch_age <= p.latest <= timedelta(seconds=policies.LONGEST_WAIT),
        "batch-age",
    ),
    Setting(
        "max-day-cost",
        "max_day_cost",
        "a number of the chain's coins, with at most nine decimals, above 0 and at most"
        f" {coins(policies.DEAREST_DAY)}",
        "0.5",
        _coins,
        coins,
        lambda p: policies.COST_UNIT <= p.max_day_cost <= policies.DEAREST_DAY,
    ),
    Setting(
        "max-tx-cost",
        "max_tx_cost",
        "a number of the chain's coins, with at most nine decimals, above 0 and not above"
        " max-day-cost",
        "0.05",
        _coins,
        coins,
        lambda p: policies.COST_UNIT <= p.max_tx_cost <= p.max_day_cost,
        "max-day-cost",
    ),
    Setting(
        "bump-after",
        "bump_after",
        f"a whole number of blocks from 1 to {policies.LONGEST_BUMP}",
        "10",
        _count,
        str,
        lambda p: 1 <= p.bump_after <= policies.LONGEST_BUMP,
    ),
    Setting(
        "resend-after",
        "resend_after",
        "a whole number with its unit (s, m, h, d), at most"
        f" {span(timedelta(seconds=policies.LONGEST_RESEND))}",
        "60s",
        _span,
        span,
        lambda p: (
            timedelta(0) <= p.resend_after <= timedelta(seconds=policies.LONGEST_RESEND)
        ),
    ),
)
SETTINGS: Final[Mapping[str, Setting]] = {each.name: each for each in _SETTINGS}


def read_value(name: str, text: str) -> object:
    """The value of one setting, as an option gives it. Raises SettingError."""
    setting = SETTINGS[name]
    try:
        return setting.parse(text)
    except ValueError as error:
        raise _wrong(setting, f"--{name}", text) from error


def max_fee(text: str) -> int:
    """The ceiling for a unit of gas, in wei. Raises SettingError."""
    return changed(Policy(), {"max-fee-gwei": text}).max_fee


def changed(policy: Policy, given: Mapping[str, str]) -> Policy:
    """A policy with some settings changed, by name. Raises SettingError, as `check` does."""
    values: dict[str, Any] = {
        SETTINGS[name].attribute: read_value(name, text) for name, text in given.items()
    }
    new = replace(policy, **values)
    check(new, "--")
    return new


def options_of(policy: Policy) -> dict[str, str]:
    """Every setting of a policy, as an option would give it."""
    return {each.name: each.show(getattr(policy, each.attribute)) for each in _SETTINGS}


def check(policy: Policy, prefix: str) -> None:
    """Refuse what cannot be meant; `prefix` says where the settings were found.

    Raises SettingError that names the first setting that is out of range or contradicts
    another.
    """
    for setting in _SETTINGS:
        if not setting.lawful(policy):
            named = f"{prefix}{setting.name}"
            partner = SETTINGS[setting.partner] if setting.partner else None
            beside = partner and f"; {partner.name} is {_shown(partner, policy)}"
            raise _wrong(setting, named, _shown(setting, policy), beside or "")


def _shown(setting: Setting, policy: Policy) -> str:
    return setting.show(getattr(policy, setting.attribute))


def _wrong(setting: Setting, named: str, given: str, beside: str = "") -> SettingError:
    return SettingError(
        f"{named} does not do: given {given!r}, expected {setting.expected}{beside}."
        f" Example: --{setting.name} {setting.example}"
    )


# -------------------------------------------------------------------- use cases

#: A round may take long, and the clocks of two hosts differ: so near, a change may be unknown.
_LEEWAY: Final = timedelta(days=1)


def ceilings_at(changes: Sequence[PolicyChange], instant: datetime) -> tuple[int, int]:
    """The highest ceilings in force within a day of an instant, by the changes of one chain.

    In wei, for a unit of gas and for a transaction.
    """
    before = [each.policy for each in changes if each.set_at <= instant - _LEEWAY]
    near = [
        each.policy
        for each in changes
        if instant - _LEEWAY < each.set_at <= instant + _LEEWAY
    ]
    in_force = [before[-1] if before else Policy(), *near]
    return max(p.max_fee for p in in_force), max(p.max_tx_cost for p in in_force)


@dataclass(frozen=True, slots=True)
class ShownPolicy:
    """The policy of a chain, and who set it; None: the defaults, nobody did."""

    chain_id: int
    policy: Policy
    change: PolicyChange | None

    def to_json(self) -> Json:
        """For programs; amounts that may be large are strings of wei."""
        policy, change = self.policy, self.change
        below = policy.gas_below
        return {
            "chainId": f"eip155:{self.chain_id}",
            "batchAgeSeconds": policy.batch_age // timedelta(seconds=1),
            "batchSize": policy.batch_size,
            "gasBelowWei": None if below is None else str(below),
            "latestSeconds": policy.latest // timedelta(seconds=1),
            "maxFeeWei": str(policy.max_fee),
            "maxTransactionCostWei": str(policy.max_tx_cost),
            "maxDayCostWei": str(policy.max_day_cost),
            "bumpAfterBlocks": policy.bump_after,
            "resendAfterSeconds": policy.resend_after // timedelta(seconds=1),
            "number": 0 if change is None else change.number,
            "setBy": None if change is None else change.set_by,
            "setAt": None if change is None else change.set_at.isoformat(),
        }

    def to_lines(self) -> Iterator[str]:
        """For people: what it means, and the options that would set it."""
        policy, change = self.policy, self.change
        yield f"Policy of eip155:{self.chain_id}: " + (
            "the defaults, nobody has set one"
            if change is None
            else f"number {change.number}, set by {change.set_by} at"
            f" {change.set_at:%Y-%m-%d %H:%M} UTC"
        )
        yield from (f"  {sentence}" for sentence in _sentences(policy))
        yield "  " + " ".join(
            f"--{name} {value}" for name, value in options_of(policy).items()
        )


def _sentences(policy: Policy) -> Iterator[str]:
    age = span(policy.batch_age)
    when = (
        f"once the oldest has waited for {age}"
        if policy.gas_below is None
        else f"once the oldest has waited for {age} and a unit of gas costs less than"
        f" {gwei(policy.gas_below)} gwei, but never later than after {span(policy.latest)}"
    )
    yield f"A batch is sealed as soon as {policy.batch_size:,} credentials wait, or {when}."
    yield (
        f"At most {gwei(policy.max_fee)} gwei are paid for a unit of gas,"
        f" {coins(policy.max_tx_cost)} coins for a transaction and"
        f" {coins(policy.max_day_cost)} coins for those of 24 hours."
    )
    yield (
        f"After {policy.bump_after} blocks without a receipt more is offered; the same bytes"
        f" go out again every {span(policy.resend_after)}."
    )


def shown_policy(tx: Transaction, chain_id: int) -> ShownPolicy:
    """The policy in force for a chain."""
    changes = policies.history(tx, chain_id)
    if not changes:
        return ShownPolicy(chain_id, Policy(), None)
    return ShownPolicy(chain_id, changes[-1].policy, changes[-1])


def set_policy(
    tx: Transaction,
    chain_id: int,
    given: Mapping[str, str],
    *,
    by: str,
    now: datetime,
) -> ShownPolicy:
    """
    Change some settings of a chain's policy; the others stay as they are.

    Raises SettingError for a value that cannot be meant, Conflict if somebody else set one at
    the same moment.
    """
    policy = changed(policies.current(tx, chain_id), given)
    change = policies.set(tx, chain_id, policy, by=by, now=now)
    return ShownPolicy(chain_id, policy, change)
