"""What the processes of the tests of events do: write them, and deliver them until killed."""

import os
import sys
from contextlib import closing
from datetime import datetime, timedelta
from itertools import count
from secrets import randbelow

from anchor_worker.deliver import Deliverer
from anchor_worker.receiver import HttpReceiver
from ledger.errors import Conflict
from ledger.store import batches, credentials, organisations
from ledger.store.database import Database
from tests.integration.store.processes import die_at
from tests.unit.store.samples import CHAIN_ID, NOW, REGISTRY, batch_of, credential


def write(url: str, n: int) -> int:
    """Issue, seal and withdraw at random, in transactions of any length; answer how many events."""
    written = 0
    with closing(Database.open(url)) as database:
        with database.read() as tx:
            school = next(o for o in organisations.all(tx) if o.code == "riverside")
        for turn in range(40):
            try:
                with database.begin() as tx:
                    number = n * 10_000 + turn * 10
                    records = [
                        credential(school, number + k) for k in range(1 + randbelow(5))
                    ]
                    credentials.insert(tx, records)
                    found = len(records)
                    if turn % 4 == 1:
                        waiting = credentials.waiting(tx, CHAIN_ID, 7)
                        whole = [
                            credentials.get(tx, school.id, name) for name in waiting
                        ]
                        batch, members = batch_of(whole)
                        batches.seal(tx, batch, members, to=REGISTRY, data=b"", gas=1)
                        found += len(members) + 1
                    if turn % 3 == 2:
                        page = credentials.page(tx, school.id, limit=50)
                        chosen = page[randbelow(len(page))].id
                        credentials.withdraw(tx, school.id, chosen, "mistake", NOW)
                        found += 1
            except Conflict:
                continue
            written += found
    return written


def deliver_and_die(url: str, address: str, statement: int) -> None:
    """Deliver what there is, killed at a statement."""
    ticks = count()

    def clock() -> datetime:
        # Two minutes later for each life: leases of the dead are over.
        return NOW + timedelta(minutes=2 * statement, milliseconds=400 * next(ticks))

    with closing(Database.open(url)) as database:
        receiver = HttpReceiver(address, bytes(32), clock=clock)
        looking = Deliverer(database, receiver, owner=f"life {statement}", clock=clock)
        die_at(statement)
        looking.drain()


def main(url: str, address: str) -> None:
    """For each number on stdin, let a child die there; print how it ended."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            deliver_and_die(url, address, int(line))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(-os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
