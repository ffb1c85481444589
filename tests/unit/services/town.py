"""Two schools, a chain in memory that proves what it says, and the real worker between them."""

import secrets
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pyrage

from anchor_worker.confirm import Confirmer
from anchor_worker.loop import Rhythm, Steps, Worker
from anchor_worker.prove import Prover
from anchor_worker.seal import BatchLimits, Sealer
from anchor_worker.submit import FeePolicy, Submitter
from ledger.chain import acts
from ledger.chain.accounts import address_of, new_account
from ledger.chain.memory import MemoryChain
from ledger.chain.pool import NodePool
from ledger.chain.registry import IssuerRegistry
from ledger.chain.sender import KeystoreSigner, SigningRules, TransactionFields
from ledger.core.canonical import parse
from ledger.core.closing import Custodian
from ledger.core.credential import Award
from ledger.core.issuer import IssuerProfile, IssuerReference, recovery_commitment
from ledger.core.registries import ANCHOR_REGISTRY, ISSUER_REGISTRY
from ledger.keystore.backup import decode_backup
from ledger.keystore.master import MasterKey
from ledger.services.achievements import add_achievements
from ledger.services.addresses import Addresses
from ledger.services.closing import (
    Authorised,
    ClosingStatus,
    ClosingWish,
    authorise_closing,
    begin_closing,
    closing_status,
)
from ledger.services.closing_archive import (
    ArchiveOrder,
    WrittenArchive,
    write_closing_archive,
)
from ledger.services.issuing import AwardRequest, issue
from ledger.services.organisations import Caller, create_organisation, operator_of
from ledger.services.registration import register_issuer
from ledger.services.withdrawal import withdraw_credential
from ledger.store.database import Database
from ledger.store.records import Chain
from ledger.verify.networks import Network
from tests.unit.verify.fakes import deployed_code

SAMPLES = Path(__file__).parents[3] / "scripts" / "samples" / "riverside"
PASSPHRASE = "correct horse battery"
CHAIN_ID = 31337
SENDER_KEY = bytes.fromhex("22" * 32)
STRANGER_KEY = bytes.fromhex("33" * 32)
SENDER = address_of(SENDER_KEY)
START = datetime(2023, 11, 15, 12, 0, tzinfo=UTC)  # where the chain in memory begins
CANARIES = ("Zoë Canary-Lindqvist", "Ibrahim Canary-Okonkwo", "Mei Canary-Tanaka")


@dataclass
class Town:
    """A ledger with two registered schools and a chain; nothing happens unless it is told to."""

    database: Database
    folder: Path
    chain: MemoryChain = field(default_factory=MemoryChain)
    master: MasterKey = field(
        default_factory=lambda: MasterKey(secrets.token_bytes(32))
    )
    addresses: Addresses = field(
        default_factory=lambda: Addresses("https://ledger.example.org")
    )
    identity: pyrage.x25519.Identity = field(
        default_factory=pyrage.x25519.Identity.generate
    )
    now: datetime = START
    backups: dict[str, bytes] = field(default_factory=dict)
    credentials: list[UUID] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chain.codes = {
            ANCHOR_REGISTRY: deployed_code("AnchorRegistry"),
            ISSUER_REGISTRY: deployed_code("IssuerRegistry"),
        }
        self.record = Chain(
            CHAIN_ID,
            self.chain.genesis_hash(),
            ANCHOR_REGISTRY,
            ISSUER_REGISTRY,
            test=True,
        )

    @property
    def network(self) -> Network:
        return Network(
            "Memory",
            CHAIN_ID,
            self.record.genesis_hash,
            ANCHOR_REGISTRY,
            ISSUER_REGISTRY,
            test=True,
        )

    @property
    def custodian(self) -> Custodian:
        return Custodian("City Archive", str(self.identity.to_public()))

    @property
    def archive(self) -> Path:
        return self.folder / "closing.zip"

    def caller(self, code: str = "riverside") -> Caller:
        with self.database.read() as tx:
            return operator_of(tx, code)

    def reference(self, code: str = "riverside") -> IssuerReference:
        return self.status(code).issuer

    def register(self, code: str) -> None:
        name = f"{code.title()} Code School"
        profile = IssuerProfile(name, f"https://{code}.example.org")
        with self.database.begin() as tx:
            create_organisation(tx, code=code, name=name, now=self.now)
        backups: list[bytes] = []
        with self.database.begin() as tx:
            register_issuer(
                tx,
                operator_of(tx, code),
                profile,
                self.record,
                master=self.master,
                passphrase=PASSPHRASE,
                write_backup=backups.append,
                now=self.now,
                entropy=secrets.token_bytes,
            )
            achievements = parse((SAMPLES / "achievements.json").read_bytes())
            add_achievements(tx, operator_of(tx, code), achievements, self.now)
        (self.backups[code],) = backups

    def issue(self, email: str, name: str, code: str = "riverside") -> UUID:
        award = Award(email=email, name=name, awarded_on=date(2023, 5, 1), score=None)
        with self.database.begin() as tx:
            (issued,) = issue(
                tx,
                operator_of(tx, code),
                [AwardRequest("py-1", None, award)],
                master=self.master,
                addresses=self.addresses,
                now=self.now,
                entropy=secrets.token_bytes,
            )
        return issued.credential_id

    def withdraw(self, credential: UUID, code: str = "riverside") -> None:
        with self.database.begin() as tx:
            withdraw_credential(
                tx,
                operator_of(tx, code),
                credential,
                reason="By mistake.",
                master=self.master,
                now=self.now,
            )

    def carry(self, act: acts.Act) -> None:
        """Somebody else carries a signed act to the chain."""
        address = address_of(STRANGER_KEY)
        rules = SigningRules(
            CHAIN_ID, acts.known_calls(ANCHOR_REGISTRY, ISSUER_REGISTRY), 100 * 10**9
        )
        signed = KeystoreSigner(STRANGER_KEY, rules).sign(
            TransactionFields(
                chain_id=CHAIN_ID,
                nonce=self.chain.nonce(address, "pending"),
                to=act.to,
                data=act.data,
                gas=act.gas,
                tip=10**9,
                fee_cap=50 * 10**9,
            )
        )
        self.chain.send(signed.raw)
        self.chain.mine()

    def rotate(self, code: str = "riverside") -> None:
        """The recovery key acts, and nobody tells the ledger; the controller stays."""
        (entry,) = decode_backup(self.backups[code], PASSPHRASE)
        (recovery,) = entry.secrets["recovery"]
        (controller,) = entry.secrets["controller"]
        act = acts.rotate(
            acts.Domain(CHAIN_ID, ISSUER_REGISTRY),
            entry.issuer_id,
            address_of(controller),
            recovery_commitment(new_account(secrets.token_bytes).address),
            recovery_acts=0,
            authority=acts.Authority(recovery, 2**40),
        )
        self.carry(act)

    def worker(self) -> Worker:
        """A worker as it is after its start."""

        def clock() -> datetime:
            return self.now

        return Worker(
            self.database,
            self.record,
            NodePool(
                [self.chain],
                chain_id=CHAIN_ID,
                genesis_hash=self.record.genesis_hash,
                clock=clock,
            ),
            Steps(
                Confirmer(self.database, CHAIN_ID, SENDER, clock=clock),
                Sealer(
                    self.database,
                    self.record,
                    BatchLimits(size=100, age=timedelta(0)),
                    lease_seconds=60,
                    clock=clock,
                ),
                Submitter(
                    self.database,
                    CHAIN_ID,
                    KeystoreSigner(
                        SENDER_KEY,
                        SigningRules(
                            CHAIN_ID,
                            acts.known_calls(ANCHOR_REGISTRY, ISSUER_REGISTRY),
                            100 * 10**9,
                        ),
                    ),
                    policy=FeePolicy(max_fee=100 * 10**9, bump_after=3),
                    clock=clock,
                ),
                Prover(self.database, self.record, clock=clock),
            ),
            sender=SENDER,
            owner="the one worker of the town",  # PostgreSQL's clock does not jump with ours
            rhythm=Rhythm(poll=0.0, once=True),
            clock=clock,
        )

    def work(self, rounds: int = 8) -> None:
        """Let a new worker do so many rounds; a block comes after each."""
        self.now += timedelta(minutes=2)  # the last one's lease has run out
        worker = self.worker()
        for _ in range(rounds):
            worker.round()
            self.chain.mine()
            self.now += timedelta(seconds=12)

    def status(self, code: str = "riverside") -> ClosingStatus:
        with self.database.read() as tx:
            return closing_status(tx, operator_of(tx, code))

    def open_codes(self) -> set[str]:
        return {item.code for item in self.status().open}

    def authorise(
        self,
        successor: IssuerReference | None = None,
        *,
        backup: bytes | None = None,
        passphrase: str = PASSPHRASE,
        text: str | None = None,
    ) -> Authorised:
        registry = IssuerRegistry(self.chain, ISSUER_REGISTRY)
        return authorise_closing(
            self.database,
            self.caller(),
            ClosingWish((self.custodian,), successor, text),
            backup=self.backups["riverside"] if backup is None else backup,
            passphrase=passphrase,
            lookup=lambda issuer_id: registry.issuer(issuer_id, "latest"),
        )

    def begin(self, authorised: Authorised) -> ClosingStatus:
        with self.database.begin() as tx:
            return begin_closing(
                tx,
                operator_of(tx, "riverside"),
                authorised,
                master=self.master,
                addresses=self.addresses,
                now=self.now,
            )

    def close(self, successor: IssuerReference | None = None) -> None:
        """The whole of it, up to the point where the archive can be written."""
        self.begin(self.authorise(successor))
        self.work()

    def write(
        self,
        *,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
        pictures: bool = False,
    ) -> WrittenArchive:
        return write_closing_archive(
            self.database,
            self.caller(),
            ArchiveOrder(self.archive, self.network, pictures=pictures),
            node=self.chain,
            addresses=self.addresses,
            now=self.now,
            progress=progress,
        )


def copy_of(town: Town, database: Database, folder: Path) -> Town:
    """The same town over a copy of its database; its chain goes on by itself."""
    return replace(
        town,
        database=database,
        folder=folder,
        chain=deepcopy(town.chain),
        backups=dict(town.backups),
        credentials=list(town.credentials),
    )


def make_town(database: Database, folder: Path) -> Town:
    """Both schools registered, three credentials final, the last of them withdrawn."""
    town = Town(database, folder)
    for code in ("riverside", "hillside"):
        town.register(code)
    town.work(4)
    town.credentials = [
        town.issue(f"canary{n}@example.com", name) for n, name in enumerate(CANARIES)
    ]
    town.work()
    town.withdraw(town.credentials[2])
    town.work()
    return town
