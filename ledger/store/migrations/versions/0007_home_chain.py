"""The home chain: until now the only one that anything was sent to.

Where nothing was sent, or to several, the next use decides. There is no way down: a ledger
goes back by restoring a backup.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "chain",
        sa.Column("home", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.execute(
        "UPDATE chain SET home = true"
        " WHERE chain_id IN (SELECT chain_id FROM chain_tx)"
        " AND (SELECT count(DISTINCT chain_id) FROM chain_tx) = 1"
    )
    op.create_index(
        "ux_chain_one_home",
        "chain",
        ["home"],
        unique=True,
        sqlite_where=sa.text("home"),
        postgresql_where=sa.text("home"),
    )
