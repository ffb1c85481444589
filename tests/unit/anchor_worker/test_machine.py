"""Two thousand stories on a chain in memory: issue, revoke, work, crash, reorganise, fail, in any order."""

import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from ledger.chain import acts
from ledger.chain.memory import MemoryChain
from ledger.chain.node import ChainNode, SendOutcome
from ledger.chain.sender import KeystoreSigner, SigningRules, TransactionFields
from ledger.core.registries import ANCHOR_REGISTRY, ISSUER_REGISTRY
from ledger.services import doctor
from ledger.store.database import Database
from tests import watch
from tests.invariants import Mined
from tests.unit.anchor_worker.machine import CARRIER_KEY, Ground, Machine, inception
from tests.unit.anchor_worker.worlds import CHAIN_ID, SENDER
from tests.unit.verify.fakes import deployed_code
from tests.watch import SeenBlock

PARTS, STORIES = 8, 250


class MemoryGround:
    """The chain in memory."""

    def __init__(self) -> None:
        self.node: ChainNode = (chain := MemoryChain())
        self._chain = chain
        self._chain.codes = {
            ANCHOR_REGISTRY: deployed_code("AnchorRegistry"),
            ISSUER_REGISTRY: deployed_code("IssuerRegistry"),
        }
        self._first = 0

    def begin(self) -> None:
        """Put the school on record, by somebody else's account."""
        calls = acts.known_calls(ANCHOR_REGISTRY, ISSUER_REGISTRY)
        signer = KeystoreSigner(CARRIER_KEY, SigningRules(CHAIN_ID, calls, 10**12))
        for nonce, act in enumerate(inception()):
            signed = signer.sign(
                TransactionFields(
                    CHAIN_ID, nonce, act.to, act.data, act.gas, 10**9, 10**10
                )
            )
            assert self._chain.send(signed.raw).outcome is SendOutcome.ACCEPTED
        self._chain.mine(4)
        assert all(each[-1] for each in self._chain.canonical())
        self._first = len(self._chain._blocks) - 1

    def copy(self) -> "MemoryGround":
        """The same chain up to here; no block of it is ever changed."""
        other = MemoryGround()
        other._chain._blocks = list(self._chain._blocks)
        other._first = self._first
        return other

    def mine(self, blocks: int) -> None:
        self._chain.mine(blocks)

    def reorg(self, depth: int, *, repool: bool) -> None:
        self._chain.reorg(depth, repool=repool)

    def drop(self) -> None:
        for pooled in self._chain.pooled()[:1]:
            self._chain.drop(pooled)

    def set_base_fee(self, fee: int) -> None:
        self._chain.base_fee = fee

    def blocks(self) -> list[SeenBlock]:
        return [
            SeenBlock(
                block.header.number,
                block.header.hash,
                {
                    digest: Mined(each.nonce, each.to, each.data, succeeded)
                    for digest, (each, succeeded) in block.transactions.items()
                    if each.sender == SENDER
                },
            )
            for block in self._chain._blocks[self._first :]
        ]


@pytest.fixture(scope="module")
def start() -> Iterator[Callable[[], tuple[Ground, Database]]]:
    """One engine for all stories: what it has learnt to say to the database it keeps."""
    ground = MemoryGround()
    ground.begin()
    memory = Path("/dev/shm")  # noqa: S108 - a folder in memory, where there is one
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        template, path = Path(folder) / "template.db", Path(folder) / "ledger.db"
        Database.upgrade(f"sqlite:///{template}").close()
        shutil.copy(template, path)
        with closing(Database.open(f"sqlite:///{path}")) as database:

            def fresh() -> tuple[Ground, Database]:
                database.close()
                for each in Path(folder).glob("ledger.db*"):
                    each.unlink()
                shutil.copy(template, path)
                return ground.copy(), database

            yield fresh


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", range(PARTS))
def test_every_story_ends_well(
    part: int,
    start: Callable[[], tuple[Ground, Database]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The same stories in every run: nothing rolls dice but hypothesis, under a fixed seed.
    monkeypatch.setattr(secrets, "randbelow", lambda _: 500)
    # Who signed what is recovered in pure Python, and never changes.
    monkeypatch.setattr(doctor, "read_signed", watch.read)
    machine = seed(part)(
        type(f"Machine{part}", (Machine,), {"start": staticmethod(start)})
    )
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=STORIES,
            stateful_step_count=20,
            deadline=None,
            database=None,
            # Found is enough: the story is printed as it is. Making it shorter takes minutes.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
