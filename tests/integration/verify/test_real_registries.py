"""The verifier against the real contracts on a real node, from the file alone."""

from dataclasses import replace

import pytest

from ledger.chain import acts
from ledger.core import registries
from ledger.core.durable import DurableCredential
from ledger.core.merkle import InclusionProof
from ledger.verify.report import Report, Verdict
from tests.integration.verify.schools import (
    BOARD_ID,
    BY_BOARD,
    CONTROLLER,
    DOMAIN,
    FOREVER,
    KEY,
    RECOVERY,
    SCHOOL,
    SCHOOL_ID,
    School,
)

pytestmark = pytest.mark.anvil


def code(report: Report, position: int) -> str:
    return report.steps[position].code


def test_from_signed_to_final_to_withdrawn(school: School) -> None:
    file = school.issue(70_001)
    young = school.check(file.encode())
    assert young.verdict is Verdict.NOT_RECORDED
    assert code(young, 3) == "record.not_final"

    school.settle()
    final = school.check(file.encode())
    assert final.verdict is Verdict.GENUINE
    assert final.heading.startswith("TEST: Genuine and current, according to http://")
    assert final.exit_code == 3
    assert school.check(file.encode(), trust=None).verdict is Verdict.UNKNOWN_ISSUER

    neighbour = school.issue(70_002)
    school.revoke(70_001)
    withdrawn = school.check(file.encode())
    assert withdrawn.verdict is Verdict.WITHDRAWN
    assert school.check(file.credential.data).verdict is Verdict.WITHDRAWN
    school.settle()
    assert school.check(neighbour.encode()).verdict is Verdict.GENUINE


def test_an_endorsement_names_the_school_until_it_is_withdrawn(school: School) -> None:
    authority = acts.Authority(CONTROLLER, FOREVER)
    members = (BOARD_ID, SCHOOL_ID, SCHOOL.hash)
    school.act(acts.endorse(DOMAIN, *members, 0, authority))
    file = school.issue(5)
    school.pass_time(10)
    school.act(acts.withdraw(DOMAIN, *members, FOREVER, authority))
    late = school.issue(6)
    school.settle()

    endorsed = school.check(file.encode(), trust=BY_BOARD)
    assert endorsed.verdict is Verdict.GENUINE
    assert code(endorsed, 2) == "issuer.endorsed"
    assert code(school.check(late.encode(), trust=BY_BOARD), 2) == "issuer.unknown"


def test_key_windows_end_by_ending_compromise_and_closing(school: School) -> None:
    before = school.issue(7)
    authority = acts.Authority(CONTROLLER, FOREVER)
    recovery = acts.Authority(RECOVERY, FOREVER)
    school.act(
        acts.end_key(DOMAIN, SCHOOL_ID, KEY.public.key_id, school.now + 5, authority)
    )
    school.pass_time(10)
    after = school.issue(8)
    school.settle()
    assert school.check(before.encode()).verdict is Verdict.GENUINE
    assert code(school.check(after.encode()), 2) == "issuer.key_ended"
    assert code(school.check(before.credential.data), 2) == "issuer.key_ended"

    school.act(acts.close(DOMAIN, SCHOOL_ID, bytes(32), b"\x01" * 32, recovery))
    school.settle()
    closed = school.check(before.encode())
    assert closed.verdict is Verdict.GENUINE
    assert "nobody can withdraw it any more" in closed.remarks[0]


def test_a_compromise_in_the_past_takes_what_was_recorded_since(school: School) -> None:
    file = school.issue(9)
    school.act(
        acts.compromise_key(
            DOMAIN,
            SCHOOL_ID,
            KEY.public.key_id,
            file.proof.home.time,
            acts.Authority(RECOVERY, FOREVER),
        )
    )
    school.settle()

    report = school.check(file.encode())
    assert report.verdict is Verdict.CONTRADICTED
    assert code(report, 2) == "issuer.key_compromised"


def test_a_root_that_was_never_anchored_is_contradicted(school: School) -> None:
    file = school.issue(10)
    other = school.issue(11)
    school.settle()
    # The neighbour's anchor under this credential's own tree: right in form, recorded nowhere.
    inclusion = InclusionProof(1, 2, (b"\x01" * 32,))
    forged = DurableCredential.from_parts(
        file.credential,
        inclusion=inclusion,
        sealed_root=inclusion.sealed_root(file.credential.leaf),
        issuer_profile=SCHOOL,
        anchors=other.proof.anchors,
    )

    report = school.check(forged.encode())
    assert report.verdict is Verdict.CONTRADICTED
    assert code(report, 3) == "record.not_found"


def test_a_chain_that_begins_otherwise_and_a_place_without_code_are_not_read(
    school: School,
) -> None:
    file = school.issue(12).encode()
    school.settle()
    other_chain = replace(school.network, genesis_hash=bytes(32))
    assert code(school.check(file, network=other_chain), 3) == "record.other_chain"

    school.anvil.rpc("anvil_setCode", registries.ISSUER_REGISTRY, "0x60006000f3")
    school.settle()
    report = school.check(file)
    assert report.verdict is Verdict.INCOMPLETE
    assert code(report, 4) == "withdrawal.no_registry"
    assert code(report, 3) == "record.final"
