import threading
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import text

from anchor_worker.loop import Worker
from anchor_worker.wiring import (
    ChainPlan,
    Loop,
    accreditors_in,
    ask_for_evidence,
    read_trust_list,
    refuse_used_accounts,
)
from ledger.chain.memory import MemoryChain
from ledger.chain.node import BlockTag, ChainNode
from ledger.config import SENDER_KEYSTORE
from ledger.core.issuer import IssuerReference
from ledger.errors import SettingError
from ledger.store import batches, evidence
from ledger.store.database import Database
from ledger.store.records import Anchored, Chain
from ledger.verify.trust import Trusted, TrustList, encode_trust_list
from tests.unit.store.samples import CHAIN_ID, add_school, batch_of, issue

REGISTRY = "0x" + "ab" * 20
CHAIN = Chain(5, bytes(32), "0x" + "cd" * 20, REGISTRY, test=True)


def test_accreditors_come_from_a_trust_list_if_they_are_in_our_registry(
    tmp_path: Path,
) -> None:
    listed = TrustList(
        "Mine",
        issuers=(Trusted(IssuerReference(5, REGISTRY, b"\x01" * 32), "School"),),
        accreditors=tuple(
            Trusted(IssuerReference(chain, registry, bytes([n]) * 32), "Board")
            for n, (chain, registry) in enumerate(
                [(5, REGISTRY), (1, REGISTRY), (5, "0x" + "ee" * 20)], 2
            )
        ),
    )
    path = tmp_path / "trust.json"
    path.write_bytes(encode_trust_list(listed))

    assert accreditors_in(read_trust_list(path), CHAIN) == [b"\x02" * 32]
    assert accreditors_in(read_trust_list(None), CHAIN) == []


def test_a_trust_list_that_is_none_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "trust.json"
    with pytest.raises(SettingError, match=r"--trust .*No such file"):
        accreditors_in(read_trust_list(path), CHAIN)
    path.write_text("{}")
    with pytest.raises(SettingError, match=r"--trust .*missing"):
        accreditors_in(read_trust_list(path), CHAIN)


def test_evidence_that_nobody_asked_for_is_due_after_a_start(
    sqlite_database: Database,
) -> None:
    """As an older release leaves it that is at work while the schema is upgraded."""
    chain = replace(CHAIN, chain_id=CHAIN_ID)
    with sqlite_database.begin() as tx:
        records = issue(tx, add_school(tx), 1)
        batch, members = batch_of(records)
        batches.seal(tx, batch, members, to=REGISTRY, data=b"x", gas=1)
        batches.record_anchor(tx, batch.id, Anchored(CHAIN_ID, REGISTRY, 12, 1))
        tx.change(text("DELETE FROM evidence_due"))
    with sqlite_database.read() as tx:
        assert evidence.unproved(tx, CHAIN_ID, 9) == []

    for _ in range(2):
        ask_for_evidence(sqlite_database, [ChainPlan(chain, [])])

    with sqlite_database.read() as tx:
        assert evidence.unproved(tx, CHAIN_ID, 9) == [batch]


class Garbling(MemoryChain):
    """A node whose first counts of transactions are nonsense."""

    def __init__(self, garbled: int) -> None:
        super().__init__()
        self._garbled = garbled

    def nonce(self, address: str, tag: BlockTag) -> int:
        self._garbled -= 1
        return 10**30 if self._garbled >= 0 else super().nonce(address, tag)


def refuse(database: Database, node: ChainNode) -> None:
    worker = cast("Worker", None)  # not asked for
    loop = Loop(ChainPlan(CHAIN, [node]), worker, "0x" + "ee" * 20, threading.Event())
    refuse_used_accounts(database, [loop], SENDER_KEYSTORE)


def test_one_garbled_count_is_no_foreign_use_of_the_account(
    sqlite_database: Database,
) -> None:
    refuse(sqlite_database, Garbling(1))
    with pytest.raises(SettingError, match="none of them from this database"):
        refuse(sqlite_database, Garbling(100))
