import sqlite3

import pytest
from sqlalchemy.exc import IntegrityError

from ledger.store.refusals import SENTENCES, conflict
from ledger.store.tables import metadata


def test_every_sentence_belongs_to_a_rule() -> None:
    rules = {
        str(rule.name)
        for table in metadata.tables.values()
        for rules in (table.constraints, table.indexes)
        for rule in rules
    }

    assert SENTENCES.keys() <= rules


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("UNIQUE constraint failed: organisation.code", "an organisation with this code"),
        ("UNIQUE constraint failed: batch.tree_size", "rule unique batch.tree_size"),
        ("CHECK constraint failed: ck_batch_tree_size", "rule ck_batch_tree_size"),
        ("NOT NULL constraint failed: batch.id", "rule not_null batch.id"),
        ("FOREIGN KEY constraint failed", "rule foreign key"),
        ("UNIQUE constraint failed: index 'x' of canary@example.org", "rule foreign key"),
    ],
)  # fmt: skip
def test_sqlite_names_the_rule_in_its_own_words(said: str, expected: str) -> None:
    error = IntegrityError("INSERT", None, sqlite3.IntegrityError(said))

    message = str(conflict(error))
    assert expected in message
    assert "canary" not in message
