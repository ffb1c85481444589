"""The take-away archive: every form of every credential of one earner, and what explains them."""

import hashlib
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ledger.core.archive import open_archive
from ledger.core.canonical import parse_object
from ledger.core.durable import DurableCredential, parse_credential_file
from ledger.errors import MalformedError, NotFound, Refused
from ledger.services import archives
from ledger.services.archives import (
    MAX_CREDENTIALS,
    EarnerArchive,
    archive_of_credential,
    earner_archive,
    earner_archives,
)
from ledger.services.withdrawal import withdraw_credential
from ledger.store import credentials
from tests.unit.services.batches import anchor
from tests.unit.services.conftest import School, make_school, request_of

NOW = datetime(2026, 11, 26, 8, 30, tzinfo=UTC)
EMAIL = "amina@example.com"


def archive_of(school: School, email: str = EMAIL) -> EarnerArchive:
    return earner_archive(
        school.database, school.caller, email, addresses=school.addresses, now=NOW
    )


def contents(archive: EarnerArchive) -> dict[str, bytes]:
    opened = open_archive(archive.data)
    return {entry.name: opened.read(entry) for entry in opened.entries}


@pytest.fixture
def graduate(school: School) -> School:
    """One earner with two durable credentials, and another earner."""
    school.issue(
        request_of(EMAIL),
        request_of(EMAIL, "git-1"),
        request_of("somebody.else@example.com"),
    )
    anchor(school)
    return school


def test_every_form_of_every_credential_is_in_it_and_is_the_same(
    graduate: School,
) -> None:
    archive = archive_of(graduate)
    found = contents(archive)
    forms = {
        name: parse_credential_file(data)
        for name, data in found.items()
        if name.endswith((".json", ".png", ".svg", ".pdf")) and name != "manifest.json"
    }

    assert (archive.credentials, archive.durable) == (2, 2)
    assert len(forms) == 8
    assert all(isinstance(form, DurableCredential) for form in forms.values())
    assert len({form.credential.id for form in forms.values()}) == 2  # type: ignore[union-attr]


def test_every_earner_has_an_archive_as_if_asked_for_alone(
    graduate: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_EARNERS_AT_ONCE", 1)
    told: list[tuple[int, int]] = []

    made = list(
        earner_archives(
            graduate.database,
            graduate.caller,
            addresses=graduate.addresses,
            now=NOW,
            progress=lambda done, total: told.append((done, total)),
        )
    )

    other = "somebody.else@example.com"
    assert made == [(e, archive_of(graduate, e)) for e in (EMAIL, other)]
    assert told == [(1, 2), (2, 2)]


def test_who_holds_very_much_gets_several(
    graduate: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_CREDENTIALS", 1)
    made = list(
        earner_archives(
            graduate.database, graduate.caller, addresses=graduate.addresses, now=NOW
        )
    )

    assert [email for email, _ in made].count(EMAIL) == 2
    assert {archive.credentials for _, archive in made} == {1}


def test_nothing_of_anybody_else_is_in_it(graduate: School) -> None:
    with graduate.database.read() as tx:
        (other,) = credentials.of_earner(
            tx, graduate.caller.organisation.id, "somebody.else@example.com", limit=9
        )

    for data in contents(archive_of(graduate)).values():
        assert str(other.id).encode() not in data
        assert b"somebody.else" not in data


def test_the_manifest_has_every_other_file_with_its_hash(graduate: School) -> None:
    found = contents(archive_of(graduate))
    manifest = parse_object(found.pop("manifest.json"))

    assert manifest["version"] == 1
    assert manifest["made"] == "2026-11-26T00:00:00Z"
    assert manifest["files"] == [
        {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in found.items()
    ]
    listed = manifest["credentials"]
    assert isinstance(listed, list)
    assert all(isinstance(entry, dict) and entry["durable"] for entry in listed)


def test_the_readme_is_for_people(graduate: School) -> None:
    readme = contents(archive_of(graduate))["README.txt"].decode()

    assert "perdure verify FILE" in readme
    assert readme.count(", awarded on 2026-05-01\n  ") == 2
    assert ".json, " in readme
    assert "Not recorded" not in readme
    assert max(map(len, readme.splitlines())) < 100


def test_the_readme_tells_what_is_pending_and_what_was_withdrawn(
    school: School,
) -> None:
    withdrawn, _ = school.issue(request_of(EMAIL), request_of(EMAIL, "git-1"))
    with school.database.begin() as tx:
        withdraw_credential(
            tx,
            school.caller,
            withdrawn.credential_id,
            reason="mistake",
            master=school.master,
            now=NOW,
        )
    readme = contents(archive_of(school))["README.txt"].decode()

    assert "Withdrawn by the issuer on 2026-11-26." in readme
    assert "Not recorded on the blockchain yet" in readme
    assert "mistake" not in readme


def test_the_verifier_comes_along_once_it_is_built(
    graduate: School, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "index.html"
    monkeypatch.setattr(archives, "_PAGE", page)
    assert "verifier.html" not in contents(archive_of(graduate))

    page.write_bytes(b"<!doctype html>")
    found = contents(archive_of(graduate))
    assert found["verifier.html"] == b"<!doctype html>"
    assert b"Open verifier.html in any browser" in found["README.txt"]


def test_the_same_day_gives_the_same_bytes(graduate: School) -> None:
    assert archive_of(graduate) == archive_of(graduate, " Amina@Example.com ")


def test_one_credential_names_its_earner(graduate: School) -> None:
    with graduate.database.read() as tx:
        record, _ = credentials.of_earner(
            tx, graduate.caller.organisation.id, EMAIL, limit=9
        )
    named = archive_of_credential(
        graduate.database,
        graduate.caller,
        record.id,
        addresses=graduate.addresses,
        now=NOW,
    )

    assert named == archive_of(graduate)
    assert EMAIL not in named.name


def test_an_erased_credential_names_nobody(graduate: School) -> None:
    with graduate.database.begin() as tx:
        record, kept = credentials.of_earner(
            tx, graduate.caller.organisation.id, EMAIL, limit=9
        )
        credentials.erase(tx, graduate.caller.organisation.id, record.id)

    with pytest.raises(NotFound, match="erased"):
        archive_of_credential(
            graduate.database,
            graduate.caller,
            record.id,
            addresses=graduate.addresses,
            now=NOW,
        )
    assert archive_of(graduate).credentials == 1
    assert str(kept.id)[:8] in " ".join(contents(archive_of(graduate)))


def test_another_organisation_has_issued_nothing(graduate: School) -> None:
    other = make_school(graduate.database, "other", graduate.master)

    with pytest.raises(NotFound, match="nothing to this address"):
        archive_of(other)


def test_what_is_no_address(graduate: School) -> None:
    with pytest.raises(MalformedError):
        archive_of(graduate, "nobody")


def test_more_than_a_verifier_reads_is_refused(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    school.issue(*(request_of(EMAIL, awarded_on=date(2026, 5, n)) for n in (1, 2, 3)))
    assert MAX_CREDENTIALS == 250
    monkeypatch.setattr(archives, "MAX_CREDENTIALS", 2)

    with pytest.raises(Refused, match="more than 2 credentials"):
        archive_of(school)
