import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from ledger.errors import KeystoreError
from ledger.keystore.master import MasterKey

MASTER = MasterKey(bytes(range(32)))


@settings(deadline=None)  # the machine may be busy
@given(st.binary(max_size=200), st.binary(max_size=40))
def test_what_was_sealed_opens_under_the_same_context(
    plaintext: bytes, context: bytes
) -> None:
    assert plaintext == MASTER.open(MASTER.seal(plaintext, context), context)


@settings(deadline=None)  # the machine may be busy
@given(st.data())
def test_any_changed_bit_is_refused(data: st.DataObject) -> None:
    sealed = bytearray(MASTER.seal(b"a private key", b"issuer"))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8

    with pytest.raises(KeystoreError):
        MASTER.open(bytes(sealed), b"issuer")


def test_a_sealed_key_cannot_be_put_in_anothers_place() -> None:
    with pytest.raises(KeystoreError, match="another master key"):
        MASTER.open(MASTER.seal(b"secret", b"school a"), b"school b")


def test_another_master_key_opens_nothing() -> None:
    with pytest.raises(KeystoreError, match="another master key"):
        MasterKey(bytes(32)).open(MASTER.seal(b"secret", b""), b"")


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x02" + bytes(40), bytes(28)])
def test_what_was_never_sealed_is_refused(sealed: bytes) -> None:
    with pytest.raises(KeystoreError, match="not a sealed secret"):
        MASTER.open(sealed, b"")


def test_the_same_secret_is_sealed_differently_each_time() -> None:
    assert MASTER.seal(b"secret", b"") != MASTER.seal(b"secret", b"")


def test_derived_keys_are_fixed_for_ever() -> None:
    """HKDF-SHA256 of bytes 0..31 with info "perdure/sender", no salt."""
    expected = "3d7f4d7ddb50421ec8d69e10020cb9026a03299683a3302769ec8adff47e0e4d"

    assert expected == MASTER.derive(b"sender").hex()


def test_repr_shows_no_key() -> None:
    assert repr(MASTER) == "MasterKey()"


def test_a_master_key_of_another_length_is_refused() -> None:
    with pytest.raises(KeystoreError, match="32 bytes"):
        MasterKey(bytes(31))


def test_a_new_master_key_file_is_private_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "master"
    master = MasterKey.create_file(path)

    assert master == MasterKey.from_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_existing_file_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "master"
    path.write_text("precious")

    with pytest.raises(KeystoreError, match="exists"):
        MasterKey.create_file(path)
    assert path.read_text() == "precious"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o700 | 0o001])
def test_a_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "master"
    MasterKey.create_file(path)
    path.chmod(mode)

    with pytest.raises(KeystoreError, match="chmod 600"):
        MasterKey.from_file(path)


@pytest.mark.parametrize(
    "text", ["", "00" * 31, "00" * 33, "0x" + "00" * 31, "zz" * 32, "00 " * 21 + "0"]
)
def test_a_file_without_64_digits_is_refused_and_not_quoted(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "master"
    path.write_text(text)
    path.chmod(0o600)

    with pytest.raises(KeystoreError, match="64 hexadecimal digits") as caught:
        MasterKey.from_file(path)
    assert not text or text not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeystoreError, match="nowhere: No such file"):
        MasterKey.from_file(tmp_path / "nowhere")


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeystoreError, match="neither a file nor a pipe"):
        MasterKey.from_file(tmp_path)


def test_a_pipe_is_welcome() -> None:
    reading, writing = os.pipe()
    os.write(writing, MASTER.key.hex().encode() + b"\n")
    os.close(writing)
    try:
        assert MasterKey.from_file(Path(f"/dev/fd/{reading}")) == MASTER
    finally:
        os.close(reading)
