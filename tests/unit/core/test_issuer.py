"""Names, profiles and key windows of issuers."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest
from eth_abi.abi import encode as abi_encode
from hypothesis import given, strategies as st

from ledger.core.canonical import Json
from ledger.core.issuer import (
    IssuerProfile,
    IssuerReference,
    KeyWindow,
    is_http_url,
    issuer_id,
    recovery_commitment,
)
from ledger.core.keys import keccak256
from ledger.errors import MalformedError

_REGISTRY = "0x" + "ab" * 20
_TEXT = f"eip155:31337:{_REGISTRY}:0x{'01' * 32}"
_PROFILE: dict[str, Json] = {
    "name": "Riverside Code School",
    "url": "https://riverside.example.org",
    "email": "registrar@riverside.example.org",
    "description": "A twelve-week full-stack programme, in person and remote.",
    "country": "PT",
    "did": ["did:web:riverside.example.org"],
}
_HASHES = st.binary(min_size=32, max_size=32)
_ADDRESSES = st.binary(min_size=20, max_size=20).map(lambda raw: f"0x{raw.hex()}")


def test_reference_round_trip() -> None:
    reference = IssuerReference(31337, _REGISTRY, b"\x01" * 32)

    assert reference.text == _TEXT
    assert reference == IssuerReference.from_text(_TEXT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        _TEXT + "\n",
        " " + _TEXT,
        _TEXT.replace("ab", "AB"),
        _TEXT.replace("eip155", "EIP155"),
        _TEXT.replace("31337", "031337"),
        _TEXT.replace("31337", "0"),
        _TEXT.replace("31337", "-1"),
        _TEXT.replace("31337", "٣"),
        _TEXT.replace("31337", str(2**53)),
        _TEXT.replace("31337", "9" * 40),
        _TEXT[:-2],
        _TEXT + "00",
        _TEXT.replace("0x" + "01" * 32, "01" * 32),
        _TEXT.replace(_REGISTRY, _REGISTRY[:-2]),
        _TEXT + ":x",
    ],
)
def test_reference_refuses_every_other_text(text: str) -> None:
    with pytest.raises(MalformedError):
        IssuerReference.from_text(text)


def test_issuer_id_is_what_the_contract_answers() -> None:
    """The example of docs/spec/contracts.md."""
    spec = (Path(__file__).parents[3] / "docs" / "spec" / "contracts.md").read_text()
    controller = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"
    commitment = recovery_commitment("0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc")
    identifier = issuer_id(
        31337, controller, commitment, hashlib.sha256(b"{}").digest(), bytes(32)
    )

    assert (
        commitment.hex()
        == "1acd8c7346146404998bcf6fa5e6b34ee7d0954cd062bb444250a895f94b2a5b"
    )
    assert (
        identifier.hex()
        == "c7e039bc41dae264f08a8c6edbd88758455488f561e946fdeeddd729ef1a0f17"
    )
    assert f"0x{identifier.hex()}" in spec


@given(st.integers(1, 2**53 - 1), _ADDRESSES, _HASHES, _HASHES, _HASHES)
def test_issuer_id_is_the_hash_of_abi_encode(
    chain_id: int, controller: str, recovery: bytes, profile: bytes, salt: bytes
) -> None:
    encoded = abi_encode(
        ["bytes32", "uint256", "address", "bytes32", "bytes32", "bytes32"],
        [
            keccak256(b"Perdure issuer v1"),
            chain_id,
            controller,
            recovery,
            profile,
            salt,
        ],
    )

    assert keccak256(encoded) == issuer_id(
        chain_id, controller, recovery, profile, salt
    )


@given(_ADDRESSES)
def test_recovery_commitment_is_the_hash_of_abi_encode(address: str) -> None:
    assert keccak256(abi_encode(["address"], [address])) == recovery_commitment(address)


def test_issuer_id_refuses_values_the_contract_cannot_hold() -> None:
    good = (1, "0x" + "11" * 20, b"\x22" * 32, b"\x33" * 32, b"\x44" * 32)
    for position, bad in [
        (0, 0),
        (0, 2**53),
        (1, "0x" + "11" * 19),
        (1, "0x" + "AA" * 20),
        (2, b"\x22" * 31),
        (3, b"\x33" * 33),
        (4, b""),
    ]:
        values = [*good]
        values[position] = bad
        with pytest.raises(MalformedError):
            issuer_id(*values)  # type: ignore[arg-type]
    with pytest.raises(MalformedError, match="recovery key"):
        recovery_commitment("0x11")


def test_profile_round_trip_and_hash() -> None:
    profile = IssuerProfile.from_json(_PROFILE)

    assert profile.to_json() == _PROFILE
    assert (
        profile.hash.hex()
        == "a8cd3e408671be23b6adee05dd5fabdc880e3c343172591ed5f3f6d90c4f882b"
    )


def test_the_smallest_profile_writes_nothing_it_does_not_know() -> None:
    smallest: Json = {"name": "A", "url": "http://a.example"}

    assert smallest == IssuerProfile.from_json(smallest).to_json()


@pytest.mark.parametrize("member", sorted(_PROFILE))
def test_every_member_is_in_the_hash(member: str) -> None:
    other: dict[str, Json] = {
        "name": "Riverside",
        "url": "https://riverside.example.com",
        "email": "office@riverside.example.org",
        "description": "Other.",
        "country": "ES",
        "did": ["did:web:other.example.org"],
    }

    changed = IssuerProfile.from_json({**_PROFILE, member: other[member]})

    assert changed.hash != IssuerProfile.from_json(_PROFILE).hash


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("profile.phone: unknown member", {"phone": "1"}),
        ("profile.name: not a string", {"name": None}),
        ("profile.name: not a string", {"name": 1}),
        ("profile.name: empty", {"name": "  "}),
        ("profile.name: empty", {"name": " a"}),
        ("profile.name: more than one line", {"name": "a\nb"}),
        ("profile.name: longer than 200", {"name": "a" * 201}),
        ("U+0000", {"name": "a\0b"}),
        ("profile.url: not an http", {"url": "ftp://a.example"}),
        ("profile.url: not an http", {"url": "javascript:alert(1)"}),
        ("profile.url: not an http", {"url": "https://a.example/ b"}),
        ("profile.url: not an http", {"url": "https://a.example/<b>"}),
        ("profile.url: not an http", {"url": "https://user@a.example/"}),
        ("profile.url: not an http", {"url": "https:///b"}),
        ("profile.url: not an http", {"url": "https://a.example/%zz"}),
        ("profile.url: not an http", {"url": "https://a.example\n"}),
        ("profile.url: not an http", {"url": "https://a.example/" + "b" * 2000}),
        ("profile.email: not an e-mail", {"email": "a"}),
        ("profile.email: not an e-mail", {"email": "a@b@c"}),
        ("profile.email: not an e-mail", {"email": "a @example.org"}),
        ("profile.email: not a string", {"email": None}),
        ("profile.description: empty", {"description": ""}),
        ("profile.description: longer", {"description": "a" * 10_001}),
        ("profile.country: two capital", {"country": "pt"}),
        ("profile.country: two capital", {"country": "PRT"}),
        ("profile.did: a list", {"did": "did:web:a.example"}),
        ("profile.did: a list", {"did": []}),
        ("profile.did: not a string", {"did": [1]}),
        ("profile.did: only did:web", {"did": ["did:key:z6Mk"]}),
        ("profile.did: only did:web", {"did": ["did:web:A.example"]}),
        ("each once", {"did": ["did:web:a.example"] * 2}),
        ("at most 10", {"did": [f"did:web:a{i}.example" for i in range(11)]}),
    ],
)
def test_profile_refuses(reason: str, change: dict[str, Json]) -> None:
    with pytest.raises(MalformedError) as refusal:
        IssuerProfile.from_json({**_PROFILE, **change})

    assert reason in str(refusal.value)


@pytest.mark.parametrize("member", ["name", "url"])
def test_profile_needs_name_and_url(member: str) -> None:
    with pytest.raises(MalformedError, match=f"profile.{member}: missing"):
        IssuerProfile.from_json({k: v for k, v in _PROFILE.items() if k != member})


def test_profile_is_an_object() -> None:
    with pytest.raises(MalformedError, match="not an object"):
        IssuerProfile.from_json([_PROFILE])


def test_a_window_opens_at_its_second_and_ends_before_its_bounds() -> None:
    window = KeyWindow(opened=100, until=200, compromised_since=300, closed_at=400)

    assert [window.covers(t) for t in (99, 100, 199, 200)] == [False, True, True, False]


@pytest.mark.parametrize("bound", ["until", "compromised_since", "closed_at"])
def test_each_bound_ends_the_window_alone(bound: str) -> None:
    window = replace(KeyWindow(opened=100), **{bound: 200})

    assert [window.covers(t) for t in (199, 200, 201)] == [True, False, False]


def test_an_open_window_never_ends() -> None:
    assert KeyWindow(opened=100).covers(2**40)


def test_a_key_compromised_before_it_was_opened_never_covers() -> None:
    window = KeyWindow(opened=100, compromised_since=50)

    assert not any(window.covers(t) for t in (49, 50, 99, 100, 101))


@given(
    st.integers(0, 20),
    *[st.none() | st.integers(0, 20)] * 3,
    st.integers(0, 20),
)
def test_covers_is_the_formula(
    opened: int,
    until: int | None,
    compromised: int | None,
    closed: int | None,
    t: int,
) -> None:
    bounds = [bound for bound in (until, compromised, closed) if bound is not None]

    expected = opened <= t < min(bounds, default=10**9)

    assert expected == KeyWindow(opened, until, compromised, closed).covers(t)


# The same language without possessive quantifiers, character by character.
_PLAIN_PCHAR = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})"
_PLAIN_URL = re.compile(
    r"https?://[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(?::[0-9]{1,5})?"
    rf"(?:/{_PLAIN_PCHAR}*)?(?:\?(?:{_PLAIN_PCHAR}|\?)*)?"
    rf"(?:\#(?:{_PLAIN_PCHAR}|\?)*)?",
    re.ASCII,
)


@given(
    st.one_of(
        st.text("ab:/.?#%41G -@<>\né", max_size=30).map("http://a".__add__),
        st.from_regex(_PLAIN_URL, fullmatch=True),
    )
)
def test_a_url_is_read_as_the_plain_grammar_has_it(text: str) -> None:
    assert is_http_url(text) == (
        len(text) <= 2_000 and _PLAIN_URL.fullmatch(text) is not None
    )


def test_a_long_url_that_ends_badly_is_refused_at_once() -> None:
    for part in ("a", "%41", "a%41", "?"):
        assert not is_http_url("http://a/" + part * (1_900 // len(part)) + "%4")
