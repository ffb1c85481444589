"""The anchor proof: one encoding of every value, and nothing beside them."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given, strategies as st

from ledger.core import canonical
from ledger.core.anchor import Anchor, AnchorProof
from ledger.core.issuer import IssuerProfile
from ledger.core.merkle import InclusionProof, leaf_hash, root, sealed_root
from ledger.errors import MalformedError, ProofError

REGISTRY = "0x" + "a1" * 20
LEAVES = [leaf_hash(bytes([number])) for number in range(3)]
PATH = (root([LEAVES[0], LEAVES[1]]),)

DOCUMENT: dict[str, Any] = {
    "type": "MerkleAnchorProof2026",
    "proofPurpose": "assertionMethod",
    "leafIndex": 2,
    "treeSize": 3,
    "inclusionPath": ["0x" + PATH[0].hex()],
    "sealedRoot": "0x" + sealed_root(3, root(LEAVES)).hex(),
    "issuerProfile": {"name": "Riverside", "url": "https://riverside.example.org"},
    "anchors": [
        {
            "chainId": "eip155:31337",
            "registry": REGISTRY,
            "blockNumber": 12,
            "time": "2026-11-25T08:44:00Z",
        },
        {
            "chainId": "eip155:1",
            "registry": REGISTRY,
            "blockNumber": 23_000_000,
            "time": "2026-11-25T08:45:11Z",
        },
    ],
}
PROOF = AnchorProof(
    InclusionProof(2, 3, PATH),
    sealed_root(3, root(LEAVES)),
    IssuerProfile("Riverside", "https://riverside.example.org"),
    (
        Anchor(31_337, REGISTRY, 12, 1_795_596_240),
        Anchor(1, REGISTRY, 23_000_000, 1_795_596_311),
    ),
)

numbers = st.integers(0, 2**53 - 1)
hashes = st.binary(min_size=32, max_size=32)
anchors = st.builds(
    Anchor,
    st.integers(1, 2**53 - 1),
    st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex()),
    numbers,
    st.integers(0, 253_402_300_799),
)


def in_order(chosen: list[Anchor]) -> tuple[Anchor, ...]:
    home, *others = chosen
    return (home, *sorted(others, key=lambda anchor: anchor.chain_id))


proofs = st.builds(
    AnchorProof,
    st.builds(
        InclusionProof,
        st.integers(0, 2**53 - 2),
        st.integers(1, 2**53 - 1),
        st.lists(hashes, max_size=8).map(tuple),
    ),
    hashes,
    st.just(PROOF.issuer_profile),
    st.lists(
        anchors, min_size=1, max_size=8, unique_by=lambda anchor: anchor.chain_id
    ).map(in_order),
)


# ---------------------------------------------------------------- reading and writing


def test_the_example_is_read() -> None:
    assert AnchorProof.from_json(DOCUMENT) == PROOF


def test_the_example_is_written() -> None:
    assert PROOF.to_json() == DOCUMENT


def test_home_is_the_first_anchor() -> None:
    assert Anchor(31_337, REGISTRY, 12, 1_795_596_240) == PROOF.home


@given(proofs)
def test_what_is_written_is_read_the_same(proof: AnchorProof) -> None:
    text = canonical.encode(proof.to_json())

    assert proof == AnchorProof.from_json(canonical.parse(text))


# ---------------------------------------------------------------- what it proves


def test_a_leaf_that_is_in_the_batch() -> None:
    PROOF.check(LEAVES[2])


@pytest.mark.parametrize(
    ("proof", "leaf"),
    [
        (PROOF, LEAVES[1]),
        (replace(PROOF, sealed_root=root(LEAVES)), LEAVES[2]),
        (replace(PROOF, inclusion=InclusionProof(2, 4, PATH)), LEAVES[2]),
        (replace(PROOF, inclusion=InclusionProof(1, 2, PATH)), LEAVES[2]),
        (replace(PROOF, inclusion=InclusionProof(3, 3, PATH)), LEAVES[2]),
        (replace(PROOF, inclusion=InclusionProof(2, 3, ())), LEAVES[2]),
        (replace(PROOF, inclusion=InclusionProof(2, 3, PATH * 2)), LEAVES[2]),
    ],
)
def test_a_leaf_that_is_not_proved(proof: AnchorProof, leaf: bytes) -> None:
    with pytest.raises(ProofError):
        proof.check(leaf)


# ---------------------------------------------------------------- closed set, one encoding


def places(
    value: object, path: tuple[str | int, ...] = ()
) -> list[tuple[str | int, ...]]:
    """Every place in a document, the document itself left out."""
    if isinstance(value, dict):
        inner = [((*path, name), item) for name, item in value.items()]
    elif isinstance(value, list):
        inner = [((*path, at), item) for at, item in enumerate(value)]
    else:
        return []
    return [place for here, item in inner for place in (here, *places(item, here))]


def changed(path: tuple[str | int, ...], change: Callable[[Any, Any], None]) -> Any:
    document = copy.deepcopy(DOCUMENT)
    parent: Any = document
    for step in path[:-1]:
        parent = parent[step]
    change(parent, path[-1])
    return document


ALL = places(DOCUMENT)
NAMED = [path for path in ALL if isinstance(path[-1], str)]
OBJECTS = [(), ("issuerProfile",), ("anchors", 0), ("anchors", 1)]


@pytest.mark.parametrize("path", NAMED, ids=str)
def test_a_missing_member_is_named(path: tuple[str | int, ...]) -> None:
    document = changed(path, lambda parent, name: parent.pop(name))

    with pytest.raises(MalformedError, match=rf"{path[-1]}: missing"):
        AnchorProof.from_json(document)


@pytest.mark.parametrize("path", OBJECTS, ids=str)
@pytest.mark.parametrize("name", ["proof", "transaction", "@context", ""])
def test_an_unknown_member_is_named(path: tuple[str | int, ...], name: str) -> None:
    document = changed(
        (*path, name), lambda parent, member: parent.update({member: "x"})
    )

    with pytest.raises(MalformedError, match=rf"{name}: unknown member"):
        AnchorProof.from_json(document)


@pytest.mark.parametrize("path", ALL, ids=str)
@pytest.mark.parametrize("other", [None, True, 7, 7.0, "x", [], {}], ids=repr)
def test_a_value_of_another_kind(path: tuple[str | int, ...], other: object) -> None:
    original: Any = DOCUMENT
    for step in path:
        original = original[step]
    if type(other) is type(original) and path[-1] != "url":
        return  # the same kind: another value, and no matter of encoding

    document = changed(path, lambda parent, step: parent.__setitem__(step, other))
    with pytest.raises(MalformedError):
        AnchorProof.from_json(document)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("type",), "merkleAnchorProof2026"),
        (("proofPurpose",), "authentication"),
        (("inclusionPath", 0), "0x" + PATH[0].hex().upper()),
        (("inclusionPath", 0), "0X" + PATH[0].hex()),
        (("inclusionPath", 0), PATH[0].hex()),
        (("inclusionPath", 0), "0x" + PATH[0].hex()[:-1]),
        (("inclusionPath", 0), "0x" + PATH[0].hex() + "\n"),
        (("sealedRoot",), "0x" + "٣" * 64),
        (("sealedRoot",), "0x" + "00" * 31),
        (("anchors", 0, "registry"), REGISTRY.upper()),
        (("anchors", 0, "registry"), "0x" + "A1" * 20),
        (("anchors", 0, "registry"), REGISTRY + "a1"),
        (("anchors", 0, "chainId"), "31337"),
        (("anchors", 0, "chainId"), "eip155:031337"),
        (("anchors", 0, "chainId"), "eip155:0"),
        (("anchors", 0, "chainId"), "EIP155:31337"),
        (("anchors", 0, "chainId"), "eip155:31337 "),
        (("anchors", 0, "chainId"), f"eip155:{2**53}"),
        (("anchors", 0, "chainId"), "solana:31337"),
        (("anchors", 0, "time"), "2026-11-25T08:44:00.0Z"),
        (("anchors", 0, "time"), "2026-11-25T08:44:00+00:00"),
        (("anchors", 0, "time"), "2026-11-25t08:44:00z"),
        (("anchors", 0, "time"), "2026-11-25 08:44:00Z"),
        (("anchors", 0, "time"), "2026-11-25T08:44:00"),
        (("anchors", 0, "time"), "2026-11-25T24:00:00Z"),
        (("anchors", 0, "time"), "2026-11-25T08:44:60Z"),
        (("anchors", 0, "time"), "2026-02-29T08:44:00Z"),
        (("anchors", 0, "time"), "0000-01-01T00:00:00Z"),
        (("anchors", 0, "time"), "1969-12-31T23:59:59Z"),
        (("anchors", 0, "time"), "٢٠٢٦-11-25T08:44:00Z"),
    ],
)
def test_another_spelling_is_refused(path: tuple[str | int, ...], text: str) -> None:
    document = changed(path, lambda parent, step: parent.__setitem__(step, text))

    with pytest.raises(MalformedError):
        AnchorProof.from_json(document)


@pytest.mark.parametrize(
    ("path", "number"),
    [
        (("leafIndex",), -1),
        (("leafIndex",), 2.0),
        (("treeSize",), 0),
        (("treeSize",), 2**53),
        (("anchors", 0, "blockNumber"), -1),
        (("anchors", 0, "blockNumber"), 2**53),
        (("anchors", 0, "blockNumber"), False),
    ],
)
def test_a_number_out_of_range(path: tuple[str | int, ...], number: object) -> None:
    document = changed(path, lambda parent, step: parent.__setitem__(step, number))

    with pytest.raises(MalformedError):
        AnchorProof.from_json(document)


@pytest.mark.parametrize(
    ("chains", "reason"),
    [
        ([], "between 1 and 8"),
        (range(1, 10), "between 1 and 8"),
        ([5, 5], "no chain twice"),
        ([5, 1, 5], "no chain twice"),
        ([5, 2, 1], "ascending"),
    ],
)
def test_the_list_of_anchors(chains: list[int], reason: str) -> None:
    some = tuple(Anchor(chain, REGISTRY, 1, 1) for chain in chains)

    with pytest.raises(MalformedError, match=reason):
        replace(PROOF, anchors=some)


def test_a_sealed_root_is_a_hash() -> None:
    with pytest.raises(MalformedError, match="32 bytes"):
        replace(PROOF, sealed_root=b"short")


@pytest.mark.parametrize("value", [None, [], "x", 1])
def test_a_proof_is_an_object(value: object) -> None:
    with pytest.raises(MalformedError, match="not an object"):
        AnchorProof.from_json(cast("Any", value))
