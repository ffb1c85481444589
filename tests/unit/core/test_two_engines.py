"""Ed25519 by libsodium and by OpenSSL: the same bytes, and never another verdict."""

import itertools
import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from hypothesis import given, strategies as st

from ledger.core import keys
from ledger.core.keys import PublicKey, SigningKey
from ledger.errors import MalformedError, ProofError
from tests.edwards import (
    BASE,
    NEUTRAL,
    ORDER,
    TORSION,
    answer,
    secret_scalar,
    spellings,
)

SEED = b"\x2a" * 32
SCALAR = secret_scalar(SEED)
MINE, NONCE = SCALAR * BASE, 7 * BASE


class Case(NamedTuple):
    """A signature as somebody hostile would make it."""

    key: bytes
    signature: bytes
    message: bytes


def openssl_accepts(case: Case) -> bool:
    try:
        key = Ed25519PublicKey.from_public_bytes(case.key)
        key.verify(case.signature, case.message)
    except (InvalidSignature, ValueError):
        return False
    return True


def ours_accepts(case: Case) -> bool:
    try:
        PublicKey(case.key).check(case.signature, case.message)
    except ProofError:
        return False
    return True


def sodium_accepts(case: Case) -> bool:
    return keys._sodium_accepts(*case)


def signed(r: bytes, nonce: int, key: bytes, scalar: int, message: bytes) -> Case:
    s = answer(scalar, nonce, r, key, message)
    return Case(key, r + s.to_bytes(32, "little"), message)


def weak_points(message: bytes) -> Iterator[Case]:
    """Keys and nonces with a part of small order or nothing else, in every spelling."""
    small = [n * TORSION for n in range(8)]
    for shift, other in itertools.product(small, small):
        mixed = (NONCE + other).raw
        keys_of_mine = [((MINE + shift).raw, SCALAR)]
        for key, scalar in [*keys_of_mine, *((weak, 0) for weak in spellings(shift))]:
            yield signed(mixed, 7, key, scalar, message)
            for r in spellings(other):
                yield signed(r, 0, key, scalar, message)


def other_numbers(message: bytes) -> Iterator[Case]:
    """A fair signature, its other values of S, its bits turned, and cut where it should not."""
    key, fair = fair_case(message)
    s = int.from_bytes(fair[32:], "little")
    numbers = [s + added * ORDER for added in range(1, 16)]
    numbers += [0, 1, ORDER - 1, ORDER, ORDER + 1, 2**252, 2**253, 2**256 - 1]
    whole = int.from_bytes(fair, "little")
    forms = [fair[:32] + n.to_bytes(32, "little") for n in numbers if n < 2**256]
    forms += [(whole ^ 1 << bit).to_bytes(64, "little") for bit in range(512)]
    yield from (Case(key, form, message) for form in [fair, *forms])
    yield from (Case(key, fair[:cut], fair[cut:] + message) for cut in range(64))
    yield Case(key, fair + message + b"x", b"")


def fair_case(message: bytes) -> tuple[bytes, bytes]:
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    return key.public_key().public_bytes_raw(), key.sign(message)


@pytest.fixture(scope="module")
def hostile() -> Sequence[Case]:
    cases: dict[Case, None] = {}
    for message in (b"", b"a", b"bb", b"ccc"):
        cases |= dict.fromkeys(weak_points(message))
        cases |= dict.fromkeys(other_numbers(message))
    return list(cases)


def test_what_libsodium_accepts_openssl_accepts(hostile: Sequence[Case]) -> None:
    accepted = [case for case in hostile if sodium_accepts(case)]

    assert len(accepted) > 20
    assert all(openssl_accepts(case) for case in accepted)


def test_openssl_has_the_last_word_in_every_hostile_case(
    hostile: Sequence[Case],
) -> None:
    """Of keys that we read at all; more than libsodium accepts, which is why it is asked."""
    tried = accepted = more = 0
    for case in hostile:
        try:
            PublicKey(case.key)
        except MalformedError:
            continue
        tried += 1
        verdict = openssl_accepts(case)
        assert ours_accepts(case) == verdict, case
        accepted += verdict
        more += verdict and not sodium_accepts(case)

    assert tried > 2_000
    assert accepted > 20
    assert more > 3


@given(
    st.integers(0, 7),
    st.integers(0, 7),
    st.integers(0, ORDER - 1),
    st.binary(max_size=80),
)
def test_no_nonce_and_no_message_divides_them(
    key_shift: int, shift: int, nonce: int, message: bytes
) -> None:
    key = (MINE + key_shift * TORSION).raw
    r = (nonce * BASE + shift * TORSION).raw
    case = signed(r, nonce, key, SCALAR, message)

    assert ours_accepts(case) == openssl_accepts(case)


def test_a_signature_that_borrows_from_the_message_is_refused() -> None:
    """libsodium takes both in one piece, and would not notice where the cut was."""
    key, signature = fair_case(b"text")

    for cut in (0, 1, 63):
        case = Case(key, signature[:cut], signature[cut:] + b"text")
        assert not sodium_accepts(case)
        assert not ours_accepts(case)
    assert not ours_accepts(Case(key, signature + b"text", b""))


# ---------------------------------------------------------------- a tolerant libsodium


def test_the_tolerant_signature_holds_eightfold_and_not_once() -> None:
    case = Case(keys._TOLERANT_KEY, keys._TOLERANT_SIGNATURE, b"")
    made = signed((8 * BASE + TORSION).raw, 8, case.key, secret_scalar(bytes(32)), b"")

    assert case == made
    assert case.key == SigningKey.from_seed(bytes(32)).public.raw
    assert NEUTRAL == 8 * TORSION != 4 * TORSION
    assert not openssl_accepts(case)


def test_the_libsodium_of_the_lock_is_strict() -> None:
    """If it is not any more, all still holds, and verifying takes twice as long."""
    assert keys._SODIUM_COUNTS


def test_a_tolerant_libsodium_is_never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "crypto_sign_open", lambda *_: b"")
    monkeypatch.setattr(keys, "_SODIUM_COUNTS", keys._sodium_is_strict())
    key, signature = fair_case(b"text")

    PublicKey(key).check(signature, b"text")
    with pytest.raises(ProofError):
        PublicKey(key).check(signature, b"another")


# ---------------------------------------------------------------- signing


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 127, 128, 1_000])
def test_both_write_the_same_signature(size: int) -> None:
    source = random.Random(size)  # noqa: S311 - the same bytes in every run
    for _ in range(20):
        seed, message = source.randbytes(32), source.randbytes(size)
        theirs = Ed25519PrivateKey.from_private_bytes(seed)
        ours = SigningKey.from_seed(seed)

        assert ours.public.raw == theirs.public_key().public_bytes_raw()
        assert ours.sign(message) == theirs.sign(message)


# RFC 8032 section 7.1: seed, message, signature.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
        "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
]


@pytest.mark.parametrize(("seed", "message", "signature"), RFC_8032)
def test_rfc_8032_7_1(seed: str, message: str, signature: str) -> None:
    key = SigningKey.from_seed(bytes.fromhex(seed))
    text = bytes.fromhex(message)

    assert signature == key.sign(text).hex()
    key.public.check(bytes.fromhex(signature), text)


def test_no_repr_of_the_key_shows_what_libsodium_gets() -> None:
    key = SigningKey.from_seed(SEED)

    assert repr(key._secret) not in repr(key)
    assert SEED.hex() not in repr(key)
