"""Every table, and with them every invariant that must hold whatever the code does.

Rows never leave this package. A rule that a constraint can carry is a constraint:
``tests/unit/store/test_tables.py`` shows each one refuse, on both databases.
"""

import datetime as dt
from collections.abc import Iterable
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel, UTCDateTime

from ledger.core.short_code import LENGTH as CODE_LENGTH
from ledger.core.tiles import TILE_HEIGHT
from ledger.store.event_records import EventKind
from ledger.store.records import ChainTxKind, ChainTxState, IssuerKeyRole, Obstacle

#: Status indexes are allotted at random within blocks of this many bits (16 KiB).
STATUS_BLOCK = 131_072
#: A status index has at most nine digits, so there are this many whole blocks.
STATUS_BLOCKS = 10**9 // STATUS_BLOCK

# What a policy may say at most and at least; `ledger.services.policies` says it in words.
LONGEST_WAIT = 30 * 86_400  # seconds
LARGEST_BATCH = 1_000_000
LEAST_CEILING, HIGHEST_CEILING = 10**9, 10**14  # wei for a unit of gas
COST_UNIT = 10**9
DEAREST_DAY = 10**24  # wei: a million coins
LONGEST_BUMP = 100_000  # blocks
LONGEST_RESEND = 86_400  # seconds

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _one_of(column: str, values: Iterable[str], name: str) -> CheckConstraint:
    names = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({names})", name=name)


def _size(column: str, size: int) -> CheckConstraint:
    return CheckConstraint(f"length({column}) = {size}", name=f"{column}_size")


class _Row(SQLModel):
    metadata = metadata


class OrganisationRow(_Row, table=True):
    """A tenant."""

    __tablename__ = "organisation"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("code"),
        CheckConstraint("length(code) BETWEEN 1 AND 64", name="code_length"),
        CheckConstraint("length(name) BETWEEN 1 AND 200", name="name_length"),
    )

    id: UUID = Field(primary_key=True)
    code: str = Field(sa_type=Text)
    name: str = Field(sa_type=Text)
    created_at: dt.datetime = Field(sa_type=UTCDateTime)


class IssuerRow(_Row, table=True):
    """An organisation's record on chain; at most one each."""

    __tablename__ = "issuer"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("chain_id", "registry_address", "issuer_id"),
        _size("issuer_id", 32),
        _size("recovery_commitment", 32),
        _size("profile_hash", 32),
        _size("salt", 32),
        _size("registry_address", 42),
        _size("controller", 42),
        CheckConstraint(
            "closed_at IS NULL OR registered_at IS NOT NULL",
            name="closed_after_registered",
        ),
    )

    organisation_id: UUID = Field(primary_key=True, foreign_key="organisation.id")
    chain_id: int = Field(sa_type=BigInteger)
    registry_address: str = Field(sa_type=Text)
    issuer_id: bytes = Field(sa_type=LargeBinary)
    controller: str = Field(sa_type=Text)
    recovery_commitment: bytes = Field(sa_type=LargeBinary)
    profile: bytes = Field(sa_type=LargeBinary)
    profile_hash: bytes = Field(sa_type=LargeBinary)
    salt: bytes = Field(sa_type=LargeBinary)
    created_at: dt.datetime = Field(sa_type=UTCDateTime)
    registered_at: int | None = Field(sa_type=BigInteger)
    closed_at: int | None = Field(sa_type=BigInteger)
    # A final block at which the registry said so: what is proved before it is out of date.
    closed_block: int | None = Field(sa_type=BigInteger)
    # What the worker saw last: a revocation signed under another number is refused.
    recovery_acts: int = Field(default=0, sa_type=BigInteger)


class ClosingRow(_Row, table=True):
    """That an organisation closes, from its beginning on; nothing is issued any more."""

    __tablename__ = "closing"
    __table_args__: ClassVar[Any] = (
        _size("successor", 32),
        CheckConstraint("length(statement) >= 1", name="statement_length"),
        CheckConstraint(
            "imported_at IS NULL OR proof IS NOT NULL", name="imported_with_proof"
        ),
    )

    organisation_id: UUID = Field(
        primary_key=True, foreign_key="issuer.organisation_id"
    )
    started_at: dt.datetime = Field(sa_type=UTCDateTime)
    successor: bytes | None = Field(sa_type=LargeBinary)
    # The exact bytes: their hash is on the chain.
    statement: bytes = Field(sa_type=LargeBinary)
    custodians: bytes = Field(sa_type=LargeBinary)
    proof: bytes | None = Field(sa_type=LargeBinary)
    archived_at: dt.datetime | None = Field(sa_type=UTCDateTime)
    imported_at: dt.datetime | None = Field(sa_type=UTCDateTime)


class FinalStatusListRow(_Row, table=True):
    """The last status list of a closed issuer under one of its keys, signed without an end."""

    __tablename__ = "final_status_list"
    __table_args__: ClassVar[Any] = (
        ForeignKeyConstraint(
            ["organisation_id", "key_id"],
            ["issuer_key.organisation_id", "issuer_key.key_id"],
        ),
    )

    organisation_id: UUID = Field(
        primary_key=True, foreign_key="closing.organisation_id"
    )
    key_id: bytes = Field(primary_key=True, sa_type=LargeBinary)
    data: bytes = Field(sa_type=LargeBinary)


class HeldCredentialRow(_Row, table=True):
    """An imported credential that its earner has not asked for: ciphertext, shown nowhere."""

    __tablename__ = "held_credential"

    organisation_id: UUID = Field(
        primary_key=True, foreign_key="closing.organisation_id"
    )
    id: UUID = Field(primary_key=True)
    sealed: bytes = Field(sa_type=LargeBinary)


class IssuerKeyRow(_Row, table=True):
    """A key of an issuer, its private half as ciphertext; none if the issuer was imported."""

    __tablename__ = "issuer_key"
    __table_args__: ClassVar[Any] = (
        _one_of("role", IssuerKeyRole, "role"),
        _size("key_id", 32),
    )

    organisation_id: UUID = Field(primary_key=True, foreign_key="organisation.id")
    key_id: bytes = Field(primary_key=True, sa_type=LargeBinary)
    role: str = Field(sa_type=Text)
    public: str = Field(sa_type=Text)
    sealed: bytes | None = Field(sa_type=LargeBinary)
    created_at: dt.datetime = Field(sa_type=UTCDateTime)
    opened: int | None = Field(sa_type=BigInteger)


class AchievementRow(_Row, table=True):
    """One version of an achievement; never changed."""

    __tablename__ = "achievement"
    __table_args__: ClassVar[Any] = (
        # The order in which versions came; two may carry the same created_at.
        UniqueConstraint("organisation_id", "code", "ordinal"),
        CheckConstraint("length(code) BETWEEN 1 AND 200", name="code_length"),
        CheckConstraint("length(version) BETWEEN 1 AND 200", name="version_length"),
    )

    organisation_id: UUID = Field(primary_key=True, foreign_key="organisation.id")
    code: str = Field(primary_key=True, sa_type=Text)
    version: str = Field(primary_key=True, sa_type=Text)
    ordinal: int
    source: bytes = Field(sa_type=LargeBinary)
    created_at: dt.datetime = Field(sa_type=UTCDateTime)


class BatchRow(_Row, table=True):
    """A sealed tree of credentials of any organisation."""

    __tablename__ = "batch"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("sealed_root"),
        _size("sealed_root", 32),
        CheckConstraint("tree_size >= 1", name="tree_size"),
    )

    id: UUID = Field(primary_key=True)
    chain_id: int = Field(sa_type=BigInteger)
    sealed_root: bytes = Field(sa_type=LargeBinary)
    tree_size: int = Field(sa_type=BigInteger)
    sealed_at: dt.datetime = Field(sa_type=UTCDateTime)


class BatchAnchorRow(_Row, table=True):
    """Where a batch's root is final, one row a chain."""

    __tablename__ = "batch_anchor"
    __table_args__: ClassVar[Any] = (
        _size("registry_address", 42),
        CheckConstraint("block_number >= 0", name="block_number"),
        CheckConstraint("time > 0", name="time"),  # 0 in the slot means never
    )

    batch_id: UUID = Field(primary_key=True, foreign_key="batch.id")
    chain_id: int = Field(primary_key=True, sa_type=BigInteger)
    registry_address: str = Field(sa_type=Text)
    block_number: int = Field(sa_type=BigInteger)
    time: int = Field(sa_type=BigInteger)


class TreeTileRow(_Row, table=True):
    """A small subtree of a batch's tree, as ledger/core/tiles.py cuts it."""

    __tablename__ = "tree_tile"
    __table_args__: ClassVar[Any] = (
        CheckConstraint(f"height >= 0 AND height % {TILE_HEIGHT} = 0", name="height"),
        CheckConstraint("number >= 0", name="number"),
        CheckConstraint(
            f"length(nodes) BETWEEN 32 AND {(2 << TILE_HEIGHT) * 32 - 64}"
            " AND length(nodes) % 32 = 0",
            name="nodes_size",
        ),
    )

    batch_id: UUID = Field(primary_key=True, foreign_key="batch.id")
    height: int = Field(primary_key=True)
    number: int = Field(primary_key=True, sa_type=BigInteger)
    nodes: bytes = Field(sa_type=LargeBinary)


class BatchCheckpointRow(_Row, table=True):
    """A block of the home chain that a batch states, as one of its leaves."""

    __tablename__ = "batch_checkpoint"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("chain_id", "block_number"),
        _size("block_hash", 32),
        CheckConstraint("leaf_index >= 0", name="leaf_index"),
        CheckConstraint("block_number >= 0", name="block_number"),
    )

    batch_id: UUID = Field(primary_key=True, foreign_key="batch.id")
    leaf_index: int = Field(primary_key=True, sa_type=BigInteger)
    chain_id: int = Field(sa_type=BigInteger)
    block_number: int = Field(sa_type=BigInteger)
    block_hash: bytes = Field(sa_type=LargeBinary)


class EvidenceHeaderRow(_Row, table=True):
    """The block at which the registries are proved for a batch; only of what is final."""

    __tablename__ = "evidence_header"
    __table_args__: ClassVar[Any] = (
        ForeignKeyConstraint(
            ["batch_id", "chain_id"],
            ["batch_anchor.batch_id", "batch_anchor.chain_id"],
        ),
        CheckConstraint("block_number >= 0", name="block_number"),
        CheckConstraint("length(header) BETWEEN 1 AND 4096", name="header_length"),
        Index("ix_evidence_header_block", "chain_id", "block_number"),
    )

    batch_id: UUID = Field(primary_key=True)
    chain_id: int = Field(primary_key=True, sa_type=BigInteger)
    block_number: int = Field(sa_type=BigInteger)
    header: bytes = Field(sa_type=LargeBinary)
    # An issuer of the batch has closed since: to be taken once more.
    stale: bool = Field(default=False)


class EvidenceDueRow(_Row, table=True):
    """A final root whose evidence is to be taken, or once more: a round looks at these alone."""

    __tablename__ = "evidence_due"
    __table_args__: ClassVar[Any] = (
        ForeignKeyConstraint(
            ["batch_id", "chain_id"],
            ["batch_anchor.batch_id", "batch_anchor.chain_id"],
        ),
    )

    chain_id: int = Field(primary_key=True, sa_type=BigInteger)
    batch_id: UUID = Field(primary_key=True)


class EvidenceSlotRow(_Row, table=True):
    """The trie nodes for one slot of a registry at that block, as one RLP list.

    Under the empty slot: those for the registry's account itself.
    """

    __tablename__ = "evidence_slot"
    __table_args__: ClassVar[Any] = (
        ForeignKeyConstraint(
            ["batch_id", "chain_id"],
            ["evidence_header.batch_id", "evidence_header.chain_id"],
        ),
        _size("registry_address", 42),
        CheckConstraint("length(slot) IN (0, 32)", name="slot_size"),
    )

    batch_id: UUID = Field(primary_key=True)
    chain_id: int = Field(primary_key=True, sa_type=BigInteger)
    registry_address: str = Field(primary_key=True, sa_type=Text)
    slot: bytes = Field(primary_key=True, sa_type=LargeBinary)
    nodes: bytes = Field(sa_type=LargeBinary)


class EvidenceAccreditorRow(_Row, table=True):
    """An accreditor whose endorsement of an issuer is among the proved slots."""

    __tablename__ = "evidence_accreditor"
    __table_args__: ClassVar[Any] = (
        ForeignKeyConstraint(
            ["batch_id", "chain_id"],
            ["evidence_header.batch_id", "evidence_header.chain_id"],
        ),
        _size("issuer_id", 32),
        _size("accreditor", 32),
    )

    batch_id: UUID = Field(primary_key=True)
    chain_id: int = Field(primary_key=True, sa_type=BigInteger)
    issuer_id: bytes = Field(primary_key=True, sa_type=LargeBinary)
    accreditor: bytes = Field(primary_key=True, sa_type=LargeBinary)


class StatusBlockRow(_Row, table=True):
    """Which status indexes of a block were handed out, one bit each, and how many."""

    __tablename__ = "status_block"
    __table_args__: ClassVar[Any] = (
        CheckConstraint(f"block BETWEEN 0 AND {STATUS_BLOCKS - 1}", name="block"),
        CheckConstraint(f"used BETWEEN 0 AND {STATUS_BLOCK}", name="used"),
        _size("taken", STATUS_BLOCK // 8),
    )

    organisation_id: UUID = Field(primary_key=True, foreign_key="organisation.id")
    block: int = Field(primary_key=True)
    used: int
    taken: bytes = Field(sa_type=LargeBinary)


class RecoveredBitRow(_Row, table=True):
    """A status bit that is set on the chain, and that a lost database had asked for."""

    __tablename__ = "recovered_bit"
    __table_args__: ClassVar[Any] = (
        CheckConstraint(
            f"status_index BETWEEN 0 AND {STATUS_BLOCKS * STATUS_BLOCK - 1}",
            name="status_index",
        ),
    )

    organisation_id: UUID = Field(
        primary_key=True, foreign_key="issuer.organisation_id"
    )
    status_index: int = Field(primary_key=True, sa_type=BigInteger)


class CredentialRow(_Row, table=True):
    """A signed credential and its place in a tree."""

    __tablename__ = "credential"
    __table_args__: ClassVar[Any] = (
        # The organisation is part of both keys: nothing of another tenant fits.
        ForeignKeyConstraint(
            ["organisation_id", "achievement_code", "achievement_version"],
            ["achievement.organisation_id", "achievement.code", "achievement.version"],
            name="fk_credential_achievement",  # PostgreSQL cuts names at 63 bytes
        ),
        ForeignKeyConstraint(
            ["organisation_id", "key_id"],
            ["issuer_key.organisation_id", "issuer_key.key_id"],
        ),
        # The same award, once. An erased one has no e-mail and matches nothing. The earner
        # comes first, so that it also finds what one of them holds.
        UniqueConstraint(
            "organisation_id",
            "recipient_email",
            "achievement_code",
            "achievement_version",
            "awarded_on",
            name="uq_credential_award",
        ),
        UniqueConstraint("organisation_id", "status_index"),
        UniqueConstraint("leaf"),
        Index(
            "ux_credential_place",
            "batch_id",
            "leaf_index",
            unique=True,
            sqlite_where=text("batch_id IS NOT NULL"),
            postgresql_where=text("batch_id IS NOT NULL"),
        ),
        _size("leaf", 32),
        CheckConstraint(
            f"status_index BETWEEN 0 AND {STATUS_BLOCKS * STATUS_BLOCK - 1}",
            name="status_index",
        ),
        CheckConstraint(
            "(batch_id IS NULL) = (leaf_index IS NULL)"
            " AND (batch_id IS NOT NULL OR path IS NULL)",
            name="whole_place",
        ),
        CheckConstraint("leaf_index >= 0", name="leaf_index"),
        CheckConstraint("length(path) % 32 = 0", name="path_size"),
        CheckConstraint(
            "(withdrawn_at IS NULL) = (withdrawal_reason IS NULL)",
            name="whole_withdrawal",
        ),
        CheckConstraint(
            "(data IS NULL) = (recipient_email IS NULL)"
            " AND (data IS NOT NULL OR recipient_name IS NULL)",
            name="whole_erasure",
        ),
        CheckConstraint(
            "length(recipient_email) <= 320", name="recipient_email_length"
        ),
        CheckConstraint("length(recipient_name) <= 200", name="recipient_name_length"),
        # SQLite goes to a row for whatever is not in the index, and what is behind the signed
        # bytes is on another page: so what a page may be limited to is in these three.
        Index(
            "ix_credential_page",
            "organisation_id",
            "issued_at",
            "id",
            "achievement_code",
        ),
        # Whoever verifies asks for a status list, and few of many are withdrawn.
        Index(
            "ix_credential_withdrawn",
            "organisation_id",
            "issued_at",
            "id",
            "achievement_code",
            "status_index",
            "withdrawn_at",
            sqlite_where=text("withdrawn_at IS NOT NULL"),
            postgresql_where=text("withdrawn_at IS NOT NULL"),
        ),
        Index(
            "ix_credential_waiting",
            "chain_id",
            "issued_at",
            "id",
            "organisation_id",
            "key_id",
            "achievement_code",
            "batch_id",
            "withdrawn_at",
            sqlite_where=text("batch_id IS NULL"),
            postgresql_where=text("batch_id IS NULL"),
        ),
    )

    id: UUID = Field(primary_key=True)
    organisation_id: UUID = Field(foreign_key="organisation.id")
    chain_id: int = Field(sa_type=BigInteger)
    achievement_code: str = Field(sa_type=Text)
    achievement_version: str = Field(sa_type=Text)
    recipient_email: str | None = Field(sa_type=Text)
    recipient_name: str | None = Field(sa_type=Text)
    awarded_on: dt.date = Field(sa_type=Date)
    issued_at: dt.datetime = Field(sa_type=UTCDateTime)
    # The exact signed bytes: never JSON, which a database would re-serialise.
    data: bytes | None = Field(sa_type=LargeBinary)
    leaf: bytes = Field(sa_type=LargeBinary)
    key_id: bytes = Field(sa_type=LargeBinary)
    status_index: int = Field(sa_type=BigInteger)
    batch_id: UUID | None = Field(foreign_key="batch.id")
    leaf_index: int | None = Field(sa_type=BigInteger)
    # Only where the tree itself is not stored: sealed by another ledger or an early release.
    path: bytes | None = Field(sa_type=LargeBinary)
    withdrawn_at: dt.datetime | None = Field(sa_type=UTCDateTime)
    withdrawal_reason: str | None = Field(sa_type=Text)


class CredentialCodeRow(_Row, table=True):
    """The code on a credential's certificate, made from its id; kept to be looked up.

    Not unique: that two ids have one code is next to impossible and must stop no import. That an
    id has one code follows from its making.
    """

    __tablename__ = "credential_code"
    # With rowids: SQLite 3.40 takes a sound table without them for a damaged one (quick_check).
    __table_args__: ClassVar[Any] = (_size("code", CODE_LENGTH),)

    code: str = Field(primary_key=True, sa_type=Text)
    credential_id: UUID = Field(primary_key=True, foreign_key="credential.id")


class CarriedEvidenceRow(_Row, table=True):
    """The evidence in an imported credential's file, as long as there is no newer one."""

    __tablename__ = "carried_evidence"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("length(data) >= 1", name="data_length"),
    )

    credential_id: UUID = Field(primary_key=True, foreign_key="credential.id")
    data: bytes = Field(sa_type=LargeBinary)


class ChainTxRow(_Row, table=True):
    """The state machine of the worker; no row breaks it, whoever writes."""

    __tablename__ = "chain_tx"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("chain_id", "unique_key"),
        # One nonce, one payload, for ever.
        UniqueConstraint("chain_id", "sender", "nonce"),
        Index(
            "ux_chain_tx_one_in_progress",
            "chain_id",
            "sender",
            unique=True,
            sqlite_where=text("state = 'in_progress'"),
            postgresql_where=text("state = 'in_progress'"),
        ),
        Index("ix_chain_tx_subject", "subject"),
        Index("ix_chain_tx_state", "chain_id", "state", "position"),
        Index("ix_chain_tx_position", "chain_id", "position"),
        _one_of("kind", ChainTxKind, "kind"),
        _one_of("state", ChainTxState, "state"),
        CheckConstraint(
            "(state = 'sealed') = (nonce IS NULL)"
            " AND (nonce IS NULL) = (sender IS NULL)",
            name="nonce_from_in_progress_on",
        ),
        CheckConstraint(
            "CASE WHEN state IN ('mined', 'final') THEN block_number IS NOT NULL"
            " WHEN state IN ('sealed', 'in_progress', 'sent') THEN block_number IS NULL"
            " ELSE TRUE END",
            name="block_once_mined",
        ),
        CheckConstraint(
            "(block_number IS NULL) = (block_hash IS NULL)"
            " AND (block_number IS NULL) = (tx_hash IS NULL)",
            name="whole_receipt",
        ),
        CheckConstraint("nonce >= 0", name="nonce"),
        CheckConstraint("block_number >= 0", name="block_number"),
        CheckConstraint("gas > 0", name="gas"),
        _size("block_hash", 32),
        _size("tx_hash", 32),
        _size("to_address", 42),
        _size("sender", 42),
    )

    id: UUID = Field(primary_key=True)
    kind: str = Field(sa_type=Text)
    chain_id: int = Field(sa_type=BigInteger)
    # The order of asking: what is enqueued in one transaction is sent in its order.
    position: int = Field(sa_type=BigInteger)
    to_address: str = Field(sa_type=Text)
    data: bytes = Field(sa_type=LargeBinary)
    gas: int = Field(sa_type=BigInteger)
    subject: str = Field(sa_type=Text)
    unique_key: str = Field(sa_type=Text)
    state: str = Field(sa_type=Text)
    sender: str | None = Field(sa_type=Text)
    nonce: int | None = Field(sa_type=BigInteger)
    block_number: int | None = Field(sa_type=BigInteger)
    block_hash: bytes | None = Field(sa_type=LargeBinary)
    tx_hash: bytes | None = Field(sa_type=LargeBinary)
    sent_block: int | None = Field(sa_type=BigInteger)
    created_at: dt.datetime = Field(sa_type=UTCDateTime)


class AttemptRow(_Row, table=True):
    """Signed bytes, stored before they are sent."""

    __tablename__ = "attempt"
    __table_args__: ClassVar[Any] = (
        _size("hash", 32),
        CheckConstraint("tip >= 0 AND fee_cap >= tip", name="fees"),
    )

    hash: bytes = Field(primary_key=True, sa_type=LargeBinary)
    chain_tx_id: UUID = Field(foreign_key="chain_tx.id", index=True)
    raw: bytes = Field(sa_type=LargeBinary)
    tip: int = Field(sa_type=BigInteger)
    fee_cap: int = Field(sa_type=BigInteger)
    created_at: dt.datetime = Field(sa_type=UTCDateTime)
    sent_at: dt.datetime | None = Field(sa_type=UTCDateTime)


class ChainTxCostRow(_Row, table=True):
    """What a mined transaction took; gone with its block."""

    __tablename__ = "chain_tx_cost"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("gas_used > 0", name="gas_used"),
        CheckConstraint("gas_price >= 0", name="gas_price"),
        CheckConstraint("time > 0", name="time"),
    )

    chain_tx_id: UUID = Field(primary_key=True, foreign_key="chain_tx.id")
    gas_used: int = Field(sa_type=BigInteger)
    gas_price: int = Field(sa_type=BigInteger)
    time: int = Field(sa_type=BigInteger, index=True)


class PolicyRow(_Row, table=True):
    """Every policy that was ever set; the highest number of a chain is in force.

    Times are in seconds, fees for a unit of gas in wei, costs in 10^9 wei: a day may cost more
    than 2^63 wei.
    """

    __tablename__ = "policy"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("number >= 1", name="number"),
        CheckConstraint(f"batch_age BETWEEN 0 AND {LONGEST_WAIT}", name="batch_age"),
        CheckConstraint(f"batch_size BETWEEN 1 AND {LARGEST_BATCH}", name="batch_size"),
        CheckConstraint("gas_below BETWEEN 1 AND max_fee", name="gas_below"),
        CheckConstraint(f"latest BETWEEN batch_age AND {LONGEST_WAIT}", name="latest"),
        CheckConstraint(
            f"max_fee BETWEEN {LEAST_CEILING} AND {HIGHEST_CEILING}", name="max_fee"
        ),
        CheckConstraint("max_tx_cost BETWEEN 1 AND max_day_cost", name="max_tx_cost"),
        CheckConstraint(
            f"max_day_cost BETWEEN 1 AND {DEAREST_DAY // COST_UNIT}",
            name="max_day_cost",
        ),
        CheckConstraint(f"bump_after BETWEEN 1 AND {LONGEST_BUMP}", name="bump_after"),
        CheckConstraint(
            f"resend_after BETWEEN 0 AND {LONGEST_RESEND}", name="resend_after"
        ),
        CheckConstraint("length(set_by) BETWEEN 1 AND 200", name="set_by_length"),
    )

    chain_id: int = Field(primary_key=True, sa_type=BigInteger)
    number: int = Field(primary_key=True)
    batch_age: int = Field(sa_type=BigInteger)
    batch_size: int = Field(sa_type=BigInteger)
    gas_below: int | None = Field(sa_type=BigInteger)
    latest: int = Field(sa_type=BigInteger)
    max_fee: int = Field(sa_type=BigInteger)
    max_tx_cost: int = Field(sa_type=BigInteger)
    max_day_cost: int = Field(sa_type=BigInteger)
    bump_after: int = Field(sa_type=BigInteger)
    resend_after: int = Field(sa_type=BigInteger)
    set_at: dt.datetime = Field(sa_type=UTCDateTime)
    set_by: str = Field(sa_type=Text)


class StandstillRow(_Row, table=True):
    """What keeps a sender from sending now."""

    __tablename__ = "standstill"
    __table_args__: ClassVar[Any] = (
        _size("sender", 42),
        _one_of("obstacle", Obstacle, "obstacle"),
    )

    chain_id: int = Field(primary_key=True, sa_type=BigInteger)
    sender: str = Field(primary_key=True, sa_type=Text)
    obstacle: str = Field(primary_key=True, sa_type=Text)
    words: str = Field(sa_type=Text)
    since: dt.datetime = Field(sa_type=UTCDateTime)


class OutageRow(_Row, table=True):
    """That no node of a chain can be used, as a worker saw it last."""

    __tablename__ = "outage"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("seen_at >= since", name="seen_at"),
    )

    chain_id: int = Field(primary_key=True, sa_type=BigInteger)
    words: str = Field(sa_type=Text)
    since: dt.datetime = Field(sa_type=UTCDateTime)
    seen_at: dt.datetime = Field(sa_type=UTCDateTime)


class SenderBalanceRow(_Row, table=True):
    """A sender's balance as the worker saw it last, in whole 10^9 wei."""

    __tablename__ = "sender_balance"
    __table_args__: ClassVar[Any] = (
        _size("sender", 42),
        CheckConstraint("balance >= 0", name="balance"),
    )

    chain_id: int = Field(primary_key=True, sa_type=BigInteger)
    sender: str = Field(primary_key=True, sa_type=Text)
    balance: int = Field(sa_type=BigInteger)
    seen_at: dt.datetime = Field(sa_type=UTCDateTime)


class LeaseRow(_Row, table=True):
    """Who may write for a sender; ``token`` only grows.

    Chain 0 is none: what is named there in place of a sender is work that belongs to no chain.
    """

    __tablename__ = "lease"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("length(sender) = 42 OR chain_id = 0", name="sender_size"),
    )

    chain_id: int = Field(primary_key=True, sa_type=BigInteger)
    sender: str = Field(primary_key=True, sa_type=Text)
    owner: str = Field(sa_type=Text)
    token: int = Field(sa_type=BigInteger)
    expires: dt.datetime = Field(sa_type=UTCDateTime)


class ChainRow(_Row, table=True):
    """A chain that this database was used with; one of them is its home."""

    __tablename__ = "chain"
    __table_args__: ClassVar[Any] = (
        Index(
            "ux_chain_one_home",
            "home",
            unique=True,
            sqlite_where=text("home"),
            postgresql_where=text("home"),
        ),
        _size("genesis_hash", 32),
        _size("anchor_registry", 42),
        _size("issuer_registry", 42),
    )

    chain_id: int = Field(primary_key=True, sa_type=BigInteger)
    genesis_hash: bytes = Field(sa_type=LargeBinary)
    anchor_registry: str = Field(sa_type=Text)
    issuer_registry: str = Field(sa_type=Text)
    test: bool
    home: bool = Field(default=False)


class ApiKeyRow(_Row, table=True):
    """An API key; the secret itself is nowhere."""

    __tablename__ = "api_key"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("secret_hash"),
        _size("secret_hash", 32),
    )

    id: UUID = Field(primary_key=True)
    organisation_id: UUID = Field(foreign_key="organisation.id", index=True)
    name: str = Field(sa_type=Text)
    prefix: str = Field(sa_type=Text)
    secret_hash: bytes = Field(sa_type=LargeBinary)
    scopes: str = Field(sa_type=Text)  # sorted, one space between
    created_at: dt.datetime = Field(sa_type=UTCDateTime)
    expires_at: dt.datetime | None = Field(sa_type=UTCDateTime)
    revoked_at: dt.datetime | None = Field(sa_type=UTCDateTime)
    last_used_at: dt.datetime | None = Field(sa_type=UTCDateTime)


class StoredAnswerRow(_Row, table=True):
    """An answer given under an idempotency key."""

    __tablename__ = "stored_answer"
    __table_args__: ClassVar[Any] = (
        _size("request_hash", 32),
        # Bodies may be large: the old ones are found without reading along them.
        Index("ix_stored_answer_age", "created_at"),
    )

    organisation_id: UUID = Field(primary_key=True, foreign_key="organisation.id")
    key: str = Field(primary_key=True, sa_type=Text)
    route: str = Field(primary_key=True, sa_type=Text)
    status: int
    body: bytes = Field(sa_type=LargeBinary)
    content_type: str = Field(sa_type=Text)
    request_hash: bytes = Field(sa_type=LargeBinary)
    created_at: dt.datetime = Field(sa_type=UTCDateTime)


class EventRow(_Row, table=True):
    """What happened, written in the transaction in which it did; one row for a whole batch.

    ``number`` is drawn when the row is written, ``position`` is given once it is committed.
    """

    __tablename__ = "event"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("id"),
        UniqueConstraint("position"),
        _one_of("kind", EventKind, "kind"),
        CheckConstraint(
            "(batch_id IS NULL) = (credentials IS NOT NULL)"
            " AND (batch_id IS NULL) = (organisation_id IS NOT NULL)",
            name="of_a_batch_or_of_an_organisation",
        ),
        CheckConstraint("length(credentials) % 16 = 0", name="credentials_size"),
        CheckConstraint("position >= 1", name="position"),
        CheckConstraint("size >= 1", name="size"),
        Index("ix_event_feed", "organisation_id", "position"),
        Index(
            "ix_event_new",
            "number",
            sqlite_where=text("position IS NULL"),
            postgresql_where=text("position IS NULL"),
        ),
        # A number is never drawn twice, also when the newest rows are gone.
        {"sqlite_autoincrement": True},
    )

    number: int | None = Field(
        default=None,
        sa_column=Column(
            BigInteger().with_variant(Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
    )
    id: UUID
    position: int | None = Field(sa_type=BigInteger)
    kind: str = Field(sa_type=Text)
    at: dt.datetime = Field(sa_type=UTCDateTime)
    # How many events it is when it is told.
    size: int = Field(sa_type=BigInteger)
    organisation_id: UUID | None = Field(foreign_key="organisation.id")
    # Ids of 16 bytes each, in order.
    credentials: bytes | None = Field(sa_type=LargeBinary)
    batch_id: UUID | None = Field(foreign_key="batch.id")
    chain_id: int | None = Field(sa_type=BigInteger)
    block_number: int | None = Field(sa_type=BigInteger)
    block_time: int | None = Field(sa_type=BigInteger)


class EventAudienceRow(_Row, table=True):
    """Which organisations have leaves in a batch, and between which: to whom its events are shown."""

    __tablename__ = "event_audience"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("first_leaf BETWEEN 0 AND last_leaf", name="leaves"),
    )

    batch_id: UUID = Field(primary_key=True, foreign_key="batch.id")
    organisation_id: UUID = Field(primary_key=True, foreign_key="organisation.id")
    first_leaf: int = Field(sa_type=BigInteger)
    last_leaf: int = Field(sa_type=BigInteger)


class EventFeedRow(_Row, table=True):
    """The one row that says how far the log goes, what was delivered, and what was pruned."""

    __tablename__ = "event_feed"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("id = 1", name="one_row"),
        CheckConstraint(
            "pruned_position BETWEEN 0 AND last_position", name="pruned_position"
        ),
        CheckConstraint(
            "sent_position BETWEEN 0 AND last_position", name="sent_position"
        ),
        CheckConstraint("sent_index >= 0", name="sent_index"),
    )

    id: int = Field(primary_key=True)
    last_position: int = Field(sa_type=BigInteger)
    pruned_position: int = Field(sa_type=BigInteger)
    sent_position: int = Field(sa_type=BigInteger)
    sent_index: int = Field(sa_type=BigInteger)


class ParkedEventRow(_Row, table=True):
    """An event that its receiver refused, and those of the same subject behind it."""

    __tablename__ = "parked_event"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("position", "place"),
        CheckConstraint("tries >= 0", name="tries"),
        Index("ix_parked_event_order", "subject", "position", "place"),
    )

    key: UUID = Field(primary_key=True)
    position: int = Field(sa_type=BigInteger)
    place: int = Field(sa_type=BigInteger)
    subject: UUID
    body: bytes = Field(sa_type=LargeBinary)
    status: int | None
    tries: int
    next_try: dt.datetime = Field(sa_type=UTCDateTime)
    parked_at: dt.datetime = Field(sa_type=UTCDateTime)
