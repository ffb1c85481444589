"""Stored answers are found by their age: those of organisations that do nothing are forgotten too.

There is no way down: a ledger goes back by restoring a backup.
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_stored_answer_age", "stored_answer", ["created_at"])
