"""The doctor finds every promise that was broken on purpose, and nothing where all hold."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta

import pytest

from ledger.chain.memory import MemoryChain
from ledger.core.keys import keccak256
from ledger.services.doctor import Diagnosis, examine, to_lines
from ledger.store import policies
from ledger.store.database import Database
from ledger.store.records import Policy
from tests.unit.anchor_worker.worlds import CHAIN_ID, MAX_FEE, World
from tests.unit.store.samples import NOW

Break = Callable[[World], None]


@pytest.fixture
def world(sqlite_database: Database) -> World:
    """Two batches of three credentials, final on the chain."""
    made = World(sqlite_database)
    for _ in range(2):
        made.seal(3)
    made.rounds(made.worker(), 6)
    return made


def look(world: World, **options: object) -> Diagnosis:
    settings = {"node": world.chain, "max_fee": MAX_FEE, "contents": False}
    return examine(world.database, **(settings | options))  # type: ignore[arg-type]


def sql(*statements: str) -> Break:
    """What nobody but a person with the file could do: the database itself refuses most of it."""

    def run(world: World) -> None:
        file = sqlite3.connect(str(world.database._writer.url.database))
        with closing(file), file:
            file.execute("PRAGMA ignore_check_constraints = ON")
            for statement in statements:
                file.execute(statement)

    return run


def _reorganised(world: World) -> None:
    world.chain.reorg(len(world.chain._blocks) - 1)


def _another_chain(world: World) -> None:
    world.chain.__dict__ |= MemoryChain(seed=b"another").__dict__


def _other_code(world: World) -> None:
    world.chain.codes = dict.fromkeys(world.chain.codes, b"\1")


def _stolen_nonce(world: World) -> None:
    world.steal_nonce(bytes.fromhex("22" * 32), 2)


def test_where_every_promise_holds_nothing_is_found(world: World) -> None:
    diagnosis = look(world)

    assert diagnosis.is_well, diagnosis.findings
    assert (diagnosis.credentials, diagnosis.batches, diagnosis.transactions) == (
        6,
        2,
        2,
    )
    assert list(to_lines(diagnosis)) == [
        "Looked at: 6 credentials in 2 batches, 2 transactions, and the chain up to"
        f" block {diagnosis.finalized}.",
        "Every promise holds.",
    ]


BROKEN: dict[str, tuple[Break, str]] = {
    "a gap": (sql("UPDATE chain_tx SET nonce = 7 WHERE nonce = 1"), "nonce.gap"),
    "two in progress": (
        sql(
            "DROP INDEX ux_chain_tx_one_in_progress",
            "UPDATE chain_tx SET state = 'in_progress'",
        ),
        "nonce.two_in_progress",
    ),
    "other bytes": (
        sql("UPDATE attempt SET raw = x'02c0'"),
        "transaction.bytes",
    ),
    "another payload": (
        sql("UPDATE chain_tx SET data = zeroblob(36) WHERE nonce = 0"),
        "transaction.bytes",
    ),
    "no bytes": (sql("DELETE FROM attempt"), "transaction.bytes"),
    "another root": (
        sql(
            "UPDATE batch SET sealed_root = zeroblob(32)"
            " WHERE id = (SELECT min(id) FROM batch)"
        ),
        "batch.root",
    ),
    "another path": (
        sql("UPDATE credential SET path = zeroblob(64)"),
        "credential.leaf",
    ),
    "a path too long": (
        sql("UPDATE credential SET path = zeroblob(96)"),
        "credential.leaf",
    ),
    "another tree": (
        sql("UPDATE tree_tile SET nodes = zeroblob(length(nodes))"),
        "credential.leaf",
    ),
    "no tree": (sql("DELETE FROM tree_tile"), "credential.leaf"),
    "a tree that is not whole": (
        sql("UPDATE tree_tile SET nodes = zeroblob(32)"),
        "batch.tree",
    ),
    "a path too short": (
        sql("UPDATE credential SET path = x'00'"),
        "credential.leaf",
    ),
    "another leaf": (
        sql("UPDATE credential SET leaf = randomblob(32)"),
        "credential.leaf",
    ),
    "a member too few": (
        sql("DELETE FROM credential WHERE leaf_index = 2"),
        "batch.size",
    ),
    "no anchor recorded": (sql("DELETE FROM batch_anchor"), "batch.anchor"),
    "evidence that nobody takes": (
        sql("DELETE FROM evidence_header", "DELETE FROM evidence_due"),
        "batch.evidence",
    ),
    "another time": (sql("UPDATE batch_anchor SET time = time + 1"), "batch.slot"),
    "another block": (
        sql("UPDATE chain_tx SET block_hash = zeroblob(32)"),
        "transaction.block",
    ),
    "a later block": (
        sql("UPDATE chain_tx SET block_number = 999"),
        "transaction.block",
    ),
    "a reorganisation": (_reorganised, "transaction.block"),
    "another chain": (_another_chain, "chain.another"),
    "other code": (_other_code, "chain.another"),
    "an old copy": (_stolen_nonce, "sender.ahead"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_was_broken_is_found(world: World, name: str) -> None:
    break_it, code = BROKEN[name]
    break_it(world)
    diagnosis = look(world)

    assert code in {finding.code for finding in diagnosis.findings}
    assert any(line.startswith(f"✕ {code}") for line in to_lines(diagnosis))


def test_fees_are_compared_with_the_policy_of_their_days(world: World) -> None:
    """The anchors were signed at 3 gwei, for 60,000 gas, a moment after NOW."""

    def policy(day: int, max_fee: int, max_tx_cost: int = 10**16) -> None:
        with world.database.begin() as tx:
            new = Policy(max_fee=max_fee * 10**9, max_tx_cost=max_tx_cost)
            at = NOW + timedelta(days=day)
            policies.set(tx, CHAIN_ID, new, by="anna", now=at)

    def found() -> set[str]:
        return {each.code for each in look(world, max_fee=None).findings}

    assert found() == set()
    policy(-9, 2)
    assert found() == {"transaction.fee"}
    policy(-5, 3)
    assert found() == set()
    policy(-4, 3, 60_000 * 3 * 10**9 - 1)
    assert found() == {"transaction.fee"}
    policy(0, 3, 60_000 * 3 * 10**9)
    assert found() == set()
    policy(3, 1)
    assert found() == set(), "what was allowed is not forbidden afterwards"


def test_a_fee_above_the_ceiling_is_found(world: World) -> None:
    found = {finding.code for finding in look(world, max_fee=1).findings}

    assert found == {"transaction.fee"}


def test_without_a_node_the_database_is_looked_at_alone(world: World) -> None:
    _reorganised(world)
    diagnosis = look(world, node=None)

    assert diagnosis.is_well
    assert "no node was asked" in next(to_lines(diagnosis))


def test_a_leaf_is_computed_again_from_the_bytes(world: World) -> None:
    """The samples here are no credentials: every one is found."""
    codes = [finding.code for finding in look(world, contents=True).findings]

    assert codes == ["credential.leaf"] * 6


@pytest.mark.parametrize("raw", [b"\x02\xc0", b"\x02\xc0\xff\xee", b"", b"\x01\xc0"])
def test_bytes_that_are_no_transaction_are_found_and_end_nothing(
    world: World, raw: bytes
) -> None:
    """Also where their hash is right, as after a fault of our own."""
    hashed, shown = keccak256(raw).hex(), raw.hex()
    sql(
        f"UPDATE attempt SET raw = x'{shown}', hash = x'{hashed}'"  # noqa: S608 - hex digits
        " WHERE hash = (SELECT min(hash) FROM attempt)"
    )(world)
    (finding,) = look(world).findings

    assert finding.code == "transaction.bytes"
    assert finding.detail == "an attempt's bytes are no signed EIP-1559 transaction"


def test_what_waits_is_no_broken_promise(world: World) -> None:
    world.clock.sleep(100)
    world.issue(2)
    world.seal()

    assert look(world).is_well
