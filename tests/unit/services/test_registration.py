"""Registering: the recovery key is in the backup and nowhere else."""

import secrets
from collections.abc import Callable

import pytest

from ledger.chain.accounts import address_of
from ledger.core.issuer import IssuerProfile, issuer_id, recovery_commitment
from ledger.errors import Conflict, KeystoreError, Refused
from ledger.keystore.backup import decode_backup
from ledger.keystore.master import MasterKey
from ledger.services.identity import (
    describe_issuer,
    issuer_record,
    open_key,
    signing_issuer,
)
from ledger.services.registration import register_issuer
from ledger.store import chain_txs, issuers
from ledger.store.records import ChainTxKind, ChainTxState, IssuerKeyRole
from tests.unit.services.conftest import CHAIN, NOW, OPENED, PASSPHRASE, School


def register(
    school: School,
    *,
    passphrase: str = PASSPHRASE,
    write_backup: Callable[[bytes], None] | None = None,
) -> None:
    with school.database.begin() as tx:
        register_issuer(
            tx,
            school.caller,
            IssuerProfile(name="A", url="https://a.example"),
            CHAIN,
            master=school.master,
            passphrase=passphrase,
            write_backup=write_backup or school.backups.append,
            now=NOW,
            entropy=secrets.token_bytes,
        )


def full_disk(_: bytes) -> None:
    raise KeystoreError("disk full")


def test_the_recovery_key_is_in_the_backup_and_nowhere_else(
    bare_school: School,
) -> None:
    bare_school.register()

    (entry,) = decode_backup(bare_school.backups[0], PASSPHRASE)
    (recovery,) = entry.secrets["recovery"]
    with bare_school.database.read() as tx:
        record = issuer_record(tx, bare_school.caller)
        roles = [key.role for key in describe_issuer(tx, bare_school.caller).keys]
        opened = [
            open_key(key, bare_school.master)
            for key in describe_issuer(tx, bare_school.caller).keys
        ]
    assert record.recovery_commitment == recovery_commitment(address_of(recovery))
    assert sorted(roles) == sorted(IssuerKeyRole)
    assert recovery not in opened


def test_the_controller_is_open_since_the_registration(bare_school: School) -> None:
    bare_school.register()
    assert {opened for _role, opened in shown_keys(bare_school)} == {None}

    with bare_school.database.begin() as tx:
        issuers.mark_registered(tx, bare_school.caller.organisation.id, OPENED)
    assert set(shown_keys(bare_school)) == {
        (IssuerKeyRole.CONTROLLER, OPENED),
        (IssuerKeyRole.SIGNING, None),
        (IssuerKeyRole.REVOKING, None),
    }


def shown_keys(school: School) -> list[tuple[IssuerKeyRole, int | None]]:
    with school.database.read() as tx:
        keys = describe_issuer(tx, school.caller).keys
    return [(key.role, key.opened) for key in keys]


def test_the_backup_alone_gives_the_issuer_id(bare_school: School) -> None:
    bare_school.register()

    (entry,) = decode_backup(bare_school.backups[0], PASSPHRASE)
    with bare_school.database.read() as tx:
        record = issuer_record(tx, bare_school.caller)
    assert entry.issuer_id == record.issuer_id
    assert record.issuer_id == issuer_id(
        CHAIN.chain_id,
        address_of(entry.secrets["controller"][0]),
        record.recovery_commitment,
        record.profile_hash,
        entry.salt,
    )


def test_registering_enqueues_record_then_both_keys_and_sends_nothing(
    bare_school: School,
) -> None:
    bare_school.register()

    with bare_school.database.read() as tx:
        rows = chain_txs.in_state(tx, CHAIN.chain_id, [ChainTxState.SEALED], 10)
    assert [row.kind for row in rows] == [
        ChainTxKind.REGISTER,
        ChainTxKind.ADD_KEY,
        ChainTxKind.ADD_KEY,
    ]
    assert {row.to for row in rows} == {CHAIN.issuer_registry}


def test_an_organisation_has_one_issuer_record(bare_school: School) -> None:
    bare_school.register()

    with pytest.raises(Conflict, match="already"):
        bare_school.register()
    assert len(bare_school.backups) == 1


def test_a_backup_that_cannot_be_written_leaves_nothing(bare_school: School) -> None:
    with pytest.raises(KeystoreError, match="disk full"):
        register(bare_school, write_backup=full_disk)

    with (
        bare_school.database.read() as tx,
        pytest.raises(Refused, match="no issuer record"),
    ):
        issuer_record(tx, bare_school.caller)


def test_a_weak_passphrase_is_refused_before_anything_is_kept(
    bare_school: School,
) -> None:
    with pytest.raises(KeystoreError, match="passphrase"):
        register(bare_school, passphrase="short")

    assert bare_school.backups == []


def test_another_master_key_opens_nothing(school: School) -> None:
    with (
        school.database.read() as tx,
        pytest.raises(KeystoreError, match="another master key"),
    ):
        signing_issuer(tx, school.caller, MasterKey(b"\x07" * 32))
