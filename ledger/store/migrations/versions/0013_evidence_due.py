"""Evidence that is to be taken: known, instead of searched for among all batches in every round.

There is no way down: a ledger goes back by restoring a backup.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "evidence_due",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id", "chain_id"],
            ["batch_anchor.batch_id", "batch_anchor.chain_id"],
            name=op.f("fk_evidence_due_batch_id_chain_id_batch_anchor"),
        ),
        sa.PrimaryKeyConstraint("chain_id", "batch_id", name=op.f("pk_evidence_due")),
    )
    op.create_index(
        "ix_evidence_header_block", "evidence_header", ["chain_id", "block_number"]
    )
    op.execute(
        "INSERT INTO evidence_due (chain_id, batch_id)"
        " SELECT batch.chain_id, batch.id FROM batch"
        " JOIN batch_anchor ON batch_anchor.batch_id = batch.id"
        " AND batch_anchor.chain_id = batch.chain_id"
        " WHERE NOT EXISTS (SELECT 1 FROM evidence_header"
        " WHERE evidence_header.batch_id = batch.id"
        " AND evidence_header.chain_id = batch.chain_id AND NOT evidence_header.stale)"
    )
