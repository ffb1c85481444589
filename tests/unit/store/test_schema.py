"""The versions of the schema are read from names: Alembic, which reads the files, says the same."""

from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from ledger.store import schema


def test_the_names_of_the_migrations_tell_what_alembic_finds_in_them() -> None:
    scripts = ScriptDirectory(str(Path(schema.__file__).parent / "migrations"))

    walked = [script.revision for script in scripts.walk_revisions()]

    assert scripts.get_heads() == [schema.versions()[-1]]
    assert list(schema.versions()) == walked[::-1]


def test_a_package_without_its_migrations_is_noticed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(schema, "_MIGRATIONS", tmp_path)

    with pytest.raises(RuntimeError, match="no migrations in"):
        schema.versions.__wrapped__()
