"""Fees: what transactions cost, the policy of each chain, standstills, and balances seen.

There is no way down: a ledger goes back by restoring a backup.
"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "standstill",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("obstacle", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("since", sqlmodel.UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "obstacle IN ('fee_ceiling', 'tx_ceiling', 'day_ceiling', 'no_funds')",
            name=op.f("ck_standstill_obstacle"),
        ),
        sa.CheckConstraint(
            "length(sender) = 42", name=op.f("ck_standstill_sender_size")
        ),
        sa.PrimaryKeyConstraint(
            "chain_id", "sender", "obstacle", name=op.f("pk_standstill")
        ),
    )
    op.create_table(
        "policy",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("batch_age", sa.BigInteger(), nullable=False),
        sa.Column("batch_size", sa.BigInteger(), nullable=False),
        sa.Column("gas_below", sa.BigInteger(), nullable=True),
        sa.Column("latest", sa.BigInteger(), nullable=False),
        sa.Column("max_fee", sa.BigInteger(), nullable=False),
        sa.Column("max_tx_cost", sa.BigInteger(), nullable=False),
        sa.Column("max_day_cost", sa.BigInteger(), nullable=False),
        sa.Column("bump_after", sa.BigInteger(), nullable=False),
        sa.Column("resend_after", sa.BigInteger(), nullable=False),
        sa.Column("set_at", sqlmodel.UTCDateTime(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "batch_age BETWEEN 0 AND 2592000", name=op.f("ck_policy_batch_age")
        ),
        sa.CheckConstraint(
            "batch_size BETWEEN 1 AND 1000000", name=op.f("ck_policy_batch_size")
        ),
        sa.CheckConstraint(
            "bump_after BETWEEN 1 AND 100000", name=op.f("ck_policy_bump_after")
        ),
        sa.CheckConstraint(
            "gas_below BETWEEN 1 AND max_fee", name=op.f("ck_policy_gas_below")
        ),
        sa.CheckConstraint(
            "latest BETWEEN batch_age AND 2592000", name=op.f("ck_policy_latest")
        ),
        sa.CheckConstraint(
            "length(set_by) BETWEEN 1 AND 200", name=op.f("ck_policy_set_by_length")
        ),
        sa.CheckConstraint(
            "max_day_cost BETWEEN 1 AND 1000000000000000",
            name=op.f("ck_policy_max_day_cost"),
        ),
        sa.CheckConstraint(
            "max_fee BETWEEN 1000000000 AND 100000000000000",
            name=op.f("ck_policy_max_fee"),
        ),
        sa.CheckConstraint(
            "max_tx_cost BETWEEN 1 AND max_day_cost", name=op.f("ck_policy_max_tx_cost")
        ),
        sa.CheckConstraint("number >= 1", name=op.f("ck_policy_number")),
        sa.CheckConstraint(
            "resend_after BETWEEN 0 AND 86400", name=op.f("ck_policy_resend_after")
        ),
        sa.PrimaryKeyConstraint("chain_id", "number", name=op.f("pk_policy")),
    )
    op.create_table(
        "sender_balance",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sqlmodel.UTCDateTime(), nullable=False),
        sa.CheckConstraint("balance >= 0", name=op.f("ck_sender_balance_balance")),
        sa.CheckConstraint(
            "length(sender) = 42", name=op.f("ck_sender_balance_sender_size")
        ),
        sa.PrimaryKeyConstraint("chain_id", "sender", name=op.f("pk_sender_balance")),
    )
    op.create_table(
        "chain_tx_cost",
        sa.Column("chain_tx_id", sa.Uuid(), nullable=False),
        sa.Column("gas_used", sa.BigInteger(), nullable=False),
        sa.Column("gas_price", sa.BigInteger(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("gas_price >= 0", name=op.f("ck_chain_tx_cost_gas_price")),
        sa.CheckConstraint("gas_used > 0", name=op.f("ck_chain_tx_cost_gas_used")),
        sa.CheckConstraint("time > 0", name=op.f("ck_chain_tx_cost_time")),
        sa.ForeignKeyConstraint(
            ["chain_tx_id"],
            ["chain_tx.id"],
            name=op.f("fk_chain_tx_cost_chain_tx_id_chain_tx"),
        ),
        sa.PrimaryKeyConstraint("chain_tx_id", name=op.f("pk_chain_tx_cost")),
    )
    op.create_index(
        op.f("ix_chain_tx_cost_time"), "chain_tx_cost", ["time"], unique=False
    )
