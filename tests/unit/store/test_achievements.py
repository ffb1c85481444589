from dataclasses import replace
from uuid import uuid4

import pytest

from ledger.errors import Conflict, NotFound
from ledger.store import achievements, organisations
from ledger.store.database import Database, Transaction
from ledger.store.records import AchievementRecord
from tests.unit.store.plans import plan_of
from tests.unit.store.samples import NOW
from tests.unit.store.statements import counted


def add_version(
    tx: Transaction, like: AchievementRecord, version: str
) -> AchievementRecord:
    return achievements.add(tx, replace(like, version=version))


@pytest.fixture
def git(database: Database) -> AchievementRecord:
    with database.begin() as tx:
        school = organisations.add(tx, id=uuid4(), code="r", name="R", now=NOW)
    return AchievementRecord(school.id, "git-1", "1", b'{"a": 1.0}', NOW)


def test_bytes_come_back_as_they_went_in(
    database: Database, git: AchievementRecord
) -> None:
    every_byte = replace(git, source=bytes(range(256)))
    with database.begin() as tx:
        assert every_byte == achievements.add(tx, every_byte)

    with database.read() as tx:
        assert every_byte == achievements.get(tx, git.organisation_id, "git-1", "1")


def test_same_bytes_again_change_nothing(
    database: Database, git: AchievementRecord
) -> None:
    with database.begin() as tx:
        achievements.add(tx, git)
        later = replace(git, created_at=NOW.replace(year=2027))

        assert git == achievements.add(tx, later)
        assert [git] == achievements.all(tx, git.organisation_id)


def test_other_bytes_need_another_version(
    database: Database, git: AchievementRecord
) -> None:
    with database.begin() as tx:
        achievements.add(tx, git)

        with pytest.raises(Conflict, match="other content"):
            achievements.add(tx, replace(git, source=b'{"a":1.0}'))
        assert git == achievements.get(tx, git.organisation_id, "git-1")


def test_newest_is_the_one_added_last_not_the_greatest(
    database: Database, git: AchievementRecord
) -> None:
    with database.begin() as tx:
        for version in ("9", "10", "1.5"):
            add_version(tx, git, version)

        newest = achievements.get(tx, git.organisation_id, "git-1")
        nine = achievements.get(tx, git.organisation_id, "git-1", "9")
    assert newest.version == "1.5"
    assert nine.version == "9"


def test_all_come_by_code_oldest_version_first(
    database: Database, git: AchievementRecord
) -> None:
    with database.begin() as tx:
        achievements.add(tx, replace(git, code="py-1"))
        for version in ("9", "10"):
            add_version(tx, git, version)

        found = achievements.all(tx, git.organisation_id)
    expected = [("git-1", "9"), ("git-1", "10"), ("py-1", "1")]
    assert expected == [(a.code, a.version) for a in found]


def test_what_is_not_there_is_not_found(
    database: Database, git: AchievementRecord
) -> None:
    with database.begin() as tx:
        achievements.add(tx, git)
        with pytest.raises(NotFound):
            achievements.get(tx, git.organisation_id, "git-2")
        with pytest.raises(NotFound):
            achievements.get(tx, git.organisation_id, "git-1", "2")
        with pytest.raises(NotFound):
            achievements.add(tx, replace(git, organisation_id=uuid4()))


def test_many_are_added_in_their_order_by_few_statements(
    database: Database, git: AchievementRecord
) -> None:
    records = [
        replace(git, code=f"c{n % 400}", version=str(n // 400)) for n in range(1_200)
    ]
    with database.begin() as tx:
        achievements.add(tx, replace(git, code="c7", version="before"))
        with counted(tx.connection) as statements:
            added = achievements.add_all(tx, git.organisation_id, records)

        assert added == records
        assert len(statements) <= 8
        assert achievements.newest(tx, git.organisation_id) == {
            f"c{n}": "2" for n in range(400)
        }
        versions = [
            each.version
            for each in achievements.all(tx, git.organisation_id)
            if each.code == "c7"
        ]
        assert versions == ["before", "0", "1", "2"]


def test_of_many_the_same_again_adds_nothing_and_another_adds_none(
    database: Database, git: AchievementRecord
) -> None:
    fresh = replace(git, code="new")
    later = replace(git, created_at=NOW.replace(year=2027))
    with database.begin() as tx:
        achievements.add(tx, git)

        assert [git, fresh, fresh] == achievements.add_all(
            tx, git.organisation_id, [later, fresh, fresh]
        )
        with pytest.raises(Conflict, match="git-1 version 1 exists with other content"):
            achievements.add_all(
                tx,
                git.organisation_id,
                [replace(git, code="third"), replace(git, source=b"[]")],
            )
        codes = [each.code for each in achievements.all(tx, git.organisation_id)]
        assert codes == ["git-1", "new"]


def test_the_newest_of_some_is_read_without_the_others(
    sqlite_database: Database,
) -> None:
    with sqlite_database.begin() as tx:
        school = organisations.add(tx, id=uuid4(), code="r", name="R", now=NOW)
        for code, version in (("a", "2"), ("a", "1"), ("b", "1"), ("c", "1")):
            achievements.add(
                tx, AchievementRecord(school.id, code, version, b"{}", NOW)
            )
        found = achievements.newest(tx, school.id, ["a", "c", "nosuch"])
    (step,) = plan_of(
        sqlite_database, lambda tx: achievements.newest(tx, school.id, ["a", "c"])
    )

    assert found == {"a": "1", "c": "1"}
    assert step.endswith("(organisation_id=? AND code=?)")
