"""The printed code: the same from the same id, and no slip of a typist goes unseen."""

import hashlib
import re
from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from ledger.core.short_code import ALPHABET, LENGTH, ShortCode
from ledger.errors import MalformedError

ID = UUID("0b0e8f1e-6f5c-4d7a-9a51-2f3c8f6a7b10")
ids = st.uuids(version=4)


def test_a_code_is_the_beginning_of_a_hash_of_the_id() -> None:
    digest = hashlib.sha256(b"\x04" + ID.bytes).digest()
    bits = f"{int.from_bytes(digest):0256b}"
    expected = "".join(ALPHABET[int(bits[at : at + 5], 2)] for at in range(0, 55, 5))

    assert ShortCode.of(ID).letters[:-1] == expected


def test_the_example_of_the_specification() -> None:
    assert ShortCode.of(ID).text == "1DDZ-BJAD-DH4X"


@given(ids)
def test_it_is_printed_in_groups_and_read_back(credential: UUID) -> None:
    code = ShortCode.of(credential)

    assert re.fullmatch(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}", code.text)
    assert ShortCode.from_typed(code.text) == code
    assert ShortCode.from_typed(code.text.lower().replace("-", " ")) == code
    typed = code.letters.replace("1", "l").replace("0", "O")
    assert ShortCode.from_typed(typed) == code


@given(ids, st.integers(0, LENGTH - 1), st.sampled_from(ALPHABET))
def test_one_wrong_letter_is_noticed(credential: UUID, at: int, letter: str) -> None:
    letters = ShortCode.of(credential).letters
    wrong = letters[:at] + letter + letters[at + 1 :]
    if wrong == letters:
        return

    with pytest.raises(MalformedError, match="slip"):
        ShortCode(wrong)


@given(ids, st.integers(0, LENGTH - 1), st.integers(0, LENGTH - 1))
def test_two_swapped_letters_are_noticed(credential: UUID, a: int, b: int) -> None:
    letters = list(ShortCode.of(credential).letters)
    if letters[a] == letters[b]:
        return
    letters[a], letters[b] = letters[b], letters[a]

    with pytest.raises(MalformedError, match="slip"):
        ShortCode("".join(letters))


@pytest.mark.parametrize(
    "text",
    ["", "7XK2", "7XK2-94QF-M2TBX", "UUUU-UUUU-UUUU", "7XK2-94QF-M2T!", "é" * 12],
)
def test_what_is_no_code(text: str) -> None:
    with pytest.raises(MalformedError):
        ShortCode.from_typed(text)


def test_what_is_far_too_long_is_not_looked_at() -> None:
    with pytest.raises(MalformedError, match="12 letters"):
        ShortCode.from_typed("-" * 1_000_000)
