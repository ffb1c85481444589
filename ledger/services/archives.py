"""The take-away archive: everything that one earner holds of a school, in one ZIP."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.resources import files
from typing import Final
from uuid import UUID

from ledger.core.archive import write_archive
from ledger.core.canonical import Json, encode, encode_time
from ledger.core.credential import normalise_email
from ledger.errors import NotFound, Refused
from ledger.services.addresses import Addresses
from ledger.services.delivery import (
    CredentialFile,
    Deliverable,
    FileFormat,
    carry,
    prepare,
)
from ledger.services.organisations import Caller
from ledger.store import credentials
from ledger.store.database import Database
from ledger.store.records import CredentialRecord

MEDIA_TYPE: Final = "application/zip"
#: More than this in one archive, and it would be larger than a verifier reads.
MAX_CREDENTIALS: Final = 250

_EARNERS_AT_ONCE: Final = 500
_MANY: Final = 1_000_000

MANIFEST: Final = "manifest.json"
README: Final = "README.txt"
VERIFIER: Final = "verifier.html"

_PAGE: Final = files("ledger.verify").joinpath("page", "dist", "index.html")


@dataclass(frozen=True, slots=True)
class EarnerArchive:
    """An archive to hand out, and what stands in it."""

    name: str
    data: bytes = field(repr=False)
    credentials: int
    durable: int


def verifier_page() -> bytes | None:
    """The verifier as one page, if it was built with this installation."""
    return _PAGE.read_bytes() if _PAGE.is_file() else None


def archive_of_credential(
    database: Database,
    caller: Caller,
    credential_id: UUID,
    *,
    addresses: Addresses,
    now: datetime,
) -> EarnerArchive:
    """The archive of the earner of this credential. Raises NotFound, Refused."""
    with database.read() as tx:
        record = credentials.get(tx, caller.organisation.id, credential_id)
    if record.recipient_email is None:
        raise NotFound(
            "the content of this credential was erased on request of its earner"
        )
    return earner_archive(
        database, caller, record.recipient_email, addresses=addresses, now=now
    )


def earner_archive(
    database: Database,
    caller: Caller,
    email: str,
    *,
    addresses: Addresses,
    now: datetime,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> EarnerArchive:
    """Everything that the caller's organisation has issued to an e-mail address.

    The same credentials give the same bytes on the same day. Raises MalformedError for no
    address, NotFound if there is nothing, Refused if there is too much for one archive.
    """
    with database.read() as tx:
        records = credentials.of_earner(
            tx,
            caller.organisation.id,
            normalise_email(email),
            limit=MAX_CREDENTIALS + 1,
        )
        if not records:
            raise NotFound(
                f"{caller.organisation.name} has issued nothing to this address"
            )
        if len(records) > MAX_CREDENTIALS:
            raise Refused(
                f"more than {MAX_CREDENTIALS} credentials: fetch them one by one"
            )
        held = [prepare(tx, caller, record) for record in records]
    return pack_archive(caller, held, addresses=addresses, now=now, progress=progress)


def earner_archives(
    database: Database,
    caller: Caller,
    *,
    addresses: Addresses,
    now: datetime,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Iterator[tuple[str, EarnerArchive]]:
    """Every earner's e-mail address with all that this earner holds, one in memory at a time.

    Who holds more than MAX_CREDENTIALS gets several archives.
    """
    organisation_id = caller.organisation.id
    with database.read() as tx:
        total = credentials.count_earners(tx, organisation_id)
    for done, email in enumerate(all_earners(database, organisation_id), 1):
        with database.read() as tx:
            records = credentials.of_earner(tx, organisation_id, email, limit=_MANY)
            held = [prepare(tx, caller, record) for record in records]
        for start in range(0, len(held), MAX_CREDENTIALS):
            some = held[start : start + MAX_CREDENTIALS]
            yield email, pack_archive(caller, some, addresses=addresses, now=now)
        progress(done, total)


def all_earners(database: Database, organisation_id: UUID) -> Iterator[str]:
    """Every e-mail address that an organisation issued to, in order; a few in memory at a time."""
    after = ""
    while True:
        with database.read() as tx:
            some = credentials.earners(
                tx, organisation_id, after=after, limit=_EARNERS_AT_ONCE
            )
        yield from some
        if len(some) < _EARNERS_AT_ONCE:
            return
        after = some[-1]


def pack_archive(
    caller: Caller,
    held: Sequence[Deliverable],
    *,
    addresses: Addresses,
    now: datetime,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> EarnerArchive:
    """Pack credentials of one earner, at most MAX_CREDENTIALS, that were proved again."""
    carried: list[Sequence[CredentialFile]] = []
    # Drawing takes its time: not to be done inside of a transaction.
    for ready in held:
        carried.append([carry(ready, kind, addresses) for kind in FileFormat])
        progress(len(carried), len(held))
    contents = [(file.name, file.data) for forms in carried for file in forms]
    page = verifier_page()
    if page is not None:
        contents.append((VERIFIER, page))
    contents.append((README, _readme(caller, held, carried, page is not None).encode()))
    manifest = _manifest(held, carried, contents, now)
    return EarnerArchive(
        name=f"{caller.organisation.code}-credentials.zip",
        data=write_archive([*contents, (MANIFEST, encode(manifest) + b"\n")]),
        credentials=len(held),
        durable=sum(ready.durable is not None for ready in held),
    )


def _manifest(
    held: Sequence[Deliverable],
    carried: Sequence[Sequence[CredentialFile]],
    contents: Sequence[tuple[str, bytes]],
    now: datetime,
) -> dict[str, Json]:
    return {
        "version": 1,
        "made": encode_time(now.replace(hour=0, minute=0, second=0, microsecond=0)),
        "credentials": [
            {
                "id": ready.record.id.urn,
                "durable": ready.durable is not None,
                "files": [file.name for file in forms],
            }
            for ready, forms in zip(held, carried, strict=True)
        ],
        "files": [
            {
                "name": name,
                "size": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
            for name, data in contents
        ],
    }


def _readme(
    caller: Caller,
    held: Sequence[Deliverable],
    carried: Sequence[Sequence[CredentialFile]],
    with_page: bool,
) -> str:
    page = (
        "Open verifier.html in any browser and drop one of the files, or this archive,\n"
        "on it. The page needs no web site: it works from this folder."
        if with_page
        else "Drop one of the files, or this archive, on any copy of verifier.html."
    )
    return _README.format(
        issuer=caller.organisation.name,
        page=page,
        credentials="\n\n".join(
            "\n".join(_lines(ready, forms))
            for ready, forms in zip(held, carried, strict=True)
        ),
    )


def _lines(ready: Deliverable, forms: Sequence[CredentialFile]) -> Iterator[str]:
    record: CredentialRecord = ready.record
    yield f"* {ready.achievement.name}, awarded on {record.awarded_on.isoformat()}"
    yield f"  {', '.join(file.name for file in forms)}"
    if record.withdrawn_at is not None:
        yield f"  Withdrawn by the issuer on {record.withdrawn_at.date().isoformat()}."
    elif ready.durable is None:
        yield "  Not recorded on the blockchain yet: ask for this archive again later."


_README: Final = """\
Your credentials from {issuer}

Keep this folder. Each credential comes in four forms, and each form holds the whole of
it: hand out whichever is asked for.

    .json   the credential itself; send this where a program reads it
    .png    its badge, as a picture with the credential inside
    .svg    the same, to be drawn at any size
    .pdf    its certificate, to be printed, with the credential attached

Messengers and photo albums strip what is inside a picture, and a print-out carries no
proof. If in doubt, send the .json.

How anybody can check them, also when {issuer} and this ledger are gone:

{page}
Or, with Python:

    pip install perdure
    perdure verify FILE

What is in it:

{credentials}

manifest.json lists every file with its size and SHA-256.
"""
