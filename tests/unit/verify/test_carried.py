"""Evidence in a file: alone with a trusted block, beside a node, broken, stale, stitched, forged."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from ledger.chain.state import StateTrie
from ledger.core import registries
from ledger.core.evidence import Evidence
from ledger.core.issuer import IssuerReference
from ledger.verify.checkpoints import Checkpoint
from ledger.verify.report import Outcome, Report, Verdict
from ledger.verify.rpc import Tag
from ledger.verify.trust import Trusted, TrustList
from tests.registry_state import NEIGHBOURS, issuer_words, state_trie
from tests.unit.verify.credentials import (
    BEGAN,
    INDEX,
    KEY,
    LISTED,
    NOW,
    PROFILE,
    REFERENCE,
    T,
    World,
    durable,
    signed,
    world,
)
from tests.unit.verify.fakes import NETWORK, FakeChain, FakeIssuer
from tests.unit.verify.proofs import (
    BLOCK,
    checkpoint,
    evidence_from,
    header_at,
    nameless,
    prove,
    questions_of,
    tamper,
)

BOARD = replace(REFERENCE, issuer_id=b"\x02" * 32)
OTHER_BOARD = replace(REFERENCE, issuer_id=b"\x03" * 32)
BY_BOARD = TrustList("Admissions", accreditors=(Trusted(BOARD, "Skills Board"),))


def codes(report: Report) -> tuple[str, str, str]:
    """Issuer, record and withdrawal."""
    issuer, record, withdrawal = (step.code for step in report.steps[2:5])
    return issuer, record, withdrawal


def offline(w: World, *checkpoints: Checkpoint, **given: Any) -> Report:
    return w.verify(readers=[], checkpoints=checkpoints, **given)


def proven(**issuer: Any) -> tuple[World, Checkpoint]:
    """A file with evidence, and the checkpoint of its block."""
    w = world()
    for name, value in issuer.items():
        setattr(w.issuer, name, value)
    return w, checkpoint(prove(w))


# ---------------------------------------------------------------- offline


def test_with_one_trusted_block_nobody_is_asked() -> None:
    w, point = proven()

    report = offline(w, point)
    assert report == offline(w, nameless(point))
    assert report.verdict is Verdict.GENUINE_AS_OF
    assert codes(report) == ("issuer.trusted", "record.final", "withdrawal.as_of")
    assert report.heading == "Genuine as of 2026-07-01"
    assert report.exit_code == 3
    assert report.sources == ()
    assert report.according_to is None
    assert w.chain.asked == []
    (read,) = report.read
    assert (read.head, read.block.number) == ("evidence", BLOCK)
    assert read.name == point.text
    assert report.steps[4].detail == (
        "Seen as of 2026-07-01T08:15:00Z, block 90, from the evidence in the file."
    )


def test_a_closed_issuer_without_successor_leaves_nothing_open() -> None:
    w, point = proven(closed_at=T + 1, closed_for_good=True)

    report = offline(w, point)
    assert report.verdict is Verdict.GENUINE
    assert codes(report)[2] == "withdrawal.none"
    assert report.steps[4].detail.endswith("Nobody can withdraw it since.")
    assert report.exit_code == 0


def test_a_closed_issuer_with_a_successor_may_still_withdraw() -> None:
    w, point = proven(closed_at=T + 1, closed_for_good=False)

    assert offline(w, point).verdict is Verdict.GENUINE_AS_OF


def test_what_is_withdrawn_at_the_block_is_withdrawn() -> None:
    w, point = proven(revoked={INDEX})

    report = offline(w, point)
    assert report.verdict is Verdict.WITHDRAWN
    closed, closed_point = proven(
        revoked={INDEX}, closed_at=T + 1, closed_for_good=True
    )
    assert offline(closed, closed_point).verdict is Verdict.WITHDRAWN


def test_on_a_test_network_nothing_is_green() -> None:
    w, point = proven(closed_at=T + 1, closed_for_good=True)

    report = offline(w, point, networks=[replace(NETWORK, test=True)])
    assert report.heading == "TEST: Genuine and current"
    assert report.exit_code == 3


@pytest.mark.parametrize(
    ("window", "closed_at", "code"),
    [
        ((T, 0, 0, 1), 0, "issuer.trusted"),
        ((T + 1, 0, 0, 1), 0, "issuer.key_too_early"),
        ((BEGAN, T + 1, 0, 1), 0, "issuer.trusted"),
        ((BEGAN, T, 0, 1), 0, "issuer.key_ended"),
        ((BEGAN, 0, T + 1, 1), 0, "issuer.trusted"),
        ((BEGAN, 0, T, 1), 0, "issuer.key_compromised"),
        ((BEGAN, 0, 0, 1), T + 1, "issuer.trusted"),
        ((BEGAN, 0, 0, 1), T, "issuer.closed"),
        ((BEGAN, 0, 0, 2), 0, "issuer.key_unknown"),
        ((0, 0, 0, 0), 0, "issuer.key_unknown"),
    ],
)
def test_the_key_is_judged_at_t_to_the_second(
    window: tuple[int, int, int, int], closed_at: int, code: str
) -> None:
    w, point = proven(keys={KEY.public.key_id: window}, closed_at=closed_at)

    report = offline(w, point)
    assert codes(report)[0] == code
    if code != "issuer.trusted":
        assert report.verdict is Verdict.CONTRADICTED


def test_an_issuer_that_was_never_registered_or_another_profile() -> None:
    w, _ = proven()
    w.chain.settled.issuers.clear()
    assert codes(offline(w, checkpoint(prove(w))))[0] == "issuer.not_registered"

    w, point = proven(profiles={b"\x07" * 32: BEGAN})
    assert codes(offline(w, point))[0] == "issuer.profile_unknown"


def test_an_endorsement_counts_if_it_is_in_the_evidence() -> None:
    w = world()
    pair = (BOARD.issuer_id, REFERENCE.issuer_id, PROFILE.hash)
    w.chain.settled.endorsements[pair] = (BEGAN, 0, 0)
    point = checkpoint(prove(w, accreditors=[BOARD.issuer_id, OTHER_BOARD.issuer_id]))

    report = offline(w, point, trust=BY_BOARD)
    assert codes(report)[0] == "issuer.endorsed"
    assert report.verdict is Verdict.GENUINE_AS_OF
    late = (T + 1, 0, 0)
    w.chain.settled.endorsements[pair] = late
    point = checkpoint(prove(w, accreditors=[BOARD.issuer_id]))
    assert codes(offline(w, point, trust=BY_BOARD))[0] == "issuer.unknown"


def test_an_accreditor_of_whom_the_evidence_is_silent_is_named() -> None:
    w = world()
    pair = (BOARD.issuer_id, REFERENCE.issuer_id, PROFILE.hash)
    w.chain.settled.endorsements[pair] = (BEGAN, 0, 0)
    point = checkpoint(prove(w))
    both = replace(
        BY_BOARD, accreditors=(*BY_BOARD.accreditors, Trusted(OTHER_BOARD, "Guild"))
    )

    report = offline(w, point, trust=BY_BOARD)
    assert report.verdict is Verdict.UNKNOWN_ISSUER
    assert report.remarks == (
        "The evidence does not say whether Skills Board endorsed this issuer;"
        " refreshing the file with your trust list adds that.",
    )
    assert (
        "Skills Board and 1 more endorsed" in offline(w, point, trust=both).remarks[0]
    )
    assert offline(w, point, trust=LISTED).remarks == ()
    assert offline(w, point, trust=None).remarks == ()


def test_age_is_told_and_never_judged() -> None:
    w, point = proven()

    late = offline(w, point, now=NOW + timedelta(days=20_000))
    assert late.verdict is Verdict.GENUINE_AS_OF


# ---------------------------------------------------------------- who vouches for the block


def test_a_block_that_nobody_vouches_for_proves_nothing() -> None:
    w, point = proven()

    report = offline(w)
    assert report.verdict is Verdict.INCOMPLETE
    assert codes(report) == (
        "issuer.no_address",
        "record.no_address",
        "withdrawal.no_address",
    )
    assert point.text in report.steps[3].detail


@pytest.mark.parametrize(
    "change",
    [{"block_hash": b"\x0f" * 32}, {"block_number": BLOCK + 1}],
    ids=["another hash", "another number"],
)
def test_a_block_that_is_none_of_the_trusted_ones(change: dict[str, Any]) -> None:
    w, point = proven()

    report = offline(w, replace(point, **change))
    assert report.verdict is Verdict.INCOMPLETE
    assert codes(report) == (
        "issuer.evidence_untrusted",
        "record.evidence_untrusted",
        "withdrawal.evidence_untrusted",
    )


def test_a_hash_that_was_given_for_another_chain_is_refused_as_that() -> None:
    """A hash of a test network, passed as main net's, and the other way round."""
    w, point = proven()

    for chain_id in (1, 11_155_111):
        report = offline(w, replace(point, chain_id=chain_id))
        assert report.verdict is Verdict.INCOMPLETE
        assert codes(report)[1] == "record.evidence_other_chain"
        assert f"eip155:{chain_id}" in report.steps[3].detail
    assert (
        offline(w, replace(point, chain_id=1), point).verdict is Verdict.GENUINE_AS_OF
    )


def test_a_chain_that_is_not_accepted_has_no_evidence() -> None:
    w, point = proven()

    report = offline(w, point, networks=[replace(NETWORK, chain_id=778)])
    assert codes(report)[1] == "record.unknown_network"


def test_without_evidence_a_trusted_block_helps_nothing() -> None:
    w = world()
    point = Checkpoint(NETWORK.chain_id, b"\x0f" * 32)

    for data in (w.data, w.file.credential.data):
        report = w.verify(data, readers=[], checkpoints=[point])
        assert report.verdict is Verdict.INCOMPLETE
        assert codes(report)[2] == "withdrawal.no_address"


def test_a_node_of_another_chain_is_none_of_this_one() -> None:
    w, point = proven()
    other = FakeChain(chain_id_=5)

    report = w.verify(readers=[other], checkpoints=[point])
    assert report.verdict is Verdict.GENUINE_AS_OF


# ---------------------------------------------------------------- beside a node


def test_evidence_and_node_agree() -> None:
    w, point = proven()

    report = w.verify(checkpoints=[point])
    assert report == w.verify()
    assert report.verdict is Verdict.GENUINE
    assert codes(report) == ("issuer.trusted", "record.final", "withdrawal.none")
    assert [read.head for read in report.read] == [Tag.FINALIZED, Tag.LATEST]


def test_a_block_that_the_node_has_otherwise_is_no_evidence() -> None:
    """A stale header: of a fork, or of a chain that somebody made at home."""
    w, point = proven()
    w.chain.headers.clear()

    report = w.verify()
    assert report.verdict is Verdict.CONTRADICTED
    assert codes(report)[1] == "record.evidence_other_block"

    disputed = w.verify(checkpoints=[point])
    assert disputed.verdict is Verdict.INCOMPLETE
    assert codes(disputed)[1] == "record.disagreement"


def test_a_block_that_is_not_final_or_not_kept_is_not_compared() -> None:
    w, _ = proven()
    w.chain.headers.clear()
    w.chain.finalized = BLOCK - 1
    assert w.verify().verdict is Verdict.GENUINE

    w, _ = proven()

    class Forgetful(FakeChain):
        def block(self, which: Tag | int) -> Any:
            if which == BLOCK:
                self.broken["block"] = "keeps no old blocks"
            try:
                return super().block(which)
            finally:
                self.broken.clear()

    forgetful = Forgetful(w.chain.settled, start=BEGAN)
    assert w.verify(readers=[forgetful]).verdict is Verdict.GENUINE


def test_nodes_that_disagree_about_the_block_settle_nothing() -> None:
    w, _ = proven()
    second = FakeChain(w.chain.settled, start=BEGAN, name="two.example")

    report = w.verify(readers=[w.chain, second])
    assert report.verdict is Verdict.INCOMPLETE
    assert codes(report)[1] == "record.disagreement"


def test_a_node_that_hides_a_proven_withdrawal_never_makes_it_green() -> None:
    w, _ = proven(revoked={INDEX})
    w.issuer.revoked.clear()  # what the node says from now on

    report = w.verify()
    assert report.verdict is Verdict.INCOMPLETE
    assert codes(report)[2] == "withdrawal.disagreement"
    assert "block 90" in report.steps[4].detail
    w.issuer.revoked.add(INDEX)
    assert w.verify().verdict is Verdict.WITHDRAWN


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ((BEGAN, T + 5, 0, 1), (BEGAN, 0, 0, 1)),
        ((BEGAN, T + 5, 0, 1), (BEGAN, T + 6, 0, 1)),
        ((BEGAN, 0, T + 5, 1), (BEGAN, 0, 0, 1)),
        ((BEGAN, 0, T + 5, 1), (BEGAN, 0, T + 6, 1)),
        ((BEGAN + 1, 0, 0, 1), (BEGAN, 0, 0, 1)),
        ((BEGAN, 0, 0, 1), (0, 0, 0, 0)),
    ],
)
def test_a_node_that_widens_a_proven_window_is_not_believed(
    then: tuple[int, int, int, int], now: tuple[int, int, int, int]
) -> None:
    w, _ = proven(keys={KEY.public.key_id: then})
    w.issuer.keys[KEY.public.key_id] = now

    report = w.verify()
    assert report.verdict is Verdict.INCOMPLETE
    assert codes(report)[0] == "issuer.disagreement"


@pytest.mark.parametrize(
    ("name", "then", "now"),
    [
        ("registered_at", BEGAN, BEGAN + 1),
        ("registered_at", BEGAN, 0),
        ("closed_at", T + 3, 0),
        ("closed_at", T + 3, T + 4),
    ],
)
def test_a_node_that_changes_what_cannot_change_is_not_believed(
    name: str, then: int, now: int
) -> None:
    w, _ = proven(**{name: then})
    setattr(w.issuer, name, now)

    assert codes(w.verify())[0] == "issuer.disagreement"


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ((BEGAN, 0, 0, 1), (BEGAN, T + 5, T + 6, 1)),
        ((BEGAN, T + 9, T + 9, 1), (BEGAN, T + 9, T + 1, 1)),
        ((0, 0, 0, 0), (T, 0, 0, 1)),
    ],
)
def test_what_happened_since_is_no_contradiction(
    then: tuple[int, int, int, int], now: tuple[int, int, int, int]
) -> None:
    w, _ = proven(keys={KEY.public.key_id: then})
    w.issuer.keys[KEY.public.key_id] = now
    w.issuer.closed_at = T + 100

    assert w.verify().verdict is Verdict.GENUINE


def test_evidence_that_is_newer_than_a_lagging_node_is_not_held_against_it() -> None:
    w = world()
    ended = replace(w.issuer, keys={KEY.public.key_id: (BEGAN, T + 5, 0, 1)})
    later = replace(w.chain.settled, issuers={REFERENCE.issuer_id: ended})
    prove(w, later, number=105)

    assert w.verify().verdict is Verdict.GENUINE


@pytest.mark.parametrize("bounds", [(T, 0), (0, T), (0, BEGAN)])
def test_evidence_that_is_newer_shows_what_a_lagging_node_hides(
    bounds: tuple[int, int],
) -> None:
    """The node is asked alone, and its newest final block is older than the compromise."""
    w = world()
    lost = replace(w.issuer, keys={KEY.public.key_id: (BEGAN, *bounds, 1)})
    prove(w, replace(w.chain.settled, issuers={REFERENCE.issuer_id: lost}), number=105)
    report = w.verify()

    assert report.verdict is Verdict.INCOMPLETE
    assert report.steps[2].code == "issuer.disagreement"
    assert "the evidence in the file, further on at block 105" in str(
        report.steps[2].detail
    )


# ---------------------------------------------------------------- broken


def _without_last(_: World, evidence: Evidence) -> Evidence:
    return replace(evidence, nodes=evidence.nodes[:-1])


def _other_slot(w: World, evidence: Evidence) -> Evidence:
    w.chain.settled.anchors[b"\x77" * 32] = (T, 50)
    header = header_at(w.chain.settled)
    questions = replace(questions_of(w.file), sealed_root=b"\x77" * 32)
    return evidence_from(w.chain.settled, questions, header)


def _stitched(w: World, evidence: Evidence) -> Evidence:
    """The state before the withdrawal, under the header after it."""
    w.issuer.revoked.add(INDEX)
    return replace(evidence, header=header_at(w.chain.settled).raw)


def _bit(_: World, evidence: Evidence) -> Evidence:
    last = bytearray(evidence.nodes[-1])
    last[-1] ^= 1
    return replace(evidence, nodes=(*evidence.nodes[:-1], bytes(last)))


def _surplus(_: World, evidence: Evidence) -> Evidence:
    return replace(evidence, nodes=(*evidence.nodes, b"\x80"))


def _swapped(_: World, evidence: Evidence) -> Evidence:
    return replace(evidence, nodes=evidence.nodes[::-1])


def _no_header(_: World, evidence: Evidence) -> Evidence:
    return replace(evidence, header=b"\xc0")


def _in_state(w: World, trie: StateTrie) -> Evidence:
    questions = questions_of(w.file)
    nodes = dict.fromkeys(
        [
            *trie.proof(questions.anchor_registry, questions.anchor_slots()).pool,
            *trie.proof(questions.issuer_registry, questions.issuer_slots()).pool,
        ]
    )
    return Evidence(header_at(trie).raw, tuple(nodes))


def _other_code(w: World, _: Evidence) -> Evidence:
    return _in_state(w, state_trie(w.chain.settled, issuer_code=b"\x09" * 32))


def _no_contract(w: World, _: Evidence) -> Evidence:
    return _in_state(w, StateTrie(NEIGHBOURS))


def _lookalike(w: World, _: Evidence) -> Evidence:
    """The genuine code at another address, over a storage in which nothing is withdrawn."""
    honest, address = w.chain.settled, "0x" + "1a" * 20
    words = issuer_words(honest)
    w.issuer.revoked.add(INDEX)
    genuine = state_trie(honest)
    copy = replace(genuine.contracts[registries.ISSUER_REGISTRY], storage=words)
    trie = state_trie(honest, others=NEIGHBOURS | {address: copy})
    questions = replace(questions_of(w.file), issuer_registry=address)
    return evidence_from(trie, questions, header_at(trie))


def _too_old(w: World, _: Evidence) -> Evidence:
    state = replace(w.chain.settled, anchors={})
    return evidence_from(state, questions_of(w.file), header_at(state, 49))


def _never_anchored(w: World, _: Evidence) -> Evidence:
    state = replace(w.chain.settled, anchors={})
    return evidence_from(state, questions_of(w.file), header_at(state))


def _anchored_later(w: World, _: Evidence) -> Evidence:
    state = replace(w.chain.settled, anchors={w.file.proof.sealed_root: (T + 10, 51)})
    return evidence_from(state, questions_of(w.file), header_at(state))


Damage = Callable[[World, Evidence], Evidence]
DAMAGE: dict[Damage, str] = {
    _no_header: "malformed",
    _swapped: "malformed",
    _without_last: "incomplete",
    _other_slot: "elsewhere",
    _lookalike: "elsewhere",
    _stitched: "stitched",
    _bit: "stitched",
    _surplus: "surplus",
    _other_code: "no_registry",
    _no_contract: "no_registry",
    _too_old: "too_old",
    _never_anchored: "mismatch",
    _anchored_later: "mismatch",
}


@pytest.mark.parametrize(
    ("damage", "fault"),
    DAMAGE.items(),
    ids=lambda each: getattr(each, "__name__", each),
)
@pytest.mark.parametrize("asked", ["nobody", "a node", "a silent node"])
@pytest.mark.parametrize("trusted", [False, True])
def test_broken_evidence_contradicts_the_file_whoever_is_asked(
    damage: Damage, fault: str, asked: str, trusted: bool
) -> None:
    w, point = proven()
    whole = w.file.proof.home.evidence
    assert whole is not None
    damaged = damage(w, whole)
    w.issuer.revoked.clear()
    tamper(w, damaged)
    readers: Sequence[FakeChain] = [] if asked == "nobody" else [w.chain]
    if asked == "a silent node":
        w.chain.broken["chain_id"] = "is silent"
    points = [point]
    if trusted and fault != "malformed":
        # Even somebody who was talked into trusting the forger's block.
        points.append(checkpoint(damaged))

    report = w.verify(readers=readers, checkpoints=points if trusted else [])
    assert report.verdict is Verdict.CONTRADICTED
    assert codes(report)[1] == f"record.evidence_{fault}"
    assert report.steps[3].next
    if asked == "nobody":
        assert report.steps[2].outcome is Outcome.COULD_NOT_CHECK
        assert codes(report)[2] == "withdrawal.evidence_broken"
    if asked == "a node":
        assert codes(report)[0] == "issuer.trusted"


def test_a_registry_that_the_verifier_does_not_know_is_told_first() -> None:
    """The file names the look-alike by itself: that is refused before any proof is read."""
    lookalike = IssuerReference(777, "0x" + "1a" * 20, REFERENCE.issuer_id)
    w = world(durable(signed(reference=lookalike)))
    point = checkpoint(prove(w))

    report = offline(w, point)
    assert report.verdict is Verdict.CONTRADICTED
    assert codes(report)[0] == "issuer.other_registry"

    w, point = proven()
    elsewhere = replace(w.file.proof.home, registry="0x" + "1b" * 20)
    w.file = replace(w.file, proof=replace(w.file.proof, anchors=(elsewhere,)))
    assert codes(offline(w, point))[1] == "record.other_registry"


def test_an_unanchored_file_under_an_ended_key_has_no_evidence_to_hide_behind() -> None:
    w, point = proven(keys={KEY.public.key_id: (BEGAN, BEGAN + 900, 0, 1)})
    stripped = w.file.credential.data

    assert (
        w.verify(stripped, readers=[], checkpoints=[point]).verdict
        is Verdict.INCOMPLETE
    )
    assert codes(w.verify(stripped, checkpoints=[point]))[0] == "issuer.key_ended"


def test_a_profile_that_was_endorsed_for_another_issuer_is_not_this_ones() -> None:
    w = world()
    stranger = b"\x0a" * 32
    w.chain.settled.issuers[stranger] = FakeIssuer(profiles={PROFILE.hash: BEGAN})
    pair = (BOARD.issuer_id, stranger, PROFILE.hash)
    w.chain.settled.endorsements[pair] = (BEGAN, 0, 0)
    point = checkpoint(prove(w, accreditors=[BOARD.issuer_id]))

    assert codes(offline(w, point, trust=BY_BOARD))[0] == "issuer.unknown"


# ---------------------------------------------------------------- two ways to read, one logic

TIMES = st.sampled_from([0, BEGAN, T - 1, T, T + 1, BEGAN + 10 * BLOCK])


@pytest.mark.uncounted
@settings(max_examples=150, deadline=None)
@given(
    st.tuples(TIMES, TIMES, TIMES, st.integers(0, 2)),
    st.tuples(TIMES, TIMES, st.booleans(), st.booleans()),
    st.booleans(),
    st.tuples(TIMES, TIMES, TIMES),
    st.sampled_from([LISTED, BY_BOARD, None]),
)
def test_a_node_and_evidence_of_the_same_block_give_the_same_steps(
    key: tuple[int, int, int, int],
    issuer: tuple[int, int, bool, bool],
    profile: bool,
    endorsement: tuple[int, int, int],
    trust: TrustList | None,
) -> None:
    registered_at, closed_at, for_good, revoked = issuer
    w = world()
    w.issuer.keys[KEY.public.key_id] = key
    w.issuer.closed_at, w.issuer.closed_for_good = closed_at, for_good
    w.issuer.registered_at = registered_at
    w.issuer.revoked = {INDEX} if revoked else set()
    w.issuer.profiles = {PROFILE.hash: BEGAN} if profile else {}
    if not registered_at:  # then the registry holds nothing else
        w.chain.settled.issuers.clear()
    pair = (BOARD.issuer_id, REFERENCE.issuer_id, PROFILE.hash)
    w.chain.settled.endorsements[pair] = endorsement
    w.chain.finalized = w.chain.latest = BLOCK
    bare = w.data
    point = checkpoint(prove(w, accreditors=[BOARD.issuer_id]))

    online = w.verify(bare, trust=trust, now=NOW)
    proof = offline(w, point, trust=trust)
    assert codes(proof)[:2] == codes(online)[:2]
    assert (codes(proof)[2], codes(online)[2]) in {
        ("withdrawal.none", "withdrawal.none"),
        ("withdrawal.as_of", "withdrawal.none"),
        ("withdrawal.withdrawn", "withdrawal.withdrawn"),
        ("withdrawal.no_issuer", "withdrawal.no_issuer"),
    }
    assert proof.issuer == online.issuer
    both = w.verify(trust=trust)
    assert codes(both) == codes(online)
