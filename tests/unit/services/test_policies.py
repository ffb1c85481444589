from dataclasses import replace
from datetime import timedelta
from decimal import Decimal, localcontext

import pytest
from hypothesis import given, strategies as st

from ledger.errors import SettingError
from ledger.services import policies
from ledger.store.database import Database
from ledger.store.records import Policy
from tests.unit.store.samples import CHAIN_ID, NOW

GWEI = 10**9


@pytest.mark.parametrize(
    ("name", "text", "attribute", "value"),
    [
        ("batch-age", "10m", "batch_age", timedelta(minutes=10)),
        ("batch-age", "0s", "batch_age", timedelta(0)),
        ("batch-size", "1000000", "batch_size", 1_000_000),
        ("gas-below", "0.05", "gas_below", 50_000_000),
        ("gas-below", "off", "gas_below", None),
        ("latest", "2d", "latest", timedelta(days=2)),
        ("max-fee-gwei", "1", "max_fee", GWEI),
        ("max-fee-gwei", "12.5", "max_fee", 12_500_000_000),
        ("max-tx-cost", "0.000000001", "max_tx_cost", GWEI),
        ("max-day-cost", "1000000", "max_day_cost", 10**24),
        ("bump-after", "1", "bump_after", 1),
        ("resend-after", "90s", "resend_after", timedelta(seconds=90)),
    ],
)
def test_a_setting_is_read_with_its_unit(
    name: str, text: str, attribute: str, value: object
) -> None:
    changed = policies.changed(Policy(), {name: text})

    assert changed == replace(Policy(), **{attribute: value})  # type: ignore[arg-type]
    assert policies.changed(Policy(), policies.options_of(changed)) == changed


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("batch-age", "10", "with its unit"),
        ("batch-age", "ten minutes", "with its unit"),
        ("batch-age", "-1m", "with its unit"),
        ("batch-age", "1.5h", "with its unit"),
        ("batch-age", "31d", "at most 30d"),
        ("batch-age", "2d", "not less than batch-age and at most 30d; batch-age is 2d"),
        ("batch-size", "0", "from 1 to 1000000"),
        ("batch-size", "1000001", "from 1 to 1000000"),
        ("batch-size", "50,000", "a whole number"),
        ("batch-size", "٣", "a whole number"),
        ("gas-below", "0", "above 0 and not above max-fee-gwei"),
        ("gas-below", "201", "not above max-fee-gwei; or off; max-fee-gwei is 200"),
        ("gas-below", "low", "a number of gwei"),
        ("latest", "9m", "not less than batch-age and at most 30d; batch-age is 10m"),
        ("latest", "999d", "at most 30d"),
        ("max-fee-gwei", "0.999999999", "from 1 to 100000"),
        ("max-fee-gwei", "100000.1", "from 1 to 100000"),
        ("max-fee-gwei", "200000000000", "from 1 to 100000"),
        ("max-fee-gwei", "nan", "a number of gwei"),
        ("max-fee-gwei", "1e3", "a number of gwei"),
        ("max-tx-cost", "0", "above 0"),
        ("max-tx-cost", "0.6", "not above max-day-cost; max-day-cost is 0.5"),
        ("max-tx-cost", "0.0000000001", "at most nine decimals"),
        ("max-day-cost", "0.01", "not above max-day-cost; max-day-cost is 0.01"),
        ("max-day-cost", "1000001", "at most 1000000"),
        ("max-day-cost", "0,5", "the chain's coins"),
        ("bump-after", "0", "from 1 to 100000"),
        ("resend-after", "25h", "at most 1d"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name_with_an_example(
    name: str, text: str, expected: str
) -> None:
    with pytest.raises(SettingError) as refused:
        policies.changed(Policy(), {name: text})

    said = str(refused.value)
    assert said.startswith("--")
    assert "does not do: given '" in said
    assert expected in said
    assert "Example: --" in said
    named = said.removeprefix("--").partition(" ")[0]
    # One that contradicts another is named at whichever of the two says so.
    assert named == name or f"{name} is " in said


def test_two_settings_that_belong_together_are_changed_together() -> None:
    changed = policies.changed(Policy(), {"batch-age": "2d", "latest": "3d"})

    assert (changed.batch_age, changed.latest) == (timedelta(days=2), timedelta(days=3))


def test_a_change_is_shown_with_who_and_when(sqlite_database: Database) -> None:
    with sqlite_database.begin() as tx:
        before = policies.shown_policy(tx, CHAIN_ID)
        policies.set_policy(tx, CHAIN_ID, {"gas-below": "20"}, by="anna", now=NOW)
        policies.set_policy(tx, CHAIN_ID, {"batch-size": "7"}, by="ben", now=NOW)
        after = policies.shown_policy(tx, CHAIN_ID)

    assert before.policy == Policy()
    assert "the defaults, nobody has set one" in "\n".join(before.to_lines())
    assert after.policy == Policy(gas_below=20 * GWEI, batch_size=7)
    lines = "\n".join(after.to_lines())
    assert "number 2, set by ben at 2026-11-25 09:30 UTC" in lines
    assert (
        "as soon as 7 credentials wait, or once the oldest has waited for 10m and a unit of"
        " gas costs less than 20 gwei, but never later than after 1d." in lines
    )
    assert "--gas-below 20 --latest 1d" in lines
    document = after.to_json()
    assert isinstance(document, dict)
    assert (document["setBy"], document["number"]) == ("ben", 2)
    assert document["gasBelowWei"] == str(20 * GWEI)


@given(st.integers(0, 10**30))
def test_amounts_are_shown_without_loss(wei: int) -> None:
    with localcontext(prec=60):
        assert Decimal(policies.gwei(wei)) * GWEI == wei
        assert Decimal(policies.coins(wei)) * 10**18 == wei
