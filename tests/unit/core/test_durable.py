"""The file that an earner keeps: every bit of it counts."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import assume, given, settings, strategies as st

from anchor_worker.tree import build
from ledger.artwork.badge import BadgeSpec, badge_png, badge_svg
from ledger.core import canonical
from ledger.core.anchor import AnchorProof
from ledger.core.baking import bake_png, bake_svg, extract
from ledger.core.credential import SignedCredential
from ledger.core.durable import DurableCredential, parse_credential_file
from ledger.core.issuer import IssuerProfile
from ledger.core.merkle import InclusionProof, leaf_hash, sealed_root
from ledger.errors import LedgerError, MalformedError, ProofError
from tests.vector_sources import baked, durable, trees
from tests.vector_sources.durable import ALONE, HOME, OTHER, PROFILE, SEVENTH

ERRORS = {"malformed": MalformedError, "proof": ProofError}
SIGNED = SEVENTH.credential
BADGE = BadgeSpec("Git", "Riverside Code School", "skill", "introductory")


@lru_cache(maxsize=64)
def judged(held: bytes) -> DurableCredential | None:
    """The credential in JSON bytes, if it is well-formed and its proofs hold."""
    try:
        read = parse_credential_file(held)
        read.check()
    except LedgerError:
        return None
    return read if isinstance(read, DurableCredential) else None


def stands(data: bytes, genuine: DurableCredential) -> bool:
    """
    Whether a file, damaged or not, would still pass for the genuine one.

    Anchors and profile are compared with the chain by a verifier; here the genuine file says
    what the chain would answer.
    """
    try:
        read = judged(extract(data))
    except MalformedError:
        return False
    return read is not None and (
        read.proof.anchors == genuine.proof.anchors
        and read.proof.issuer_profile.hash == genuine.proof.issuer_profile.hash
        and read.proof.sealed_root == genuine.proof.sealed_root
    )


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def material(data: bytes, genuine: DurableCredential) -> bool:
    """Whether a file says anything other than the genuine one, white space aside."""
    return canonical.encode(canonical.parse(extract(data))) != genuine.encode()


# ---------------------------------------------------------------- vector files


@pytest.mark.parametrize("source", [durable, baked], ids=["durable", "baked"])
def test_every_file_is_in_its_manifest(source: Any) -> None:
    manifest = json.loads((source.FOLDER / "manifest.json").read_bytes())
    present = {str(p.relative_to(source.FOLDER)) for p in source.FOLDER.glob("*/*")}

    assert present == {*manifest["valid"], *manifest["invalid"]}


@pytest.mark.parametrize("source", [durable, baked], ids=["durable", "baked"])
def test_valid_files_give_what_the_manifest_says(source: Any) -> None:
    manifest = json.loads((source.FOLDER / "manifest.json").read_bytes())
    for name, expected in manifest["valid"].items():
        read = parse_credential_file((source.FOLDER / name).read_bytes())
        assert isinstance(read, DurableCredential)
        read.check()

        assert expected == durable.facts(read)


@pytest.mark.parametrize("source", [durable, baked], ids=["durable", "baked"])
def test_invalid_files_are_refused_for_the_reason_in_the_manifest(source: Any) -> None:
    manifest = json.loads((source.FOLDER / "manifest.json").read_bytes())
    for name, expected in manifest["invalid"].items():
        with pytest.raises(ERRORS[expected["error"]]) as refusal:
            parse_credential_file((source.FOLDER / name).read_bytes()).check()

        assert expected["says"], name
        assert expected["says"] in str(refusal.value), name


def test_small_trees_are_proved_path_by_path() -> None:
    document = json.loads((trees.FOLDER / "trees.json").read_bytes())
    for tree in document["trees"]:
        size, sealed = tree["treeSize"], bytes.fromhex(tree["sealedRoot"])
        for index, path in enumerate(tree["inclusionPaths"]):
            proof = InclusionProof(index, size, tuple(map(bytes.fromhex, path)))

            assert sealed == proof.sealed_root(leaf_hash(bytes([index])))
        assert sealed == sealed_root(size, bytes.fromhex(tree["root"]))


def test_the_example_of_the_specification() -> None:
    page = (durable.FOLDER.parents[2] / "docs" / "spec" / "anchor-proof.md").read_text()
    block = page.split("```json\n")[1].split("```")[0]
    facts = durable.facts(SEVENTH)

    assert SEVENTH.proof == AnchorProof.from_json(json.loads(block))
    for value in ("leaf", "root", "issuerProfileHash"):
        assert str(facts[value]) in page


# ---------------------------------------------------------------- one file, four readings


def test_without_its_second_proof_it_is_the_signed_credential_again() -> None:
    document = json.loads(SEVENTH.encode())
    document["proof"].pop()

    assert SIGNED.data == canonical.encode(document)


def test_it_is_canonical_and_comes_back_equal() -> None:
    data = SEVENTH.encode()

    assert data == canonical.encode(canonical.parse(data))
    assert DurableCredential.from_bytes(data) == SEVENTH
    assert DurableCredential.from_bytes(data).encode() == data


@pytest.mark.parametrize(
    "held", [SIGNED.data, SEVENTH.encode()], ids=["signed", "durable"]
)
def test_it_is_found_in_every_carrier(held: bytes) -> None:
    expected = parse_credential_file(held)

    assert expected == parse_credential_file(bake_png(badge_png(BADGE, 64), held))
    assert expected == parse_credential_file(bake_svg(badge_svg(BADGE), held))
    assert expected == parse_credential_file(b" \n" + held + b"\r\n")


def test_a_file_with_one_proof_is_a_signed_credential() -> None:
    assert isinstance(parse_credential_file(SIGNED.data), SignedCredential)


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"null", b'{"proof":[]}', b'{"proof":{}}', b"\xff\xd8\xff"],
)
def test_what_is_no_credential(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_credential_file(data)


# ---------------------------------------------------------------- put together


def parts(held: DurableCredential) -> dict[str, Any]:
    return {
        "inclusion": held.proof.inclusion,
        "sealed_root": held.proof.sealed_root,
        "issuer_profile": held.proof.issuer_profile,
        "anchors": held.proof.anchors,
    }


def test_parts_that_belong_together() -> None:
    assert DurableCredential.from_parts(SIGNED, **parts(SEVENTH)) == SEVENTH


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"inclusion": InclusionProof(5, 7, SEVENTH.proof.inclusion.path)}, ProofError),
        ({"inclusion": InclusionProof(6, 8, SEVENTH.proof.inclusion.path)}, ProofError),
        ({"sealed_root": b"r" * 32}, ProofError),
        ({"sealed_root": b"r" * 31}, MalformedError),
        ({"anchors": ()}, MalformedError),
        ({"anchors": (OTHER, HOME)}, MalformedError),
        ({"anchors": (OTHER,)}, MalformedError),
        ({"anchors": (HOME, HOME)}, MalformedError),
    ],
)
def test_parts_that_do_not_are_never_put_together(
    change: dict[str, Any], error: type[LedgerError]
) -> None:
    with pytest.raises(error):
        DurableCredential.from_parts(SIGNED, **(parts(SEVENTH) | change))


def test_a_credential_whose_signature_fails_is_never_put_together() -> None:
    document = json.loads(SIGNED.data)
    stranger = json.loads(durable.credential(9).data)
    document["proof"][0]["proofValue"] = stranger["proof"][0]["proofValue"]
    forged = SignedCredential.from_bytes(json.dumps(document).encode())
    tree = build([forged.leaf])

    with pytest.raises(ProofError):
        DurableCredential.from_parts(
            forged,
            inclusion=InclusionProof(0, 1, ()),
            sealed_root=tree.sealed_root,
            issuer_profile=PROFILE,
            anchors=(HOME,),
        )


# ---------------------------------------------------------------- what may differ, and what not


def shuffled(value: Any, rng: random.Random) -> Any:
    if isinstance(value, dict):
        members = [(name, shuffled(item, rng)) for name, item in value.items()]
        rng.shuffle(members)
        return dict(members)
    return [shuffled(item, rng) for item in value] if isinstance(value, list) else value


@given(
    st.randoms(use_true_random=False),
    st.sampled_from([None, 0, 1, "\t", " \r\n "]),
    st.sampled_from([(",", ":"), (" , ", " : "), (",\n", ":\t")]),
    st.booleans(),
)
def test_white_space_and_the_order_of_members_are_free(
    rng: random.Random, indent: Any, separators: tuple[str, str], escaped: bool
) -> None:
    document = shuffled(json.loads(SEVENTH.encode()), rng)
    text = json.dumps(
        document, indent=indent, separators=separators, ensure_ascii=escaped
    )

    assert parse_credential_file(text.encode()) == SEVENTH


@pytest.mark.parametrize(
    "spelling", ["7.0", "7e0", "70e-1", "0.7e1", "07", "+7", '"7"']
)
def test_a_number_has_one_spelling(spelling: str) -> None:
    data = SEVENTH.encode().replace(b'"treeSize":7', f'"treeSize":{spelling}'.encode())

    with pytest.raises(MalformedError):
        parse_credential_file(data)


def test_what_cannot_be_written_as_it_was_read_is_refused() -> None:
    """A reader that dropped a value would vouch for what it never saw."""

    class Forgetful(DurableCredential):
        def encode(self) -> bytes:
            return super().encode().replace(b'"country":"PT",', b"")

    with pytest.raises(MalformedError, match="written as it was read"):
        Forgetful.from_bytes(SEVENTH.encode())


def leaves_in(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document that holds a text, a number or a truth value."""
    items: Any = []
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    else:
        return [path]
    return [found for step, item in items for found in leaves_in(item, (*path, step))]


def place(document: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        document = document[step]
    return document


CHANGES: list[Callable[[Any], Any]] = [
    lambda value: value + "x" if isinstance(value, str) else value + 1,
    lambda value: value[:-1] if isinstance(value, str) else -value - 1,
    lambda _: None,
    lambda _: "",
    lambda value: [value],
    lambda value: {"id": value},
    lambda value: str(value) if not isinstance(value, str) else value.swapcase(),
]


@pytest.mark.parametrize("path", leaves_in(json.loads(SEVENTH.encode())), ids=str)
def test_every_value_of_the_file_is_bound(path: tuple[Any, ...]) -> None:
    for change in CHANGES:
        document = json.loads(SEVENTH.encode())
        value = place(document, path)
        changed = change(value)
        if changed == value and type(changed) is type(value):
            continue
        place(document, path[:-1])[path[-1]] = changed

        assert not stands(json.dumps(document).encode(), SEVENTH)


def objects_in(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, list):
        return [p for at, v in enumerate(value) for p in objects_in(v, (*path, at))]
    if isinstance(value, dict):
        inner = [p for name, v in value.items() for p in objects_in(v, (*path, name))]
        return [path, *inner]
    return []


@pytest.mark.parametrize("path", objects_in(json.loads(SEVENTH.encode())), ids=str)
def test_every_object_of_the_file_is_closed(path: tuple[Any, ...]) -> None:
    genuine = json.loads(SEVENTH.encode())
    for extra in ("note", "@type", "id", "description", "evidence", "name"):
        document = json.loads(SEVENTH.encode())
        if extra not in place(document, path):
            place(document, path)[extra] = "https://example.org/x"
            assert not stands(json.dumps(document).encode(), SEVENTH)
    for name in place(genuine, path):
        document = json.loads(SEVENTH.encode())
        del place(document, path)[name]
        assert not stands(json.dumps(document).encode(), SEVENTH)


# ---------------------------------------------------------------- every bit


@pytest.mark.uncounted
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("bit", range(8))
def test_every_changed_bit_of_the_json_is_refused_or_immaterial(bit: int) -> None:
    data = ALONE.encode()
    for at in range(len(data)):
        changed = flipped(data, at * 8 + bit)
        if stands(changed, ALONE):
            assert not material(changed, ALONE), f"byte {at}"


@pytest.mark.uncounted
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("carrier", ["json", "png", "svg"])
def test_thousands_of_changed_bits_are_refused_or_immaterial(carrier: str) -> None:
    """A real badge around a credential of a batch; the bits are drawn from a fixed seed."""
    held = SEVENTH.encode()
    data = {
        "json": lambda: held,
        "png": lambda: bake_png(badge_png(BADGE, 64), held),
        "svg": lambda: bake_svg(badge_svg(BADGE), held),
    }[carrier]()
    rng = random.Random(20261125)  # noqa: S311 - a sample, no secret
    # Half of them in the credential itself, which is small beside its image.
    start = data.index(held)
    bits = [rng.randrange(len(data) * 8) for _ in range(1_500)]
    bits += [8 * start + rng.randrange(len(held) * 8) for _ in range(1_500)]
    for bit in bits:
        changed = flipped(data, bit)
        if stands(changed, SEVENTH):
            assert not material(changed, SEVENTH), f"bit {bit}"


# ---------------------------------------------------------------- each part of the proof


@st.composite
def anchored(draw: st.DrawFn) -> DurableCredential:
    """The signed credential somewhere in a batch of any size."""
    size = draw(st.integers(1, 70))
    return durable.durable(draw(st.integers(0, size - 1)), size, (HOME, OTHER))


def with_inclusion(held: DurableCredential, **change: Any) -> DurableCredential:
    inclusion = replace(held.proof.inclusion, **change)
    return replace(held, proof=replace(held.proof, inclusion=inclusion))


few = settings(max_examples=40, deadline=None)


@few
@given(anchored())
def test_whatever_the_batch_it_stands(held: DurableCredential) -> None:
    assert stands(held.encode(), held)


@few
@given(anchored(), st.integers(0, 80), st.integers(1, 80))
def test_another_index_or_size(held: DurableCredential, index: int, size: int) -> None:
    inclusion = held.proof.inclusion
    assume((index, size) != (inclusion.leaf_index, inclusion.tree_size))
    damaged = with_inclusion(held, leaf_index=index, tree_size=size)

    assert not stands(damaged.encode(), held)


@few
@given(anchored(), st.data())
def test_any_bit_of_the_path(held: DurableCredential, data: st.DataObject) -> None:
    path = b"".join(held.proof.inclusion.path)
    assume(path)
    changed = flipped(path, data.draw(st.integers(0, len(path) * 8 - 1)))
    inclusion = held.proof.inclusion
    proof = InclusionProof.from_bytes(
        inclusion.leaf_index, inclusion.tree_size, changed
    )

    assert not stands(with_inclusion(held, path=proof.path).encode(), held)


@few
@given(anchored(), st.randoms(use_true_random=False), st.booleans())
def test_the_order_and_number_of_siblings(
    held: DurableCredential, rng: random.Random, drop: bool
) -> None:
    path = list(held.proof.inclusion.path)
    if drop and path:
        path.pop(rng.randrange(len(path)))
    elif drop:
        path.append(held.credential.leaf)
    else:
        rng.shuffle(path)
    assume(tuple(path) != held.proof.inclusion.path)

    assert not stands(with_inclusion(held, path=tuple(path)).encode(), held)


@few
@given(anchored(), st.integers(0, 255))
def test_any_bit_of_the_sealed_root(held: DurableCredential, bit: int) -> None:
    proof = replace(held.proof, sealed_root=flipped(held.proof.sealed_root, bit))

    assert not stands(replace(held, proof=proof).encode(), held)


@few
@given(
    anchored(),
    st.sampled_from(["time", "block_number"]),
    st.integers(-5, 5).filter(bool),
    st.integers(0, 1),
)
def test_time_and_block_are_the_chains(
    held: DurableCredential, member: str, by: int, which: int
) -> None:
    anchors = list(held.proof.anchors)
    moved: dict[str, Any] = {member: getattr(anchors[which], member) + by}
    anchors[which] = replace(anchors[which], **moved)
    proof = replace(held.proof, anchors=tuple(anchors))

    assert not stands(replace(held, proof=proof).encode(), held)


def test_the_profile_is_the_one_that_was_recorded() -> None:
    other = IssuerProfile("Riverside Code Schoo1", PROFILE.url)
    proof: AnchorProof = replace(SEVENTH.proof, issuer_profile=other)

    assert not stands(replace(SEVENTH, proof=proof).encode(), SEVENTH)


def test_a_proof_moved_to_another_credential_of_the_batch() -> None:
    stranger = durable.credential(3)
    moved = DurableCredential(stranger, SEVENTH.proof)

    with pytest.raises(ProofError, match="sealed root"):
        moved.check()
