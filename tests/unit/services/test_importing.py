"""Another operator takes in what a closed school left: all of it checked, nobody in it shown."""

import hashlib
import io
import json
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from zipfile import ZipFile

import pyrage
import pytest

from ledger.core.anchor import Anchor
from ledger.core.archive import stream_archive
from ledger.core.canonical import encode, parse_object
from ledger.core.durable import DurableCredential
from ledger.core.keys import PublicKey
from ledger.core.short_code import ShortCode
from ledger.errors import (
    Conflict,
    KeystoreError,
    MalformedError,
    NotFound,
    ProofError,
    Refused,
)
from ledger.keystore.backup import decode_backup
from ledger.keystore.custodian import Identity
from ledger.keystore.master import MasterKey
from ledger.services import importing
from ledger.services.addresses import Addresses
from ledger.services.archive_reading import (
    CheckedCredentials,
    Witness,
    by_checkpoints,
    by_node,
    opened,
)
from ledger.services.archives import earner_archive
from ledger.services.catalogue import public_achievement
from ledger.services.certificates import public_certificate
from ledger.services.closing import Stage, closing_status
from ledger.services.credentials import list_credentials
from ledger.services.delivery import FileFormat, deliver
from ledger.services.erasure import erase_credential
from ledger.services.held import held_for, release_credential
from ledger.services.identity import signing_issuer
from ledger.services.importing import ImportedIssuer, import_archive
from ledger.services.issuer_record import issuer_file, public_issuer
from ledger.services.key_custody import backup_keys
from ledger.services.organisations import Caller, create_organisation, operator_of
from ledger.services.status_lists import own_status_list, status_list
from ledger.services.withdrawal import withdraw_credential
from ledger.store import batches, closings, credentials, issuers
from ledger.store.database import Database
from ledger.store.records import CredentialState, IssuerKeyRole
from ledger.verify.checkpoints import Checkpoint, parse_checkpoints
from ledger.verify.networks import Network
from ledger.verify.trust import Trusted, TrustList
from ledger.verify.verification import verify
from tests.unit.services.town import CANARIES, PASSPHRASE, Town, copy_of

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ADDRESSES = Addresses("https://heirs.example.org")


@dataclass
class Heir:
    """A fresh ledger of another operator, and the archive that was handed to it."""

    town: Town
    archive: Path
    database: Database
    folder: Path
    master: MasterKey

    @property
    def node(self) -> Witness:
        return by_node(self.town.chain)

    @property
    def identities(self) -> tuple[Identity, ...]:
        return (Identity(str(self.town.identity)),)

    def take(
        self,
        *,
        path: Path | None = None,
        witness: Witness | None = None,
        networks: Sequence[Network] | None = None,
        identities: Sequence[Identity] = (),
        code: str | None = None,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> ImportedIssuer:
        return import_archive(
            self.database,
            path or self.archive,
            networks=[self.town.network] if networks is None else networks,
            witness=witness or self.node,
            identities=identities,
            master=lambda: self.master,
            code=code,
            now=NOW,
            progress=progress,
        )

    def caller(self, code: str = "riverside") -> Caller:
        with self.database.read() as tx:
            return operator_of(tx, code)

    def release(self, credential: UUID) -> None:
        with self.database.begin() as tx:
            release_credential(
                tx,
                operator_of(tx, "riverside"),
                credential,
                master=self.master,
                now=NOW,
            )

    def dump(self) -> bytes:
        with self.database.begin() as tx:
            tx.connection.exec_driver_sql("SELECT 1")
        return b"".join(
            file.read_bytes() for file in sorted(self.folder.glob("heir.db*"))
        )

    def rows(self) -> str:
        with self.database.read() as tx:
            tables = tx.connection.exec_driver_sql(
                "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
            ).scalars()
            return repr(
                [
                    tx.connection.exec_driver_sql(f"SELECT * FROM {name}").all()  # noqa: S608 - our own tables
                    for name in tables.all()
                ]
            )

    def files(self) -> dict[str, bytes]:
        with ZipFile(self.archive) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    def forge(self, files: dict[str, bytes], *, relist: bool) -> Path:
        """An archive of other files; with `relist` its manifest is made to fit them."""
        if relist:
            manifest = json.loads(files["manifest.json"])
            manifest["files"] = [
                {"name": n, "size": len(d), "sha256": hashlib.sha256(d).hexdigest()}
                for n, d in files.items()
                if n != "manifest.json"
            ]
            files = {**files, "manifest.json": encode(manifest)}
        path = self.folder / "forged.zip"
        with path.open("wb") as out:
            stream_archive(out, files.items())
        return path


@pytest.fixture(scope="session")
def left(settled: Town, tmp_path_factory: pytest.TempPathFactory) -> Town:
    """A town whose school has closed, without a successor, and left its archive."""
    folder = tmp_path_factory.mktemp("left")
    shutil.copy(settled.folder / "town.db", folder / "town.db")
    with closing(Database.open(f"sqlite:///{folder}/town.db")) as database:
        town = copy_of(settled, database, folder)
        town.begin(town.authorise(text="We taught for nine years.\nThank you."))
        town.work()
        town.write(pictures=True)
        return town


@pytest.fixture
def heir(left: Town, tmp_path: Path) -> Iterator[Heir]:
    with closing(Database.upgrade(f"sqlite:///{tmp_path}/heir.db")) as database:
        yield Heir(
            replace(left, chain=deepcopy(left.chain)),
            left.archive,
            database,
            tmp_path,
            MasterKey(secrets.token_bytes(32)),
        )


# ---------------------------------------------------------------- the public record


def test_the_public_record_lives_again_under_another_operator(heir: Heir) -> None:
    done = heir.take()

    files = heir.files()
    assert (done.already, done.sealed, done.held) == (False, 3, None)
    caller = heir.caller()
    with heir.database.read() as tx:
        record = issuers.of(tx, caller.organisation.id)
        shown = public_issuer(tx, record.issuer_id, addresses=ADDRESSES)
        assert (shown.name, shown.imported) == ("Riverside Code School", True)
        assert shown.statement == "We taught for nine years.\nThank you."
        assert shown.successor is None
        assert shown.closed_at is not None
        assert len(shown.achievements) == done.achievements
        for each in (offered.achievement for offered in shown.achievements):
            page = public_achievement(
                tx, record.issuer_id, each.code, each.version, addresses=ADDRESSES
            )
            assert page.achievement == each
        for key in issuers.keys(tx, caller.organisation.id, IssuerKeyRole.SIGNING):
            served = status_list(
                tx,
                record.issuer_id,
                PublicKey.from_multibase(key.public),
                master=heir.master,
                addresses=ADDRESSES,
                now=NOW,
            )
            assert served == files[f"status/{key.public}.json"]
        own = own_status_list(
            tx, caller, master=heir.master, addresses=ADDRESSES, now=NOW
        )
        assert own in files.values()
        for name in shown.files:
            assert issuer_file(tx, record.issuer_id, name) == files[name]
        assert shown.files == ["statement.json", "issuer.json", "proof.json"]
        with pytest.raises(NotFound):
            issuer_file(tx, record.issuer_id, "index.json")
        assert closing_status(tx, caller).stage is Stage.IMPORTED


def test_no_private_key_came_along_and_nothing_can_be_done_in_its_name(
    heir: Heir,
) -> None:
    heir.take()
    caller = heir.caller()
    with heir.database.begin() as tx:
        keys = issuers.keys(tx, caller.organisation.id)
        assert [key.sealed for key in keys] == [None, None]
        with pytest.raises(Refused, match="nothing can be issued"):
            signing_issuer(tx, caller, heir.master)
        with pytest.raises(NotFound):
            withdraw_credential(
                tx, caller, heir.town.credentials[0], reason="x", master=heir.master, now=NOW
            )  # fmt: skip
        data, codes = backup_keys(
            tx, None, master=heir.master, passphrase=PASSPHRASE, entropy=secrets.token_bytes
        )  # fmt: skip
    assert codes == []
    assert decode_backup(data, PASSPHRASE) == ()


@pytest.mark.parametrize("with_identity", [False, True])
def test_importing_twice_changes_nothing(heir: Heir, with_identity: bool) -> None:
    identities = heir.identities if with_identity else ()
    first = heir.take(identities=identities)
    before = heir.rows()

    second = heir.take(identities=identities)
    assert heir.rows() == before
    assert (first.already, second.already) == (False, True)
    assert (first.held, second.held) == ((3, 0) if with_identity else (None, None))


def test_the_custodian_may_come_later(heir: Heir) -> None:
    heir.take()
    assert heir.take(identities=heir.identities).held == 3


def test_the_ledger_that_closed_it_has_nothing_to_import(heir: Heir) -> None:
    copied = heir.folder / "closed.db"
    shutil.copy(heir.town.folder / "town.db", copied)
    with closing(Database.open(f"sqlite:///{copied}")) as database:
        closed = replace(heir, database=database)
        with pytest.raises(Conflict, match="keeps Riverside Code School itself"):
            closed.take()


def test_a_code_that_is_taken_is_asked_for(heir: Heir) -> None:
    with heir.database.begin() as tx:
        create_organisation(tx, code="riverside", name="Another", now=NOW)

    with pytest.raises(Conflict, match="name one with --code"):
        heir.take()
    assert heir.take(code="riverside-2").organisation_code == "riverside-2"


def test_a_code_that_differs_from_the_one_it_has_is_refused(heir: Heir) -> None:
    heir.take(code="hillside")
    before = heir.rows()

    with pytest.raises(Conflict, match="here already, under the code hillside"):
        heir.take(code="other")
    assert heir.rows() == before
    for code in (None, "hillside"):
        again = heir.take(code=code)
        assert (again.organisation_code, again.already) == ("hillside", True)


# ---------------------------------------------------------------- who vouches


def checkpoints(heir: Heir) -> tuple[Checkpoint, ...]:
    return parse_checkpoints(heir.files()["checkpoints.json"])


@pytest.mark.parametrize("code", ["", "River side", "UPPER", "-a", "a" * 41, "a\nb"])
def test_a_code_that_no_organisation_may_have_is_refused(heir: Heir, code: str) -> None:
    before = heir.rows()
    with pytest.raises(MalformedError, match="organisation code"):
        heir.take(code=code)
    assert heir.rows() == before


def test_a_list_of_trusted_blocks_will_do_instead_of_a_node(heir: Heir) -> None:
    done = heir.take(
        witness=by_checkpoints(checkpoints(heir)), identities=heir.identities
    )
    assert done.held == 3


def test_without_anybody_who_vouches_nothing_comes_in(heir: Heir) -> None:
    blocks = checkpoints(heir)
    for witness in (
        by_checkpoints([]),
        by_checkpoints([replace(each, chain_id=1) for each in blocks]),
        by_checkpoints([replace(each, block_hash=bytes(32)) for each in blocks]),
    ):
        with pytest.raises(ProofError, match=r"proof\.json: nobody vouches for block"):
            heir.take(witness=witness)
    assert "riverside" not in heir.rows().lower()


def test_every_credentials_block_is_vouched_for_too(heir: Heir) -> None:
    """The record's own block alone does not vouch for another one."""
    files = heir.files()
    proof = parse_object(files["proof.json"], max_bytes=10**8)
    only = [
        each
        for each in checkpoints(heir)
        if each.block_number == max(c.block_number or 0 for c in checkpoints(heir))
    ]
    assert proof["version"] == 1
    assert len(checkpoints(heir)) > 1
    with pytest.raises(ProofError, match=r"personal/0001\.zip\.age: credentials/"):
        heir.take(witness=by_checkpoints(only), identities=heir.identities)


def test_a_node_on_another_branch_vouches_for_nothing(heir: Heir) -> None:
    heir.town.chain.reorg(12)
    with pytest.raises(ProofError, match="nobody vouches"):
        heir.take()


def test_a_chain_or_register_that_is_not_ours_is_refused(heir: Heir) -> None:
    with pytest.raises(Refused, match="not on this ledger's list"):
        heir.take(networks=[])
    other = replace(heir.town.network, issuer_registry="0x" + "11" * 20)
    with pytest.raises(ProofError, match="has its own at"):
        heir.take(networks=[other])


# ---------------------------------------------------------------- damage and forgery


def test_each_damaged_file_is_called_by_its_name(heir: Heir) -> None:
    """One bit in each file, under a checksum of the ZIP that fits."""
    files = heir.files()
    for name, data in files.items():
        at = len(data) // 2
        damaged = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        path = heir.forge({**files, name: damaged}, relist=False)

        with pytest.raises((MalformedError, ProofError)) as refused:
            heir.take(path=path)
        assert name in str(refused.value) or name == "manifest.json", name
    assert "riverside" not in heir.rows().lower()


def test_a_bit_anywhere_in_the_file_is_noticed(heir: Heir) -> None:
    data = heir.archive.read_bytes()
    path = heir.folder / "flipped.zip"
    for at in range(0, len(data), max(1, len(data) // 60)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
        with suppress(MalformedError, ProofError):
            heir.take(path=path)
            # Bits that say nothing (a time in the ZIP's own heads) may differ.
            with ZipFile(path) as archive:
                assert {n: archive.read(n) for n in archive.namelist()} == heir.files()


@pytest.mark.parametrize("cut", [0, 1, 100, 10_000])
def test_a_file_that_is_cut_off_or_none_is_refused(heir: Heir, cut: int) -> None:
    path = heir.folder / "cut.zip"
    data = heir.archive.read_bytes()
    path.write_bytes(data[: len(data) - cut] if cut else b"")
    with pytest.raises(MalformedError):
        heir.take(path=path)
    with pytest.raises(MalformedError, match="cannot read"):
        heir.take(path=heir.folder / "absent.zip")


def changed(data: bytes, **members: Any) -> bytes:
    return encode({**parse_object(data, max_bytes=10**8), **members})


def test_a_forged_public_part_is_refused_though_its_manifest_fits(heir: Heir) -> None:
    """Whoever had the archive may write a manifest too: what counts is the chain."""
    files = heir.files()
    achievement = next(n for n in files if n.startswith("achievements/"))
    listed = next(n for n in files if n.startswith("status/"))
    profile = next(n for n in files if n.startswith("profiles/"))
    forgeries: list[tuple[dict[str, bytes], str]] = [
        ({achievement: changed(files[achievement], name="Doctor of Medicine")}, "not the one in the closing statement"),
        ({listed: changed(files[listed], validFrom="2030-01-01T00:00:00Z")}, "not the one in the closing statement"),
        ({"statement.json": changed(files["statement.json"], text="Send money.")}, "hash of the statement"),
        ({profile: changed(files[profile], url="https://elsewhere.example")}, "profiles are not those"),
        ({"issuer.json": changed(files["issuer.json"], closedAt=9)}, "time of closing"),
        ({"issuer.json": changed(files["issuer.json"], salt="0x" + "00" * 32)}, "issuer id"),
        ({"issuer.json": changed(files["issuer.json"], keys=[])}, "proof"),
        ({"proof.json": changed(files["proof.json"], nodes=[])}, "proof"),
    ]  # fmt: skip
    for changes, words in forgeries:
        path = heir.forge({**files, **changes}, relist=True)
        with pytest.raises((MalformedError, ProofError), match=words):
            heir.take(path=path)
    for missing in (
        achievement,
        listed,
        profile,
        "proof.json",
        "personal/0001.zip.age",
    ):
        rest = {n: d for n, d in files.items() if n != missing}
        with pytest.raises((MalformedError, ProofError, Refused, Conflict)):
            heir.take(path=heir.forge(rest, relist=False))
    with pytest.raises(MalformedError, match="not the files of this archive: more"):
        heir.take(path=heir.forge({**files, "more.txt": b"x"}, relist=False))
    assert "riverside" not in heir.rows().lower()


def reseal(heir: Heir, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The archive with another personal part, sealed for the same custodian."""
    files = heir.files()
    plain = pyrage.decrypt(files["personal/0001.zip.age"], [heir.town.identity])
    with ZipFile(io.BytesIO(plain)) as part:
        inner = {name: part.read(name) for name in part.namelist()}
    change(inner)
    packed = io.BytesIO()
    stream_archive(packed, inner.items())
    sealed = pyrage.encrypt(packed.getvalue(), [heir.town.identity.to_public()])
    return heir.forge({**files, "personal/0001.zip.age": sealed}, relist=True)


def entry_of(inner: dict[str, bytes]) -> tuple[dict[str, Any], Any]:
    index: Any = json.loads(inner["index.json"])
    return index, index["credentials"][0]


def other_id(inner: dict[str, bytes]) -> None:
    index, entry = entry_of(inner)
    other = str(uuid4())
    inner[f"credentials/{other}.json"] = inner[f"credentials/{entry['id']}.json"]
    entry["id"] = other
    inner["index.json"] = encode(index)


def other_name(inner: dict[str, bytes]) -> None:
    _, entry = entry_of(inner)
    name = f"credentials/{entry['id']}.json"
    inner[name] = inner[name].replace(b"Canary", b"Cunary")


def no_evidence(inner: dict[str, bytes]) -> None:
    _, entry = entry_of(inner)
    name = f"credentials/{entry['id']}.json"
    durable = DurableCredential.from_bytes(inner[name])
    inner[name] = durable.with_evidence(None).encode()


def other_achievement(inner: dict[str, bytes]) -> None:
    index, entry = entry_of(inner)
    entry["achievement"] = "nothing"
    inner["index.json"] = encode(index)


def withdrawn(inner: dict[str, bytes]) -> None:
    index, _ = entry_of(inner)
    for entry in index["credentials"]:
        entry["withdrawnAt"] = "2029-01-01T00:00:00+00:00"
        entry["withdrawalReason"] = "Because."
    inner["index.json"] = encode(index)


def not_there(inner: dict[str, bytes]) -> None:
    _, entry = entry_of(inner)
    del inner[f"credentials/{entry['id']}.json"]


def fewer(inner: dict[str, bytes]) -> None:
    index, _ = entry_of(inner)
    del index["credentials"][0]
    inner["index.json"] = encode(index)


def one_twice(inner: dict[str, bytes]) -> None:
    index, _ = entry_of(inner)
    index["credentials"][0] = index["credentials"][1]
    inner["index.json"] = encode(index)


def no_index(inner: dict[str, bytes]) -> None:
    del inner["index.json"]


def test_a_forged_personal_part_is_refused(heir: Heir) -> None:
    for change, words in (
        (other_id, "another id"),
        (other_name, "credentials/"),
        (no_evidence, "no evidence"),
        (other_achievement, "achievement is not in the archive"),
        (withdrawn, "the chain does not"),
        (not_there, "is not in the archive"),
        (fewer, "promises 3 credentials and holds 2"),
        (one_twice, "promises 3 credentials and holds 2"),
        (no_index, "index.json is not in the archive"),
    ):
        path = reseal(heir, change)
        with pytest.raises((MalformedError, ProofError, Refused), match=words):
            heir.take(path=path, identities=heir.identities)
    # Not the public record either, nor what is well of the part.
    assert "riverside" not in heir.rows().lower()


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        ({"achievement": "backend-cert", "version": "1"}, "another achievement"),
        ({"email": "thief@example.com"}, "another e-mail address"),
        ({"email": "CANARY0@example.com"}, "another e-mail address"),
        ({"name": "Dr Thief"}, "another name"),
        ({"name": None}, "another name"),
        ({"awardedOn": "1999-01-01"}, "another day of the award"),
        ({"issuedAt": "1999-01-01T00:00:00+00:00"}, "another time of issuing"),
    ],
)
def test_an_index_that_contradicts_the_signed_bytes_is_refused(
    heir: Heir, lie: dict[str, str | None], words: str
) -> None:
    """Whoever has the files can seal another index: the custodians' recipients are public."""

    def change(inner: dict[str, bytes]) -> None:
        index, _ = entry_of(inner)
        named = str(heir.town.credentials[0])
        (entry,) = (each for each in index["credentials"] if each["id"] == named)
        entry.update(lie)
        inner["index.json"] = encode(index)

    path = reseal(heir, change)
    with pytest.raises(
        ProofError, match=f"{heir.town.credentials[0]}.*the index has {words}"
    ):
        heir.take(path=path, identities=heir.identities)


def test_a_withdrawal_that_the_index_leaves_out_is_known_from_the_chain(
    heir: Heir,
) -> None:
    withdrawn = heir.town.credentials[2]

    def change(inner: dict[str, bytes]) -> None:
        index, _ = entry_of(inner)
        for entry in index["credentials"]:
            entry.update(withdrawnAt=None, withdrawalReason=None)
        inner["index.json"] = encode(index)

    heir.take(path=reseal(heir, change), identities=heir.identities)
    for each in heir.town.credentials:
        heir.release(each)
    with heir.database.read() as tx:
        listed = list_credentials(tx, heir.caller(), limit=9)
    reasons = {each.record.id: each.record.withdrawal_reason for each in listed}
    assert [each for each, reason in reasons.items() if reason] == [withdrawn]
    assert "withdrawn on the blockchain" in str(reasons[withdrawn])


def test_an_anchor_that_nobody_proved_comes_to_no_batch(heir: Heir) -> None:
    """A batch is everybody's: the honest file of another member would carry it too."""
    forged, honest, _ = heir.town.credentials

    def change(inner: dict[str, bytes]) -> None:
        name = f"credentials/{forged}.json"
        durable = DurableCredential.from_bytes(inner[name])
        anchors = (*durable.proof.anchors, Anchor(10, "0x" + "66" * 20, 1, 1))
        proof = replace(durable.proof, anchors=anchors)
        inner[name] = replace(durable, proof=proof).encode()

    heir.take(path=reseal(heir, change), identities=heir.identities)
    heir.release(honest)
    heir.release(forged)
    with heir.database.read() as tx:
        for each in (forged, honest):
            file = deliver(
                tx, heir.caller(), each, FileFormat.JSON, addresses=ADDRESSES
            )
            (only,) = DurableCredential.from_bytes(file.data).proof.anchors
            assert only.chain_id == heir.town.network.chain_id


def test_an_anchor_that_the_worker_read_stays_when_a_file_says_another(
    heir: Heir,
) -> None:
    heir.take(identities=heir.identities)
    first, second, _ = heir.town.credentials
    heir.release(first)
    with heir.database.begin() as tx:
        record = credentials.get(tx, heir.caller().organisation.id, first)
        assert record.batch_id is not None
        (proved,) = batches.anchors(tx, record.batch_id)
        # It came into another block since.
        read = replace(proved, block_number=proved.block_number + 1)
        batches.record_anchor(tx, record.batch_id, read)

    heir.release(second)
    with heir.database.read() as tx:
        assert batches.anchors(tx, record.batch_id) == (read,)


def test_what_changes_after_it_was_checked_is_not_taken_in(heir: Heir) -> None:
    """Another part that opens, in its place: the manifest has the one that was checked."""
    with ZipFile(reseal(heir, no_evidence)) as forged:
        other = {"personal/0001.zip.age": forged.read("personal/0001.zip.age")}
    swapped = heir.forge({**heir.files(), **other}, relist=False)
    with opened(swapped, [heir.town.network], heir.node) as archive:
        checked = CheckedCredentials(archive, heir.identities, frozenset())
        with pytest.raises(MalformedError, match="not what the manifest lists"):
            list(checked.parts())


def test_checking_and_taking_in_are_both_told(heir: Heir) -> None:
    told: list[tuple[str, int, int]] = []
    import_archive(
        heir.database,
        heir.archive,
        networks=[heir.town.network],
        witness=heir.node,
        identities=heir.identities,
        master=lambda: heir.master,
        code=None,
        now=NOW,
        progress=lambda done, total: told.append(("taken in", done, total)),
        checking=lambda done, total: told.append(("checked", done, total)),
    )
    assert told == [("checked", 3, 3), ("taken in", 0, 3), ("taken in", 3, 3)]


# ---------------------------------------------------------------- nobody is shown


def test_nothing_of_a_person_is_shown_or_readable_until_that_person_asks(
    heir: Heir,
) -> None:
    heir.take(identities=heir.identities)
    caller = heir.caller()

    everything = heir.dump()
    assert len(everything) > 100_000
    for canary in ("canary", "Canary", *CANARIES, "Okonkwo"):
        assert canary.encode() not in everything, canary
    with heir.database.read() as tx:
        assert list_credentials(tx, caller, limit=100) == []
        for credential in heir.town.credentials:
            with pytest.raises(NotFound):
                public_certificate(tx, ShortCode.of(credential).text)
            with pytest.raises(NotFound):
                deliver(tx, caller, credential, FileFormat.JSON, addresses=ADDRESSES)
        shown = public_issuer(
            tx, issuers.of(tx, caller.organisation.id).issuer_id, addresses=ADDRESSES
        )
    assert "anary" not in json.dumps(shown.to_json())
    with pytest.raises(NotFound):
        earner_archive(
            heir.database, caller, "canary0@example.com", addresses=ADDRESSES, now=NOW
        )


def test_on_one_persons_request_that_persons_credential_is_shown_and_no_other(
    heir: Heir,
) -> None:
    reference = heir.take(identities=heir.identities).issuer
    caller, wanted = heir.caller(), heir.town.credentials[0]
    (found,) = held_for(
        heir.database, caller, " Canary0@example.com", master=heir.master
    )
    assert found.credential_id == wanted

    heir.release(wanted)
    with heir.database.read() as tx:
        (listed,) = list_credentials(tx, caller, limit=100)
        assert (listed.record.id, listed.state) == (wanted, CredentialState.ANCHORED)
        assert (
            public_certificate(tx, ShortCode.of(wanted).text).achievement.code == "py-1"
        )
        file = deliver(tx, caller, wanted, FileFormat.JSON, addresses=ADDRESSES)
        for other in heir.town.credentials[1:]:
            with pytest.raises(NotFound):
                public_certificate(tx, ShortCode.of(other).text)
    assert b"Okonkwo" not in heir.dump()
    assert file.durable
    report = verify(
        file.data,
        readers=[],
        networks=[heir.town.network],
        checkpoints=checkpoints(heir),
        trust=TrustList("T", issuers=(Trusted(reference, "R"),)),
        now=NOW,
    )
    assert report.verdict.value == "genuine"
    taken = earner_archive(
        heir.database, caller, "canary0@example.com", addresses=ADDRESSES, now=NOW
    )
    assert (taken.credentials, taken.durable) == (1, 1)

    with pytest.raises(Refused, match="shown already"):
        heir.release(wanted)
    with pytest.raises(NotFound):
        heir.release(uuid4())
    with pytest.raises(NotFound):
        held_for(heir.database, caller, "canary0@example.com", master=heir.master)
    assert heir.take(identities=heir.identities).held == 0


def test_all_of_one_batch_can_be_released_one_after_the_other(heir: Heir) -> None:
    heir.take(identities=heir.identities)
    for credential in heir.town.credentials:
        heir.release(credential)
    caller = heir.caller()
    with heir.database.read() as tx:
        states = {c.record.id: c.state for c in list_credentials(tx, caller, limit=9)}
        files = [
            deliver(tx, caller, each, FileFormat.JSON, addresses=ADDRESSES)
            for each in heir.town.credentials
        ]
    assert [states[each] for each in heir.town.credentials] == [
        CredentialState.ANCHORED,
        CredentialState.ANCHORED,
        CredentialState.WITHDRAWN,
    ]
    for file in files:
        durable = DurableCredential.from_bytes(file.data)
        assert durable.proof.home.evidence is not None


def test_what_is_held_back_is_erased_without_being_shown(heir: Heir) -> None:
    heir.take(identities=heir.identities)
    caller, gone = heir.caller(), heir.town.credentials[0]

    for _ in range(2):
        erased = erase_credential(heir.database, caller, gone)
        assert (erased.was_held, erased.log_emptied) == (True, True)
    with pytest.raises(NotFound):
        held_for(heir.database, caller, "canary0@example.com", master=heir.master)
    with pytest.raises(NotFound, match="held back"):
        heir.release(gone)
    assert heir.take(identities=heir.identities).held == 0
    assert held_for(heir.database, caller, "canary1@example.com", master=heir.master)
    assert list_all(heir) == []


def test_what_was_released_and_then_erased_does_not_come_in_again(heir: Heir) -> None:
    heir.take(identities=heir.identities)
    gone, other, _ = heir.town.credentials
    for each in (gone, other):
        heir.release(each)
    assert not erase_credential(heir.database, heir.caller(), gone).was_held
    assert b"anary0" not in heir.dump()
    assert b"anary1" in heir.dump()

    assert heir.take(identities=heir.identities).held == 0
    with pytest.raises(Refused, match="shown already"):
        heir.release(gone)
    assert b"anary0" not in heir.dump()
    assert set(list_all(heir)) == {gone, other}


def list_all(heir: Heir) -> list[UUID]:
    with heir.database.read() as tx:
        found = list_credentials(tx, heir.caller(), limit=9)
    return [each.record.id for each in found]


def test_another_organisation_here_reaches_none_of_it(heir: Heir) -> None:
    heir.take(identities=heir.identities)
    with heir.database.begin() as tx:
        create_organisation(tx, code="stranger", name="Stranger", now=NOW)
        stranger = operator_of(tx, "stranger")
        assert closings.held(tx, stranger.organisation.id, after=None, limit=9) == []
        with pytest.raises(NotFound):
            release_credential(
                tx, stranger, heir.town.credentials[0], master=heir.master, now=NOW
            )
    with pytest.raises(NotFound):
        held_for(heir.database, stranger, "canary0@example.com", master=heir.master)


def test_another_master_key_opens_nothing(heir: Heir) -> None:
    heir.take(identities=heir.identities)
    with pytest.raises(KeystoreError):
        replace(heir, master=MasterKey(secrets.token_bytes(32))).release(
            heir.town.credentials[0]
        )
    heir.release(heir.town.credentials[0])


def test_a_stranger_to_the_archive_takes_in_nothing(heir: Heir) -> None:
    stranger = Identity(str(pyrage.x25519.Identity.generate()))
    before = heir.rows()
    with pytest.raises(KeystoreError, match="none of these identities"):
        heir.take(identities=[stranger])
    assert heir.rows() == before


def test_without_a_master_key_that_opens_nothing_comes_in(heir: Heir) -> None:
    def refuse() -> MasterKey:
        raise KeystoreError("the master key is damaged")

    def take(identities: Sequence[Identity]) -> ImportedIssuer:
        return import_archive(
            heir.database,
            heir.archive,
            networks=[heir.town.network],
            witness=heir.node,
            identities=identities,
            master=refuse,
            code=None,
            now=NOW,
            progress=lambda _done, _total: None,
        )

    before = heir.rows()
    with pytest.raises(KeystoreError, match="damaged"):
        take(heir.identities)
    assert heir.rows() == before
    assert not take([]).already


class Crash(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_a_crash_while_credentials_come_in_is_made_good_by_repeating(
    heir: Heir, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setattr(importing, "CHUNK", 1)

    def crash(done: int, _total: int) -> None:
        if done == at:
            raise Crash

    with pytest.raises(Crash):
        heir.take(identities=heir.identities, progress=crash)
    again = heir.take(identities=heir.identities)
    assert (again.already, again.held) == (True, 3 - at)
    with heir.database.read() as tx:
        school = heir.caller().organisation.id
        assert len(closings.held(tx, school, after=None, limit=9)) == 3
