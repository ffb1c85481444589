"""Closing: all or nothing here, then the worker; whoever crashes in between loses nothing."""

import hashlib
import json
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import pyrage
import pytest

from ledger.chain.memory import MemoryChain
from ledger.core.closing import ClosingStatement, Custodian, statement_hash
from ledger.core.closing_archive import Manifest
from ledger.core.durable import DurableCredential
from ledger.core.issuer import recovery_commitment
from ledger.core.keys import PublicKey
from ledger.core.status import StatusBits
from ledger.errors import (
    ChainUnavailable,
    Conflict,
    MalformedError,
    NotFound,
    ProofError,
    Refused,
)
from ledger.services import closing as closing_module, closing_archive
from ledger.services.closing import ClosingWish, Stage, read_successor
from ledger.services.closing_parts import PartsFolder
from ledger.services.closing_proof import questions_of, take_proof
from ledger.services.delivery import FileFormat, deliver
from ledger.services.status_lists import status_list
from ledger.store import chain_txs, closings, credentials, issuers
from ledger.store.database import Database
from ledger.store.records import ChainTxKind, ChainTxState, IssuerKeyRole
from tests.unit.services.town import CANARIES, PASSPHRASE, Town, make_town


def closing_acts(town: Town) -> list[ChainTxState]:
    with town.database.read() as tx:
        about = chain_txs.about(tx, str(town.caller().organisation.id))
    return [row.state for row in about if row.kind is ChainTxKind.CLOSE]


# ---------------------------------------------------------------- before


def test_the_dry_run_names_what_it_does_and_what_is_open(town: Town) -> None:
    assert town.status().stage is Stage.OPEN
    assert town.open_codes() == {"archives"}
    assert not town.status().blocked
    assert "Nothing is open" not in town.status().to_text()

    town.issue("new@example.com", "New")
    status = town.status()
    assert town.open_codes() == {"archives", "waiting"}
    assert status.blocked
    assert status.to_json()["blocked"] is True
    text = status.to_text()
    assert "1 credentials that wait for a batch" in text
    assert "perdure worker" in text
    assert "  6. the closing archive is written" in text


def test_nothing_is_closed_while_something_is_open(town: Town) -> None:
    authorised = town.authorise()
    town.issue("new@example.com", "New")

    with pytest.raises(Refused, match="1 credentials that wait for a batch"):
        town.begin(authorised)
    assert town.status().stage is Stage.OPEN
    town.work()
    town.withdraw(town.credentials[0])
    with pytest.raises(Refused, match="1 withdrawals that are not final"):
        town.begin(authorised)
    town.work()
    assert town.begin(authorised).stage is Stage.CLOSING


def test_without_evidence_it_waits_for_a_node_that_proves(town: Town) -> None:
    town.chain.proven_blocks = 0
    town.issue("new@example.com", "New")
    town.work()
    assert town.open_codes() == {"archives", "unproved"}
    with pytest.raises(Refused, match="use another"):
        town.begin(town.authorise())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"passphrase": "another passphrase"}, "does not open"),
        ({"backup": "hillside"}, r"of another issuer \(hillside\)"),
    ],
)
def test_a_backup_that_does_not_fit(
    town: Town, wrong: dict[str, str], words: str
) -> None:
    backup = town.backups[wrong.get("backup", "riverside")]
    with pytest.raises(Refused, match=words):
        town.authorise(backup=backup, passphrase=wrong.get("passphrase", PASSPHRASE))


def test_what_is_no_backup(town: Town) -> None:
    with pytest.raises(MalformedError):
        town.authorise(backup=b"{}")


def test_a_recovery_key_that_was_changed_on_the_chain(town: Town) -> None:
    issuer = town.chain._blocks[-1].state.registries.issuers[town.reference().issuer_id]
    issuer.recovery = recovery_commitment("0x" + "77" * 20)

    with pytest.raises(Refused, match="changed on the chain"):
        town.authorise()


def test_a_successor_is_another_open_issuer_of_the_same_register(town: Town) -> None:
    own, other = town.reference(), town.reference("hillside")
    for wrong, words in (
        (own, "its own successor"),
        (replace(other, chain_id=1), "same register"),
        (replace(other, registry="0x" + "11" * 20), "same register"),
        (replace(other, issuer_id=b"\x01" * 32), "does not know the successor"),
    ):
        with pytest.raises(Refused, match=words):
            town.authorise(wrong)
    registries = town.chain._blocks[-1].state.registries
    registries.issuers[other.issuer_id].closed_at = 5
    with pytest.raises(Refused, match="closed itself"):
        town.authorise(other)
    assert (
        read_successor(f" {other.text.upper().replace('EIP155', 'eip155')} ") == other
    )
    with pytest.raises(MalformedError, match="whole identifier"):
        read_successor("hillside")


@pytest.mark.parametrize(
    ("custodians", "words"),
    [
        ((), "1 to 20"),
        ((("A", "age1" + "q" * 58),), "letters is wrong"),
        ((("A", "ssh-ed25519 AAAA"),), "begins with age1"),
        ((("", "age1" + "q" * 58),), "a name"),
    ],
)
def test_custodians_are_checked_before_anything_happens(
    custodians: tuple[tuple[str, str], ...], words: str
) -> None:
    with pytest.raises(MalformedError, match=words):
        ClosingWish(tuple(Custodian(name, to) for name, to in custodians))


# ---------------------------------------------------------------- the transaction


def test_all_of_it_or_nothing(town: Town) -> None:
    """Whatever stops the transaction: nothing is closed, and everything can be issued."""
    authorised = town.authorise()

    def begin_and_fail() -> None:
        with town.database.begin() as tx:
            closing_module.begin_closing(
                tx,
                town.caller(),
                authorised,
                master=town.master,
                addresses=town.addresses,
                now=town.now,
            )
            raise Crash

    with pytest.raises(Crash):
        begin_and_fail()

    assert town.status().stage is Stage.OPEN
    assert closing_acts(town) == []
    town.issue("new@example.com", "New")


def test_once_begun_nothing_is_issued_sealed_or_withdrawn(town: Town) -> None:
    town.begin(town.authorise(text="Goodbye."))

    assert town.status().stage is Stage.CLOSING
    assert closing_acts(town) == [ChainTxState.SEALED]
    with pytest.raises(Refused, match="nothing can be issued"):
        town.issue("new@example.com", "New")
    with pytest.raises(Refused, match="withdraw nothing"):
        town.withdraw(town.credentials[0])
    town.issue("theirs@example.com", "Theirs", "hillside")


def test_the_statement_names_by_hash_all_that_is_public(town: Town) -> None:
    status = town.begin(town.authorise(text="Goodbye."))
    assert status.statement is not None
    statement = ClosingStatement.from_bytes(status.statement)
    assert (statement.text, statement.credentials) == ("Goodbye.", 3)
    assert len(statement.achievements) >= 2
    with town.database.read() as tx:
        lists = closings.final_lists(tx, town.caller().organisation.id)
    assert [hashlib.sha256(data).digest() for data in lists.values()] == [
        each.sha256 for each in statement.status_lists
    ]
    (data,) = lists.values()
    assert b"validUntil" not in data
    for canary in (*CANARIES, "canary", *map(str, town.credentials)):
        assert canary.encode() not in status.statement


def test_begun_twice_is_begun_once(town: Town) -> None:
    authorised = town.authorise()
    first = town.begin(authorised)

    assert town.begin(authorised) == first
    assert closing_acts(town) == [ChainTxState.SEALED]


def test_the_status_list_that_is_served_has_an_end_until_it_is_closed(
    town: Town,
) -> None:
    def served() -> bytes:
        with town.database.read() as tx:
            school = town.caller().organisation.id
            (key,) = issuers.keys(tx, school, IssuerKeyRole.SIGNING)
            return status_list(
                tx,
                town.reference().issuer_id,
                PublicKey.from_multibase(key.public),
                master=town.master,
                addresses=town.addresses,
                now=town.now,
            )

    town.begin(town.authorise(town.reference("hillside")))
    assert b"validUntil" in served()
    town.work()
    with town.database.read() as tx:
        (last,) = closings.final_lists(tx, town.caller().organisation.id).values()
    assert served() == last

    town.withdraw(town.credentials[0], "hillside")
    town.work()
    newer = served()
    assert newer != last
    assert b"validUntil" not in newer
    encoded = json.loads(newer)["credentialSubject"]["encodedList"]
    assert (
        sum(bits.bit_count() for bits in StatusBits.decode(encoded).words().values())
        == 2
    )


# ---------------------------------------------------------------- on the chain


def test_the_worker_carries_it_and_takes_new_evidence(town: Town) -> None:
    with town.database.read() as tx:
        before = deliver(
            tx, town.caller(), town.credentials[0], FileFormat.JSON, addresses=town.addresses
        )  # fmt: skip
    town.close()
    assert closing_acts(town) == [ChainTxState.FINAL]
    status = town.status()
    assert status.stage is Stage.PROVED
    assert status.closed_at is not None
    with town.database.read() as tx:
        record = issuers.of(tx, town.caller().organisation.id)
        after = deliver(
            tx, town.caller(), town.credentials[0], FileFormat.JSON, addresses=town.addresses
        )  # fmt: skip
    old, new = (DurableCredential.from_bytes(f.data) for f in (before, after))
    assert old.proof.home.evidence is not None
    assert new.proof.home.evidence is not None
    assert record.closed_block is not None
    assert old.proof.home.evidence.block.number < record.closed_block
    assert new.proof.home.evidence.block.number >= record.closed_block
    questions = new.questions(
        record.registry.replace(record.registry, town.record.anchor_registry),
        record.registry,
    )
    assert new.proof.home.evidence.prove(questions).issuer.closed_for_good


def test_a_node_that_proves_nothing_leaves_it_closed_and_unproved(town: Town) -> None:
    town.begin(town.authorise())
    town.chain.proven_blocks = 0
    town.work()
    assert town.status().stage is Stage.CLOSED
    assert "unproved" in town.open_codes()
    with pytest.raises(Refused, match="takes new evidence"):
        town.write()

    town.chain.proven_blocks = 128
    town.work()
    assert town.status().stage is Stage.PROVED


def test_whoever_carries_the_request_first_has_closed_it(town: Town) -> None:
    """A signed request is public once it was sent: a stranger's block makes ours revert."""
    town.begin(town.authorise())
    with town.database.read() as tx:
        about = chain_txs.about(tx, str(town.caller().organisation.id))
    (act,) = (row for row in about if row.kind is ChainTxKind.CLOSE)
    assert town.chain._blocks[-1].state.registries.execute(
        act.to,
        act.data,
        closing_moment(town.chain),
        31337,
    )
    town.chain.mine()
    town.work()

    assert closing_acts(town) == [ChainTxState.REVERTED]
    assert town.status().stage is Stage.PROVED


def closing_moment(chain: MemoryChain):  # type: ignore[no-untyped-def] # a private type
    from ledger.chain.memory_registries import Moment  # noqa: PLC0415

    head = chain.block("latest")
    return Moment(head.number, head.time)


def test_an_act_that_was_carried_too_late_is_signed_once_more(town: Town) -> None:
    """Its deadline passed while no worker ran: the same statement, a new request."""
    authorised = town.authorise()
    began, town.now = town.now, town.now.replace(year=2020)
    town.begin(authorised)
    town.now = began
    statement = town.status().statement
    town.work()
    assert closing_acts(town) == [ChainTxState.REVERTED]
    assert town.status().stage is Stage.REFUSED
    assert "Run it again" in town.status().to_text()

    with pytest.raises(Refused, match="another successor"):
        town.begin(town.authorise(town.reference("hillside")))
    town.begin(town.authorise())
    town.work()
    assert closing_acts(town) == [ChainTxState.REVERTED, ChainTxState.FINAL]
    assert town.status().stage is Stage.PROVED
    assert town.status().statement == statement


def test_closed_already(town: Town) -> None:
    town.close()
    with pytest.raises(Refused, match="closed already"):
        town.authorise()


def test_closed_on_the_chain_by_somebody_elses_hand(town: Town) -> None:
    issuer = town.chain._blocks[-1].state.registries.issuers[town.reference().issuer_id]
    issuer.closed_at = 1_700_000_000
    with pytest.raises(Refused, match="on the chain since 2023-11-14"):
        town.authorise()


# ---------------------------------------------------------------- the successor


def test_only_the_named_successor_withdraws_afterwards(town: Town) -> None:
    town.close(town.reference("hillside"))
    with pytest.raises(Refused, match="only the successor"):
        town.withdraw(town.credentials[0])

    town.withdraw(town.credentials[0], "hillside")
    town.work()
    registries = town.chain._blocks[-1].state.registries
    words = registries.issuers[town.reference().issuer_id].status
    assert sum(bits.bit_count() for bits in words.values()) == 2
    with pytest.raises(Conflict, match="withdrawn already"):
        town.withdraw(town.credentials[0], "hillside")


def test_without_a_successor_nobody_withdraws(town: Town) -> None:
    town.close()
    for code, error in (("riverside", Refused), ("hillside", NotFound)):
        with pytest.raises(error):
            town.withdraw(town.credentials[0], code)


def test_before_the_closing_is_final_the_successor_withdraws_nothing(
    town: Town,
) -> None:
    town.begin(town.authorise(town.reference("hillside")))
    with pytest.raises(NotFound):
        town.withdraw(town.credentials[0], "hillside")


# ---------------------------------------------------------------- the archive


def names(town: Town) -> list[str]:
    with ZipFile(town.archive) as archive:
        return archive.namelist()


def test_the_archive_holds_everything_and_names_nobody_in_public(town: Town) -> None:
    town.close()
    written = town.write(pictures=True)

    assert (written.credentials, written.earners, written.parts) == (3, 3, 1)
    assert written.size == town.archive.stat().st_size
    assert written.sha256 == hashlib.sha256(town.archive.read_bytes()).digest()
    assert town.archive.stat().st_mode & 0o777 == 0o600
    with ZipFile(town.archive) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    manifest = Manifest.from_bytes(found["manifest.json"].rstrip())
    assert [file.name for file in manifest.files] == list(found)[:-1]
    for file in manifest.files:
        file.check(found[file.name])
    everything = b"\0".join([*found.values(), *(name.encode() for name in found)])
    canaries = [*map(str, town.credentials), *(str(c)[:8] for c in town.credentials)]
    for canary in (*CANARIES, "canary", "Canary", *canaries):
        assert canary.encode() not in everything, canary
    assert town.open_codes() == set()
    assert town.status().archived_at == town.now


def test_a_custodian_opens_it_and_nobody_else(town: Town) -> None:
    town.close()
    town.write(pictures=True)
    with ZipFile(town.archive) as archive:
        sealed = archive.read("personal/0001.zip.age")
    plain = pyrage.decrypt(sealed, [town.identity])
    (town.folder / "part.zip").write_bytes(plain)
    with ZipFile(town.folder / "part.zip") as part:
        inner = part.namelist()
    assert inner[0] == "index.json"
    assert len([n for n in inner if n.startswith("credentials/")]) == 3
    assert len([n for n in inner if n.startswith("earners/")]) == 3
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(sealed, [pyrage.x25519.Identity.generate()])


def test_what_was_erased_is_in_no_archive(town: Town) -> None:
    town.close()
    with town.database.begin() as tx:
        credentials.erase(tx, town.caller().organisation.id, town.credentials[1])
    written = town.write()
    assert (written.credentials, written.earners) == (2, 2)


def test_public_files_are_the_same_each_time(town: Town) -> None:
    town.close()
    town.write()
    with ZipFile(town.archive) as archive:
        first = {n: archive.read(n) for n in archive.namelist()}
    town.work(2)  # blocks go on
    town.write()
    with ZipFile(town.archive) as archive:
        second = {n: archive.read(n) for n in archive.namelist()}
    assert list(first) == list(second)
    differing = {name for name in first if first[name] != second[name]}
    assert differing == {"personal/0001.zip.age", "manifest.json"}  # age never repeats


class Crash(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("earners_done", [0, 1, 2, 3])
def test_a_crash_while_archives_are_drawn_loses_one_part_at_most(
    town: Town, monkeypatch: pytest.MonkeyPatch, earners_done: int
) -> None:
    town.close()
    monkeypatch.setattr(closing_archive, "PART_BYTES", 1)  # one earner a part
    seen: list[int] = []

    def crash(done: int, _total: int) -> None:
        if done == earners_done:
            raise Crash

    with pytest.raises(Crash):
        town.write(progress=crash)
    assert not town.archive.exists()
    folder = PartsFolder.beside(town.archive)
    assert folder.done == (earners_done, earners_done)
    for file in folder.path.iterdir():
        assert b"canary" not in file.read_bytes()

    written = town.write(progress=lambda done, _total: seen.append(done))
    assert seen == list(range(earners_done, 4))
    assert (written.credentials, written.parts) == (3, 3)
    assert not folder.path.exists()
    assert names(town).count("personal/0003.zip.age") == 1


@pytest.mark.parametrize("target", ["_write", "_public_files"])
def test_a_crash_while_the_archive_is_written_leaves_none(
    town: Town, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    town.close()

    def crash(*_arguments: object) -> None:
        raise Crash

    with monkeypatch.context() as broken:
        broken.setattr(closing_archive, target, crash)
        with pytest.raises(Crash):
            town.write()
    assert not town.archive.exists()
    assert town.status().archived_at is None
    town.write()
    assert names(town)[-1] == "manifest.json"


def test_parts_made_from_something_else_are_made_anew(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody was erased between crash and repetition: nothing of that person goes in."""
    town.close()
    monkeypatch.setattr(closing_archive, "PART_BYTES", 1)

    def crash(done: int, _total: int) -> None:
        if done == 2:
            raise Crash

    with pytest.raises(Crash):
        town.write(progress=crash)
    with town.database.begin() as tx:
        credentials.erase(tx, town.caller().organisation.id, town.credentials[0])
    seen: list[int] = []
    written = town.write(progress=lambda done, _total: seen.append(done))
    assert seen[0] == 0
    assert (written.credentials, written.parts) == (2, 2)


def test_a_block_that_the_node_does_not_have_is_no_checkpoint(town: Town) -> None:
    town.close()
    town.write()
    town.chain.reorg(12)
    with pytest.raises(ProofError, match="is not the one that memory has"):
        town.write()


def test_a_node_that_lags_proves_no_closing(town: Town) -> None:
    town.close()
    with town.database.read() as tx:
        record = issuers.of(tx, town.caller().organisation.id)
        questions = questions_of(tx, record)
    final = town.chain.block("finalized").number
    assert take_proof(town.chain, questions, not_before=final).block.number == final
    with pytest.raises(ChainUnavailable, match="lags"):
        take_proof(town.chain, questions, not_before=final + 1)


def test_where_nothing_can_be_written(town: Town) -> None:
    town.close()
    nowhere = replace(town, folder=town.folder / "missing")
    with pytest.raises(MalformedError, match="cannot use the folder"):
        nowhere.write()


def test_only_a_closed_organisation_has_an_archive(town: Town) -> None:
    with pytest.raises(Refused, match="Closing is for ever"):
        town.write()


def test_the_hash_of_the_statement_is_on_the_chain(town: Town) -> None:
    town.close()
    status = town.status()
    assert status.statement is not None
    registries = town.chain._blocks[-1].state.registries
    issuer = registries.issuers[town.reference().issuer_id]
    assert issuer.statement == statement_hash(status.statement)
    assert issuer.closed_for_good


@pytest.mark.postgres
@pytest.mark.slow
def test_whoever_issues_waits_for_whoever_closes(
    postgres_url: str, tmp_path: Path
) -> None:
    """On PostgreSQL two transactions run at once: nothing is issued behind the closing."""
    with closing(Database.open(postgres_url)) as database:
        town = make_town(database, tmp_path)
        authorised = town.authorise()
        refusals: list[str] = []

        def issue() -> None:
            try:
                town.issue("late@example.com", "Late")
            except Refused as refused:
                refusals.append(str(refused))

        late = threading.Thread(target=issue)
        with database.begin() as tx:
            closing_module.begin_closing(
                tx,
                town.caller(),
                authorised,
                master=town.master,
                addresses=town.addresses,
                now=town.now,
            )
            late.start()
            late.join(0.5)
            assert late.is_alive(), "it did not wait"
        late.join(10)
        assert len(refusals) == 1

        town.work()
        assert town.write().credentials == 3
