"""Four views, encoded by hand."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from ledger.core import registries
from ledger.core.evidence import AnchorSlot, Endorsement
from ledger.core.issuer import IssuerReference, KeyWindow
from ledger.core.keys import keccak256
from ledger.errors import ChainUnavailable
from ledger.verify.registry import CalledRegistries
from ledger.verify.witnesses import View
from tests.unit.verify.fakes import NETWORK, FakeChain, FakeIssuer, FakeState

ROOT, KEY, PROFILE = b"\x07" * 32, b"\x08" * 32, b"\x09" * 32
SCHOOL = IssuerReference(777, NETWORK.issuer_registry, b"\x01" * 32)
BOARD = IssuerReference(777, NETWORK.issuer_registry, b"\x02" * 32)
ISSUER = FakeIssuer(
    registered_at=10,
    closed_at=90,
    closed_for_good=True,
    keys={KEY: (20, 80, 70, 1)},
    revoked={258},
    profiles={PROFILE: 30},
)
STATE = FakeState(
    anchors={ROOT: (500, 50)},
    issuers={SCHOOL.issuer_id: ISSUER},
    endorsements={(BOARD.issuer_id, SCHOOL.issuer_id, PROFILE): (40, 60, 55)},
)


def view(state: FakeState = STATE, **changes: Callable[..., bytes]) -> CalledRegistries:
    chain = FakeChain(state, **changes)  # type: ignore[arg-type]
    return CalledRegistries(View(NETWORK, [chain], chain.block(100)))


@pytest.mark.parametrize(
    ("selector", "signature"),
    [
        (registries.ANCHORED_AT_SELECTOR, b"anchoredAt(bytes32)"),
        (registries.CHECK_SELECTOR, b"check(bytes32,bytes32,uint256)"),
        (
            registries.PROFILE_RECORDED_AT_SELECTOR,
            b"profileRecordedAt(bytes32,bytes32)",
        ),
        (registries.ENDORSEMENT_SELECTOR, b"endorsement(bytes32,bytes32,bytes32)"),
    ],
)
def test_selectors_are_those_of_the_signatures(
    selector: bytes, signature: bytes
) -> None:
    assert selector == keccak256(signature)[:4]


def test_an_anchor_is_read_with_time_and_block() -> None:
    assert view().anchor(ROOT) == AnchorSlot(time=500, block_number=50)
    assert view().anchor(KEY) is None


def test_check_answers_issuer_key_and_status_bit_at_once() -> None:
    state = view().issuer(SCHOOL, KEY, 258)

    assert state.registered_at == 10
    assert state.closed_at == 90
    assert state.closed_for_good
    assert state.window == KeyWindow(20, 80, 70, 90)
    assert state.revoked
    assert not view().issuer(SCHOOL, KEY, 257).revoked


def test_zero_means_never_and_not_the_first_of_january_1970() -> None:
    open_issuer = replace(ISSUER, closed_at=0, keys={KEY: (20, 0, 0, 1)})
    state = view(FakeState(issuers={SCHOOL.issuer_id: open_issuer})).issuer(
        SCHOOL, KEY, 0
    )

    assert state.closed_at is None
    assert state.window == KeyWindow(20, None, None, None)


def test_who_was_never_registered_has_no_window() -> None:
    state = view().issuer(BOARD, KEY, 0)

    assert state.registered_at is None
    assert state.window is None


def test_a_revoking_key_is_no_signing_key() -> None:
    revoker = replace(ISSUER, keys={KEY: (20, 0, 0, registries.REVOKING_ROLE)})
    state = FakeState(issuers={SCHOOL.issuer_id: revoker})

    assert view(state).issuer(SCHOOL, KEY, 0).window is None


def test_profile_and_endorsement() -> None:
    assert view().profile_time(SCHOOL, PROFILE) == 30
    assert view().profile_time(SCHOOL, ROOT) is None
    expected = Endorsement(40, 60, 55)
    assert expected == view().endorsement(BOARD, SCHOOL, PROFILE)
    assert view().endorsement(SCHOOL, BOARD, PROFILE) is None


@pytest.mark.parametrize(
    ("endorsement", "covered"),
    [
        (Endorsement(40, None, None), (40, 10**12)),
        (Endorsement(40, 60, None), (40, 59)),
        (Endorsement(40, None, 55), (40, 54)),
        (Endorsement(40, 60, 55), (40, 54)),
        (Endorsement(40, 50, 55), (40, 49)),
    ],
)
def test_an_endorsement_stands_to_the_second(
    endorsement: Endorsement, covered: tuple[int, int]
) -> None:
    first, last = covered

    assert not endorsement.covers(first - 1)
    assert endorsement.covers(first)
    assert endorsement.covers(last)
    assert last == 10**12 or not endorsement.covers(last + 1)


def at(position: int, value: int) -> Callable[[bytes, int, bytes], bytes]:
    def distort(_data: bytes, _block: int, answer: bytes) -> bytes:
        words = [answer[at : at + 32] for at in range(0, len(answer), 32)]
        words[position] = value.to_bytes(32, "big")
        return b"".join(words)

    return distort


@pytest.mark.parametrize(
    ("position", "value"),
    [
        (0, 2**40),
        (1, 2**40),
        (2, 2),
        (5, 2**40),
        (6, 2**255),
        (7, 2**40),
        (8, 256),
        (9, 2),
    ],
)
def test_a_number_too_large_for_its_type_is_no_answer(
    position: int, value: int
) -> None:
    with pytest.raises(ChainUnavailable, match="out of range"):
        view(distort=at(position, value)).issuer(SCHOOL, KEY, 0)


@pytest.mark.parametrize("length", [0, 1, 319, 321, 352])
def test_an_answer_of_another_length_is_no_answer(length: int) -> None:
    short = view(distort=lambda _d, _b, answer: (answer * 2)[:length])

    with pytest.raises(ChainUnavailable, match=f"{length} bytes instead of 320"):
        short.issuer(SCHOOL, KEY, 0)


def test_anchor_numbers_have_64_bits() -> None:
    with pytest.raises(ChainUnavailable):
        view(distort=at(0, 2**64)).anchor(ROOT)
    with pytest.raises(ChainUnavailable):
        view(distort=at(1, 2**64)).anchor(ROOT)
