"""Checkpoints: blocks of the home chain that batches state on other chains.

There is no way down: a ledger goes back by restoring a backup.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "batch_checkpoint",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("leaf_index", sa.BigInteger(), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("block_hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "length(block_hash) = 32", name=op.f("ck_batch_checkpoint_block_hash_size")
        ),
        sa.CheckConstraint(
            "leaf_index >= 0", name=op.f("ck_batch_checkpoint_leaf_index")
        ),
        sa.CheckConstraint(
            "block_number >= 0", name=op.f("ck_batch_checkpoint_block_number")
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batch.id"], name=op.f("fk_batch_checkpoint_batch_id_batch")
        ),
        sa.PrimaryKeyConstraint(
            "batch_id", "leaf_index", name=op.f("pk_batch_checkpoint")
        ),
        sa.UniqueConstraint(
            "chain_id",
            "block_number",
            name=op.f("uq_batch_checkpoint_chain_id_block_number"),
        ),
    )
