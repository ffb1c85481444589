"""Recovery: status bits that a lost database had set, read back from the chain.

There is no way down: a ledger goes back by restoring a backup.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "recovered_bit",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("status_index", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "status_index BETWEEN 0 AND 999948287",
            name=op.f("ck_recovered_bit_status_index"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["issuer.organisation_id"],
            name=op.f("fk_recovered_bit_organisation_id_issuer"),
        ),
        sa.PrimaryKeyConstraint(
            "organisation_id", "status_index", name=op.f("pk_recovered_bit")
        ),
    )
