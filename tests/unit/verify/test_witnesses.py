"""Several readers of one chain count only as far as they agree."""

from typing import Any

import pytest

from ledger.core import registries
from ledger.errors import ChainUnavailable
from ledger.verify.registry import CalledRegistries
from ledger.verify.rpc import Tag
from ledger.verify.witnesses import Unsettled, Witnesses, code_of
from tests.unit.verify.fakes import NETWORK, FakeChain, FakeState

ROOT = b"\x07" * 32
ANCHORED = FakeState(anchors={ROOT: (1_000_500, 50)})


def chain(name: str = "a.example", **changes: Any) -> FakeChain:
    return FakeChain(name=name, **{"settled": ANCHORED, **changes})


def failure_of(*readers: FakeChain, tag: Tag = Tag.FINALIZED) -> ChainUnavailable:
    with pytest.raises(ChainUnavailable) as failure:
        CalledRegistries(Witnesses.gather(NETWORK, readers).view(tag)).anchor(ROOT)
    return failure.value


def test_two_that_agree_answer_as_one() -> None:
    witnesses = Witnesses.gather(NETWORK, [chain(), chain("b.example")])
    slot = CalledRegistries(witnesses.view(Tag.FINALIZED)).anchor(ROOT)

    assert slot is not None
    assert slot.block_number == 50
    assert [reader.address for reader in witnesses.readers] == [
        "https://a.example",
        "https://b.example",
    ]


def test_the_lowest_finalized_block_of_all_is_read_and_named() -> None:
    ahead, behind = chain(finalized=103), chain("b.example", finalized=99)
    witnesses = Witnesses.gather(NETWORK, [ahead, behind])
    witnesses.view(Tag.FINALIZED)

    assert witnesses.read == ((Tag.FINALIZED, behind.block(99)),)


def test_every_read_of_one_view_is_at_one_block_even_when_the_head_moves() -> None:
    moving = chain()
    view = Witnesses.gather(NETWORK, [moving]).view(Tag.LATEST)
    moving.latest += 5
    CalledRegistries(view).anchor(ROOT)
    calls = {line for line in moving.asked if line.startswith(("call", "code"))}

    assert {line.rpartition(" ")[2] for line in calls} == {"110"}


def test_another_block_hash_at_the_same_height_is_a_disagreement() -> None:
    failure = failure_of(chain(), chain("b.example", fork="'"))

    assert code_of(failure) == "disagreement"
    assert "https://a.example and https://b.example" in str(failure)


def test_another_answer_is_a_disagreement_and_nobody_is_outvoted() -> None:
    failure = failure_of(
        chain(), chain("b.example"), chain("c.example", settled=FakeState())
    )

    assert code_of(failure) == "disagreement"
    assert "https://a.example and https://c.example" in str(failure)


def test_a_silent_second_address_leaves_the_question_open() -> None:
    failure = failure_of(chain(), chain("b.example", broken={"call": "is silent"}))

    assert code_of(failure) == "unreachable"
    assert "https://b.example is silent" in str(failure)


def test_another_chain_does_not_speak_for_this_network() -> None:
    failure = failure_of(chain(chain_id_=5))

    assert code_of(failure) == "no_address"
    assert "https://a.example answers for eip155:5" in str(failure)
    assert "eip155:777" in str(failure)


def test_readers_of_other_chains_may_be_given_beside_the_right_one() -> None:
    witnesses = Witnesses.gather(NETWORK, [chain("b.example", chain_id_=5), chain()])

    assert [reader.address for reader in witnesses.readers] == ["https://a.example"]


def test_no_address_at_all_is_said_so() -> None:
    assert "none was given" in str(failure_of())


def test_the_right_chain_id_over_another_first_block_is_another_chain() -> None:
    class Copy(FakeChain):
        def block(self, which: Tag | int) -> Any:
            return FakeChain(chain_id_=5).block(which)

    failure = failure_of(Copy(name="copy.example"))

    assert code_of(failure) == "other_chain"
    assert NETWORK.genesis_hash.hex() in str(failure)


@pytest.mark.parametrize("code", [b"", b"\x60\x00", b"\xef\x01\x00" + b"\x01" * 20])
def test_a_registry_without_its_code_is_not_believed(code: bytes) -> None:
    """An empty answer would read as zeros, and zeros say: never withdrawn."""
    failure = failure_of(chain(code_of={registries.ANCHOR_REGISTRY: code}))

    assert code_of(failure) == "no_registry"


def test_an_address_that_failed_is_not_asked_for_the_same_head_again() -> None:
    broken = chain(broken_tags={Tag.FINALIZED: "timed out"})
    witnesses = Witnesses.gather(NETWORK, [broken])
    for _ in range(3):
        with pytest.raises(ChainUnavailable, match="timed out"):
            witnesses.view(Tag.FINALIZED)

    assert broken.asked.count("block finalized") == 1
    assert witnesses.view(Tag.LATEST).block.number == 110


def test_a_plain_failure_has_the_code_unreachable() -> None:
    assert code_of(ChainUnavailable("x")) == "unreachable"
    assert code_of(Unsettled("behind", "x")) == "behind"
