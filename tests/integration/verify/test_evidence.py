"""Evidence, keys and compromise against the real contracts: a node, or one block hash alone."""

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.chain import acts
from ledger.chain.accounts import address_of, key_id
from ledger.core import registries, rlp
from ledger.core.durable import DurableCredential
from ledger.core.evidence import (
    Evidence,
    Questions,
    RegistryFacts,
    build_evidence,
)
from ledger.core.issuer import issuer_id, recovery_commitment
from ledger.core.keys import SigningKey
from ledger.errors import LedgerError
from ledger.verify import checkpoints_command, command, refresh_command
from ledger.verify.networks import encode_networks
from ledger.verify.report import Report, Verdict
from ledger.verify.rpc import Tag
from ledger.verify.trust import encode_trust_list
from ledger.verify.verification import verify
from tests.integration.verify.schools import (
    ACCREDITOR,
    BOARD_ID,
    BY_BOARD,
    CHAIN,
    CONTROLLER,
    DOMAIN,
    FOREVER,
    KEY,
    LISTED,
    RECOVERY,
    REFERENCE,
    SCHOOL,
    SCHOOL_ID,
    School,
    block_of,
)

pytestmark = pytest.mark.anvil

BY_CONTROLLER = acts.Authority(CONTROLLER, FOREVER)
BY_RECOVERY = acts.Authority(RECOVERY, FOREVER)
THIEF = SigningKey.from_seed(b"\x66" * 32)


def codes(report: Report) -> tuple[str, str, str]:
    """Issuer, record and withdrawal."""
    issuer, record, withdrawal = (step.code for step in report.steps[2:5])
    return issuer, record, withdrawal


def both(school: School, file: DurableCredential) -> tuple[str, str]:
    """What a node and fresh evidence say of the issuer; they must agree."""
    school.settle()
    online = codes(school.check(file.encode()))
    offline = codes(school.offline(school.refreshed(file)))
    assert online[:2] == offline[:2]
    return online[0], online[1]


# ---------------------------------------------------------------- one block hash


def test_one_block_hash_is_enough_and_what_comes_later_needs_a_later_one(
    school: School,
) -> None:
    file = school.issue(70_001)
    school.settle()
    early = school.refreshed(file)
    report = school.offline(early)
    assert report.verdict is Verdict.GENUINE_AS_OF
    assert codes(report) == ("issuer.trusted", "record.final", "withdrawal.as_of")
    assert report.heading.startswith("TEST: Genuine as of 2")
    assert report.exit_code == 3

    school.revoke(70_001)
    school.settle()
    assert school.offline(early).verdict is Verdict.GENUINE_AS_OF
    assert school.check(early.encode()).verdict is Verdict.WITHDRAWN
    late = school.refreshed(early)
    assert school.offline(late).verdict is Verdict.WITHDRAWN
    assert late.with_evidence(None) == file

    school.act(
        acts.reinstate(
            DOMAIN,
            SCHOOL_ID,
            70_001 >> 8,
            1 << (70_001 & 255),
            recovery_acts=0,
            authority=BY_RECOVERY,
        )
    )
    school.settle()
    # The old evidence still says "withdrawn"; only a newer block settles what is right now.
    disputed = school.check(late.encode())
    assert codes(disputed)[2] == "withdrawal.disagreement"
    assert school.check(school.refreshed(late).encode()).verdict is Verdict.GENUINE


@pytest.mark.parametrize(
    ("successor", "verdict"),
    [(bytes(32), Verdict.GENUINE), (BOARD_ID, Verdict.GENUINE_AS_OF)],
    ids=["no successor", "a successor"],
)
def test_what_a_school_has_closed_for_good_stays_as_it_is(
    school: School, successor: bytes, verdict: Verdict
) -> None:
    file, gone = school.issue(5), school.issue(6)
    school.revoke(6)
    school.pass_time(10)
    school.act(acts.close(DOMAIN, SCHOOL_ID, successor, bytes(32), BY_RECOVERY))
    school.settle()

    report = school.offline(school.refreshed(file))
    assert report.verdict is verdict
    assert report.remarks[0].startswith("This issuer closed on ")
    assert school.offline(school.refreshed(gone)).verdict is Verdict.WITHDRAWN


def test_an_endorsement_is_proved_offline(school: School) -> None:
    members = (BOARD_ID, SCHOOL_ID, SCHOOL.hash)
    school.act(acts.endorse(DOMAIN, *members, 0, BY_CONTROLLER))
    file = school.issue(7)
    school.settle()

    silent = school.offline(school.refreshed(file), trust=BY_BOARD)
    assert codes(silent)[0] == "issuer.unknown"
    assert "Skills Board" in silent.remarks[0]
    told = school.refreshed(file, BY_BOARD)
    evidence = told.proof.home.evidence
    assert evidence is not None
    assert evidence.accreditors == (ACCREDITOR.issuer_id,)
    assert codes(school.offline(told, trust=BY_BOARD))[0] == "issuer.endorsed"

    school.pass_time(10)
    school.act(acts.withdraw(DOMAIN, *members, FOREVER, BY_CONTROLLER))
    school.settle()
    still = school.offline(school.refreshed(told), trust=BY_BOARD)
    assert codes(still)[0] == "issuer.endorsed"  # it stood when the file was recorded


def test_the_commands_do_it_from_files_alone(school: School, tmp_path: Path) -> None:
    file, listed = tmp_path / "ada.json", tmp_path / "checkpoints.json"
    networks, trust = tmp_path / "networks.json", tmp_path / "trust.json"
    file.write_bytes(school.issue(8).encode())
    networks.write_bytes(encode_networks([school.network]))
    trust.write_bytes(encode_trust_list(LISTED))
    school.settle()
    rpc = ["--rpc", school.anvil.url, "--networks", str(networks)]
    out, err = io.StringIO(), io.StringIO()

    def told(run: Callable[..., int], *arguments: object) -> int:
        return run(list(map(str, arguments)), program="x", out=out, err=err)

    assert told(refresh_command.run, file, *rpc, "--trust", trust) == 0
    assert told(checkpoints_command.run, file, *rpc, "--out", listed) == 0
    offline = [file, "--networks", networks, "--trust", trust]
    assert told(command.run, *offline) == 2
    assert told(command.run, *offline, "--checkpoints", listed) == 3
    held = DurableCredential.from_bytes(file.read_bytes())
    point = block_of(held).text
    assert told(command.run, *offline, "--block-hash", point) == 3
    assert told(command.run, *offline, "--block-hash", point.replace("31337", "1")) == 2
    assert "TEST: Genuine as of 2" in out.getvalue()
    assert err.getvalue() == ""


# ---------------------------------------------------------------- tampering, on a real chain


def stitched(school: School, file: DurableCredential) -> DurableCredential:
    """The header after the withdrawal, the state before it."""
    before = school.refreshed(file)
    school.revoke(file.credential.status_index)
    school.settle()
    after = school.refreshed(file)
    old, new = before.proof.home.evidence, after.proof.home.evidence
    assert old is not None
    assert new is not None
    return file.with_evidence(replace(new, nodes=old.nodes))


def of_another_slot(school: School, file: DurableCredential) -> DurableCredential:
    """Of the neighbour's sealed root and status word, in the same block."""
    neighbour = school.issue(99_999)
    school.settle()
    evidence = school.refreshed(neighbour).proof.home.evidence
    return file.with_evidence(evidence)


LOOKALIKE = "0x" + "1a" * 20


def lookalike(school: School, file: DurableCredential) -> DurableCredential:
    """The genuine code at another address, over a storage in which nothing is withdrawn."""
    rpc = school.anvil.rpc
    code = rpc("eth_getCode", registries.ISSUER_REGISTRY, "latest")
    rpc("anvil_setCode", LOOKALIKE, code)
    for slot in questions_of(file).issuer_slots():
        word = rpc(
            "eth_getStorageAt", registries.ISSUER_REGISTRY, f"0x{slot.hex()}", "latest"
        )
        rpc("anvil_setStorageAt", LOOKALIKE, f"0x{slot.hex()}", word)
    school.revoke(file.credential.status_index)
    school.settle()
    questions = replace(questions_of(file), issuer_registry=LOOKALIKE)
    number = school.reader.block(Tag.LATEST).number
    proofs = [
        school.reader.proof(registry, slots, number)
        for registry, slots in (
            (questions.anchor_registry, questions.anchor_slots()),
            (LOOKALIKE, questions.issuer_slots()),
        )
    ]
    pool = [node for proof in proofs for node in proof.pool]
    header = school.reader.header(number).raw
    evidence = build_evidence(header, pool, questions)
    assert not evidence.prove(questions).issuer.revoked  # the forger's own proof holds
    return file.with_evidence(evidence)


def questions_of(file: DurableCredential) -> Questions:
    return file.questions(registries.ANCHOR_REGISTRY, registries.ISSUER_REGISTRY)


def from_before_the_anchor(
    school: School, file: DurableCredential
) -> DurableCredential:
    questions = questions_of(file)
    number = file.proof.home.block_number - 1
    pool = [
        node
        for registry, slots in (
            (questions.anchor_registry, questions.anchor_slots()),
            (questions.issuer_registry, questions.issuer_slots()),
        )
        for node in school.reader.proof(registry, slots, number).pool
    ]
    header = school.reader.header(number).raw
    return file.with_evidence(build_evidence(header, pool, questions))


def stale(school: School, file: DurableCredential) -> DurableCredential:
    """The right state under a header that never was in the chain."""
    whole = school.refreshed(file)
    evidence = whole.proof.home.evidence
    assert evidence is not None
    fields = rlp.decode(evidence.header)
    assert isinstance(fields, list)
    fields[12] = b"made at home"  # extraData: nothing that is read
    return file.with_evidence(replace(evidence, header=rlp.encode(fields)))


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (stitched, "record.evidence_stitched"),
        (of_another_slot, "record.evidence_elsewhere"),
        (lookalike, "record.evidence_elsewhere"),
        (from_before_the_anchor, "record.evidence_too_old"),
        (stale, "record.evidence_other_block"),
    ],
)
def test_forged_evidence_is_refused_with_its_own_reason(
    school: School,
    damage: Callable[[School, DurableCredential], DurableCredential],
    code: str,
) -> None:
    file = school.issue(12)
    school.settle()
    forged = damage(school, file)

    online = school.check(forged.encode())
    assert online.verdict is Verdict.CONTRADICTED
    assert codes(online)[1] == code
    honest = school.offline(forged, checkpoints=[block_of(school.refreshed(file))])
    assert honest.verdict in {Verdict.CONTRADICTED, Verdict.INCOMPLETE}
    if damage is stale:
        assert codes(honest)[1] == "record.evidence_untrusted"
        # The one thing that no proof can show: whoever trusts a made-up hash is on his own.
        assert school.offline(forged).verdict is Verdict.GENUINE_AS_OF
    else:
        assert codes(school.offline(forged))[1] == code


def test_thousands_of_changed_bits_none_accepted(school: School) -> None:
    """Evidence as a real node gives it; each changed bit alone, with the genuine block trusted."""
    file = school.issue(13)
    school.settle()
    whole = school.refreshed(file)
    point = block_of(whole)
    evidence, questions = whole.proof.home.evidence, questions_of(file)
    assert evidence is not None
    facts, tried = evidence.prove(questions), 0
    for position, part in enumerate((evidence.header, *evidence.nodes)):
        for bit in range(position % 4, len(part) * 8, 4):
            changed = bytearray(part)
            changed[bit // 8] ^= 1 << bit % 8
            damaged = (
                replace(evidence, header=bytes(changed))
                if position == 0
                else replace(evidence, nodes=_with(evidence, position - 1, changed))
            )
            tried += 1
            if tried % 40 == 0:  # the whole verifier for some, its core for all
                report = school.offline(
                    file.with_evidence(damaged), checkpoints=[point]
                )
                assert report.verdict in {Verdict.CONTRADICTED, Verdict.INCOMPLETE}
            assert not _accepted(damaged, questions, facts, point.block_hash)
    assert tried > 3_000


def _with(evidence: Evidence, position: int, node: bytearray) -> tuple[bytes, ...]:
    nodes = list(evidence.nodes)
    nodes[position] = bytes(node)
    return tuple(nodes)


def _accepted(
    evidence: Evidence, questions: Questions, facts: RegistryFacts, trusted: bytes
) -> bool:
    try:
        proved = evidence.prove(questions)
    except LedgerError:
        return False
    return bool(evidence.block.hash == trusted or proved != facts)


# ---------------------------------------------------------------- which chain


def test_a_hash_of_a_test_chain_is_none_of_main_net(school: School) -> None:
    file = school.issue(14)
    school.settle()
    whole = school.refreshed(file)
    as_main_net = replace(block_of(whole), chain_id=1)

    report = school.offline(whole, checkpoints=[as_main_net])
    assert report.verdict is Verdict.INCOMPLETE
    assert codes(report)[1] == "record.evidence_other_chain"


def test_a_file_that_says_main_net_is_not_proved_by_a_test_chain(
    school: School,
) -> None:
    """Signed for chain 1, anchored and registered on a chain for tests."""
    on_main = replace(REFERENCE, chain_id=1)
    file = school.issue(15, reference=on_main)
    school.settle()
    questions = questions_of(file)
    number = school.reader.block(Tag.FINALIZED).number
    pool = [
        node
        for registry, slots in (
            (questions.anchor_registry, questions.anchor_slots()),
            (questions.issuer_registry, questions.issuer_slots()),
        )
        for node in school.reader.proof(registry, slots, number).pool
    ]
    header = school.reader.header(number).raw
    forged = file.with_evidence(build_evidence(header, pool, questions))
    main_net = replace(school.network, chain_id=1, name="Main", test=False)
    point = replace(block_of(forged), chain_id=CHAIN)

    now = datetime.fromtimestamp(school.now, UTC)

    report = verify(
        forged.encode(),
        readers=[],
        networks=[main_net],
        checkpoints=[point],
        trust=None,
        now=now,
    )
    assert report.verdict is Verdict.INCOMPLETE
    assert codes(report)[1] == "record.evidence_other_chain"
    # The node of the test chain speaks for itself alone.
    report = verify(
        forged.encode(),
        readers=[school.reader],
        networks=[main_net],
        trust=None,
        now=now,
    )
    assert report.verdict is Verdict.INCOMPLETE
    assert codes(report)[1] == "record.no_address"


# ---------------------------------------------------------------- keys, to the second


def test_a_key_ends_to_the_second(school: School) -> None:
    end = school.now + 100
    school.act(acts.end_key(DOMAIN, SCHOOL_ID, KEY.public.key_id, end, BY_CONTROLLER))
    last = school.issue(20, at=end - 1)
    late = school.issue(21, at=end)

    assert both(school, last) == ("issuer.trusted", "record.final")
    assert both(school, late) == ("issuer.key_ended", "record.final")


def test_a_compromise_counts_to_the_second(school: School) -> None:
    since = school.now + 100
    last = school.issue(22, at=since - 1)
    late = school.issue(23, at=since)
    school.act(
        acts.compromise_key(DOMAIN, SCHOOL_ID, KEY.public.key_id, since, BY_RECOVERY)
    )

    assert both(school, last) == ("issuer.trusted", "record.final")
    assert both(school, late) == ("issuer.key_compromised", "record.final")


def test_a_close_counts_to_the_second(school: School) -> None:
    moment = school.now + 100
    last = school.issue(24, at=moment - 1)
    close = acts.close(DOMAIN, SCHOOL_ID, bytes(32), bytes(32), BY_RECOVERY)
    school.act_at(moment, close)
    late = school.issue(25, at=moment)

    assert both(school, last) == ("issuer.trusted", "record.final")
    assert both(school, late) == ("issuer.closed", "record.final")


def test_a_key_that_is_recorded_after_the_anchor_never_counts(school: School) -> None:
    """To the second, too: recorded in the anchor's own second it does."""
    opened = school.now + 100
    early = school.issue(27, key=THIEF, at=opened - 1)
    add = acts.add_key(
        DOMAIN, SCHOOL_ID, THIEF.public.key_id, acts.SIGNING, FOREVER, CONTROLLER
    )
    school.act_at(opened, add)
    later = school.issue(28, key=THIEF, at=opened)

    assert both(school, early) == ("issuer.key_too_early", "record.final")
    assert both(school, later) == ("issuer.trusted", "record.final")


def test_a_revoking_key_signs_nothing(school: School) -> None:
    file = school.issue(29, key=SigningKey.from_seed(b"\x67" * 32))

    assert both(school, file) == ("issuer.key_unknown", "record.final")


def test_an_unanchored_file_under_an_ended_key_is_contradicted(school: School) -> None:
    file = school.issue(30)
    school.pass_time(10)
    school.act(acts.end_key(DOMAIN, SCHOOL_ID, KEY.public.key_id, 0, BY_CONTROLLER))
    school.settle()

    report = school.check(file.credential.data)
    assert report.verdict is Verdict.CONTRADICTED
    assert codes(report)[0] == "issuer.key_ended"
    assert school.check(file.encode()).verdict is Verdict.GENUINE


# ---------------------------------------------------------------- a thief of the controller


def test_a_thief_of_the_controller_cannot_take_kill_or_rewrite_the_identity(
    school: School,
) -> None:
    before = school.issue(31)
    school.pass_time(10)
    school.settle()
    past = before.proof.home.time
    mine = address_of(CONTROLLER)
    commitment = recovery_commitment(mine)
    for act in (
        acts.rotate(
            DOMAIN,
            SCHOOL_ID,
            mine,
            commitment,
            recovery_acts=0,
            authority=BY_CONTROLLER,
        ),
        acts.close(DOMAIN, SCHOOL_ID, bytes(32), bytes(32), BY_CONTROLLER),
        acts.compromise_key(DOMAIN, SCHOOL_ID, KEY.public.key_id, past, BY_CONTROLLER),
        acts.reinstate(
            DOMAIN, SCHOOL_ID, 0, 1, recovery_acts=0, authority=BY_CONTROLLER
        ),
        acts.withdraw(DOMAIN, BOARD_ID, SCHOOL_ID, SCHOOL.hash, past, BY_CONTROLLER),
    ):
        assert school.is_refused(act), act.kind
    assert both(school, before) == ("issuer.trusted", "record.final")


def test_a_thief_of_the_controller_does_not_sign_for_ever(school: School) -> None:
    """He opens a key of his own; the recovery key takes it away from the beginning."""
    before = school.issue(32)
    school.pass_time(10)
    add = acts.add_key(
        DOMAIN, SCHOOL_ID, THIEF.public.key_id, acts.SIGNING, FOREVER, CONTROLLER
    )
    stolen = school.act(add).time
    forged = school.issue(33, key=THIEF)
    assert both(school, forged) == ("issuer.trusted", "record.final")

    fresh = b"\x68" * 32
    school.act(
        acts.rotate(
            DOMAIN,
            SCHOOL_ID,
            address_of(fresh),
            recovery_commitment(address_of(b"\x69" * 32)),
            recovery_acts=0,
            authority=BY_RECOVERY,
        )
    )
    again = acts.add_key(
        DOMAIN, SCHOOL_ID, b"\x70" * 32, acts.SIGNING, FOREVER, CONTROLLER
    )
    assert school.is_refused(again)
    school.act(
        acts.compromise_key(
            DOMAIN,
            SCHOOL_ID,
            THIEF.public.key_id,
            stolen,
            acts.Authority(b"\x69" * 32, FOREVER),
        )
    )

    assert both(school, forged) == ("issuer.key_compromised", "record.final")
    assert both(school, school.issue(34, key=THIEF))[0] == "issuer.key_compromised"
    assert both(school, before) == ("issuer.trusted", "record.final")


# ---------------------------------------------------------------- look-alikes and other issuers


def test_a_lookalike_registry_with_the_genuine_code_is_no_registry(
    school: School,
) -> None:
    """The signed bytes name it; the code is genuine, the storage is what the forger likes."""
    code = school.anvil.rpc("eth_getCode", registries.ISSUER_REGISTRY, "latest")
    school.anvil.rpc("anvil_setCode", LOOKALIKE, code)
    file = school.issue(35, reference=replace(REFERENCE, registry=LOOKALIKE))
    school.settle()

    online = school.check(file.encode())
    assert online.verdict is Verdict.CONTRADICTED
    assert codes(online)[0] == "issuer.other_registry"
    other = school.issue(36)
    school.settle()
    genuine = school.refreshed(other)
    forged = file.with_evidence(genuine.proof.home.evidence)
    report = school.offline(forged, checkpoints=[block_of(genuine)])
    assert report.verdict is Verdict.CONTRADICTED
    assert codes(report)[0] == "issuer.other_registry"


def test_a_profile_that_was_endorsed_for_another_issuer_endorses_only_that_one(
    school: School,
) -> None:
    commitment = recovery_commitment(address_of(RECOVERY))
    salt = b"\x01" * 32
    school.act(
        acts.register(DOMAIN, address_of(CONTROLLER), commitment, SCHOOL.hash, salt)
    )
    other = issuer_id(CHAIN, address_of(CONTROLLER), commitment, SCHOOL.hash, salt)
    school.act(acts.endorse(DOMAIN, BOARD_ID, other, SCHOOL.hash, 0, BY_CONTROLLER))
    file = school.issue(37)
    school.settle()

    online = school.check(file.encode(), trust=BY_BOARD)
    assert codes(online)[0] == "issuer.unknown"
    told = school.refreshed(file, BY_BOARD)
    assert codes(school.offline(told, trust=BY_BOARD))[0] == "issuer.unknown"


def test_what_a_thief_of_the_controller_withdrew_is_given_back(school: School) -> None:
    file = school.issue(40)
    school.settle()
    thief, fresh = b"\x6a" * 32, b"\x6b" * 32
    name = key_id(address_of(thief))
    stolen = school.act(
        acts.add_key(DOMAIN, SCHOOL_ID, name, acts.REVOKING, FOREVER, CONTROLLER)
    ).time

    def revoke(recovery_acts: int) -> acts.Act:
        return acts.revoke(
            DOMAIN,
            SCHOOL_ID,
            0,
            1 << 40,
            recovery_acts=recovery_acts,
            deadline=FOREVER,
            secret=thief,
        )

    school.act(revoke(0))
    school.settle()
    assert school.check(file.encode()).verdict is Verdict.WITHDRAWN
    school.act(acts.compromise_key(DOMAIN, SCHOOL_ID, name, stolen, BY_RECOVERY))
    school.act(
        acts.reinstate(
            DOMAIN, SCHOOL_ID, 0, 1 << 40, recovery_acts=0, authority=BY_RECOVERY
        )
    )
    next_recovery = recovery_commitment(address_of(b"\x6c" * 32))
    school.act(
        acts.rotate(
            DOMAIN,
            SCHOOL_ID,
            address_of(fresh),
            next_recovery,
            recovery_acts=1,
            authority=BY_RECOVERY,
        )
    )
    assert school.is_refused(revoke(2))
    school.settle()
    assert school.check(file.encode()).verdict is Verdict.GENUINE
    assert school.offline(school.refreshed(file)).verdict is Verdict.GENUINE_AS_OF


def test_the_schools_key_under_a_strangers_issuer_id_hides_no_withdrawal(
    school: School,
) -> None:
    """The signed bytes name the record in which the status bit is; another one is not asked."""
    commitment = recovery_commitment(address_of(THIEF.seed))
    school.act(
        acts.register(
            DOMAIN, address_of(THIEF.seed), commitment, SCHOOL.hash, bytes(32)
        )
    )
    own = issuer_id(CHAIN, address_of(THIEF.seed), commitment, SCHOOL.hash, bytes(32))
    school.act(
        acts.add_key(DOMAIN, own, KEY.public.key_id, acts.SIGNING, FOREVER, THIEF.seed)
    )
    file = school.issue(41)
    school.revoke(41)
    school.settle()

    assert school.check(file.encode()).verdict is Verdict.WITHDRAWN
    assert school.offline(school.refreshed(file)).verdict is Verdict.WITHDRAWN
    # What the stranger signs himself under that id is known to nobody.
    under_own = school.issue(42, reference=replace(REFERENCE, issuer_id=own))
    assert both(school, under_own) == ("issuer.unknown", "record.final")
