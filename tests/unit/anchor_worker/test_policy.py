from dataclasses import replace
from datetime import timedelta

import pytest

from anchor_worker.policy import Overrides, PolicyInForce
from anchor_worker.purse import PAUSE, Purse
from anchor_worker.seal import BatchLimits, Sealer
from anchor_worker.submit import FeePolicy, Submitter
from ledger.chain.sender import KeystoreSigner, SigningRules
from ledger.errors import SettingError
from ledger.store import costs, policies
from ledger.store.records import Policy
from tests.unit.anchor_worker.worlds import CHAIN_ID, SENDER, SENDER_KEY, World
from tests.unit.store.samples import NOW

GWEI = 10**9
STORED = Policy(
    batch_age=timedelta(minutes=5),
    batch_size=10,
    gas_below=20 * GWEI,
    latest=timedelta(hours=12),
    max_fee=100 * GWEI,
    max_tx_cost=10**16,
    max_day_cost=10**17,
    bump_after=7,
    resend_after=timedelta(seconds=30),
)


def store(world: World, policy: Policy) -> None:
    with world.database.begin() as tx:
        policies.set(tx, CHAIN_ID, policy, by="anna", now=NOW)


def edit(world: World, assignment: str) -> None:
    """What somebody does with a database tool, who has switched the rules off."""
    with world.database.begin() as tx:
        tx.connection.exec_driver_sql("PRAGMA ignore_check_constraints=ON")
        tx.connection.exec_driver_sql(f"UPDATE policy SET {assignment}")  # noqa: S608


def test_the_stored_policy_rules_sealer_submitter_and_signer(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    rules = SigningRules(CHAIN_ID, {}, 0, 0)
    submitter = Submitter(
        world.database,
        CHAIN_ID,
        KeystoreSigner(SENDER_KEY, rules),
        policy=FeePolicy(),
        clock=world.clock,
    )
    sealer = Sealer(
        world.database, world.record, BatchLimits(), lease_seconds=60, clock=world.clock
    )
    policy = PolicyInForce(world.database, CHAIN_ID, Overrides())
    policy.rule(rules, submitter, sealer)
    assert (rules.max_fee, rules.max_cost) == (200 * GWEI, 50 * 10**15)
    assert (submitter.policy, sealer.limits) == (FeePolicy(), BatchLimits())

    policy.step()
    assert "changed" not in log.text
    store(world, STORED)
    policy.step()
    policy.step()
    assert (rules.max_fee, rules.max_cost) == (100 * GWEI, 10**16)
    assert submitter.policy == FeePolicy(
        100 * GWEI, 7, timedelta(seconds=30), 10**16, 10**17
    )
    assert sealer.limits == BatchLimits(
        10, timedelta(minutes=5), 20 * GWEI, timedelta(hours=12)
    )
    (line,) = [r for r in log.records if r.getMessage() == "the policy has changed"]
    assert vars(line)["changed"]["max-fee-gwei"] == {"from": "200", "to": "100"}
    assert len(vars(line)["changed"]) == 9


def test_a_process_may_do_otherwise_and_never_pay_more(world: World) -> None:
    store(world, STORED)
    overrides = Overrides(
        batch_age=timedelta(days=1),
        batch_size=3,
        max_fee=10 * GWEI,
        bump_after=1,
        resend_after=timedelta(0),
    )
    assert overrides.on(STORED) == Policy(
        batch_age=timedelta(days=1),
        batch_size=3,
        gas_below=10 * GWEI,
        latest=timedelta(days=1),
        max_fee=10 * GWEI,
        max_tx_cost=10**16,
        max_day_cost=10**17,
        bump_after=1,
        resend_after=timedelta(0),
    )
    dearer = Overrides(max_fee=101 * GWEI)
    with pytest.raises(
        SettingError, match=r"--max-fee-gwei does not do: given 101, expected at most"
    ):
        PolicyInForce(world.database, CHAIN_ID, dearer)
    assert dearer.on(STORED).max_fee == STORED.max_fee
    assert Overrides().on(STORED) == STORED


def test_once_means_at_once_whatever_gas_costs() -> None:
    limits = BatchLimits.of(Overrides(at_once=True).on(STORED))

    assert limits.is_due(1, timedelta(0), None)


@pytest.mark.parametrize(
    ("assignment", "named"),
    [
        (
            "latest = 299",
            "latest does not do: given '299s', expected .* batch-age is 5m",
        ),
        (
            "batch_size = 0",
            "batch-size does not do: given '0', expected a whole number",
        ),
        ("max_fee = 999999999", "max-fee-gwei does not do: given '0.999999999'"),
        ("max_tx_cost = max_day_cost + 1", "max-tx-cost does not do: given '0.1000"),
        ("bump_after = 'ten'", "bump-after does not do: given 'ten'"),
        ("latest = 'soon'", "latest does not do: given 'soon', expected a whole"),
        ("batch_size = 1.5", "batch-size does not do: given 1.5, expected"),
    ],
)
def test_a_row_that_was_edited_by_hand_is_refused_at_start_by_name(
    world: World, assignment: str, named: str
) -> None:
    store(world, STORED)
    edit(world, assignment)

    with pytest.raises(
        SettingError, match=f"the policy of eip155:{CHAIN_ID} in the database: {named}"
    ):
        PolicyInForce(world.database, CHAIN_ID, Overrides())


def test_while_it_runs_such_a_row_changes_nothing_and_is_said_once(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    store(world, STORED)
    policy = PolicyInForce(world.database, CHAIN_ID, Overrides())
    edit(world, "latest = 1")
    policy.step()
    policy.step()

    assert policy.limits == BatchLimits.of(STORED)
    assert log.text.count("the one before it stays in force") == 1
    store(world, replace(STORED, batch_size=11))
    policy.step()
    assert policy.limits.size == 11


def test_the_purse_is_looked_into_now_and_then(world: World) -> None:
    world.chain.balances[SENDER] = 5 * 10**18
    purse = Purse(world.database, CHAIN_ID, SENDER, clock=world.clock)
    purse.step(world.chain)
    first = world.clock()
    world.chain.balances[SENDER] = 4 * 10**18
    world.clock.sleep(PAUSE.total_seconds() - 1)
    purse.step(world.chain)

    def seen() -> tuple[int, object]:
        with world.database.read() as tx:
            (balance,) = costs.balances(tx, CHAIN_ID)
        return balance.wei, balance.seen_at

    assert seen() == (5 * 10**18, first)
    world.clock.sleep(1)
    purse.step(world.chain)
    assert seen() == (4 * 10**18, world.clock())
