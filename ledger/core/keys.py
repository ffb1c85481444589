"""
Keys and the texts they travel as: Ed25519, multikey, did:key, base58btc, base64url, Keccak.

Each value has exactly one accepted text, so that nobody can spell a signed key in two ways.
"""

import base64
import binascii
import importlib
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from eth_hash.abc import BackendAPI
from nacl.bindings import crypto_sign, crypto_sign_open
from nacl.exceptions import BadSignatureError

from ledger.errors import MalformedError, ProofError

try:
    _keccak: BackendAPI = importlib.import_module("eth_hash.backends.pysha3").backend
except ImportError:  # six times as slow, and everywhere
    _keccak = importlib.import_module("eth_hash.backends.pycryptodome").backend

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE58_DIGITS = {digit: value for value, digit in enumerate(_BASE58)}
# Big numbers are divided by few big numbers, small ones by many small ones.
_BASE58_PAIRS = [first + second for first in _BASE58 for second in _BASE58]
_BASE58_POWERS = [58**digits for digits in range(11)]
# Base 58 arithmetic is quadratic; the longest text we read is a signature of 88 digits.
_BASE58_MAX = 128

_KEYS_KEPT = 256

_BASE64URL = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_FROM_URL = bytes.maketrans(b"-_", b"+/")
# By the length modulo 4: digits whose last four, or two, bits are zero.
_BASE64URL_ENDS = (_BASE64URL, b"", _BASE64URL[::16], _BASE64URL[::4])

_ED25519_MULTICODEC = b"\xed\x01"
_FIELD_PRIME = 2**255 - 19
# The y coordinates of the eight points of small order. For a key among them anybody can
# write signatures, and one signature fits many messages.
_SMALL_ORDER = frozenset(
    {
        0,
        1,
        _FIELD_PRIME - 1,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
    }
)

_SIGNATURE_BYTES = 64
# A key, and a signature of no bytes whose R is off by a point of order 8: OpenSSL refuses it,
# and so does whoever compares R as RFC 8032 allows; who multiplies by eight first takes it.
_TOLERANT_KEY = bytes.fromhex(
    "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29"
)
_TOLERANT_SIGNATURE = bytes.fromhex(
    "99e078d056763dca46099c11c8fce4f62ca39f82091a309e0de107a5405ab262"
    "f09cc2f3663b192ba5b5720d51dd5c79718d1cccbaf73296f54c4e9fd89a8d05"
)


def keccak256(data: bytes) -> bytes:
    """Ethereum's hash: Keccak-256 with the padding from before SHA-3 was standardised."""
    return _keccak.keccak256(data)


def encode_base58(data: bytes) -> str:
    """Write base58btc: the Bitcoin alphabet, one '1' for each leading zero byte."""
    number = int.from_bytes(data, "big")
    pairs: list[str] = []
    while number:
        number, ten = divmod(number, _BASE58_POWERS[10])
        for _ in range(5):
            ten, pair = divmod(ten, len(_BASE58_PAIRS))
            pairs.append(_BASE58_PAIRS[pair])
    digits = "".join(reversed(pairs)).lstrip("1")
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + digits


def decode_base58(text: str) -> bytes:
    """Read base58btc of at most 128 digits. Raises MalformedError."""
    if len(text) > _BASE58_MAX:
        raise MalformedError(f"base58 of more than {_BASE58_MAX} digits")
    number = 0
    try:
        for start in range(0, len(text), 10):
            some = text[start : start + 10]
            ten = 0
            for digit in some:
                ten = ten * 58 + _BASE58_DIGITS[digit]
            number = number * _BASE58_POWERS[len(some)] + ten
    except KeyError as error:
        raise MalformedError(f"{error.args[0]!a} is not a base58 digit") from None
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def encode_base64url(data: bytes) -> str:
    """Write base64url without padding (RFC 4648 section 5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode_base64url(text: str) -> bytes:
    """Read base64url without padding, unused bits zero. Raises MalformedError."""
    if not text.isascii() or len(text) % 4 == 1:
        raise MalformedError("not base64url without padding")
    digits = text.encode("ascii")
    if digits.translate(None, _BASE64URL):
        raise MalformedError("not base64url without padding")
    if digits and digits[-1] not in _BASE64URL_ENDS[len(digits) % 4]:
        raise MalformedError("base64url ends in bits that belong to no byte")
    return binascii.a2b_base64(digits.translate(_FROM_URL) + b"=" * (-len(digits) % 4))


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 public key (RFC 8032), never of small order."""

    raw: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.raw) != 32:
            raise MalformedError("an Ed25519 public key has 32 bytes")
        y = int.from_bytes(self.raw, "little") & (2**255 - 1)
        if y >= _FIELD_PRIME or y in _SMALL_ORDER:
            raise MalformedError("Ed25519 public key not canonical or of small order")

    def __repr__(self) -> str:
        return f"PublicKey({self.multibase})"

    @classmethod
    def from_multibase(cls, text: str) -> "PublicKey":
        """Read a multikey in base58btc, "z6Mk…". Raises MalformedError."""
        return _read_multibase(text)

    @property
    def multikey(self) -> bytes:
        """The 34 bytes 0xed01 + key."""
        return _ED25519_MULTICODEC + self.raw

    @property
    def multibase(self) -> str:
        """The multikey in base58btc, "z6Mk…"."""
        return _multibase(self.multikey)

    @property
    def did(self) -> str:
        """The did:key identifier."""
        return f"did:key:{self.multibase}"

    @property
    def verification_method(self) -> str:
        """The did:key URL of this key: the identifier, and the key again as its fragment."""
        return f"{self.did}#{self.multibase}"

    @property
    def key_id(self) -> bytes:
        """The name of this key in the IssuerRegistry: Keccak-256 of the multikey."""
        return keccak256(self.multikey)

    def check(self, signature: bytes, message: bytes) -> None:
        """
        Check an Ed25519 signature of this key, by what OpenSSL accepts. Raises ProofError.

        libsodium is asked first, at half the cost: what it accepts OpenSSL accepts too
        (docs/decisions/0012-fast-core.md). Whatever it refuses is for OpenSSL to judge.
        """
        if _SODIUM_COUNTS and _sodium_accepts(self.raw, signature, message):
            return
        try:
            # A key that is no point of the curve is found here, not when it is made.
            _loaded(self.raw).verify(signature, message)
        except InvalidSignature as error:
            raise ProofError(
                "the signature does not fit the key and the text"
            ) from error


def _sodium_accepts(key: bytes, signature: bytes, message: bytes) -> bool:
    # It takes signature and message in one piece: a short one would borrow from the message.
    if len(signature) != _SIGNATURE_BYTES:
        return False
    try:
        crypto_sign_open(signature + message, key)
    except BadSignatureError:
        return False
    return True


def _sodium_is_strict() -> bool:
    # Newer releases of libsodium are tolerant, and PyNaCl may be built with any of them.
    return not _sodium_accepts(_TOLERANT_KEY, _TOLERANT_SIGNATURE, b"")


_SODIUM_COUNTS = _sodium_is_strict()


# A ledger and a verifier meet the same few keys again and again; refusals are not kept.
@lru_cache(maxsize=_KEYS_KEPT)
def _read_multibase(text: str) -> PublicKey:
    if not text.startswith("z"):
        raise MalformedError("a key is written in base58btc, with a leading z")
    multikey = decode_base58(text[1:])
    if len(multikey) != 34 or not multikey.startswith(_ED25519_MULTICODEC):
        raise MalformedError("not an Ed25519 multikey")
    return PublicKey(multikey.removeprefix(_ED25519_MULTICODEC))


@lru_cache(maxsize=_KEYS_KEPT)
def _loaded(raw: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(raw)


@lru_cache(maxsize=_KEYS_KEPT)
def _multibase(multikey: bytes) -> str:
    return "z" + encode_base58(multikey)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 private key, made from its 32-byte seed. Never shows the seed."""

    seed: bytes = field(repr=False)
    public: PublicKey = field(init=False, compare=False)
    # The seed and the public key behind it, as libsodium wants them.
    _secret: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.seed) != 32:
            raise MalformedError("an Ed25519 seed has 32 bytes")
        # By OpenSSL, which wipes what it worked with; PyNaCl would leave the seed behind.
        key = Ed25519PrivateKey.from_private_bytes(self.seed)
        public = key.public_key().public_bytes_raw()
        object.__setattr__(self, "public", PublicKey(public))
        object.__setattr__(self, "_secret", self.seed + public)

    @classmethod
    def from_seed(cls, seed: bytes) -> "SigningKey":
        """Make the key of a 32-byte seed. Raises MalformedError."""
        return cls(seed)

    def sign(self, message: bytes) -> bytes:
        """Sign with Ed25519: deterministic, 64 bytes."""
        return crypto_sign(message, self._secret)[:_SIGNATURE_BYTES]
