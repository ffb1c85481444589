"""Which node of several is worked with: the first that answers, keeps up and contradicts nobody."""

from datetime import timedelta
from itertools import pairwise

import pytest

from ledger.chain.memory import MemoryChain
from ledger.chain.node import Block, BlockTag, ChainNode, check_identity
from ledger.chain.pool import (
    CERTAIN,
    MAX_LAG,
    Health,
    NodePool,
    certainly,
    first_answer,
)
from ledger.errors import ChainRejected, ChainUnavailable, SettingError
from tests.unit.anchor_worker.worlds import Clock


class Named(MemoryChain):
    """A node of a chain that others are on too."""

    def __init__(self, name: str, chain: MemoryChain) -> None:
        self.__dict__ = dict(chain.__dict__)
        self._name = name

    @property
    def name(self) -> str:
        return self._name


@pytest.fixture
def chain() -> MemoryChain:
    made = MemoryChain()
    made.mine(20)
    return made


def pool(*nodes: ChainNode, clock: Clock | None = None) -> NodePool:
    return NodePool(
        nodes,
        chain_id=31337,
        genesis_hash=MemoryChain().genesis_hash(),
        clock=clock or Clock(),
    )


def health(made: NodePool) -> list[Health]:
    return [state.health for state in made.states]


def test_the_first_of_those_that_are_well_is_chosen(chain: MemoryChain) -> None:
    first, second = Named("a", chain), Named("b", chain)
    made = pool(first, second)

    assert made.choose() is first
    assert health(made) == [Health.HEALTHY, Health.HEALTHY]
    assert [(s.head, s.finalized) for s in made.states] == [(20, 18), (20, 18)]


def test_a_silent_node_is_left_alone_for_a_while_and_then_asked_again(
    chain: MemoryChain,
) -> None:
    clock = Clock()
    first, second = Named("a", chain), Named("b", chain)
    made = pool(first, second, clock=clock)
    first.broken_reads = 1

    assert made.choose() is second
    assert made.choose() is second
    assert health(made) == [Health.SILENT, Health.HEALTHY]
    clock.sleep(2)
    assert made.choose() is first


def test_pauses_grow_up_to_a_minute(chain: MemoryChain) -> None:
    clock = Clock()
    first = Named("a", chain)
    first.broken_reads = -1
    made = pool(first, Named("b", chain), clock=clock)
    asked: list[float] = []
    began = clock()
    for _ in range(3_000):
        made.choose()
        state = made._members[0]
        if state.not_before and (not asked or state.failures > len(asked)):
            asked.append((clock() - began).total_seconds())
        clock.sleep(0.25)
    gaps = [b - a for a, b in pairwise(asked)]

    assert gaps[0] <= 2.25
    assert 30 <= gaps[-1] <= 60.25
    assert gaps[:5] == sorted(gaps[:5])


def test_nobody_is_left_alone_where_nobody_else_is_left(chain: MemoryChain) -> None:
    only = Named("a", chain)
    made = pool(only)
    only.broken_reads = 1

    with pytest.raises(ChainUnavailable, match="a: "):
        made.choose()
    assert made.choose() is only


def test_a_node_that_failed_at_work_is_left_alone_too(chain: MemoryChain) -> None:
    first, second = Named("a", chain), Named("b", chain)
    made = pool(first, second)
    made.choose()
    made.failed(first, ChainUnavailable("HTML instead of JSON"))

    assert made.choose() is second
    assert made.states[0].detail == "HTML instead of JSON"


@pytest.mark.parametrize(("behind", "chosen"), [(MAX_LAG, 0), (MAX_LAG + 1, 1)])
def test_a_node_that_lags_is_not_chosen(
    chain: MemoryChain, behind: int, chosen: int
) -> None:
    slow = Named("slow", chain)
    slow._blocks = chain._blocks[:-behind]
    nodes = [slow, Named("b", chain)]
    made = pool(*nodes)

    assert made.choose() is nodes[chosen]
    assert made.states[0].health is (Health.HEALTHY, Health.LAGGING)[chosen]


def test_a_node_of_another_chain_is_never_chosen(chain: MemoryChain) -> None:
    other, good = MemoryChain(seed=b"another"), Named("b", chain)
    made = pool(other, good)

    assert made.choose() is good
    assert made.states[0].health is Health.OTHER_CHAIN


def test_every_node_of_another_chain_is_believed_when_it_is_said_again(
    chain: MemoryChain,
) -> None:
    """One garbled answer must not end a worker for good."""
    stranger = Named("a", MemoryChain(chain_id=1))
    made = pool(stranger, MemoryChain(seed=b"another"))
    for _ in range(CERTAIN - 1):
        with pytest.raises(ChainUnavailable, match="on chain 1, and"):
            made.choose()
    with pytest.raises(SettingError, match="on chain 1, and chain 31337 is expected"):
        made.choose()

    once = Named("a", chain)
    made = pool(once)
    once._chain_id = 1
    with pytest.raises(ChainUnavailable):
        made.choose()
    once._chain_id = 31337
    assert made.choose() is once


def test_an_address_that_leads_to_another_chain_from_now_on_is_noticed(
    chain: MemoryChain,
) -> None:
    first, second = Named("a", chain), Named("b", chain)
    made = pool(first, second)
    assert made.choose() is first
    first._chain_id = 999

    assert made.choose() is second


def test_two_that_show_different_final_blocks_stop_everything(
    chain: MemoryChain,
) -> None:
    liar = Named("liar", chain)
    liar._blocks = list(chain._blocks)
    liar.reorg(5)
    made = pool(Named("a", chain), liar)

    with pytest.raises(ChainUnavailable, match="a and liar show different blocks 18"):
        made.choose()
    assert health(made) == [Health.DISAGREES, Health.DISAGREES]
    liar.broken_reads = 1
    assert made.choose().name == "a"


def test_different_blocks_above_finality_are_no_disagreement(
    chain: MemoryChain,
) -> None:
    other = Named("b", chain)
    other._blocks = list(chain._blocks)
    other.reorg(1)
    first = Named("a", chain)

    assert pool(first, other).choose() is first


def test_one_that_is_silent_when_it_has_to_agree_is_no_longer_chosen(
    chain: MemoryChain,
) -> None:
    class Mute(Named):
        def block(self, tag: BlockTag) -> Block:
            if isinstance(tag, int) and tag:
                raise ChainUnavailable("mute")
            return super().block(tag)

    good = Named("a", chain)
    made = pool(good, Mute("mute", chain), clock=Clock(now=Clock().now + timedelta(1)))

    with pytest.raises(ChainUnavailable, match="mute"):
        made.choose()
    assert made.choose() is good


def test_a_node_is_checked_once_before_it_is_first_chosen(chain: MemoryChain) -> None:
    """It may not answer for days; what it is is asked when it does."""
    bad, good = Named("a", chain), Named("b", chain)
    asked: list[str] = []

    def check(node: ChainNode) -> None:
        asked.append(node.name)
        if node is bad:
            raise SettingError("another registry")

    clock = Clock()
    made = NodePool(
        [bad, good],
        chain_id=31337,
        genesis_hash=chain.genesis_hash(),
        clock=clock,
        check=check,
    )
    for _ in range(3):
        assert made.choose() is good
        clock.sleep(61)
    assert asked.count("b") == 1
    assert health(made) == [Health.OTHER_CHAIN, Health.HEALTHY]
    made = NodePool(
        [bad],
        chain_id=31337,
        genesis_hash=chain.genesis_hash(),
        clock=clock,
        check=check,
    )
    for _ in range(CERTAIN - 1):
        with pytest.raises(ChainUnavailable, match="another registry"):
            made.choose()
    with pytest.raises(SettingError, match="another registry"):
        made.choose()


@pytest.mark.parametrize("garbled", range(CERTAIN))
def test_a_start_is_not_refused_for_a_garbled_answer(garbled: int) -> None:
    answers = iter([*["garbled"] * garbled, "ours"])

    def ask() -> str:
        answer = next(answers)
        if answer == "garbled":
            raise SettingError("another chain")
        return answer

    assert certainly(ask) == "ours"


def test_what_is_said_again_and_again_refuses_a_start() -> None:
    asked = 0

    def ask() -> None:
        nonlocal asked
        asked += 1
        raise SettingError(f"another chain, {asked}")

    with pytest.raises(SettingError, match=f"another chain, {CERTAIN}"):
        certainly(ask)


def test_a_node_that_is_silent_is_not_asked_again() -> None:
    asked = 0

    def ask() -> None:
        nonlocal asked
        asked += 1
        raise ChainUnavailable("no answer")

    with pytest.raises(ChainUnavailable):
        certainly(ask)
    assert asked == 1


def of_the_chain(node: ChainNode) -> str:
    check_identity(node, 31337, MemoryChain().genesis_hash())
    return node.name


def test_who_asks_once_gets_the_first_answer_of_the_right_chain(
    chain: MemoryChain,
) -> None:
    silent, well = Named("silent", chain), Named("well", chain)
    silent.broken_reads = -1
    strange = Named("strange", MemoryChain(chain_id=10))

    assert first_answer([silent, strange, well, chain], of_the_chain) == "well"
    with pytest.raises(ChainUnavailable, match="does not answer; memory does not"):
        first_answer([silent, silent], of_the_chain)
    # One that is surely wrong is worth more than one of which nothing is known.
    for nodes in ([silent, strange], [strange, silent]):
        with pytest.raises(SettingError, match="strange is on chain 10"):
            first_answer(nodes, of_the_chain)


def test_a_refusal_is_an_answer_and_nobody_else_is_asked(chain: MemoryChain) -> None:
    asked: list[ChainNode] = []

    def ask(node: ChainNode) -> None:
        asked.append(node)
        raise ChainRejected("it reverts")

    with pytest.raises(ChainRejected):
        first_answer([chain, chain], ask)
    assert len(asked) == 1
