"""Fewer indexes on credentials: what is written with every one is written in fewer places.

The key of an award begins with the earner, so that it also finds what one earner holds; places
in batches are indexed once there are any; codes have one index instead of two. One is new, for the
few that are withdrawn. There is no way down: a ledger goes back by restoring a backup.
"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    in_a_batch = sa.text("batch_id IS NOT NULL")
    withdrawn = sa.text("withdrawn_at IS NOT NULL")
    with op.batch_alter_table("credential", copy_from=_credential()) as batch_op:
        batch_op.drop_index("ix_credential_earner")
        batch_op.drop_constraint("uq_credential_award", type_="unique")
        batch_op.drop_constraint(
            op.f("uq_credential_batch_id_leaf_index"), type_="unique"
        )
        batch_op.create_unique_constraint(
            "uq_credential_award",
            [
                "organisation_id",
                "recipient_email",
                "achievement_code",
                "achievement_version",
                "awarded_on",
            ],
        )
        batch_op.create_index(
            "ux_credential_place",
            ["batch_id", "leaf_index"],
            unique=True,
            sqlite_where=in_a_batch,
            postgresql_where=in_a_batch,
        )
        batch_op.create_index(
            "ix_credential_withdrawn",
            ["organisation_id"],
            sqlite_where=withdrawn,
            postgresql_where=withdrawn,
        )
    with op.batch_alter_table(
        "credential_code",
        copy_from=_credential_code(),
    ) as batch_op:
        batch_op.drop_index(op.f("ix_credential_code_code"))
        batch_op.drop_constraint(op.f("pk_credential_code"), type_="primary")
        batch_op.create_primary_key(
            op.f("pk_credential_code"), ["code", "credential_id"]
        )


def _credential_code() -> sa.Table:
    return sa.Table(
        "credential_code",
        sa.MetaData(),
        sa.Column("credential_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "length(code) = 12", name=op.f("ck_credential_code_code_size")
        ),
        sa.ForeignKeyConstraint(
            ["credential_id"],
            ["credential.id"],
            name=op.f("fk_credential_code_credential_id_credential"),
        ),
        sa.PrimaryKeyConstraint("credential_id", name=op.f("pk_credential_code")),
        sa.Index(op.f("ix_credential_code_code"), "code"),
    )


def _credential() -> sa.Table:
    # As it was: SQLite makes a new one, and does not tell its CHECKs.
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
            "(batch_id IS NULL) = (leaf_index IS NULL)"
            " AND (batch_id IS NOT NULL OR path IS NULL)",
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
