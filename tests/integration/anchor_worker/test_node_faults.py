"""Rows N, R, F and M of the fault matrix, on a real node behind geth's rules: docs/faults.md."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from itertools import pairwise

import pytest

from anchor_worker.loop import Rhythm, Worker
from anchor_worker.submit import FeePolicy
from ledger.chain import acts, json_rpc, node as node_module
from ledger.chain.node import Node
from ledger.chain.sender import KeystoreSigner, SigningRules, TransactionFields
from ledger.core.registries import ANCHOR_REGISTRY, ISSUER_REGISTRY
from ledger.errors import ChainRejected, ChainUnavailable, Conflict, StoreError
from ledger.store import credentials, evidence
from ledger.store.database import Database
from ledger.store.records import ChainTxState
from tests.fault_proxy import SEND, Fault, Plan
from tests.integration.anchor_worker.anvil_ground import AnvilGround
from tests.invariants import check_at_rest, check_invariants
from tests.unit.anchor_worker.machine import GWEI, RememberingSigner, add_school
from tests.unit.anchor_worker.worlds import (
    CHAIN_ID,
    MAX_FEE,
    SENDER,
    SENDER_KEY,
    World,
    alarms,
)

pytestmark = [
    pytest.mark.anvil,
    pytest.mark.slow,
    pytest.mark.uncounted,
    pytest.mark.timeout(300),
]

S = ChainTxState
Start = Callable[[], tuple[AnvilGround, Database]]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hanging node is given up after a moment instead of ten seconds."""
    monkeypatch.setattr(json_rpc, "_READ_SECONDS", 0.4)
    monkeypatch.setattr(node_module, "_READ_PAUSE", 0.01)


class Scene:
    """A school and one worker on a fresh chain."""

    def __init__(self, start: Start) -> None:
        self.ground, database = start()
        self.world = World(
            database,
            add_school=add_school,
            genesis_hash=self.ground.node.genesis_hash(),
        )
        self.world.signer = RememberingSigner(self.world.signer)
        self.proxy = self.ground.proxy
        self.worker = self.begin("one")

    def begin(self, owner: str) -> Worker:
        """A process as it is after its start."""
        return self.world.worker(
            owner,
            policy=FeePolicy(
                max_fee=MAX_FEE, bump_after=2, resend_after=timedelta(seconds=30)
            ),
            rhythm=Rhythm(poll=0.0, lease=3_600, once=True),
            nodes=[Node(self.proxy.url)],
        )

    def round(self, mine: int = 1) -> None:
        """One round; what the loop waits out, is waited out."""
        with suppress(ChainUnavailable, StoreError, Conflict):
            self.worker.round()
        self.ground.mine(mine)
        self.world.clock.sleep(31)

    def rest(self) -> None:
        """No more troubles: everything comes to rest, and every promise holds."""
        self.proxy.plan = Plan()
        self.ground.set_base_fee(GWEI)
        for _ in range(30):
            self.round()
            if self._rests():
                break
        else:
            raise AssertionError(f"did not come to rest: {self.world.states()}")
        assert self.proxy.unstored == []
        diagnosis = check_invariants(
            self.world.database,
            self.ground.node,
            [each for block in self.ground.blocks() for each in block.mined.values()],
            chain_id=CHAIN_ID,
            sender=SENDER,
            max_fee=MAX_FEE,
        )
        check_at_rest(self.world.database, diagnosis, self.world.issued)

    def _rests(self) -> bool:
        if set(self.world.states()) - {S.FINAL}:
            return False
        with self.world.database.read() as tx:
            return not (
                credentials.waiting(tx, CHAIN_ID, 1)
                or evidence.unproved(tx, CHAIN_ID, 1)
            )

    def fees(self) -> list[tuple[int, int]]:
        """What was offered for the first transaction, tip and cap, in order."""
        return [(a.tip, a.fee_cap) for a in self.world.attempts(self.world.rows()[0])]


# ---------------------------------------------------------------- N: between two computers


def test_each_fault_at_the_send_leads_to_one_transaction(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """N1-N12, S1: it failed, or it failed but happened; never a new nonce, one payload."""
    for fault in Fault:
        scene = Scene(start)
        scene.proxy.plan = Plan(once=[(SEND, fault)], hang=0.5, delay=0.1)
        scene.world.issue(2)
        scene.round()
        assert not scene.proxy.plan.once, f"{fault} did not strike"
        scene.rest()
        assert len(set(scene.proxy.sends)) == 1, fault
        assert [row.nonce for row in scene.world.rows()] == [0], fault
    assert alarms(caplog.records) == []


@pytest.mark.parametrize("part", range(2))
def test_each_fault_in_a_fifth_of_all_requests_holds_nothing_up_for_long(
    part: int, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """N1-N12, sticky: whatever is asked, reads too."""
    for fault in list(Fault)[part::2]:
        scene = Scene(start)
        before = scene.proxy.struck[fault]
        scene.proxy.plan = Plan(rate=0.2, faults=(fault,), hang=0.5, delay=0.1)
        for _ in range(6):
            scene.world.issue(1)
            scene.round()
        assert scene.proxy.struck[fault] > before, f"{fault} did not strike"
        scene.rest()
        nonces = [row.nonce for row in scene.world.rows()]
        assert nonces == list(range(len(nonces))), fault
    assert alarms(caplog.records) == []


@pytest.mark.parametrize("fault", [Fault.DROP_AFTER, Fault.NULL, Fault.WRONG])
def test_a_fault_at_the_nth_request(
    start: Start, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    """One shot at call k, from the first look to the evidence."""
    for k in range(0, 48, 4):
        scene = Scene(start)
        scene.world.issue(1)
        once = scene.proxy.plan.once
        scene.proxy.plan.before = {k: partial(once.append, ("*", fault))}
        for _ in range(4):
            scene.round()
        assert not scene.proxy.plan.before, f"there is no request {k}"
        scene.rest()
        assert len(set(scene.proxy.sends)) == 1, k
    assert alarms(caplog.records) == []


# ---------------------------------------------------------------- R: reorganisations


@pytest.mark.parametrize("fate", ["vanishes", "moves"])
@pytest.mark.parametrize("depth", ["above finality", "at finality", "below finality"])
def test_a_reorganisation_is_followed(
    start: Start, depth: str, fate: str, caplog: pytest.LogCaptureFixture
) -> None:
    """R1: above finality no visible flip; at or below it an alarm, and the same nonce."""
    scene = Scene(start)
    scene.world.issue(2)
    scene.round()
    blocks = {"above finality": 0, "at finality": 2, "below finality": 4}[depth]
    scene.round(blocks)
    scene.worker.round()
    was_final = scene.world.states() == [S.FINAL]
    assert was_final == (depth != "above finality")
    scene.ground.reorg(blocks + 1, repool=fate == "moves")
    scene.worker.round()

    assert scene.world.states() == [S.SENT]
    spoken = [words for words in alarms(caplog.records) if "block is gone" in words]
    assert bool(spoken) == was_final
    scene.rest()
    if not was_final:  # after more blocks a higher fee is offered for the same call
        assert len(set(scene.proxy.sends)) == 1
    assert [row.nonce for row in scene.world.rows()] == [0]


def test_a_nonce_that_was_stolen_in_a_reorganisation_is_declared_once_it_is_final(
    start: Start,
) -> None:
    """R1: replaced by somebody with our key. Declared at finality, and never before."""
    scene = Scene(start)
    scene.world.issue(1)
    scene.round()
    scene.worker.round()
    assert scene.world.states() == [S.MINED]
    calls = acts.known_calls(ANCHOR_REGISTRY, ISSUER_REGISTRY)
    thief = KeystoreSigner(SENDER_KEY, SigningRules(CHAIN_ID, calls, MAX_FEE))
    foreign = thief.sign(
        TransactionFields(
            CHAIN_ID,
            0,
            ANCHOR_REGISTRY,
            acts.anchor(ANCHOR_REGISTRY, b"\xee" * 32).data,
            60_000,
            GWEI,
            50 * GWEI,
        )
    )
    scene.ground.anvil.rpc("anvil_reorg", 1, [[f"0x{foreign.raw.hex()}", 0]])
    for _ in range(8):
        scene.worker.round()  # not final yet: no verdict
        scene.world.clock.sleep(31)
    scene.ground.mine(2)
    with pytest.raises(ChainRejected):  # noqa: PT012 - it takes several looks
        for _ in range(10):
            scene.worker.round()
            scene.world.clock.sleep(31)
    assert [row.nonce for row in scene.world.rows()] == [0]


@pytest.mark.parametrize("part", range(2))
def test_a_reorganisation_just_before_the_nth_request(
    part: int, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """R2: during each step of the worker."""
    for k in range(part, 60, 6):
        scene = Scene(start)
        scene.world.issue(1)
        lose = partial(scene.ground.reorg, 1, repool=bool(k % 4))
        scene.proxy.plan.before = {k: lose}
        scene.ground.mine(1)
        for _ in range(4):
            scene.round()
        assert not scene.proxy.plan.before, f"there is no request {k}"
        scene.rest()
        assert [row.nonce for row in scene.world.rows()] == [0], k
    assert all("block is gone" in words for words in alarms(caplog.records))


# ---------------------------------------------------------------- F: fees


def test_a_spike_is_bid_for_up_to_the_ceiling_and_waited_out(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """F1, F2: an eighth more on both fees each time, as geth wants it; then the same bytes wait."""
    scene = Scene(start)
    scene.world.issue(1)
    for _ in range(30):
        scene.worker.round()
        # Always a little more than is offered.
        scene.ground.set_base_fee(scene.fees()[-1][1] + GWEI)
        scene.ground.mine(1)
        scene.world.clock.sleep(31)
    fees = scene.fees()

    assert len(fees) > 2
    assert all(cap <= MAX_FEE for _, cap in fees)
    for (tip, cap), (more_tip, more_cap) in pairwise(fees):
        assert more_tip * 8 >= tip * 9
        assert more_cap * 8 >= cap * 9
    assert any("ceiling" in record.getMessage() for record in caplog.records)
    said = [record.getMessage() for record in caplog.records]
    assert not any("replacement transaction underpriced" in words for words in said)
    scene.rest()
    assert [row.nonce for row in scene.world.rows()] == [0]


def test_out_of_funds_is_said_and_waited_for(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """F3: the same bytes, as soon as they can be paid for."""
    scene = Scene(start)
    scene.ground.anvil.rpc("anvil_setBalance", SENDER, "0x0")
    scene.world.issue(1)
    for _ in range(4):
        scene.round()
    assert scene.world.states() == [S.IN_PROGRESS]
    assert any("cannot pay" in record.getMessage() for record in caplog.records)
    scene.ground.anvil.fund(SENDER, 100)
    scene.rest()

    assert len(set(scene.proxy.sends)) == 1


# ---------------------------------------------------------------- M: the pool


def test_a_pool_that_forgets_is_told_again(start: Start) -> None:
    """M1: eviction, or a node that was started again without its pool."""
    scene = Scene(start)
    scene.world.issue(1)
    for _ in range(3):
        scene.worker.round()
        scene.ground.anvil.rpc("anvil_dropAllTransactions")
        scene.proxy.geth.forget()
        scene.world.clock.sleep(31)
    scene.rest()

    assert len(scene.proxy.sends) >= 4
    assert len(set(scene.proxy.sends)) == 1


def test_nobody_anchors_what_the_proxy_did_not_see(start: Start) -> None:
    """C7: the proxy itself notices bytes that are not stored."""
    scene = Scene(start)
    asked: list[bytes] = []

    def is_stored(raw: bytes) -> bool:
        asked.append(raw)
        return False

    scene.proxy._is_stored = is_stored
    scene.world.issue(1)
    scene.worker.round()

    assert scene.proxy.unstored == asked == scene.proxy.sends
    assert len(asked) == 1
