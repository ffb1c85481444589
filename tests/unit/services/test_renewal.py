"""Renewing: what the chain refused is signed anew, under the number that the registry shows."""

from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from ledger.errors import Conflict, NotFound
from ledger.services.key_custody import restore_keys
from ledger.services.organisations import operator_of
from ledger.services.registration import ACT_LIFETIME
from ledger.services.renewal import OLD, Renewal, renew_acts, renewable
from ledger.store import chain_txs, credentials, issuers, organisations, refused_acts
from ledger.store.database import Database
from ledger.store.records import ChainTxKind
from tests.unit.services.town import CHAIN_ID, PASSPHRASE, Town

TOO_LATE = ACT_LIFETIME + timedelta(days=1)


@pytest.fixture
def bare(sqlite_database: Database, tmp_path: Path) -> Town:
    """Nobody is registered."""
    return Town(sqlite_database, tmp_path)


def renew(town: Town, code: str = "riverside") -> Renewal:
    with town.database.begin() as tx:
        return renew_acts(tx, operator_of(tx, code), master=town.master, now=town.now)


def states(town: Town, subject: object) -> list[tuple[str, str]]:
    with town.database.read() as tx:
        rows = chain_txs.about(tx, str(subject))
    return [(row.kind.value, row.state.value) for row in rows]


def refused(town: Town) -> list[ChainTxKind]:
    with town.database.read() as tx:
        return [row.kind for row in refused_acts.on_chain(tx, CHAIN_ID)]


def withdraw_too_late(town: Town) -> None:
    """The worker had no coins for longer than the act may be carried."""
    town.now -= TOO_LATE
    town.withdraw(town.credentials[0])
    town.now += TOO_LATE
    town.work()


def is_listed(town: Town, position: int) -> bool:
    """Whether the status list has the bit, which is read from what the chain recorded."""
    organisation_id = town.caller().organisation.id
    with town.database.read() as tx:
        record = credentials.get(tx, organisation_id, town.credentials[position])
        return record.status_index in credentials.withdrawn_indexes(tx, organisation_id)


def test_a_withdrawal_that_came_too_late_is_asked_for_again(town: Town) -> None:
    withdraw_too_late(town)
    credential = town.credentials[0]
    assert states(town, credential) == [("revoke", "reverted")]
    assert not is_listed(town, 0)
    assert refused(town) == [ChainTxKind.REVOKE]

    town.withdraw(credential)
    assert refused(town) == []
    town.work()

    assert states(town, credential) == [("revoke", "reverted"), ("revoke", "final")]
    assert is_listed(town, 0)
    assert "unrevoked" not in town.open_codes()
    with pytest.raises(Conflict, match="withdrawn already"):
        town.withdraw(credential)


def test_asking_again_keeps_the_first_reason_and_moment(town: Town) -> None:
    withdraw_too_late(town)
    organisation_id = town.caller().organisation.id
    with town.database.read() as tx:
        before = credentials.get(tx, organisation_id, town.credentials[0])

    town.withdraw(town.credentials[0])

    with town.database.read() as tx:
        assert credentials.get(tx, organisation_id, town.credentials[0]) == before
    assert before.withdrawn_at is not None


def test_a_renewal_that_is_refused_can_be_renewed(town: Town) -> None:
    withdraw_too_late(town)
    town.now -= TOO_LATE
    assert renew(town).withdrawals == 1
    town.now += TOO_LATE
    town.work()
    assert renew(town).withdrawals == 1
    town.work()

    assert [state for _, state in states(town, town.credentials[0])] == [
        "reverted",
        "reverted",
        "final",
    ]


def test_renewing_signs_everything_once(town: Town) -> None:
    withdraw_too_late(town)

    assert renew(town) == Renewal("riverside", 0, 1)
    assert renew(town) == Renewal("riverside", 0, 0)
    assert renew(town, "hillside") == Renewal("hillside", 0, 0)


def test_withdrawals_go_on_after_an_act_of_the_recovery_key(town: Town) -> None:
    """The first one is refused; from it the worker learns under which number to sign."""
    town.rotate()
    town.withdraw(town.credentials[0])
    town.work()
    assert states(town, town.credentials[0]) == [("revoke", "reverted")]

    town.withdraw(town.credentials[0])
    town.withdraw(town.credentials[1])
    town.work()

    assert states(town, town.credentials[0])[1:] == [("revoke", "final")]
    assert states(town, town.credentials[1]) == [("revoke", "final")]


@pytest.mark.parametrize("how", ["renewed", "restored"])
def test_keys_whose_registration_came_too_late_are_opened(bare: Town, how: str) -> None:
    bare.now -= TOO_LATE
    bare.register("riverside")
    bare.now += TOO_LATE
    bare.work()
    organisation_id = bare.caller().organisation.id
    assert [state for _, state in states(bare, organisation_id)] == [
        "final",
        "reverted",
        "reverted",
    ]
    with bare.database.read() as tx:
        assert len(issuers.unopened(tx, organisation_id)) == 3  # with the controller

    if how == "renewed":
        assert renew(bare) == Renewal("riverside", 2, 0)
    else:
        with bare.database.begin() as tx:
            restore_keys(
                tx,
                bare.backups["riverside"],
                master=bare.master,
                passphrase=PASSPHRASE,
                now=bare.now,
            )
    bare.work()

    assert refused(bare) == []
    with bare.database.read() as tx:
        opened = {
            key.role.value: key.opened for key in issuers.keys(tx, organisation_id)
        }
    assert opened["signing"] is not None
    assert opened["revoking"] is not None


def test_what_would_pass_its_deadline_is_signed_anew_before_it_is_sent(
    town: Town,
) -> None:
    town.withdraw(town.credentials[0])
    assert renew(town).withdrawals == 0, "it has time enough"
    town.now += OLD + timedelta(minutes=1)

    assert renew(town).withdrawals == 1
    assert renew(town).withdrawals == 0
    assert states(town, town.credentials[0]) == [("revoke", "sealed")]
    with town.database.read() as tx:
        (row,) = chain_txs.about(tx, str(town.credentials[0]))
    # revoke(bytes32 id, uint256 word, uint256 mask, address signer, uint64 deadline, ...)
    deadline = int.from_bytes(row.data[132:164], "big")
    assert deadline == int((town.now + ACT_LIFETIME).timestamp())


def test_a_school_that_closes_has_nothing_to_renew(town: Town) -> None:
    town.close()

    assert renew(town) == Renewal("riverside", 0, 0)
    assert refused(town) == []


def test_the_successor_renews_what_was_left_to_it(town: Town) -> None:
    town.close(town.reference("hillside"))
    town.now -= TOO_LATE
    town.withdraw(town.credentials[0], "hillside")
    town.now += TOO_LATE
    town.work()
    assert states(town, town.credentials[0]) == [("revoke", "reverted")]

    assert renew(town, "hillside") == Renewal("hillside", 0, 1)
    town.work()

    assert states(town, town.credentials[0])[1:] == [("revoke", "final")]


def test_all_schools_are_renewable_that_have_an_issuer_record(bare: Town) -> None:
    bare.register("riverside")
    with bare.database.begin() as tx:
        organisations.add(tx, id=uuid4(), code="bare", name="Bare", now=bare.now)

    with bare.database.read() as tx:
        assert [each.organisation.code for each in renewable(tx, None)] == ["riverside"]
        with pytest.raises(NotFound, match="elsewhere"):
            renewable(tx, ["elsewhere"])
