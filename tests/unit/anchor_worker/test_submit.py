from dataclasses import replace

import pytest

from anchor_worker.submit import MAX_UNMINED, FeePolicy
from ledger.chain import acts
from ledger.chain.sender import SignedTransaction, TransactionFields
from ledger.core.registries import ANCHOR_REGISTRY, ISSUER_REGISTRY
from ledger.errors import ChainRejected, KeystoreError, StoreError
from ledger.store import costs, standstills
from ledger.store.records import ChainTxKind, ChainTxState, Obstacle
from tests.unit.anchor_worker.worlds import (
    CHAIN_ID,
    MAX_FEE,
    POLICY,
    SENDER,
    SENDER_KEY,
    World,
    alarms,
)

S = ChainTxState
GWEI = 10**9
#: What a revocation might take while it is under way.
REVOCATION = acts.GAS[acts.ActKind.REVOKE] * 3 * GWEI


def test_bytes_are_stored_then_sent_then_marked(world: World) -> None:
    world.seal()
    world.worker().round()

    (row,) = world.rows()
    (attempt,) = world.attempts(row)
    assert (row.state, row.nonce, row.sender) == (S.SENT, 0, SENDER)
    assert world.chain.sends == [attempt.raw]
    assert world.chain.pooled() == [attempt.hash]
    assert attempt.sent_at == world.clock()
    assert world.chain.unknown_sends == []


def test_a_send_that_failed_sends_the_same_bytes_again(world: World) -> None:
    world.seal()
    world.chain.break_before_send = 2
    worker = world.worker()

    worker.round()
    assert world.states() == [S.IN_PROGRESS]
    assert world.chain.pooled() == []
    worker.round()
    worker.round()
    assert world.states() == [S.SENT]
    assert len(set(world.chain.sends)) == 1
    world.rounds(worker, 5)
    world.check()


def test_a_send_that_failed_but_happened_is_found_in_the_chain(world: World) -> None:
    world.seal()
    world.chain.break_after_send = 1
    worker = world.worker()

    worker.round()
    assert world.states() == [S.IN_PROGRESS]
    assert len(world.chain.pooled()) == 1
    world.rounds(worker, 5)
    assert len(set(world.chain.sends)) == 1
    world.check()


@pytest.mark.parametrize("fault", ["before", "after"])
@pytest.mark.parametrize("write", range(4))
def test_a_broken_commit_is_repeated_by_the_next_round(
    world: World, write: int, fault: str
) -> None:
    """Writes of the first round: lease, nonce with signed bytes, sent; then nothing more."""
    world.seal()
    world.database.faults[:] = [""] * write + [fault]
    worker = world.worker()

    if write < 3:
        with pytest.raises(StoreError, match="broken"):
            worker.round()
    else:
        worker.round()
    world.database.faults.clear()
    world.rounds(world.worker(), 6)
    assert len(set(world.chain.sends)) == 1
    world.check()


def test_only_one_is_in_progress_and_the_others_wait_behind_it(world: World) -> None:
    for _ in range(3):
        world.seal()
    world.chain.break_before_send = 1
    worker = world.worker()

    worker.round()
    assert world.states() == [S.IN_PROGRESS, S.SEALED, S.SEALED]
    worker.round()
    assert world.states() == [S.SENT, S.SENT, S.SENT]
    assert [row.nonce for row in world.rows()] == [0, 1, 2]


def test_no_more_are_sent_than_a_node_keeps(world: World) -> None:
    for _ in range(MAX_UNMINED + 2):
        world.seal()
    worker = world.worker()

    worker.round()
    worker.round()
    assert world.states().count(S.SENT) == MAX_UNMINED
    world.rounds(worker, 6)
    world.check()


def test_the_same_bytes_go_again_at_every_start_and_every_minute(world: World) -> None:
    world.seal()
    worker = world.worker()
    worker.round()
    worker.round()
    assert len(world.chain.sends) == 1

    world.worker().round()
    assert len(world.chain.sends) == 2
    world.clock.sleep(60)
    worker.round()
    assert len(world.chain.sends) == 3
    assert len(set(world.chain.sends)) == 1


def test_dropped_from_the_pool_it_is_sent_again(world: World) -> None:
    world.seal()
    worker = world.worker()
    worker.round()
    world.chain.drop(world.chain.pooled()[0])
    world.clock.sleep(60)

    worker.round()
    assert len(world.chain.pooled()) == 1
    assert len(set(world.chain.sends)) == 1


# -------------------------------------------------------------------- fees


def test_without_a_receipt_both_fees_rise_by_an_eighth_and_the_nonce_stays(
    world: World,
) -> None:
    world.seal()
    worker = world.worker()
    worker.round()
    world.chain.base_fee = 50 * GWEI  # above what was offered: it is not mined
    world.chain.mine(POLICY.bump_after)
    worker.round()

    (row,) = world.rows()
    first, second = world.attempts(row)
    assert second.tip >= -(-first.tip * 1125 // 1000)
    assert second.fee_cap >= -(-first.fee_cap * 1125 // 1000)
    assert second.fee_cap <= MAX_FEE
    assert row.nonce == 0
    assert world.chain.pooled() == [second.hash]
    world.chain.base_fee = GWEI
    world.rounds(worker, 6)
    world.check()


def test_a_raise_is_stored_before_it_is_sent(world: World) -> None:
    world.seal()
    world.worker().round()
    world.chain.base_fee = 50 * GWEI
    world.chain.mine(POLICY.bump_after)
    world.chain.break_after_send = 1
    world.worker().round()

    (row,) = world.rows()
    assert len(world.attempts(row)) == 2
    assert world.chain.unknown_sends == []
    assert world.chain.pooled() == [world.attempts(row)[-1].hash]


def test_at_the_ceiling_the_last_bytes_go_again_and_an_alarm_is_raised(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    world.seal()
    worker = world.worker(policy=FeePolicy(max_fee=4 * GWEI, bump_after=1))
    worker.round()
    world.chain.base_fee = 500 * GWEI
    for _ in range(12):
        world.chain.mine()
        world.clock.sleep(60)
        worker.round()

    (row,) = world.rows()
    caps = [attempt.fee_cap for attempt in world.attempts(row)]
    assert max(caps) <= 4 * GWEI
    assert len(caps) <= 3
    assert "cannot be raised: above the ceiling of 4 gwei" in log.text
    assert world.chain.sends[-1] == world.attempts(row)[-1].raw
    world.chain.base_fee = GWEI
    world.rounds(worker, 6)
    world.check()


def test_nothing_is_begun_while_the_chain_asks_more_than_the_ceiling(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    world.seal()
    world.chain.base_fee = 2 * MAX_FEE
    world.chain.mine()
    worker = world.worker()
    worker.round()

    assert world.states() == [S.SEALED]
    assert "above the ceiling" in log.text
    world.chain.base_fee = GWEI
    world.chain.mine()
    worker.round()
    assert world.states() == [S.SENT]


def test_only_the_first_in_line_is_worth_more(world: World) -> None:
    for _ in range(2):
        world.seal()
    worker = world.worker()
    worker.round()
    world.chain.base_fee = 50 * GWEI
    world.chain.mine(POLICY.bump_after)
    worker.round()

    assert [len(world.attempts(row)) for row in world.rows()] == [2, 1]


# -------------------------------------------------------------------- ceilings


def standing(world: World) -> list[Obstacle]:
    with world.database.read() as tx:
        return [each.obstacle for each in standstills.all(tx, CHAIN_ID)]


def warnings(log: pytest.LogCaptureFixture, words: str) -> int:
    return sum(
        record.levelname == "WARNING" and words in record.getMessage()
        for record in log.records
    )


#: What an anchor may take (60,000 gas) at 3 gwei: twice the base fee of 1 gwei, and the tip.
ANCHOR = 60_000 * 3 * GWEI


def test_a_transaction_above_its_ceiling_is_not_signed_until_it_is_raised(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    world.seal()
    low = replace(POLICY, max_tx_cost=60_000 * 2 * GWEI - 1)
    worker = world.worker(policy=low)
    world.rounds(worker, 3)

    assert world.states() == [S.SEALED]
    assert world.chain.sends == []
    assert standing(world) == [Obstacle.TX_CEILING]
    assert warnings(log, "(max-tx-cost)") == 1
    world.rounds(world.worker(policy=replace(low, max_tx_cost=low.max_tx_cost + 1)), 6)
    assert standing(world) == []
    (row,) = world.rows()
    assert [each.fee_cap for each in world.attempts(row)] == [2 * GWEI]
    world.check()


def test_bumps_stop_at_the_transactions_ceiling_and_the_same_bytes_go_on(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    world.seal()
    ceiling = 60_000 * 5 * GWEI
    worker = world.worker(policy=replace(POLICY, max_tx_cost=ceiling, bump_after=1))
    worker.round()
    world.chain.base_fee = 500 * GWEI
    for _ in range(8):
        world.chain.mine()
        world.clock.sleep(60)
        worker.round()

    (row,) = world.rows()
    attempts = world.attempts(row)
    assert row.gas * attempts[-1].fee_cap <= ceiling
    assert len(attempts) == 2
    assert world.chain.sends[-3:] == [attempts[-1].raw] * 3
    assert standing(world) == [Obstacle.TX_CEILING]
    assert warnings(log, "(max-tx-cost)") == 1
    world.chain.base_fee = GWEI
    world.rounds(worker, 6)
    assert standing(world) == []
    world.check()


def test_a_days_ceiling_counts_what_is_spent_and_what_is_under_way(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    """Each anchor takes 2 gwei in the end, and might take 3 while it is under way."""
    for _ in range(4):
        world.seal()
    day = 2 * ANCHOR + 1
    worker = world.worker(policy=replace(POLICY, max_day_cost=day))
    worker.round()
    assert world.states() == [S.SENT, S.SENT, S.SEALED, S.SEALED]
    assert standing(world) == [Obstacle.DAY_CEILING]

    world.rounds(worker, 6)
    # 2 x 2 gwei are spent: what is left is enough for one more at 2 gwei, and then for none.
    assert world.states() == [S.FINAL, S.FINAL, S.FINAL, S.SEALED]
    with world.database.read() as tx:
        assert costs.spent(tx, CHAIN_ID, 0) == 60_000 * 6 * GWEI <= day
    assert standing(world) == [Obstacle.DAY_CEILING]
    assert warnings(log, "(max-day-cost)") == 1

    world.chain.mine(86_400 // 12)
    world.rounds(worker, 6)
    assert world.states() == [S.FINAL] * 4
    assert standing(world) == []
    world.check()


def withdraw(world: World, issuer: int, number: int) -> None:
    """Ask for a revocation; whether the registry would take it says nothing here."""
    act = acts.revoke(
        acts.Domain(CHAIN_ID, ISSUER_REGISTRY),
        issuer.to_bytes(32, "big"),
        number,
        1,
        recovery_acts=0,
        deadline=2**40,
        secret=SENDER_KEY,
    )
    world.enqueue(act, f"revoke/{issuer}/{number}")


def sent(world: World) -> list[str]:
    """What has a nonce, in their order."""
    rows = [row for row in world.rows() if row.nonce is not None]
    return [
        row.unique_key if row.kind is ChainTxKind.REVOKE else row.kind.value
        for row in sorted(rows, key=lambda row: row.nonce or 0)
    ]


def test_one_schools_withdrawals_hold_up_neither_anchors_nor_other_schools(
    world: World,
) -> None:
    for number in range(MAX_UNMINED):
        withdraw(world, 1, number)
    withdraw(world, 2, 0)
    withdraw(world, 2, 1)
    world.seal()
    worker = world.worker()
    worker.round()

    assert sent(world)[:5] == [
        "anchor",
        "revoke/1/0",
        "revoke/2/0",
        "revoke/1/1",
        "revoke/2/1",
    ]
    world.clock.sleep(61)  # the lease runs out
    world.seal()
    world.rounds(worker, 1)
    world.rounds(worker, 1)
    assert sent(world)[MAX_UNMINED] == "anchor"
    world.rounds(worker, 6)
    assert len(sent(world)) == MAX_UNMINED + 4


def test_withdrawals_leave_a_quarter_of_the_day_to_anchors(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    for number in range(5):
        withdraw(world, 1, number)
    worker = world.worker(policy=replace(POLICY, max_day_cost=4 * REVOCATION))
    worker.round()
    assert sent(world) == ["revoke/1/0", "revoke/1/1", "revoke/1/2"]
    assert standing(world) == [Obstacle.DAY_CEILING]
    assert warnings(log, "coins a day for withdrawals") == 1

    world.clock.sleep(61)  # the lease runs out
    world.seal()
    worker.round()
    assert sent(world)[3:] == ["anchor"]


def test_the_first_withdrawal_of_a_day_goes_out_under_any_ceiling_that_lets_it(
    world: World,
) -> None:
    withdraw(world, 1, 0)
    withdraw(world, 1, 1)
    # Less is enough at the present fee; of three quarters of it that is not so.
    day = REVOCATION * 3 // 4
    world.worker(policy=replace(POLICY, max_day_cost=day)).round()

    assert sent(world) == ["revoke/1/0"]


def test_bumps_stop_at_the_days_ceiling_and_go_on_when_it_is_raised(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        world.seal()
    low = replace(POLICY, max_day_cost=2 * ANCHOR + 60_000 * GWEI // 2, bump_after=1)
    worker = world.worker(policy=low)
    worker.round()
    world.chain.base_fee = 10 * GWEI
    for _ in range(4):
        world.chain.mine()
        world.clock.sleep(60)
        worker.round()

    attempts = [world.attempts(row) for row in world.rows()]
    assert sum(60_000 * each[-1].fee_cap for each in attempts) <= low.max_day_cost
    assert [len(each) for each in attempts] == [2, 1]
    assert world.chain.sends[-2:] == [each[-1].raw for each in attempts]
    assert warnings(log, "cannot be raised: above the ceiling") == 1
    world.rounds(world.worker(policy=replace(low, max_day_cost=10**18)), 12)
    assert standing(world) == []
    world.check()


def test_a_new_process_says_again_what_stands_still_and_ends_what_does_not(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    world.seal()
    world.chain.base_fee = 2 * MAX_FEE
    world.chain.mine()
    world.rounds(world.worker(), 2)
    since = world.clock()
    world.rounds(world.worker(), 2)
    assert warnings(log, "above the ceiling of 100 gwei (max-fee-gwei)") == 2
    with world.database.read() as tx:
        (only,) = standstills.all(tx, CHAIN_ID)
    assert (only.obstacle, only.sender) == (Obstacle.FEE_CEILING, SENDER)
    assert only.since < since

    world.chain.base_fee = GWEI
    world.chain.mine()
    world.worker().round()
    assert standing(world) == []


def test_a_ceiling_is_not_over_because_an_earlier_send_failed(world: World) -> None:
    world.seal()
    worker = world.worker()
    worker.round()
    world.chain.base_fee = 2 * MAX_FEE
    world.chain.mine()
    world.clock.sleep(61)  # the lease runs out: somebody else may seal
    world.seal()
    worker.round()
    assert standing(world) == [Obstacle.FEE_CEILING]
    world.clock.sleep(61)
    world.chain.break_before_send = 1
    worker.round()
    assert standing(world) == [Obstacle.FEE_CEILING], "the round did not come so far"


def test_a_lack_of_coins_lasts_until_a_node_takes_the_bytes(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    world.seal()
    world.chain.balances[SENDER] = 1
    worker = world.worker()
    worker.round()
    assert standing(world) == [Obstacle.NO_FUNDS]
    world.chain.break_before_send = 1
    worker.round()
    assert standing(world) == [Obstacle.NO_FUNDS], "nobody said that there are coins"
    worker.round()
    assert warnings(log, "cannot pay") == 1

    world.chain.balances[SENDER] = 10**18
    worker.round()
    assert standing(world) == []
    world.rounds(worker, 5)
    world.check()


def test_the_market_s_tip_is_taken_up_by_a_raise(world: World) -> None:
    world.seal()
    worker = world.worker()
    worker.round()
    world.chain.base_fee, world.chain.tip = 5 * GWEI, 7 * GWEI
    world.chain.mine(POLICY.bump_after)
    worker.round()

    (row,) = world.rows()
    assert world.attempts(row)[-1].tip == 7 * GWEI


# -------------------------------------------------------------------- refusals of the node


def test_underpriced_stores_higher_fees_and_sends_them_at_the_next_round(
    world: World,
) -> None:
    world.seal()
    world.chain.refusals = ["transaction underpriced: gas tip cap 1"]
    worker = world.worker()
    worker.round()

    (row,) = world.rows()
    assert row.state is S.IN_PROGRESS
    assert len(world.attempts(row)) == 2
    worker.round()
    assert world.states() == [S.SENT]
    assert world.chain.pooled() == [world.attempts(row)[-1].hash]


def test_without_funds_the_bytes_are_kept_and_sent_once_there_are_some(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    world.seal()
    world.chain.balances[SENDER] = 1
    worker = world.worker()
    worker.round()
    worker.round()

    assert world.states() == [S.IN_PROGRESS]
    assert log.text.count("cannot pay: insufficient funds") == 1
    del world.chain.balances[SENDER]
    world.rounds(worker, 5)
    assert len(set(world.chain.sends)) == 1
    world.check()


def test_a_missing_earlier_nonce_is_waited_for(world: World) -> None:
    world.seal()
    world.chain.refusals = ["nonce too high"]
    worker = world.worker()
    worker.round()

    assert world.states() == [S.IN_PROGRESS]
    worker.round()
    assert world.states() == [S.SENT]


def test_a_taken_slot_counts_as_sent_and_the_chain_decides(world: World) -> None:
    world.seal()
    world.chain.refusals = ["replacement transaction underpriced"]
    worker = world.worker()
    worker.round()

    assert world.states() == [S.SENT]
    world.clock.sleep(60)
    world.rounds(worker, 5)
    world.check()


def test_what_no_node_takes_is_for_the_operator_and_blocks_the_rest(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    world.seal()
    world.seal()
    world.chain.refusals = ["intrinsic gas too low"]
    worker = world.worker()
    worker.round()
    worker.round()

    assert world.states() == [S.FATAL, S.SEALED]
    assert "no node will take nonce 0: intrinsic gas too low" in alarms(log.records)
    assert any("nothing is sent" in words for words in alarms(log.records))


def test_bytes_that_may_be_on_their_way_are_never_given_up(world: World) -> None:
    world.seal()
    world.chain.break_after_send = 1
    worker = world.worker()
    worker.round()
    world.chain.refusals = ["exceeds block gas limit"]
    worker.round()

    assert world.states() == [S.IN_PROGRESS]
    world.rounds(worker, 5)
    world.check()


# -------------------------------------------------------------------- nonces and foreign use


def test_the_first_nonce_is_given_out_once_everything_before_is_final(
    world: World,
) -> None:
    """An account that was used before, by hand, as the operator has said."""
    world.seal()
    world.foreign(SENDER_KEY, 0, acts.anchor(ANCHOR_REGISTRY, b"\xee" * 32).data)
    worker = world.worker(adopt_sender=True)
    worker.round()
    assert world.states() == [S.SEALED]
    world.chain.mine()
    worker.round()
    assert world.states() == [S.SEALED]
    world.chain.mine(2)
    worker.round()

    assert [(row.state, row.nonce) for row in world.rows()] == [(S.SENT, 1)]


@pytest.mark.parametrize("mined", [0, 3])
def test_an_account_that_was_used_before_is_not_taken_unasked(
    world: World, mined: int
) -> None:
    """Two ledgers that were given one account by mistake: the second one sends nothing."""
    world.seal()
    world.foreign(SENDER_KEY, 0, acts.anchor(ANCHOR_REGISTRY, b"\xee" * 32).data)
    world.chain.mine(mined)

    with pytest.raises(
        ChainRejected, match=r"has sent 1, none of them.* --adopt-sender"
    ):
        world.worker().round()
    assert world.states() == [S.SEALED]


@pytest.mark.parametrize(
    ("mined", "words"),
    [
        (0, "No block that was read shows the others"),
        (1, r"old copy, then .* perdure recover; or another ledger pays from"),
        (3, r"old copy, then .* perdure recover; or another ledger pays from"),
    ],
)
@pytest.mark.parametrize("waiting", [0, 1])
def test_a_nonce_that_we_never_gave_out_stops_everything(
    world: World, mined: int, words: str, waiting: int
) -> None:
    """Foreign use of the account, or this database is an old copy; also if nothing waits."""
    world.seal()
    world.rounds(world.worker(), 5)
    world.foreign(SENDER_KEY, 1, acts.anchor(ANCHOR_REGISTRY, b"\xee" * 32).data)
    world.chain.mine(mined)
    world.clock.sleep(61)
    for _ in range(waiting):
        world.seal()

    with pytest.raises(ChainRejected, match=words):
        world.worker().round()
    assert [row.state for row in world.rows()] == [S.FINAL, *[S.SEALED] * waiting]


class AbsentSigner:
    """A key that cannot be used now, as when it lives in another machine."""

    address = SENDER

    def sign(self, fields: TransactionFields) -> SignedTransaction:
        raise KeystoreError(f"nobody signs nonce {fields.nonce}")


def test_without_a_signature_nothing_is_begun(world: World) -> None:
    world.seal()
    working, world.signer = world.signer, AbsentSigner()
    with pytest.raises(KeystoreError, match="nobody signs"):
        world.worker().round()
    assert world.states() == [S.SEALED]

    world.signer = working
    world.worker().round()
    assert world.states() == [S.SENT]


def test_fees_may_differ_and_nothing_else(world: World) -> None:
    world.seal()
    worker = world.worker()
    worker.round()
    for base_fee in (5, 12, 26):
        world.chain.base_fee = base_fee * GWEI
        world.chain.mine(POLICY.bump_after)
        worker.round()

    (row,) = world.rows()
    attempts = world.attempts(row)
    assert len(attempts) >= 3
    signer = world.signer
    for attempt in attempts:
        fields = TransactionFields(
            chain_id=31337,
            nonce=0,
            to=row.to,
            data=row.data,
            gas=row.gas,
            tip=attempt.tip,
            fee_cap=attempt.fee_cap,
        )
        assert signer.sign(fields).raw == attempt.raw
        assert signer.sign(replace(fields, nonce=1)).raw != attempt.raw
