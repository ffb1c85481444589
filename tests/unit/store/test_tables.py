"""Every constraint refuses what it is for, on both databases, whoever writes the row."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlmodel import SQLModel

from ledger.errors import Conflict
from ledger.store.database import Database, Transaction
from ledger.store.refusals import SENTENCES
from ledger.store.tables import (
    STATUS_BLOCK,
    AchievementRow,
    ApiKeyRow,
    AttemptRow,
    BatchAnchorRow,
    BatchCheckpointRow,
    BatchRow,
    CarriedEvidenceRow,
    ChainRow,
    ChainTxCostRow,
    ChainTxRow,
    ClosingRow,
    CredentialCodeRow,
    CredentialRow,
    EventAudienceRow,
    EventFeedRow,
    EventRow,
    EvidenceAccreditorRow,
    EvidenceDueRow,
    EvidenceHeaderRow,
    EvidenceSlotRow,
    FinalStatusListRow,
    HeldCredentialRow,
    IssuerKeyRow,
    IssuerRow,
    LeaseRow,
    OrganisationRow,
    OutageRow,
    ParkedEventRow,
    PolicyRow,
    RecoveredBitRow,
    SenderBalanceRow,
    StandstillRow,
    StatusBlockRow,
    StoredAnswerRow,
    TreeTileRow,
    metadata,
)
from tests.unit.store.samples import NOW, Undo

Row = dict[str, Any]

THIRD_ORG = UUID(int=6)
ORG, OTHER_ORG, ID, OTHER_ID, THIRD_ID = (UUID(int=n) for n in range(1, 6))
ADDRESS, OTHER_ADDRESS = "0x" + "ab" * 20, "0x" + "cd" * 20
A, B = b"a" * 32, b"b" * 32

#: One lawful row of each table, in the order in which they refer to one another.
LAWFUL: dict[type[SQLModel], Row] = {
    OrganisationRow: {"id": ORG, "code": "r", "name": "R", "created_at": NOW},
    IssuerRow: {
        "organisation_id": ORG,
        "chain_id": 1,
        "registry_address": ADDRESS,
        "issuer_id": A,
        "controller": ADDRESS,
        "recovery_commitment": A,
        "profile": b"{}",
        "profile_hash": A,
        "salt": A,
        "created_at": NOW,
    },
    IssuerKeyRow: {
        "organisation_id": ORG,
        "key_id": A,
        "role": "signing",
        "public": "z",
        "sealed": b"",
        "created_at": NOW,
    },
    ClosingRow: {
        "organisation_id": ORG,
        "started_at": NOW,
        "statement": b"{}",
        "custodians": b"[]",
    },
    FinalStatusListRow: {"organisation_id": ORG, "key_id": A, "data": b"{}"},
    HeldCredentialRow: {"organisation_id": ORG, "id": ID, "sealed": b""},
    AchievementRow: {
        "organisation_id": ORG,
        "code": "git",
        "version": "1",
        "ordinal": 1,
        "source": b"{}",
        "created_at": NOW,
    },
    BatchRow: {
        "id": ID,
        "chain_id": 1,
        "sealed_root": A,
        "tree_size": 1,
        "sealed_at": NOW,
    },
    BatchAnchorRow: {
        "batch_id": ID,
        "chain_id": 1,
        "registry_address": ADDRESS,
        "block_number": 0,
        "time": 1,
    },
    TreeTileRow: {"batch_id": ID, "height": 0, "number": 0, "nodes": A},
    BatchCheckpointRow: {
        "batch_id": ID,
        "leaf_index": 0,
        "chain_id": 1,
        "block_number": 0,
        "block_hash": A,
    },
    EvidenceDueRow: {"batch_id": ID, "chain_id": 1},
    EvidenceHeaderRow: {
        "batch_id": ID,
        "chain_id": 1,
        "block_number": 0,
        "header": b"h",
    },
    EvidenceSlotRow: {
        "batch_id": ID,
        "chain_id": 1,
        "registry_address": ADDRESS,
        "slot": A,
        "nodes": b"",
    },
    EvidenceAccreditorRow: {
        "batch_id": ID,
        "chain_id": 1,
        "issuer_id": A,
        "accreditor": A,
    },
    StatusBlockRow: {
        "organisation_id": ORG,
        "block": 0,
        "used": 0,
        "taken": bytes(STATUS_BLOCK // 8),
    },
    RecoveredBitRow: {"organisation_id": ORG, "status_index": 0},
    CredentialRow: {
        "id": ID,
        "organisation_id": ORG,
        "chain_id": 1,
        "achievement_code": "git",
        "achievement_version": "1",
        "recipient_email": "canary@example.org",
        "recipient_name": "Canary",
        "awarded_on": date(2026, 11, 25),
        "issued_at": NOW,
        "data": b"{}",
        "leaf": A,
        "key_id": A,
        "status_index": 0,
        "batch_id": ID,
        "leaf_index": 0,
        "path": b"",
    },
    CredentialCodeRow: {"credential_id": ID, "code": "1DDZBJADDH4X"},
    CarriedEvidenceRow: {"credential_id": ID, "data": b"{}"},
    ChainTxRow: {
        "id": ID,
        "kind": "anchor",
        "chain_id": 1,
        "position": 1,
        "to_address": ADDRESS,
        "data": b"",
        "gas": 1,
        "subject": "s",
        "unique_key": "u",
        "state": "in_progress",
        "sender": ADDRESS,
        "nonce": 0,
        "created_at": NOW,
    },
    AttemptRow: {
        "hash": A,
        "chain_tx_id": ID,
        "raw": b"",
        "tip": 1,
        "fee_cap": 1,
        "created_at": NOW,
    },
    ChainTxCostRow: {"chain_tx_id": ID, "gas_used": 1, "gas_price": 0, "time": 1},
    PolicyRow: {
        "chain_id": 1,
        "number": 1,
        "batch_age": 600,
        "batch_size": 1,
        "gas_below": 1,
        "latest": 600,
        "max_fee": 10**9,
        "max_tx_cost": 1,
        "max_day_cost": 1,
        "bump_after": 1,
        "resend_after": 0,
        "set_at": NOW,
        "set_by": "s",
    },
    StandstillRow: {
        "chain_id": 1,
        "sender": ADDRESS,
        "obstacle": "no_funds",
        "words": "w",
        "since": NOW,
    },
    OutageRow: {"chain_id": 1, "words": "w", "since": NOW, "seen_at": NOW},
    SenderBalanceRow: {
        "chain_id": 1,
        "sender": ADDRESS,
        "balance": 0,
        "seen_at": NOW,
    },
    LeaseRow: {
        "chain_id": 1,
        "sender": ADDRESS,
        "owner": "o",
        "token": 1,
        "expires": NOW,
    },
    ChainRow: {
        "chain_id": 1,
        "genesis_hash": A,
        "anchor_registry": ADDRESS,
        "issuer_registry": ADDRESS,
        "test": True,
        "home": True,
    },
    ApiKeyRow: {
        "id": ID,
        "organisation_id": ORG,
        "name": "n",
        "prefix": "p",
        "secret_hash": A,
        "scopes": "",
        "created_at": NOW,
    },
    StoredAnswerRow: {
        "organisation_id": ORG,
        "key": "k",
        "route": "r",
        "status": 200,
        "body": b"",
        "content_type": "t",
        "request_hash": A,
        "created_at": NOW,
    },
    EventRow: {
        "number": 1,
        "id": ID,
        "position": 1,
        "kind": "issued",
        "at": NOW,
        "size": 1,
        "organisation_id": ORG,
        "credentials": A[:16],
    },
    EventAudienceRow: {
        "organisation_id": ORG,
        "batch_id": ID,
        "first_leaf": 0,
        "last_leaf": 0,
    },
    EventFeedRow: {
        "id": 1,
        "last_position": 1,
        "pruned_position": 0,
        "sent_position": 0,
        "sent_index": 0,
    },
    ParkedEventRow: {
        "key": ID,
        "position": 1,
        "place": 1,
        "subject": ID,
        "body": b"{}",
        "status": 400,
        "tries": 1,
        "next_try": NOW,
        "parked_at": NOW,
    },
}

#: A second lawful row of those tables where it needs more than another primary key.
NOTHING_MINED: Row = {"block_number": None, "block_hash": None, "tx_hash": None}
MINED: Row = {"block_number": 1, "block_hash": A, "tx_hash": A}
SEALED: Row = {"state": "sealed", "sender": None, "nonce": None}
ANOTHER: dict[type[SQLModel], Row] = {
    OrganisationRow: {"id": OTHER_ORG, "code": "o"},
    IssuerRow: {"organisation_id": OTHER_ORG, "issuer_id": B},
    IssuerKeyRow: {"key_id": B},
    ClosingRow: {"organisation_id": THIRD_ORG},
    FinalStatusListRow: {"key_id": b"d" * 32},
    HeldCredentialRow: {"id": OTHER_ID},
    AchievementRow: {"version": "2", "ordinal": 2},
    BatchRow: {"id": OTHER_ID, "sealed_root": B},
    BatchAnchorRow: {"chain_id": 2},
    TreeTileRow: {"number": 1},
    BatchCheckpointRow: {"leaf_index": 1, "block_number": 1},
    EvidenceDueRow: {"chain_id": 3},
    EvidenceHeaderRow: {"chain_id": 3},
    EvidenceSlotRow: {"slot": b""},
    EvidenceAccreditorRow: {"accreditor": B},
    StatusBlockRow: {"block": 1},
    RecoveredBitRow: {"status_index": 1},
    CredentialRow: {
        "id": OTHER_ID,
        "recipient_email": "other@example.org",
        "leaf": B,
        "status_index": 1,
        "batch_id": None,
        "leaf_index": None,
        "path": None,
    },
    CredentialCodeRow: {"credential_id": THIRD_ID},
    CarriedEvidenceRow: {"credential_id": THIRD_ID},
    ChainTxRow: {"id": OTHER_ID, "unique_key": "v", "state": "sent", "nonce": 1},
    AttemptRow: {"hash": B},
    ChainTxCostRow: {"chain_tx_id": THIRD_ID},
    PolicyRow: {"number": 2},
    StandstillRow: {"obstacle": "day_ceiling"},
    OutageRow: {"chain_id": 2},
    SenderBalanceRow: {"chain_id": 2},
    LeaseRow: {"chain_id": 2},
    ChainRow: {"chain_id": 2, "home": False},
    ApiKeyRow: {"id": OTHER_ID, "secret_hash": B},
    StoredAnswerRow: {"key": "l"},
    EventRow: {"number": 2, "id": OTHER_ID, "position": None},
    EventAudienceRow: {"organisation_id": OTHER_ORG},
    ParkedEventRow: {"key": OTHER_ID, "place": 2},
}

SHORT, LONG = b"a" * 31, b"a" * 33
NO_ADDRESS = "0x" + "ab" * 19

#: What must not be: the rule that refuses it, the table, and what differs from ANOTHER.
UNLAWFUL: list[tuple[str, type[SQLModel], Row]] = [
    ("uq_organisation_code", OrganisationRow, {"code": "r"}),
    ("pk_organisation", OrganisationRow, {"id": ORG}),
    ("ck_organisation_code_length", OrganisationRow, {"code": ""}),
    ("ck_organisation_code_length", OrganisationRow, {"code": "c" * 65}),
    ("ck_organisation_name_length", OrganisationRow, {"name": ""}),
    ("ck_organisation_name_length", OrganisationRow, {"name": "n" * 201}),
    ("not_null organisation.name", OrganisationRow, {"name": None}),
    ("pk_issuer", IssuerRow, {"organisation_id": ORG}),
    ("uq_issuer_chain_id_registry_address_issuer_id", IssuerRow, {"issuer_id": A}),
    ("ck_issuer_issuer_id_size", IssuerRow, {"issuer_id": SHORT}),
    ("ck_issuer_issuer_id_size", IssuerRow, {"issuer_id": LONG}),
    ("ck_issuer_recovery_commitment_size", IssuerRow, {"recovery_commitment": SHORT}),
    ("ck_issuer_profile_hash_size", IssuerRow, {"profile_hash": SHORT}),
    ("ck_issuer_salt_size", IssuerRow, {"salt": SHORT}),
    ("ck_issuer_registry_address_size", IssuerRow, {"registry_address": NO_ADDRESS}),
    ("ck_issuer_controller_size", IssuerRow, {"controller": NO_ADDRESS}),
    ("ck_issuer_closed_after_registered", IssuerRow, {"closed_at": 1}),
    ("pk_issuer_key", IssuerKeyRow, {"key_id": A}),
    ("ck_issuer_key_role", IssuerKeyRow, {"role": "Signing"}),
    ("ck_issuer_key_key_id_size", IssuerKeyRow, {"key_id": SHORT}),
    ("pk_closing", ClosingRow, {"organisation_id": ORG}),
    ("ck_closing_successor_size", ClosingRow, {"successor": SHORT}),
    ("ck_closing_statement_length", ClosingRow, {"statement": b""}),
    ("ck_closing_imported_with_proof", ClosingRow, {"imported_at": NOW}),
    ("pk_final_status_list", FinalStatusListRow, {"key_id": A}),
    ("pk_held_credential", HeldCredentialRow, {"id": ID}),
    ("pk_achievement", AchievementRow, {"version": "1"}),
    ("uq_achievement_organisation_id_code_ordinal", AchievementRow, {"ordinal": 1}),
    ("ck_achievement_code_length", AchievementRow, {"code": ""}),
    ("ck_achievement_version_length", AchievementRow, {"version": ""}),
    ("pk_batch", BatchRow, {"id": ID}),
    ("uq_batch_sealed_root", BatchRow, {"sealed_root": A}),
    ("ck_batch_sealed_root_size", BatchRow, {"sealed_root": SHORT}),
    ("ck_batch_tree_size", BatchRow, {"tree_size": 0}),
    ("pk_batch_anchor", BatchAnchorRow, {"chain_id": 1}),
    ("ck_batch_anchor_registry_address_size", BatchAnchorRow, {"registry_address": ""}),
    ("ck_batch_anchor_block_number", BatchAnchorRow, {"block_number": -1}),
    ("ck_batch_anchor_time", BatchAnchorRow, {"time": 0}),
    ("pk_tree_tile", TreeTileRow, {"number": 0}),
    ("ck_tree_tile_height", TreeTileRow, {"height": 4}),
    ("ck_tree_tile_height", TreeTileRow, {"height": -8}),
    ("ck_tree_tile_number", TreeTileRow, {"number": -1}),
    ("ck_tree_tile_nodes_size", TreeTileRow, {"nodes": b""}),
    ("ck_tree_tile_nodes_size", TreeTileRow, {"nodes": LONG}),
    ("ck_tree_tile_nodes_size", TreeTileRow, {"nodes": bytes(16_352)}),
    ("pk_batch_checkpoint", BatchCheckpointRow, {"leaf_index": 0}),
    ("uq_batch_checkpoint_chain_id_block_number", BatchCheckpointRow, {"block_number": 0}),
    ("ck_batch_checkpoint_leaf_index", BatchCheckpointRow, {"leaf_index": -1}),
    ("ck_batch_checkpoint_block_number", BatchCheckpointRow, {"block_number": -1}),
    ("ck_batch_checkpoint_block_hash_size", BatchCheckpointRow, {"block_hash": SHORT}),
    ("pk_evidence_due", EvidenceDueRow, {"chain_id": 1}),
    ("pk_evidence_header", EvidenceHeaderRow, {"chain_id": 1}),
    ("ck_evidence_header_block_number", EvidenceHeaderRow, {"block_number": -1}),
    ("ck_evidence_header_header_length", EvidenceHeaderRow, {"header": b""}),
    ("ck_evidence_header_header_length", EvidenceHeaderRow, {"header": bytes(4_097)}),
    ("pk_evidence_slot", EvidenceSlotRow, {"slot": A}),
    ("ck_evidence_slot_slot_size", EvidenceSlotRow, {"slot": SHORT}),
    ("ck_evidence_slot_slot_size", EvidenceSlotRow, {"slot": LONG}),
    ("ck_evidence_slot_registry_address_size", EvidenceSlotRow, {"registry_address": ""}),
    ("pk_evidence_accreditor", EvidenceAccreditorRow, {"accreditor": A}),
    ("ck_evidence_accreditor_issuer_id_size", EvidenceAccreditorRow, {"issuer_id": SHORT}),
    ("ck_evidence_accreditor_accreditor_size", EvidenceAccreditorRow, {"accreditor": LONG}),
    ("pk_status_block", StatusBlockRow, {"block": 0}),
    ("ck_status_block_block", StatusBlockRow, {"block": -1}),
    ("ck_status_block_block", StatusBlockRow, {"block": 7_629}),
    ("ck_status_block_used", StatusBlockRow, {"used": -1}),
    ("ck_status_block_used", StatusBlockRow, {"used": STATUS_BLOCK + 1}),
    ("ck_status_block_taken_size", StatusBlockRow, {"taken": b"0"}),
    ("pk_recovered_bit", RecoveredBitRow, {"status_index": 0}),
    ("ck_recovered_bit_status_index", RecoveredBitRow, {"status_index": -1}),
    ("ck_recovered_bit_status_index", RecoveredBitRow, {"status_index": 10**9}),
    ("pk_credential", CredentialRow, {"id": ID}),
    ("uq_credential_award", CredentialRow, {"recipient_email": "canary@example.org"}),
    ("uq_credential_organisation_id_status_index", CredentialRow, {"status_index": 0}),
    ("uq_credential_leaf", CredentialRow, {"leaf": A}),
    ("ux_credential_place", CredentialRow, {"batch_id": ID, "leaf_index": 0}),
    ("ck_credential_leaf_size", CredentialRow, {"leaf": SHORT}),
    ("ck_credential_status_index", CredentialRow, {"status_index": -1}),
    ("ck_credential_status_index", CredentialRow, {"status_index": 10**9}),
    ("ck_credential_whole_place", CredentialRow, {"batch_id": ID}),
    ("ck_credential_whole_place", CredentialRow, {"leaf_index": 1}),
    ("ck_credential_whole_place", CredentialRow, {"path": b""}),
    (
        "ck_credential_leaf_index",
        CredentialRow,
        {"batch_id": ID, "leaf_index": -1},
    ),
    (
        "ck_credential_path_size",
        CredentialRow,
        {"batch_id": ID, "leaf_index": 1, "path": LONG},
    ),
    ("ck_credential_whole_withdrawal", CredentialRow, {"withdrawn_at": NOW}),
    ("ck_credential_whole_withdrawal", CredentialRow, {"withdrawal_reason": "r"}),
    ("ck_credential_whole_erasure", CredentialRow, {"data": None}),
    ("ck_credential_whole_erasure", CredentialRow, {"recipient_email": None}),
    (
        "ck_credential_whole_erasure",
        CredentialRow,
        {"data": None, "recipient_email": None},
    ),
    (
        "ck_credential_recipient_email_length",
        CredentialRow,
        {"recipient_email": "e" * 321},
    ),
    (
        "ck_credential_recipient_name_length",
        CredentialRow,
        {"recipient_name": "n" * 201},
    ),
    ("pk_credential_code", CredentialCodeRow, {"code": "1DDZBJADDH4X", "credential_id": ID}),
    ("ck_credential_code_code_size", CredentialCodeRow, {"code": "1DDZ-BJAD-DH4X"}),
    ("pk_carried_evidence", CarriedEvidenceRow, {"credential_id": ID}),
    ("ck_carried_evidence_data_length", CarriedEvidenceRow, {"data": b""}),
    ("pk_chain_tx", ChainTxRow, {"id": ID}),
    ("uq_chain_tx_chain_id_unique_key", ChainTxRow, {"unique_key": "u"}),
    ("uq_chain_tx_chain_id_sender_nonce", ChainTxRow, {"nonce": 0}),
    ("ux_chain_tx_one_in_progress", ChainTxRow, {"state": "in_progress"}),
    ("ck_chain_tx_kind", ChainTxRow, {"kind": "transfer"}),
    ("ck_chain_tx_state", ChainTxRow, {"state": "confirmed"}),
    ("ck_chain_tx_nonce_from_in_progress_on", ChainTxRow, {"state": "sealed"}),
    ("ck_chain_tx_nonce_from_in_progress_on", ChainTxRow, {**SEALED, "nonce": 1}),
    (
        "ck_chain_tx_nonce_from_in_progress_on",
        ChainTxRow,
        {**SEALED, "sender": ADDRESS},
    ),
    *(
        ("ck_chain_tx_nonce_from_in_progress_on", ChainTxRow, {"state": s, "nonce": None, **m})
        for s, m in (
            ("in_progress", {}), ("sent", {}), ("fatal", {}),
            ("mined", MINED), ("final", MINED), ("reverted", MINED),
        )
    ),
    ("ck_chain_tx_block_once_mined", ChainTxRow, {"state": "mined"}),
    ("ck_chain_tx_block_once_mined", ChainTxRow, {"state": "final"}),
    ("ck_chain_tx_block_once_mined", ChainTxRow, {"state": "sent", **MINED}),
    ("ck_chain_tx_block_once_mined", ChainTxRow, {**SEALED, **MINED}),
    (
        "ck_chain_tx_block_once_mined",
        ChainTxRow,
        {"state": "in_progress", "sender": "0x" + "ee" * 20, **MINED},
    ),
    ("ck_chain_tx_whole_receipt", ChainTxRow, {"state": "mined", **MINED, "block_hash": None}),
    ("ck_chain_tx_whole_receipt", ChainTxRow, {"state": "mined", **MINED, "tx_hash": None}),
    ("ck_chain_tx_nonce", ChainTxRow, {"nonce": -1}),
    ("ck_chain_tx_gas", ChainTxRow, {"gas": 0}),
    ("ck_chain_tx_block_number", ChainTxRow, {"state": "mined", **MINED, "block_number": -1}),
    ("ck_chain_tx_block_hash_size", ChainTxRow, {"state": "mined", **MINED, "block_hash": SHORT}),
    ("ck_chain_tx_tx_hash_size", ChainTxRow, {"state": "mined", **MINED, "tx_hash": SHORT}),
    ("ck_chain_tx_to_address_size", ChainTxRow, {"to_address": NO_ADDRESS}),
    ("ck_chain_tx_sender_size", ChainTxRow, {"sender": NO_ADDRESS}),
    ("pk_attempt", AttemptRow, {"hash": A}),
    ("ck_attempt_hash_size", AttemptRow, {"hash": SHORT}),
    ("ck_attempt_fees", AttemptRow, {"tip": -1}),
    ("ck_attempt_fees", AttemptRow, {"tip": 2}),
    ("pk_chain_tx_cost", ChainTxCostRow, {"chain_tx_id": ID}),
    ("ck_chain_tx_cost_gas_used", ChainTxCostRow, {"gas_used": 0}),
    ("ck_chain_tx_cost_gas_price", ChainTxCostRow, {"gas_price": -1}),
    ("ck_chain_tx_cost_time", ChainTxCostRow, {"time": 0}),
    ("pk_policy", PolicyRow, {"number": 1}),
    ("ck_policy_number", PolicyRow, {"number": 0}),
    ("ck_policy_batch_age", PolicyRow, {"batch_age": -1}),
    ("ck_policy_batch_size", PolicyRow, {"batch_size": 0}),
    ("ck_policy_batch_size", PolicyRow, {"batch_size": 1_000_001}),
    ("ck_policy_gas_below", PolicyRow, {"gas_below": 0}),
    ("ck_policy_gas_below", PolicyRow, {"gas_below": 10**9 + 1}),
    ("ck_policy_latest", PolicyRow, {"latest": 599}),
    ("ck_policy_latest", PolicyRow, {"latest": 30 * 86_400 + 1}),
    ("ck_policy_max_fee", PolicyRow, {"max_fee": 10**9 - 1}),
    ("ck_policy_max_fee", PolicyRow, {"max_fee": 10**14 + 1}),
    ("ck_policy_max_tx_cost", PolicyRow, {"max_tx_cost": 0}),
    ("ck_policy_max_tx_cost", PolicyRow, {"max_tx_cost": 2}),
    ("ck_policy_max_day_cost", PolicyRow, {"max_day_cost": 10**15 + 1}),
    ("ck_policy_bump_after", PolicyRow, {"bump_after": 0}),
    ("ck_policy_bump_after", PolicyRow, {"bump_after": 100_001}),
    ("ck_policy_resend_after", PolicyRow, {"resend_after": -1}),
    ("ck_policy_resend_after", PolicyRow, {"resend_after": 86_401}),
    ("ck_policy_set_by_length", PolicyRow, {"set_by": ""}),
    ("not_null policy.latest", PolicyRow, {"latest": None}),
    ("pk_standstill", StandstillRow, {"obstacle": "no_funds"}),
    ("ck_standstill_obstacle", StandstillRow, {"obstacle": "fire"}),
    ("ck_standstill_sender_size", StandstillRow, {"sender": NO_ADDRESS}),
    ("pk_outage", OutageRow, {"chain_id": 1}),
    ("ck_outage_seen_at", OutageRow, {"since": NOW + timedelta(seconds=1)}),
    ("pk_sender_balance", SenderBalanceRow, {"chain_id": 1}),
    ("ck_sender_balance_sender_size", SenderBalanceRow, {"sender": NO_ADDRESS}),
    ("ck_sender_balance_balance", SenderBalanceRow, {"balance": -1}),
    ("pk_lease", LeaseRow, {"chain_id": 1}),
    ("ck_lease_sender_size", LeaseRow, {"sender": NO_ADDRESS}),
    ("pk_chain", ChainRow, {"chain_id": 1}),
    ("ux_chain_one_home", ChainRow, {"home": True}),
    ("ck_chain_genesis_hash_size", ChainRow, {"genesis_hash": SHORT}),
    ("ck_chain_anchor_registry_size", ChainRow, {"anchor_registry": NO_ADDRESS}),
    ("ck_chain_issuer_registry_size", ChainRow, {"issuer_registry": NO_ADDRESS}),
    ("pk_api_key", ApiKeyRow, {"id": ID}),
    ("uq_api_key_secret_hash", ApiKeyRow, {"secret_hash": A}),
    ("ck_api_key_secret_hash_size", ApiKeyRow, {"secret_hash": SHORT}),
    ("pk_stored_answer", StoredAnswerRow, {"key": "k"}),
    ("ck_stored_answer_request_hash_size", StoredAnswerRow, {"request_hash": SHORT}),
    ("pk_event", EventRow, {"number": 1}),
    ("uq_event_id", EventRow, {"id": ID}),
    ("uq_event_position", EventRow, {"position": 1}),
    ("ck_event_kind", EventRow, {"kind": "lost"}),
    ("ck_event_position", EventRow, {"position": 0}),
    ("ck_event_size", EventRow, {"size": 0}),
    ("ck_event_credentials_size", EventRow, {"credentials": SHORT}),
    ("ck_event_of_a_batch_or_of_an_organisation", EventRow, {"batch_id": ID}),
    ("ck_event_of_a_batch_or_of_an_organisation", EventRow, {"organisation_id": None}),
    ("ck_event_of_a_batch_or_of_an_organisation", EventRow, {"credentials": None}),
    ("pk_event_audience", EventAudienceRow, {"organisation_id": ORG}),
    ("ck_event_audience_leaves", EventAudienceRow, {"first_leaf": 1}),
    ("ck_event_audience_leaves", EventAudienceRow, {"first_leaf": -1}),
    ("pk_event_feed", EventFeedRow, {}),
    ("ck_event_feed_one_row", EventFeedRow, {"id": 2}),
    ("ck_event_feed_pruned_position", EventFeedRow, {"pruned_position": 2}),
    ("ck_event_feed_sent_position", EventFeedRow, {"sent_position": 2}),
    ("ck_event_feed_sent_index", EventFeedRow, {"sent_index": -1}),
    ("pk_parked_event", ParkedEventRow, {"key": ID}),
    ("uq_parked_event_position_place", ParkedEventRow, {"place": 1}),
    ("ck_parked_event_tries", ParkedEventRow, {"tries": -1}),
]  # fmt: skip

#: References to what is not there, or is another organisation's.
DANGLING: list[tuple[type[SQLModel], Row]] = [
    *(
        (row, {"organisation_id": UUID(int=99)})
        for row, values in LAWFUL.items()
        if "organisation_id" in values
    ),
    (CredentialRow, {"organisation_id": OTHER_ORG}),
    (CredentialRow, {"achievement_code": "py"}),
    (CredentialRow, {"achievement_version": "9"}),
    (CredentialRow, {"key_id": b"c" * 32}),
    (CredentialRow, {"batch_id": OTHER_ORG, "leaf_index": 0, "path": b""}),
    (CredentialCodeRow, {"credential_id": OTHER_ORG}),
    (CarriedEvidenceRow, {"credential_id": OTHER_ORG}),
    (FinalStatusListRow, {"key_id": B}),
    (BatchAnchorRow, {"batch_id": OTHER_ORG}),
    (BatchCheckpointRow, {"batch_id": OTHER_ORG}),
    (EvidenceDueRow, {"chain_id": 9}),
    (EvidenceHeaderRow, {"chain_id": 9}),
    (EvidenceSlotRow, {"chain_id": 3}),
    (EvidenceAccreditorRow, {"chain_id": 3}),
    (TreeTileRow, {"batch_id": OTHER_ORG}),
    (AttemptRow, {"chain_tx_id": OTHER_ORG}),
    (ChainTxCostRow, {"chain_tx_id": OTHER_ORG}),
    (EventAudienceRow, {"batch_id": OTHER_ORG}),
    (
        EventRow,
        {"batch_id": OTHER_ORG, "organisation_id": None, "credentials": None},
    ),
]


def insert(tx: Transaction, row: type[SQLModel], values: Row) -> None:
    tx.change(sa.insert(row).values(values))


@pytest.fixture
def filled(database: Database) -> Database:
    """The lawful rows, and a second organisation, credential and anchor with nothing of theirs."""
    with database.begin() as tx:
        for row, values in LAWFUL.items():
            insert(tx, row, values)
        insert(
            tx,
            OrganisationRow,
            {**LAWFUL[OrganisationRow], "id": OTHER_ORG, "code": "z"},
        )
        # One that has an issuer record, and does not close.
        insert(
            tx,
            OrganisationRow,
            {**LAWFUL[OrganisationRow], "id": THIRD_ORG, "code": "y"},
        )
        insert(
            tx,
            IssuerRow,
            {
                **LAWFUL[IssuerRow],
                "organisation_id": THIRD_ORG,
                "issuer_id": b"c" * 32,
            },
        )
        insert(tx, IssuerKeyRow, {**LAWFUL[IssuerKeyRow], "key_id": b"d" * 32})
        insert(tx, BatchAnchorRow, {**LAWFUL[BatchAnchorRow], "chain_id": 3})
        third = {
            "id": THIRD_ID,
            "leaf": b"c" * 32,
            "status_index": 2,
            "recipient_email": "c",
        }
        insert(
            tx,
            CredentialRow,
            {**LAWFUL[CredentialRow], **ANOTHER[CredentialRow], **third},
        )
        unpaid = {"id": THIRD_ID, "unique_key": "w", "sender": OTHER_ADDRESS}
        insert(tx, ChainTxRow, {**LAWFUL[ChainTxRow], **unpaid})
    return database


def outcome(database: Database, work: Callable[[Transaction], None]) -> str:
    """What the database says to some work, of which nothing stays."""
    try:
        with suppress(Undo), database.begin() as tx:
            work(tx)
            raise Undo
    except Conflict as refusal:
        return str(refusal)
    return "accepted"


def test_second_lawful_rows_are_accepted(filled: Database) -> None:
    """Else the tests below would show nothing."""
    for row, values in ANOTHER.items():
        another = {**LAWFUL[row], **values}
        if row is OrganisationRow:
            another["id"] = UUID(int=77)

        assert outcome(filled, lambda tx: insert(tx, row, another)) == "accepted", row  # noqa: B023


def test_what_must_not_be_is_refused_by_its_rule(filled: Database) -> None:
    wrong = []
    for rule, row, changes in UNLAWFUL:
        values = {**LAWFUL[row], **ANOTHER.get(row, {}), **changes}
        if row is OrganisationRow and "id" not in changes:
            values["id"] = UUID(int=77)
        expected = SENTENCES.get(rule, f"the database refused it by its rule {rule}")
        said = outcome(filled, lambda tx: insert(tx, row, values))  # noqa: B023
        if said != expected:
            wrong.append((rule, changes, said))

    assert wrong == []


def test_what_refers_to_nothing_is_refused(filled: Database) -> None:
    accepted = [
        (row, changes)
        for row, changes in DANGLING
        if outcome(
            filled,
            lambda tx: insert(tx, row, {**LAWFUL[row], **ANOTHER[row], **changes}),  # noqa: B023
        )
        == "accepted"
    ]

    assert accepted == []


def rules() -> Iterator[sa.Constraint | sa.Index]:
    for table in metadata.tables.values():
        yield from table.constraints
        yield from table.indexes


def test_every_rule_was_tried() -> None:
    expected = {
        str(rule.name)
        for rule in rules()
        if not isinstance(rule, sa.ForeignKeyConstraint)
        and (not isinstance(rule, sa.Index) or rule.unique)
    }

    assert expected == {rule for rule, _, _ in UNLAWFUL if " " not in rule}


def test_every_reference_was_tried() -> None:
    owners = {
        table.name
        for table in metadata.tables.values()
        if any(isinstance(c, sa.ForeignKeyConstraint) for c in table.constraints)
    }

    assert owners == {str(row.__tablename__) for row, _ in DANGLING}


def test_names_fit_into_postgresql() -> None:
    """It cuts longer ones, and a cut name is found by nobody."""
    names = [str(rule.name) for rule in rules()]

    assert [name for name in names if len(name) > 63] == []
