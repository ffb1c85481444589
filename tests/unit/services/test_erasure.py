"""Erasing a person: nothing of that person is left, and nobody else notices."""

import secrets
import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from ledger.core.credential import Award
from ledger.core.durable import DurableCredential
from ledger.core.short_code import ShortCode
from ledger.errors import Conflict, NotFound, StoreError
from ledger.keystore.master import MasterKey
from ledger.services.archives import earner_archive
from ledger.services.certificates import public_certificate
from ledger.services.credentials import get_credential, list_credentials
from ledger.services.delivery import FileFormat, deliver
from ledger.services.doctor import examine
from ledger.services.erasure import ROSTER_ROUTE, ErasedCredential, erase_credential
from ledger.services.issuing import AwardRequest
from ledger.services.organisations import create_organisation, operator_of
from ledger.services.withdrawal import withdraw_credential
from ledger.store import database as store_database, idempotency
from ledger.store.database import Database
from ledger.store.records import CredentialState, StoredAnswer
from ledger.store.tables import metadata
from tests.unit.services.conftest import NOW, School, make_school
from tests.unit.services.town import CANARIES, Town
from tests.unit.store.samples import digest

NAME, EMAIL = "Zoe Canary-Lindqvist", "canary.zoe@example.com"
REASON = "Ms Canary-Lindqvist was not there."
#: However it is written down.
TRACES = ("canary", "Canary", "CANARY", "Lindqvist")


@pytest.fixture
def teaching(database: Database) -> School:
    """A school that can issue, on each of the two databases."""
    made = make_school(database, "riverside", MasterKey(secrets.token_bytes(32)))
    made.register()
    made.open_keys()
    made.add_achievements()
    return made


def issue(school: School, email: str, name: str) -> UUID:
    award = Award(email=email, name=name, awarded_on=date(2026, 5, 1), score=None)
    (issued,) = school.issue(AwardRequest("py-1", None, award))
    return issued.credential_id


def withdraw(school: School, credential: UUID) -> None:
    with school.database.begin() as tx:
        withdraw_credential(
            tx, school.caller, credential, reason=REASON, master=school.master, now=NOW
        )


def keep_answer(school: School, route: str) -> None:
    """As the server does, which seals it as well."""
    answer = StoredAnswer(200, f"{NAME}: no such day".encode(), "x/y", digest(1))
    with school.database.begin() as tx:
        idempotency.save(tx, school.caller.organisation.id, "k", route, answer, now=NOW)


def rows(database: Database) -> str:
    """Every row of every table; of bytes their text."""
    with database.read() as tx:
        return repr(
            [
                [bytes(v) if isinstance(v, memoryview) else v for v in row]
                for table in metadata.sorted_tables
                for row in tx.connection.execute(sa.select(table)).all()
            ]
        )


def files(folder: Path) -> dict[str, bytes]:
    """The database, its log and what else is there."""
    return {file.name: file.read_bytes() for file in folder.glob("*.db*")}


def traces(text: str) -> list[str]:
    return [trace for trace in TRACES if trace in text]


# ---------------------------------------------------------------- nothing is left


def test_no_row_names_the_person_any_more(teaching: School) -> None:
    erased = issue(teaching, EMAIL, NAME)
    other = issue(teaching, "mei@example.com", "Mei Tanaka")
    withdraw(teaching, erased)
    keep_answer(teaching, ROSTER_ROUTE)
    assert traces(rows(teaching.database)) == ["canary", "Canary", "Lindqvist"]

    done = erase_credential(teaching.database, teaching.caller, erased)

    on_sqlite = teaching.database.name.startswith("sqlite")
    assert done == ErasedCredential(erased, was_held=False, log_emptied=on_sqlite)
    left = rows(teaching.database)
    assert traces(left) == []
    assert "Mei Tanaka" in left
    with teaching.database.read() as tx:
        listed = {c.record.id for c in list_credentials(tx, teaching.caller, limit=9)}
    assert listed == {erased, other}


def test_no_file_holds_the_person_while_the_database_is_open(school: School) -> None:
    folder = Path(str(school.database._writer.url.database)).parent
    erased = issue(school, EMAIL, NAME)
    withdraw(school, erased)
    keep_answer(school, ROSTER_ROUTE)
    assert NAME.encode() in files(folder)["school.db-wal"]
    assert school.database.empty_log()
    assert NAME.encode() in files(folder)["school.db"]
    # Its pages go to the log again, with all that is on them.
    issue(school, "mei@example.com", "Mei Tanaka")
    assert NAME.encode() in files(folder)["school.db-wal"]

    erase_credential(school.database, school.caller, erased)

    left = files(folder)
    assert {"school.db", "school.db-wal"} <= left.keys()
    assert left["school.db-wal"] == b""
    for name, data in left.items():
        assert traces(data.decode("latin-1")) == [], name


def test_an_answer_of_another_route_is_given_again(school: School) -> None:
    """It holds an id, or a secret that is shown once."""
    keep_answer(school, "POST /api/v1/api-keys")
    erased = issue(school, EMAIL, NAME)

    erase_credential(school.database, school.caller, erased)

    organisation = school.caller.organisation.id
    with school.database.read() as tx:
        kept = idempotency.find(tx, organisation, "k", "POST /api/v1/api-keys", now=NOW)
    assert kept is not None
    assert kept.body.startswith(NAME.encode())


def test_nothing_is_said_of_the_person(
    school: School, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(0)
    erased = issue(school, EMAIL, NAME)
    done = erase_credential(school.database, school.caller, erased)

    said = capfd.readouterr()
    assert traces(caplog.text + said.out + said.err + repr(done)) == []


# ---------------------------------------------------------------- once, and whose


def test_erasing_again_changes_nothing(teaching: School) -> None:
    erased = issue(teaching, EMAIL, NAME)
    first = erase_credential(teaching.database, teaching.caller, erased)
    before = rows(teaching.database)

    assert erase_credential(teaching.database, teaching.caller, erased) == first
    assert rows(teaching.database) == before


def test_another_organisation_or_an_unknown_id_erases_nothing(teaching: School) -> None:
    credential = issue(teaching, EMAIL, NAME)
    keep_answer(teaching, ROSTER_ROUTE)
    with teaching.database.begin() as tx:
        create_organisation(tx, code="stranger", name="Stranger", now=NOW)
        stranger = operator_of(tx, "stranger")
    before = rows(teaching.database)

    for caller, named in ((stranger, credential), (teaching.caller, uuid4())):
        with pytest.raises(NotFound, match="there is no such credential"):
            erase_credential(teaching.database, caller, named)
    assert rows(teaching.database) == before


def test_one_that_is_withdrawn_stays_so_without_the_words_of_its_reason(
    teaching: School,
) -> None:
    credential = issue(teaching, EMAIL, NAME)
    withdraw(teaching, credential)

    erase_credential(teaching.database, teaching.caller, credential)

    with teaching.database.read() as tx:
        shown = get_credential(tx, teaching.caller, credential)
    assert shown.state is CredentialState.WITHDRAWN
    assert shown.record.withdrawal_reason == "erased"
    with pytest.raises(Conflict, match="already"):
        withdraw(teaching, credential)


def test_one_that_is_erased_can_still_be_withdrawn(teaching: School) -> None:
    credential = issue(teaching, EMAIL, NAME)
    erase_credential(teaching.database, teaching.caller, credential)

    withdraw(teaching, credential)

    with teaching.database.read() as tx:
        shown = get_credential(tx, teaching.caller, credential)
    assert shown.state is CredentialState.WITHDRAWN


# ---------------------------------------------------------------- the log


def test_a_log_that_somebody_reads_is_told_and_emptied_the_next_time(
    tmp_path: Path, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    erased = issue(school, EMAIL, NAME)
    monkeypatch.setattr(store_database, "BUSY_MILLISECONDS", 50)
    url = f"sqlite:///{tmp_path}/school.db"
    with closing(Database.open(url)) as hasty:
        with closing(sqlite3.connect(tmp_path / "school.db")) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM credential").fetchone()
            with pytest.raises(StoreError, match=r"is kept, but the log .* once more"):
                erase_credential(hasty, school.caller, erased)
        assert traces(rows(hasty)) == []
        assert NAME.encode() in (tmp_path / "school.db-wal").read_bytes()

        assert erase_credential(hasty, school.caller, erased).log_emptied
    for name, data in files(tmp_path).items():
        assert traces(data.decode("latin-1")) == [], name


# ---------------------------------------------------------------- everybody else


def test_the_others_of_its_batch_are_proved_as_before(town: Town) -> None:
    gone, other, withdrawn = town.credentials
    caller = town.caller()
    erase_credential(town.database, caller, gone)
    erase_credential(town.database, caller, withdrawn)

    diagnosis = examine(town.database, node=town.chain)
    assert diagnosis.findings == []
    with town.database.read() as tx:
        file = deliver(tx, caller, other, FileFormat.JSON, addresses=town.addresses)
        with pytest.raises(NotFound, match="erased"):
            deliver(tx, caller, gone, FileFormat.JSON, addresses=town.addresses)
        with pytest.raises(NotFound):
            public_certificate(tx, ShortCode.of(gone).text)
    durable = DurableCredential.from_bytes(file.data)
    durable.check()
    assert durable.proof.inclusion.tree_size == 3
    with pytest.raises(NotFound):
        earner_archive(
            town.database, caller, "canary0@example.com", addresses=town.addresses, now=town.now
        )  # fmt: skip
    dump = rows(town.database)
    assert CANARIES[1] in dump
    assert CANARIES[0] not in dump


def test_one_that_waits_is_anchored_all_the_same(town: Town) -> None:
    """Its hash is in the file that its earner has, who may want it proved."""
    waiting = town.issue(EMAIL, NAME)
    erase_credential(town.database, town.caller(), waiting)
    town.work()

    with town.database.read() as tx:
        shown = get_credential(tx, town.caller(), waiting)
    assert shown.state is CredentialState.ANCHORED
    assert examine(town.database, node=town.chain).findings == []
