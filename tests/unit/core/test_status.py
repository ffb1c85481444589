"""Two bit orders, one function; and lists from strangers."""

import base64
import gzip
import json
import zlib
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from ledger.core.keys import SigningKey, encode_base64url
from ledger.core.signature import check_signature, sign
from ledger.core.status import (
    BLOCK_BITS,
    MAX_BITS,
    StatusBits,
    build_status_list,
    word_and_bit,
)
from ledger.errors import MalformedError, ProofError

PUBLISHED = Path(__file__).parents[2] / "vectors" / "published" / "1edtech" / "ob30"

indexes = st.sets(st.integers(0, 3 * BLOCK_BITS - 1), max_size=40)


def listed(text: str) -> bytes:
    """A reader that shares no code with ours."""
    padded = text[1:] + "=" * (-len(text[1:]) % 4)
    return gzip.decompress(base64.urlsafe_b64decode(padded))


# ---------------------------------------------------------------- orders


@pytest.mark.parametrize(
    ("index", "place"),
    [(0, (0, 0)), (1, (0, 1)), (255, (0, 255)), (256, (1, 0)), (94_567, (369, 103))],
)
def test_where_an_index_lies_on_chain(index: int, place: tuple[int, int]) -> None:
    assert place == word_and_bit(index)


@pytest.mark.parametrize("index", [-1, MAX_BITS])
def test_no_place_for_an_index_out_of_range(index: int) -> None:
    with pytest.raises(MalformedError, match="out of range"):
        word_and_bit(index)


def test_index_0_is_the_lowest_bit_on_chain_and_the_highest_in_the_list() -> None:
    bits = StatusBits.from_words({0: 1})

    assert bits.data[0] == 0x80
    assert not any(bits.data[1:])


def test_bytes_of_a_word_by_hand() -> None:
    """Indexes 1, 7, 8 and 255 of word 2 of the second block."""
    bits = StatusBits.from_words({512 + 2: 1 << 1 | 1 << 7 | 1 << 8 | 1 << 255})
    start = (512 + 2) * 32

    assert bits.data[start : start + 2] == b"\x41\x80"
    assert bits.data[start + 31] == 0x01


@given(indexes)
def test_the_same_bits_in_both_orders(chosen: set[int]) -> None:
    bits = StatusBits.of(chosen)
    on_chain = {
        word * 256 + bit
        for word, value in bits.words().items()
        for bit in range(256)
        if value >> bit & 1
    }
    in_list = {
        at * 8 + bit
        for at, byte in enumerate(bits.data)
        if byte
        for bit in range(8)
        if byte & 0x80 >> bit
    }

    assert chosen == on_chain == in_list
    assert all(bits.is_set(index) for index in chosen)
    assert bits == StatusBits.from_words(bits.words())
    assert bits == StatusBits.decode(bits.encode())
    assert bits.data == listed(bits.encode())


@given(indexes, st.integers(0, BLOCK_BITS - 1))
def test_only_what_was_set_is_set(chosen: set[int], index: int) -> None:
    assert StatusBits.of(chosen).is_set(index) == (index in chosen)


@pytest.mark.parametrize(
    ("last", "length"),
    [
        (0, BLOCK_BITS),
        (BLOCK_BITS - 1, BLOCK_BITS),
        (BLOCK_BITS, 2 * BLOCK_BITS),
        (5 * BLOCK_BITS, 6 * BLOCK_BITS),
    ],
)
def test_it_grows_by_whole_blocks(last: int, length: int) -> None:
    assert length == len(StatusBits.of([last]).data) * 8


def test_nothing_set_is_one_block_of_zeros() -> None:
    assert bytes(BLOCK_BITS // 8) == StatusBits.of([]).data


def test_an_index_beyond_the_list_has_no_answer() -> None:
    for index in (-1, BLOCK_BITS):
        with pytest.raises(MalformedError, match="beyond the list"):
            StatusBits.of([]).is_set(index)


@pytest.mark.parametrize(
    "words", [{0: 1 << 256}, {0: -1}, {-1: 1}, {MAX_BITS // 256: 1}, {2**64: 1}]
)
def test_words_that_no_registry_has(words: dict[int, int]) -> None:
    with pytest.raises(MalformedError, match="status word"):
        StatusBits.from_words(words)


def test_the_example_of_the_specification() -> None:
    page = (PUBLISHED.parents[4] / "docs" / "spec" / "status.md").read_text()
    bits = StatusBits.of([0, 9, 300])
    encoded_there = next(
        line.split()[1] for line in page.splitlines() if line.startswith("encoded ")
    )

    assert bits == StatusBits.decode(encoded_there)
    assert bits.words() == {0: 0x201, 1: 0x100000000000}
    assert "word 0   0x201 " in page
    assert "word 1   0x100000000000 " in page
    assert (bits.data[0], bits.data[1], bits.data[37]) == (0x80, 0x40, 0x08)


# ---------------------------------------------------------------- others' lists


def test_a_published_list_is_read() -> None:
    """1EdTech's validator tests a credential whose index, 23, is set here."""
    published = PUBLISHED / "bit-string-list" / "testlist.json"
    document = json.loads(published.read_bytes())

    assert StatusBits.of([23]) == StatusBits.decode(
        document["credentialSubject"]["encodedList"]
    )


def test_the_longest_list_is_read() -> None:
    bits = StatusBits(bytes(MAX_BITS // 8))

    assert bits == StatusBits.decode(bits.encode())


def encoded(data: bytes) -> str:
    return "u" + encode_base64url(data)


WHOLE = gzip.compress(bytes(BLOCK_BITS // 8), mtime=0)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "starts with u"),
        (encoded(WHOLE)[1:], "starts with u"),
        ("z" + encoded(WHOLE)[1:], "starts with u"),
        ("u", "cut off"),
        (encoded(WHOLE) + "=", "base64url"),
        (encoded(b"not gzip"), "gzipped"),
        (encoded(zlib.compress(bytes(BLOCK_BITS // 8))), "gzipped"),
        (encoded(WHOLE[:-1]), "cut off"),
        (encoded(WHOLE + b"x"), "behind its end"),
        (encoded(WHOLE + WHOLE), "behind its end"),
        (encoded(WHOLE[:-5] + b"\1" + WHOLE[-4:]), "gzipped"),
        (
            encoded(gzip.compress(bytes(BLOCK_BITS // 8 - 1), mtime=0)),
            "at least 131072 bits",
        ),
        (encoded(gzip.compress(b"", mtime=0)), "at least 131072 bits"),
        (encoded(gzip.compress(bytes(MAX_BITS // 8 + 1), mtime=0)), "at most"),
        (encoded(gzip.compress(bytes(MAX_BITS), mtime=0)), "at most"),
    ],
)
def test_a_list_that_is_none(text: str, reason: str) -> None:
    with pytest.raises(MalformedError, match=reason):
        StatusBits.decode(text)


# ---------------------------------------------------------------- the credential


def test_the_list_as_a_credential() -> None:
    url = "https://ledger.example.org/status/7/z6Mk"
    moment = datetime(2026, 11, 25, 9, 0, tzinfo=timezone(timedelta(hours=1)))
    bits = StatusBits.of([3])
    expected = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "id": url,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": "did:key:z6Mk",
        "validFrom": "2026-11-25T08:00:00Z",
        "validUntil": "2026-11-26T08:00:00Z",
        "credentialSubject": {
            "id": url + "#list",
            "type": "BitstringStatusList",
            "statusPurpose": "revocation",
            "encodedList": bits.encode(),
        },
    }

    assert expected == build_status_list(
        url,
        "did:key:z6Mk",
        bits,
        valid_from=moment,
        valid_until=moment + timedelta(days=1),
    )


def test_the_list_of_a_closed_issuer_never_expires() -> None:
    document = build_status_list(
        "https://ledger.example.org/status/7",
        "did:key:z6Mk",
        StatusBits.of([]),
        valid_from=datetime(2026, 11, 25, tzinfo=UTC),
    )

    assert "validUntil" not in document


def test_the_list_is_signed_without_the_nonce() -> None:
    """Other people's verifiers read it, and none of them knows our nonce."""
    key = SigningKey.from_seed(b"k" * 32)
    moment = datetime(2026, 11, 25, tzinfo=UTC)
    document = build_status_list(
        "https://ledger.example.org/status/7",
        key.public.did,
        StatusBits.of([3]),
        valid_from=moment,
    )
    method = f"{key.public.did}#{key.public.multibase}"
    proof = sign(document, key, verification_method=method, created=moment, nonce=False)

    assert "nonce" not in proof
    assert key.public == check_signature(document, proof, require_nonce=False)
    document["issuer"] = SigningKey.from_seed(b"o" * 32).public.did
    with pytest.raises(ProofError):
        check_signature(document, proof, require_nonce=False)
