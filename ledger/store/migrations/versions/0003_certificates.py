"""Certificates: the code of each credential, and an index to find what one earner holds.

There is no way down: a ledger goes back by restoring a backup.
"""

import sqlalchemy as sa
from alembic import op

from ledger.core.short_code import ShortCode

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

AT_ONCE = 1_000


def upgrade() -> None:
    op.create_table(
        "credential_code",
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
    )
    op.create_index(op.f("ix_credential_code_code"), "credential_code", ["code"])
    op.create_index(
        "ix_credential_earner", "credential", ["organisation_id", "recipient_email"]
    )
    add_codes(op.get_bind())


def add_codes(connection: sa.Connection) -> None:
    """Give every credential that is there already its code."""
    credential = sa.table("credential", sa.column("id", sa.Uuid()))
    code = sa.table(
        "credential_code",
        sa.column("credential_id", sa.Uuid()),
        sa.column("code", sa.Text()),
    )
    ids = connection.execute(sa.select(credential.c.id)).scalars().all()
    for start in range(0, len(ids), AT_ONCE):
        rows = [
            {"credential_id": id, "code": ShortCode.of(id).letters}
            for id in ids[start : start + AT_ONCE]
        ]
        connection.execute(sa.insert(code), rows)
