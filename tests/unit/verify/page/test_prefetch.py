"""What the page asks a node before it has to: in few rounds, and to no other effect."""

import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from ledger.verify.networks import encode_networks
from ledger.verify.trust import encode_trust_list
from tests.unit.verify.credentials import LISTED, NOW, world
from tests.unit.verify.fakes import NETWORK, FakeChain, failing, honest, served
from tests.unit.verify.page.answers import (
    Question,
    by_page,
    by_python,
    differences,
    run_page,
)
from tests.unit.verify.proofs import prove

pytestmark = pytest.mark.slow


def question_of(file: bytes, *urls: str) -> Question:
    return Question(
        file,
        networks=encode_networks([NETWORK]),
        trust=encode_trust_list(LISTED),
        addresses=urls,
        now=NOW,
    )


def rounds(*chains: FakeChain, file: bytes) -> Any:
    """The verdicts of a file, and what was asked in each round by method and address."""
    with ExitStack() as servers:
        urls = [servers.enter_context(served(chain)).url for chain in chains]
        question = question_of(file, *urls)
        (timed,) = run_page([{**question.job(), "kind": "rounds"}])
        assert by_python(question).reports[0][0]["verdict"] == "genuine"
    return timed.answer["verdicts"], [
        Counter((urls.index(url), method) for url, method, *_ in asked)
        for asked in timed.answer["rounds"]
    ]


FIRST = {"eth_chainId": 1, "eth_getBlockByNumber": 2}
AT_THE_FINAL_BLOCK = (
    {"eth_getBlockByNumber": 1, "eth_getCode": 2, "eth_call": 1},
    {"eth_getBlockByNumber": 1, "eth_call": 2},
)
AT_THE_NEWEST = {"eth_getBlockByNumber": 1, "eth_getCode": 1, "eth_call": 1}


def of(node: int, counted: dict[str, int]) -> Counter[tuple[int, str]]:
    return Counter({(node, method): times for method, times in counted.items()})


def test_a_credential_is_checked_in_four_rounds() -> None:
    checked = world()

    assert rounds(checked.chain, file=checked.data) == (
        ["genuine"],
        [of(0, each) for each in (FIRST, *AT_THE_FINAL_BLOCK, AT_THE_NEWEST)],
    )


def test_the_block_of_evidence_takes_no_round_of_its_own() -> None:
    checked = world()
    prove(checked)

    verdicts, asked = rounds(checked.chain, file=checked.data)

    assert verdicts == ["genuine"]
    assert [sum(each.values()) for each in asked] == [3, 4, 4, 3]


def test_two_addresses_are_asked_at_once() -> None:
    checked = world()
    second = replace(checked.chain, asked=[])

    verdicts, asked = rounds(checked.chain, second, file=checked.data)

    assert verdicts == ["genuine"]
    assert asked == [
        of(0, each) + of(1, each)
        for each in (FIRST, *AT_THE_FINAL_BLOCK, AT_THE_NEWEST)
    ]


class OneAtATime:
    """A node that refuses whoever asks while it is busy with another question."""

    def __init__(self) -> None:
        self.busy = threading.Lock()
        self.refused = 0

    def answer(self, question: dict[str, Any], result: Any) -> bytes:
        if not self.busy.acquire(blocking=False):
            self.refused += 1
            return b"too many"
        try:
            # Longer than it takes until the others are there.
            time.sleep(0.1)
            return honest(question, result)
        finally:
            self.busy.release()


class SoManyASecond:
    """A node that answers six questions in each second, from 200 ms away, and refuses the rest."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.began = 0.0
        self.answered = 0
        self.refused = 0

    def answer(self, question: dict[str, Any], result: Any) -> bytes:
        time.sleep(0.2)
        with self.lock:
            now = time.monotonic()
            if now - self.began >= 1:
                self.began, self.answered = now, 0
            self.answered += 1
            if self.answered <= 6:
                return honest(question, result)
            self.refused += 1
        return failing(question, -32005, "request rate limited")


class SlowWithOldBlocks:
    """A node that looks an old block up only if it is asked nothing else, and was not lately."""

    def __init__(self, old: int) -> None:
        self.old = hex(old)
        self.lock = threading.Lock()
        self.under_way = 0
        self.refuses_until = 0.0
        self.refused = 0

    def answer(self, question: dict[str, Any], result: Any) -> bytes:
        with self.lock:
            self.under_way += 1
            is_alone = self.under_way == 1
        time.sleep(0.1)
        with self.lock:
            is_alone = is_alone and self.under_way == 1
            self.under_way -= 1
            now = time.monotonic()
            if question["params"][:1] != [self.old] or (
                is_alone and now >= self.refuses_until
            ):
                return honest(question, result)
            self.refuses_until = now + 0.5
            self.refused += 1
        return failing(question, -32005, "too many archive requests")


@pytest.mark.parametrize("node", [OneAtATime(), SoManyASecond()], ids=type)
def test_a_node_that_cannot_answer_at_once_is_asked_one_by_one(
    node: OneAtATime | SoManyASecond,
) -> None:
    checked = world()
    with served(checked.chain, node.answer) as server:
        question = question_of(checked.data, server.url)
        expected, before = by_python(question), node.refused
        (timed,) = by_page([question])

    assert expected.reports[0][0]["verdict"] == "genuine"
    assert (before, node.refused > 0) == (0, True)
    assert differences(expected, timed.answer) == []


def test_evidence_is_compared_by_a_node_that_needs_peace_for_old_blocks() -> None:
    checked = world()
    prove(checked)
    checked.chain.fork = "another"
    evidence = checked.file.proof.home.evidence
    assert evidence is not None
    node = SlowWithOldBlocks(evidence.block.number)
    with served(checked.chain, node.answer) as server:
        question = question_of(checked.data, server.url)
        expected, before = by_python(question), node.refused
        (timed,) = by_page([question])

    steps = expected.reports[0][0]["steps"]
    assert steps[3]["code"] == "record.evidence_other_block"
    assert (before, node.refused > 0) == (0, True)
    assert differences(expected, timed.answer) == []


# ---------------------------------------------------------------- one address, step by step


def reading(steps: list[list[Any]], replies: list[Any]) -> list[list[Any]]:
    """What each step said, and how many questions had been sent by then."""
    (timed,) = run_page([{"kind": "reading", "steps": steps, "replies": replies}])
    found: list[list[Any]] = timed.answer
    return found


def code(address: str) -> list[Any]:
    return ["eth_getCode", address, "0x1"]


def test_what_was_sent_early_is_not_sent_again() -> None:
    steps: list[list[Any]] = [
        ["prefetch", 1, code("a"), code("b"), code("a")],
        ["chainId"],
        ["code", "b"],
        ["code", "a"],
        ["code", "a"],
    ]

    assert reading(steps, ["0x1", "0xaa", "0xbb", "0xcc"]) == [
        [None, 3],
        ["1", 3],
        ["bb", 3],
        ["aa", 3],
        ["cc", 4],
    ]


def test_what_is_forgotten_is_asked_again() -> None:
    steps: list[list[Any]] = [
        ["prefetch", 1, code("a")],
        ["forget"],
        ["code", "a"],
    ]

    assert reading(steps, ["0x1", "0xaa", "0xbb"])[-1] == ["bb", 3]


def test_an_address_of_another_chain_is_asked_for_nothing_early() -> None:
    steps: list[list[Any]] = [
        ["chainId"],
        ["prefetch", 2, code("a")],
        ["prefetch", 1, code("a")],
    ]

    assert reading(steps, ["0x1", "0xaa"]) == [["1", 1], [None, 1], [None, 2]]


def test_a_few_are_under_way_at_once_and_what_is_asked_is_sent_before_its_turn() -> (
    None
):
    steps: list[list[Any]] = [
        ["chainId"],
        ["prefetch", 1, *(code(each) for each in "abcdefgh")],
        ["code", "h"],
        ["code", "g"],
    ]

    chain_id, together, last, *_ = reading(
        steps, ["0x1", "0xaa", "0xbb", "0xcc", "0xdd", "0xee", *["0xff"] * 3]
    )

    assert [chain_id, together] == [["1", 1], [None, 5]]
    # Sent as the sixth of all, before the four that waited with it.
    assert last[0] == "ee"


def test_early_failures_are_asked_again_in_their_turn_and_only_then_they_count() -> (
    None
):
    wrong = "http://localhost answered HTTP 500"
    never_again = "http://localhost failed 3 times and is not asked again"
    steps: list[list[Any]] = [
        ["chainId"],
        ["prefetch", 1, *(code(each) for each in "abcd")],
        *(["code", each] for each in "dcba"),
        ["prefetch", 1, code("e")],
        ["code", "e"],
    ]

    assert reading(steps, ["0x1", *[500] * 7]) == [
        ["1", 1],
        [None, 5],
        *[[wrong, sent] for sent in (6, 7, 8)],
        [never_again, 8],
        [None, 8],
        [never_again, 8],
    ]


def test_after_an_early_failure_everything_is_asked_one_by_one() -> None:
    steps: list[list[Any]] = [
        ["prefetch", 1, code("a"), code("b")],
        ["chainId"],
        ["code", "a"],
        ["code", "b"],
        ["prefetch", 1, code("c")],
        ["code", "c"],
    ]

    assert reading(steps, ["0x1", 429, "0xbb", "0xaa", "0xcc"]) == [
        [None, 3],
        ["1", 3],
        ["aa", 4],
        ["bb", 4],
        [None, 4],
        ["cc", 5],
    ]


def test_an_address_that_never_answered_is_not_waited_for_twice() -> None:
    steps: list[list[Any]] = [["prefetch", 1, code("a")], ["chainId"]]

    assert reading(steps, [500, 500]) == [
        [None, 2],
        ["http://localhost answered HTTP 500", 2],
    ]
