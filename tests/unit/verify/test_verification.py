"""From a file to a verdict, with real credentials and a chain in memory."""

import json
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ledger.core import baking, canonical
from ledger.core.issuer import IssuerProfile, IssuerReference
from ledger.core.keys import SigningKey
from ledger.errors import MalformedError
from ledger.verify.report import Outcome, Report, StepName, Tone, Verdict
from ledger.verify.rpc import Tag
from ledger.verify.trust import Trusted, TrustList
from tests.unit.verify.credentials import (
    BEGAN,
    EMAIL,
    INDEX,
    KEY,
    NOW,
    PROFILE,
    REFERENCE,
    T,
    World,
    durable,
    edited,
    signed,
    world,
)
from tests.unit.verify.fakes import NETWORK, FakeChain

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="1" height="1"/></svg>'


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + crc(kind + body)


def crc(data: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(data))


PNG = (
    b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    + chunk(b"IDAT", zlib.compress(b"\0\0"))
    + chunk(b"IEND", b"")
)


def codes(report: Report) -> dict[str, str]:
    return {step.name.value: step.code for step in report.steps}


def code(report: Report, name: str) -> str:
    return codes(report)[name]


def test_a_good_durable_credential_is_genuine() -> None:
    report = world().verify()

    assert report.verdict is Verdict.GENUINE
    assert report.exit_code == 0
    assert report.tone is Tone.GREEN
    assert codes(report) == {
        "file": "file.readable",
        "content": "content.unchanged",
        "issuer": "issuer.trusted",
        "record": "record.final",
        "withdrawal": "withdrawal.none",
        "dates": "dates.current",
        "person": "person.not_asked",
    }
    assert report.claims is not None
    assert report.claims.to_json() == {
        "id": "urn:uuid:00000000-0000-4000-8000-000000000001",
        "achievement": "Data Analyst",
        "version": "2",
        "recipient": "Ada Lovelace",
        "issuer": "Riverside Code School",
        "issuerId": REFERENCE.text,
        "creator": None,
        "source": None,
        "awarded": "2026-06-30",
        "validFrom": "2026-07-01T08:05:00Z",
        "validUntil": None,
    }


@pytest.mark.parametrize(
    "bake",
    [
        lambda data: data,
        lambda data: json.dumps(canonical.parse(data), indent=4).encode(),
        lambda data: baking.bake_svg(SVG, data),
        lambda data: baking.bake_png(PNG, data),
    ],
    ids=["json", "pretty json", "svg", "png"],
)
def test_every_carrier_is_read(bake: Callable[[bytes], bytes]) -> None:
    w = world()

    assert w.verify(bake(w.data)).verdict is Verdict.GENUINE


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "file.not_a_credential"),
        (b"%PDF-1.7 a print-out", "file.not_a_credential"),
        (PNG, "file.not_a_credential"),
        (PNG[:30], "file.not_a_credential"),
        (SVG, "file.not_a_credential"),
        (b"\xff\xd8\xff\xe0 a photograph", "file.not_a_credential"),
        (b"[" * 1_000_000, "file.not_a_credential"),
        (b'{"a":1,"a":2}', "file.not_a_credential"),
        (b'"text"', "file.not_a_credential"),
        (b"{}", "file.other_kind"),
        (b'{"issuer":"did:key:z6Mk"}', "file.other_kind"),
        (b'{"issuer":{"otherIdentifier":"x"}}', "file.other_kind"),
        (b'{"issuer":{"otherIdentifier":["x"]}}', "file.other_kind"),
        (
            b'{"issuer":{"otherIdentifier":[{"identifierType":"isbn"}]}}',
            "file.other_kind",
        ),
    ],
)
def test_what_is_no_credential_of_ours_is_said_so_and_nothing_is_asked(
    data: bytes, reason: str
) -> None:
    w = world()
    report = w.verify(data)

    assert report.verdict is Verdict.NOT_A_CREDENTIAL
    assert reason == code(report, "file")
    assert report.claims is None
    assert w.chain.asked == []


def test_another_issuers_open_badge_is_not_accused_of_having_been_changed() -> None:
    foreign = {"type": ["OpenBadgeCredential"], "issuer": {"id": "did:web:x.example"}}
    report = world().verify(json.dumps(foreign).encode())

    assert report.verdict is Verdict.NOT_A_CREDENTIAL


CHANGES: dict[str, tuple[tuple[str | int, ...], Any]] = {
    "name of the badge": (
        ("credentialSubject", "achievement", "description"),
        "Reads data and tells what they says.",
    ),
    "earner": (("credentialSubject", "identifier", 1, "identityHash"), "Eve"),
    "status index": (("credentialStatus", "statusListIndex"), "5"),
    "date": (("awardedDate",), "2026-06-29T00:00:00Z"),
    "issuer record": (
        ("issuer", "otherIdentifier", 0, "identifier"),
        replace(REFERENCE, issuer_id=b"\x05" * 32).text,
    ),
    "member too many": (("note",), "x"),
    "type": (("credentialSubject", "achievement", "type"), "Achievement"),
    "signature": (("proof", 0, "proofValue"), "z" + "2" * 87),
    "nonce": (("proof", 0, "nonce"), "u" + "A" * 43),
    "index in the tree": (("proof", 1, "leafIndex"), 0),
    "size of the tree": (("proof", 1, "treeSize"), 3),
    "path": (("proof", 1, "inclusionPath", 0), "0x" + "23" * 32),
    "path longer": (("proof", 1, "inclusionPath"), ["0x" + "22" * 32] * 2),
    "sealed root": (("proof", 1, "sealedRoot"), "0x" + "00" * 32),
    "evidence": (("proof", 1, "evidence"), {}),
    "no proof": (("proof",), []),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_file_is_not_to_be_relied_on_and_shows_no_claim(what: str) -> None:
    w = world()
    path, value = CHANGES[what]
    report = w.verify(edited(w.data, *path, value=value))

    assert report.verdict is Verdict.CHANGED
    assert code(report, "content") in {"content.changed", "content.malformed"}
    assert report.claims is None
    assert report.issuer is None
    assert {step.outcome for step in report.steps[2:]} == {Outcome.NOT_CHECKED}
    assert "Ada" not in report.to_text() + json.dumps(report.to_json())
    assert w.chain.asked == []


def test_one_changed_letter_is_found_wherever_it_stands() -> None:
    """Any printable character of the file in the place of another: never genuine."""
    w = world()
    rng = random.Random(7)  # noqa: S311 - the same damage in every run
    for _ in range(100):
        at = rng.randrange(len(w.data))
        other = rng.choice([c for c in range(0x20, 0x7F) if c != w.data[at]])
        damaged = w.data[:at] + bytes([other]) + w.data[at + 1 :]
        report = w.verify(damaged)

        assert report.verdict is not Verdict.GENUINE, (at, chr(other))
        assert report.exit_code in {1, 2}, (at, chr(other))


@pytest.mark.parametrize(
    ("path", "value", "step"),
    [
        (("anchors", 0, "blockNumber"), 51, "record.mismatch"),
        (("anchors", 0, "time"), "2026-07-01T08:08:21Z", "record.mismatch"),
        (("anchors", 0, "registry"), "0x" + "9" * 40, "record.other_registry"),
        (("issuerProfile", "name"), "Famous University", "issuer.profile_unknown"),
    ],
)
def test_what_only_the_chain_can_tell_is_contradicted_by_the_chain(
    path: tuple[str | int, ...], value: Any, step: str
) -> None:
    w = world()
    report = w.verify(edited(w.data, "proof", 1, *path, value=value))

    assert report.verdict is Verdict.CONTRADICTED
    assert step in codes(report).values()
    assert report.exit_code == 1


# ------------------------------------------------------------ web of the seven verdicts


def test_withdrawn() -> None:
    w = world()
    w.issuer.revoked.add(INDEX)
    report = w.verify()

    assert report.verdict is Verdict.WITHDRAWN
    assert report.exit_code == 1
    assert report.claims is not None


def test_revoked_stripped_removing_the_anchor_proof_never_hides_a_withdrawal() -> None:
    w = world()
    w.issuer.revoked.add(INDEX)
    stripped = w.file.credential.data
    report = w.verify(stripped)

    assert report.verdict is Verdict.WITHDRAWN
    assert code(report, "record") == "record.none"


def test_signed_only_is_not_yet_recorded() -> None:
    report = world().verify(signed().data)

    assert report.verdict is Verdict.NOT_RECORDED
    assert report.exit_code == 3
    assert code(report, "withdrawal") == "withdrawal.none"


def test_unknown_issuer_is_amber_and_names_the_file_as_the_only_source() -> None:
    report = world().verify(trust=None)

    assert report.verdict is Verdict.UNKNOWN_ISSUER
    assert report.tone is Tone.AMBER
    assert report.issuer is None
    assert "The file says “Riverside Code School”" in report.to_text()


def test_a_strangers_record_with_the_same_key_is_another_issuer() -> None:
    """The key listed again under a stranger's id does not escape the school's withdrawal."""
    w = world()
    w.issuer.revoked.add(INDEX)
    stranger = replace(REFERENCE, issuer_id=b"\x66" * 32)
    w.chain.settled.issuers[stranger.issuer_id] = replace(w.issuer, revoked=set())
    copied = edited(
        w.data, "issuer", "otherIdentifier", 0, "identifier", value=stranger.text
    )

    assert w.verify().verdict is Verdict.WITHDRAWN
    assert w.verify(copied).verdict is Verdict.CHANGED


def test_a_file_signed_with_a_key_of_ones_own_in_a_schools_name_is_contradicted() -> (
    None
):
    w = world()
    forged = signed(SigningKey.from_seed(b"\x66" * 32))
    report = w.verify(forged.data)

    assert report.verdict is Verdict.CONTRADICTED
    assert code(report, "issuer") == "issuer.key_unknown"


@pytest.mark.parametrize(
    ("window", "closed_at", "step"),
    [
        ((BEGAN, T, 0, 1), 0, "issuer.key_ended"),
        ((BEGAN, 0, T, 1), 0, "issuer.key_compromised"),
        ((T + 1, 0, 0, 1), 0, "issuer.key_too_early"),
        ((BEGAN, 0, 0, 1), T, "issuer.closed"),
    ],
)
def test_outside_its_key_window_a_credential_is_contradicted(
    window: tuple[int, int, int, int], closed_at: int, step: str
) -> None:
    w = world()
    w.issuer.keys[KEY.public.key_id] = window
    w.issuer.closed_at = closed_at
    report = w.verify()

    assert report.verdict is Verdict.CONTRADICTED
    assert step == code(report, "issuer")


def test_unrecorded_and_key_ended_is_contradicted_never_not_yet_recorded() -> None:
    w = world()
    w.issuer.keys[KEY.public.key_id] = (BEGAN, BEGAN + 700, 0, 1)

    assert w.verify().verdict is Verdict.GENUINE
    assert w.verify(signed().data).verdict is Verdict.CONTRADICTED


def test_a_closed_school_does_not_spoil_what_it_recorded_before() -> None:
    w = world()
    w.issuer.closed_at = T + 1
    w.issuer.closed_for_good = True
    report = w.verify()

    assert report.verdict is Verdict.GENUINE
    assert "The record does not depend on it." in report.to_text()


def test_expired_is_amber_and_tells_the_dates() -> None:
    w = world(durable(signed(valid_for="P1Y")))
    late = datetime(2027, 6, 30, tzinfo=UTC)
    w.chain.start += int((late - NOW).total_seconds())
    w.chain.settled.anchors[w.file.proof.sealed_root] = (T, 50)
    report = w.verify(now=late)

    assert report.verdict is Verdict.EXPIRED
    assert report.tone is Tone.AMBER
    assert report.exit_code == 3
    assert (
        "It was valid from 2026-07-01T08:05:00Z until 2027-06-30T00:00:00Z."
        in report.to_text()
    )


def test_valid_to_the_last_second() -> None:
    w = world(durable(signed(valid_for="P1Y")))
    end = datetime(2027, 6, 30, tzinfo=UTC)
    network = replace(NETWORK, test=True)  # so that its blocks may be old

    last = w.verify(now=end - timedelta(seconds=1), networks=[network])
    assert code(last, "dates") == "dates.current"
    assert code(w.verify(now=end, networks=[network]), "dates") == "dates.expired"


def test_not_valid_yet() -> None:
    w = world(durable(signed(issued_at=NOW + timedelta(seconds=1))))
    report = w.verify()

    assert report.verdict is Verdict.NOT_YET_VALID
    assert "It starts on 2026-07-01T08:18:26Z." in report.to_text()


def test_valid_from_the_first_second() -> None:
    assert code(world(durable(signed(issued_at=NOW))).verify(), "dates") == (
        "dates.current"
    )


@pytest.mark.parametrize(
    ("email", "verdict", "step"),
    [
        (EMAIL, Verdict.GENUINE, "person.matches"),
        (" ADA@example.org ", Verdict.GENUINE, "person.matches"),
        ("eve@example.org", Verdict.CONTRADICTED, "person.other"),
        (None, Verdict.GENUINE, "person.not_asked"),
    ],
)
def test_whom_it_was_issued_to(email: str | None, verdict: Verdict, step: str) -> None:
    report = world().verify(email=email)

    assert verdict is report.verdict
    assert step == code(report, "person")


def test_an_email_that_is_none_is_the_callers_mistake() -> None:
    with pytest.raises(MalformedError):
        world().verify(email="not an address")


def test_an_email_that_was_asked_for_is_not_repeated_in_the_report() -> None:
    report = world().verify(email="eve@example.org")

    assert "eve@" not in report.to_text() + json.dumps(report.to_json())


@pytest.mark.parametrize("broken", ["chain_id", "block", "code", "call"])
def test_a_network_fault_is_incomplete_and_never_called_tampering(broken: str) -> None:
    w = world()
    w.chain.broken[broken] = "did not answer"
    report = w.verify()

    assert report.verdict is Verdict.INCOMPLETE
    assert report.exit_code == 2
    assert report.tone is Tone.BLUE
    assert code(report, "content") == "content.unchanged"
    assert code(report, "dates") == "dates.current"
    assert report.claims is not None


def test_a_fault_of_one_head_hides_no_finished_step() -> None:
    w = world()
    w.chain.broken_tags[Tag.LATEST] = "timed out"
    report = w.verify()

    assert report.verdict is Verdict.INCOMPLETE
    assert code(report, "record") == "record.final"
    assert code(report, "issuer") == "issuer.trusted"


def test_a_network_that_is_not_listed_is_incomplete() -> None:
    report = world().verify(networks=[])

    assert report.verdict is Verdict.INCOMPLETE
    assert report.network is None
    assert "networks file" in report.next


def test_two_addresses_that_disagree_are_both_named() -> None:
    w = world()
    w.issuer.revoked.add(INDEX)
    liar = FakeChain(world().chain.settled, start=BEGAN, name="liar.example")
    report = w.verify(readers=[w.chain, liar])

    assert report.verdict is Verdict.INCOMPLETE
    assert "https://chain.example and https://liar.example" in report.to_text()


def test_two_addresses_that_agree_are_not_according_to_anyone() -> None:
    w = world()
    second = FakeChain(w.chain.settled, start=BEGAN, name="two.example")
    report = w.verify(readers=[w.chain, second])

    assert report.heading == "Genuine and current"
    assert report.sources == ("https://chain.example", "https://two.example")


def test_one_address_is_named_in_the_verdict() -> None:
    report = world().verify()

    assert report.heading == "Genuine and current, according to https://chain.example"


def test_the_same_on_a_test_network_says_test_and_is_not_green() -> None:
    report = world().verify(networks=[replace(NETWORK, test=True)])

    assert report.verdict is Verdict.GENUINE
    assert report.heading.startswith("TEST: Genuine")
    assert report.tone is Tone.AMBER
    assert report.exit_code == 3


def test_a_registry_that_is_not_the_networks_is_contradicted() -> None:
    lookalike = IssuerReference(777, "0x" + "9" * 40, REFERENCE.issuer_id)
    w = world(durable(signed(reference=lookalike)))
    trust = TrustList("t", issuers=(Trusted(lookalike, "Riverside"),))
    report = w.verify(trust=trust)

    assert report.verdict is Verdict.CONTRADICTED
    assert code(report, "issuer") == "issuer.other_registry"


def test_an_endorsed_school_is_known_by_its_profile() -> None:
    board = replace(REFERENCE, issuer_id=b"\x02" * 32)
    w = world()
    pair = (board.issuer_id, REFERENCE.issuer_id, PROFILE.hash)
    w.chain.settled.endorsements[pair] = (BEGAN, 0, 0)
    trust = TrustList("t", accreditors=(Trusted(board, "Skills Board"),))
    report = w.verify(trust=trust)

    assert report.verdict is Verdict.GENUINE
    assert code(report, "issuer") == "issuer.endorsed"
    assert report.issuer is not None
    assert report.issuer.by == "Skills Board"


def test_a_partner_who_assessed_is_what_the_file_says() -> None:
    partner = IssuerProfile("City Hospital", "https://hospital.example")
    report = world(durable(signed(source=partner))).verify()

    assert "The file says: assessed by City Hospital" in report.to_text()


def test_a_name_that_the_school_keeps_private_is_not_shown() -> None:
    report = world(durable(signed(name=None))).verify()

    assert report.claims is not None
    assert report.claims.recipient is None
    assert "awarded on 2026-06-30" in report.to_text()


def test_a_name_that_would_disturb_the_terminal_is_tamed() -> None:
    report = world(durable(signed(name="Ada \u202e\x9b31m"))).verify()

    assert report.claims is not None
    assert "\u202e" not in report.to_text()
    assert "\x9b" not in report.to_text()


def test_steps_come_in_fixed_order_whatever_happens() -> None:
    w: World = world()
    for report in (w.verify(), w.verify(b""), w.verify(networks=[])):
        assert [step.name for step in report.steps] == list(StepName)


def test_the_trust_list_and_not_the_file_names_the_issuer() -> None:
    renamed = TrustList("t", issuers=(Trusted(REFERENCE, "Riverside (checked)"),))
    report = world().verify(trust=renamed)

    assert report.issuer is not None
    assert report.issuer.name == "Riverside (checked)"
    assert "The file says “Riverside Code School”." in report.to_text()
