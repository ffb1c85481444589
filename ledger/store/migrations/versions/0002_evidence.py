"""Evidence: header and trie nodes that prove both registries for a batch.

There is no way down: a ledger goes back by restoring a backup.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "evidence_header",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("header", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "block_number >= 0", name=op.f("ck_evidence_header_block_number")
        ),
        sa.CheckConstraint(
            "length(header) BETWEEN 1 AND 4096",
            name=op.f("ck_evidence_header_header_length"),
        ),
        sa.ForeignKeyConstraint(
            ["batch_id", "chain_id"],
            ["batch_anchor.batch_id", "batch_anchor.chain_id"],
            name=op.f("fk_evidence_header_batch_id_chain_id_batch_anchor"),
        ),
        sa.PrimaryKeyConstraint(
            "batch_id", "chain_id", name=op.f("pk_evidence_header")
        ),
    )
    op.create_table(
        "evidence_accreditor",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("issuer_id", sa.LargeBinary(), nullable=False),
        sa.Column("accreditor", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "length(accreditor) = 32",
            name=op.f("ck_evidence_accreditor_accreditor_size"),
        ),
        sa.CheckConstraint(
            "length(issuer_id) = 32", name=op.f("ck_evidence_accreditor_issuer_id_size")
        ),
        sa.ForeignKeyConstraint(
            ["batch_id", "chain_id"],
            ["evidence_header.batch_id", "evidence_header.chain_id"],
            name=op.f("fk_evidence_accreditor_batch_id_chain_id_evidence_header"),
        ),
        sa.PrimaryKeyConstraint(
            "batch_id",
            "chain_id",
            "issuer_id",
            "accreditor",
            name=op.f("pk_evidence_accreditor"),
        ),
    )
    op.create_table(
        "evidence_slot",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("registry_address", sa.Text(), nullable=False),
        sa.Column("slot", sa.LargeBinary(), nullable=False),
        sa.Column("nodes", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "length(registry_address) = 42",
            name=op.f("ck_evidence_slot_registry_address_size"),
        ),
        sa.CheckConstraint(
            "length(slot) IN (0, 32)", name=op.f("ck_evidence_slot_slot_size")
        ),
        sa.ForeignKeyConstraint(
            ["batch_id", "chain_id"],
            ["evidence_header.batch_id", "evidence_header.chain_id"],
            name=op.f("fk_evidence_slot_batch_id_chain_id_evidence_header"),
        ),
        sa.PrimaryKeyConstraint(
            "batch_id",
            "chain_id",
            "registry_address",
            "slot",
            name=op.f("pk_evidence_slot"),
        ),
    )
