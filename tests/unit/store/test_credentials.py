from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from sqlalchemy import update
from sqlmodel import col

from ledger.core.short_code import ShortCode
from ledger.errors import Conflict, NotFound
from ledger.store import achievements, batches, chain_txs, credentials, issuers
from ledger.store.database import Database, Transaction
from ledger.store.records import (
    AchievementRecord,
    Anchored,
    AwardKey,
    ChainTxKind,
    ChainTxState,
    CredentialRecord,
    CredentialState,
    Organisation,
)
from ledger.store.tables import ChainTxRow, CredentialCodeRow
from tests.unit.store.plans import plan_of
from tests.unit.store.samples import (
    CHAIN_ID,
    NOW,
    REGISTRY,
    Undo,
    add_school,
    batch_of,
    credential,
    digest,
    issue,
    issuer_key,
    new_chain_tx,
)
from tests.unit.store.statements import counted


@pytest.fixture
def school(database: Database) -> Organisation:
    with database.begin() as tx:
        return add_school(tx)


def award_key(record: CredentialRecord) -> AwardKey:
    assert record.recipient_email is not None
    return AwardKey(
        record.achievement_code,
        record.achievement_version,
        record.recipient_email,
        record.awarded_on,
    )


def seal(tx: Transaction, records: list[CredentialRecord]) -> UUID:
    batch, members = batch_of(records)
    batches.seal(tx, batch, members, to=REGISTRY, data=batch.sealed_root, gas=60_000)
    return batch.id


def test_comes_back_as_it_went_in(database: Database, school: Organisation) -> None:
    """Every byte value, an empty name, a time with microseconds."""
    expected = credential(
        school,
        1,
        data=bytes(range(256)) * 20,
        recipient_name=None,
        recipient_email="zoë@例え.example",
        issued_at=NOW + timedelta(microseconds=1),
        status_index=999_948_287,
    )
    with database.begin() as tx:
        credentials.insert(tx, [expected])

    with database.read() as tx:
        assert expected == credentials.get(tx, school.id, expected.id)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    data=st.binary(max_size=2_000),
    name=st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=200),
)
def test_any_bytes_and_any_name_come_back(
    database: Database, school: Organisation, data: bytes, name: str
) -> None:
    expected = credential(school, 1, data=data, recipient_name=name)
    with suppress(Undo), database.begin() as tx:
        credentials.insert(tx, [expected])
        assert expected == credentials.get(tx, school.id, expected.id)
        raise Undo


def test_inserting_nothing_is_nothing(database: Database, school: Organisation) -> None:
    with database.begin() as tx:
        credentials.insert(tx, [])

        assert credentials.count(tx, school.id) == 0


def test_more_than_one_round_trip_goes_in_and_out(
    database: Database, school: Organisation
) -> None:
    with database.begin() as tx:
        records = issue(tx, school, 2_500)
        told: list[int] = []
        waiting = credentials.waiting(tx, CHAIN_ID, 2_400, progress=told.append)
        by_id = {record.id: record.leaf for record in records}
        assert list(waiting) == sorted(by_id)[:2_400]
        assert waiting.leaves == b"".join(by_id[each] for each in waiting)
        assert told == [1_000, 2_000, 2_400]
        batch_id = seal(tx, records)

    with database.read() as tx:
        keys = [award_key(r) for r in records]
        assert len(credentials.existing_awards(tx, school.id, keys)) == 2_500
        assert len(credentials.states(tx, school.id, [r.id for r in records])) == 2_500
        places = [r.leaf_index for r in credentials.members(tx, batch_id)]
    assert places == list(range(2_500))


def test_same_award_is_refused_with_all_that_came_with_it(
    database: Database, school: Organisation
) -> None:
    with database.begin() as tx:
        (first,) = issue(tx, school, 1)
    again = credential(school, 2, recipient_email=first.recipient_email)

    with (
        pytest.raises(Conflict, match="this award is already issued") as caught,
        database.begin() as tx,
    ):
        credentials.insert(tx, [credential(school, 1), again])

    with database.read() as tx:
        assert [first] == credentials.page(tx, school.id, limit=9)
    assert "earner" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"recipient_email": "other@example.org"},
        {"awarded_on": date(2026, 11, 21)},
        {"achievement_version": "2"},
    ],
)
def test_another_award_to_the_same_person_is_not_the_same(
    database: Database, school: Organisation, changes: dict[str, object]
) -> None:
    with database.begin() as tx:
        achievements.add(tx, AchievementRecord(school.id, "git-1", "2", b"{}", NOW))
        (first,) = issue(tx, school, 1)
        other = credential(school, 1, recipient_email=first.recipient_email)

        credentials.insert(tx, [replace(other, **changes)])  # type: ignore[arg-type]


def test_existing_awards_are_told_from_new_ones(
    database: Database, school: Organisation
) -> None:
    with database.begin() as tx:
        first, second = issue(tx, school, 2)
    other_day = replace(award_key(first), awarded_on=date(2026, 1, 1))
    expected = {award_key(first): first.id, award_key(second): second.id}

    with database.read() as tx:
        keys = [award_key(first), other_day, award_key(second)]
        assert expected == credentials.existing_awards(tx, school.id, keys)
        assert credentials.existing_awards(tx, school.id, []) == {}


def test_pages_show_everything_once_newest_first(
    database: Database, school: Organisation
) -> None:
    """Five issued at one instant and four later, three to a page."""
    early = [credential(school, n) for n in range(5)]
    late = [
        credential(school, n, issued_at=NOW + timedelta(seconds=n)) for n in range(5, 9)
    ]
    expected = sorted([*early, *late], key=lambda r: (r.issued_at, r.id), reverse=True)
    with database.begin() as tx:
        credentials.insert(tx, [*early, *late])

    seen: list[CredentialRecord] = []
    with database.read() as tx:
        while page := credentials.page(
            tx, school.id, limit=3, after=seen[-1].id if seen else None
        ):
            seen += page

    assert expected == seen


def test_pages_are_not_shifted_by_what_is_issued_meanwhile(
    database: Database, school: Organisation
) -> None:
    with database.begin() as tx:
        issue(tx, school, 4)
        first = credentials.page(tx, school.id, limit=2)
        rest = credentials.page(tx, school.id, limit=9, after=first[-1].id)
        new = credential(school, 9, issued_at=NOW + timedelta(days=1))
        credentials.insert(tx, [new])

        assert rest == credentials.page(tx, school.id, limit=9, after=first[-1].id)


def test_page_of_one_achievement(database: Database, school: Organisation) -> None:
    with database.begin() as tx:
        achievements.add(tx, AchievementRecord(school.id, "py-1", "1", b"{}", NOW))
        issue(tx, school, 2)
        python = credential(school, 5, achievement_code="py-1")
        credentials.insert(tx, [python])

        assert [python] == credentials.page(tx, school.id, limit=9, achievement="py-1")


def test_page_behind_nothing_is_not_found(
    database: Database, school: Organisation
) -> None:
    with database.read() as tx, pytest.raises(NotFound):
        credentials.page(tx, school.id, limit=9, after=uuid4())


def test_every_credential_is_in_one_state(
    database: Database, school: Organisation
) -> None:
    """Anchored counts only on the home chain; withdrawn comes before all."""
    with database.begin() as tx:
        waiting, sealed, elsewhere, anchored, withdrawn = issue(tx, school, 5)
        seal(tx, [sealed])
        foreign = seal(tx, [elsewhere])
        home = seal(tx, [anchored, withdrawn])
        batches.record_anchor(tx, foreign, Anchored(1, REGISTRY, 5, 1_790_000_000))
        batches.record_anchor(tx, home, Anchored(CHAIN_ID, REGISTRY, 5, 1_790_000_000))
        credentials.withdraw(tx, school.id, withdrawn.id, "mistake", NOW)
    expected = {
        waiting.id: CredentialState.WAITING,
        sealed.id: CredentialState.SEALED,
        elsewhere.id: CredentialState.SEALED,
        anchored.id: CredentialState.ANCHORED,
        withdrawn.id: CredentialState.WITHDRAWN,
    }

    with database.read() as tx:
        assert expected == credentials.states(tx, school.id, list(expected))
        assert credentials.count(tx, school.id) == 5
        for state in CredentialState:
            page = credentials.page(tx, school.id, limit=9, state=state)
            assert {r.id for r in page} == {
                i for i, s in expected.items() if s == state
            }


def test_is_withdrawn_once(database: Database, school: Organisation) -> None:
    with database.begin() as tx:
        (record,) = issue(tx, school, 1)
        expected = replace(record, withdrawn_at=NOW, withdrawal_reason="mistake")

        assert expected == credentials.withdraw(
            tx, school.id, record.id, "mistake", NOW
        )
        with pytest.raises(Conflict, match="withdrawn already"):
            credentials.withdraw(tx, school.id, record.id, "again", NOW)
        assert expected == credentials.get(tx, school.id, record.id)
        with pytest.raises(NotFound):
            credentials.withdraw(tx, school.id, uuid4(), "mistake", NOW)


def test_status_list_shows_what_is_in_a_block(
    database: Database, school: Organisation
) -> None:
    """Not what only waits to be sent, nor what another act of the same subject did."""
    with database.begin() as tx:
        records = issue(tx, school, 6)
        for record in records[1:]:
            credentials.withdraw(tx, school.id, record.id, "mistake", NOW)
        _revoke(tx, records[1], ChainTxState.SEALED)
        _revoke(tx, records[2], ChainTxState.MINED)
        _revoke(tx, records[3], ChainTxState.FINAL)
        _revoke(tx, records[4], ChainTxState.REVERTED)
        _revoke(tx, records[5], ChainTxState.FINAL, ChainTxKind.ANCHOR)

        assert credentials.withdrawn_indexes(tx, school.id) == [2, 3]


def _revoke(
    tx: Transaction,
    record: CredentialRecord,
    state: ChainTxState,
    kind: ChainTxKind = ChainTxKind.REVOKE,
) -> None:
    row = chain_txs.enqueue(
        tx, new_chain_tx(f"revoke/{record.status_index}", kind, str(record.id)), NOW
    )
    if state is not ChainTxState.SEALED:
        tx.change(
            update(ChainTxRow)
            .filter_by(id=row.id)
            .values(
                state=state,
                sender=REGISTRY,
                nonce=record.status_index,
                block_number=7,
                block_hash=digest("block"),
                tx_hash=digest("tx", record.id),
            )
        )


def test_erasing_keeps_the_leaf_and_its_place(
    database: Database, school: Organisation
) -> None:
    with database.begin() as tx:
        first, second = issue(tx, school, 2)
        batch_id = seal(tx, [first, second])
        credentials.withdraw(tx, school.id, first.id, "Earner 0 asked for it", NOW)
        before = credentials.get(tx, school.id, first.id)

        credentials.erase(tx, school.id, first.id)
        credentials.erase(tx, school.id, first.id)
        expected = replace(
            before,
            data=None,
            recipient_email=None,
            recipient_name=None,
            withdrawal_reason="erased",
        )
        assert expected == credentials.get(tx, school.id, first.id)
        assert [m.leaf for m in credentials.members(tx, batch_id)] == [
            first.leaf,
            second.leaf,
        ]
        with pytest.raises(NotFound):
            credentials.erase(tx, school.id, uuid4())


def test_erased_award_can_be_issued_again(
    database: Database, school: Organisation
) -> None:
    with database.begin() as tx:
        (first,) = issue(tx, school, 1)
        credentials.erase(tx, school.id, first.id)
        again = credential(school, 1, recipient_email=first.recipient_email)

        assert credentials.existing_awards(tx, school.id, [award_key(first)]) == {}
        credentials.insert(tx, [again])


def test_only_what_an_open_key_signed_can_be_sealed(database: Database) -> None:
    with database.begin() as tx:
        school = add_school(tx, opened=None)
        (record,) = issue(tx, school, 1)

        assert len(credentials.waiting(tx, CHAIN_ID, 10)) == 0
        assert credentials.oldest_waiting(tx, CHAIN_ID) is None

        issuers.mark_key_opened(tx, school.id, issuer_key(school).key_id, 1_790_000_000)
        waiting = credentials.waiting(tx, CHAIN_ID, 10)
        assert [record.id] == list(waiting)
        assert record.leaf == waiting.leaves
        assert credentials.oldest_waiting(tx, CHAIN_ID) == NOW


def test_waiting_comes_oldest_first_of_all_schools_on_that_chain(
    database: Database,
) -> None:
    with database.begin() as tx:
        one, two = add_school(tx, "one"), add_school(tx, "two")
        third = credential(one, 1, issued_at=NOW + timedelta(seconds=3))
        second = credential(two, 1, issued_at=NOW + timedelta(seconds=2))
        first = credential(one, 2, issued_at=NOW + timedelta(seconds=1))
        elsewhere = credential(one, 3, chain_id=1)
        sealed = credential(two, 2)
        credentials.insert(tx, [third, second, first, elsewhere, sealed])
        seal(tx, [sealed])

        found = credentials.waiting(tx, CHAIN_ID, 2)
        assert [credentials.count_waiting(tx, CHAIN_ID, n) for n in (2, 9)] == [2, 3]
        assert list(found) == [first.id, second.id]
        assert found.leaves == first.leaf + second.leaf
        assert credentials.oldest_waiting(tx, CHAIN_ID) == first.issued_at


def test_members_come_in_the_order_of_the_leaves(
    database: Database, school: Organisation
) -> None:
    with database.begin() as tx:
        records = issue(tx, school, 5)
        batch_id = seal(tx, records[::-1])

        assert [m.id for m in credentials.members(tx, batch_id)] == [
            r.id for r in records[::-1]
        ]
        assert list(credentials.members(tx, uuid4())) == []


def test_unknown_is_not_found(database: Database, school: Organisation) -> None:
    with database.read() as tx, pytest.raises(NotFound, match="no such credential"):
        credentials.get(tx, school.id, uuid4())


def test_personal_data_stays_out_of_repr(school: Organisation) -> None:
    record = credential(school, 1, withdrawal_reason="Earner 1 cheated")

    assert "arner" not in repr(record)
    assert "arner" not in repr(award_key(record))


# ---------------------------------------------------------------- certificates


def test_the_code_of_a_certificate_leads_to_its_credential(
    database: Database, school: Organisation
) -> None:
    with database.begin() as tx:
        records = issue(tx, school, 3)

    with database.read() as tx:
        for record in records:
            assert credentials.of_code(tx, ShortCode.of(record.id)) == record
        with pytest.raises(NotFound):
            credentials.of_code(tx, ShortCode.of(uuid4()))


def test_the_code_of_an_erased_credential_leads_nowhere(
    database: Database, school: Organisation
) -> None:
    with database.begin() as tx:
        gone, kept = issue(tx, school, 2)
        credentials.erase(tx, school.id, gone.id)

    with database.read() as tx:
        with pytest.raises(NotFound):
            credentials.of_code(tx, ShortCode.of(gone.id))
        assert credentials.of_code(tx, ShortCode.of(kept.id)) == kept


def test_two_credentials_of_one_code_are_both_kept_and_not_mixed_up(
    database: Database, school: Organisation
) -> None:
    with database.begin() as tx:
        one, two = issue(tx, school, 2)
        code = ShortCode.of(one.id)
        tx.change(
            update(CredentialCodeRow)
            .where(col(CredentialCodeRow.credential_id) == two.id)
            .values(code=code.letters)
        )

    with database.read() as tx, pytest.raises(NotFound):
        credentials.of_code(tx, code)


def test_what_one_earner_holds_is_looked_up_and_not_searched_for(
    sqlite_database: Database,
) -> None:
    """Packing an archive for everyone would read everything once for each of them."""
    outer, *_, inner, _sort = plan_of(
        sqlite_database,
        lambda tx: credentials.of_earner(tx, UUID(int=0), "zoe@example.org", limit=9),
    )

    assert outer.endswith("(id=?)")
    assert inner.endswith("(organisation_id=? AND recipient_email=?)")


def test_what_is_withdrawn_is_looked_up_and_not_searched_for(
    sqlite_database: Database,
) -> None:
    """Anybody may ask for a status list; making one would read all that a school issued."""
    steps = plan_of(
        sqlite_database, lambda tx: credentials.withdrawn_indexes(tx, UUID(int=0))
    )
    assert steps[0].endswith(
        "USING COVERING INDEX ix_credential_withdrawn (organisation_id=?)"
    )


def test_what_one_earner_holds_newest_first(
    database: Database, school: Organisation
) -> None:
    with database.begin() as tx:
        first, other, *_ = issue(tx, school, 2)
        later = credential(
            school,
            9,
            recipient_email=first.recipient_email,
            awarded_on=date(2026, 11, 24),
            issued_at=NOW + timedelta(hours=1),
        )
        credentials.insert(tx, [later])

    assert first.recipient_email is not None
    with database.read() as tx:
        found = credentials.of_earner(tx, school.id, first.recipient_email, limit=9)
        assert found == [later, first]
        found = credentials.of_earner(tx, school.id, first.recipient_email, limit=1)
        assert found == [later]
        assert other not in found
        assert credentials.of_earner(tx, school.id, "nobody@example.org", limit=9) == []


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ({}, "ix_credential_page (organisation_id=?)"),
        ({"achievement": "git-1"}, "ix_credential_page (organisation_id=?)"),
        ({"state": CredentialState.WITHDRAWN}, "ix_credential_withdrawn (organisation_id=?)"),
        ({"state": CredentialState.WAITING}, "ix_credential_waiting (chain_id=?)"),
        (
            {"state": CredentialState.WITHDRAWN, "achievement": "git-1"},
            "ix_credential_withdrawn (organisation_id=?)",
        ),
        (
            {"state": CredentialState.WAITING, "achievement": "git-1"},
            "ix_credential_waiting (chain_id=?)",
        ),
    ],
)  # fmt: skip
def test_a_page_reads_no_rows_but_its_own(
    sqlite_database: Database, wanted: dict[str, Any], index: str
) -> None:
    """Whoever may read could have all that a school ever issued read, again and again."""
    steps = plan_of(
        sqlite_database,
        lambda tx: credentials.page(tx, UUID(int=0), limit=9, **wanted),
    )
    shown, found = (step for step in steps if "credential" in step)

    assert shown.endswith("(id=?)")
    assert found == f"SEARCH credential USING COVERING INDEX {index}"


def test_what_is_sealed_is_looked_up_in_the_batches_that_are_not_final(
    sqlite_database: Database,
) -> None:
    with sqlite_database.begin() as tx:
        school = add_school(tx)
        final, under_way = issue(tx, school, 2)
        batches.record_anchor(tx, seal(tx, [final]), Anchored(CHAIN_ID, REGISTRY, 1, 1))
        seal(tx, [under_way])

    def sealed(tx: Transaction) -> list[CredentialRecord]:
        state = CredentialState.SEALED
        return [*credentials.page(tx, school.id, limit=9, state=state)]

    with sqlite_database.read() as tx:
        assert [record.id for record in sealed(tx)] == [under_way.id]
    found = [step for step in plan_of(sqlite_database, sealed) if "credential" in step]
    assert [step.partition(" USING ")[2] for step in found] == [
        "INDEX sqlite_autoindex_credential_1 (id=?)",
        "INDEX ux_credential_place (batch_id=?)",
    ]


def test_pages_of_what_is_sealed_go_on_from_batch_to_batch(
    database: Database, school: Organisation
) -> None:
    state = CredentialState.SEALED
    with database.begin() as tx:
        records = [
            credential(school, n, issued_at=NOW + timedelta(hours=n)) for n in range(6)
        ]
        credentials.insert(tx, records)
        seal(tx, records[1::2])
        seal(tx, records[::2])

        first = credentials.page(tx, school.id, limit=4, state=state)
        rest = credentials.page(tx, school.id, limit=4, after=first[-1].id, state=state)

    assert [r.id for r in (*first, *rest)] == [r.id for r in reversed(records)]
    assert len(first) == 4


def test_whether_a_list_is_the_newest_is_found_in_indexes(
    sqlite_database: Database,
) -> None:
    """It is asked for each anonymous request."""
    steps = plan_of(
        sqlite_database,
        lambda tx: credentials.withdrawn_mark(tx, UUID(int=0), CHAIN_ID),
    )
    assert [step.partition(" USING ")[2] for step in steps if "USING" in step][:4] == [
        "INDEX ix_chain_tx_state (chain_id=? AND state=?)",
        "COVERING INDEX ix_credential_withdrawn (organisation_id=?)",
        "COVERING INDEX ix_chain_tx_state (chain_id=? AND state=?)",
        "COVERING INDEX sqlite_autoindex_recovered_bit_1 (organisation_id=?)",
    ]


def test_awards_of_many_achievements_are_found_by_few_questions(
    database: Database, school: Organisation
) -> None:
    with database.begin() as tx:
        achievements.add_all(
            tx,
            school.id,
            [
                AchievementRecord(school.id, f"c{n}", "1", b"{}", NOW)
                for n in range(300)
            ],
        )
        records = [credential(school, n, achievement_code=f"c{n}") for n in range(300)]
        others = [
            credential(school, n + 300, recipient_email=record.recipient_email)
            for n, record in enumerate(records[:5])
        ]
        credentials.insert(tx, [*records[::2], *others])
        keys = [award_key(record) for record in records]

        with counted(tx.connection) as statements:
            found = credentials.existing_awards(tx, school.id, keys)

    assert found == {award_key(record): record.id for record in records[::2]}
    assert len(statements) == 1


def test_how_far_some_have_come_is_read_of_them_alone(
    sqlite_database: Database,
) -> None:
    """Every page asks it for its own."""
    ids = [UUID(int=n) for n in range(100)]
    step, *_ = plan_of(
        sqlite_database, lambda tx: credentials.states(tx, UUID(int=0), ids)
    )
    assert step.endswith("(id=?)")
