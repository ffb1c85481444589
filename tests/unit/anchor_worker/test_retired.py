"""A new account that pays: what the old one has on its way is followed to its end."""

import pytest

from anchor_worker.confirm import PATIENCE
from ledger.chain import acts
from ledger.chain.accounts import address_of
from ledger.chain.sender import KeystoreSigner, SigningRules
from ledger.core.registries import ANCHOR_REGISTRY, ISSUER_REGISTRY
from ledger.errors import KeystoreError
from ledger.store import leases
from ledger.store.database import Database
from ledger.store.records import ChainTxState
from tests.unit.anchor_worker.worlds import (
    CHAIN_ID,
    MAX_FEE,
    SENDER,
    SENDER_KEY,
    World,
    alarms,
)

S = ChainTxState
NEW_KEY = bytes.fromhex("55" * 32)
NEW = address_of(NEW_KEY)


def change_account(world: World) -> None:
    calls = acts.known_calls(ANCHOR_REGISTRY, ISSUER_REGISTRY)
    world.signer = KeystoreSigner(NEW_KEY, SigningRules(CHAIN_ID, calls, MAX_FEE))
    world.clock.sleep(61)  # the lease of the worker before


def told(world: World) -> list[tuple[ChainTxState, str | None, int | None]]:
    return [(row.state, row.sender, row.nonce) for row in world.rows()]


def test_what_waits_goes_to_the_new_account_and_the_rest_stays(world: World) -> None:
    world.seal()
    world.worker().round()
    change_account(world)
    world.seal()
    world.rounds(world.worker(), 6)

    assert told(world) == [(S.FINAL, SENDER, 0), (S.FINAL, NEW, 0)]


@pytest.mark.parametrize("kill", ["before", "after"])
def test_bytes_that_may_never_have_left_go_out_without_the_old_key(
    world: World, kill: str
) -> None:
    world.seal()
    setattr(world.chain, f"break_{kill}_send", 1)
    world.worker().round()
    assert told(world) == [(S.IN_PROGRESS, SENDER, 0)]
    change_account(world)
    world.rounds(world.worker(), 6)

    assert told(world) == [(S.FINAL, SENDER, 0)]
    assert len(set(world.chain.sends)) == 1


def test_dropped_bytes_go_again_once_a_minute(world: World) -> None:
    world.seal()
    world.worker().round()
    change_account(world)
    worker = world.worker()
    worker.round()
    world.chain.drop(world.chain.pooled()[0])
    worker.round()
    assert world.chain.pooled() == []
    world.clock.sleep(61)
    worker.round()
    assert len(world.chain.pooled()) == 1


def test_an_old_account_without_coins_is_told_once_and_holds_up_nothing(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    world.seal()
    world.chain.balances[SENDER] = 0
    world.worker().round()
    change_account(world)
    world.seal()
    world.rounds(world.worker(), 9, mine=1)

    assert told(world) == [(S.IN_PROGRESS, SENDER, 0), (S.FINAL, NEW, 0)]
    (words,) = alarms(log.records)
    assert "which paid before, is not taken: insufficient funds" in words
    world.chain.balances[SENDER] = 10**21
    world.clock.sleep(61)
    world.rounds(world.worker("two"), 4)
    assert told(world)[0] == (S.FINAL, SENDER, 0)


def test_foreign_use_of_the_old_account_stops_only_what_it_had(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    world.seal()
    world.worker().round()
    world.chain.drop(world.chain.pooled()[0])
    world.steal_nonce(SENDER_KEY, 0)
    change_account(world)
    world.seal()
    world.rounds(world.worker(), PATIENCE + 4)

    assert told(world) == [(S.SENT, SENDER, 0), (S.FINAL, NEW, 0)]
    (words,) = alarms(log.records)
    assert f"perdure recover --sender {SENDER}" in words


def test_another_worker_that_still_has_the_old_lease_is_left_alone(
    world: World,
) -> None:
    world.seal()
    world.worker().round()
    change_account(world)
    with Database.begin(world.database) as tx:
        leases.take(tx, CHAIN_ID, SENDER, owner="two", seconds=600, now=world.clock())
    world.rounds(world.worker(), 5)
    assert told(world) == [(S.SENT, SENDER, 0)]


def test_nothing_is_ever_signed_for_the_old_account(world: World) -> None:
    """However long it takes: fees are not raised, because nobody has the key."""
    world.seal()
    world.chain.base_fee = 10**12
    world.worker().round()
    change_account(world)

    class NoKey:
        address = NEW

        def sign(self, fields: object) -> object:
            raise KeystoreError("nothing is signed here")

    world.signer = NoKey()  # type: ignore[assignment]
    world.rounds(world.worker(), 20)
    (row,) = world.rows()
    assert len(world.attempts(row)) == 1
