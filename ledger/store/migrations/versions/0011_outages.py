"""Outages: that no node of a chain can be used, as the worker saw it last.

There is no way down: a ledger goes back by restoring a backup.
"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "outage",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("since", sqlmodel.UTCDateTime(), nullable=False),
        sa.Column("seen_at", sqlmodel.UTCDateTime(), nullable=False),
        sa.CheckConstraint("seen_at >= since", name=op.f("ck_outage_seen_at")),
        sa.PrimaryKeyConstraint("chain_id", name=op.f("pk_outage")),
    )
