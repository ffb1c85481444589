"""The first schema.

There is no way down: a ledger goes back by restoring a backup.
"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "batch",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("sealed_root", sa.LargeBinary(), nullable=False),
        sa.Column("tree_size", sa.BigInteger(), nullable=False),
        sa.Column("sealed_at", sqlmodel.UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "length(sealed_root) = 32", name=op.f("ck_batch_sealed_root_size")
        ),
        sa.CheckConstraint("tree_size >= 1", name=op.f("ck_batch_tree_size")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch")),
        sa.UniqueConstraint("sealed_root", name=op.f("uq_batch_sealed_root")),
    )
    op.create_table(
        "chain",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("genesis_hash", sa.LargeBinary(), nullable=False),
        sa.Column("anchor_registry", sa.Text(), nullable=False),
        sa.Column("issuer_registry", sa.Text(), nullable=False),
        sa.Column("test", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "length(anchor_registry) = 42", name=op.f("ck_chain_anchor_registry_size")
        ),
        sa.CheckConstraint(
            "length(genesis_hash) = 32", name=op.f("ck_chain_genesis_hash_size")
        ),
        sa.CheckConstraint(
            "length(issuer_registry) = 42", name=op.f("ck_chain_issuer_registry_size")
        ),
        sa.PrimaryKeyConstraint("chain_id", name=op.f("pk_chain")),
    )
    op.create_table(
        "chain_tx",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("to_address", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("gas", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("unique_key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=True),
        sa.Column("nonce", sa.BigInteger(), nullable=True),
        sa.Column("block_number", sa.BigInteger(), nullable=True),
        sa.Column("block_hash", sa.LargeBinary(), nullable=True),
        sa.Column("tx_hash", sa.LargeBinary(), nullable=True),
        sa.Column("sent_block", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sqlmodel.UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "(state = 'sealed') = (nonce IS NULL) AND (nonce IS NULL) = (sender IS NULL)",
            name=op.f("ck_chain_tx_nonce_from_in_progress_on"),
        ),
        sa.CheckConstraint(
            "CASE WHEN state IN ('mined', 'final') THEN block_number IS NOT NULL WHEN state IN ('sealed', 'in_progress', 'sent') THEN block_number IS NULL ELSE TRUE END",
            name=op.f("ck_chain_tx_block_once_mined"),
        ),
        sa.CheckConstraint(
            "kind IN ('register', 'add_key', 'end_key', 'compromise_key', 'record_profile', 'endorse', 'withdraw', 'revoke', 'rotate', 'close', 'reinstate', 'anchor')",
            name=op.f("ck_chain_tx_kind"),
        ),
        sa.CheckConstraint(
            "state IN ('sealed', 'in_progress', 'sent', 'mined', 'final', 'reverted', 'fatal')",
            name=op.f("ck_chain_tx_state"),
        ),
        sa.CheckConstraint(
            "(block_number IS NULL) = (block_hash IS NULL) AND (block_number IS NULL) = (tx_hash IS NULL)",
            name=op.f("ck_chain_tx_whole_receipt"),
        ),
        sa.CheckConstraint("block_number >= 0", name=op.f("ck_chain_tx_block_number")),
        sa.CheckConstraint("gas > 0", name=op.f("ck_chain_tx_gas")),
        sa.CheckConstraint(
            "length(block_hash) = 32", name=op.f("ck_chain_tx_block_hash_size")
        ),
        sa.CheckConstraint("length(sender) = 42", name=op.f("ck_chain_tx_sender_size")),
        sa.CheckConstraint(
            "length(to_address) = 42", name=op.f("ck_chain_tx_to_address_size")
        ),
        sa.CheckConstraint(
            "length(tx_hash) = 32", name=op.f("ck_chain_tx_tx_hash_size")
        ),
        sa.CheckConstraint("nonce >= 0", name=op.f("ck_chain_tx_nonce")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chain_tx")),
        sa.UniqueConstraint(
            "chain_id",
            "sender",
            "nonce",
            name=op.f("uq_chain_tx_chain_id_sender_nonce"),
        ),
        sa.UniqueConstraint(
            "chain_id", "unique_key", name=op.f("uq_chain_tx_chain_id_unique_key")
        ),
    )
    with op.batch_alter_table("chain_tx", schema=None) as batch_op:
        batch_op.create_index(
            "ix_chain_tx_position", ["chain_id", "position"], unique=False
        )
        batch_op.create_index(
            "ix_chain_tx_state", ["chain_id", "state", "position"], unique=False
        )
        batch_op.create_index("ix_chain_tx_subject", ["subject"], unique=False)
        batch_op.create_index(
            "ux_chain_tx_one_in_progress",
            ["chain_id", "sender"],
            unique=True,
            sqlite_where=sa.text("state = 'in_progress'"),
            postgresql_where=sa.text("state = 'in_progress'"),
        )

    op.create_table(
        "lease",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("expires", sqlmodel.UTCDateTime(), nullable=False),
        sa.CheckConstraint("length(sender) = 42", name=op.f("ck_lease_sender_size")),
        sa.PrimaryKeyConstraint("chain_id", "sender", name=op.f("pk_lease")),
    )
    op.create_table(
        "organisation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sqlmodel.UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "length(code) BETWEEN 1 AND 64", name=op.f("ck_organisation_code_length")
        ),
        sa.CheckConstraint(
            "length(name) BETWEEN 1 AND 200", name=op.f("ck_organisation_name_length")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisation")),
        sa.UniqueConstraint("code", name=op.f("uq_organisation_code")),
    )
    op.create_table(
        "achievement",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("source", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sqlmodel.UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "length(code) BETWEEN 1 AND 200", name=op.f("ck_achievement_code_length")
        ),
        sa.CheckConstraint(
            "length(version) BETWEEN 1 AND 200",
            name=op.f("ck_achievement_version_length"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("fk_achievement_organisation_id_organisation"),
        ),
        sa.PrimaryKeyConstraint(
            "organisation_id", "code", "version", name=op.f("pk_achievement")
        ),
        sa.UniqueConstraint(
            "organisation_id",
            "code",
            "ordinal",
            name=op.f("uq_achievement_organisation_id_code_ordinal"),
        ),
    )
    op.create_table(
        "api_key",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", sqlmodel.UTCDateTime(), nullable=False),
        sa.Column("expires_at", sqlmodel.UTCDateTime(), nullable=True),
        sa.Column("revoked_at", sqlmodel.UTCDateTime(), nullable=True),
        sa.Column("last_used_at", sqlmodel.UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "length(secret_hash) = 32", name=op.f("ck_api_key_secret_hash_size")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("fk_api_key_organisation_id_organisation"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_api_key_secret_hash")),
    )
    with op.batch_alter_table("api_key", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_api_key_organisation_id"), ["organisation_id"], unique=False
        )

    op.create_table(
        "attempt",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("chain_tx_id", sa.Uuid(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("tip", sa.BigInteger(), nullable=False),
        sa.Column("fee_cap", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sqlmodel.UTCDateTime(), nullable=False),
        sa.Column("sent_at", sqlmodel.UTCDateTime(), nullable=True),
        sa.CheckConstraint("length(hash) = 32", name=op.f("ck_attempt_hash_size")),
        sa.CheckConstraint("tip >= 0 AND fee_cap >= tip", name=op.f("ck_attempt_fees")),
        sa.ForeignKeyConstraint(
            ["chain_tx_id"],
            ["chain_tx.id"],
            name=op.f("fk_attempt_chain_tx_id_chain_tx"),
        ),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_attempt")),
    )
    with op.batch_alter_table("attempt", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_attempt_chain_tx_id"), ["chain_tx_id"], unique=False
        )

    op.create_table(
        "batch_anchor",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("registry_address", sa.Text(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "block_number >= 0", name=op.f("ck_batch_anchor_block_number")
        ),
        sa.CheckConstraint(
            "length(registry_address) = 42",
            name=op.f("ck_batch_anchor_registry_address_size"),
        ),
        sa.CheckConstraint("time > 0", name=op.f("ck_batch_anchor_time")),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batch.id"], name=op.f("fk_batch_anchor_batch_id_batch")
        ),
        sa.PrimaryKeyConstraint("batch_id", "chain_id", name=op.f("pk_batch_anchor")),
    )
    op.create_table(
        "issuer",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("registry_address", sa.Text(), nullable=False),
        sa.Column("issuer_id", sa.LargeBinary(), nullable=False),
        sa.Column("controller", sa.Text(), nullable=False),
        sa.Column("recovery_commitment", sa.LargeBinary(), nullable=False),
        sa.Column("profile", sa.LargeBinary(), nullable=False),
        sa.Column("profile_hash", sa.LargeBinary(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sqlmodel.UTCDateTime(), nullable=False),
        sa.Column("registered_at", sa.BigInteger(), nullable=True),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "closed_at IS NULL OR registered_at IS NOT NULL",
            name=op.f("ck_issuer_closed_after_registered"),
        ),
        sa.CheckConstraint(
            "length(controller) = 42", name=op.f("ck_issuer_controller_size")
        ),
        sa.CheckConstraint(
            "length(issuer_id) = 32", name=op.f("ck_issuer_issuer_id_size")
        ),
        sa.CheckConstraint(
            "length(profile_hash) = 32", name=op.f("ck_issuer_profile_hash_size")
        ),
        sa.CheckConstraint(
            "length(recovery_commitment) = 32",
            name=op.f("ck_issuer_recovery_commitment_size"),
        ),
        sa.CheckConstraint(
            "length(registry_address) = 42",
            name=op.f("ck_issuer_registry_address_size"),
        ),
        sa.CheckConstraint("length(salt) = 32", name=op.f("ck_issuer_salt_size")),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("fk_issuer_organisation_id_organisation"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", name=op.f("pk_issuer")),
        sa.UniqueConstraint(
            "chain_id",
            "registry_address",
            "issuer_id",
            name=op.f("uq_issuer_chain_id_registry_address_issuer_id"),
        ),
    )
    op.create_table(
        "issuer_key",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.LargeBinary(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("public", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sqlmodel.UTCDateTime(), nullable=False),
        sa.Column("opened", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "role IN ('signing', 'revoking', 'controller')",
            name=op.f("ck_issuer_key_role"),
        ),
        sa.CheckConstraint(
            "length(key_id) = 32", name=op.f("ck_issuer_key_key_id_size")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("fk_issuer_key_organisation_id_organisation"),
        ),
        sa.PrimaryKeyConstraint(
            "organisation_id", "key_id", name=op.f("pk_issuer_key")
        ),
    )
    op.create_table(
        "status_block",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("block", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("taken", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "block BETWEEN 0 AND 7628", name=op.f("ck_status_block_block")
        ),
        sa.CheckConstraint(
            "length(taken) = 16384", name=op.f("ck_status_block_taken_size")
        ),
        sa.CheckConstraint(
            "used BETWEEN 0 AND 131072", name=op.f("ck_status_block_used")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("fk_status_block_organisation_id_organisation"),
        ),
        sa.PrimaryKeyConstraint(
            "organisation_id", "block", name=op.f("pk_status_block")
        ),
    )
    op.create_table(
        "stored_answer",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sqlmodel.UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "length(request_hash) = 32", name=op.f("ck_stored_answer_request_hash_size")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("fk_stored_answer_organisation_id_organisation"),
        ),
        sa.PrimaryKeyConstraint(
            "organisation_id", "key", "route", name=op.f("pk_stored_answer")
        ),
    )
    op.create_table(
        "credential",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("achievement_code", sa.Text(), nullable=False),
        sa.Column("achievement_version", sa.Text(), nullable=False),
        sa.Column("recipient_email", sa.Text(), nullable=True),
        sa.Column("recipient_name", sa.Text(), nullable=True),
        sa.Column("awarded_on", sa.Date(), nullable=False),
        sa.Column("issued_at", sqlmodel.UTCDateTime(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.LargeBinary(), nullable=False),
        sa.Column("status_index", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("leaf_index", sa.BigInteger(), nullable=True),
        sa.Column("path", sa.LargeBinary(), nullable=True),
        sa.Column("withdrawn_at", sqlmodel.UTCDateTime(), nullable=True),
        sa.Column("withdrawal_reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(batch_id IS NULL) = (leaf_index IS NULL) AND (batch_id IS NULL) = (path IS NULL)",
            name=op.f("ck_credential_whole_place"),
        ),
        sa.CheckConstraint(
            "(data IS NULL) = (recipient_email IS NULL) AND (data IS NOT NULL OR recipient_name IS NULL)",
            name=op.f("ck_credential_whole_erasure"),
        ),
        sa.CheckConstraint(
            "(withdrawn_at IS NULL) = (withdrawal_reason IS NULL)",
            name=op.f("ck_credential_whole_withdrawal"),
        ),
        sa.CheckConstraint("leaf_index >= 0", name=op.f("ck_credential_leaf_index")),
        sa.CheckConstraint("length(leaf) = 32", name=op.f("ck_credential_leaf_size")),
        sa.CheckConstraint(
            "length(path) % 32 = 0", name=op.f("ck_credential_path_size")
        ),
        sa.CheckConstraint(
            "length(recipient_email) <= 320",
            name=op.f("ck_credential_recipient_email_length"),
        ),
        sa.CheckConstraint(
            "length(recipient_name) <= 200",
            name=op.f("ck_credential_recipient_name_length"),
        ),
        sa.CheckConstraint(
            "status_index BETWEEN 0 AND 999948287",
            name=op.f("ck_credential_status_index"),
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batch.id"], name=op.f("fk_credential_batch_id_batch")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "achievement_code", "achievement_version"],
            ["achievement.organisation_id", "achievement.code", "achievement.version"],
            name="fk_credential_achievement",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "key_id"],
            ["issuer_key.organisation_id", "issuer_key.key_id"],
            name=op.f("fk_credential_organisation_id_key_id_issuer_key"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("fk_credential_organisation_id_organisation"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credential")),
        sa.UniqueConstraint(
            "batch_id", "leaf_index", name=op.f("uq_credential_batch_id_leaf_index")
        ),
        sa.UniqueConstraint("leaf", name=op.f("uq_credential_leaf")),
        sa.UniqueConstraint(
            "organisation_id",
            "achievement_code",
            "achievement_version",
            "recipient_email",
            "awarded_on",
            name="uq_credential_award",
        ),
        sa.UniqueConstraint(
            "organisation_id",
            "status_index",
            name=op.f("uq_credential_organisation_id_status_index"),
        ),
    )
    with op.batch_alter_table("credential", schema=None) as batch_op:
        batch_op.create_index(
            "ix_credential_page", ["organisation_id", "issued_at", "id"], unique=False
        )
        batch_op.create_index(
            "ix_credential_waiting",
            ["chain_id", "issued_at", "id"],
            unique=False,
            sqlite_where=sa.text("batch_id IS NULL"),
            postgresql_where=sa.text("batch_id IS NULL"),
        )
