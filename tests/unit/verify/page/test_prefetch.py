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
from tests.unit.verify.fakes import NETWORK, FakeChain, honest, served
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
AT_THE_FINAL_BLOCK = {"eth_getBlockByNumber": 2, "eth_getCode": 2, "eth_call": 3}
AT_THE_NEWEST = {"eth_getBlockByNumber": 1, "eth_getCode": 1, "eth_call": 1}


def of(node: int, counted: dict[str, int]) -> Counter[tuple[int, str]]:
    return Counter({(node, method): times for method, times in counted.items()})


def test_a_credential_is_checked_in_three_rounds() -> None:
    checked = world()

    assert rounds(checked.chain, file=checked.data) == (
        ["genuine"],
        [of(0, FIRST), of(0, AT_THE_FINAL_BLOCK), of(0, AT_THE_NEWEST)],
    )


def test_the_block_of_evidence_is_in_the_second_round() -> None:
    checked = world()
    prove(checked)

    verdicts, asked = rounds(checked.chain, file=checked.data)

    assert verdicts == ["genuine"]
    assert [sum(each.values()) for each in asked] == [3, 8, 3]


def test_two_addresses_are_asked_at_once() -> None:
    checked = world()
    second = replace(checked.chain, asked=[])

    verdicts, asked = rounds(checked.chain, second, file=checked.data)

    assert verdicts == ["genuine"]
    assert asked == [
        of(0, each) + of(1, each) for each in (FIRST, AT_THE_FINAL_BLOCK, AT_THE_NEWEST)
    ]


class OneAtATime:
    """A node that answers HTTP 429 to whoever asks while it is busy with another question."""

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


def test_a_node_that_cannot_answer_at_once_is_asked_one_by_one() -> None:
    checked, node = world(), OneAtATime()
    with served(checked.chain, node.answer) as server:
        question = question_of(checked.data, server.url)
        (timed,) = by_page([question])

        assert node.refused
        assert differences(by_python(question), timed.answer) == []


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


def test_a_failure_counts_when_it_would_have_been_met_and_not_before() -> None:
    wrong = "http://localhost answered HTTP 500"
    never_again = "http://localhost failed 3 times and is not asked again"
    steps: list[list[Any]] = [
        ["chainId"],
        ["prefetch", 1, *(code(each) for each in "abcd")],
        *(["code", each] for each in "dcba"),
        ["prefetch", 1, code("e")],
        ["code", "e"],
    ]

    assert reading(steps, ["0x1", *[500] * 4]) == [
        ["1", 1],
        [None, 5],
        *[[wrong, 5]] * 3,
        [never_again, 5],
        [None, 5],
        [never_again, 5],
    ]


def test_a_failure_beside_an_answer_is_asked_again_in_its_turn() -> None:
    steps: list[list[Any]] = [
        ["prefetch", 1, code("a"), code("b")],
        ["chainId"],
        ["code", "a"],
        ["code", "b"],
    ]

    assert reading(steps, ["0x1", 429, "0xbb", "0xaa"]) == [
        [None, 3],
        ["1", 3],
        ["aa", 4],
        ["bb", 4],
    ]
