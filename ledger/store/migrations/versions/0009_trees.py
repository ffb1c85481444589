"""Trees: stored once for each batch, as tiles, instead of a path beside every credential.

Paths that are there stay, and are read as before. There is no way down: a ledger goes back by
restoring a backup.
"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tree_tile",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("nodes", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "height >= 0 AND height % 8 = 0", name=op.f("ck_tree_tile_height")
        ),
        sa.CheckConstraint("number >= 0", name=op.f("ck_tree_tile_number")),
        sa.CheckConstraint(
            "length(nodes) BETWEEN 32 AND 16320 AND length(nodes) % 32 = 0",
            name=op.f("ck_tree_tile_nodes_size"),
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batch.id"], name=op.f("fk_tree_tile_batch_id_batch")
        ),
        sa.PrimaryKeyConstraint(
            "batch_id", "height", "number", name=op.f("pk_tree_tile")
        ),
    )
    with op.batch_alter_table("credential", copy_from=credential()) as batch_op:
        batch_op.drop_constraint(op.f("ck_credential_whole_place"), type_="check")
        batch_op.create_check_constraint(
            op.f("ck_credential_whole_place"),
            "(batch_id IS NULL) = (leaf_index IS NULL)"
            " AND (batch_id IS NOT NULL OR path IS NULL)",
        )


def credential() -> sa.Table:
    """The table as it was: SQLite makes a new one, and does not tell its CHECKs."""
    return sa.Table(
        "credential",
        sa.MetaData(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("achievement_code", sa.Text(), nullable=False),
        sa.Column("achievement_version", sa.Text(), nullable=False),
        sa.Column("recipient_email", sa.Text(), nullable=True),
        sa.Column("recipient_name", sa.Text(), nullable=True),
        sa.Column("awarded_on", sa.Date(), nullable=False),
        sa.Column("issued_at", sqlmodel.UTCDateTime(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.LargeBinary(), nullable=False),
        sa.Column("status_index", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("leaf_index", sa.BigInteger(), nullable=True),
        sa.Column("path", sa.LargeBinary(), nullable=True),
        sa.Column("withdrawn_at", sqlmodel.UTCDateTime(), nullable=True),
        sa.Column("withdrawal_reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(batch_id IS NULL) = (leaf_index IS NULL) AND (batch_id IS NULL) = (path IS NULL)",
            name=op.f("ck_credential_whole_place"),
        ),
        sa.CheckConstraint(
            "(data IS NULL) = (recipient_email IS NULL) AND (data IS NOT NULL OR recipient_name IS NULL)",
            name=op.f("ck_credential_whole_erasure"),
        ),
        sa.CheckConstraint(
            "(withdrawn_at IS NULL) = (withdrawal_reason IS NULL)",
            name=op.f("ck_credential_whole_withdrawal"),
        ),
        sa.CheckConstraint("leaf_index >= 0", name=op.f("ck_credential_leaf_index")),
        sa.CheckConstraint("length(leaf) = 32", name=op.f("ck_credential_leaf_size")),
        sa.CheckConstraint(
            "length(path) % 32 = 0", name=op.f("ck_credential_path_size")
        ),
        sa.CheckConstraint(
            "length(recipient_email) <= 320",
            name=op.f("ck_credential_recipient_email_length"),
        ),
        sa.CheckConstraint(
            "length(recipient_name) <= 200",
            name=op.f("ck_credential_recipient_name_length"),
        ),
        sa.CheckConstraint(
            "status_index BETWEEN 0 AND 999948287",
            name=op.f("ck_credential_status_index"),
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batch.id"], name=op.f("fk_credential_batch_id_batch")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "achievement_code", "achievement_version"],
            ["achievement.organisation_id", "achievement.code", "achievement.version"],
            name="fk_credential_achievement",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "key_id"],
            ["issuer_key.organisation_id", "issuer_key.key_id"],
            name=op.f("fk_credential_organisation_id_key_id_issuer_key"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("fk_credential_organisation_id_organisation"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credential")),
        sa.UniqueConstraint(
            "batch_id", "leaf_index", name=op.f("uq_credential_batch_id_leaf_index")
        ),
        sa.UniqueConstraint("leaf", name=op.f("uq_credential_leaf")),
        sa.UniqueConstraint(
            "organisation_id",
            "achievement_code",
            "achievement_version",
            "recipient_email",
            "awarded_on",
            name="uq_credential_award",
        ),
        sa.UniqueConstraint(
            "organisation_id",
            "status_index",
            name=op.f("uq_credential_organisation_id_status_index"),
        ),
        sa.Index("ix_credential_page", "organisation_id", "issued_at", "id"),
        sa.Index("ix_credential_earner", "organisation_id", "recipient_email"),
        sa.Index(
            "ix_credential_waiting",
            "chain_id",
            "issued_at",
            "id",
            sqlite_where=sa.text("batch_id IS NULL"),
        ),
    )
