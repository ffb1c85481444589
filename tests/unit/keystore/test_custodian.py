"""Sealing for custodians: each opens it alone, nobody else does, and mistakes are named."""

import pyrage
import pytest

from ledger.errors import KeystoreError, MalformedError
from ledger.keystore.custodian import (
    MAX_IDENTITY_BYTES,
    check_recipient,
    read_identities,
    seal,
    unseal,
)

ONE, TWO, STRANGER = (pyrage.x25519.Identity.generate() for _ in range(3))


def file_of(identity: pyrage.x25519.Identity) -> bytes:
    """As age-keygen writes it."""
    return (
        f"# created: today\n# public key: {identity.to_public()}\n{identity}\n".encode()
    )


def test_every_custodian_opens_it_alone() -> None:
    sealed = seal(b"personal", [str(ONE.to_public()), str(TWO.to_public())])

    assert b"personal" not in sealed
    assert sealed.startswith(b"age-encryption.org/v1\n")
    for identity in (ONE, TWO):
        assert unseal(sealed, read_identities(file_of(identity))) == b"personal"
    assert (
        unseal(sealed, read_identities(file_of(STRANGER) + file_of(ONE))) == b"personal"
    )


def test_nobody_else_does() -> None:
    sealed = seal(b"personal", [str(ONE.to_public())])

    with pytest.raises(KeystoreError, match="none of these identities"):
        unseal(sealed, read_identities(file_of(STRANGER)))
    for damaged in (
        sealed[:-1],
        sealed[:40],
        b"",
        sealed[:-1] + bytes([sealed[-1] ^ 1]),
    ):
        with pytest.raises(KeystoreError):
            unseal(damaged, read_identities(file_of(ONE)))


def test_a_mistyped_recipient_is_refused() -> None:
    good = str(ONE.to_public())
    check_recipient(good)
    other = "q" if good[30] != "q" else "p"
    for wrong in (good[:30] + other + good[31:], good[:-1], "", "age1", str(ONE)):
        with pytest.raises(MalformedError, match="no age recipient") as refused:
            check_recipient(wrong)
        assert str(ONE) not in str(refused.value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"# only words\n",
        b"hello\n",
        b"\xff\xfe",
        b"AGE-SECRET-KEY-1QQQQ\n",
        b"#" * (MAX_IDENTITY_BYTES + 1),
    ],
)
def test_what_is_no_identity_file_is_refused_without_quoting_it(data: bytes) -> None:
    with pytest.raises(MalformedError) as refused:
        read_identities(data)
    assert "QQQQ" not in str(refused.value)
    assert "hello" not in str(refused.value)


def test_an_identity_is_never_shown() -> None:
    (identity,) = read_identities(file_of(ONE))
    assert str(ONE) not in repr(identity)
