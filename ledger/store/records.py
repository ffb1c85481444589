"""What the store gives and takes: frozen values, never rows.

The database refuses an illegal record (CHECK and UNIQUE, ``ledger.store.tables``), so
these classes only carry. Personal data and ciphertext are kept out of every ``repr``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from ledger.core.checkpoint import BlockCheckpoint


class IssuerKeyRole(StrEnum):
    """What an issuer's key may do."""

    SIGNING = "signing"  #: Ed25519, signs credentials
    REVOKING = "revoking"  #: secp256k1, sets status bits
    CONTROLLER = "controller"  #: secp256k1, the daily acts of the issuer record


class CredentialState(StrEnum):
    """How far a credential has come. Every credential is in exactly one state."""

    WAITING = "waiting"  #: signed and handed out, in no batch yet
    SEALED = "sealed"  #: in a batch whose root is not yet final on its home chain
    ANCHORED = "anchored"  #: its batch's root is final on its home chain: durable
    WITHDRAWN = "withdrawn"  #: the school took it back, however far it had come


class ChainTxKind(StrEnum):
    """Which act of the two registries a chain transaction carries."""

    REGISTER = "register"
    ADD_KEY = "add_key"
    END_KEY = "end_key"
    COMPROMISE_KEY = "compromise_key"
    RECORD_PROFILE = "record_profile"
    ENDORSE = "endorse"
    WITHDRAW = "withdraw"  #: of an endorsement
    REVOKE = "revoke"
    ROTATE = "rotate"
    CLOSE = "close"
    REINSTATE = "reinstate"
    ANCHOR = "anchor"


class ChainTxState(StrEnum):
    """Where a chain transaction stands."""

    SEALED = "sealed"  #: the payload is fixed; no nonce, no signed bytes yet
    IN_PROGRESS = (
        "in_progress"  #: signed bytes are stored; whether they went out, nobody knows
    )
    SENT = "sent"  #: a node has the bytes, or the nonce's slot is taken
    MINED = "mined"  #: a receipt in a block that may still be reorganised away
    FINAL = "final"  #: in a block at or below ``finalized``, and canonical
    REVERTED = "reverted"  #: mined with status 0 and final: for the operator
    FATAL = "fatal"  #: the node will never take these bytes: for the operator


@dataclass(frozen=True, slots=True)
class Organisation:
    """A school, company, university or accreditor: the tenant."""

    id: UUID
    code: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class IssuerRecord:
    """An organisation's record in ``IssuerRegistry`` and what its id is made of.

    ``registered_at`` and ``closed_at`` are block times, None until they are final;
    ``closed_block`` is a final block at which the registry said that it is closed;
    ``recovery_acts`` counts the acts of its recovery key, as the worker saw it last.
    """

    organisation_id: UUID
    chain_id: int
    registry: str
    issuer_id: bytes
    controller: str
    recovery_commitment: bytes
    profile: bytes
    profile_hash: bytes
    salt: bytes
    created_at: datetime
    registered_at: int | None = None
    closed_at: int | None = None
    closed_block: int | None = None
    recovery_acts: int = 0


@dataclass(frozen=True, slots=True)
class Closing:
    """That an organisation closes. ``statement`` is the exact bytes whose hash is on chain.

    ``successor`` is an issuer id in the same registry, ``custodians`` who is given what is
    personal, ``proof`` the state of the issuer's record after closing. ``imported_at``: it was
    closed at another ledger and came from its closing archive.
    """

    organisation_id: UUID
    started_at: datetime
    successor: bytes | None
    statement: bytes = field(repr=False)
    custodians: bytes = field(repr=False)
    proof: bytes | None = field(default=None, repr=False)
    archived_at: datetime | None = None
    imported_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OpenWork:
    """What of an organisation's is not finished, counted.

    ``failed_acts`` are acts on its record that the chain refused: no one carries them any more.
    """

    waiting: int
    not_final: int
    unrevoked: int
    pending_acts: int
    failed_acts: int
    unproved: int


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A key of an issuer; the private half is ``sealed``, opaque ciphertext, None if imported.

    ``opened`` is the block time at which the registry recorded it, None until final.
    """

    organisation_id: UUID
    role: IssuerKeyRole
    key_id: bytes
    public: str
    sealed: bytes | None = field(repr=False)
    created_at: datetime
    opened: int | None = None


@dataclass(frozen=True, slots=True)
class AchievementRecord:
    """One version of an achievement, as the exact bytes it was given in."""

    organisation_id: UUID
    code: str
    version: str
    source: bytes = field(repr=False)
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AwardKey:
    """What makes two awards of one organisation the same award."""

    achievement_code: str
    achievement_version: str
    recipient_email: str = field(repr=False)
    awarded_on: date


@dataclass(frozen=True, slots=True)
class CredentialRecord:
    """A signed credential: ``data`` is the exact bytes that were signed.

    After erasure ``data``, ``recipient_email`` and ``recipient_name`` are None; leaf and
    place in the tree stay. ``path`` is the inclusion path, 32 bytes a node, where the tree is
    not stored; `ledger.store.trees` knows the way for both.
    """

    id: UUID
    organisation_id: UUID
    chain_id: int
    achievement_code: str
    achievement_version: str
    recipient_email: str | None = field(repr=False)
    recipient_name: str | None = field(repr=False)
    awarded_on: date
    issued_at: datetime
    data: bytes | None = field(repr=False)
    leaf: bytes
    key_id: bytes
    status_index: int
    batch_id: UUID | None = None
    leaf_index: int | None = None
    path: bytes | None = field(default=None, repr=False)
    withdrawn_at: datetime | None = None
    withdrawal_reason: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Batch:
    """Credentials sealed into one tree; ``sealed_root`` is what goes on chain."""

    id: UUID
    chain_id: int
    sealed_root: bytes
    tree_size: int
    sealed_at: datetime


@dataclass(frozen=True, slots=True)
class WaitingLeaves:
    """Credentials that can be sealed, oldest first: 48 bytes each, for there may be millions.

    ``ids`` are joined, 16 bytes each, as are ``leaves``, 32 bytes each.
    """

    ids: bytearray = field(default_factory=bytearray, repr=False)
    leaves: bytearray = field(default_factory=bytearray, repr=False)

    def __len__(self) -> int:
        return len(self.ids) // 16

    def __iter__(self) -> Iterator[UUID]:
        """Their ids."""
        for at in range(0, len(self.ids), 16):
            yield UUID(bytes=bytes(self.ids[at : at + 16]))


@dataclass(frozen=True, slots=True)
class Anchored:
    """A registry's slot for a sealed root, read at a finalized block."""

    chain_id: int
    registry: str
    block_number: int
    time: int


@dataclass(frozen=True, slots=True)
class UnstatedBlock:
    """A block that no batch states yet, and its time in seconds."""

    checkpoint: BlockCheckpoint
    time: int


@dataclass(frozen=True, slots=True)
class BatchCheckpoint:
    """A checkpoint's place in the batch that states it."""

    batch_id: UUID
    leaf_index: int
    checkpoint: BlockCheckpoint


@dataclass(frozen=True, slots=True)
class EvidenceSubject:
    """What evidence has to prove beside the anchor for some credentials of a batch.

    ``status_index`` is one of those that share a word; the word is what is proved.
    """

    issuer_id: bytes
    profile_hash: bytes
    key_id: bytes
    status_index: int


@dataclass(frozen=True, slots=True)
class SlotNodes:
    """The trie nodes for one slot of a registry; for the account itself if ``slot`` is empty."""

    registry: str
    slot: bytes
    nodes: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class BatchEvidence:
    """Everything that proves the registries for a batch, at one block.

    ``accreditors`` names, for an issuer id, the accreditors whose endorsements are among the
    slots.
    """

    batch_id: UUID
    chain_id: int
    block_number: int
    header: bytes = field(repr=False)
    slots: Sequence[SlotNodes] = field(repr=False)
    accreditors: Mapping[bytes, Sequence[bytes]]


#: The subject of a chain transaction that a lost database had asked for, about what is lost too.
LOST = str(UUID(int=0))


@dataclass(frozen=True, slots=True)
class NewChainTx:
    """What is to be sent: a payload, fixed for ever.

    ``subject`` is the batch, organisation or credential it is about; ``unique_key``
    names the act, so that asking twice sends once.
    """

    kind: ChainTxKind
    chain_id: int
    to: str
    data: bytes
    gas: int
    subject: str
    unique_key: str


@dataclass(frozen=True, slots=True)
class ChainTx:
    """One payload under one nonce, and how far it has come.

    ``sent_block`` is the head when its latest bytes first went out.
    """

    id: UUID
    kind: ChainTxKind
    chain_id: int
    to: str
    data: bytes
    gas: int
    subject: str
    unique_key: str
    state: ChainTxState
    sender: str | None
    nonce: int | None
    block_number: int | None
    block_hash: bytes | None
    tx_hash: bytes | None
    sent_block: int | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """Signed bytes of a chain transaction; attempts of one differ in fees alone."""

    hash: bytes
    chain_tx_id: UUID
    raw: bytes
    tip: int
    fee_cap: int
    created_at: datetime
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """What a mined transaction took, whether it succeeded or not; from its receipt.

    ``gas_price`` is in wei for a unit of gas, ``time`` its block's. Kept apart: their product
    may be more than a database's whole number.
    """

    gas_used: int
    gas_price: int
    time: int

    @property
    def wei(self) -> int:
        """What was paid."""
        return self.gas_used * self.gas_price


@dataclass(frozen=True, slots=True)
class Policy:
    """When a chain's batches are sealed, and what may be paid there; these are the defaults.

    A batch is sealed when it is full, or when its oldest credential has waited for
    ``batch_age`` and a unit of gas costs less than ``gas_below`` (None: whatever it costs), or
    when it has waited for ``latest``. Fees for a unit of gas and costs are in wei.
    """

    batch_age: timedelta = timedelta(minutes=10)
    batch_size: int = 50_000
    gas_below: int | None = None
    latest: timedelta = timedelta(days=1)
    max_fee: int = 200 * 10**9
    max_tx_cost: int = 50 * 10**15
    max_day_cost: int = 500 * 10**15
    bump_after: int = 10  #: blocks without a receipt
    resend_after: timedelta = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """A policy that was set, by whom; ``number`` counts those of its chain from 1."""

    chain_id: int
    number: int
    policy: Policy
    set_at: datetime
    set_by: str


class Obstacle(StrEnum):
    """What keeps the worker from sending, until an operator or the market changes it."""

    FEE_CEILING = "fee_ceiling"  #: a unit of gas costs more than may be paid
    TX_CEILING = "tx_ceiling"  #: the transaction might cost more than one may
    DAY_CEILING = "day_ceiling"  #: the day's transactions might cost more than they may
    NO_FUNDS = "no_funds"  #: the sender cannot pay


@dataclass(frozen=True, slots=True)
class Standstill:
    """That a sender's work stands still, since when and why."""

    chain_id: int
    sender: str
    obstacle: Obstacle
    words: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Outage:
    """That no node of a chain can be used: since when, why, and when a worker last saw it."""

    chain_id: int
    words: str
    since: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class SeenBalance:
    """A sender's balance in wei, when the worker last looked."""

    sender: str
    wei: int
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class CostReport:
    """What a chain costs, in wei of its coin, up to an instant; and what stands in the way.

    ``under_way`` is what the transactions that are signed and in no block could cost at most.
    ``anchors_month`` paid for anchoring ``credentials_month`` credentials in the last 30 days.
    ``days_observed`` is for how many of the last 30 days costs are known.
    """

    spent_day: int
    spent_month: int
    under_way: int
    anchors_month: int
    credentials_month: int
    days_observed: float
    policy: Policy
    balances: Sequence[SeenBalance]
    standstills: Sequence[Standstill]

    @property
    def per_credential(self) -> float | None:
        """Wei for a credential's anchor; None if nothing was anchored."""
        if not self.credentials_month:
            return None
        return self.anchors_month / self.credentials_month

    def days_left(self, balance: SeenBalance) -> float | None:
        """For how many days a balance lasts at the recent rate; None if nothing was spent."""
        if not self.spent_month:
            return None
        return balance.wei * self.days_observed / self.spent_month


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write for one sender, as long as nobody has taken a newer token.

    On chain 0 it is the right to do what belongs to no chain, named in place of the sender.
    """

    chain_id: int
    sender: str
    owner: str
    token: int


@dataclass(frozen=True, slots=True)
class Chain:
    """The chain this database belongs to; ``test`` marks one that proves nothing."""

    chain_id: int
    genesis_hash: bytes
    anchor_registry: str
    issuer_registry: str
    test: bool


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key without its secret, of which only the hash is stored."""

    id: UUID
    organisation_id: UUID
    name: str
    prefix: str
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def usable(self, now: datetime) -> bool:
        """Whether the key is neither revoked nor expired."""
        return self.revoked_at is None and (
            self.expires_at is None or now < self.expires_at
        )


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The answer once given under an idempotency key, and to which request."""

    status: int
    body: bytes = field(repr=False)
    content_type: str
    request_hash: bytes


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """How much work lies before the worker of one chain.

    ``waiting`` credentials can be sealed now; ``held_back`` ones wait for their
    signing key to be final on chain. ``chain_txs`` names every state, zero included.
    """

    waiting: int
    held_back: int
    oldest_waiting: datetime | None
    chain_txs: Mapping[ChainTxState, int]


@dataclass(frozen=True, slots=True)
class Holder:
    """Who last took the lease of a sender, and for how long it still is theirs."""

    sender: str
    owner: str
    left: timedelta  #: zero or less: nobody has it


@dataclass(frozen=True, slots=True)
class Figures:
    """What the database says of one chain's work, for whoever watches.

    ``oldest_unanchored`` was issued then and is not final on this chain, whatever it waits
    for. ``failed_lately`` were asked for in the last days and refused by node or contract;
    ``refused_acts`` were refused at any time, and nobody has asked for them again.
    ``anchored`` counts batches whose root is final there, and ``credentials`` in them.
    ``outage`` is what a worker saw last, also if no worker has looked since.
    """

    work: WorkerReport
    oldest_unanchored: datetime | None
    oldest_pending: datetime | None
    failed_lately: int
    anchored: int
    credentials: int
    holders: Sequence[Holder]
    costs: CostReport
    outage: Outage | None = None
    refused_acts: int = 0
