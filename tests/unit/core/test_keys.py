"""Keys, and the one text that each of them has."""

import base64

import pytest
from hypothesis import given, strategies as st

from ledger.core.keys import (
    PublicKey,
    SigningKey,
    decode_base58,
    decode_base64url,
    encode_base58,
    encode_base64url,
    keccak256,
)
from ledger.errors import MalformedError, ProofError

_PRIME = 2**255 - 19
_ORDER = (
    2**252 + 27742317777372353535851937790883648493
)  # of the base point, RFC 8032 5.1


@pytest.mark.parametrize(
    ("digest", "data"),
    [
        ("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470", b""),
        ("4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45", b"abc"),
        # The event that every token contract emits.
        (
            "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef",
            b"Transfer(address,address,uint256)",
        ),
    ],
)
def test_keccak256_known_answers(digest: str, data: bytes) -> None:
    assert digest == keccak256(data).hex()


@pytest.mark.parametrize(
    ("text", "data"),
    [
        # draft-msporny-base58-03, section 5
        ("2NEpo7TZRRrLZSi2U", b"Hello World!"),
        (
            "USm3fpXnKG5EUBx2ndxBDMPVciP5hGey2Jh4NDv6gmeo1LkMeiKrLJUUBk6Z",
            b"The quick brown fox jumps over the lazy dog.",
        ),
        ("11233QC4", bytes.fromhex("0000287fb4cd")),
        ("", b""),
        ("1", b"\0"),
    ],
)
def test_base58_known_answers(text: str, data: bytes) -> None:
    assert text == encode_base58(data)
    assert data == decode_base58(text)


@given(st.binary(max_size=64))
def test_base58_round_trip(data: bytes) -> None:
    assert data == decode_base58(encode_base58(data))


@given(
    st.text("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", max_size=90)
)
def test_base58_has_one_text_for_each_value(text: str) -> None:
    assert text == encode_base58(decode_base58(text))


@pytest.mark.parametrize(
    "text", ["0", "O", "I", "l", "a b", "a\n", "é", "+", "1" * 129]
)
def test_base58_refuses(text: str) -> None:
    with pytest.raises(MalformedError, match="base58"):
        decode_base58(text)


@given(st.binary(max_size=64))
def test_base64url_round_trip(data: bytes) -> None:
    text = encode_base64url(data)

    assert base64.urlsafe_b64encode(data).decode().rstrip("=") == text
    assert data == decode_base64url(text)


@pytest.mark.parametrize(
    "text", ["A", "AA==", "AB", "AAB", "+A", "/A", "A A", "AA\n", "é"]
)
def test_base64url_refuses_padding_stray_bits_and_other_alphabets(text: str) -> None:
    with pytest.raises(MalformedError, match="base64url"):
        decode_base64url(text)


def test_the_texts_of_a_key() -> None:
    """The key pair of the W3C vectors for eddsa-rdfc-2022."""
    secret = "z3u2en7t5LR2WtQH5PfFqMqwVHBeXouLzo6haApm8XHqvjxq"
    key = SigningKey.from_seed(decode_base58(secret[1:])[2:]).public

    assert key.multibase == "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"
    assert f"did:key:{key.multibase}" == key.did
    assert f"{key.did}#{key.multibase}" == key.verification_method
    assert b"\xed\x01" + key.raw == key.multikey
    assert keccak256(key.multikey) == key.key_id
    assert key == PublicKey.from_multibase(key.multibase)


@given(st.binary(min_size=32, max_size=32))
def test_any_seed_signs_and_its_key_has_one_text(seed: bytes) -> None:
    key = SigningKey.from_seed(seed)

    key.public.check(key.sign(b"text"), b"text")
    assert key.public == PublicKey.from_multibase(key.public.multibase)
    assert len(key.public.multibase) == 48


@given(st.integers(0, 511), st.integers(0, 31))
def test_no_bit_of_signature_or_text_can_change(bit: int, text_bit: int) -> None:
    key = SigningKey.from_seed(bytes(31) + b"\x07")
    signature = bytearray(key.sign(b"text"))
    signature[bit // 8] ^= 1 << bit % 8
    text = bytearray(b"text")
    text[text_bit // 8] ^= 1 << text_bit % 8

    with pytest.raises(ProofError):
        key.public.check(bytes(signature), b"text")
    with pytest.raises(ProofError):
        key.public.check(key.sign(b"text"), bytes(text))


def test_a_signature_has_no_second_form() -> None:
    """RFC 8032 5.1.7: S is below the group order, so S + order is refused."""
    key = SigningKey.from_seed(bytes(31) + b"\x07")
    signature = key.sign(b"text")
    s = int.from_bytes(signature[32:], "little") + _ORDER

    with pytest.raises(ProofError):
        key.public.check(signature[:32] + s.to_bytes(32, "little"), b"text")


@pytest.mark.parametrize("signature", [b"", b"\0" * 63, b"\0" * 64, b"\0" * 65])
def test_a_signature_of_another_length_is_refused(signature: bytes) -> None:
    with pytest.raises(ProofError):
        SigningKey.from_seed(bytes(32)).public.check(signature, b"text")


def test_a_key_that_is_no_point_of_the_curve_checks_nothing() -> None:
    no_point = PublicKey((2).to_bytes(32, "little"))

    with pytest.raises(ProofError):
        no_point.check(bytes(64), b"text")


def _y_is_of_small_order(y: int) -> bool:
    """Double the point of that y three times, by y alone: 8 P = neutral, y = 1."""
    d = -121665 * pow(121666, -1, _PRIME) % _PRIME
    for _ in range(3):
        # -x^2 + y^2 = 1 + d x^2 y^2, and the doubling formula in y and x^2
        x2 = (y * y - 1) * pow(d * y * y + 1, -1, _PRIME) % _PRIME
        t = d * x2 * y * y % _PRIME
        y = (y * y + x2) * pow(1 - t, -1, _PRIME) % _PRIME
    return y == 1


@pytest.mark.parametrize("sign", [0, 1])
@pytest.mark.parametrize(
    "y",
    [
        0,
        1,
        _PRIME - 1,
        _PRIME,
        _PRIME + 1,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
    ],
)
def test_keys_of_small_order_are_refused(y: int, sign: int) -> None:
    assert _y_is_of_small_order(y % _PRIME)
    with pytest.raises(MalformedError, match="small order"):
        PublicKey((y | sign << 255).to_bytes(32, "little"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "z",
        "6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQXJPt4swbTQ2",
        "Z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQXJPt4swbTQ2",
        "z16MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQXJPt4swbTQ2",
        "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQXJPt4swbTQ",
        "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2\n",
        # secp256k1, multicodec 0xe7
        "zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme",
    ],
)
def test_other_texts_of_keys_are_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        PublicKey.from_multibase(text)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_keys_and_seeds_have_32_bytes(length: int) -> None:
    with pytest.raises(MalformedError):
        PublicKey(bytes(length))
    with pytest.raises(MalformedError):
        SigningKey.from_seed(bytes(length))


def test_no_repr_shows_the_seed() -> None:
    seed = bytes(range(32))
    key = SigningKey.from_seed(seed)

    shown = f"{key!r} {key} {key.public!r}"

    assert key.public.multibase in shown
    assert seed.hex() not in shown
    assert repr(seed) not in shown
