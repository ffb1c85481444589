"""Seven steps, one verdict: the rules of the report, one by one."""

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, strategies as st

from ledger.verify import report as reports
from ledger.verify.networks import BUILT_IN
from ledger.verify.report import (
    FINDINGS,
    WORDINGS,
    Claims,
    KnownIssuer,
    Outcome,
    ReadBlock,
    Report,
    Step,
    StepName,
    Tone,
    Verdict,
    decide,
    exit_code,
    moment,
    printable,
    stopped_after,
)
from ledger.verify.rpc import Block, Tag

MAIN, TEST = BUILT_IN
ADDRESS = "https://rpc.example"

GOOD = {
    StepName.FILE: "file.readable",
    StepName.CONTENT: "content.unchanged",
    StepName.ISSUER: "issuer.trusted",
    StepName.RECORD: "record.final",
    StepName.WITHDRAWAL: "withdrawal.none",
    StepName.DATES: "dates.current",
    StepName.PERSON: "person.not_asked",
}
CLAIMS = Claims(
    id="urn:uuid:00000000-0000-4000-8000-000000000000",
    achievement="Data Analyst",
    version="2",
    recipient="Ada Lovelace",
    issuer="Riverside",
    issuer_id="eip155:1:0x00:0x00",
    creator=None,
    source=None,
    awarded=date(2026, 6, 30),
    valid_from=datetime(2026, 7, 1, 8, 0, tzinfo=UTC),
    valid_until=None,
)


def steps(**codes: str) -> tuple[Step, ...]:
    """The steps of a genuine credential, some replaced: issuer="unknown"."""
    wanted = GOOD | {StepName(name): f"{name}.{code}" for name, code in codes.items()}
    return tuple(Step(wanted[name]) for name in StepName)


def report(**codes: str) -> Report:
    return Report("ada.json", steps(**codes), CLAIMS, network=MAIN, sources=(ADDRESS,))


@pytest.mark.parametrize(
    ("codes", "verdict"),
    [
        ({}, Verdict.GENUINE),
        ({"person": "matches"}, Verdict.GENUINE),
        ({"issuer": "endorsed"}, Verdict.GENUINE),
        ({"content": "malformed"}, Verdict.CHANGED),
        ({"content": "changed", "withdrawal": "withdrawn"}, Verdict.CHANGED),
        ({"issuer": "key_unknown"}, Verdict.CONTRADICTED),
        ({"record": "mismatch"}, Verdict.CONTRADICTED),
        ({"person": "other"}, Verdict.CONTRADICTED),
        ({"issuer": "closed", "withdrawal": "withdrawn"}, Verdict.CONTRADICTED),
        ({"issuer": "closed", "withdrawal": "unreachable"}, Verdict.CONTRADICTED),
        ({"withdrawal": "withdrawn"}, Verdict.WITHDRAWN),
        ({"withdrawal": "withdrawn", "record": "unreachable"}, Verdict.WITHDRAWN),
        ({"withdrawal": "withdrawn", "record": "none"}, Verdict.WITHDRAWN),
        ({"withdrawal": "withdrawn", "dates": "expired"}, Verdict.WITHDRAWN),
        ({"issuer": "unreachable"}, Verdict.INCOMPLETE),
        ({"record": "disagreement"}, Verdict.INCOMPLETE),
        ({"withdrawal": "no_registry"}, Verdict.INCOMPLETE),
        ({"withdrawal": "behind", "issuer": "unknown"}, Verdict.INCOMPLETE),
        ({"withdrawal": "not_checked"}, Verdict.INCOMPLETE),
        ({"file": "unreadable"}, Verdict.INCOMPLETE),
        ({"issuer": "unknown"}, Verdict.UNKNOWN_ISSUER),
        ({"issuer": "unknown", "record": "none"}, Verdict.UNKNOWN_ISSUER),
        ({"issuer": "unknown", "dates": "expired"}, Verdict.UNKNOWN_ISSUER),
        ({"record": "none"}, Verdict.NOT_RECORDED),
        ({"record": "not_final"}, Verdict.NOT_RECORDED),
        ({"issuer": "not_final"}, Verdict.NOT_RECORDED),
        ({"record": "none", "dates": "expired"}, Verdict.NOT_RECORDED),
        ({"dates": "expired"}, Verdict.EXPIRED),
        ({"dates": "not_yet_valid"}, Verdict.NOT_YET_VALID),
    ],
)
def test_first_rule_that_applies_is_the_verdict(
    codes: dict[str, str], verdict: Verdict
) -> None:
    assert verdict is report(**codes).verdict


def test_a_file_that_is_no_credential_stops_everything() -> None:
    stopped = Report("x", stopped_after(Step("file.not_a_credential")))

    assert stopped.verdict is Verdict.NOT_A_CREDENTIAL
    assert {step.outcome for step in stopped.steps[1:]} == {Outcome.NOT_CHECKED}
    assert [step.name for step in stopped.steps] == list(StepName)


CODES = {
    name: [code for code in FINDINGS if code.startswith(f"{name}.")]
    for name in StepName
}
ANY_STEPS = st.tuples(*(st.sampled_from(CODES[name]).map(Step) for name in StepName))


@given(ANY_STEPS)
def test_genuine_means_that_every_step_passed(chosen: tuple[Step, ...]) -> None:
    verdict, _ = decide(chosen)
    asked = [step for step in chosen if step.code != "person.not_asked"]
    passed = all(step.outcome is Outcome.PASSED for step in asked)

    assert passed == (verdict is Verdict.GENUINE)


@given(ANY_STEPS)
def test_could_not_check_is_never_green_and_never_red(
    chosen: tuple[Step, ...],
) -> None:
    """Unless something else failed, which is red for its own reason."""
    found = Report("x", chosen, network=MAIN)
    outcomes = {step.outcome for step in chosen}
    if Outcome.COULD_NOT_CHECK in outcomes and Outcome.FAILED not in outcomes:
        assert found.verdict is Verdict.INCOMPLETE
        assert found.tone is Tone.BLUE
        assert found.exit_code == 2


@given(ANY_STEPS)
def test_a_failed_step_never_ends_well(chosen: tuple[Step, ...]) -> None:
    found = Report("x", chosen)
    if any(step.outcome is Outcome.FAILED for step in chosen):
        assert found.exit_code == 1
        assert found.tone in {Tone.RED, Tone.BLUE}


@given(ANY_STEPS)
def test_a_test_network_is_never_green_and_says_so(chosen: tuple[Step, ...]) -> None:
    real, test = Report("x", chosen), Report("x", chosen, network=TEST)

    assert test.verdict is real.verdict
    assert test.tone is not Tone.GREEN
    assert test.heading.startswith("TEST")
    assert test.exit_code == (real.exit_code or 3)


def test_every_code_belongs_to_a_step_and_titles_change_with_the_outcome() -> None:
    """A failed step must not read 'The issuer has not withdrawn it'."""
    titles: dict[tuple[StepName, str], set[Outcome]] = {}
    for code, finding in FINDINGS.items():
        key = (Step(code).name, finding.title)
        titles.setdefault(key, set()).add(finding.outcome)

    assert all(len(outcomes) == 1 for outcomes in titles.values())


def test_every_verdict_can_be_reached_and_has_a_next_step() -> None:
    assert set(WORDINGS) == set(Verdict)
    assert all(wording.next.endswith(".") for wording in WORDINGS.values())
    rules = {verdict for verdict, _ in reports._RULES}
    assert rules | {Verdict.GENUINE} == set(Verdict)
    assert [verdict for verdict, _ in reports._RULES] == list(Verdict)[:-1]


def test_a_code_that_is_not_in_the_table_is_a_fault_of_the_program() -> None:
    with pytest.raises(RuntimeError):
        Step("issuer.nice")
    with pytest.raises(RuntimeError):
        Report("x", (Step("file.readable"),))


@pytest.mark.parametrize(
    ("codes", "worst"),
    [
        ((), 0),
        ((0, 0), 0),
        ((0, 3), 3),
        ((3, 2, 0), 2),
        ((0, 3, 2, 1), 1),
        ((2, 1), 1),
    ],
)
def test_the_worst_of_several_files_counts(codes: tuple[int, ...], worst: int) -> None:
    for order in itertools.permutations(codes):
        assert worst == exit_code(order)


def test_one_address_is_named_in_the_verdict_and_two_are_not() -> None:
    alone = report()
    both = replace(alone, sources=(ADDRESS, "https://two.example"))

    assert alone.heading == f"Genuine and current, according to {ADDRESS}"
    assert both.heading == "Genuine and current"
    assert "Read from https://rpc.example and https://two.example" in both.to_text()


@pytest.mark.parametrize("codes", [{"content": "changed"}, {"record": "unreachable"}])
def test_a_verdict_that_does_not_rest_on_an_address_names_none(
    codes: dict[str, str],
) -> None:
    assert "according to" not in report(**codes).heading


def test_the_advice_of_the_deciding_step_comes_before_the_general_one() -> None:
    assert report().next == "Keep this file: it can be checked without us."
    assert "networks file" in report(record="unknown_network").next


def test_text_for_people_puts_the_verdict_first_and_the_next_step_last() -> None:
    block = Block(20, b"\x01" * 32, 1_000_000)
    full = replace(
        report(),
        steps=(
            *steps()[:2],
            Step("issuer.trusted", "Riverside, on My list."),
            *steps()[3:],
        ),
        claims=replace(CLAIMS, creator="Partner Inc", source="Hospital"),
        issuer=KnownIssuer("Riverside", "My list"),
        read=(ReadBlock(Tag.FINALIZED, "eip155:1", block),),
        remarks=("This issuer closed.",),
    )

    assert full.to_text() == (
        "ada.json: Genuine and current, according to https://rpc.example\n"
        "\n"
        "  The file says: Data Analyst (version 2), awarded to Ada Lovelace"
        " on 2026-06-30 by Riverside\n"
        "  The file says: created by Partner Inc\n"
        "  The file says: assessed by Hospital\n"
        "\n"
        "  ✓ The file is a credential we can read\n"
        "  ✓ Nothing in it has been changed\n"
        "  ✓ We know who issued it\n"
        "      Riverside, on My list.\n"
        "  ✓ It is recorded on the blockchain\n"
        "  ✓ The issuer has not withdrawn it\n"
        "  ✓ It is in date\n"
        "  ! Whether it was issued to the person before you was not asked\n"
        "\n"
        "  This issuer closed.\n"
        f"  Read at finalized block 20 of 1970-01-12T13:46:40Z, eip155:1:0x{'01' * 32}\n"
        "  Read from https://rpc.example\n"
        "  Next: Keep this file: it can be checked without us.\n"
    )


def test_each_outcome_has_a_sign_of_its_own() -> None:
    text = report(
        issuer="unknown", record="unreachable", withdrawal="withdrawn"
    ).to_text()
    stopped = Report("x", stopped_after(Step("file.other_kind"))).to_text()

    assert "  ! We do not know this issuer\n" in text
    assert "  ? We could not reach the blockchain, so we cannot say\n" in text
    assert "  ✕ The issuer has withdrawn it\n" in text
    assert "  – Withdrawal\n" in stopped  # noqa: RUF001


def test_json_has_every_member_even_when_it_is_null() -> None:
    expected = {
        "file": "x.json",
        "verdict": "changed",
        "heading": "Do not rely on this file",
        "tone": "red",
        "exitCode": 1,
        "test": False,
        "next": "Ask the holder for the original.",
        "claims": None,
        "issuer": None,
        "network": None,
        "read": [],
        "sources": [],
        "accordingTo": None,
        "remarks": [],
    }
    found = Report(
        "x.json", stopped_after(Step("file.readable"), Step("content.changed", "Why."))
    ).to_json()
    written = found.pop("steps")

    assert expected == found
    assert isinstance(written, list)
    assert written[1] == {
        "step": "content",
        "outcome": "failed",
        "code": "content.changed",
        "title": "The content has been changed",
        "detail": "Why.",
        "next": None,
    }
    assert len(written) == 7


def test_json_of_a_good_report() -> None:
    block = Block(20, b"\x01" * 32, 1_000_000)
    found = replace(
        report(),
        issuer=KnownIssuer("Riverside", "My list"),
        read=(ReadBlock(Tag.LATEST, "eip155:1", block),),
    ).to_json()

    assert found["issuer"] == {"name": "Riverside", "by": "My list"}
    assert found["accordingTo"] == ADDRESS
    assert found["network"] == "eip155:1"
    assert found["read"] == [
        {
            "head": "latest",
            "number": 20,
            "block": f"eip155:1:0x{'01' * 32}",
            "time": "1970-01-12T13:46:40Z",
        }
    ]
    assert found["claims"] == {
        "id": "urn:uuid:00000000-0000-4000-8000-000000000000",
        "achievement": "Data Analyst",
        "version": "2",
        "recipient": "Ada Lovelace",
        "issuer": "Riverside",
        "issuerId": "eip155:1:0x00:0x00",
        "creator": None,
        "source": None,
        "awarded": "2026-06-30",
        "validFrom": "2026-07-01T08:00:00Z",
        "validUntil": None,
    }


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain é 学校 नमस्ते", "plain é 学校 नमस्ते"),
        ("\x1b[2J", "<U+001B>[2J"),
        ("a\nb\tc", "a<U+000A>b<U+0009>c"),
        ("\x9b31m", "<U+009B>31m"),
        ("\u202efdp.exe", "<U+202E>fdp.exe"),
        ("\ud800", "<U+D800>"),
        ("\u2028", "<U+2028>"),
    ],
)
def test_what_could_disturb_a_terminal_is_shown_by_number(raw: str, shown: str) -> None:
    assert shown == printable(raw)


def test_no_control_character_of_a_file_reaches_the_text() -> None:
    nasty = replace(CLAIMS, recipient="\x1b]0;pwned\x07", issuer="\u202eloohcS")
    text = replace(report(), file="\x1b[31m.json", claims=nasty).to_text()

    assert not any(character in text for character in "\x1b\x07\u202e")


def test_a_time_beyond_the_calendar_is_still_told() -> None:
    assert moment(0) == "1970-01-01T00:00:00Z"
    assert moment(253_402_300_799) == "9999-12-31T23:59:59Z"
    assert moment(2**40 - 1) == "second 1099511627775"
    assert moment(2**64 - 1) == "second 18446744073709551615"
