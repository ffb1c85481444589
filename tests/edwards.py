"""The curve of Ed25519 in plain arithmetic, for signatures that no library would make."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

PRIME = 2**255 - 19
ORDER = (
    2**252 + 27742317777372353535851937790883648493
)  # of the base point, RFC 8032 5.1
_D = -121665 * pow(121666, -1, PRIME) % PRIME


@dataclass(frozen=True, slots=True)
class Point:
    """A point of -x^2 + y^2 = 1 + d x^2 y^2."""

    x: int
    y: int

    def __add__(self, other: "Point") -> "Point":
        cross = _D * self.x * other.x * self.y * other.y % PRIME
        x = (self.x * other.y + other.x * self.y) * pow(1 + cross, -1, PRIME)
        y = (self.y * other.y + self.x * other.x) * pow(1 - cross, -1, PRIME)
        return Point(x % PRIME, y % PRIME)

    def __rmul__(self, factor: int) -> "Point":
        product, power = NEUTRAL, self
        while factor:
            if factor & 1:
                product += power
            power += power
            factor >>= 1
        return product

    @property
    def raw(self) -> bytes:
        return (self.y | (self.x & 1) << 255).to_bytes(32, "little")


def point(raw: bytes) -> Point:
    """Read 32 bytes as RFC 8032 5.1.3 says, without its check of y."""
    number = int.from_bytes(raw, "little")
    y = number & (2**255 - 1)
    square = (y * y - 1) * pow(_D * y * y + 1, -1, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if (x * x - square) % PRIME:
        x = x * pow(2, (PRIME - 1) // 4, PRIME) % PRIME
    if (x * x - square) % PRIME:
        raise ValueError("no point of the curve")
    return Point(-x % PRIME if x & 1 != number >> 255 else x, y)


NEUTRAL = Point(0, 1)
BASE = point(bytes.fromhex("58" + "66" * 31))
#: A point of order 8: with its multiples, all eight of small order.
TORSION = point(
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
)


def spellings(of: Point) -> Iterator[bytes]:
    """Every 32 bytes that a careless reader takes for this point."""
    yield of.raw
    sign = (of.x & 1) << 255
    if of.y + PRIME < 2**255:
        yield (of.y + PRIME | sign).to_bytes(32, "little")
    if of.x == 0:
        yield (of.y | 1 << 255).to_bytes(32, "little")


def secret_scalar(seed: bytes) -> int:
    """RFC 8032 5.1.5."""
    number = int.from_bytes(hashlib.sha512(seed).digest()[:32], "little")
    return number & (2**254 - 8) | 2**254


def answer(scalar: int, nonce: int, r: bytes, key: bytes, message: bytes) -> int:
    """S for this R and this key: whatever they are, and whether they fit or not."""
    digest = hashlib.sha512(r + key + message).digest()
    return (nonce + int.from_bytes(digest, "little") * scalar) % ORDER
