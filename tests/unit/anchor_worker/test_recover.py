"""An old copy of the database catches up with the chain, and no nonce is used twice."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from anchor_worker.recover import Recoverer, Recovery, Wish
from anchor_worker.registry_news import REASON
from ledger.chain import acts
from ledger.chain.sender import KeystoreSigner, SigningRules, TransactionFields
from ledger.core.closing import status_bits
from ledger.core.keys import PublicKey
from ledger.core.registries import ANCHOR_REGISTRY
from ledger.core.status import BLOCK_BITS
from ledger.errors import ChainRejected, ChainUnavailable, Conflict
from ledger.services.issuer_record import public_issuer
from ledger.services.sender_use import Verdict, look_at_sender
from ledger.services.status_lists import status_list
from ledger.store import (
    batches,
    chain_txs,
    credentials,
    issuers,
    leases,
    organisations,
)
from ledger.store.credentials import FULL_BLOCK
from ledger.store.database import Database
from ledger.store.records import (
    LOST,
    ChainTx,
    ChainTxKind,
    ChainTxState,
    CredentialRecord,
    IssuerKeyRole,
)
from tests.invariants import Mined, check_invariants
from tests.unit.services.town import (
    CHAIN_ID,
    SENDER,
    SENDER_KEY,
    Town,
    copy_of,
    make_town,
)

pytestmark = pytest.mark.slow

S, K = ChainTxState, ChainTxKind
FEW = Wish(issued_at_most=10)
STRANGER = "0x" + "99" * 20
ROOT = b"\xee" * 32


@dataclass
class Ledger:
    """A town, and copies of its database from earlier on."""

    town: Town
    stack: ExitStack
    copies: int = 0

    def copy(self) -> Town:
        """What a backup holds: the same chain, and the database as it is now."""
        self.copies += 1
        path = self.town.folder / f"copy-{self.copies}.db"
        original = self.town.database.name.removeprefix("sqlite:///")
        with (
            closing(sqlite3.connect(original)) as here,
            closing(sqlite3.connect(path)) as there,
        ):
            here.backup(there)
        database = self.stack.enter_context(closing(Database.open(f"sqlite:///{path}")))
        return replace(self.town, database=database)


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Town:
    folder = tmp_path_factory.mktemp("town")
    with closing(Database.upgrade(f"sqlite:///{folder}/town.db")) as database:
        return make_town(database, folder)


@pytest.fixture
def ledger(settled: Town, tmp_path: Path) -> Iterator[Ledger]:
    """Two schools with a history, as they are when the backup is made."""
    shutil.copy(settled.folder / "town.db", tmp_path / "town.db")
    with ExitStack() as stack:
        database = Database.open(f"sqlite:///{tmp_path}/town.db")
        stack.enter_context(closing(database))
        yield Ledger(copy_of(settled, database, tmp_path), stack)


def rows(town: Town, *states: ChainTxState) -> list[ChainTx]:
    with town.database.read() as tx:
        wanted = states or tuple(ChainTxState)
        return list(chain_txs.in_state(tx, CHAIN_ID, wanted, 1_000))


def record(town: Town, credential: UUID, code: str = "hillside") -> CredentialRecord:
    with town.database.read() as tx:
        return credentials.get(tx, town.caller(code).organisation.id, credential)


def withdrawn(town: Town, code: str = "hillside") -> list[int]:
    with town.database.read() as tx:
        organisation = town.caller(code).organisation.id
        return list(credentials.withdrawn_indexes(tx, organisation))


def recoverer(town: Town, sender: str = SENDER) -> Recoverer:
    return Recoverer(
        town.database, town.record, sender, owner="recovery", clock=lambda: town.now
    )


def recover(town: Town, wish: Wish = FEW) -> Recovery:
    town.now += timedelta(minutes=2)  # whoever had the lease before
    return recoverer(town).run(town.chain, wish)


def fates(recovery: Recovery) -> list[tuple[int, str, ChainTxKind | None]]:
    return [(c.transaction.nonce, c.fate, c.kind) for c in recovery.caught]


def check(town: Town) -> None:
    """Every promise, and that every nonce on the chain is known and was used once."""
    check_invariants(
        town.database,
        town.chain,
        [
            Mined(nonce, to, data, succeeded)
            for who, nonce, to, data, succeeded in town.chain.canonical()
            if who == SENDER
        ],
        chain_id=CHAIN_ID,
        sender=SENDER,
        max_fee=100 * 10**9,
        contents=True,
    )


def send(town: Town, nonce: int, *, to: str = STRANGER, data: bytes = b"pay!") -> None:
    """Somebody who has the key sends something."""
    calls = {to: frozenset({data[:4]})}
    signed = KeystoreSigner(SENDER_KEY, SigningRules(CHAIN_ID, calls, 10**12)).sign(
        TransactionFields(
            chain_id=CHAIN_ID,
            nonce=nonce,
            to=to,
            data=data,
            gas=60_000,
            tip=10**9,
            fee_cap=50 * 10**9,
        )
    )
    town.chain.send(signed.raw)


def count(town: Town) -> int:
    return town.chain.nonce(SENDER, "latest")


# -------------------------------------------------------------------- the restore drill


@dataclass
class Loss:
    """A copy, and what happened after it was made.

    `waiting` was issued before and anchored later, `lost` issued and anchored later; both were
    withdrawn then. Riverside was closed.
    """

    old: Town
    first: int
    upto: int
    waiting: UUID
    lost_index: int


@pytest.fixture(scope="module")
def lost(settled: Town, tmp_path_factory: pytest.TempPathFactory) -> Loss:
    """Made once: the copy's file stands in the folder of its town."""
    folder = tmp_path_factory.mktemp("lost")
    shutil.copy(settled.folder / "town.db", folder / "town.db")
    with ExitStack() as stack:
        database = Database.open(f"sqlite:///{folder}/town.db")
        stack.enter_context(closing(database))
        ledger = Ledger(copy_of(settled, database, folder), stack)
        town = ledger.town
        waiting = town.issue("waits@example.com", "Waits", "hillside")
        old = ledger.copy()
        first = count(town)
        gone = town.issue("lost@example.com", "Lost", "hillside")
        town.work()
        for each in (waiting, gone):
            town.withdraw(each, "hillside")
        town.work()
        town.close()
        old.now = town.now
        index = record(town, gone).status_index
        return Loss(old, first, count(town), waiting, index)


@pytest.fixture
def loss(lost: Loss, tmp_path: Path) -> Iterator[Loss]:
    shutil.copy(lost.old.folder / "copy-1.db", tmp_path / "copy.db")
    with closing(Database.open(f"sqlite:///{tmp_path}/copy.db")) as database:
        yield replace(lost, old=copy_of(lost.old, database, tmp_path))


def test_an_old_copy_is_noticed_and_nothing_is_sent(loss: Loss) -> None:
    with pytest.raises(ChainRejected, match=r"old copy.* perdure recover"):
        loss.old.work(1)
    assert count(loss.old) == loss.upto
    use = look_at_sender(loss.old.database, loss.old.chain, loss.old.record, SENDER)
    assert use is not None
    assert (use.known, use.count) == (loss.first, loss.upto)
    assert use.verdict is Verdict.OLD_COPY


def test_a_dry_run_tells_the_same_and_changes_nothing(loss: Loss) -> None:
    before = rows(loss.old)
    dry = recover(loss.old, Wish(dry_run=True, issued_at_most=10))
    assert rows(loss.old) == before
    assert withdrawn(loss.old) == []

    found = recover(loss.old)
    assert fates(found) == fates(dry)
    assert fates(found) == [
        (loss.first, "lost", K.ANCHOR),
        (loss.first + 1, "lost", K.REVOKE),
        (loss.first + 2, "lost", K.REVOKE),
        (loss.first + 3, "lost", K.CLOSE),
    ]
    assert [news.bits for news in found.issuers] == [news.bits for news in dry.issuers]


def test_every_nonce_gets_a_row_with_the_bytes_that_used_it(loss: Loss) -> None:
    found = recover(loss.old)

    assert found.is_whole
    kept = [row for row in rows(loss.old) if (row.nonce or 0) >= loss.first]
    assert [row.state for row in kept] == [S.FINAL] * 4
    for row, caught in zip(kept, found.caught, strict=True):
        with loss.old.database.read() as tx:
            (attempt,) = chain_txs.attempts(tx, row.id)
        assert attempt.raw == caught.transaction.raw
        assert (row.tx_hash, row.sender) == (caught.transaction.hash, SENDER)
    assert kept[0].subject == LOST
    assert {kept[1].subject, kept[2].subject} == {str(loss.waiting), LOST}
    check(loss.old)
    assert recover(loss.old).caught == []


def test_withdrawals_come_back_from_the_chain(loss: Loss) -> None:
    found = recover(loss.old)

    back = record(loss.old, loss.waiting)
    assert back.withdrawal_reason == REASON
    both = sorted([back.status_index, loss.lost_index])
    assert withdrawn(loss.old) == both
    hillside, riverside = sorted(found.issuers, key=lambda news: news.code)
    assert hillside.bits == both
    assert hillside.withdrawn == {back.status_index: loss.waiting}
    assert riverside.bits == []
    with loss.old.database.read() as tx:
        organisation = loss.old.caller("hillside").organisation.id
        issuer = issuers.of(tx, organisation)
        (key,) = issuers.keys(tx, organisation, IssuerKeyRole.SIGNING)
        listed = status_list(
            tx,
            issuer.issuer_id,
            PublicKey.from_multibase(key.public),
            master=loss.old.master,
            addresses=loss.old.addresses,
            now=loss.old.now,
        )
    assert all(status_bits(listed).is_set(index) for index in both)


def test_a_closing_comes_back_and_its_list_is_signed_for_good(loss: Loss) -> None:
    recover(loss.old)

    with loss.old.database.read() as tx:
        organisation = loss.old.caller().organisation.id
        issuer = issuers.of(tx, organisation)
        assert issuer.closed_at is not None
        (key,) = issuers.keys(tx, organisation, IssuerKeyRole.SIGNING)
        listed = status_list(
            tx,
            issuer.issuer_id,
            PublicKey.from_multibase(key.public),
            master=loss.old.master,
            addresses=loss.old.addresses,
            now=loss.old.now,
        )
        described = public_issuer(tx, issuer.issuer_id, addresses=loss.old.addresses)
    assert b"validUntil" not in listed
    assert described.files == []
    with pytest.raises(Exception, match="closed"):
        loss.old.issue("late@example.com", "Late")


def test_the_worker_goes_on_and_the_earlier_file_stays_good(loss: Loss) -> None:
    """What waited is anchored once more, under another root: its first anchor stays."""
    recover(loss.old)
    fresh = loss.old.issue("fresh@example.com", "Fresh", "hillside")
    loss.old.work()

    check(loss.old)
    assert count(loss.old) == loss.upto + 1
    for each in (loss.waiting, fresh):
        batch_id = record(loss.old, each).batch_id
        assert batch_id is not None
        with loss.old.database.read() as tx:
            assert batches.anchors(tx, batch_id)


@pytest.mark.parametrize(
    ("issued", "first"), [(10, 1), (FULL_BLOCK + 10, 2), (None, 9)], ids=str
)
def test_status_indexes_of_blocks_that_may_be_used_are_left_alone(
    loss: Loss, issued: int | None, first: int
) -> None:
    found = recover(loss.old, Wish(issued_at_most=issued))
    fresh = loss.old.issue("fresh@example.com", "Fresh", "hillside")

    hillside, riverside = sorted(found.issuers, key=lambda news: news.code)
    assert hillside.first_free_block == first
    assert riverside.first_free_block is None
    index = record(loss.old, fresh).status_index
    assert index // BLOCK_BITS == first


def test_bits_behind_the_bound_are_found_and_move_it(ledger: Ledger) -> None:
    """More was issued than the operator thought, and withdrawn."""
    town = ledger.town
    old = ledger.copy()
    organisation = town.caller("hillside").organisation.id
    with town.database.begin() as tx:
        credentials.skip_status_blocks(tx, organisation, 1)
    lost = town.issue("lost@example.com", "Lost", "hillside")
    town.work()
    town.withdraw(lost, "hillside")
    town.work()
    old.now = town.now

    hillside = next(n for n in recover(old).issuers if n.code == "hillside")
    assert hillside.bits == [record(town, lost).status_index]
    assert hillside.first_free_block == 2


# -------------------------------------------------------------------- what the copy had begun


def test_what_waited_for_a_nonce_gets_the_one_that_it_has(ledger: Ledger) -> None:
    town = ledger.town
    town.withdraw(town.credentials[0], "riverside")
    old = ledger.copy()
    first = count(town)
    town.work()
    old.now = town.now

    found = recover(old)
    assert fates(found) == [(first, "waited", K.REVOKE)]
    assert [row.state for row in rows(old)] == [S.FINAL] * len(rows(old))
    assert withdrawn(old, "riverside") == withdrawn(town, "riverside")
    check(old)


def test_fees_that_were_raised_after_the_copy_are_no_foreign_use(
    ledger: Ledger,
) -> None:
    town = ledger.town
    town.withdraw(town.credentials[0], "riverside")
    town.chain.base_fee = 10**12  # nothing is mined
    town.work(2)
    old = ledger.copy()
    town.work(5)
    town.chain.base_fee = 1
    town.work(6)
    old.now = town.now
    assert rows(town)[-1].state is S.FINAL
    assert rows(old)[-1].state is S.SENT

    with pytest.raises(ChainRejected, match=r"fees were raised.* perdure recover"):
        old.work(9)
    assert [fate for _, fate, _ in fates(recover(old))] == ["raised"]
    assert rows(old)[-1].state is S.FINAL
    check(old)


def test_a_registration_after_the_copy_is_told(ledger: Ledger) -> None:
    town = ledger.town
    old = ledger.copy()
    town.register("valley")
    town.work()
    old.now = town.now

    found = recover(old)
    with town.database.read() as tx:
        issuer = issuers.of(tx, organisations.by_code(tx, "valley").id)
    assert found.lost_issuers == [issuer.issuer_id]
    assert [kind for _, _, kind in fates(found)] == [K.REGISTER, K.ADD_KEY, K.ADD_KEY]
    assert {row.subject for row in rows(old)[-3:]} == {LOST}
    check(old)


def test_a_registration_that_the_copy_had_begun_is_known_again(
    ledger: Ledger,
) -> None:
    town = ledger.town
    town.register("valley")
    old = ledger.copy()
    town.work()
    old.now = town.now

    recover(old)
    for each in (town, old):
        with each.database.read() as tx:
            organisation = organisations.by_code(tx, "valley").id
            issuer = issuers.of(tx, organisation)
            opened = [key.opened for key in issuers.keys(tx, organisation)]
        assert issuer.registered_at is not None
        assert sum(at is not None for at in opened) == 2
    check(old)


# -------------------------------------------------------------------- somebody else


def test_what_no_ledger_sends_is_told_and_not_taken_over(ledger: Ledger) -> None:
    town = ledger.town
    first = count(town)
    send(town, first)
    send(
        town,
        first + 1,
        to=ANCHOR_REGISTRY,
        data=acts.anchor(ANCHOR_REGISTRY, ROOT).data,
    )
    town.chain.mine(4)

    with pytest.raises(
        ChainRejected, match=r"no ledger sends.*PERDURE_SENDER_KEYSTORE"
    ):
        town.work(1)
    found = recover(town)
    assert not found.is_whole
    assert fates(found) == [(first, "foreign", None)]
    assert {row.state for row in rows(town)} == {S.FINAL}


def test_a_count_that_no_transaction_raised_is_told(ledger: Ledger) -> None:
    town = ledger.town
    town.chain._blocks[-1].state.nonces[SENDER] += 2
    town.chain.mine(4)

    with pytest.raises(ChainRejected, match="No block that was read shows the others"):
        town.work(1)
    found = recover(town)
    assert not found.is_whole
    assert found.unseen == [count(town) - 2, count(town) - 1]


def test_a_call_whose_nonce_somebody_else_used_is_asked_for_again(
    ledger: Ledger,
) -> None:
    """And at a new account, if the ledger was given one: no batch is lost."""
    town = ledger.town
    waiting = town.issue("waits@example.com", "Waits")
    town.chain.base_fee = 10**12
    town.work(2)
    nonce = rows(town)[-1].nonce
    assert nonce is not None
    town.chain.drop(town.chain.pooled()[0])
    town.chain.base_fee = 1
    send(town, nonce)
    town.chain.mine(4)
    with pytest.raises(ChainRejected, match=f"recover --sender {SENDER}"):
        town.work(9)

    found = recover(town)
    assert fates(found) == [(nonce, "displaced", None)]
    assert [row.state for row in rows(town)[-2:]] == [S.FATAL, S.SEALED]
    town.work()
    assert [(r.state, r.nonce) for r in rows(town)[-2:]] == [
        (S.FATAL, nonce),
        (S.FINAL, nonce + 1),
    ]
    batch_id = record(town, waiting, "riverside").batch_id
    assert batch_id is not None
    with town.database.read() as tx:
        assert len(batches.anchors(tx, batch_id)) == 1


def test_an_account_that_was_used_before_the_ledger_had_it_is_no_obstacle(
    ledger: Ledger,
) -> None:
    """The first transactions are whoever's; from the first call of a registry on they are ours."""
    town = ledger.town
    fresh_path = town.folder / "fresh.db"
    with closing(Database.upgrade(f"sqlite:///{fresh_path}")) as database:
        fresh = replace(town, database=database)
        send(town, count(town))
        town.chain.mine(4)
        found = recover(fresh)
        # All of it: this account's ledger began with it, and ends with a stranger.
        assert fates(found)[-1][1] == "foreign"
        assert [row.nonce for row in rows(fresh)] == list(range(count(town) - 1))


# -------------------------------------------------------------------- when it waits


def test_it_waits_for_a_worker_to_stop(ledger: Ledger) -> None:
    with ledger.town.database.begin() as tx:
        leases.take(tx, CHAIN_ID, SENDER, owner="w", seconds=600, now=ledger.town.now)
    with pytest.raises(Conflict, match="stop every worker"):
        recoverer(ledger.town).run(ledger.town.chain, FEW)
    # Looking is allowed at any time.
    dry = recoverer(ledger.town).run(ledger.town.chain, Wish(dry_run=True))
    assert dry.caught == []


def test_it_waits_until_everything_is_final(loss: Loss) -> None:
    send(loss.old, loss.upto)
    for blocks in (0, 1):
        loss.old.chain.mine(blocks)
        with pytest.raises(ChainUnavailable, match="come back"):
            recover(loss.old)
    assert max(row.nonce or 0 for row in rows(loss.old)) == loss.first - 1


def test_killed_at_any_write_and_run_again_it_leaves_no_gap(
    loss: Loss, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    keep = Recoverer._keep
    left = 0

    def dying(self: Recoverer, caught: object) -> None:
        nonlocal left
        if not left:
            raise Killed
        left -= 1
        keep(self, caught)  # type: ignore[arg-type]

    monkeypatch.setattr(Recoverer, "_keep", dying)
    for kept in range(4):
        left = kept - (kept - 1 if kept else 0)
        with pytest.raises(Killed):
            recover(loss.old)
        given = sorted(r.nonce for r in rows(loss.old) if r.nonce is not None)
        assert given == list(range(loss.first + kept))
        with pytest.raises(ChainRejected):
            loss.old.work(1)
    monkeypatch.undo()
    assert recover(loss.old).is_whole
    loss.old.work()
    check(loss.old)
