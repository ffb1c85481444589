"""Events: what happened, in one order, and how far it was delivered.

Of what happened before there are none. There is no way down: a ledger goes back by restoring a
backup.
"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

KINDS = (
    "'issued', 'released', 'sealed', 'anchored', 'final', 'reorganised', 'withdrawn',"
    " 'revoked', 'unrevoked'"
)


def upgrade() -> None:
    with op.batch_alter_table("lease", copy_from=lease()) as batch_op:
        batch_op.drop_constraint(op.f("ck_lease_sender_size"), type_="check")
        batch_op.create_check_constraint(
            op.f("ck_lease_sender_size"), "length(sender) = 42 OR chain_id = 0"
        )
    op.create_table(
        "event",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sqlmodel.UTCDateTime(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=True),
        sa.Column("credentials", sa.LargeBinary(), nullable=True),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("chain_id", sa.BigInteger(), nullable=True),
        sa.Column("block_number", sa.BigInteger(), nullable=True),
        sa.Column("block_time", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(f"kind IN ({KINDS})", name=op.f("ck_event_kind")),
        sa.CheckConstraint(
            "(batch_id IS NULL) = (credentials IS NOT NULL)"
            " AND (batch_id IS NULL) = (organisation_id IS NOT NULL)",
            name=op.f("ck_event_of_a_batch_or_of_an_organisation"),
        ),
        sa.CheckConstraint(
            "length(credentials) % 16 = 0", name=op.f("ck_event_credentials_size")
        ),
        sa.CheckConstraint("position >= 1", name=op.f("ck_event_position")),
        sa.CheckConstraint("size >= 1", name=op.f("ck_event_size")),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("fk_event_organisation_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batch.id"], name=op.f("fk_event_batch_id_batch")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_event")),
        sa.UniqueConstraint("id", name=op.f("uq_event_id")),
        sa.UniqueConstraint("position", name=op.f("uq_event_position")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_event_feed"), "event", ["organisation_id", "position"], unique=False
    )
    op.create_index(
        "ix_event_new",
        "event",
        ["number"],
        unique=False,
        sqlite_where=sa.text("position IS NULL"),
        postgresql_where=sa.text("position IS NULL"),
    )
    op.create_table(
        "event_audience",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("first_leaf", sa.BigInteger(), nullable=False),
        sa.Column("last_leaf", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "first_leaf BETWEEN 0 AND last_leaf", name=op.f("ck_event_audience_leaves")
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batch.id"], name=op.f("fk_event_audience_batch_id_batch")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("fk_event_audience_organisation_id_organisation"),
        ),
        sa.PrimaryKeyConstraint(
            "batch_id", "organisation_id", name=op.f("pk_event_audience")
        ),
    )
    op.create_table(
        "event_feed",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("last_position", sa.BigInteger(), nullable=False),
        sa.Column("pruned_position", sa.BigInteger(), nullable=False),
        sa.Column("sent_position", sa.BigInteger(), nullable=False),
        sa.Column("sent_index", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_event_feed_one_row")),
        sa.CheckConstraint(
            "pruned_position BETWEEN 0 AND last_position",
            name=op.f("ck_event_feed_pruned_position"),
        ),
        sa.CheckConstraint(
            "sent_position BETWEEN 0 AND last_position",
            name=op.f("ck_event_feed_sent_position"),
        ),
        sa.CheckConstraint("sent_index >= 0", name=op.f("ck_event_feed_sent_index")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_feed")),
    )
    op.create_table(
        "parked_event",
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try", sqlmodel.UTCDateTime(), nullable=False),
        sa.Column("parked_at", sqlmodel.UTCDateTime(), nullable=False),
        sa.CheckConstraint("tries >= 0", name=op.f("ck_parked_event_tries")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_parked_event")),
        sa.UniqueConstraint(
            "position", "place", name=op.f("uq_parked_event_position_place")
        ),
    )
    op.create_index(
        op.f("ix_parked_event_order"),
        "parked_event",
        ["subject", "position", "place"],
        unique=False,
    )


def lease() -> sa.Table:
    """The table as it was: SQLite makes a new one, and does not tell its CHECKs."""
    return sa.Table(
        "lease",
        sa.MetaData(),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("expires", sqlmodel.UTCDateTime(), nullable=False),
        sa.CheckConstraint("length(sender) = 42", name=op.f("ck_lease_sender_size")),
        sa.PrimaryKeyConstraint("chain_id", "sender", name=op.f("pk_lease")),
    )
