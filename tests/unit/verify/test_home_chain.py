"""Record, issuer and withdrawal: every outcome of the three steps read from a chain."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from ledger.core.anchor import Anchor, AnchorProof
from ledger.core.issuer import IssuerProfile, IssuerReference
from ledger.core.merkle import InclusionProof
from ledger.errors import ChainUnavailable
from ledger.verify.home_chain import MAX_BEHIND, HomeChain, Subject
from ledger.verify.networks import Network
from ledger.verify.report import KnownIssuer, Outcome, Step
from ledger.verify.rpc import Tag
from ledger.verify.trust import Trusted, TrustList
from tests.unit.verify.fakes import NETWORK, FakeChain, FakeIssuer, FakeState

KEY, ROOT = b"\x08" * 32, b"\x07" * 32
SCHOOL = IssuerReference(777, NETWORK.issuer_registry, b"\x01" * 32)
BOARD = IssuerReference(777, NETWORK.issuer_registry, b"\x02" * 32)
PROFILE = IssuerProfile("Riverside Code School", "https://riverside.example/about")
LISTED = TrustList("My list", issuers=(Trusted(SCHOOL, "Riverside Code School"),))
BY_BOARD = TrustList("My list", accreditors=(Trusted(BOARD, "Skills Board"),))

# Block 50 is of 1,000,500; final is block 100 of 1,001,000; newest is 110 of 1,001,100.
T, FINAL, NEWEST = 1_000_500, 1_001_000, 1_001_100
ANCHOR = Anchor(777, NETWORK.anchor_registry, block_number=50, time=T)
PROOF = AnchorProof(InclusionProof(0, 1, ()), ROOT, PROFILE, (ANCHOR,))
SUBJECT = Subject(SCHOOL, KEY, 258, "Riverside Code School", PROOF)
UNRECORDED = replace(SUBJECT, proof=None)


def school(
    window: tuple[int, int, int] | None = (1_000_000, 0, 0),
    *,
    role: int = 1,
    closed_at: int = 0,
    for_good: bool = False,
    revoked: bool = False,
    profile: bool = True,
) -> FakeIssuer:
    return FakeIssuer(
        registered_at=1_000_000,
        closed_at=closed_at,
        closed_for_good=for_good,
        keys={KEY: (*window, role)} if window else {},
        revoked={258} if revoked else set(),
        profiles={PROFILE.hash: 1_000_000} if profile else {},
    )


def state(
    issuer: FakeIssuer | None = None,
    *,
    anchor: tuple[int, int] | None = (T, 50),
    endorsement: tuple[int, int, int] | None = None,
) -> FakeState:
    pair = (BOARD.issuer_id, SCHOOL.issuer_id, PROFILE.hash)
    return FakeState(
        anchors={ROOT: anchor} if anchor else {},
        issuers={SCHOOL.issuer_id: issuer or school()},
        endorsements={pair: endorsement} if endorsement else {},
    )


@dataclass
class Checked:
    record: Step
    issuer: Step
    withdrawal: Step
    home: HomeChain = field(repr=False)

    @property
    def codes(self) -> tuple[str, str, str]:
        return self.record.code, self.issuer.code, self.withdrawal.code


def check(
    *chains: FakeChain,
    subject: Subject = SUBJECT,
    trust: TrustList | None = LISTED,
    networks: Sequence[Network] = (NETWORK,),
    now: int = NEWEST + 5,
) -> Checked:
    home = HomeChain(
        subject,
        readers=chains,
        networks=networks,
        checkpoints=(),
        trust=trust,
        now=now,
    )
    record = home.record()
    issuer = home.issuer()
    return Checked(record, issuer, home.withdrawal(), home)


def test_everything_right() -> None:
    checked = check(FakeChain(state()))

    assert checked.codes == ("record.final", "issuer.trusted", "withdrawal.none")
    assert checked.home.t == T
    assert checked.home.known == KnownIssuer("Riverside Code School", "My list")
    assert checked.home.sources == ("https://chain.example",)
    assert checked.record.detail == (
        "In Example Chain, block 50 of 1970-01-12T13:55:00Z."
        " It existed then in exactly this form."
    )


def test_the_report_says_when_at_which_block_and_from_which_address() -> None:
    checked = check(FakeChain(state()))

    assert checked.withdrawal.detail == (
        "Seen as of 1970-01-12T14:05:00Z, block 110, from https://chain.example."
    )
    assert [(read.head, read.block.number) for read in checked.home.read] == [
        (Tag.FINALIZED, 100),
        (Tag.LATEST, 110),
    ]
    assert checked.home.read[0].name.startswith("eip155:777:0x")


# -------------------------------------------------------------------- record


def at(anchor: Anchor) -> Subject:
    return replace(SUBJECT, proof=replace(PROOF, anchors=(anchor,)))


def test_without_an_anchor_proof_it_is_not_recorded() -> None:
    assert check(FakeChain(state()), subject=UNRECORDED).record.code == "record.none"


def test_a_file_ahead_of_the_final_block_is_not_final() -> None:
    early = FakeChain(state(anchor=None), finalized=49)
    checked = check(early)

    assert checked.record.code == "record.not_final"
    assert checked.home.t is None


def test_a_root_that_only_the_newest_block_knows_is_not_final() -> None:
    young = FakeChain(state(anchor=None), newest=state())

    assert check(young).record.code == "record.not_final"


def test_a_root_that_no_block_knows_was_never_recorded() -> None:
    assert check(FakeChain(state(anchor=None))).record.code == "record.not_found"


@pytest.mark.parametrize(
    "anchor", [replace(ANCHOR, block_number=51), replace(ANCHOR, time=T + 1)]
)
def test_block_and_time_of_the_file_must_be_those_of_the_slot(anchor: Anchor) -> None:
    checked = check(FakeChain(state()), subject=at(anchor))

    assert checked.record.code == "record.mismatch"
    assert "block 50 of 1970-01-12T13:55:00Z" in checked.record.detail


def test_an_anchor_in_another_registry_is_contradicted_by_its_own_code() -> None:
    other = replace(ANCHOR, registry="0x" + "9" * 40)
    subject = replace(SUBJECT, proof=replace(PROOF, anchors=(other,)))

    assert check(FakeChain(state()), subject=subject).record.code == (
        "record.other_registry"
    )


def test_an_anchor_on_another_chain_is_no_record_on_the_home_chain() -> None:
    assert check(
        FakeChain(state()), subject=at(replace(ANCHOR, chain_id=5))
    ).record.code == ("record.other_registry")


# -------------------------------------------------------------------- issuer


@pytest.mark.parametrize(
    ("issuer", "code"),
    [
        (school(), "issuer.trusted"),
        (school((T, 0, 0)), "issuer.trusted"),
        (school((T + 1, 0, 0)), "issuer.key_too_early"),
        (school((1, T + 1, 0)), "issuer.trusted"),
        (school((1, T, 0)), "issuer.key_ended"),
        (school((1, 0, T + 1)), "issuer.trusted"),
        (school((1, 0, T)), "issuer.key_compromised"),
        (school((1, T, T)), "issuer.key_compromised"),
        (school(closed_at=T + 1), "issuer.trusted"),
        (school(closed_at=T), "issuer.closed"),
        (school(None), "issuer.key_unknown"),
        (school(role=2), "issuer.key_unknown"),
        (FakeIssuer(registered_at=0), "issuer.not_registered"),
        (school(profile=False), "issuer.profile_unknown"),
    ],
)
def test_key_window_counts_at_the_time_of_the_record_to_the_second(
    issuer: FakeIssuer, code: str
) -> None:
    assert code == check(FakeChain(state(issuer))).issuer.code


@pytest.mark.parametrize(
    ("issuer", "code"),
    [
        (school(), "issuer.trusted"),
        (school((FINAL, 0, 0)), "issuer.trusted"),
        (school((1, FINAL, 0)), "issuer.key_ended"),
        (school((1, FINAL + 1, 0)), "issuer.trusted"),
        (school((1, 0, FINAL)), "issuer.key_compromised"),
        (school(closed_at=FINAL), "issuer.closed"),
        (school(None), "issuer.key_unknown"),
    ],
)
def test_without_a_final_record_the_key_must_be_open_now(
    issuer: FakeIssuer, code: str
) -> None:
    """A key that leaked and was ended yesterday signs nothing that is believed today."""
    unrecorded = check(FakeChain(state(issuer)), subject=UNRECORDED)
    not_final = check(FakeChain(state(issuer, anchor=None), finalized=100, latest=110))

    assert code == unrecorded.issuer.code
    if code != "issuer.trusted":
        assert code == not_final.issuer.code


def test_an_issuer_that_registered_a_minute_ago_is_not_called_an_impostor() -> None:
    young = FakeChain(FakeState(), newest=state(anchor=None))
    checked = check(young, subject=UNRECORDED)

    assert checked.codes == ("record.none", "issuer.not_final", "withdrawal.none")


def test_a_key_recorded_after_a_final_anchor_proves_nothing_even_if_it_is_new() -> None:
    late = FakeChain(state(school(None)), newest=state(school((NEWEST, 0, 0))))

    assert check(late).codes[:2] == ("record.final", "issuer.key_unknown")


def test_a_new_key_that_is_already_ended_is_not_believed() -> None:
    ended = FakeChain(
        FakeState(), newest=state(school((NEWEST - 9, NEWEST, 0)), anchor=None)
    )

    assert check(ended, subject=UNRECORDED).issuer.code == "issuer.not_registered"


def test_a_profile_that_only_the_newest_block_knows_is_not_final() -> None:
    chain = FakeChain(state(school(profile=False)), newest=state())
    checked = check(chain)

    assert checked.issuer.code == "issuer.not_final"


def test_a_registry_other_than_the_networks_is_contradicted_by_its_own_code() -> None:
    """A look-alike can run the genuine code over forged storage."""
    stranger = IssuerReference(777, "0x" + "9" * 40, SCHOOL.issuer_id)
    checked = check(FakeChain(state()), subject=replace(SUBJECT, issuer=stranger))

    assert checked.codes == (
        "record.final",
        "issuer.other_registry",
        "withdrawal.no_issuer",
    )


# -------------------------------------------------------------------- who it is


def test_without_a_trust_list_the_issuer_is_unknown_whatever_the_file_says() -> None:
    checked = check(FakeChain(state(endorsement=(1, 0, 0))), trust=None)

    assert checked.issuer.code == "issuer.unknown"
    assert "The file says “Riverside Code School”" in checked.issuer.detail
    assert checked.home.known is None


@pytest.mark.parametrize(
    ("endorsement", "code"),
    [
        ((T, 0, 0), "issuer.endorsed"),
        ((T + 1, 0, 0), "issuer.unknown"),
        ((1, T, 0), "issuer.unknown"),
        ((1, T + 1, 0), "issuer.endorsed"),
        ((1, 0, T), "issuer.unknown"),
        ((1, 0, T + 1), "issuer.endorsed"),
        (None, "issuer.unknown"),
    ],
)
def test_an_endorsement_counts_if_it_stood_at_the_time_of_the_record(
    endorsement: tuple[int, int, int] | None, code: str
) -> None:
    chain = FakeChain(state(endorsement=endorsement))

    assert code == check(chain, trust=BY_BOARD).issuer.code


def test_the_endorsed_name_is_that_of_the_profile_and_the_accreditor_is_named() -> None:
    subject = replace(SUBJECT, claimed_name="Famous University")
    checked = check(
        FakeChain(state(endorsement=(T, 0, 0))), subject=subject, trust=BY_BOARD
    )

    assert checked.home.known == KnownIssuer("Riverside Code School", "Skills Board")
    assert checked.issuer.detail == (
        "Riverside Code School (riverside.example), endorsed by Skills Board"
        " since 1970-01-12T13:55:00Z. The file says “Famous University”."
    )


def test_an_endorsement_of_another_profile_is_none() -> None:
    other = replace(PROFILE, name="Famous University")
    forged = replace(SUBJECT, proof=replace(PROOF, issuer_profile=other))
    issuer = school()
    issuer.profiles[other.hash] = 1_000_000
    chain = FakeChain(state(issuer, endorsement=(T, 0, 0)))

    assert check(chain, subject=forged, trust=BY_BOARD).issuer.code == "issuer.unknown"


def test_a_signed_file_without_profile_cannot_be_endorsed() -> None:
    chain = FakeChain(state(endorsement=(1, 0, 0)))

    assert check(chain, subject=UNRECORDED, trust=BY_BOARD).issuer.code == (
        "issuer.unknown"
    )


def test_an_accreditor_of_another_chain_cannot_endorse_here() -> None:
    elsewhere = replace(BOARD, chain_id=5)
    trust = TrustList("l", accreditors=(Trusted(elsewhere, "Skills Board"),))
    chain = FakeChain(state(endorsement=(T, 0, 0)))

    assert check(chain, trust=trust).issuer.code == "issuer.unknown"


# -------------------------------------------------------------------- withdrawal


@pytest.mark.parametrize("subject", [SUBJECT, UNRECORDED])
def test_withdrawal_is_asked_always_also_without_an_anchor_proof(
    subject: Subject,
) -> None:
    """Stripping the proof must not turn a withdrawn credential into a pending one."""
    chain = FakeChain(state(school(revoked=True)))
    checked = check(chain, subject=subject)

    assert checked.withdrawal.code == "withdrawal.withdrawn"
    assert "neither the day nor the reason" in checked.withdrawal.detail


def test_withdrawal_is_read_at_the_newest_block() -> None:
    chain = FakeChain(state(), newest=state(school(revoked=True)))

    assert check(chain).withdrawal.code == "withdrawal.withdrawn"


def test_another_credentials_bit_is_not_this_ones() -> None:
    issuer = school()
    issuer.revoked = {257, 259, 2, 258 << 8}

    assert check(FakeChain(state(issuer))).withdrawal.code == "withdrawal.none"


@pytest.mark.parametrize("distance", [MAX_BEHIND + 1, -MAX_BEHIND - 1])
def test_an_address_that_lags_or_runs_ahead_does_not_say_not_withdrawn(
    distance: int,
) -> None:
    checked = check(FakeChain(state()), now=NEWEST + distance)

    assert checked.codes == ("record.final", "issuer.trusted", "withdrawal.behind")


def test_what_a_lagging_address_knows_as_withdrawn_is_withdrawn() -> None:
    chain = FakeChain(state(school(revoked=True)))

    assert check(chain, now=NEWEST + 10**6).withdrawal.code == "withdrawal.withdrawn"


def test_a_test_network_may_rest_for_days() -> None:
    network = replace(NETWORK, test=True)
    checked = check(FakeChain(state()), networks=[network], now=NEWEST + 10**6)

    assert checked.withdrawal.code == "withdrawal.none"


def test_a_newest_block_below_the_final_one_is_no_answer() -> None:
    class Odd(FakeChain):
        def block(self, which: Tag | int):  # type: ignore[no-untyped-def]
            return super().block(90 if which is Tag.LATEST else which)

    assert check(Odd(state()), now=FINAL).withdrawal.code == "withdrawal.behind"


# -------------------------------------------------------------------- not read


def test_an_unknown_network_leaves_everything_open() -> None:
    checked = check(FakeChain(state()), networks=[])

    assert checked.codes == (
        "record.unknown_network",
        "issuer.unknown_network",
        "withdrawal.unknown_network",
    )
    assert "eip155:777" in checked.record.detail


def test_without_an_address_everything_is_open() -> None:
    assert check().codes == (
        "record.no_address",
        "issuer.no_address",
        "withdrawal.no_address",
    )


def test_a_silent_address_is_not_the_credentials_fault() -> None:
    dead = FakeChain(state(), broken={"chain_id": "did not answer"})
    checked = check(dead)

    assert {step.outcome for step in (checked.record, checked.issuer)} == {
        Outcome.COULD_NOT_CHECK
    }
    assert checked.record.detail == (
        "https://chain.example did not answer. This is not the credential's fault."
    )
    assert dead.asked == ["chain_id"]


def test_a_fault_at_the_newest_block_never_hides_the_finished_steps() -> None:
    chain = FakeChain(state(), broken_tags={Tag.LATEST: "timed out"})

    assert check(chain).codes == (
        "record.final",
        "issuer.trusted",
        "withdrawal.unreachable",
    )


def test_a_fault_at_the_final_block_never_hides_a_withdrawal() -> None:
    chain = FakeChain(
        state(school(revoked=True)), broken_tags={Tag.FINALIZED: "timed out"}
    )

    assert check(chain).codes == (
        "record.unreachable",
        "issuer.unreachable",
        "withdrawal.withdrawn",
    )


def test_while_the_record_is_unread_nobody_says_the_key_was_good_or_bad() -> None:
    """The key has ended, but perhaps after the record: that is not known."""
    chain = FakeChain(
        state(school((1, FINAL, 0))),
        distort=lambda data, block, answer: answer if len(answer) != 64 else b"",
    )

    assert check(chain).codes == (
        "record.unreachable",
        "issuer.unreachable",
        "withdrawal.none",
    )


def test_while_the_record_is_unread_a_key_that_never_was_is_still_a_stranger() -> None:
    chain = FakeChain(
        state(school(None)),
        distort=lambda data, block, answer: answer if len(answer) != 64 else b"",
    )

    assert check(chain).issuer.code == "issuer.key_unknown"


def test_missing_contracts_are_not_read_as_never_withdrawn() -> None:
    checked = check(FakeChain(state(), code_of={}))

    assert checked.codes == (
        "record.no_registry",
        "issuer.no_registry",
        "withdrawal.no_registry",
    )


@pytest.mark.parametrize("liar_first", [True, False])
def test_two_addresses_that_differ_about_withdrawal_settle_nothing(
    liar_first: bool,
) -> None:
    honest = FakeChain(state(school(revoked=True)))
    liar = FakeChain(state(), name="liar.example")
    chains = (liar, honest) if liar_first else (honest, liar)
    checked = check(*chains)

    assert checked.withdrawal.code == "withdrawal.disagreement"
    assert "https://liar.example" in checked.withdrawal.detail
    assert "https://chain.example" in checked.withdrawal.detail


def test_one_of_two_addresses_that_lags_is_read_at_its_own_final_block() -> None:
    slow = FakeChain(state(), name="slow.example", finalized=60, latest=105)
    checked = check(FakeChain(state()), slow, now=NEWEST)

    assert checked.codes == ("record.final", "issuer.trusted", "withdrawal.none")
    assert [read.block.number for read in checked.home.read] == [60, 105]


class Further(FakeChain):
    """Knows later blocks as final, and there another state, than the rest of the world."""

    def block(self, which: Tag | int):  # type: ignore[no-untyped-def]
        return super().block(100 if which is Tag.FINALIZED else which)


def test_an_address_that_lags_does_not_hide_a_withdrawal_that_another_shows() -> None:
    slow = FakeChain(state(), name="slow.example", latest=100)
    ahead = FakeChain(state(), newest=state(school(revoked=True)))

    for chains in ((slow, ahead), (ahead, slow)):
        checked = check(*chains)
        assert checked.withdrawal.code == "withdrawal.disagreement"
        assert checked.withdrawal.detail == (
            "https://chain.example, further on at block 110, shows that it was withdrawn"
            " since block 100, the last that all have."
        )


@pytest.mark.parametrize(
    "later",
    [
        school((1_000_000, 0, T)),
        school((1_000_000, T, 0)),
        school(closed_at=T),
        school(None),
    ],
)
def test_an_address_that_lags_does_not_hide_that_the_key_was_lost(
    later: FakeIssuer,
) -> None:
    slow = FakeChain(state(), name="slow.example", finalized=60)
    ahead = Further(state(), newest=state(later), finalized=60)
    checked = check(slow, ahead)

    assert checked.issuer.code == "issuer.disagreement"
    assert "https://chain.example, further on at block 100" in checked.issuer.detail


def test_what_happened_to_the_key_since_is_no_disagreement() -> None:
    slow = FakeChain(state(), name="slow.example", finalized=60)
    ended = state(school((1_000_000, T + 1, T + 1), closed_at=T + 1))
    checked = check(slow, Further(state(), newest=ended, finalized=60))

    assert checked.codes[:2] == ("record.final", "issuer.trusted")


def test_who_is_ahead_and_does_not_answer_leaves_the_question_open() -> None:
    class Silent(FakeChain):
        def call(self, to: str, data: bytes, block: int) -> bytes:
            if block > 100:
                raise ChainUnavailable("https://chain.example is silent")
            return super().call(to, data, block)

    slow = FakeChain(state(), name="slow.example", latest=100)

    assert check(Silent(state()), slow).withdrawal.code == "withdrawal.unreachable"


# -------------------------------------------------------------------- remarks


def test_a_closed_issuer_gets_a_line_and_no_blame() -> None:
    checked = check(FakeChain(state(school(closed_at=T + 9, for_good=True))))

    assert checked.home.remarks(checked.issuer) == (
        "This issuer closed on 1970-01-12T13:55:09Z. The record does not depend on it."
        " It named no successor, so nobody can withdraw it any more.",
    )


def test_a_closed_issuer_with_a_successor_can_still_withdraw() -> None:
    checked = check(FakeChain(state(school(closed_at=T + 9))))

    assert "successor" not in checked.home.remarks(checked.issuer)[0]


def test_no_comfort_beside_a_failed_issuer() -> None:
    checked = check(FakeChain(state(school(closed_at=T))))

    assert checked.home.remarks(checked.issuer) == ()


def test_anchors_on_other_chains_are_named_as_not_checked() -> None:
    second = replace(ANCHOR, chain_id=778)
    subject = replace(SUBJECT, proof=replace(PROOF, anchors=(ANCHOR, second)))
    checked = check(FakeChain(state()), subject=subject)

    assert checked.home.remarks(checked.issuer) == (
        "The file also names eip155:778; this was not checked.",
    )
