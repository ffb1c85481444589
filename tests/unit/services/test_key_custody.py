"""Custody: a server lost with its disk comes back with every issuer's identity."""

import secrets

import pytest

from ledger.core.credential import SignedCredential
from ledger.errors import (
    Conflict,
    KeystoreError,
    MalformedError,
    NotFound,
    Refused,
)
from ledger.keystore.backup import decode_backup
from ledger.keystore.master import MasterKey
from ledger.services.credentials import list_credentials
from ledger.services.identity import issuer_record, revoking_secret, signing_issuer
from ledger.services.key_custody import SKIPPED_BLOCKS, backup_keys, restore_keys
from ledger.services.organisations import create_organisation, operator_of
from ledger.store import chain_txs, credentials, organisations
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


def restore(
    database: Database,
    master: MasterKey,
    data: bytes,
    *,
    only: list[str] | None = None,
    code: str | None = None,
) -> School:
    with database.begin() as tx:
        restored = restore_keys(
            tx,
            data,
            master=master,
            passphrase=PASSPHRASE,
            now=NOW,
            only=only,
            code=code,
        )
        return School(database, operator_of(tx, restored[0].organisation_code), master)


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


def make_organisation(database: Database, code: str, name: str) -> None:
    with database.begin() as tx:
        create_organisation(tx, code=code, name=name, now=NOW)


def test_an_organisation_of_another_name_is_given_no_identity(
    school: School, empty: Database
) -> None:
    """Whoever has its API key would sign as the school in the backup."""
    make_organisation(empty, "riverside", "Riverside Driving Lessons Ltd")
    with pytest.raises(
        Conflict,
        match=r"another name, Riverside Driving Lessons Ltd, .* is of Riverside School: .*"
        "--org riverside --code CODE",
    ):
        restore(empty, school.master, backup(school))

    with empty.read() as tx, pytest.raises(Refused, match="no issuer record"):
        issuer_record(tx, operator_of(tx, "riverside"))


def test_an_organisation_made_anew_by_its_name_has_its_identity_back(
    school: School, empty: Database
) -> None:
    make_organisation(empty, "riverside", "Riverside School")
    back = restore(empty, school.master, backup(school))

    with empty.read() as tx, school.database.read() as before:
        old = issuer_record(before, school.caller)
        assert issuer_record(tx, back.caller).issuer_id == old.issuer_id


def test_an_identity_is_restored_under_another_code_which_then_stays(
    school: School, empty: Database
) -> None:
    make_organisation(empty, "riverside", "Riverside Driving Lessons Ltd")
    data = backup(school)
    back = restore(empty, school.master, data, code="riverside-2")
    organisation = back.caller.organisation
    assert (organisation.code, organisation.name) == ("riverside-2", "Riverside School")

    for code in (None, "riverside-2"):
        again = restore(empty, school.master, data, code=code)
        assert again.caller.organisation == organisation
    for other in ("riverside", "riverside-3"):
        with pytest.raises(Conflict, match="here already, under the code riverside-2"):
            restore(empty, school.master, data, code=other)


@pytest.mark.parametrize("code", ["", "River side"])
def test_a_code_that_no_organisation_may_have_is_refused(
    school: School, empty: Database, code: str
) -> None:
    with pytest.raises(MalformedError, match="organisation code"):
        restore(empty, school.master, backup(school), code=code)


def test_of_several_one_is_chosen_for_another_code(
    school: School, empty: Database
) -> None:
    make_school(school.database, "hillside", school.master).register()
    make_organisation(empty, "riverside", "Riverside Driving Lessons Ltd")
    data = backup(school)
    with pytest.raises(Refused, match="holds hillside, riverside: choose one with"):
        restore(empty, school.master, data, code="riverside-2")
    with pytest.raises(NotFound, match="does not hold lakeside; it holds hillside, r"):
        restore(empty, school.master, data, only=["lakeside"])

    restore(empty, school.master, data, only=["riverside"], code="riverside-2")
    with empty.read() as tx:
        codes = [each.code for each in organisations.all(tx)]
    assert codes == ["riverside", "riverside-2"]
    # The rest comes without more ado: who is here already is known by the identity.
    restore(empty, school.master, data)
    with empty.read() as tx:
        codes = [each.code for each in organisations.all(tx)]
    assert codes == ["hillside", "riverside", "riverside-2"]


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
