"""Schools to measure with: achievements as schools have them, earners that do not exist."""

import hashlib
import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from ledger.core.anchor import Anchor
from ledger.core.canonical import Json, parse
from ledger.core.credential import (
    Achievement,
    Award,
    Issuer,
    SignedCredential,
)
from ledger.core.durable import DurableCredential
from ledger.core.issuer import IssuerProfile, IssuerReference
from ledger.core.keys import SigningKey
from ledger.core.merkle import InclusionProof
from ledger.core.offer import Offer, Particulars
from ledger.keystore.master import MasterKey
from ledger.services.achievements import add_achievements
from ledger.services.addresses import Addresses
from ledger.services.issuing import AwardRequest
from ledger.services.organisations import create_organisation, operator_of
from ledger.services.registration import register_issuer
from ledger.services.roster_issuing import issue_in_chunks
from ledger.store.database import Database
from ledger.store.records import Chain

SAMPLES = Path(__file__).resolve().parents[1] / "samples" / "riverside"
NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
DAY = date(2026, 11, 27)
SEED = hashlib.sha256(b"perdure benchmark").digest()
KEY = SigningKey.from_seed(SEED)
PROFILE = IssuerProfile("Riverside Code School", "https://riverside.example.org")
REFERENCE = IssuerReference(31337, "0x" + "5e" * 20, b"\x07" * 32)
ISSUER = Issuer(PROFILE, REFERENCE, KEY.public)
ADDRESSES = Addresses("https://ledger.example.org")
LIST = f"https://ledger.example.org/status/{'07' * 32}/{KEY.public.multibase}"

#: The tree of a batch of a million.
PATH = 20


def achievement(code: str = "py-1") -> Achievement:
    entries = parse((SAMPLES / "achievements.json").read_bytes())
    if not isinstance(entries, list):
        raise TypeError("a list of achievements")
    found = [
        entry for entry in entries if isinstance(entry, dict) and entry["code"] == code
    ]
    return Achievement.from_json(found[0])


def offer(number: int = 0) -> Offer:
    """What a school offers; each number is another achievement, never seen before."""
    made = achievement()
    iri = f"https://ledger.example.org/achievements/riverside/{made.code}/{number}"
    return Offer(ISSUER, made, iri)


def award(number: int) -> Award:
    return Award(
        email=f"earner{number}@example.org",
        name=f"Zoë Ångström-Núñez {number}",
        awarded_on=DAY,
        score=str(70 + number % 30),
        evidence_url=f"https://riverside.example.org/projects/{number}",
    )


def particulars(number: int) -> Particulars:
    seed = hashlib.sha256(number.to_bytes(8, "big")).digest()
    return Particulars(
        credential_id=UUID(bytes=seed[:16], version=4),
        award=award(number),
        email_salt=seed[16:].hex(),
        status_list=LIST,
        status_index=number,
        issued_at=NOW,
    )


def document(offered: Offer, number: int) -> dict[str, Json]:
    return offered.document(particulars(number))


def signed(offered: Offer, number: int) -> SignedCredential:
    return offered.sign(particulars(number), KEY)


def durable(offered: Offer, number: int) -> bytes:
    """A credential file with a path as long as those of a million, without evidence."""
    credential = signed(offered, number)
    siblings = tuple(hashlib.sha256(b"%d" % at).digest() for at in range(PATH))
    inclusion = InclusionProof(number, 2**PATH, siblings)
    return DurableCredential.from_parts(
        credential,
        inclusion=inclusion,
        sealed_root=inclusion.sealed_root(credential.leaf),
        issuer_profile=PROFILE,
        anchors=(Anchor(31337, "0x" + "5e" * 20, 1, 1_790_000_000),),
    ).encode()


@dataclass(slots=True)
class Ledger:
    """A database with schools that can issue."""

    database: Database
    master: MasterKey
    issued: int = field(default=0)

    def requests(self, count: int) -> Sequence[AwardRequest]:
        """Awards that were not issued yet; two processes never make the same."""
        first, self.issued = self.issued, self.issued + count
        return [AwardRequest("py-1", None, award(first + n)) for n in range(count)]

    def issue(self, code: str, requests: Sequence[AwardRequest]) -> None:
        """As a roster is issued: indexes, signatures outside of any transaction, storing."""
        with self.database.read() as tx:
            caller = operator_of(tx, code)
        # Rosters come one after the other: what is in order by time grows at its end.
        now = NOW + timedelta(milliseconds=self.issued)
        for _ in issue_in_chunks(
            self.database,
            caller,
            requests,
            master=self.master,
            addresses=ADDRESSES,
            now=now,
            entropy=secrets.token_bytes,
        ):
            pass


@contextmanager
def fresh_ledger(schools: Sequence[str]) -> Iterator[tuple[Ledger, str]]:
    """A SQLite database in a folder of its own, and its URL; both are gone afterwards."""
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/ledger.db"
        database = Database.upgrade(url)
        ledger = Ledger(database, MasterKey(bytes(32)))
        try:
            for code in schools:
                _open_school(ledger, code)
            yield ledger, url
        finally:
            database.close()


def _open_school(ledger: Ledger, code: str) -> None:
    chain = Chain(31337, b"\x01" * 32, "0x" + "5e" * 20, "0x" + "5f" * 20, test=True)
    with ledger.database.begin() as tx:
        create_organisation(tx, code=code, name=code, now=NOW)
    with ledger.database.begin() as tx:
        caller = operator_of(tx, code)
        register_issuer(
            tx,
            caller,
            PROFILE,
            chain,
            master=ledger.master,
            passphrase="correct horse battery",  # noqa: S106 - a school that lives for seconds
            write_backup=lambda _: None,
            now=NOW,
            entropy=secrets.token_bytes,
        )
        entries = json.loads((SAMPLES / "achievements.json").read_bytes())
        add_achievements(tx, caller, entries, NOW)
