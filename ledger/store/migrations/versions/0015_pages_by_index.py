"""What waits, what is withdrawn and what is of one achievement is counted and found in indexes alone.

There is no way down: a ledger goes back by restoring a backup.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    waiting, withdrawn = (
        sa.text("batch_id IS NULL"),
        sa.text("withdrawn_at IS NOT NULL"),
    )
    for name in ("page", "withdrawn", "waiting"):
        op.drop_index(f"ix_credential_{name}", "credential")
    place = ["issued_at", "id"]
    op.create_index(
        "ix_credential_page",
        "credential",
        ["organisation_id", *place, "achievement_code"],
    )
    op.create_index(
        "ix_credential_withdrawn",
        "credential",
        ["organisation_id", *place, "achievement_code", "status_index", "withdrawn_at"],
        sqlite_where=withdrawn,
        postgresql_where=withdrawn,
    )
    op.create_index(
        "ix_credential_waiting",
        "credential",
        [
            "chain_id",
            *place,
            "organisation_id",
            "key_id",
            "achievement_code",
            "batch_id",
            "withdrawn_at",
        ],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
