"""How often an issuer's recovery key has acted: revocations are signed under that number.

Until a worker has looked it is 0, which is what they were signed under so far. There is no way
down: a ledger goes back by restoring a backup.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "issuer",
        sa.Column("recovery_acts", sa.BigInteger(), nullable=False, server_default="0"),
    )
