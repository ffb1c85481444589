"""What the processes of these tests do, each with its own connection."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from itertools import count
from secrets import token_bytes
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import event
from sqlalchemy.engine import Engine

from ledger.errors import Conflict
from ledger.store import (
    achievements,
    batches,
    chain_txs,
    credentials,
    leases,
    organisations,
)
from ledger.store.database import Database, Transaction
from ledger.store.records import AchievementRecord, ChainTxState
from tests.unit.store.samples import (
    CHAIN_ID,
    NOW,
    REGISTRY,
    SENDER,
    attempt,
    batch_of,
    credential,
    new_chain_tx,
)

PROCESSES = 4

T = TypeVar("T")


class Crew:
    """Four processes, started once and used by one test after another."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(PROCESSES, mp_context=context)

    def at_once(self, work: Callable[[str, int], T], url: str) -> list[T]:
        """Run `work(url, n)` in all of them at once and gather what they answer."""
        return list(self._pool.map(work, [url] * PROCESSES, range(PROCESSES)))

    def close(self) -> None:
        self._pool.shutdown()


def allot(url: str, _: int) -> list[int]:
    """Take 20 times ten status indexes of the one school."""
    found: list[int] = []
    with closing(Database.open(url)) as database:
        for _round in range(20):
            with database.begin() as tx:
                (school,) = organisations.all(tx)
                found += credentials.allot_status_indexes(
                    tx, school.id, 10, token_bytes
                )
    return found


def enqueue(url: str, _: int) -> list[UUID]:
    """Ask for the same thirty acts, each in its own transaction."""
    found = []
    with closing(Database.open(url)) as database:
        for n in range(30):
            with database.begin() as tx:
                found.append(chain_txs.enqueue(tx, new_chain_tx(f"act {n}"), NOW).id)
    return found


def issue(url: str, n: int) -> int:
    """Issue the same twenty awards as the others; answer how many were ours."""
    issued = 0
    with closing(Database.open(url)) as database:
        for award in range(20):
            try:
                with database.begin() as tx:
                    (school,) = organisations.all(tx)
                    mine = credential(
                        school,
                        n * 1_000 + award,
                        recipient_email=f"earner{award}@example.org",
                    )
                    credentials.insert(tx, [mine])
            except Conflict:
                continue
            issued += 1
    return issued


def withdraw(url: str, _: int) -> int:
    """Withdraw the same ten credentials as the others; answer how many were ours."""
    withdrawn = 0
    with closing(Database.open(url)) as database:
        with database.read() as tx:
            (school,) = organisations.all(tx)
            page = credentials.page(tx, school.id, limit=10)
        for record in page:
            try:
                with database.begin() as tx:
                    credentials.withdraw(tx, school.id, record.id, "mistake", NOW)
            except Conflict:
                continue
            withdrawn += 1
    return withdrawn


def add_versions(url: str, n: int) -> None:
    """Add five versions of the same achievement, other ones than the others."""
    with closing(Database.open(url)) as database:
        for version in range(5):
            with database.begin() as tx:
                (school,) = organisations.all(tx)
                name = f"{n}.{version}"
                achievements.add(
                    tx, AchievementRecord(school.id, "git-1", name, b"{}", NOW)
                )


def seal(url: str, _: int) -> list[int]:
    """Seal whatever waits, five at a time, until nothing does; answer the sizes."""
    sizes: list[int] = []
    with closing(Database.open(url)) as database:
        while True:
            with database.read() as tx:
                waiting = credentials.waiting(tx, CHAIN_ID, 5)
                (school,) = organisations.all(tx)
                records = [credentials.get(tx, school.id, name) for name in waiting]
            if not waiting:
                return sizes
            batch, members = batch_of(records)
            try:
                with database.begin() as tx:
                    batches.seal(tx, batch, members, to=REGISTRY, data=b"", gas=1)
            except Conflict:
                continue
            sizes.append(len(members))


def send(url: str, n: int) -> int:
    """Send what is sealed whenever the lease is ours; answer how much we sent."""
    sent = 0
    with closing(Database.open(url)) as database:
        while True:
            with database.begin() as tx:
                lease = leases.take(
                    tx, CHAIN_ID, SENDER, owner=f"process {n}", seconds=60, now=NOW
                )
            if lease is None:
                with database.read() as tx:
                    if not chain_txs.in_state(tx, CHAIN_ID, [ChainTxState.SEALED], 1):
                        return sent
                continue
            with database.begin() as tx:
                if rows := chain_txs.in_state(tx, CHAIN_ID, [ChainTxState.SEALED], 1):
                    highest = chain_txs.highest_nonce(tx, CHAIN_ID, SENDER)
                    nonce = 0 if highest is None else highest + 1
                    chain_txs.begin_attempt(
                        tx, lease, attempt(rows[0]), nonce=nonce, now=NOW
                    )
            if rows:
                with database.begin() as tx:
                    chain_txs.advance(
                        tx,
                        lease,
                        rows[0].id,
                        ChainTxState.IN_PROGRESS,
                        ChainTxState.SENT,
                        now=NOW,
                    )
                sent += 1
            with database.begin() as tx:
                leases.release(tx, lease)
            if not rows:
                return sent


def everything(tx: Transaction) -> None:
    """One transaction with a write to every table that a credential's way touches."""
    (school,) = organisations.all(tx)
    indexes = credentials.allot_status_indexes(tx, school.id, 2, token_bytes)
    records = [
        credential(school, n, status_index=index) for n, index in enumerate(indexes)
    ]
    credentials.insert(tx, records)
    batch, members = batch_of(records)
    row = batches.seal(tx, batch, members, to=REGISTRY, data=b"", gas=1)
    lease = leases.take(tx, CHAIN_ID, SENDER, owner="one", seconds=60, now=NOW)
    assert lease is not None
    chain_txs.begin_attempt(tx, lease, attempt(row), nonce=0, now=NOW)


def die_at(statement: int) -> None:
    """Kill this process as soon as it has executed its n-th statement in `everything`."""
    executed = count(1)

    def killer(*_: Any) -> None:
        if next(executed) == statement:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "after_cursor_execute", killer)


def do_and_die(url: str, statement: int) -> None:
    """Do `everything`, killed at a statement; after it, killed before the answer."""
    with closing(Database.open(url)) as database:
        with database.begin() as tx:
            die_at(statement)
            everything(tx)
        os.kill(os.getpid(), signal.SIGKILL)


def main(url: str) -> None:
    """For each number on stdin, let a child die there; print by which signal it did."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            do_and_die(url, int(line))
        _, status = os.waitpid(child, 0)
        print(-os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main(sys.argv[1])
