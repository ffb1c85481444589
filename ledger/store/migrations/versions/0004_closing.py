"""Closing: that an issuer closes, its last status lists, and what came from elsewhere.

A key without its private half is one of an imported issuer. There is no way down: a ledger goes
back by restoring a backup.
"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("issuer", sa.Column("closed_block", sa.BigInteger(), nullable=True))
    op.add_column(
        "evidence_header",
        sa.Column("stale", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    with op.batch_alter_table("issuer_key", copy_from=issuer_key()) as batch_op:
        batch_op.alter_column("sealed", existing_type=sa.LargeBinary(), nullable=True)
    op.create_table(
        "closing",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("started_at", sqlmodel.UTCDateTime(), nullable=False),
        sa.Column("successor", sa.LargeBinary(), nullable=True),
        sa.Column("statement", sa.LargeBinary(), nullable=False),
        sa.Column("custodians", sa.LargeBinary(), nullable=False),
        sa.Column("proof", sa.LargeBinary(), nullable=True),
        sa.Column("archived_at", sqlmodel.UTCDateTime(), nullable=True),
        sa.Column("imported_at", sqlmodel.UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "length(successor) = 32", name=op.f("ck_closing_successor_size")
        ),
        sa.CheckConstraint(
            "length(statement) >= 1", name=op.f("ck_closing_statement_length")
        ),
        sa.CheckConstraint(
            "imported_at IS NULL OR proof IS NOT NULL",
            name=op.f("ck_closing_imported_with_proof"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["issuer.organisation_id"],
            name=op.f("fk_closing_organisation_id_issuer"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", name=op.f("pk_closing")),
    )
    op.create_table(
        "final_status_list",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.LargeBinary(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["closing.organisation_id"],
            name=op.f("fk_final_status_list_organisation_id_closing"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "key_id"],
            ["issuer_key.organisation_id", "issuer_key.key_id"],
            name=op.f("fk_final_status_list_organisation_id_issuer_key"),
        ),
        sa.PrimaryKeyConstraint(
            "organisation_id", "key_id", name=op.f("pk_final_status_list")
        ),
    )
    op.create_table(
        "held_credential",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["closing.organisation_id"],
            name=op.f("fk_held_credential_organisation_id_closing"),
        ),
        sa.PrimaryKeyConstraint(
            "organisation_id", "id", name=op.f("pk_held_credential")
        ),
    )
    op.create_table(
        "carried_evidence",
        sa.Column("credential_id", sa.Uuid(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "length(data) >= 1", name=op.f("ck_carried_evidence_data_length")
        ),
        sa.ForeignKeyConstraint(
            ["credential_id"],
            ["credential.id"],
            name=op.f("fk_carried_evidence_credential_id_credential"),
        ),
        sa.PrimaryKeyConstraint("credential_id", name=op.f("pk_carried_evidence")),
    )


def issuer_key() -> sa.Table:
    """The table as it was: SQLite makes a new one, and does not tell its CHECKs."""
    return sa.Table(
        "issuer_key",
        sa.MetaData(),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.LargeBinary(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("public", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sqlmodel.UTCDateTime(), nullable=False),
        sa.Column("opened", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "role IN ('signing', 'revoking', 'controller')",
            name=op.f("ck_issuer_key_role"),
        ),
        sa.CheckConstraint(
            "length(key_id) = 32", name=op.f("ck_issuer_key_key_id_size")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("fk_issuer_key_organisation_id_organisation"),
        ),
        sa.PrimaryKeyConstraint(
            "organisation_id", "key_id", name=op.f("pk_issuer_key")
        ),
    )
