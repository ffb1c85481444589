"""A signature that some verifiers take and others do not is taken by both of ours, or by none."""

import hashlib
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from ledger.core.canonical import encode, parse_object
from ledger.core.keys import encode_base58
from ledger.errors import MalformedError
from ledger.verify.trust import parse_trust_list
from tests.unit.verify.page.answers import Refusal, run_page
from tests.unit.verify.page.test_settings_alike import job

# RFC 8032 section 5.1: the curve, in as few lines as it takes to make signatures that no
# honest signer makes.
P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int

    def __add__(self, other: "Point") -> "Point":
        cross = D * self.x * other.x * self.y * other.y % P
        x = (self.x * other.y + other.x * self.y) * pow(1 + cross, -1, P)
        y = (self.y * other.y + self.x * other.x) * pow(1 - cross, -1, P)
        return Point(x % P, y % P)

    def times(self, count: int) -> "Point":
        total, power = Point(0, 1), self
        while count:
            if count & 1:
                total += power
            power += power
            count >>= 1
        return total

    def encode(self) -> bytes:
        return (self.y | (self.x & 1) << 255).to_bytes(32, "little")


def on_the_curve(y: int) -> Point | None:
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    return Point(x, y) if x * x % P == square else None


BASE = on_the_curve(4 * pow(5, -1, P) % P)
assert BASE is not None
if BASE.x & 1:
    BASE = Point(P - BASE.x, BASE.y)
GENERATOR = BASE


def of_order_eight() -> Point:
    for y in range(2, 100):
        point = on_the_curve(y)
        if point is not None:
            small = point.times(ORDER)
            if small.times(4) != Point(0, 1):
                return small
    raise AssertionError("no point of order eight")


SMALL = of_order_eight()


def challenge(r: bytes, key: bytes, message: bytes) -> int:
    digest = hashlib.sha512(r + key + message).digest()
    return int.from_bytes(digest, "little") % ORDER


@dataclass(frozen=True, slots=True)
class Forger:
    """A key, and the way in which it signs."""

    key: bytes
    sign: Callable[[bytes], bytes]


CHANCE = random.Random(25519)  # noqa: S311 - the same every time
SECRET = CHANCE.randrange(1, ORDER)


def forger(key: Point, nonce: Point, r: int, more: int = 0) -> Forger:
    """One with this key and this R; `more` is added to S."""
    written, named = key.encode(), nonce.encode()

    def sign(message: bytes) -> bytes:
        s = (r + challenge(named, written, message) * SECRET) % ORDER + more
        return named + s.to_bytes(32, "little")

    return Forger(written, sign)


def forgers() -> Iterator[Forger]:
    key = GENERATOR.times(SECRET)
    for count in range(8):
        r = CHANCE.randrange(ORDER)
        nonce, small = GENERATOR.times(r), SMALL.times(count)
        yield forger(key, nonce, r)
        yield forger(key, nonce, r, ORDER)  # S is not reduced
        yield forger(key, nonce + small, r)  # R of mixed order
        yield forger(key + small, nonce, r)  # the key of mixed order
        yield forger(key + small, nonce + small, r)
    yield forger(key, Point(0, 1), 0)  # R is nothing
    zero = Point(0, 1).encode()
    yield Forger(key.encode(), lambda _message: zero + bytes(32))
    beyond = (P + 1).to_bytes(32, "little")  # R is nothing, written otherwise
    yield Forger(
        key.encode(),
        lambda message: (
            beyond
            + (challenge(beyond, key.encode(), message) * SECRET % ORDER).to_bytes(
                32, "little"
            )
        ),
    )
    for y in (2, 7):  # no points of the curve
        yield Forger(y.to_bytes(32, "little"), lambda _message: bytes(64))


def signed_list(name: str, forger: Forger) -> bytes:
    document = {"version": 1, "name": name, "issuers": [], "accreditors": []}
    multibase = "z" + encode_base58(b"\xed\x01" + forger.key)
    proof = {
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-jcs-2022",
        "proofPurpose": "assertionMethod",
        "created": "2026-11-25T08:44:00Z",
        "verificationMethod": f"did:key:{multibase}#{multibase}",
    }
    parts = (parse_object(json.dumps(part).encode()) for part in (proof, document))
    message = b"".join(hashlib.sha256(encode(part)).digest() for part in parts)
    value = "z" + encode_base58(forger.sign(message))
    return json.dumps({**document, "proof": {**proof, "proofValue": value}}).encode()


@pytest.mark.slow
def test_both_take_the_same_signatures() -> None:
    lists = [
        signed_list(f"list {count}", each)
        for each in forgers()
        for count in range(4)  # whether a key of mixed order fits depends on the text
    ]
    found = [
        timed.answer for timed in run_page([job("parseTrustList", e) for e in lists])
    ]
    said = [by_python(data) for data in lists]

    refused = Refusal(
        "MalformedError", "trust list.proof: the list was changed after it was signed"
    )
    assert said == [answer if isinstance(answer, Refusal) else None for answer in found]
    assert said.count(None) == 59
    assert {None, refused} == set(said)


def by_python(data: bytes) -> Refusal | None:
    try:
        parse_trust_list(data)
    except MalformedError as error:
        return Refusal("MalformedError", str(error))
    return None
