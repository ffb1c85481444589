"""Writing the closing archive of an organisation: everything that it leaves, in one file."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, Final

from ledger.artwork.badge import BadgeSpec, badge_png, badge_svg
from ledger.chain.node import ChainNode
from ledger.core import registries
from ledger.core.archive import stream_archive, write_archive
from ledger.core.canonical import encode, parse
from ledger.core.closing import (
    Custodian,
    PublicRecord,
    check_custodians,
    read_custodians,
)
from ledger.core.closing_archive import (
    CHECKPOINTS,
    CONTRACTS,
    HISTORY,
    INDEX,
    MANIFEST,
    NETWORKS,
    PART,
    PART_BYTES,
    PERSONAL_INDEX,
    PROOF,
    README,
    STATEMENT,
    VERIFIER,
    ListedFile,
    Manifest,
    PersonalEntry,
    achievement_name,
    encode_personal_index,
    image_name,
    part_name,
    profile_name,
    status_name,
)
from ledger.core.credential import Achievement
from ledger.core.header import BlockHeader
from ledger.core.issuer_proof import IssuerProof
from ledger.errors import MalformedError, ProofError, Refused
from ledger.keystore.custodian import seal
from ledger.services import closing_papers
from ledger.services.addresses import Addresses
from ledger.services.archives import (
    MAX_CREDENTIALS,
    all_earners,
    pack_archive,
    verifier_page,
)
from ledger.services.closing import Stage, closing_status
from ledger.services.closing_parts import PartsFolder
from ledger.services.closing_proof import public_record, questions_of, take_proof
from ledger.services.delivery import Deliverable, prepare
from ledger.services.identity import issuer_record
from ledger.services.organisations import Caller
from ledger.store import closings, credentials, evidence
from ledger.store.database import Database
from ledger.store.records import Closing, CredentialRecord, IssuerRecord
from ledger.verify.checkpoints import Checkpoint, encode_checkpoints
from ledger.verify.networks import Network, encode_networks

_MANY: Final = 1_000_000
_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class WrittenArchive:
    """A closing archive that lies on the disk whole."""

    sha256: bytes
    size: int
    files: int
    credentials: int
    earners: int
    parts: int


@dataclass(frozen=True, slots=True)
class ArchiveOrder:
    """What is to be written, and where.

    `custodians` None: those named when closing began. `pictures` False leaves the earners'
    take-away archives out, which are most of its size.
    """

    out: Path
    network: Network
    custodians: tuple[Custodian, ...] | None = None
    pictures: bool = True


def write_closing_archive(  # noqa: PLR0913 - an edge each: database, node, addresses, clock, progress
    database: Database,
    caller: Caller,
    order: ArchiveOrder,
    *,
    node: ChainNode,
    addresses: Addresses,
    now: datetime,
    progress: Callable[[int, int], None],
) -> WrittenArchive:
    """Write the closing archive; called again after a crash, it goes on where it stopped.

    Raises Refused while the organisation has not closed or files do not prove it yet,
    ChainUnavailable, ProofError if the chain says otherwise, MalformedError if nothing can be
    written there.
    """
    with database.read() as tx:
        status = closing_status(tx, caller)
        if status.stage is not Stage.PROVED:
            raise Refused(status.to_text())
        record = issuer_record(tx, caller)
        closing = closings.of(tx, record.organisation_id)
        questions = questions_of(tx, record)
    if closing.proof is None:
        proof = take_proof(node, questions, not_before=record.closed_block or 0)
        with database.begin() as tx:
            closings.keep_proof(tx, record.organisation_id, proof.encode())
    else:
        proof = IssuerProof.from_bytes(closing.proof)
    with database.read() as tx:
        public = public_record(tx, record, closing, proof.prove(questions))
        headers = evidence.headers_of(tx, record.organisation_id)
    custodians = order.custodians or read_custodians(parse(closing.custodians))
    check_custodians(custodians)
    work = _Writing(database, caller, record, closing, order, custodians, addresses)
    folder = PartsFolder.beside(order.out)
    earners = work.fill(folder, progress)
    counted = len(work.ids)
    papers = closing_papers.Papers(
        public=public,
        custodians=custodians,
        parts=folder.done[0],
        credentials=counted,
        pictures=order.pictures,
        with_page=verifier_page() is not None,
    )
    checkpoints = _checkpoints(node, record, [*headers, proof.header])
    listed: list[ListedFile] = []
    files = _Listing(listed).of(
        _public_files(public, closing, proof, order.network, checkpoints, papers),
        ((part_name(n), data) for n, data in enumerate(folder.parts(), 1)),
    )

    def manifest() -> Iterator[tuple[str, bytes]]:
        yield from files
        made = Manifest(public.statement.issuer, custodians, counted, tuple(listed))
        yield MANIFEST, made.encode() + b"\n"

    sha256, size = _write(order.out, manifest())
    with database.begin() as tx:
        closings.mark_archived(tx, record.organisation_id, now)
    parts = folder.done[0]
    folder.remove()
    return WrittenArchive(sha256, size, len(listed) + 1, counted, earners, parts)


# ---------------------------------------------------------------- the public part


class _Listing:
    """Measures files as they pass."""

    def __init__(self, listed: list[ListedFile]) -> None:
        self._listed = listed

    def of(self, *sources: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
        for source in sources:
            for name, data in source:
                self._listed.append(ListedFile.of(name, data))
                yield name, data


def _public_files(  # noqa: PLR0917 - what the public part is made of
    public: PublicRecord,
    closing: Closing,
    proof: IssuerProof,
    network: Network,
    checkpoints: bytes,
    papers: closing_papers.Papers,
) -> Iterator[tuple[str, bytes]]:
    yield README, closing_papers.readme(papers).encode()
    yield INDEX, closing_papers.index(papers).encode()
    page = verifier_page()
    if page is not None:
        yield VERIFIER, page
    yield STATEMENT, closing.statement
    yield HISTORY, public.history.encode()
    yield PROOF, proof.encode()
    yield CONTRACTS, _contracts(network)
    yield NETWORKS, encode_networks([network])
    yield CHECKPOINTS, checkpoints
    for profile in public.profiles:
        yield profile_name(profile.hash), encode(profile.to_json())
    for key, data in public.status_lists.items():
        yield status_name(key), data
    for (code, version), source in public.achievements.items():
        yield achievement_name(code, version), source
        achievement = Achievement.from_json(parse(source))
        badge = BadgeSpec(
            title=achievement.name,
            issuer=public.statement.name,
            category=achievement.category,
            level=achievement.level,
        )
        yield image_name(code, version, "svg"), badge_svg(badge)
        yield image_name(code, version, "png"), badge_png(badge)


def _contracts(network: Network) -> bytes:
    """Where the registries stand, and the hash of their code."""
    return encode(
        {
            "version": 1,
            "chainId": network.caip2,
            "anchorRegistry": {
                "address": network.anchor_registry,
                "codeHash": f"0x{registries.ANCHOR_REGISTRY_CODE_HASH.hex()}",
            },
            "issuerRegistry": {
                "address": network.issuer_registry,
                "codeHash": f"0x{registries.ISSUER_REGISTRY_CODE_HASH.hex()}",
            },
            "deployer": registries.CREATE2_DEPLOYER,
        }
    )


def _checkpoints(
    node: ChainNode, record: IssuerRecord, headers: Sequence[bytes]
) -> bytes:
    """The blocks of all evidence in the archive, as the node has them. Raises ProofError."""
    found = {}
    for raw in headers:
        header = BlockHeader(raw)
        if node.block(header.number).hash != header.hash:
            raise ProofError(
                f"block {header.number}, under which files are proved, is not the one that"
                f" {node.name} has"
            )
        found[header.number] = Checkpoint(record.chain_id, header.hash, header.number)
    return encode_checkpoints(found[number] for number in sorted(found))


# ---------------------------------------------------------------- the personal part


class _Writing:
    """One writing of the personal parts: whose, in which order, for whom."""

    def __init__(  # noqa: PLR0913, PLR0917 - what is written, and for whom
        self,
        database: Database,
        caller: Caller,
        record: IssuerRecord,
        closing: Closing,
        order: ArchiveOrder,
        custodians: Sequence[Custodian],
        addresses: Addresses,
    ) -> None:
        self._database = database
        self._caller = caller
        self._record = record
        self._order = order
        self._recipients = [each.recipient for each in custodians]
        self._addresses = addresses
        # The day of closing, not of writing: the same content each time.
        closed_at = record.closed_at or 0
        self._day = datetime.fromtimestamp(closed_at - closed_at % _DAY, UTC)
        with database.read() as tx:
            self.ids = credentials.personal_ids(tx, record.organisation_id)
            self._total = credentials.count_earners(tx, record.organisation_id)
            self._headers = evidence.headers_of(tx, record.organisation_id)
        self._statement = closing.statement

    def fill(self, folder: PartsFolder, progress: Callable[[int, int], None]) -> int:
        """Make the parts that are not there yet; answer how many earners there are."""
        folder.open(self._label())
        number, done = folder.done
        contents = _Part()
        progress(done, self._total)
        earners = all_earners(self._database, self._record.organisation_id)
        for email in islice(earners, done, None):
            contents.add(self._earner(email, done))
            done += 1
            if contents.size >= PART_BYTES:
                number += 1
                folder.keep(number, done, seal(contents.pack(), self._recipients))
                contents = _Part()
            progress(done, self._total)
        if contents.size:
            folder.keep(number + 1, done, seal(contents.pack(), self._recipients))
        return done

    def _label(self) -> str:
        """A hash of everything that the parts are made from."""
        page = verifier_page() or b""
        digest = hashlib.sha256()
        for piece in (
            self._statement,
            b"pictures" if self._order.pictures else b"credentials",
            *(recipient.encode() for recipient in self._recipients),
            hashlib.sha256(page).digest(),
            *self._headers,
            *(each.bytes for each in self.ids),
        ):
            digest.update(len(piece).to_bytes(8, "big") + piece)
        return digest.hexdigest()

    def _earner(
        self, email: str, number: int
    ) -> Iterator[tuple[str, bytes, PersonalEntry | None]]:
        """All files about one earner: each credential, then the take-away archives."""
        with self._database.read() as tx:
            records = credentials.of_earner(
                tx, self._record.organisation_id, email, limit=_MANY
            )
            held = [prepare(tx, self._caller, record) for record in records]
        for ready in held:
            entry = _entry(ready.record, email)
            yield entry.file, self._proved(ready), entry
        if not self._order.pictures:
            return
        for start in range(0, len(held), MAX_CREDENTIALS):
            packed = pack_archive(
                self._caller,
                held[start : start + MAX_CREDENTIALS],
                addresses=self._addresses,
                now=self._day,
            )
            behind = f"-{start // MAX_CREDENTIALS + 1}" if start else ""
            yield f"earners/{number + 1:06}{behind}.zip", packed.data, None

    def _proved(self, ready: Deliverable) -> bytes:
        """The file, which proves by itself that the issuer has closed. Raises Refused."""
        durable = ready.durable
        taken = None if durable is None else durable.proof.home.evidence
        if taken is None or taken.block.number < (self._record.closed_block or 0):
            raise Refused(
                f"the credential {ready.record.id} does not prove yet that its issuer has"
                " closed: wait for the worker"
            )
        return ready.data


class _Part:
    """What goes into one personal part."""

    def __init__(self) -> None:
        self._files: list[tuple[str, bytes]] = []
        self._entries: list[PersonalEntry] = []
        self.size = 0

    def add(self, files: Iterable[tuple[str, bytes, PersonalEntry | None]]) -> None:
        for name, data, entry in files:
            self._files.append((name, data))
            self.size += len(data)
            if entry is not None:
                self._entries.append(entry)

    def pack(self) -> bytes:
        index = encode_personal_index(self._entries)
        return write_archive([(PERSONAL_INDEX, index), *self._files], PART)


def _entry(record: CredentialRecord, email: str) -> PersonalEntry:
    return PersonalEntry(
        credential_id=record.id,
        achievement=record.achievement_code,
        version=record.achievement_version,
        email=email,
        name=record.recipient_name,
        awarded_on=record.awarded_on,
        issued_at=record.issued_at,
        withdrawn_at=record.withdrawn_at,
        withdrawal_reason=record.withdrawal_reason,
    )


# ---------------------------------------------------------------- the file


def _write(out: Path, files: Iterable[tuple[str, bytes]]) -> tuple[bytes, int]:
    """Write the archive beside its place and move it there whole; answer hash and size."""
    unfinished = out.with_name(out.name + ".unfinished")
    try:
        with open(unfinished, "wb", opener=_private) as file:
            stream_archive(file, files)
            file.flush()
            os.fsync(file.fileno())
        with unfinished.open("rb") as written:
            sha256 = _sha256(written)
        size = unfinished.stat().st_size
        unfinished.replace(out)
    except OSError as error:
        raise MalformedError(f"cannot write {out}: {error.strerror}") from error
    return sha256, size


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sha256(file: IO[bytes]) -> bytes:
    return hashlib.file_digest(file, "sha256").digest()  # type: ignore[arg-type] # typeshed wants more of a file than it takes
