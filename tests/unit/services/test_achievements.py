"""Achievements: versions that never change once added."""

from typing import Any

import pytest

from ledger.core.canonical import parse
from ledger.errors import Conflict, MalformedError
from ledger.services.achievements import add_achievements, list_achievements
from tests.unit.services.conftest import NOW, SAMPLES, School


def sample() -> Any:
    return parse((SAMPLES / "achievements.json").read_bytes())


def test_adding_the_same_again_changes_nothing(school: School) -> None:
    school.add_achievements()

    with school.database.read() as tx:
        assert len(list_achievements(tx, school.caller)) == 8


def test_a_version_with_other_content_is_refused(school: School) -> None:
    changed = sample()[0] | {"name": "Other"}

    with (
        pytest.raises(Conflict, match="git-1 version 1 exists"),
        school.database.begin() as tx,
    ):
        add_achievements(tx, school.caller, changed, NOW)


def test_one_bad_entry_adds_none_and_is_named(bare_school: School) -> None:
    entries = sample()
    del entries[2]["criteria"]

    with (
        pytest.raises(MalformedError, match=r"achievement 3: .*criteria"),
        bare_school.database.begin() as tx,
    ):
        add_achievements(tx, bare_school.caller, entries, NOW)
    with bare_school.database.read() as tx:
        assert list_achievements(tx, bare_school.caller) == []


def test_an_empty_list_is_refused(bare_school: School) -> None:
    with (
        pytest.raises(MalformedError, match="empty"),
        bare_school.database.begin() as tx,
    ):
        add_achievements(tx, bare_school.caller, [], NOW)
