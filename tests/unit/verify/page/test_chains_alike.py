"""Both verifiers ask the same nodes, honest and otherwise, and say the same."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from ledger.core import registries
from ledger.errors import MalformedError
from ledger.verify.networks import Network, encode_networks
from ledger.verify.trust import Trusted, TrustList, encode_trust_list
from tests.unit.verify.credentials import (
    BEGAN,
    EMAIL,
    INDEX,
    KEY,
    LISTED,
    NOW,
    PROFILE,
    REFERENCE,
    T,
    durable,
    signed,
    world,
)
from tests.unit.verify.fakes import (
    NETWORK,
    FakeChain,
    FakeIssuer,
    FakeState,
    Liar,
    RpcServer,
    failing,
    honest,
    served,
)
from tests.unit.verify.page.answers import (
    Question,
    Refusal,
    by_page,
    by_python,
    differences,
)
from tests.unit.verify.proofs import checkpoint, prove

pytestmark = pytest.mark.slow

ACCREDITOR = replace(REFERENCE, issuer_id=b"\x0a" * 32)
BOARD = TrustList("Admissions", accreditors=(Trusted(ACCREDITOR, "Skills Board"),))
OTHER = "0x" + "2" * 40
FAR = 2**40 - 1


class Case:
    """A credential and nodes on which everything about it is right, until an act changes that."""

    def __init__(self) -> None:
        self.world = world()
        self.trust: TrustList | None = LISTED
        self.liar: Liar = honest
        self.others: list[FakeChain] = []
        self.is_offline = False
        self.prepare: Callable[[RpcServer], object] = lambda _server: None
        #: members of the question that differ
        self.given: dict[str, Any] = {}

    @property
    def chain(self) -> FakeChain:
        return self.world.chain

    @property
    def issuer(self) -> FakeIssuer:
        return self.world.issuer

    def key(
        self, opened: int = BEGAN + 100, until: int = 0, lost: int = 0, role: int = 1
    ) -> None:
        self.issuer.keys[KEY.public.key_id] = (opened, until, lost, role)

    def anchored(self, time: int, block_number: int) -> None:
        self.chain.settled.anchors[self.world.file.proof.sealed_root] = (
            time,
            block_number,
        )

    def networks(self, **changes: Any) -> None:
        network: Network = replace(NETWORK, **changes)
        self.given["networks"] = encode_networks([network])

    def without_proof(self) -> None:
        self.given["file"] = self.world.file.credential.data

    def later(self, state: FakeState) -> None:
        """The newest block holds this."""
        self.chain.newest = state

    def other_issuer(self, **changes: Any) -> FakeState:
        changed = replace(self.issuer, **changes)
        return replace(self.chain.settled, issuers={REFERENCE.issuer_id: changed})

    def with_lost_key(self) -> FakeState:
        return self.other_issuer(
            keys={KEY.public.key_id: (BEGAN + 100, 0, T - 1, 1)},
        )

    def second(self, **changes: Any) -> None:
        """Another node is asked too."""
        self.others.append(replace(self.chain, asked=[], **changes))

    def offline(self, *block_hashes: str) -> None:
        """Nobody is asked; the evidence is of a block that is trusted, unless others are named."""
        self.is_offline = True
        self.vouch()
        if block_hashes:
            self.given["block_hashes"] = block_hashes

    def vouch(self) -> None:
        self.given["block_hashes"] = (checkpoint(prove(self.world)).text,)

    def endorse(self, opened: int = BEGAN, until: int = 0, withdrawn: int = 0) -> None:
        self.trust = BOARD
        place = (ACCREDITOR.issuer_id, REFERENCE.issuer_id, PROFILE.hash)
        self.chain.settled.endorsements[place] = (opened, until, withdrawn)


Act = Callable[[Case], None]
CASES: dict[str, Act] = {}


def act(function: Act) -> Act:
    """Add a case: its name says what is special about it."""
    CASES[function.__name__.replace("_", " ")] = function
    return function


# ---------------------------------------------------------------- what the file says


@act
def all_is_right(case: Case) -> None:
    case.given["email"] = EMAIL.upper()


@act
def without_an_anchor_proof(case: Case) -> None:
    case.without_proof()
    case.given["email"] = "eve@example.org"


@act
def expired(case: Case) -> None:
    about_to_expire(case)
    case.given["now"] = NOW.replace(month=8)


@act
def about_to_expire(case: Case) -> None:
    credential = signed(valid_for="P1D", awarded_on=date(2026, 7, 1))
    case.world = world(durable(credential))


@act
def not_begun(case: Case) -> None:
    case.given["now"] = NOW.replace(year=2025)


@act
def a_source_and_no_name(case: Case) -> None:
    case.world = world(durable(signed(source=PROFILE, name=None)))


@act
def a_name_that_turns_text_round(case: Case) -> None:
    name = "\N{RIGHT-TO-LEFT OVERRIDE}adA \N{GRINNING FACE}"
    case.world = world(durable(signed(name=name)))


# ---------------------------------------------------------------- who the issuer is


@act
def issuer_unknown(case: Case) -> None:
    case.trust = None


@act
def issuer_known_by_another_name(case: Case) -> None:
    case.trust = TrustList("Mine", (Trusted(REFERENCE, "Riverside \N{SNOWMAN}"),))


@act
def issuer_endorsed(case: Case) -> None:
    case.endorse()


@act
def issuer_endorsed_at_another_registry(case: Case) -> None:
    case.endorse()
    elsewhere = Trusted(replace(ACCREDITOR, registry=OTHER), "Skills Board")
    case.trust = TrustList("Admissions", accreditors=(elsewhere,))


@act
def issuer_endorsed_a_second_late(case: Case) -> None:
    case.endorse(opened=T + 1)


@act
def issuer_endorsed_until_then(case: Case) -> None:
    case.endorse(until=T)


@act
def endorsement_withdrawn_then(case: Case) -> None:
    case.endorse(withdrawn=T)


@act
def endorsement_withdrawn_since(case: Case) -> None:
    case.endorse(withdrawn=T + 1)


@act
def issuer_not_registered(case: Case) -> None:
    case.chain.settled.issuers.clear()


@act
def key_unknown(case: Case) -> None:
    case.issuer.keys.clear()


@act
def key_of_another_role(case: Case) -> None:
    case.key(role=2)


@act
def key_too_early(case: Case) -> None:
    case.key(opened=T + 1)


@act
def key_just_in_time(case: Case) -> None:
    case.key(opened=T)


@act
def key_ended_then(case: Case) -> None:
    case.key(until=T)


@act
def key_ended_a_second_later(case: Case) -> None:
    case.key(until=T + 1)


@act
def key_compromised(case: Case) -> None:
    case.key(until=T, lost=T - 1)


@act
def key_ended_and_not_recorded(case: Case) -> None:
    case.without_proof()
    case.key(until=T)


@act
def issuer_closed_then(case: Case) -> None:
    case.issuer.closed_at = T


@act
def issuer_closed_since(case: Case) -> None:
    case.issuer.closed_at = T + 1


@act
def issuer_closed_for_good(case: Case) -> None:
    case.issuer.closed_at = T + 1
    case.issuer.closed_for_good = True


@act
def times_beyond_all_years(case: Case) -> None:
    case.key(until=FAR)
    case.issuer.closed_at = FAR


@act
def a_key_of_the_far_future(case: Case) -> None:
    case.key(opened=FAR)


@act
def profile_unknown(case: Case) -> None:
    case.issuer.profiles.clear()


@act
def profile_recorded_since(case: Case) -> None:
    case.later(case.other_issuer())
    case.issuer.profiles = {}


# ---------------------------------------------------------------- the record


@act
def no_record(case: Case) -> None:
    case.chain.settled.anchors.clear()


@act
def a_record_of_another_time(case: Case) -> None:
    case.anchored(T + 1, 51)


@act
def a_record_beyond_all_numbers(case: Case) -> None:
    case.anchored(2**64 - 1, 2**64 - 2)


@act
def not_final_yet(case: Case) -> None:
    case.chain.finalized = 40


@act
def everything_is_newer_than_final(case: Case) -> None:
    case.later(case.chain.settled)
    case.chain.settled = FakeState()


@act
def the_key_is_newer_than_final(case: Case) -> None:
    everything_is_newer_than_final(case)
    case.without_proof()


# ---------------------------------------------------------------- withdrawal


@act
def withdrawn(case: Case) -> None:
    case.issuer.revoked.add(INDEX)


@act
def withdrawn_a_moment_ago(case: Case) -> None:
    case.later(case.other_issuer(revoked={INDEX}))


@act
def withdrawn_and_not_recorded(case: Case) -> None:
    case.issuer.revoked.add(INDEX)
    case.without_proof()


@act
def the_clock_is_behind(case: Case) -> None:
    case.given["now"] = NOW.replace(hour=7)


@act
def the_chain_is_behind(case: Case) -> None:
    case.given["now"] = NOW.replace(hour=10)


@act
def final_is_above_newest(case: Case) -> None:
    case.chain.finalized = 110
    case.chain.latest = 110
    case.liar = twisted(
        "eth_getBlockByNumber",
        lambda block: (
            {**block, "number": "0x64"} if block["number"] == "0x6e" else block
        ),
    )


# ---------------------------------------------------------------- networks


@act
def a_network_for_tests(case: Case) -> None:
    case.networks(test=True)


@act
def a_network_for_tests_and_an_old_block(case: Case) -> None:
    case.networks(test=True)
    case.given["now"] = NOW.replace(hour=20)


@act
def a_network_that_is_not_accepted(case: Case) -> None:
    case.given["networks"] = None


@act
def other_registries(case: Case) -> None:
    case.networks(anchor_registry="0x" + "1" * 40, issuer_registry=OTHER)


@act
def another_issuer_registry(case: Case) -> None:
    case.networks(issuer_registry=OTHER)


@act
def another_first_block(case: Case) -> None:
    case.networks(genesis_hash=bytes(32))


@act
def an_address_of_another_chain(case: Case) -> None:
    case.chain.chain_id_ = 1


@act
def nobody_to_ask(case: Case) -> None:
    case.is_offline = True


# ---------------------------------------------------------------- nodes that answer badly


@act
def no_contract(case: Case) -> None:
    case.chain.code_of.clear()


@act
def another_contract(case: Case) -> None:
    case.chain.code_of[registries.ISSUER_REGISTRY] = b"\x60"


@act
def calls_fail(case: Case) -> None:
    case.chain.broken["call"] = "lost it"


@act
def everything_fails(case: Case) -> None:
    case.chain.broken = dict.fromkeys(("chain_id", "block", "code", "call"), "is out")


@act
def an_error_of_http(case: Case) -> None:
    case.prepare = lambda server: setattr(server, "status", 500)


@act
def no_content(case: Case) -> None:
    case.prepare = lambda server: setattr(server, "status", 204)
    case.liar = lambda _question, _answer: b""


@act
def sent_somewhere_else(case: Case) -> None:
    def redirect(server: RpcServer) -> None:
        server.status = 302
        server.extra_headers["Location"] = "http://127.0.0.1:9/"

    case.prepare = redirect


def twisted(method: str, twist: Callable[[Any], Any]) -> Liar:
    """Answers one method with something else."""

    def liar(question: dict[str, Any], answer: Any) -> bytes:
        return honest(
            question, twist(answer) if question["method"] == method else answer
        )

    return liar


def with_members(**members: Any) -> Callable[[Any], Any]:
    return lambda block: {**block, **members}


def message(question: dict[str, Any], **members: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": question["id"], **members}).encode()


BLOCK, CALL, CHAIN = "eth_getBlockByNumber", "eth_call", "eth_chainId"
LIARS: dict[str, Liar] = {
    "an answer cut short": twisted(CALL, lambda answer: answer[:-2]),
    "half a byte": twisted(CALL, lambda answer: answer[:-1]),
    "no bytes": twisted(CALL, lambda _: "0x"),
    "numbers out of range": twisted(CALL, lambda answer: "0x" + "f" * len(answer[2:])),
    "capital letters": twisted(CALL, lambda answer: "0x" + answer[2:].upper()),
    "letters that are no digits": twisted(CALL, lambda _: "0xzz"),
    "a number for bytes": twisted(CALL, lambda _: 5),
    "null for bytes": twisted(CALL, lambda _: None),
    "a chain id with zeros": twisted(CHAIN, lambda _: "0x0309"),
    "a chain id in capitals": twisted(CHAIN, lambda _: "0X309"),
    "a huge chain id": twisted(CHAIN, lambda _: "0x" + "f" * 16),
    "a chain id beyond bounds": twisted(CHAIN, lambda _: "0x1" + "0" * 16),
    "no newest block": twisted(
        BLOCK, lambda block: None if block["number"] == "0x6e" else block
    ),
    "a block without a hash": twisted(BLOCK, with_members(hash=None)),
    "a block with a short hash": twisted(BLOCK, with_members(hash="0x00")),
    "a block of a far time": twisted(BLOCK, with_members(timestamp="0x" + "f" * 16)),
    "a block of a far number": twisted(BLOCK, with_members(number="0x" + "f" * 16)),
    "blocks that JSON cannot count": twisted(
        BLOCK, lambda block: {**block, "number": hex(int(block["number"], 16) + 2**53)}
    ),
    "a block of another number": twisted(BLOCK, with_members(number="0x7")),
    "a list for a block": twisted(BLOCK, lambda _: []),
    "an error with a number": lambda question, _: failing(
        question, -32005, "limit \N{GRINNING FACE} " + "x" * 200
    ),
    "an error that is a text": lambda question, _: message(question, error="no"),
    "an error that is null": lambda question, _: message(question, error=None),
    "an error without a message": lambda question, _: message(
        question, error={"code": 1.5}
    ),
    "an error with true for a code": lambda question, _: message(
        question, error={"code": True, "message": "no"}
    ),
    "another id": lambda question, answer: message(question, id=77, result=answer),
    "the id as a text": lambda question, answer: message(
        question, id=str(question["id"]), result=answer
    ),
    "the id with a fraction of nothing": lambda question, answer: message(
        question, id=float(question["id"]), result=answer
    ),
    "true for an id": lambda question, answer: message(
        question, id=True, result=answer
    ),
    "another version": lambda question, answer: message(
        question, jsonrpc="1.0", result=answer
    ),
    "no result": lambda question, _: message(question),
    "a web page": lambda _question, _: b"<html>no</html>",
    "nothing": lambda _question, _: b"",
    "a list": lambda _question, _: b"[]",
    "no text": lambda _question, _: b"{\xff}",
    "a member twice": lambda _question, _: b'{"id":1,"id":1}',
    "an answer without end": lambda _question, _: b"{" + b" " * 2_097_152,
    "an answer as long as may be": lambda question, answer: honest(
        question, answer
    ).ljust(2_097_152),
}


def told_by(liar: Liar) -> Act:
    def lie(case: Case) -> None:
        case.liar = liar

    return lie


CASES |= {name: told_by(liar) for name, liar in LIARS.items()}


# ---------------------------------------------------------------- several nodes


@act
def two_that_agree(case: Case) -> None:
    case.second()


@act
def one_lags(case: Case) -> None:
    case.second(finalized=60, latest=70)


@act
def one_has_forked(case: Case) -> None:
    case.second(fork="b")


@act
def one_hides_the_withdrawal(case: Case) -> None:
    case.second()
    case.later(case.other_issuer(revoked={INDEX}))


@act
def one_hides_the_withdrawal_by_lagging(case: Case) -> None:
    case.second(latest=100)
    case.later(case.other_issuer(revoked={INDEX}))


@act
def one_hides_a_compromise_by_lagging(case: Case) -> None:
    case.second(settled=case.with_lost_key(), finalized=105)


@act
def one_is_of_another_chain(case: Case) -> None:
    case.second(chain_id_=1)


@act
def one_is_out(case: Case) -> None:
    case.second(broken={"chain_id": "is out"})


@act
def one_has_another_contract(case: Case) -> None:
    case.second(code_of={})


# ---------------------------------------------------------------- evidence


@act
def evidence_and_a_node(case: Case) -> None:
    case.vouch()


@act
def evidence_alone(case: Case) -> None:
    case.offline()


@act
def evidence_of_a_block_of_nobody(case: Case) -> None:
    case.offline()
    del case.given["block_hashes"]


@act
def evidence_and_the_hash_for_another_chain(case: Case) -> None:
    point = checkpoint(prove(case.world), chain_id=1)
    case.offline(point.text)


@act
def evidence_and_another_hash(case: Case) -> None:
    case.offline("eip155:777:0x" + "7" * 64)


@act
def evidence_of_a_block_that_the_node_does_not_show(case: Case) -> None:
    prove(case.world)
    case.chain.headers.clear()


@act
def a_trusted_block_that_the_node_does_not_show(case: Case) -> None:
    case.vouch()
    case.chain.headers.clear()


@act
def evidence_of_a_block_that_is_not_final(case: Case) -> None:
    prove(case.world, number=105)


@act
def evidence_of_a_withdrawal_that_the_node_denies(case: Case) -> None:
    case.issuer.revoked.add(INDEX)
    prove(case.world)
    case.issuer.revoked.clear()


@act
def evidence_of_a_window_that_the_node_widens(case: Case) -> None:
    case.key(until=T + 10)
    prove(case.world)
    case.key(until=T + 20)


@act
def evidence_of_a_window_that_the_node_narrows(case: Case) -> None:
    prove(case.world)
    case.key(until=T + 20)


@act
def evidence_of_a_key_that_the_node_denies(case: Case) -> None:
    prove(case.world)
    case.issuer.keys.clear()


@act
def evidence_of_a_compromise_after_the_final_block(case: Case) -> None:
    prove(case.world, case.with_lost_key(), number=105)


@act
def evidence_without_the_record(case: Case) -> None:
    prove(case.world, replace(case.chain.settled, anchors={}))


@act
def evidence_of_another_record(case: Case) -> None:
    root = case.world.file.proof.sealed_root
    prove(case.world, replace(case.chain.settled, anchors={root: (T + 1, 50)}))


@act
def evidence_that_is_older_than_the_record(case: Case) -> None:
    prove(case.world, number=49)


@act
def evidence_of_other_registries(case: Case) -> None:
    case.offline()
    case.networks(anchor_registry="0x" + "1" * 40, issuer_registry=OTHER)


@act
def evidence_of_the_endorsement(case: Case) -> None:
    case.endorse()
    point = checkpoint(prove(case.world, accreditors=[ACCREDITOR.issuer_id]))
    case.is_offline = True
    case.given["block_hashes"] = (point.text,)


@act
def evidence_that_is_silent_about_the_accreditor(case: Case) -> None:
    case.endorse()
    case.offline()


@act
def evidence_of_an_issuer_closed_for_good(case: Case) -> None:
    issuer_closed_for_good(case)
    case.offline()


@act
def evidence_of_a_withdrawal(case: Case) -> None:
    case.issuer.revoked.add(INDEX)
    case.offline()


# ---------------------------------------------------------------- asking both


@pytest.fixture(scope="module")
def asked() -> Iterator[dict[str, tuple[Question, Any]]]:
    """Each question with the page's answer; the nodes are still there."""
    with ExitStack() as servers:
        questions = [question_of(change, servers) for change in CASES.values()]
        answers = [timed.answer for timed in by_page(questions)]
        pairs = zip(questions, answers, strict=True)
        yield dict(zip(CASES, pairs, strict=True))


def question_of(change: Act, servers: ExitStack) -> Question:
    case = Case()
    change(case)
    nodes = [(case.chain, case.liar), *((other, honest) for other in case.others)]
    addresses = []
    for chain, liar in [] if case.is_offline else nodes:
        server = servers.enter_context(served(chain, liar))
        case.prepare(server)
        addresses.append(server.url)
    given: dict[str, Any] = {
        "file": case.world.data,
        "networks": encode_networks([NETWORK]),
        "trust": None if case.trust is None else encode_trust_list(case.trust),
        "addresses": tuple(addresses),
        "now": NOW,
        **case.given,
    }
    return Question(**given)


@pytest.mark.parametrize("name", CASES)
def test_the_same_is_said_of_the_same_nodes(
    asked: dict[str, tuple[Question, Any]], name: str
) -> None:
    question, found = asked[name]
    answer = by_python(question)

    assert differences(answer, found) == []


def test_the_cases_reach_most_of_what_can_be_said(
    asked: dict[str, tuple[Question, Any]],
) -> None:
    codes = {
        step["code"]
        for _, answer in asked.values()
        for report, _ in answer.reports
        for step in report["steps"]
    }

    assert len(codes) > 50


def test_where_nobody_listens_only_the_reason_is_told_in_other_words() -> None:
    """A page does not get to know why an address was silent; the command does."""
    question = Question(
        world().data,
        networks=encode_networks([NETWORK]),
        addresses=("http://127.0.0.1:9",),
    )
    ((theirs, _),) = by_python(question).reports
    ((ours, _),) = by_page([question])[0].answer.reports

    def without_reason(report: dict[str, Any]) -> dict[str, Any]:
        steps = [
            {**step, "detail": (step["detail"] or "").partition("did not answer")[0]}
            for step in report["steps"]
        ]
        return {**report, "steps": steps}

    assert without_reason(theirs) == without_reason(ours)
    assert "record.unreachable" in {step["code"] for step in ours["steps"]}


def test_an_email_that_is_none_is_refused_alike() -> None:
    question = Question(world().data, email="nobody")
    with pytest.raises(MalformedError) as refused:
        by_python(question)

    (timed,) = by_page([question])
    assert Refusal("MalformedError", str(refused.value)) == timed.answer
