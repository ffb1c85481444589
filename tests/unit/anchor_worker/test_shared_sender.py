"""Two ledgers that were given one paying account by mistake: they are told, and nothing is lost."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from anchor_worker.confirm import PATIENCE
from anchor_worker.recover import Recoverer, Wish
from ledger.errors import ChainRejected, SettingError
from ledger.services.doctor import examine
from ledger.services.sender_use import refuse_used_account
from ledger.store.database import Database
from ledger.store.records import ChainTxState
from tests.unit.anchor_worker.test_retired import NEW, change_account, told
from tests.unit.anchor_worker.worlds import SENDER, World

S = ChainTxState


@pytest.fixture
def two(sqlite_database: Database, tmp_path: Path) -> Iterator[tuple[World, World]]:
    """Two databases, one chain, one account; no credential is in both."""
    with closing(Database.upgrade(f"sqlite:///{tmp_path}/second.db")) as other:
        first, second = World(sqlite_database), World(other)
        second.chain = first.chain
        second.issued = 100
        yield first, second


def anchored_once(*worlds: World) -> bool:
    """Whether every batch of these ledgers stands on the chain, once."""
    mined = Counter(data for _, _, _, data, _ in worlds[0].chain.canonical())
    roots = {row.data for world in worlds for row in world.rows()}
    return {mined[root] for root in roots} == {1}


def later(world: World) -> None:
    """Another batch, when the last worker's lease has run out."""
    world.clock.sleep(600)
    world.seal()


def recover(world: World, sender: str) -> list[str]:
    world.clock.sleep(121)
    recoverer = Recoverer(
        world.database, world.record, sender, owner="recovery", clock=world.clock
    )
    found = recoverer.run(world.chain, Wish(issued_at_most=0))
    return [each.fate for each in found.caught]


def test_the_second_one_is_refused_at_its_start_with_the_settings_name(
    two: tuple[World, World],
) -> None:
    first, second = two
    first.seal()
    refuse_used_account(
        second.database, second.chain, second.record, sender=SENDER, setting="X"
    )
    first.worker().round()
    for blocks in (0, 1, 3):  # waiting, mined, final
        first.chain.mine(blocks)
        with pytest.raises(
            SettingError, match=r"^PERDURE_SENDER_KEYSTORE: .* has sent 1"
        ):
            refuse_used_account(
                second.database,
                second.chain,
                second.record,
                sender=SENDER,
                setting="PERDURE_SENDER_KEYSTORE",
            )
    # What it knows to be its own is no obstacle.
    refuse_used_account(
        first.database, first.chain, first.record, sender=SENDER, setting="X"
    )


def test_both_began_at_once_and_the_slower_one_goes_on_with_its_own_account(
    two: tuple[World, World],
) -> None:
    """Each gave out nonce 0 before it could see the other."""
    first, second = two
    first.seal()
    second.seal()
    second.chain.break_before_send = 1
    second.worker().round()
    assert told(second) == [(S.IN_PROGRESS, SENDER, 0)]
    first.rounds(first.worker(), 5)
    assert told(first) == [(S.FINAL, SENDER, 0)]

    worker = second.worker()
    for _ in range(PATIENCE - 1):
        worker.round()
    with pytest.raises(ChainRejected, match=r"account is used elsewhere.* new account"):
        worker.round()
    assert told(second) == [(S.SENT, SENDER, 0)]

    findings = examine(second.database, node=second.chain, contents=False).findings
    assert [each.code for each in findings] == ["nonce.used_elsewhere"]
    assert f"perdure recover --dry-run --sender {SENDER}" in findings[0].detail

    change_account(second)
    assert recover(second, SENDER) == ["displaced"]
    assert examine(second.database, node=second.chain, contents=False).is_well
    second.rounds(second.worker(), 5)
    assert told(second) == [(S.FATAL, SENDER, 0), (S.FINAL, NEW, 0)]
    assert anchored_once(first, second)
    later(first)
    first.rounds(first.worker(), 5)
    assert anchored_once(first, second)


def test_one_that_joined_later_stops_the_other_and_neither_loses_a_batch(
    two: tuple[World, World],
) -> None:
    """The operator of the second one said that the account was its own."""
    first, second = two
    first.seal()
    first.rounds(first.worker(), 5)
    second.seal()
    second.rounds(second.worker(adopt_sender=True), 5)
    assert told(second) == [(S.FINAL, SENDER, 1)]

    later(first)
    with pytest.raises(ChainRejected, match="another ledger pays from this account"):
        first.worker().round()
    change_account(first)
    first.rounds(first.worker(), 5)
    assert told(first)[-1] == (S.FINAL, NEW, 0)
    later(second)
    second.rounds(second.worker(), 5)
    assert told(second)[-1] == (S.FINAL, SENDER, 2)
    assert anchored_once(first, second)


def test_taken_for_an_old_copy_it_still_anchors_nothing_twice(
    two: tuple[World, World],
) -> None:
    """Recovery cannot cure two ledgers on one account, and does no harm to either."""
    first, second = two
    first.seal()
    first.rounds(first.worker(), 5)
    second.seal()
    second.rounds(second.worker(adopt_sender=True), 5)

    assert recover(first, SENDER) == ["lost"]
    later(first)
    first.rounds(first.worker(), 5)
    assert [(state, nonce) for state, _, nonce in told(first)] == [
        (S.FINAL, 0),
        (S.FINAL, 1),
        (S.FINAL, 2),
    ]
    later(second)
    with pytest.raises(ChainRejected, match="another ledger pays from this account"):
        second.worker().round()
    change_account(second)
    second.rounds(second.worker(), 5)
    assert anchored_once(first, second)
