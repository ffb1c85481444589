"""Custody: a server lost with its disk comes back with every issuer's identity."""

import secrets

import pytest

from ledger.core.credential import SignedCredential
from ledger.errors import Conflict, KeystoreError, NotFound
from ledger.keystore.backup import decode_backup
from ledger.keystore.master import MasterKey
from ledger.services.credentials import list_credentials
from ledger.services.identity import issuer_record, revoking_secret, signing_issuer
from ledger.services.key_custody import SKIPPED_BLOCKS, backup_keys, restore_keys
from ledger.services.organisations import operator_of
from ledger.store import chain_txs, credentials
from ledger.store.database import Database
from ledger.store.records import ChainTxState
from ledger.store.tables import STATUS_BLOCK  # the test looks at what was allotted
from tests.unit.services.conftest import (
    CHAIN,
    NOW,
    PASSPHRASE,
    School,
    make_school,
    request_of,
)


def backup(school: School, codes: list[str] | None = None) -> bytes:
    with school.database.read() as tx:
        data, _ = backup_keys(
            tx,
            codes,
            master=school.master,
            passphrase=PASSPHRASE,
            entropy=secrets.token_bytes,
        )
    return data


def restore(database: Database, master: MasterKey, data: bytes) -> School:
    with database.begin() as tx:
        restore_keys(tx, data, master=master, passphrase=PASSPHRASE, now=NOW)
        return School(database, operator_of(tx, "riverside"), master)


@pytest.fixture
def empty(tmp_path_factory: pytest.TempPathFactory) -> Database:
    """Another server: a new disk, a new master key."""
    path = tmp_path_factory.mktemp("new-server") / "perdure.db"
    return Database.upgrade(f"sqlite:///{path}")


@pytest.mark.parametrize("source", ["registration", "keys backup"])
def test_a_lost_server_comes_back_with_its_identity(
    school: School, empty: Database, source: str
) -> None:
    data = school.backups[0] if source == "registration" else backup(school)
    with school.database.read() as tx:
        before = signing_issuer(tx, school.caller, school.master)
        revoker = revoking_secret(tx, school.caller, school.master)

    back = restore(empty, MasterKey(secrets.token_bytes(32)), data)

    with empty.read() as tx:
        after = signing_issuer(tx, back.caller, back.master)
        assert revoking_secret(tx, back.caller, back.master) == revoker
    assert after.issuer == before.issuer
    assert after.record.issuer_id == before.record.issuer_id


def test_a_restored_issuer_signs_as_before(school: School, empty: Database) -> None:
    back = restore(empty, MasterKey(secrets.token_bytes(32)), school.backups[0])
    back.add_achievements()
    back.issue(request_of("a@example.com"))

    with empty.read() as tx:
        (listed,) = list_credentials(tx, back.caller, limit=10)
        record = issuer_record(tx, back.caller)
    assert listed.record.data is not None
    signed = SignedCredential.from_bytes(listed.record.data)
    signed.check()
    assert signed.issuer_reference.issuer_id == record.issuer_id


def test_a_restored_ledger_never_hands_a_status_index_out_again(
    school: School, empty: Database
) -> None:
    school.issue(*(request_of(f"p{n}@example.com") for n in range(20)))
    back = restore(empty, MasterKey(secrets.token_bytes(32)), backup(school))

    with empty.begin() as tx:
        indexes = credentials.allot_status_indexes(
            tx, back.caller.organisation.id, 20, secrets.token_bytes
        )
    assert min(indexes) >= (1 + SKIPPED_BLOCKS) * STATUS_BLOCK


def test_the_acts_are_enqueued_again_and_waiting_keys_are_not_trusted(
    school: School, empty: Database
) -> None:
    """Whether the keys are open says the chain, not the backup."""
    back = restore(empty, MasterKey(secrets.token_bytes(32)), backup(school))

    with empty.read() as tx:
        rows = chain_txs.in_state(tx, CHAIN.chain_id, [ChainTxState.SEALED], 10)
        record = issuer_record(tx, back.caller)
    assert [row.kind.value for row in rows] == ["register", "add_key", "add_key"]
    assert record.registered_at is None


def test_restoring_twice_changes_nothing(school: School, empty: Database) -> None:
    master = MasterKey(secrets.token_bytes(32))
    data = backup(school)
    restore(empty, master, data)

    with empty.begin() as tx:
        (again,) = restore_keys(tx, data, master=master, passphrase=PASSPHRASE, now=NOW)
    assert again.added == 0


def test_another_identity_under_the_same_code_is_a_conflict(
    school: School, empty: Database
) -> None:
    other = make_school(empty, "riverside", MasterKey(secrets.token_bytes(32)))
    other.register()

    with pytest.raises(Conflict, match="another issuer record"):
        restore(empty, other.master, backup(school))


def test_a_wrong_passphrase_restores_nothing(school: School, empty: Database) -> None:
    with pytest.raises(KeystoreError, match="passphrase"), empty.begin() as tx:
        restore_keys(
            tx,
            backup(school),
            master=school.master,
            passphrase="wrong horse battery",
            now=NOW,
        )
    with empty.read() as tx, pytest.raises(NotFound):
        operator_of(tx, "riverside")


def test_all_organisations_or_the_named_ones(school: School) -> None:
    other = make_school(school.database, "other", school.master)
    other.register()
    make_school(school.database, "keyless", school.master)

    every = decode_backup(backup(school), PASSPHRASE)
    one = decode_backup(backup(school, ["other"]), PASSPHRASE)
    assert [entry.organisation_code for entry in every] == ["other", "riverside"]
    assert [entry.organisation_code for entry in one] == ["other"]
    assert all("recovery" not in entry.secrets for entry in every)
