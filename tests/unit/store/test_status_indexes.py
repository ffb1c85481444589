"""Status indexes of `ledger.store.credentials`: random, and handed out once for ever."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from secrets import token_bytes
from uuid import uuid4

import pytest

from ledger.errors import NotFound, StoreError
from ledger.store import credentials
from ledger.store.credentials import FULL_BLOCK
from ledger.store.database import Database
from ledger.store.records import Organisation
from ledger.store.tables import STATUS_BLOCK, STATUS_BLOCKS
from tests.unit.store.samples import Undo, add_school


@pytest.fixture
def school(database: Database) -> Organisation:
    with database.begin() as tx:
        return add_school(tx)


def seeded(seed: str) -> Callable[[int], bytes]:
    """Bytes that look random and are the same every time."""
    state = hashlib.sha256(seed.encode())

    def draw(count: int) -> bytes:
        state.update(b".")
        return state.digest()[:count]

    return draw


def test_are_spread_over_the_first_block(
    database: Database, school: Organisation
) -> None:
    with database.begin() as tx:
        found = credentials.allot_status_indexes(tx, school.id, 1_000, seeded("a"))

    assert len(set(found)) == 1_000
    assert all(0 <= index < STATUS_BLOCK for index in found)
    assert list(found) != sorted(found)
    halves = sum(index < STATUS_BLOCK // 2 for index in found)
    assert 400 < halves < 600


def test_come_from_the_entropy_alone(database: Database) -> None:
    with database.begin() as tx:
        one, two, three = (add_school(tx, code) for code in ("one", "two", "three"))
        first = credentials.allot_status_indexes(tx, one.id, 50, seeded("a"))
        same = credentials.allot_status_indexes(tx, two.id, 50, seeded("a"))
        other = credentials.allot_status_indexes(tx, three.id, 50, seeded("b"))

    assert first == same
    assert first != other


def test_never_come_twice(database: Database, school: Organisation) -> None:
    """Also when the source of randomness starts again."""
    seen: list[int] = []
    for _ in range(5):
        with database.begin() as tx:
            seen += credentials.allot_status_indexes(tx, school.id, 200, seeded("a"))

    assert len(set(seen)) == 1_000


def test_next_block_opens_at_three_quarters(
    database: Database, school: Organisation
) -> None:
    with database.begin() as tx:
        assert credentials.next_status_block(tx, school.id) == 0
        credentials.allot_status_indexes(tx, school.id, FULL_BLOCK - 1, token_bytes)
        assert credentials.next_status_block(tx, school.id) == 1

        last, first = credentials.allot_status_indexes(tx, school.id, 2, token_bytes)
        assert credentials.next_status_block(tx, school.id) == 2
    assert last < STATUS_BLOCK <= first < 2 * STATUS_BLOCK


def test_rolled_back_ones_were_not_handed_out(
    database: Database, school: Organisation
) -> None:
    undone: list[int] = []
    with suppress(Undo), database.begin() as tx:
        undone += credentials.allot_status_indexes(tx, school.id, 5, seeded("a"))
        raise Undo

    with database.begin() as tx:
        again = credentials.allot_status_indexes(tx, school.id, 5, seeded("a"))
    assert undone == again


def test_restored_identity_skips_what_was_lost(
    database: Database, school: Organisation
) -> None:
    with database.begin() as tx:
        credentials.skip_status_blocks(tx, school.id, 9)
        (index,) = credentials.allot_status_indexes(tx, school.id, 1, token_bytes)

        assert index // STATUS_BLOCK == 9
        assert credentials.next_status_block(tx, school.id) == 10


def test_skipping_never_leads_back(database: Database, school: Organisation) -> None:
    with database.begin() as tx:
        credentials.skip_status_blocks(tx, school.id, 9)
        before = credentials.allot_status_indexes(tx, school.id, 5, seeded("a"))
        credentials.skip_status_blocks(tx, school.id, 9)
        credentials.skip_status_blocks(tx, school.id, 3)
        after = credentials.allot_status_indexes(tx, school.id, 5, seeded("a"))

    assert {index // STATUS_BLOCK for index in after} == {9}
    assert not set(before) & set(after)


def test_end_is_an_error(database: Database, school: Organisation) -> None:
    with database.begin() as tx:
        credentials.skip_status_blocks(tx, school.id, STATUS_BLOCKS - 1)

        with pytest.raises(StoreError, match="used up"):
            credentials.allot_status_indexes(tx, school.id, FULL_BLOCK + 1, token_bytes)


def test_stuck_source_of_randomness_is_an_error(
    sqlite_database: Database,
) -> None:
    with sqlite_database.begin() as tx:
        school = add_school(tx)

        with pytest.raises(StoreError, match="randomness repeats itself"):
            credentials.allot_status_indexes(tx, school.id, 2, bytes)


def test_none_are_none(database: Database, school: Organisation) -> None:
    with database.begin() as tx:
        assert credentials.allot_status_indexes(tx, school.id, 0, token_bytes) == []


def test_nobody_gets_none(database: Database) -> None:
    with database.begin() as tx:
        with pytest.raises(NotFound):
            credentials.allot_status_indexes(tx, uuid4(), 1, token_bytes)
        with pytest.raises(NotFound):
            credentials.skip_status_blocks(tx, uuid4(), 1)
